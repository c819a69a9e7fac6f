/* What every unit test of the allocator includes: cmocka with what it wants before it, and seeded random numbers. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poolbuf/poolbuf.h>

/* A run that can be repeated: the seed is printed, and UNIT_SEED sets it. */
typedef struct unit_random {
    uint64_t state;
} unit_random;

static inline unit_random unit_random_start(const char *what, uint64_t seed) {
    const char *text = getenv("UNIT_SEED");
    if (text != NULL) {
        seed = strtoull(text, NULL, 10);
    }
    print_message("%s: seed %llu (UNIT_SEED)\n", what, (unsigned long long)seed);
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

#define UNIT_OK(call) assert_int_equal(call, POOLBUF_OK)

static inline poolbuf_metrics unit_metrics(poolbuf_allocator *allocator) {
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    UNIT_OK(poolbuf_allocator_metrics(allocator, &metrics));
    return metrics;
}

#endif
