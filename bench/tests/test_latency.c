/* Unit tests of timed operations: the histogram against sorted values, and, with a clock that only this test moves,
 * what a stall does to a closed loop and what it does at a fixed rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/latency.h"
#include "measure/latency_merge.h"
#include "measure/player.h"
#include "measure/stream_image.h"
#include "stream_text.h"

#define assert_near(actual, expected) assert_true(fabs((actual) - (expected)) <= 1e-9 * fabs((double)(expected)))

/* ---- The histogram ---- */

static void buckets_follow_each_other_and_are_narrow(void **state) {
    (void)state;
    for (uint32_t i = 0; i + 1 < SUBJECT_TIMER_BUCKETS; i++) {
        const uint64_t most = latency_bucket_most(i);
        const uint64_t least = i == 0 ? 0 : latency_bucket_most(i - 1) + 1;
        assert_int_equal(subject_timer_bucket(least), i);
        assert_int_equal(subject_timer_bucket(most), i);
        assert_int_equal(subject_timer_bucket(most + 1), i + 1);
        assert_true((most - least) << SUBJECT_TIMER_BITS <= least);
    }
    assert_int_equal(subject_timer_bucket(UINT64_MAX), SUBJECT_TIMER_BUCKETS - 1);
    assert_true(latency_bucket_most(SUBJECT_TIMER_BUCKETS - 1) == UINT64_MAX);
}

static void one_in_so_many_is_what_a_quantile_shows(void **state) {
    (void)state;
    assert_int_equal(latency_tail_rank(100000, 10), 10);
    assert_int_equal(latency_tail_rank(10000, 10), 1);
    assert_int_equal(latency_tail_rank(19999, 10), 1);
    assert_int_equal(latency_tail_rank(1, 50000), 1);
    assert_int_equal(latency_tail_rank(9, 10), 1);
    assert_int_equal(latency_tail_rank(UINT64_C(1) << 60, 50000), UINT64_C(1) << 59);
}

/* ---- A clock that the test moves ---- */

typedef struct fake_clock {
    uint64_t now;
    uint64_t step; /* by which each look moves it */
} fake_clock;

static uint64_t look(void *clock) {
    fake_clock *self = clock;
    self->now += self->step;
    return self->now;
}

static const latency_clock NANOSECONDS = {.name = "fake", .now = look, .ticks_per_ns = 1, .cost_ns = 2};

static subject_timer *timers_of(fake_clock *clock, uint32_t count, double interval_ns) {
    subject_timer *timers = latency_timers_create(&NANOSECONDS, count, interval_ns);
    assert_non_null(timers);
    for (uint32_t i = 0; i < count; i++) {
        timers[i].clock = clock;
    }
    return timers;
}

/* Summarises and gives the timers back. The model is to be destroyed. */
static results_model *summary_of(subject_timer *timers, uint32_t count, results_latency *out) {
    results_model *model = results_model_create();
    results_result *empty = results_scenario_add_result(model, results_model_add_scenario(model, "x"), "x");
    *out = empty->latency;
    latency_summarise(model->arena, &NANOSECONDS, timers, count, out);
    latency_timers_destroy(timers, count);
    return model;
}

static void quantiles_are_those_of_the_sorted_values(void **state) {
    (void)state;
    enum {
        VALUES = 100000
    };
    fake_clock clock = {.now = 1};
    subject_timer *timers = timers_of(&clock, 2, 0);
    double sum = 0;
    /* 1 to VALUES, in a shuffled order, on two threads: 7919 has no factor in common with VALUES. */
    for (uint64_t i = 0; i < VALUES; i++) {
        const uint64_t value = i * 7919 % VALUES + 1;
        subject_timer *timer = &timers[i % 2];
        subject_timer_start(timer);
        clock.now += value;
        subject_timer_stop(timer);
        sum += (double)value;
    }
    results_latency latency;
    results_model *model = summary_of(timers, 2, &latency);
    const struct {
        double found, exact;
    } rows[] = {{latency.p50_ns, VALUES * 0.5 + 1},
                {latency.p90_ns, VALUES * 0.9 + 1},
                {latency.p99_ns, VALUES * 0.99 + 1},
                {latency.p99_9_ns, VALUES * 0.999 + 1},
                {latency.p99_99_ns, VALUES * 0.9999 + 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(rows[i].found >= rows[i].exact);
        assert_true(rows[i].found <= rows[i].exact * (1 + latency.relative_error));
    }
    assert_int_equal(latency.operations, VALUES);
    assert_near(latency.max_ns, VALUES);
    assert_near(latency.mean_ns, sum / VALUES);
    uint64_t counted = 0;
    for (size_t i = 0; i < latency.bucket_count; i++) {
        assert_true(i == 0 || latency.buckets[i]->up_to_ns > latency.buckets[i - 1]->up_to_ns);
        counted += latency.buckets[i]->count;
    }
    assert_int_equal(counted, VALUES);
    results_model_destroy(model);
}

/* So many operations of 100 ns each, of which one takes as long as 1,000 others. */
static results_model *play_with_a_stall(double interval_ns, results_latency *out) {
    enum {
        OPERATIONS = 10000,
        STALLED = 4000
    };
    fake_clock clock = {.now = 1, .step = 1};
    subject_timer *timers = timers_of(&clock, 1, interval_ns);
    for (int i = 0; i < OPERATIONS; i++) {
        subject_timer_start(&timers[0]);
        clock.now += i == STALLED ? 100000 : 100;
        subject_timer_stop(&timers[0]);
    }
    return summary_of(timers, 1, out);
}

static void a_closed_loop_sees_a_stall_once(void **state) {
    (void)state;
    results_latency latency;
    results_model *model = play_with_a_stall(0, &latency);
    assert_near(latency.max_ns, 100001);
    assert_near(latency.p99_99_ns, 100001);
    assert_near(latency.p99_9_ns, 101);
    results_model_destroy(model);
}

/* At 5 operations a microsecond, each of which takes half of its time, a stall of 500 operations makes those after it
 * late, less and less, until the pause that each leaves has made up for it: about 1,000 of 10,000. */
static void at_a_fixed_rate_those_that_a_stall_delays_count_too(void **state) {
    (void)state;
    results_latency latency;
    results_model *model = play_with_a_stall(200, &latency);
    assert_true(latency.p50_ns < 110);
    assert_true(latency.p99_ns > 50000); /* a tenth are late: the median of those by half of the stall */
    assert_true(latency.p90_ns < 20000);
    assert_true(latency.max_ns >= 100000);
    results_model_destroy(model);
}

static void an_operation_does_not_begin_before_its_time(void **state) {
    (void)state;
    fake_clock clock = {.now = 0, .step = 10};
    subject_timer *timers = timers_of(&clock, 1, 1000);
    subject_timer_start(&timers[0]);
    const uint64_t first = timers[0].start;
    subject_timer_stop(&timers[0]);
    subject_timer_start(&timers[0]);
    assert_int_equal(timers[0].start, first + 1000);
    assert_true(clock.now >= first + 1000);
    latency_timers_destroy(timers, 1);
}

static void a_seeded_stall_is_in_every_so_manyth_operation(void **state) {
    (void)state;
    fake_clock clock = {.now = 1, .step = 1};
    subject_timer *timers = timers_of(&clock, 1, 0);
    timers[0].stall = 5000;
    timers[0].stall_every = timers[0].stalls_in = 10;
    for (int i = 0; i < 95; i++) {
        subject_timer_start(&timers[0]);
        subject_timer_stop(&timers[0]);
    }
    uint64_t stalled = 0;
    for (uint32_t i = subject_timer_bucket(5000); i < SUBJECT_TIMER_BUCKETS; i++) {
        stalled += timers[0].buckets[i];
    }
    assert_int_equal(stalled, 9);
    latency_timers_destroy(timers, 1);
}

static void a_counter_that_went_back_counts_as_nothing(void **state) {
    (void)state;
    fake_clock clock = {.now = 1000};
    subject_timer *timers = timers_of(&clock, 1, 0);
    subject_timer_start(&timers[0]);
    clock.now -= 3;
    subject_timer_stop(&timers[0]);
    assert_int_equal(timers[0].most, 0);
    assert_int_equal(timers[0].buckets[0], 1);
    latency_timers_destroy(timers, 1);
}

/* ---- The real clock ---- */

static void a_counter_that_changes_speed_is_no_clock(void **state) {
    (void)state;
    assert_true(latency_clock_is_steady(2.5, 2.5005));
    assert_false(latency_clock_is_steady(2.5, 2.6));
    assert_false(latency_clock_is_steady(2.6, 2.5));
    assert_false(latency_clock_is_steady(0, 0));
    assert_false(latency_clock_is_steady(nan(""), 1));
}

static void the_clock_says_which_it_is_and_what_it_costs(void **state) {
    (void)state;
    latency_clock clock;
    latency_clock_choose(&clock);
    assert_non_null(clock.name);
    assert_true(clock.ticks_per_ns > 0);
    assert_true(isfinite(clock.cost_ns) && clock.cost_ns >= 0);
    assert_true((clock.now == NULL) == (strcmp(clock.name, "time-stamp counter") == 0));
}

/* ---- The kernels' timed form ---- */

static void time_stream(const char *text, const subject_kernel *kernel, uint64_t operations) {
    stream *source = stream_from_text(text);
    char message[256];
    subject_timer *timers = latency_timers_create(&NANOSECONDS, source->thread_count, 0);
    fake_clock *clocks = calloc(source->thread_count, sizeof *clocks);
    player_result result = {.held = calloc(source->phase_count, sizeof *result.held)};
    assert_non_null(timers);
    assert_non_null(clocks);
    assert_non_null(result.held);
    for (uint32_t i = 0; i < source->thread_count; i++) {
        clocks[i] = (fake_clock){.now = 1, .step = 1};
        timers[i].clock = &clocks[i];
    }
    const player_pass pass = {.kind = PLAYER_LATENCY, .seconds = 1e-9, .timers = timers};
    if (!player_run_pass(source, kernel, &pass, &result, message, sizeof message)) {
        fail_msg("%s", message);
    }
    uint64_t timed = 0;
    for (uint32_t i = 0; i < source->thread_count; i++) {
        timed += timers[i].count;
    }
    assert_int_equal(result.iterations, 1);
    assert_int_equal(timed, operations);
    latency_timers_destroy(timers, source->thread_count);
    free(clocks);
    free(result.held);
    stream_destroy(source);
}

static void each_operation_is_timed_once(void **state) {
    (void)state;
    time_stream(SCENARIO_HEAD "phases:\n  - {kind: pingpong, operations: 300, sizes: {fixed: 64}}\n",
                &subject_kernel_malloc, 300);
    time_stream(SCENARIO_HEAD "phases:\n  - {kind: bulk, burst: 10, operations: 300, sizes: {fixed: 64}}\n",
                &subject_kernel_malloc, 30);
    stream *churn =
        stream_from_text(SCENARIO_HEAD "phases:\n  - {kind: churn, live: 5, operations: 200, sizes: {fixed: 64}}\n");
    time_stream(SCENARIO_HEAD "phases:\n  - {kind: churn, live: 5, operations: 200, sizes: {fixed: 64}}\n",
                &subject_kernel_pooled, churn->operation_count);
    stream_destroy(churn);
}

static void threads_that_hand_over_are_timed_each_on_its_own(void **state) {
    (void)state;
    static const char text[] =
        SCENARIO_HEAD "threads: 2\nphases:\n  - {kind: handoff, live: 8, operations: 100, sizes: {fixed: 99}}\n";
    stream *source = stream_from_text(text);
    time_stream(text, &subject_kernel_malloc, source->operation_count);
    stream_destroy(source);
}

static void fresh_threads_are_timed_by_the_timer_of_their_place(void **state) {
    (void)state;
    static const char text[] = SCENARIO_HEAD "threads: 2\nphases:\n  - {kind: churn, live: 5, operations: 200, "
                                             "succession: 4, sizes: {fixed: 64}}\n";
    stream *source = stream_from_text(text);
    time_stream(text, &subject_kernel_malloc, source->operation_count);
    stream_destroy(source);
}

/* Finding the buffer to share is no operation; a message is one, of however many parts. */
static void shared_buffers_are_timed_but_for_what_does_nothing_to_them(void **state) {
    (void)state;
    static const char frames[] = SCENARIO_HEAD "phases:\n  - {kind: frames, live: 8, buffer: 640, header: 9, "
                                               "operations: 100, sizes: {fixed: 99}}\n";
    stream *source = stream_from_text(frames);
    time_stream(frames, &subject_kernel_pooled, source->operation_count);
    time_stream(frames, &subject_kernel_malloc, source->operation_count);
    stream_destroy(source);
    time_stream(SCENARIO_HEAD "phases:\n  - {kind: assemble, burst: 4, operations: 20, sizes: {fixed: 99}}\n",
                &subject_kernel_pooled, 25); /* five messages of four parts */
}

/* ---- Several processes ---- */

/* One process with operations of two lengths; its clock is off by a share. */
static void add_process(results_model *model, results_latency *into, double fast, uint64_t fast_count, double slow,
                        uint64_t slow_count, double off) {
    results_result *empty = results_scenario_add_result(model, results_model_add_scenario(model, "x"), "x");
    results_latency *one = &empty->latency;
    const double edges[] = {fast * (1 + off), slow * (1 + off)};
    const uint64_t counts[] = {fast_count, slow_count};
    for (size_t i = 0; i < 2; i++) {
        results_bucket *bucket = model_allocate(model->arena, sizeof *bucket);
        *bucket = (results_bucket){edges[i], counts[i]};
        model_append(model->arena, &one->buckets, &one->bucket_count, bucket);
    }
    one->clock = "fake";
    one->relative_error = 0.0078125;
    one->operations = fast_count + slow_count;
    one->mean_ns = (fast * (double)fast_count + slow * (double)slow_count) / (double)one->operations;
    one->p50_ns = edges[0];
    one->p99_ns = slow_count * 100 >= one->operations ? edges[1] : edges[0];
    one->max_ns = edges[1];
    latency_merge_add(model->arena, into, one);
}

static results_latency *unknown_latency(results_model *model) {
    return &results_scenario_add_result(model, results_model_add_scenario(model, "y"), "y")->latency;
}

static void quantiles_of_processes_are_those_of_all_their_operations(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_latency *all = unknown_latency(model);
    /* One process of six is slow in 6 % of its operations: 1 % of all, which is p99, and not p50. */
    add_process(model, all, 100, 9400, 5000, 600, 0);
    for (int i = 1; i < 6; i++) {
        add_process(model, all, 100, 10000, 5000 + 1000.0 * i, 0, 0);
    }
    latency_merge_end(all);
    assert_int_equal(all->operations, 60000);
    assert_int_equal(all->process_count, 6);
    assert_near(all->p50_ns, 100);
    assert_near(all->p99_ns, 5000);
    assert_near(all->mean_ns, (100.0 * 59400 + 5000.0 * 600) / 60000);
    assert_near(all->max_ns, 10000);
    assert_near(all->spread.p99_ns.median, 100);
    assert_near(all->spread.p99_ns.low, 100);
    assert_near(all->spread.p99_ns.high, 5000);
    assert_near(all->spread.max_ns.median, 7500);
    assert_true(isnan(all->spread.p90_ns.median));
    results_model_destroy(model);
}

static void clocks_that_differ_a_little_do_not_split_buckets(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_latency *all = unknown_latency(model);
    add_process(model, all, 100, 10, 500, 1, 0);
    add_process(model, all, 100, 20, 500, 2, 0.001);
    add_process(model, all, 100, 30, 500, 3, -0.001);
    add_process(model, all, 100.4, 40, 400, 4, 0); /* the next bucket, and one between */
    latency_merge_end(all);
    const results_bucket wanted[] = {{100, 60}, {100.4, 40}, {400, 4}, {500, 6}};
    assert_int_equal(all->bucket_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_near(all->buckets[i]->up_to_ns, wanted[i].up_to_ns);
        assert_int_equal(all->buckets[i]->count, wanted[i].count);
    }
    assert_true(all->relative_error > 0.0078125);
    results_model_destroy(model);
}

static void one_process_alone_has_no_spread(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_latency *one = unknown_latency(model);
    results_latency *none = unknown_latency(model);
    add_process(model, one, 100, 10, 500, 1, 0);
    latency_merge_end(one);
    latency_merge_end(none);
    assert_int_equal(one->process_count, 0);
    assert_true(isnan(one->spread.p50_ns.median));
    assert_near(one->p50_ns, 100);
    assert_near(one->relative_error, 0.0078125);
    assert_true(isnan(none->p50_ns));
    assert_true(isnan(none->relative_error));
    results_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other_and_are_narrow),
        cmocka_unit_test(one_in_so_many_is_what_a_quantile_shows),
        cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
        cmocka_unit_test(a_closed_loop_sees_a_stall_once),
        cmocka_unit_test(at_a_fixed_rate_those_that_a_stall_delays_count_too),
        cmocka_unit_test(an_operation_does_not_begin_before_its_time),
        cmocka_unit_test(a_seeded_stall_is_in_every_so_manyth_operation),
        cmocka_unit_test(a_counter_that_went_back_counts_as_nothing),
        cmocka_unit_test(a_counter_that_changes_speed_is_no_clock),
        cmocka_unit_test(the_clock_says_which_it_is_and_what_it_costs),
        cmocka_unit_test(each_operation_is_timed_once),
        cmocka_unit_test(threads_that_hand_over_are_timed_each_on_its_own),
        cmocka_unit_test(fresh_threads_are_timed_by_the_timer_of_their_place),
        cmocka_unit_test(shared_buffers_are_timed_but_for_what_does_nothing_to_them),
        cmocka_unit_test(quantiles_of_processes_are_those_of_all_their_operations),
        cmocka_unit_test(clocks_that_differ_a_little_do_not_split_buckets),
        cmocka_unit_test(one_process_alone_has_no_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
