/* Unit tests of buffer.c and of the inline functions in buffer.h. */
#include "unit.h"

#include "allocator.h"

static poolbuf_allocator *allocator;

static int set_up(void **state) {
    (void)state;
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

/* Every test gives back what it took. */
static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static void a_new_buffer_is_empty_and_has_one_reference(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 100, 1000);
    assert_non_null(b);
    assert_int_equal(poolbuf_ref_count(b), 1);
    assert_int_equal(poolbuf_capacity(b), 100);
    assert_int_equal(poolbuf_max_capacity(b), 1000);
    assert_int_equal(poolbuf_reader_index(b), 0);
    assert_int_equal(poolbuf_writer_index(b), 0);
    assert_int_equal(poolbuf_readable_bytes(b), 0);
    assert_int_equal(poolbuf_writable_bytes(b), 100);
    assert_ptr_equal(poolbuf_owner(b), allocator);
    assert_true(poolbuf_is_direct(b));
    assert_true(poolbuf_release(b));
}

static void a_second_allocation_after_a_release_gives_the_same_handle(void **state) {
    (void)state;
    for (size_t size = 0; size <= (size_t)8 << 20; size = size * 3 / 2 + 1) {
        poolbuf *first = poolbuf_allocate(allocator, size, size);
        assert_non_null(first);
        assert_true(poolbuf_release(first));
        poolbuf *second = poolbuf_allocate(allocator, size, size);
        assert_ptr_equal(first, second);
        assert_true(poolbuf_release(second));
    }
}

static void kinds_are_what_was_asked_for(void **state) {
    (void)state;
    poolbuf *direct = poolbuf_allocate_direct(allocator, 10, 10);
    poolbuf *heap = poolbuf_allocate_heap(allocator, 10, 10);
    poolbuf *huge = poolbuf_allocate_heap(allocator, (size_t)5 << 20, (size_t)5 << 20);
    assert_true(poolbuf_is_direct(direct));
    assert_false(poolbuf_is_direct(heap));
    assert_false(poolbuf_is_direct(huge));
    assert_true(poolbuf_release(direct));
    assert_true(poolbuf_release(heap));
    assert_true(poolbuf_release(huge));
}

static void capacities_that_contradict_give_null(void **state) {
    (void)state;
    assert_null(poolbuf_allocate(allocator, 11, 10));
    assert_null(poolbuf_allocate(allocator, POOLBUF_CAPACITY_LIMIT + 1, SIZE_MAX));
    assert_null(poolbuf_allocate(allocator, SIZE_MAX, SIZE_MAX));
    poolbuf *b = poolbuf_allocate(allocator, 10, SIZE_MAX);
    assert_int_equal(poolbuf_max_capacity(b), POOLBUF_CAPACITY_LIMIT);
    assert_true(poolbuf_release(b));
}

static void a_buffer_of_no_bytes_grows_at_the_first_write(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 0, 100);
    assert_non_null(poolbuf_memory(b));
    UNIT_OK(poolbuf_ensure_writable(b, 0));
    assert_int_equal(poolbuf_capacity(b), 0);
    UNIT_OK(poolbuf_write_u8(b, 1));
    assert_int_equal(poolbuf_capacity(b), 16);
    assert_true(poolbuf_release(b));
    b = poolbuf_allocate(allocator, 0, 0);
    assert_int_equal(poolbuf_write_u8(b, 1), POOLBUF_ERROR_MAX_CAPACITY);
    assert_true(poolbuf_release(b));
}

static void references_are_counted_and_the_last_release_says_so(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 10, 10);
    assert_ptr_equal(poolbuf_retain(b), b);
    assert_ptr_equal(poolbuf_retain(b), b);
    assert_int_equal(poolbuf_ref_count(b), 3);
    assert_false(poolbuf_release(b));
    assert_false(poolbuf_release(b));
    assert_int_equal(poolbuf_ref_count(b), 1);
    assert_true(poolbuf_release(b));
}

#define CHECK_INTEGER(name, T, value, ...)                                                                             \
    do {                                                                                                               \
        static const uint8_t bytes[] = {__VA_ARGS__};                                                                  \
        T out = 0;                                                                                                     \
        poolbuf_clear(b);                                                                                              \
        UNIT_OK(poolbuf_write_##name(b, value));                                                                       \
        assert_int_equal(poolbuf_readable_bytes(b), sizeof bytes);                                                     \
        assert_memory_equal(poolbuf_memory(b), bytes, sizeof bytes);                                                   \
        UNIT_OK(poolbuf_get_##name(b, 0, &out));                                                                       \
        assert_true(out == (value));                                                                                   \
        out = 0;                                                                                                       \
        UNIT_OK(poolbuf_read_##name(b, &out));                                                                         \
        assert_true(out == (value));                                                                                   \
        assert_int_equal(poolbuf_readable_bytes(b), 0);                                                                \
        UNIT_OK(poolbuf_set_##name(b, 7, value));                                                                      \
        assert_memory_equal(poolbuf_memory(b) + 7, bytes, sizeof bytes);                                               \
        assert_int_equal(poolbuf_read_##name(b, &out), POOLBUF_ERROR_OUT_OF_BOUNDS);                                   \
        assert_int_equal(poolbuf_get_##name(b, 33 - sizeof bytes, &out), POOLBUF_ERROR_OUT_OF_BOUNDS);                 \
        assert_int_equal(poolbuf_set_##name(b, SIZE_MAX, value), POOLBUF_ERROR_OUT_OF_BOUNDS);                         \
        assert_true(out == (value));                                                                                   \
    } while (0)

static void integers_have_the_byte_order_of_their_name(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 32, 32);
    CHECK_INTEGER(u8, uint8_t, 0xfe, 0xfe);
    CHECK_INTEGER(i8, int8_t, -2, 0xfe);
    CHECK_INTEGER(u16_be, uint16_t, 0x0102, 1, 2);
    CHECK_INTEGER(u16_le, uint16_t, 0x0102, 2, 1);
    CHECK_INTEGER(i16_be, int16_t, -2, 0xff, 0xfe);
    CHECK_INTEGER(i16_le, int16_t, -2, 0xfe, 0xff);
    CHECK_INTEGER(u32_be, uint32_t, 0x01020304u, 1, 2, 3, 4);
    CHECK_INTEGER(u32_le, uint32_t, 0x01020304u, 4, 3, 2, 1);
    CHECK_INTEGER(i32_be, int32_t, -2, 0xff, 0xff, 0xff, 0xfe);
    CHECK_INTEGER(i32_le, int32_t, -2, 0xfe, 0xff, 0xff, 0xff);
    CHECK_INTEGER(u64_be, uint64_t, 0x0102030405060708u, 1, 2, 3, 4, 5, 6, 7, 8);
    CHECK_INTEGER(u64_le, uint64_t, 0x0102030405060708u, 8, 7, 6, 5, 4, 3, 2, 1);
    CHECK_INTEGER(i64_be, int64_t, -2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe);
    CHECK_INTEGER(i64_le, int64_t, -2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    assert_true(poolbuf_release(b));
}

static void a_call_that_fails_changes_nothing(void **state) {
    (void)state;
    uint8_t bytes[64] = {0};
    poolbuf *b = poolbuf_allocate(allocator, 8, 32);
    UNIT_OK(poolbuf_write_u32_be(b, 0x01020304));
    assert_int_equal(poolbuf_write_bytes(b, bytes, 29), POOLBUF_ERROR_MAX_CAPACITY);
    volatile size_t huge = SIZE_MAX; /* what a compiler can see it warns about */
    assert_int_equal(poolbuf_write_bytes(b, bytes, huge), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_read_bytes(b, bytes, 5), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_bytes(b, 7, bytes, 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_bytes(b, 9, bytes, 0), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_bytes(b, SIZE_MAX, bytes, 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_reader_index(b, 5), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_writer_index(b, 9), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_skip_bytes(b, 5), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_capacity(b, 33), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_ensure_writable(b, 29), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_capacity(b), 8);
    assert_int_equal(poolbuf_reader_index(b), 0);
    assert_int_equal(poolbuf_writer_index(b), 4);
    UNIT_OK(poolbuf_skip_bytes(b, 2));
    assert_int_equal(poolbuf_set_writer_index(b, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_reader_index(b), 2);
    assert_true(poolbuf_release(b));
}

static void nothing_can_be_written_or_read_with_null_and_no_length(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 8, 8);
    UNIT_OK(poolbuf_write_bytes(b, NULL, 0));
    UNIT_OK(poolbuf_read_bytes(b, NULL, 0));
    UNIT_OK(poolbuf_get_bytes(b, 8, NULL, 0));
    assert_true(poolbuf_release(b));
}

static void writing_grows_through_every_class_and_keeps_the_handle_and_the_bytes(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 0, (size_t)16 << 20);
    const poolbuf *handle = b;
    uint32_t count = 3u << 20; /* 12 MiB: small, normal, huge */
    for (uint32_t i = 0; i < count; i++) {
        if (poolbuf_write_u32_le(b, i) != POOLBUF_OK) {
            fail_msg("write %u", i);
        }
    }
    assert_ptr_equal(b, handle);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = 0;
        if (poolbuf_read_u32_le(b, &value) != POOLBUF_OK || value != i) {
            fail_msg("read %u: %u", i, value);
        }
    }
    assert_true(poolbuf_release(b));
}

static void growth_takes_the_slack_first_then_powers_of_two_then_steps_of_4_mib(void **state) {
    (void)state;
    const size_t mib = (size_t)1 << 20;
    const struct {
        size_t initial, length, max, expected;
    } cases[] = {
        {100, 105, 1000, 112},             /* the class's slack */
        {100, 105, 110, 110},              /* cut by the maximum */
        {16, 17, 1000, 64},                /* at least 64 */
        {112, 300, 1000, 512},             /* the next power of two */
        {112, 600, 1000, 1000},            /* cut by the maximum */
        {mib, 4 * mib, 64 * mib, 4 * mib}, /* 4 MiB itself */
        {mib, 4 * mib + 1, 64 * mib, 8 * mib},
        {mib, 8 * mib, 64 * mib, 12 * mib}, /* Netty's arithmetic: a whole step beyond a multiple */
        {mib, 9 * mib, 10 * mib, 10 * mib},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        poolbuf *b = poolbuf_allocate(allocator, cases[i].initial, cases[i].max);
        UNIT_OK(poolbuf_ensure_writable(b, cases[i].length));
        assert_int_equal(poolbuf_capacity(b), cases[i].expected);
        assert_true(poolbuf_release(b));
    }
}

static void shrinking_cuts_the_indices_and_moves_only_where_it_pays(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 4096, 4096);
    const uint8_t *memory = poolbuf_memory(b);
    UNIT_OK(poolbuf_set_writer_index(b, 4096));
    UNIT_OK(poolbuf_set_u8(b, 0, 42));
    UNIT_OK(poolbuf_skip_bytes(b, 4000));
    UNIT_OK(poolbuf_set_capacity(b, 2049));
    assert_ptr_equal(poolbuf_memory(b), memory);
    assert_int_equal(poolbuf_writer_index(b), 2049);
    assert_int_equal(poolbuf_reader_index(b), 2049);
    UNIT_OK(poolbuf_set_capacity(b, 100));
    assert_ptr_not_equal(poolbuf_memory(b), memory);
    uint8_t value = 0;
    UNIT_OK(poolbuf_get_u8(b, 0, &value));
    assert_int_equal(value, 42);
    assert_true(poolbuf_release(b));
}

/* Whether a buffer of that size moves when it shrinks so far. */
static bool shrinking_moves(size_t from, size_t to) {
    poolbuf *b = poolbuf_allocate(allocator, from, from);
    const uint8_t *memory = poolbuf_memory(b);
    UNIT_OK(poolbuf_set_capacity(b, to));
    bool moved = poolbuf_memory(b) != memory;
    assert_int_equal(poolbuf_capacity(b), to);
    assert_true(poolbuf_release(b));
    return moved;
}

static void shrinking_moves_at_half_and_up_to_512_bytes_at_16_less(void **state) {
    (void)state;
    assert_false(shrinking_moves(512, 497));
    assert_true(shrinking_moves(512, 496));
    assert_false(shrinking_moves(640, 321));
    assert_true(shrinking_moves(640, 320));
}

static void a_huge_buffer_shrinks_in_place_down_to_half(void **state) {
    (void)state;
    const size_t mib = (size_t)1 << 20;
    static const struct { size_t capacity, kept; /* in half MiB */ } steps[] = {{11, 20}, {10, 10}, {6, 10}, {5, 5}};
    poolbuf *b = poolbuf_allocate(allocator, 10 * mib, 10 * mib);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        UNIT_OK(poolbuf_set_capacity(b, steps[i].capacity * mib / 2));
        assert_int_equal(poolbuf_capacity(b), steps[i].capacity * mib / 2);
        assert_int_equal(poolbuf_pinned_bytes(b), steps[i].kept * mib / 2);
    }
    assert_true(poolbuf_release(b));
    assert_false(shrinking_moves(10 * mib, 5 * mib + 1));
    assert_true(shrinking_moves(10 * mib, 4 * mib)); /* into a chunk */
}

/* Contents against a plain model, through growth, shrinking, and references. */
static void random_operations_agree_with_a_plain_array(void **state) {
    (void)state;
    unit_random random = unit_random_start("buffer", 5);
    for (int round = 0; round < 60; round++) {
        size_t max = 1 + unit_random_below(&random, 1u << (6 + unit_random_below(&random, 15)));
        poolbuf *b = poolbuf_allocate(allocator, unit_random_below(&random, (uint32_t)max), max);
        uint8_t *model = calloc(1, max);
        size_t reader = 0;
        size_t writer = 0;
        for (int step = 0; step < 60; step++) {
            uint8_t bytes[300];
            size_t length = unit_random_below(&random, sizeof bytes);
            switch (unit_random_below(&random, 4)) {
            case 0:
                memset(bytes, step, sizeof bytes);
                if (poolbuf_write_bytes(b, bytes, length) == POOLBUF_OK) {
                    memcpy(model + writer, bytes, length);
                    writer += length;
                } else {
                    assert_true(writer + length > max);
                }
                break;
            case 1:
                if (poolbuf_read_bytes(b, bytes, length) == POOLBUF_OK) {
                    assert_memory_equal(bytes, model + reader, length);
                    reader += length;
                } else {
                    assert_true(reader + length > writer);
                }
                break;
            case 2: {
                size_t capacity = unit_random_below(&random, (uint32_t)max + 1);
                UNIT_OK(poolbuf_set_capacity(b, capacity));
                writer = writer < capacity ? writer : capacity;
                reader = reader < capacity ? reader : capacity;
                break;
            }
            default:
                assert_false(poolbuf_release(poolbuf_retain(b)));
            }
            assert_int_equal(poolbuf_reader_index(b), reader);
            assert_int_equal(poolbuf_writer_index(b), writer);
            assert_true(writer <= poolbuf_capacity(b) && poolbuf_capacity(b) <= max);
            assert_memory_equal(poolbuf_memory(b), model, writer);
        }
        assert_true(poolbuf_release(b));
        assert_true(allocator_audit(allocator));
        free(model);
    }
}

#define BUFFER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        BUFFER_TEST(a_new_buffer_is_empty_and_has_one_reference),
        BUFFER_TEST(a_second_allocation_after_a_release_gives_the_same_handle),
        BUFFER_TEST(kinds_are_what_was_asked_for),
        BUFFER_TEST(capacities_that_contradict_give_null),
        BUFFER_TEST(a_buffer_of_no_bytes_grows_at_the_first_write),
        BUFFER_TEST(references_are_counted_and_the_last_release_says_so),
        BUFFER_TEST(integers_have_the_byte_order_of_their_name),
        BUFFER_TEST(a_call_that_fails_changes_nothing),
        BUFFER_TEST(nothing_can_be_written_or_read_with_null_and_no_length),
        BUFFER_TEST(writing_grows_through_every_class_and_keeps_the_handle_and_the_bytes),
        BUFFER_TEST(growth_takes_the_slack_first_then_powers_of_two_then_steps_of_4_mib),
        BUFFER_TEST(shrinking_cuts_the_indices_and_moves_only_where_it_pays),
        BUFFER_TEST(shrinking_moves_at_half_and_up_to_512_bytes_at_16_less),
        BUFFER_TEST(a_huge_buffer_shrinks_in_place_down_to_half),
        BUFFER_TEST(random_operations_agree_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
