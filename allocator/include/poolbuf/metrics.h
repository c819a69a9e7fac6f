/* A snapshot of an allocator's counters.
 *
 * Nothing is counted on the fast path but the countdown to the next sampled allocation: what is alive is what the
 * arenas have handed out minus what waits in caches. So a snapshot is exact when no call is running; taken while
 * threads allocate, it may be off by the buffers that were on their way between an arena, a cache and a caller; and, if a
 * thread renews its countdown just then, allocations by as many as that spans: the gap between samples or trims. */
#ifndef POOLBUF_METRICS_H
#define POOLBUF_METRICS_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint64_t */
#include <stdio.h>  /* FILE */

#include <poolbuf/allocator.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* Derived buffers (slices) are not counted: they hold no bytes of their own. Bytes of a pooled buffer are those of its
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
    uint64_t committed_bytes;   /* pages of chunks that are in use or dirty, and huge buffers: what may be resident */
    uint64_t dirty_bytes;       /* of those, free pages that have been used and not yet dropped; of spare chunks too */
    uint64_t purges;            /* times that the system was asked to drop free pages, and did */
    uint64_t purged_bytes;      /* what that was */
} poolbuf_metrics;

/* poolbuf_allocator_metrics() fills a snapshot.
 *   allocator  NULL means the default one.
 *   metrics    not NULL; struct_size says how much of it the caller knows; fields beyond that are left alone.
 *   returns    POOLBUF_OK.
 *   errors     POOLBUF_ERROR_BAD_ARGUMENT if struct_size is smaller than the first version of this struct;
 *              POOLBUF_ERROR_NO_MEMORY if NULL was passed and the default allocator cannot be made.
 *   threads    any; stops nobody who allocates or releases.
 *   cost       some hundred loads for each thread cache. */
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

POOLBUF_END_DECLS

#endif
