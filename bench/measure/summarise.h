/* From samples to what they say: medians with their bounds, and ratios to the baseline. */
#ifndef POOLBUF_BENCH_SUMMARISE_H
#define POOLBUF_BENCH_SUMMARISE_H

#include <stddef.h>

#include "reports/model.h"

/* summarise_scenario() fills each result's time, memory and ratio from its samples, and the scenario's round trip.
 *   baseline  the subject that ratios refer to; samples are paired by their round.
 *   line_ns   round trips, reordered; their median is what the scenario gets.
 * The scenario's confidence is that of the ratios' intervals; where it is not set, 95 %.
 * Each result is also paired with the fastest one, which is what says whether there is a winner.
 * Results that are not RESULT_OK keep their samples and get no ratio. */
void summarise_scenario(const results_model *model, results_scenario *scenario, const char *baseline, double *line_ns,
                        size_t line_count);

/* summarise_is_clear() says, of a summarised scenario, whether more rounds could change an answer that matters: each
 * subject is separated from the baseline and from the fastest, or the same as it for any practical purpose. */
bool summarise_is_clear(const results_scenario *scenario);

#endif
