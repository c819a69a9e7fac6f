/* One result from the processes of a latency pass.
 *
 * Processes differ from each other more than the parts of one do: where the allocator's chunks lie, which pages they
 * got, what else the machine did. So a pass is played in several, and two things are made of them: quantiles of all
 * operations together, from the sum of the histograms, and each process's own quantiles, whose median has an interval.
 *
 * Every process calibrates its clock, so one bucket's edges differ a little from process to process. Those within
 * LATENCY_SAME_EDGE are one bucket, which keeps the edge of the first; buckets of one process lie farther apart. */
#ifndef POOLBUF_BENCH_LATENCY_MERGE_H
#define POOLBUF_BENCH_LATENCY_MERGE_H

#include "reports/model.h"

#define LATENCY_SAME_EDGE 1.5e-3

/* latency_merge_add() adds what one process measured.
 *   arena  of the model that both are in.
 *   into   one of which nothing is known, or to which processes were added. Its quantiles are those of the first
 *          process until latency_merge_end(). */
void latency_merge_add(model_arena *arena, results_latency *into, const results_latency *from);

/* latency_merge_end() fills in the quantiles of all, and the spread over the processes. One process alone has none, and
 * keeps its figures as they are; where there was none, nothing happens. */
void latency_merge_end(results_latency *into);

#endif
