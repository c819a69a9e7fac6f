/* Reading and writing: what the inline functions of access.h leave to the library, and the transfers between buffers.
 *
 * The slow paths are where buffers end up that are dead, read-only or in pieces, and calls that are out of bounds. */
#include <poolbuf/access.h>

#include <sys/uio.h>

#include "buffer.h"
#include "handle.h"
#include "pieces.h"

/* ---- Slow paths of the inline functions --------------------------------------------------------------------------- */

poolbuf_status poolbuf_get_slow_(const poolbuf *buffer, size_t index, void *destination, size_t length) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf_note_access_(buffer, false);
    pieces_get(buffer, index, destination, length);
    return POOLBUF_OK;
}

poolbuf_status poolbuf_set_slow_(poolbuf *buffer, size_t index, const void *source, size_t length) {
    poolbuf_status status = pieces_check(buffer, index, length, true);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf_note_access_(buffer, true);
    pieces_set(buffer, index, source, length);
    return POOLBUF_OK;
}

poolbuf_status poolbuf_read_slow_(poolbuf *buffer, void *destination, size_t length) {
    poolbuf_status status = pieces_check_read(buffer, length);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf_note_access_(buffer, false);
    pieces_get(buffer, buffer->reader_index, destination, length);
    handle_read(buffer, length);
    return POOLBUF_OK;
}

/* Where a buffer in one piece had its bytes before it grew. */
typedef struct old_place {
    uintptr_t memory;
    size_t capacity;
} old_place;

static old_place place_of(const poolbuf *buffer) {
    bool in_pieces = buffer->memory == NULL;
    return (old_place){.memory = (uintptr_t)buffer->memory, .capacity = in_pieces ? 0 : handle_capacity(buffer)};
}

/* Where a source lies now: one that is the buffer's own has moved with it. */
static const void *source_now(const poolbuf *buffer, old_place before, const void *source) {
    size_t offset = (uintptr_t)source - before.memory; /* modulo 2^64, if it lies below */
    return offset < before.capacity ? buffer->memory + offset : source;
}

poolbuf_status poolbuf_write_slow_(poolbuf *buffer, const void *source, size_t length) {
    const old_place before = place_of(buffer);
    poolbuf_status status = pieces_make_room(buffer, length);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf_note_access_(buffer, true);
    pieces_set(buffer, poolbuf_writer_index(buffer), source_now(buffer, before, source), length);
    handle_wrote(buffer, length);
    return POOLBUF_OK;
}

poolbuf_number_ poolbuf_get_number_(const poolbuf *buffer, size_t index, size_t length) {
    poolbuf_number_ number = {.status = pieces_check(buffer, index, length, false)};
    if (number.status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, false);
        pieces_get(buffer, index, &number.bits, length);
    }
    return number;
}

poolbuf_number_ poolbuf_peek_number_(const poolbuf *buffer, size_t length) {
    poolbuf_number_ number = {.status = pieces_check_read(buffer, length)};
    if (number.status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, false);
        pieces_get(buffer, buffer->reader_index, &number.bits, length);
    }
    return number;
}

poolbuf_status poolbuf_set_number_(poolbuf *buffer, size_t index, uint64_t bits, size_t length) {
    return poolbuf_set_slow_(buffer, index, &bits, length);
}

poolbuf_status poolbuf_write_number_(poolbuf *buffer, uint64_t bits, size_t length) {
    return poolbuf_write_slow_(buffer, &bits, length);
}

void poolbuf_record_access_(const poolbuf *buffer, bool write) {
    buffer_note(buffer, write ? POOLBUF_ACCESS_WRITE : POOLBUF_ACCESS_READ, NULL);
}

/* ---- Zeros -------------------------------------------------------------------------------------------------------- */

poolbuf_status poolbuf_set_zero(poolbuf *buffer, size_t index, size_t length) {
    poolbuf_status status = pieces_check(buffer, index, length, true);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf_note_access_(buffer, true);
    pieces_set_zero(buffer, index, length);
    return POOLBUF_OK;
}

poolbuf_status poolbuf_write_zero(poolbuf *buffer, size_t length) {
    poolbuf_status status = pieces_make_room(buffer, length);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf_note_access_(buffer, true);
    pieces_set_zero(buffer, poolbuf_writer_index(buffer), length);
    handle_wrote(buffer, length);
    return POOLBUF_OK;
}

/* ---- From buffer to buffer ---------------------------------------------------------------------------------------- */

static poolbuf_status copy_checked(const poolbuf *to, size_t to_index, const poolbuf *from, size_t from_index,
                                   size_t length) {
    poolbuf_note_access_(from, false);
    poolbuf_note_access_(to, true);
    return pieces_copy(to, to_index, from, from_index, length) ? POOLBUF_OK : POOLBUF_ERROR_NO_MEMORY;
}

poolbuf_status poolbuf_set_buffer(poolbuf *buffer, size_t index, const poolbuf *source, size_t source_index,
                                  size_t length) {
    poolbuf_status status = pieces_check(source, source_index, length, false);
    if (status == POOLBUF_OK) {
        status = pieces_check(buffer, index, length, true);
    }
    return status == POOLBUF_OK ? copy_checked(buffer, index, source, source_index, length) : status;
}

poolbuf_status poolbuf_get_buffer(const poolbuf *buffer, size_t index, poolbuf *destination, size_t destination_index,
                                  size_t length) {
    return poolbuf_set_buffer(destination, destination_index, buffer, index, length);
}

poolbuf_status poolbuf_write_buffer(poolbuf *buffer, poolbuf *source, size_t length) {
    poolbuf_status status = pieces_check_read(source, length);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf *held = pieces_hold_source(buffer, source, length);
    status = pieces_make_room(buffer, length);
    if (status == POOLBUF_OK) {
        status = copy_checked(buffer, poolbuf_writer_index(buffer), source, source->reader_index, length);
    }
    if (status == POOLBUF_OK) {
        handle_read(source, length);
        handle_wrote(buffer, length);
    }
    if (held != NULL) {
        (void)poolbuf_release(held);
    }
    return status;
}

poolbuf_status poolbuf_read_buffer(poolbuf *buffer, poolbuf *destination, size_t length) {
    return poolbuf_write_buffer(destination, buffer, length);
}

/* ---- From and to memory in pieces --------------------------------------------------------------------------------- */

/* How much a list names; more than a buffer can hold: SIZE_MAX. */
static size_t total_of(const struct iovec *pieces, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len > POOLBUF_CAPACITY_LIMIT - total) {
            return SIZE_MAX;
        }
        total += pieces[i].iov_len;
    }
    return total;
}

static void scatter(const poolbuf *buffer, size_t index, const struct iovec *pieces, size_t count) {
    for (size_t i = 0; i < count; i++) {
        pieces_get(buffer, index, pieces[i].iov_base, pieces[i].iov_len);
        index += pieces[i].iov_len;
    }
    poolbuf_note_access_(buffer, false);
}

static void gather(const poolbuf *buffer, size_t index, const struct iovec *pieces, size_t count, old_place before) {
    for (size_t i = 0; i < count; i++) {
        pieces_set(buffer, index, source_now(buffer, before, pieces[i].iov_base), pieces[i].iov_len);
        index += pieces[i].iov_len;
    }
    poolbuf_note_access_(buffer, true);
}

poolbuf_status poolbuf_get_iovec(const poolbuf *buffer, size_t index, const struct iovec *pieces, size_t count) {
    size_t total = total_of(pieces, count);
    poolbuf_status status = total == SIZE_MAX ? POOLBUF_ERROR_BAD_ARGUMENT : pieces_check(buffer, index, total, false);
    if (status == POOLBUF_OK) {
        scatter(buffer, index, pieces, count);
    }
    return status;
}

poolbuf_status poolbuf_set_iovec(poolbuf *buffer, size_t index, const struct iovec *pieces, size_t count) {
    size_t total = total_of(pieces, count);
    poolbuf_status status = total == SIZE_MAX ? POOLBUF_ERROR_BAD_ARGUMENT : pieces_check(buffer, index, total, true);
    if (status == POOLBUF_OK) {
        gather(buffer, index, pieces, count, place_of(buffer));
    }
    return status;
}

poolbuf_status poolbuf_read_iovec(poolbuf *buffer, const struct iovec *pieces, size_t count) {
    size_t total = total_of(pieces, count);
    poolbuf_status status = total == SIZE_MAX ? POOLBUF_ERROR_BAD_ARGUMENT : pieces_check_read(buffer, total);
    if (status == POOLBUF_OK) {
        scatter(buffer, buffer->reader_index, pieces, count);
        handle_read(buffer, total);
    }
    return status;
}

poolbuf_status poolbuf_write_iovec(poolbuf *buffer, const struct iovec *pieces, size_t count) {
    const old_place before = place_of(buffer);
    size_t total = total_of(pieces, count);
    poolbuf_status status = total == SIZE_MAX ? POOLBUF_ERROR_BAD_ARGUMENT : pieces_make_room(buffer, total);
    if (status == POOLBUF_OK) {
        gather(buffer, poolbuf_writer_index(buffer), pieces, count, before);
        handle_wrote(buffer, total);
    }
    return status;
}

/* ---- Copies ------------------------------------------------------------------------------------------------------- */

poolbuf *poolbuf_copy(const poolbuf *buffer, size_t index, size_t length) {
    if (pieces_check(buffer, index, length, false) != POOLBUF_OK) {
        return NULL;
    }
    poolbuf_allocator *owner = poolbuf_owner(buffer);
    size_t max = buffer->max_capacity > length ? buffer->max_capacity : length;
    poolbuf *copy = poolbuf_is_direct(buffer) ? poolbuf_allocate_direct(owner, length, max)
                                              : poolbuf_allocate_heap(owner, length, max);
    if (copy == NULL) {
        return NULL;
    }
    poolbuf_note_access_(buffer, false);
    pieces_get(buffer, index, copy->memory, length);
    copy->writer_index = (uint32_t)length;
    return copy;
}

poolbuf *poolbuf_read_copy(poolbuf *buffer, size_t length) {
    if (pieces_check_read(buffer, length) != POOLBUF_OK) {
        return NULL;
    }
    poolbuf *copy = poolbuf_copy(buffer, buffer->reader_index, length);
    if (copy != NULL) {
        handle_read(buffer, length);
    }
    return copy;
}
