/* The clock around one operation, for a kernel's timed form: when it began, when it ended, and into which bucket of a
 * log-linear histogram the difference goes. Inline, because a call would be most of what is measured. measure/latency.h
 * chooses the clock and reads the histogram.
 *
 *   ticks          0 ... 127   128 ... 255   256 ... 511    512 ... 1023   ...
 *   bucket's width     1            1             2              4         ...
 *
 * A bucket is never wider than 1/128 of its lowest value: a quantile is exact below 256 ticks, and at most 0.8 % too
 * high above.
 *
 * In a closed loop an operation begins when the one before has ended, so a stall delays all that would have come
 * meanwhile, and counts once: coordinated omission. At a fixed rate operations have intended starts, and each is
 * timed from its own, whether or not it could begin then: those that a stall made wait show it.
 *
 * C11 and C++17, as kernel.h. A timer belongs to one thread. */
#ifndef POOLBUF_BENCH_TIMER_H
#define POOLBUF_BENCH_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#define SUBJECT_TIMER_HAS_TSC 1
#else
#define SUBJECT_TIMER_HAS_TSC 0
#endif

#define SUBJECT_TIMER_BITS    7u /* a bucket's width is its lowest value over 2 to the power of this, at most */
#define SUBJECT_TIMER_BUCKETS ((65u - SUBJECT_TIMER_BITS) << SUBJECT_TIMER_BITS)

/* Zero-initialise it but for what a comment says. Ticks are the clock's. */
typedef struct subject_timer {
    uint64_t (*now)(void *clock); /* set, unless the time-stamp counter is the clock */
    void *clock;
    uint64_t *buckets;  /* set: SUBJECT_TIMER_BUCKETS counts */
    uint64_t count;     /* operations */
    uint64_t sum;       /* ticks of all of them */
    uint64_t most;      /* ticks of the longest */
    uint64_t start;     /* of the operation that is timed now */
    uint64_t interval;  /* set for a fixed rate: ticks between intended starts; 0 is a closed loop */
    uint64_t due;       /* the next intended start; 0: the first operation sets it */
    uint64_t last;      /* when the last operation ended */
    uint32_t stalls_in; /* set for a subject that stalls: in so many operations, from 1 */
    uint32_t stall_every;
    uint64_t stall; /* ticks that such a stall takes */
} subject_timer;

static inline uint64_t subject_timer_now(const subject_timer *self) {
#if SUBJECT_TIMER_HAS_TSC
    if (self->now == NULL) {
        /* The fences keep what is timed between the two readings. */
        _mm_lfence();
        const uint64_t ticks = __rdtsc();
        _mm_lfence();
        return ticks;
    }
#endif
    return self->now(self->clock);
}

static inline uint32_t subject_timer_bucket(uint64_t ticks) {
    if (ticks < (UINT64_C(1) << SUBJECT_TIMER_BITS)) {
        return (uint32_t)ticks;
    }
    const uint32_t shift = 63u - (uint32_t)__builtin_clzll(ticks) - SUBJECT_TIMER_BITS;
    return (shift << SUBJECT_TIMER_BITS) + (uint32_t)(ticks >> shift);
}

/* Begins an operation, at a fixed rate not before its time. */
static inline void subject_timer_start(subject_timer *self) {
    uint64_t now = subject_timer_now(self);
    if (self->interval == 0) {
        self->start = now;
        return;
    }
    self->due = self->due == 0 ? now : self->due;
    while ((int64_t)(now - self->due) < 0) {
        now = subject_timer_now(self);
    }
    self->start = self->due;
    self->due += self->interval;
}

static inline void subject_timer_stop(subject_timer *self) {
    uint64_t now = subject_timer_now(self);
    if (self->stall != 0 && --self->stalls_in == 0) {
        const uint64_t until = now + self->stall;
        self->stalls_in = self->stall_every;
        while ((int64_t)(now - until) < 0) {
            now = subject_timer_now(self);
        }
    }
    /* A thread that changed processors may find a counter that is a little behind. */
    const uint64_t ticks = (int64_t)(now - self->start) < 0 ? 0 : now - self->start;
    self->buckets[subject_timer_bucket(ticks)]++;
    self->count++;
    self->sum += ticks;
    self->most = ticks > self->most ? ticks : self->most;
    self->last = now;
}

#endif
