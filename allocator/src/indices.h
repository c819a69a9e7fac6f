/* Marks: kept in a naked handle that hangs among the slices of the buffer that counts, since few buffers have any. */
#ifndef INDICES_H
#define INDICES_H

#include <stddef.h>

#include <poolbuf/buffer.h>

/* The bytes of a buffer have moved down by so many, and its marks do. */
void marks_move_down(const poolbuf *buffer, size_t count);

#endif
