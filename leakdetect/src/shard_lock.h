/* A lock of one word, for tables that have many: free, held, or held with somebody waiting.
 *
 * fork() needs all shards' locks at once. ThreadSanitizer's deadlock detector counts 64 mutexes a thread at most, and those
 * of the allocator and of 32 shards are more. This one is no mutex to it: it sees two atomic operations, which order what
 * they enclose, so races are found as before. What is lost is the check of the lock order, which for a leaf says little.
 * Taking it is inline, as is giving it back, and of the two only taking it is a locked operation.
 *
 * In a process that has never had a second thread nobody else can take it, and taking it is a load and a store
 * (process/alone.h). Under a lock nobody starts a thread, so this cannot change in between.
 *
 * Who waits sleeps in the kernel; nobody spins. The word names no owner, so the child of a fork() may give back what the
 * parent's thread took. All zeroes is free. */
#ifndef LEAKDETECT_SHARD_LOCK_H
#define LEAKDETECT_SHARD_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "process/alone.h"

enum {
    SHARD_LOCK_FREE,
    SHARD_LOCK_HELD,
    SHARD_LOCK_AWAITED /* as a guess: whoever waits writes it, and may have gone on since */
};

#define SHARD_LOCK_SLEEP_NS 1000000

typedef struct shard_lock {
    _Atomic uint32_t word;
} shard_lock;

void shard_lock_wait(shard_lock *self);
void shard_lock_wake(shard_lock *self);

/* False if somebody has it. */
static inline bool shard_lock_try(shard_lock *self) {
    uint32_t expected = SHARD_LOCK_FREE;
    if (__builtin_expect(
            process_is_alone() && atomic_load_explicit(&self->word, memory_order_relaxed) == SHARD_LOCK_FREE, 1)) {
        atomic_store_explicit(&self->word, SHARD_LOCK_HELD, memory_order_relaxed);
        return true;
    }
    return atomic_compare_exchange_strong_explicit(&self->word, &expected, SHARD_LOCK_HELD, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void shard_lock_take(shard_lock *self) {
    if (__builtin_expect(!shard_lock_try(self), 0)) {
        shard_lock_wait(self);
    }
}

/* A load and a store instead of an exchange. Who comes to wait between the two finds the word free when it asks the
 * kernel to sleep, and does not. Only if this thread is stopped just there does it fall asleep first, and then the
 * store takes AWAITED away without a wake: that is what the sleep's end is for, and it comes once in a very long while.
 * shard_lock_put() returns whether shard_lock_wake() is to follow. */
static inline bool shard_lock_put(shard_lock *self) {
    const uint32_t was = atomic_load_explicit(&self->word, memory_order_relaxed);
    atomic_store_explicit(&self->word, SHARD_LOCK_FREE, memory_order_release);
    return __builtin_expect(was == SHARD_LOCK_AWAITED, 0);
}

static inline void shard_lock_give(shard_lock *self) {
    if (shard_lock_put(self)) {
        shard_lock_wake(self);
    }
}

#endif
