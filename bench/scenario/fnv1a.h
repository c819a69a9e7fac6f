/* FNV-1a, 64 bits, as Fowler, Noll and Vo published it (RFC 9923): for each byte, xor, then multiply. It tells what was
 * changed by accident or by an edit from what was not; it is no proof against somebody who wants two things to have one
 * hash. */
#ifndef POOLBUF_BENCH_FNV1A_H
#define POOLBUF_BENCH_FNV1A_H

#include <stddef.h>
#include <stdint.h>

#define FNV1A_START UINT64_C(0xcbf29ce484222325)
#define FNV1A_PRIME UINT64_C(0x100000001b3)

/* fnv1a_bytes() goes on from a hash with so many bytes more; begin with FNV1A_START. */
static inline uint64_t fnv1a_bytes(uint64_t hash, const void *bytes, size_t count) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ at[i]) * FNV1A_PRIME;
    }
    return hash;
}

/* fnv1a_u32() and fnv1a_u64() go on with a number's bytes, the lowest first, whatever this machine's order is. */
static inline uint64_t fnv1a_u32(uint64_t hash, uint32_t number) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
        hash = (hash ^ (number >> shift & 0xff)) * FNV1A_PRIME;
    }
    return hash;
}

static inline uint64_t fnv1a_u64(uint64_t hash, uint64_t number) {
    return fnv1a_u32(fnv1a_u32(hash, (uint32_t)number), (uint32_t)(number >> 32));
}

#endif
