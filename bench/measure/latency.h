/* What single operations take: which clock it is read from, and quantiles of what subjects/timer.h has gathered.
 *
 * The clock is the processor's time-stamp counter where that counts at one speed whatever the processor does (CPUID
 * says so: invariant) and two calibrations against CLOCK_MONOTONIC agree within 0.1 %; clock_gettime(CLOCK_MONOTONIC)
 * elsewhere. Reading it costs time, a share of which lies inside every operation that is timed. That is measured,
 * told beside the result, and not subtracted: quantiles less than a few times the clock's own are the clock's, not
 * the subject's. */
#ifndef POOLBUF_BENCH_LATENCY_H
#define POOLBUF_BENCH_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "reports/model.h"
#include "subjects/timer.h"

typedef struct latency_clock {
    const char *name;             /* for people; static */
    uint64_t (*now)(void *clock); /* NULL: the time-stamp counter; for subject_timer */
    double ticks_per_ns;
    double cost_ns; /* what an operation that does nothing is timed at: the median */
} latency_clock;

/* latency_clock_choose() finds out about the clock; it takes about 20 ms where the counter is calibrated.
 *   threads  any. */
void latency_clock_choose(latency_clock *clock);

/* latency_clock_is_steady() says whether two calibrations, in ticks a nanosecond, are of one counter at one speed. */
bool latency_clock_is_steady(double one, double other);

/* latency_timers_create() makes a timer a thread.
 *   interval_ns  between the intended starts of one thread's operations; 0: a closed loop.
 *   returns      an array to be released with latency_timers_destroy(); NULL without memory. */
subject_timer *latency_timers_create(const latency_clock *clock, uint32_t count, double interval_ns);
void latency_timers_destroy(subject_timer *timers, uint32_t count); /* NULL is fine */

/* latency_tail_rank() says which of `count` values, counted from the largest, is the quantile that `tail` in 100,000
 * lie at or above: the 10th of 100,000 for p99.99. At least 1. A stall in every 10,000th operation is thus what
 * p99.99 shows. */
uint64_t latency_tail_rank(uint64_t count, uint64_t tail);

/* latency_bucket_most() is the largest number of ticks that falls into a bucket. */
uint64_t latency_bucket_most(uint32_t bucket);

/* latency_summarise() turns the timers of all threads into one result.
 *   arena   of the model that `out` is in.
 *   timers  their buckets are added up into the first one's, their sums too. */
void latency_summarise(model_arena *arena, const latency_clock *clock, subject_timer *timers, uint32_t count,
                       results_latency *out);

#endif
