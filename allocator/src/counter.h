/* Counters with one writer at a time and any number of readers.
 *
 * The writer holds a lock or owns the structure, so a plain addition is enough; the store is a relaxed atomic so that a
 * reader on another thread sees a whole value. No order is implied: a reader who needs exact figures waits until the
 * writers are done, and then whatever made it wait has ordered their stores before its loads. */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdint.h>

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

/* Counters that several threads add to at once. */
static inline void counter_add_shared(uint64_t *counter, uint64_t amount) {
    (void)__atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

static inline uint64_t counter_sub_shared(uint64_t *counter, uint64_t amount) {
    return __atomic_sub_fetch(counter, amount, __ATOMIC_ACQ_REL);
}
/* NOLINTEND(readability-non-const-parameter) */

#endif
