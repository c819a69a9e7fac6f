/* What a report is about, as plain data with units: benchmark results, leak findings, and a comparison of two results.
 *
 * The harness fills results_model, the leaks subcommand fills leaks_model, the compare subcommand fills compare_model;
 * the readers of json_*.c fill the first two from files; every writer only reads them. Nothing here computes: statistics
 * belong to bench/stats, wording and units to the writers.
 *
 * Ownership is one rule: a model owns all that hangs from it, and *_model_destroy() frees it at once. Nodes come from
 * *_add_*() and keep their address for the model's life; texts are `const char *` and are either static or copied into
 * the model by model_text(). Nobody frees a part.
 *
 *   results_model                       leaks_model                     compare_model
 *    +- host, build, run                 +- processes[]                  +- base, new (where they came from)
 *    +- subjects[]                       +- groups[]                     +- rows[]: scenario x subject
 *    +- scenarios[]                          +- allocation_stack[]       +- remarks[]
 *        +- results[]: one a subject         +- accesses[] -> stack[]
 *            +- samples[] -> phases[]
 *
 * Unknown is not zero: a double that is not known is NaN, a count that is not known is MODEL_UNKNOWN, a text that is not
 * known is NULL. JSON has null for all three, and the tables a dash. *_add_*() returns nodes in which all is unknown.
 * Counts go up to INT64_MAX, which is where JSON's readers end. Running out of memory ends the program with one line:
 * a report cannot be made without memory, and half a report would be taken for a whole one. */
#ifndef POOLBUF_REPORTS_MODEL_H
#define POOLBUF_REPORTS_MODEL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_UNKNOWN  UINT64_MAX
#define MODEL_NAN      ((double)NAN) /* NAN itself is a float */
#define RESULTS_SCHEMA "poolbuf.results/1"
#define LEAKS_SCHEMA   "poolbuf.leaks/1"
#define COMPARE_SCHEMA "poolbuf.compare/1"
/* The subject that hands out the same memory again and again: what is left is the harness's own cost. It never wins. */
#define MODEL_NULL_SUBJECT "null"

/* The memory behind one model; opaque, released as a whole. */
typedef struct model_arena model_arena;

typedef struct model_estimate {
    double median, low, high; /* low and high bound the 95 % confidence interval */
} model_estimate;

/* ---- benchmark results: results.json, schema poolbuf.results/1 ---- */

typedef enum result_status {
    RESULT_OK,
    RESULT_FAILED,
    RESULT_UNAVAILABLE,
    RESULT_UNSUPPORTED,
    RESULT_STATUS_COUNT
} result_status;

typedef enum model_verdict {
    VERDICT_UNKNOWN, /* no ratio could be formed */
    VERDICT_BASELINE,
    VERDICT_FASTER,
    VERDICT_SLOWER,
    VERDICT_NOT_SEPARATED,
    MODEL_VERDICT_COUNT
} model_verdict;

typedef struct results_host {
    const char *cpu, *kernel, *virtualization; /* virtualization: "none", "kvm", "docker", ... */
    uint64_t cores, memory_bytes;
} results_host;

typedef struct results_build {
    const char *compiler, *type, *flags;
} results_build;

typedef struct results_run {
    const char *suite, *leak_level, *baseline_subject;
    uint64_t seed, rounds;
    bool quick;
} results_run;

typedef struct results_subject {
    const char *name, *note, *library, *version, *package; /* library: the path that really served */
    bool available;
} results_subject;

typedef struct results_phase {
    const char *name;
    uint64_t live_buffers, live_bytes; /* at the phase's end: sum of requested sizes */
} results_phase;

typedef struct results_sample {
    uint64_t round, position; /* which round, and which place in its order; both from 1 */
    double time_ns_per_op;
    uint64_t operations;
    uint64_t peak_live_bytes, peak_resident_bytes, resident_growth_bytes;
    uint64_t page_faults_minor,
        page_faults_major; /* of one play of the scenario, after it was played once to warm up */
    results_phase **phases;
    size_t phase_count;
} results_sample;

typedef struct results_ratio {
    double estimate, low, high; /* subject's time over the baseline's, paired by round: below 1 is faster */
    model_verdict verdict;
} results_ratio;

typedef struct results_result {
    const char *subject;
    result_status status;
    const char *message; /* why, when status is not RESULT_OK */
    results_sample **samples;
    size_t sample_count;
    model_estimate time_ns_per_op, peak_resident_bytes;
    results_ratio ratio;
    /* The same over the time of the scenario's fastest subject, which has VERDICT_BASELINE here: 1 and up, by estimate.
     * The null subject has none. */
    results_ratio to_fastest;
} results_result;

typedef struct results_scenario {
    const char *name, *asks, *source, *file; /* source: "generated" or where the trace was recorded */
    uint64_t threads, operations, allocations;
    const char **phases; /* names */
    size_t phase_count;
    double line_round_trip_ns; /* a cache line's way to the other core and back; NaN when single-threaded */
    results_result **results;
    size_t result_count;
} results_scenario;

typedef struct results_model {
    const char *created, *tool_version; /* created: UTC, ISO 8601, such as 2026-01-31T12:00:00Z */
    const char **command;
    size_t command_count;
    results_host host;
    results_build build;
    results_run run;
    results_subject **subjects;
    size_t subject_count;
    results_scenario **scenarios;
    size_t scenario_count;
    model_arena *arena;
} results_model;

results_model *results_model_create(void);
void results_model_destroy(results_model *model); /* NULL is fine */
void results_model_add_command(results_model *model, const char *argument);
results_subject *results_model_add_subject(results_model *model, const char *name);
results_scenario *results_model_add_scenario(results_model *model, const char *name);
void results_scenario_add_phase(results_model *model, results_scenario *scenario, const char *name);
results_result *results_scenario_add_result(results_model *model, results_scenario *scenario, const char *subject);
results_sample *results_result_add_sample(results_model *model, results_result *result);
results_phase *results_sample_add_phase(results_model *model, results_sample *sample, const char *name);

/* ---- leak findings: leaks.json, schema poolbuf.leaks/1, of one process or merged from several ---- */

typedef enum leaks_tool {
    LEAKS_TOOL_BUILTIN,
    LEAKS_TOOL_VALGRIND,
    LEAKS_TOOL_COUNT
} leaks_tool;

typedef struct leaks_exact {
    uint64_t live_buffers, live_bytes, allocated; /* counted, not sampled */
} leaks_exact;

typedef struct leaks_tracked {
    uint64_t seen, live; /* how many allocations the sample took, and how many of them are still alive */
    uint64_t untracked;  /* taken by the sample, but there was no room to follow them */
    uint64_t inherited;  /* tracked in the parent before a fork; in no group */
    uint64_t not_listed; /* alive, but in no group, because there were too many stacks */
} leaks_tracked;

/* What suppression rules keep out of the groups; the exact counts include it. In a sample, buffers and bytes are
 * estimates. */
typedef struct leaks_suppressed {
    uint64_t groups, live_buffers, live_bytes;
} leaks_suppressed;

/* One rule of POOLBUF_LEAK_SUPPRESSIONS, and what it matched. */
typedef struct leaks_suppression {
    const char *file, *rule, *state; /* state: "unused", "used", "limit passed", "expired" */
    const char *until, *reason;
    uint64_t line, groups, count, bytes, limit_count, limit_bytes;
} leaks_suppression;

/* One report of one process: a program that destroys an allocator and then exits writes two. */
typedef struct leaks_process {
    uint64_t pid;
    const char *program, *command, *level, *reason; /* reason: "process exit", "allocator destroyed", "on request" */
    uint64_t sampling_interval, uptime_ms;
    leaks_exact exact;
    leaks_tracked tracked;
    leaks_suppressed suppressed;
} leaks_process;

typedef struct leaks_frame {
    const char *address, *module, *build_id, *function, *file; /* address: "0x..." */
    uint64_t offset, line;                                     /* offset: bytes from the module's load base */
    bool inlined;
} leaks_frame;

typedef struct leaks_access {
    const char *kind, *hint, *thread; /* kind: "retain", "release", "touch", ... */
    uint64_t count;
    leaks_frame **stack;
    size_t stack_count;
} leaks_access;

typedef struct leaks_estimate {
    double value, low, high;
} leaks_estimate;

typedef struct leaks_age {
    uint64_t oldest, newest; /* milliseconds */
} leaks_age;

typedef struct leaks_group {
    const char *fingerprint; /* 16 hexadecimal digits, stable between runs */
    const char *type;        /* "poolbuf", or what the resource was called */
    const char *kind;        /* Memcheck's word, such as "definitely lost"; NULL from the built-in detector */
    const char *thread;
    uint64_t count, bytes;          /* as found: with sampling, of the tracked ones */
    leaks_estimate estimated_count; /* what the sample says about all of them, with its 95 % interval */
    leaks_age age_ms;
    uint64_t processes; /* in how many processes the group was seen */
    leaks_frame **allocation_stack;
    size_t allocation_stack_count;
    leaks_access **accesses;
    size_t access_count;
    uint64_t accesses_dropped;
} leaks_group;

typedef struct leaks_model {
    leaks_tool tool;
    leaks_process **processes;
    size_t process_count;
    leaks_group **groups;
    size_t group_count;
    leaks_suppression **suppressions;
    size_t suppression_count;
    model_arena *arena;
} leaks_model;

leaks_model *leaks_model_create(void);
void leaks_model_destroy(leaks_model *model); /* NULL is fine */
leaks_process *leaks_model_add_process(leaks_model *model);
leaks_group *leaks_model_add_group(leaks_model *model, const char *fingerprint);
leaks_frame *leaks_group_add_frame(leaks_model *model, leaks_group *group);
leaks_access *leaks_group_add_access(leaks_model *model, leaks_group *group, const char *kind);
leaks_frame *leaks_access_add_frame(leaks_model *model, leaks_access *access);
/* Take all processes and groups of `from`, as copies, into `into`. Groups with the same fingerprint, type and kind become
 * one: counts, bytes and estimates add up (the interval's ends too, which is wider than needed and never too narrow),
 * ages span both, accesses with the same kind, hint, thread and stack add their counts. */
void leaks_model_merge(leaks_model *into, const leaks_model *from);
/* What all processes counted exactly; MODEL_UNKNOWN where no process knows. */
leaks_exact leaks_model_exact(const leaks_model *model);
leaks_tracked leaks_model_tracked(const leaks_model *model);
leaks_suppressed leaks_model_suppressed(const leaks_model *model); /* 0 where no process knows */
leaks_exact leaks_model_unsuppressed(const leaks_model *model);    /* leaks_model_exact() less what is suppressed */

/* ---- comparison of two results: poolbuf compare ---- */

typedef struct compare_side {
    const char *file, *created, *tool_version, *cpu, *kernel, *compiler, *build_type;
    uint64_t rounds;
} compare_side;

typedef struct compare_row {
    const char *scenario, *subject;
    model_estimate base_ns_per_op, new_ns_per_op;
    results_ratio ratio; /* new over base: below 1 is faster */
    bool regression;     /* slower, and by more than the threshold: what the exit code answers for */
    const char *note;    /* why there is no verdict, such as "only in BASE" */
} compare_row;

typedef struct compare_model {
    compare_side base, new;
    double threshold_percent;
    compare_row **rows;
    size_t row_count;
    const char **remarks; /* what makes the two hard to compare, such as different hosts */
    size_t remark_count;
    model_arena *arena;
} compare_model;

compare_model *compare_model_create(void);
void compare_model_destroy(compare_model *model); /* NULL is fine */
compare_row *compare_model_add_row(compare_model *model, const char *scenario, const char *subject);
void compare_model_add_remark(compare_model *model, const char *remark);
size_t compare_model_regressions(const compare_model *model);

/* ---- texts ---- */

/* A copy of the text that lives as long as the model whose arena this is; NULL stays NULL. */
const char *model_text(model_arena *arena, const char *text);
const char *model_text_format(model_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For the readers: zeroed memory of the model's, and one more pointer at the end of a list. */
void *model_allocate(model_arena *arena, size_t size);
void model_append(model_arena *arena, void *list, size_t *count, const void *item);

const char *result_status_name(result_status status); /* "ok", "failed", "unavailable", "unsupported" */
const char *
model_verdict_name(model_verdict verdict); /* "faster", "slower", "not separated", "baseline"; else "unknown" */
const char *leaks_tool_name(leaks_tool tool);

#endif
