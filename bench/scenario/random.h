/* The generator's own random numbers, so that a seed means the same stream on every machine and with every libc.
 *
 * xoshiro256** 1.0 by David Blackman and Sebastiano Vigna, seeded through splitmix64 by Sebastiano Vigna; both are in
 * the public domain (prng.di.unimi.it). Everything here is integer arithmetic: no libm, whose last bit may differ. */
#ifndef POOLBUF_BENCH_RANDOM_H
#define POOLBUF_BENCH_RANDOM_H

#include <stdint.h>

typedef struct random_state {
    uint64_t word[4];
} random_state;

/* random_mix() is one step of splitmix64: it advances *state and returns a well mixed word. */
static inline uint64_t random_mix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* random_init() starts an independent sequence for each pair of seed and stream number. */
static inline void random_init(random_state *random, uint64_t seed, uint64_t sequence) {
    uint64_t mix = seed;
    mix = random_mix(&mix) ^ sequence;
    for (int i = 0; i < 4; i++) {
        random->word[i] = random_mix(&mix);
    }
}

static inline uint64_t random_rotate(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

static inline uint64_t random_next(random_state *random) {
    uint64_t *s = random->word;
    uint64_t result = random_rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = random_rotate(s[3], 45);
    return result;
}

/* random_below() is uniform over 0 .. bound - 1, without bias: it draws again where the top range is incomplete. */
static inline uint64_t random_below(random_state *random, uint64_t bound) {
    uint64_t incomplete = (UINT64_MAX - bound + 1) % bound; /* 2^64 mod bound */
    for (;;) {
        uint64_t x = random_next(random);
        if (x >= incomplete) {
            return x % bound;
        }
    }
}

#endif
