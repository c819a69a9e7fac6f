/* Buffers that are dead and that the tracker keeps back: neither alive nor free, until it gives them back.
 *
 * Only tracked buffers come here, of an allocator that pools and lives, where no checker watches, and what was cut from such
 * buffers. Their handles are dead as those in a cache are (handle.h, H1), so that every use of them is caught, and they count
 * as cached: the group's `withheld` says how many there are of each bin. Where each release keeps one buffer back and gives another
 * one back, as at paranoid, all threads write to that, so the first that is kept back with its memory maps stripes (striped.h)
 * of more such counts; what is out is the sum. A handle without memory (naked.h) remembers the
 * allocator in its link meanwhile. */
#ifndef WITHHOLD_H
#define WITHHOLD_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

#include "allocator.h"

/* Offers a dead handle; flags: those that the buffer had. True: it is the tracker's now. */
bool withhold(poolbuf *handle, uint32_t flags);

/* The same of a buffer with nothing else about it: of a chunk, and with no flag but the tracker's. */
bool withhold_plain(poolbuf *handle);

/* Offers the handle of a composite, or of wrapped memory, that is over. */
bool withhold_naked(poolbuf_allocator *allocator, poolbuf *handle);

/* Offers the handle of a slice that is over; root: of the tracked buffer that it was cut from, dead or alive. */
bool withhold_view(poolbuf_allocator *allocator, poolbuf *view, const poolbuf *root);

/* The same buffers, for the sums of what is not alive. */
void withhold_add_idle(const cache_group *group, uint64_t idle[BIN_MAX]);

/* Bytes of the counts. */
size_t withhold_metadata_bytes(const cache_group *group);

/* Ends the counts. Nothing is withheld any more. */
void withhold_fini(cache_group *group);

#endif
