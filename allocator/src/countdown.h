/* The countdown of a thread's cache: three numbers that belong together, and what a sampled allocation does with them,
 * inline, as each frame between the program and the tracker has to be walked.
 *
 *     allocated so far = allocated + (armed - countdown)          armed: what the countdown was set to
 *
 * The fast path counts down and knows nothing else. When it comes to 0 the slow path books what has passed and arms it
 * anew: for the next sampled allocation, the next trim, or the next look at the clock, whichever comes first. */
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

/* What is not the end of a gap alone: sampling has begun anew; a trim is due, too, or a clock is to be looked at. The second one
 * returns what thread_cache_count() does. */
void thread_cache_begin_anew(thread_cache *self);
bool thread_cache_expire(thread_cache *self);

/* What expires is mostly a gap and nothing else. Then booking and arming are one step. */
static inline bool countdown_is_gap_alone(const thread_cache *self, uint32_t passed) {
    return passed >= self->gap_left && passed < self->trim_left && self->arms_most == GAP_NONE;
}

static inline __attribute__((always_inline)) void countdown_begin_gap(thread_cache *self, uint32_t passed) {
    uint32_t gap = tracker_next_gap(self);
    uint32_t trim_left = self->trim_left - (self->trim_left != GAP_NONE ? passed : 0);
    uint32_t next = gap < trim_left ? gap : trim_left;
    self->gap_left = gap;
    self->trim_left = trim_left;
    countdown_begin_rearming(self);
    counter_add(&self->allocated, countdown_passed(self));
    countdown_set(&self->armed, next);
    POOLBUF_SET_(*self->countdown, next);
    countdown_end_rearming(self);
}

/* Counts one allocation that the slow path has made; true if it is to be sampled. Trims when that is due. */
static inline __attribute__((always_inline)) bool thread_cache_count(thread_cache *self) {
    if (POOLBUF_UNLIKELY(self->restart)) {
        thread_cache_begin_anew(self);
    }
    counter_add(&self->counters.slow_counts, 1);
    uint32_t left = POOLBUF_GET_(*self->countdown) - 1;
    POOLBUF_SET_(*self->countdown, left);
    if (left != 0) {
        return false;
    }
    uint32_t passed = countdown_passed(self);
    if (POOLBUF_UNLIKELY(!countdown_is_gap_alone(self, passed))) {
        return thread_cache_expire(self);
    }
    countdown_begin_gap(self, passed);
    return true;
}

#endif
