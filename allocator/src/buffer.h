/* Between buffer.c and derived.c: taking handles, and ending buffers. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/buffer.h>
#include <poolbuf/tracker.h>

#include "allocator.h"

/* A handle of a bin from the calling thread's cache, or without one; open and dead; NULL without memory. */
poolbuf *buffer_take_handle(poolbuf_allocator *allocator, uint32_t bin);

/* Gives such a handle back. */
void buffer_give_handle(poolbuf_allocator *allocator, uint32_t bin, poolbuf *handle);

/* False, after saying so, if the buffer is dead or no buffer. */
bool buffer_check_alive(const poolbuf *buffer);

/* The buffer that counts for a slice: itself, if it is none. */
poolbuf *buffer_counted(const poolbuf *buffer);

/* The buffer whose memory it is. */
poolbuf *buffer_root(const poolbuf *buffer);

/* Tells the tracker about a use of the buffer or of a slice of it, if it is tracked. */
void buffer_note(const poolbuf *buffer, poolbuf_access access, const char *hint);

/* derived.c: ends the slices that hang on a dying buffer; ends a retained slice whose count has reached 0; and lets the
 * slices of a buffer follow its memory to a new place. */
void derived_end_slices(poolbuf_allocator *allocator, poolbuf *buffer);
void derived_end_retained(poolbuf *slice);
void derived_follow(poolbuf *buffer, const uint8_t *old_memory);

#endif
