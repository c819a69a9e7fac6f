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
 * its run each time. Its last one may so be empty, and is `kept`; no other is. It goes where an arena gives back all
 * that it can: it would pin a whole chunk. An empty chunk is a spare one (A3): it stays for decay_ms, as mapping a
 * chunk anew costs a page fault for each page that is touched; and so do the dirty pages of the others (decay.h).
 * Whoever leaves the lock by a path that takes or gives looks whether something is due, and gives back a bounded part
 * of it, after unlocking; with each trim of a thread's cache someone does that for every arena. Where there is a
 * background thread, it does so, and the others help only if it is late. Without either nothing happens.
 *
 * With an alignment, a class that is no multiple of it is served with memory of the next one that is (A4). A buffer keeps
 * the bin of the class that was asked for, so caches and the fast path know nothing of it: its bin just holds larger memory.
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
#include "decay.h"
#include "os/os.h"
#include "region.h"
#include "size_class.h"
#include "slab.h"
#include "spare_list.h"

/* What an arena knows of its allocator. */
typedef struct arena_config {
    struct poolbuf_allocator *owner;
    const size_classes *classes;
    const region_source *regions; /* of chunks and huge buffers */
    os_source handle_source;      /* of handles */
    uint32_t decay_ms;     /* what is unused waits; guarded by the lock, as is wake: the allocator's end clears both */
    size_t alignment;      /* of each buffer's memory; a power of two up to the page; 0: as its class has it */
    void (*wake)(void);    /* tells the background thread that there is something to do; NULL: there is none */
    uint32_t handle_flags; /* POOLBUF_FLAG_ANNOTATED or 0 */
    uint16_t first_bin;    /* the bin of class 0; classes follow */
    uint8_t slot;          /* for poolbuf.slot */
    uint8_t kind;          /* a poolbuf_kind */
} arena_config;

_Static_assert(sizeof(arena_config) == 4 * sizeof(void *) + sizeof(size_t) + 2 * sizeof(uint64_t),
               "no bytes between its members, which would be those of a stack, and a scan take for an address");

/* How large a buffer is to an arena. */
typedef enum arena_span {
    ARENA_SMALL,  /* a slot of a subpage */
    ARENA_NORMAL, /* a run of pages */
    ARENA_HUGE,   /* a region of its own */
    ARENA_SPANS
} arena_span;

typedef struct arena_counters {
    uint64_t carved[SIZE_CLASS_MAX_COUNT]; /* buffers of each class that are out, cached ones included (A1) */
    uint64_t huge_buffers;
    uint64_t huge_bytes;
    uint64_t allocations[ARENA_SPANS]; /* buffers cut so far */
    uint64_t releases[ARENA_SPANS];    /* buffers taken back so far */
    uint64_t chunks;                   /* mapped now, spare ones included */
    uint64_t chunk_maps;
    uint64_t chunk_unmaps;
    uint64_t used_pages;  /* of chunks, in runs and subpages */
    uint64_t dirty_pages; /* of chunks, spare ones included */
    uint64_t purges;      /* times that the system has dropped pages */
    uint64_t purged_bytes;
} arena_counters;

typedef struct arena {
    pthread_mutex_t lock;
    arena_config config;
    uint32_t thread_count; /* threads bound to it; guarded by the registry lock; atomic, relaxed, as others read it */
    uint32_t mapping;      /* threads that are mapping a chunk for it, if it is still the era in which they began */
    uint32_t mapping_era;  /* (region.h) */
    uint32_t doomed;       /* chunks that are in no list and not unmapped yet */
    uint32_t mapping_huge; /* threads that are mapping a huge buffer; in a child, those too whose fork() it was not */
    chunk_list lists[CHUNK_LIST_COUNT];
    subpage *rings[SIZE_CLASS_MAX_COUNT];
    subpage *kept[SIZE_CLASS_MAX_COUNT]; /* the last that stayed in its ring as it emptied, if it is there still (A2) */
    uint16_t serving[SIZE_CLASS_MAX_COUNT]; /* the class whose memory a class gets; constant (A4) */
    spare_list spares;
    decay decay;
    chunk *huge; /* doubly linked */
    slab handles;
    slab chunk_records;
    slab chunk_books; /* one for each of those */
    slab huge_records;
    slab subpage_records;
    arena_counters counters;
} arena;

void arena_init(arena *self, const arena_config *config);

/* The class whose memory serves a class where memory is aligned; 0: itself. */
uint32_t arena_serving_class(const size_classes *classes, uint32_t size_class, size_t alignment);

/* Gives every region back, with whatever is in it. */
void arena_fini(arena *self);

/* Cuts up to count buffers of a class and pushes their handles, dead and with memory, onto *list; how many it could. */
uint32_t arena_take(arena *self, uint32_t size_class, uint32_t count, poolbuf **list);

/* The same for one buffer, of the chunks that there are. */
uint32_t arena_take_mapped(arena *self, uint32_t size_class, poolbuf **list);

/* Takes back a list of pooled handles of any arena, huge ones excepted. */
void arena_give(poolbuf *list);

/* Handles without memory, for slices; whoever gives them back names the arena, any of the allocator's. */
uint32_t arena_take_naked(arena *self, uint32_t count, poolbuf **list);
void arena_give_naked(arena *self, poolbuf *list);

/* A buffer with a region of its own: an open, dead handle; NULL without memory. */
poolbuf *arena_take_huge(arena *self, size_t bytes);
void arena_give_huge(poolbuf *handle);

/* Gives such a buffer's region another size, more than a chunk's, with what is in it; sets the handle's memory and what is usable. */
region_resized arena_resize_huge(poolbuf *handle, size_t bytes);

/* Gives the system a bounded part of what has waited long enough. Without a lock if there is nothing. */
void arena_decay(arena *self);

/* The same as the background thread does it; when the next thing is due, or DECAY_NEVER. */
uint64_t arena_decay_step(arena *self);

/* Whether something waits that will go back some time. */
static inline bool arena_has_decaying(const arena *self) {
    return decay_due_ms(&self->decay) != DECAY_NEVER;
}

/* Gives back the empty subpages, and the system every spare chunk; bytes. Then no page is out that was so before. */
size_t arena_release_spares(arena *self);

/* Gives the system all it can have back; bytes. */
size_t arena_purge(arena *self);

/* Out of service: purges, and keeps no empty chunk from here on. */
void arena_close(arena *self);

void arena_dump(arena *self, FILE *stream);

/* Takes the lock; true if every structure holds. */
bool arena_audit(arena *self);

void arena_lock(arena *self);
void arena_unlock(arena *self);

/* Around fork(): no page is out in the child. */
void arena_freeze(arena *self);
void arena_thaw(arena *self);

#endif
