/* A worker's passes: what is measured beside time, each in a process of its own, so that none disturbs another. */
#ifndef POOLBUF_BENCH_WORKER_PASS_H
#define POOLBUF_BENCH_WORKER_PASS_H

#include "measure/stream_image.h"
#include "measure/worker.h"

/* worker_pass_name() is the pass's word on a worker's command line, in results and for people; NULL for time and
 * beyond. */
const char *worker_pass_name(worker_pass pass);
bool worker_pass_find(const char *name, worker_pass *out);

/* worker_pass_measure() does the job's pass and puts its numbers into report->passes; report->status says how it
 * went. */
void worker_pass_measure(const worker_job *job, const stream_image *image, worker_report *report);

#endif
