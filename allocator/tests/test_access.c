/* Unit tests of the numbers in access.h: every type on every kind of buffer, against a model of bytes. */
#include "unit.h"

#include <math.h>

#include "allocator.h"
#include "kinds.h"
#include "number_calls.h"

enum {
    CAPACITY = 61 /* no multiple of any width above 1 */
};

static poolbuf_allocator *allocator;
static unit_random numbers;

static int set_up(void **state) {
    (void)state;
    numbers = unit_random_from(11);
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

/* Says which type it was, besides the kind. */
#define EXPECT_NUMBER(number, condition)                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            print_error("%s: ", (number)->name);                                                                       \
            EXPECT(condition);                                                                                         \
        }                                                                                                              \
    } while (0)

/* ---- At an index ------------------------------------------------------------------------------------------------ */

static void set_and_get_at_every_index(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 1);
    for (size_t n = 0; n < number_count; n++) {
        const number_calls *number = &number_table[n];
        for (size_t i = 0; i + number->width <= CAPACITY; i++) {
            uint64_t found = 0;
            EXPECT_NUMBER(number, number->get(subject->buffer, i, &found) == POOLBUF_OK);
            EXPECT_NUMBER(number, found == number_value(number, model + i));
            uint64_t bits = unit_random_next(&numbers);
            EXPECT_NUMBER(number, number->set(subject->buffer, i, bits) == POOLBUF_OK);
            number_bytes(number, bits, model + i);
            EXPECT_NUMBER(number, kinds_holds(subject->buffer, model, CAPACITY));
        }
    }
    EXPECT(poolbuf_reader_index(subject->buffer) == 0);
    EXPECT(poolbuf_writer_index(subject->buffer) == 0);
}

static void every_type_is_the_bytes_of_its_order_at_every_index(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, set_and_get_at_every_index);
}

static void get_and_set_outside(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 2);
    for (size_t n = 0; n < number_count; n++) {
        const number_calls *number = &number_table[n];
        const size_t outside[] = {CAPACITY - number->width + 1, CAPACITY,     CAPACITY + 1, (size_t)1 << 32,
                                  SIZE_MAX - number->width + 1, SIZE_MAX - 1, SIZE_MAX};
        for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
            uint64_t value = 1;
            EXPECT_NUMBER(number, number->get(subject->buffer, outside[i], &value) == POOLBUF_ERROR_OUT_OF_BOUNDS);
            EXPECT_NUMBER(number, value == 1);
            EXPECT_NUMBER(number, number->set(subject->buffer, outside[i], 5) == POOLBUF_ERROR_OUT_OF_BOUNDS);
        }
        uint64_t value = 0;
        EXPECT_NUMBER(number, number->get(subject->buffer, CAPACITY - number->width, &value) == POOLBUF_OK);
    }
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    EXPECT(poolbuf_writer_index(subject->buffer) == 0);
}

static void numbers_outside_the_capacity_are_refused_and_change_nothing(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, get_and_set_outside);
}

/* ---- In sequence ------------------------------------------------------------------------------------------------ */

/* Fills the capacity with numbers of one type from a start on, and reads them back. */
static void write_and_read(const specimen *subject, const number_calls *number, size_t start) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 3);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, start, start));
    size_t place = start;
    for (; place + number->width <= CAPACITY; place += number->width) {
        uint64_t bits = unit_random_next(&numbers);
        EXPECT_NUMBER(number, number->write(subject->buffer, bits) == POOLBUF_OK);
        number_bytes(number, bits, model + place);
        EXPECT_NUMBER(number, poolbuf_writer_index(subject->buffer) == place + number->width);
        EXPECT_NUMBER(number, poolbuf_reader_index(subject->buffer) == start);
    }
    EXPECT_NUMBER(number, kinds_holds(subject->buffer, model, CAPACITY));
    for (size_t i = start; i + number->width <= place; i += number->width) {
        uint64_t value = 0;
        EXPECT_NUMBER(number, number->read(subject->buffer, &value) == POOLBUF_OK);
        EXPECT_NUMBER(number, value == number_value(number, model + i));
        EXPECT_NUMBER(number, poolbuf_reader_index(subject->buffer) == i + number->width);
        EXPECT_NUMBER(number, poolbuf_writer_index(subject->buffer) == place);
    }
}

static void write_and_read_in_sequence(const specimen *subject) {
    for (size_t n = 0; n < number_count; n++) {
        for (size_t start = 0; start < 3; start++) {
            write_and_read(subject, &number_table[n], start);
        }
    }
}

static void numbers_are_read_as_they_were_written_in_sequence(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, write_and_read_in_sequence);
}

static void read_too_much(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 4);
    for (size_t n = 0; n < number_count; n++) {
        const number_calls *number = &number_table[n];
        for (size_t there = 0; there < number->width; there++) { /* bytes, in the middle and at the end */
            for (size_t end = 20; end <= CAPACITY; end += CAPACITY - 20) {
                uint64_t value = 0;
                EXPECT_OK(poolbuf_set_indices(subject->buffer, end - there, end));
                EXPECT_NUMBER(number, number->read(subject->buffer, &value) == POOLBUF_ERROR_OUT_OF_BOUNDS);
                EXPECT_NUMBER(number, value == 0);
                EXPECT_NUMBER(number, poolbuf_reader_index(subject->buffer) == end - there);
                EXPECT_NUMBER(number, poolbuf_writer_index(subject->buffer) == end);
            }
        }
    }
}

static void a_number_that_is_not_all_readable_is_not_read(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, read_too_much);
}

/* There is room for all but one byte: what grows, grows, and what does not stays as it was. */
static void write_past_the_capacity(const specimen *subject, const number_calls *number) {
    uint8_t model[CAPACITY + 8] = {0};
    kinds_fill(subject->buffer, model, CAPACITY, 5);
    size_t start = CAPACITY - number->width + 1;
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 1, start));
    poolbuf_status status = number->write(subject->buffer, UINT64_C(0x8123456789abcdef));
    if (subject->grows) {
        EXPECT_NUMBER(number, status == POOLBUF_OK);
        number_bytes(number, UINT64_C(0x8123456789abcdef), model + start);
        EXPECT_NUMBER(number, kinds_holds(subject->buffer, model, start + number->width));
        EXPECT_NUMBER(number, poolbuf_writer_index(subject->buffer) == start + number->width);
        EXPECT_NUMBER(number, poolbuf_capacity(subject->buffer) >= start + number->width);
    } else {
        EXPECT_NUMBER(number, status == POOLBUF_ERROR_MAX_CAPACITY);
        EXPECT_NUMBER(number, kinds_holds(subject->buffer, model, CAPACITY));
        EXPECT_NUMBER(number, poolbuf_writer_index(subject->buffer) == start);
        EXPECT_NUMBER(number, poolbuf_capacity(subject->buffer) == CAPACITY);
    }
    EXPECT(poolbuf_reader_index(subject->buffer) == 1);
}

static void a_number_past_the_capacity_grows_the_buffer_or_changes_nothing(void **state) {
    (void)state;
    for (size_t k = 0; k < kinds_count(); k++) {
        for (size_t n = 0; n < number_count; n++) {
            specimen subject = kinds_make(allocator, k, CAPACITY);
            write_past_the_capacity(&subject, &number_table[n]);
            kinds_release(&subject);
        }
    }
}

/* ---- Values that are special ------------------------------------------------------------------------------------ */

static void signs_are_carried_and_bits_above_24_ignored(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 16, 16);
    int32_t medium = 0;
    uint32_t unsigned_medium = 0;
    UNIT_OK(poolbuf_set_i24_be(b, 0, -1));
    UNIT_OK(poolbuf_get_i24_le(b, 0, &medium));
    assert_int_equal(medium, -1);
    UNIT_OK(poolbuf_get_u24_be(b, 0, &unsigned_medium));
    assert_int_equal(unsigned_medium, 0xffffff);
    UNIT_OK(poolbuf_set_i24_le(b, 0, -0x800000));
    UNIT_OK(poolbuf_get_i24_le(b, 0, &medium));
    assert_int_equal(medium, -0x800000);
    UNIT_OK(poolbuf_set_u8(b, 3, 0x5a));
    UNIT_OK(poolbuf_set_u24_be(b, 0, 0xff7fffffu));
    UNIT_OK(poolbuf_get_i24_be(b, 0, &medium));
    assert_int_equal(medium, 0x7fffff);
    UNIT_OK(poolbuf_set_u24_le(b, 4, 0xff123456u));
    static const uint8_t expected[] = {0x7f, 0xff, 0xff, 0x5a, 0x56, 0x34, 0x12};
    assert_memory_equal(poolbuf_memory(b), expected, sizeof expected);
    int8_t byte = 0;
    uint8_t unsigned_byte = 0;
    UNIT_OK(poolbuf_get_i8(b, 1, &byte));
    UNIT_OK(poolbuf_get_u8(b, 1, &unsigned_byte));
    assert_int_equal(byte, -1);
    assert_int_equal(unsigned_byte, 255);
    assert_true(poolbuf_release(b));
}

static void any_byte_but_0_is_true_and_true_is_written_as_1(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 4, 4);
    bool value = false;
    UNIT_OK(poolbuf_write_bool(b, true));
    UNIT_OK(poolbuf_write_bool(b, false));
    UNIT_OK(poolbuf_write_u8(b, 0x80));
    static const uint8_t expected[] = {1, 0, 0x80};
    assert_memory_equal(poolbuf_memory(b), expected, sizeof expected);
    static const bool meant[] = {true, false, true};
    for (size_t i = 0; i < 3; i++) {
        UNIT_OK(poolbuf_read_bool(b, &value));
        assert_int_equal(value, meant[i]);
    }
    assert_true(poolbuf_release(b));
}

static void floats_keep_every_bit(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    UNIT_OK(poolbuf_write_float_be(b, 1.5f));
    UNIT_OK(poolbuf_write_float_le(b, -0.0f));
    UNIT_OK(poolbuf_write_double_be(b, -2.25));
    UNIT_OK(poolbuf_write_double_le(b, (double)INFINITY));
    static const uint8_t expected[] = {0x3f, 0xc0, 0, 0, 0, 0, 0, 0x80, 0xc0, 2, 0,    0,
                                       0,    0,    0, 0, 0, 0, 0, 0,    0,    0, 0xf0, 0x7f};
    assert_memory_equal(poolbuf_memory(b), expected, sizeof expected);
    float single = 0;
    double twice = 0;
    UNIT_OK(poolbuf_read_float_be(b, &single));
    assert_true(single == 1.5f);
    UNIT_OK(poolbuf_read_float_le(b, &single));
    assert_true(single == 0.0f && signbit(single) != 0);
    UNIT_OK(poolbuf_read_double_be(b, &twice));
    assert_true(twice == -2.25);
    UNIT_OK(poolbuf_read_double_le(b, &twice));
    assert_true(isinf(twice) && twice > 0);
    UNIT_OK(poolbuf_set_double_be(b, 0, (double)NAN));
    UNIT_OK(poolbuf_get_double_be(b, 0, &twice));
    assert_true(isnan(twice));
    assert_true(poolbuf_release(b));
}

/* ---- Read-only -------------------------------------------------------------------------------------------------- */

static void write_to_read_only(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 6);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 10, 40));
    poolbuf *view = poolbuf_as_read_only(subject->buffer);
    EXPECT(view != NULL);
    EXPECT(poolbuf_is_read_only(view));
    EXPECT(!poolbuf_is_read_only(subject->buffer));
    for (size_t n = 0; n < number_count; n++) {
        const number_calls *number = &number_table[n];
        uint64_t value = 0;
        EXPECT_NUMBER(number, number->set(view, 0, 1) == POOLBUF_ERROR_READ_ONLY);
        EXPECT_NUMBER(number, number->set(view, CAPACITY - number->width, 1) == POOLBUF_ERROR_READ_ONLY);
        EXPECT_NUMBER(number, number->set(view, CAPACITY, 1) == POOLBUF_ERROR_OUT_OF_BOUNDS);
        EXPECT_NUMBER(number, number->write(view, 1) == POOLBUF_ERROR_READ_ONLY);
        EXPECT_NUMBER(number, number->get(view, 10, &value) == POOLBUF_OK);
        EXPECT_NUMBER(number, value == number_value(number, model + 10));
        EXPECT_OK(poolbuf_set_reader_index(view, 10));
        value = 0;
        EXPECT_NUMBER(number, number->read(view, &value) == POOLBUF_OK);
        EXPECT_NUMBER(number, value == number_value(number, model + 10));
        EXPECT_NUMBER(number, poolbuf_reader_index(view) == 10 + number->width);
        EXPECT_OK(poolbuf_set_indices(view, 0, CAPACITY)); /* where there is no room besides */
        EXPECT_NUMBER(number, number->write(view, 1) == POOLBUF_ERROR_READ_ONLY);
        EXPECT_OK(poolbuf_set_indices(view, 10, 40));
    }
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    EXPECT(kinds_holds(view, model, CAPACITY));
    EXPECT(poolbuf_writer_index(view) == 40);
}

static void a_read_only_buffer_refuses_every_number_and_gives_them_all(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, write_to_read_only);
}

static void a_composite_refuses_numbers_only_where_a_component_is_read_only(void **state) {
    (void)state;
    static const uint8_t literal[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    poolbuf *first = poolbuf_allocate(allocator, 8, 8);
    poolbuf *last = poolbuf_allocate(allocator, 8, 8);
    UNIT_OK(poolbuf_write_zero(first, 8));
    UNIT_OK(poolbuf_write_zero(last, 8));
    poolbuf *parts[] = {first, poolbuf_wrap_read_only(allocator, literal, 8, NULL, NULL), last};
    UNIT_OK(poolbuf_composite_add_components(composite, parts, 3, true));
    assert_false(poolbuf_is_read_only(composite));
    UNIT_OK(poolbuf_set_u32_be(composite, 4, 0x01020304));
    UNIT_OK(poolbuf_set_u32_be(composite, 16, 0x01020304));
    for (size_t i = 5; i < 16; i++) {
        assert_int_equal(poolbuf_set_u32_be(composite, i, 0), POOLBUF_ERROR_READ_ONLY);
    }
    UNIT_OK(poolbuf_set_writer_index(composite, 15));
    assert_int_equal(poolbuf_write_u16_le(composite, 0), POOLBUF_ERROR_READ_ONLY);
    UNIT_OK(poolbuf_set_writer_index(composite, 16));
    UNIT_OK(poolbuf_write_u16_le(composite, 0x0605));
    static const uint8_t expected[] = {0, 0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 3, 4, 0, 0, 0, 0};
    assert_true(kinds_holds(composite, expected, sizeof expected));
    assert_true(poolbuf_release(composite));
}

#define ACCESS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        ACCESS_TEST(every_type_is_the_bytes_of_its_order_at_every_index),
        ACCESS_TEST(numbers_outside_the_capacity_are_refused_and_change_nothing),
        ACCESS_TEST(numbers_are_read_as_they_were_written_in_sequence),
        ACCESS_TEST(a_number_that_is_not_all_readable_is_not_read),
        ACCESS_TEST(a_number_past_the_capacity_grows_the_buffer_or_changes_nothing),
        ACCESS_TEST(signs_are_carried_and_bits_above_24_ignored),
        ACCESS_TEST(any_byte_but_0_is_true_and_true_is_written_as_1),
        ACCESS_TEST(floats_keep_every_bit),
        ACCESS_TEST(a_read_only_buffer_refuses_every_number_and_gives_them_all),
        ACCESS_TEST(a_composite_refuses_numbers_only_where_a_component_is_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
