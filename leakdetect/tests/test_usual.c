/* Unit tests of usual.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory.h"
#include "usual.h"

static usual table;

static int start_empty(void **state) {
    (void)state;
    usual_reset(&table);
    return 0;
}

static uint64_t count_of(uint32_t allocation_stack, uint8_t kind, uint32_t stack) {
    uint64_t found = 0;
    for (size_t i = 0; table.entries != NULL && i < table.slots; i++) {
        const usual_entry *entry = &table.entries[i];
        if (entry->count > 0 && entry->allocation_stack == allocation_stack && entry->kind == kind &&
            entry->stack == stack) {
            assert_int_equal(found, 0); /* of each there is one */
            found = entry->count;
        }
    }
    return found;
}

static void equal_ones_add_up_and_others_stay_apart(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t stack = 1; stack <= 20; stack++) {
            usual_entry *closings = usual_close(&table, stack, 1, 9);
            assert_non_null(closings);
            usual_add(&table, closings, 0, 7, stack);
            usual_add(&table, closings, 1, 7, 1);
            usual_add(&table, closings, 1, 0, 1);
            assert_false(closings->incomplete);
        }
    }
    for (uint32_t stack = 1; stack <= 20; stack++) {
        assert_int_equal(count_of(stack, USUAL_CLOSINGS, 9), 3);
        assert_int_equal(count_of(stack, 0, 7), (uint64_t)3 * stack);
        assert_int_equal(count_of(stack, 1, 7), 3);
        assert_int_equal(count_of(stack, 1, 0), 3);
    }
    assert_int_equal(table.used, 80);
}

/* What was looked up last is looked at first: each entry but for one word of it must not be taken for it. */
static void what_differs_in_one_word_from_the_last_is_another(void **state) {
    (void)state;
    static const uint32_t rows[][3] = {{1, 2, 3}, {9, 2, 3}, {1, 9, 3}, {1, 2, 9}, {0, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
            usual_entry *one = usual_close(&table, rows[i][0], rows[i][1], rows[i][2]);
            usual_entry *other = usual_close(&table, rows[j][0], rows[j][1], rows[j][2]);
            assert_int_equal(one == other, i == j);
        }
    }
    assert_int_equal(table.used, sizeof rows / sizeof rows[0]);
    usual_entry *holds_beside = usual_close(&table, 1, 2, 3);
    usual_add(&table, holds_beside, 0, 3, 5); /* looked up since, and no closing */
    assert_ptr_equal(usual_close(&table, 1, 2, 3), holds_beside);
    usual_reset(&table);
    assert_int_equal(usual_close(&table, 1, 2, 3)->count, 1);
}

static void a_full_table_keeps_what_it_has_and_marks_what_it_cannot_complete(void **state) {
    (void)state;
    usual_entry *first = usual_close(&table, 1, 1, 9);
    assert_non_null(first);
    usual_add(&table, first, 0, 5, 2);
    uint32_t refused = 0;
    for (uint32_t stack = 2; stack < 20000; stack++) {
        refused += usual_close(&table, stack, 1, 9) == NULL;
    }
    assert_int_equal(table.slots, USUAL_SLOTS_MOST);
    assert_int_equal(table.used, USUAL_SLOTS_MOST / 4 * 3);
    assert_int_equal(refused, 19998 - (USUAL_SLOTS_MOST / 4 * 3 - 2));
    uint64_t mapped = memory_mapped();
    assert_null(usual_close(&table, 20000, 1, 9));
    assert_int_equal(memory_mapped(), mapped);
    first = usual_close(&table, 1, 1, 9); /* the table has moved since */
    assert_int_equal(first->count, 2);
    assert_int_equal(count_of(1, 0, 5), 2);
    usual_add(&table, first, 0, 5, 2);
    assert_false(first->incomplete);
    assert_int_equal(count_of(1, 0, 5), 4);
    usual_add(&table, first, 0, 6, 1);
    assert_true(first->incomplete);
    assert_ptr_equal(usual_close(&table, 1, 1, 9), first);
}

/* Also what was looked up last, and what is in the middle of a run of slots. */
static void a_table_that_grows_keeps_what_it_has(void **state) {
    (void)state;
    for (uint32_t round = 1; round <= 3; round++) {
        for (uint32_t stack = 1; stack <= 2000; stack++) {
            usual_entry *closings = usual_close(&table, stack, 1, 9);
            usual_add(&table, closings, 0, 7, stack);
            assert_int_equal(closings->count, round);
            assert_false(closings->incomplete);
        }
    }
    assert_int_equal(table.used, 4000);
    for (uint32_t stack = 1; stack <= 2000; stack += 100) {
        assert_int_equal(count_of(stack, USUAL_CLOSINGS, 9), 3);
        assert_int_equal(count_of(stack, 0, 7), (uint64_t)3 * stack);
    }
}

static void types_and_last_releases_of_one_stack_stay_apart(void **state) {
    (void)state;
    assert_ptr_not_equal(usual_close(&table, 1, 1, 8), usual_close(&table, 1, 1, 9));
    usual_reset(&table);
    assert_ptr_not_equal(usual_close(&table, 1, 1, 9), usual_close(&table, 1, 2, 9));
    assert_int_equal(table.used, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equal_ones_add_up_and_others_stay_apart, start_empty),
        cmocka_unit_test_setup(what_differs_in_one_word_from_the_last_is_another, start_empty),
        cmocka_unit_test_setup(a_full_table_keeps_what_it_has_and_marks_what_it_cannot_complete, start_empty),
        cmocka_unit_test_setup(a_table_that_grows_keeps_what_it_has, start_empty),
        cmocka_unit_test_setup(types_and_last_releases_of_one_stack_stay_apart, start_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
