/* Unit tests of dirty_map.c: which pages are dirty, for how long, and long random runs against a plain array. */
#include "unit.h"

#include "dirty_map.h"

#define PAGES 200u /* no multiple of a word's bits */

typedef struct fixture {
    dirty_map map;
    void *storage;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->storage = malloc(dirty_map_storage(PAGES));
    dirty_map_init(&f->map, PAGES, f->storage);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    assert_true(dirty_map_audit(&f->map));
    free(f->storage);
    free(f);
    return 0;
}

static void expect_found(const dirty_map *map, uint32_t from, uint64_t now, uint32_t age, uint32_t page,
                         uint32_t pages) {
    uint32_t found = 0;
    uint32_t length = 0;
    assert_true(dirty_map_find(map, from, now, age, PAGES, &found, &length));
    assert_int_equal(found, page);
    assert_int_equal(length, pages);
}

static void expect_none(const dirty_map *map, uint32_t from, uint64_t now, uint32_t age) {
    uint32_t page = 0;
    uint32_t pages = 0;
    assert_false(dirty_map_find(map, from, now, age, PAGES, &page, &pages));
}

static void a_new_map_has_no_dirty_page(void **state) {
    fixture *f = *state;
    assert_int_equal(f->map.count, 0);
    expect_none(&f->map, 0, 1000, 0);
}

static void pages_are_dirty_from_when_they_are_marked_until_they_are_cleared(void **state) {
    fixture *f = *state;
    dirty_map_mark(&f->map, 60, 70, 100);
    assert_int_equal(f->map.count, 70);
    expect_found(&f->map, 0, 100, 0, 60, 70);
    assert_int_equal(dirty_map_clear(&f->map, 50, 20), 10);
    expect_found(&f->map, 0, 100, 0, 70, 60);
    assert_int_equal(dirty_map_clear(&f->map, 70, 60), 60);
    expect_none(&f->map, 0, 100, 0);
}

static void a_page_is_found_to_the_millisecond(void **state) {
    fixture *f = *state;
    dirty_map_mark(&f->map, 0, PAGES, 100);
    expect_none(&f->map, 0, 1099, 1000);
    expect_found(&f->map, 0, 1100, 1000, 0, PAGES);
    expect_found(&f->map, PAGES - 1, 1100, 1000, PAGES - 1, 1);
    expect_none(&f->map, PAGES, 1100, 1000);
}

static void a_young_neighbour_makes_no_page_younger(void **state) {
    fixture *f = *state;
    dirty_map_mark(&f->map, 10, 10, 0);
    dirty_map_mark(&f->map, 20, 5, 900);
    dirty_map_mark(&f->map, 25, 10, 100);
    expect_found(&f->map, 0, 1000, 1000, 10, 10);
    expect_none(&f->map, 20, 1000, 1000);
    expect_found(&f->map, 11, 1100, 1000, 11, 9);
    expect_found(&f->map, 20, 1100, 1000, 25, 10);
    expect_found(&f->map, 0, 1900, 1000, 10, 25);
    assert_int_equal(dirty_map_oldest_age(&f->map, 1000), 1000);
    (void)dirty_map_clear(&f->map, 10, 10);
    assert_int_equal(dirty_map_oldest_age(&f->map, 1000), 900);
}

static void no_more_is_found_than_was_asked_for(void **state) {
    fixture *f = *state;
    uint32_t page = 0;
    uint32_t pages = 0;
    dirty_map_mark(&f->map, 3, 100, 0);
    assert_true(dirty_map_find(&f->map, 0, 0, 0, 8, &page, &pages));
    assert_int_equal(page, 3);
    assert_int_equal(pages, 8);
}

static void ages_survive_the_turn_of_the_clocks_lower_half(void **state) {
    fixture *f = *state;
    uint64_t before = ((uint64_t)3 << 32) - 10;
    dirty_map_mark(&f->map, 5, 1, before);
    expect_none(&f->map, 0, before + 99, 100);
    expect_found(&f->map, 0, before + 100, 100, 5, 1);
    assert_int_equal(dirty_map_oldest_age(&f->map, before + 100), 100);
}

static void random_marks_and_clears_agree_with_an_array(void **state) {
    fixture *f = *state;
    unit_random random = unit_random_start("dirty map", 6);
    bool dirty[PAGES] = {false};
    uint64_t freed[PAGES] = {0};
    for (uint64_t now = 0; now < 20000; now++) {
        uint32_t page = unit_random_below(&random, PAGES);
        uint32_t pages = 1 + unit_random_below(&random, PAGES - page);
        uint32_t cleared = 0;
        for (uint32_t i = page; i < page + pages; i++) {
            cleared += dirty[i];
            dirty[i] = false;
        }
        assert_int_equal(dirty_map_clear(&f->map, page, pages), cleared);
        if (unit_random_below(&random, 2) == 0) {
            dirty_map_mark(&f->map, page, pages, now);
            for (uint32_t i = page; i < page + pages; i++) {
                dirty[i] = true;
                freed[i] = now;
            }
        }
        uint32_t age = unit_random_below(&random, 10);
        uint32_t from = unit_random_below(&random, PAGES);
        uint32_t expected = from;
        while (expected < PAGES && !(dirty[expected] && now - freed[expected] >= age)) {
            expected++;
        }
        uint32_t found = PAGES;
        uint32_t length = 0;
        assert_int_equal(dirty_map_find(&f->map, from, now, age, PAGES, &found, &length), expected < PAGES);
        assert_int_equal(found, expected);
        for (uint32_t i = found; i < found + length; i++) {
            assert_true(dirty[i] && now - freed[i] >= age);
        }
        if (found + length < PAGES) {
            assert_false(dirty[found + length] && now - freed[found + length] >= age);
        }
        assert_true(dirty_map_audit(&f->map));
    }
}

#define MAP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        MAP_TEST(a_new_map_has_no_dirty_page),
        MAP_TEST(pages_are_dirty_from_when_they_are_marked_until_they_are_cleared),
        MAP_TEST(a_page_is_found_to_the_millisecond),
        MAP_TEST(a_young_neighbour_makes_no_page_younger),
        MAP_TEST(no_more_is_found_than_was_asked_for),
        MAP_TEST(ages_survive_the_turn_of_the_clocks_lower_half),
        MAP_TEST(random_marks_and_clears_agree_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
