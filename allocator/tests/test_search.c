/* Unit tests of search.c: each call against a plain loop over the same bytes, on every kind of buffer. */
#define POOLBUF_RECORD_ACCESS 1 /* in optimised builds too */
#include "any_kind.h"

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "two_way.h"

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

/* A text in a composite whose components have one byte each. */
static poolbuf *crumbs(const void *bytes, size_t length) {
    unit_random random = unit_random_from(length);
    return any_composite(allocator, &random, bytes, length, 1, 1);
}

static poolbuf *text(const char *bytes) {
    return any_filled(poolbuf_allocate(allocator, strlen(bytes), 1000), (const uint8_t *)bytes, strlen(bytes));
}

/* ---- The plain loops ---------------------------------------------------------------------------------------------- */

static bool in_set(uint8_t byte, const uint8_t *set, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (set[i] == byte) {
            return true;
        }
    }
    return false;
}

static size_t plain_find(const uint8_t *bytes, size_t from, size_t to, const uint8_t *set, size_t count, bool wanted) {
    for (size_t i = from; i < to; i++) {
        if (in_set(bytes[i], set, count) == wanted) {
            return i;
        }
    }
    return POOLBUF_NOT_FOUND;
}

static size_t plain_find_last(const uint8_t *bytes, size_t from, size_t to, const uint8_t *set, size_t count,
                              bool wanted) {
    for (size_t i = to; i > from; i--) {
        if (in_set(bytes[i - 1], set, count) == wanted) {
            return i - 1;
        }
    }
    return POOLBUF_NOT_FOUND;
}

static size_t plain_find_bytes(const uint8_t *bytes, size_t from, size_t to, const uint8_t *needle, size_t length) {
    for (size_t i = from; i + length <= to; i++) {
        size_t same = 0;
        while (same < length && bytes[i + same] == needle[same]) {
            same++;
        }
        if (same == length) {
            return i;
        }
    }
    return POOLBUF_NOT_FOUND;
}

static size_t moved(size_t found, size_t by) {
    return found != POOLBUF_NOT_FOUND ? found + by : found;
}

/* Bytes of a small alphabet, so that there is much to find. */
static void draw(unit_random *random, uint8_t *bytes, size_t length, uint32_t alphabet) {
    for (size_t i = 0; i < length; i++) {
        uint32_t letter = unit_random_below(random, alphabet);
        bytes[i] = (uint8_t)(letter * 255 / (alphabet - 1)); /* 0 and 255 are letters */
    }
}

/* ---- One byte ----------------------------------------------------------------------------------------------------- */

/* One round: a random range of a random text in a buffer of this kind. */
static void search_one_byte(unit_random *random, any_kind kind) {
    uint8_t bytes[300];
    size_t length = unit_random_below(random, sizeof bytes + 1);
    draw(random, bytes, length, 2 + unit_random_below(random, 60));
    any_buffer any = any_buffer_of(allocator, random, kind, bytes, length, 1 + unit_random_below(random, 90));
    size_t first = poolbuf_reader_index(any.buffer);
    for (unsigned i = 0; i < 20; i++) {
        size_t from = unit_random_below(random, (uint32_t)length + 1);
        size_t to = from + unit_random_below(random, (uint32_t)(length - from) + 1);
        uint8_t byte = length != 0 ? bytes[unit_random_below(random, (uint32_t)length)] : 0;
        size_t expected = plain_find(bytes, from, to, &byte, 1, true);
        size_t expected_last = plain_find_last(bytes, from, to, &byte, 1, true);
        assert_int_equal(poolbuf_index_of(any.buffer, first + from, to - from, byte), moved(expected, first));
        assert_int_equal(poolbuf_last_index_of(any.buffer, first + from, to - from, byte), moved(expected_last, first));
        assert_int_equal(poolbuf_bytes_before_from(any.buffer, first + from, to - from, byte), moved(expected, -from));
        assert_int_equal(poolbuf_bytes_before(any.buffer, byte), plain_find(bytes, 0, length, &byte, 1, true));
        assert_int_equal(poolbuf_bytes_before_within(any.buffer, to, byte), plain_find(bytes, 0, to, &byte, 1, true));
    }
    assert_int_equal(poolbuf_reader_index(any.buffer), first);
    any_buffer_end(&any);
}

static void a_byte_is_found_as_a_plain_loop_finds_it_in_every_kind(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 11);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned kind = 0; kind < ANY_KINDS; kind++) {
            search_one_byte(&random, (any_kind)kind);
        }
    }
}

/* libc looks at many bytes at a time: neither where the range begins nor what lies around it may matter. */
static void a_byte_is_found_at_each_place_from_each_start(void **state) {
    (void)state;
    uint8_t bytes[130];
    memset(bytes, 0xaa, sizeof bytes);
    poolbuf *b = any_filled(poolbuf_allocate(allocator, sizeof bytes, sizeof bytes), bytes, sizeof bytes);
    for (size_t at = 0; at < sizeof bytes; at++) {
        UNIT_OK(poolbuf_set_u8(b, at, 0x55));
        for (size_t from = 0; from < 20; from++) {
            size_t expected = at >= from ? at : POOLBUF_NOT_FOUND;
            assert_int_equal(poolbuf_index_of(b, from, sizeof bytes - from, 0x55), expected);
            assert_int_equal(poolbuf_last_index_of(b, from, sizeof bytes - from, 0x55), expected);
            assert_int_equal(poolbuf_index_of(b, 0, at, 0x55), POOLBUF_NOT_FOUND);
            assert_int_equal(poolbuf_last_index_of(b, 0, at, 0x55), POOLBUF_NOT_FOUND);
        }
        UNIT_OK(poolbuf_set_u8(b, at, 0xaa));
    }
    assert_true(poolbuf_release(b));
}

static void bytes_of_numbers_are_found_in_the_order_they_were_written_in(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 16, 16);
    UNIT_OK(poolbuf_write_u32_le(b, 0x04030201));
    UNIT_OK(poolbuf_write_u32_be(b, 0x04030201));
    for (uint8_t byte = 1; byte <= 4; byte++) {
        assert_int_equal(poolbuf_index_of(b, 0, 8, byte), byte - 1);
        assert_int_equal(poolbuf_index_of(b, 4, 4, byte), 8 - byte);
        assert_int_equal(poolbuf_last_index_of(b, 0, 8, byte), 8 - byte);
    }
    assert_true(poolbuf_release(b));
}

static void bytes_before_begins_at_the_reader_index(void **state) {
    (void)state;
    poolbuf *b = text("a,bc,d");
    UNIT_OK(poolbuf_set_reader_index(b, 2));
    assert_int_equal(poolbuf_bytes_before(b, ','), 2);
    assert_int_equal(poolbuf_bytes_before(b, 'a'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_bytes_before_within(b, 2, ','), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_bytes_before_within(b, 3, ','), 2);
    assert_int_equal(poolbuf_bytes_before_within(b, 5, ','), POOLBUF_NOT_FOUND); /* 4 are readable */
    assert_int_equal(poolbuf_bytes_before_from(b, 0, 6, ','), 1);
    assert_int_equal(poolbuf_bytes_before_from(b, 2, 4, ','), 2);
    UNIT_OK(poolbuf_set_indices(b, 2, 4));
    assert_int_equal(poolbuf_bytes_before(b, ','), POOLBUF_NOT_FOUND); /* there, and not readable */
    assert_true(poolbuf_release(b));
}

/* ---- Ranges ------------------------------------------------------------------------------------------------------- */

static bool count_it(uint8_t byte, void *context) {
    (void)byte;
    (*(unsigned *)context)++;
    return false;
}

/* What each call finds in a range that is out of bounds, or of no bytes. */
static void find_nothing(const poolbuf *b, size_t index, size_t length) {
    unsigned calls = 0;
    poolbuf *needle = text("x");
    assert_int_equal(poolbuf_index_of(b, index, length, 'x'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_last_index_of(b, index, length, 'x'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_bytes_before_from(b, index, length, 'x'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_any(b, index, length, "x", 1), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_any(b, index, length, "uvwxyz", 6), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_none(b, index, length, "y", 1), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_last_index_of_any(b, index, length, "x", 1), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_last_index_of_none(b, index, length, "y", 1), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_for_each_byte(b, index, length, count_it, &calls), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_for_each_byte_desc(b, index, length, count_it, &calls), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_bytes(b, index, length, "x", 1), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_buffer(b, index, length, needle), POOLBUF_NOT_FOUND);
    assert_int_equal(calls, 0);
    assert_true(poolbuf_release(needle));
}

static void nothing_is_found_in_a_range_that_is_empty_or_out_of_bounds(void **state) {
    (void)state;
    static const size_t ranges[][2] = {{0, 0},        {10, 0}, {20, 0},       {20, 1},         {0, 21},
                                       {5, 16},       {21, 0}, {SIZE_MAX, 0}, {SIZE_MAX, 2},   {2, SIZE_MAX},
                                       {0, SIZE_MAX}, {20, 4}, {25, 1},       {1, (size_t)-1}, {SIZE_MAX, SIZE_MAX}};
    poolbuf *buffers[] = {text("xxxxxxxxxxxxxxxxxxxx"), crumbs("xxxxxxxxxxxxxxxxxxxx", 20), NULL};
    buffers[2] = poolbuf_as_read_only(buffers[0]);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (size_t j = 0; j < 3; j++) {
            find_nothing(buffers[j], ranges[i][0], ranges[i][1]);
        }
    }
    assert_int_equal(poolbuf_index_of(buffers[0], 0, 20, 'x'), 0);
    find_nothing(poolbuf_empty(), 0, 0);
    find_nothing(poolbuf_empty(), 0, 1);
    assert_true(poolbuf_release(buffers[0]));
    assert_true(poolbuf_release(buffers[1]));
}

static void nothing_is_found_in_a_slice_whose_components_are_gone(void **state) {
    (void)state;
    poolbuf *composite = crumbs("xxxxxxxx", 8);
    poolbuf *slice = poolbuf_slice(composite, 2, 6);
    assert_int_equal(poolbuf_last_index_of(slice, 0, 6, 'x'), 5);
    UNIT_OK(poolbuf_set_capacity(composite, 4));
    find_nothing(slice, 0, 6);
    find_nothing(slice, 2, 1);
    assert_int_equal(poolbuf_last_index_of(slice, 0, 2, 'x'), 1);
    assert_true(poolbuf_release(composite));
}

/* ---- Sets --------------------------------------------------------------------------------------------------------- */

static void search_a_set(unit_random *random, any_kind kind) {
    uint8_t bytes[1300];
    uint8_t set[12];
    size_t length = unit_random_below(random, sizeof bytes + 1);
    uint32_t alphabet = 2 + unit_random_below(random, 200);
    draw(random, bytes, length, alphabet);
    any_buffer any = any_buffer_of(allocator, random, kind, bytes, length, 1 + unit_random_below(random, 900));
    size_t first = poolbuf_reader_index(any.buffer);
    for (unsigned i = 0; i < 12; i++) {
        size_t count = unit_random_below(random, sizeof set + 1);
        draw(random, set, count, alphabet);
        size_t from = unit_random_below(random, (uint32_t)length + 1);
        size_t n = unit_random_below(random, (uint32_t)(length - from) + 1);
        assert_int_equal(poolbuf_index_of_any(any.buffer, first + from, n, set, count),
                         moved(plain_find(bytes, from, from + n, set, count, true), first));
        assert_int_equal(poolbuf_index_of_none(any.buffer, first + from, n, set, count),
                         moved(plain_find(bytes, from, from + n, set, count, false), first));
        assert_int_equal(poolbuf_last_index_of_any(any.buffer, first + from, n, set, count),
                         moved(plain_find_last(bytes, from, from + n, set, count, true), first));
        assert_int_equal(poolbuf_last_index_of_none(any.buffer, first + from, n, set, count),
                         moved(plain_find_last(bytes, from, from + n, set, count, false), first));
    }
    any_buffer_end(&any);
}

static void sets_are_found_as_a_plain_loop_finds_them_in_every_kind(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 12);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned kind = 0; kind < ANY_KINDS; kind++) {
            search_a_set(&random, (any_kind)kind);
        }
    }
}

static const char SCANNED[] = "one\r\n\ntwo\r\rsix\n;\0, \t\tend";
#define SCANNED_LENGTH (sizeof SCANNED - 1)

/* Where in SCANNED the first and the last byte of a set is; where the first one behind it, and the last one before it,
 * is not. */
typedef struct named_set {
    const void *set;
    size_t count;
    size_t first, last, behind_first, before_last;
} named_set;

static const named_set NAMED_SETS[] = {
    {POOLBUF_SET_NUL, 16, 16, 17, 15},   {POOLBUF_SET_CR, 3, 10, 4, 8},
    {POOLBUF_SET_LF, 4, 14, 6, 13},      {POOLBUF_SET_CRLF, 3, 14, 6, 13},
    {POOLBUF_SET_SPACE, 18, 18, 19, 17}, {POOLBUF_SET_LINEAR_SPACE, 18, 20, 21, 17},
    {POOLBUF_SET_COMMA, 17, 17, 18, 16}, {POOLBUF_SET_SEMICOLON, 15, 15, 16, 14},
};

static void the_named_sets_hold_the_bytes_that_they_are_named_for(void **state) {
    (void)state;
    unit_random random = unit_random_from(13);
    poolbuf *buffers[] = {any_filled(poolbuf_allocate(allocator, 64, 64), (const uint8_t *)SCANNED, SCANNED_LENGTH),
                          any_composite(allocator, &random, (const uint8_t *)SCANNED, SCANNED_LENGTH, 3, 2)};
    for (size_t i = 0; i < 2; i++) {
        const poolbuf *b = buffers[i];
        for (size_t j = 0; j < sizeof NAMED_SETS / sizeof *NAMED_SETS; j++) {
            const named_set *n = &NAMED_SETS[j];
            size_t rest = SCANNED_LENGTH - n->first;
            assert_int_equal(poolbuf_index_of_any(b, 0, SCANNED_LENGTH, n->set, n->count), n->first);
            assert_int_equal(poolbuf_last_index_of_any(b, 0, SCANNED_LENGTH, n->set, n->count), n->last);
            assert_int_equal(poolbuf_index_of_none(b, n->first, rest, n->set, n->count), n->behind_first);
            assert_int_equal(poolbuf_last_index_of_none(b, 0, n->last + 1, n->set, n->count), n->before_last);
        }
        assert_true(poolbuf_release(buffers[i]));
    }
}

/* Line by line and back: runs of line ends and of what is between them, as a parser goes over them. */
static void a_text_is_parsed_forward_and_backward_by_sets(void **state) {
    (void)state;
    static const size_t stops[] = {3, 6, 9, 11, 14, 15}; /* where line ends begin and end in turn */
    unit_random random = unit_random_from(14);
    poolbuf *b = any_composite(allocator, &random, (const uint8_t *)SCANNED, SCANNED_LENGTH, 4, 1);
    size_t at = 0;
    for (size_t i = 0; i < 6; i++) {
        at = i % 2 == 0 ? poolbuf_index_of_any(b, at, SCANNED_LENGTH - at, POOLBUF_SET_CRLF)
                        : poolbuf_index_of_none(b, at, SCANNED_LENGTH - at, POOLBUF_SET_CRLF);
        assert_int_equal(at, stops[i]);
    }
    assert_int_equal(poolbuf_index_of_any(b, at, SCANNED_LENGTH - at, POOLBUF_SET_CRLF), POOLBUF_NOT_FOUND);
    size_t end = SCANNED_LENGTH;
    for (size_t i = 6; i-- > 0;) {
        size_t last = i % 2 != 0 ? poolbuf_last_index_of_any(b, 0, end, POOLBUF_SET_CRLF)
                                 : poolbuf_last_index_of_none(b, 0, end, POOLBUF_SET_CRLF);
        assert_int_equal(last + 1, stops[i]);
        end = last + 1;
    }
    assert_int_equal(poolbuf_last_index_of_any(b, 0, end, POOLBUF_SET_CRLF), POOLBUF_NOT_FOUND);
    assert_true(poolbuf_release(b));
}

/* ---- Visitors ----------------------------------------------------------------------------------------------------- */

typedef struct visits {
    uint8_t bytes[300];
    size_t count;
    size_t stop_after; /* visits */
} visits;

static bool visit(uint8_t byte, void *context) {
    visits *self = context;
    self->bytes[self->count++] = byte;
    return self->count < self->stop_after;
}

static void visit_a_range(unit_random *random, any_kind kind) {
    uint8_t bytes[300];
    size_t length = 1 + unit_random_below(random, sizeof bytes);
    draw(random, bytes, length, 256);
    any_buffer any = any_buffer_of(allocator, random, kind, bytes, length, 1 + unit_random_below(random, 90));
    size_t first = poolbuf_reader_index(any.buffer);
    size_t from = unit_random_below(random, (uint32_t)length);
    size_t n = 1 + unit_random_below(random, (uint32_t)(length - from));
    size_t stop = 1 + unit_random_below(random, (uint32_t)n);
    visits seen = {.stop_after = SIZE_MAX};
    assert_int_equal(poolbuf_for_each_byte(any.buffer, first + from, n, visit, &seen), POOLBUF_NOT_FOUND);
    assert_int_equal(seen.count, n);
    assert_memory_equal(seen.bytes, bytes + from, n);
    seen = (visits){.stop_after = stop};
    assert_int_equal(poolbuf_for_each_byte(any.buffer, first + from, n, visit, &seen), first + from + stop - 1);
    assert_int_equal(seen.count, stop);
    seen = (visits){.stop_after = SIZE_MAX};
    assert_int_equal(poolbuf_for_each_byte_desc(any.buffer, first + from, n, visit, &seen), POOLBUF_NOT_FOUND);
    assert_int_equal(seen.count, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(seen.bytes[i], bytes[from + n - 1 - i]);
    }
    seen = (visits){.stop_after = stop};
    assert_int_equal(poolbuf_for_each_byte_desc(any.buffer, first + from, n, visit, &seen), first + from + n - stop);
    assert_int_equal(seen.count, stop);
    any_buffer_end(&any);
}

static void a_visitor_sees_each_byte_in_order_until_it_stops_in_every_kind(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 15);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned kind = 0; kind < ANY_KINDS; kind++) {
            visit_a_range(&random, (any_kind)kind);
        }
    }
}

static void a_visitor_sees_what_lies_in_composites_of_composites(void **state) {
    (void)state;
    poolbuf *outer = poolbuf_allocate_composite(allocator, 0);
    for (unsigned i = 0; i < 3; i++) {
        poolbuf *inner = poolbuf_allocate_composite(allocator, 0);
        UNIT_OK(poolbuf_composite_add_component(inner, text("ab"), true));
        UNIT_OK(poolbuf_composite_add_component(inner, crumbs("cd", 2), true));
        UNIT_OK(poolbuf_composite_add_component(outer, inner, true));
    }
    visits seen = {.stop_after = SIZE_MAX};
    assert_int_equal(poolbuf_for_each_byte(outer, 0, 12, visit, &seen), POOLBUF_NOT_FOUND);
    assert_int_equal(seen.count, 12);
    assert_memory_equal(seen.bytes, "abcdabcdabcd", 12);
    seen.count = 0;
    assert_int_equal(poolbuf_for_each_byte_desc(outer, 0, 12, visit, &seen), POOLBUF_NOT_FOUND);
    assert_memory_equal(seen.bytes, "dcbadcbadcba", 12);
    assert_true(poolbuf_release(outer));
}

/* ---- Runs of bytes ------------------------------------------------------------------------------------------------ */

static void search_bytes(unit_random *random, any_kind kind) {
    uint8_t bytes[400];
    uint8_t needle[40];
    size_t length = unit_random_below(random, sizeof bytes + 1);
    uint32_t alphabet = 2 + unit_random_below(random, 3);
    draw(random, bytes, length, alphabet);
    any_buffer any = any_buffer_of(allocator, random, kind, bytes, length, 1 + unit_random_below(random, 30));
    size_t first = poolbuf_reader_index(any.buffer);
    for (unsigned i = 0; i < 20; i++) {
        size_t from = unit_random_below(random, (uint32_t)length + 1);
        size_t n = unit_random_below(random, (uint32_t)(length - from) + 1);
        size_t count = unit_random_below(random, sizeof needle + 1);
        draw(random, needle, count, alphabet);
        if (unit_random_below(random, 3) != 0 &&
            count <= length) { /* one that is there, but perhaps not in the range */
            memcpy(needle, bytes + unit_random_below(random, (uint32_t)(length - count) + 1), count);
        }
        size_t expected = moved(plain_find_bytes(bytes, from, from + n, needle, count), first);
        assert_int_equal(poolbuf_index_of_bytes(any.buffer, first + from, n, needle, count), expected);
        any_kind other = (any_kind)unit_random_below(random, ANY_KINDS);
        any_buffer in = any_buffer_of(allocator, random, other, needle, count, 1 + unit_random_below(random, 9));
        assert_int_equal(poolbuf_index_of_buffer(any.buffer, first + from, n, in.buffer), expected);
        any_buffer_end(&in);
    }
    any_buffer_end(&any);
}

static void a_run_of_bytes_is_found_as_a_plain_loop_finds_it_in_every_kind(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 16);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned kind = 0; kind < ANY_KINDS; kind++) {
            search_bytes(&random, (any_kind)kind);
        }
    }
}

typedef struct bytes_case {
    const char *haystack;
    const char *needle;
    size_t expected;
} bytes_case;

static const bytes_case BYTES_CASES[] = {
    {"", "", 0},
    {"abc", "", 0},
    {"", "a", POOLBUF_NOT_FOUND},
    {"abc", "abcd", POOLBUF_NOT_FOUND},
    {"abc", "abc", 0},
    {"abc", "a", 0},
    {"abc", "c", 2},
    {"abc", "bc", 1},
    {"abc", "x", POOLBUF_NOT_FOUND},
    {"abcabc", "ca", 2},
    {"aaaaab", "aab", 3},
    {"aaaaaa", "aab", POOLBUF_NOT_FOUND},
    {"abababac", "ababac", 2},
    {"abcxabcdabxabcdabcdabcy", "abcdabcy", 15},
    {"aabaaabaaac", "aabaaac", 4},
    {"mississippi", "issip", 4},
};

static void needles_are_found_across_components_of_one_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof BYTES_CASES / sizeof *BYTES_CASES; i++) {
        const bytes_case *c = &BYTES_CASES[i];
        size_t length = strlen(c->haystack);
        poolbuf *haystacks[] = {text(c->haystack), crumbs(c->haystack, length)};
        poolbuf *needles[] = {text(c->needle), crumbs(c->needle, strlen(c->needle))};
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(poolbuf_index_of_bytes(haystacks[j], 0, length, c->needle, strlen(c->needle)),
                             c->expected);
            assert_int_equal(poolbuf_index_of_buffer(haystacks[j], 0, length, needles[0]), c->expected);
            assert_int_equal(poolbuf_index_of_buffer(haystacks[j], 0, length, needles[1]), c->expected);
        }
        for (size_t j = 0; j < 2; j++) {
            assert_true(poolbuf_release(haystacks[j]));
            assert_true(poolbuf_release(needles[j]));
        }
    }
}

static void zeros_are_bytes_like_all_others(void **state) {
    (void)state;
    static const uint8_t bytes[] = {0, 0, 1, 0, 0, 0, 2, 0};
    poolbuf *buffers[] = {any_filled(poolbuf_allocate(allocator, 8, 8), bytes, 8), crumbs(bytes, 8)};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(poolbuf_index_of_bytes(buffers[i], 0, 8, bytes + 3, 4), 3);
        assert_int_equal(poolbuf_index_of_bytes(buffers[i], 0, 8, "\0\0\0\0", 4), POOLBUF_NOT_FOUND);
        assert_int_equal(poolbuf_index_of_bytes(buffers[i], 1, 7, "\0\0", 2), 3);
        assert_true(poolbuf_release(buffers[i]));
    }
}

static void an_empty_needle_is_found_where_the_range_begins(void **state) {
    (void)state;
    poolbuf *b = text("abc");
    assert_int_equal(poolbuf_index_of_bytes(b, 1, 2, NULL, 0), 1);
    assert_int_equal(poolbuf_index_of_bytes(b, 3, 0, NULL, 0), 3);
    assert_int_equal(poolbuf_index_of_buffer(b, 2, 1, poolbuf_empty()), 2);
    assert_int_equal(poolbuf_index_of_bytes(b, 4, 0, NULL, 0), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_bytes(poolbuf_empty(), 0, 0, NULL, 0), 0);
    assert_true(poolbuf_release(b));
}

static void a_buffer_is_found_in_itself_and_in_its_slices(void **state) {
    (void)state;
    poolbuf *b = crumbs("abcabd", 6);
    UNIT_OK(poolbuf_set_indices(b, 3, 5));
    assert_int_equal(poolbuf_index_of_buffer(b, 0, 6, b), 0);
    assert_int_equal(poolbuf_index_of_buffer(b, 1, 5, b), 3);
    poolbuf *s = poolbuf_slice(b, 3, 3);
    assert_int_equal(poolbuf_index_of_buffer(b, 0, 6, s), 3);
    assert_true(poolbuf_release(b));
}

/* What the library does differently for needles that are long: up to and beyond half of its window, in components that
 * are smaller and larger than needle and window. */
static void search_long(unit_random *random, size_t count, uint32_t longest, bool periodic) {
    enum {
        LENGTH = 20000
    };
    uint8_t *bytes = malloc(LENGTH);
    uint8_t *needle = malloc(count);
    assert_non_null(bytes);
    assert_non_null(needle);
    uint32_t period = 1 + unit_random_below(random, 40);
    for (size_t i = 0; i < LENGTH; i++) {
        bool copied = periodic && i >= period;
        bytes[i] = copied ? bytes[i - period] : (uint8_t)unit_random_below(random, 2);
    }
    for (unsigned i = 0; periodic && i < 3; i++) {
        bytes[unit_random_below(random, LENGTH)] = 7;
    }
    memcpy(needle, bytes + unit_random_below(random, (uint32_t)(LENGTH - count)), count);
    poolbuf *haystack = any_composite(allocator, random, bytes, LENGTH, longest, 1);
    poolbuf *in_one = any_filled(poolbuf_allocate(allocator, count, count), needle, count);
    poolbuf *in_pieces = any_composite(allocator, random, needle, count, longest, 1);
    size_t expected = plain_find_bytes(bytes, 0, LENGTH, needle, count);
    assert_int_not_equal(expected, POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_buffer(haystack, 0, LENGTH, in_one), expected);
    assert_int_equal(poolbuf_index_of_buffer(haystack, 0, LENGTH, in_pieces), expected);
    UNIT_OK(poolbuf_set_u8(in_one, unit_random_below(random, (uint32_t)count), 9)); /* and now it is nowhere */
    assert_int_equal(poolbuf_index_of_buffer(haystack, 0, LENGTH, in_one), POOLBUF_NOT_FOUND);
    assert_true(poolbuf_release(haystack));
    assert_true(poolbuf_release(in_one));
    assert_true(poolbuf_release(in_pieces));
    free(bytes);
    free(needle);
}

static void long_needles_are_found_across_components_of_all_sizes(void **state) {
    (void)state;
    static const size_t counts[] = {33, 512, 1023, 1024, 1025, 2048, 4097, 6000};
    static const uint32_t longest[] = {1, 13, 700, 1500, 9000};
    unit_random random = unit_random_start(__func__, 17);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (size_t j = 0; j < sizeof longest / sizeof *longest; j++) {
            search_long(&random, counts[i], longest[j], true);
            search_long(&random, counts[i], longest[j], false);
        }
    }
}

/* Every needle of up to 7 bits in every haystack of 10, in pieces and not: what such needles are made of, a two-way
 * search has to tell apart (periods, borders, where it cuts them). It takes part in real searches only where needles
 * are long. */
static void two_ways_find_every_short_needle(void **state) {
    (void)state;
    enum {
        LONGEST = 7,
        LENGTH = 10
    };
    uint8_t bytes[LENGTH];
    uint8_t needle[LONGEST];
    unit_random random = unit_random_from(20);
    memset(bytes, 0, sizeof bytes);
    poolbuf *haystacks[] = {any_filled(poolbuf_allocate(allocator, LENGTH, LENGTH), bytes, LENGTH),
                            any_composite(allocator, &random, bytes, LENGTH, 4, 1)};
    poolbuf *pieces = any_composite(allocator, &random, bytes, LONGEST, 3, 1);
    for (unsigned bits = 1; bits < 1u << (LONGEST + 1); bits++) { /* the highest one says where the others end */
        size_t count = 0;
        for (; bits >> count > 1; count++) {
            needle[count] = bits >> count & 1;
        }
        if (count == 0) {
            continue;
        }
        UNIT_OK(poolbuf_set_bytes(pieces, 0, needle, count));
        two_way_needle whole = two_way_whole(needle, count);
        two_way_needle in_pieces = two_way_pieces(pieces, 0, count);
        for (unsigned hay = 0; hay < 1u << LENGTH; hay++) {
            for (size_t i = 0; i < LENGTH; i++) {
                bytes[i] = hay >> i & 1;
            }
            size_t expected = plain_find_bytes(bytes, 0, LENGTH, needle, count);
            UNIT_OK(poolbuf_set_bytes(haystacks[hay % 2], 0, bytes, LENGTH));
            assert_int_equal(two_way_find(&whole, haystacks[hay % 2], 0, LENGTH), expected);
            assert_int_equal(two_way_find(&in_pieces, haystacks[hay % 2], 0, LENGTH), expected);
        }
    }
    assert_true(poolbuf_release(haystacks[0]));
    assert_true(poolbuf_release(haystacks[1]));
    assert_true(poolbuf_release(pieces));
}

/* Longer ones, of few letters, made of repetitions with a change or two. */
static void two_ways_find_needles_that_nearly_repeat_themselves(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 24);
    const unsigned rounds = RUNNING_ON_VALGRIND ? 2000 : 20000; /* Memcheck sees the same code in fewer */
    for (unsigned round = 0; round < rounds; round++) {
        uint8_t bytes[120] = {0};
        size_t period = 1 + unit_random_below(&random, 12);
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = i < period ? (uint8_t)unit_random_below(&random, 3) : bytes[i - period];
        }
        for (unsigned i = unit_random_below(&random, 6); i > 0; i--) {
            bytes[unit_random_below(&random, sizeof bytes)] = (uint8_t)unit_random_below(&random, 3);
        }
        uint8_t needle[40];
        size_t count = 1 + unit_random_below(&random, sizeof needle);
        memcpy(needle, bytes + unit_random_below(&random, (uint32_t)(sizeof bytes - count)), count);
        needle[unit_random_below(&random, (uint32_t)count)] ^= unit_random_below(&random, 3) == 0 ? 1 : 0;
        poolbuf *b = any_filled(poolbuf_allocate(allocator, sizeof bytes, sizeof bytes), bytes, sizeof bytes);
        two_way_needle whole = two_way_whole(needle, count);
        size_t expected = plain_find_bytes(bytes, 0, sizeof bytes, needle, count);
        assert_int_equal(two_way_find(&whole, b, 0, sizeof bytes), expected);
        assert_true(poolbuf_release(b));
    }
}

/* A needle that agrees with the bytes almost everywhere. In steps of haystack times needle this would take hours under
 * Memcheck. */
static void a_needle_that_almost_matches_everywhere_takes_no_time(void **state) {
    (void)state;
    enum {
        LENGTH = 200000,
        NEEDLE = 50000
    };
    uint8_t *bytes = malloc(LENGTH);
    assert_non_null(bytes);
    memset(bytes, 'a', LENGTH);
    bytes[LENGTH - 1] = 'b';
    unit_random random = unit_random_from(18);
    poolbuf *haystack = any_composite(allocator, &random, bytes, LENGTH, 100, 1);
    poolbuf *needle = any_composite(allocator, &random, bytes + LENGTH - NEEDLE, NEEDLE, 100, 1);
    assert_int_equal(poolbuf_index_of_buffer(haystack, 0, LENGTH, needle), LENGTH - NEEDLE);
    assert_int_equal(poolbuf_index_of_buffer(haystack, 0, LENGTH - 1, needle), POOLBUF_NOT_FOUND);
    UNIT_OK(poolbuf_set_u8(needle, 0, 'b'));
    assert_int_equal(poolbuf_index_of_buffer(haystack, 0, LENGTH, needle), POOLBUF_NOT_FOUND);
    UNIT_OK(poolbuf_set_u8(needle, 0, 'a'));
    UNIT_OK(poolbuf_set_u8(needle, NEEDLE / 2, 'b'));
    assert_int_equal(poolbuf_index_of_buffer(haystack, 0, LENGTH, needle), POOLBUF_NOT_FOUND);
    assert_true(poolbuf_release(haystack));
    assert_true(poolbuf_release(needle));
    free(bytes);
}

/* All substrings of 64 bytes of a text in which none comes twice. */
static void each_substring_of_a_text_without_repetitions_is_found_at_its_place(void **state) {
    (void)state;
    uint8_t bytes[512];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i % 2 == 0 ? i / 2 : 1 + i / 64);
    }
    unit_random random = unit_random_from(19);
    poolbuf *buffers[] = {any_filled(poolbuf_allocate(allocator, sizeof bytes, sizeof bytes), bytes, sizeof bytes),
                          any_composite(allocator, &random, bytes, sizeof bytes, 20, 1)};
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 0; at + 64 <= sizeof bytes; at++) {
            assert_int_equal(poolbuf_index_of_bytes(buffers[i], 0, sizeof bytes, bytes + at, 64), at);
        }
        assert_true(poolbuf_release(buffers[i]));
    }
}

/* ---- The leak detector, and the dead ------------------------------------------------------------------------------ */

static unsigned reads;

static uint32_t every_one(void) {
    return 1;
}

static bool want(poolbuf *buffer, poolbuf_allocator *owner, size_t capacity) {
    (void)buffer;
    (void)owner;
    (void)capacity;
    return true;
}

static void accessed(const poolbuf *buffer, poolbuf_access access, const char *hint) {
    (void)buffer;
    (void)hint;
    reads += access == POOLBUF_ACCESS_READ ? 1 : 0;
}

static void released(const poolbuf *buffer) {
    (void)buffer;
}

static void misused(const poolbuf *buffer, poolbuf_misuse misuse) {
    (void)buffer;
    (void)misuse;
}

static void destroyed(poolbuf_allocator *owner, uint64_t live_buffers, uint64_t live_bytes) {
    (void)owner;
    (void)live_buffers;
    (void)live_bytes;
}

static const poolbuf_tracker tracker = {
    .struct_size = sizeof tracker,
    .next_gap = every_one,
    .allocated = want,
    .accessed = accessed,
    .released = released,
    .misuse = misused,
    .allocator_destroyed = destroyed,
};

static void tracked_buffers_are_searched_alike(void **state) {
    (void)state;
    UNIT_OK(poolbuf_tracker_register(&tracker));
    poolbuf_tracker_reset_sampling();
    poolbuf *buffers[] = {text("abc"), crumbs("abc", 3)};
    for (size_t i = 0; i < 2; i++) {
        visits seen = {.stop_after = SIZE_MAX};
        reads = 0;
        assert_int_equal(poolbuf_for_each_byte(buffers[i], 0, 3, visit, &seen), POOLBUF_NOT_FOUND);
        assert_memory_equal(seen.bytes, "abc", 3);
        assert_int_equal(poolbuf_for_each_byte_desc(buffers[i], 0, 3, visit, &seen), POOLBUF_NOT_FOUND);
        assert_int_equal(poolbuf_index_of(buffers[i], 0, 3, 'c'), 2);
        assert_int_equal(poolbuf_index_of_bytes(buffers[i], 0, 3, "bc", 2), 1);
#ifndef NDEBUG /* the library records accesses where assertions are on */
        assert_int_equal(reads, 4);
#endif
        assert_true(poolbuf_release(buffers[i]));
    }
    UNIT_OK(poolbuf_tracker_register(NULL));
    poolbuf_tracker_reset_sampling();
}

static void searching_a_dead_buffer_finds_nothing_and_is_told(void **state) {
    (void)state;
    poolbuf *dead = poolbuf_allocate(allocator, 5000, 5000); /* a class of its own: nobody gets the handle again */
    UNIT_OK(poolbuf_write_u32_be(dead, 0x78787878));
    poolbuf *alive = text("xxxx");
    assert_true(poolbuf_release(dead));
    uint64_t before = unit_metrics(allocator).misuses;
    find_nothing(dead, 0, 4);
    assert_int_equal(unit_metrics(allocator).misuses, before + 12);
    find_nothing(dead, 0, 0);
    assert_int_equal(unit_metrics(allocator).misuses, before + 24);
    assert_int_equal(poolbuf_bytes_before(dead, 'x'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_bytes_before_within(dead, 1, 'x'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_buffer(alive, 0, 4, dead), POOLBUF_NOT_FOUND);
    assert_int_equal(unit_metrics(allocator).misuses, before + 27);
    assert_true(poolbuf_release(alive));
}

#define SEARCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SEARCH_TEST(a_byte_is_found_as_a_plain_loop_finds_it_in_every_kind),
        SEARCH_TEST(a_byte_is_found_at_each_place_from_each_start),
        SEARCH_TEST(bytes_of_numbers_are_found_in_the_order_they_were_written_in),
        SEARCH_TEST(bytes_before_begins_at_the_reader_index),
        SEARCH_TEST(nothing_is_found_in_a_range_that_is_empty_or_out_of_bounds),
        SEARCH_TEST(nothing_is_found_in_a_slice_whose_components_are_gone),
        SEARCH_TEST(sets_are_found_as_a_plain_loop_finds_them_in_every_kind),
        SEARCH_TEST(the_named_sets_hold_the_bytes_that_they_are_named_for),
        SEARCH_TEST(a_text_is_parsed_forward_and_backward_by_sets),
        SEARCH_TEST(a_visitor_sees_each_byte_in_order_until_it_stops_in_every_kind),
        SEARCH_TEST(a_visitor_sees_what_lies_in_composites_of_composites),
        SEARCH_TEST(a_run_of_bytes_is_found_as_a_plain_loop_finds_it_in_every_kind),
        SEARCH_TEST(needles_are_found_across_components_of_one_byte),
        SEARCH_TEST(zeros_are_bytes_like_all_others),
        SEARCH_TEST(an_empty_needle_is_found_where_the_range_begins),
        SEARCH_TEST(a_buffer_is_found_in_itself_and_in_its_slices),
        SEARCH_TEST(long_needles_are_found_across_components_of_all_sizes),
        SEARCH_TEST(two_ways_find_every_short_needle),
        SEARCH_TEST(two_ways_find_needles_that_nearly_repeat_themselves),
        SEARCH_TEST(a_needle_that_almost_matches_everywhere_takes_no_time),
        SEARCH_TEST(each_substring_of_a_text_without_repetitions_is_found_at_its_place),
        SEARCH_TEST(tracked_buffers_are_searched_alike),
    };
    const struct CMUnitTest misuse_tests[] = {
        SEARCH_TEST(searching_a_dead_buffer_finds_nothing_and_is_told),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* dead handles are closed there, so the others are errors of their own */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
