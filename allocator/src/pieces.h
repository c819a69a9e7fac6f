/* The pieces that a buffer's bytes lie in: one for a plain buffer, a component's each for a composite and its slices.
 *
 * What works on all kinds of buffers is written over pieces: find the one at an index, work on it, go on behind it.
 *
 *     for (size_t done = 0, run; done < length; done += run) {
 *         const uint8_t *bytes = piece_at(buffer, index + done, &run);
 *         run = smaller(run, length - done); ...
 *
 * A check of the whole range comes first (pieces_check), so that a call that fails has changed nothing. */
#ifndef PIECES_H
#define PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/buffer.h>
#include <poolbuf/status.h>

/* The bytes from an index on, and how many lie there in one piece, at least 1. NULL: the index is not below the capacity, or what
 * a slice of a composite showed is gone. */
uint8_t *piece_at(const poolbuf *buffer, size_t index, size_t *length);

/* The plain buffer that the byte at an index lies in, and where in it; the others as piece_at(). seen collects the flags of all
 * buffers on the way. NULL as there. */
poolbuf *piece_leaf(const poolbuf *buffer, size_t index, size_t *leaf_index, size_t *length, uint32_t *seen);

/* Whether the buffer is alive and a range lies within it, and of a slice of a composite also within that: POOLBUF_OK
 * or _OUT_OF_BOUNDS, without a look at the components. For walks that may end early, which go by piece_below(): a walk
 * over all components ahead of each would make a loop of such walks quadratic. */
poolbuf_status pieces_check_bounds(const poolbuf *buffer, size_t index, size_t length);

/* Whether the buffer is alive and a range can be read, or written: POOLBUF_OK, _OUT_OF_BOUNDS, _READ_ONLY. */
poolbuf_status pieces_check(const poolbuf *buffer, size_t index, size_t length, bool write);

/* The same of the next readable bytes. And room for so many after the writer index, of which no part is read-only: that is known
 * before anything grows, so that a call that fails has not grown the buffer. */
poolbuf_status pieces_check_read(const poolbuf *buffer, size_t length);
poolbuf_status pieces_make_room(poolbuf *buffer, size_t length);

/* Around pieces_make_room(to, length) for bytes of a source. A composite that grows may make its components one, and
 * release one that the source is, or is a view of: holds that for so long, and the caller releases what it gets
 * afterwards. NULL: there is no need. */
poolbuf *pieces_hold_source(const poolbuf *to, const poolbuf *source, size_t length);

/* Copy a range that was checked. Where it is no longer there that is misuse: they stop, and what is got of it are
 * zeros. */
void pieces_get(const poolbuf *buffer, size_t index, void *destination, size_t length);
void pieces_set(const poolbuf *buffer, size_t index, const void *source, size_t length);
void pieces_set_zero(const poolbuf *buffer, size_t index, size_t length);

/* Copies a range of one buffer to another, both checked; as if through a third place, unless nothing overlaps
 * (overlap.h). False: that would have needed memory, and there is none. */
bool pieces_copy(const poolbuf *to, size_t to_index, const poolbuf *from, size_t from_index, size_t length);

static inline size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The piece at an index, and how many of its bytes lie below end, which has passed pieces_check_bounds(). NULL: there
 * are no more, or a component has lost its bytes to a smaller capacity. */
static inline const uint8_t *piece_below(const poolbuf *buffer, size_t index, size_t end, size_t *run) {
    const uint8_t *bytes = index < end ? piece_at(buffer, index, run) : NULL;
    *run = bytes != NULL ? smaller(*run, end - index) : 0;
    return bytes;
}

#endif
