/* Where random tests take their decisions from: a seeded generator, or the bytes that a fuzzer made up. The same code then
 * runs in both, and the fuzzer's bytes are its program: one byte decides among up to 256, two among up to 65536.
 *
 * Bytes run out: from there on every choice is 0, and choices_spent() says that it is time to come to an end. */
#ifndef CHOICES_H
#define CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit_random.h"

typedef struct choices {
    unit_random random;
    const uint8_t *bytes; /* NULL: random decides */
    size_t left;          /* bytes */
    bool spent;           /* a choice has asked for more than there was */
} choices;

static inline choices choices_random(unit_random random) {
    return (choices){.random = random};
}

static inline choices choices_bytes(const uint8_t *bytes, size_t size) {
    return (choices){.bytes = bytes, .left = size};
}

static inline bool choices_spent(const choices *self) {
    return self->spent;
}

/* 0 to limit - 1; limit is not 0. */
static inline uint32_t choices_below(choices *self, uint32_t limit) {
    if (self->bytes == NULL) {
        return unit_random_below(&self->random, limit);
    }
    size_t width = limit <= 1 ? 0 : limit <= 256 ? 1 : limit <= 65536 ? 2 : 4;
    uint32_t value = 0;
    if (width > self->left) {
        self->spent = true;
        self->left = 0;
        return 0;
    }
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | self->bytes[i];
    }
    self->bytes += width;
    self->left -= width;
    return value % limit;
}

static inline bool choices_one_in(choices *self, uint32_t many) {
    return choices_below(self, many) == many - 1;
}

/* A number that tells one content from another. */
static inline uint64_t choices_seed(choices *self) {
    return self->bytes == NULL ? unit_random_next(&self->random)
                               : (self->left + 1) * 0xbf58476d1ce4e5b9u ^ choices_below(self, 256);
}

#endif
