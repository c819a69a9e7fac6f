/* "Did you mean": the candidate that a mistyped word most probably stood for. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

/* suggest_nearest() looks for the candidate nearest to a word: the one it abbreviates, or else the fewest keystrokes
 * away (insert, delete, replace, swap), as long as that is at most a third of the word.
 *   candidates  `count` pointers to texts, `stride` bytes apart, so that a field in an array of structs will do.
 *   returns     one of the candidates, or NULL when none is near. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count, size_t stride);

#endif
