/* Crochemore and Perrin's two-way search, of a needle in a range of a buffer, either of which may lie in pieces.
 *
 * It needs no memory beyond the needle's handful of numbers, and time in proportion to the range and the needle
 * together, whatever their bytes. */
#ifndef TWO_WAY_H
#define TWO_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

/* Bytes that lie in pieces, or in one, read one by one. It keeps the piece that was read last. */
typedef struct cursor {
    const poolbuf *buffer; /* NULL: all bytes are in the piece */
    size_t origin;         /* the index in the buffer of byte 0 */
    const uint8_t *piece;
    size_t start;  /* which byte the piece begins with */
    size_t length; /* of the piece */
} cursor;

/* A needle of at least 1 byte. Cut at `critical` the right part is compared first: a mismatch there moves the needle on
 * by as many bytes as agreed, and one in the left part by `period`, of which the last `kept` bytes then known to agree
 * are not compared again. */
typedef struct two_way_needle {
    const uint8_t *whole; /* NULL: it lies in pieces */
    size_t length;
    cursor bytes;
    bool cut; /* whether what follows is known */
    size_t critical;
    size_t period;
    size_t kept;
} two_way_needle;

/* A needle that is in one piece, and one that is a range of a buffer, which has been checked. Of at least 1 byte. */
static inline two_way_needle two_way_whole(const uint8_t *bytes, size_t length) {
    return (two_way_needle){.whole = bytes, .length = length, .bytes = {.piece = bytes, .length = length}};
}

static inline two_way_needle two_way_pieces(const poolbuf *buffer, size_t index, size_t length) {
    return (two_way_needle){.length = length, .bytes = {.buffer = buffer, .origin = index}};
}

/* The index of the first place in a range, which has been checked and is at least as long as the needle; or
 * POOLBUF_NOT_FOUND. */
size_t two_way_find(two_way_needle *self, const poolbuf *buffer, size_t index, size_t length);

#endif
