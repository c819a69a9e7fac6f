/* Geometric gaps with a probability that decays to 1 in interval; the why is in sampler.h. */
#include "sampler.h"

#include <stddef.h>

#include "arithmetic.h"

/* What the dense start alone asks for: 1, then ever less. */
static double dense_probability(const sampler *self, uint64_t seen) {
    return seen < self->dense_start ? 1 : (double)self->dense_start / (double)(seen > 0 ? seen : 1);
}

/* The plain rate is 1 in so many. */
static inline uint32_t plain_interval(const sampler *self) {
    return self->bytes != 0 && self->interval > SAMPLER_LOOK ? SAMPLER_LOOK : self->interval;
}

/* Whether the dense start is over. A program is here for nearly all of its life, so what follows spares it divisions. */
static inline bool is_plain(const sampler *self, uint64_t seen) {
    return seen >= (uint64_t)self->dense_start * plain_interval(self);
}

/* The number of failures before the first success is the whole part of an exponential variable: ln u / ln(1 - p). */
static uint32_t gap_of(double logarithm, double inverse) {
    double failures = logarithm * inverse;
    return failures < UINT32_MAX - 2 ? (uint32_t)failures + 1 : UINT32_MAX - 1;
}

/* 1 / ln(1 - p) at the plain rate, where there is no table. Whoever comes first computes it, and so may others, who get
 * the same. */
static double plain_inverse(sampler *self) {
    double inverse = atomic_load_explicit(&self->inverse, memory_order_relaxed);
    if (__builtin_expect(inverse == 0, 0)) {
        inverse = 1 / log_natural(1 - 1.0 / plain_interval(self));
        atomic_store_explicit(&self->inverse, inverse, memory_order_relaxed);
    }
    return inverse;
}

static inline uint32_t plain_gap(sampler *self, uint64_t *random) {
    if (__builtin_expect(self->table != NULL, 1)) {
        return gap_table_draw(self->table, random);
    }
    return plain_interval(self) == 1 ? 1 : gap_of(log_of_draw(random_unit(random)), plain_inverse(self));
}

/* 1 - e^-x for x >= 0. Below 1e-5 the difference would lose digits, and two terms of its series are good to 1e-10. */
static double probability_of_event(double x) {
    if (x > 40) {
        return 1;
    }
    return x < 1e-5 ? x * (1 - x / 2) : 1 - exp_natural(-x);
}

uint32_t sampler_next_gap_counted(sampler *self, uint64_t *random, float *weight) {
    uint64_t seen = atomic_load_explicit(&self->seen, memory_order_relaxed);
    uint32_t gap = 1;
    *weight = 1;
    if (is_plain(self, seen)) {
        gap = plain_gap(self, random);
        *weight = (float)plain_interval(self);
        if (self->bytes == 0 && seen > (uint64_t)self->dense_start * plain_interval(self)) {
            atomic_store_explicit(&self->is_settled, self->table != NULL, memory_order_relaxed);
            return gap; /* what follows changes p no more, so nobody has to count it */
        }
    } else if (seen >= self->dense_start) {
        double p = dense_probability(self, seen);
        gap = p < 1 ? gap_of(log_of_draw(random_unit(random)), 1 / log_natural(1 - p)) : 1;
        *weight = (float)(1 / p);
    }
    atomic_fetch_add_explicit(&self->seen, gap, memory_order_relaxed);
    return gap;
}

bool sampler_accept_bytes(sampler *self, uint64_t size, uint64_t *random, float *weight) {
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
    double largest = seen == 0                  ? 1
                     : is_plain(self, seen - 1) ? plain_interval(self)
                                                : 1 / dense_probability(self, seen - 1);
    double thinned = (double)atomic_load_explicit(&self->largest, memory_order_relaxed);
    return thinned > largest ? thinned : largest;
}
