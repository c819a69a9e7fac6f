/* An arena: the lock, and under it everything that is not a cache.
 *
 *      chunk lists     chunks in use, by usage       spares   empty chunks, kept for the next need
 *      rings           subpages with a free slot,    huge     buffers larger than a chunk, one region each
 *                      one ring a small class        slabs    handles and records
 *
 * Caches come here for batches: arena_take() cuts several buffers of a class under one lock, and arena_give() takes back a
 * list of any classes, changing locks only where the next handle belongs to another arena. A handle that waits in a cache
 * counts as carved, like one in a user's hands (A1): what is alive is carved minus cached, and nobody counts releases.
 *
 * Each class keeps at least one subpage once it has had one (A2): without it, a lone small buffer would cut and give back
 * its run each time. An empty chunk is a spare one (A3): it stays for decay_ms, as mapping a chunk anew costs a page fault
 * for each page that is touched. Whoever leaves the lock by a path that takes or gives looks at the oldest spare chunk and
 * gives back what has decayed, after unlocking; with each trim of a thread's cache someone does that for every arena.
 * Without either nothing happens: an arena has no thread of its own.
 *
 * Counters are written under the lock and read by anyone, so they are relaxed atomics. */
#ifndef ARENA_H
#define ARENA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <poolbuf/buffer.h>

#include "chunk_list.h"
#include "os/os.h"
#include "size_class.h"
#include "slab.h"
#include "spare_list.h"

/* What an arena knows of its allocator. */
typedef struct arena_config {
    struct poolbuf_allocator *owner;
    const size_classes *classes;
    os_source source;        /* of chunks and huge regions */
    os_source handle_source; /* of handles */
    uint32_t decay_ms;       /* what an empty chunk waits; guarded by the lock, as the allocator's end sets it to 0 */
    uint32_t handle_flags;   /* POOLBUF_FLAG_ANNOTATED or 0 */
    uint16_t first_bin;      /* the bin of class 0; classes follow */
    uint8_t slot;            /* for poolbuf.slot */
    uint8_t kind;            /* a poolbuf_kind */
} arena_config;

typedef struct arena_counters {
    uint64_t carved[SIZE_CLASS_MAX_COUNT]; /* buffers of each class that are out, cached ones included (A1) */
    uint64_t huge_buffers;
    uint64_t huge_bytes;
    uint64_t allocations; /* buffers cut so far, huge ones included */
    uint64_t releases;    /* buffers taken back so far */
    uint64_t chunks;      /* mapped now, spare ones included */
    uint64_t chunk_maps;
    uint64_t chunk_unmaps;
} arena_counters;

typedef struct arena {
    pthread_mutex_t lock;
    arena_config config;
    uint32_t thread_count; /* threads bound to it; guarded by the registry lock; atomic, relaxed, as others read it */
    chunk_list lists[CHUNK_LIST_COUNT];
    subpage *rings[SIZE_CLASS_MAX_COUNT];
    spare_list spares;
    chunk *huge; /* doubly linked */
    slab handles;
    slab chunk_records;
    slab huge_records;
    slab subpage_records;
    arena_counters counters;
} arena;

void arena_init(arena *self, const arena_config *config);

/* Gives every region back, with whatever is in it. */
void arena_fini(arena *self);

/* Cuts up to count buffers of a class and pushes their handles, dead and with memory, onto *list; how many it could. */
uint32_t arena_take(arena *self, uint32_t size_class, uint32_t count, poolbuf **list);

/* Takes back a list of pooled handles of any arena, huge ones excepted. */
void arena_give(poolbuf *list);

/* Handles without memory, for slices; whoever gives them back names the arena, any of the allocator's. */
uint32_t arena_take_naked(arena *self, uint32_t count, poolbuf **list);
void arena_give_naked(arena *self, poolbuf *list);

/* A buffer with a region of its own: an open, dead handle; NULL without memory. */
poolbuf *arena_take_huge(arena *self, size_t bytes);
void arena_give_huge(poolbuf *handle);

/* Gives the system the spare chunks that have waited long enough. Without a lock if there are none. */
void arena_decay(arena *self);

/* Gives the system every spare chunk; bytes. */
size_t arena_release_spares(arena *self);

/* Gives the system all it can have back; bytes. */
size_t arena_purge(arena *self);

/* Out of service: purges, and keeps no empty chunk from here on. */
void arena_close(arena *self);

/* Bytes of handles and records; takes the lock for a moment. */
size_t arena_metadata_bytes(arena *self);

void arena_dump(arena *self, FILE *stream);

/* Takes the lock; true if every structure holds. */
bool arena_audit(arena *self);

/* Around fork(). */
void arena_lock(arena *self);
void arena_unlock(arena *self);

#endif
