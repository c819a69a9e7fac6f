/* Edit distance with swaps (optimal string alignment) over short words; longer ones are not names of ours. */
#include "suggest.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define LONGEST 64 /* bytes; no option, subcommand or choice comes near */

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Three rows of the distance matrix are enough: a swap looks two rows back. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    unsigned rows[3][LONGEST + 1];
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        const unsigned *above = rows[(i - 1) % 3];
        const unsigned *two_above = rows[(i + 1) % 3];
        unsigned *row = rows[i % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a_length % 3][b_length];
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count, size_t stride) {
    const size_t length = strlen(word);
    if (length == 0 || length > LONGEST) {
        return NULL;
    }
    const char *nearest = NULL;
    unsigned nearest_distance = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        const char *candidate = NULL;
        memcpy(&candidate, (const char *)candidates + i * stride, sizeof candidate);
        const size_t candidate_length = candidate == NULL ? 0 : strlen(candidate);
        if (candidate_length == 0 || candidate_length > LONGEST) {
            continue;
        }
        unsigned d = distance(word, length, candidate, candidate_length);
        if (length >= 3 && strncasecmp(word, candidate, length) == 0) {
            d = 0;
        }
        if (d < nearest_distance) {
            nearest = candidate;
            nearest_distance = d;
        }
    }
    return nearest_distance <= 1 || nearest_distance <= length / 3 ? nearest : NULL;
}
