/* A thread's cache: per-class stacks of ready handles in front of the arenas. What surrounds the fast path, whose view of it
 * is poolbuf/fast_path.h.
 *
 * A handle here keeps its memory, so allocating is popping one. Each bin, one for each kind and class, is an array of
 * pointers to handles with four marks in it (T1: bottom <= floor <= top <= ceiling):
 *
 *      bottom            floor              top             ceiling               bottom + config.most
 *      [ untouched     ][ used lately      ][ free places  ][ not granted        ]
 *
 * An array and not a list: to pop, nothing of the handle has to be read, so neither does one pop wait for the last one's
 * memory, nor does a handle that another core has released have to arrive before the next can be found.
 *
 * What moves further moves in batches of config.batch handles: from the bottom, where the coldest lie, to the depot, where
 * other threads' caches find it, else to the arenas.
 *
 * Bounded in bytes. A bin may hold nothing until it is used; then the cache's budget is charged for a batch at a time (T2),
 * which raises the ceiling. What the budget cannot pay for goes to the depot. So a cache never holds more than its
 * allocator's cache_limit_bytes, however many classes are in use.
 *
 * Trimmed by use. floor is the low-water mark: a trim puts it where top is, and the pops that reach it take a slow path
 * that lowers it by a batch. What lies below it at the next trim has not been needed since, and goes. A trim comes every so
 * many allocations, and after so much time if that is asked for; the clock is looked at where the slow path is taken anyway.
 *
 * countdown is what the fast path pays for everything else: it runs down by one with each allocation, to the next sampled
 * one or the next trim, and from it the exact number of allocations follows (countdown.h).
 *
 * Owned by one thread; only tops and counters are read by others (metrics). After the owner's exit, or while the allocator
 * is being destroyed, by whoever holds the registry lock. */
#ifndef THREAD_CACHE_H
#define THREAD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/buffer.h>
#include <poolbuf/fast_path.h>

#include "arena.h"
#include "bitmap.h"
#include "counter.h"
#include "depot.h"
#include "poison.h"
#include "size_class.h"

/* Bins: the classes of the preferred kind, those of the other, and one for handles without memory. */
#define BIN_MAX         POOLBUF_BINS_
#define CACHE_BATCH_MAX 64u
#define CACHE_KINDS     2u
#define GAP_NONE        UINT32_MAX
#define TRIM_NEVER      (UINT64_MAX / 2)
#define CACHE_ENDED     UINT64_MAX

_Static_assert(BIN_MAX == 2 * SIZE_CLASS_MAX_COUNT + 1, "a bin for each kind and class, and one without memory");

/* What is the same for a bin in every thread. */
typedef struct bin_config {
    uint32_t bytes; /* of one buffer; of a handle without memory, its own */
    uint32_t most;  /* handles that a cache may hold; 0: this class is not cached */
    uint32_t batch; /* handles that move at once; at most `most` and CACHE_BATCH_MAX; 0 where most is */
    uint32_t first; /* of the bin's places in thread_cache.places */
    uint16_t size_class;
    uint8_t kind;
    bool naked; /* the bin of handles without memory */
} bin_config;

struct cache_group;
struct thread_record;

/* What has happened in a cache, or in all that are gone; atomic, relaxed, written by the owner. */
typedef struct cache_counters {
    uint64_t slow_takes;   /* handles that a slow path took out of a bin or past it */
    uint64_t slow_counts;  /* allocations of such handles: of the others one was popped as the fast path does */
    uint64_t misses;       /* takes that found their bin empty */
    uint64_t refills;      /* trips to the depot or an arena that brought handles */
    uint64_t flushes;      /* trips there that took handles away */
    uint64_t handles_in;   /* that refills brought, or that a miss took past the bin */
    uint64_t handles_out;  /* that flushes took, or that found no room */
    uint64_t takes;        /* of caches that are gone: see thread_cache_takes() */
    uint64_t net_received; /* of caches that are gone: see thread_cache_received() */
} cache_counters;

typedef struct thread_cache {
    poolbuf_cache_ fast; /* first: what the thread's slot points at */
    struct cache_group *group;
    struct thread_record *thread; /* NULL: the thread was lost in a fork() */
    uint32_t spare_countdown;     /* of a cache in the shared slot, or whose thread was lost in a fork() */
    uint32_t epoch;               /* the sampling epoch that gap_left belongs to; guarded by the registry lock */
    /* From here to the second counter: what the way out of the fast path asks, in one cache line. */
    volatile uint32_t *countdown; /* in the thread's slot, or spare_countdown; read by others while the thread lives */
    uint32_t armed;               /* what countdown was set to, and more where is_each; atomic, relaxed */
    uint32_t rearmed;             /* odd while countdown, armed and allocated do not belong together; atomic */
    uint32_t gap_left;            /* allocations until the next sampled one, at the time of arming; GAP_NONE */
    uint32_t each_upto; /* where each allocation is sampled: so many after arming something else is due, too; else 0 */
    uint64_t trim_left; /* allocations until the next trim, at the time of arming; TRIM_NEVER, or somewhat less */
    uint64_t allocated; /* allocations before arming; atomic, relaxed */
    uint32_t arms_most; /* what countdown is set to at most; GAP_NONE: to anything, and no clock is looked at */
    bool restart;       /* gap_left is from an earlier epoch */
    bool is_each;       /* the tracker wants each allocation until sampling restarts; gap_left is 1 */
    bool unusual; /* countdown does not run to the end of a gap and nothing else: any of these, no gap, a trim first */
    cache_counters counters;
    uint64_t trimmed_ms; /* when the last trim was; only where there is a trim by time */
    size_t budget;       /* bytes that may still be charged */
    arena *arenas[CACHE_KINDS];
    struct thread_cache *next_of_thread; /* guarded by the registry lock */
    struct thread_cache *next_of_group, *prev_of_group;
    uint64_t serial;         /* rises with each cache that the group makes; CACHE_ENDED; guarded by the registry lock */
    uint8_t refill[BIN_MAX]; /* what the next trip to the arena asks for; doubles up to a batch */
    poolbuf *places[];       /* each bin's array, by bin_config.first */
} __attribute__((aligned(64))) thread_cache;

_Static_assert(offsetof(thread_cache, countdown) / 64 == offsetof(thread_cache, counters.slow_counts) / 64,
               "they are in one cache line");

/* All caches of one allocator, and what they share. */
typedef struct cache_group {
    uint8_t slot; /* first, for the fast path; which of a thread's slots holds its cache */
    bool annotated;
    bool closed;                      /* the allocator is destroyed: no more caches; atomic, relaxed */
    struct cache_group *next_sharing; /* among groups of the shared slot; guarded by the registry lock */
    uint32_t bin_count;
    uint32_t naked_bin;
    bool plain_naked; /* handles of that bin may be popped and pushed as they are: pooled, and no checker is told */
    uint32_t largest; /* bytes; the chunk's size */
    uint32_t trim_interval;     /* allocations; 0: never */
    uint32_t trim_interval_ms;  /* 0: never */
    size_t budget;              /* bytes that one cache may hold */
    uint32_t per_log2;          /* size classes a doubling, as a power of two */
    void (*wake)(void);         /* called when a batch has gone to the depot; may be NULL */
    arena *arenas[CACHE_KINDS]; /* arrays */
    uint32_t arena_counts[CACHE_KINDS];
    thread_cache *first; /* the newest; guarded by the registry lock, as are the next three */
    slab records;
    uint64_t caches_made;
    uint64_t retired_allocations;     /* of caches that are gone */
    uint64_t uncached_allocations;    /* atomic; of threads without a cache */
    cache_counters retired;           /* of caches that are gone; guarded by the registry lock */
    uint64_t withheld[BIN_MAX];       /* atomic; dead buffers that the tracker keeps back (withhold.h) */
    struct withheld_stripes *stripes; /* atomic; more of the same; NULL until there are many */
    bin_config bins[BIN_MAX];
    depot_bin depot[BIN_MAX];
    uint64_t depot_used[BITMAP_WORDS(BIN_MAX)]; /* depot.h */
} cache_group;

/* The one arena that handles without memory come from and go to. Who gives one back has nothing to do with who took it: if each
 * thread went to its own arena, handles that one thread takes and another gives back would pile up where nobody takes any. */
static inline arena *cache_group_naked_arena(const cache_group *group) {
    return group->arena_counts[0] != 0 ? group->arenas[0] : group->arenas[1];
}

/* Bytes of a cache whose bins have so many places in all. */
size_t thread_cache_storage(size_t places);

/* A cache that is bound to no arena yet; its first allocation expires. countdown is the one that the fast path counts down
 * in; NULL: there is none, as the cache is in no slot. */
void thread_cache_init(thread_cache *self, cache_group *group, volatile uint32_t *countdown);

/* Its thread is gone, and with it the countdown. */
void thread_cache_detach(thread_cache *self);

/* Pops what is there, and counts nothing. */
static inline poolbuf *thread_cache_pop(poolbuf_bin_ *bin) {
    poolbuf **top = poolbuf_bin_top_(bin) - 1;
    poolbuf *handle = *top;
    if (poison_memcheck) {
        *top = NULL;
    }
    poolbuf_bin_set_top_(bin, top);
    poison_handle_open(handle, sizeof *handle);
    return handle;
}

/* Pops a handle: open, dead, with memory; NULL without memory. index is any bin's, cached or not. */
poolbuf *thread_cache_take(thread_cache *self, uint32_t index);

/* Pushes an open, dead handle. */
void thread_cache_put(thread_cache *self, uint32_t index, poolbuf *handle);

/* Sampling is to begin anew: lets the countdown expire with the next allocation, so that the slow path sees it. Of the cache's
 * thread, which may release first, and finds its cache by that. */
void thread_cache_restart(thread_cache *self);

/* Allocations counted so far; fewer for whoever looks again and again just as the countdown is renewed. */
uint64_t thread_cache_allocated(const thread_cache *self);

/* Handles in a bin. */
uint64_t thread_cache_idle(const thread_cache *self, uint32_t bin);

/* Handles taken so far, on the fast path and the slow one. */
uint64_t thread_cache_takes(const thread_cache *self);

/* Handles that have come out of users' hands here beyond those that went into them: what other threads have allocated and
 * this one has released, less what went the other way. Below 0: as much the other way. */
int64_t thread_cache_received(const thread_cache *self);

/* Everything goes: to the depot as far as it has places, or straight to the arenas. */
void thread_cache_flush(thread_cache *self, bool to_depot);

/* All of the depot's batches go to the arenas. */
void cache_group_drain_depot(cache_group *group);

/* And so do those that nobody has needed lately. */
void cache_group_trim_depot(cache_group *group);

bool thread_cache_audit(const thread_cache *self);

#endif
