/* Regions: the memory that buffers' bytes lie in, taken from the system a chunk or a huge buffer at a time.
 *
 * Everything that happens between an arena and the system when payload is taken or given back is here, and no arena's lock
 * is held meanwhile. A region may begin with lead bytes that no buffer gets (chunk.h):
 *
 *      region                                      as the system gave it
 *      [ lead ][ payload: a chunk's pages, or a huge buffer's bytes ] */
#ifndef REGION_H
#define REGION_H

#include <stddef.h>
#include <stdint.h>

#include "os/os.h"

/* Where an arena's regions come from, and what they are like. Constant once it is set up. */
typedef struct region_source {
    os_source source;
    size_t alignment; /* bytes; of a region's start */
    size_t lead;      /* bytes before the payload */
} region_source;

void region_source_init(region_source *self, os_source source, size_t page_size);

/* A region for so many bytes of payload, closed to checkers; NULL without memory. */
uint8_t *region_map(const region_source *self, size_t bytes);

/* Gives back a region that was mapped for so many bytes. */
void region_unmap(const region_source *self, uint8_t *region, size_t bytes);

#endif
