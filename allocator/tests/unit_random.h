/* Seeded random numbers; without cmocka, so that programs that are no unit tests can draw the same. */
#ifndef UNIT_RANDOM_H
#define UNIT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct unit_random {
    uint64_t state; /* not 0 */
} unit_random;

static inline unit_random unit_random_from(uint64_t seed) {
    return (unit_random){seed * 0x9e3779b97f4a7c15u + 1};
}

static inline uint64_t unit_random_next(unit_random *random) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

/* 0 to limit - 1. */
static inline uint32_t unit_random_below(unit_random *random, uint32_t limit) {
    return (uint32_t)((unit_random_next(random) >> 32) * limit >> 32);
}

/* A size as real programs ask for: most are small, the large ones rare. */
static inline size_t unit_random_size(unit_random *random, unsigned max_log2) {
    unsigned log2 = unit_random_below(random, max_log2 - 3) * unit_random_below(random, max_log2 - 3) / (max_log2 - 3);
    size_t base = (size_t)16 << log2;
    return unit_random_below(random, 2) == 0 ? base : base + unit_random_below(random, (uint32_t)base);
}

#endif
