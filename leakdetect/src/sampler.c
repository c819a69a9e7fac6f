/* Geometric gaps with a probability that decays to 1 in interval; the why is in sampler.h. */
#include "sampler.h"

#include "arithmetic.h"

static double probability_at(const sampler *self, uint64_t seen) {
    double floor = 1.0 / self->interval;
    if (self->dense_start == 0) {
        return floor;
    }
    if (seen < self->dense_start) {
        return 1;
    }
    double p = (double)self->dense_start / (double)seen;
    return p > floor ? p : floor;
}

uint32_t sampler_next_gap(sampler *self, uint64_t *random, float *weight) {
    uint64_t seen = atomic_load_explicit(&self->seen, memory_order_relaxed);
    double p = probability_at(self, seen);
    uint32_t gap = 1;
    if (p < 1) {
        /* The number of failures before the first success is the whole part of an exponential variable. */
        double failures = log_natural(random_unit(random)) / log_natural(1 - p);
        gap = failures < UINT32_MAX - 2 ? (uint32_t)failures + 1 : UINT32_MAX - 1;
    }
    atomic_fetch_add_explicit(&self->seen, gap, memory_order_relaxed);
    *weight = (float)(1 / p);
    return gap;
}

double sampler_largest_weight(const sampler *self) {
    uint64_t seen = atomic_load_explicit(&self->seen, memory_order_relaxed);
    return seen == 0 ? 1 : 1 / probability_at(self, seen - 1);
}
