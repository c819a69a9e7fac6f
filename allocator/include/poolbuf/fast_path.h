/* The fast paths of allocate and release, as inline functions. Not for callers: include poolbuf/buffer.h.
 *
 * The library compiles them into poolbuf_allocate() and poolbuf_release(). A program that defines POOLBUF_INLINE to 1 has
 * them in its own code instead, and saves both calls: see buffer.h, which says what that binds it to.
 *
 * A thread's cache has a bin for each kind and size class: a stack of handles that are ready, each with its memory.
 *
 *      bottom            floor              top             ceiling
 *      [ untouched     ][ handles          ][ room         ]
 *                       ^ a pop from here   ^ pops and      ^ a push onto here
 *                         is a slow one       pushes          is a slow one
 *
 * So either way costs one comparison, and the slow path alone knows why: the bin is empty or full, has not been given any
 * room yet (all four are equal), or its low-water mark has been reached, which tells a trim what nobody needed. A countdown
 * does the same for the rest: it runs down by one with each allocation, to the next one that is to be sampled, the next
 * trim, or the very next one where a checker is to be told of each. It lies in thread-local storage and not in the cache,
 * and the spacing of the classes is a constant, because the processor then knows that address and that spacing early: with
 * both behind the pointer to the cache a pair of inlined calls took half as long again.
 *
 * A thread without a cache has the one that is always empty in its place (all bins NULL), so that there is no test for it
 * either.
 *
 * The layout is that of this version of the library. The name of poolbuf_thread_1_ ends in its number: a program that was
 * compiled with another layout does not link, or does not start, instead of corrupting memory. */
#ifndef POOLBUF_FAST_PATH_H
#define POOLBUF_FAST_PATH_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint32_t */

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/export.h>

POOLBUF_BEGIN_DECLS

#define POOLBUF_BINS_  385u /* two kinds of up to 192 size classes, and one bin for handles without memory */
#define POOLBUF_SLOTS_ 32u  /* caches of a thread; an allocator's place among them is its slot */

/* What other threads may look at, or set, is volatile and read and written once, whole. That is a relaxed atomic access in all
 * but name: gcc makes one instruction of it, with the address folded in, and two or three of its atomic builtins.
 * ThreadSanitizer knows only these, so it gets them. */
#if defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
#define POOLBUF_ATOMICS_ 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define POOLBUF_ATOMICS_ 1
#endif
#endif
#ifdef POOLBUF_ATOMICS_
#define POOLBUF_GET_(lvalue)        __atomic_load_n(&(lvalue), __ATOMIC_RELAXED)
#define POOLBUF_SET_(lvalue, value) __atomic_store_n(&(lvalue), value, __ATOMIC_RELAXED)
#else
#define POOLBUF_GET_(lvalue)        (lvalue)
#define POOLBUF_SET_(lvalue, value) ((void)((lvalue) = (value)))
#endif

typedef struct poolbuf_bin_ {
    poolbuf **volatile top; /* one past the next handle to pop */
    poolbuf **floor;
    poolbuf **ceiling;
    poolbuf **bottom;
} poolbuf_bin_;

/* A thread's cache of one allocator. The bins come first, so that one register addresses all of a bin. */
typedef struct poolbuf_cache_ {
    poolbuf_bin_ bins[POOLBUF_BINS_];
    size_t largest; /* bytes; the fast path has no bin for larger capacities; 0: for none (eight classes a doubling) */
} poolbuf_cache_;

/* What a thread knows of the allocators, by slot. */
typedef struct poolbuf_thread_ {
    poolbuf_cache_ *volatile caches[POOLBUF_SLOTS_]; /* never NULL; others write to them too (registry.h) */
    volatile uint32_t countdowns[POOLBUF_SLOTS_];
} poolbuf_thread_;

/* The calling thread's. Initial-exec: the library is loaded with the program and never unloaded. */
extern POOLBUF_API __thread poolbuf_thread_ poolbuf_thread_1_ __attribute__((tls_model("initial-exec")));

POOLBUF_API poolbuf *poolbuf_allocate_slow_(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity);
POOLBUF_API bool poolbuf_release_slow_(poolbuf *buffer);
POOLBUF_API bool poolbuf_release_full_(poolbuf *buffer);

static inline poolbuf_cache_ *poolbuf_cache_of_slot_(uint32_t slot) {
    return POOLBUF_GET_(poolbuf_thread_1_.caches[slot]);
}

static inline poolbuf **poolbuf_bin_top_(const poolbuf_bin_ *bin) {
    return POOLBUF_GET_(bin->top);
}

static inline void poolbuf_bin_set_top_(poolbuf_bin_ *bin, poolbuf **top) {
    POOLBUF_SET_(bin->top, top);
}

/* The class of a size: the first whose bytes are not fewer. last is size - 1, the last byte's index; with 2^per_log2 classes
 * a doubling, which is a constant where it is called.
 *
 * Let g be the place of the highest bit of last, taken as at least per_log2 + 4. Within the doubling that g names, classes
 * are 2^(g - per_log2) apart, so last >> (g - per_log2) counts them, from the number of classes a doubling to twice that (from
 * 0 in the first); earlier doublings have as many each. The first doubling that is not all quanta of 16 B begins at
 * 2^(per_log2 + 4), which makes g - per_log2 at least 4. */
static inline size_t poolbuf_size_class_(size_t last, uint32_t per_log2) {
    size_t shift = (63u ^ (size_t)(unsigned)__builtin_clzll(last | (size_t)1 << (per_log2 + 4))) - per_log2;
    return ((shift - 4) << per_log2) + (last >> shift);
}

/* Pops a handle of a bin and sets it up; NULL where that is not the fast path's to do. Neither capacity is above
 * POOLBUF_CAPACITY_LIMIT. */
static inline poolbuf *poolbuf_pop_bin_(uint32_t slot, poolbuf_bin_ *bin, size_t initial_capacity,
                                        size_t max_capacity) {
    poolbuf **top = poolbuf_bin_top_(bin);
    uint32_t countdown = POOLBUF_GET_(poolbuf_thread_1_.countdowns[slot]) - 1;
    if (POOLBUF_UNLIKELY_(top == bin->floor || countdown == 0)) {
        return NULL;
    }
    POOLBUF_SET_(poolbuf_thread_1_.countdowns[slot], countdown);
    poolbuf *buffer = *--top;
    poolbuf_bin_set_top_(bin, top);
    buffer->capacity = (uint32_t)initial_capacity;
    buffer->max_capacity = (uint32_t)max_capacity;
    __atomic_store_n(&buffer->state, (uint64_t)1, __ATOMIC_RELAXED);
    return buffer;
}

/* The bin of a capacity, for caches with four classes a doubling; NULL where that is not the fast path's to do. A capacity of 0 is
 * not, so that it needs no test of its own. first_bin is that of class 0 of the kind: 0 for the preferred one. */
static inline poolbuf_bin_ *poolbuf_bin_for_(uint32_t slot, uint32_t first_bin, size_t initial_capacity,
                                             size_t max_capacity) {
    poolbuf_cache_ *cache = poolbuf_cache_of_slot_(slot);
    size_t last = initial_capacity - 1; /* of none: a very large number */
    return POOLBUF_UNLIKELY_(last >= cache->largest || initial_capacity > max_capacity)
               ? NULL
               : &cache->bins[first_bin + poolbuf_size_class_(last, 2)];
}

static inline poolbuf *poolbuf_pop_(uint32_t slot, uint32_t first_bin, size_t initial_capacity, size_t max_capacity) {
    poolbuf_bin_ *bin = poolbuf_bin_for_(slot, first_bin, initial_capacity, max_capacity);
    return POOLBUF_UNLIKELY_(bin == NULL) ? NULL : poolbuf_pop_bin_(slot, bin, initial_capacity, max_capacity);
}

/* What the library puts its probe in. */
#ifndef POOLBUF_RELEASED_
#define POOLBUF_RELEASED_(buffer) ((void)0)
#endif

static inline size_t poolbuf_limited_(size_t max_capacity) {
    return max_capacity < POOLBUF_CAPACITY_LIMIT ? max_capacity : POOLBUF_CAPACITY_LIMIT;
}

/* An allocator's first byte is its slot; the default one's is 0. */
static inline uint32_t poolbuf_slot_of_(const poolbuf_allocator *allocator) {
    return allocator != NULL ? *(const uint8_t *)(const void *)allocator : 0;
}

static inline poolbuf *poolbuf_allocate_fast_(poolbuf_allocator *allocator, size_t initial_capacity,
                                              size_t max_capacity) {
    poolbuf *buffer = poolbuf_pop_(poolbuf_slot_of_(allocator), 0, initial_capacity, poolbuf_limited_(max_capacity));
    if (POOLBUF_UNLIKELY_(buffer == NULL)) {
        return poolbuf_allocate_slow_(allocator, initial_capacity, max_capacity);
    }
    return buffer;
}

/* One reference and no flag: the caller is the sole owner, and nobody else can change that. The load is an acquire. It pairs
 * with the release of the subtraction by which other owners gave theirs up, so that what they did to the bytes comes before
 * whatever the next user does. */
static inline bool poolbuf_release_fast_(poolbuf *buffer) {
    if (POOLBUF_UNLIKELY_(__atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE) != 1)) {
        return poolbuf_release_slow_(buffer);
    }
    poolbuf_bin_ *bin = &poolbuf_cache_of_slot_(buffer->slot)->bins[buffer->bin];
    __asm__("" : "+r"(bin)); /* one address, kept: gcc would work it out twice, for the two fields */
    poolbuf **top = poolbuf_bin_top_(bin);
    if (POOLBUF_UNLIKELY_(top == bin->ceiling)) {
        return poolbuf_release_full_(buffer);
    }
    POOLBUF_RELEASED_(buffer);
    __atomic_store_n(&buffer->state, (uint64_t)0, __ATOMIC_RELAXED);
    buffer->reader_index = 0;
    buffer->writer_index = 0;
    buffer->capacity = 0;
    buffer->max_capacity = 0;
    *top = buffer;
    poolbuf_bin_set_top_(bin, top + 1);
    return true;
}

#if POOLBUF_INLINE
static inline poolbuf *poolbuf_allocate(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity) {
    return poolbuf_allocate_fast_(allocator, initial_capacity, max_capacity);
}

static inline bool poolbuf_release(poolbuf *buffer) {
    return poolbuf_release_fast_(buffer);
}
#endif

POOLBUF_END_DECLS

#endif
