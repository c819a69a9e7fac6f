/* Unit tests of growth.c, and of reports of a part through the public functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>

#include "detector.h"
#include "growth.h"
#include "stack_table.h"
#include "tracked.h"

static char resources[400];

/* A clock that is put before the C library's, as libfaketime does. */
static time_t ahead_s;
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the library's are reserved names */
int clock_gettime(clockid_t clock, struct timespec *now) {
    const int result = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += ahead_s;
    return result;
}

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
    /* The library's own frames are not cut in a unit test, and a thread's first captures go another way than its later ones: only
     * after those do stacks of one line agree. */
    for (int i = 0; i < 128; i++) {
        (void)unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_OPENING);
    }
    tracker_reset();
    growth_reset();
    return 0;
}

__attribute__((noinline)) static void track_one(size_t i, size_t size) {
    assert_true(leakdetect_track(&resources[i], size, "entry"));
}

__attribute__((noinline)) static void track_other(size_t i, size_t size) {
    assert_true(leakdetect_track(&resources[i], size, "request"));
}

static char *since(uint64_t checkpoint, leakdetect_format format) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_int_equal(leakdetect_report_since(out, format, checkpoint), POOLBUF_OK);
    fclose(out);
    return text;
}

static char *older_than(uint64_t age_ms) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_int_equal(leakdetect_report_older_than(out, LEAKDETECT_TEXT, age_ms), POOLBUF_OK);
    fclose(out);
    return text;
}

static void assert_has(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("no \"%s\" in:\n%s", part, text);
    }
}

static void what_turns_over_without_growing_is_not_listed(void **state) {
    (void)state;
    for (size_t round = 0; round < 2; round++) {
        static uint64_t checkpoint;
        for (size_t i = 0; i < 10; i++) {
            track_one(round * 10 + i, 100);
        }
        for (size_t i = 0; round == 1 && i < 10; i++) {
            assert_true(leakdetect_untrack(&resources[i]));
        }
        if (round == 0) {
            checkpoint = leakdetect_checkpoint();
            assert_true(checkpoint > 0);
            continue;
        }
        char *text = since(checkpoint, LEAKDETECT_TEXT);
        assert_has(text, "0 call stacks hold more than at checkpoint");
        assert_has(text, "1 other call stack holds as much as then, or less");
        assert_null(strstr(text, "#1"));
        free(text);
    }
}

static void what_has_grown_is_listed_with_the_difference(void **state) {
    (void)state;
    uint64_t checkpoint = 0;
    for (size_t i = 0; i < 42; i++) { /* one line, so one stack */
        checkpoint = i == 30 ? leakdetect_checkpoint() : checkpoint;
        track_one(i, 100);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_true(leakdetect_untrack(&resources[i]));
    }
    for (size_t i = 100; i < 103; i++) {
        track_other(i, 1000);
    }
    char *text = since(checkpoint, LEAKDETECT_TEXT);
    assert_has(text, "2 call stacks hold more than at checkpoint");
    assert_has(text, "#1  3 requests, 3,000 bytes, +3 and +3,000 bytes since, none before");
    assert_has(text, "#2  37 entrys, 3,700 bytes, +7 and +700 bytes since, 12 newer");
    free(text);
    text = since(checkpoint, LEAKDETECT_JSON);
    assert_has(text,
               "\"growth\": {\"count\": 3, \"bytes\": 3000, \"estimated_count\": 3, \"newer\": 3, \"new\": true}");
    assert_has(text,
               "\"growth\": {\"count\": 7, \"bytes\": 700, \"estimated_count\": 7, \"newer\": 12, \"new\": false}");
    assert_has(text, "\"not_grown\": 0}");
    free(text);
}

static void fewer_but_bigger_ones_have_grown_too(void **state) {
    (void)state;
    uint64_t checkpoint = 0;
    for (size_t i = 0; i < 11; i++) {
        checkpoint = i == 10 ? leakdetect_checkpoint() : checkpoint;
        track_one(i, i == 10 ? 5000 : 10);
    }
    for (size_t i = 0; i < 10; i++) {
        assert_true(leakdetect_untrack(&resources[i]));
    }
    char *text = since(checkpoint, LEAKDETECT_TEXT);
    assert_has(text, "1 call stack holds more");
    assert_has(text, "-9 and +4,900 bytes since, 1 newer");
    free(text);
}

static void only_the_newest_checkpoints_are_kept(void **state) {
    (void)state;
    uint64_t ids[GROWTH_CHECKPOINTS + 1];
    for (size_t i = 0; i <= GROWTH_CHECKPOINTS; i++) {
        ids[i] = leakdetect_checkpoint();
        assert_true(ids[i] > 0 && (i == 0 || ids[i] > ids[i - 1]));
    }
    for (size_t i = 1; i <= GROWTH_CHECKPOINTS; i++) {
        free(since(ids[i], LEAKDETECT_TEXT));
    }
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    const uint64_t unknown[] = {ids[0], 0, ids[GROWTH_CHECKPOINTS] + 1, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(leakdetect_report_since(out, LEAKDETECT_TEXT, unknown[i]), POOLBUF_ERROR_BAD_ARGUMENT);
    }
    assert_int_equal(leakdetect_report_since(NULL, LEAKDETECT_TEXT, ids[1]), POOLBUF_ERROR_BAD_ARGUMENT);
    fclose(out);
    assert_int_equal(length, 0); /* nothing was written */
    free(text);
}

static void checkpoints_take_no_more_memory_however_many(void **state) {
    (void)state;
    leakdetect_counts before = {.struct_size = sizeof before};
    leakdetect_counts after = {.struct_size = sizeof after};
    for (size_t i = 0; i < 100; i++) {
        track_one(i, 10);
    }
    for (int i = 0; i < GROWTH_CHECKPOINTS; i++) {
        assert_true(leakdetect_checkpoint() > 0);
    }
    assert_int_equal(leakdetect_count(&before), POOLBUF_OK);
    for (int i = 0; i < 100; i++) {
        assert_true(leakdetect_checkpoint() > 0);
    }
    assert_int_equal(leakdetect_count(&after), POOLBUF_OK);
    assert_int_equal(before.memory, after.memory);
}

static void a_forked_child_has_no_checkpoints(void **state) {
    (void)state;
    track_one(0, 10);
    uint64_t checkpoint = leakdetect_checkpoint();
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        bool refused = leakdetect_report_since(stderr, LEAKDETECT_TEXT, checkpoint) == POOLBUF_ERROR_BAD_ARGUMENT;
        _exit(refused && leakdetect_checkpoint() > checkpoint ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Ages by hand: a record that was born a minute ago. */
static void what_is_younger_is_not_listed(void **state) {
    (void)state;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (now_ns < 61000000000u) {
        skip(); /* the machine has just started */
    }
    const tracker_record old = {.size = 7, .weight = 1, .birth_ns = now_ns - 60000000000u};
    assert_true(tracker_insert(&resources[300], NULL, &old));
    track_one(0, 1234);
    char *text = older_than(30000);
    assert_has(text, "1 tracked and alive for 30 s or longer");
    assert_has(text, ", 7 bytes; age ");
    assert_null(strstr(text, "1,234 bytes"));
    free(text);
    text = older_than(0);
    assert_has(text, "2 tracked and alive; on request");
    free(text);
    text = older_than(UINT64_C(3155760000000));
    assert_has(text, "0 tracked and alive for");
    free(text);
    text = older_than(UINT64_MAX);
    assert_has(text, "0 tracked and alive for");
    free(text);
    assert_int_equal(leakdetect_report_older_than(NULL, LEAKDETECT_TEXT, 1), POOLBUF_ERROR_BAD_ARGUMENT);
}

/* Whether the kernel is asked or the C library: births, and the time of a report, are by one clock. */
static void a_clock_that_is_ahead_makes_nothing_older(void **state) {
    (void)state;
    ahead_s = 3600;
    track_one(0, 1234);
    char *text = older_than(60000);
    ahead_s = 0;
    assert_has(text, "0 tracked and alive for");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_turns_over_without_growing_is_not_listed, start),
        cmocka_unit_test_setup(what_has_grown_is_listed_with_the_difference, start),
        cmocka_unit_test_setup(fewer_but_bigger_ones_have_grown_too, start),
        cmocka_unit_test_setup(only_the_newest_checkpoints_are_kept, start),
        cmocka_unit_test_setup(checkpoints_take_no_more_memory_however_many, start),
        cmocka_unit_test_setup(a_forked_child_has_no_checkpoints, start),
        cmocka_unit_test_setup(what_is_younger_is_not_listed, start),
        cmocka_unit_test_setup(a_clock_that_is_ahead_makes_nothing_older, start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    growth_reset();
    return failed;
}
