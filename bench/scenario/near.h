/* "Did you mean": the nearest of some words to a mistyped one. */
#ifndef POOLBUF_BENCH_NEAR_H
#define POOLBUF_BENCH_NEAR_H

#include <stddef.h>

/* near_word() returns the word that typed abbreviates, by three letters or more in any case, or else the one at the smallest
 * edit distance; NULL when none is near enough to be meant: one edit, or two in five of the longer word's letters. An edit
 * inserts, deletes or replaces a letter, or swaps two neighbours.
 *   words  `count` texts; a NULL among them is passed over. */
const char *near_word(const char *typed, const char *const *words, size_t count);

/* near_field() does the same with texts that are `stride` bytes apart: a field in an array of structs. */
const char *near_field(const char *typed, const char *const *first, size_t count, size_t stride);

#endif
