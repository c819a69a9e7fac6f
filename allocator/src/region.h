/* Regions: the memory that buffers' bytes lie in, taken from the system a chunk or a huge buffer at a time.
 *
 * Everything that happens between an arena and the system when payload is taken or given back is here, and no arena's lock
 * is held meanwhile. A region may begin with lead bytes that no buffer gets (chunk.h):
 *
 *      region                                      as the system gave it
 *      [ lead ][ payload: a chunk's pages, or a huge buffer's bytes ]
 *
 * Direct regions are numbered, each with the smallest number that no other of its allocator has, and announced: a hook hears
 * of a region when it is mapped and before it goes. A number is given back after that, so at any time a number that has been
 * announced belongs to one region (G1).
 *
 * Nothing is locked while a hook runs. Regions may have to go where something is: a thread's exit empties its caches under
 * the registry's lock, and the background thread works under its own. There the caller postpones (region_postpone()), which puts regions on a list, and settles when it
 * has unlocked. The list is written into the regions themselves, which nobody uses any more.
 *
 * One lock for the process, a leaf, guards the numbers and that list; it is held for a few instructions, or for the growth
 * of a table of numbers. */
#ifndef REGION_H
#define REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index_table.h"
#include "os/os.h"

#define REGION_INDEX_NONE INDEX_TABLE_NONE

/* Who hears of regions. Called with no lock held; both or none. */
typedef struct region_hooks {
    bool (*mapped)(void *owner, uint32_t index, void *base, size_t bytes); /* false: do not use it */
    void (*unmapped)(void *owner, uint32_t index, void *base, size_t bytes);
    void *owner;
} region_hooks;

/* What the regions of one allocator share.
 *
 * used_bytes is what payload has taken from the system: of regions without their lead, and of unpooled buffers. It is raised
 * before the system is asked, never above the limit (G2), and lowered when the system has the memory back. */
typedef struct region_pool {
    uint64_t limit_bytes; /* 0: none */
    uint64_t used_bytes;  /* atomic */
    uint64_t fallbacks;   /* atomic; regions that have ordinary pages where huge ones were asked for */
    uint64_t limit_hits;  /* atomic; how often memory was refused because of the limit */
    region_hooks hooks;   /* NULL functions: nobody */
    index_table indices;  /* guarded by the lock */
    uint32_t settling;    /* regions whose hook is being called by region_settle(); guarded by the lock */
    uint32_t settled_era; /* a fork() ago, those calls are in another process; guarded by the lock */
} region_pool;

/* What kind of pages a mapped region has. */
typedef enum region_pages {
    REGION_PAGES_ORDINARY = 0,
    REGION_PAGES_ADVISED = 1,  /* aligned to huge pages, and the kernel is asked to use them */
    REGION_PAGES_RESERVED = 2, /* of huge pages in reserve; ordinary ones where there are too few */
    REGION_PAGES_GROWN = 3     /* ordinary at first, advised once the pool has grown: see region.c */
} region_pages;

/* Where an arena's regions come from, and what they are like. Constant once it is set up. */
typedef struct region_source {
    region_pool *pool;
    os_source source;
    bool numbered;  /* direct: has an index, and the hooks hear of it */
    bool announced; /* there are hooks that hear of it */
    bool
        pages_stay; /* none is dropped while its region is mapped: somebody has registered them, or they are reserved */
    region_pages pages;
    os_numa numa;
    size_t alignment; /* bytes; of a region's start */
    size_t huge;      /* bytes of a huge page, which advised regions are aligned to; 0: there are none */
    size_t granule;   /* bytes; the system gives whole ones of these */
    size_t lead;      /* bytes before the payload */
} region_source;

void region_pool_init(region_pool *self, const region_hooks *hooks, uint64_t limit_bytes);

/* Settles its regions that wait, and waits for other threads that are settling some. No more of them are postponed. */
void region_pool_settle(region_pool *self);

/* Every region has been given back. */
void region_pool_fini(region_pool *self);

/* Counts bytes as used; false if they would pass the limit. */
bool region_reserve(region_pool *self, size_t bytes);
void region_unreserve(region_pool *self, size_t bytes);

/* What the calling thread last wanted and the limit refused, in bytes, since it forgot that; 0: nothing. Like errno, it spares
 * the layers between a way to say why there is no memory. */
size_t region_limit_wanted(void);
void region_limit_forget(void);

/* Bytes of its table. */
size_t region_pool_metadata_bytes(region_pool *self);

void region_source_init(region_source *self, region_pool *pool, os_source source, bool numbered, size_t page_size);

/* Before the first region: other pages than ordinary ones, from certain nodes. For mapped regions; others ignore it. */
void region_source_choose(region_source *self, region_pages pages, os_numa numa);

/* A region for so many bytes of payload, closed to checkers, and its index; NULL without memory, at the limit, or if the hook
 * does not want it. Nothing is mapped for a hook: that could need the next hook, without end. */
uint8_t *region_map(const region_source *self, size_t bytes, uint32_t *index);

/* Gives back a region that was mapped for so many bytes. */
void region_unmap(const region_source *self, uint8_t *region, size_t bytes, uint32_t index);

/* What came of region_resize(). */
typedef enum region_resized {
    REGION_RESIZED,
    REGION_NO_MEMORY,  /* or at the limit; nothing has changed */
    REGION_UNRESIZABLE /* whoever wants another size maps another region; nothing has changed */
} region_resized;

/* Makes a region larger or smaller, with what is in it: *region moves where it has no room. Its index stays. Not where a hook has
 * heard of it: what has been registered stays where it is, and as large as it was said to be. */
region_resized region_resize(const region_source *self, uint8_t **region, size_t old_bytes, size_t bytes);

/* From here on the calling thread's regions that a hook must hear of wait; or not any more. Not nested. */
void region_postpone(bool postpone);

/* Gives back the regions that wait, of all threads. The caller holds no lock. */
void region_settle(void);

/* How many fork()s this process is away from the first: what other threads had begun in an earlier era is not going on. */
uint32_t region_era(void);

/* Whether the calling thread is inside a hook. */
bool region_in_hook(void);

/* Around fork(), after every other lock. */
void region_before_fork(void);
void region_after_fork(bool child);

#endif
