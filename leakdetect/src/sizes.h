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

/* The most that a size counts for, and a sum of sizes: JSON's readers take integers for signed ones of 64 bits, and a
 * program may call anything a size. */
#define SIZES_MOST ((uint64_t)INT64_MAX)

static inline uint64_t sizes_cut(uint64_t size) {
    return size < SIZES_MOST ? size : SIZES_MOST;
}

static inline uint64_t sizes_sum(uint64_t a, uint64_t b) {
    return sizes_cut(sizes_cut(a) + sizes_cut(b)); /* which together are below 2^64 */
}

typedef struct sizes {
    uint64_t least, greatest;                               /* exact; of no meaning while kinds is 0 */
    uint64_t size[SIZES_KINDS + 1], count[SIZES_KINDS + 1]; /* ascending by size; one more than is kept, for a moment */
    uint32_t kinds;
    bool rounded; /* two sizes have become one */
} sizes;

/* sizes_add() adds `count` members of a size, of SIZES_MOST if it is larger; sizes_merge() all that another one has. */
void sizes_add(sizes *self, uint64_t size, uint64_t count);
void sizes_merge(sizes *self, const sizes *other);

/* The size that half of the members do not exceed; 0 of none. */
uint64_t sizes_median(const sizes *self);

#endif
