/* The same bytes as every kind of buffer, so that a test can go round all of them; and what a call that fails must not
 * change. */
#ifndef CUT_H
#define CUT_H

#include "unit.h"

#include <poolbuf/composite.h>
#include <poolbuf/wrapped.h>

typedef enum cut_kind {
    CUT_PLAIN,
    CUT_SLICE,
    CUT_DUPLICATE,
    CUT_RETAINED_SLICE,
    CUT_UNRELEASABLE,
    CUT_WRAPPED,
    CUT_COMPOSITE,       /* in components of 0 to 3 bytes */
    CUT_COMPOSITE_SLICE, /* of such a one that has a byte more at each end */
    CUT_READ_ONLY,
    CUT_READ_ONLY_COMPOSITE,
    CUT_KINDS,
    CUT_WRITABLE_KINDS = CUT_READ_ONLY
} cut_kind;

/* A buffer with one reference; owner is what is to be released in the end, and memory is what was wrapped. */
typedef struct cut {
    poolbuf *buffer;
    poolbuf *owner;
    uint8_t *memory;
    poolbuf *other_owner;
} cut;

static inline poolbuf *cut_plain(poolbuf_allocator *allocator, const void *bytes, size_t length) {
    poolbuf *b = poolbuf_allocate(allocator, length, length);
    UNIT_OK(poolbuf_write_bytes(b, bytes, length));
    return b;
}

static inline poolbuf *cut_composite(poolbuf_allocator *allocator, unit_random *random, const void *bytes,
                                     size_t length) {
    const uint8_t *from = bytes;
    poolbuf *composite = poolbuf_allocate_composite(allocator, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    while (length != 0) {
        size_t run = unit_random_below(random, 4);
        run = run < length ? run : length;
        UNIT_OK(poolbuf_composite_add_component(composite, cut_plain(allocator, from, run), true));
        from += run;
        length -= run;
    }
    return composite;
}

/* All bytes are readable, and the capacity is their number. */
static inline cut cut_make(poolbuf_allocator *allocator, unit_random *random, cut_kind kind, const void *bytes,
                           size_t length) {
    uint8_t *longer = calloc(1, length + 2);
    cut made = {0};
    assert_non_null(longer);
    memcpy(longer + 1, bytes, length);
    switch (kind) {
    case CUT_SLICE:
        made.owner = cut_plain(allocator, longer, length + 2);
        made.buffer = poolbuf_slice(made.owner, 1, length);
        break;
    case CUT_RETAINED_SLICE:
        made.other_owner = cut_plain(allocator, longer, length + 2);
        made.buffer = made.owner = poolbuf_retained_slice(made.other_owner, 1, length);
        break;
    case CUT_WRAPPED:
        made.memory = longer;
        longer = NULL;
        made.buffer = made.owner = poolbuf_wrap(allocator, made.memory + 1, length, NULL, NULL);
        break;
    case CUT_COMPOSITE:
    case CUT_READ_ONLY_COMPOSITE:
        made.buffer = made.owner = cut_composite(allocator, random, bytes, length);
        break;
    case CUT_COMPOSITE_SLICE:
        made.owner = cut_composite(allocator, random, longer, length + 2);
        made.buffer = poolbuf_slice(made.owner, 1, length);
        break;
    default:
        made.buffer = made.owner = cut_plain(allocator, bytes, length);
        break;
    }
    if (kind == CUT_DUPLICATE) {
        made.buffer = poolbuf_duplicate(made.owner);
    } else if (kind == CUT_UNRELEASABLE) {
        made.buffer = poolbuf_unreleasable(made.owner);
    } else if (kind == CUT_READ_ONLY || kind == CUT_READ_ONLY_COMPOSITE) {
        made.buffer = poolbuf_as_read_only(made.owner);
    }
    free(longer);
    assert_non_null(made.buffer);
    assert_int_equal(poolbuf_readable_bytes(made.buffer), length);
    return made;
}

static inline void cut_end(cut *made) {
    (void)poolbuf_release(made->owner);
    if (made->other_owner != NULL) {
        (void)poolbuf_release(made->other_owner);
    }
    free(made->memory);
}

/* What the bytes of a buffer are, up to its capacity. */
static inline void cut_expect(const poolbuf *buffer, size_t index, const void *bytes, size_t length) {
    uint8_t *found = calloc(1, length + 1);
    assert_non_null(found);
    UNIT_OK(poolbuf_get_bytes(buffer, index, found, length));
    if (length != 0) {
        assert_memory_equal(found, bytes, length);
    }
    free(found);
}

/* All that a call that fails must leave as it is. */
typedef struct cut_state {
    size_t reader_index, writer_index, capacity;
    uint8_t *bytes;
} cut_state;

static inline cut_state cut_remember(const poolbuf *buffer) {
    cut_state state = {
        .reader_index = poolbuf_reader_index(buffer),
        .writer_index = poolbuf_writer_index(buffer),
        .capacity = poolbuf_capacity(buffer),
    };
    state.bytes = calloc(1, state.capacity + 1);
    assert_non_null(state.bytes);
    UNIT_OK(poolbuf_get_bytes(buffer, 0, state.bytes, state.capacity));
    return state;
}

static inline void cut_expect_unchanged(const poolbuf *buffer, cut_state *state) {
    assert_int_equal(poolbuf_reader_index(buffer), state->reader_index);
    assert_int_equal(poolbuf_writer_index(buffer), state->writer_index);
    assert_int_equal(poolbuf_capacity(buffer), state->capacity);
    cut_expect(buffer, 0, state->bytes, state->capacity);
    free(state->bytes);
    state->bytes = NULL;
}

#endif
