/* Byte strings stored once and named by a small integer: the store behind call stacks, type names, hints and threads.
 *
 * An entry never moves and never goes away, so a reader needs no lock:
 *
 *     buckets[hash]  ->  entry  ->  entry  ->  0          (chain by id, newest first)
 *     id = segment << 17 | offset in segment / 8, never 0
 *
 * Invariants: an entry is complete before its id is published in a bucket (I1); of equal byte strings there is one (I2);
 * segments and entries are bounded, and a table that is full refuses with id 0 and counts it (I3).
 * The lock guards insertion only. It is a leaf: nothing is called under it but mmap. */
#ifndef LEAKDETECT_INTERN_H
#define LEAKDETECT_INTERN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INTERN_BUCKETS = 1 << 14,       /* chains stay short up to about 100,000 entries */
    INTERN_SEGMENT_BYTES = 1 << 20, /* what one growth maps */
    INTERN_SEGMENTS = 256,          /* so a table holds 256 MiB at most */
    INTERN_MAX_LENGTH = 4096        /* bytes of one entry */
};

typedef struct intern_table {
    _Atomic uint32_t
        buckets[INTERN_BUCKETS]; /* written under the lock with release; pairs with intern_find()'s acquire */
    _Atomic(char *) segments[INTERN_SEGMENTS];
    uint32_t segment_count;   /* under the lock */
    uint32_t segment_used;    /* bytes taken in the newest segment; under the lock */
    _Atomic uint64_t count;   /* entries; relaxed, a statistic */
    _Atomic uint64_t refused; /* entries that found the table full; relaxed, a statistic */
    pthread_mutex_t lock;
} intern_table;

#define INTERN_TABLE_INIT                                                                                              \
    { .lock = PTHREAD_MUTEX_INITIALIZER }

/* intern_put() finds or adds a byte string; returns its id, or 0 where it is empty, too long, or the table is full. */
uint32_t intern_put(intern_table *table, const void *bytes, size_t length);

/* intern_get() returns the bytes of an id that intern_put() gave, aligned to 8, and their count; NULL for id 0. */
const void *intern_get(const intern_table *table, uint32_t id, size_t *length);

/* intern_is() tells whether an id is that of just these words of 8 bytes; never for id 0. */
bool intern_is(const intern_table *table, uint32_t id, const uintptr_t *words, size_t count);

/* For fork: the child must not inherit a held lock. */
void intern_lock(intern_table *table);
void intern_unlock(intern_table *table);

#endif
