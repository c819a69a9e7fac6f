/* The alias table of gap_table.h. */
#include "gap_table.h"

_Static_assert((GAP_TABLE_COLUMNS & (GAP_TABLE_COLUMNS - 1)) == 0, "a column is chosen by some bits");

static uint32_t threshold_of(double share) {
    return share < 1 ? (uint32_t)(share * 4294967296.0) : UINT32_MAX;
}

/* Shares are probabilities in units of a column's. They fall from outcome to outcome, but for the last one, so that
 * those above 1 come first, and whoever gives to the columns below 1 is the first that still has more than it needs. */
void gap_table_build(gap_table *self, uint32_t interval) {
    double shares[GAP_TABLE_COLUMNS];
    const double p = 1.0 / interval;
    double longer = GAP_TABLE_COLUMNS; /* the share of gaps that are longer than those so far */
    for (uint32_t i = 0; i < GAP_TABLE_LAST; i++) {
        shares[i] = longer * p;
        longer *= 1 - p;
    }
    shares[GAP_TABLE_LAST] = longer;
    for (uint32_t i = 0; i < GAP_TABLE_COLUMNS; i++) {
        self->columns[i] = (gap_column){.threshold = UINT32_MAX, .other = i}; /* all its own */
    }
    uint16_t small[GAP_TABLE_COLUMNS];
    uint16_t large[GAP_TABLE_COLUMNS];
    uint32_t smalls = 0;
    uint32_t larges = 0;
    for (uint32_t i = 0; i < GAP_TABLE_COLUMNS; i++) {
        if (shares[i] < 1) {
            small[smalls++] = (uint16_t)i;
        } else {
            large[larges++] = (uint16_t)i;
        }
    }
    while (smalls > 0 && larges > 0) { /* one that is left over, by rounding, is full */
        const uint16_t needy = small[--smalls];
        const uint16_t giver = large[larges - 1];
        self->columns[needy] = (gap_column){.threshold = threshold_of(shares[needy]), .other = giver};
        shares[giver] -= 1 - shares[needy];
        if (shares[giver] < 1) {
            larges--;
            small[smalls++] = giver;
        }
    }
}

uint32_t gap_table_draw_on(const gap_table *self, uint64_t *random) {
    uint32_t passed = 0;
    uint32_t outcome = 0;
    do {
        passed += GAP_TABLE_LAST;
        outcome = gap_table_outcome(self, random);
    } while (outcome == GAP_TABLE_LAST);
    return passed + outcome + 1;
}
