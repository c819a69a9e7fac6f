/* The recorder's lock, made for a section of some ten nanoseconds that nearly always finds it free: taking it is one
 * compare-and-swap, giving it back a plain store, which is half of what a mutex costs there.
 *
 *     take   0 -> 1, acquire                         waiter   waiting = 1, tries again, sleeps while taken is 1
 *     give   taken = 0, release; waiting? wake all
 *
 * A plain store may become visible after the look at `waiting` that follows it, and a waiter may be woken before it
 * sleeps. So it may miss its waking, in a window of nanoseconds; therefore no sleep is longer than EVENT_LOCK_SLEEP_NS.
 * That delays a waiter and never harms: only the swap decides who has the lock. All zero is a free lock, so the kernel
 * may wipe it in a forked child. errno is kept.
 *
 * leakdetect/src/shard_lock.h is nearly the same, for sections that are seldom met: who waits there sleeps at once, and here
 * looks again first, as all threads of a program meet in this one. */
#ifndef POOLBUF_BENCH_EVENT_LOCK_H
#define POOLBUF_BENCH_EVENT_LOCK_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVENT_LOCK_SLEEP_NS 1000000
#define EVENT_LOCK_TRIES    64 /* before sleeping: a holder that runs is through in a few */

typedef struct event_lock {
    _Atomic uint32_t taken;   /* 0 or 1 */
    _Atomic uint32_t waiting; /* somebody may be asleep */
} event_lock;

static inline bool event_lock_try(event_lock *self) {
    uint32_t was = 0;
    return atomic_compare_exchange_strong_explicit(&self->taken, &was, 1, memory_order_acquire, memory_order_relaxed);
}

__attribute__((noinline, unused)) static void event_lock_wait(event_lock *self) {
    const int kept = errno;
    const struct timespec most = {.tv_sec = 0, .tv_nsec = EVENT_LOCK_SLEEP_NS};
    while (true) {
        for (int i = 0; i < EVENT_LOCK_TRIES; i++) {
            if (atomic_load_explicit(&self->taken, memory_order_relaxed) == 0 && event_lock_try(self)) {
                errno = kept;
                return;
            }
        }
        atomic_store(&self->waiting, 1);
        if (atomic_load(&self->taken) != 0) {
            (void)syscall(SYS_futex, &self->taken, FUTEX_WAIT_PRIVATE, 1, &most, NULL, 0); /* benign: it looks again */
        }
    }
}

__attribute__((noinline, unused)) static void event_lock_wake(event_lock *self) {
    const int kept = errno;
    atomic_store_explicit(&self->waiting, 0, memory_order_relaxed);
    (void)syscall(SYS_futex, &self->taken, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    errno = kept;
}

/* event_lock_take() waits for the lock. It cannot be taken twice by one thread.
 *   threads  any.
 *   cost     one compare-and-swap; where another thread has it, up to EVENT_LOCK_TRIES looks, and then a sleep. */
static inline void event_lock_take(event_lock *self) {
    if (__builtin_expect(!event_lock_try(self), 0)) {
        event_lock_wait(self);
    }
}

/* event_lock_give() gives it back.
 *   threads  the one that has it.
 *   cost     a store and a load; a system call where somebody sleeps. */
static inline void event_lock_give(event_lock *self) {
    atomic_store_explicit(&self->taken, 0, memory_order_release);
    if (__builtin_expect(atomic_load_explicit(&self->waiting, memory_order_relaxed) != 0, 0)) {
        event_lock_wake(self);
    }
}

#endif
