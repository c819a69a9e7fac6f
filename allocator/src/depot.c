/* The depot: whole batches of free handles. */
#include "depot.h"

#include <stddef.h>

bool depot_put(depot_bin *bin, uint32_t place_count, poolbuf *batch) {
    for (uint32_t i = 0; i < place_count; i++) {
        poolbuf *expected = NULL;
        if (__atomic_load_n(&bin->places[i], __ATOMIC_RELAXED) == NULL &&
            __atomic_compare_exchange_n(&bin->places[i], &expected, batch, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

poolbuf *depot_take(depot_bin *bin) {
    for (uint32_t i = DEPOT_PLACES_MAX; i-- > 0;) { /* from the far end: the batch put last is the warmest */
        if (__atomic_load_n(&bin->places[i], __ATOMIC_RELAXED) == NULL) {
            continue;
        }
        poolbuf *batch = __atomic_exchange_n(&bin->places[i], NULL, __ATOMIC_ACQUIRE);
        if (batch == NULL) {
            continue; /* somebody else was faster */
        }
        uint32_t left = depot_count(bin);
        if (left < __atomic_load_n(&bin->low_water, __ATOMIC_RELAXED)) {
            /* benign: two threads may write here at once; the mark steers trimming and nothing else */
            __atomic_store_n(&bin->low_water, left, __ATOMIC_RELAXED);
        }
        return batch;
    }
    return NULL;
}

uint32_t depot_count(const depot_bin *bin) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < DEPOT_PLACES_MAX; i++) {
        count += __atomic_load_n(&bin->places[i], __ATOMIC_RELAXED) != NULL;
    }
    return count;
}

uint32_t depot_trim(depot_bin *bin) {
    return __atomic_exchange_n(&bin->low_water, depot_count(bin), __ATOMIC_RELAXED);
}
