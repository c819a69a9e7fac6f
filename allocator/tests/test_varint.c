/* Unit tests of varint.c: the encodings' edges, in every kind of buffer, and what bad and unfinished numbers do. */
#define POOLBUF_RECORD_ACCESS 1 /* in optimised builds too */
#include "unit.h"

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "cut.h"

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

/* ---- Known numbers ------------------------------------------------------------------------------------------------ */

static const struct {
    uint64_t value;
    const char *bytes;
    size_t length;
} known[] = {
    {0, "\x00", 1},
    {1, "\x01", 1},
    {2, "\x02", 1},
    {127, "\x7f", 1},
    {128, "\x80\x01", 2},
    {129, "\x81\x01", 2},
    {150, "\x96\x01", 2},
    {300, "\xac\x02", 2},
    {12857, "\xb9\x64", 2}, /* with 2, 127, 128 and 129 above: the figure in DWARF's section on LEB128 */
    {16383, "\xff\x7f", 2},
    {16384, "\x80\x80\x01", 3},
    {624485, "\xe5\x8e\x26", 3},
    {0x1fffff, "\xff\xff\x7f", 3},
    {0x200000, "\x80\x80\x80\x01", 4},
    {0x0fffffff, "\xff\xff\xff\x7f", 4},
    {0x10000000, "\x80\x80\x80\x80\x01", 5},
    {UINT32_MAX, "\xff\xff\xff\xff\x0f", 5},
    {(uint64_t)UINT32_MAX + 1, "\x80\x80\x80\x80\x10", 5},
    {(uint64_t)1 << 35, "\x80\x80\x80\x80\x80\x01", 6},
    {INT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9},
    {(uint64_t)1 << 63, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10},
    {UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
};

static void known_numbers_have_their_known_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 0, 64);
        UNIT_OK(poolbuf_write_varint_u64(b, known[i].value));
        assert_int_equal(poolbuf_readable_bytes(b), known[i].length);
        cut_expect(b, 0, known[i].bytes, known[i].length);
        assert_int_equal(poolbuf_varint_size_u64(known[i].value), known[i].length);
        uint64_t value = 7;
        UNIT_OK(poolbuf_read_varint_u64(b, &value));
        assert_int_equal(value, known[i].value);
        assert_int_equal(poolbuf_readable_bytes(b), 0);
        if (known[i].value <= UINT32_MAX) {
            UNIT_OK(poolbuf_write_varint_u32(b, (uint32_t)known[i].value));
            assert_int_equal(poolbuf_readable_bytes(b), known[i].length);
            cut_expect(b, known[i].length, known[i].bytes, known[i].length);
            assert_int_equal(poolbuf_varint_size_u32((uint32_t)known[i].value), known[i].length);
            uint32_t narrow = 7;
            UNIT_OK(poolbuf_read_varint_u32(b, &narrow));
            assert_int_equal(narrow, known[i].value);
        }
        assert_true(poolbuf_release(b));
    }
}

static void zigzag_goes_from_zero_outwards(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        uint64_t image;
    } pairs[] = {{0, 0},
                 {-1, 1},
                 {1, 2},
                 {-2, 3},
                 {2, 4},
                 {INT32_MAX, UINT32_MAX - 1},
                 {INT32_MIN, UINT32_MAX},
                 {INT64_MAX, UINT64_MAX - 1},
                 {INT64_MIN, UINT64_MAX}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 64, 64);
        UNIT_OK(poolbuf_write_zigzag_i64(b, pairs[i].value));
        uint64_t image = 7;
        UNIT_OK(poolbuf_get_varint_u64(b, 0, &image, NULL));
        assert_true(image == pairs[i].image);
        int64_t value = 7;
        UNIT_OK(poolbuf_read_zigzag_i64(b, &value));
        assert_true(value == pairs[i].value);
        if (value >= INT32_MIN && value <= INT32_MAX) {
            int32_t narrow = 7;
            UNIT_OK(poolbuf_write_zigzag_i32(b, (int32_t)value));
            UNIT_OK(poolbuf_read_zigzag_i32(b, &narrow));
            assert_int_equal(narrow, value);
            assert_int_equal(poolbuf_zigzag_encode_i32(narrow), image);
        }
        assert_true(poolbuf_release(b));
    }
}

static void sizes_step_where_seven_bits_are_full(void **state) {
    (void)state;
    for (unsigned bits = 1; bits <= 64; bits++) {
        uint64_t first = (uint64_t)1 << (bits - 1);
        uint64_t last = first | (first - 1);
        assert_int_equal(poolbuf_varint_size_u64(first), (bits + 6) / 7);
        assert_int_equal(poolbuf_varint_size_u64(last), (bits + 6) / 7);
        if (bits <= 32) {
            assert_int_equal(poolbuf_varint_size_u32((uint32_t)last), (bits + 6) / 7);
        }
    }
    assert_int_equal(poolbuf_varint_size_u64(0), 1);
    assert_int_equal(poolbuf_varint_size_u64(UINT64_MAX), POOLBUF_VARINT_SIZE_MAX_U64);
    assert_int_equal(poolbuf_varint_size_u32(UINT32_MAX), POOLBUF_VARINT_SIZE_MAX_U32);
}

/* ---- Every kind of buffer ----------------------------------------------------------------------------------------- */

/* As many bits as comes. */
static uint64_t draw(unit_random *random) {
    return unit_random_next(random) >> unit_random_below(random, 64);
}

static void numbers_come_back_from_every_kind_of_buffer(void **state) {
    (void)state;
    unit_random random = unit_random_start("varints", 1);
    enum {
        COUNT = 200
    };
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        uint64_t values[COUNT];
        poolbuf *b = poolbuf_allocate(allocator, 0, (size_t)40 * COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            values[i] = draw(&random);
            UNIT_OK(poolbuf_write_varint_u64(b, values[i]));
            UNIT_OK(poolbuf_write_varint_u32(b, (uint32_t)values[i]));
            UNIT_OK(poolbuf_write_zigzag_i64(b, (int64_t)values[i]));
            UNIT_OK(poolbuf_write_zigzag_i32(b, (int32_t)values[i]));
        }
        cut in = cut_make(allocator, &random, kind, poolbuf_memory(b), poolbuf_readable_bytes(b));
        size_t index = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            uint64_t u64 = 0, got_u64 = 0;
            uint32_t u32 = 0, got_u32 = 0;
            int64_t i64 = 0, got_i64 = 0;
            int32_t i32 = 0, got_i32 = 0;
            size_t lengths[4] = {0, 0, 0, 0};
            UNIT_OK(poolbuf_read_varint_u64(in.buffer, &u64));
            UNIT_OK(poolbuf_read_varint_u32(in.buffer, &u32));
            UNIT_OK(poolbuf_read_zigzag_i64(in.buffer, &i64));
            UNIT_OK(poolbuf_read_zigzag_i32(in.buffer, &i32));
            UNIT_OK(poolbuf_get_varint_u64(in.buffer, index, &got_u64, &lengths[0]));
            UNIT_OK(poolbuf_get_varint_u32(in.buffer, index += lengths[0], &got_u32, &lengths[1]));
            UNIT_OK(poolbuf_get_zigzag_i64(in.buffer, index += lengths[1], &got_i64, &lengths[2]));
            UNIT_OK(poolbuf_get_zigzag_i32(in.buffer, index += lengths[2], &got_i32, &lengths[3]));
            index += lengths[3];
            assert_true(u64 == values[i] && got_u64 == values[i]);
            assert_true(u32 == (uint32_t)values[i] && got_u32 == u32);
            assert_true(i64 == (int64_t)values[i] && got_i64 == i64);
            assert_true(i32 == (int32_t)values[i] && got_i32 == i32);
            assert_int_equal(index, poolbuf_reader_index(in.buffer));
        }
        assert_int_equal(poolbuf_readable_bytes(in.buffer), 0);
        cut_end(&in);
        assert_true(poolbuf_release(b));
    }
}

static void a_number_is_set_in_place_in_every_kind_that_can_be_written(void **state) {
    (void)state;
    unit_random random = unit_random_start("varints set", 2);
    for (unsigned kind = 0; kind < CUT_WRITABLE_KINDS; kind++) {
        for (unsigned i = 0; i < 200; i++) {
            uint8_t bytes[16];
            memset(bytes, 0xee, sizeof bytes);
            cut in = cut_make(allocator, &random, kind, bytes, sizeof bytes);
            uint64_t value = draw(&random);
            size_t size = poolbuf_varint_size_u64(value);
            size_t index = unit_random_below(&random, (uint32_t)(sizeof bytes - size + 1));
            UNIT_OK(poolbuf_set_varint_u64(in.buffer, index, value));
            uint64_t found = 0;
            size_t length = 0;
            UNIT_OK(poolbuf_get_varint_u64(in.buffer, index, &found, &length));
            assert_true(found == value);
            assert_int_equal(length, size);
            cut_expect(in.buffer, 0, bytes, index);
            cut_expect(in.buffer, index + size, bytes, sizeof bytes - index - size);
            assert_int_equal(poolbuf_writer_index(in.buffer), sizeof bytes);

            int64_t difference = 0;
            UNIT_OK(poolbuf_set_zigzag_i64(in.buffer, 0, -(int64_t)(value >> 1)));
            UNIT_OK(poolbuf_get_zigzag_i64(in.buffer, 0, &difference, NULL));
            assert_true(difference == -(int64_t)(value >> 1));
            cut_end(&in);
        }
    }
}

static void a_composite_takes_a_number_across_its_end(void **state) {
    (void)state;
    poolbuf *composite = poolbuf_allocate_composite(allocator, 16);
    poolbuf *part = cut_plain(allocator, "abcd", 4);
    UNIT_OK(poolbuf_composite_add_component(composite, part, false));
    UNIT_OK(poolbuf_set_writer_index(composite, 2));
    UNIT_OK(poolbuf_write_varint_u32(composite, UINT32_MAX));
    assert_int_equal(poolbuf_writer_index(composite), 7);
    cut_expect(composite, 0, "ab\xff\xff\xff\xff\x0f", 7);
    assert_true(poolbuf_composite_component_count(composite) > 1);
    assert_true(poolbuf_release(composite));
}

/* ---- Numbers that are none ---------------------------------------------------------------------------------------- */

/* All four types, get and read: the same status, and nothing has changed. */
static void expect_all(poolbuf *b, poolbuf_status narrow, poolbuf_status wide) {
    cut_state before = cut_remember(b);
    size_t reader = poolbuf_reader_index(b);
    uint32_t u32 = 77;
    uint64_t u64 = 77;
    int32_t i32 = 77;
    int64_t i64 = 77;
    size_t length = 77;
    if (narrow != POOLBUF_OK) {
        assert_int_equal(poolbuf_read_varint_u32(b, &u32), narrow);
        assert_int_equal(poolbuf_read_zigzag_i32(b, &i32), narrow);
        assert_int_equal(poolbuf_get_varint_u32(b, reader, &u32, &length), narrow);
        assert_int_equal(poolbuf_get_zigzag_i32(b, reader, &i32, &length), narrow);
    }
    if (wide != POOLBUF_OK) {
        assert_int_equal(poolbuf_read_varint_u64(b, &u64), wide);
        assert_int_equal(poolbuf_read_zigzag_i64(b, &i64), wide);
        assert_int_equal(poolbuf_get_varint_u64(b, reader, &u64, &length), wide);
        assert_int_equal(poolbuf_get_zigzag_i64(b, reader, &i64, &length), wide);
    }
    assert_true(u32 == 77 && u64 == 77 && i32 == 77 && i64 == 77 && length == 77);
    cut_expect_unchanged(b, &before);
}

static void an_unfinished_number_waits_for_more(void **state) {
    (void)state;
    unit_random random = unit_random_start("unfinished varints", 3);
    static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        for (size_t length = 0; length < sizeof bytes; length++) {
            cut in = cut_make(allocator, &random, kind, bytes, length);
            expect_all(in.buffer, length < 5 ? POOLBUF_ERROR_OUT_OF_BOUNDS : POOLBUF_ERROR_BAD_DATA,
                       POOLBUF_ERROR_OUT_OF_BOUNDS);
            cut_end(&in);
        }
    }
}

static void a_decoder_goes_on_when_the_rest_has_come(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 0, 64);
    uint32_t value = 0;
    UNIT_OK(poolbuf_write_u8(b, 0xac));
    assert_int_equal(poolbuf_read_varint_u32(b, &value), POOLBUF_ERROR_OUT_OF_BOUNDS);
    UNIT_OK(poolbuf_write_u8(b, 0x02));
    UNIT_OK(poolbuf_read_varint_u32(b, &value));
    assert_int_equal(value, 300);
    assert_true(poolbuf_release(b));
}

static void readable_bytes_end_a_read_and_the_capacity_a_get(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "\xac\x02", 2);
    UNIT_OK(poolbuf_set_writer_index(b, 1));
    uint32_t value = 0;
    assert_int_equal(poolbuf_read_varint_u32(b, &value), POOLBUF_ERROR_OUT_OF_BOUNDS);
    UNIT_OK(poolbuf_get_varint_u32(b, 0, &value, NULL));
    assert_int_equal(value, 300);
    assert_int_equal(poolbuf_get_varint_u32(b, 2, &value, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_varint_u32(b, SIZE_MAX, &value, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_true(poolbuf_release(b));
}

static void numbers_too_large_for_their_type_are_bad_data(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        poolbuf_status narrow, wide;
    } bad[] = {
        {"\x80\x80\x80\x80\x10", 5, POOLBUF_ERROR_BAD_DATA, POOLBUF_OK}, /* 2^32 */
        {"\xff\xff\xff\xff\x1f", 5, POOLBUF_ERROR_BAD_DATA, POOLBUF_OK},
        {"\x80\x80\x80\x80\x40", 5, POOLBUF_ERROR_BAD_DATA, POOLBUF_OK},
        {"\x80\x80\x80\x80\x80\x00", 6, POOLBUF_ERROR_BAD_DATA, POOLBUF_OK}, /* 0, but too long */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 10, POOLBUF_ERROR_BAD_DATA, POOLBUF_ERROR_BAD_DATA}, /* 2^64 */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, POOLBUF_ERROR_BAD_DATA, POOLBUF_ERROR_BAD_DATA},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, POOLBUF_ERROR_BAD_DATA, POOLBUF_ERROR_BAD_DATA},
    };
    unit_random random = unit_random_start("bad varints", 4);
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            cut in = cut_make(allocator, &random, kind, bad[i].bytes, bad[i].length);
            expect_all(in.buffer, bad[i].narrow, bad[i].wide);
            cut_end(&in);
        }
    }
}

static void padding_is_read_within_the_longest_form(void **state) {
    (void)state;
    for (size_t padding = 0; padding < POOLBUF_VARINT_SIZE_MAX_U64; padding++) {
        poolbuf *b = poolbuf_allocate(allocator, 64, 64);
        for (size_t i = 0; i < padding; i++) {
            UNIT_OK(poolbuf_write_u8(b, i == 0 ? 0x85 : 0x80));
        }
        UNIT_OK(poolbuf_write_u8(b, padding == 0 ? 5 : 0));
        uint64_t wide = 0;
        uint32_t narrow = 0;
        size_t length = 0;
        UNIT_OK(poolbuf_get_varint_u64(b, 0, &wide, &length));
        assert_int_equal(wide, 5);
        assert_int_equal(length, padding + 1);
        assert_int_equal(poolbuf_read_varint_u32(b, &narrow),
                         padding < POOLBUF_VARINT_SIZE_MAX_U32 ? POOLBUF_OK : POOLBUF_ERROR_BAD_DATA);
        assert_int_equal(narrow, padding < POOLBUF_VARINT_SIZE_MAX_U32 ? 5 : 0);
        assert_true(poolbuf_release(b));
    }
}

/* ---- Calls that cannot write -------------------------------------------------------------------------------------- */

static void nothing_is_written_without_room_for_all_of_it(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "abcd", 4);
    UNIT_OK(poolbuf_set_writer_index(b, 2));
    cut_state before = cut_remember(b);
    assert_int_equal(poolbuf_write_varint_u32(b, 16384), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_write_zigzag_i64(b, INT64_MIN), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_set_varint_u32(b, 2, 16384), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_varint_u32(b, 4, 0), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_zigzag_i32(b, SIZE_MAX, 0), POOLBUF_ERROR_OUT_OF_BOUNDS);
    cut_expect_unchanged(b, &before);
    assert_true(poolbuf_release(b));
}

static void read_only_buffers_refuse_numbers_of_any_length(void **state) {
    (void)state;
    unit_random random = unit_random_start("read-only varints", 5);
    for (unsigned kind = CUT_WRITABLE_KINDS; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, "abcdefgh", 8);
        cut_state before = cut_remember(in.buffer);
        assert_int_equal(poolbuf_write_varint_u32(in.buffer, 1), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_write_varint_u64(in.buffer, UINT64_MAX), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_set_varint_u32(in.buffer, 0, 1), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_set_zigzag_i64(in.buffer, 0, 1 << 20), POOLBUF_ERROR_READ_ONLY);
        cut_expect_unchanged(in.buffer, &before);
        cut_end(&in);
    }
    uint32_t value = 0;
    assert_int_equal(poolbuf_write_varint_u32(poolbuf_empty(), 1), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_read_varint_u32(poolbuf_empty(), &value), POOLBUF_ERROR_OUT_OF_BOUNDS);
}

static void every_use_of_a_dead_buffer_is_told_and_fails(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "abcd", 4);
    assert_true(poolbuf_release(b));
    uint32_t u32 = 7;
    int64_t i64 = 7;
    uint64_t before = unit_metrics(allocator).misuses;
    assert_int_equal(poolbuf_write_varint_u32(b, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_write_zigzag_i64(b, 1 << 20), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_varint_u32(b, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_zigzag_i64(b, 0, 1 << 20), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_read_varint_u32(b, &u32), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_read_zigzag_i64(b, &i64), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_varint_u32(b, 0, &u32, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_zigzag_i64(b, 0, &i64, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(unit_metrics(allocator).misuses, before + 8);
    assert_true(u32 == 7 && i64 == 7);
}

#define VARINT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        VARINT_TEST(known_numbers_have_their_known_bytes),
        VARINT_TEST(zigzag_goes_from_zero_outwards),
        VARINT_TEST(sizes_step_where_seven_bits_are_full),
        VARINT_TEST(numbers_come_back_from_every_kind_of_buffer),
        VARINT_TEST(a_number_is_set_in_place_in_every_kind_that_can_be_written),
        VARINT_TEST(a_composite_takes_a_number_across_its_end),
        VARINT_TEST(an_unfinished_number_waits_for_more),
        VARINT_TEST(a_decoder_goes_on_when_the_rest_has_come),
        VARINT_TEST(readable_bytes_end_a_read_and_the_capacity_a_get),
        VARINT_TEST(numbers_too_large_for_their_type_are_bad_data),
        VARINT_TEST(padding_is_read_within_the_longest_form),
        VARINT_TEST(nothing_is_written_without_room_for_all_of_it),
        VARINT_TEST(read_only_buffers_refuse_numbers_of_any_length),
    };
    const struct CMUnitTest misuse_tests[] = {
        VARINT_TEST(every_use_of_a_dead_buffer_is_told_and_fails),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* the errors that the others make are there for Memcheck to report: see memcheck_finds_* */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
