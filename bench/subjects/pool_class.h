/* The classes of fixed-size pools: one a power of two, from 16 bytes to the largest size that an operation can have. */
#ifndef POOLBUF_BENCH_POOL_CLASS_H
#define POOLBUF_BENCH_POOL_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include "scenario/stream.h"

enum {
    POOL_CLASS_SMALLEST_BITS = 4, /* 16 bytes */
    POOL_CLASS_COUNT = STREAM_SIZE_BITS - POOL_CLASS_SMALLEST_BITS + 1
};

/* The smallest class that has room for so many bytes. */
static inline unsigned pool_class_of(uint32_t size) {
    if (size <= 1u << POOL_CLASS_SMALLEST_BITS) {
        return 0;
    }
    return 32u - (unsigned)__builtin_clz(size - 1) - POOL_CLASS_SMALLEST_BITS;
}

/* The bytes that a buffer of a class has room for. */
static inline uint32_t pool_class_payload(unsigned index) {
    return UINT32_C(1) << (index + POOL_CLASS_SMALLEST_BITS);
}

#endif
