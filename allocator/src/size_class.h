/* Size classes: pure arithmetic, no memory, no state.
 *
 * Sizes are multiples of a quantum of 16 B. Up to a first doubling they are 16 B apart; from there each doubling is cut into
 * four, as in Netty and jemalloc, or into eight:
 *
 *      16 32 48 64 | 80 96 112 128 | 160 192 224 256 | 320 384 448 512 | ... | 2.5 MiB 3 MiB 3.5 MiB 4 MiB
 *      16 32 48 64 80 96 112 128 | 144 160 176 192 208 224 240 256 | 288 320 352 384 ... 512 | ... | 4 MiB
 *
 * so no request above the first doubling wastes more than a fifth of what it gets, or a ninth. The class of a size is found
 * without a table: see poolbuf_size_class_() in poolbuf/fast_path.h. A class below four pages (or eight) is small: it is served
 * from slots of a subpage. Larger ones are normal: a run of pages of their own, as from there on all classes are whole pages.
 * Above the chunk there is no class.
 *
 * Page classes, by which free runs are filed, are the series with four a doubling seen in pages, whatever that of the sizes
 * is. Eight would not fit the mask of 64 classes that a run index keeps, and would make no buffer smaller: a run is taken in
 * its exact number of pages. */
#ifndef SIZE_CLASS_H
#define SIZE_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/fast_path.h>

#define SIZE_CLASS_QUANTUM_LOG2 4
#define SIZE_CLASS_PER_MAX      8u

/* The largest chunk, 1 GiB, and with it the most classes there can be: with eight a doubling, the first ends at 128 B. */
#define SIZE_CLASS_CHUNK_MAX_LOG2 30
#define SIZE_CLASS_MAX_COUNT      ((SIZE_CLASS_CHUNK_MAX_LOG2 - 7 + 1) * SIZE_CLASS_PER_MAX)

/* The geometry that an allocator has chosen, and what follows from it. */
typedef struct size_classes {
    uint32_t per_log2; /* classes a doubling, as a power of two: 2 or 3 */
    uint32_t page_log2;
    uint32_t chunk_log2;
    uint32_t count;       /* classes, the chunk's own size being the last */
    uint32_t small_count; /* classes served from subpages: those below four pages, or eight */
    uint32_t page_count;  /* page classes: the classes that are whole pages */
} size_classes;

/* page_size and chunk_size are powers of two within the options' limits, at least 8 pages a chunk; per_doubling is 4, or 8 where a chunk has 16. */
void size_classes_init(size_classes *classes, size_t page_size, size_t chunk_size, uint32_t per_doubling);

/* The class of a size of up to 1 GiB; size 0 has class 0. */
static inline uint32_t size_class_of(const size_classes *classes, size_t size) {
    return (uint32_t)poolbuf_size_class_(size - (size != 0), classes->per_log2);
}

/* The bytes of a class. */
static inline size_t size_class_bytes(const size_classes *classes, uint32_t index) {
    uint32_t per = 1u << classes->per_log2;
    if (index < per) {
        return (size_t)(index + 1) << SIZE_CLASS_QUANTUM_LOG2;
    }
    uint32_t doubling = (index >> classes->per_log2) - 1;
    size_t steps = per + (index & (per - 1)) + 1;
    return steps << (doubling + SIZE_CLASS_QUANTUM_LOG2);
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
