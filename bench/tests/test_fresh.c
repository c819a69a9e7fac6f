/* Unit tests of fresh threads, of idle time and of what warms up: who plays, and what is left out of the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <time.h>

#include "measure/fresh.h"
#include "measure/player.h"
#include "stream_text.h"

/* What a stand-in for a play has seen. */
static struct {
    unsigned calls;
    unsigned fail_at; /* the call that fails, from 1; 0 for none */
    unsigned strangers;
    pthread_t caller;
    unsigned earlier; /* lives that ended before a call began */
} seen;

static _Thread_local unsigned lives_of_this_thread;

static void watch(void *context) {
    seen.calls++;
    seen.strangers += !pthread_equal(pthread_self(), seen.caller);
    seen.earlier += lives_of_this_thread++;
    if (seen.calls == seen.fail_at) {
        (void)subject_fail(context, SUBJECT_NO_MEMORY);
    }
}

static void start(subject_run *run) {
    assert_true(subject_run_init(run, 4, 1, 64));
    memset(&seen, 0, sizeof seen);
    seen.caller = pthread_self();
}

static void each_pass_has_a_thread_of_its_own(void **state) {
    (void)state;
    subject_run run;
    start(&run);
    assert_true(fresh_play(watch, &run, &run, 7));
    assert_int_equal(seen.calls, 7);
    assert_int_equal(seen.strangers, 7);
    assert_int_equal(seen.earlier, 0); /* nobody plays twice */
    subject_run_fini(&run);
}

static void a_failure_ends_the_succession(void **state) {
    (void)state;
    subject_run run;
    start(&run);
    seen.fail_at = 3;
    assert_false(fresh_play(watch, &run, &run, 7));
    assert_int_equal(seen.calls, 3);
    subject_run_fini(&run);
}

/* Plays a scenario for a hundredth of a second. */
static player_result play(const char *text, const subject_kernel *kernel) {
    stream *source = stream_from_text(text);
    subject_held held[16];
    player_result result = {.held = held};
    char message[256] = "";
    assert_true(source->phase_count <= 16);
    if (!player_run(source, kernel, 0.01, &result, message, sizeof message)) {
        fail_msg("%s", message);
    }
    for (uint32_t i = 0; i < source->phase_count; i++) {
        assert_int_equal(held[i].buffers, source->phases[i].end_live_buffers);
        assert_int_equal(held[i].bytes, source->phases[i].end_live_bytes);
    }
    stream_destroy(source);
    result.held = NULL;
    return result;
}

static void every_pattern_of_threads_is_played_with_sound_contents(void **state) {
    (void)state;
    static const char *const texts[] = {
        SCENARIO_HEAD
        "threads: 3\nphases:\n"
        "  - {kind: churn, live: 20, operations: 900, succession: 30, sizes: {uniform: {low: 1, high: 900}}}\n"
        "  - {kind: burst, live: 50, operations: 500, succession: 10, order: random, sizes: {fixed: 256}}\n",
        SCENARIO_HEAD "threads: 3\nphases:\n"
                      "  - {kind: relay, live: 40, retain: 25, succession: 20, sizes: {uniform: {low: 1, high: 900}}}\n"
                      "  - {kind: relay, live: 40, retain: 100, succession: 20, sizes: {fixed: 64}}\n"
                      "  - {kind: relay, live: 4, retain: 50, succession: 20, touch: pages, sizes: {fixed: 9000}}\n",
        SCENARIO_HEAD
        "threads: 4\nphases:\n"
        "  - {kind: handoff, producers: 3, consumers: 1, live: 16, burst: 4, operations: 400, sizes: {fixed: 64}}\n"
        "  - {kind: handoff, producers: 1, consumers: 3, live: 16, operations: 400, sizes: {fixed: 64}}\n"
        "  - {kind: pipeline, live: 8, operations: 400, sizes: {uniform: {low: 1, high: 900}}}\n",
        SCENARIO_HEAD "threads: 2\nphases:\n"
                      "  - {kind: thrash, operations: 40, writes: 100, sizes: {fixed: 8}}\n"
                      "  - {kind: scratch, operations: 40, writes: 100, sizes: {fixed: 8}}\n"
                      "  - {kind: fragment, operations: 200, retain: 10, touch: pages, sizes: {fixed: 4096},\n"
                      "     sizes_retained: {fixed: 64}, sizes_after: {fixed: 9000}}\n",
    };
    static const subject_kernel *const kernels[] = {&subject_kernel_malloc, &subject_kernel_pooled,
                                                    &subject_kernel_fixed, &subject_kernel_null};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
            assert_true(play(texts[i], kernels[k]).iterations >= 1);
        }
    }
}

static double now_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* All that passes is the time of the operations, the idle times, and whatever else there is: whatever it is, the sum
 * holds. */
static void idle_time_is_no_time_of_the_operations(void **state) {
    (void)state;
    const double start_seconds = now_seconds();
    const player_result result =
        play(SCENARIO_HEAD "threads: 2\nphases:\n"
                           "  - {kind: burst, live: 8, operations: 80, idle_ms: 150, sizes: {fixed: 64}}\n",
             &subject_kernel_malloc);
    const double passed = now_seconds() - start_seconds;
    assert_int_equal(result.iterations, 1); /* and it does not make the run long, either */
    assert_true(result.wall_seconds >= 0);
    assert_true(passed >= result.wall_seconds + 2 * 0.15); /* of the audited play, and of the timed one */
}

/* The thread that oversleeps, in the place of the C library's sleep; 0: each sleeps as it is told. */
static pthread_t sleeper;
static bool has_sleeper;

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved names
int nanosleep(const struct timespec *length, struct timespec *left) {
    struct timespec longer = {.tv_nsec = 50000000};
    if (!has_sleeper) {
        return clock_nanosleep(CLOCK_REALTIME, 0, length, left);
    }
    return pthread_equal(pthread_self(), sleeper) ? clock_nanosleep(CLOCK_REALTIME, 0, &longer, left) : 0;
}

/* The first thread, which is the caller's, sleeps longer than the others: what is left is the operations' time still. It was
 * 0, which is no time, as gbench's is the mean over the threads. */
static void a_thread_that_oversleeps_takes_no_time_from_the_others(void **state) {
    (void)state;
    sleeper = pthread_self();
    has_sleeper = true;
    const player_result result =
        play(SCENARIO_HEAD "threads: 2\nphases:\n"
                           "  - {kind: burst, live: 8, operations: 80, idle_ms: 30, sizes: {fixed: 64}}\n",
             &subject_kernel_malloc);
    has_sleeper = false;
    assert_true(result.wall_seconds > 0);
}

static unsigned plays;

static bool count_play(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat) {
    plays++;
    return subject_kernel_malloc.play(run, ops, op_count, repeat);
}

static bool audit_slowly(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat) {
    const struct timespec pause = {.tv_nsec = 20000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    return subject_kernel_malloc.audit(run, ops, op_count, repeat);
}

/* By its time alone there would have been one play, as cold as the audit leaves it, for a subject that is slow to be audited, and
 * many for the others. */
static void a_play_warms_up_however_long_the_audit_took(void **state) {
    (void)state;
    subject_kernel slow = subject_kernel_malloc;
    slow.play = count_play;
    slow.audit = audit_slowly;
    plays = 0;
    const player_result result =
        play(SCENARIO_HEAD "phases:\n  - {kind: pingpong, operations: 100, sizes: {fixed: 64}}\n", &slow);
    assert_int_equal(plays, result.iterations + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pass_has_a_thread_of_its_own),
        cmocka_unit_test(a_failure_ends_the_succession),
        cmocka_unit_test(every_pattern_of_threads_is_played_with_sound_contents),
        cmocka_unit_test(idle_time_is_no_time_of_the_operations),
        cmocka_unit_test(a_thread_that_oversleeps_takes_no_time_from_the_others),
        cmocka_unit_test(a_play_warms_up_however_long_the_audit_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
