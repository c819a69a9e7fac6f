/* Unit tests of passes: what a run makes of workers' answers, of callgrind's file, and of memory over time. This
 * program is its own worker. No test looks at how long anything took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/callgrind.h"
#include "measure/memory_curve.h"
#include "measure/passes.h"
#include "measure/run.h"
#include "measure/stream_image.h"
#include "measure/worker_pass.h"
#include "stream_text.h"

static const char CHURN[] =
    SCENARIO_HEAD "phases:\n  - {kind: churn, live: 20, operations: 200, sizes: {uniform: {low: 1, high: 900}}}\n";
static char message[4096];

/* ---- What a run makes of workers' answers ---- */

typedef struct script {
    worker_pass fails_in; /* WORKER_TIME: in none */
    int fails_after;      /* so many good ones */
    const char *latency_order[8];
    int latency_count;
    bool says_nothing; /* the line has no numbers of the pass */
    int calls[WORKER_PASS_COUNT];
    int calls_of_null;
    worker_job last[WORKER_PASS_COUNT];
} script;

static const char *const NUMBERS[] = {
    [WORKER_TIME] = NULL,
    [WORKER_INSTRUCTIONS] = "{\"instructions\": {\"operations\": 100}}",
    [WORKER_LATENCY] =
        "{\"latency\": {\"clock\": \"fake\", \"operations\": 7, \"p50_ns\": 41.5, \"max_ns\": 99, \"buckets\": "
        "[{\"up_to_ns\": 41.5, \"count\": 5}, {\"up_to_ns\": 100, \"count\": 2}]}}",
    [WORKER_LATENCY_AT_RATE] =
        "{\"latency_at_rate\": {\"operations\": 8, \"p50_ns\": 82, \"max_ns\": 82, \"rate_per_second\": 5, "
        "\"buckets\": [{\"up_to_ns\": 82, \"count\": 8}]}}",
    [WORKER_MEMORY] = "{\"memory\": {\"peak_live_bytes\": 12, \"points\": [{\"at_ms\": 0.5, \"live_bytes\": 3}]}}",
};

static bool launch(const measure_plan *plan, const worker_job *job, worker_report *report, char *why, size_t why_size) {
    script *self = plan->launch_user;
    stream_image image;
    const bool is_null = strcmp(job->subject->name, MODEL_NULL_SUBJECT) == 0;
    self->calls[job->pass]++;
    self->calls_of_null += is_null;
    self->last[job->pass] = *job;
    if (job->pass == WORKER_LATENCY && self->latency_count < 8) {
        self->latency_order[self->latency_count++] = job->subject->name;
    }
    if (job->pass != WORKER_TIME && job->pass == self->fails_in && self->calls[job->pass] > self->fails_after) {
        (void)snprintf(why, why_size, "killed by signal 4 (Illegal instruction)");
        return false;
    }
    assert_true(stream_image_open(job->stream_descriptor, &image));
    *report = (worker_report){.status = WORKER_OK,
                              .time_ns_per_op = 10,
                              .operations = 10,
                              .instructions = is_null ? 900 : 4200,
                              .line_round_trip_ns = nan(""),
                              .switches_voluntary = 5,
                              .switches_involuntary = 6,
                              .had_threads = true,
                              .peak_live_bytes = image.stream.peak_live_bytes,
                              .phase_count = image.stream.phase_count};
    report->phases = calloc(report->phase_count, sizeof *report->phases);
    assert_non_null(report->phases);
    for (size_t i = 0; i < report->phase_count; i++) {
        report->phases[i].buffers = image.stream.phases[i].end_live_buffers;
        report->phases[i].bytes = image.stream.phases[i].end_live_bytes;
    }
    if (job->pass != WORKER_TIME && !self->says_nothing) {
        report->passes = json_loads(NUMBERS[job->pass], 0, NULL);
        assert_non_null(report->passes);
    }
    stream_image_close(&image);
    return true;
}

static measure_outcome run_script(script *self, unsigned passes, double rate, results_model **model) {
    char error[512];
    scenario *from = scenario_from_text(CHURN, error);
    const subject *const subjects[] = {subject_find("malloc"), subject_find("pooled")};
    assert_non_null(from);
    const measure_plan plan = {.scenarios = &from,
                               .scenario_count = 1,
                               .subjects = subjects,
                               .subject_count = 2,
                               .rounds = 2,
                               .seed = 1,
                               .seconds = 1,
                               .passes = passes,
                               .rate = rate,
                               .idle_seconds = 3,
                               .timeout_ms = 1000,
                               .launch = launch,
                               .launch_user = self};
    *model = NULL;
    const measure_outcome outcome = measure_run(&plan, model, message, sizeof message);
    scenario_destroy(from);
    return outcome;
}

enum {
    ALL_PASSES = MEASURE_PASS(WORKER_INSTRUCTIONS) | MEASURE_PASS(WORKER_LATENCY) |
                 MEASURE_PASS(WORKER_LATENCY_AT_RATE) | MEASURE_PASS(WORKER_MEMORY)
};

static void passes_are_played_after_the_rounds_latency_in_several_processes(void **state) {
    (void)state;
    script self = {.fails_in = WORKER_TIME};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, ALL_PASSES, 1e6, &model), MEASURE_OK);
    assert_int_equal(self.calls[WORKER_TIME], 4);
    assert_int_equal(self.calls[WORKER_LATENCY], 4);
    assert_int_equal(self.calls[WORKER_LATENCY_AT_RATE], 4);
    assert_int_equal(self.calls[WORKER_MEMORY], 2);
    assert_int_equal(self.calls[WORKER_INSTRUCTIONS], 3); /* null's too, which takes no part otherwise */
    assert_int_equal(self.calls_of_null, 1);
    assert_true(self.last[WORKER_LATENCY_AT_RATE].rate == 1e6);
    assert_true(self.last[WORKER_MEMORY].idle_seconds == 3);
    assert_int_equal(model->scenarios[0]->result_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const results_result *result = model->scenarios[0]->results[i];
        assert_int_equal(result->sample_count, 2);
        assert_int_equal(result->samples[1]->switches_voluntary, 5);
        assert_int_equal(result->samples[1]->switches_involuntary, 6);
        assert_true(result->samples[1]->had_threads);
        assert_true(result->instructions.per_op == 42);
        assert_true(result->instructions.null_per_op == 9);
        assert_int_equal(result->instructions.total, 4200);
        assert_true(result->latency.p50_ns == 41.5);
        assert_true(result->latency.p99_ns == 99);
        assert_int_equal(result->latency.operations, 14);
        assert_int_equal(result->latency.process_count, 2);
        assert_true(result->latency.spread.p50_ns.median == 41.5);
        assert_true(result->latency_at_rate.p50_ns == 82);
        assert_int_equal(result->memory.peak_live_bytes, 12);
        assert_int_equal(result->memory.point_count, 1);
        assert_null(result->latency.message);
    }
    results_model_destroy(model);
}

static void without_passes_none_is_played(void **state) {
    (void)state;
    script self = {.fails_in = WORKER_TIME};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, 0, 0, &model), MEASURE_OK);
    assert_int_equal(self.calls[WORKER_TIME], 4);
    for (int i = WORKER_TIME + 1; i < WORKER_PASS_COUNT; i++) {
        assert_int_equal(self.calls[i], 0);
    }
    results_model_destroy(model);
}

static void a_pass_that_fails_says_so_and_leaves_the_times_alone(void **state) {
    (void)state;
    for (int i = WORKER_TIME + 1; i < WORKER_PASS_COUNT; i++) {
        script self = {.fails_in = (worker_pass)i};
        results_model *model = NULL;
        assert_int_equal(run_script(&self, ALL_PASSES, 1e6, &model), MEASURE_FAILED);
        const results_result *result = model->scenarios[0]->results[0];
        const char *const messages[] = {[WORKER_TIME] = NULL,
                                        [WORKER_INSTRUCTIONS] = result->instructions.message,
                                        [WORKER_LATENCY] = result->latency.message,
                                        [WORKER_LATENCY_AT_RATE] = result->latency_at_rate.message,
                                        [WORKER_MEMORY] = result->memory.message};
        assert_int_equal(result->status, RESULT_OK);
        assert_int_equal(result->sample_count, 2);
        for (int j = WORKER_TIME + 1; j < WORKER_PASS_COUNT; j++) {
            assert_true((messages[j] != NULL) == (i == j));
        }
        assert_string_equal(messages[i], "killed by signal 4 (Illegal instruction)");
        results_model_destroy(model);
    }
}

static void processes_of_latency_are_as_many_as_bound_a_median_and_fit_into_a_minute(void **state) {
    (void)state;
    assert_int_equal(passes_processes(WORKER_LATENCY, 16, 0), PASSES_LATENCY_PROCESSES);
    assert_int_equal(passes_processes(WORKER_LATENCY, 3, 0), 3);
    assert_int_equal(passes_processes(WORKER_LATENCY_AT_RATE, 16, 10), 6);
    assert_int_equal(passes_processes(WORKER_LATENCY_AT_RATE, 16, 15), 4);
    assert_int_equal(passes_processes(WORKER_LATENCY_AT_RATE, 16, 60), 1);
    assert_int_equal(passes_processes(WORKER_LATENCY_AT_RATE, 2, 1), 2);
    assert_int_equal(passes_processes(WORKER_MEMORY, 16, 0), 1);
    assert_int_equal(passes_processes(WORKER_INSTRUCTIONS, 16, 0), 1);
    assert_true(passes_seconds(WORKER_LATENCY, 0.1, 1) == 10 * 0.1);
    assert_true(fabs(6 * passes_seconds(WORKER_LATENCY, 0.1, 6) - 10 * 0.1) < 1e-9);
    assert_true(passes_seconds(WORKER_MEMORY, 0.1, 1) == 0.1);
}

/* In turns, as rounds: two subjects alternate, and the second process begins with the other one. */
static void processes_of_a_pass_take_turns(void **state) {
    (void)state;
    script self = {.fails_in = WORKER_TIME};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, MEASURE_PASS(WORKER_LATENCY), 0, &model), MEASURE_OK);
    assert_int_equal(self.latency_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(self.latency_order[i], i == 0 || i == 3 ? "malloc" : "pooled");
    }
    results_model_destroy(model);
}

/* Half of a subject's processes would stand for one that cannot be measured. */
static void a_process_that_fails_takes_the_others_figures_with_it(void **state) {
    (void)state;
    script self = {.fails_in = WORKER_LATENCY, .fails_after = 2};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, MEASURE_PASS(WORKER_LATENCY), 0, &model), MEASURE_FAILED);
    for (size_t i = 0; i < 2; i++) {
        const results_latency *latency = &model->scenarios[0]->results[i]->latency;
        assert_string_equal(latency->message, "process 2: killed by signal 4 (Illegal instruction)");
        assert_true(isnan(latency->p50_ns));
        assert_int_equal(latency->process_count, 0);
        assert_int_equal(latency->bucket_count, 0);
    }
    results_model_destroy(model);
}

static void a_line_without_the_numbers_is_a_failure(void **state) {
    (void)state;
    script self = {.says_nothing = true};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, MEASURE_PASS(WORKER_LATENCY), 0, &model), MEASURE_FAILED);
    assert_non_null(strstr(model->scenarios[0]->results[0]->latency.message, "cannot be read"));
    results_model_destroy(model);
}

static void a_rate_that_takes_too_long_is_refused_before_anything_is_measured(void **state) {
    (void)state;
    script self = {.fails_in = WORKER_TIME};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, MEASURE_PASS(WORKER_LATENCY_AT_RATE), 1, &model), MEASURE_BAD_INPUT);
    assert_null(model);
    assert_int_equal(self.calls[WORKER_TIME], 0);
    assert_non_null(strstr(message, "--rate must be"));
}

/* ---- Real workers ---- */

static void real_workers_measure_latency_and_memory(void **state) {
    (void)state;
    char error[512];
    scenario *from = scenario_from_text(CHURN, error);
    const subject *const subjects[] = {subject_find("malloc"), subject_find("malloc-threaded"), subject_find("null")};
    assert_non_null(from);
    const measure_plan plan = {.scenarios = &from,
                               .scenario_count = 1,
                               .subjects = subjects,
                               .subject_count = 3,
                               .rounds = 1,
                               .seed = 1,
                               .seconds = 1e-3,
                               .passes = ALL_PASSES & ~MEASURE_PASS(WORKER_INSTRUCTIONS),
                               .rate = 1e6,
                               .idle_seconds = 0.01,
                               .timeout_ms = 60000};
    results_model *model = NULL;
    if (measure_run(&plan, &model, message, sizeof message) != MEASURE_OK) {
        fail_msg("%s", model == NULL ? message : "a result failed");
    }
    const results_scenario *played = model->scenarios[0];
    for (size_t i = 0; i < 3; i++) {
        const results_result *result = played->results[i];
        assert_true(result->latency.operations >= played->operations);
        assert_int_equal(result->latency.operations % played->operations, 0);
        assert_true(result->latency.max_ns >= result->latency.p99_99_ns);
        assert_true(result->latency.p99_99_ns >= result->latency.p50_ns);
        assert_true(result->latency_at_rate.rate_per_second == 1e6);
        assert_true(result->memory.point_count >= 2);
        assert_int_equal(result->memory.points[0]->live_bytes, 0);
        assert_int_equal(result->memory.points[result->memory.point_count - 1]->live_bytes, 0);
        assert_true(result->memory.peak_resident_bytes >= result->memory.start_resident_bytes);
        assert_true(result->memory.idle_resident_bytes != MODEL_UNKNOWN);
    }
    assert_true(played->results[1]->samples[0]->had_threads);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_false(played->results[0]->samples[0]->had_threads);
#endif
    results_model_destroy(model);
    scenario_destroy(from);
}

/* ---- Callgrind ---- */

static bool read_count_from(const char *text, uint64_t *count) {
    char path[SCENARIO_TEXT_PATH_SIZE];
    const bool found = callgrind_read(scenario_text_file(path, ".out", text, strlen(text)), count);
    (void)unlink(path);
    return found;
}

static void the_sum_is_found_in_callgrinds_file(void **state) {
    (void)state;
    uint64_t count = 0;
    assert_true(
        read_count_from("version: 1\npositions: line\nevents: Ir\nsummary: 4158630\n\nfn=(1) x\n1 2\n", &count));
    assert_int_equal(count, 4158630);
    assert_true(read_count_from("events: Ir\nfn=(1) x\n1 2\ntotals: 77\n", &count));
    assert_int_equal(count, 77);
    assert_false(read_count_from("events: Ir\nsummary:\n", &count));
    assert_false(read_count_from("", &count));
    assert_false(callgrind_read("/nonexistent/file", &count));
}

static void valgrind_that_is_not_there_is_named_with_its_package(void **state) {
    (void)state;
    char path[PATH_MAX];
    const char *before = getenv("PATH");
    char *kept = strdup(before == NULL ? "" : before);
    assert_non_null(kept);
    assert_int_equal(setenv("PATH", "/nonexistent::", 1), 0);
    assert_false(callgrind_find(path, message, sizeof message));
    assert_non_null(strstr(message, "apt-get install valgrind"));
    assert_int_equal(setenv("PATH", kept, 1), 0);
    free(kept);
}

static void a_counted_worker_sees_a_pinned_environment(void **state) {
    (void)state;
    callgrind_run self;
    const char *argv[CALLGRIND_WORDS + 3] = {"program", "worker", NULL};
    const char *environment[] = {"HOME=/x", "LD_PRELOAD=a.so", "VALGRIND_OPTS=-v", "MALLOC_CONF=x", NULL};
    if (!callgrind_begin(&self, argv, environment, message, sizeof message)) {
        assert_non_null(strstr(message, "apt-get install valgrind"));
        return;
    }
    uint64_t count = 0;
    assert_string_equal(argv[0], self.valgrind);
    assert_string_equal(argv[CALLGRIND_WORDS], "program");
    assert_string_equal(argv[CALLGRIND_WORDS + 1], "worker");
    assert_null(argv[CALLGRIND_WORDS + 2]);
    assert_string_equal(environment[0], "LD_PRELOAD=a.so");
    assert_string_equal(environment[1], "MALLOC_CONF=x");
    assert_null(environment[2]);
    assert_int_equal(access(self.out, F_OK), 0);
    assert_false(callgrind_end(&self, &count));
    assert_int_not_equal(access(self.out, F_OK), 0);
}

/* ---- Curves ---- */

static void a_curve_that_is_full_keeps_every_second_point(void **state) {
    (void)state;
    memory_curve curve = {.count = 5};
    for (uint64_t i = 0; i < 5; i++) {
        curve.points[i].at_ns = i;
    }
    memory_curve_thin(&curve);
    assert_int_equal(curve.count, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(curve.points[i].at_ns, 2 * i);
    }
}

static void a_curve_of_any_length_fits_and_spans_all_of_its_time(void **state) {
    (void)state;
    subject_run run;
    memset(&run, 0, sizeof run);
    assert_true(memory_curve_begin(&run));
    for (int i = 0; i < 5 * MEMORY_CURVE_POINTS; i++) {
        atomic_store(&run.live_bytes, (uint64_t)i);
        memory_curve_add();
    }
    atomic_store(&run.live_bytes, 0);
    memory_curve_end();
    const memory_curve *curve = memory_curve_take();
    assert_true(curve->count > MEMORY_CURVE_POINTS / 2 && curve->count <= MEMORY_CURVE_POINTS);
    for (size_t i = 1; i < curve->count; i++) {
        assert_true(curve->points[i].at_ns >= curve->points[i - 1].at_ns);
        assert_true(curve->points[i].resident_bytes > 0);
        assert_true(curve->points[i].committed_bytes > 0);
    }
    assert_int_equal(curve->points[0].live_bytes, 0);
    assert_int_equal(curve->points[curve->count - 1].live_bytes, 0);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main(argc - 1, argv + 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_are_played_after_the_rounds_latency_in_several_processes),
        cmocka_unit_test(without_passes_none_is_played),
        cmocka_unit_test(a_pass_that_fails_says_so_and_leaves_the_times_alone),
        cmocka_unit_test(processes_of_latency_are_as_many_as_bound_a_median_and_fit_into_a_minute),
        cmocka_unit_test(processes_of_a_pass_take_turns),
        cmocka_unit_test(a_process_that_fails_takes_the_others_figures_with_it),
        cmocka_unit_test(a_line_without_the_numbers_is_a_failure),
        cmocka_unit_test(a_rate_that_takes_too_long_is_refused_before_anything_is_measured),
        cmocka_unit_test(real_workers_measure_latency_and_memory),
        cmocka_unit_test(the_sum_is_found_in_callgrinds_file),
        cmocka_unit_test(valgrind_that_is_not_there_is_named_with_its_package),
        cmocka_unit_test(a_counted_worker_sees_a_pinned_environment),
        cmocka_unit_test(a_curve_that_is_full_keeps_every_second_point),
        cmocka_unit_test(a_curve_of_any_length_fits_and_spans_all_of_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
