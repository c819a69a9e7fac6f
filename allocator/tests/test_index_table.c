/* Unit tests of index_table.c. */
#include "unit.h"

#include "index_table.h"
#include "os/os.h"

static void the_smallest_free_number_is_taken_after_any_sequence(void **state) {
    (void)state;
    enum {
        NUMBERS = 300
    };
    index_table table = {0};
    bool taken[NUMBERS] = {false};
    unit_random random = unit_random_start("index_table", 6);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = unit_random_below(&random, NUMBERS);
        if (taken[i]) {
            index_table_give(&table, i);
            taken[i] = false;
            continue;
        }
        uint32_t smallest = 0;
        while (taken[smallest]) {
            smallest++;
        }
        assert_int_equal(index_table_take(&table), smallest);
        taken[smallest] = true;
    }
    index_table_fini(&table);
}

static void a_full_table_grows_and_keeps_its_numbers(void **state) {
    (void)state;
    os = &os_fault;
    index_table table = {0};
    for (uint32_t i = 0; i < 100000; i++) { /* two growths */
        assert_int_equal(index_table_take(&table), i);
    }
    assert_int_equal(os_fault_regions(), 1);
    index_table_give(&table, 70000);
    index_table_give(&table, 5);
    assert_int_equal(index_table_take(&table), 5);
    assert_int_equal(index_table_take(&table), 70000);
    assert_int_equal(index_table_take(&table), 100000);
    index_table_fini(&table);
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
}

static void without_memory_to_grow_there_is_no_number_and_nothing_is_lost(void **state) {
    (void)state;
    os = &os_fault;
    index_table table = {0};
    os_fault_arm(0, false);
    assert_int_equal(index_table_take(&table), INDEX_TABLE_NONE);
    os_fault_disarm();
    uint32_t count = 0;
    for (; count < 4096 * 8; count++) {
        assert_int_equal(index_table_take(&table), count);
    }
    os_fault_arm(0, false);
    assert_int_equal(index_table_take(&table), INDEX_TABLE_NONE);
    index_table_give(&table, 17);
    assert_int_equal(index_table_take(&table), 17);
    os_fault_disarm();
    assert_int_equal(index_table_take(&table), count);
    index_table_fini(&table);
    os = &os_linux;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_free_number_is_taken_after_any_sequence),
        cmocka_unit_test(a_full_table_grows_and_keeps_its_numbers),
        cmocka_unit_test(without_memory_to_grow_there_is_no_number_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
