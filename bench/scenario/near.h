/* "Did you mean": the nearest of some words to a mistyped one. */
#ifndef POOLBUF_BENCH_NEAR_H
#define POOLBUF_BENCH_NEAR_H

#include <stddef.h>

/* near_word() returns the word at the smallest edit distance from typed, or NULL when none is near enough to be meant:
 * at most two in five of the longer word's letters differ. A transposition counts as one edit. */
const char *near_word(const char *typed, const char *const *words, size_t count);

#endif
