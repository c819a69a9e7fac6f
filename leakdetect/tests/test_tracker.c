/* Unit tests of tracker.c. The audit runs after every change of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"
#include "tracked.h"

static char resources[70000];

static void assert_sound(void) {
    const char *broken = tracker_audit();
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
}

static int start_empty(void **state) {
    (void)state;
    tracker_reset();
    return 0;
}

static bool insert(const void *resource, uint64_t size, uint32_t stack) {
    return tracker_insert(resource, NULL, &(tracker_record){.size = size, .stack = stack, .weight = 1});
}

static bool remove_plain(const void *resource) {
    return tracker_remove(resource, (tracker_closer){.stack = 77}, NULL);
}

static tracker_totals totals(void) {
    tracker_totals now;
    tracker_count(&now);
    return now;
}

static void what_goes_in_comes_out_once(void **state) {
    (void)state;
    assert_true(insert(&resources[0], 100, 1));
    assert_int_equal(totals().live, 1);
    assert_int_equal(totals().live_bytes, 100);
    assert_true(remove_plain(&resources[0]));
    assert_false(remove_plain(&resources[0]));
    assert_int_equal(totals().live, 0);
    assert_int_equal(totals().live_bytes, 0);
    assert_int_equal(totals().seen, 1);
    assert_sound();
}

static void an_address_tracked_twice_counts_once(void **state) {
    (void)state;
    tracker_record found;
    assert_true(insert(&resources[0], 100, 1));
    assert_true(insert(&resources[0], 30, 2));
    assert_int_equal(totals().live, 1);
    assert_int_equal(totals().live_bytes, 30);
    assert_true(tracker_find(&resources[0], &found));
    assert_int_equal(found.stack, 2);
    assert_sound();
}

static void tables_grow_and_records_are_used_again(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof resources; i++) {
            assert_true(insert(&resources[i], i, (uint32_t)i));
        }
        assert_sound();
        for (size_t i = 0; i < sizeof resources; i++) {
            tracker_record found;
            assert_true(tracker_find(&resources[i], &found));
            assert_int_equal(found.size, i);
            assert_true(remove_plain(&resources[i]));
        }
        assert_sound();
    }
    assert_int_equal(totals().live, 0);
    assert_int_equal(totals().seen, 2 * sizeof resources);
}

static void addresses_are_kept_complemented(void **state) {
    (void)state;
    tracker_record found;
    assert_true(tracker_insert(&resources[5], &resources[9], &(tracker_record){.size = 1}));
    assert_true(tracker_find(&resources[5], &found));
    assert_int_equal(found.key, ~(uintptr_t)&resources[5]);
    assert_int_equal(found.owner, ~(uintptr_t)&resources[9]);
}

static void the_newest_closing_of_an_address_is_remembered(void **state) {
    (void)state;
    tracker_closed closed;
    assert_false(tracker_find_closed(&resources[0], &closed));
    for (uint32_t i = 1; i <= 3; i++) {
        assert_true(insert(&resources[0], i, i));
        assert_true(tracker_remove(&resources[0], (tracker_closer){.stack = 100 + i}, NULL));
    }
    assert_true(tracker_find_closed(&resources[0], &closed));
    assert_int_equal(closed.allocation_stack, 3);
    assert_int_equal(closed.close_stack, 103);
    assert_int_equal(closed.size, 3);
}

typedef struct access_list {
    size_t count;
    uint32_t stacks[64];
    uint32_t dropped;
} access_list;

static void list_accesses(tracker_record *record, void *context) {
    access_list *list = context;
    list->dropped = record->accesses_dropped;
    for (const tracker_access *access = tracker_next_access(record, NULL); access != NULL && list->count < 64;
         access = tracker_next_access(record, access)) {
        list->stacks[list->count++] = access->stack;
    }
}

static access_list touch_and_list(uint32_t touches, uint32_t target) {
    access_list list = {0};
    uint64_t random = 11;
    assert_true(insert(&resources[0], 1, 1));
    for (uint32_t i = 1; i <= touches; i++) {
        tracker_access access = {.stack = i, .kind = ACCESS_TOUCH};
        assert_true(tracker_record_access(&resources[0], &access, target, random_next(&random)));
    }
    tracker_visit(list_accesses, &list);
    return list;
}

static void few_accesses_are_all_kept_newest_first(void **state) {
    (void)state;
    access_list list = touch_and_list(4, 4);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.stacks[0], 4);
    assert_int_equal(list.stacks[3], 1);
    assert_int_equal(list.dropped, 0);
}

static void many_accesses_back_off_but_the_first_and_the_last_stay(void **state) {
    (void)state;
    access_list list = touch_and_list(100000, 4);
    assert_true(list.count >= 10 && list.count <= 30); /* 4 + about log2(100,000) */
    assert_int_equal(list.stacks[0], 100000);
    assert_int_equal(list.stacks[list.count - 1], 1);
    assert_int_equal(list.count + list.dropped, 100000);
}

static void accesses_of_the_untracked_are_ignored(void **state) {
    (void)state;
    assert_false(tracker_record_access(&resources[1], &(tracker_access){.stack = 1}, 4, 0));
}

static void accesses_go_with_their_record(void **state) {
    (void)state;
    for (int round = 0; round < 1000; round++) {
        touch_and_list(20, 4);
        assert_true(remove_plain(&resources[0]));
    }
    assert_sound();
}

static void count_record(tracker_record *record, void *context) {
    (void)record;
    ++*(int *)context;
}

static void a_visit_sees_each_record_once(void **state) {
    (void)state;
    int seen = 0;
    for (size_t i = 0; i < 1000; i++) {
        insert(&resources[i], 1, 1);
    }
    tracker_visit(count_record, &seen);
    assert_int_equal(seen, 1000);
}

static void random_traffic_keeps_the_table_sound(void **state) {
    (void)state;
    static bool live[512];
    uint64_t random = 12345;
    memset(live, 0, sizeof live);
    for (int step = 0; step < 20000; step++) {
        size_t i = random_next(&random) % 512;
        assert_int_equal(live[i] ? remove_plain(&resources[i]) : insert(&resources[i], i, 1), true);
        live[i] = !live[i];
        if (step % 500 == 0) {
            assert_sound();
        }
    }
    assert_sound();
}

static void *work_on_own_part(void *argument) {
    char *part = argument;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 500; i++) {
            insert(part + i, 8, 1);
            tracker_record_access(part + i, &(tracker_access){.stack = 2}, 4, i);
        }
        for (size_t i = 0; i < 500; i++) {
            remove_plain(part + i);
        }
    }
    return NULL;
}

static void threads_share_the_table(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work_on_own_part, resources + i * 1000), 0);
    }
    int seen = 0;
    tracker_visit(count_record, &seen);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(totals().live, 0);
    assert_int_equal(totals().seen, 4 * 20 * 500);
    assert_sound();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_goes_in_comes_out_once, start_empty),
        cmocka_unit_test_setup(an_address_tracked_twice_counts_once, start_empty),
        cmocka_unit_test_setup(tables_grow_and_records_are_used_again, start_empty),
        cmocka_unit_test_setup(addresses_are_kept_complemented, start_empty),
        cmocka_unit_test_setup(the_newest_closing_of_an_address_is_remembered, start_empty),
        cmocka_unit_test_setup(few_accesses_are_all_kept_newest_first, start_empty),
        cmocka_unit_test_setup(many_accesses_back_off_but_the_first_and_the_last_stay, start_empty),
        cmocka_unit_test_setup(accesses_of_the_untracked_are_ignored, start_empty),
        cmocka_unit_test_setup(accesses_go_with_their_record, start_empty),
        cmocka_unit_test_setup(a_visit_sees_each_record_once, start_empty),
        cmocka_unit_test_setup(random_traffic_keeps_the_table_sound, start_empty),
        cmocka_unit_test_setup(threads_share_the_table, start_empty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
