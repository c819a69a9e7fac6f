/* Bitmaps in 64-bit words: the caller owns the words, these find and flip bits. A set bit means
 * what its owner looks for (a free slot, a run's first page, a dirty page), so that finding one is finding a set one. */
#ifndef BITMAP_H
#define BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORD_BITS        64u
#define BITMAP_WORDS(bit_count) (((size_t)(bit_count) + BITMAP_WORD_BITS - 1) / BITMAP_WORD_BITS)
#define BITMAP_NONE             UINT32_MAX

/* Sets the first count bits and clears the rest of the last word. */
void bitmap_fill(uint64_t *words, uint32_t count);

/* The first set bit at or after the word that holds from; BITMAP_NONE. It may lie before from in that word: from is a
 * hint about where to look, not a bound. */
uint32_t bitmap_first(const uint64_t *words, uint32_t count, uint32_t from);

uint32_t bitmap_population(const uint64_t *words, uint32_t count);

static inline bool bitmap_test(const uint64_t *words, uint32_t bit) {
    return (words[bit / BITMAP_WORD_BITS] >> (bit % BITMAP_WORD_BITS) & 1) != 0;
}

static inline void bitmap_set(uint64_t *words, uint32_t bit) {
    words[bit / BITMAP_WORD_BITS] |= (uint64_t)1 << (bit % BITMAP_WORD_BITS);
}

static inline void bitmap_clear(uint64_t *words, uint32_t bit) {
    words[bit / BITMAP_WORD_BITS] &= ~((uint64_t)1 << (bit % BITMAP_WORD_BITS));
}

#endif
