/* The pieces that a buffer's bytes lie in. */
#include "pieces.h"

#include <string.h>

#include "buffer.h"
#include "composite.h"
#include "handle.h"
#include "overlap.h"
#include "tracker.h"

poolbuf *piece_leaf(const poolbuf *buffer, size_t index, size_t *leaf_index, size_t *length, uint32_t *seen) {
    size_t left = SIZE_MAX;
    for (;;) {
        uint32_t flags = handle_flags_of(handle_state_get(buffer));
        size_t capacity = handle_capacity(buffer);
        *seen |= flags;
        if (index >= capacity) {
            return NULL;
        }
        left = smaller(left, capacity - index);
        if (buffer->memory != NULL) {
            *length = left;
            *leaf_index = index;
            return (poolbuf *)(uintptr_t)buffer;
        }
        if ((flags & POOLBUF_FLAG_SLICE) != 0) {
            index += buffer->position;
            buffer = buffer->origin;
            continue;
        }
        const component *part = composite_find(buffer->origin, index);
        if (part == NULL) {
            return NULL;
        }
        left = smaller(left, (size_t)part->start + part->length - index);
        index = part->offset + (index - part->start);
        buffer = part->buffer;
    }
}

uint8_t *piece_at(const poolbuf *buffer, size_t index, size_t *length) {
    size_t leaf_index = 0;
    uint32_t seen = 0;
    const poolbuf *leaf = piece_leaf(buffer, index, &leaf_index, length, &seen);
    return leaf != NULL ? leaf->memory + leaf_index : NULL;
}

static bool range_within(size_t index, size_t length, size_t capacity) {
    return index <= capacity && length <= capacity - index;
}

poolbuf_status pieces_check_bounds(const poolbuf *buffer, size_t index, size_t length) {
    if (!buffer_check_alive(buffer) || !range_within(index, length, handle_capacity(buffer))) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    bool in_pieces = buffer->memory == NULL && length != 0;
    if (!in_pieces || (handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_SLICE) == 0) {
        return POOLBUF_OK;
    }
    bool there = range_within(buffer->position + index, length, handle_capacity(buffer->origin));
    return there ? POOLBUF_OK : POOLBUF_ERROR_OUT_OF_BOUNDS;
}

poolbuf_status pieces_check(const poolbuf *buffer, size_t index, size_t length, bool write) {
    if (!buffer_check_alive(buffer) || !range_within(index, length, handle_capacity(buffer))) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    uint32_t seen = handle_flags_of(handle_state_get(buffer));
    bool plain = buffer->memory != NULL;
    for (size_t run = 0, leaf_index = 0; !plain && length != 0; index += run, length -= run) {
        if (piece_leaf(buffer, index, &leaf_index, &run, &seen) == NULL) {
            return POOLBUF_ERROR_OUT_OF_BOUNDS;
        }
        run = smaller(run, length);
    }
    return write && (seen & POOLBUF_FLAG_READ_ONLY) != 0 ? POOLBUF_ERROR_READ_ONLY : POOLBUF_OK;
}

poolbuf_status pieces_check_read(const poolbuf *buffer, size_t length) {
    if (!buffer_check_alive(buffer) || length > poolbuf_readable_bytes(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    return pieces_check(buffer, buffer->reader_index, length, false);
}

poolbuf_status pieces_make_room(poolbuf *buffer, size_t length) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    size_t there = handle_capacity(buffer) - poolbuf_writer_index(buffer);
    poolbuf_status status = pieces_check(buffer, poolbuf_writer_index(buffer), smaller(length, there), true);
    return status != POOLBUF_OK || length <= there ? status : poolbuf_reserve_slow_(buffer, length);
}

poolbuf *pieces_hold_source(const poolbuf *to, const poolbuf *source, size_t length) {
    bool grows = to->memory == NULL && length > handle_capacity(to) - poolbuf_writer_index(to);
    return grows ? poolbuf_retain(buffer_counted(source)) : NULL;
}

/* piece_at() in a range that was checked. NULL, after saying so: what lay there has gone since. */
static uint8_t *checked_piece(const poolbuf *buffer, size_t index, size_t *length) {
    uint8_t *bytes = piece_at(buffer, index, length);
    if (bytes == NULL) {
        tracker_misuse(buffer, POOLBUF_MISUSE_USE_AFTER_RELEASE);
    }
    return bytes;
}

void pieces_get(const poolbuf *buffer, size_t index, void *destination, size_t length) {
    uint8_t *to = destination;
    for (size_t run = 0; length != 0; index += run, length -= run, to += run) {
        const uint8_t *bytes = checked_piece(buffer, index, &run);
        if (bytes == NULL) {
            memset(to, 0, length); /* rather than whatever the caller's memory held */
            return;
        }
        run = smaller(run, length);
        memcpy(to, bytes, run);
    }
}

void pieces_set(const poolbuf *buffer, size_t index, const void *source, size_t length) {
    const uint8_t *from = source;
    for (size_t run = 0; length != 0; index += run, length -= run, from += run) {
        uint8_t *bytes = checked_piece(buffer, index, &run);
        if (bytes == NULL) {
            return;
        }
        run = smaller(run, length);
        memcpy(bytes, from, run);
    }
}

void pieces_set_zero(const poolbuf *buffer, size_t index, size_t length) {
    for (size_t run = 0; length != 0; index += run, length -= run) {
        uint8_t *bytes = checked_piece(buffer, index, &run);
        if (bytes == NULL) {
            return;
        }
        run = smaller(run, length);
        memset(bytes, 0, run);
    }
}

bool pieces_copy(const poolbuf *to, size_t to_index, const poolbuf *from, size_t from_index, size_t length) {
    if (to->memory != NULL && from->memory != NULL) {
        memmove(to->memory + to_index, from->memory + from_index, length);
        return true;
    }
    if (overlap_possible(to, to_index, from, from_index, length)) {
        poolbuf *copy = poolbuf_copy(from, from_index, length);
        if (copy == NULL) {
            return false;
        }
        pieces_set(to, to_index, copy->memory, length);
        (void)poolbuf_release(copy);
        return true;
    }
    for (size_t done = 0, run = 0; done < length; done += run) {
        const uint8_t *bytes = checked_piece(from, from_index + done, &run);
        if (bytes == NULL) {
            return true; /* it has been told */
        }
        run = smaller(run, length - done);
        pieces_set(to, to_index + done, bytes, run);
    }
    return true;
}
