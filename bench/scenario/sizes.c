/* Drawing sizes: fixed, uniform, log-uniform and weighted. Integer arithmetic only; see random.h. */
#include "scenario/sizes.h"

#include <stdlib.h>

bool sizes_init(sizes *self, const scenario_sizes *from, uint32_t fixed) {
    self->from = from;
    self->fixed = fixed != 0 ? fixed : from->fixed;
    self->cumulative = NULL;
    if (self->fixed == 0 && from->weighted_count > 0) {
        self->cumulative = malloc(from->weighted_count * sizeof *self->cumulative);
        if (self->cumulative == NULL) {
            return false;
        }
        uint64_t sum = 0;
        for (uint32_t i = 0; i < from->weighted_count; i++) {
            sum += from->weighted[i].weight;
            self->cumulative[i] = sum;
        }
    }
    return true;
}

void sizes_fini(sizes *self) {
    free(self->cumulative);
    self->cumulative = NULL;
}

static uint32_t draw_uniform(random_state *random, uint32_t low, uint32_t high) {
    return low + (uint32_t)random_below(random, (uint64_t)high - low + 1);
}

static unsigned octave_of(uint32_t size) {
    unsigned octave = 0;
    while (size >>= 1) {
        octave++;
    }
    return octave;
}

/* Each size's chance is proportional to 1/size, exactly and without logarithms: draw a doubling, draw a size in it,
 * keep it with the chance 2^doubling / size, and draw again when it lies outside the range. */
static uint32_t draw_log_uniform(random_state *random, uint32_t low, uint32_t high) {
    unsigned first = octave_of(low);
    unsigned count = octave_of(high) - first + 1;
    for (;;) {
        uint32_t base = UINT32_C(1) << (first + (unsigned)random_below(random, count));
        uint32_t size = base + (uint32_t)random_below(random, base);
        if (size >= low && size <= high && random_below(random, size) < base) {
            return size;
        }
    }
}

static uint32_t draw_weighted(const sizes *self, random_state *random) {
    uint32_t low = 0;
    uint32_t high = self->from->weighted_count - 1;
    uint64_t ticket = random_below(random, self->cumulative[high]);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ticket < self->cumulative[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    const scenario_weight *entry = &self->from->weighted[low];
    return entry->size != 0 ? entry->size : draw_uniform(random, entry->low, entry->high);
}

uint32_t sizes_draw(const sizes *self, random_state *random) {
    if (self->fixed != 0) {
        return self->fixed;
    }
    if (self->from->uniform != NULL) {
        return draw_uniform(random, self->from->uniform->low, self->from->uniform->high);
    }
    if (self->from->log_uniform != NULL) {
        return draw_log_uniform(random, self->from->log_uniform->low, self->from->log_uniform->high);
    }
    return draw_weighted(self, random);
}
