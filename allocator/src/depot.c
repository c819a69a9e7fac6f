/* The depot: whole batches of free handles. */
#include "depot.h"

#include <stddef.h>
#include <string.h>

#include "bitmap.h"
#include "check.h"
#include "poison.h"

typedef enum place_state {
    PLACE_EMPTY = 0, /* a zeroed bin is empty */
    PLACE_BUSY,
    PLACE_FULL
} place_state;

void depot_init(depot_bin *bin, poolbuf **handles, uint32_t batch, uint32_t place_count, uint64_t *used,
                uint32_t index) {
    POOLBUF_ASSERT(place_count <= DEPOT_PLACES_MAX);
    *bin = (depot_bin){
        .handles = handles,
        .mark = (uint64_t)1 << index % BITMAP_WORD_BITS,
        .batch = batch,
        .place_count = place_count,
    };
    bin->used = used + index / BITMAP_WORD_BITS;
}

static uint32_t state_of(const depot_bin *bin, uint32_t place) {
    return __atomic_load_n(&bin->states[place], __ATOMIC_RELAXED);
}

/* From one state to BUSY; false if the place is in another or somebody was faster. */
static bool enter(depot_bin *bin, uint32_t place, uint32_t from) {
    return state_of(bin, place) == from && __atomic_compare_exchange_n(&bin->states[place], &from, PLACE_BUSY, false,
                                                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static void leave(depot_bin *bin, uint32_t place, uint32_t to) {
    __atomic_store_n(&bin->states[place], to, __ATOMIC_RELEASE);
}

/* The caller has made a place BUSY; D1. */
static void mark(depot_bin *bin) {
    if ((__atomic_load_n(bin->used, __ATOMIC_SEQ_CST) & bin->mark) == 0) {
        (void)__atomic_fetch_or(bin->used, bin->mark, __ATOMIC_SEQ_CST);
    }
}

/* The bin seemed to be empty; D1. */
static void unmark(depot_bin *bin) {
    (void)__atomic_fetch_and(bin->used, ~bin->mark, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < bin->place_count; i++) {
        if (__atomic_load_n(&bin->states[i], __ATOMIC_SEQ_CST) != PLACE_EMPTY) {
            (void)__atomic_fetch_or(bin->used, bin->mark, __ATOMIC_SEQ_CST);
            return;
        }
    }
}

uint64_t depot_marks(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

bool depot_put(depot_bin *bin, poolbuf *const *batch) {
    for (uint32_t i = 0; i < bin->place_count; i++) {
        if (enter(bin, i, PLACE_EMPTY)) {
            mark(bin);
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
    uint32_t count = depot_count(bin);
    uint32_t untouched = __atomic_exchange_n(&bin->low_water, count, __ATOMIC_RELAXED);
    if (count == 0) {
        unmark(bin);
    }
    return untouched;
}
