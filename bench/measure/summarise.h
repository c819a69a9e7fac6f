/* From samples to what they say: medians with their bounds, and ratios to the baseline. */
#ifndef POOLBUF_BENCH_SUMMARISE_H
#define POOLBUF_BENCH_SUMMARISE_H

#include <stddef.h>

#include "reports/model.h"

/* summarise_scenario() fills each result's time, memory and ratio from its samples, and the scenario's round trip.
 *   baseline  the subject that ratios refer to; samples are paired by their round.
 *   line_ns   round trips, reordered; their median is what the scenario gets.
 * Each result is also paired with the fastest one, which is what says whether there is a winner.
 * Results that are not RESULT_OK keep their samples and get no ratio. */
void summarise_scenario(const results_model *model, results_scenario *scenario, const char *baseline, double *line_ns,
                        size_t line_count);

#endif
