/* The same bytes in every kind of buffer: for tests of what has to work alike on all of them.
 *
 * Where the kind allows it there are other bytes before and behind those that are readable, so that a call that looks
 * beyond them finds something. Composites are cut at random places, now and then into components of no bytes. */
#ifndef ANY_KIND_H
#define ANY_KIND_H

#include "unit.h"

#include <poolbuf/composite.h>
#include <poolbuf/wrapped.h>

typedef enum any_kind {
    ANY_PLAIN = 0,
    ANY_HEAP,
    ANY_UNPOOLED,
    ANY_SLICE,
    ANY_RETAINED_SLICE,
    ANY_DUPLICATE,
    ANY_READ_ONLY,
    ANY_UNRELEASABLE,
    ANY_WRAPPED,
    ANY_WRAPPED_READ_ONLY,
    ANY_COMPOSITE,
    ANY_COMPOSITE_OF_COMPOSITES,
    ANY_SLICE_OF_COMPOSITE,
    ANY_RETAINED_SLICE_OF_COMPOSITE,
    ANY_READ_ONLY_COMPOSITE,
    ANY_KINDS
} any_kind;

typedef struct any_buffer {
    poolbuf *buffer; /* readable: the bytes; writer index at the last one's end */
    poolbuf *held;   /* what to release */
} any_buffer;

static inline void any_free(void *memory, size_t length, void *context) {
    (void)length;
    (void)context;
    free(memory);
}

static inline poolbuf *any_filled(poolbuf *buffer, const uint8_t *bytes, size_t length) {
    assert_non_null(buffer);
    UNIT_OK(poolbuf_write_bytes(buffer, bytes, length));
    return buffer;
}

static inline poolbuf *any_wrapped(poolbuf_allocator *allocator, const uint8_t *bytes, size_t length, bool writable) {
    uint8_t *memory = malloc(length != 0 ? length : 1);
    assert_non_null(memory);
    if (length != 0) {
        memcpy(memory, bytes, length);
    }
    poolbuf *buffer = writable ? poolbuf_wrap(allocator, memory, length, any_free, NULL)
                               : poolbuf_wrap_read_only(allocator, memory, length, any_free, NULL);
    assert_non_null(buffer);
    return buffer;
}

/* A component: bytes that are readable between others that are not, so that it does not begin where its buffer does. */
static inline poolbuf *any_component(poolbuf_allocator *allocator, unit_random *random, const uint8_t *bytes,
                                     size_t length) {
    size_t lead = unit_random_below(random, 4);
    poolbuf *component = poolbuf_allocate(allocator, lead + length + 2, POOLBUF_CAPACITY_LIMIT);
    assert_non_null(component);
    for (size_t i = 0; i < lead + length + 2; i++) {
        bool shown = i >= lead && i < lead + length;
        UNIT_OK(poolbuf_write_u8(component, shown ? bytes[i - lead] : (uint8_t)unit_random_below(random, 256)));
    }
    UNIT_OK(poolbuf_set_indices(component, lead, lead + length));
    return component;
}

/* Components of up to so many bytes; some are composites themselves, depth deep. */
static inline poolbuf *any_composite(poolbuf_allocator *allocator, unit_random *random, const uint8_t *bytes,
                                     size_t length, uint32_t longest, unsigned depth) {
    poolbuf *composite = poolbuf_allocate_composite(allocator, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    assert_non_null(composite);
    for (size_t done = 0; done < length || unit_random_below(random, 4) == 0;) {
        size_t part = unit_random_below(random, 6) == 0 ? 0 : 1 + unit_random_below(random, longest);
        part = part < length - done ? part : length - done;
        bool nested = depth > 1 && unit_random_below(random, 2) == 0;
        poolbuf *component = nested ? any_composite(allocator, random, bytes + done, part, 1 + longest / 3, depth - 1)
                                    : any_component(allocator, random, bytes + done, part);
        UNIT_OK(poolbuf_composite_add_component(composite, component, true));
        done += part;
    }
    return composite;
}

static inline poolbuf *any_base(poolbuf_allocator *allocator, unit_random *random, any_kind kind, const uint8_t *bytes,
                                size_t length, uint32_t longest) {
    switch (kind) {
    case ANY_HEAP:
        return any_filled(poolbuf_allocate_heap(allocator, length, length), bytes, length);
    case ANY_UNPOOLED:
        return any_filled(poolbuf_allocate_unpooled(allocator, length, length), bytes, length);
    case ANY_WRAPPED:
    case ANY_WRAPPED_READ_ONLY:
        return any_wrapped(allocator, bytes, length, kind == ANY_WRAPPED);
    case ANY_COMPOSITE_OF_COMPOSITES:
        return any_composite(allocator, random, bytes, length, longest, 3);
    case ANY_COMPOSITE:
    case ANY_SLICE_OF_COMPOSITE:
    case ANY_RETAINED_SLICE_OF_COMPOSITE:
    case ANY_READ_ONLY_COMPOSITE:
        return any_composite(allocator, random, bytes, length, longest, 1);
    default:
        return any_filled(poolbuf_allocate(allocator, length, length), bytes, length);
    }
}

/* longest: the most bytes of a composite's component. */
static inline any_buffer any_buffer_of(poolbuf_allocator *allocator, unit_random *random, any_kind kind,
                                       const uint8_t *bytes, size_t length, uint32_t longest) {
    size_t lead = unit_random_below(random, 5);
    size_t trail = unit_random_below(random, 5);
    size_t total = lead + length + trail;
    uint8_t *all = malloc(total + 1);
    assert_non_null(all);
    for (size_t i = 0; i < total; i++) {
        all[i] = i >= lead && i < lead + length ? bytes[i - lead] : (uint8_t)unit_random_below(random, 256);
    }
    poolbuf *base = any_base(allocator, random, kind, all, total, longest);
    free(all);
    UNIT_OK(poolbuf_set_indices(base, lead, lead + length));
    any_buffer made = {.buffer = base, .held = base};
    if (kind == ANY_SLICE || kind == ANY_SLICE_OF_COMPOSITE) {
        made.buffer = poolbuf_slice(base, lead, length);
    } else if (kind == ANY_RETAINED_SLICE || kind == ANY_RETAINED_SLICE_OF_COMPOSITE) {
        made.buffer = poolbuf_retained_slice(base, lead, length);
        made.held = made.buffer;
        (void)poolbuf_release(base);
    } else if (kind == ANY_DUPLICATE) {
        made.buffer = poolbuf_duplicate(base);
    } else if (kind == ANY_READ_ONLY || kind == ANY_READ_ONLY_COMPOSITE) {
        made.buffer = poolbuf_as_read_only(base);
    } else if (kind == ANY_UNRELEASABLE) {
        made.buffer = poolbuf_unreleasable(base);
    }
    assert_non_null(made.buffer);
    assert_int_equal(poolbuf_readable_bytes(made.buffer), length);
    return made;
}

static inline void any_buffer_end(any_buffer *self) {
    assert_true(poolbuf_release(self->held));
}

#endif
