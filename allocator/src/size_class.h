/* Size classes: pure arithmetic, no memory, no state.
 *
 * Sizes are multiples of a quantum of 16 B. Up to 64 B they are 16 B apart; from there each doubling is cut into four:
 *
 *      16 32 48 64 | 80 96 112 128 | 160 192 224 256 | 320 384 448 512 | ... | 2.5 MiB 3 MiB 3.5 MiB 4 MiB
 *
 * so no request above 64 B wastes more than a fifth of what it gets. The class of a size is found without a table: see
 * size_class_of(). A class below four pages is small: it is served from slots of a subpage. Larger ones are normal:
 * a run of pages of their own. Above the chunk there is no class.
 *
 * Page classes are the same series seen in pages: for runs, whose free lengths are filed by them. */
#ifndef SIZE_CLASS_H
#define SIZE_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIZE_CLASS_QUANTUM_LOG2   4
#define SIZE_CLASS_PER_GROUP_LOG2 2 /* four classes a doubling */
#define SIZE_CLASS_PER_GROUP      (1u << SIZE_CLASS_PER_GROUP_LOG2)
#define SIZE_CLASS_FIRST_LOG2     (SIZE_CLASS_QUANTUM_LOG2 + SIZE_CLASS_PER_GROUP_LOG2) /* the first group ends here */

/* The largest chunk, 1 GiB, and with it the most classes there can be. */
#define SIZE_CLASS_CHUNK_MAX_LOG2 30
#define SIZE_CLASS_MAX_COUNT      ((SIZE_CLASS_CHUNK_MAX_LOG2 - SIZE_CLASS_FIRST_LOG2 + 1) * SIZE_CLASS_PER_GROUP)

/* The geometry that an allocator has chosen, and what follows from it. */
typedef struct size_classes {
    uint32_t page_log2;
    uint32_t chunk_log2;
    uint32_t count;       /* classes, the chunk's own size being the last */
    uint32_t small_count; /* classes served from subpages: those below four pages */
    uint32_t page_count;  /* page classes: the classes that are whole pages */
} size_classes;

/* page_size and chunk_size are powers of two within the options' limits; at least 8 pages a chunk. */
void size_classes_init(size_classes *classes, size_t page_size, size_t chunk_size);

/* The class of a size: the first whose bytes are not fewer. Size 0 has class 0. Any size up to 1 GiB.
 *
 * Let s be size - 1 and g the place of its highest bit, taken as at least 6. Within the doubling that g names, classes
 * are 2^(g-2) apart, so s >> (g-2) counts them, 4 to 7 (0 to 3 in the first); earlier doublings have four each. */
static inline uint32_t size_class_of(size_t size) {
    size_t s = size - (size != 0);
    uint32_t group = 63u ^ (uint32_t)__builtin_clzll(s | ((size_t)1 << SIZE_CLASS_FIRST_LOG2));
    return ((group - SIZE_CLASS_FIRST_LOG2) << SIZE_CLASS_PER_GROUP_LOG2) +
           (uint32_t)(s >> (group - SIZE_CLASS_PER_GROUP_LOG2));
}

/* The bytes of a class. */
static inline size_t size_class_bytes(uint32_t index) {
    if (index < SIZE_CLASS_PER_GROUP) {
        return (size_t)(index + 1) << SIZE_CLASS_QUANTUM_LOG2;
    }
    uint32_t group = (index >> SIZE_CLASS_PER_GROUP_LOG2) - 1;
    size_t steps = SIZE_CLASS_PER_GROUP + (index & (SIZE_CLASS_PER_GROUP - 1)) + 1;
    return steps << (group + SIZE_CLASS_QUANTUM_LOG2);
}

static inline bool size_class_is_small(const size_classes *classes, uint32_t index) {
    return index < classes->small_count;
}

/* The page class of so many pages: the first that is not fewer, for a request; the last that is not more, for filing a
 * free run. pages is 1 to the chunk's. */
uint32_t size_class_page_ceil(const size_classes *classes, uint32_t pages);
uint32_t size_class_page_floor(const size_classes *classes, uint32_t pages);
uint32_t size_class_page_bytes_in_pages(const size_classes *classes, uint32_t page_class);

/* Pages of the run that a small class is cut from: the fewest that its slots fill exactly, cut so that there are at
 * most page size / 16 slots. */
uint32_t size_class_subpage_pages(const size_classes *classes, uint32_t index);

#endif
