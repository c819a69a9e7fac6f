/* A thread's cache: per-class stacks of ready handles in front of the arenas. The fast path.
 *
 * A handle here keeps its memory, so allocating is popping one. Each bin, one for each kind and class, has
 *
 *      head      a list of at most `limit` handles: what the fast path pops and pushes, and all that it touches
 *      full      a few whole batches: head's overflow, from where it is filled first
 *      parked    what head held when the last trim came by (see below)
 *
 * Everything that moves further moves as a whole batch: to the depot, where other threads' caches find it, else to the
 * arenas. A batch is a list of exactly config.batch handles (T1), so nobody counts or splits lists.
 *
 * Bounded in bytes. A bin has a limit of 0 until it is used; then the cache's budget is charged for a batch (T2), as it
 * is for each whole and each parked batch. What the budget cannot pay for goes to the depot. So a cache never holds more
 * than its allocator's cache_limit_bytes, however many classes are in use.
 *
 * Trimmed by use. Every so many allocations, batches that have lain untouched since the last time go. To learn whether
 * head is in use without counting its pops, a trim sets it aside as parked: if nobody has come for it by the next trim,
 * nobody has needed it. The price for a bin that is in use is one short detour an interval.
 *
 * countdown is what the fast path pays for everything else: it runs down by one with each allocation, to the next sampled
 * one or the next trim, and from it the exact number of allocations follows.
 *
 * Owned by one thread; only counts are read by others (metrics). After the owner's exit, or while the allocator is being
 * destroyed, by whoever holds the registry lock. */
#ifndef THREAD_CACHE_H
#define THREAD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

#include "arena.h"
#include "depot.h"
#include "size_class.h"

/* Bins: the classes of the preferred kind, those of the other, and one for handles without memory. */
#define BIN_MAX        (2 * SIZE_CLASS_MAX_COUNT + 1)
#define CACHE_FULL_MAX 3u
#define CACHE_KINDS    2u
#define GAP_NONE       UINT32_MAX

/* What is the same for a bin in every thread. */
typedef struct bin_config {
    uint32_t bytes; /* of one buffer; of a handle without memory, its own */
    uint32_t batch; /* handles; 0: this class is not cached */
    uint16_t size_class;
    uint8_t kind;
    uint8_t full_max; /* whole batches besides head */
    uint8_t depot_places;
    bool naked; /* the bin of handles without memory */
} bin_config;

typedef struct cache_bin {
    uint32_t count; /* handles in head; atomic, relaxed, as others read it */
    uint32_t limit; /* 0 or config.batch */
    poolbuf *head;
} cache_bin;

typedef struct cache_reserve {
    poolbuf *parked;
    poolbuf *full[CACHE_FULL_MAX];
    uint32_t parked_count; /* atomic, relaxed */
    uint32_t full_count;   /* atomic, relaxed */
    uint32_t full_low;     /* the fewest since the last trim */
    uint32_t refill;       /* what the next trip to the arena asks for; doubles up to a batch */
} cache_reserve;

struct cache_group;
struct thread_record;

typedef struct thread_cache {
    /* The fast path's. The bins come first: so one register addresses all of a bin. */
    cache_bin bins[BIN_MAX];
    uint32_t countdown; /* allocations until expiry; atomic, relaxed */
    uint32_t largest;   /* bytes; capacities above have no bin */
    /* Everything else. */
    uint32_t armed;     /* what countdown was set to; atomic, relaxed */
    uint32_t gap_left;  /* allocations until the next sampled one, at the time of arming; GAP_NONE */
    uint32_t trim_left; /* allocations until the next trim, at the time of arming; GAP_NONE */
    uint32_t epoch;     /* the sampling epoch that gap_left belongs to; guarded by the registry lock */
    bool restart;       /* gap_left is from an earlier epoch */
    uint64_t allocated; /* allocations before arming; atomic, relaxed */
    size_t budget;      /* bytes that may still be charged */
    struct cache_group *group;
    arena *arenas[CACHE_KINDS];
    struct thread_record *thread;        /* NULL: the thread was lost in a fork() */
    struct thread_cache *next_of_thread; /* guarded by the registry lock */
    struct thread_cache *next_of_group, *prev_of_group;
    cache_reserve reserves[BIN_MAX];
} thread_cache;

/* All caches of one allocator, and what they share. */
typedef struct cache_group {
    uint8_t slot; /* first, for the fast path; which of a thread's slots holds its cache */
    bool annotated;
    bool closed;                      /* the allocator is destroyed: no more caches; atomic, relaxed */
    struct cache_group *next_sharing; /* among groups of the shared slot; guarded by the registry lock */
    uint32_t bin_count;
    uint32_t naked_bin;
    uint32_t largest;           /* bytes; the chunk's size */
    uint32_t trim_interval;     /* allocations; 0: never */
    size_t budget;              /* bytes that one cache may hold */
    void (*wake)(void);         /* called when a batch has gone to the depot; may be NULL */
    arena *arenas[CACHE_KINDS]; /* arrays */
    uint32_t arena_counts[CACHE_KINDS];
    thread_cache *first; /* guarded by the registry lock, as are the next three */
    slab records;
    uint32_t cache_count;
    uint64_t retired_allocations;  /* of caches that are gone */
    uint64_t uncached_allocations; /* atomic; of threads without a cache */
    bin_config bins[BIN_MAX];
    depot_bin depot[BIN_MAX];
} cache_group;

/* A cache that is bound to no arena yet; its first allocation expires. */
void thread_cache_init(thread_cache *self, cache_group *group);

/* Pops a handle: open, dead, with memory; NULL without memory. index is any bin's, cached or not. */
poolbuf *thread_cache_take(thread_cache *self, uint32_t index);

/* Pushes an open, dead handle. */
void thread_cache_put(thread_cache *self, uint32_t index, poolbuf *handle);

/* Counts one allocation that the slow path has made; true if it is to be sampled. Trims when that is due. */
bool thread_cache_count(thread_cache *self);

/* Allocations counted so far. */
uint64_t thread_cache_allocated(const thread_cache *self);

/* Handles in a bin. */
uint64_t thread_cache_idle(const thread_cache *self, uint32_t bin);

/* Everything goes: to the depot as far as it has places, or straight to the arenas. */
void thread_cache_flush(thread_cache *self, bool to_depot);

/* The depot's batches go to the arenas: all of them, or those that nobody has needed lately. */
void cache_group_drain_depot(cache_group *group, bool all);

bool thread_cache_audit(const thread_cache *self);

/* The fast path's view, in one place for both directions: a relaxed load and store are plain instructions. */
/* NOLINTBEGIN(readability-non-const-parameter): clang-tidy does not see that the builtins write */
static inline uint32_t cache_count_get(const uint32_t *count) {
    return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static inline void cache_count_set(uint32_t *count, uint32_t value) {
    __atomic_store_n(count, value, __ATOMIC_RELAXED);
}
/* NOLINTEND(readability-non-const-parameter) */

#endif
