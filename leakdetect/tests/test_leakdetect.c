/* Unit tests of the public functions: levels, tracking of any resource, counts, reports on request, forks, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include <poolbuf/leakdetect.h>

#include "../src/tracker.h" /* the allocator has an internal tracker.h, too */
#include "detector.h"

static char resources[1000];

/* Starts the detector anew, in the midst of whatever the program was started with. */
static void start(leakdetect_level level, uint32_t interval, uint32_t dense_start) {
    detector_settings settings = {.level = level,
                                  .interval = interval,
                                  .dense_start = dense_start,
                                  .target_records = 4,
                                  .frames = 16,
                                  .track_close = true,
                                  .unwinder = &unwind_libunwind,
                                  .seed = 99};
    tracker_reset();
    detector_start(&settings);
}

static leakdetect_counts counts(void) {
    leakdetect_counts now = {.struct_size = sizeof now};
    assert_int_equal(leakdetect_count(&now), POOLBUF_OK);
    return now;
}

static void levels_are_read_by_name_and_ordinal_in_any_case(void **state) {
    (void)state;
    leakdetect_level level;
    assert_true(leakdetect_parse_level("disabled", &level) && level == LEAKDETECT_DISABLED);
    assert_true(leakdetect_parse_level("PARANOID", &level) && level == LEAKDETECT_PARANOID);
    assert_true(leakdetect_parse_level("Advanced", &level) && level == LEAKDETECT_ADVANCED);
    assert_true(leakdetect_parse_level("1", &level) && level == LEAKDETECT_SIMPLE);
    assert_false(leakdetect_parse_level("4", &level));
    assert_false(leakdetect_parse_level("", &level));
    assert_false(leakdetect_parse_level("simpler", &level));
    assert_int_equal(level, LEAKDETECT_SIMPLE);
    assert_string_equal(leakdetect_name_level(LEAKDETECT_ADVANCED), "advanced");
    assert_string_equal(leakdetect_name_level(LEAKDETECT_LEVEL_COUNT), "unknown");
}

static void a_level_changes_at_run_time(void **state) {
    (void)state;
    start(LEAKDETECT_DISABLED, 128, 0);
    assert_false(leakdetect_track(&resources[0], 10, "session"));
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    assert_int_equal(leakdetect_get_level(), LEAKDETECT_PARANOID);
    assert_true(leakdetect_track(&resources[0], 10, "session"));
    assert_int_equal(leakdetect_set_level(LEAKDETECT_LEVEL_COUNT), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_get_level(), LEAKDETECT_PARANOID);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_DISABLED), POOLBUF_OK);
    assert_true(leakdetect_untrack(&resources[0])); /* what was tracked stays tracked */
}

enum {
    ROUNDS = 200,
    RING = 64
};

static atomic_int begun, under_way, lowered, ended; /* rounds */

/* Under Valgrind threads take turns, long ones. */
static int rounds(void) {
    return RUNNING_ON_VALGRIND ? ROUNDS / 20 : ROUNDS;
}

static void await(atomic_int *round, int wanted) {
    while (atomic_load(round) < wanted) {
        (void)sched_yield();
    }
}

/* Tracks until the level has been lowered. */
static void *track_in_rounds(void *argument) {
    for (int round = 1; round <= rounds(); round++) {
        await(&begun, round);
        for (size_t i = 0; atomic_load_explicit(&lowered, memory_order_relaxed) < round; i++) {
            (void)detector_track(thread_self(), &resources[i % RING], NULL, NULL, 1, 0, 1, 0);
            atomic_store_explicit(&under_way, round, memory_order_relaxed);
        }
        atomic_store(&ended, round);
    }
    return argument;
}

static void count_known(tracker_record *record, void *context) {
    *(size_t *)context += tracker_knows_holds(record);
}

/* From here on no reference is recorded, so who had a balance would have a wrong one; also who was tracked just then. */
static void nobody_has_a_balance_when_the_level_has_been_lowered(void **state) {
    (void)state;
    pthread_t thread;
    size_t known = 0;
    start(LEAKDETECT_SIMPLE, 1, 0);
    unwind_configure(&unwind_fp, UNWIND_CALL_SITE, 1);
    assert_int_equal(pthread_create(&thread, NULL, track_in_rounds, NULL), 0);
    for (int round = 1; round <= rounds(); round++) {
        assert_int_equal(leakdetect_set_level(LEAKDETECT_ADVANCED), POOLBUF_OK);
        atomic_store(&begun, round);
        await(&under_way, round);
        assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
        atomic_store(&lowered, round);
        await(&ended, round);
        tracker_visit(count_known, &known);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(known, 0);
    tracker_reset();
}

static void paranoid_tracks_every_one(void **state) {
    (void)state;
    start(LEAKDETECT_PARANOID, 128, 0);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(leakdetect_track(&resources[i], 10, "session"));
    }
    assert_int_equal(counts().live, 1000);
    assert_int_equal(counts().live_bytes, 10000);
    assert_true(counts().stacks >= 1);
    assert_true(counts().memory > 0);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(leakdetect_untrack(&resources[i]));
    }
    assert_false(leakdetect_untrack(&resources[0]));
    assert_int_equal(counts().live, 0);
    assert_int_equal(counts().seen, 1000);
}

static void simple_tracks_the_same_ones_for_the_same_seed(void **state) {
    (void)state;
    static bool first[1000];
    size_t tracked = 0;
    for (int run = 0; run < 2; run++) {
        start(LEAKDETECT_SIMPLE, 10, 0);
        for (size_t i = 0; i < 1000; i++) {
            bool sampled = leakdetect_track(&resources[i], 1, "session");
            assert_true(run == 0 || sampled == first[i]);
            first[i] = sampled;
            tracked += sampled;
        }
    }
    assert_true(tracked > 100 && tracked < 300); /* 200 expected of both runs together */
}

static void the_dense_start_tracks_a_short_program_whole(void **state) {
    (void)state;
    start(LEAKDETECT_SIMPLE, 128, 500);
    for (size_t i = 0; i < 500; i++) {
        assert_true(leakdetect_track(&resources[i], 1, "session"));
    }
}

static void sampling_by_bytes_tracks_the_large_and_few_of_the_small(void **state) {
    (void)state;
    detector_settings settings = {.level = LEAKDETECT_SIMPLE,
                                  .interval = 1,
                                  .sampling_bytes = 1000,
                                  .frames = 4,
                                  .unwinder = &unwind_fp,
                                  .seed = 99};
    tracker_reset();
    detector_start(&settings);
    for (size_t i = 0; i < 500; i++) {
        assert_true(leakdetect_track(&resources[i], 1000000, "large"));
    }
    for (size_t i = 500; i < 1000; i++) {
        leakdetect_track(&resources[i], 10, "small"); /* one in a hundred */
    }
    assert_true(counts().live > 500 && counts().live < 520);
    tracker_reset();
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(leakdetect_track(&resources[i], 10, "small")); /* paranoid knows no sample */
    }
}

static char *report_text(leakdetect_format format) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_int_equal(leakdetect_report(out, format), POOLBUF_OK);
    fclose(out);
    return text;
}

static void a_report_on_request_names_the_caller(void **state) {
    (void)state;
    start(LEAKDETECT_PARANOID, 128, 0);
    assert_true(leakdetect_track(&resources[0], 640, "session"));
    leakdetect_touch(&resources[0], "in the cache");
    char *text = report_text(LEAKDETECT_TEXT);
    assert_non_null(strstr(text, "1 session, 640 bytes"));
    assert_non_null(strstr(text, "a_report_on_request_names_the_caller"));
    assert_non_null(strstr(text, "test_leakdetect.c:"));
    assert_non_null(strstr(text, "touch \"in the cache\""));
    free(text);
    text = report_text(LEAKDETECT_JSON);
    assert_non_null(strstr(text, "\"type\": \"session\""));
    assert_non_null(strstr(text, "\"reason\": \"on request\""));
    free(text);
    assert_true(leakdetect_untrack(&resources[0]));
}

static void a_report_is_certain_of_nothing_after_the_level_was_disabled(void **state) {
    (void)state;
    start(LEAKDETECT_SIMPLE, 128, 0);
    (void)leakdetect_track(&resources[0], 1, "session");
    char *text = report_text(LEAKDETECT_TEXT);
    assert_non_null(strstr(text, "with 99 % probability"));
    free(text);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_DISABLED), POOLBUF_OK);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
    text = report_text(LEAKDETECT_TEXT);
    assert_null(strstr(text, "with 99 % probability"));
    assert_non_null(strstr(text, "The level was disabled for a part of the run"));
    free(text);
}

/* Not all was tracked, whatever the level says now. */
static void a_sample_is_named_after_the_level_was_raised(void **state) {
    (void)state;
    start(LEAKDETECT_SIMPLE, 128, 0);
    (void)leakdetect_track(&resources[0], 1, "session");
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    char *text = report_text(LEAKDETECT_TEXT);
    assert_non_null(strstr(text, "level paranoid, 1 in 128 before it was raised\n"));
    free(text);
    text = report_text(LEAKDETECT_JSON);
    assert_non_null(strstr(text, "\"sampling_interval\": 128,"));
    free(text);
    start(LEAKDETECT_PARANOID, 128, 0);
    assert_true(leakdetect_track(&resources[0], 1, "session"));
    text = report_text(LEAKDETECT_TEXT);
    assert_non_null(strstr(text, "level paranoid\n"));
    free(text);
    text = report_text(LEAKDETECT_JSON);
    assert_non_null(strstr(text, "\"sampling_interval\": 1,"));
    free(text);
    assert_true(leakdetect_untrack(&resources[0]));
}

static void simple_keeps_no_accesses(void **state) {
    (void)state;
    start(LEAKDETECT_SIMPLE, 1, 0);
    assert_true(leakdetect_track(&resources[0], 640, "session"));
    leakdetect_touch(&resources[0], "in the cache");
    char *text = report_text(LEAKDETECT_TEXT);
    assert_null(strstr(text, "touch"));
    free(text);
    assert_true(leakdetect_untrack(&resources[0]));
}

static unsigned captured;

static int count_capture(void **addresses, size_t limit, unwind_query *query) {
    (void)query;
    captured++;
    if (limit > 0) {
        addresses[0] = &captured; /* any address will do */
    }
    return limit > 0;
}

static void start_with(const unwinder *walker) {
    const detector_settings settings = {.level = LEAKDETECT_PARANOID,
                                        .interval = 1,
                                        .target_records = 4,
                                        .frames = 4,
                                        .track_close = true,
                                        .unwinder = walker};
    tracker_reset();
    detector_start(&settings);
    captured = 0;
}

static void what_is_not_tracked_costs_no_stack(void **state) {
    (void)state;
    static const unwinder counting = {.name = "counting", .capture = count_capture};
    start_with(&counting);
    leakdetect_touch(&resources[0], "nobody knows it");
    assert_false(leakdetect_untrack(&resources[0]));
    assert_int_equal(captured, 0);
    assert_true(leakdetect_track(&resources[0], 1, "session"));
    leakdetect_touch(&resources[0], NULL);
    assert_true(captured >= 2); /* more where a walk is repeated for want of room */
    unsigned before = captured;
    assert_true(leakdetect_untrack(&resources[0]));
    assert_true(captured > before);
    before = captured;
    leakdetect_touch(&resources[0], NULL);
    assert_false(leakdetect_untrack(&resources[0]));
    assert_int_equal(captured, before);
}

static void bad_arguments_are_refused(void **state) {
    (void)state;
    leakdetect_counts small = {.struct_size = 4};
    assert_int_equal(leakdetect_count(NULL), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_count(&small), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_report(NULL, LEAKDETECT_TEXT), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_report(stdout, (leakdetect_format)7), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_write_report(NULL), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_false(leakdetect_track(NULL, 1, "session"));
    assert_false(leakdetect_untrack(NULL));
}

static void an_older_program_gets_the_counts_that_it_knows(void **state) {
    (void)state;
    leakdetect_counts old = {.struct_size = offsetof(leakdetect_counts, seen), .seen = 4711};
    assert_int_equal(leakdetect_count(&old), POOLBUF_OK);
    assert_int_equal(old.seen, 4711);
}

static void tracking_leaves_errno_alone(void **state) {
    (void)state;
    start(LEAKDETECT_PARANOID, 128, 0);
    errno = EXDEV;
    assert_true(leakdetect_track(&resources[0], 1, "session"));
    leakdetect_touch(&resources[0], NULL);
    assert_true(leakdetect_untrack(&resources[0]));
    assert_int_equal(errno, EXDEV);
}

static int disturb_errno(void **addresses, size_t limit, unwind_query *query) {
    errno = ENOSYS;
    return count_capture(addresses, limit, query);
}

static void a_walker_that_takes_locks_may_change_errno(void **state) {
    (void)state;
    static const unwinder disturbing = {.name = "disturbing", .capture = disturb_errno, .takes_locks = true};
    start_with(&disturbing);
    errno = EXDEV;
    assert_true(leakdetect_track(&resources[0], 1, "session"));
    leakdetect_touch(&resources[0], NULL);
    assert_true(leakdetect_untrack(&resources[0]));
    assert_int_equal(errno, EXDEV);
    assert_true(captured >= 3);
}

static void *track_in_thread(void *argument) {
    char *part = argument;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < 100; i++) {
            leakdetect_track(part + i, 1, "session");
            leakdetect_touch(part + i, "here");
        }
        for (size_t i = 0; i < 100; i++) {
            leakdetect_untrack(part + i);
        }
    }
    return NULL;
}

static void threads_track_while_reports_are_written(void **state) {
    (void)state;
    pthread_t threads[4];
    start(LEAKDETECT_PARANOID, 128, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, track_in_thread, resources + i * 100), 0);
    }
    for (int i = 0; i < 3; i++) {
        free(report_text(i % 2 == 0 ? LEAKDETECT_TEXT : LEAKDETECT_JSON));
        assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(counts().live, 0);
    assert_null(tracker_audit());
}

static atomic_bool stop;

static void *track_until_stopped(void *argument) {
    while (!atomic_load(&stop)) {
        track_in_thread(argument);
    }
    return NULL;
}

/* In the child: no lock may be held by a thread that is no longer there, and the parent's are not its leaks. */
static void child_checks(void) {
    bool tracked = leakdetect_track(&resources[500], 1, "child");
    char *text = report_text(LEAKDETECT_TEXT);
    bool own = strstr(text, "child") != NULL && strstr(text, "original") == NULL;
    free(text);
    _exit(tracked && own && leakdetect_untrack(&resources[500]) ? 0 : 1);
}

static void a_forked_child_tracks_on_and_reports_its_own(void **state) {
    (void)state;
    pthread_t thread;
    start(LEAKDETECT_PARANOID, 128, 0);
    assert_true(leakdetect_track(&resources[999], 1, "original"));
    assert_int_equal(pthread_create(&thread, NULL, track_until_stopped, resources), 0);
    for (int i = 0; i < 5; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            child_checks();
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_true(leakdetect_untrack(&resources[999]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_read_by_name_and_ordinal_in_any_case),
        cmocka_unit_test(a_level_changes_at_run_time),
        cmocka_unit_test(nobody_has_a_balance_when_the_level_has_been_lowered),
        cmocka_unit_test(paranoid_tracks_every_one),
        cmocka_unit_test(simple_tracks_the_same_ones_for_the_same_seed),
        cmocka_unit_test(the_dense_start_tracks_a_short_program_whole),
        cmocka_unit_test(sampling_by_bytes_tracks_the_large_and_few_of_the_small),
        cmocka_unit_test(a_report_on_request_names_the_caller),
        cmocka_unit_test(a_report_is_certain_of_nothing_after_the_level_was_disabled),
        cmocka_unit_test(a_sample_is_named_after_the_level_was_raised),
        cmocka_unit_test(simple_keeps_no_accesses),
        cmocka_unit_test(what_is_not_tracked_costs_no_stack),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(an_older_program_gets_the_counts_that_it_knows),
        cmocka_unit_test(tracking_leaves_errno_alone),
        cmocka_unit_test(a_walker_that_takes_locks_may_change_errno),
        cmocka_unit_test(threads_track_while_reports_are_written),
        cmocka_unit_test(a_forked_child_tracks_on_and_reports_its_own),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
