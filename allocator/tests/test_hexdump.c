/* Unit tests of hexdump.c: known dumps, every kind of buffer, the way back, and what is no dump. */
#define POOLBUF_RECORD_ACCESS 1 /* in optimised builds too */
#include "unit.h"

#include <errno.h>

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

static void expect_readable(const poolbuf *b, const void *bytes, size_t length) {
    assert_int_equal(poolbuf_readable_bytes(b), length);
    cut_expect(b, poolbuf_reader_index(b), bytes, length);
}

#define FRAME_HEAD                                                                                                     \
    "         +-------------------------------------------------+\n"                                                   \
    "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n"                                                   \
    "+--------+-------------------------------------------------+----------------+\n"
#define FRAME_FOOT "+--------+-------------------------------------------------+----------------+\n"
#define ROW_0      "|00000000| 68 65 6c 6c 6f 0a 00 1f 20 7e 7f 80 ff 7c 31 39 |hello... ~...|19|\n"
#define ROW_1      "|00000010| 78                                              |x               |\n"

static const char known_bytes[] = "hello\n\0\x1f ~\x7f\x80\xff|19x";
#define KNOWN_LENGTH (sizeof known_bytes - 1)

static const char known_pretty[] = FRAME_HEAD ROW_0 ROW_1 FRAME_FOOT;
static const char known_plain[] = "68656c6c6f0a001f207e7f80ff7c313978";

/* ---- Dumps ------------------------------------------------------------------------------------------------------ */

static void known_bytes_have_their_known_dumps_in_every_kind_of_buffer(void **state) {
    (void)state;
    unit_random random = unit_random_start("known dumps", 1);
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, known_bytes, KNOWN_LENGTH);
        char text[sizeof known_pretty];
        UNIT_OK(poolbuf_hex_dump(in.buffer, 0, KNOWN_LENGTH, text, sizeof known_plain));
        assert_string_equal(text, known_plain);
        UNIT_OK(poolbuf_hex_dump(in.buffer, 1, 3, text, sizeof text));
        assert_string_equal(text, "656c6c");
        UNIT_OK(poolbuf_pretty_hex_dump(in.buffer, 0, KNOWN_LENGTH, text, sizeof text));
        assert_string_equal(text, known_pretty);
        UNIT_OK(poolbuf_pretty_hex_dump(in.buffer, KNOWN_LENGTH - 1, 1, text, sizeof text));
        assert_non_null(strstr(text, "|00000000| 78       "));
        cut_end(&in);
    }
    assert_int_equal(poolbuf_hex_dump_size(KNOWN_LENGTH), sizeof known_plain - 1);
    assert_int_equal(poolbuf_pretty_hex_dump_size(KNOWN_LENGTH), sizeof known_pretty - 1);
}

static void no_bytes_have_an_empty_dump(void **state) {
    (void)state;
    char text[4] = "xyz";
    poolbuf *empty = poolbuf_empty();
    UNIT_OK(poolbuf_hex_dump(empty, 0, 0, text, 1));
    assert_string_equal(text, "");
    text[0] = 'x';
    UNIT_OK(poolbuf_pretty_hex_dump(empty, 0, 0, text, 1));
    assert_string_equal(text, "");
    assert_int_equal(poolbuf_hex_dump_size(0), 0);
    assert_int_equal(poolbuf_pretty_hex_dump_size(0), 0);
    poolbuf *b = poolbuf_allocate(allocator, 0, 16);
    UNIT_OK(poolbuf_decode_hex(b, NULL, 0));
    UNIT_OK(poolbuf_decode_pretty_hex(b, NULL, 0));
    assert_int_equal(poolbuf_readable_bytes(b), 0);
    assert_true(poolbuf_release(b));
}

static void every_byte_has_its_digits_and_its_letter(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 1, 1);
    poolbuf_clear(b);
    UNIT_OK(poolbuf_write_u8(b, 0));
    for (unsigned byte = 0; byte < 256; byte++) {
        char digits[3];
        char expected[3];
        char pretty[512];
        char letter = byte > 0x1f && byte < 0x7f ? (char)byte : '.';
        UNIT_OK(poolbuf_set_u8(b, 0, (uint8_t)byte));
        (void)snprintf(expected, sizeof expected, "%02x", byte);
        UNIT_OK(poolbuf_hex_dump(b, 0, 1, digits, sizeof digits));
        assert_string_equal(digits, expected);
        UNIT_OK(poolbuf_pretty_hex_dump(b, 0, 1, pretty, sizeof pretty));
        const char *row = strstr(pretty, "|00000000|");
        assert_non_null(row);
        assert_memory_equal(row + 11, expected, 2);
        assert_int_equal(row[60], letter);
    }
    assert_true(poolbuf_release(b));
}

static void dumps_are_appended_to_a_buffer(void **state) {
    (void)state;
    unit_random random = unit_random_start("appended dumps", 2);
    poolbuf *from = cut_plain(allocator, known_bytes, KNOWN_LENGTH);
    poolbuf *to = poolbuf_allocate(allocator, 0, 4000);
    UNIT_OK(poolbuf_write_bytes(to, "> ", 2));
    UNIT_OK(poolbuf_write_hex_dump(to, from, 0, KNOWN_LENGTH));
    UNIT_OK(poolbuf_skip_bytes(to, 2));
    expect_readable(to, known_plain, sizeof known_plain - 1);
    poolbuf_clear(to);
    UNIT_OK(poolbuf_write_pretty_hex_dump(to, from, 0, KNOWN_LENGTH));
    expect_readable(to, known_pretty, sizeof known_pretty - 1);
    assert_true(poolbuf_release(to));
    for (unsigned kind = 0; kind < CUT_WRITABLE_KINDS; kind++) {
        char blank[sizeof known_pretty] = {0};
        cut in = cut_make(allocator, &random, kind, blank, sizeof known_pretty - 1);
        poolbuf_clear(in.buffer);
        UNIT_OK(poolbuf_write_pretty_hex_dump(in.buffer, from, 0, KNOWN_LENGTH));
        expect_readable(in.buffer, known_pretty, sizeof known_pretty - 1);
        cut_end(&in);
    }
    assert_true(poolbuf_release(from));
}

static void a_buffer_takes_a_dump_of_itself(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 2, 5000);
    UNIT_OK(poolbuf_write_bytes(b, "hi", 2));
    UNIT_OK(poolbuf_write_hex_dump(b, b, 0, 2));
    expect_readable(b, "hi6869", 6);
    assert_true(poolbuf_release(b));
}

/* A full composite, of a pooled or an unpooled component and another; what it takes in makes it one component. */
static poolbuf *full_composite(bool pooled) {
    poolbuf *composite = poolbuf_allocate_composite(allocator, 2);
    poolbuf *first = pooled ? poolbuf_allocate(allocator, 100, 100) : poolbuf_allocate_unpooled(allocator, 100, 100);
    for (uint8_t i = 0; i < 100; i++) {
        UNIT_OK(poolbuf_write_u8(first, i));
    }
    UNIT_OK(poolbuf_composite_add_component(composite, first, true));
    UNIT_OK(poolbuf_composite_add_component(composite, cut_plain(allocator, "rest", 4), true));
    return composite;
}

static void a_dump_of_a_component_outlives_its_consolidation(void **state) {
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        char expected[1000];
        char text[sizeof expected];
        bool pretty = i % 2 != 0;
        poolbuf *composite = full_composite(i < 4);
        poolbuf *source =
            i % 4 < 2 ? poolbuf_composite_component(composite, 0) : poolbuf_composite_component_slice(composite, 0);
        UNIT_OK((pretty ? poolbuf_pretty_hex_dump : poolbuf_hex_dump)(source, 7, 90, expected, sizeof expected));
        UNIT_OK((pretty ? poolbuf_write_pretty_hex_dump : poolbuf_write_hex_dump)(composite, source, 7, 90));
        assert_int_equal(poolbuf_composite_component_count(composite), 1);
        assert_int_equal(poolbuf_readable_bytes(composite), 104 + strlen(expected));
        UNIT_OK(poolbuf_get_string(composite, 104, strlen(expected), text, sizeof text));
        assert_string_equal(text, expected);
        assert_true(poolbuf_release(composite));
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    }
}

static void dumps_are_printed_to_a_stream(void **state) {
    (void)state;
    poolbuf *from = cut_plain(allocator, known_bytes, KNOWN_LENGTH);
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    assert_non_null(stream);
    UNIT_OK(poolbuf_print_pretty_hex_dump(stream, from, 0, KNOWN_LENGTH));
    UNIT_OK(poolbuf_print_hex_dump(stream, from, 0, KNOWN_LENGTH));
    assert_int_equal(poolbuf_print_hex_dump(stream, from, 0, KNOWN_LENGTH + 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(length, sizeof known_pretty - 1 + sizeof known_plain - 1);
    assert_memory_equal(text, known_pretty, sizeof known_pretty - 1);
    assert_string_equal(text + sizeof known_pretty - 1, known_plain);
    free(text);

    stream = fopen("/dev/full", "w");
    assert_non_null(stream);
    setbuf(stream, NULL);
    assert_int_equal(poolbuf_print_pretty_hex_dump(stream, from, 0, KNOWN_LENGTH), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, ENOSPC);
    (void)fclose(stream);
    assert_true(poolbuf_release(from));
}

static void ranges_and_rooms_are_checked_before_anything_is_dumped(void **state) {
    (void)state;
    poolbuf *from = cut_plain(allocator, "abcd", 4);
    poolbuf *to = cut_plain(allocator, "1234567", 7);
    UNIT_OK(poolbuf_set_writer_index(to, 0));
    cut_state before = cut_remember(to);
    char text[1000] = "before";
    assert_int_equal(poolbuf_hex_dump(from, 1, 4, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_hex_dump(from, SIZE_MAX, 2, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_pretty_hex_dump(from, 0, SIZE_MAX, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_hex_dump(from, 0, 4, text, 8), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_hex_dump(from, 0, 0, text, 0), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_pretty_hex_dump(from, 0, 4, text, poolbuf_pretty_hex_dump_size(4)),
                     POOLBUF_ERROR_BAD_ARGUMENT);
    assert_string_equal(text, "before");
    assert_int_equal(poolbuf_write_hex_dump(to, from, 0, 4), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_write_hex_dump(to, from, 0, 5), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_write_pretty_hex_dump(to, from, 0, 1), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_decode_hex(to, "0011223344556677", 16), POOLBUF_ERROR_MAX_CAPACITY);
    cut_expect_unchanged(to, &before);
    assert_true(poolbuf_release(to));
    assert_true(poolbuf_release(from));
}

/* ---- And back --------------------------------------------------------------------------------------------------- */

static void random_bytes_come_back_from_both_dumps(void **state) {
    (void)state;
    unit_random random = unit_random_start("dumps and back", 3);
    for (unsigned i = 0; i < 300; i++) {
        uint8_t bytes[300];
        size_t length = unit_random_below(&random, sizeof bytes + 1);
        for (size_t j = 0; j < length; j++) {
            bytes[j] = (uint8_t)unit_random_next(&random);
        }
        cut in = cut_make(allocator, &random, i % CUT_KINDS, bytes, length);
        poolbuf *text = poolbuf_allocate(allocator, 0, 10000);
        uint8_t blank[sizeof bytes] = {0};
        cut back = cut_make(allocator, &random, i % CUT_WRITABLE_KINDS, blank, length);

        UNIT_OK(poolbuf_write_hex_dump(text, in.buffer, 0, length));
        poolbuf_clear(back.buffer);
        UNIT_OK(poolbuf_decode_hex(back.buffer, (char *)poolbuf_memory(text), poolbuf_readable_bytes(text)));
        expect_readable(back.buffer, bytes, length);

        poolbuf_clear(text);
        UNIT_OK(poolbuf_write_pretty_hex_dump(text, in.buffer, 0, length));
        assert_int_equal(poolbuf_readable_bytes(text), poolbuf_pretty_hex_dump_size(length));
        UNIT_OK(poolbuf_set_zero(back.buffer, 0, length));
        poolbuf_clear(back.buffer);
        UNIT_OK(poolbuf_decode_pretty_hex(back.buffer, (char *)poolbuf_memory(text), poolbuf_readable_bytes(text)));
        expect_readable(back.buffer, bytes, length);

        cut_end(&back);
        cut_end(&in);
        assert_true(poolbuf_release(text));
    }
}

static void digits_may_be_of_either_case(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 0, 64);
    UNIT_OK(poolbuf_decode_hex(b, "abcdefABCDEFaBCd", 16));
    expect_readable(b, "\xab\xcd\xef\xab\xcd\xef\xab\xcd", 8);
    assert_true(poolbuf_release(b));
}

static void an_odd_number_of_digits_is_bad_data(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "abcdefgh", 8);
    poolbuf_clear(b);
    cut_state before = cut_remember(b);
    for (size_t length = 1; length < sizeof known_plain; length += 2) {
        assert_int_equal(poolbuf_decode_hex(b, known_plain, length), POOLBUF_ERROR_BAD_DATA);
    }
    cut_expect_unchanged(b, &before);
    assert_true(poolbuf_release(b));
}

static void a_character_that_is_no_digit_is_bad_data_wherever_it_stands(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "abcdefgh", 8);
    poolbuf_clear(b);
    cut_state before = cut_remember(b);
    for (unsigned character = 0; character < 256; character++) {
        bool digit = character != 0 && strchr("0123456789abcdefABCDEF", (int)character) != NULL;
        for (size_t place = 0; place < 8 && !digit; place++) {
            char text[] = "01234567";
            text[place] = (char)character;
            assert_int_equal(poolbuf_decode_hex(b, text, 8), POOLBUF_ERROR_BAD_DATA);
        }
    }
    cut_expect_unchanged(b, &before);
    assert_true(poolbuf_release(b));
}

static void a_pretty_dump_may_have_its_newline_before_after_or_nowhere(void **state) {
    (void)state;
    static const char around[] = "\n" FRAME_HEAD ROW_0 ROW_1 FRAME_FOOT;
    const size_t all = sizeof around - 1;
    const struct { size_t first, end; } parts[] = {{0, all}, {1, all}, {0, all - 1}, {1, all - 1}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 0, 64);
        size_t length = parts[i].end - parts[i].first;
        /* In memory of its own, so that a look behind its end is seen. */
        char *text = malloc(length);
        assert_non_null(text);
        memcpy(text, around + parts[i].first, length);
        UNIT_OK(poolbuf_decode_pretty_hex(b, text, length));
        expect_readable(b, known_bytes, KNOWN_LENGTH);
        free(text);
        assert_true(poolbuf_release(b));
    }
}

/* Every other character at every place of a dump, and every cut of it. */
static void a_pretty_dump_with_one_wrong_character_is_bad_data(void **state) {
    (void)state;
    static const char others[] = {' ', '|', '\n', '.', '0', 'f', 'F', '\0', '\xff'};
    /* All letters are printable, so that each digit has another letter. */
    static const char pretty[] =
        FRAME_HEAD "|00000000| 61 6c 6c 20 61 72 65 20 6c 65 74 74 65 72 73 20 |all are letters |\n" ROW_1 FRAME_FOOT;
    const size_t length = sizeof pretty - 1;
    poolbuf *b = cut_plain(allocator, "abcdefghijklmnopqrstuvwxyz", 26);
    poolbuf_clear(b);
    cut_state before = cut_remember(b);
    for (size_t place = 0; place < length; place++) {
        for (size_t i = 0; i < sizeof others; i++) {
            char text[sizeof pretty];
            memcpy(text, pretty, sizeof text);
            if (text[place] == others[i]) {
                continue;
            }
            text[place] = others[i];
            assert_int_equal(poolbuf_decode_pretty_hex(b, text, length), POOLBUF_ERROR_BAD_DATA);
        }
    }
    for (size_t cut_at = 1; cut_at < length - 1; cut_at++) {
        char *text = malloc(cut_at);
        assert_non_null(text);
        memcpy(text, pretty, cut_at);
        assert_int_equal(poolbuf_decode_pretty_hex(b, text, cut_at), POOLBUF_ERROR_BAD_DATA);
        free(text);
    }
    cut_expect_unchanged(b, &before);
    assert_true(poolbuf_release(b));
}

static void rows_out_of_place_are_bad_data(void **state) {
    (void)state;
    static const char *const bad[] = {
        FRAME_HEAD FRAME_FOOT,                   /* none */
        FRAME_HEAD ROW_1 FRAME_FOOT,             /* not the first */
        FRAME_HEAD ROW_0 ROW_0 FRAME_FOOT,       /* twice */
        FRAME_HEAD ROW_0 ROW_1 ROW_1 FRAME_FOOT, /* a row after one that is not full */
        FRAME_HEAD "|00000000| 78                                              |x               |\n" ROW_1 FRAME_FOOT,
        FRAME_HEAD ROW_0 ROW_1 FRAME_FOOT "\n",
        "\n\n" FRAME_HEAD ROW_0 ROW_1 FRAME_FOOT,
        FRAME_HEAD ROW_0 "\n" ROW_1 FRAME_FOOT,
        "\n",
        "x",
        /* columns that say different things */
        FRAME_HEAD "|00000000| 78                                              |y               |\n" FRAME_FOOT,
        FRAME_HEAD "|00000000| 78    79                                        |x y             |\n" FRAME_FOOT,
        FRAME_HEAD "|00000000| 7A                                              |z               |\n" FRAME_FOOT,
    };
    poolbuf *b = poolbuf_allocate(allocator, 0, 1000);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(poolbuf_decode_pretty_hex(b, bad[i], strlen(bad[i])), POOLBUF_ERROR_BAD_DATA);
    }
    assert_int_equal(poolbuf_capacity(b), 0);
    assert_int_equal(poolbuf_writer_index(b), 0);
    assert_true(poolbuf_release(b));
}

/* ---- Calls that cannot write ------------------------------------------------------------------------------------ */

static void read_only_buffers_take_no_dump_and_no_bytes_of_one(void **state) {
    (void)state;
    unit_random random = unit_random_start("read-only", 4);
    for (unsigned kind = CUT_WRITABLE_KINDS; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, "abcd", 4);
        cut_state before = cut_remember(in.buffer);
        assert_int_equal(poolbuf_write_hex_dump(in.buffer, in.buffer, 0, 4), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_write_pretty_hex_dump(in.buffer, in.buffer, 0, 4), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_decode_hex(in.buffer, "00", 2), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_decode_pretty_hex(in.buffer, known_pretty, sizeof known_pretty - 1),
                         POOLBUF_ERROR_READ_ONLY);
        cut_expect_unchanged(in.buffer, &before);
        cut_end(&in);
    }
}

static void every_use_of_a_dead_buffer_is_told_and_fails(void **state) {
    (void)state;
    poolbuf *alive = cut_plain(allocator, "abcd", 4);
    poolbuf *b = cut_plain(allocator, "abcd", 4);
    assert_true(poolbuf_release(b));
    char text[1000] = "before";
    uint64_t before = unit_metrics(allocator).misuses;
    assert_int_equal(poolbuf_hex_dump(b, 0, 1, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_pretty_hex_dump(b, 0, 1, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_print_hex_dump(stderr, b, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_print_pretty_hex_dump(stderr, b, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_write_hex_dump(alive, b, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_write_hex_dump(b, alive, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_write_pretty_hex_dump(alive, b, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_write_pretty_hex_dump(b, alive, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_decode_hex(b, "00", 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_decode_pretty_hex(b, known_pretty, sizeof known_pretty - 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(unit_metrics(allocator).misuses, before + 10);
    assert_string_equal(text, "before");
    assert_true(poolbuf_release(alive));
}

#define HEXDUMP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        HEXDUMP_TEST(known_bytes_have_their_known_dumps_in_every_kind_of_buffer),
        HEXDUMP_TEST(no_bytes_have_an_empty_dump),
        HEXDUMP_TEST(every_byte_has_its_digits_and_its_letter),
        HEXDUMP_TEST(dumps_are_appended_to_a_buffer),
        HEXDUMP_TEST(a_buffer_takes_a_dump_of_itself),
        HEXDUMP_TEST(a_dump_of_a_component_outlives_its_consolidation),
        HEXDUMP_TEST(dumps_are_printed_to_a_stream),
        HEXDUMP_TEST(ranges_and_rooms_are_checked_before_anything_is_dumped),
        HEXDUMP_TEST(random_bytes_come_back_from_both_dumps),
        HEXDUMP_TEST(digits_may_be_of_either_case),
        HEXDUMP_TEST(an_odd_number_of_digits_is_bad_data),
        HEXDUMP_TEST(a_character_that_is_no_digit_is_bad_data_wherever_it_stands),
        HEXDUMP_TEST(a_pretty_dump_may_have_its_newline_before_after_or_nowhere),
        HEXDUMP_TEST(a_pretty_dump_with_one_wrong_character_is_bad_data),
        HEXDUMP_TEST(rows_out_of_place_are_bad_data),
        HEXDUMP_TEST(read_only_buffers_take_no_dump_and_no_bytes_of_one),
    };
    const struct CMUnitTest misuse_tests[] = {
        HEXDUMP_TEST(every_use_of_a_dead_buffer_is_told_and_fails),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* the errors that the others make are there for Memcheck to report: see memcheck_finds_* */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
