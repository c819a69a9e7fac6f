/* Unit tests of the table of what is alive in scopes, against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"
#include "presence.h"

enum {
    RESOURCES = 20000
};

static char resources[RESOURCES * 64];

static const void *resource(size_t i) {
    return resources + i * 64;
}

static void audit(uint64_t expected) {
    uint64_t records = 0;
    assert_null(presence_audit(&records));
    assert_int_equal(records, expected);
}

static int tear_down(void **state) {
    (void)state;
    presence_clear();
    return 0;
}

static void what_goes_in_is_found_and_comes_out_once(void **state) {
    (void)state;
    presence_record out;
    presence_record stale = {.scope = 1};
    presence_record in = {.size = 5, .scope = 77, .stack = 3, .type = 9, .sampled = true};
    assert_false(presence_find(resource(0), &out));
    assert_true(presence_insert(resource(0), &in, &stale));
    assert_int_equal(stale.scope, 0);
    assert_true(presence_find(resource(0), &out));
    assert_true(out.size == 5 && out.scope == 77 && out.stack == 3 && out.type == 9 && out.sampled);
    presence_resize(resource(0), 6);
    presence_resize(resource(1), 7);
    assert_true(presence_remove(resource(0), &out));
    assert_int_equal(out.size, 6);
    assert_false(presence_remove(resource(0), &out));
    audit(0);
}

static void a_second_record_of_an_address_shows_the_first(void **state) {
    (void)state;
    presence_record stale;
    assert_true(presence_insert(resource(0), &(presence_record){.scope = 1}, &stale));
    assert_true(presence_insert(resource(0), &(presence_record){.scope = 2}, &stale));
    assert_int_equal(stale.scope, 1);
    audit(1);
}

static void a_random_walk_agrees_with_an_array(void **state) {
    (void)state;
    static uint64_t model[RESOURCES];
    uint64_t alive = 0;
    memset(model, 0, sizeof model);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t random = seed;
        for (int step = 0; step < 40000; step++) {
            size_t i = random_next(&random) % RESOURCES;
            presence_record record = {.scope = 1 + random_next(&random) % 100};
            if (model[i] == 0) {
                presence_record stale;
                assert_true(presence_insert(resource(i), &record, &stale));
                model[i] = record.scope;
                alive++;
            } else {
                assert_true(presence_remove(resource(i), &record));
                assert_int_equal(record.scope, model[i]);
                model[i] = 0;
                alive--;
            }
            if (step % 4000 == 0) {
                audit(alive);
            }
        }
    }
    audit(alive);
}

typedef struct walk {
    uint32_t times[RESOURCES];
} walk;

/* Drops every third, renames every third, keeps the rest. */
static uint64_t drop_and_rename(const presence_record *record, void *context) {
    size_t i = (size_t)((const char *)~record->key - resources) / 64;
    ((walk *)context)->times[i]++;
    return i % 3 == 0 ? 0 : i % 3 == 1 ? 1000 + i : record->scope;
}

static void a_walk_shows_each_once_while_it_removes(void **state) {
    (void)state;
    static walk seen;
    presence_record out;
    for (size_t i = 0; i < RESOURCES; i++) {
        assert_true(presence_insert(resource(i), &(presence_record){.scope = 5}, &out));
    }
    presence_visit(drop_and_rename, &seen);
    for (size_t i = 0; i < RESOURCES; i++) {
        assert_int_equal(seen.times[i], 1);
        assert_true(presence_find(resource(i), &out) == (i % 3 != 0));
        assert_true(i % 3 == 0 || out.scope == (i % 3 == 1 ? 1000 + i : 5));
    }
    audit(RESOURCES - (RESOURCES + 2) / 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_goes_in_is_found_and_comes_out_once, tear_down),
        cmocka_unit_test_teardown(a_second_record_of_an_address_shows_the_first, tear_down),
        cmocka_unit_test_teardown(a_random_walk_agrees_with_an_array, tear_down),
        cmocka_unit_test_teardown(a_walk_shows_each_once_while_it_removes, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
