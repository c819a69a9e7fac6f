/* Unit tests of holders.c: balances and their pairing, with frames by hand. reports.sh shows the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "holders.h"
#include "stack_table.h"
#include "tracked.h"

/* A stack is a site, called by one caller, called by main. */
enum {
    AT_MAKE = 1,
    AT_OPEN,
    AT_CLOSE,
    AT_OTHER_OPEN,
    AT_OTHER_CLOSE,
    AT_VIEW,
    AT_WORK_OPEN, /* open and close in one function */
    AT_WORK_CLOSE,
    AT_UNNAMED,
    AT_SERVE,
    AT_TIMER,
    AT_MAIN
};

static char resources[200];

static size_t look_up(void *context, uintptr_t address, const symbol_frame **frames) {
    (void)context;
    static const symbol_frame ROWS[] = {
        [AT_MAKE] = {AT_MAKE, 1, "server", NULL, "make", "server.c", 10, false, NULL},
        [AT_OPEN] = {AT_OPEN, 2, "server", NULL, "session_open", "src/session.c", 41, false, NULL},
        [AT_CLOSE] = {AT_CLOSE, 3, "server", NULL, "session_close", "src/session.c", 88, false, NULL},
        [AT_OTHER_OPEN] = {AT_OTHER_OPEN, 4, "server", NULL, "cache_put", "cache.c", 5, false, NULL},
        [AT_OTHER_CLOSE] = {AT_OTHER_CLOSE, 5, "server", NULL, "cache_drop", "cache.c", 9, false, NULL},
        [AT_VIEW] = {AT_VIEW, 6, "server", NULL, "keep_header", "header.c", 3, false, NULL},
        [AT_WORK_OPEN] = {AT_WORK_OPEN, 7, "server", NULL, "work", "work.c", 1, false, NULL},
        [AT_WORK_CLOSE] = {AT_WORK_CLOSE, 8, "server", NULL, "work", "work.c", 2, false, NULL},
        [AT_UNNAMED] = {AT_UNNAMED, 9, "plugin.so", NULL, NULL, NULL, 0, false, NULL},
        [AT_SERVE] = {AT_SERVE, 10, "server", NULL, "serve", "server.c", 90, false, NULL},
        [AT_TIMER] = {AT_TIMER, 11, "server", NULL, "on_timer", "server.c", 120, false, NULL},
        [AT_MAIN] = {AT_MAIN, 12, "server", NULL, "main", "server.c", 200, false, NULL},
    };
    *frames = &ROWS[address];
    return 1;
}

static uint32_t stack_of(uintptr_t site, uintptr_t caller) {
    const uintptr_t frames[] = {site, caller, AT_MAIN};
    return stack_table_put(frames, 3);
}

static int start_empty(void **state) {
    (void)state;
    tracker_reset();
    return 0;
}

static void track_at(size_t i, uintptr_t site, uintptr_t caller) {
    const tracker_record record = {.size = 10,
                                   .stack = stack_of(site, caller),
                                   .type = name_put("poolbuf"),
                                   .weight = 1,
                                   .watch = tracker_watch()};
    assert_true(tracker_insert(&resources[i], NULL, &record));
}

static void track(size_t i) {
    track_at(i, AT_MAKE, AT_SERVE);
}

static void hold_for(size_t i, hold_kind kind, uintptr_t site, uintptr_t caller, uint64_t references, uint32_t thread) {
    static uint64_t now;
    const access_kind access = kind == HOLD_SLICE ? ACCESS_SLICE : kind == HOLD_RETAIN ? ACCESS_RETAIN : ACCESS_RELEASE;
    const tracker_access use = {.time_ns = ++now,
                                .stack = site == 0 ? 0 : stack_of(site, caller),
                                .kind = access,
                                .thread_id = thread,
                                .thread_name = name_put("io")};
    assert_true(tracker_record_references(AT(&resources[i]), &use, kind, references, 4, UINT64_MAX));
}

static void hold(size_t i, hold_kind kind, uintptr_t site, uint64_t references) {
    hold_for(i, kind, site, AT_SERVE, references, 7);
}

static void close_one(size_t i, uintptr_t site) {
    assert_true(tracker_close(&resources[i], (tracker_closer){.stack = stack_of(site, AT_SERVE)}));
}

static report collected(void) {
    report self = {.reason = "process exit", .level = "paranoid"};
    report_collect(&self, &(report_scope){.generation = tracker_generation()});
    report_resolve(&self, look_up, NULL);
    assert_int_equal(self.groups.count, 1);
    return self;
}

static const report_group *only_group(const report *self) {
    return self->groups.items;
}

static const holders_site *site_at(const report *self, holders_kind kind, const char *function) {
    const holders *all = only_group(self)->holders;
    assert_non_null(all);
    for (size_t i = 0; i < all->site_count; i++) {
        const holders_site *site = &all->sites[i];
        if (site->kind == kind && strcmp(site->frames.items[0]->function, function) == 0) {
            return site;
        }
    }
    fail_msg("no %s at %s", holders_name(kind), function);
    return NULL;
}

/* Asserts that of all sites just one is open, and by how much. */
static void assert_open(const report *self, holders_kind kind, const char *function, uint64_t open) {
    const holders *all = only_group(self)->holders;
    assert_true(all->decided);
    assert_int_equal(all->open, open);
    assert_int_equal(site_at(self, kind, function)->open, open);
    for (size_t i = 0; i < all->site_count; i++) {
        assert_int_equal(all->sites[i].suspect, &all->sites[i] == site_at(self, kind, function));
    }
}

static void one_missing_release_among_ten_retains_is_named(void **state) {
    (void)state;
    track(0);
    for (int i = 0; i < 10; i++) {
        hold(0, HOLD_RETAIN, AT_OPEN, 1);
    }
    for (int i = 0; i < 9; i++) {
        hold(0, HOLD_RELEASE, AT_CLOSE, 1);
    }
    hold(0, HOLD_RELEASE, AT_MAKE, 1);
    report self = collected();
    assert_int_equal(site_at(&self, HOLDERS_RETAIN, "session_open")->count, 10);
    assert_int_equal(site_at(&self, HOLDERS_RELEASE, "session_close")->count, 9);
    assert_open(&self, HOLDERS_RETAIN, "session_open", 1);
    report_fini(&self);
}

/* The plainest program: what user() takes it gives back itself, but once, and the caller releases what make() made. */
static void what_a_function_keeps_is_not_what_its_caller_released(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_WORK_OPEN, 10);
    hold(0, HOLD_RELEASE, AT_WORK_CLOSE, 9);
    hold_for(0, HOLD_RELEASE, AT_SERVE, AT_MAIN, 1, 7);
    report self = collected();
    assert_open(&self, HOLDERS_RETAIN, "work", 1);
    report_fini(&self);
}

/* The same counts, but the last reference may have gone to whoever closes, called by somebody else. */
static void what_others_released_may_be_what_a_function_handed_on(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_WORK_OPEN, 10);
    hold(0, HOLD_RELEASE, AT_WORK_CLOSE, 9);
    hold_for(0, HOLD_RELEASE, AT_CLOSE, AT_TIMER, 1, 7);
    report self = collected();
    assert_false(only_group(&self)->holders->decided);
    assert_true(site_at(&self, HOLDERS_RETAIN, "work")->suspect);
    assert_true(site_at(&self, HOLDERS_ALLOCATION, "make")->suspect);
    report_fini(&self);
}

static void a_caller_that_was_handed_two_and_released_one_decides_nothing(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_OPEN, 1);
    hold_for(0, HOLD_RELEASE, AT_SERVE, AT_MAIN, 1, 7);
    report self = collected();
    assert_false(only_group(&self)->holders->decided);
    assert_true(site_at(&self, HOLDERS_RETAIN, "session_open")->suspect);
    assert_true(site_at(&self, HOLDERS_ALLOCATION, "make")->suspect);
    report_fini(&self);
}

/* work() drops two of ten itself, and its caller the other eight: none of these was the owner's. */
static void a_callers_releases_go_to_equal_counts_only(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_WORK_OPEN, 10);
    hold(0, HOLD_RELEASE, AT_WORK_CLOSE, 2);
    hold_for(0, HOLD_RELEASE, AT_SERVE, AT_MAIN, 8, 7);
    report self = collected();
    assert_open(&self, HOLDERS_ALLOCATION, "make", 1);
    report_fini(&self);
}

/* Compiled with jumps for last calls, serve() makes the buffer and seems to release for everybody. What is left of that
 * when its own one is paired equals what session_open() took, by chance: cache_put() is not to be accused. */
static void the_rest_of_a_larger_count_is_equal_to_nothing(void **state) {
    (void)state;
    track_at(0, AT_SERVE, AT_MAIN);
    hold(0, HOLD_RETAIN, AT_OPEN, 10);
    hold(0, HOLD_RETAIN, AT_OTHER_OPEN, 1);
    hold_for(0, HOLD_RELEASE, AT_SERVE, AT_MAIN, 11, 7);
    report self = collected();
    assert_false(only_group(&self)->holders->decided);
    assert_true(site_at(&self, HOLDERS_RETAIN, "session_open")->suspect);
    assert_true(site_at(&self, HOLDERS_RETAIN, "cache_put")->suspect);
    report_fini(&self);
}

static void the_count_is_exact_where_accesses_are_dropped(void **state) {
    (void)state;
    track(0);
    for (int i = 0; i < 100000; i++) {
        hold(0, HOLD_RETAIN, AT_OPEN, 3);
        hold(0, HOLD_RELEASE, AT_CLOSE, 3);
    }
    hold(0, HOLD_RETAIN, AT_OPEN, 1);
    report self = collected();
    assert_true(only_group(&self)->accesses_dropped > 199000);
    assert_int_equal(site_at(&self, HOLDERS_RETAIN, "session_open")->count, 300001);
    assert_int_equal(site_at(&self, HOLDERS_RELEASE, "session_close")->count, 300000);
    assert_int_equal(only_group(&self)->holders->open, 2);
    report_fini(&self);
}

static void equal_counts_pair_and_leave_the_odd_one(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_OPEN, 6);
    hold(0, HOLD_RETAIN, AT_OTHER_OPEN, 4);
    hold(0, HOLD_RELEASE, AT_CLOSE, 5);
    hold(0, HOLD_RELEASE, AT_OTHER_CLOSE, 4);
    hold(0, HOLD_RELEASE, AT_MAKE, 1);
    report self = collected();
    assert_open(&self, HOLDERS_RETAIN, "session_open", 1);
    report_fini(&self);
}

static void sites_of_one_function_pair(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_WORK_OPEN, 5);
    hold(0, HOLD_RETAIN, AT_OPEN, 8);
    hold(0, HOLD_RELEASE, AT_WORK_CLOSE, 3);
    hold(0, HOLD_RELEASE, AT_CLOSE, 8);
    hold(0, HOLD_RELEASE, AT_MAKE, 1);
    report self = collected();
    assert_open(&self, HOLDERS_RETAIN, "work", 2);
    report_fini(&self);
}

static void the_owner_that_forgets_is_named(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_OPEN, 10);
    hold(0, HOLD_RELEASE, AT_CLOSE, 10);
    report self = collected();
    assert_open(&self, HOLDERS_ALLOCATION, "make", 1);
    report_fini(&self);
}

static void slices_are_a_ledger_of_their_own(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_SLICE, AT_VIEW, 1);
    hold(0, HOLD_RELEASE, AT_CLOSE, 1); /* of the buffer: it cannot have been the slice's */
    report self = collected();
    assert_open(&self, HOLDERS_SLICE, "keep_header", 1);
    report_fini(&self);
    tracker_reset();
    track(0);
    hold(0, HOLD_SLICE, AT_VIEW, 1);
    hold(0, HOLD_SLICE_RETAIN, AT_OPEN, 1);
    hold(0, HOLD_SLICE_RELEASE, AT_CLOSE, 2);
    self = collected();
    assert_open(&self, HOLDERS_ALLOCATION, "make", 1);
    report_fini(&self);
}

static void where_counts_do_not_tell_every_candidate_is_named(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_OPEN, 1);
    hold(0, HOLD_RETAIN, AT_OTHER_OPEN, 1);
    hold_for(0, HOLD_RELEASE, AT_CLOSE, AT_TIMER, 2, 7);
    report self = collected();
    const holders *all = only_group(&self)->holders;
    assert_false(all->decided);
    assert_int_equal(all->open, 1);
    assert_true(site_at(&self, HOLDERS_RETAIN, "session_open")->suspect);
    assert_true(site_at(&self, HOLDERS_RETAIN, "cache_put")->suspect);
    assert_true(site_at(&self, HOLDERS_ALLOCATION, "make")->suspect);
    report_fini(&self);
}

static void two_pairings_that_disagree_decide_nothing(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_OPEN, 10);
    hold(0, HOLD_RELEASE, AT_MAKE, 10); /* nine for the sessions and its own, or all ten for the sessions */
    report self = collected();
    assert_false(only_group(&self)->holders->decided);
    assert_true(site_at(&self, HOLDERS_RETAIN, "session_open")->suspect);
    assert_true(site_at(&self, HOLDERS_ALLOCATION, "make")->suspect);
    report_fini(&self);
}

static void a_caller_behind_a_wrapper_is_found(void **state) {
    (void)state;
    track(0);
    hold_for(0, HOLD_RETAIN, AT_OPEN, AT_SERVE, 20, 7);
    hold_for(0, HOLD_RETAIN, AT_OPEN, AT_TIMER, 10, 8);
    hold_for(0, HOLD_RELEASE, AT_CLOSE, AT_SERVE, 20, 7);
    hold_for(0, HOLD_RELEASE, AT_CLOSE, AT_TIMER, 7, 8);
    hold_for(0, HOLD_RELEASE, AT_MAKE, AT_SERVE, 1, 7);
    report self = collected();
    assert_open(&self, HOLDERS_RETAIN, "session_open", 3);
    const holders_site *site = site_at(&self, HOLDERS_RETAIN, "session_open");
    assert_true(site->several_threads);
    assert_int_equal(site->thread_id, 8);
    assert_non_null(site->caller);
    assert_string_equal(site->caller->function, "on_timer");
    assert_int_equal(site->caller_count, 10);
    report_fini(&self);
}

static void sites_without_a_stack_are_counted_and_decide_nothing(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_OPEN, 2);
    hold(0, HOLD_RELEASE, 0, 1);
    report self = collected();
    const holders *all = only_group(&self)->holders;
    assert_false(all->decided);
    assert_int_equal(all->given_elsewhere, 1);
    assert_int_equal(all->open, 2);
    report_fini(&self);
}

static void the_table_of_a_record_is_bounded_and_its_sums_are_exact(void **state) {
    (void)state;
    track(0);
    for (uintptr_t i = 0; i < (uintptr_t)3 * TRACKER_HOLDS_MAX; i++) {
        const uintptr_t frames[] = {AT_OPEN, AT_SERVE, AT_MAIN, 5000 + i}; /* below main: the same to a reader */
        const tracker_access use = {.stack = stack_table_put(frames, 4), .kind = ACCESS_RETAIN};
        assert_true(tracker_record_references(AT(&resources[0]), &use, HOLD_RETAIN, 2, 4, UINT64_MAX));
        assert_true(tracker_record_references(AT(&resources[0]), &use, HOLD_RELEASE, 1, 4, UINT64_MAX));
    }
    report self = collected();
    const holders *all = only_group(&self)->holders;
    assert_int_equal(all->taken, 6 * TRACKER_HOLDS_MAX);
    assert_int_equal(all->given, 3 * TRACKER_HOLDS_MAX);
    assert_int_equal(all->open, 1 + 3 * TRACKER_HOLDS_MAX);
    assert_true(all->taken_elsewhere > 0 && all->given_elsewhere > 0);
    assert_false(all->decided);
    assert_int_equal(all->site_count, 3); /* stacks that read alike are one site */
    report_fini(&self);
    assert_true(tracker_close(&resources[0], (tracker_closer){0}));
    assert_null(tracker_audit());
}

static void a_release_that_usually_comes_is_the_deviant(void **state) {
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        track(i);
        hold(i, HOLD_RETAIN, AT_WORK_OPEN, 1);
        if (i < 45) {
            hold(i, HOLD_RELEASE, AT_WORK_CLOSE, 1);
            close_one(i, AT_SERVE);
        } else {
            hold(i, HOLD_RELEASE, AT_SERVE, 1);
        }
    }
    report self = collected();
    const holders *all = only_group(&self)->holders;
    assert_int_equal(all->closed, 45);
    assert_true(all->deviant < all->site_count);
    const holders_site *site = &all->sites[all->deviant];
    assert_int_equal(site->kind, HOLDERS_RELEASE);
    assert_int_equal(site->frames.items[0]->line, 2);
    assert_int_equal(site->count, 0);
    assert_int_equal(site->usual, 45);
    report_fini(&self);
}

static void a_retain_too_many_is_the_deviant(void **state) {
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        track(i);
        hold(i, HOLD_RETAIN, AT_OPEN, i == 9 ? 4 : 3);
        hold(i, HOLD_RELEASE, AT_CLOSE, 3);
        if (i < 9) {
            close_one(i, AT_SERVE);
        } else {
            hold(i, HOLD_RELEASE, AT_SERVE, 1);
        }
    }
    report self = collected();
    const holders *all = only_group(&self)->holders;
    assert_true(all->deviant < all->site_count);
    assert_ptr_equal(&all->sites[all->deviant], site_at(&self, HOLDERS_RETAIN, "session_open"));
    report_fini(&self);
}

static void what_varies_anyway_is_no_witness(void **state) {
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        track(i);
        hold(i, HOLD_RETAIN, AT_OPEN, i + 1);
        hold(i, HOLD_RELEASE, AT_CLOSE, i == 9 ? i : i + 1);
        if (i < 9) {
            close_one(i, AT_SERVE);
        } else {
            hold(i, HOLD_RELEASE, AT_SERVE, 1);
        }
    }
    report self = collected();
    assert_int_equal(only_group(&self)->holders->deviant, only_group(&self)->holders->site_count);
    report_fini(&self);
}

static void closings_without_a_stack_are_no_witness(void **state) {
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        track(i);
        hold(i, HOLD_RETAIN, AT_OPEN, 1);
    }
    for (size_t i = 0; i < 9; i++) {
        hold(i, HOLD_RELEASE, AT_CLOSE, 1);
        assert_true(tracker_close(&resources[i], (tracker_closer){0}));
    }
    report self = collected();
    assert_int_equal(only_group(&self)->holders->deviant, only_group(&self)->holders->site_count);
    report_fini(&self);
}

static void what_was_not_recorded_all_its_life_is_in_no_balance(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_OPEN, 1);
    tracker_stop_watching();
    track(1);
    hold(1, HOLD_RETAIN, AT_OPEN, 5);
    report self = collected();
    assert_int_equal(only_group(&self)->balanced, 1);
    assert_int_equal(only_group(&self)->unbalanced, 1);
    assert_int_equal(site_at(&self, HOLDERS_RETAIN, "session_open")->count, 5);
    assert_int_equal(only_group(&self)->holders->open, 6);
    report_fini(&self);
}

static void a_plain_leak_has_no_holders(void **state) {
    (void)state;
    track(0);
    report self = collected();
    assert_null(only_group(&self)->holders);
    assert_int_equal(only_group(&self)->balanced, 1);
    report_fini(&self);
}

static void sites_without_names_are_told_apart_by_address(void **state) {
    (void)state;
    track(0);
    hold(0, HOLD_RETAIN, AT_UNNAMED, 2);
    hold(0, HOLD_RELEASE, AT_CLOSE, 2);
    report self = collected();
    const holders *all = only_group(&self)->holders;
    assert_true(all->decided);
    assert_int_equal(all->site_count, 3);
    report_fini(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_missing_release_among_ten_retains_is_named, start_empty),
        cmocka_unit_test_setup(what_a_function_keeps_is_not_what_its_caller_released, start_empty),
        cmocka_unit_test_setup(what_others_released_may_be_what_a_function_handed_on, start_empty),
        cmocka_unit_test_setup(a_caller_that_was_handed_two_and_released_one_decides_nothing, start_empty),
        cmocka_unit_test_setup(a_callers_releases_go_to_equal_counts_only, start_empty),
        cmocka_unit_test_setup(the_rest_of_a_larger_count_is_equal_to_nothing, start_empty),
        cmocka_unit_test_setup(the_count_is_exact_where_accesses_are_dropped, start_empty),
        cmocka_unit_test_setup(equal_counts_pair_and_leave_the_odd_one, start_empty),
        cmocka_unit_test_setup(sites_of_one_function_pair, start_empty),
        cmocka_unit_test_setup(the_owner_that_forgets_is_named, start_empty),
        cmocka_unit_test_setup(slices_are_a_ledger_of_their_own, start_empty),
        cmocka_unit_test_setup(where_counts_do_not_tell_every_candidate_is_named, start_empty),
        cmocka_unit_test_setup(two_pairings_that_disagree_decide_nothing, start_empty),
        cmocka_unit_test_setup(a_caller_behind_a_wrapper_is_found, start_empty),
        cmocka_unit_test_setup(sites_without_a_stack_are_counted_and_decide_nothing, start_empty),
        cmocka_unit_test_setup(the_table_of_a_record_is_bounded_and_its_sums_are_exact, start_empty),
        cmocka_unit_test_setup(a_release_that_usually_comes_is_the_deviant, start_empty),
        cmocka_unit_test_setup(a_retain_too_many_is_the_deviant, start_empty),
        cmocka_unit_test_setup(what_varies_anyway_is_no_witness, start_empty),
        cmocka_unit_test_setup(closings_without_a_stack_are_no_witness, start_empty),
        cmocka_unit_test_setup(what_was_not_recorded_all_its_life_is_in_no_balance, start_empty),
        cmocka_unit_test_setup(a_plain_leak_has_no_holders, start_empty),
        cmocka_unit_test_setup(sites_without_names_are_told_apart_by_address, start_empty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
