/* Williams' square: the row 0, 1, n-1, 2, n-2, ... has each difference once, and its shifts by one make the square. For an
 * odd n a difference comes twice in one direction and never in the other, which the rows read backwards make good. */
#include "measure/schedule.h"

#include <stdbool.h>

void schedule_order(uint32_t count, uint64_t round, uint32_t *order) {
    if (count == 0) {
        return;
    }
    const bool is_backwards = count % 2 == 1 && round / count % 2 == 1;
    const uint32_t shift = (uint32_t)(round % count);
    for (uint32_t place = 0; place < count; place++) {
        const uint32_t step = (place + 1) / 2;
        const uint32_t base = place % 2 == 1 ? step : (count - step) % count;
        order[is_backwards ? count - 1 - place : place] = (base + shift) % count;
    }
}
