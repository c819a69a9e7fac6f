/* Unit tests of derived.c: slices, which share a count, and retained slices, which have their own. */
#include "unit.h"

#include <poolbuf/composite.h>

#include "allocator.h"

static poolbuf_allocator *allocator;

static int set_up(void **state) {
    (void)state;
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static poolbuf *counting(size_t length) {
    poolbuf *b = poolbuf_allocate(allocator, length, length * 64);
    for (size_t i = 0; i < length; i++) {
        UNIT_OK(poolbuf_write_u8(b, (uint8_t)i));
    }
    return b;
}

static uint8_t byte_at(const poolbuf *b, size_t index) {
    uint8_t value = 0;
    UNIT_OK(poolbuf_get_u8(b, index, &value));
    return value;
}

static void a_slice_shows_its_range_and_is_readable_as_a_whole(void **state) {
    (void)state;
    poolbuf *b = counting(100);
    poolbuf *s = poolbuf_slice(b, 10, 20);
    assert_int_equal(poolbuf_capacity(s), 20);
    assert_int_equal(poolbuf_max_capacity(s), 20);
    assert_int_equal(poolbuf_readable_bytes(s), 20);
    assert_int_equal(byte_at(s, 0), 10);
    assert_int_equal(byte_at(s, 19), 29);
    UNIT_OK(poolbuf_set_u8(s, 0, 200));
    assert_int_equal(byte_at(b, 10), 200);
    assert_int_equal(poolbuf_writer_index(b), 100);
    assert_ptr_equal(poolbuf_owner(s), allocator);
    assert_true(poolbuf_release(b));
}

static void a_slice_shares_the_count_of_its_buffer(void **state) {
    (void)state;
    poolbuf *b = counting(10);
    poolbuf *s = poolbuf_slice(b, 0, 10);
    assert_int_equal(poolbuf_ref_count(s), 1);
    assert_ptr_equal(poolbuf_retain(s), s);
    assert_int_equal(poolbuf_ref_count(b), 2);
    assert_false(poolbuf_release(b));
    assert_int_equal(byte_at(s, 3), 3);
    assert_true(poolbuf_release(s));
}

static void ranges_outside_the_capacity_give_null(void **state) {
    (void)state;
    poolbuf *b = counting(10);
    assert_null(poolbuf_slice(b, 11, 0));
    assert_null(poolbuf_slice(b, 5, 6));
    assert_null(poolbuf_slice(b, SIZE_MAX, 2));
    assert_null(poolbuf_retained_slice(b, 0, SIZE_MAX));
    assert_int_equal(poolbuf_ref_count(b), 1);
    assert_non_null(poolbuf_slice(b, 10, 0));
    assert_true(poolbuf_release(b));
}

static void a_slice_cannot_change_its_capacity_or_write_past_it(void **state) {
    (void)state;
    poolbuf *b = counting(10);
    poolbuf *s = poolbuf_slice(b, 2, 4);
    assert_int_equal(poolbuf_set_capacity(s, 3), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(poolbuf_write_u8(s, 1), POOLBUF_ERROR_MAX_CAPACITY);
    poolbuf_clear(s);
    UNIT_OK(poolbuf_write_u32_be(s, 1));
    assert_int_equal(byte_at(b, 6), 6);
    assert_true(poolbuf_release(b));
}

static void slices_of_slices_add_their_offsets(void **state) {
    (void)state;
    poolbuf *b = counting(100);
    poolbuf *s = poolbuf_slice(b, 10, 50);
    poolbuf *ss = poolbuf_slice(s, 10, 20);
    poolbuf *sss = poolbuf_retained_slice(ss, 10, 10);
    assert_int_equal(byte_at(ss, 0), 20);
    assert_int_equal(byte_at(sss, 0), 30);
    assert_int_equal(poolbuf_ref_count(b), 2);
    assert_false(poolbuf_release(ss));
    assert_int_equal(byte_at(sss, 9), 39);
    assert_true(poolbuf_release(sss));
}

static void a_retained_slice_keeps_its_buffer_alive(void **state) {
    (void)state;
    poolbuf *b = counting(100);
    poolbuf *r = poolbuf_retained_slice(b, 50, 10);
    assert_int_equal(poolbuf_ref_count(r), 1);
    assert_int_equal(poolbuf_ref_count(b), 2);
    assert_false(poolbuf_release(b));
    assert_int_equal(unit_metrics(allocator).live_buffers, 1);
    assert_int_equal(byte_at(r, 0), 50);
    assert_false(poolbuf_release(poolbuf_retain(r)));
    assert_true(poolbuf_release(r));
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
}

static void retained_slices_nest_and_end_in_any_order(void **state) {
    (void)state;
    for (unsigned order = 0; order < 6; order++) {
        poolbuf *held[3];
        held[0] = counting(100);
        held[1] = poolbuf_retained_slice(held[0], 10, 50);
        held[2] = poolbuf_retained_slice(held[1], 10, 20);
        assert_non_null(poolbuf_slice(held[2], 0, 5));
        unsigned first = order / 2;
        unsigned second = (first + 1 + order % 2) % 3;
        unsigned third = 3 - first - second;
        (void)poolbuf_release(held[first]);
        (void)poolbuf_release(held[second]);
        assert_int_equal(unit_metrics(allocator).live_buffers, 1);
        (void)poolbuf_release(held[third]);
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
        assert_true(allocator_audit(allocator));
    }
}

static void slices_follow_a_buffer_that_grows(void **state) {
    (void)state;
    poolbuf *b = counting(100);
    poolbuf *s = poolbuf_slice(b, 10, 20);
    poolbuf *ss = poolbuf_slice(s, 5, 5);
    const uint8_t *memory = poolbuf_memory(b);
    UNIT_OK(poolbuf_set_capacity(b, 5000));
    assert_ptr_not_equal(poolbuf_memory(b), memory);
    assert_ptr_equal(poolbuf_memory(s), poolbuf_memory(b) + 10);
    assert_ptr_equal(poolbuf_memory(ss), poolbuf_memory(b) + 15);
    assert_int_equal(byte_at(s, 0), 10);
    assert_true(poolbuf_release(b));
}

static void a_buffer_with_retained_slices_stays_where_it_is(void **state) {
    (void)state;
    poolbuf *b = counting(100);
    poolbuf *r = poolbuf_retained_slice(b, 0, 100);
    const uint8_t *memory = poolbuf_memory(b);
    assert_int_equal(poolbuf_set_capacity(b, 5000), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(poolbuf_ensure_writable(b, 13), POOLBUF_ERROR_UNSUPPORTED);
    UNIT_OK(poolbuf_set_capacity(b, 112)); /* the class's slack */
    UNIT_OK(poolbuf_set_capacity(b, 1));
    assert_ptr_equal(poolbuf_memory(b), memory);
    assert_true(poolbuf_release(r));
    UNIT_OK(poolbuf_set_capacity(b, 5000));
    assert_true(poolbuf_release(b));
}

static void dead_slices_are_used_again(void **state) {
    (void)state;
    poolbuf *b = counting(16);
    poolbuf *first = poolbuf_retained_slice(b, 0, 1);
    assert_true(poolbuf_release(first));
    poolbuf *second = poolbuf_retained_slice(b, 0, 1);
    assert_ptr_equal(first, second);
    assert_true(poolbuf_release(second));
    uint64_t metadata_bytes = unit_metrics(allocator).metadata_bytes;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 100; i++) {
            assert_non_null(poolbuf_slice(b, 0, 1));
        }
        assert_true(poolbuf_release(b));
        b = counting(16);
    }
    assert_true(poolbuf_release(b));
    assert_int_equal(unit_metrics(allocator).metadata_bytes, metadata_bytes);
}

static void slices_of_huge_and_unpooled_buffers_work_alike(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.pooling = false;
    poolbuf_allocator *unpooled = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &unpooled));
    poolbuf *buffers[] = {poolbuf_allocate(allocator, (size_t)5 << 20, (size_t)50 << 20),
                          poolbuf_allocate(unpooled, 100, 100000)};
    for (size_t i = 0; i < 2; i++) {
        UNIT_OK(poolbuf_set_u8(buffers[i], 50, 7));
        poolbuf *s = poolbuf_slice(buffers[i], 50, 1);
        UNIT_OK(poolbuf_set_capacity(buffers[i], poolbuf_capacity(buffers[i]) * 2));
        assert_int_equal(byte_at(s, 0), 7);
        poolbuf *r = poolbuf_retained_slice(s, 0, 1);
        assert_false(poolbuf_release(buffers[i]));
        assert_int_equal(byte_at(r, 0), 7);
        assert_true(poolbuf_release(r));
    }
    UNIT_OK(poolbuf_allocator_destroy(unpooled));
}

static void a_buffer_has_no_more_retained_slices_than_the_limit(void **state) {
    (void)state;
    poolbuf *b = counting(100);
    poolbuf **held = calloc(POOLBUF_RETAINED_SLICES_LIMIT, sizeof(poolbuf *));
    assert_non_null(held);
    for (uint32_t i = 0; i < POOLBUF_RETAINED_SLICES_LIMIT; i++) {
        held[i] = i % 2 == 0 ? poolbuf_retained_slice(b, i % 100, 1) : poolbuf_retained_slice(held[i - 1], 0, 1);
        assert_non_null(held[i]);
    }
    poolbuf *composite = poolbuf_allocate_composite(allocator, 4);
    poolbuf *other = poolbuf_allocate_composite(allocator, 4);
    UNIT_OK(poolbuf_composite_add_component(composite, counting(10), true));
    UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_retain(b), true));
    poolbuf *slices[2] = {NULL, NULL};
    size_t count = 2;
    uint64_t live = unit_metrics(allocator).live_buffers;

    assert_null(poolbuf_retained_slice(b, 0, 1));
    assert_null(poolbuf_retained_slice(held[1], 0, 1));
    assert_null(poolbuf_retained_duplicate(b));
    assert_null(poolbuf_read_retained_slice(b, 1));
    assert_int_equal(poolbuf_reader_index(b), 0);
    assert_null(poolbuf_retained_slice(composite, 0, 110));
    assert_int_equal(poolbuf_composite_decompose(composite, 0, 110, slices, &count), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(poolbuf_composite_add_flattened(other, poolbuf_retain(composite), true), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(poolbuf_composite_component_count(other), 0);
    assert_int_equal(unit_metrics(allocator).live_buffers, live);

    assert_true(poolbuf_release(held[POOLBUF_RETAINED_SLICES_LIMIT - 1]));
    held[POOLBUF_RETAINED_SLICES_LIMIT - 1] = poolbuf_retained_slice(b, 0, 1);
    assert_non_null(held[POOLBUF_RETAINED_SLICES_LIMIT - 1]);
    assert_true(poolbuf_release(other));
    assert_true(poolbuf_release(composite));
    for (uint32_t i = POOLBUF_RETAINED_SLICES_LIMIT; i-- > 0;) {
        assert_true(poolbuf_release(held[i]));
    }
    free(held);
    assert_true(poolbuf_release(b));
}

#define DERIVED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        DERIVED_TEST(a_slice_shows_its_range_and_is_readable_as_a_whole),
        DERIVED_TEST(a_slice_shares_the_count_of_its_buffer),
        DERIVED_TEST(ranges_outside_the_capacity_give_null),
        DERIVED_TEST(a_slice_cannot_change_its_capacity_or_write_past_it),
        DERIVED_TEST(slices_of_slices_add_their_offsets),
        DERIVED_TEST(a_retained_slice_keeps_its_buffer_alive),
        DERIVED_TEST(retained_slices_nest_and_end_in_any_order),
        DERIVED_TEST(slices_follow_a_buffer_that_grows),
        DERIVED_TEST(a_buffer_with_retained_slices_stays_where_it_is),
        DERIVED_TEST(dead_slices_are_used_again),
        DERIVED_TEST(slices_of_huge_and_unpooled_buffers_work_alike),
        DERIVED_TEST(a_buffer_has_no_more_retained_slices_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
