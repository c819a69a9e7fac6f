/* Buffers of every shape with a known payload, for the tests of io.c. */
#ifndef IO_SHAPES_H
#define IO_SHAPES_H

#include "unit.h"

#include <poolbuf/composite.h>
#include <poolbuf/wrapped.h>

/* The payload's byte i. Its period, 251, is no power of two, so that a byte at a wrong place shows. */
static inline uint8_t payload_at(size_t i) {
    return (uint8_t)(i % 251);
}

/* Appends so many bytes of the payload, from its byte `from` on. */
static inline void append_payload(poolbuf *buffer, size_t from, size_t length) {
    for (size_t i = 0; i < length; i++) {
        UNIT_OK(poolbuf_write_u8(buffer, payload_at(from + i)));
    }
}

static inline void assert_payload(const uint8_t *bytes, size_t from, size_t length) {
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(bytes[i], payload_at(from + i));
    }
}

/* That what is readable is the payload from its byte `from` on. */
static inline void assert_readable_payload(const poolbuf *buffer, size_t from, size_t length) {
    assert_int_equal(poolbuf_readable_bytes(buffer), length);
    for (size_t i = 0; i < length; i++) {
        uint8_t value = 0;
        UNIT_OK(poolbuf_get_u8(buffer, poolbuf_reader_index(buffer) + i, &value));
        assert_int_equal(value, payload_at(from + i));
    }
}

/* What a component is made of. Of a sliced one the payload is the middle of a larger buffer. */
typedef struct part_shape {
    bool pooled, direct, sliced;
} part_shape;

static inline poolbuf *make_part(poolbuf_allocator *pooled, poolbuf_allocator *unpooled, part_shape shape, size_t from,
                                 size_t length) {
    poolbuf_allocator *allocator = shape.pooled ? pooled : unpooled;
    size_t around = shape.sliced ? 5 : 0;
    poolbuf *part = shape.direct ? poolbuf_allocate_direct(allocator, length + 2 * around, length + 2 * around)
                                 : poolbuf_allocate_heap(allocator, length + 2 * around, length + 2 * around);
    assert_non_null(part);
    UNIT_OK(poolbuf_write_zero(part, around));
    append_payload(part, from, length);
    UNIT_OK(poolbuf_write_zero(part, around));
    if (shape.sliced) {
        poolbuf *slice = poolbuf_retained_slice(part, around, length);
        assert_non_null(slice);
        assert_false(poolbuf_release(part));
        part = slice;
    }
    return part;
}

/* A composite of `count` components of so many bytes each, of two shapes by turns, all readable. */
static inline poolbuf *make_parts(poolbuf_allocator *pooled, poolbuf_allocator *unpooled, part_shape even,
                                  part_shape odd, size_t count, size_t bytes) {
    poolbuf *whole = poolbuf_allocate_composite(pooled, (uint32_t)count + 1);
    assert_non_null(whole);
    for (size_t i = 0; i < count; i++) {
        poolbuf *part = make_part(pooled, unpooled, i % 2 == 0 ? even : odd, i * bytes, bytes);
        UNIT_OK(poolbuf_composite_add_component(whole, part, true));
    }
    return whole;
}

/* The kinds of buffers that there are, each with 300 bytes of the payload. */
enum {
    KIND_BYTES = 300,
    KIND_COUNT = 14,
    KIND_FIRST_READ_ONLY = 11 /* those below can be written to */
};

static uint8_t kind_memory[KIND_BYTES];

/* Makes one; *owned is what is released in the end. */
static inline poolbuf *make_kind(poolbuf_allocator *pooled, poolbuf_allocator *unpooled, unsigned kind,
                                 poolbuf **owned) {
    const part_shape heap = {.pooled = true};
    const part_shape direct = {.pooled = true, .direct = true};
    const part_shape single = {.direct = true, .sliced = true};
    for (size_t i = 0; i < KIND_BYTES; i++) {
        kind_memory[i] = payload_at(i);
    }
    poolbuf *inner = NULL;
    bool composite = kind == 6 || kind == 7 || kind == 8 || kind == 9 || kind == 13;
    switch (kind) {
    case 1: /* sliced */
        return *owned = make_part(pooled, unpooled, (part_shape){.pooled = true, .sliced = true}, 0, KIND_BYTES);
    case 2: /* unpooled */
        return *owned = make_part(pooled, unpooled, (part_shape){.direct = true}, 0, KIND_BYTES);
    case 3: /* wrapped */
        return *owned = poolbuf_wrap(pooled, kind_memory, KIND_BYTES, NULL, NULL);
    case 10: /* a composite in a composite */
        inner = make_parts(pooled, unpooled, heap, single, 30, 10);
        *owned = poolbuf_allocate_composite(pooled, 4);
        UNIT_OK(poolbuf_composite_add_component(*owned, inner, true));
        return *owned;
    case 12: /* memory that nobody may write */
        return *owned = poolbuf_wrap_read_only(pooled, kind_memory, KIND_BYTES, NULL, NULL);
    default:
        *owned = composite ? make_parts(pooled, unpooled, heap, direct, 30, 10)
                           : make_part(pooled, unpooled, kind == 0 ? heap : direct, 0, KIND_BYTES);
    }
    switch (kind) {
    case 4:
    case 7:
        return poolbuf_slice(*owned, 0, KIND_BYTES);
    case 5:
    case 8:
        return poolbuf_duplicate(*owned);
    case 9: /* a retained slice, so that the composite goes first */
        inner = poolbuf_retained_slice(*owned, 0, KIND_BYTES);
        assert_true(poolbuf_release(*owned));
        return *owned = inner;
    case 11:
    case 13:
        return poolbuf_as_read_only(*owned);
    default:
        return *owned;
    }
}

#endif
