/* Memory for the detector's own tables: whole OS pages straight from the kernel.
 *
 * Allocation of a tracked buffer must never call malloc: the program's malloc may be the one that called us, may hold a
 * lock, or may be the one under suspicion. Everything the detector keeps between two reports therefore comes from here.
 * What it maps it keeps, but for arrays that grow. All of it keeps errno, as its callers are in the midst of somebody's
 * allocation. The running total is shown in leakdetect_count(). */
#ifndef LEAKDETECT_MEMORY_H
#define LEAKDETECT_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* memory_map() returns zeroed memory, or NULL. */
void *memory_map(size_t bytes);
void memory_unmap(void *memory, size_t bytes);

/* The bytes mapped now. */
uint64_t memory_mapped(void);

/* An array that grows by doubling, for reports: its elements move, so hold indices. Zero-initialised is empty. */
typedef struct memory_array {
    void *items;
    size_t count;    /* elements in use; the owner's to change within capacity */
    size_t capacity; /* elements that fit */
    size_t bytes;    /* what is mapped */
} memory_array;

/* memory_array_next() appends an element of item_bytes, the same on every call; returns its address, or NULL when there is
 * no memory, which leaves the array as it was. The element is zero when it has not been used before. */
void *memory_array_next(memory_array *array, size_t item_bytes);
void memory_array_fini(memory_array *array);

#endif
