/* Unit tests of run_index.c: taking, splitting, merging, and long random runs against a plain map of pages. */
#include "unit.h"

#include "run_index.h"

#define PAGES 512u

typedef struct fixture {
    size_classes classes;
    run_index index;
    void *storage;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    size_classes_init(&f->classes, 8192, (size_t)8192 * PAGES, 4);
    f->storage = malloc(run_index_storage(&f->classes));
    run_index_init(&f->index, &f->classes, f->storage);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    free(f->storage);
    free(f);
    return 0;
}

static void a_new_index_is_one_free_run(void **state) {
    fixture *f = *state;
    assert_true(run_index_audit(&f->index));
    assert_int_equal(f->index.free_pages, PAGES);
    assert_int_equal(run_index_take(&f->index, PAGES), 0);
    assert_int_equal(run_index_take(&f->index, 1), RUN_INDEX_NONE);
    assert_true(run_index_audit(&f->index));
}

static void free_joins_both_neighbours(void **state) {
    fixture *f = *state;
    uint32_t a = run_index_take(&f->index, 4);
    uint32_t b = run_index_take(&f->index, 4);
    uint32_t c = run_index_take(&f->index, 448);
    assert_int_equal(c, 8);
    run_index_give(&f->index, a, 4);
    run_index_give(&f->index, c, 448);
    assert_true(run_index_audit(&f->index));
    run_index_give(&f->index, b, 4);
    assert_true(run_index_audit(&f->index));
    assert_int_equal(run_index_take(&f->index, PAGES), 0);
}

static void the_smallest_class_that_fits_is_taken_before_a_larger_run(void **state) {
    fixture *f = *state;
    uint32_t hole = run_index_take(&f->index, 8);
    uint32_t wall = run_index_take(&f->index, 1);
    uint32_t small_hole = run_index_take(&f->index, 4);
    uint32_t wall2 = run_index_take(&f->index, 1);
    run_index_give(&f->index, hole, 8);
    run_index_give(&f->index, small_hole, 4);
    assert_int_equal(run_index_take(&f->index, 3), small_hole);
    assert_int_equal(run_index_take(&f->index, 7), hole);
    assert_true(run_index_audit(&f->index));
    (void)wall;
    (void)wall2;
}

static void the_lowest_of_equal_runs_is_taken(void **state) {
    fixture *f = *state;
    uint32_t pages[32];
    for (unsigned i = 0; i < 32; i++) {
        pages[i] = run_index_take(&f->index, 4);
    }
    for (unsigned i = 0; i < 16; i++) { /* every other one, from the top */
        run_index_give(&f->index, pages[31 - 2 * i], 4);
    }
    for (unsigned i = 1; i < 32; i += 2) {
        assert_int_equal(run_index_take(&f->index, 4), pages[i]);
    }
}

static void expect_tail(void *context, uint32_t page, uint32_t pages) {
    unsigned *runs = context;
    assert_int_equal(page, 8);
    assert_int_equal(pages, PAGES - 8);
    (*runs)++;
}

static void what_is_left_of_a_run_stays_free_as_its_tail(void **state) {
    fixture *f = *state;
    assert_int_equal(run_index_take(&f->index, 8), 0);
    unsigned runs = 0;
    run_index_visit_free(&f->index, expect_tail, &runs);
    assert_int_equal(runs, 1);
    assert_int_equal(f->index.free_pages, PAGES - 8);
    assert_true(run_index_audit(&f->index));
}

static void pages_can_be_taken_from_anywhere_in_a_free_run(void **state) {
    fixture *f = *state;
    static const uint32_t taken[][2] = {{0, 3},  {PAGES - 2, 2}, {100, 1},   {101, 7},
                                        {3, 97}, {300, 100},     {108, 192}, {400, 110}};
    uint32_t pages = 0;
    for (unsigned i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        run_index_take_at(&f->index, taken[i][0], taken[i][1]);
        pages += taken[i][1];
        assert_int_equal(f->index.free_pages, PAGES - pages);
        assert_true(run_index_audit(&f->index));
    }
    assert_int_equal(pages, PAGES);
    for (unsigned i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        run_index_give(&f->index, taken[i][0], taken[i][1]);
        assert_true(run_index_audit(&f->index));
    }
    assert_int_equal(run_index_take(&f->index, PAGES), 0);
}

/* The first pages at or after a random one that are free, at most a few. */
static uint32_t some_free_pages(unit_random *random, const bool used[PAGES], uint32_t *page) {
    *page = unit_random_below(random, PAGES);
    while (*page < PAGES && used[*page]) {
        (*page)++;
    }
    uint32_t pages = 0;
    uint32_t most = 1 + unit_random_below(random, 40);
    while (pages < most && *page + pages < PAGES && !used[*page + pages]) {
        pages++;
    }
    return pages;
}

static void random_takes_and_gives_agree_with_a_map_of_pages(void **state) {
    fixture *f = *state;
    unit_random random = unit_random_start("run index", 2);
    bool used[PAGES] = {false};
    uint32_t starts[PAGES];
    uint32_t lengths[PAGES];
    uint32_t live = 0;
    for (int step = 0; step < 6000; step++) {
        if (live != 0 && unit_random_below(&random, 100) < 48) {
            uint32_t victim = unit_random_below(&random, live);
            run_index_give(&f->index, starts[victim], lengths[victim]);
            for (uint32_t i = 0; i < lengths[victim]; i++) {
                assert_true(used[starts[victim] + i]);
                used[starts[victim] + i] = false;
            }
            live--;
            starts[victim] = starts[live];
            lengths[victim] = lengths[live];
        } else {
            uint32_t page_class = unit_random_below(&random, 20);
            uint32_t pages = size_class_page_bytes_in_pages(&f->classes, page_class);
            uint32_t page = RUN_INDEX_NONE;
            if (unit_random_below(&random, 4) == 0) {
                pages = some_free_pages(&random, used, &page);
                page = pages != 0 ? page : RUN_INDEX_NONE;
                if (pages != 0) {
                    run_index_take_at(&f->index, page, pages);
                }
            } else {
                page = run_index_take(&f->index, pages);
            }
            if (page != RUN_INDEX_NONE) {
                for (uint32_t i = 0; i < pages; i++) {
                    assert_false(used[page + i]);
                    used[page + i] = true;
                }
                starts[live] = page;
                lengths[live++] = pages;
            }
        }
        assert_true(run_index_audit(&f->index));
    }
    while (live > 0) {
        live--;
        run_index_give(&f->index, starts[live], lengths[live]);
    }
    assert_true(run_index_audit(&f->index));
    assert_int_equal(run_index_take(&f->index, PAGES), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_index_is_one_free_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(free_joins_both_neighbours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_smallest_class_that_fits_is_taken_before_a_larger_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lowest_of_equal_runs_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_left_of_a_run_stays_free_as_its_tail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pages_can_be_taken_from_anywhere_in_a_free_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_takes_and_gives_agree_with_a_map_of_pages, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
