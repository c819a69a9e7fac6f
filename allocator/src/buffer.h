/* Between the files of the buffer: taking handles and memory, beginning buffers and ending them. */
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

/* The same of a use that took or gave back references to the buffer or to a slice of it. */
void buffer_note_references(const poolbuf *buffer, poolbuf_access access, uint32_t references);

/* The empty buffer: one for all, which nothing may hang on. */
bool buffer_is_empty_one(const poolbuf *buffer);

/* A dead handle with at least so many bytes, from wherever that size comes from; one of malloc's; NULL without memory. */
poolbuf *buffer_take_memory(poolbuf_allocator *allocator, int kind, size_t bytes);

/* The same for the bytes of a buffer that needs more or fewer: one of the same making. Or the buffer itself, which then has memory of
 * that size already, with its bytes in it: one that stays huge, or is unpooled, need not be copied. */
poolbuf *buffer_take_resized(poolbuf_allocator *allocator, poolbuf *buffer, size_t bytes);
poolbuf *buffer_take_unpooled(poolbuf_allocator *allocator, int kind, size_t bytes);
void buffer_give_memory(poolbuf_allocator *allocator, poolbuf *handle);

/* Such a handle becomes a buffer; and of one that has, the part of it that counts the allocation and, if it is a sampled one, asks
 * the tracker whether it wants the buffer. */
void buffer_begin(poolbuf_allocator *allocator, poolbuf *buffer, size_t capacity, size_t max_capacity);
void buffer_count_and_sample(poolbuf_allocator *allocator, poolbuf *buffer);

/* A retained slice has given up its share of a root and its reference to it, in one subtraction; state: as it was before. Ends the
 * root where that was the last one. */
void buffer_end_share(poolbuf *root, uint64_t state);

/* Drops the reference that a retained slice of a retained slice has held; true if it was the last one, and that one is to be
 * ended. The tracker is told of it as the giving back of *untold references: those of the slice that held it, whose last ones
 * went at once, or none, since they have been told; *untold is what it has not been told of afterwards. */
bool buffer_drop_hold(poolbuf *retained_slice, uint32_t *untold);

/* derived.c: makes a retained slice of a checked range of a buffer with memory, with flags of its own; hangs a view, or marks, on
 * a buffer that counts; ends those that hang on a dying one; ends a retained slice whose count has reached 0, by one
 * reference or by as many as the tracker has not been told of; and lets the views of a buffer follow its memory to a new
 * place, and its duplicates its capacity. */
poolbuf *derived_retained_slice(poolbuf *buffer, uint32_t flags, size_t index, size_t length);
void derived_hang(poolbuf *counted, poolbuf *view);
void derived_end_slices(poolbuf_allocator *allocator, poolbuf *buffer);
void derived_end_retained(poolbuf *slice);
void derived_end_retained_telling(poolbuf *slice, uint32_t untold);
void derived_follow_memory(poolbuf *buffer, const uint8_t *old_memory);
void derived_follow_capacity(poolbuf *buffer);

#endif
