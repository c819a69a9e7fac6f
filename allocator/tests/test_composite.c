/* Unit tests of composite.c: how components come, are found and go, and what becomes of the indices. */
#include "composite_fixture.h"

/* ---- What it is --------------------------------------------------------------------------------------------------- */

static void a_new_composite_has_no_bytes_and_may_grow_to_the_limit(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    uint8_t byte = 0;
    assert_true(composite_audit(c));
    assert_int_equal(poolbuf_ref_count(c), 1);
    assert_int_equal(poolbuf_capacity(c), 0);
    assert_int_equal(poolbuf_max_capacity(c), POOLBUF_CAPACITY_LIMIT);
    assert_int_equal(poolbuf_composite_component_count(c), 0);
    assert_int_equal(poolbuf_composite_max_components(c), POOLBUF_COMPOSITE_DEFAULT_COMPONENTS);
    assert_null(poolbuf_memory(c));
    assert_false(poolbuf_is_contiguous(c));
    assert_ptr_equal(poolbuf_owner(c), allocator);
    assert_int_equal(poolbuf_get_u8(c, 0, &byte), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_read_u8(c, &byte), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(live(), 1);
    assert_true(poolbuf_release(c));
}

static void the_number_of_components_is_limited_as_asked(void **state) {
    (void)state;
    static const uint32_t numbers[][2] = {{1, 1},
                                          {16, 16},
                                          {1u << 24, POOLBUF_COMPOSITE_COMPONENTS_LIMIT},
                                          {UINT32_MAX, POOLBUF_COMPOSITE_COMPONENTS_LIMIT}};
    for (unsigned i = 0; i < 4; i++) {
        poolbuf *c = poolbuf_allocate_composite(allocator, numbers[i][0]);
        assert_int_equal(poolbuf_composite_max_components(c), numbers[i][1]);
        assert_true(poolbuf_release(c));
    }
}

static void a_composite_is_of_the_kind_that_its_allocator_prefers(void **state) {
    (void)state;
    for (int direct = 0; direct < 2; direct++) {
        poolbuf_allocator_options options;
        poolbuf_allocator_options_init(&options);
        options.prefer_direct = direct != 0;
        poolbuf_allocator *other = NULL;
        UNIT_OK(poolbuf_allocator_create(&options, &other));
        poolbuf *c = poolbuf_allocate_composite(other, 0);
        assert_int_equal(poolbuf_is_direct(c), direct);
        UNIT_OK(poolbuf_write_u8(c, 1)); /* it grows by that kind */
        assert_int_equal(poolbuf_is_direct(poolbuf_composite_component(c, 0)), direct);
        poolbuf *copy = poolbuf_copy(c, 0, 1);
        assert_int_equal(poolbuf_is_direct(copy), direct);
        assert_ptr_equal(poolbuf_owner(copy), other);
        assert_true(poolbuf_release(copy));
        assert_true(poolbuf_release(c));
        UNIT_OK(poolbuf_allocator_destroy(other));
    }
}

static void a_composite_grows_by_the_kind_that_was_asked_for(void **state) {
    (void)state;
    poolbuf *made[] = {poolbuf_allocate_composite_heap(allocator, 0), poolbuf_allocate_composite_direct(allocator, 3)};
    for (int direct = 0; direct < 2; direct++) {
        assert_int_equal(poolbuf_is_direct(made[direct]), direct);
        UNIT_OK(poolbuf_write_u8(made[direct], 1));
        assert_int_equal(poolbuf_is_direct(poolbuf_composite_component(made[direct], 0)), direct);
        assert_int_equal(poolbuf_composite_max_components(made[direct]),
                         direct == 1 ? 3 : POOLBUF_COMPOSITE_DEFAULT_COMPONENTS);
        assert_true(poolbuf_release(made[direct]));
    }
}

static void an_empty_composite_can_be_copied_and_duplicated(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    poolbuf *copy = poolbuf_copy(c, 0, 0);
    assert_non_null(copy);
    assert_int_equal(poolbuf_readable_bytes(copy), 0);
    poolbuf *duplicate = poolbuf_duplicate(c);
    assert_non_null(duplicate);
    assert_int_equal(poolbuf_capacity(duplicate), 0);
    assert_non_null(poolbuf_slice(c, 0, 0));
    assert_null(poolbuf_slice(c, 0, 1));
    assert_true(poolbuf_release(copy));
    assert_true(poolbuf_release(c));
}

static void calls_for_composites_refuse_other_buffers(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    poolbuf *others[] = {text("abc"), poolbuf_slice(c, 0, 4), poolbuf_duplicate(c), poolbuf_unreleasable(c),
                         poolbuf_empty()};
    for (unsigned i = 0; i < 5; i++) {
        poolbuf *other = others[i];
        uint32_t index = 0;
        size_t offset = 0;
        poolbuf *slices[4];
        size_t count = 4;
        poolbuf *lent = c;
        poolbuf_composite_iterator walk = poolbuf_composite_iterate(other);
        assert_int_equal(poolbuf_composite_component_count(other), 0);
        assert_int_equal(poolbuf_composite_max_components(other), 0);
        assert_null(poolbuf_composite_component(other, 0));
        assert_null(poolbuf_composite_component_at_offset(other, 0));
        assert_null(poolbuf_composite_component_slice(other, 0));
        assert_int_equal(poolbuf_composite_next(&walk, &lent), POOLBUF_ERROR_UNSUPPORTED);
        assert_ptr_equal(lent, c);
        assert_int_equal(poolbuf_composite_to_component_index(other, 0, &index), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_to_byte_index(other, 0, &offset), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_decompose(other, 0, 1, slices, &count), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_remove_components(other, 0, 0), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_consolidate(other, 0, 0), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_discard_read_components(other), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_composite_add_component(other, text("x"), true), POOLBUF_ERROR_UNSUPPORTED);
    }
    expect_layout(c, "abc|def");
    assert_true(poolbuf_release(others[0]));
    assert_true(poolbuf_release(c));
}

/* ---- Adding ------------------------------------------------------------------------------------------------------- */

static void added_bytes_are_readable_if_that_is_asked_for(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_composite_add_component(c, text("abc"), true));
    expect_text(c, "abc");
    UNIT_OK(poolbuf_composite_add_component(c, text("def"), false));
    expect_indices(c, 0, 3);
    expect_layout(c, "abc|def");
    UNIT_OK(poolbuf_set_writer_index(c, 6));
    expect_text(c, "abcdef");
    UNIT_OK(poolbuf_set_reader_index(c, 5));
    UNIT_OK(poolbuf_composite_add_component(c, text("g"), true));
    expect_indices(c, 5, 7);
    assert_true(poolbuf_release(c));
}

static void a_component_shows_what_was_readable_when_it_was_added(void **state) {
    (void)state;
    poolbuf *b = text("abcdef");
    UNIT_OK(poolbuf_set_indices(b, 2, 5));
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_retain(b), true));
    expect_layout(c, "cde");
    poolbuf_clear(b); /* its own indices are its own */
    expect_text(c, "cde");
    UNIT_OK(poolbuf_set_indices(b, 6, 6));
    expect_text(c, "cde");
    assert_ptr_equal(poolbuf_composite_component(c, 0), b);
    UNIT_OK(poolbuf_set_capacity(b, 100000)); /* nor does it matter where it lies */
    expect_text(c, "cde");
    assert_false(poolbuf_release(b));
    assert_true(poolbuf_release(c));
}

static void a_component_that_others_cut_is_out_of_bounds_and_no_more(void **state) {
    (void)state;
    poolbuf *b = text("abcdef");
    poolbuf *c = composed("xy");
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_retain(b), true));
    UNIT_OK(poolbuf_set_capacity(b, 3));
    uint8_t bytes[8] = {0};
    assert_int_equal(poolbuf_get_bytes(c, 0, bytes, 8), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_bytes(c, 0, bytes, 8), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_consolidate(c, 0, 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_null(poolbuf_retained_slice(c, 0, 8));
    expect_bytes_at(c, 0, "xyabc", 5);
    assert_false(poolbuf_release(b));
    assert_true(poolbuf_release(c));
}

static void inserting_moves_up_what_comes_after(void **state) {
    (void)state;
    poolbuf *c = composed("bb|dd");
    UNIT_OK(poolbuf_composite_insert_component(c, 0, text("a"), true));
    expect_layout(c, "a|bb|dd");
    expect_text(c, "abbdd");
    UNIT_OK(poolbuf_composite_insert_component(c, 2, text("ccc"), false));
    expect_layout(c, "a|bb|ccc|dd");
    expect_text(c, "abbcc");
    UNIT_OK(poolbuf_composite_insert_component(c, 4, text("e"), true));
    expect_layout(c, "a|bb|ccc|dd|e");
    assert_int_equal(poolbuf_composite_insert_component(c, 6, text("f"), true), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_layout(c, "a|bb|ccc|dd|e");
    expect_indices(c, 0, 6);
    assert_true(poolbuf_release(c));
}

static void a_list_is_added_in_its_order(void **state) {
    (void)state;
    poolbuf *c = composed("a");
    poolbuf *list[20];
    for (unsigned i = 0; i < 20; i++) {
        list[i] = text(i % 5 == 0 ? "" : "xyz");
    }
    UNIT_OK(poolbuf_composite_add_components(c, list, 20, true));
    expect_layout(c, "a||xyz|xyz|xyz|xyz||xyz|xyz|xyz|xyz||xyz|xyz|xyz|xyz||xyz|xyz|xyz|xyz");
    expect_indices(c, 0, 49);
    UNIT_OK(poolbuf_composite_add_components(c, NULL, 0, true));
    assert_int_equal(poolbuf_composite_component_count(c), 21);
    assert_true(poolbuf_release(c));
}

static void empty_components_lie_anywhere_and_are_never_found(void **state) {
    (void)state;
    static const char *const layouts[] = {"|abc|def", "abc||def", "abc|def|", "||abc||||def||"};
    for (unsigned i = 0; i < 4; i++) {
        poolbuf *c = composed(layouts[i]);
        expect_layout(c, layouts[i]);
        expect_text(c, "abcdef");
        for (size_t offset = 0; offset < 6; offset++) {
            uint32_t index = 0;
            UNIT_OK(poolbuf_composite_to_component_index(c, offset, &index));
            assert_int_equal(poolbuf_readable_bytes(poolbuf_composite_component(c, index)), 3);
        }
        uint64_t number = 0;
        UNIT_OK(poolbuf_set_u32_be(c, 1, 0x31323334));
        expect_text(c, "a1234f");
        assert_int_equal(poolbuf_read_u64_be(c, &number), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_true(poolbuf_release(c));
    }
    poolbuf *c = composed("abc");
    UNIT_OK(poolbuf_composite_insert_component(c, 0, poolbuf_empty(), true)); /* the empty buffer may be one */
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_empty(), true));
    expect_layout(c, "|abc|");
    expect_text(c, "abc");
    assert_true(poolbuf_release(c));
}

/* ---- Finding ------------------------------------------------------------------------------------------------------ */

static void offsets_and_indices_lead_to_each_other(void **state) {
    (void)state;
    poolbuf *c = composed("abc|d||efghi|j");
    static const uint32_t found[] = {0, 0, 0, 1, 3, 3, 3, 3, 3, 4};
    static const size_t starts[] = {0, 3, 4, 4, 9};
    for (unsigned pass = 0; pass < 10; pass++) { /* up, down, and in leaps: the hint must not matter */
        for (size_t i = 0; i < 10; i++) {
            size_t offset = pass == 0 ? i : pass == 1 ? 9 - i : i * pass % 10;
            uint32_t index = UINT32_MAX;
            UNIT_OK(poolbuf_composite_to_component_index(c, offset, &index));
            assert_int_equal(index, found[offset]);
            assert_ptr_equal(poolbuf_composite_component_at_offset(c, offset), poolbuf_composite_component(c, index));
        }
    }
    for (uint32_t i = 0; i < 5; i++) {
        size_t offset = SIZE_MAX;
        UNIT_OK(poolbuf_composite_to_byte_index(c, i, &offset));
        assert_int_equal(offset, starts[i]);
    }
    uint32_t index = 77;
    size_t offset = 77;
    assert_int_equal(poolbuf_composite_to_component_index(c, 10, &index), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_to_component_index(c, SIZE_MAX, &index), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_to_byte_index(c, 5, &offset), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(index, 77);
    assert_int_equal(offset, 77);
    assert_null(poolbuf_composite_component(c, 5));
    assert_null(poolbuf_composite_component_at_offset(c, 10));
    assert_true(poolbuf_release(c));
}

static void one_of_a_thousand_components_is_found(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 8, 8);
        UNIT_OK(poolbuf_write_u16_be(b, (uint16_t)i));
        UNIT_OK(poolbuf_composite_add_component(c, b, true));
    }
    assert_true(composite_audit(c));
    unit_random random = unit_random_start("find", 7);
    for (unsigned i = 0; i < 5000; i++) {
        uint32_t which = unit_random_below(&random, 1000);
        uint32_t index = 0;
        uint16_t value = 0;
        UNIT_OK(poolbuf_composite_to_component_index(c, 2 * (size_t)which + i % 2, &index));
        assert_int_equal(index, which);
        UNIT_OK(poolbuf_get_u16_be(c, 2 * (size_t)which, &value));
        assert_int_equal(value, which);
    }
    assert_true(poolbuf_release(c));
}

static void a_walk_lends_each_component_once(void **state) {
    (void)state;
    poolbuf *c = composed("abc||d");
    poolbuf_composite_iterator walk = poolbuf_composite_iterate(c);
    poolbuf *lent = NULL;
    for (uint32_t i = 0; i < 3; i++) {
        UNIT_OK(poolbuf_composite_next(&walk, &lent));
        assert_ptr_equal(lent, poolbuf_composite_component(c, i));
        UNIT_OK(poolbuf_set_u8(c, 0, 'x')); /* bytes and indices may change meanwhile */
        poolbuf_clear(c);
    }
    for (unsigned i = 0; i < 2; i++) {
        lent = c;
        UNIT_OK(poolbuf_composite_next(&walk, &lent));
        assert_null(lent);
    }
    assert_true(poolbuf_release(c));
    c = poolbuf_allocate_composite(allocator, 0);
    walk = poolbuf_composite_iterate(c);
    lent = c;
    UNIT_OK(poolbuf_composite_next(&walk, &lent));
    assert_null(lent);
    assert_true(poolbuf_release(c));
}

static poolbuf_status change(poolbuf *c, unsigned how) {
    switch (how) {
    case 0:
        return poolbuf_composite_add_component(c, text("x"), true);
    case 1:
        return poolbuf_composite_remove_components(c, 0, 1);
    case 2:
        return poolbuf_composite_consolidate(c, 0, 2);
    case 3:
        return poolbuf_composite_discard_read_components(c);
    case 4:
        return poolbuf_set_capacity(c, 20);
    case 5:
        return poolbuf_set_capacity(c, 2);
    case 6:
        return poolbuf_composite_insert_component(c, 0, text("x"), true);
    default:
        return poolbuf_write_zero(c, 100);
    }
}

static void a_walk_ends_when_components_come_or_go(void **state) {
    (void)state;
    for (unsigned how = 0; how < 8; how++) {
        poolbuf *c = composed("abc|def|ghi");
        UNIT_OK(poolbuf_set_reader_index(c, 4));
        poolbuf_composite_iterator walk = poolbuf_composite_iterate(c);
        poolbuf *lent = NULL;
        UNIT_OK(poolbuf_composite_next(&walk, &lent));
        UNIT_OK(change(c, how));
        assert_true(composite_audit(c));
        poolbuf *first = lent;
        assert_int_equal(poolbuf_composite_next(&walk, &lent), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_ptr_equal(lent, first);
        assert_true(poolbuf_release(c));
    }
}

/* ---- Removing ----------------------------------------------------------------------------------------------------- */

static void removed_components_are_released_and_the_rest_moves_down(void **state) {
    (void)state;
    static const struct {
        uint32_t index, count;
        const char *left;
    } cases[] = {{0, 0, "abc|de||f|ghij"},
                 {4, 1, "abc|de||f"},
                 {0, 1, "de||f|ghij"},
                 {1, 3, "abc|ghij"},
                 {2, 1, "abc|de|f|ghij"},
                 {5, 0, "abc|de||f|ghij"},
                 {0, 5, ""}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        poolbuf *c = composed("abc|de||f|ghij");
        UNIT_OK(poolbuf_set_reader_index(c, 8));
        UNIT_OK(poolbuf_composite_remove_components(c, cases[i].index, cases[i].count));
        expect_layout(c, cases[i].left);
        size_t capacity = poolbuf_capacity(c);
        expect_indices(c, capacity < 8 ? capacity : 8, capacity);
        assert_int_equal(live(), 1 + poolbuf_composite_component_count(c));
        assert_true(poolbuf_release(c));
    }
}

static void more_components_than_there_are_cannot_be_removed(void **state) {
    (void)state;
    static const uint32_t bad[][2] = {{0, 4}, {3, 1}, {4, 0}, {1, UINT32_MAX}, {UINT32_MAX, 2}};
    poolbuf *c = composed("a|b|c");
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(poolbuf_composite_remove_components(c, bad[i][0], bad[i][1]), POOLBUF_ERROR_OUT_OF_BOUNDS);
        expect_layout(c, "a|b|c");
    }
    assert_true(poolbuf_release(c));
}

static void the_last_release_releases_every_component_once(void **state) {
    (void)state;
    poolbuf *parts[3] = {text("abc"), text("def"), text("ghi")};
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    for (unsigned i = 0; i < 3; i++) {
        poolbuf *retained = poolbuf_retained_slice(parts[i], 1, 2);
        UNIT_OK(poolbuf_composite_add_component(c, i == 1 ? retained : poolbuf_retain(parts[i]), true));
        if (i != 1) {
            assert_true(poolbuf_release(retained));
        }
        assert_int_equal(poolbuf_ref_count(parts[i]), 2);
    }
    expect_layout(c, "abc|ef|ghi");
    assert_false(poolbuf_release(poolbuf_retain(c)));
    expect_layout(c, "abc|ef|ghi");
    assert_true(poolbuf_release(c));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(poolbuf_ref_count(parts[i]), 1);
        assert_true(poolbuf_release(parts[i]));
    }
}

static void counts_of_components_are_their_own(void **state) {
    (void)state;
    poolbuf *a = text("a");
    poolbuf *b = poolbuf_retain(text("b"));
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_composite_add_components(c, (poolbuf *[]){a, b}, 2, true));
    (void)poolbuf_retain(poolbuf_retain(c));
    assert_int_equal(poolbuf_ref_count(c), 3);
    assert_int_equal(poolbuf_ref_count(a), 1);
    assert_int_equal(poolbuf_ref_count(b), 2);
    assert_false(poolbuf_release_n(c, 2));
    assert_int_equal(poolbuf_ref_count(a), 1);
    assert_true(poolbuf_release(c));
    assert_int_equal(poolbuf_ref_count(b), 1);
    assert_true(poolbuf_release(b));
}

/* ---- Consolidating ------------------------------------------------------------------------------------------------ */

static void one_component_too_many_makes_one_of_all(void **state) {
    (void)state;
    for (uint32_t most = 1; most < 6; most++) {
        poolbuf *c = poolbuf_allocate_composite(allocator, most);
        for (uint32_t i = 0; i < most; i++) {
            assert_int_equal(poolbuf_composite_component_count(c), i);
            UNIT_OK(poolbuf_composite_add_component(c, text(i == 2 ? "" : "ab"), true));
        }
        uint32_t bytes = most > 2 ? 2 * most - 2 : 2 * most;
        UNIT_OK(poolbuf_set_indices(c, 1, 2));
        UNIT_OK(poolbuf_composite_add_component(c, text("cd"), true));
        assert_int_equal(poolbuf_composite_component_count(c), 1);
        assert_int_equal(poolbuf_capacity(c), bytes + 2);
        expect_indices(c, 1, 4);
        expect_bytes_at(c, 0, "ab", 2);
        expect_bytes_at(c, bytes, "cd", 2);
        assert_true(composite_audit(c));
        assert_int_equal(live(), 2); /* what was copied is gone */
        assert_true(poolbuf_release(c));
    }
}

static void sixteen_components_are_the_default(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    for (uint32_t i = 1; i <= 16; i++) {
        add_text(c, "xy");
        assert_int_equal(poolbuf_composite_component_count(c), i);
    }
    add_text(c, "z");
    expect_layout(c, "xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyz");
    assert_true(poolbuf_release(c));
}

static void consolidating_copies_a_range_into_one_component(void **state) {
    (void)state;
    static const struct {
        uint32_t index, count;
        const char *left;
    } cases[] = {{0, UINT32_MAX, "abcdefghij"},    {0, 5, "abcdefghij"},
                 {1, 2, "abc|de|f|ghij"},          {1, 3, "abc|def|ghij"},
                 {3, 2, "abc|de||fghij"},          {2, 1, "abc|de||f|ghij"},
                 {5, 0, "abc|de||f|ghij"},         {3, UINT32_MAX, "abc|de||fghij"},
                 {5, UINT32_MAX, "abc|de||f|ghij"}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        poolbuf *c = composed("abc|de||f|ghij");
        UNIT_OK(poolbuf_set_indices(c, 2, 7));
        UNIT_OK(poolbuf_composite_consolidate(c, cases[i].index, cases[i].count));
        expect_layout(c, cases[i].left);
        expect_indices(c, 2, 7);
        assert_int_equal(live(), 1 + poolbuf_composite_component_count(c));
        assert_true(poolbuf_release(c));
    }
    poolbuf *c = composed("a|b|c");
    assert_int_equal(poolbuf_composite_consolidate(c, 0, 4), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_consolidate(c, 2, 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_consolidate(c, 4, 0), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_consolidate(c, 4, UINT32_MAX), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_layout(c, "a|b|c");
    assert_true(poolbuf_release(c));
}

static void a_consolidated_composite_lies_in_one_piece(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    assert_null(poolbuf_bytes_at(c, 2, 2));
    poolbuf *copy = poolbuf_copy(c, 1, 4); /* as a copy does at once */
    assert_memory_equal(poolbuf_memory(copy), "bcde", 4);
    assert_true(poolbuf_release(copy));
    assert_memory_equal(poolbuf_bytes_at(c, 1, 2), "bc", 2);
    assert_memory_equal(poolbuf_bytes_at(c, 3, 3), "def", 3);
    UNIT_OK(poolbuf_composite_consolidate(c, 0, UINT32_MAX));
    assert_memory_equal(poolbuf_bytes_at(c, 0, 6), "abcdef", 6);
    assert_non_null(poolbuf_bytes_at(c, 6, 0));
    assert_null(poolbuf_bytes_at(c, 6, 1));
    assert_false(poolbuf_is_contiguous(c)); /* it need not stay so */
    assert_true(poolbuf_release(c));
}

/* ---- Capacity ----------------------------------------------------------------------------------------------------- */

static void writing_past_the_end_adds_a_component(void **state) {
    (void)state;
    poolbuf *c = composed("abc");
    poolbuf *first = poolbuf_composite_component(c, 0);
    UNIT_OK(poolbuf_write_bytes(c, "defg", 4));
    assert_true(composite_audit(c));
    expect_text(c, "abcdefg");
    assert_int_equal(poolbuf_composite_component_count(c), 2);
    assert_ptr_equal(poolbuf_composite_component(c, 0), first);
    assert_int_equal(poolbuf_capacity(first), 3);
    assert_int_equal(poolbuf_capacity(c), 64); /* the next power of two, as plain buffers do */
    UNIT_OK(poolbuf_write_zero(c, 57));
    assert_int_equal(poolbuf_composite_component_count(c), 2);
    UNIT_OK(poolbuf_ensure_writable(c, 1));
    assert_int_equal(poolbuf_capacity(c), 128);
    expect_indices(c, 0, 64);
    assert_int_equal(poolbuf_composite_component_count(c), 3);
    assert_true(composite_audit(c));
    assert_true(poolbuf_release(c));
}

static void a_composite_without_components_can_be_written_and_read(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    for (unsigned i = 0; i < 300; i++) {
        uint8_t byte = 0;
        UNIT_OK(poolbuf_write_u8(c, (uint8_t)i));
        UNIT_OK(poolbuf_read_u8(c, &byte));
        assert_int_equal(byte, (uint8_t)i);
        assert_true(composite_audit(c));
    }
    assert_true(poolbuf_release(c));
}

static void growing_pads_and_consolidates_if_it_must(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 2);
    add_text(c, "abc");
    UNIT_OK(poolbuf_set_capacity(c, 5));
    expect_layout(c, "abc|??");
    expect_indices(c, 0, 3);
    UNIT_OK(poolbuf_set_capacity(c, 5));
    UNIT_OK(poolbuf_set_bytes(c, 3, "de", 2));
    UNIT_OK(poolbuf_set_capacity(c, 6));
    expect_layout(c, "abcde?");
    expect_indices(c, 0, 3);
    assert_int_equal(poolbuf_set_capacity(c, POOLBUF_CAPACITY_LIMIT + 1), POOLBUF_ERROR_MAX_CAPACITY);
    expect_layout(c, "abcde?");
    assert_true(poolbuf_release(c));
}

static void shrinking_trims_and_releases(void **state) {
    (void)state;
    static const struct {
        size_t capacity;
        const char *left;
    } cases[] = {{10, "abc|de||f|ghij|"},
                 {9, "abc|de||f|ghi"},
                 {6, "abc|de||f"},
                 {5, "abc|de"},
                 {4, "abc|d"},
                 {3, "abc"},
                 {1, "a"},
                 {0, ""}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        poolbuf *c = composed("abc|de||f|ghij|");
        UNIT_OK(poolbuf_set_reader_index(c, 4));
        UNIT_OK(poolbuf_set_capacity(c, cases[i].capacity));
        expect_layout(c, cases[i].left);
        expect_indices(c, cases[i].capacity < 4 ? cases[i].capacity : 4, cases[i].capacity);
        assert_int_equal(live(), 1 + poolbuf_composite_component_count(c));
        for (uint32_t part = 0; part < poolbuf_composite_component_count(c); part++) { /* trimmed here, not there */
            poolbuf *b = poolbuf_composite_component(c, part);
            assert_int_equal(poolbuf_readable_bytes(b), poolbuf_capacity(b));
        }
        UNIT_OK(poolbuf_set_capacity(c, 12));
        assert_int_equal(poolbuf_capacity(c), 12);
        assert_true(composite_audit(c));
        assert_true(poolbuf_release(c));
    }
}

/* ---- Discarding --------------------------------------------------------------------------------------------------- */

typedef poolbuf_status discard(poolbuf *buffer);

/* Each of the three, from each reader index of "abc||de|f", with a mark at 4 and one at the end. */
static void discarding_drops_what_was_read_and_moves_indices_and_marks(void **state) {
    (void)state;
    static discard *const calls[] = {poolbuf_discard_read_bytes, poolbuf_discard_some_read_bytes,
                                     poolbuf_composite_discard_read_components};
    static const char *const by_bytes[] = {"abc||de|f", "bc||de|f", "c||de|f", "de|f", "e|f", "f", ""};
    static const char *const by_components[] = {"abc||de|f", "abc||de|f", "abc||de|f", "de|f", "de|f", "f", ""};
    static const size_t dropped[] = {0, 0, 0, 3, 3, 5, 6};
    for (unsigned call = 0; call < 3; call++) {
        for (size_t read = 0; read <= 6; read++) {
            poolbuf *c = composed("abc||de|f");
            UNIT_OK(poolbuf_set_reader_index(c, 4));
            UNIT_OK(poolbuf_mark_reader_index(c));
            UNIT_OK(poolbuf_mark_writer_index(c));
            UNIT_OK(poolbuf_set_reader_index(c, read));
            UNIT_OK(calls[call](c));
            expect_layout(c, call == 0 ? by_bytes[read] : by_components[read]);
            size_t shift = call == 0 ? read : dropped[read];
            expect_indices(c, read - shift, 6 - shift);
            expect_text(c, &"abcdef"[read]);
            assert_int_equal(live(), 1 + poolbuf_composite_component_count(c));
            UNIT_OK(poolbuf_reset_reader_index(c));
            assert_int_equal(poolbuf_reader_index(c), shift < 4 ? 4 - shift : 0);
            UNIT_OK(poolbuf_reset_writer_index(c));
            assert_int_equal(poolbuf_writer_index(c), 6 - shift);
            assert_true(poolbuf_release(c));
        }
    }
}

static void what_lies_above_the_writer_index_stays(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def|ghi");
    UNIT_OK(poolbuf_set_indices(c, 4, 4));
    UNIT_OK(poolbuf_composite_discard_read_components(c));
    expect_layout(c, "def|ghi");
    expect_indices(c, 1, 1);
    UNIT_OK(poolbuf_discard_read_bytes(c));
    expect_layout(c, "ef|ghi");
    expect_indices(c, 0, 0);
    UNIT_OK(poolbuf_discard_read_bytes(c));
    expect_layout(c, "ef|ghi");
    assert_true(poolbuf_release(c));
}

static void the_component_found_last_is_found_again_after_a_discard(void **state) {
    (void)state;
    static discard *const calls[] = {poolbuf_discard_read_bytes, poolbuf_discard_some_read_bytes,
                                     poolbuf_composite_discard_read_components};
    for (unsigned call = 0; call < 3; call++) {
        for (size_t looked = 0; looked < 9; looked++) {
            poolbuf *c = composed("abc|def|ghi");
            UNIT_OK(poolbuf_set_reader_index(c, 3));
            expect_bytes_at(c, looked, &"abcdefghi"[looked], 1);
            UNIT_OK(calls[call](c));
            for (size_t i = 0; i < 6; i++) {
                size_t offset = (i + looked) % 6;
                expect_bytes_at(c, offset, &"defghi"[offset], 1);
                assert_ptr_equal(poolbuf_composite_component_at_offset(c, offset),
                                 poolbuf_composite_component(c, (uint32_t)offset / 3));
            }
            expect_layout(c, "def|ghi");
            assert_true(poolbuf_release(c));
        }
    }
}

static void a_stream_runs_through_a_composite(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 8);
    uint32_t written = 0;
    uint32_t read = 0;
    unit_random random = unit_random_start("stream", 3);
    while (read < 20000) {
        for (uint32_t i = unit_random_below(&random, 4); i > 0; i--) {
            poolbuf *b = poolbuf_allocate(allocator, 0, 100);
            for (uint32_t j = unit_random_below(&random, 8); j > 0; j--) {
                UNIT_OK(poolbuf_write_u32_be(b, written++));
            }
            UNIT_OK(poolbuf_composite_add_component(c, b, true));
        }
        for (uint32_t i = unit_random_below(&random, 16); i > 0 && read != written; i--) {
            uint32_t value = 0;
            UNIT_OK(poolbuf_read_u32_be(c, &value));
            assert_int_equal(value, read++);
        }
        UNIT_OK(read % 2 == 0 ? poolbuf_discard_some_read_bytes(c) : poolbuf_discard_read_bytes(c));
        assert_true(composite_audit(c));
        assert_true(poolbuf_composite_component_count(c) <= 8);
    }
    assert_int_equal(poolbuf_readable_bytes(c), (size_t)(written - read) * 4);
    assert_true(poolbuf_release(c));
}

/* ---- Nested ------------------------------------------------------------------------------------------------------- */

static void composites_nest(void **state) {
    (void)state;
    poolbuf *inner = composed("xabc||dez");
    UNIT_OK(poolbuf_set_indices(inner, 1, 6)); /* abcde */
    poolbuf *outer = composed("12");
    UNIT_OK(poolbuf_composite_add_component(outer, inner, true));
    add_text(outer, "34");
    expect_layout(outer, "12|abcde|34");
    UNIT_OK(poolbuf_composite_add_component(outer, composed("56|7"), true));
    expect_layout(outer, "12|abcde|34|567");
    UNIT_OK(poolbuf_set_u64_be(outer, 1, 0x4142434445464748)); /* through all of them */
    expect_layout(outer, "1A|BCDEF|GH|567");
    expect_bytes_at(inner, 0, "xBCDEFz", 7);
    assert_ptr_equal(poolbuf_composite_component(outer, 1), inner);
    assert_memory_equal(poolbuf_bytes_at(outer, 2, 3), "BCD", 3);
    assert_null(poolbuf_bytes_at(outer, 2, 4));
    UNIT_OK(poolbuf_composite_consolidate(outer, 0, UINT32_MAX));
    expect_layout(outer, "1ABCDEFGH567");
    assert_true(poolbuf_release(outer));
}

static void composites_lie_sixteen_deep_and_no_deeper(void **state) {
    (void)state;
    poolbuf *c = composed("a|b");
    for (uint32_t depth = 2; depth <= POOLBUF_COMPOSITE_DEPTH_LIMIT; depth++) {
        poolbuf *outer = poolbuf_allocate_composite(allocator, 0);
        UNIT_OK(poolbuf_composite_add_component(outer, c, true));
        c = outer;
        expect_text(c, "ab");
    }
    poolbuf *outer = composed("x");
    assert_int_equal(poolbuf_composite_add_component(outer, poolbuf_retain(c), true), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_composite_add_component(outer, poolbuf_duplicate(poolbuf_retain(c)), true),
                     POOLBUF_ERROR_BAD_ARGUMENT); /* nor a view of one */
    expect_layout(outer, "x");
    assert_int_equal(poolbuf_ref_count(c), 1);
    UNIT_OK(poolbuf_composite_add_component(c, text("c"), true)); /* what is none may always come */
    expect_text(c, "abc");
    assert_true(poolbuf_release(outer));
    assert_true(poolbuf_release(c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COMPOSITE_TEST(a_new_composite_has_no_bytes_and_may_grow_to_the_limit),
        COMPOSITE_TEST(the_number_of_components_is_limited_as_asked),
        COMPOSITE_TEST(a_composite_is_of_the_kind_that_its_allocator_prefers),
        COMPOSITE_TEST(a_composite_grows_by_the_kind_that_was_asked_for),
        COMPOSITE_TEST(an_empty_composite_can_be_copied_and_duplicated),
        COMPOSITE_TEST(calls_for_composites_refuse_other_buffers),
        COMPOSITE_TEST(added_bytes_are_readable_if_that_is_asked_for),
        COMPOSITE_TEST(a_component_shows_what_was_readable_when_it_was_added),
        COMPOSITE_TEST(a_component_that_others_cut_is_out_of_bounds_and_no_more),
        COMPOSITE_TEST(inserting_moves_up_what_comes_after),
        COMPOSITE_TEST(a_list_is_added_in_its_order),
        COMPOSITE_TEST(empty_components_lie_anywhere_and_are_never_found),
        COMPOSITE_TEST(offsets_and_indices_lead_to_each_other),
        COMPOSITE_TEST(one_of_a_thousand_components_is_found),
        COMPOSITE_TEST(a_walk_lends_each_component_once),
        COMPOSITE_TEST(a_walk_ends_when_components_come_or_go),
        COMPOSITE_TEST(removed_components_are_released_and_the_rest_moves_down),
        COMPOSITE_TEST(more_components_than_there_are_cannot_be_removed),
        COMPOSITE_TEST(the_last_release_releases_every_component_once),
        COMPOSITE_TEST(counts_of_components_are_their_own),
        COMPOSITE_TEST(one_component_too_many_makes_one_of_all),
        COMPOSITE_TEST(sixteen_components_are_the_default),
        COMPOSITE_TEST(consolidating_copies_a_range_into_one_component),
        COMPOSITE_TEST(a_consolidated_composite_lies_in_one_piece),
        COMPOSITE_TEST(writing_past_the_end_adds_a_component),
        COMPOSITE_TEST(a_composite_without_components_can_be_written_and_read),
        COMPOSITE_TEST(growing_pads_and_consolidates_if_it_must),
        COMPOSITE_TEST(shrinking_trims_and_releases),
        COMPOSITE_TEST(discarding_drops_what_was_read_and_moves_indices_and_marks),
        COMPOSITE_TEST(what_lies_above_the_writer_index_stays),
        COMPOSITE_TEST(the_component_found_last_is_found_again_after_a_discard),
        COMPOSITE_TEST(a_stream_runs_through_a_composite),
        COMPOSITE_TEST(composites_nest),
        COMPOSITE_TEST(composites_lie_sixteen_deep_and_no_deeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
