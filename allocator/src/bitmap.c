/* Bitmaps: the loops over words. */
#include "bitmap.h"

void bitmap_fill(uint64_t *words, uint32_t count) {
    uint32_t whole = count / BITMAP_WORD_BITS;
    for (uint32_t i = 0; i < whole; i++) {
        words[i] = UINT64_MAX;
    }
    if (count % BITMAP_WORD_BITS != 0) {
        words[whole] = ((uint64_t)1 << (count % BITMAP_WORD_BITS)) - 1;
    }
}

uint32_t bitmap_first(const uint64_t *words, uint32_t count, uint32_t from) {
    uint32_t last = (uint32_t)BITMAP_WORDS(count);
    for (uint32_t i = from / BITMAP_WORD_BITS; i < last; i++) {
        if (words[i] != 0) {
            return i * BITMAP_WORD_BITS + (uint32_t)__builtin_ctzll(words[i]);
        }
    }
    return BITMAP_NONE;
}

uint32_t bitmap_population(const uint64_t *words, uint32_t count) {
    uint32_t population = 0;
    for (size_t i = 0; i < BITMAP_WORDS(count); i++) {
        population += (uint32_t)__builtin_popcountll(words[i]);
    }
    return population;
}
