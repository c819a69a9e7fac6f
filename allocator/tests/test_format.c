/* Unit tests of format.c: printf() into buffers, and the line about a buffer. */
#define POOLBUF_RECORD_ACCESS 1 /* in optimised builds too */
#include "unit.h"

#include <wchar.h>

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

/* The readable bytes are these, and no more. */
static void expect_readable(const poolbuf *b, const void *bytes, size_t length) {
    assert_int_equal(poolbuf_readable_bytes(b), length);
    cut_expect(b, poolbuf_reader_index(b), bytes, length);
}

/* ---- Formats ----------------------------------------------------------------------------------------------------- */

static void formats_of_every_length_are_appended_without_a_nul(void **state) {
    (void)state;
    unit_random random = unit_random_start("formats", 10);
    static char expected[1200];
    for (int width = 0; width <= 600; width = width < 250 || width > 260 ? width + 25 : width + 1) {
        int length = snprintf(expected, sizeof expected, "<%*d|%s>", width, -7, "text");
        assert_true(length > 0);
        size_t size = (size_t)length;
        for (unsigned kind = 0; kind < CUT_WRITABLE_KINDS; kind++) {
            uint8_t bytes[700];
            memset(bytes, 0xee, sizeof bytes);
            cut in = cut_make(allocator, &random, kind, bytes, size + 3);
            UNIT_OK(poolbuf_set_indices(in.buffer, 0, 1));
            UNIT_OK(poolbuf_write_format(in.buffer, "<%*d|%s>", width, -7, "text"));
            assert_int_equal(poolbuf_writer_index(in.buffer), size + 1);
            cut_expect(in.buffer, 0, bytes, 1);
            cut_expect(in.buffer, 1, expected, size);
            cut_expect(in.buffer, size + 1, bytes, 2);
            cut_end(&in);
        }
        poolbuf *exact = poolbuf_allocate(allocator, 0, size);
        UNIT_OK(poolbuf_write_format(exact, "<%*d|%s>", width, -7, "text"));
        expect_readable(exact, expected, size);
        assert_int_equal(poolbuf_write_format(exact, "%c", 'x'), POOLBUF_ERROR_MAX_CAPACITY);
        assert_int_equal(poolbuf_write_format(exact, "%300d", 1), POOLBUF_ERROR_MAX_CAPACITY);
        expect_readable(exact, expected, size);
        UNIT_OK(poolbuf_write_format(exact, "%s", ""));
        assert_true(poolbuf_release(exact));

        poolbuf *growing = poolbuf_allocate(allocator, 0, 10000);
        UNIT_OK(poolbuf_write_format(growing, "<%*d|%s>", width, -7, "text"));
        expect_readable(growing, expected, size);
        assert_true(poolbuf_release(growing));
    }
}

static void a_format_that_cannot_be_printed_is_bad_data(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "abcd", 4);
    cut_state before = cut_remember(b);
    /* No multibyte form in the C locale. */
    assert_int_equal(poolbuf_write_format(b, "%lc", (wint_t)0x20ac), POOLBUF_ERROR_BAD_DATA);
    cut_expect_unchanged(b, &before);
    assert_true(poolbuf_release(b));
}

/* ---- A line about a buffer --------------------------------------------------------------------------------------- */

static void expect_line(const poolbuf *b, const char *expected) {
    char line[160];
    memset(line, 'x', sizeof line);
    assert_int_equal(poolbuf_to_string(b, line, sizeof line), strlen(expected));
    assert_string_equal(line, expected);
}

static void the_line_about_a_buffer_tells_what_it_is(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate_direct(allocator, 16, 256);
    UNIT_OK(poolbuf_write_bytes(b, "hello", 5));
    UNIT_OK(poolbuf_skip_bytes(b, 3));
    expect_line(b, "poolbuf(direct, ridx: 3, widx: 5, cap: 16/256)");
    expect_line(poolbuf_slice(b, 1, 4), "poolbuf(direct slice, ridx: 0, widx: 4, cap: 4/4)");
    expect_line(poolbuf_duplicate(b), "poolbuf(direct duplicate, ridx: 3, widx: 5, cap: 16/256)");
    expect_line(poolbuf_as_read_only(b), "poolbuf(direct duplicate, read-only, ridx: 3, widx: 5, cap: 16/256)");
    expect_line(poolbuf_unreleasable(b), "poolbuf(direct duplicate, unreleasable, ridx: 3, widx: 5, cap: 16/256)");
    poolbuf *composite = poolbuf_allocate_composite(allocator, 4);
    UNIT_OK(poolbuf_composite_add_component(composite, b, true));
    char line[160];
    assert_true(poolbuf_to_string(composite, line, sizeof line) < sizeof line);
    assert_non_null(strstr(line, " composite, ridx: 0, widx: 2, cap: 2)"));
    assert_true(poolbuf_release(composite));

    poolbuf *heap = poolbuf_allocate_heap(allocator, 0, SIZE_MAX);
    expect_line(heap, "poolbuf(heap, ridx: 0, widx: 0, cap: 0)");
    assert_true(poolbuf_release(heap));
    uint8_t bytes[2] = {0};
    poolbuf *wrapped = poolbuf_wrap(allocator, bytes, 2, NULL, NULL);
    assert_true(poolbuf_to_string(wrapped, line, sizeof line) < sizeof line);
    assert_non_null(strstr(line, " wrapped, ridx: 0, widx: 2, cap: 2/2)"));
    assert_true(poolbuf_release(wrapped));
    assert_true(poolbuf_to_string(poolbuf_empty(), line, sizeof line) < sizeof line);
    assert_non_null(strstr(line, ", read-only, unreleasable, ridx: 0, widx: 0, cap: 0"));
}

static void the_line_about_a_buffer_is_cut_to_its_room(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate_direct(allocator, 16, 256);
    char line[9] = "xxxxxxxx";
    size_t length = strlen("poolbuf(direct, ridx: 0, widx: 0, cap: 16/256)");
    assert_int_equal(poolbuf_to_string(b, NULL, 0), length);
    assert_int_equal(poolbuf_to_string(b, line, 5), length);
    assert_memory_equal(line, "pool\0xxx", 9);
    assert_true(poolbuf_release(b));
}

/* ---- Calls that cannot write -------------------------------------------------------------------------------------- */

static void read_only_buffers_refuse_formats(void **state) {
    (void)state;
    unit_random random = unit_random_start("read-only", 5);
    for (unsigned kind = CUT_WRITABLE_KINDS; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, "abcd", 4);
        cut_state before = cut_remember(in.buffer);
        assert_int_equal(poolbuf_write_format(in.buffer, "%d", 1), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_write_format(in.buffer, "%300d", 1), POOLBUF_ERROR_READ_ONLY);
        cut_expect_unchanged(in.buffer, &before);
        cut_end(&in);
    }
}

static void every_use_of_a_dead_buffer_is_told_and_fails(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "abcd", 4);
    assert_true(poolbuf_release(b));
    uint64_t before = unit_metrics(allocator).misuses;
    assert_int_equal(poolbuf_write_format(b, "x"), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_write_format(b, "%300d", 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(unit_metrics(allocator).misuses, before + 2);
    expect_line(b, "poolbuf(dead)"); /* which is no misuse */
    assert_int_equal(unit_metrics(allocator).misuses, before + 2);
}

#define FORMAT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        FORMAT_TEST(formats_of_every_length_are_appended_without_a_nul),
        FORMAT_TEST(a_format_that_cannot_be_printed_is_bad_data),
        FORMAT_TEST(the_line_about_a_buffer_tells_what_it_is),
        FORMAT_TEST(the_line_about_a_buffer_is_cut_to_its_room),
        FORMAT_TEST(read_only_buffers_refuse_formats),
    };
    const struct CMUnitTest misuse_tests[] = {
        FORMAT_TEST(every_use_of_a_dead_buffer_is_told_and_fails),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* the errors that the others make are there for Memcheck to report: see memcheck_finds_* */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
