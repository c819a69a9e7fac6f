/* Provenance as short lines: the same words in the terminal, in Markdown and on the page. A line is NULL if nothing is
 * known; lines live as long as the model they are about. */
#ifndef POOLBUF_REPORTS_FACTS_H
#define POOLBUF_REPORTS_FACTS_H

#include "reports/model.h"

/* "AMD EPYC 7763, 2 cores, 23.5 GiB, Linux 6.1.0, kvm" */
const char *results_host_facts(const results_model *model);
/* "poolbuf 0.1.0, gcc 12.2.0, Release (-O2 -g -DNDEBUG)" */
const char *results_build_facts(const results_model *model);
/* "suite default, 10 rounds, seed 1, leak level disabled, 2026-01-31T12:00:00Z" */
const char *results_run_facts(const results_model *model);
/* "malloc: /lib/x86_64-linux-gnu/libc.so.6 2.36 (libc6 2.36-9)"; NULL for a subject of our own */
const char *results_subject_facts(const results_model *model, const results_subject *subject);
/* The command, quoted so that a shell reads the same arguments. */
const char *results_command_line(const results_model *model);
/* "2 threads, 1,000,000 operations, 500,000 allocations" */
const char *results_scenario_facts(const results_model *model, const results_scenario *scenario);

/* "tcmalloc: unavailable: libtcmalloc_minimal.so.4 was not found"; NULL for a result that is fine */
const char *results_failure(const results_model *model, const results_result *result);

/* What a reader should know before trusting the numbers, a sentence each; NULL from the last on. */
const char *results_caution(const results_model *model, size_t index);

/* Why peak resident can be below peak live, where that is so in a scenario; else NULL. */
const char *results_memory_caution(const results_scenario *scenario);

/* "Rounding up wastes, of what live buffers had room for: fixed 25 % (2.00 of 8.00 MiB).": the subjects of a scenario
 * that lose at least a twentieth to their sizes, worst first; NULL if none does, or none tells. */
const char *results_waste(const results_model *model, const results_scenario *scenario);

/* A version as tables show it: "jemalloc 5.3.0-0-g54eaed1d8b56b1aa" ends before the "-0-g". */
const char *results_short_version(const results_model *model, const char *version);

/* "base.json, 2026-01-31T12:00:00Z, poolbuf 0.1.0, AMD EPYC 7763, gcc 12.2.0, Release, 10 rounds" */
const char *compare_side_facts(const compare_model *model, const compare_side *side);

/* "examples/leaky (pid 42), level paranoid, every buffer tracked, reported at process exit after 1.2 s" */
const char *leaks_process_facts(const leaks_model *model, const leaks_process *process);
/* "exact: 3 live (768 B) of 1,000 allocated; tracked: 1 live of 8 seen" */
const char *leaks_exact_facts(const leaks_model *model, leaks_exact exact, leaks_tracked tracked);
/* "12 x poolbuf, 3.00 KiB": what a group holds */
const char *leaks_group_title(const leaks_model *model, const leaks_group *group);
/* "new", "grown: 5 in the baseline", "known"; NULL without a baseline */
const char *leaks_group_standing(const leaks_model *model, const leaks_group *group);
/* "64 B to 4.00 KiB, median about 512 B"; "1 KiB each"; NULL where they are not known */
const char *leaks_group_sizes(const leaks_model *model, const leaks_group *group);
/* "+7, +7,000 B, about +900 in all, 12 newer"; NULL where no growth was asked for */
const char *leaks_group_growth(const leaks_model *model, const leaks_group *group);
/* "all of them lost: nothing in the process refers to them any more"; NULL if none is */
const char *leaks_group_lost(const leaks_model *model, const leaks_group *group);
/* "line 5, "leak:x", limit passed"; NULL if no rule matches */
const char *leaks_group_lifted(const leaks_model *model, const leaks_group *group);
/* How much of a group's unit: "3.00 KiB", "12 pages" */
const char *leaks_group_amount(const leaks_model *model, const leaks_group *group, uint64_t size);
/* "2 x release of a buffer whose last reference is gone, thread io" */
const char *leaks_misuse_title(const leaks_model *model, const leaks_misuse *misuse);
/* What a sample of this density cannot have missed, and what else all processes have in common; NULL from the last on */
const char *leaks_model_remark(const leaks_model *model, size_t index);
/* "estimated 1,536 [790, 2,700] in all, oldest 1.2 s, newest 20 ms, thread main, seen in 2 processes" */
const char *leaks_group_facts(const leaks_model *model, const leaks_group *group);
/* "leaky.c:21", or module and offset when there is no line; NULL if nothing is known */
const char *leaks_frame_site(const leaks_model *model, const leaks_frame *frame);
/* "leak_one (leaky.c:21)" */
const char *leaks_frame_place(const leaks_model *model, const leaks_frame *frame);
/* "3 x retain, thread io-7, hint \"decoder\"" */
const char *leaks_access_title(const leaks_model *model, const leaks_access *access);

#endif
