/* Unit tests of composite_parts.c, and of views of composites: slices that share the count, retained ones that hold the components,
 * what is taken apart and put together. */
#include "composite_fixture.h"

#include <sys/uio.h>

/* ---- Views that share the count ----------------------------------------------------------------------------------- */

static void a_slice_shows_its_range_across_components(void **state) {
    (void)state;
    poolbuf *c = composed("abc||def|ghi");
    for (size_t index = 0; index <= 9; index++) {
        for (size_t length = 0; length <= 9 - index; length++) {
            char expected[10] = {0};
            memcpy(expected, &"abcdefghi"[index], length);
            poolbuf *s = poolbuf_slice(c, index, length);
            assert_int_equal(poolbuf_capacity(s), length);
            assert_int_equal(poolbuf_max_capacity(s), length);
            expect_text(s, expected);
            if (length > 2) {
                expect_text(poolbuf_slice(s, 1, length - 2), (expected[length - 1] = 0, expected + 1));
            }
        }
    }
    assert_null(poolbuf_slice(c, 5, 5));
    assert_null(poolbuf_slice(c, 10, 0));
    assert_int_equal(poolbuf_ref_count(c), 1);
    assert_true(poolbuf_release(c));
}

static void writes_through_a_slice_reach_the_components(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def|ghi");
    poolbuf *s = poolbuf_slice(c, 2, 5);
    UNIT_OK(poolbuf_set_bytes(s, 0, "12345", 5));
    expect_layout(c, "ab1|234|5hi");
    expect_text(poolbuf_composite_component(c, 1), "234");
    poolbuf_clear(s);
    assert_int_equal(poolbuf_write_bytes(s, "678901", 6), POOLBUF_ERROR_MAX_CAPACITY);
    UNIT_OK(poolbuf_write_bytes(s, "67890", 5));
    assert_int_equal(poolbuf_set_capacity(s, 3), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(poolbuf_set_capacity(s, 9), POOLBUF_ERROR_UNSUPPORTED);
    expect_layout(c, "ab6|789|0hi");
    assert_true(poolbuf_release(s)); /* it has no count of its own */
}

static void a_slice_shows_what_lies_there_after_a_discard(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def|ghi");
    poolbuf *s = poolbuf_slice(c, 1, 7);
    poolbuf *ss = poolbuf_slice(s, 4, 3);
    expect_text(ss, "fgh");
    UNIT_OK(poolbuf_set_reader_index(c, 3));
    UNIT_OK(poolbuf_discard_some_read_bytes(c));
    expect_layout(c, "def|ghi");
    expect_bytes_at(s, 0, "efghi", 5);
    expect_bytes_at(ss, 0, "i", 1);
    uint8_t bytes[7] = {0};
    assert_int_equal(poolbuf_get_bytes(s, 0, bytes, 7), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_read_bytes(ss, bytes, 3), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_u8(s, 5, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_null(poolbuf_bytes_at(s, 5, 1));
    assert_null(poolbuf_retained_slice(s, 0, 7));
    assert_null(poolbuf_copy(s, 4, 2));
    UNIT_OK(poolbuf_composite_remove_components(c, 0, 2));
    assert_int_equal(poolbuf_get_bytes(ss, 0, bytes, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_non_null(poolbuf_slice(s, 0, 7)); /* a view of nothing */
    add_text(c, "0123456789");
    expect_text(s, "1234567");
    expect_text(ss, "567");
    assert_true(poolbuf_release(c));
}

static void a_duplicate_follows_the_capacity_and_grows_the_composite(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    UNIT_OK(poolbuf_set_reader_index(c, 2));
    poolbuf *d = poolbuf_duplicate(c);
    poolbuf *dd = poolbuf_duplicate(d);
    poolbuf *r = poolbuf_as_read_only(d);
    expect_text(d, "cdef");
    add_text(c, "ghi");
    assert_int_equal(poolbuf_capacity(d), 9);
    expect_indices(d, 2, 6); /* its indices are its own */
    expect_bytes_at(dd, 0, "abcdefghi", 9);
    UNIT_OK(poolbuf_write_bytes(d, "GHIJ", 4));
    expect_bytes_at(c, 0, "abcdefGHIJ", 10);
    expect_indices(c, 2, 9);
    assert_int_equal(poolbuf_capacity(r), poolbuf_capacity(c));
    assert_true(composite_audit(c));
    UNIT_OK(poolbuf_set_capacity(dd, 4));
    expect_layout(c, "abc|d");
    expect_indices(d, 2, 4);
    expect_indices(r, 2, 4);
    UNIT_OK(poolbuf_composite_remove_components(c, 0, 2));
    expect_indices(d, 0, 0);
    assert_int_equal(poolbuf_capacity(r), 0);
    assert_int_equal(poolbuf_max_capacity(d), POOLBUF_CAPACITY_LIMIT);
    assert_true(poolbuf_release(d));
}

/* Every call that sets a number, at an index and at the writer index. */
#define EXPECT_READ_ONLY(name)                                                                                         \
    assert_int_equal(poolbuf_set_##name(r, 2, 0), POOLBUF_ERROR_READ_ONLY);                                            \
    assert_int_equal(poolbuf_write_##name(r, 0), POOLBUF_ERROR_READ_ONLY)

static void a_read_only_view_refuses_every_number(void **state) {
    (void)state;
    poolbuf *c = composed("abcde|fghij|klm");
    poolbuf *r = poolbuf_as_read_only(c);
    UNIT_OK(poolbuf_set_writer_index(r, 4));
    EXPECT_READ_ONLY(bool);
    EXPECT_READ_ONLY(u8);
    EXPECT_READ_ONLY(i8);
    EXPECT_READ_ONLY(u16_be);
    EXPECT_READ_ONLY(u16_le);
    EXPECT_READ_ONLY(i16_be);
    EXPECT_READ_ONLY(i16_le);
    EXPECT_READ_ONLY(u24_be);
    EXPECT_READ_ONLY(u24_le);
    EXPECT_READ_ONLY(i24_be);
    EXPECT_READ_ONLY(i24_le);
    EXPECT_READ_ONLY(u32_be);
    EXPECT_READ_ONLY(u32_le);
    EXPECT_READ_ONLY(i32_be);
    EXPECT_READ_ONLY(i32_le);
    EXPECT_READ_ONLY(u64_be);
    EXPECT_READ_ONLY(u64_le);
    EXPECT_READ_ONLY(i64_be);
    EXPECT_READ_ONLY(i64_le);
    EXPECT_READ_ONLY(float_be);
    EXPECT_READ_ONLY(float_le);
    EXPECT_READ_ONLY(double_be);
    EXPECT_READ_ONLY(double_le);
    expect_layout(c, "abcde|fghij|klm");
    expect_indices(r, 0, 4);
    assert_true(poolbuf_release(c));
}

static void a_read_only_view_refuses_every_change(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    poolbuf *r = poolbuf_as_read_only(c);
    poolbuf *source = text("xyz");
    char bytes[] = "xyz";
    const struct iovec pieces[] = {{bytes, 1}, {bytes, 2}};
    assert_int_equal(poolbuf_set_bytes(r, 2, "xyz", 3), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_set_buffer(r, 2, source, 0, 3), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_set_iovec(r, 2, pieces, 2), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_set_zero(r, 2, 3), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_bytes(r, "xyz", 3), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_buffer(r, source, 3), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_iovec(r, pieces, 2), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_zero(r, 3), POOLBUF_ERROR_READ_ONLY);
    expect_text(source, "xyz");
    assert_true(poolbuf_release(source));
    assert_int_equal(poolbuf_set_capacity(r, 3), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_ensure_writable(r, 1), POOLBUF_ERROR_READ_ONLY);
    UNIT_OK(poolbuf_set_reader_index(r, 4));
    assert_int_equal(poolbuf_discard_read_bytes(r), POOLBUF_ERROR_READ_ONLY);
    poolbuf *s = poolbuf_slice(r, 2, 2);
    poolbuf *retained[] = {poolbuf_retained_slice(r, 2, 2), poolbuf_retained_slice(r, 0, 2),
                           poolbuf_retained_duplicate(r)};
    assert_int_equal(poolbuf_set_u8(s, 0, 0), POOLBUF_ERROR_READ_ONLY);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(poolbuf_is_read_only(retained[i]));
        assert_int_equal(poolbuf_set_u8(retained[i], 0, 0), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_writable_bytes(retained[i]), 0);
    }
    expect_text(retained[0], "cd");
    expect_indices(retained[2], 4, 6);
    expect_layout(c, "abc|def");
    (void)poolbuf_release_many(retained, 3);
    assert_true(poolbuf_release(c));
}

static void a_read_only_component_refuses_writes_and_nothing_has_changed(void **state) {
    (void)state;
    poolbuf *c = composed("abc");
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap_read_only(allocator, "def", 3, NULL, NULL), true));
    poolbuf *frozen = text("ghi");
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_as_read_only(frozen), true));
    add_text(c, "jkl");
    assert_false(poolbuf_is_read_only(c));
    assert_int_equal(poolbuf_set_bytes(c, 0, "xxxx", 4), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_set_zero(c, 8, 4), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_set_u64_be(c, 1, 0), POOLBUF_ERROR_READ_ONLY);
    poolbuf *source = text("0123456789");
    assert_int_equal(poolbuf_set_buffer(c, 0, source, 0, 10), POOLBUF_ERROR_READ_ONLY);
    UNIT_OK(poolbuf_set_writer_index(c, 2));
    assert_int_equal(poolbuf_write_bytes(c, "xx", 2), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_buffer(c, source, 10), POOLBUF_ERROR_READ_ONLY);
    expect_indices(c, 0, 2);
    expect_indices(source, 0, 10);
    expect_layout(c, "abc|def|ghi|jkl");
    UNIT_OK(poolbuf_write_bytes(c, "C", 1));
    UNIT_OK(poolbuf_set_bytes(c, 9, "JKL", 3));
    expect_layout(c, "abC|def|ghi|JKL");
    poolbuf *part = poolbuf_retained_slice(c, 2, 2); /* the half of it that is read-only stays so */
    assert_int_equal(poolbuf_set_u8(part, 1, 0), POOLBUF_ERROR_READ_ONLY);
    UNIT_OK(poolbuf_set_u8(part, 0, 'c'));
    poolbuf *whole = poolbuf_retained_slice(c, 3, 3);
    assert_true(poolbuf_is_read_only(whole));
    expect_layout(c, "abc|def|ghi|JKL");
    UNIT_OK(poolbuf_composite_consolidate(c, 0, UINT32_MAX)); /* the copy is nobody else's */
    UNIT_OK(poolbuf_set_u64_be(c, 1, 0x7878787878787878));
    expect_layout(c, "axxxxxxxxJKL");
    expect_text(part, "cd");
    poolbuf *gone[] = {part, whole, source, c};
    assert_int_equal(poolbuf_release_many(gone, 4), 4);
}

/* ---- Retained slices ---------------------------------------------------------------------------------------------- */

static void a_retained_slice_within_a_component_is_in_one_piece(void **state) {
    (void)state;
    poolbuf *inner = composed("xab|cdefx");
    UNIT_OK(poolbuf_set_indices(inner, 1, 7));
    poolbuf *c = composed("12");
    UNIT_OK(poolbuf_composite_add_component(c, inner, true));
    expect_layout(c, "12|abcdef");
    for (size_t index = 4; index < 8; index++) {
        poolbuf *r = poolbuf_retained_slice(c, index, 8 - index);
        assert_true(poolbuf_is_contiguous(r));
        assert_memory_equal(poolbuf_memory(r), &"12abcdef"[index], 8 - index);
        expect_text(r, &"12abcdef"[index]);
        assert_int_equal(poolbuf_ref_count(r), 1);
        assert_int_equal(poolbuf_ref_count(c), 1); /* it holds the component, and not the composite */
        assert_int_equal(poolbuf_ref_count(poolbuf_composite_component(inner, 1)), 2);
        assert_true(poolbuf_release(r));
    }
    poolbuf *across = poolbuf_retained_slice(c, 3, 2);
    assert_false(poolbuf_is_contiguous(across));
    expect_text(across, "bc");
    assert_true(poolbuf_release(across));
    assert_int_equal(poolbuf_ref_count(poolbuf_composite_component(inner, 1)), 1);
    assert_true(poolbuf_release(c));
}

static void a_retained_slice_outlives_the_composite(void **state) {
    (void)state;
    for (size_t index = 0; index <= 9; index++) {
        for (size_t length = 0; length <= 9 - index; length++) {
            char expected[10] = {0};
            memcpy(expected, &"abcdefghi"[index], length);
            poolbuf *c = composed("abc||def|ghi");
            poolbuf *r = index % 2 == 0 ? poolbuf_retained_slice(c, index, length)
                                        : poolbuf_retained_slice(poolbuf_slice(c, 1, 8), index - 1, length);
            assert_non_null(r);
            assert_true(poolbuf_release(c));
            expect_text(r, expected);
            assert_int_equal(poolbuf_max_capacity(r), length);
            assert_int_equal(poolbuf_ref_count(r), 1);
            poolbuf *rr = poolbuf_retained_slice(r, length / 2, length - length / 2);
            (void)poolbuf_release(r); /* within one component the second holds the first */
            expect_text(rr, expected + length / 2);
            assert_true(poolbuf_release(rr));
            assert_int_equal(live(), 0);
        }
    }
}

static void a_retained_slice_stays_as_it_is_whatever_the_composite_does(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def|ghi");
    poolbuf *r = poolbuf_retained_slice(c, 1, 7);
    poolbuf *d = poolbuf_retained_duplicate(c);
    poolbuf *one = poolbuf_retained_slice(c, 4, 2);
    UNIT_OK(poolbuf_composite_insert_component(c, 1, text("xyz"), true));
    UNIT_OK(poolbuf_set_reader_index(c, 4));
    UNIT_OK(poolbuf_discard_read_bytes(c));
    expect_layout(c, "yz|def|ghi");
    expect_text(r, "bcdefgh");
    UNIT_OK(poolbuf_composite_consolidate(c, 0, UINT32_MAX));
    UNIT_OK(poolbuf_set_zero(c, 0, 8)); /* in the copy */
    expect_text(r, "bcdefgh");
    UNIT_OK(poolbuf_set_capacity(c, 1));
    UNIT_OK(poolbuf_write_zero(c, 200));
    UNIT_OK(poolbuf_composite_remove_components(c, 0, poolbuf_composite_component_count(c)));
    expect_text(r, "bcdefgh");
    expect_text(d, "abcdefghi");
    expect_text(one, "ef");
    assert_true(poolbuf_release(c));
    expect_text(r, "bcdefgh");
    expect_text(d, "abcdefghi");
    expect_text(one, "ef");
    poolbuf *all[] = {r, d, one};
    assert_int_equal(poolbuf_release_many(all, 3), 3);
}

static void a_retained_slice_is_of_fixed_capacity(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def|ghi");
    poolbuf *fixed[] = {poolbuf_retained_slice(c, 1, 7), poolbuf_retained_duplicate(c),
                        poolbuf_retained_slice(c, 3, 3)};
    for (unsigned i = 0; i < 3; i++) {
        poolbuf *r = fixed[i];
        size_t capacity = poolbuf_capacity(r);
        poolbuf *views[] = {r, poolbuf_duplicate(r)};
        for (unsigned j = 0; j < 2; j++) {
            assert_int_equal(poolbuf_set_capacity(views[j], 2), POOLBUF_ERROR_UNSUPPORTED);
            assert_int_not_equal(poolbuf_set_capacity(views[j], capacity + 1), POOLBUF_OK);
            assert_int_not_equal(poolbuf_write_u8(views[j], 1), POOLBUF_OK);
            UNIT_OK(poolbuf_set_reader_index(views[j], capacity - 1));
            assert_int_equal(poolbuf_discard_read_bytes(views[j]), POOLBUF_ERROR_UNSUPPORTED);
            assert_int_equal(poolbuf_discard_some_read_bytes(views[j]), POOLBUF_ERROR_UNSUPPORTED);
        }
        assert_int_equal(poolbuf_composite_component_count(r), 0); /* it is a view, and no composite to be changed */
        assert_int_equal(poolbuf_composite_remove_components(r, 0, 1), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_consolidate(r, 0, UINT32_MAX), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_discard_read_components(r), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_add_component(r, text(""), true), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_capacity(r), capacity);
    }
    expect_bytes_at(fixed[0], 0, "bcdefgh", 7);
    assert_int_equal(poolbuf_release_many(fixed, 3), 3);
    assert_true(poolbuf_release(c));
}

static void a_retained_duplicate_has_the_indices_of_the_composite(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    UNIT_OK(poolbuf_set_indices(c, 2, 5));
    poolbuf *d = poolbuf_retained_duplicate(c);
    assert_int_equal(poolbuf_capacity(d), 6);
    expect_text(d, "cde");
    UNIT_OK(poolbuf_set_u8(d, 3, 'D')); /* the bytes are shared */
    expect_layout(c, "abc|Def");
    poolbuf *r = poolbuf_read_retained_slice(c, 2);
    expect_text(r, "cD");
    expect_text(c, "e");
    assert_null(poolbuf_read_retained_slice(c, 2));
    expect_text(c, "e");
    expect_text(poolbuf_read_slice(c, 1), "e");
    poolbuf *all[] = {c, d, r};
    assert_int_equal(poolbuf_release_many(all, 3), 3);
}

static void views_of_unreleasable_composites_take_no_reference(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    poolbuf *u = poolbuf_unreleasable(c);
    poolbuf *r = poolbuf_retained_slice(u, 1, 4);
    expect_text(r, "bcde");
    assert_false(poolbuf_release(r));
    assert_false(poolbuf_release(u));
    assert_int_equal(poolbuf_ref_count(c), 1);
    poolbuf *outer = composed("12");
    UNIT_OK(poolbuf_composite_add_component(outer, u, true));
    poolbuf *across = poolbuf_retained_slice(outer, 1, 3);
    expect_text(across, "2ab");
    assert_true(poolbuf_release(outer));
    expect_layout(c, "abc|def");
    assert_true(poolbuf_release(c));
    expect_text(across, "2ab"); /* what is held are the buffers themselves */
    assert_true(poolbuf_release(across));
}

static void a_composite_tells_what_it_keeps_alive(void **state) {
    (void)state;
    static uint8_t foreign[300];
    poolbuf *large = poolbuf_allocate(allocator, 5000, 5000);
    UNIT_OK(poolbuf_write_zero(large, 10));
    poolbuf *c = composed("abc");
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_slice(large, 2, 3), true));
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap(allocator, foreign, 300, NULL, NULL), true));
    assert_int_equal(poolbuf_pinned_bytes(c), 16 + 5120 + 300);
    poolbuf *r = poolbuf_retained_slice(c, 1, 4);
    assert_int_equal(poolbuf_pinned_bytes(r), 16 + 5120);
    assert_int_equal(poolbuf_pinned_bytes(poolbuf_slice(c, 0, 1)), 16 + 5120 + 300);
    assert_true(poolbuf_release(r));
    poolbuf *outer = composed("0123456789abcdef0");
    UNIT_OK(poolbuf_composite_add_component(outer, c, true));
    assert_int_equal(poolbuf_pinned_bytes(outer), 32 + 16 + 5120 + 300);
    assert_true(poolbuf_release(outer));
}

/* ---- Taking apart ------------------------------------------------------------------------------------------------- */

/* The parts are written as a layout is; an empty one: there are none. */
static void expect_parts(poolbuf *c, size_t offset, size_t length, const char *parts) {
    poolbuf *slices[8];
    size_t count = 8;
    UNIT_OK(poolbuf_composite_decompose(c, offset, length, slices, &count));
    for (size_t i = 0; i < count; i++) {
        size_t part = strcspn(parts, "|");
        assert_int_equal(poolbuf_readable_bytes(slices[i]), part);
        expect_bytes_at(slices[i], 0, parts, part);
        assert_int_equal(poolbuf_ref_count(slices[i]), 1);
        parts += part + (parts[part] == '|');
    }
    assert_int_equal(*parts, '\0');
    assert_int_equal(poolbuf_release_many(slices, count), count);
}

static void decomposing_gives_a_slice_for_each_component_of_a_range(void **state) {
    (void)state;
    poolbuf *c = composed("abc||def|ghi");
    expect_parts(c, 0, 9, "abc|def|ghi");
    expect_parts(c, 2, 5, "c|def|g");
    expect_parts(c, 3, 3, "def");
    expect_parts(c, 4, 1, "e");
    expect_parts(c, 5, 2, "f|g");
    expect_parts(c, 4, 0, "");
    expect_parts(c, 9, 0, "");
    poolbuf *outer = composed("12");
    UNIT_OK(poolbuf_composite_add_component(outer, c, true)); /* one of the outer's, though several inside */
    expect_parts(outer, 1, 9, "2|abcdefgh");
    assert_true(poolbuf_release(outer));
    outer = poolbuf_allocate_composite(allocator, 0);
    expect_parts(outer, 0, 0, "");
    assert_true(poolbuf_release(outer));
}

static void slices_that_were_decomposed_outlive_the_composite(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    poolbuf *slices[2];
    size_t count = 2;
    UNIT_OK(poolbuf_composite_decompose(c, 1, 4, slices, &count));
    assert_true(poolbuf_release(c));
    expect_text(slices[0], "bc");
    expect_text(slices[1], "de");
    assert_int_equal(poolbuf_release_many(slices, 2), 2);
}

static void decomposing_gives_all_or_none(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def|ghi");
    poolbuf *slices[3];
    for (size_t room = 0; room < 3; room++) {
        size_t count = room;
        assert_int_equal(poolbuf_composite_decompose(c, 0, 9, slices, &count), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(count, room);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(poolbuf_ref_count(poolbuf_composite_component(c, i)), 1);
        }
    }
    size_t count = 3;
    assert_int_equal(poolbuf_composite_decompose(c, 1, 9, slices, &count), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_decompose(c, 10, 0, slices, &count), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_decompose(c, 1, SIZE_MAX, slices, &count), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(count, 3);
    assert_true(poolbuf_release(c));
}

static void a_component_is_sliced_to_what_is_shown_of_it(void **state) {
    (void)state;
    poolbuf *b = text("xabcdefx");
    UNIT_OK(poolbuf_set_indices(b, 1, 7));
    poolbuf *c = composed("12||");
    UNIT_OK(poolbuf_composite_add_component(c, b, true));
    expect_text(poolbuf_composite_component_slice(c, 3), "abcdef");
    expect_text(poolbuf_composite_component_slice(c, 1), "");
    UNIT_OK(poolbuf_set_reader_index(c, 4));
    UNIT_OK(poolbuf_discard_read_bytes(c));
    UNIT_OK(poolbuf_set_capacity(c, 3));
    expect_layout(c, "cde");
    poolbuf *s = poolbuf_composite_component_slice(c, 0);
    expect_text(s, "cde");
    UNIT_OK(poolbuf_set_u8(s, 0, 'C'));
    expect_layout(c, "Cde");
    assert_int_equal(poolbuf_ref_count(s), 1);
    assert_null(poolbuf_composite_component_slice(c, 1));
    assert_ptr_equal(poolbuf_composite_component(c, 0), b);
    assert_true(poolbuf_release(c));
}

/* ---- Flattening --------------------------------------------------------------------------------------------------- */

static void flattening_adds_the_leaves_and_leaves_out_empty_ones(void **state) {
    (void)state;
    poolbuf *inner = composed("de||f");
    poolbuf *middle = composed("|xabc");
    UNIT_OK(poolbuf_composite_add_component(middle, inner, true));
    UNIT_OK(poolbuf_composite_add_component(middle, composed("|"), true));
    add_text(middle, "ghx");
    UNIT_OK(poolbuf_set_indices(middle, 1, 9)); /* abcdefgh */
    poolbuf *c = composed("12");
    UNIT_OK(poolbuf_composite_add_flattened(c, middle, true));
    expect_layout(c, "12|abc|de|f|gh");
    expect_text(c, "12abcdefgh");
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(poolbuf_is_contiguous(poolbuf_composite_component(c, i)));
        expect_text(poolbuf_composite_component_slice(c, i), i == 0   ? "12"
                                                             : i == 1 ? "abc"
                                                             : i == 2 ? "de"
                                                             : i == 3 ? "f"
                                                                      : "gh");
    }
    assert_true(poolbuf_release(c));
}

static void views_of_composites_are_flattened_too(void **state) {
    (void)state;
    for (unsigned view = 0; view < 6; view++) {
        poolbuf *inner = composed("xab|cd|efx");
        UNIT_OK(poolbuf_set_indices(inner, 1, 7));
        poolbuf *added = view == 0   ? poolbuf_slice(inner, 1, 6)
                         : view == 1 ? poolbuf_duplicate(inner)
                         : view == 2 ? poolbuf_as_read_only(inner)
                         : view == 3 ? poolbuf_unreleasable(inner)
                         : view == 4 ? poolbuf_retained_slice(inner, 1, 6)
                                     : poolbuf_retained_duplicate(inner);
        poolbuf *c = poolbuf_allocate_composite(allocator, 0);
        UNIT_OK(poolbuf_composite_add_flattened(c, added, true));
        expect_layout(c, "ab|cd|ef");
        assert_int_equal(poolbuf_set_u16_be(c, 1, 0x3132), view == 2 ? POOLBUF_ERROR_READ_ONLY : POOLBUF_OK);
        expect_text(c, view == 2 ? "abcdef" : "a12def");
        if (view >= 3) {
            assert_true(poolbuf_release(inner)); /* the others have taken that reference */
        }
        expect_text(c, view == 2 ? "abcdef" : "a12def");
        assert_true(poolbuf_release(c));
        assert_int_equal(live(), 0);
    }
}

static void what_is_no_composite_is_added_as_it_is(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    poolbuf *b = text("abc");
    UNIT_OK(poolbuf_composite_add_flattened(c, b, false));
    assert_ptr_equal(poolbuf_composite_component(c, 0), b);
    expect_indices(c, 0, 0);
    UNIT_OK(poolbuf_composite_add_flattened(c, text(""), true));
    expect_layout(c, "abc|");
    UNIT_OK(poolbuf_composite_add_flattened(c, composed("|"), true)); /* of this there is nothing to add */
    expect_layout(c, "abc|");
    assert_int_equal(poolbuf_composite_component_count(c), 2);
    assert_true(poolbuf_release(c));
}

static void flattening_keeps_the_limit_of_components(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 4);
    add_text(c, "ab");
    UNIT_OK(poolbuf_composite_add_flattened(c, composed("c|d|e"), true));
    expect_layout(c, "ab|c|d|e");
    UNIT_OK(poolbuf_composite_add_flattened(c, composed("f|g"), true));
    expect_layout(c, "abcdefg");
    assert_int_equal(live(), 2);
    assert_true(poolbuf_release(c));
}

static void any_depth_can_be_flattened(void **state) {
    (void)state;
    poolbuf *c = composed("a|b");
    for (uint32_t depth = 1; depth < POOLBUF_COMPOSITE_DEPTH_LIMIT; depth++) {
        poolbuf *outer = poolbuf_allocate_composite(allocator, 0);
        UNIT_OK(poolbuf_composite_add_component(outer, c, true));
        c = outer;
    }
    poolbuf *flat = composed("x");
    UNIT_OK(poolbuf_composite_add_flattened(flat, c, true));
    expect_layout(flat, "x|a|b");
    assert_true(poolbuf_release(flat));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COMPOSITE_TEST(a_slice_shows_its_range_across_components),
        COMPOSITE_TEST(writes_through_a_slice_reach_the_components),
        COMPOSITE_TEST(a_slice_shows_what_lies_there_after_a_discard),
        COMPOSITE_TEST(a_duplicate_follows_the_capacity_and_grows_the_composite),
        COMPOSITE_TEST(a_read_only_view_refuses_every_number),
        COMPOSITE_TEST(a_read_only_view_refuses_every_change),
        COMPOSITE_TEST(a_read_only_component_refuses_writes_and_nothing_has_changed),
        COMPOSITE_TEST(a_retained_slice_within_a_component_is_in_one_piece),
        COMPOSITE_TEST(a_retained_slice_outlives_the_composite),
        COMPOSITE_TEST(a_retained_slice_stays_as_it_is_whatever_the_composite_does),
        COMPOSITE_TEST(a_retained_slice_is_of_fixed_capacity),
        COMPOSITE_TEST(a_retained_duplicate_has_the_indices_of_the_composite),
        COMPOSITE_TEST(views_of_unreleasable_composites_take_no_reference),
        COMPOSITE_TEST(a_composite_tells_what_it_keeps_alive),
        COMPOSITE_TEST(decomposing_gives_a_slice_for_each_component_of_a_range),
        COMPOSITE_TEST(slices_that_were_decomposed_outlive_the_composite),
        COMPOSITE_TEST(decomposing_gives_all_or_none),
        COMPOSITE_TEST(a_component_is_sliced_to_what_is_shown_of_it),
        COMPOSITE_TEST(flattening_adds_the_leaves_and_leaves_out_empty_ones),
        COMPOSITE_TEST(views_of_composites_are_flattened_too),
        COMPOSITE_TEST(what_is_no_composite_is_added_as_it_is),
        COMPOSITE_TEST(flattening_keeps_the_limit_of_components),
        COMPOSITE_TEST(any_depth_can_be_flattened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
