/* Unit tests of pieces.c: what lies in a range that was checked, and what no longer does. */
#include "unit.h"

#include <poolbuf/composite.h>

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

#define PIECES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        PIECES_TEST(a_piece_that_is_gone_is_misuse_and_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
