/* Counters with one writer at a time and any number of readers.
 *
 * The writer holds a lock or owns the structure, so a plain addition is enough; the store is a relaxed atomic so that a
 * reader on another thread sees a whole value. No order is implied: a reader who needs exact figures waits until the
 * writers are done, and then whatever made it wait has ordered their stores before its loads. */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdint.h>

#include "process/alone.h"

/* NOLINTBEGIN(readability-non-const-parameter): clang-tidy does not see that the builtins write */
static inline uint64_t counter_get(const uint64_t *counter) {
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *counter, uint64_t value) {
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void counter_add(uint64_t *counter, uint64_t amount) {
    __atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

static inline void counter_sub(uint64_t *counter, uint64_t amount) {
    __atomic_store_n(counter, *counter - amount, __ATOMIC_RELAXED);
}

/* Counters that several threads add to at once. While there is one thread (process/alone.h) an addition needs no lock on the
 * bus; but one instruction it must be all the same, as a signal handler may add, too. Returns what was there before. */
static inline uint64_t counter_exchange_add(uint64_t *counter, uint64_t amount) {
#ifdef __x86_64__
    if (process_is_alone()) {
        __asm__ volatile("xaddq %0, %1" : "+r"(amount), "+m"(*counter) : : "cc", "memory");
        return amount;
    }
#endif
    return __atomic_fetch_add(counter, amount, __ATOMIC_ACQ_REL);
}

static inline void counter_add_shared(uint64_t *counter, uint64_t amount) {
    (void)counter_exchange_add(counter, amount);
}

/* Returns what is left. */
static inline uint64_t counter_sub_shared(uint64_t *counter, uint64_t amount) {
    return counter_exchange_add(counter, 0 - amount) - amount;
}
/* NOLINTEND(readability-non-const-parameter) */

#endif
