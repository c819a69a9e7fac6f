/* Unit tests of compare.c: each call against memcmp() on the same bytes, on every two kinds of buffer. */
#include "any_kind.h"

#include <valgrind/valgrind.h>

#include "allocator.h"

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

static poolbuf *filled(const void *bytes, size_t length) {
    return any_filled(poolbuf_allocate(allocator, length, 1000), bytes, length);
}

static poolbuf *crumbs(const void *bytes, size_t length) {
    unit_random random = unit_random_from(length);
    return any_composite(allocator, &random, bytes, length, 1, 1);
}

/* What memcmp() and the lengths say. */
static int plain_order(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length) {
    size_t both = a_length < b_length ? a_length : b_length;
    int order = both != 0 ? memcmp(a, b, both) : 0;
    if (order == 0) {
        return a_length < b_length ? -1 : a_length > b_length ? 1 : 0;
    }
    return order < 0 ? -1 : 1;
}

/* ---- Every two kinds ---------------------------------------------------------------------------------------------- */

/* Two texts: the same, one that differs in a byte, or one that ends earlier. */
static size_t vary(unit_random *random, uint8_t *b, const uint8_t *a, size_t length) {
    memcpy(b, a, length);
    if (length != 0 && unit_random_below(random, 3) == 0) {
        b[unit_random_below(random, (uint32_t)length)] ^= (uint8_t)(1 << unit_random_below(random, 8));
    }
    return unit_random_below(random, 3) == 0 ? unit_random_below(random, (uint32_t)length + 1) : length;
}

static void compare_two(unit_random *random, any_kind a_kind, any_kind b_kind) {
    uint8_t a_bytes[200];
    uint8_t b_bytes[200];
    size_t a_length = unit_random_below(random, sizeof a_bytes + 1);
    for (size_t i = 0; i < sizeof a_bytes; i++) {
        a_bytes[i] = (uint8_t)unit_random_below(random, 256);
    }
    size_t b_length = vary(random, b_bytes, a_bytes, a_length);
    any_buffer a = any_buffer_of(allocator, random, a_kind, a_bytes, a_length, 1 + unit_random_below(random, 70));
    any_buffer b = any_buffer_of(allocator, random, b_kind, b_bytes, b_length, 1 + unit_random_below(random, 70));
    int order = plain_order(a_bytes, a_length, b_bytes, b_length);
    assert_int_equal(poolbuf_compare(a.buffer, b.buffer), order);
    assert_int_equal(poolbuf_compare(b.buffer, a.buffer), -order);
    assert_int_equal(poolbuf_equals(a.buffer, b.buffer), order == 0);
    assert_int_equal(poolbuf_equals(b.buffer, a.buffer), order == 0);
    assert_int_equal(poolbuf_hash(a.buffer, 5) == poolbuf_hash(b.buffer, 5), order == 0);
    assert_true(poolbuf_equals(a.buffer, a.buffer));
    assert_int_equal(poolbuf_compare(b.buffer, b.buffer), 0);
    bool begins = b_length <= a_length && memcmp(a_bytes, b_bytes, b_length) == 0;
    assert_int_equal(poolbuf_starts_with(a.buffer, b_bytes, b_length), begins);
    bool ends = b_length <= a_length && memcmp(a_bytes + a_length - b_length, b_bytes, b_length) == 0;
    assert_int_equal(poolbuf_ends_with(a.buffer, b_bytes, b_length), ends);
    assert_true(poolbuf_ends_with(a.buffer, a_bytes + a_length / 2, a_length - a_length / 2));
    any_buffer_end(&a);
    any_buffer_end(&b);
}

static void every_two_kinds_compare_by_their_bytes_alone(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 21);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned a = 0; a < ANY_KINDS; a++) {
            for (unsigned b = 0; b < ANY_KINDS; b++) {
                compare_two(&random, (any_kind)a, (any_kind)b);
            }
        }
    }
}

static void ranges_compare_as_memcmp_says_in_every_kind(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 22);
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)unit_random_below(&random, 2);
    }
    unsigned equal = 0;
    for (unsigned kind = 0; kind < ANY_KINDS; kind++) {
        any_buffer a = any_buffer_of(allocator, &random, (any_kind)kind, bytes, sizeof bytes, 9);
        any_buffer b = any_buffer_of(allocator, &random, ANY_COMPOSITE, bytes, sizeof bytes, 7);
        for (unsigned i = 0; i < 200; i++) {
            size_t length = unit_random_below(&random, 8);
            size_t a_at = unit_random_below(&random, (uint32_t)(sizeof bytes - length) + 1);
            size_t b_at = unit_random_below(&random, (uint32_t)(sizeof bytes - length) + 1);
            bool expected = memcmp(bytes + a_at, bytes + b_at, length) == 0;
            size_t a_index = poolbuf_reader_index(a.buffer) + a_at;
            size_t b_index = poolbuf_reader_index(b.buffer) + b_at;
            assert_int_equal(poolbuf_equals_range(a.buffer, a_index, b.buffer, b_index, length), expected);
            assert_true(poolbuf_equals_range(a.buffer, a_index, a.buffer, a_index, length));
            equal += expected ? 1 : 0;
        }
        any_buffer_end(&a);
        any_buffer_end(&b);
    }
    assert_in_range(equal, 1, 200 * ANY_KINDS - 1);
}

/* ---- Order -------------------------------------------------------------------------------------------------------- */

typedef struct order_case {
    const char *a;
    size_t a_length;
    const char *b;
    size_t b_length;
    int order;
} order_case;

static const order_case ORDER_CASES[] = {
    {"", 0, "", 0, 0},
    {"", 0, "\0", 1, -1},
    {"\1", 1, "\1\2", 2, -1},
    {"\1\2", 2, "\1\2", 2, 0},
    {"\1\2\3\4\5\6\7\10\11", 9, "\1\2\3\4\5\6\7\10\12", 9, -1},
    {"\2", 1, "\1\2\3\4\5\6\7\10\11", 9, 1},
    {"\177", 1, "\200", 1, -1}, /* bytes have no sign */
    {"\0\0\0\0\0\0\0\0", 8, "\0\0\0\0\360\0\0\0", 8, -1},
    {"\0\0\0\0\0\0\0\1", 8, "\1\0\0\0\0\0\0\0", 8, -1}, /* the first byte counts most */
    {"abc\0def", 7, "abc\0deg", 7, -1},
};

static void bytes_are_ordered_as_in_a_dictionary_and_have_no_sign(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof ORDER_CASES / sizeof *ORDER_CASES; i++) {
        const order_case *c = &ORDER_CASES[i];
        poolbuf *as[] = {filled(c->a, c->a_length), crumbs(c->a, c->a_length)};
        poolbuf *bs[] = {filled(c->b, c->b_length), crumbs(c->b, c->b_length)};
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(poolbuf_compare(as[j / 2], bs[j % 2]), c->order);
            assert_int_equal(poolbuf_compare(bs[j % 2], as[j / 2]), -c->order);
            assert_int_equal(poolbuf_equals(as[j / 2], bs[j % 2]), c->order == 0);
        }
        for (size_t j = 0; j < 2; j++) {
            assert_true(poolbuf_release(as[j]));
            assert_true(poolbuf_release(bs[j]));
        }
    }
}

static void only_readable_bytes_count(void **state) {
    (void)state;
    poolbuf *a = filled("xxabcyy", 7);
    poolbuf *b = filled("abc", 3);
    assert_false(poolbuf_equals(a, b));
    assert_int_not_equal(poolbuf_hash(a, 0), poolbuf_hash(b, 0));
    UNIT_OK(poolbuf_set_indices(a, 2, 5));
    assert_true(poolbuf_equals(a, b));
    assert_int_equal(poolbuf_compare(a, b), 0);
    assert_int_equal(poolbuf_hash(a, 0), poolbuf_hash(b, 0));
    assert_true(poolbuf_starts_with(a, "ab", 2));
    assert_false(poolbuf_starts_with(a, "xx", 2));
    assert_true(poolbuf_ends_with(a, "bc", 2));
    assert_false(poolbuf_ends_with(a, "yy", 2));
    assert_false(poolbuf_ends_with(a, "xabc", 4));
    assert_false(poolbuf_starts_with(a, "abcy", 4));
    assert_true(poolbuf_starts_with(a, NULL, 0));
    assert_true(poolbuf_ends_with(a, NULL, 0));
    assert_int_equal(poolbuf_reader_index(a), 2);
    assert_true(poolbuf_release(a));
    assert_true(poolbuf_release(b));
}

static void what_others_write_through_a_view_is_seen(void **state) {
    (void)state;
    poolbuf *a = filled("abc", 3);
    poolbuf *view = poolbuf_as_read_only(a);
    poolbuf *copy = poolbuf_copy(a, 0, 3);
    assert_true(poolbuf_equals(view, copy));
    UNIT_OK(poolbuf_set_u8(a, 2, 'd'));
    assert_false(poolbuf_equals(view, copy));
    assert_int_equal(poolbuf_compare(view, copy), 1);
    assert_true(poolbuf_release(copy));
    assert_true(poolbuf_release(a));
}

/* Composites that came about by adding buffers, and by writing past their ends, against one in one piece. */
static void composites_hold_the_same_however_they_came_about(void **state) {
    (void)state;
    static const char bytes[] = "several buffers that read as one, and one that is one";
    size_t length = sizeof bytes - 1;
    poolbuf *added = crumbs(bytes, length);
    poolbuf *written = poolbuf_allocate_composite(allocator, 0);
    for (size_t i = 0; i < length; i += 7) {
        UNIT_OK(poolbuf_write_bytes(written, bytes + i, i + 7 < length ? 7 : length - i));
    }
    poolbuf *one = filled(bytes, length);
    poolbuf *all[] = {added, written, one};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            assert_true(poolbuf_equals(all[i], all[j]));
            assert_int_equal(poolbuf_hash(all[i], 0), poolbuf_hash(all[j], 0));
            assert_true(poolbuf_equals_range(all[i], 8, all[j], 8, 20));
            assert_false(poolbuf_equals_range(all[i], 8, all[j], 9, 20));
        }
    }
    UNIT_OK(poolbuf_set_u8(written, length - 1, 'E'));
    assert_int_equal(poolbuf_compare(written, added), -1);
    assert_int_equal(poolbuf_compare(one, written), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_true(poolbuf_release(all[i]));
    }
}

static void subsections_are_equal_where_their_bytes_are(void **state) {
    (void)state;
    poolbuf *a = filled("one abc def", 11);
    poolbuf *b = crumbs("another abc dex", 15);
    assert_true(poolbuf_equals_range(a, 4, b, 8, 6));
    assert_false(poolbuf_equals_range(a, 4, b, 8, 7));
    assert_false(poolbuf_equals_range(a, 4, b, 9, 6));
    assert_true(poolbuf_equals_range(a, 3, b, 3, 0));
    assert_true(poolbuf_equals_range(a, 11, b, 15, 0));
    assert_true(poolbuf_release(a));
    assert_true(poolbuf_release(b));
}

static void ranges_out_of_bounds_are_not_equal(void **state) {
    (void)state;
    static const size_t ranges[][3] = {{0, 0, 5}, {1, 0, 4},        {0, 1, 4},        {5, 0, 0},
                                       {0, 5, 0}, {SIZE_MAX, 0, 2}, {0, SIZE_MAX, 2}, {2, 2, SIZE_MAX}};
    poolbuf *a = filled("xxxx", 4);
    poolbuf *b = crumbs("xxxx", 4);
    poolbuf *longer = filled("xxxxxxxx", 8);
    assert_true(poolbuf_equals_range(a, 0, b, 0, 4));
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        assert_false(poolbuf_equals_range(a, ranges[i][0], b, ranges[i][1], ranges[i][2]));
        assert_false(poolbuf_equals_range(b, ranges[i][0], a, ranges[i][1], ranges[i][2]));
    }
    assert_false(poolbuf_equals_range(a, 0, longer, 0, 8));
    assert_false(poolbuf_equals_range(longer, 0, a, 0, 8));
    assert_true(poolbuf_release(a));
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(longer));
}

static void buffers_without_readable_bytes_are_all_the_same(void **state) {
    (void)state;
    poolbuf *buffers[] = {poolbuf_empty(), poolbuf_allocate(allocator, 0, 0), poolbuf_allocate(allocator, 50, 50),
                          poolbuf_allocate_composite(allocator, 0), filled("abc", 3)};
    UNIT_OK(poolbuf_set_reader_index(buffers[4], 3));
    poolbuf *one = filled("", 1);
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++) {
            assert_true(poolbuf_equals(buffers[i], buffers[j]));
            assert_int_equal(poolbuf_compare(buffers[i], buffers[j]), 0);
            assert_int_equal(poolbuf_hash(buffers[i], 3), poolbuf_hash(buffers[j], 3));
        }
        assert_false(poolbuf_equals(buffers[i], one));
        assert_false(poolbuf_equals(one, buffers[i]));
        assert_int_equal(poolbuf_compare(buffers[i], one), -1);
        assert_int_equal(poolbuf_compare(one, buffers[i]), 1);
        assert_true(poolbuf_starts_with(buffers[i], NULL, 0));
        assert_false(poolbuf_ends_with(buffers[i], "", 1));
    }
    for (size_t i = 1; i < 5; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
    assert_true(poolbuf_release(one));
}

/* ---- Hash --------------------------------------------------------------------------------------------------------- */

/* What libxxhash 0.8.1 gives for the first bytes of 3, 10, 17, ... (each 7 more than the one before), with two seeds.
 * */
#define OTHER_SEED 0x9e3779b97f4a7c15u
static const struct {
    size_t length;
    uint64_t hash;
    uint64_t other_hash;
} HASHES[] = {
    {0, 0xef46db3751d8e999, 0xc4349fc93c010000},   {1, 0x1f25c8d0bc1f4bb6, 0x79826bcd749d267a},
    {3, 0x31d2363f52e564c9, 0x78efd77575e26575},   {4, 0x9bb64b7d66ee9fda, 0x6f0a6c97d68bf353},
    {7, 0x9a7b149959ce60d8, 0xd97ede93c9d66a0d},   {8, 0xdab99d95c6f90092, 0xa2f1e28437a78a1b},
    {12, 0xd52e407833af5133, 0xbcc9f0d616ff9a7b},  {31, 0xa2aa5f33cc4a6119, 0x755437271d1d0a84},
    {32, 0x23c3c17ef790fd97, 0xbf624b932c090428},  {33, 0x50a7cfc7ba588784, 0x7aceaf1e9d34ea35},
    {63, 0x5e3e54b431c7493c, 0x2c8ddce5c85d0d9d},  {64, 0x0eb64b3ef6eeb01f, 0x4af341f14e3a6fc9},
    {100, 0xa61f8d4c170fe531, 0xf6d8f65c625abb4f}, {101, 0xbad4d3bf033bda4c, 0x9a5f95077eaecb78},
};

static void the_hash_is_the_published_one_whatever_the_kind_and_the_cuts(void **state) {
    (void)state;
    unit_random random = unit_random_start(__func__, 23);
    uint8_t bytes[101];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + 3);
    }
    for (size_t i = 0; i < sizeof HASHES / sizeof *HASHES; i++) {
        for (unsigned kind = 0; kind < ANY_KINDS; kind++) {
            for (uint32_t longest = 1; longest < 100; longest += 8) {
                any_buffer any = any_buffer_of(allocator, &random, (any_kind)kind, bytes, HASHES[i].length, longest);
                assert_int_equal(poolbuf_hash(any.buffer, 0), HASHES[i].hash);
                assert_int_equal(poolbuf_hash(any.buffer, OTHER_SEED), HASHES[i].other_hash);
                any_buffer_end(&any);
            }
        }
    }
}

static void the_hash_of_each_other_byte_is_another(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 70, 70);
    UNIT_OK(poolbuf_write_zero(b, 70));
    uint64_t zeros = poolbuf_hash(b, 0);
    for (size_t at = 0; at < 70; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            UNIT_OK(poolbuf_set_u8(b, at, (uint8_t)(1u << bit)));
            assert_int_not_equal(poolbuf_hash(b, 0), zeros);
        }
        UNIT_OK(poolbuf_set_u8(b, at, 0));
    }
    UNIT_OK(poolbuf_set_writer_index(b, 69)); /* one zero less */
    assert_int_not_equal(poolbuf_hash(b, 0), zeros);
    assert_true(poolbuf_release(b));
}

/* ---- What cannot be read ------------------------------------------------------------------------------------------ */

static void a_slice_whose_components_are_gone_equals_nothing(void **state) {
    (void)state;
    poolbuf *composite = crumbs("abcdef", 6);
    poolbuf *slice = poolbuf_slice(composite, 2, 4);
    poolbuf *same = filled("cdef", 4);
    assert_true(poolbuf_equals(slice, same));
    UNIT_OK(poolbuf_set_capacity(composite, 4));
    assert_false(poolbuf_equals(slice, same));
    assert_false(poolbuf_equals(same, slice));
    assert_false(poolbuf_equals(slice, slice));
    assert_true(poolbuf_equals_range(slice, 0, same, 0, 2));
    assert_int_equal(poolbuf_compare(slice, same), -1);
    assert_int_equal(poolbuf_compare(same, slice), 1);
    assert_false(poolbuf_starts_with(slice, "c", 1));
    assert_false(poolbuf_ends_with(slice, "f", 1));
    assert_int_equal(poolbuf_hash(slice, 0), poolbuf_hash(poolbuf_empty(), 0));
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(same));
}

static void comparing_a_dead_buffer_fails_and_is_told(void **state) {
    (void)state;
    poolbuf *dead = filled("abc", 3);
    poolbuf *alive = poolbuf_allocate(allocator, 5000, 5000); /* of no bytes, as the dead one */
    assert_true(poolbuf_release(dead));
    uint64_t before = unit_metrics(allocator).misuses;
    assert_false(poolbuf_equals(dead, alive));
    assert_false(poolbuf_equals(alive, dead));
    assert_false(poolbuf_equals_range(dead, 0, alive, 0, 0));
    assert_int_equal(poolbuf_compare(dead, alive), -1);
    assert_int_equal(poolbuf_compare(alive, dead), 1);
    assert_false(poolbuf_starts_with(dead, NULL, 0));
    assert_false(poolbuf_ends_with(dead, NULL, 0));
    assert_int_equal(poolbuf_hash(dead, 0), poolbuf_hash(alive, 0));
    assert_int_equal(unit_metrics(allocator).misuses, before + 8);
    assert_true(poolbuf_release(alive));
}

#define COMPARE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        COMPARE_TEST(every_two_kinds_compare_by_their_bytes_alone),
        COMPARE_TEST(ranges_compare_as_memcmp_says_in_every_kind),
        COMPARE_TEST(bytes_are_ordered_as_in_a_dictionary_and_have_no_sign),
        COMPARE_TEST(only_readable_bytes_count),
        COMPARE_TEST(what_others_write_through_a_view_is_seen),
        COMPARE_TEST(composites_hold_the_same_however_they_came_about),
        COMPARE_TEST(subsections_are_equal_where_their_bytes_are),
        COMPARE_TEST(ranges_out_of_bounds_are_not_equal),
        COMPARE_TEST(buffers_without_readable_bytes_are_all_the_same),
        COMPARE_TEST(the_hash_is_the_published_one_whatever_the_kind_and_the_cuts),
        COMPARE_TEST(the_hash_of_each_other_byte_is_another),
        COMPARE_TEST(a_slice_whose_components_are_gone_equals_nothing),
    };
    const struct CMUnitTest misuse_tests[] = {
        COMPARE_TEST(comparing_a_dead_buffer_fails_and_is_told),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* dead handles are closed there, so the others are errors of their own */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
