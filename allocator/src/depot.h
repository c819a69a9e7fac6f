/* The depot: whole batches of free handles, on their way from a thread that releases to one that allocates.
 *
 * Each bin has a few places, each of which holds one batch or none: exactly the bin's batch of handles, with their memory,
 * as an array of pointers. Both sides copy the pointers and not the handles, whose cache lines nobody has to touch on the
 * way; and a batch that has arrived can be fetched in one go, as no handle has to be read to find the next.
 *
 *      state     EMPTY -- put: compare-and-swap --> BUSY -- store --> FULL
 *                EMPTY <-- store -- BUSY <-- take: compare-and-swap -- FULL
 *
 * Whoever made a place BUSY is alone there. No lock, and nobody waits: a thread that stops in the middle keeps one place from
 * the others, and they use the next. Both stores release and both swaps acquire, so what was written to the handles and
 * their bytes comes along with the batch, and a place is not filled anew before it has been read.
 *
 * The bins of an allocator share a bitmap of those that may hold something, so that a trim has not to look at the places of all.
 * Who has made a place BUSY looks whether its bin is marked, and marks it. A trim that has found a bin empty takes the mark off,
 * looks at the places again, and puts it back if one is not EMPTY. Both are sequentially consistent, so that one of the two sees
 * the other, and no batch lies in a bin without a mark for longer than such a trim takes (D1).
 *
 * A fork() may find a place BUSY. In the child it stays so: what lies there is counted by nobody and not used again. */
#ifndef DEPOT_H
#define DEPOT_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

#define DEPOT_PLACES_MAX 16u

typedef struct depot_bin {
    poolbuf **handles;                 /* place_count batches, one after the other */
    uint64_t *used;                    /* the word of the bitmap that has the bin's mark; atomic */
    uint64_t mark;                     /* one bit */
    uint32_t batch;                    /* handles */
    uint32_t place_count;              /* 0: this bin has no depot */
    uint32_t low_water;                /* atomic; the fewest batches seen since the last depot_trim() */
    uint32_t states[DEPOT_PLACES_MAX]; /* atomic */
} depot_bin;

/* All places are empty. handles has room for place_count * batch; it and the bitmap, in which the bin has the bit of its index,
 * outlive the bin. */
void depot_init(depot_bin *bin, poolbuf **handles, uint32_t batch, uint32_t place_count, uint64_t *used,
                uint32_t index);

/* Copies a batch into an empty place; false if there is none: the batch stays the caller's. */
bool depot_put(depot_bin *bin, poolbuf *const *batch);

/* Copies a batch out of a full place into batch; false if there is none. */
bool depot_take(depot_bin *bin, poolbuf **batch);

/* How many batches lie there. */
uint32_t depot_count(const depot_bin *bin);

/* The marks of 64 bins: those of all others are empty, and have nothing to trim. */
uint64_t depot_marks(const uint64_t *word);

/* How many batches nobody has needed since the last call; the caller takes them out. */
uint32_t depot_trim(depot_bin *bin);

#endif
