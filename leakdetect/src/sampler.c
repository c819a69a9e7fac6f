/* Geometric gaps with a probability that decays to 1 in interval; the why is in sampler.h. */
#include "sampler.h"

#include "arithmetic.h"

/* What the dense start alone asks for: 1, then ever less. */
static double dense_probability(const sampler *self, uint64_t seen) {
    return seen < self->dense_start ? 1 : (double)self->dense_start / (double)(seen > 0 ? seen : 1);
}

static double probability_at(const sampler *self, uint64_t seen) {
    bool look = self->bytes != 0 && self->interval > SAMPLER_LOOK;
    double floor = 1.0 / (look ? SAMPLER_LOOK : self->interval);
    double p = dense_probability(self, seen);
    return p > floor ? p : floor;
}

/* 1 - e^-x for x >= 0. Below 1e-5 the difference would lose digits, and two terms of its series are good to 1e-10. */
static double probability_of_event(double x) {
    if (x > 40) {
        return 1;
    }
    return x < 1e-5 ? x * (1 - x / 2) : 1 - exp_natural(-x);
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

bool sampler_accept(sampler *self, uint64_t size, uint64_t *random, float *weight) {
    if (self->bytes == 0) {
        return true;
    }
    uint64_t seen = atomic_load_explicit(&self->seen, memory_order_relaxed);
    double wanted = size == 0 ? 1.0 / self->interval : probability_of_event((double)size / (double)self->bytes);
    double dense = dense_probability(self, seen);
    double acceptance = (wanted > dense ? wanted : dense) * (double)*weight;
    bool accepted = acceptance >= 1 || random_unit(random) < acceptance;
    *weight = acceptance >= 1 ? *weight : (float)((double)*weight / acceptance);
    float largest = atomic_load_explicit(&self->largest, memory_order_relaxed);
    while (*weight > largest && !atomic_compare_exchange_weak_explicit(&self->largest, &largest, *weight,
                                                                       memory_order_relaxed, memory_order_relaxed)) {
    }
    return accepted;
}

double sampler_largest_weight(const sampler *self) {
    uint64_t seen = atomic_load_explicit(&self->seen, memory_order_relaxed);
    double largest = seen == 0 ? 1 : 1 / probability_at(self, seen - 1);
    double thinned = (double)atomic_load_explicit(&self->largest, memory_order_relaxed);
    return thinned > largest ? thinned : largest;
}
