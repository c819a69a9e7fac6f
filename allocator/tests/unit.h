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

#include "unit_random.h"

/* A run that can be repeated: the seed is printed, and UNIT_SEED sets it. */
static inline unit_random unit_random_start(const char *what, uint64_t seed) {
    const char *text = getenv("UNIT_SEED");
    if (text != NULL) {
        seed = strtoull(text, NULL, 10);
    }
    print_message("%s: seed %llu (UNIT_SEED)\n", what, (unsigned long long)seed);
    return unit_random_from(seed);
}

#define UNIT_OK(call) assert_int_equal(call, POOLBUF_OK)

static inline poolbuf_metrics unit_metrics(poolbuf_allocator *allocator) {
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    UNIT_OK(poolbuf_allocator_metrics(allocator, &metrics));
    return metrics;
}

#endif
