/* Unit tests of pieces.c and overlap.c: pieces that are no longer there, copies between many, and walks that end
 * early. */
#include "unit.h"

#include <valgrind/valgrind.h>

#include <sys/uio.h>

#include <poolbuf/compare.h>
#include <poolbuf/composite.h>
#include <poolbuf/io.h>
#include <poolbuf/search.h>

#include "allocator.h"
#include "cut.h"
#include "pieces.h"

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

/* ---- What is gone ----------------------------------------------------------------------------------------------- */

/* A slice of two components, of which the second has gone since. */
static void a_piece_that_is_gone_is_misuse_and_ends_the_walk(void **state) {
    (void)state;
    poolbuf *composite = poolbuf_allocate_composite(allocator, 2);
    UNIT_OK(poolbuf_composite_add_component(composite, cut_plain(allocator, "here", 4), true));
    UNIT_OK(poolbuf_composite_add_component(composite, cut_plain(allocator, "gone", 4), true));
    poolbuf *view = poolbuf_slice(composite, 0, 8);
    UNIT_OK(poolbuf_composite_remove_components(composite, 1, 1));
    uint64_t before = unit_metrics(allocator).misuses;
    char text[9] = "xxxxxxxx";
    pieces_get(view, 0, text, 8);
    assert_memory_equal(text, "here\0\0\0\0", 8);
    assert_int_equal(unit_metrics(allocator).misuses, before + 1);
    pieces_set(view, 2, "ROES", 4);
    assert_int_equal(unit_metrics(allocator).misuses, before + 2);
    cut_expect(composite, 0, "heRO", 4);
    pieces_set_zero(view, 3, 5);
    assert_int_equal(unit_metrics(allocator).misuses, before + 3);
    cut_expect(composite, 0, "heR", 4);
    assert_true(poolbuf_release(composite));
}

/* ---- What overlaps ---------------------------------------------------------------------------------------------- */

enum {
    ROOT_SIZE = 400,
    PIECES = 60,   /* of each of two composites: more than are compared one by one */
    MANY = 1 << 19 /* so many in each are some 2^38 comparisons of each with each, which takes an hour */
};

static bool malloc_fails;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size) {
    return malloc_fails ? NULL : __real_malloc(size);
}

/* Shows a range of a root as the last component. */
static void show(poolbuf *composite, poolbuf *root, size_t index, size_t length) {
    UNIT_OK(poolbuf_set_indices(root, index, index + length));
    UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_retain(root), true));
}

/* A composite of short ranges of a part of the root's bytes, and which those are. */
static poolbuf *scattered(unit_random *random, poolbuf *root, size_t part, size_t *shown, size_t *length) {
    poolbuf *composite = poolbuf_allocate_composite(allocator, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    *length = 0;
    for (unsigned i = 0; i < PIECES; i++) {
        size_t run = 1 + unit_random_below(random, 3);
        size_t index = part + unit_random_below(random, (uint32_t)(ROOT_SIZE / 2 - run));
        show(composite, root, index, run);
        for (size_t j = 0; j < run; j++) {
            shown[(*length)++] = index + j;
        }
    }
    return composite;
}

/* Between composites of many pieces that do not share bytes, share some, or show them twice. Where `to` shows a byte
 * twice, the later write holds. */
static void many_pieces_are_copied_as_they_were(void **state) {
    (void)state;
    unit_random random = unit_random_start("many pieces", 4);
    for (unsigned round = 0; round < 400; round++) {
        uint8_t model[ROOT_SIZE];
        uint8_t taken[3 * PIECES];
        size_t to_shown[3 * PIECES];
        size_t from_shown[3 * PIECES];
        size_t to_length = 0;
        size_t from_length = 0;
        for (size_t i = 0; i < ROOT_SIZE; i++) {
            model[i] = (uint8_t)unit_random_next(&random);
        }
        poolbuf *root = cut_plain(allocator, model, ROOT_SIZE);
        static const size_t parts[] = {ROOT_SIZE / 2, 0, ROOT_SIZE / 4, ROOT_SIZE / 2 - 2};
        poolbuf *to = scattered(&random, root, 0, to_shown, &to_length);
        poolbuf *from = scattered(&random, root, parts[round % 4], from_shown, &from_length);
        size_t length = to_length < from_length ? to_length : from_length;
        length -= unit_random_below(&random, 20);
        for (size_t i = 0; i < length; i++) {
            taken[i] = model[from_shown[i]];
        }
        for (size_t i = 0; i < length; i++) {
            model[to_shown[i]] = taken[i];
        }
        malloc_fails = round % 8 >= 4;
        poolbuf_status status = poolbuf_set_buffer(to, 0, from, 0, length);
        malloc_fails = false;
        UNIT_OK(status);
        assert_memory_equal(poolbuf_memory(root), model, ROOT_SIZE);
        assert_true(poolbuf_release(to));
        assert_true(poolbuf_release(from));
        assert_true(poolbuf_release(root));
    }
}

/* The bytes of a root in pieces of one byte each, the last first. */
static poolbuf *shredded(poolbuf *root, size_t count) {
    poolbuf *composite = poolbuf_allocate_composite(allocator, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    for (size_t i = count; i-- > 0;) {
        show(composite, root, i, 1);
    }
    return composite;
}

static void a_copy_takes_no_step_for_each_pair_of_pieces(void **state) {
    (void)state;
    size_t count = RUNNING_ON_VALGRIND ? MANY / 16 : MANY;
    poolbuf *a = poolbuf_allocate(allocator, count, count);
    poolbuf *b = poolbuf_allocate(allocator, count, count);
    for (size_t i = 0; i < count; i++) {
        UNIT_OK(poolbuf_write_u8(a, (uint8_t)(i * i >> 3)));
    }
    UNIT_OK(poolbuf_write_zero(b, count));
    poolbuf *from = shredded(a, count);
    poolbuf *to = shredded(b, count);
    UNIT_OK(poolbuf_set_buffer(to, 0, from, 0, count));
    assert_memory_equal(poolbuf_memory(a), poolbuf_memory(b), count);
    assert_true(poolbuf_release(from));
    assert_true(poolbuf_release(to));
    assert_true(poolbuf_release(a));
    assert_true(poolbuf_release(b));
}

/* ---- How far a walk goes ---------------------------------------------------------------------------------------- */

/* "abcde" in components of one letter, of which one has lost it since to a smaller capacity. */
static poolbuf *letters_but(size_t missing) {
    poolbuf *composite = poolbuf_allocate_composite(allocator, 5);
    for (size_t i = 0; i < 5; i++) {
        poolbuf *letter = cut_plain(allocator, &"abcde"[i], 1);
        UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_retain(letter), true));
        if (i == missing) {
            UNIT_OK(poolbuf_set_capacity(letter, 0));
        }
        assert_false(poolbuf_release(letter));
    }
    return composite;
}

static bool is_not_c(uint8_t byte, void *context) {
    (void)context;
    return byte != 'c';
}

static void a_search_looks_at_nothing_behind_what_it_finds(void **state) {
    (void)state;
    poolbuf *last = letters_but(4);
    poolbuf *first = letters_but(0);
    poolbuf *needle = cut_plain(allocator, "cd", 2);
    assert_int_equal(poolbuf_index_of(last, 0, 5, 'd'), 3);
    assert_int_equal(poolbuf_bytes_before(last, 'd'), 3);
    assert_int_equal(poolbuf_index_of_any(last, 0, 5, "xd", 2), 3);
    assert_int_equal(poolbuf_index_of_any(last, 0, 5, "uvwxd", 5), 3);
    assert_int_equal(poolbuf_index_of_none(last, 0, 5, "abc", 3), 3);
    assert_int_equal(poolbuf_for_each_byte(last, 0, 5, is_not_c, NULL), 2);
    assert_int_equal(poolbuf_index_of_bytes(last, 0, 5, "d", 1), 3);
    assert_int_equal(poolbuf_last_index_of(first, 0, 5, 'b'), 1);
    assert_int_equal(poolbuf_last_index_of_any(first, 0, 5, "xb", 2), 1);
    assert_int_equal(poolbuf_last_index_of_none(first, 0, 5, "cde", 3), 1);
    assert_int_equal(poolbuf_for_each_byte_desc(first, 0, 5, is_not_c, NULL), 2);
    assert_true(poolbuf_starts_with(last, "abcd", 4));
    assert_true(poolbuf_ends_with(first, "bcde", 4));
    assert_int_equal(poolbuf_index_of_buffer(last, 0, 4, needle), 2);
    assert_true(poolbuf_release(needle));
    assert_true(poolbuf_release(last));
    assert_true(poolbuf_release(first));
}

static void a_search_ends_at_a_piece_that_is_gone(void **state) {
    (void)state;
    poolbuf *middle = letters_but(2);
    poolbuf *whole = cut_plain(allocator, "abcde", 5);
    assert_int_equal(poolbuf_index_of(middle, 0, 5, 'd'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_any(middle, 0, 5, "de", 2), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_none(middle, 0, 5, "ab", 2), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_for_each_byte(middle, 0, 5, is_not_c, NULL), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_bytes(middle, 0, 5, "d", 1), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_bytes(middle, 0, 5, "de", 2), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_last_index_of(middle, 0, 5, 'b'), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_last_index_of_any(middle, 0, 5, "ab", 2), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_last_index_of_none(middle, 0, 5, "de", 2), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_for_each_byte_desc(middle, 0, 5, is_not_c, NULL), POOLBUF_NOT_FOUND);
    assert_int_equal(poolbuf_index_of_buffer(whole, 0, 5, middle), POOLBUF_NOT_FOUND);
    assert_false(poolbuf_starts_with(middle, "abc", 3));
    assert_false(poolbuf_ends_with(middle, "cde", 3));
    assert_false(poolbuf_equals(middle, whole));
    assert_false(poolbuf_equals(whole, middle));
    assert_false(poolbuf_equals_range(middle, 1, whole, 1, 2));
    assert_int_equal(poolbuf_compare(middle, whole), -1);
    assert_int_equal(poolbuf_hash(middle, 0), poolbuf_hash(poolbuf_empty(), 0));
    assert_true(poolbuf_release(middle));
    assert_true(poolbuf_release(whole));
}

/* Each line of a stream that has come in many components, found in all the ways that there are: some 2^38 looks at
 * components, if each call were to look at all that follow. */
static void finding_each_line_takes_no_walk_over_those_behind_it(void **state) {
    (void)state;
    size_t count = RUNNING_ON_VALGRIND ? MANY / 16 : MANY;
    poolbuf *line = cut_plain(allocator, "x\n", 2);
    poolbuf *stream = poolbuf_allocate_composite(allocator, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    for (size_t i = 0; i < count; i++) {
        show(stream, line, i % 2, 1);
    }
    poolbuf_searcher *searcher = NULL;
    UNIT_OK(poolbuf_searcher_create(&(poolbuf_needle){.bytes = "\n", .length = 1}, 1, &searcher));
    poolbuf_search search = poolbuf_search_begin(searcher);
    UNIT_OK(poolbuf_set_indices(line, 0, 2));
    for (size_t at = 0; at < count; at += 2) {
        uint32_t needle = 0;
        size_t left = count - at;
        assert_int_equal(poolbuf_bytes_before(stream, '\n'), 1);
        assert_int_equal(poolbuf_index_of_any(stream, at, left, POOLBUF_SET_CRLF), at + 1);
        assert_int_equal(poolbuf_index_of_none(stream, at, left, "x", 1), at + 1);
        assert_int_equal(poolbuf_index_of_bytes(stream, at, left, "x\n", 2), at);
        assert_int_equal(poolbuf_search_buffer(&search, stream, at, left, &needle), at + 2);
        assert_int_equal(poolbuf_last_index_of(stream, 0, at + 2, 'x'), at);
        assert_true(poolbuf_starts_with(stream, "x\n", 2));
        assert_true(poolbuf_ends_with(stream, "x\n", 2));
        assert_int_equal(poolbuf_equals(stream, line), left == 2);
        UNIT_OK(poolbuf_skip_bytes(stream, 2));
    }
    poolbuf_searcher_destroy(searcher);
    assert_true(poolbuf_release(stream));
    assert_true(poolbuf_release(line));
}

static void taking_parts_one_after_the_other_takes_no_walk_from_the_first(void **state) {
    (void)state;
    size_t count = RUNNING_ON_VALGRIND ? MANY / 16 : MANY;
    poolbuf *pair = cut_plain(allocator, "ab", 2);
    poolbuf *composite = poolbuf_allocate_composite(allocator, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    for (size_t i = 0; i < count; i++) {
        show(composite, pair, i % 2, i % 4 == 2 ? 0 : 1); /* "ab", one of no bytes, "b", over and over */
    }
    size_t length = count / 4 * 3;
    for (size_t at = 0; at + 2 <= length; at++) {
        poolbuf *parts[2];
        size_t given = 2;
        UNIT_OK(poolbuf_composite_decompose(composite, at, 2, parts, &given));
        assert_int_equal(given, 2);
        cut_expect(parts[0], 0, &"abb"[at % 3], 1);
        cut_expect(parts[1], 0, &"abb"[(at + 1) % 3], 1);
        assert_int_equal(poolbuf_release_many(parts, 2), 2);
    }
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(pair));
}

static void listing_pieces_a_few_at_a_time_takes_no_walk_over_the_rest(void **state) {
    (void)state;
    size_t length = RUNNING_ON_VALGRIND ? MANY / 16 : MANY;
    poolbuf *pair = cut_plain(allocator, "ab", 2);
    poolbuf *composite = poolbuf_allocate_composite(allocator, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    for (size_t i = 0; i < length; i++) {
        show(composite, pair, i % 2, 1);
    }
    for (size_t at = 0, covered = 0; at < length; at += covered) {
        struct iovec pieces[2];
        size_t count = 2;
        UNIT_OK(poolbuf_readable_iovec(composite, at, length - at, pieces, &count, &covered));
        assert_int_equal(count, 2);
        assert_int_equal(covered, 2);
        assert_ptr_equal(pieces[1].iov_base, poolbuf_memory(pair) + 1);
    }
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(pair));
}

static void pieces_are_listed_up_to_one_that_is_gone(void **state) {
    (void)state;
    poolbuf *last = letters_but(4);
    struct iovec pieces[5];
    size_t count = 4;
    size_t covered = 0;
    UNIT_OK(poolbuf_readable_iovec(last, 0, 5, pieces, &count, &covered));
    assert_int_equal(covered, 4);
    count = 5;
    assert_int_equal(poolbuf_readable_iovec(last, 0, 5, pieces, &count, &covered), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(count, 5);
    assert_int_equal(covered, 4);
    assert_true(poolbuf_release(last));
}

#define PIECES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        PIECES_TEST(a_piece_that_is_gone_is_misuse_and_ends_the_walk),
        PIECES_TEST(many_pieces_are_copied_as_they_were),
        PIECES_TEST(a_copy_takes_no_step_for_each_pair_of_pieces),
        PIECES_TEST(a_search_looks_at_nothing_behind_what_it_finds),
        PIECES_TEST(a_search_ends_at_a_piece_that_is_gone),
        PIECES_TEST(finding_each_line_takes_no_walk_over_those_behind_it),
        PIECES_TEST(taking_parts_one_after_the_other_takes_no_walk_from_the_first),
        PIECES_TEST(listing_pieces_a_few_at_a_time_takes_no_walk_over_the_rest),
        PIECES_TEST(pieces_are_listed_up_to_one_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
