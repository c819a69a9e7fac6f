/* Integers of more than one byte, and those that do not lie in plain sight: the slow paths of varint.h.
 *
 * Both directions go through a few bytes on the stack: a number is encoded there and then written as any bytes are, and
 * is decoded byte by byte from wherever the pieces lie. */
#include <poolbuf/varint.h>

#include "buffer.h"
#include "handle.h"
#include "pieces.h"

#define MORE ((uint8_t)0x80) /* another byte follows */
#define BITS 7u              /* of the number in each byte */

static size_t encode(uint64_t value, uint8_t *bytes) {
    size_t length = 0;
    for (; value >= MORE; value >>= BITS) {
        bytes[length++] = (uint8_t)(value | MORE);
    }
    bytes[length++] = (uint8_t)value;
    return length;
}

poolbuf_status poolbuf_write_varint_slow_(poolbuf *buffer, uint64_t value) {
    uint8_t bytes[POOLBUF_VARINT_SIZE_MAX_U64];
    size_t length = encode(value, bytes);
    return poolbuf_write_bytes(buffer, bytes, length);
}

poolbuf_status poolbuf_set_varint_slow_(poolbuf *buffer, size_t index, uint64_t value) {
    uint8_t bytes[POOLBUF_VARINT_SIZE_MAX_U64];
    size_t length = encode(value, bytes);
    return poolbuf_set_bytes(buffer, index, bytes, length);
}

/* Decodes the number at an index from bytes below end. Only the last byte that a type has room for can hold bits above
 * its width. */
static poolbuf_status decode(const poolbuf *buffer, size_t index, size_t end, unsigned width, uint64_t *value,
                             size_t *length) {
    uint64_t number = 0;
    size_t done = 0;
    size_t run = 0;
    const uint8_t *bytes = NULL;
    for (unsigned shift = 0; shift < width; shift += BITS, bytes++, run--) {
        if (index + done >= end) {
            return POOLBUF_ERROR_OUT_OF_BOUNDS;
        }
        if (run == 0 && (bytes = piece_at(buffer, index + done, &run)) == NULL) {
            return POOLBUF_ERROR_OUT_OF_BOUNDS;
        }
        uint64_t seven = *bytes & (MORE - 1u);
        bool more = (*bytes & MORE) != 0;
        done++;
        if (shift + BITS > width && seven >> (width - shift) != 0) {
            return POOLBUF_ERROR_BAD_DATA;
        }
        number |= seven << shift;
        if (!more) {
            *value = number;
            *length = done;
            return POOLBUF_OK;
        }
    }
    return POOLBUF_ERROR_BAD_DATA;
}

poolbuf_status poolbuf_get_varint_slow_(const poolbuf *buffer, size_t index, unsigned width, uint64_t *value,
                                        size_t *length) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    poolbuf_status status = decode(buffer, index, handle_capacity(buffer), width, value, length);
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, false);
    }
    return status;
}

poolbuf_status poolbuf_read_varint_slow_(poolbuf *buffer, unsigned width, uint64_t *value) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    size_t length = 0;
    poolbuf_status status = decode(buffer, buffer->reader_index, poolbuf_writer_index(buffer), width, value, &length);
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, false);
        handle_read(buffer, length);
    }
    return status;
}
