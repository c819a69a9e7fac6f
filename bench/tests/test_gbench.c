/* Unit tests of gbench: what a C caller registers is what runs, and what comes back is what ran. No test looks at how
 * long anything took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gbench/gbench.h"

enum {
    RUNS_MAX = 32,
    NAME_SIZE = 96
};

/* What the callbacks saw, copied out of their short-lived strings. */
typedef struct seen_run {
    char name[NAME_SIZE];
    char aggregate[NAME_SIZE];
    char error[NAME_SIZE];
    char label[NAME_SIZE];
    bool failed;
    bool is_ratio;
    size_t definition_index;
    int threads;
    int repetition_index;
    int64_t iterations;
    gbench_value wall_seconds;
    gbench_value wall_ns_per_iteration;
    char counter_name[NAME_SIZE];
    gbench_value counter;
    size_t counter_count;
} seen_run;

typedef struct seen {
    int contexts;
    int finalizes;
    int cpu_count;
    size_t run_count;
    seen_run runs[RUNS_MAX];
} seen;

static void copy_text(char *out, const char *text) {
    (void)snprintf(out, NAME_SIZE, "%s", text);
}

static bool on_context(const gbench_context *context, void *user) {
    seen *all = user;
    all->contexts++;
    all->cpu_count = context->cpu_count;
    return true;
}

static bool on_context_decline(const gbench_context *context, void *user) {
    (void)context;
    ((seen *)user)->contexts++;
    return false;
}

static void on_run(const gbench_run *run, void *user) {
    seen *all = user;
    assert_true(all->run_count < RUNS_MAX);
    seen_run *out = &all->runs[all->run_count++];
    copy_text(out->name, run->name);
    copy_text(out->aggregate, run->aggregate_name);
    copy_text(out->label, run->label);
    out->failed = run->error != NULL;
    copy_text(out->error, run->error != NULL ? run->error : "");
    out->is_ratio = run->is_ratio;
    out->definition_index = run->definition_index;
    out->threads = run->threads;
    out->repetition_index = run->repetition_index;
    out->iterations = run->iterations;
    out->wall_seconds = run->wall_seconds;
    out->wall_ns_per_iteration = run->wall_ns_per_iteration;
    out->counter_count = run->counter_count;
    if (run->counter_count > 0) {
        copy_text(out->counter_name, run->counters[0].name);
        out->counter = run->counters[0].value;
    }
}

static void on_finalize(void *user) {
    ((seen *)user)->finalizes++;
}

static const gbench_reporter REPORTER = {
    .struct_size = sizeof(gbench_reporter), .context = on_context, .run = on_run, .finalize = on_finalize};

/* Runs one definition and returns what was seen; the caller frees it. */
static seen *run_one(const gbench_definition *definition) {
    seen *all = calloc(1, sizeof *all);
    assert_non_null(all);
    gbench_suite *suite = gbench_suite_create();
    assert_non_null(suite);
    assert_int_equal(gbench_suite_add(suite, definition), GBENCH_OK);
    assert_int_equal(gbench_suite_run(suite, &REPORTER, all), GBENCH_OK);
    gbench_suite_destroy(suite);
    return all;
}

static void count_calls(gbench_state *state, void *user) {
    atomic_int *calls = user;
    while (gbench_keep_running(state)) {
        atomic_fetch_add(calls, 1);
    }
}

static void fixed_iterations_run_exactly_that_often(void **state) {
    (void)state;
    atomic_int calls = 0;
    gbench_definition definition;
    gbench_definition_init(&definition, "count", count_calls, &calls);
    definition.iterations = 17;
    seen *all = run_one(&definition);
    assert_int_equal(atomic_load(&calls), 17);
    assert_int_equal(all->run_count, 1);
    assert_int_equal(all->runs[0].iterations, 17);
    assert_true(all->runs[0].wall_seconds.valid);
    assert_true(all->runs[0].wall_ns_per_iteration.valid);
    assert_string_equal(all->runs[0].aggregate, "");
    assert_false(all->runs[0].failed);
    assert_int_equal(all->contexts, 1);
    assert_int_equal(all->finalizes, 1);
    assert_true(all->cpu_count >= 1);
    free(all);
}

static void a_minimum_time_runs_until_it_is_reached(void **state) {
    (void)state;
    atomic_int calls = 0;
    gbench_definition definition;
    gbench_definition_init(&definition, "count", count_calls, &calls);
    definition.min_time_seconds = 1e-4;
    seen *all = run_one(&definition);
    assert_true(atomic_load(&calls) >= all->runs[0].iterations);
    assert_true(all->runs[0].wall_seconds.value >= 1e-4);
    free(all);
}

static void repetitions_are_reported_one_by_one_and_then_summed_up(void **state) {
    (void)state;
    atomic_int calls = 0;
    gbench_definition definition;
    gbench_definition_init(&definition, "count", count_calls, &calls);
    definition.iterations = 5;
    definition.repetitions = 3;
    seen *all = run_one(&definition);
    assert_int_equal(atomic_load(&calls), 15);
    assert_true(all->run_count >= 6);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(all->runs[i].repetition_index, i);
    }
    assert_string_equal(all->runs[3].aggregate, "mean");
    assert_string_equal(all->runs[4].aggregate, "median");
    assert_string_equal(all->runs[5].aggregate, "stddev");
    assert_int_equal(all->runs[3].repetition_index, -1);
    assert_false(all->runs[3].wall_seconds.valid);
    assert_true(all->runs[3].wall_ns_per_iteration.valid);
    for (size_t i = 3; i < all->run_count; i++) {
        assert_true(all->runs[i].is_ratio == (strcmp(all->runs[i].aggregate, "cv") == 0));
    }
    free(all);
}

static void aggregates_alone_can_be_asked_for(void **state) {
    (void)state;
    atomic_int calls = 0;
    gbench_definition definition;
    gbench_definition_init(&definition, "count", count_calls, &calls);
    definition.iterations = 1;
    definition.repetitions = 2;
    definition.report_aggregates_only = true;
    seen *all = run_one(&definition);
    assert_true(all->run_count >= 3);
    for (size_t i = 0; i < all->run_count; i++) {
        assert_string_not_equal(all->runs[i].aggregate, "");
    }
    free(all);
}

static void read_arguments(gbench_state *state, void *user) {
    int64_t *sum = user;
    while (gbench_keep_running(state)) {
        *sum = gbench_argument(state, 0) * 100 + gbench_argument(state, 1) * 10 + gbench_argument(state, 2);
    }
}

static void arguments_reach_the_function_and_the_name(void **state) {
    (void)state;
    const int64_t arguments[] = {7, 3};
    int64_t sum = 0;
    gbench_definition definition;
    gbench_definition_init(&definition, "read", read_arguments, &sum);
    definition.arguments = arguments;
    definition.argument_count = 2;
    definition.iterations = 1;
    seen *all = run_one(&definition);
    assert_int_equal(sum, 730);
    assert_ptr_equal(strstr(all->runs[0].name, "read/7/3"), all->runs[0].name);
    free(all);
}

typedef struct thread_record {
    atomic_uint index_mask;
    atomic_int iterations;
    atomic_int wrong;
} thread_record;

static void record_threads(gbench_state *state, void *user) {
    thread_record *record = user;
    if (gbench_thread_count(state) != 3 || gbench_iterations_wanted(state) != 4 || gbench_iterations_done(state) != 0) {
        atomic_fetch_add(&record->wrong, 1);
    }
    while (gbench_keep_running(state)) {
        atomic_fetch_add(&record->iterations, 1);
    }
    if (gbench_iterations_done(state) != 4) {
        atomic_fetch_add(&record->wrong, 1);
    }
    atomic_fetch_or(&record->index_mask, 1u << gbench_thread_index(state));
    (void)gbench_set_counter(state, "sum", 2.0, GBENCH_COUNTER_PLAIN);
}

static void each_thread_runs_the_function_and_counters_add_up(void **state) {
    (void)state;
    thread_record record = {.index_mask = 0};
    gbench_definition definition;
    gbench_definition_init(&definition, "threads", record_threads, &record);
    definition.threads = 3;
    definition.iterations = 4;
    seen *all = run_one(&definition);
    assert_int_equal(atomic_load(&record.index_mask), 7);
    assert_int_equal(atomic_load(&record.iterations), 12);
    assert_int_equal(atomic_load(&record.wrong), 0);
    const seen_run *run = &all->runs[0];
    assert_int_equal(run->threads, 3);
    assert_int_equal(run->iterations, 12);
    assert_string_equal(run->counter_name, "sum");
    assert_true(fabs(run->counter.value - 6.0) < 1e-9);
    /* The wall time is one thread's, not a share of it. */
    const double expected_ns = run->wall_seconds.value * 3 / 12 * 1e9;
    assert_true(fabs(run->wall_ns_per_iteration.value - expected_ns) <= expected_ns * 1e-9);
    free(all);
}

static void set_counters(gbench_state *state, void *user) {
    (void)user;
    while (gbench_keep_running_batch(state, 10)) {
    }
    assert_int_equal(gbench_set_counter(state, "average", 30.0, GBENCH_COUNTER_AVERAGE_ITERATIONS), GBENCH_OK);
    assert_int_equal(gbench_set_counter(state, "average", 30.0, 1u << 20), GBENCH_ERROR_BAD_ARGUMENT);
    assert_int_equal(gbench_set_counter(state, NULL, 30.0, 0), GBENCH_ERROR_BAD_ARGUMENT);
    gbench_set_label(state, "three");
}

static void a_batch_counts_what_it_ran(void **state) {
    (void)state;
    gbench_definition definition;
    gbench_definition_init(&definition, "batch", set_counters, NULL);
    definition.iterations = 25;
    seen *all = run_one(&definition);
    assert_int_equal(all->runs[0].iterations, 30);
    assert_true(all->runs[0].counter.valid);
    assert_true(fabs(all->runs[0].counter.value - 1.0) < 1e-9);
    assert_string_equal(all->runs[0].label, "three");
    free(all);
}

static void divide_by_zero(gbench_state *state, void *user) {
    (void)user;
    while (gbench_keep_running(state)) {
    }
    (void)gbench_set_counter(state, "zero", 0.0, GBENCH_COUNTER_INVERT);
}

static void a_number_that_is_not_finite_is_marked_and_zero(void **state) {
    (void)state;
    gbench_definition definition;
    gbench_definition_init(&definition, "zero", divide_by_zero, NULL);
    definition.iterations = 1;
    seen *all = run_one(&definition);
    assert_int_equal(all->runs[0].counter_count, 1);
    assert_false(all->runs[0].counter.valid);
    assert_true(all->runs[0].counter.value == 0.0);
    free(all);
}

static void pause_in_loop(gbench_state *state, void *user) {
    int *wrong = user;
    *wrong += gbench_pause(state) != GBENCH_ERROR_BAD_STATE;
    while (gbench_keep_running(state)) {
        *wrong += gbench_resume(state) != GBENCH_ERROR_BAD_STATE;
        *wrong += gbench_pause(state) != GBENCH_OK;
        *wrong += gbench_pause(state) != GBENCH_ERROR_BAD_STATE;
        if (gbench_iterations_done(state) % 2 == 0) {
            *wrong += gbench_resume(state) != GBENCH_OK;
        }
        /* Otherwise the loop resumes by itself. */
    }
    *wrong += gbench_pause(state) != GBENCH_ERROR_BAD_STATE;
    *wrong += gbench_keep_running(state);
}

static void pause_and_resume_go_by_turns_inside_the_loop_only(void **state) {
    (void)state;
    int wrong = 0;
    gbench_definition definition;
    gbench_definition_init(&definition, "pause", pause_in_loop, &wrong);
    definition.iterations = 5;
    seen *all = run_one(&definition);
    assert_int_equal(wrong, 0);
    assert_false(all->runs[0].failed);
    free(all);
}

static void say_manual_time(gbench_state *state, void *user) {
    (void)user;
    while (gbench_keep_running(state)) {
        assert_int_equal(gbench_set_iteration_time(state, nan("")), GBENCH_ERROR_BAD_ARGUMENT);
        assert_int_equal(gbench_set_iteration_time(state, 0.25), GBENCH_OK);
    }
}

static void manual_time_is_reported_as_given(void **state) {
    (void)state;
    gbench_definition definition;
    gbench_definition_init(&definition, "manual", say_manual_time, NULL);
    definition.iterations = 4;
    definition.clock = GBENCH_CLOCK_MANUAL;
    seen *all = run_one(&definition);
    assert_true(fabs(all->runs[0].wall_seconds.value - 1.0) < 1e-9);
    assert_true(fabs(all->runs[0].wall_ns_per_iteration.value - 0.25e9) < 1.0);
    free(all);
}

static void skip_at_once(gbench_state *state, void *user) {
    (void)user;
    gbench_skip_with_error(state, "cannot");
    while (gbench_keep_running(state)) {
        fail();
    }
}

static void skip_in_loop(gbench_state *state, void *user) {
    int *calls = user;
    while (gbench_keep_running(state)) {
        ++*calls;
        gbench_skip_with_error(state, "enough");
    }
}

static void leave_early(gbench_state *state, void *user) {
    (void)user;
    if (gbench_keep_running(state)) {
        return;
    }
}

static void a_skipped_benchmark_reports_its_message(void **state) {
    (void)state;
    gbench_definition definition;
    gbench_definition_init(&definition, "skip", skip_at_once, NULL);
    definition.iterations = 4;
    seen *all = run_one(&definition);
    assert_true(all->runs[0].failed);
    assert_string_equal(all->runs[0].error, "cannot");
    assert_false(all->runs[0].wall_seconds.valid);
    free(all);

    int calls = 0;
    gbench_definition_init(&definition, "skip", skip_in_loop, &calls);
    definition.iterations = 4;
    all = run_one(&definition);
    assert_int_equal(calls, 1);
    assert_string_equal(all->runs[0].error, "enough");
    free(all);
}

static void leaving_the_loop_early_is_an_error_and_no_time(void **state) {
    (void)state;
    gbench_definition definition;
    gbench_definition_init(&definition, "leave", leave_early, NULL);
    definition.iterations = 4;
    definition.threads = 2;
    seen *all = run_one(&definition);
    assert_true(all->runs[0].failed);
    assert_non_null(strstr(all->runs[0].error, "gbench_keep_running"));
    free(all);
}

static void benchmarks_run_in_the_order_they_were_added(void **state) {
    (void)state;
    atomic_int calls = 0;
    seen *all = calloc(1, sizeof *all);
    assert_non_null(all);
    gbench_suite *suite = gbench_suite_create();
    gbench_definition definition;
    gbench_definition_init(&definition, "first", count_calls, &calls);
    definition.iterations = 1;
    assert_int_equal(gbench_suite_add(suite, &definition), GBENCH_OK);
    definition.name = "second";
    assert_int_equal(gbench_suite_add(suite, &definition), GBENCH_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(gbench_suite_run(suite, &REPORTER, all), GBENCH_OK);
    }
    assert_int_equal(all->run_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(all->runs[i].definition_index, i % 2);
    }
    assert_ptr_equal(strstr(all->runs[3].name, "second"), all->runs[3].name);
    assert_int_equal(all->finalizes, 2);
    gbench_suite_destroy(suite);
    free(all);
}

static void a_declined_context_runs_nothing(void **state) {
    (void)state;
    atomic_int calls = 0;
    seen all = {.contexts = 0};
    gbench_suite *suite = gbench_suite_create();
    gbench_definition definition;
    gbench_definition_init(&definition, "count", count_calls, &calls);
    assert_int_equal(gbench_suite_add(suite, &definition), GBENCH_OK);
    const gbench_reporter declining = {
        .struct_size = sizeof declining, .context = on_context_decline, .run = on_run, .finalize = on_finalize};
    assert_int_equal(gbench_suite_run(suite, &declining, &all), GBENCH_ERROR_STOPPED);
    assert_int_equal(atomic_load(&calls), 0);
    assert_int_equal(all.finalizes, 0);
    gbench_suite_destroy(suite);
}

static void run_nested(gbench_state *state, void *user) {
    gbench_status *status = user;
    atomic_int calls = 0;
    gbench_suite *suite = gbench_suite_create();
    gbench_definition definition;
    gbench_definition_init(&definition, "inner", count_calls, &calls);
    if (gbench_suite_add(suite, &definition) == GBENCH_OK) {
        *status = gbench_suite_run(suite, &REPORTER, NULL);
    }
    gbench_suite_destroy(suite);
    while (gbench_keep_running(state)) {
    }
}

static void only_one_suite_runs_at_a_time(void **state) {
    (void)state;
    gbench_status status = GBENCH_OK;
    gbench_definition definition;
    gbench_definition_init(&definition, "outer", run_nested, &status);
    definition.iterations = 1;
    seen *all = run_one(&definition);
    assert_int_equal(status, GBENCH_ERROR_BUSY);
    free(all);
}

static void illegal_definitions_are_refused(void **state) {
    (void)state;
    gbench_suite *suite = gbench_suite_create();
    gbench_definition legal;
    gbench_definition_init(&legal, "count", count_calls, NULL);
    gbench_definition wrong = legal;
    wrong.struct_size = 1;
    assert_int_equal(gbench_suite_add(suite, &wrong), GBENCH_ERROR_BAD_ARGUMENT);
    wrong = legal;
    wrong.name = "";
    assert_int_equal(gbench_suite_add(suite, &wrong), GBENCH_ERROR_BAD_ARGUMENT);
    wrong = legal;
    wrong.function = NULL;
    assert_int_equal(gbench_suite_add(suite, &wrong), GBENCH_ERROR_BAD_ARGUMENT);
    wrong = legal;
    wrong.threads = 0;
    assert_int_equal(gbench_suite_add(suite, &wrong), GBENCH_ERROR_BAD_ARGUMENT);
    wrong = legal;
    wrong.min_time_seconds = nan("");
    assert_int_equal(gbench_suite_add(suite, &wrong), GBENCH_ERROR_BAD_ARGUMENT);
    wrong = legal;
    wrong.argument_count = 1;
    assert_int_equal(gbench_suite_add(suite, &wrong), GBENCH_ERROR_BAD_ARGUMENT);
    seen all = {.contexts = 0};
    assert_int_equal(gbench_suite_run(suite, &REPORTER, &all), GBENCH_ERROR_EMPTY);
    const gbench_reporter unset = {.struct_size = 0};
    assert_int_equal(gbench_suite_run(suite, &unset, &all), GBENCH_ERROR_BAD_ARGUMENT);
    gbench_suite_destroy(suite);
    gbench_suite_destroy(NULL);
}

static void every_status_has_a_text_of_its_own(void **state) {
    (void)state;
    for (unsigned i = 0; i <= GBENCH_STATUS_COUNT; i++) {
        assert_non_null(gbench_status_text((gbench_status)i));
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(gbench_status_text((gbench_status)i), gbench_status_text((gbench_status)j));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_iterations_run_exactly_that_often),
        cmocka_unit_test(a_minimum_time_runs_until_it_is_reached),
        cmocka_unit_test(repetitions_are_reported_one_by_one_and_then_summed_up),
        cmocka_unit_test(aggregates_alone_can_be_asked_for),
        cmocka_unit_test(arguments_reach_the_function_and_the_name),
        cmocka_unit_test(each_thread_runs_the_function_and_counters_add_up),
        cmocka_unit_test(a_batch_counts_what_it_ran),
        cmocka_unit_test(a_number_that_is_not_finite_is_marked_and_zero),
        cmocka_unit_test(pause_and_resume_go_by_turns_inside_the_loop_only),
        cmocka_unit_test(manual_time_is_reported_as_given),
        cmocka_unit_test(a_skipped_benchmark_reports_its_message),
        cmocka_unit_test(leaving_the_loop_early_is_an_error_and_no_time),
        cmocka_unit_test(benchmarks_run_in_the_order_they_were_added),
        cmocka_unit_test(a_declined_context_runs_nothing),
        cmocka_unit_test(only_one_suite_runs_at_a_time),
        cmocka_unit_test(illegal_definitions_are_refused),
        cmocka_unit_test(every_status_has_a_text_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
