/* Passes, as a run sees them: what is measured after its rounds, and where the numbers go. */
#ifndef POOLBUF_BENCH_PASSES_H
#define POOLBUF_BENCH_PASSES_H

#include <stdbool.h>
#include <stddef.h>

#include "measure/worker.h"
#include "reports/model.h"

/* passes_count() counts the passes in measure_plan.passes. */
size_t passes_count(unsigned passes);

/* passes_seconds() is how long a pass should take, where it may choose, given a timed part's seconds: quantiles as
 * far out as p99.99 need many operations. */
double passes_seconds(worker_pass pass, double timed_seconds);

/* passes_keep() puts what a worker measured into a result.
 *   problem  why it did not; NULL when it did. It becomes the pass's message.
 *   returns  whether there are numbers. */
bool passes_keep(results_model *model, results_result *result, worker_pass pass, const worker_report *report,
                 const char *problem);

#endif
