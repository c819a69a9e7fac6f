/* Drawing sizes from a scenario's distribution. */
#ifndef POOLBUF_BENCH_SIZES_H
#define POOLBUF_BENCH_SIZES_H

#include <stdbool.h>

#include "scenario/random.h"
#include "scenario/scenario.h"

typedef struct sizes {
    const scenario_sizes *from;
    uint32_t fixed;       /* not 0: every draw gives this */
    uint64_t *cumulative; /* weighted: sums of the weights up to and with each entry */
} sizes;

/* sizes_init() prepares draws from a checked distribution.
 *   fixed    not 0: ignore the distribution and give this; so a phase of `each` is made.
 *   returns  false without memory. Release with sizes_fini(). */
bool sizes_init(sizes *self, const scenario_sizes *from, uint32_t fixed);
void sizes_fini(sizes *self);

/* sizes_draw() gives a size from 1 to SCENARIO_SIZE_MAX. */
uint32_t sizes_draw(const sizes *self, random_state *random);

#endif
