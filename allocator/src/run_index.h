/* The runs of a chunk: which pages are free, where, and which free run fits best.
 *
 * Runs, used or free, tile the chunk without gap or overlap (R1). Two free runs never touch once a call has returned
 * (R2). Each free run is filed under its page class, by its first page; a bitmap for each class holds those first pages,
 * and a mask the classes that have any (R3).
 *
 *      page      0             3       4                       10
 *                [ used run   ][ free ][ used run, 6 pages    ][ free ...        ]
 *      lengths   3|USED  0  0  1       6|USED 0  0  0  0  0    n  0 ... 0       n
 *
 * lengths[] has a free run's length at its first and at its last page, which is all that merging needs to see of its
 * neighbours; a used run's length at its first page, marked; and 0 everywhere else (R4).
 *
 * Taking is best fit by class and lowest offset within it: first non-empty class that is not too small, its first set
 * bit. There is no tree. Guarded by the arena lock. */
#ifndef RUN_INDEX_H
#define RUN_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "size_class.h"

#define RUN_INDEX_NONE      UINT32_MAX
#define RUN_INDEX_PAGES_MAX 16384u

typedef struct run_index {
    const size_classes *classes;
    uint32_t page_count;
    uint32_t free_pages;
    uint32_t words;         /* of one class's bitmap */
    uint64_t classes_mask;  /* page classes that have a free run */
    uint16_t *lengths;      /* one a page */
    uint16_t *class_counts; /* free runs filed under each page class */
    uint64_t *starts;       /* a bitmap for each page class, one after the other */
} run_index;

/* Bytes that run_index_init() needs behind the struct. */
size_t run_index_storage(const size_classes *classes);

/* storage is aligned to 8 and outlives the index; everything is free. */
void run_index_init(run_index *index, const size_classes *classes, void *storage);

/* Takes a run; its first page, or RUN_INDEX_NONE. */
uint32_t run_index_take(run_index *index, uint32_t pages);

/* Takes pages that are free and lie in one free run, wherever in it. */
void run_index_take_at(run_index *index, uint32_t page, uint32_t pages);

/* Gives back a run that was taken with that length; anything else is a CHECK. */
void run_index_give(run_index *index, uint32_t page, uint32_t pages);

/* Calls visit for each free run, from the first page on. */
void run_index_visit_free(const run_index *index, void (*visit)(void *context, uint32_t page, uint32_t pages),
                          void *context);

bool run_index_audit(const run_index *index);

#endif
