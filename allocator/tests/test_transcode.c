/* Unit tests of transcode.c: every code point in every encoding and back, and the scanner of ASCII. */
#include "unit.h"

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "plain_text.h"
#include "transcode.h"

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

/* Memcheck looks at memory, of which each range of code points of one length uses the same: there it sees those around
 * each edge and every 61st. Without it, and under the sanitizers, all are tried. */
static bool is_chosen(uint32_t code) {
    static const uint32_t EDGES[] = {0x0, 0x80, 0x100, 0x800, 0xD800, 0xDC00, 0xE000, 0x10000, UNICODE_END};
    bool near_edge = false;
    for (size_t i = 0; i < sizeof EDGES / sizeof EDGES[0]; i++) {
        near_edge = near_edge || (code + 16 >= EDGES[i] && code < EDGES[i] + 16);
    }
    return near_edge || code % 61 == 0;
}

static uint8_t high(char16_t unit) {
    return (uint8_t)(unit >> 8);
}

static uint8_t low(char16_t unit) {
    return (uint8_t)unit;
}

static void every_code_point_goes_into_every_encoding_that_has_it(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 16, 16);
    const bool all = !RUNNING_ON_VALGRIND;
    for (uint32_t code = 0; code < UNICODE_END; code++) {
        if (!all && !is_chosen(code)) {
            continue;
        }
        uint8_t utf8[4];
        char16_t units[2] = {0};
        size_t length = plain_utf8(code, utf8);
        size_t count = plain_utf16(code, units);
        uint8_t big[4] = {high(units[0]), low(units[0]), high(units[1]), low(units[1])};
        uint8_t little[4] = {low(units[0]), high(units[0]), low(units[1]), high(units[1])};
        uint8_t byte = (uint8_t)code;
        const struct {
            uint32_t end;
            const uint8_t *bytes;
            size_t length;
        } expected[POOLBUF_TEXT_COUNT] = {
            [POOLBUF_TEXT_ASCII] = {0x80, &byte, 1},
            [POOLBUF_TEXT_LATIN1] = {0x100, &byte, 1},
            [POOLBUF_TEXT_UTF8] = {UNICODE_END, utf8, length},
            [POOLBUF_TEXT_UTF16_BE] = {UNICODE_END, big, 2 * count},
            [POOLBUF_TEXT_UTF16_LE] = {UNICODE_END, little, 2 * count},
        };
        for (unsigned encoding = 0; encoding < POOLBUF_TEXT_COUNT; encoding++) {
            bool there = code < expected[encoding].end && !is_surrogate(code);
            poolbuf_clear(b);
            poolbuf_status status = poolbuf_write_text(b, (const char *)utf8, length, encoding, POOLBUF_TEXT_REFUSE);
            char back[5] = "none";
            size_t back_length = 0;
            if (!there) {
                assert_int_equal(status, POOLBUF_ERROR_BAD_DATA);
                assert_int_equal(poolbuf_readable_bytes(b), 0);
                continue;
            }
            assert_int_equal(status, POOLBUF_OK);
            assert_int_equal(poolbuf_readable_bytes(b), expected[encoding].length);
            assert_memory_equal(poolbuf_memory(b), expected[encoding].bytes, expected[encoding].length);
            assert_true(poolbuf_is_text(b, 0, expected[encoding].length, encoding));
            UNIT_OK(poolbuf_read_text(b, expected[encoding].length, encoding, POOLBUF_TEXT_REFUSE, back, sizeof back,
                                      &back_length));
            assert_int_equal(back_length, length);
            assert_memory_equal(back, utf8, length);
            assert_int_equal(back[length], 0);
        }
    }
    assert_true(poolbuf_release(b));
}

static void every_code_point_goes_from_the_programs_utf16_and_back(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 16, 16);
    const bool all = !RUNNING_ON_VALGRIND;
    for (uint32_t code = 0; code < UNICODE_END; code++) {
        if (!all && !is_chosen(code)) {
            continue;
        }
        uint8_t utf8[4];
        char16_t units[2] = {0};
        char16_t back[2];
        size_t count = plain_utf16(code, units);
        size_t length = plain_utf8(code, utf8);
        size_t size = 0;
        size_t back_count = 0;
        poolbuf_clear(b);
        poolbuf_status status = poolbuf_write_utf16_as_utf8(b, units, count, POOLBUF_TEXT_REFUSE);
        if (is_surrogate(code)) {
            assert_int_equal(status, POOLBUF_ERROR_BAD_DATA);
            assert_int_equal(poolbuf_utf8_size_of_utf16(units, 1, POOLBUF_TEXT_REFUSE, &size), POOLBUF_ERROR_BAD_DATA);
            UNIT_OK(poolbuf_utf8_size_of_utf16(units, 1, POOLBUF_TEXT_QUESTION_MARK, &size));
            assert_int_equal(size, 1);
            continue;
        }
        assert_int_equal(status, POOLBUF_OK);
        assert_int_equal(poolbuf_readable_bytes(b), length);
        assert_memory_equal(poolbuf_memory(b), utf8, length);
        UNIT_OK(poolbuf_utf8_size_of_utf16(units, count, POOLBUF_TEXT_REFUSE, &size));
        assert_int_equal(size, length);
        UNIT_OK(poolbuf_read_utf8_as_utf16(b, length, POOLBUF_TEXT_REFUSE, back, 2, &back_count));
        assert_int_equal(back_count, count);
        assert_memory_equal(back, units, count * sizeof *units);
    }
    assert_true(poolbuf_release(b));
}

/* Around each of the scanner's steps, with the one byte that is not ASCII at each place. */
static void the_scanner_finds_the_first_byte_that_is_not_ascii(void **state) {
    (void)state;
    uint8_t bytes[101];
    for (size_t length = 0; length <= 100; length++) {
        for (size_t place = 0; place <= length; place++) {
            memset(bytes, 0x7f, sizeof bytes);
            bytes[place] = 0x80;
            assert_int_equal(transcode_ascii_prefix(bytes, length), place);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_code_point_goes_into_every_encoding_that_has_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_code_point_goes_from_the_programs_utf16_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_scanner_finds_the_first_byte_that_is_not_ascii, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
