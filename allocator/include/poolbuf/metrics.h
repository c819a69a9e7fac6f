/* A snapshot of an allocator's counters.
 *
 * Nothing is counted on the fast path but the countdown to the next sampled allocation: what is alive is what the
 * arenas have handed out minus what waits in caches. So a snapshot is exact when no call is running; taken while
 * threads allocate, it may be off by the buffers that were on their way between an arena, a cache and a caller; and what a
 * thread has counted that ends just then may be missing until the next one. What is called a counter never falls. */
#ifndef POOLBUF_METRICS_H
#define POOLBUF_METRICS_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint64_t */
#include <stdio.h>  /* FILE */

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h> /* poolbuf_kind */
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* Views that share a count, and retained slices of one buffer, are not counted: they hold no bytes of their own. Composites (and
 * retained slices across their components, which are composites) and buffers of wrapped memory are, with 0 bytes. Bytes of a pooled buffer are those of its
 * size class, which is what it keeps from others; a huge or unpooled one counts what was asked for. */
typedef struct poolbuf_metrics {
    size_t struct_size;         /* bytes of this struct in the caller's header; set it before the call */
    uint64_t live_buffers;      /* buffers in users' hands */
    uint64_t live_bytes;        /* their bytes */
    uint64_t cached_buffers;    /* handles that wait, with their memory, in thread caches and in the depot */
    uint64_t cached_bytes;      /* their bytes */
    uint64_t pinned_bytes;      /* live_bytes + cached_bytes: what no chunk can give back now */
    uint64_t huge_buffers;      /* of the live ones: larger than a chunk, or unpooled */
    uint64_t huge_bytes;        /* their bytes */
    uint64_t chunk_count;       /* chunks mapped, spare ones included; no huge buffers */
    uint64_t chunk_bytes;       /* their bytes, so those of empty chunks too, which wait for POOLBUF_DECAY_MS */
    uint64_t metadata_bytes;    /* handles, chunk records, caches and tables */
    uint64_t allocations;       /* buffers handed out since the start */
    uint64_t releases;          /* buffers that came back since the start */
    uint64_t arena_allocations; /* buffers that an arena cut from a chunk; the rest came out of caches */
    uint64_t arena_releases;    /* buffers that went back into a chunk */
    uint64_t chunk_maps;        /* chunks taken from the system since the start */
    uint64_t chunk_unmaps;      /* chunks given back to the system since the start */
    uint64_t thread_caches;     /* threads that have a cache of this allocator now */
    uint64_t misuses;           /* releases and uses of dead buffers; only POOLBUF_MISUSE=count lets it pass 1 */
    uint64_t spare_chunks;      /* of chunk_count: empty, and waiting to be needed again or to go back to the system */
    uint64_t payload_bytes;     /* what buffers' bytes have taken from the system: what POOLBUF_MEMORY_LIMIT limits */
    uint64_t memory_limit_hits; /* how often that limit refused memory, also where it was then found in another way */
    uint64_t refused_regions; /* the whole process's: the system would not take them back, and they are offered again */
    uint64_t refused_bytes;   /* their bytes, address space for the most part; a pool's count as its payload_bytes */
    uint64_t live_direct_bytes; /* live_bytes by kind, which is what Netty calls pinned */
    uint64_t live_heap_bytes;
    uint64_t pinned_direct_bytes; /* pinned_bytes by kind */
    uint64_t pinned_heap_bytes;
    uint64_t used_direct_bytes; /* all that buffers' bytes lie in: chunks, spare ones too, huge and unpooled buffers */
    uint64_t used_heap_bytes;
    uint64_t resident_bytes;           /* of chunks and huge buffers, as far as they are in memory at this moment */
    uint64_t arena_small_allocations;  /* arena_allocations by size: slots of a run that several buffers share ... */
    uint64_t arena_normal_allocations; /* ... runs of pages ... */
    uint64_t arena_huge_allocations;   /* ... and regions for buffers larger than a chunk */
    uint64_t arena_small_releases;     /* arena_releases likewise */
    uint64_t arena_normal_releases;
    uint64_t arena_huge_releases;
    uint64_t direct_arenas; /* what follows is the allocator's shape, which never changes */
    uint64_t heap_arenas;
    uint64_t page_size;        /* bytes */
    uint64_t chunk_size;       /* bytes */
    uint64_t small_cache_size; /* buffers a thread caches for each small class, if its budget of bytes reaches so far */
    uint64_t normal_cache_size;   /* the same for each larger class */
    uint64_t huge_page_fallbacks; /* regions taken with ordinary pages where POOLBUF_HUGE_PAGES asked for others */
    /* What follows counts handles: those of buffers, of what a buffer moves into when it grows, and of slices. */
    uint64_t cache_hits;    /* that a thread's cache had ready */
    uint64_t cache_misses;  /* that it had not */
    uint64_t cache_refills; /* trips of caches to the depot or an arena that brought handles */
    uint64_t cache_flushes; /* trips that took handles away */
    /* Handles that came back to another thread than they were taken by, net: for each thread, releases beyond what it has
     * taken itself. So what two threads exchange evenly does not show; what one takes and another releases does in full. */
    uint64_t remote_releases;
    uint64_t committed_bytes; /* pages of chunks that are in use or dirty, and huge buffers: what may be resident */
    uint64_t dirty_bytes;     /* of those, free pages that have been used and not yet dropped; of spare chunks too */
    uint64_t purges;          /* times that the system was asked to drop free pages, and did */
    uint64_t purged_bytes;    /* what that was */
} poolbuf_metrics;

/* poolbuf_allocator_metrics() fills a snapshot.
 *   allocator  NULL means the default one.
 *   metrics    not NULL; struct_size says how much of it the caller knows; fields beyond that are left alone.
 *   returns    POOLBUF_OK.
 *   errors     POOLBUF_ERROR_BAD_ARGUMENT if struct_size is smaller than the first version of this struct;
 *              POOLBUF_ERROR_NO_MEMORY if NULL was passed and the default allocator cannot be made.
 *   threads    any; stops nobody who allocates or releases. A thread's first allocation, its exit, and the making and
 *              the end of an allocator may wait until eight caches have been looked at. Waits itself for a step of the
 *              background thread. If resident_bytes is wanted, an arena's lock is held while the addresses of its
 *              chunks are copied.
 *   cost       some hundred loads for each thread cache. For resident_bytes, which a caller does without whose struct_size
 *              ends before it, one system call for each chunk and huge buffer. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_allocator_metrics(poolbuf_allocator *allocator,
                                                                       poolbuf_metrics *metrics);

/* poolbuf_metrics_write_json() writes a snapshot as one JSON object: "schema", which is "poolbuf.metrics/1", and each field of
 * the struct under its name.
 *   metrics  not NULL; its struct_size says which fields there are, as in the call that filled it.
 *   stream   not NULL.
 *   returns  POOLBUF_OK.
 *   errors   POOLBUF_ERROR_BAD_ARGUMENT if the stream reports an error, or an argument is not as above.
 *   threads  any; looks at the snapshot alone.
 *   cost     for people and collectors: some formatted writes, nothing allocated but by the stream. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_metrics_write_json(const poolbuf_metrics *metrics, FILE *stream);

/* poolbuf_metrics_write_openmetrics() writes a snapshot as the text of OpenMetrics 1.0, which Prometheus reads: families
 * called poolbuf_ and the field, with type, unit and help; counters end in _total; the last line is "# EOF". The text is
 * that of one allocator, without labels. chunk_count is poolbuf_chunks, as the suffix _count belongs to other types there.
 * releases is a gauge: it is worked out from two figures, so in the middle of traffic it may fall, which a collector would
 * take for a counter that has started anew. allocations could fall only if a snapshot that was off, as said above, were
 * followed by one before as many more had been handed out; a collector's seconds between the two are far more.
 *   metrics, stream, returns, errors, threads, cost   as above. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_metrics_write_openmetrics(const poolbuf_metrics *metrics,
                                                                               FILE *stream);

/* ---- Arenas ------------------------------------------------------------------------------------------------------- */

/* What one arena counts. A buffer that waits in a cache is active: only what went back to the arena is not, and only a trip
 * to the arena is an allocation. */
typedef struct poolbuf_arena_metrics {
    size_t struct_size;          /* bytes of this struct in the caller's header; set it before the call */
    uint64_t thread_caches;      /* threads bound to this arena */
    uint64_t chunk_count;        /* chunks mapped, spare ones included; no huge buffers */
    uint64_t chunk_bytes;        /* their bytes */
    uint64_t spare_chunks;       /* of chunk_count: empty */
    uint64_t chunk_maps;         /* chunks taken from the system since the start */
    uint64_t chunk_unmaps;       /* chunks given back to the system since the start */
    uint64_t small_allocations;  /* slots cut since the start ... */
    uint64_t normal_allocations; /* ... runs of pages ... */
    uint64_t huge_allocations;   /* ... and buffers larger than a chunk */
    uint64_t small_releases;     /* those that came back */
    uint64_t normal_releases;
    uint64_t huge_releases;
    uint64_t small_active; /* those that are out, in users' hands or in caches */
    uint64_t normal_active;
    uint64_t huge_active;
    uint64_t active_bytes;   /* their bytes, those of their size classes */
    uint64_t used_bytes;     /* chunk_bytes and those of huge buffers: what Netty calls numActiveBytes */
    uint64_t metadata_bytes; /* handles and records */
} poolbuf_arena_metrics;

/* poolbuf_allocator_arena_metrics() fills the figures of one arena.
 *   allocator  NULL means the default one.
 *   kind       whose arenas.
 *   index      0 to direct_arenas - 1, or heap_arenas - 1, of poolbuf_metrics.
 *   metrics    not NULL; struct_size says how much of it the caller knows; fields beyond that are left alone.
 *   returns    POOLBUF_OK.
 *   errors     POOLBUF_ERROR_BAD_ARGUMENT if there is no such arena, or struct_size is smaller than the first version of this
 *              struct; POOLBUF_ERROR_NO_MEMORY if NULL was passed and the default allocator cannot be made.
 *   threads    any; takes no lock, so figures may be of slightly different moments.
 *   cost       some hundred loads. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_allocator_arena_metrics(poolbuf_allocator *allocator,
                                                                             poolbuf_kind kind, uint32_t index,
                                                                             poolbuf_arena_metrics *metrics);

/* One of an arena's six lists of chunks, which group them by how full they are. */
typedef struct poolbuf_chunk_list_metrics {
    const char *name;   /* qInit, q000, q025, q050, q075, q100; static */
    uint64_t min_usage; /* per cent: a chunk used to less moves to an emptier list; 1 also where there is none */
    uint64_t max_usage; /* per cent: a chunk used to so much moves to a fuller list; 100 also where there is none */
    uint64_t chunks;    /* that are in it now */
} poolbuf_chunk_list_metrics;

#define POOLBUF_CHUNK_LISTS 6u /* for poolbuf_chunk_metrics.list: in none of them, as the chunk is empty and spare */

/* A chunk of an arena. */
typedef struct poolbuf_chunk_metrics {
    const void *base;     /* where its region begins */
    uint64_t list;        /* as poolbuf_allocator_chunk_lists() numbers them, from 0; POOLBUF_CHUNK_LISTS */
    uint64_t usage;       /* per cent in use: 0 only if empty, 100 only if full */
    uint64_t chunk_bytes; /* its size */
    uint64_t free_bytes;  /* in free runs of pages; free slots of subpages are in use */
    uint64_t subpages;    /* runs in it that are cut into slots */
} poolbuf_chunk_metrics;

/* A run of pages that is cut into equal slots, with at least one slot free: those that the next small buffers come from. */
typedef struct poolbuf_subpage_metrics {
    uint64_t size_class;
    uint64_t slot_bytes; /* Netty's elementSize */
    uint64_t slots;      /* Netty's maxNumElements */
    uint64_t free_slots; /* Netty's numAvailable */
    uint64_t page_size;  /* bytes of a page, not of the run */
} poolbuf_subpage_metrics;

/* poolbuf_allocator_chunk_lists() copies what an arena's chunk lists hold, from qInit on; poolbuf_allocator_chunks() its chunks,
 * list by list and then the spare ones; poolbuf_allocator_subpages() its subpages with a free slot, by class.
 *   allocator    NULL means the default one.
 *   kind, index  as above.
 *   struct_size  sizeof of the element: the distance of the elements, as the caller's header has them.
 *   lists, chunks, subpages   an array of capacity elements; may be NULL if that is 0.
 *   returns      how many there are, as snprintf() does: more than capacity if they did not fit. 0 if there is no such arena,
 *                or struct_size is smaller than the first version of the element.
 *   threads      any; unlike the snapshot this holds the arena's lock while it copies, as the lists are chains.
 *   cost         some loads for each chunk and subpage. */
POOLBUF_API size_t poolbuf_allocator_chunk_lists(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index,
                                                 size_t struct_size, poolbuf_chunk_list_metrics *lists,
                                                 size_t capacity);
POOLBUF_API size_t poolbuf_allocator_chunks(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index,
                                            size_t struct_size, poolbuf_chunk_metrics *chunks, size_t capacity);
POOLBUF_API size_t poolbuf_allocator_subpages(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index,
                                              size_t struct_size, poolbuf_subpage_metrics *subpages, size_t capacity);

/* poolbuf_allocator_write_json() writes all that can be read of an allocator as one JSON object: "schema", which is
 * "poolbuf.allocator/1", each field of a snapshot under its name, the bytes of the size classes, and the arenas: each with its
 * figures, chunk lists, chunks and subpages.
 *   allocator  NULL means the default one.
 *   stream     not NULL.
 *   returns    POOLBUF_OK.
 *   errors     POOLBUF_ERROR_BAD_ARGUMENT if stream is NULL or reports an error; POOLBUF_ERROR_NO_MEMORY if the default allocator
 *              cannot be made or a copy not be kept. What has been written by then is not a whole object.
 *   threads    any; takes a snapshot, and holds an arena's lock while its structures are copied, never while it writes.
 *   cost       for people and collectors: a system call or two for each arena, and a line for each chunk. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_allocator_write_json(poolbuf_allocator *allocator, FILE *stream);

/* poolbuf_allocator_write_openmetrics() writes a snapshot as poolbuf_metrics_write_openmetrics() does, with the figures of each
 * arena under the labels kind, "direct" or "heap", and arena, its index. A family that both have, such as poolbuf_chunks, is
 * written for the arenas alone: the sum over its labels is the snapshot's figure.
 *   allocator, stream, returns, errors   as above.
 *   threads    any; locks as little as poolbuf_allocator_metrics().
 *   cost       for collectors: some formatted writes for each arena. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_allocator_write_openmetrics(poolbuf_allocator *allocator,
                                                                                 FILE *stream);

/* ---- Size classes ------------------------------------------------------------------------------------------------ */

/* poolbuf_size_class_count() tells how many size classes there are: the smallest is class 0, the last one is a whole chunk.
 * poolbuf_small_size_class_count() tells how many of them are small: cut from a run of pages that several buffers share;
 * the others are runs of their own. These and the calls below know classes alone: with POOLBUF_ALIGNMENT a direct buffer may
 * have the memory of a larger one.
 *   allocator  NULL means the default one.
 *   returns    the number; 0 only if NULL was passed and the default allocator cannot be made.
 *   threads    any; an allocator's classes never change.
 *   cost       a few instructions. */
POOLBUF_API uint32_t poolbuf_size_class_count(poolbuf_allocator *allocator);
POOLBUF_API uint32_t poolbuf_small_size_class_count(poolbuf_allocator *allocator);

/* poolbuf_size_class_bytes() tells what a buffer of a class takes.
 *   allocator, threads, cost   as above.
 *   size_class  0 to the number of classes - 1.
 *   returns     bytes; 0 for a class that does not exist. */
POOLBUF_API size_t poolbuf_size_class_bytes(poolbuf_allocator *allocator, uint32_t size_class);

/* poolbuf_size_class_of_size() finds the class that serves a capacity: the first whose bytes are not fewer.
 *   allocator, threads, cost   as above.
 *   size      bytes; 0 has class 0.
 *   returns   the class; the number of classes for a size above a chunk's, which has none. */
POOLBUF_API uint32_t poolbuf_size_class_of_size(poolbuf_allocator *allocator, size_t size);

/* poolbuf_normalize_size() tells what a buffer of a capacity takes of the pool: its class's bytes; for one larger than a
 * chunk, which has a region of its own, just its size.
 *   allocator, threads, cost   as above.
 *   size      bytes.
 *   returns   bytes. */
POOLBUF_API size_t poolbuf_normalize_size(poolbuf_allocator *allocator, size_t size);

/* Page classes are the size classes seen in pages; a chunk files its free runs by them.
 * poolbuf_page_class_count() tells how many there are, poolbuf_page_class_bytes() what a run of one takes,
 * poolbuf_page_class_ceil() the first whose pages are not fewer, as for a request, and poolbuf_page_class_floor() the last whose
 * pages are not more, as for filing a free run.
 *   allocator, threads, cost   as above.
 *   page_class  0 to the number of page classes - 1.
 *   pages       of page_size each; 0 has class 0.
 *   returns     the number; bytes, 0 for a class that does not exist; the class, or the number of page classes for more
 *               pages than a chunk has. */
POOLBUF_API uint32_t poolbuf_page_class_count(poolbuf_allocator *allocator);
POOLBUF_API size_t poolbuf_page_class_bytes(poolbuf_allocator *allocator, uint32_t page_class);
POOLBUF_API uint32_t poolbuf_page_class_ceil(poolbuf_allocator *allocator, size_t pages);
POOLBUF_API uint32_t poolbuf_page_class_floor(poolbuf_allocator *allocator, size_t pages);

POOLBUF_END_DECLS

#endif
