/* The metrics of `poolbuf compare` but for time: a row each that has a threshold.
 *
 * Where both sides have two numbers or more, of rounds or of processes, their ratio has an interval, and a regression
 * is beyond the threshold with an interval that does not reach back to "no change", as with time. Where one side has a
 * single number there is nothing to judge noise by: the threshold alone decides, and the row says so. */
#ifndef CLI_COMPARE_AMOUNTS_H
#define CLI_COMPARE_AMOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "reports/model.h"
#include "stats/stats.h"
#include "thresholds.h"

/* One subject in one scenario: BASE's and NEW's. */
typedef struct amounts_pair {
    const results_scenario *scenarios[2];
    const results_result *results[2]; /* both fine */
    const char *relative_to;          /* latency is taken relative to this subject's, in the same process; or NULL */
} amounts_pair;

/* NULL where there is none of that name; a NULL scenario has none. */
const results_scenario *results_find_scenario(const results_model *model, const char *name);
const results_result *results_find_result(const results_scenario *scenario, const char *subject);

/* A verdict on a ratio, unknown where it has no interval. */
model_verdict amounts_verdict(const stats_ratio *ratio);

/* amounts_missing() looks for thresholds that have nothing to judge.
 *   paths    of the two files.
 *   forced   latencies at different rates are compared all the same.
 *   returns  NULL, or what is wrong in a line, living as long as the arena. */
const char *amounts_missing(model_arena *arena, const thresholds *limits, const results_model *const sides[2],
                            const char *const paths[2], bool forced);

/* amounts_compare() adds the rows of one pair.
 * A metric that BASE has and NEW has not is a loss.
 *   returns  false without memory. */
bool amounts_compare(compare_model *model, const thresholds *limits, const amounts_pair *pair);

#endif
