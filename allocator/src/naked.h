/* Handles without memory of their own: what slices, composites, wrapped memory and marks are made of.
 *
 * They come from a bin of the thread's cache as others do, or, where nothing is pooled, from malloc like everything else. Those of
 * composites and of wrapped memory are buffers in their own right: naked_begin() counts one among the live buffers and lets
 * the tracker have a look, naked_end() is its end. */
#ifndef NAKED_H
#define NAKED_H

#include <poolbuf/buffer.h>

#include "allocator.h"

/* A handle whose fields are undefined, for the caller to fill; NULL without memory. */
poolbuf *naked_take(poolbuf_allocator *allocator);

/* Gives one back, whatever it was. */
void naked_give(poolbuf_allocator *allocator, poolbuf *handle);

/* A handle that is filled but for its state becomes a buffer of so many references as one: 1. */
void naked_begin(poolbuf_allocator *allocator, poolbuf *buffer, uint32_t flags);

/* Such a buffer is gone from the books; may take a destroyed allocator with it, so nothing may follow. */
void naked_end(poolbuf_allocator *allocator, poolbuf *buffer);

#endif
