/* The allocator's struct: what buffer.c, derived.c, metrics.c and allocator.c share.
 *
 * An allocator is one mapping with this struct and its arenas behind it. Destroyed with buffers alive, it stays until the
 * last of them is released: closed, without caches, its live count running down in `orphans` (A4). Handles and chunks
 * are found from a buffer through its origin, so nothing else has to remember a closed allocator. */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>

#include "background.h"
#include "check.h"
#include "region.h"
#include "size_class.h"
#include "striped.h"
#include "thread_cache.h"

/* The most that a snapshot has told of what only ever grows (metrics.c); atomic. */
typedef struct told_counters {
    uint64_t allocations, misses, refills, flushes;
} told_counters;

struct poolbuf_allocator {
    cache_group group; /* first: its slot is the first byte */
    poolbuf_allocator_options options;
    size_classes classes;
    size_t region_bytes; /* of the mapping that this struct lies in */
    void *depot_handles; /* the mapping that the depot's batches lie in ... */
    size_t depot_bytes;  /* ... touched as far as it is used; 0 where nothing is cached */
    bool is_default;
    bool has_member;                 /* the background thread sees to it */
    bool pooled[CACHE_KINDS];        /* by kind: whether there are arenas for it */
    uint32_t kind_bins[CACHE_KINDS]; /* the bin of class 0, by kind */
    background_member member;        /* where options.background_thread is on, and there are arenas */
    region_pool region_pool;
    region_source regions[CACHE_KINDS];     /* by kind */
    uint64_t orphans;                       /* atomic; buffers alive of a destroyed allocator (A4) */
    uint64_t unpooled_buffers[CACHE_KINDS]; /* atomic; alive, by kind */
    uint64_t unpooled_bytes[CACHE_KINDS];   /* atomic; of those */
    striped_counts hollow_buffers;          /* composites and wrapped memory alive */
    told_counters told;
};

/* The allocator that NULL stands for, made on first use; NULL without memory. */
extern poolbuf_allocator
    *allocator_default; /* atomic; release where it is made pairs with acquire here; NULL: not yet */
static inline poolbuf_allocator *allocator_resolve(poolbuf_allocator *allocator) {
    if (allocator != NULL) {
        return allocator;
    }
    poolbuf_allocator *made = __atomic_load_n(&allocator_default, __ATOMIC_ACQUIRE);
    return POOLBUF_LIKELY(made != NULL) ? made : poolbuf_allocator_default();
}

/* The allocator of a live buffer that is not a slice. */
poolbuf_allocator *allocator_of(const poolbuf *buffer);

/* A buffer of a destroyed allocator is gone; the last one takes the allocator with it. */
void allocator_orphan_gone(poolbuf_allocator *allocator);

static inline bool allocator_is_closed(const poolbuf_allocator *allocator) {
    return __atomic_load_n(&allocator->group.closed, __ATOMIC_RELAXED);
}

static inline const void *allocator_anchor(const poolbuf_allocator *allocator) {
    return allocator; /* of Memcheck's mempool */
}

/* Buffers alive and their bytes. */
void allocator_live(poolbuf_allocator *allocator, uint64_t *buffers, uint64_t *bytes);

/* Buffers and their bytes, by kind. */
typedef struct buffer_totals {
    uint64_t buffers[CACHE_KINDS];
    uint64_t bytes[CACHE_KINDS];
} buffer_totals;

/* Handles that wait, by bin: adds those of the depot, and those of one thread's cache. */
void allocator_add_depot_idle(const cache_group *group, uint64_t idle[BIN_MAX]);
void allocator_add_cache_idle(const thread_cache *cache, uint64_t idle[BIN_MAX]);

/* What is alive where so many handles wait: adds it. */
void allocator_add_live(const poolbuf_allocator *self, const uint64_t idle[BIN_MAX], buffer_totals *sum);

/* Walks every arena and cache; for tests, while no other thread is inside. */
bool allocator_audit(poolbuf_allocator *allocator);

#endif
