/* Unit tests of report.c: folding records into groups, with frames by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fake_symbols.h"
#include "report.h"
#include "stack_table.h"
#include "tracked.h"

static char resources[1000];

static int start_empty(void **state) {
    (void)state;
    tracker_reset();
    return 0;
}

static uint32_t stack_of(uintptr_t innermost) {
    const uintptr_t frames[] = {innermost, AT_SERVE, AT_MAIN, AT_LIBC};
    return stack_table_put(frames, 4);
}

static void track(size_t i, uint32_t stack, const char *type, uint64_t size) {
    const tracker_record record = {.size = size,
                                   .stack = stack,
                                   .type = name_put(type),
                                   .weight = 1,
                                   .birth_ns = 1000000 * (i + 1),
                                   .who.id = 7,
                                   .who.name = name_put("worker")};
    assert_true(tracker_insert(&resources[i], &resources[999], &record));
}

static report collected(report_scope scope) {
    report self = {.reason = "process exit",
                   .level = "paranoid",
                   .largest_weight_buffers = 1,
                   .largest_weight_resources = 1,
                   .now_ns = 1000000000};
    report_collect(&self, &scope);
    report_resolve(&self, fake_lookup, NULL);
    return self;
}

static const report_group *group_at(const report *self, size_t i) {
    assert_true(i < self->groups.count);
    return &((const report_group *)self->groups.items)[i];
}

static void records_fold_by_stack_and_type(void **state) {
    (void)state;
    for (size_t i = 0; i < 70; i++) {
        track(i, stack_of(AT_READ), "poolbuf", 10);
    }
    for (size_t i = 70; i < 100; i++) {
        track(i, stack_of(AT_STRIPPED), "poolbuf", 10);
    }
    track(100, stack_of(AT_READ), "session", 1);
    report self = collected((report_scope){0});
    assert_int_equal(self.groups.count, 3);
    assert_int_equal(group_at(&self, 0)->count, 70);
    assert_int_equal(group_at(&self, 0)->bytes, 700);
    assert_int_equal(group_at(&self, 1)->count, 30);
    assert_string_equal(group_at(&self, 2)->type, "session");
    assert_int_equal(report_leaked(&self), 101);
    assert_int_equal(group_at(&self, 0)->oldest_ms, 999);
    assert_int_equal(group_at(&self, 0)->newest_ms, 930);
    assert_string_equal(group_at(&self, 0)->thread, "worker (7)");
    report_fini(&self);
}

static void stacks_end_at_main_and_expand_inlined_calls(void **state) {
    (void)state;
    track(0, stack_of(AT_READ), "poolbuf", 10);
    report self = collected((report_scope){0});
    const report_frames *frames = &group_at(&self, 0)->frames;
    static const char *const EXPECTED[] = {"read_request", "loop", "serve", "main"};
    assert_int_equal(frames->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(frames->items[i]->function, EXPECTED[i]);
    }
    report_fini(&self);
}

static void our_own_frames_are_left_out(void **state) {
    (void)state;
    const uintptr_t with_own[] = {AT_OWN, AT_READ, AT_MAIN};
    track(0, stack_table_put(with_own, 3), "poolbuf", 10);
    report self = collected((report_scope){0});
    assert_string_equal(group_at(&self, 0)->frames.items[0]->function, "read_request");
    report_fini(&self);
}

static void stacks_that_read_alike_are_one_group(void **state) {
    (void)state;
    track(0, stack_of(AT_READ), "poolbuf", 10);
    track(1, stack_of(AT_READ_AGAIN), "poolbuf", 10);
    report self = collected((report_scope){0});
    assert_int_equal(self.groups.count, 1);
    assert_int_equal(group_at(&self, 0)->count, 2);
    assert_true(group_at(&self, 0)->total.value == 2);
    report_fini(&self);
}

static void lines_of_one_function_are_groups_with_fingerprints_of_their_own(void **state) {
    (void)state;
    track(0, stack_of(AT_READ), "poolbuf", 10);
    report self = collected((report_scope){0});
    uint64_t alone = group_at(&self, 0)->fingerprint;
    report_fini(&self);
    track(1, stack_of(AT_READ_LATER), "poolbuf", 20);
    self = collected((report_scope){0});
    assert_int_equal(self.groups.count, 2);
    assert_int_equal(group_at(&self, 0)->frames.items[0]->line, 40);
    assert_true(group_at(&self, 0)->fingerprint != group_at(&self, 1)->fingerprint);
    assert_true(group_at(&self, 1)->fingerprint == alone);
    report_fini(&self);
}

static void the_fingerprint_depends_on_functions_not_addresses(void **state) {
    (void)state;
    track(0, stack_of(AT_READ), "poolbuf", 10);
    report self = collected((report_scope){0});
    uint64_t first = group_at(&self, 0)->fingerprint;
    report_fini(&self);
    tracker_reset();
    track(0, stack_of(AT_READ_LATER), "poolbuf", 10);
    self = collected((report_scope){0});
    assert_true(group_at(&self, 0)->fingerprint == first);
    report_fini(&self);
    tracker_reset();
    track(0, stack_of(AT_READ), "session", 10);
    self = collected((report_scope){0});
    assert_true(group_at(&self, 0)->fingerprint != first);
    report_fini(&self);
}

static void an_owner_and_earlier_reports_narrow_the_scope(void **state) {
    (void)state;
    track(0, stack_of(AT_READ), "poolbuf", 10);
    report self = collected((report_scope){.owner = &resources[998]});
    assert_int_equal(report_leaked(&self), 0);
    report_fini(&self);
    self = collected((report_scope){.owner = &resources[999], .mark = true});
    assert_int_equal(report_leaked(&self), 1);
    report_fini(&self);
    self = collected((report_scope){.unreported_only = true});
    assert_int_equal(report_leaked(&self), 0);
    report_fini(&self);
}

static void what_a_parent_tracked_is_not_the_childs_leak(void **state) {
    (void)state;
    track(0, stack_of(AT_READ), "poolbuf", 10);
    report self = collected((report_scope){.generation = (uint16_t)(tracker_generation() + 1)});
    assert_int_equal(report_leaked(&self), 0);
    assert_int_equal(self.inherited, 1);
    report_fini(&self);
}

static void equal_accesses_are_counted_newest_first(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        track(i, stack_of(AT_READ), "poolbuf", 10);
        tracker_access retain = {.time_ns = 100 + i, .stack = stack_of(AT_READ_LATER), .kind = ACCESS_RETAIN};
        tracker_access touch = {.time_ns = 200 + i,
                                .stack = stack_of(AT_SERVE),
                                .kind = ACCESS_TOUCH,
                                .hint = name_put("cache"),
                                .thread_name = name_put("io")};
        assert_true(tracker_record_access(AT(&resources[i]), &retain, 4, 0));
        assert_true(tracker_record_access(AT(&resources[i]), &touch, 4, 0));
    }
    report self = collected((report_scope){0});
    const report_group *group = group_at(&self, 0);
    assert_int_equal(group->access_count, 2);
    assert_int_equal(group->accesses[0].kind, ACCESS_TOUCH);
    assert_int_equal(group->accesses[0].count, 3);
    assert_string_equal(group->accesses[0].hint, "cache");
    assert_string_equal(group->accesses[0].thread, "io");
    assert_int_equal(group->accesses[1].kind, ACCESS_RETAIN);
    assert_null(group->accesses[1].hint);
    report_fini(&self);
}

static void sampled_groups_never_exceed_the_exact_counter(void **state) {
    (void)state;
    const tracker_record record = {.size = 10, .stack = stack_of(AT_READ), .type = name_put("poolbuf"), .weight = 128};
    assert_true(tracker_insert(&resources[0], NULL, &record));
    report self = {.reason = "process exit", .largest_weight_buffers = 128, .exact = {true, 200, 2000, 5000}};
    report_collect(&self, &(report_scope){0});
    report_resolve(&self, fake_lookup, NULL);
    assert_true(group_at(&self, 0)->total.value == 128);
    assert_true(group_at(&self, 0)->total.high == 200);
    assert_int_equal(report_leaked(&self), 200);
    report_fini(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(records_fold_by_stack_and_type, start_empty),
        cmocka_unit_test_setup(stacks_end_at_main_and_expand_inlined_calls, start_empty),
        cmocka_unit_test_setup(our_own_frames_are_left_out, start_empty),
        cmocka_unit_test_setup(stacks_that_read_alike_are_one_group, start_empty),
        cmocka_unit_test_setup(lines_of_one_function_are_groups_with_fingerprints_of_their_own, start_empty),
        cmocka_unit_test_setup(the_fingerprint_depends_on_functions_not_addresses, start_empty),
        cmocka_unit_test_setup(an_owner_and_earlier_reports_narrow_the_scope, start_empty),
        cmocka_unit_test_setup(what_a_parent_tracked_is_not_the_childs_leak, start_empty),
        cmocka_unit_test_setup(equal_accesses_are_counted_newest_first, start_empty),
        cmocka_unit_test_setup(sampled_groups_never_exceed_the_exact_counter, start_empty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
