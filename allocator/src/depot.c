/* The depot: whole batches of free handles. */
#include "depot.h"

#include <stddef.h>
#include <string.h>

#include "check.h"
#include "poison.h"

typedef enum place_state {
    PLACE_EMPTY = 0, /* a zeroed bin is empty */
    PLACE_BUSY,
    PLACE_FULL
} place_state;

void depot_init(depot_bin *bin, poolbuf **handles, uint32_t batch, uint32_t place_count) {
    POOLBUF_ASSERT(place_count <= DEPOT_PLACES_MAX);
    *bin = (depot_bin){.handles = handles, .batch = batch, .place_count = place_count};
}

static uint32_t state_of(const depot_bin *bin, uint32_t place) {
    return __atomic_load_n(&bin->states[place], __ATOMIC_RELAXED);
}

/* From one state to BUSY; false if the place is in another or somebody was faster. */
static bool enter(depot_bin *bin, uint32_t place, uint32_t from) {
    return state_of(bin, place) == from && __atomic_compare_exchange_n(&bin->states[place], &from, PLACE_BUSY, false,
                                                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void leave(depot_bin *bin, uint32_t place, uint32_t to) {
    __atomic_store_n(&bin->states[place], to, __ATOMIC_RELEASE);
}

bool depot_put(depot_bin *bin, poolbuf *const *batch) {
    for (uint32_t i = 0; i < bin->place_count; i++) {
        if (enter(bin, i, PLACE_EMPTY)) {
            memcpy(bin->handles + (size_t)i * bin->batch, batch, bin->batch * sizeof(poolbuf *));
            leave(bin, i, PLACE_FULL);
            return true;
        }
    }
    return false;
}

bool depot_take(depot_bin *bin, poolbuf **batch) {
    for (uint32_t i = bin->place_count; i-- > 0;) { /* from the far end: the batch put last is the warmest */
        if (!enter(bin, i, PLACE_FULL)) {
            continue;
        }
        poolbuf **handles = bin->handles + (size_t)i * bin->batch;
        memcpy(batch, handles, bin->batch * sizeof(poolbuf *));
        if (poison_memcheck) {
            memset(handles, 0, bin->batch * sizeof(poolbuf *)); /* no pointer to a buffer that is out: see poison.h */
        }
        leave(bin, i, PLACE_EMPTY);
        uint32_t left = depot_count(bin);
        if (left < __atomic_load_n(&bin->low_water, __ATOMIC_RELAXED)) {
            /* benign: two threads may write here at once; the mark steers trimming and nothing else */
            __atomic_store_n(&bin->low_water, left, __ATOMIC_RELAXED);
        }
        return true;
    }
    return false;
}

uint32_t depot_count(const depot_bin *bin) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < bin->place_count; i++) {
        count += state_of(bin, i) == PLACE_FULL;
    }
    return count;
}

uint32_t depot_trim(depot_bin *bin) {
    return __atomic_exchange_n(&bin->low_water, depot_count(bin), __ATOMIC_RELAXED);
}
