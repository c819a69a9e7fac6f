/* Every stack of a leaks model, and what to do after their frames got names that the process that wrote them did not know. */
#ifndef POOLBUF_REPORTS_LEAKS_STACKS_H
#define POOLBUF_REPORTS_LEAKS_STACKS_H

#include "reports/model.h"

/* leaks_stacks_visit() shows every stack: of allocations, accesses, holders' sites and their callers, and misuses. The visitor
 * may put another list in its place, of frames from leaks_frame_create(). */
typedef void leaks_stack_visitor(leaks_model *model, leaks_frame ***stack, size_t *count, void *context);
void leaks_stacks_visit(leaks_model *model, leaks_stack_visitor *visitor, void *context);

/* leaks_stack_trim() cuts what the detector would not have kept, had it known the names: what lies below main or a thread's
 * first function, and inline functions of poolbuf's headers on top. */
void leaks_stack_trim(leaks_frame **stack, size_t *count);

/* What fingerprints are made with: FNV-1a, of texts with an end, and of a number's bytes up to the highest that is not 0. */
#define LEAKS_FIRST_HASH 0xcbf29ce484222325u
uint64_t leaks_hash_text(uint64_t hash, const char *text);
uint64_t leaks_hash_number(uint64_t hash, uint64_t number);

/* leaks_model_renumber() numbers anew the fingerprints of sites that share their functions, where two have the same. */
void leaks_model_renumber(leaks_model *model);

/* leaks_model_refold() gives groups of the built-in detector the fingerprints that they have where names are known when the
 * report is written, and joins those that now read alike. Returns a new model; the old one is gone. */
leaks_model *leaks_model_refold(leaks_model *model);

/* What a misuse is called, without the numbers of this one: what stands before a colon. */
const char *leaks_misuse_kind(const leaks_model *model, const leaks_misuse *misuse);

/* A name for a misuse that stays while lines, addresses and numbers change, and that no other of the model has: of its kind and
 * the functions of its stacks, numbered in the order of lines where these are the same. */
const char *leaks_misuse_fingerprint(const leaks_model *model, const leaks_misuse *misuse);

#endif
