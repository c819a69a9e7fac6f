/* Which allocations are tracked.
 *
 * A thread counts down from a random gap; the allocation on which it reaches zero is sampled. Gaps are geometric: each
 * allocation is sampled with the same probability p, independently of all others, so no periodic program can hide from
 * the sample, and a sampled one stands for weight = 1/p allocations (Horvitz and Thompson), whatever p was then.
 *
 * p is not constant. The first `dense_start` allocations of the process are all sampled; after that p falls as
 * dense_start / n, n being the number of allocations so far, until it meets 1/interval, where it stays:
 *
 *     p  1 |-----.
 *          |      `-._                      n = dense_start            all sampled
 *          |          `--..____             n = dense_start * interval  the plain 1 in interval begins
 *        0 +------------------------ n
 *
 * Why: at a plain 1 in 128, a site that leaks 300 of 1,000,000 buffers is missed in e^-2.3 = 10 % of all runs, and a
 * test that makes 1,000 buffers shows nothing at all. The dense start costs about dense_start * ln interval samples
 * more in the life of a process, 20,000 at the defaults, which is some 6 ms, and then nothing. With leaks spread
 * evenly over a run of 1,000,000 allocations the expected samples of that site rise from 2.3 to 8.3, and its misses
 * fall from 10 % to 0.03 %: test_sampler counts 17 misses in 200 seeded runs without the dense start and none with
 * it. What begins to leak late in a long run is found at the plain rate: a site that has leaked k buffers since then
 * is missed with (127/128)^k.
 *
 * By bytes. With `bytes` = B an allocation of s bytes is to be tracked with probability w(s) = 1 - e^(-s/B), that of
 * at least one event among its bytes when these have one in B each: large ones are seen sooner, small ones cost less.
 * But whoever counts down counts allocations, not bytes, and must not look at sizes. So the sample is thinned: gaps
 * are drawn at a rate c that no size depends on, and what stands at their end, a candidate, is taken with probability
 * w(s) / c, at most 1.
 *
 *     all allocations --- c ---> candidates --- min(1, w / c) ---> tracked, with probability min(c, w) in all
 *
 * The totals are unbiased whatever c and w are: a candidate has probability c and is taken with probability a, two
 * draws that know nothing of each other, and stands for 1/(c a) if it is taken. So each allocation adds c a / (c a),
 * which is 1, to the expected count, and its size to the expected bytes, even where c or w changes from one to the
 * next. Where w exceeds c, closeness is lost, not truth: no allocation is tracked more often than c, which is 1 in
 * SAMPLER_LOOK, or 1 in interval if that is more. At B = 512 KiB that matters from 16 KiB on. Looking at every one
 * would follow w all the way, and would take every allocation off the fast path.
 *
 * The price is one look in 32 allocations, some 70 ns each: 2 ns an allocation, whether or not anything is tracked.
 * The dense start stays as it is: w is never below dense_start / n. What has no size (s = 0) is sampled 1 in interval. */
#ifndef LEAKDETECT_SAMPLER_H
#define LEAKDETECT_SAMPLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gap_table.h"

enum {
    SAMPLER_INTERVAL_DEFAULT = 128,
    SAMPLER_DENSE_START_DEFAULT = 4096,
    SAMPLER_LOOK = 32 /* by bytes: allocations from one candidate to the next, on average, at most */
};

/* One population: all threads that allocate the same kind of thing. */
typedef struct sampler {
    uint32_t interval;      /* at least 1; fixed before use */
    uint32_t dense_start;   /* 0: plain 1 in interval from the first allocation */
    uint64_t bytes;         /* 0: by count; else by bytes, one sample in so many */
    const gap_table *table; /* by count, of the plain rate; NULL: gaps are computed; fixed before use */
    _Atomic uint64_t
        seen; /* allocations that all gaps drawn so far cover, as long as p may change; relaxed, it only steers p */
    _Atomic bool is_settled; /* p is that of the table from now on, and nobody counts any more; relaxed */
    _Atomic double inverse;  /* of ln(1 - 1/interval), or of the rate of looks; 0: not computed yet; relaxed */
    _Atomic float largest;   /* by bytes: the largest weight that a candidate would have had; relaxed, only rises */
} sampler;

/* sampler_wants_table() says whether a gap_table of the sampler's interval is any use to it. With it, another sample of
 * the same distribution is drawn than without, so whether it is there is to be decided before the first gap. */
static inline bool sampler_wants_table(const sampler *self) {
    return self->bytes == 0 && self->interval > 1 && self->interval <= GAP_TABLE_INTERVAL_MAX;
}

/* sampler_next_gap() draws how many allocations from now the next sampled one is: 1 means the very next. The other one is
 * what it does until p is settled.
 *   random   the calling thread's stream.
 *   weight   set to 1/p, what the sampled allocation will stand for; by bytes, what the candidate does. */
uint32_t sampler_next_gap_counted(sampler *self, uint64_t *random, float *weight);
static inline uint32_t sampler_next_gap(sampler *self, uint64_t *random, float *weight) {
    if (__builtin_expect(!atomic_load_explicit(&self->is_settled, memory_order_relaxed), 0)) {
        return sampler_next_gap_counted(self, random, weight);
    }
    *weight = (float)self->interval;
    return gap_table_draw(self->table, random);
}

/* sampler_accept() decides about the allocation at the end of a gap; by count, always for it.
 *   size     in bytes; 0 where bytes mean nothing.
 *   random   the calling thread's stream.
 *   weight   what sampler_next_gap() gave for that gap; changed to what the allocation stands for. */
bool sampler_accept_bytes(sampler *self, uint64_t size, uint64_t *random, float *weight);
static inline bool sampler_accept(sampler *self, uint64_t size, uint64_t *random, float *weight) {
    return self->bytes == 0 || sampler_accept_bytes(self, size, random, weight);
}

/* The largest weight that an allocation can have had so far; 1 while all have been sampled. */
double sampler_largest_weight(const sampler *self);

#endif
