/* Unit tests of text.c: what is ill-formed, all kinds of buffers, and what a call that fails leaves as it was. */
#define POOLBUF_RECORD_ACCESS 1 /* in optimised builds too */
#include "unit.h"

#include <pthread.h>

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "cut.h"
#include "plain_text.h"

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

/* ---- Ill-formed bytes -------------------------------------------------------------------------------------------- */

/* What is no text, and how many characters stand for it. */
static const struct {
    poolbuf_text encoding;
    const char *bytes;
    size_t length;
    const char *marked; /* with ? for each part */
} bad_texts[] = {
    {POOLBUF_TEXT_ASCII, "a\x80z", 3, "a?z"},
    {POOLBUF_TEXT_ASCII, "\xff", 1, "?"},
    {POOLBUF_TEXT_UTF8, "a\x80z", 3, "a?z"},                         /* continues nothing */
    {POOLBUF_TEXT_UTF8, "\xc3", 1, "?"},                             /* cut off */
    {POOLBUF_TEXT_UTF8, "\xe2\x82", 2, "?"},                         /* cut off */
    {POOLBUF_TEXT_UTF8, "\xf0\x9f\x98", 3, "?"},                     /* cut off */
    {POOLBUF_TEXT_UTF8, "\xe2\x82z", 3, "?z"},                       /* broken off */
    {POOLBUF_TEXT_UTF8, "\xf0\x9f\xe2\x82\xac", 5, "?\xe2\x82\xac"}, /* broken off by another one */
    {POOLBUF_TEXT_UTF8, "\xc0\x80", 2, "??"},           /* NUL in two bytes, as Java's modified UTF-8 has it */
    {POOLBUF_TEXT_UTF8, "\xc1\xbf", 2, "??"},           /* overlong */
    {POOLBUF_TEXT_UTF8, "\xe0\x80\x80", 3, "???"},      /* overlong */
    {POOLBUF_TEXT_UTF8, "\xe0\x9f\xbf", 3, "???"},      /* overlong: U+07FF */
    {POOLBUF_TEXT_UTF8, "\xf0\x8f\xbf\xbf", 4, "????"}, /* overlong: U+FFFF */
    {POOLBUF_TEXT_UTF8, "\xed\xa0\x80", 3, "???"},      /* U+D800 */
    {POOLBUF_TEXT_UTF8, "\xed\xbf\xbf", 3, "???"},      /* U+DFFF */
    {POOLBUF_TEXT_UTF8, "\xf4\x90\x80\x80", 4, "????"}, /* U+110000 */
    {POOLBUF_TEXT_UTF8, "\xf5\x80\x80\x80", 4, "????"},
    {POOLBUF_TEXT_UTF8, "\xf8\x88\x80\x80\x80", 5, "?????"}, /* five bytes, as there once were */
    {POOLBUF_TEXT_UTF8, "\xfe\xff", 2, "??"},
    {POOLBUF_TEXT_UTF16_BE, "\xd8\x00", 2, "?"},
    {POOLBUF_TEXT_UTF16_BE, "\xdc\x00", 2, "?"},
    {POOLBUF_TEXT_UTF16_BE, "\xd8\x00\x00z", 4, "?z"},
    {POOLBUF_TEXT_UTF16_BE, "\xdc\x00\xd8\x00", 4, "??"},
    {POOLBUF_TEXT_UTF16_BE, "\xd8\x00\xd8\x3d\xde\x00", 6, "?\xf0\x9f\x98\x80"},
    {POOLBUF_TEXT_UTF16_BE, "\x00z\x00", 3, "z?"}, /* half a unit */
    {POOLBUF_TEXT_UTF16_LE, "\x00\xd8", 2, "?"},
    {POOLBUF_TEXT_UTF16_LE, "\x3d\xd8\x00\xdez", 5, "\xf0\x9f\x98\x80?"},
};

/* The same with U+FFFD for each ?. */
static size_t with_replacements(const char *marked, char *to) {
    size_t length = 0;
    for (; *marked != '\0'; marked++) {
        if (*marked == '?') {
            to[length++] = '\xef';
            to[length++] = '\xbf';
            to[length++] = '\xbd';
        } else {
            to[length++] = *marked;
        }
    }
    return length;
}

static void ill_formed_text_is_refused_or_replaced_in_every_kind_of_buffer(void **state) {
    (void)state;
    unit_random random = unit_random_start("bad texts", 1);
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
            size_t length = bad_texts[i].length;
            poolbuf_text encoding = bad_texts[i].encoding;
            cut in = cut_make(allocator, &random, kind, bad_texts[i].bytes, length);
            char text[64] = "as it was";
            char replaced[64];
            size_t text_length = 77;
            assert_false(poolbuf_is_text(in.buffer, 0, length, encoding));
            assert_int_equal(poolbuf_check_text(in.buffer, 0, length, encoding), POOLBUF_ERROR_BAD_DATA);
            assert_int_equal(
                poolbuf_read_text(in.buffer, length, encoding, POOLBUF_TEXT_REFUSE, text, sizeof text, &text_length),
                POOLBUF_ERROR_BAD_DATA);
            assert_string_equal(text, "as it was");
            assert_int_equal(text_length, 77);
            assert_int_equal(poolbuf_reader_index(in.buffer), 0);
            UNIT_OK(poolbuf_get_text(in.buffer, 0, length, encoding, POOLBUF_TEXT_REPLACE, text, sizeof text,
                                     &text_length));
            assert_int_equal(text_length, with_replacements(bad_texts[i].marked, replaced));
            assert_memory_equal(text, replaced, text_length);
            UNIT_OK(
                poolbuf_read_text(in.buffer, length, encoding, POOLBUF_TEXT_QUESTION_MARK, text, sizeof text, NULL));
            assert_string_equal(text, bad_texts[i].marked);
            assert_int_equal(poolbuf_reader_index(in.buffer), length);
            cut_end(&in);
        }
    }
}

static void ill_formed_utf8_of_the_caller_is_refused_or_replaced(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
        if (bad_texts[i].encoding != POOLBUF_TEXT_UTF8) {
            continue;
        }
        poolbuf *b = poolbuf_allocate(allocator, 0, 64);
        char replaced[64];
        size_t length = bad_texts[i].length;
        size_t size = 77;
        assert_int_equal(poolbuf_write_utf8(b, bad_texts[i].bytes, length, POOLBUF_TEXT_REFUSE),
                         POOLBUF_ERROR_BAD_DATA);
        assert_int_equal(poolbuf_text_size(bad_texts[i].bytes, length, POOLBUF_TEXT_UTF8, POOLBUF_TEXT_REFUSE, &size),
                         POOLBUF_ERROR_BAD_DATA);
        assert_int_equal(size, 77);
        assert_int_equal(poolbuf_writer_index(b), 0);
        assert_int_equal(poolbuf_capacity(b), 0);
        UNIT_OK(poolbuf_write_utf8(b, bad_texts[i].bytes, length, POOLBUF_TEXT_QUESTION_MARK));
        expect_readable(b, bad_texts[i].marked, strlen(bad_texts[i].marked));
        poolbuf_clear(b);
        UNIT_OK(poolbuf_write_utf8(b, bad_texts[i].bytes, length, POOLBUF_TEXT_REPLACE));
        expect_readable(b, replaced, with_replacements(bad_texts[i].marked, replaced));
        assert_true(poolbuf_release(b));
    }
}

static void what_an_encoding_lacks_is_refused_or_a_question_mark(void **state) {
    (void)state;
    static const char text[] = "n\xc3\xa4h \xe2\x82\xac \xf0\x9f\x98\x80"; /* n, a umlaut, h, euro, a face */
    poolbuf *b = poolbuf_allocate(allocator, 0, 64);
    assert_int_equal(poolbuf_write_ascii(b, text, sizeof text - 1, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_BAD_DATA);
    assert_int_equal(poolbuf_write_latin1(b, text, sizeof text - 1, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_BAD_DATA);
    assert_int_equal(poolbuf_readable_bytes(b), 0);
    for (poolbuf_text_policy policy = POOLBUF_TEXT_QUESTION_MARK; policy <= POOLBUF_TEXT_REPLACE; policy++) {
        poolbuf_clear(b);
        UNIT_OK(poolbuf_write_ascii(b, text, sizeof text - 1, policy));
        expect_readable(b, "n?h ? ?", 7);
        poolbuf_clear(b);
        UNIT_OK(poolbuf_write_latin1(b, text, sizeof text - 1, policy));
        expect_readable(b, "n\xe4h ? ?", 7);
    }
    assert_true(poolbuf_release(b));
}

/* Netty's cases of writeUtf8(): what stands around the surrogates stays. */
static void surrogates_without_their_other_half_are_question_marks(void **state) {
    (void)state;
    static const struct {
        char16_t units[6];
        size_t count;
        const char *utf8;
    } cases[] = {
        {{'a', 0xd800, 0xdc00, 'b'}, 4, "a\xf0\x90\x80\x80\x62"},
        {{'a', 0xdc00, 'b'}, 3, "a?b"},
        {{'a', 0xd800, 'b'}, 3, "a?b"},
        {{'a', 0xdc00, 0xd800, 'b'}, 4, "a??b"},
        {{'a', 0xd800, 0xd800, 'b'}, 4, "a??b"},
        {{'a', 0xdc00, 0xdc00, 'b'}, 4, "a??b"},
        {{0xd800}, 1, "?"},
        {{0xdc00}, 1, "?"},
        {{'a', 0xd800}, 2, "a?"},
        {{0xd800, 0xd83d, 0xde00, 0xdc00}, 4, "?\xf0\x9f\x98\x80?"},
        {{'a', 0xdbff, 0xdfff}, 3, "a\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 0, 64);
        size_t size = 0;
        size_t set_size = 0;
        size_t length = strlen(cases[i].utf8);
        UNIT_OK(poolbuf_write_utf16_as_utf8(b, cases[i].units, cases[i].count, POOLBUF_TEXT_QUESTION_MARK));
        expect_readable(b, cases[i].utf8, length);
        UNIT_OK(poolbuf_utf8_size_of_utf16(cases[i].units, cases[i].count, POOLBUF_TEXT_QUESTION_MARK, &size));
        assert_int_equal(size, length);
        UNIT_OK(poolbuf_set_zero(b, 0, length));
        UNIT_OK(poolbuf_set_utf16_as_utf8(b, 0, cases[i].units, cases[i].count, POOLBUF_TEXT_QUESTION_MARK, &set_size));
        expect_readable(b, cases[i].utf8, length);
        assert_int_equal(set_size, length);
        bool well_formed = strchr(cases[i].utf8, '?') == NULL;
        assert_int_equal(poolbuf_write_utf16_as_utf8(b, cases[i].units, cases[i].count, POOLBUF_TEXT_REFUSE),
                         well_formed ? POOLBUF_OK : POOLBUF_ERROR_BAD_DATA);
        assert_true(poolbuf_release(b));
    }
}

/* A part of a text is an address and a count, and may cut a pair in two. */
static void a_part_of_utf16_may_cut_a_pair(void **state) {
    (void)state;
    static const char16_t units[] = {'a', 0xd83d, 0xde00, 'b'};
    poolbuf *b = poolbuf_allocate(allocator, 0, 64);
    UNIT_OK(poolbuf_write_utf16_as_utf8(b, units, 2, POOLBUF_TEXT_QUESTION_MARK));
    UNIT_OK(poolbuf_write_utf16_as_utf8(b, units + 2, 2, POOLBUF_TEXT_QUESTION_MARK));
    UNIT_OK(poolbuf_write_utf16_as_utf8(b, units + 1, 2, POOLBUF_TEXT_QUESTION_MARK));
    UNIT_OK(poolbuf_write_utf16_as_utf8(b, units, 0, POOLBUF_TEXT_QUESTION_MARK));
    expect_readable(b, "a??b\xf0\x9f\x98\x80", 8);
    assert_true(poolbuf_release(b));
}

static void the_size_of_a_part_is_what_it_takes(void **state) {
    (void)state;
    static const char16_t units[] = {'a', 0xe4, 0x20ac, 0xd83d, 0xde00, 'b'};
    static const size_t sizes[] = {1, 2, 3, 4, 4, 1}; /* of the character that a unit belongs to */
    for (size_t first = 0; first <= 6; first++) {
        for (size_t end = first; end <= 6; end++) {
            size_t expected = 0;
            for (size_t i = first; i < end; i++) {
                bool pair = i == 3 && end > 4;
                expected += pair || (i != 3 && i != 4) ? sizes[i] : 1; /* a half is a ? */
                i += pair ? 1 : 0;
            }
            size_t size = 77;
            poolbuf *b = poolbuf_allocate(allocator, 0, 64);
            UNIT_OK(poolbuf_utf8_size_of_utf16(units + first, end - first, POOLBUF_TEXT_QUESTION_MARK, &size));
            assert_int_equal(size, expected);
            UNIT_OK(poolbuf_write_utf16_as_utf8(b, units + first, end - first, POOLBUF_TEXT_QUESTION_MARK));
            assert_int_equal(poolbuf_readable_bytes(b), expected);
            assert_true(poolbuf_release(b));
        }
    }
}

/* ---- All kinds of buffers, all encodings ------------------------------------------------------------------------- */

/* Random text of UTF-8: runs of ASCII longer and shorter than the scanner's steps, and characters of all lengths. */
static size_t draw_text(unit_random *random, uint32_t end, char *to, size_t room) {
    size_t length = 0;
    while (room - length > 80) {
        size_t run = unit_random_below(random, 2) == 0 ? 0 : unit_random_below(random, 70);
        for (size_t i = 0; i < run; i++) {
            to[length++] = (char)unit_random_below(random, 0x80);
        }
        uint32_t code = unit_random_below(random, UNICODE_END) >> unit_random_below(random, 21);
        code %= end;
        length += plain_utf8(is_surrogate(code) ? 0x20ac : code, (uint8_t *)to + length);
    }
    return length;
}

static void texts_come_back_from_every_kind_of_buffer_in_every_encoding(void **state) {
    (void)state;
    unit_random random = unit_random_start("texts", 2);
    static const uint32_t ends[] = {0x80, 0x100, UNICODE_END, UNICODE_END, UNICODE_END};
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        for (unsigned i = 0; i < 20 * POOLBUF_TEXT_COUNT; i++) {
            poolbuf_text encoding = i % POOLBUF_TEXT_COUNT;
            char text[600];
            char back[600];
            size_t length = draw_text(&random, ends[encoding], text, sizeof text);
            size_t size = 0;
            size_t back_length = 0;
            UNIT_OK(poolbuf_text_size(text, length, encoding, POOLBUF_TEXT_REFUSE, &size));
            poolbuf *written = poolbuf_allocate(allocator, 0, 2000);
            UNIT_OK(poolbuf_write_text(written, text, length, encoding, POOLBUF_TEXT_REFUSE));
            assert_int_equal(poolbuf_readable_bytes(written), size);
            cut in = cut_make(allocator, &random, kind, poolbuf_memory(written), size);
            UNIT_OK(poolbuf_check_text(in.buffer, 0, size, encoding));
            UNIT_OK(
                poolbuf_get_text(in.buffer, 0, size, encoding, POOLBUF_TEXT_REFUSE, back, length + 1, &back_length));
            assert_int_equal(back_length, length);
            assert_memory_equal(back, text, length);
            assert_int_equal(back[length], 0);
            assert_int_equal(poolbuf_reader_index(in.buffer), 0);
            memset(back, 0, sizeof back);
            UNIT_OK(poolbuf_read_text(in.buffer, size, encoding, POOLBUF_TEXT_REPLACE, back, sizeof back, NULL));
            assert_memory_equal(back, text, length);
            assert_int_equal(poolbuf_reader_index(in.buffer), size);
            cut_end(&in);
            assert_true(poolbuf_release(written));
        }
    }
}

static void texts_are_set_in_every_kind_that_can_be_written(void **state) {
    (void)state;
    unit_random random = unit_random_start("texts set", 3);
    for (unsigned kind = 0; kind < CUT_WRITABLE_KINDS; kind++) {
        for (unsigned encoding = 0; encoding < POOLBUF_TEXT_COUNT; encoding++) {
            char text[200];
            uint8_t bytes[1000];
            size_t length = draw_text(&random, encoding < POOLBUF_TEXT_UTF8 ? 0x80 : UNICODE_END, text, sizeof text);
            poolbuf *written = poolbuf_allocate(allocator, 0, 2000);
            UNIT_OK(poolbuf_write_text(written, text, length, encoding, POOLBUF_TEXT_REFUSE));
            size_t size = poolbuf_readable_bytes(written);
            memset(bytes, 0xee, sizeof bytes);
            cut in = cut_make(allocator, &random, kind, bytes, size + 7);
            size_t set_size = 0;
            UNIT_OK(poolbuf_set_text(in.buffer, 3, text, length, encoding, POOLBUF_TEXT_REFUSE, &set_size));
            assert_int_equal(set_size, size);
            UNIT_OK(poolbuf_set_text(in.buffer, 3, text, length, encoding, POOLBUF_TEXT_REFUSE, NULL));
            cut_expect(in.buffer, 0, bytes, 3);
            cut_expect(in.buffer, 3, poolbuf_memory(written), size);
            cut_expect(in.buffer, 3 + size, bytes, 4);
            assert_int_equal(poolbuf_writer_index(in.buffer), size + 7);

            poolbuf_clear(in.buffer);
            UNIT_OK(poolbuf_write_text(in.buffer, text, length, encoding, POOLBUF_TEXT_REFUSE));
            expect_readable(in.buffer, poolbuf_memory(written), size);
            cut_end(&in);
            assert_true(poolbuf_release(written));
        }
    }
}

static void the_named_calls_write_their_encoding(void **state) {
    (void)state;
    static const char text[] = "\xc3\xa4!";
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    size_t size = 0;
    UNIT_OK(poolbuf_write_utf8(b, text, 3, POOLBUF_TEXT_REFUSE));
    UNIT_OK(poolbuf_write_latin1(b, text, 3, POOLBUF_TEXT_REFUSE));
    UNIT_OK(poolbuf_write_utf16_be(b, text, 3, POOLBUF_TEXT_REFUSE));
    UNIT_OK(poolbuf_write_utf16_le(b, text, 3, POOLBUF_TEXT_REFUSE));
    UNIT_OK(poolbuf_write_ascii(b, text, 3, POOLBUF_TEXT_QUESTION_MARK));
    static const char expected[] = "\xc3\xa4!\xe4!\0\xe4\0!\xe4\0!\0?!";
    expect_readable(b, expected, sizeof expected - 1);
    UNIT_OK(poolbuf_set_zero(b, 0, 64));
    UNIT_OK(poolbuf_set_utf8(b, 0, text, 3, POOLBUF_TEXT_REFUSE, &size));
    assert_int_equal(size, 3);
    UNIT_OK(poolbuf_set_latin1(b, 3, text, 3, POOLBUF_TEXT_REFUSE, &size));
    assert_int_equal(size, 2);
    UNIT_OK(poolbuf_set_utf16_be(b, 5, text, 3, POOLBUF_TEXT_REFUSE, &size));
    assert_int_equal(size, 4);
    UNIT_OK(poolbuf_set_utf16_le(b, 9, text, 3, POOLBUF_TEXT_REFUSE, NULL));
    UNIT_OK(poolbuf_set_ascii(b, 13, text, 3, POOLBUF_TEXT_QUESTION_MARK, NULL));
    expect_readable(b, expected, sizeof expected - 1);
    assert_true(poolbuf_release(b));
}

static void writing_text_grows_the_buffer_up_to_its_maximum(void **state) {
    (void)state;
    static const char text[] = "gr\xc3\xb6\xc3\x9f"
                               "er \xe2\x82\xac";
    for (unsigned encoding = 0; encoding < POOLBUF_TEXT_COUNT; encoding++) {
        size_t size = 0;
        UNIT_OK(poolbuf_text_size(text, sizeof text - 1, encoding, POOLBUF_TEXT_QUESTION_MARK, &size));
        poolbuf *b = poolbuf_allocate(allocator, 1, size);
        UNIT_OK(poolbuf_write_text(b, text, sizeof text - 1, encoding, POOLBUF_TEXT_QUESTION_MARK));
        assert_int_equal(poolbuf_readable_bytes(b), size);
        assert_int_equal(poolbuf_capacity(b), size);
        assert_true(poolbuf_release(b));

        b = poolbuf_allocate(allocator, 1, size - 1);
        UNIT_OK(poolbuf_set_zero(b, 0, 1));
        cut_state before = cut_remember(b);
        assert_int_equal(poolbuf_write_text(b, text, sizeof text - 1, encoding, POOLBUF_TEXT_QUESTION_MARK),
                         POOLBUF_ERROR_MAX_CAPACITY);
        cut_expect_unchanged(b, &before);
        assert_true(poolbuf_release(b));
    }
}

static void slices_and_wrapped_memory_do_not_grow_for_text(void **state) {
    (void)state;
    unit_random random = unit_random_start("fixed", 4);
    static const cut_kind fixed[] = {CUT_SLICE, CUT_RETAINED_SLICE, CUT_WRAPPED, CUT_COMPOSITE_SLICE};
    for (unsigned i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        for (unsigned encoding = 0; encoding < POOLBUF_TEXT_COUNT; encoding++) {
            cut in = cut_make(allocator, &random, fixed[i], "abcd", 4);
            UNIT_OK(poolbuf_set_indices(in.buffer, 1, 2));
            cut_state before = cut_remember(in.buffer);
            assert_int_equal(poolbuf_write_text(in.buffer, "xyz", 3, encoding, POOLBUF_TEXT_REFUSE),
                             POOLBUF_ERROR_MAX_CAPACITY);
            cut_expect_unchanged(in.buffer, &before);
            cut_end(&in);
        }
    }
}

static void setting_text_does_not_grow_the_buffer(void **state) {
    (void)state;
    for (unsigned encoding = 0; encoding < POOLBUF_TEXT_COUNT; encoding++) {
        poolbuf *b = poolbuf_allocate(allocator, 4, 64);
        size_t size = 77;
        UNIT_OK(poolbuf_write_bytes(b, "abcd", 4));
        cut_state before = cut_remember(b);
        assert_int_equal(poolbuf_set_text(b, 0, "12345", 5, encoding, POOLBUF_TEXT_REFUSE, &size),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_set_text(b, 4, "1", 1, encoding, POOLBUF_TEXT_REFUSE, &size),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_set_text(b, SIZE_MAX, "1", 1, encoding, POOLBUF_TEXT_REFUSE, &size),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_set_text(b, 1, "1\xff", 2, encoding, POOLBUF_TEXT_REFUSE, &size),
                         POOLBUF_ERROR_BAD_DATA);
        assert_int_equal(size, 77);
        cut_expect_unchanged(b, &before);
        assert_true(poolbuf_release(b));
    }
}

static void read_only_buffers_refuse_text(void **state) {
    (void)state;
    unit_random random = unit_random_start("read-only", 5);
    static const char16_t units[] = {'x'};
    for (unsigned kind = CUT_WRITABLE_KINDS; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, "abcd", 4);
        cut_state before = cut_remember(in.buffer);
        assert_int_equal(poolbuf_write_utf8(in.buffer, "x", 1, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_set_utf8(in.buffer, 0, "x", 1, POOLBUF_TEXT_REFUSE, NULL), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_write_utf16_as_utf8(in.buffer, units, 1, POOLBUF_TEXT_REFUSE),
                         POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_set_utf16_as_utf8(in.buffer, 0, units, 1, POOLBUF_TEXT_REFUSE, NULL),
                         POOLBUF_ERROR_READ_ONLY);
        cut_expect_unchanged(in.buffer, &before);
        cut_end(&in);
    }
}

static void text_is_not_written_over_a_read_only_component(void **state) {
    (void)state;
    poolbuf *composite = poolbuf_allocate_composite(allocator, 16);
    UNIT_OK(poolbuf_composite_add_component(composite, cut_plain(allocator, "ab", 2), true));
    UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_wrap_read_only(allocator, "cd", 2, NULL, NULL), true));
    UNIT_OK(poolbuf_set_writer_index(composite, 1));
    cut_state before = cut_remember(composite);
    assert_int_equal(poolbuf_write_utf8(composite, "xyz", 3, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_utf8(composite, "longer", 6, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_set_utf8(composite, 1, "xy", 2, POOLBUF_TEXT_REFUSE, NULL), POOLBUF_ERROR_READ_ONLY);
    cut_expect_unchanged(composite, &before);
    UNIT_OK(poolbuf_write_utf8(composite, "x", 1, POOLBUF_TEXT_REFUSE));
    cut_expect(composite, 0, "axcd", 4);
    assert_true(poolbuf_release(composite));
}

/* ---- Bounds of reading ------------------------------------------------------------------------------------------- */

static void ranges_and_rooms_are_checked_before_anything_is_read(void **state) {
    (void)state;
    unit_random random = unit_random_start("bounds", 6);
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, "abcdef", 6);
        const poolbuf *b = in.buffer;
        char text[8] = "before";
        char16_t units[8] = {7};
        size_t length = 77;
        UNIT_OK(poolbuf_set_indices(in.buffer, 1, 5));
        cut_state before = cut_remember(b);
        const poolbuf_text utf8 = POOLBUF_TEXT_UTF8;
        const poolbuf_text_policy refuse = POOLBUF_TEXT_REFUSE;
        assert_int_equal(poolbuf_get_text(b, 6, 1, utf8, refuse, text, 8, &length), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_text(b, SIZE_MAX, 1, utf8, refuse, text, 8, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_text(b, 1, SIZE_MAX, utf8, refuse, text, 8, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_read_text(in.buffer, 5, utf8, refuse, text, 8, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_text(b, 0, 6, utf8, refuse, text, 6, &length), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_get_text(b, 0, 0, utf8, refuse, text, 0, &length), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_read_text(in.buffer, 4, utf8, refuse, text, 4, &length), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_get_string(b, 5, 2, text, 8), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_string(b, 0, 6, text, 6), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_get_string(b, 0, 0, text, 0), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_read_string(in.buffer, 5, text, 8), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_read_string(in.buffer, 4, text, 4), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_get_utf8_as_utf16(b, 0, 7, refuse, units, 8, &length), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_utf8_as_utf16(b, 0, 6, refuse, units, 5, &length), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_read_utf8_as_utf16(in.buffer, 5, refuse, units, 8, &length),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_read_utf8_as_utf16(in.buffer, 4, refuse, units, 3, &length),
                         POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_check_text(b, 5, 2, utf8), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_false(poolbuf_is_text(b, 7, 0, utf8));
        assert_false(poolbuf_is_text(b, 0, 7, utf8));
        assert_false(poolbuf_is_text(b, SIZE_MAX, 2, utf8));
        assert_true(poolbuf_is_text(b, 6, 0, utf8));
        assert_true(poolbuf_is_text(b, 0, 6, POOLBUF_TEXT_ASCII));
        cut_expect_unchanged(b, &before);
        assert_string_equal(text, "before");
        assert_int_equal(units[0], 7);
        assert_int_equal(length, 77);
        cut_end(&in);
    }
}

static void encodings_and_policies_that_are_none_are_bad_arguments(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "abcd", 4);
    cut_state before = cut_remember(b);
    const poolbuf_text no_encoding = POOLBUF_TEXT_COUNT;
    const poolbuf_text_policy no_policy = (poolbuf_text_policy)(POOLBUF_TEXT_REPLACE + 1);
    char text[8];
    size_t size = 77;
    assert_int_equal(poolbuf_write_text(b, "", 0, no_encoding, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_write_utf8(b, "", 0, no_policy), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_set_text(b, 0, "x", 1, no_encoding, POOLBUF_TEXT_REFUSE, &size),
                     POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_text_size("", 0, no_encoding, POOLBUF_TEXT_REFUSE, &size), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_get_text(b, 0, 4, no_encoding, POOLBUF_TEXT_REFUSE, text, sizeof text, &size),
                     POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_get_text(b, 0, 4, POOLBUF_TEXT_UTF8, no_policy, text, sizeof text, &size),
                     POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_check_text(b, 0, 4, no_encoding), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(size, 77);
    cut_expect_unchanged(b, &before);
    assert_true(poolbuf_release(b));
}

static void the_empty_buffer_has_the_empty_text(void **state) {
    (void)state;
    char text[4] = "xyz";
    char16_t unit = 7;
    size_t length = 77;
    poolbuf *empty = poolbuf_empty();
    UNIT_OK(poolbuf_get_text(empty, 0, 0, POOLBUF_TEXT_UTF8, POOLBUF_TEXT_REFUSE, text, 1, &length));
    assert_string_equal(text, "");
    assert_int_equal(length, 0);
    strcpy(text, "xyz");
    UNIT_OK(poolbuf_read_string(empty, 0, text, 1));
    assert_string_equal(text, "");
    UNIT_OK(poolbuf_get_utf8_as_utf16(empty, 0, 0, POOLBUF_TEXT_REFUSE, &unit, 0, &length));
    assert_int_equal(unit, 7);
    assert_true(poolbuf_is_text(empty, 0, 0, POOLBUF_TEXT_UTF16_BE));
    assert_int_equal(poolbuf_read_string(empty, 1, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_text(empty, 0, 1, POOLBUF_TEXT_UTF8, POOLBUF_TEXT_REFUSE, text, 4, NULL),
                     POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_text(empty, 1, 0, POOLBUF_TEXT_UTF8, POOLBUF_TEXT_REFUSE, text, 4, NULL),
                     POOLBUF_ERROR_OUT_OF_BOUNDS);
}

static void a_character_that_the_range_cuts_is_no_text(void **state) {
    (void)state;
    unit_random random = unit_random_start("cut characters", 7);
    static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    static const bool boundary[] = {true, false, true, false, false, true, false, false, false, true};
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, text, 9);
        for (size_t first = 0; first <= 9; first++) {
            for (size_t end = first; end <= 9; end++) {
                bool whole = first == end || (boundary[first] && boundary[end]);
                assert_int_equal(poolbuf_is_text(in.buffer, first, end - first, POOLBUF_TEXT_UTF8), whole);
                assert_int_equal(poolbuf_is_text(in.buffer, first, end - first, POOLBUF_TEXT_ASCII), first == end);
                assert_true(poolbuf_is_text(in.buffer, first, end - first, POOLBUF_TEXT_LATIN1));
            }
        }
        cut_end(&in);
    }
}

/* ---- C strings and units ----------------------------------------------------------------------------------------- */

static void strings_are_the_bytes_with_a_nul_behind_them(void **state) {
    (void)state;
    unit_random random = unit_random_start("strings", 8);
    static const char bytes[] = "\xff"
                                "ab\0cd";
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, bytes, 6);
        char text[8];
        memset(text, 'x', sizeof text);
        UNIT_OK(poolbuf_get_string(in.buffer, 1, 5, text, 6));
        assert_memory_equal(text, "ab\0cd\0xx", 8);
        UNIT_OK(poolbuf_read_string(in.buffer, 3, text, sizeof text));
        assert_string_equal(text, "\xff"
                                  "ab");
        assert_int_equal(poolbuf_reader_index(in.buffer), 3);
        UNIT_OK(poolbuf_read_string(in.buffer, 3, text, sizeof text));
        assert_memory_equal(text, "\0cd\0", 4);
        assert_int_equal(poolbuf_readable_bytes(in.buffer), 0);
        cut_end(&in);
    }
}

static void reading_from_a_slice_ends_where_the_slice_does(void **state) {
    (void)state;
    poolbuf *b = cut_plain(allocator, "line\nrest", 9);
    poolbuf *line = poolbuf_read_slice(b, 4);
    char text[16] = "before";
    uint8_t byte = 0;
    assert_int_equal(poolbuf_read_string(line, 5, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_string_equal(text, "before");
    UNIT_OK(poolbuf_read_u8(line, &byte));
    assert_int_equal(byte, 'l');
    UNIT_OK(poolbuf_read_string(line, 3, text, sizeof text));
    assert_string_equal(text, "ine");
    assert_int_equal(poolbuf_read_u8(line, &byte), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(byte, 'l');
    UNIT_OK(poolbuf_read_string(line, 0, text, sizeof text));
    assert_string_equal(text, "");
    UNIT_OK(poolbuf_skip_bytes(b, 1));
    UNIT_OK(poolbuf_read_string(b, 4, text, sizeof text));
    assert_string_equal(text, "rest");
    assert_true(poolbuf_release(b));
}

static void utf8_comes_out_as_utf16_of_every_kind_of_buffer(void **state) {
    (void)state;
    unit_random random = unit_random_start("units", 9);
    static const char16_t expected[] = {'z', 0xe4, 0x20ac, 0xd83d, 0xde00, 0xfffd};
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, "z\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff", 11);
        char16_t units[6] = {0};
        size_t count = 77;
        assert_int_equal(poolbuf_get_utf8_as_utf16(in.buffer, 0, 11, POOLBUF_TEXT_REFUSE, units, 6, &count),
                         POOLBUF_ERROR_BAD_DATA);
        assert_int_equal(count, 77);
        UNIT_OK(poolbuf_get_utf8_as_utf16(in.buffer, 0, 11, POOLBUF_TEXT_REPLACE, units, 6, &count));
        assert_int_equal(count, 6);
        assert_memory_equal(units, expected, sizeof expected);
        UNIT_OK(poolbuf_read_utf8_as_utf16(in.buffer, 10, POOLBUF_TEXT_REFUSE, units, SIZE_MAX, &count));
        assert_int_equal(count, 5);
        assert_int_equal(poolbuf_reader_index(in.buffer), 10);
        cut_end(&in);
    }
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

static const char shared_text[] =
    "K\xc3\xa4se f\xc3\xbcr \xe2\x82\xac 5, mit \xf0\x9f\xa7\x80: alle lesen ihn zugleich";

typedef struct reader {
    const poolbuf *shared;
    bool all_same;
} reader;

/* Reads one buffer with all the others, and writes one of its own. */
static void *read_and_write(void *argument) {
    reader *self = argument;
    size_t length = sizeof shared_text - 1;
    self->all_same = true;
    for (unsigned i = 0; i < 300; i++) {
        char text[sizeof shared_text];
        poolbuf *own = poolbuf_allocate(allocator, length, length);
        bool same = own != NULL &&
                    poolbuf_get_text(self->shared, 0, length, POOLBUF_TEXT_UTF8, POOLBUF_TEXT_REFUSE, text, sizeof text,
                                     NULL) == POOLBUF_OK &&
                    memcmp(text, shared_text, sizeof text) == 0 &&
                    poolbuf_is_text(self->shared, 0, length, POOLBUF_TEXT_UTF8) &&
                    !poolbuf_is_text(self->shared, 0, length, POOLBUF_TEXT_ASCII) &&
                    poolbuf_set_utf8(own, 0, text, length, POOLBUF_TEXT_REFUSE, NULL) == POOLBUF_OK &&
                    memcmp(poolbuf_memory(own), shared_text, length) == 0;
        self->all_same = self->all_same && same;
        if (own != NULL) {
            (void)poolbuf_release(own);
        }
    }
    return NULL;
}

static void threads_read_one_text_at_once_and_write_their_own(void **state) {
    (void)state;
    unit_random random = unit_random_start("threads", 11);
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        cut in = cut_make(allocator, &random, kind, shared_text, sizeof shared_text - 1);
        pthread_t threads[4];
        reader readers[4];
        for (unsigned i = 0; i < 4; i++) {
            readers[i] = (reader){.shared = in.buffer};
            assert_int_equal(pthread_create(&threads[i], NULL, read_and_write, &readers[i]), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_true(readers[i].all_same);
        }
        cut_end(&in);
    }
}

/* ---- Dead buffers ------------------------------------------------------------------------------------------------ */

static void every_use_of_a_dead_buffer_is_told_and_fails(void **state) {
    (void)state;
    static const char16_t units[] = {'x'};
    char text[64] = "before";
    char16_t back[4];
    size_t size = 0;
    poolbuf *b = cut_plain(allocator, "abcd", 4);
    assert_true(poolbuf_release(b));
    uint64_t before = unit_metrics(allocator).misuses;
    for (unsigned encoding = 0; encoding < POOLBUF_TEXT_COUNT; encoding++) {
        assert_int_equal(poolbuf_write_text(b, "x", 1, encoding, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_set_text(b, 0, "x", 1, encoding, POOLBUF_TEXT_REFUSE, &size),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_text(b, 0, 1, encoding, POOLBUF_TEXT_REFUSE, text, sizeof text, &size),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_read_text(b, 1, encoding, POOLBUF_TEXT_REFUSE, text, sizeof text, &size),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_false(poolbuf_is_text(b, 0, 1, encoding));
        before += 5;
        assert_int_equal(unit_metrics(allocator).misuses, before);
    }
    assert_int_equal(poolbuf_write_utf16_as_utf8(b, units, 1, POOLBUF_TEXT_REFUSE), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_utf16_as_utf8(b, 0, units, 1, POOLBUF_TEXT_REFUSE, NULL), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_utf8_as_utf16(b, 0, 1, POOLBUF_TEXT_REFUSE, back, 4, &size),
                     POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_read_utf8_as_utf16(b, 1, POOLBUF_TEXT_REFUSE, back, 4, &size),
                     POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_get_string(b, 0, 1, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_read_string(b, 1, text, sizeof text), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(unit_metrics(allocator).misuses, before + 6);
    assert_string_equal(text, "before");
}

#define TEXT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEXT_TEST(ill_formed_text_is_refused_or_replaced_in_every_kind_of_buffer),
        TEXT_TEST(ill_formed_utf8_of_the_caller_is_refused_or_replaced),
        TEXT_TEST(what_an_encoding_lacks_is_refused_or_a_question_mark),
        TEXT_TEST(surrogates_without_their_other_half_are_question_marks),
        TEXT_TEST(a_part_of_utf16_may_cut_a_pair),
        TEXT_TEST(the_size_of_a_part_is_what_it_takes),
        TEXT_TEST(texts_come_back_from_every_kind_of_buffer_in_every_encoding),
        TEXT_TEST(texts_are_set_in_every_kind_that_can_be_written),
        TEXT_TEST(the_named_calls_write_their_encoding),
        TEXT_TEST(writing_text_grows_the_buffer_up_to_its_maximum),
        TEXT_TEST(slices_and_wrapped_memory_do_not_grow_for_text),
        TEXT_TEST(setting_text_does_not_grow_the_buffer),
        TEXT_TEST(read_only_buffers_refuse_text),
        TEXT_TEST(text_is_not_written_over_a_read_only_component),
        TEXT_TEST(ranges_and_rooms_are_checked_before_anything_is_read),
        TEXT_TEST(encodings_and_policies_that_are_none_are_bad_arguments),
        TEXT_TEST(the_empty_buffer_has_the_empty_text),
        TEXT_TEST(a_character_that_the_range_cuts_is_no_text),
        TEXT_TEST(strings_are_the_bytes_with_a_nul_behind_them),
        TEXT_TEST(reading_from_a_slice_ends_where_the_slice_does),
        TEXT_TEST(utf8_comes_out_as_utf16_of_every_kind_of_buffer),
        TEXT_TEST(threads_read_one_text_at_once_and_write_their_own),
    };
    const struct CMUnitTest misuse_tests[] = {
        TEXT_TEST(every_use_of_a_dead_buffer_is_told_and_fails),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* the errors that the others make are there for Memcheck to report: see memcheck_finds_* */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
