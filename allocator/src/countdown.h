/* The countdown of a thread's cache: three numbers that belong together, and what a sampled allocation does with them,
 * inline, as each frame between the program and the tracker has to be walked.
 *
 *     allocated so far = allocated + (armed - countdown)          armed: what the countdown was set to
 *
 * The fast path counts down and knows nothing else. When it comes to 0 the slow path books what has passed and arms it
 * anew: for the next sampled allocation, the next trim, or the next look at the clock, whichever comes first. Where each
 * allocation is sampled it stays at 1, and armed grows instead. */
#ifndef COUNTDOWN_H
#define COUNTDOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "counter.h"
#include "thread_cache.h"
#include "tracker.h"

/* NOLINTBEGIN(readability-non-const-parameter): clang-tidy does not see that the builtins write */
static inline uint32_t countdown_get(const uint32_t *value) {
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static inline void countdown_set(uint32_t *value, uint32_t to) {
    __atomic_store_n(value, to, __ATOMIC_RELAXED);
}
/* NOLINTEND(readability-non-const-parameter) */

/* Around what changes more than one of the three. Readers on other threads do without a lock. */
static inline void countdown_begin_rearming(thread_cache *self) {
    countdown_set(&self->rearmed, self->rearmed + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void countdown_end_rearming(thread_cache *self) {
    __atomic_store_n(&self->rearmed, self->rearmed + 1, __ATOMIC_RELEASE);
}

/* Of allocations since arming; the countdown may have run past 0, in a signal handler. */
static inline uint32_t countdown_passed(const thread_cache *self) {
    return countdown_get(&self->armed) - POOLBUF_GET_(*self->countdown);
}

/* What is not the end of a gap alone: sampling has begun anew; a trim is due, too, or a clock is to be looked at. The other one begins
 * a gap that a trim comes into, one of none, or one in which each allocation is sampled. Both trim where that is due, and return what
 * thread_cache_count() does. */
bool thread_cache_count_unusual(thread_cache *self);
bool thread_cache_begin_gap(thread_cache *self, uint32_t gap);

/* What expires is mostly a gap and nothing else. Then booking and arming are one step. */
static inline __attribute__((always_inline)) bool countdown_begin_gap(thread_cache *self) {
    const uint32_t gap = tracker_next_gap(self);
    const uint32_t passed = countdown_passed(self) + 1; /* now: what a signal handler has allocated meanwhile counts */
    const uint64_t trim_left = self->trim_left - passed;
    if (POOLBUF_UNLIKELY(gap - 1 >= GAP_NONE - 1 || gap >= trim_left)) { /* each, or none, or a trim is first */
        return thread_cache_begin_gap(self, gap);
    }
    self->gap_left = gap;
    self->trim_left = trim_left;
    countdown_begin_rearming(self);
    counter_add(&self->allocated, passed);
    countdown_set(&self->armed, gap);
    POOLBUF_SET_(*self->countdown, gap);
    countdown_end_rearming(self);
    return true;
}

/* Where each allocation is sampled the countdown stays at 1, which the fast path does not take, and what it was armed with grows: one
 * store counts, and a reader needs nothing else. */
static inline bool countdown_counts_each(thread_cache *self) {
    const uint32_t armed = countdown_get(&self->armed) + 1;
    if (POOLBUF_UNLIKELY(armed - POOLBUF_GET_(*self->countdown) >= self->each_upto)) {
        return false;
    }
    countdown_set(&self->armed, armed);
    return true;
}

/* Counts one allocation whose handle a slow path has popped as the fast one does; true if it is to be sampled. Trims when that is
 * due. */
static inline __attribute__((always_inline)) bool thread_cache_count_popped(thread_cache *self) {
    if (POOLBUF_UNLIKELY(self->unusual)) {
        return countdown_counts_each(self) || thread_cache_count_unusual(self);
    }
    const uint32_t left = POOLBUF_GET_(*self->countdown) - 1;
    if (left != 0) {
        POOLBUF_SET_(*self->countdown, left);
        return false;
    }
    return countdown_begin_gap(self);
}

/* The same of a handle that thread_cache_take() counted. */
static inline __attribute__((always_inline)) bool thread_cache_count(thread_cache *self) {
    counter_add(&self->counters.slow_counts, 1);
    return thread_cache_count_popped(self);
}

#endif
