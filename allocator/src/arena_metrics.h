/* What can be read of an arena.
 *
 * Counters are read without its lock, at the price that they may be of slightly different moments. Its structures can only
 * be walked under the lock: they are copied, so that whoever wants to write or count does it without. */
#ifndef ARENA_METRICS_H
#define ARENA_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include <poolbuf/metrics.h>

#include "arena.h"

/* Bytes of handles and records. */
uint64_t arena_metadata_bytes(const arena *self);

/* All of a poolbuf_arena_metrics but its struct_size. */
void arena_read_metrics(const arena *self, poolbuf_arena_metrics *metrics);

/* An array of a caller's, whose elements may be of another version than ours. */
typedef struct metric_array {
    void *elements;
    size_t struct_size; /* of the caller's element */
    size_t capacity;    /* elements */
    size_t count;       /* elements there are, also those that did not fit */
} metric_array;

/* Each adds what there is to an array of its kind of element, with the lock held. */
void arena_copy_chunk_lists(arena *self, metric_array *lists);
void arena_copy_chunks(arena *self, metric_array *chunks);
void arena_copy_subpages(arena *self, metric_array *subpages);

typedef struct region_extent {
    void *start;
    size_t bytes;
} region_extent;

/* Copies where the arena's chunks and huge buffers lie: all but the first `skip`, at most `capacity`; how many. Regions may come
 * and go between two calls, so a walk by skipping may miss some, or meet one twice. */
size_t arena_copy_regions(arena *self, size_t skip, region_extent *regions, size_t capacity);

#endif
