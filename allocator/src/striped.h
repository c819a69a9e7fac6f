/* Counts by kind that all threads add to, in stripes: each thread has one, so that those of different stripes do not pull one
 * cache line to and fro. What one thread adds another may take away, so that a stripe alone says nothing, and may lie below
 * zero; the sum is exact once those who write are done. */
#ifndef STRIPED_H
#define STRIPED_H

#include <stdint.h>

#include "check.h"
#include "counter.h"
#include "thread_cache.h"

/* With more threads than these some share one, which costs them time and nothing else. */
#define STRIPES 16u

#define STRIPED_LINE_BYTES 64u /* a cache line */

typedef struct striped_counts {
    struct {
        uint64_t by_kind[CACHE_KINDS]; /* atomic */
    } __attribute__((aligned(STRIPED_LINE_BYTES))) stripes[STRIPES];
} striped_counts;

/* The calling thread's stripe plus 1; 0 until it has been given one. */
extern _Thread_local uint32_t striped_own;
uint32_t striped_choose(void);

/* The calling thread's. */
static inline uint32_t striped_stripe(void) {
    uint32_t own = striped_own;
    if (POOLBUF_UNLIKELY(own == 0)) {
        own = striped_choose();
    }
    return own - 1;
}

/* Adds to a count, or, as 0 - amount, takes away. Any thread, and signal handlers. */
static inline void striped_add(striped_counts *self, unsigned kind, uint64_t amount) {
    counter_add_shared(&self->stripes[striped_stripe()].by_kind[kind], amount);
}

/* The sum. Never below zero, though amid traffic the two ends of a buffer's life may be seen at different moments. */
static inline uint64_t striped_get(const striped_counts *self, unsigned kind) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < STRIPES; i++) {
        sum += counter_get(&self->stripes[i].by_kind[kind]);
    }
    return (int64_t)sum > 0 ? sum : 0;
}

#endif
