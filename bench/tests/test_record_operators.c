/* C++'s operators under the recorder: each new and delete is recorded once, whoever serves them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "record/trace.h"
#include "record_run.h"

/* What record_new does: four sizes, each made once, and given back by the next event of its slot. */
static void check_operators(const trace *read) {
    static const uint32_t sizes[] = {9001, 9002, 9024, 9004};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t made = 0;
        uint64_t dropped = 0;
        for (uint64_t at = 0; at < read->event_count; at++) {
            const trace_event *event = &read->events[at];
            if (event->kind == TRACE_ALLOCATE && event->size == sizes[i]) {
                made++;
                for (uint64_t next = at + 1; next < read->event_count; next++) {
                    if (read->events[next].slot == event->slot) {
                        dropped += read->events[next].kind == TRACE_RELEASE;
                        break;
                    }
                }
            }
        }
        assert_int_equal(made, 1);
        assert_int_equal(dropped, 1);
    }
}

static void record_new(const char *preloaded, const char *late) {
    char arguments[PATH_MAX];
    (void)snprintf(arguments, sizeof arguments, "-o t.pbtrace -- %s %s", RECORD_NEW, late);
    assert_int_equal(setenv("LD_PRELOAD", preloaded, 1), 0);
    const int status = record(arguments);
    assert_int_equal(unsetenv("LD_PRELOAD"), 0);
    if (status != 0) {
        fail_msg("%s: status %d; %s", arguments, status, messages);
    }
    trace *read = read_trace("t.pbtrace");
    check_operators(read);
    assert_int_equal(read->summary.skipped_releases, 0);
    trace_destroy(read);
}

static void operators_of_an_allocator_are_recorded(void **state) {
    (void)state;
    record_new(RECORD_OPERATORS, "");
}

static void operators_that_call_malloc_are_recorded_by_it(void **state) {
    (void)state;
    record_new("libstdc++.so.6", "");
}

static void operators_of_a_library_in_a_scope_of_its_own_are_found(void **state) {
    (void)state;
    record_new("", "libstdc++.so.6");
}

static void operators_that_nobody_has_are_malloc(void **state) {
    (void)state;
    record_new("", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_of_an_allocator_are_recorded),
        cmocka_unit_test(operators_that_call_malloc_are_recorded_by_it),
        cmocka_unit_test(operators_of_a_library_in_a_scope_of_its_own_are_found),
        cmocka_unit_test(operators_that_nobody_has_are_malloc),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
