/* Unit tests of pool_memory.c: which memory is the pool's, and what each handle owns of it. */
#include "unit.h"

#include <poolbuf/tracker.h>

typedef struct place {
    const void *address;
    unsigned found[3]; /* by kind */
} place;

static void look(void *context, poolbuf_memory_kind kind, const void *base, size_t bytes) {
    place *self = context;
    const char *start = base;
    const char *address = self->address;
    self->found[kind] += address >= start && address < start + bytes;
}

static bool lies_in(const void *address, poolbuf_memory_kind kind) {
    place self = {.address = address};
    poolbuf_memory_visit(look, &self);
    assert_true(self.found[0] + self.found[1] + self.found[2] <= 1);
    return self.found[kind] == 1;
}

static bool read_plainly(void *context, const void *at, void *into, size_t bytes) {
    (void)context;
    memcpy(into, at, bytes);
    return true;
}

static bool read_nothing(void *context, const void *at, void *into, size_t bytes) {
    (void)context;
    (void)at;
    (void)into;
    (void)bytes;
    return false;
}

static size_t own_bytes(const poolbuf *buffer, const void **block) {
    *block = NULL;
    return poolbuf_memory_of_handle(buffer, read_plainly, NULL, block);
}

static void handles_and_bytes_lie_in_pieces_of_their_kind(void **state) {
    (void)state;
    static const size_t SIZES[] = {16, 1000, 40000, 5u << 20}; /* small, normal, huge */
    poolbuf_allocator *allocator;
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    for (size_t i = 0; i < 2 * sizeof SIZES / sizeof SIZES[0]; i++) {
        size_t bytes = SIZES[i / 2];
        poolbuf *buffer = i % 2 == 0 ? poolbuf_allocate_direct(allocator, bytes, bytes)
                                     : poolbuf_allocate_heap(allocator, bytes, bytes);
        assert_non_null(buffer);
        assert_true(lies_in(buffer, POOLBUF_MEMORY_HANDLES));
        assert_true(lies_in(buffer->memory, POOLBUF_MEMORY_BYTES));
        assert_true(lies_in(buffer->memory + buffer->usable - 1, POOLBUF_MEMORY_BYTES));
        const void *block;
        assert_int_equal(own_bytes(buffer, &block), buffer->usable);
        assert_ptr_equal(block, buffer->memory);
        (void)poolbuf_release(buffer);
        assert_int_equal(own_bytes(buffer, &block), 0);
        assert_null(block);
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void views_and_wrapped_memory_own_nothing(void **state) {
    (void)state;
    uint8_t bytes[64];
    const void *block;
    poolbuf *buffer = poolbuf_allocate(NULL, 64, 64);
    poolbuf *retained = poolbuf_retained_slice(buffer, 0, 10);
    poolbuf *wrapped = poolbuf_wrap(NULL, bytes, sizeof bytes, NULL, NULL);
    assert_int_equal(own_bytes(poolbuf_slice(buffer, 0, 10), &block), 0);
    assert_int_equal(own_bytes(retained, &block), 0);
    assert_int_equal(own_bytes(wrapped, &block), 0);
    (void)poolbuf_release(retained);
    (void)poolbuf_release(wrapped);
    (void)poolbuf_release(buffer);
}

static void a_composite_owns_the_list_of_its_components(void **state) {
    (void)state;
    const void *block;
    poolbuf *whole = poolbuf_allocate_composite(NULL, 100);
    poolbuf *last = NULL;
    for (int i = 0; i < 50; i++) {
        last = poolbuf_allocate(NULL, 10, 10);
        UNIT_OK(poolbuf_composite_add_component(whole, last, false));
    }
    size_t bytes = own_bytes(whole, &block);
    assert_true(bytes >= 50 * sizeof(void *));
    bool found = false;
    for (size_t at = 0; at + sizeof(void *) <= bytes; at += sizeof(void *)) {
        found = found || memcmp((const char *)block + at, &last, sizeof(void *)) == 0;
    }
    assert_true(found);
    assert_int_equal(poolbuf_memory_of_handle(whole, read_nothing, NULL, &block), 0);
    (void)poolbuf_release(whole);
}

static void a_destroyed_allocator_with_live_buffers_is_shown(void **state) {
    (void)state;
    poolbuf_allocator *allocator;
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
    assert_int_equal(poolbuf_allocator_destroy(allocator), POOLBUF_ERROR_LIVE_BUFFERS);
    assert_true(lies_in(buffer, POOLBUF_MEMORY_HANDLES));
    assert_true(lies_in(buffer->memory, POOLBUF_MEMORY_BYTES));
    (void)poolbuf_release(buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_and_bytes_lie_in_pieces_of_their_kind),
        cmocka_unit_test(views_and_wrapped_memory_own_nothing),
        cmocka_unit_test(a_composite_owns_the_list_of_its_components),
        cmocka_unit_test(a_destroyed_allocator_with_live_buffers_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
