/* Unit tests of chunk.c and chunk_list.c: bounds, moves, and Netty's order. */
#include "unit.h"

#include "chunk_list.h"

#define CHUNK ((size_t)4 << 20)
#define PAGE  ((size_t)8192)

typedef struct fixture {
    size_classes classes;
    chunk_list lists[CHUNK_LIST_COUNT];
    chunk *chunk;
    uint32_t positions[512];
    uint32_t taken;
} fixture;

/* The chunk's region is never touched: any address will do. */
static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    size_classes_init(&f->classes, PAGE, CHUNK, 4);
    chunk_lists_init(f->lists, CHUNK);
    f->chunk = malloc(sizeof(chunk) + chunk_books_bytes(&f->classes));
    chunk_init(f->chunk, &f->classes, NULL, f->chunk, 0, f->chunk + 1);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    free(f->chunk);
    free(f);
    return 0;
}

/* A quarter of a per mille of a chunk does not exist, so use is counted in runs of 4 pages, the smallest normal class:
 * 128 of them fill the chunk. */
static uint32_t normal_class(const fixture *f) {
    return size_class_of(&f->classes, 4 * PAGE);
}

static void fill_to(fixture *f, uint32_t runs) {
    while (f->taken < runs) {
        assert_true(chunk_take_run(f->chunk, normal_class(f), &f->positions[f->taken]));
        f->taken++;
        if (f->chunk->list != NULL) {
            chunk_list_after_take(f->chunk);
        }
        assert_true(chunk_lists_audit(f->lists));
    }
}

/* True as long as the chunk stays in a list. */
static bool empty_to(fixture *f, uint32_t runs) {
    while (f->taken > runs) {
        f->taken--;
        chunk_give_run(f->chunk, normal_class(f), f->positions[f->taken], 0);
        if (!chunk_list_after_give(f->chunk)) {
            return false;
        }
        assert_true(chunk_lists_audit(f->lists));
    }
    return true;
}

static const char *where(const fixture *f) {
    return f->chunk->list->name;
}

static void a_chunk_climbs_init_000_025_050_100_and_skips_075(void **state) {
    fixture *f = *state;
    chunk_list_add(&f->lists[CHUNK_LIST_INIT], f->chunk);
    assert_string_equal(where(f), "qInit");
    fill_to(f, 30);
    assert_string_equal(where(f), "qInit");
    fill_to(f, 32); /* 25 % */
    assert_string_equal(where(f), "q000");
    fill_to(f, 64); /* 50 % */
    assert_string_equal(where(f), "q025");
    fill_to(f, 96); /* 75 % */
    assert_string_equal(where(f), "q050");
    fill_to(f, 127);
    assert_string_equal(where(f), "q050");
    fill_to(f, 128);
    assert_string_equal(where(f), "q100");
    assert_int_equal(chunk_usage(f->chunk), 100);
}

static void a_chunk_descends_100_075_050_025_000_and_leaves_when_empty(void **state) {
    fixture *f = *state;
    chunk_list_add(&f->lists[CHUNK_LIST_INIT], f->chunk);
    fill_to(f, 128);
    assert_true(empty_to(f, 127));
    assert_string_equal(where(f), "q075");
    assert_true(empty_to(f, 94)); /* below 75 % by more than a page */
    assert_string_equal(where(f), "q050");
    assert_true(empty_to(f, 62));
    assert_string_equal(where(f), "q025");
    assert_true(empty_to(f, 30));
    assert_string_equal(where(f), "q000");
    assert_true(empty_to(f, 1));
    assert_string_equal(where(f), "q000");
    assert_false(empty_to(f, 0));
    assert_null(f->chunk->list);
    assert_true(chunk_is_empty(f->chunk));
}

static void an_empty_chunk_leaves_init_too(void **state) {
    fixture *f = *state;
    fill_to(f, 1);
    chunk_list_add(&f->lists[CHUNK_LIST_INIT], f->chunk);
    fill_to(f, 10);
    assert_true(empty_to(f, 1));
    assert_string_equal(where(f), "qInit");
    assert_false(empty_to(f, 0));
    assert_null(f->chunk->list);
    assert_null(f->lists[CHUNK_LIST_INIT].first);
}

static void a_full_new_chunk_goes_straight_to_100(void **state) {
    fixture *f = *state;
    uint32_t position = 0;
    assert_true(chunk_take_run(f->chunk, f->classes.count - 1, &position));
    chunk_list_add(&f->lists[CHUNK_LIST_INIT], f->chunk);
    assert_string_equal(where(f), "q100");
    chunk_give_run(f->chunk, f->classes.count - 1, position, 0);
    assert_false(chunk_list_after_give(f->chunk));
}

static void search_goes_050_025_000_init_075_and_never_100(void **state) {
    (void)state;
    static const uint8_t expected[] = {CHUNK_LIST_050,  CHUNK_LIST_025, CHUNK_LIST_000,
                                       CHUNK_LIST_INIT, CHUNK_LIST_075, CHUNK_LIST_COUNT};
    assert_memory_equal(chunk_list_search_order, expected, sizeof expected);
}

static void thresholds_are_nettys(void **state) {
    fixture *f = *state;
    /* (int) (chunkSize * (100.0 - usage + 0.99999999) / 100L) of PoolChunkList's constructor, worked out by hand */
    assert_int_equal(f->lists[CHUNK_LIST_INIT].move_fuller_at, 3187671);
    assert_int_equal(f->lists[CHUNK_LIST_000].move_fuller_at, 2139095);
    assert_int_equal(f->lists[CHUNK_LIST_000].move_emptier_above, 4194303);
    assert_int_equal(f->lists[CHUNK_LIST_025].move_emptier_above, 3187671);
    assert_int_equal(f->lists[CHUNK_LIST_050].move_fuller_at, 0);
    assert_int_equal(f->lists[CHUNK_LIST_075].move_emptier_above, 1090519);
    assert_int_equal(f->lists[CHUNK_LIST_100].move_emptier_above, 0);
    assert_int_equal(f->lists[CHUNK_LIST_025].largest, CHUNK / 4 * 3);
    assert_int_equal(f->lists[CHUNK_LIST_100].largest, 0);
}

static void the_lists_are_chained_as_nettys(void **state) {
    const chunk_list *lists = ((fixture *)*state)->lists;
    assert_ptr_equal(lists[CHUNK_LIST_INIT].fuller, &lists[CHUNK_LIST_000]);
    assert_ptr_equal(lists[CHUNK_LIST_000].fuller, &lists[CHUNK_LIST_025]);
    assert_ptr_equal(lists[CHUNK_LIST_025].fuller, &lists[CHUNK_LIST_050]);
    assert_ptr_equal(lists[CHUNK_LIST_050].fuller, &lists[CHUNK_LIST_100]);
    assert_ptr_equal(lists[CHUNK_LIST_075].fuller, &lists[CHUNK_LIST_100]);
    assert_null(lists[CHUNK_LIST_100].fuller);
    assert_ptr_equal(lists[CHUNK_LIST_100].emptier, &lists[CHUNK_LIST_075]);
    assert_ptr_equal(lists[CHUNK_LIST_075].emptier, &lists[CHUNK_LIST_050]);
    assert_ptr_equal(lists[CHUNK_LIST_050].emptier, &lists[CHUNK_LIST_025]);
    assert_ptr_equal(lists[CHUNK_LIST_025].emptier, &lists[CHUNK_LIST_000]);
    assert_null(lists[CHUNK_LIST_000].emptier);
    assert_ptr_equal(lists[CHUNK_LIST_INIT].emptier, &lists[CHUNK_LIST_INIT]);
}

static void each_list_refuses_what_no_member_can_hold(void **state) {
    fixture *f = *state;
    assert_int_equal(f->lists[CHUNK_LIST_INIT].largest,
                     CHUNK); /* Netty's is 99 %, which no chunk in use can hold either */
    assert_int_equal(f->lists[CHUNK_LIST_000].largest, CHUNK * 99 / 100);
    assert_int_equal(f->lists[CHUNK_LIST_025].largest, CHUNK * 75 / 100);
    assert_int_equal(f->lists[CHUNK_LIST_050].largest, CHUNK * 50 / 100);
    assert_int_equal(f->lists[CHUNK_LIST_075].largest, CHUNK * 25 / 100);
    assert_int_equal(f->lists[CHUNK_LIST_100].largest, 0);
}

static void the_chunk_added_last_is_scanned_first(void **state) {
    fixture *f = *state;
    chunk_list *list = &f->lists[CHUNK_LIST_INIT];
    chunk *later = malloc(sizeof(chunk) + chunk_books_bytes(&f->classes));
    uint32_t position = 0;
    chunk_init(later, &f->classes, NULL, later, 0, later + 1);
    assert_true(chunk_take_run(later, normal_class(f), &position));
    fill_to(f, 1);
    chunk_list_add(list, f->chunk);
    chunk_list_add(list, later);
    assert_ptr_equal(list->first, later);
    assert_ptr_equal(list->first->next, f->chunk);
    assert_true(chunk_lists_audit(f->lists));
    free(later);
}

static void a_list_without_a_run_is_not_searched_until_a_chunk_has_one(void **state) {
    fixture *f = *state;
    chunk_list *fuller = &f->lists[CHUNK_LIST_050];
    assert_false(chunk_list_may_have_run(fuller, 0)); /* it has no chunk */
    fill_to(f, 1);
    chunk_list_add(&f->lists[CHUNK_LIST_INIT], f->chunk);
    uint32_t rest = size_class_page_floor(&f->classes, 512 - 4);
    assert_true(chunk_list_may_have_run(&f->lists[CHUNK_LIST_INIT], rest));
    assert_false(chunk_list_may_have_run(&f->lists[CHUNK_LIST_INIT], rest + 1));
    fill_to(f, 120);
    assert_ptr_equal(f->chunk->list, fuller);
    uint32_t wanted = size_class_page_ceil(&f->classes, 48);
    assert_false(chunk_has_run(f->chunk, wanted));
    chunk_list_has_no_run(fuller, wanted);
    assert_false(chunk_list_may_have_run(fuller, wanted));
    assert_true(chunk_list_may_have_run(fuller, size_class_page_ceil(&f->classes, 32)));
    assert_true(empty_to(f, 117)); /* 44 pages: still too few */
    assert_false(chunk_list_may_have_run(fuller, wanted));
    assert_true(empty_to(f, 116));
    assert_true(chunk_list_may_have_run(fuller, wanted));
    assert_true(chunk_lists_audit(f->lists));
}

static void a_position_names_any_page_and_any_slot(void **state) {
    (void)state;
    const uint32_t most_slots = 65536 / 16; /* of the largest page */
    for (uint32_t page = 0; page < RUN_INDEX_PAGES_MAX; page += 127) {
        for (uint32_t slot = 0; slot < most_slots; slot += 63) {
            assert_int_equal(chunk_position_page(chunk_position(page, slot)), page);
            assert_int_equal(chunk_position_slot(chunk_position(page, slot)), slot);
        }
    }
}

static void usage_is_zero_only_when_empty_and_hundred_only_when_full(void **state) {
    fixture *f = *state;
    assert_int_equal(chunk_usage(f->chunk), 0);
    fill_to(f, 1);
    assert_int_equal(chunk_usage(f->chunk), 1);
    fill_to(f, 127);
    assert_int_equal(chunk_usage(f->chunk), 99);
    fill_to(f, 128);
    assert_int_equal(chunk_usage(f->chunk), 100);
}

static void a_subpage_takes_its_run_and_gives_it_back(void **state) {
    fixture *f = *state;
    subpage *record = malloc(subpage_storage(&f->classes));
    assert_true(chunk_add_subpage(f->chunk, record, size_class_of(&f->classes, 5120)));
    assert_int_equal(f->chunk->runs.free_pages, 512 - 5);
    assert_true(chunk_audit(f->chunk));
    uint32_t slot = subpage_take(record);
    assert_true(chunk_audit(f->chunk));
    subpage_give(record, slot);
    chunk_remove_subpage(f->chunk, record, 0);
    assert_true(chunk_is_empty(f->chunk));
    assert_true(chunk_audit(f->chunk));
    free(record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chunk_climbs_init_000_025_050_100_and_skips_075, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_chunk_descends_100_075_050_025_000_and_leaves_when_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_chunk_leaves_init_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_new_chunk_goes_straight_to_100, set_up, tear_down),
        cmocka_unit_test_setup_teardown(search_goes_050_025_000_init_075_and_never_100, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thresholds_are_nettys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lists_are_chained_as_nettys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_list_refuses_what_no_member_can_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_chunk_added_last_is_scanned_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_without_a_run_is_not_searched_until_a_chunk_has_one, set_up, tear_down),
        cmocka_unit_test(a_position_names_any_page_and_any_slot),
        cmocka_unit_test_setup_teardown(usage_is_zero_only_when_empty_and_hundred_only_when_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_subpage_takes_its_run_and_gives_it_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
