/* Ranks over all scenarios of a run. */
#ifndef POOLBUF_BENCH_RANK_H
#define POOLBUF_BENCH_RANK_H

#include "reports/model.h"

/* rank_subjects() replaces a model's ranks by those that its samples say.
 * A subject's figure is the geometric mean, over the scenarios, of its ratio to the baseline; only subjects that are
 * fine in all scenarios are ranked, since a mean over fewer would be of something else. Intervals come from
 * resampling rounds, the same ones in each scenario, because a round plays them all; they need 6 rounds. A model of
 * one scenario, or without a baseline, has no ranks. The null subject takes no part. */
void rank_subjects(results_model *model);

#endif
