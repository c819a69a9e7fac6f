/* Indices and marks: what the inline functions of buffer.h leave to the library.
 *
 * A buffer's marks are in the indices of a naked handle with POOLBUF_FLAG_MARKS, whose origin is that buffer. It hangs on
 * the list of slices of the buffer that counts (see derived.c) and goes with them. */
#include "indices.h"

#include "buffer.h"
#include "handle.h"
#include "naked.h"
#include "pieces.h"

poolbuf_status poolbuf_set_indices_slow_(poolbuf *buffer, size_t reader_index, size_t writer_index) {
    if (!buffer_check_alive(buffer) || writer_index > handle_capacity(buffer) || reader_index > writer_index) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    handle_set_indices(buffer, reader_index, writer_index);
    return POOLBUF_OK;
}

uint8_t *poolbuf_bytes_at_slow_(const poolbuf *buffer, size_t index, size_t length) {
    if (pieces_check(buffer, index, length, false) != POOLBUF_OK) {
        return NULL;
    }
    if (buffer->memory != NULL) {
        return buffer->memory + index;
    }
    /* The place behind the last byte, of a composite, is behind its last component. */
    size_t capacity = handle_capacity(buffer);
    bool end = length == 0 && index == capacity && index != 0;
    size_t run = 0;
    uint8_t *bytes = piece_at(buffer, end ? index - 1 : index, &run);
    return bytes == NULL || run < length ? NULL : bytes + (end ? 1 : 0);
}

/* ---- Marks -------------------------------------------------------------------------------------------------------- */

static poolbuf *marks_of(const poolbuf *buffer) {
    if (buffer_is_empty_one(buffer)) {
        return NULL;
    }
    poolbuf *hanging = __atomic_load_n(&buffer_counted(buffer)->link, __ATOMIC_ACQUIRE);
    while (hanging != NULL &&
           ((handle_flags_of(handle_state_get(hanging)) & POOLBUF_FLAG_MARKS) == 0 || hanging->origin != buffer)) {
        hanging = hanging->link;
    }
    return hanging;
}

/* The marks, made if there are none; NULL without memory. */
static poolbuf *make_marks(poolbuf *buffer) {
    poolbuf *marks = marks_of(buffer);
    if (marks == NULL) {
        poolbuf_allocator *allocator = poolbuf_owner(buffer);
        marks = naked_take(allocator);
        if (marks == NULL) {
            return NULL;
        }
        *marks = (poolbuf){.origin = buffer, .bin = (uint16_t)allocator->group.naked_bin, .slot = buffer->slot};
        handle_state_set(marks, handle_state(POOLBUF_FLAG_MARKS, 1));
        derived_hang(buffer_counted(buffer), marks);
    }
    return marks;
}

poolbuf_status poolbuf_mark_reader_index(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (buffer_is_empty_one(buffer)) {
        return POOLBUF_OK;
    }
    poolbuf *marks = make_marks(buffer);
    if (marks == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    marks->reader_index = buffer->reader_index;
    return POOLBUF_OK;
}

poolbuf_status poolbuf_mark_writer_index(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (buffer_is_empty_one(buffer)) {
        return POOLBUF_OK;
    }
    poolbuf *marks = make_marks(buffer);
    if (marks == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    marks->writer_index = (uint32_t)poolbuf_writer_index(buffer);
    return POOLBUF_OK;
}

poolbuf_status poolbuf_reset_reader_index(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    const poolbuf *marks = marks_of(buffer);
    return poolbuf_set_indices(buffer, marks != NULL ? marks->reader_index : 0, poolbuf_writer_index(buffer));
}

poolbuf_status poolbuf_reset_writer_index(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    const poolbuf *marks = marks_of(buffer);
    return poolbuf_set_indices(buffer, buffer->reader_index, marks != NULL ? marks->writer_index : 0);
}

void marks_move_down(const poolbuf *buffer, size_t count) {
    poolbuf *marks = marks_of(buffer);
    if (marks != NULL) {
        marks->reader_index -= (uint32_t)smaller(marks->reader_index, count);
        marks->writer_index -= (uint32_t)smaller(marks->writer_index, count);
    }
}
