/* No function of the detector is a cancellation point: a thread that is to be cancelled comes through each of them, and
 * leaves nothing held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

#include "../src/tracker.h" /* the allocator has an internal tracker.h, too */
#include "detector.h"
#include "message.h"
#include "stack_table.h"

static char resources[8];
static atomic_bool has_come;
static FILE *nowhere;

static int start(void **state) {
    (void)state;
    detector_settings settings = {.level = LEAKDETECT_PARANOID,
                                  .interval = 128,
                                  .target_records = 4,
                                  .frames = 16,
                                  .track_close = true,
                                  .unwinder = &unwind_libunwind,
                                  .seed = 99};
    detector_start(&settings);
    tracker_reset();
    atomic_store(&has_come, false);
    return 0;
}

/* Runs `work` in a thread that is cancelled at the first point that it comes to. True if it came through. */
static bool comes_through(void *(*work)(void *)) {
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result == resources;
}

static void *report(void *unused) {
    (void)unused;
    (void)pthread_cancel(pthread_self());
    bool good = leakdetect_report(nowhere, LEAKDETECT_TEXT) == POOLBUF_OK &&
                leakdetect_report(nowhere, LEAKDETECT_JSON) == POOLBUF_OK &&
                leakdetect_write_report("/dev/null/cannot.json") == POOLBUF_ERROR_BAD_ARGUMENT &&
                leakdetect_report_since(nowhere, LEAKDETECT_TEXT, leakdetect_checkpoint()) == POOLBUF_OK;
    message_print("a line");
    finalize_owner(resources, 1, 1); /* writes to stderr */
    return good ? resources : NULL;
}

/* The text on its way out: into a file, for a moment. */
static bool reports_quietly(void) {
    const int old = dup(STDERR_FILENO);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(old >= 0 && null >= 0 && dup2(null, STDERR_FILENO) >= 0);
    const bool through = comes_through(report);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    close(old);
    close(null);
    return through;
}

static void reports_are_no_cancellation_points(void **state) {
    (void)state;
    nowhere = fopen("/dev/null", "we");
    assert_non_null(nowhere);
    (void)setvbuf(nowhere, NULL, _IONBF, 0);
    assert_true(leakdetect_track(resources, 1, "thing"));
    assert_true(detector_track(thread_self(), &resources[1], NULL, resources, 1, name_put("thing"), 1, 0));
    assert_true(reports_quietly());
    /* Nothing is held: this thread can make one, too. */
    assert_int_equal(leakdetect_report(nowhere, LEAKDETECT_TEXT), POOLBUF_OK);
    assert_true(leakdetect_untrack(resources));
    assert_true(leakdetect_untrack(&resources[1]));
    fclose(nowhere);
}

static void *scan(void *unused) {
    (void)unused;
    (void)pthread_cancel(pthread_self());
    const leakdetect_scan_options options = {.struct_size = sizeof options, .apart_ms = 1};
    leakdetect_scan_result found = {.struct_size = sizeof found};
    const poolbuf_status status = leakdetect_scan(&options, &found);
    return status == POOLBUF_OK || status == POOLBUF_ERROR_UNSUPPORTED ? resources : NULL;
}

static void a_scan_is_no_cancellation_point(void **state) {
    (void)state;
    assert_true(comes_through(scan));
    const poolbuf_status status = leakdetect_scan(NULL, NULL);
    assert_true(status == POOLBUF_OK || status == POOLBUF_ERROR_UNSUPPORTED);
}

static void *untrack(void *unused) {
    (void)unused;
    (void)pthread_cancel(pthread_self());
    atomic_store(&has_come, true);
    return leakdetect_untrack(resources) ? resources : NULL; /* waits for who describes it */
}

static void describe(const void *resource, char *text, size_t size, void *context) {
    (void)resource;
    pthread_t *thread = context;
    assert_int_equal(pthread_create(thread, NULL, untrack, NULL), 0);
    while (!atomic_load(&has_come)) {
        sched_yield();
    }
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    snprintf(text, size, "a thing");
}

static void who_waits_for_a_description_is_not_cancelled_there(void **state) {
    (void)state;
    static pthread_t thread;
    const leakdetect_type_options options = {
        .struct_size = sizeof options, .sampling_interval = 1, .describe = describe, .context = &thread};
    leakdetect_type type = 0;
    void *result = NULL;
    nowhere = fopen("/dev/null", "we");
    assert_int_equal(leakdetect_register_type("described", &options, &type), POOLBUF_OK);
    assert_true(leakdetect_track_as(resources, 1, type));
    assert_int_equal(leakdetect_report(nowhere, LEAKDETECT_TEXT), POOLBUF_OK);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, resources);
    fclose(nowhere);
}

/* The request is not lost either. */
static void *report_and_stay(void *unused) {
    (void)unused;
    (void)pthread_cancel(pthread_self());
    (void)leakdetect_report(nowhere, LEAKDETECT_TEXT);
    pthread_testcancel();
    return resources;
}

static void the_request_stays_pending(void **state) {
    (void)state;
    nowhere = fopen("/dev/null", "we");
    assert_false(comes_through(report_and_stay));
    fclose(nowhere);
}

/* What libdw loads leaves memory behind with the thread that needed it first. */
static int report_first(void **state) {
    (void)start(state);
    nowhere = fopen("/dev/null", "we");
    (void)leakdetect_track(resources, 1, "thing");
    const bool good = leakdetect_report(nowhere, LEAKDETECT_TEXT) == POOLBUF_OK;
    fclose(nowhere);
    return good && leakdetect_untrack(resources) ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reports_are_no_cancellation_points, start),
        cmocka_unit_test_setup(a_scan_is_no_cancellation_point, start),
        cmocka_unit_test_setup(who_waits_for_a_description_is_not_cancelled_there, start),
        cmocka_unit_test_setup(the_request_stays_pending, start),
    };
    return cmocka_run_group_tests(tests, report_first, NULL);
}
