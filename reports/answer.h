/* Which allocator wins: the question a user has when opening a report, answered in a sentence and never beyond what the
 * numbers separate.
 *
 * In one scenario the subject with the lowest ratio to the baseline leads, and with it everyone whom the numbers do not
 * separate from it, by the ratio of both in pairs of the same round (results_result.to_fastest). Where a file lacks that,
 * their intervals over the baseline must not touch, which is stricter. One leader wins, and so has been separated from
 * each of the others; several are not separated. The null subject is the harness's own cost and takes no part.
 *
 * The sentences live as long as the model they are about. */
#ifndef POOLBUF_REPORTS_ANSWER_H
#define POOLBUF_REPORTS_ANSWER_H

#include "reports/model.h"

/* Who leads in a scenario, fastest first. Returns how many were put into `leaders`, at most `most`. */
size_t answer_leaders(const results_scenario *scenario, const results_result **leaders, size_t most);

/* "pooled wins: 0.32 of malloc's time [0.31, 0.33]; next fixed, 1.05 of pooled's [1.02, 1.08]", "pooled and fixed are not separated", "nothing could be measured". */
const char *answer_scenario(const results_model *model, const results_scenario *scenario);

/* "pooled wins 3 of 5 scenarios, fixed 1; not separated: handoff (pooled, mimalloc)". */
const char *answer_overall(const results_model *model);

/* "2 leaking call stacks: 990 leaked in all (99.0 KiB); seen with a stack: 12 (1.20 KiB)" and its like; "no leak found". */
const char *answer_leaks(const leaks_model *model);

/* "50 buffers leaked, none of them sampled: run again with ..."; NULL where that is not so, or not known. */
const char *answer_unsampled(const leaks_model *model);

/* "2 regressions: ..." / "no regression: 3 faster, 1 slower by less than 5 %, 4 not separated". */
const char *answer_compare(const compare_model *model);

/* What to say where no times could be compared: whether anything else was. */
const char *answer_compare_unchecked(const compare_model *model);

/* Medians over a result's samples, for what the model does not summarise; NaN if nothing is known. */
double answer_median_count(const results_result *result, size_t offset_in_sample);

#endif
