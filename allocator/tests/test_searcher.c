/* Unit tests of searcher.c: many needles in a stream, against a plain loop that tries each needle at each place. */
#include "any_kind.h"

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "os/os.h"

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

#define MAX_NEEDLES 12u

static poolbuf_searcher *searcher_of(const char *const *texts, size_t count) {
    poolbuf_needle needles[MAX_NEEDLES];
    assert_in_range(count, 1, MAX_NEEDLES);
    for (size_t i = 0; i < count; i++) {
        needles[i] = (poolbuf_needle){texts[i], strlen(texts[i])};
    }
    poolbuf_searcher *searcher = NULL;
    UNIT_OK(poolbuf_searcher_create(needles, count, &searcher));
    return searcher;
}

/* One that must be found next: behind how many bytes of the stream, and which. */
typedef struct expected {
    uint64_t end;
    uint32_t needle;
} expected;

/* Takes the whole text at once, and expects these and no others. */
static void expect(const poolbuf_searcher *searcher, const char *text, size_t length, const expected *all,
                   size_t count) {
    poolbuf_search search = poolbuf_search_begin(searcher);
    for (size_t i = 0; i < count; i++) {
        uint32_t needle = POOLBUF_NO_NEEDLE;
        uint64_t at = search.taken;
        size_t taken = poolbuf_search_bytes(&search, text + at, length - at, &needle);
        assert_int_equal(at + taken, all[i].end);
        assert_int_equal(search.taken, all[i].end);
        assert_int_equal(needle, all[i].needle);
    }
    uint32_t needle = 77;
    uint64_t at = search.taken;
    assert_int_equal(poolbuf_search_bytes(&search, text + at, length - at, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(search.taken, length);
    assert_int_equal(needle, 77);
}

/* ---- What is found ------------------------------------------------------------------------------------------------ */

typedef struct needle_case {
    const char *needle;
    const char *text;
    expected found[6];
    size_t count;
} needle_case;

static const needle_case NEEDLE_CASES[] = {
    {"a", "a", {{1, 0}}, 1},
    {"a", "xxa", {{3, 0}}, 1},
    {"abc", "abc", {{3, 0}}, 1},
    {"abc", "ab", {{0, 0}}, 0},
    {"abc", "xabcx", {{4, 0}}, 1},
    {"abc", "ababc", {{5, 0}}, 1},
    {"aab", "aaaaab", {{6, 0}}, 1},
    {"abab", "abaabab", {{7, 0}}, 1},
    {"abcabcaab", "abcabcabcaab", {{12, 0}}, 1},
    {"xyz", "abcabc", {{0, 0}}, 0},
    /* repeated */
    {"abc", "abcabcabc", {{3, 0}, {6, 0}, {9, 0}}, 3},
    {"abc", "abcxabcxxabc", {{3, 0}, {7, 0}, {12, 0}}, 3},
    /* overlapping */
    {"aa", "aaaa", {{2, 0}, {3, 0}, {4, 0}}, 3},
    {"abcabc", "abcabcabcabc", {{6, 0}, {9, 0}, {12, 0}}, 3},
    {"aba", "ababaxaba", {{3, 0}, {5, 0}, {9, 0}}, 3},
};

static void a_needle_is_found_each_time_it_ends_repeated_and_overlapping(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof NEEDLE_CASES / sizeof *NEEDLE_CASES; i++) {
        const needle_case *c = &NEEDLE_CASES[i];
        poolbuf_searcher *searcher = searcher_of(&c->needle, 1);
        expect(searcher, c->text, strlen(c->text), c->found, c->count);
        poolbuf_searcher_destroy(searcher);
    }
}

static void needles_are_told_apart(void **state) {
    (void)state;
    static const char *const texts[] = {"cat", "dog", "bird"};
    static const expected found[] = {{5, 1}, {8, 0}, {14, 2}, {17, 1}};
    poolbuf_searcher *searcher = searcher_of(texts, 3);
    expect(searcher, "a dogcat  birddog cow", 21, found, 4);
    poolbuf_searcher_destroy(searcher);
}

static void needles_that_overlap_each_other_are_all_found(void **state) {
    (void)state;
    static const char *const texts[] = {"ABC", "BCD", "CDEF"};
    static const expected found[] = {{4, 0}, {5, 1}, {7, 2}};
    poolbuf_searcher *searcher = searcher_of(texts, 3);
    expect(searcher, "xABCDEFx", 8, found, 3);
    poolbuf_searcher_destroy(searcher);
}

static void the_longest_is_found_first_where_several_end_and_leads_to_the_others(void **state) {
    (void)state;
    static const char *const texts[] = {"C", "ABC", "BC", "BC", "AB", "xABC"};
    static const expected found[] = {{2, 4}, {3, 1}, {5, 0}, {8, 4}, {9, 5}};
    poolbuf_searcher *searcher = searcher_of(texts, 6);
    expect(searcher, "ABC-CxABC", 9, found, 5);
    static const uint32_t suffixes[] = {POOLBUF_NO_NEEDLE, 2, 3, 0, POOLBUF_NO_NEEDLE, 1};
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(poolbuf_searcher_suffix(searcher, i), suffixes[i]);
    }
    assert_int_equal(poolbuf_searcher_suffix(searcher, 6), POOLBUF_NO_NEEDLE);
    assert_int_equal(poolbuf_searcher_suffix(searcher, POOLBUF_NO_NEEDLE), POOLBUF_NO_NEEDLE);
    poolbuf_searcher_destroy(searcher);
}

static void a_needle_inside_another_is_found_when_it_ends(void **state) {
    (void)state;
    static const char *const texts[] = {"abcde", "bc", "cdx"};
    static const expected found[] = {{3, 1}, {5, 0}, {8, 1}, {10, 2}};
    poolbuf_searcher *searcher = searcher_of(texts, 3);
    expect(searcher, "abcdeabcdx", 10, found, 4);
    poolbuf_searcher_destroy(searcher);
}

static void zeros_and_high_bytes_are_bytes_like_all_others(void **state) {
    (void)state;
    poolbuf_needle needles[] = {{"\0\0", 2}, {"\377\0", 2}};
    poolbuf_searcher *searcher = NULL;
    UNIT_OK(poolbuf_searcher_create(needles, 2, &searcher));
    static const expected found[] = {{3, 1}, {4, 0}, {5, 0}};
    expect(searcher, "\0\377\0\0\0\377", 6, found, 3);
    poolbuf_searcher_destroy(searcher);
}

static void long_streams_are_searched_to_their_ends(void **state) {
    (void)state;
    enum {
        LENGTH = 1 << 20
    };
    static const char *const texts[] = {"needle", "aaab"};
    static const char *const single[] = {"needle"};
    char *text = malloc(LENGTH);
    assert_non_null(text);
    memset(text, 'a', LENGTH);
    memcpy(text + LENGTH - 7, texts[0], 6);
    text[LENGTH - 1] = 'b';
    text[500000] = 'b';
    poolbuf_searcher *searcher = searcher_of(texts, 2);
    expect(searcher, text, LENGTH, (const expected[]){{500001, 1}, {LENGTH - 1, 0}}, 2);
    poolbuf_searcher_destroy(searcher);
    searcher = searcher_of(single, 1);
    expect(searcher, text, LENGTH, (const expected[]){{LENGTH - 1, 0}}, 1);
    poolbuf_searcher_destroy(searcher);
    free(text);
}

/* All substrings of 64 bytes of a text in which none comes twice: each alone is found at its place, and nowhere else.
 * */
static void each_substring_of_a_text_without_repetitions_is_found_at_its_place(void **state) {
    (void)state;
    char text[320];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i % 2 == 0 ? i / 2 : 1 + i / 64);
    }
    for (size_t at = 0; at + 64 <= sizeof text; at++) {
        poolbuf_needle needle = {text + at, 64};
        poolbuf_searcher *searcher = NULL;
        UNIT_OK(poolbuf_searcher_create(&needle, 1, &searcher));
        expect(searcher, text, sizeof text, (const expected[]){{at + 64, 0}}, 1);
        poolbuf_searcher_destroy(searcher);
    }
}

/* ---- Against a plain loop ----------------------------------------------------------------------------------------- */

typedef struct model {
    uint8_t bytes[MAX_NEEDLES][8];
    poolbuf_needle needles[MAX_NEEDLES];
    size_t count;
} model;

static void draw(unit_random *random, uint8_t *bytes, size_t length, uint32_t alphabet) {
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)unit_random_below(random, alphabet);
    }
}

static void model_draw(model *self, unit_random *random, uint32_t alphabet) {
    self->count = 1 + unit_random_below(random, MAX_NEEDLES);
    for (size_t i = 0; i < self->count; i++) {
        self->needles[i] = (poolbuf_needle){self->bytes[i], 1 + unit_random_below(random, sizeof self->bytes[i])};
        draw(random, self->bytes[i], self->needles[i].length, alphabet);
    }
}

/* The needle to be told after this one, of those that end where a text ends: the longest that is shorter, or the next
 * equal one. The longest of all for POOLBUF_NO_NEEDLE. */
static uint32_t model_next(const model *self, const uint8_t *text, size_t end, uint32_t after) {
    uint32_t next = POOLBUF_NO_NEEDLE;
    for (uint32_t i = 0; i < self->count; i++) {
        size_t length = self->needles[i].length;
        bool ends = length <= end && memcmp(text + end - length, self->needles[i].bytes, length) == 0;
        size_t bound = after != POOLBUF_NO_NEEDLE ? self->needles[after].length : SIZE_MAX;
        bool is_later = length < bound || (length == bound && i > after);
        if (ends && is_later && (next == POOLBUF_NO_NEEDLE || length > self->needles[next].length)) {
            next = i;
        }
    }
    return next;
}

/* One stream, its text cut into buffers of every kind; each of them searched until it is taken. */
static void search_a_stream(unit_random *random, const model *needles, const poolbuf_searcher *searcher,
                            const uint8_t *text, size_t length) {
    poolbuf_search search = poolbuf_search_begin(searcher);
    size_t end = 0; /* of the text, as far as it has been checked */
    for (size_t done = 0; done < length;) {
        size_t part = unit_random_below(random, 60);
        part = part < length - done ? part : length - done;
        any_kind kind = (any_kind)unit_random_below(random, ANY_KINDS);
        any_buffer any = any_buffer_of(allocator, random, kind, text + done, part, 1 + unit_random_below(random, 20));
        size_t first = poolbuf_reader_index(any.buffer);
        for (size_t at = first; at != POOLBUF_NOT_FOUND;) {
            uint32_t needle = POOLBUF_NO_NEEDLE;
            at = poolbuf_search_buffer(&search, any.buffer, at, first + part - at, &needle);
            size_t found_end = at != POOLBUF_NOT_FOUND ? done + (at - first) : done + part;
            assert_int_equal(search.taken, found_end);
            for (end++; end < found_end || (end == found_end && at == POOLBUF_NOT_FOUND); end++) {
                assert_int_equal(model_next(needles, text, end, POOLBUF_NO_NEEDLE), POOLBUF_NO_NEEDLE);
            }
            end = found_end;
            uint32_t chain = POOLBUF_NO_NEEDLE;
            while (at != POOLBUF_NOT_FOUND) {
                chain = model_next(needles, text, end, chain);
                assert_int_equal(needle, chain);
                if (chain == POOLBUF_NO_NEEDLE) {
                    break;
                }
                needle = poolbuf_searcher_suffix(searcher, needle);
            }
        }
        any_buffer_end(&any);
        done += part;
    }
}

static void needles_are_found_as_a_plain_loop_finds_them_across_buffers_of_every_kind(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 31);
    for (unsigned round = 0; round < 300; round++) {
        uint8_t text[400];
        uint32_t alphabet = 1 + unit_random_below(&random, 4);
        model needles;
        model_draw(&needles, &random, alphabet);
        draw(&random, text, sizeof text, alphabet + unit_random_below(&random, 2));
        poolbuf_searcher *searcher = NULL;
        UNIT_OK(poolbuf_searcher_create(needles.needles, needles.count, &searcher));
        search_a_stream(&random, &needles, searcher, text, sizeof text);
        poolbuf_searcher_destroy(searcher);
    }
}

/* ---- Streams ------------------------------------------------------------------------------------------------------ */

static void a_needle_may_begin_in_one_buffer_and_end_three_later(void **state) {
    (void)state;
    static const char *const texts[] = {"boundary"};
    static const char *const parts[] = {"--bou", "", "nd", "ary--"};
    poolbuf_searcher *searcher = searcher_of(texts, 1);
    poolbuf_search search = poolbuf_search_begin(searcher);
    uint32_t needle = POOLBUF_NO_NEEDLE;
    for (size_t i = 0; i < 4; i++) {
        size_t length = strlen(parts[i]);
        poolbuf *b = any_filled(poolbuf_allocate(allocator, length, length), (const uint8_t *)parts[i], length);
        assert_int_equal(poolbuf_search_buffer(&search, b, 0, length, &needle), i == 3 ? 3 : POOLBUF_NOT_FOUND);
        assert_true(poolbuf_release(b));
    }
    assert_int_equal(needle, 0);
    assert_int_equal(search.taken, 10);
    poolbuf_searcher_destroy(searcher);
}

static void streams_share_a_searcher_and_nothing_else(void **state) {
    (void)state;
    static const char *const texts[] = {"ab"};
    poolbuf_searcher *searcher = searcher_of(texts, 1);
    poolbuf_search first = poolbuf_search_begin(searcher);
    poolbuf_search second = poolbuf_search_begin(searcher);
    uint32_t needle = POOLBUF_NO_NEEDLE;
    assert_int_equal(poolbuf_search_bytes(&first, "a", 1, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_search_bytes(&second, "b", 1, &needle), POOLBUF_NOT_FOUND);
    poolbuf_search copy = first;
    assert_int_equal(poolbuf_search_bytes(&first, "b", 1, &needle), 1);
    assert_int_equal(poolbuf_search_bytes(&copy, "xb", 2, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_search_bytes(&second, "ab", 2, &needle), 2);
    poolbuf_searcher_destroy(searcher);
}

static void a_range_out_of_bounds_takes_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {"aa"};
    poolbuf_searcher *searcher = searcher_of(texts, 1);
    poolbuf_search search = poolbuf_search_begin(searcher);
    uint32_t needle = POOLBUF_NO_NEEDLE;
    poolbuf *b = any_filled(poolbuf_allocate(allocator, 3, 3), (const uint8_t *)"aaa", 3);
    assert_int_equal(poolbuf_search_buffer(&search, b, 0, 4, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_search_buffer(&search, b, 4, 0, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_search_buffer(&search, b, SIZE_MAX, 2, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(search.taken, 0);
    assert_int_equal(poolbuf_search_buffer(&search, b, 3, 0, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_search_bytes(&search, NULL, 0, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_search_buffer(&search, b, 1, 1, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(needle, POOLBUF_NO_NEEDLE);
    assert_int_equal(poolbuf_search_buffer(&search, b, 0, 3, &needle), 1);
    assert_true(poolbuf_release(b));
    poolbuf_searcher_destroy(searcher);
}

/* ---- Making one --------------------------------------------------------------------------------------------------- */

/* Bytes that make as many states and columns as there can be. */
static uint8_t *most_bytes(void) {
    uint8_t *bytes = malloc(POOLBUF_SEARCHER_BYTES_LIMIT + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i <= POOLBUF_SEARCHER_BYTES_LIMIT; i++) {
        bytes[i] = (uint8_t)(i % 256 ^ i / 256);
    }
    return bytes;
}

static void the_longest_needle_is_taken_and_found(void **state) {
    (void)state;
    uint8_t *bytes = most_bytes();
    poolbuf_needle needle = {bytes, POOLBUF_SEARCHER_BYTES_LIMIT};
    poolbuf_searcher *searcher = NULL;
    UNIT_OK(poolbuf_searcher_create(&needle, 1, &searcher));
    expect(searcher, (const char *)bytes, POOLBUF_SEARCHER_BYTES_LIMIT,
           (const expected[]){{POOLBUF_SEARCHER_BYTES_LIMIT, 0}}, 1);
    poolbuf_searcher_destroy(searcher);
    free(bytes);
}

static void as_many_needles_as_there_can_be_are_all_told(void **state) {
    (void)state;
    static poolbuf_needle needles[POOLBUF_SEARCHER_BYTES_LIMIT];
    for (size_t i = 0; i < POOLBUF_SEARCHER_BYTES_LIMIT; i++) {
        needles[i] = (poolbuf_needle){"x", 1};
    }
    poolbuf_searcher *searcher = NULL;
    UNIT_OK(poolbuf_searcher_create(needles, POOLBUF_SEARCHER_BYTES_LIMIT, &searcher));
    poolbuf_search search = poolbuf_search_begin(searcher);
    uint32_t needle = POOLBUF_NO_NEEDLE;
    assert_int_equal(poolbuf_search_bytes(&search, "yxy", 3, &needle), 2);
    for (uint32_t i = 0; i < POOLBUF_SEARCHER_BYTES_LIMIT; i++) {
        assert_int_equal(needle, i);
        needle = poolbuf_searcher_suffix(searcher, needle);
    }
    assert_int_equal(needle, POOLBUF_NO_NEEDLE);
    poolbuf_searcher_destroy(searcher);
}

static void what_is_too_long_or_of_no_bytes_is_refused(void **state) {
    (void)state;
    uint8_t *bytes = most_bytes();
    poolbuf_needle needles[] = {{bytes, POOLBUF_SEARCHER_BYTES_LIMIT + 1}, {"a", 1}, {"", 0}};
    poolbuf_searcher *searcher = NULL;
    assert_int_equal(poolbuf_searcher_create(needles, 1, &searcher), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_searcher_create(needles + 1, 2, &searcher), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_searcher_create(needles + 2, 1, &searcher), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_searcher_create(needles, 0, &searcher), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_searcher_create(NULL, 0, &searcher), POOLBUF_ERROR_BAD_ARGUMENT);
    needles[0].length = POOLBUF_SEARCHER_BYTES_LIMIT; /* and one byte more, in another needle */
    assert_int_equal(poolbuf_searcher_create(needles, 2, &searcher), POOLBUF_ERROR_BAD_ARGUMENT);
    needles[0].length = SIZE_MAX;
    assert_int_equal(poolbuf_searcher_create(needles, 2, &searcher), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_null(searcher);
    poolbuf_searcher_destroy(NULL);
    free(bytes);
}

/* The needles are copied: the caller's list and bytes may go. */
static void a_searcher_needs_its_needles_no_more(void **state) {
    (void)state;
    char bytes[] = "abc";
    poolbuf_needle needle = {bytes, 3};
    poolbuf_searcher *searcher = NULL;
    UNIT_OK(poolbuf_searcher_create(&needle, 1, &searcher));
    memset(bytes, 'x', 3);
    needle = (poolbuf_needle){NULL, 0};
    expect(searcher, "xxxabc", 6, (const expected[]){{6, 0}}, 1);
    poolbuf_searcher_destroy(searcher);
}

/* Without an allocator: the backend may change only while there is none. */
static void without_memory_there_is_no_searcher_and_nothing_is_lost(void **state) {
    (void)state;
    poolbuf_needle needle = {"abc", 3};
    poolbuf_searcher *searcher = NULL;
    const os_backend *before = os;
    unsigned long failures = 0;
    os = &os_fault;
    unsigned long regions = os_fault_regions();
    for (poolbuf_status status = POOLBUF_ERROR_NO_MEMORY; status != POOLBUF_OK; failures++) {
        os_fault_arm(failures, true);
        status = poolbuf_searcher_create(&needle, 1, &searcher);
        os_fault_disarm();
        if (status != POOLBUF_OK) {
            assert_int_equal(status, POOLBUF_ERROR_NO_MEMORY);
            assert_null(searcher);
            assert_int_equal(os_fault_regions(), regions);
        }
    }
    assert_int_equal(failures, 3); /* two blocks are taken, so the third round passes */
    poolbuf_searcher_destroy(searcher);
    assert_int_equal(os_fault_regions(), regions);
    os = before;
}

static void searching_a_dead_buffer_takes_nothing_and_is_told(void **state) {
    (void)state;
    static const char *const texts[] = {"a"};
    poolbuf_searcher *searcher = searcher_of(texts, 1);
    poolbuf_search search = poolbuf_search_begin(searcher);
    poolbuf *dead = any_filled(poolbuf_allocate(allocator, 3, 3), (const uint8_t *)"aaa", 3);
    assert_true(poolbuf_release(dead));
    uint64_t before = unit_metrics(allocator).misuses;
    uint32_t needle = POOLBUF_NO_NEEDLE;
    assert_int_equal(poolbuf_search_buffer(&search, dead, 0, 3, &needle), POOLBUF_NOT_FOUND);
    assert_int_equal(unit_metrics(allocator).misuses, before + 1);
    assert_int_equal(search.taken, 0);
    poolbuf_searcher_destroy(searcher);
}

#define SEARCHER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_there_is_no_searcher_and_nothing_is_lost),
        SEARCHER_TEST(a_needle_is_found_each_time_it_ends_repeated_and_overlapping),
        SEARCHER_TEST(needles_are_told_apart),
        SEARCHER_TEST(needles_that_overlap_each_other_are_all_found),
        SEARCHER_TEST(the_longest_is_found_first_where_several_end_and_leads_to_the_others),
        SEARCHER_TEST(a_needle_inside_another_is_found_when_it_ends),
        SEARCHER_TEST(zeros_and_high_bytes_are_bytes_like_all_others),
        SEARCHER_TEST(long_streams_are_searched_to_their_ends),
        SEARCHER_TEST(each_substring_of_a_text_without_repetitions_is_found_at_its_place),
        SEARCHER_TEST(needles_are_found_as_a_plain_loop_finds_them_across_buffers_of_every_kind),
        SEARCHER_TEST(a_needle_may_begin_in_one_buffer_and_end_three_later),
        SEARCHER_TEST(streams_share_a_searcher_and_nothing_else),
        SEARCHER_TEST(a_range_out_of_bounds_takes_nothing),
        SEARCHER_TEST(the_longest_needle_is_taken_and_found),
        SEARCHER_TEST(as_many_needles_as_there_can_be_are_all_told),
        SEARCHER_TEST(what_is_too_long_or_of_no_bytes_is_refused),
        SEARCHER_TEST(a_searcher_needs_its_needles_no_more),
    };
    const struct CMUnitTest misuse_tests[] = {
        SEARCHER_TEST(searching_a_dead_buffer_takes_nothing_and_is_told),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* dead handles are closed there, so the others are errors of their own */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
