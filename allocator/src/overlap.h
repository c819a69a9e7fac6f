/* Whether two ranges of buffers share bytes, however many pieces they lie in. */
#ifndef OVERLAP_H
#define OVERLAP_H

#include <stdbool.h>
#include <stddef.h>

#include <poolbuf/buffer.h>

/* Whether some byte of a checked range of one buffer is a byte of one of another, of the same length. Takes a few steps
 * a piece where either lies in few; else it sorts the pieces of one, in memory of malloc's. Without that: true. */
bool overlap_possible(const poolbuf *a, size_t a_index, const poolbuf *b, size_t b_index, size_t length);

#endif
