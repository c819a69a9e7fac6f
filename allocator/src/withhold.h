/* Buffers that are dead and that the tracker keeps back: neither alive nor free, until it gives them back.
 *
 * Only tracked buffers come here, with memory of a pool, of an allocator that lives, where no checker watches. Their handles are
 * dead as those in a cache are (handle.h, H1), so that every use of them is caught, and they count as cached: the group's
 * `withheld` says how many there are of each bin. */
#ifndef WITHHOLD_H
#define WITHHOLD_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

#include "allocator.h"

/* Offers a dead handle; flags: those that the buffer had. True: it is the tracker's now. */
bool withhold(poolbuf_allocator *allocator, poolbuf *handle, uint32_t flags);

/* The same buffers, for the sums of what is not alive. */
void withhold_add_idle(const cache_group *group, uint64_t idle[BIN_MAX]);

#endif
