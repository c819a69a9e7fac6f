/* The end of a buffer whose memory is not the allocator's. */
#ifndef WRAPPED_H
#define WRAPPED_H

#include <poolbuf/buffer.h>

#include "allocator.h"

/* The allocator of such a buffer; the empty one has none: NULL. */
poolbuf_allocator *wrapped_allocator(const poolbuf *buffer);

/* Takes a buffer apart whose last reference is gone, and tells who wants to know. */
void wrapped_end(poolbuf_allocator *allocator, poolbuf *buffer);

#endif
