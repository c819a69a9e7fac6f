/* Geometric gaps drawn from a table, exactly and without a logarithm.
 *
 * With one allocation in n sampled, p = 1/n and q = 1 - p, a gap is g with probability p q^(g - 1). Of these the
 * table knows the first GAP_TABLE_LAST, and as one more outcome all that are longer, which have q^GAP_TABLE_LAST. A gap
 * that is longer has, beyond GAP_TABLE_LAST, the distribution that it had at first, as a geometric one has no memory:
 * so that much is added, and the rest is drawn again.
 *
 * Outcomes of unequal probability are drawn in one step by an alias table (Walker; built as Vose does): each column
 * holds 1/GAP_TABLE_COLUMNS of the probability, filled by its own outcome up to the threshold, and by one other above.
 *
 *     threshold  |#|#|o|o|      o the other's     column: 9 bits of the draw
 *                |#|#|#|o|      # its own         height: 32 more
 *                |#|#|#|#|
 *
 * So a draw is one random word, one load and one comparison, without a branch on what is random, but in
 * q^GAP_TABLE_LAST of them, 2 % at 1 in 128. Thresholds are of 32 bits, which makes each probability right to 2^-41 a
 * column. */
#ifndef LEAKDETECT_GAP_TABLE_H
#define LEAKDETECT_GAP_TABLE_H

#include <stdint.h>

#include "arithmetic.h"

enum {
    GAP_TABLE_COLUMNS = 512,
    GAP_TABLE_LAST = GAP_TABLE_COLUMNS - 1, /* the longest gap that is drawn in one step; that outcome says "longer" */
    GAP_TABLE_INTERVAL_MAX = 256            /* beyond it too many are longer, and too few are drawn to matter */
};

typedef struct gap_column {
    uint32_t threshold; /* of 2^32 */
    uint32_t other;
} gap_column;

typedef struct gap_table {
    gap_column columns[GAP_TABLE_COLUMNS]; /* 4 KiB; fixed before use */
} gap_table;

/* gap_table_build() makes the table for one in `interval`, from 2 to GAP_TABLE_INTERVAL_MAX.
 *   cost     some microseconds; nothing is allocated. */
void gap_table_build(gap_table *self, uint32_t interval);

/* One outcome: a gap less 1, or GAP_TABLE_LAST for all that are longer. */
static inline uint32_t gap_table_outcome(const gap_table *self, uint64_t *random) {
    const uint64_t word = random_next(random);
    const uint32_t own = (uint32_t)word % GAP_TABLE_COLUMNS;
    const gap_column *column = &self->columns[own];
    /* Arithmetic, where gcc would make a branch, which goes wrong every third time. */
    const uint32_t is_own = (uint32_t)(((word >> 32) - column->threshold) >> 63);
    return column->other ^ ((column->other ^ own) & (0 - is_own));
}

/* gap_table_draw() draws a gap, at least 1, with the caller's stream. The other one goes on where a gap is longer. */
uint32_t gap_table_draw_on(const gap_table *self, uint64_t *random);
static inline uint32_t gap_table_draw(const gap_table *self, uint64_t *random) {
    const uint32_t outcome = gap_table_outcome(self, random);
    if (__builtin_expect(outcome == GAP_TABLE_LAST, 0)) {
        return gap_table_draw_on(self, random);
    }
    return outcome + 1;
}

#endif
