/* Edit distance with transpositions, on words short enough for a fixed table; no name or option of ours is longer. */
#include "scenario/near.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum {
    WORD_MAX = 40,
    SHORT_FORM_LEAST = 3 /* letters that a word may be shortened to */
};

static size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= a_length; i++) {
        rows[i][0] = i;
    }
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        for (size_t j = 1; j <= b_length; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            size_t best = min(rows[i - 1][j - 1] + cost, min(rows[i - 1][j], rows[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = min(best, rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    return rows[a_length][b_length];
}

const char *near_field(const char *typed, const char *const *first, size_t count, size_t stride) {
    const char *nearest = NULL;
    size_t nearest_distance = WORD_MAX;
    size_t length = strlen(typed);
    for (size_t i = 0; i < count && length != 0 && length <= WORD_MAX; i++) {
        const char *word = NULL;
        memcpy(&word, (const char *)first + i * stride, sizeof word);
        size_t other = word == NULL ? 0 : strlen(word);
        if (other == 0 || other > WORD_MAX) {
            continue;
        }
        bool is_short_form = length >= SHORT_FORM_LEAST && strncasecmp(typed, word, length) == 0;
        size_t d = is_short_form ? 0 : distance(typed, length, word, other);
        bool is_near = d <= 1 || d * 5 <= 2 * (length > other ? length : other);
        if (is_near && d < nearest_distance) {
            nearest = word;
            nearest_distance = d;
        }
    }
    return nearest;
}

const char *near_word(const char *typed, const char *const *words, size_t count) {
    return near_field(typed, words, count, sizeof *words);
}
