/* What can be read of an arena.
 *
 * Counters are read without its lock, at the price that they may be of slightly different moments. Its structures can only
 * be walked under the lock: they are copied, so that whoever wants to write or count does it without. */
#ifndef ARENA_METRICS_H
#define ARENA_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/* Bytes of handles and records. */
uint64_t arena_metadata_bytes(const arena *self);

typedef struct region_extent {
    void *start;
    size_t bytes;
} region_extent;

/* Copies where the arena's chunks and huge buffers lie: all but the first `skip`, at most `capacity`; how many. Regions may come
 * and go between two calls, so a walk by skipping may miss some, or meet one twice. */
size_t arena_copy_regions(arena *self, size_t skip, region_extent *regions, size_t capacity);

#endif
