/* The two ends of a buffer's bytes, for what reads and writes over pieces: is there enough to read, is there room to
 * write. */
#ifndef ENDS_H
#define ENDS_H

#include "buffer.h"
#include "handle.h"
#include "pieces.h"

/* Whether the buffer is alive and so many bytes are readable. */
static inline poolbuf_status ends_check_read(const poolbuf *buffer, size_t length) {
    if (!buffer_check_alive(buffer) || length > poolbuf_readable_bytes(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    return pieces_check(buffer, buffer->reader_index, length, false);
}

/* Makes room for so many bytes after the writer index, of which none is read-only. The check comes first, so that a
 * call that fails has not grown the buffer. */
static inline poolbuf_status ends_make_room(poolbuf *buffer, size_t length) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    size_t there = handle_capacity(buffer) - buffer->writer_index;
    poolbuf_status status = pieces_check(buffer, buffer->writer_index, smaller(length, there), true);
    return status != POOLBUF_OK || length <= there ? status : poolbuf_ensure_writable(buffer, length);
}

#endif
