/* The depot: whole batches of free handles, on their way from a thread that releases to one that allocates.
 *
 * Each bin has a few places, each of which holds one batch or none: a list of exactly the bin's batch of handles, with
 * their memory. Putting is a compare-and-swap of an empty place, taking is an exchange with nothing: whoever gets the
 * pointer owns the whole list. Nobody ever follows a link of a list that others can see, so there is no ABA problem,
 * and no lock: a thread that stops in the middle hinders nobody, and a fork() finds every place whole.
 *
 * The put releases and the take acquires, so what was written to the handles and their bytes comes along. */
#ifndef DEPOT_H
#define DEPOT_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

#define DEPOT_PLACES_MAX 16u

typedef struct depot_bin {
    poolbuf *places[DEPOT_PLACES_MAX]; /* atomic */
    uint32_t low_water;                /* atomic; the fewest batches seen since the last depot_trim() */
} depot_bin;

/* False if all of the first place_count places are taken: the batch stays the caller's. */
bool depot_put(depot_bin *bin, uint32_t place_count, poolbuf *batch);

/* A batch, or NULL. */
poolbuf *depot_take(depot_bin *bin);

/* How many batches lie there. */
uint32_t depot_count(const depot_bin *bin);

/* How many batches nobody has needed since the last call; the caller takes them out. */
uint32_t depot_trim(depot_bin *bin);

#endif
