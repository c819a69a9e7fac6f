/* Unit tests of composite.c: what a composite refuses. A refused buffer has been released once, and nothing has changed. */
#include "composite_fixture.h"

#include <sys/mman.h>

#define HALF ((size_t)1 << 30)

static unsigned told; /* how often wrapped memory came back */

static void tell(void *memory, size_t length, void *context) {
    (void)memory;
    (void)length;
    (void)context;
    told++;
}

/* Address space that nobody touches, to be shown by buffers that are nearly too long. */
static void *gigabyte(void) {
    void *space = mmap(NULL, HALF, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(space, MAP_FAILED);
    return space;
}

static poolbuf *told_text(const char *bytes) {
    return poolbuf_wrap(allocator, (void *)(uintptr_t)bytes, strlen(bytes), tell, NULL);
}

typedef poolbuf_status add_one(poolbuf *composite_buffer, poolbuf *buffer);

static poolbuf_status append(poolbuf *c, poolbuf *b) {
    return poolbuf_composite_add_component(c, b, true);
}

static poolbuf_status put_first(poolbuf *c, poolbuf *b) {
    return poolbuf_composite_insert_component(c, 0, b, false);
}

static poolbuf_status append_as_list(poolbuf *c, poolbuf *b) {
    return poolbuf_composite_add_components(c, &b, 1, true);
}

static poolbuf_status append_flattened(poolbuf *c, poolbuf *b) {
    return poolbuf_composite_add_flattened(c, b, true);
}

static add_one *const WAYS[] = {append, put_first, append_as_list, append_flattened};
enum {
    WAY_COUNT = 4
};

static void no_more_bytes_than_the_maximum_are_taken(void **state) {
    (void)state;
    void *space = gigabyte();
    poolbuf *huge = poolbuf_wrap(allocator, space, HALF, NULL, NULL);
    for (unsigned way = 0; way < WAY_COUNT; way++) {
        poolbuf *c = composed("abc");
        UNIT_OK(WAYS[way](c, poolbuf_retain(huge)));
        size_t capacity = poolbuf_capacity(c);
        assert_int_equal(capacity, HALF + 3);
        size_t writer_index = poolbuf_writer_index(c);
        assert_int_equal(WAYS[way](c, poolbuf_retain(huge)), POOLBUF_ERROR_MAX_CAPACITY);
        poolbuf *fits = poolbuf_slice(huge, 0, HALF - 4); /* the limit is a byte less than twice that */
        poolbuf *not = poolbuf_slice(huge, 0, HALF - 3);
        assert_int_equal(WAYS[way](c, poolbuf_retain(not )), POOLBUF_ERROR_MAX_CAPACITY);
        assert_int_equal(poolbuf_ref_count(huge), 2);
        assert_int_equal(poolbuf_composite_component_count(c), 2);
        assert_int_equal(poolbuf_capacity(c), capacity);
        assert_int_equal(poolbuf_writer_index(c), writer_index);
        assert_true(composite_audit(c));
        UNIT_OK(WAYS[way](c, poolbuf_retain(fits)));
        assert_int_equal(poolbuf_capacity(c), POOLBUF_CAPACITY_LIMIT);
        assert_int_equal(WAYS[way](c, text("x")), POOLBUF_ERROR_MAX_CAPACITY);
        UNIT_OK(WAYS[way](c, text("")));
        UNIT_OK(poolbuf_set_writer_index(c, POOLBUF_CAPACITY_LIMIT));
        assert_int_equal(poolbuf_write_u8(c, 1), POOLBUF_ERROR_MAX_CAPACITY);
        assert_true(composite_audit(c));
        assert_true(poolbuf_release(c));
        assert_int_equal(poolbuf_ref_count(huge), 1);
    }
    assert_true(poolbuf_release(huge));
    assert_int_equal(munmap(space, HALF), 0);
}

static void of_a_list_that_is_too_long_nothing_is_added(void **state) {
    (void)state;
    told = 0;
    void *space = gigabyte();
    poolbuf *huge = poolbuf_wrap(allocator, space, HALF, tell, NULL);
    poolbuf *list[] = {told_text("a"), poolbuf_retain(huge), told_text("b"), huge, told_text("c")};
    poolbuf *c = composed("abc|d");
    assert_int_equal(poolbuf_composite_add_components(c, list, 5, true), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(told, 4); /* the huge one is listed twice */
    expect_layout(c, "abc|d");
    expect_text(c, "abcd");
    assert_true(poolbuf_release(c));
    assert_int_equal(munmap(space, HALF), 0);
}

static void a_refused_buffer_is_released_once(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    poolbuf *plain = text("abc");
    poolbuf *refusing[] = {
        plain,          poolbuf_slice(c, 0, 6), poolbuf_duplicate(c), poolbuf_as_read_only(c), poolbuf_unreleasable(c),
        poolbuf_empty()};
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned way = 0; way < WAY_COUNT; way++) {
            told = 0;
            assert_int_equal(WAYS[way](refusing[i], told_text("xyz")), POOLBUF_ERROR_UNSUPPORTED);
            assert_int_equal(told, 1);
            assert_int_equal(WAYS[way](refusing[i], composed("xy|z")), POOLBUF_ERROR_UNSUPPORTED);
            poolbuf *shared = poolbuf_retain(told_text("xyz"));
            assert_int_equal(WAYS[way](refusing[i], shared), POOLBUF_ERROR_UNSUPPORTED);
            assert_int_equal(poolbuf_ref_count(shared), 1);
            assert_true(poolbuf_release(shared));
        }
    }
    told = 0;
    assert_int_equal(poolbuf_composite_insert_component(c, 3, told_text("xyz"), true), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_composite_insert_component(c, UINT32_MAX, told_text("xyz"), true),
                     POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(told, 2);
    expect_layout(c, "abc|def");
    expect_text(plain, "abc");
    assert_int_equal(live(), 4); /* c, its two, plain */
    assert_true(poolbuf_release(plain));
    assert_true(poolbuf_release(c));
}

static void a_composite_takes_neither_itself_nor_a_view_of_itself(void **state) {
    (void)state;
    poolbuf *c = composed("abc|def");
    poolbuf *views[] = {c, poolbuf_slice(c, 0, 5), poolbuf_duplicate(c), poolbuf_as_read_only(c)};
    for (unsigned way = 0; way < WAY_COUNT; way++) {
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(WAYS[way](c, poolbuf_retain(views[i])), POOLBUF_ERROR_BAD_ARGUMENT);
            expect_layout(c, "abc|def");
            assert_int_equal(poolbuf_ref_count(c), 1);
        }
        assert_int_equal(WAYS[way](c, poolbuf_unreleasable(c)), POOLBUF_ERROR_BAD_ARGUMENT);
    }
    /* A retained slice holds the components, and not the composite. */
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_retained_slice(c, 1, 4), true));
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_retained_slice(c, 0, 2), true));
    expect_layout(c, "abc|def|bcde|ab");
    assert_true(poolbuf_release(c));
}

static void a_composite_takes_none_that_holds_it(void **state) {
    (void)state;
    poolbuf *inner = composed("abc|def");
    poolbuf *middle = composed("12");
    poolbuf *outer = composed("34");
    UNIT_OK(poolbuf_composite_add_component(middle, poolbuf_retain(inner), true));
    UNIT_OK(poolbuf_composite_add_component(outer, poolbuf_retained_duplicate(inner), true));
    UNIT_OK(poolbuf_composite_add_component(outer, poolbuf_slice(poolbuf_retain(middle), 1, 5), true));
    expect_layout(outer, "34|abcdef|2abcd");
    poolbuf *holders[] = {middle, outer, poolbuf_duplicate(outer), poolbuf_slice(middle, 2, 1)};
    for (unsigned way = 0; way < 3; way++) {
        for (unsigned i = 0; i < 4; i++) {
            uint32_t references = poolbuf_ref_count(holders[i]);
            assert_int_equal(WAYS[way](inner, poolbuf_retain(holders[i])), POOLBUF_ERROR_BAD_ARGUMENT);
            assert_int_equal(poolbuf_ref_count(holders[i]), references);
            expect_layout(inner, "abc|def");
        }
    }
    UNIT_OK(poolbuf_composite_add_component(inner, poolbuf_retained_slice(middle, 0, 8), true)); /* leaves only */
    expect_layout(inner, "abc|def|12abcdef");
    UNIT_OK(poolbuf_composite_add_component(inner, composed("x|y"), true)); /* one that does not */
    assert_true(poolbuf_release(outer));
    assert_false(poolbuf_release(inner)); /* middle has it */
    assert_true(poolbuf_release(middle));
}

static void what_was_added_to_inner_composites_counts_for_the_depth(void **state) {
    (void)state;
    poolbuf *chain[POOLBUF_COMPOSITE_DEPTH_LIMIT];
    for (unsigned i = 0; i < POOLBUF_COMPOSITE_DEPTH_LIMIT; i++) {
        chain[i] = composed("x");
        if (i != 0) { /* from the outside in, so that none knew how deep it would be */
            UNIT_OK(poolbuf_composite_add_component(chain[i - 1], poolbuf_retain(chain[i]), true));
        }
    }
    poolbuf *c = composed("y");
    assert_int_equal(poolbuf_composite_add_component(c, poolbuf_retain(chain[0]), true), POOLBUF_ERROR_BAD_ARGUMENT);
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_retain(chain[1]), true));
    UNIT_OK(poolbuf_composite_remove_components(c, 1, 1));
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_retain(chain[1]), true)); /* and what is gone does not */
    assert_true(poolbuf_release(c));
    for (unsigned i = 0; i < POOLBUF_COMPOSITE_DEPTH_LIMIT; i++) {
        assert_true(poolbuf_release(chain[i])); /* the one around it is gone */
    }
}

/* On each level the one below many times: what looks at each way in takes 15^15 steps. */
static void a_composite_may_be_in_another_on_many_ways(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_allocate(allocator, 16, 16), true));
    size_t pinned = 16;
    for (unsigned level = 1; level < POOLBUF_COMPOSITE_DEPTH_LIMIT; level++) {
        poolbuf *outer = poolbuf_allocate_composite(allocator, 0);
        for (unsigned i = 0; i < 15; i++) {
            UNIT_OK(poolbuf_composite_add_component(outer, poolbuf_retain(c), true));
        }
        assert_true(poolbuf_ref_count(c) == 16 && !poolbuf_release(c));
        assert_int_equal(poolbuf_composite_add_component(c, poolbuf_retain(outer), true), POOLBUF_ERROR_BAD_ARGUMENT);
        c = outer;
        pinned = pinned <= SIZE_MAX / 15 ? pinned * 15 : SIZE_MAX;
        assert_int_equal(poolbuf_pinned_bytes(c), pinned);
    }
    poolbuf *full = poolbuf_allocate_composite(allocator, 0);
    assert_int_equal(poolbuf_composite_add_component(full, c, true), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_true(poolbuf_release(full));
    assert_int_equal(live(), 0);
}

static unsigned next_told;

static void tell_in_order(void *memory, size_t length, void *context) {
    (void)memory;
    (void)length;
    next_told += (uintptr_t)context == next_told ? 1 : 1000;
}

/* From the outside in none knows how deep it will be. Components are released in their order, whatever they are. */
static void a_deep_chain_of_composites_ends_on_the_stack_that_there_is(void **state) {
    (void)state;
    enum {
        LEVELS = 50000
    };
    static uint8_t byte;
    next_told = 0;
    poolbuf *outermost = poolbuf_allocate_composite(allocator, 0);
    poolbuf *c = outermost;
    for (uintptr_t i = 0; i < LEVELS; i++) {
        poolbuf *inner = poolbuf_allocate_composite(allocator, 0);
        void *before = (void *)i;                   /* NOLINT(performance-no-int-to-ptr) */
        void *after = (void *)(2 * LEVELS - 1 - i); /* NOLINT(performance-no-int-to-ptr) */
        UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap(allocator, &byte, 1, tell_in_order, before), true));
        UNIT_OK(poolbuf_composite_add_component(c, inner, true));
        UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap(allocator, &byte, 1, tell_in_order, after), true));
        c = inner;
    }
    assert_int_equal(poolbuf_pinned_bytes(outermost), 2 * 257); /* of as many levels as are looked at */
    assert_true(poolbuf_release(outermost));
    assert_int_equal(next_told, 2 * LEVELS);
    assert_int_equal(live(), 0);
}

static void release_a_composite(void *memory, size_t length, void *context) {
    (void)memory;
    (void)length;
    unsigned before = told;
    assert_true(poolbuf_release(context));
    assert_int_equal(told, before + 2);
}

static void what_a_callback_releases_is_over_when_that_returns(void **state) {
    (void)state;
    static uint8_t byte;
    poolbuf *other = poolbuf_allocate_composite(allocator, 0);
    poolbuf *inside_other = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_composite_add_component(inside_other, told_text("a"), true));
    UNIT_OK(poolbuf_composite_add_component(other, inside_other, true));
    UNIT_OK(poolbuf_composite_add_component(other, told_text("b"), true));
    poolbuf *inner = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(
        poolbuf_composite_add_component(inner, poolbuf_wrap(allocator, &byte, 1, release_a_composite, other), true));
    UNIT_OK(poolbuf_composite_add_component(inner, told_text("c"), true));
    poolbuf *outer = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_composite_add_component(outer, poolbuf_slice(inner, 0, 2), true));
    UNIT_OK(poolbuf_composite_add_component(outer, told_text("d"), true));
    told = 0;
    assert_true(poolbuf_release(outer));
    assert_int_equal(told, 4);
    assert_int_equal(live(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COMPOSITE_TEST(no_more_bytes_than_the_maximum_are_taken),
        COMPOSITE_TEST(of_a_list_that_is_too_long_nothing_is_added),
        COMPOSITE_TEST(a_refused_buffer_is_released_once),
        COMPOSITE_TEST(a_composite_takes_neither_itself_nor_a_view_of_itself),
        COMPOSITE_TEST(a_composite_takes_none_that_holds_it),
        COMPOSITE_TEST(what_was_added_to_inner_composites_counts_for_the_depth),
        COMPOSITE_TEST(a_composite_may_be_in_another_on_many_ways),
        COMPOSITE_TEST(what_a_callback_releases_is_over_when_that_returns),
        COMPOSITE_TEST(a_deep_chain_of_composites_ends_on_the_stack_that_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
