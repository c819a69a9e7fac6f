/* Passes, as a run sees them: what is measured after its rounds, and where the numbers go. */
#ifndef POOLBUF_BENCH_PASSES_H
#define POOLBUF_BENCH_PASSES_H

#include <stdbool.h>
#include <stddef.h>

#include "measure/worker.h"
#include "reports/model.h"

/* In how many processes latency is measured: the least that bound a median with 95 % (stats/stats.h). */
enum {
    PASSES_LATENCY_PROCESSES = 6
};

/* passes_processes() says in how many processes a pass is measured: latency in PASSES_LATENCY_PROCESSES, other passes in
 * one, since memory waits for its idle time and callgrind counts the same again.
 *   rounds        of the run; never more than these.
 *   play_seconds  at a fixed rate: a play's. All processes together take at most MEASURE_RATE_SECONDS_MAX. */
uint32_t passes_processes(worker_pass pass, uint32_t rounds, double play_seconds);

/* passes_seconds() is how long one process of a pass should take, where it may choose, given a timed part's seconds:
 * quantiles as far out as p99.99 need many operations, which all processes together have. */
double passes_seconds(worker_pass pass, double timed_seconds, uint32_t processes);

/* passes_keep() puts what a worker measured into a result, to what other processes of the pass measured.
 *   problem  why it did not; NULL when it did. It becomes the pass's message, and the pass has no numbers.
 *   returns  whether there are numbers. */
bool passes_keep(results_model *model, results_result *result, worker_pass pass, const worker_report *report,
                 const char *problem);

/* passes_has_failed() says whether a process of this pass had no numbers: no other needs to be started. */
bool passes_has_failed(const results_result *result, worker_pass pass);

/* passes_end() makes one result of all processes of a pass, however many there were. */
void passes_end(results_result *result, worker_pass pass);

#endif
