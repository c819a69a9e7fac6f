/* What the tests of composites share: an allocator for each test, and layouts written as texts.
 *
 * A layout is what the components show, with a bar between them: "ab||cde" is a component of two bytes, one of none and one of
 * three. A question mark stands for any byte. */
#ifndef COMPOSITE_FIXTURE_H
#define COMPOSITE_FIXTURE_H

#include "unit.h"

#include <poolbuf/composite.h>
#include <poolbuf/wrapped.h>

#include "allocator.h"
#include "composite.h"

static poolbuf_allocator *allocator;

static inline int set_up(void **state) {
    (void)state;
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

/* Nothing may be left: neither a buffer, nor a reference to one. */
static inline int tear_down(void **state) {
    (void)state;
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static inline poolbuf *text_of(const char *bytes, size_t length) {
    poolbuf *b = poolbuf_allocate(allocator, length, POOLBUF_CAPACITY_LIMIT);
    assert_non_null(b);
    UNIT_OK(poolbuf_write_bytes(b, bytes, length));
    return b;
}

static inline poolbuf *text(const char *bytes) {
    return text_of(bytes, strlen(bytes));
}

static inline void add_text(poolbuf *c, const char *bytes) {
    UNIT_OK(poolbuf_composite_add_component(c, text(bytes), true));
    assert_true(composite_audit(c));
}

/* A composite of that layout, readable as a whole, that nothing is consolidated in. */
static inline poolbuf *composed(const char *layout) {
    poolbuf *c = poolbuf_allocate_composite(allocator, 1000);
    assert_non_null(c);
    while (*layout != '\0') {
        size_t length = strcspn(layout, "|");
        UNIT_OK(poolbuf_composite_add_component(c, text_of(layout, length), true));
        assert_true(composite_audit(c));
        layout += length;
        if (*layout == '|' && *++layout == '\0') {
            add_text(c, ""); /* a bar at the end */
        }
    }
    return c;
}

static inline void expect_bytes_at(const poolbuf *b, size_t index, const char *bytes, size_t length) {
    char got[4096];
    assert_true(length <= sizeof got);
    UNIT_OK(poolbuf_get_bytes(b, index, got, length));
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = 0;
        UNIT_OK(poolbuf_get_u8(b, index + i, &byte)); /* one by one, and all at once */
        if (bytes[i] != '?') {
            assert_int_equal(byte, (uint8_t)bytes[i]);
            assert_int_equal(got[i], bytes[i]);
        }
    }
}

/* What is readable. */
static inline void expect_text(const poolbuf *b, const char *bytes) {
    assert_int_equal(poolbuf_readable_bytes(b), strlen(bytes));
    expect_bytes_at(b, poolbuf_reader_index(b), bytes, strlen(bytes));
}

/* All components, byte for byte, whatever the indices are. */
static inline void expect_layout(const poolbuf *c, const char *layout) {
    assert_true(composite_audit(c));
    uint32_t index = 0;
    size_t start = 0;
    for (const char *at = layout; *layout != '\0'; index++) {
        size_t length = strcspn(at, "|");
        size_t offset = SIZE_MAX;
        UNIT_OK(poolbuf_composite_to_byte_index(c, index, &offset));
        assert_int_equal(offset, start);
        expect_bytes_at(c, start, at, length);
        start += length;
        if (at[length] == '\0') {
            index++;
            break;
        }
        at += length + 1;
    }
    assert_int_equal(poolbuf_composite_component_count(c), index);
    assert_int_equal(poolbuf_capacity(c), start);
}

static inline void expect_indices(const poolbuf *b, size_t reader_index, size_t writer_index) {
    assert_int_equal(poolbuf_reader_index(b), reader_index);
    assert_int_equal(poolbuf_writer_index(b), writer_index);
}

static inline uint64_t live(void) {
    return unit_metrics(allocator).live_buffers;
}

#define COMPOSITE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
