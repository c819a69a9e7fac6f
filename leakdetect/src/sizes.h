/* The sizes of a group's members in little room: least, greatest, and the median.
 *
 * Most groups have a handful of sizes, and those are counted exactly. Where there are more than SIZES_KINDS, the two
 * nearest become one, at their mean, so that the median is off by no more than the distance between neighbours. */
#ifndef LEAKDETECT_SIZES_H
#define LEAKDETECT_SIZES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SIZES_KINDS = 16
};

typedef struct sizes {
    uint64_t least, greatest;                               /* exact; of no meaning while kinds is 0 */
    uint64_t size[SIZES_KINDS + 1], count[SIZES_KINDS + 1]; /* ascending by size; one more than is kept, for a moment */
    uint32_t kinds;
    bool rounded; /* two sizes have become one */
} sizes;

/* sizes_add() adds `count` members of a size; sizes_merge() all that another one has. */
void sizes_add(sizes *self, uint64_t size, uint64_t count);
void sizes_merge(sizes *self, const sizes *other);

/* The size that half of the members do not exceed; 0 of none. */
uint64_t sizes_median(const sizes *self);

#endif
