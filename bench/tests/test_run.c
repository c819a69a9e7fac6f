/* Unit tests of a run: with workers that are made up, what the model says; with real ones, that the pieces fit. This program
 * is its own worker, as the command line program is. No test looks at how long anything took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/run.h"
#include "measure/stream_image.h"
#include "measure/summarise.h"
#include "stream_text.h"

#define assert_near(actual, expected) assert_true(fabs((actual) - (expected)) <= 1e-9 * fabs((double)(expected)))

enum {
    ROUNDS = 5,
    SUBJECTS = 3
};

static const subject A = {.name = "malloc", .kernel = &subject_kernel_malloc};
static const subject B = {.name = "other", .kernel = &subject_kernel_malloc};
static const subject C = {.name = "absent", .preload = "libno-such-library.so.9", .package = "libno-such9"};
static const subject *const ALL[SUBJECTS] = {&A, &B, &C};

/* What the made-up workers do. */
typedef struct script {
    double ratio;           /* other's time over malloc's */
    int fails_at;           /* other's round that has no report, from 1; 0 for none */
    int wrong_at;           /* other's round with one live byte too many */
    int refused_at;         /* other's round served by a wrong library */
    int unsupported_at;     /* other's round in which it says that it is not made for this */
    bool nobody_is_made;    /* all say so, always */
    double line_round_trip; /* ns */
    int calls;
    int rounds_of_other;
} script;

static bool launch(const measure_plan *plan, const worker_job *job, worker_report *report, char *message,
                   size_t message_size) {
    script *self = plan->launch_user;
    stream_image image;
    const bool is_other = job->subject == &B;
    const int round = is_other ? ++self->rounds_of_other : 0;
    self->calls++;
    if (is_other && round == self->fails_at) {
        (void)snprintf(message, message_size, "killed by signal 11 (Segmentation fault)");
        return false;
    }
    assert_true(stream_image_open(job->stream_descriptor, &image));
    const bool is_unsupported = self->nobody_is_made || (is_other && round == self->unsupported_at);
    *report = (worker_report){.status = is_unsupported                          ? WORKER_UNSUPPORTED
                                        : is_other && round == self->refused_at ? WORKER_REFUSED
                                                                                : WORKER_OK,
                              .message = "other: served by a wrong library",
                              .library = "/lib/x.so",
                              .version = "x 1",
                              .time_ns_per_op = is_other ? 100 * self->ratio + round : 100 + self->calls,
                              .operations = 1000,
                              .line_round_trip_ns = self->line_round_trip,
                              .peak_live_bytes = image.stream.peak_live_bytes,
                              .peak_usable_bytes = 3 * image.stream.peak_live_bytes,
                              .peak_resident_bytes = 5000,
                              .resident_growth_bytes = 50,
                              .phase_count = image.stream.phase_count};
    report->phases = calloc(report->phase_count, sizeof *report->phases);
    assert_non_null(report->phases);
    for (size_t i = 0; i < report->phase_count; i++) {
        report->phases[i].buffers = image.stream.phases[i].end_live_buffers;
        report->phases[i].bytes = image.stream.phases[i].end_live_bytes;
    }
    report->phases[0].bytes += is_other && round == self->wrong_at;
    stream_image_close(&image);
    return true;
}

static const char CHURN[] =
    SCENARIO_HEAD "phases:\n  - {kind: churn, live: 20, operations: 200, sizes: {uniform: {low: 1, high: 900}}}\n";
static const char HANDOFF[] =
    SCENARIO_HEAD "threads: 2\nphases:\n  - {kind: handoff, live: 16, operations: 200, sizes: {fixed: 100}}\n";

static char message[4096];

/* Runs the script; the model may be NULL. */
static measure_outcome run_script(script *self, const char *text, results_model **model) {
    char error[512];
    scenario *from = scenario_from_text(text, error);
    assert_non_null(from);
    const measure_plan plan = {.suite = "test",
                               .scenarios = &from,
                               .scenario_count = 1,
                               .subjects = ALL,
                               .subject_count = SUBJECTS,
                               .rounds = ROUNDS,
                               .seed = 1,
                               .seconds = 1,
                               .timeout_ms = 1000,
                               .launch = launch,
                               .launch_user = self};
    *model = NULL;
    const measure_outcome outcome = measure_run(&plan, model, message, sizeof message);
    scenario_destroy(from);
    return outcome;
}

static void a_run_fills_the_model(void **state) {
    (void)state;
    script self = {.ratio = 0.5, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_OK);
    assert_int_equal(self.calls, 2 * ROUNDS);
    assert_string_equal(model->run.suite, "test");
    assert_string_equal(model->run.baseline_subject, "malloc");
    assert_string_equal(model->run.leak_level, "disabled");
    assert_int_equal(model->run.rounds, ROUNDS);
    assert_non_null(model->created);
    assert_non_null(model->build.compiler);
    assert_int_equal(model->subject_count, SUBJECTS);
    assert_string_equal(model->subjects[1]->library, "/lib/x.so");
    assert_int_equal(model->scenario_count, 1);
    const results_scenario *from = model->scenarios[0];
    assert_int_equal(from->phase_count, 3);
    assert_int_equal(from->threads, 1);
    assert_true(isnan(from->line_round_trip_ns));
    const results_result *other = from->results[1];
    assert_int_equal(other->status, RESULT_OK);
    assert_int_equal(other->sample_count, ROUNDS);
    assert_int_equal(other->samples[4]->round, 5);
    assert_int_equal(other->samples[0]->phase_count, 3);
    assert_int_equal(other->samples[0]->peak_resident_bytes, 5000);
    assert_int_equal(other->samples[0]->peak_usable_bytes, 3 * other->samples[0]->peak_live_bytes);
    assert_near(other->time_ns_per_op.median, 53);
    assert_near(other->time_ns_per_op.low, 51);
    assert_near(other->time_ns_per_op.high, 55);
    assert_near(other->peak_resident_bytes.median, 5000);
    assert_int_equal(other->ratio.verdict, VERDICT_FASTER);
    assert_true(other->ratio.low <= other->ratio.estimate && other->ratio.estimate <= other->ratio.high);
    assert_int_equal(from->results[0]->ratio.verdict, VERDICT_BASELINE);
    results_model_destroy(model);
}

static void subjects_take_turns_at_each_place(void **state) {
    (void)state;
    script self = {.ratio = 1, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_OK);
    unsigned seen[SUBJECTS + 1] = {0};
    for (size_t i = 0; i < ROUNDS; i++) {
        seen[model->scenarios[0]->results[1]->samples[i]->position]++;
    }
    assert_true(seen[1] >= 1 && seen[2] >= 1 && seen[3] >= 1);
    results_model_destroy(model);
}

static void a_subject_without_its_library_is_unavailable_and_no_failure(void **state) {
    (void)state;
    script self = {.ratio = 1, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_OK);
    assert_false(model->subjects[2]->available);
    assert_non_null(strstr(model->subjects[2]->note, "libno-such9"));
    const results_result *absent = model->scenarios[0]->results[2];
    assert_int_equal(absent->status, RESULT_UNAVAILABLE);
    assert_int_equal(absent->sample_count, 0);
    assert_int_equal(absent->ratio.verdict, VERDICT_UNKNOWN);
    assert_true(isnan(absent->time_ns_per_op.median));
    results_model_destroy(model);
}

static void a_worker_that_crashes_is_a_failed_result_and_not_tried_again(void **state) {
    (void)state;
    script self = {.ratio = 1, .fails_at = 2, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_FAILED);
    const results_result *other = model->scenarios[0]->results[1];
    assert_int_equal(other->status, RESULT_FAILED);
    assert_string_equal(other->message, "round 2: killed by signal 11 (Segmentation fault)");
    assert_int_equal(self.rounds_of_other, 2);
    assert_int_equal(other->ratio.verdict, VERDICT_UNKNOWN);
    assert_int_equal(model->scenarios[0]->results[0]->sample_count, ROUNDS);
    results_model_destroy(model);
}

static void other_live_bytes_than_the_streams_fail_the_run(void **state) {
    (void)state;
    script self = {.ratio = 1, .wrong_at = 3, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_FAILED);
    const results_result *other = model->scenarios[0]->results[1];
    assert_int_equal(other->status, RESULT_FAILED);
    assert_ptr_equal(strstr(other->message, "round 3: phase churn.fill ended with 20 live buffers of "),
                     other->message);
    results_model_destroy(model);
}

static void a_subject_that_is_not_made_for_a_scenario_is_unsupported_and_no_failure(void **state) {
    (void)state;
    script self = {.ratio = 1, .unsupported_at = 1, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_OK);
    const results_result *other = model->scenarios[0]->results[1];
    assert_int_equal(other->status, RESULT_UNSUPPORTED);
    assert_string_equal(other->message, "other: served by a wrong library");
    assert_int_equal(other->sample_count, 0);
    assert_int_equal(self.rounds_of_other, 1);
    assert_int_equal(model->scenarios[0]->results[0]->sample_count, ROUNDS);
    results_model_destroy(model);
}

static void where_nobody_is_made_for_it_nothing_was_measured(void **state) {
    (void)state;
    script self = {.ratio = 1, .nobody_is_made = true, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_REFUSED);
    assert_null(model);
    assert_ptr_equal(strstr(message, "nothing was measured: malloc on t: "), message);
}

static void another_library_than_the_subjects_ends_the_run(void **state) {
    (void)state;
    script self = {.ratio = 1, .refused_at = 1, .line_round_trip = nan("")};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, CHURN, &model), MEASURE_REFUSED);
    assert_null(model);
    assert_string_equal(message, "other: served by a wrong library");
    assert_true(self.calls <= 2);
}

static void nothing_to_measure_is_refused(void **state) {
    (void)state;
    char error[512];
    scenario *from = scenario_from_text(CHURN, error);
    assert_non_null(from);
    const measure_plan plan = {.scenarios = &from,
                               .scenario_count = 1,
                               .subjects = &ALL[2],
                               .subject_count = 1,
                               .rounds = 1,
                               .seconds = 1,
                               .launch = launch};
    results_model *model = NULL;
    assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_REFUSED);
    assert_null(model);
    assert_string_not_equal(message, "");
    scenario_destroy(from);
}

static void the_median_round_trip_stands_beside_results_with_threads(void **state) {
    (void)state;
    script self = {.ratio = 1, .line_round_trip = 123};
    results_model *model = NULL;
    assert_int_equal(run_script(&self, HANDOFF, &model), MEASURE_OK);
    assert_near(model->scenarios[0]->line_round_trip_ns, 123);
    results_model_destroy(model);
}

static void progress(const measure_step *step, void *user) {
    size_t *count = user;
    if (step->subject == NULL) {
        return;
    }
    assert_int_equal(step->done, *count);
    assert_int_equal(step->total, 2 * ROUNDS);
    assert_true(step->round >= 1 && step->round <= step->rounds);
    ++*count;
}

static void progress_is_told_before_every_worker(void **state) {
    (void)state;
    char error[512];
    size_t count = 0;
    script self = {.ratio = 1, .line_round_trip = nan("")};
    scenario *from = scenario_from_text(CHURN, error);
    assert_non_null(from);
    const measure_plan plan = {.scenarios = &from,
                               .scenario_count = 1,
                               .subjects = ALL,
                               .subject_count = SUBJECTS,
                               .rounds = ROUNDS,
                               .seconds = 1,
                               .launch = launch,
                               .launch_user = &self,
                               .progress = progress,
                               .progress_user = &count};
    results_model *model = NULL;
    assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_OK);
    assert_int_equal(count, 2 * ROUNDS);
    results_model_destroy(model);
    scenario_destroy(from);
}

static scenario *scenario_called(char name, const char *text) {
    char error[512];
    scenario *from = scenario_from_text(text, error);
    if (from == NULL) {
        fail_msg("%s", error);
        return NULL;
    }
    from->name[0] = name;
    return from;
}

/* In the order of the steps: "1 t, 1 u, 2 t, ..." */
static void note_step(const measure_step *step, void *user) {
    char *text = user;
    const size_t used = strlen(text);
    (void)snprintf(text + used, 64 - used, "%s%u%s ", step->subject == NULL ? "+" : "", step->round, step->scenario);
}

static void each_round_plays_every_scenario(void **state) {
    (void)state;
    char steps[64] = "";
    script self = {.ratio = 1, .line_round_trip = nan("")};
    scenario *from[] = {scenario_called('t', CHURN), scenario_called('u', HANDOFF)};
    const measure_plan plan = {.scenarios = from,
                               .scenario_count = 2,
                               .subjects = ALL,
                               .subject_count = 1,
                               .rounds = 3,
                               .seconds = 1,
                               .launch = launch,
                               .launch_user = &self,
                               .progress = note_step,
                               .progress_user = steps};
    results_model *model = NULL;
    assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_OK);
    assert_string_equal(steps, "+1t +2u 1t 1u 2t 2u 3t 3u "); /* + generates the operations */
    assert_int_equal(model->scenario_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(model->scenarios[i]->results[0]->sample_count, 3);
        assert_int_equal(model->scenarios[i]->results[0]->samples[2]->round, 3);
        assert_true(model->scenarios[i]->results[0]->time_ns_per_op.median > 0);
    }
    results_model_destroy(model);
    scenario_destroy(from[0]);
    scenario_destroy(from[1]);
}

static void a_run_that_is_ended_early_generates_no_more_scenarios(void **state) {
    (void)state;
    const volatile sig_atomic_t stop = SIGINT;
    script self = {.ratio = 1, .line_round_trip = nan("")};
    scenario *from[] = {scenario_called('t', CHURN), scenario_called('u', HANDOFF), scenario_called('v', CHURN)};
    const measure_plan plan = {.scenarios = from,
                               .scenario_count = 3,
                               .subjects = ALL,
                               .subject_count = 1,
                               .rounds = 3,
                               .seconds = 1,
                               .launch = launch,
                               .launch_user = &self,
                               .stop = &stop};
    results_model *model = NULL;
    assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_OK);
    assert_true(model->run.partial);
    assert_int_equal(model->scenario_count, 1);
    assert_int_equal(self.calls, 0);
    results_model_destroy(model);
    for (size_t i = 0; i < 3; i++) {
        scenario_destroy(from[i]);
    }
}

static void note_pass(const measure_step *step, void *user) {
    char *text = user;
    const size_t used = strlen(text);
    if (step->subject != NULL) {
        (void)snprintf(text + used, 128 - used, "%s %u/%u, ", step->pass != NULL ? step->pass : "time", step->round,
                       step->rounds);
    }
}

static void a_pass_is_announced_by_its_name_and_its_process(void **state) {
    (void)state;
    char steps[128] = "";
    char error[512];
    script self = {.ratio = 1, .line_round_trip = nan("")};
    scenario *from = scenario_from_text(CHURN, error);
    assert_non_null(from);
    const measure_plan plan = {.scenarios = &from,
                               .scenario_count = 1,
                               .subjects = ALL,
                               .subject_count = 1,
                               .rounds = 2,
                               .seconds = 1,
                               .passes = MEASURE_PASS(WORKER_LATENCY) | MEASURE_PASS(WORKER_MEMORY),
                               .launch = launch,
                               .launch_user = &self,
                               .progress = note_pass,
                               .progress_user = steps};
    results_model *model = NULL;
    /* The script has no numbers for passes, so each ends with its first process. */
    assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_FAILED);
    assert_string_equal(steps, "time 1/2, time 2/2, latency 1/2, memory 1/1, ");
    results_model_destroy(model);
    scenario_destroy(from);
}

/* What failed in one scenario is measured in the others all the same. */
static void a_failure_in_one_scenario_leaves_the_others_alone(void **state) {
    (void)state;
    script self = {.ratio = 1, .fails_at = 1, .line_round_trip = nan("")};
    scenario *from[] = {scenario_called('t', CHURN), scenario_called('u', HANDOFF)};
    const measure_plan plan = {.scenarios = from,
                               .scenario_count = 2,
                               .subjects = ALL,
                               .subject_count = 2,
                               .rounds = 3,
                               .seconds = 1,
                               .launch = launch,
                               .launch_user = &self};
    results_model *model = NULL;
    assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_FAILED);
    assert_int_equal(model->scenarios[0]->results[1]->status, RESULT_FAILED);
    assert_int_equal(model->scenarios[1]->results[1]->status, RESULT_OK);
    assert_int_equal(model->scenarios[1]->results[1]->sample_count, 3);
    results_model_destroy(model);
    scenario_destroy(from[0]);
    scenario_destroy(from[1]);
}

/* Before the first of them has taken its time. */
static void a_scenario_that_is_too_large_is_refused_before_any_is_measured(void **state) {
    (void)state;
    char error[512];
    script self = {.ratio = 1, .line_round_trip = nan("")};
    scenario *from[] = {scenario_from_text(CHURN, error),
                        scenario_from_text(SCENARIO_HEAD
                                           "threads: 64\nphases:\n"
                                           "  - {kind: churn, live: 10000000, operations: 1, sizes: {fixed: 1}}\n",
                                           error)};
    assert_non_null(from[0]);
    assert_non_null(from[1]);
    const measure_plan plan = {.scenarios = from,
                               .scenario_count = 2,
                               .subjects = ALL,
                               .subject_count = 1,
                               .rounds = 1,
                               .seconds = 1,
                               .launch = launch,
                               .launch_user = &self};
    results_model *model = NULL;
    assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_BAD_INPUT);
    assert_null(model);
    assert_int_equal(self.calls, 0);
    assert_non_null(strstr(message, "more operations than fit in 1 GiB"));
    scenario_destroy(from[0]);
    scenario_destroy(from[1]);
}

/* ---- Real workers ---- */

/* Every subject that needs no other library, in processes of their own. */
static size_t plain_subjects(const subject **out) {
    size_t count = 0;
    const subject *which = NULL;
    for (size_t i = 0; (which = subject_at(i)) != NULL; i++) {
        if (which->preload == NULL && which->worker == NULL) {
            out[count++] = which;
        }
    }
    return count;
}

static void run_real_workers(const char *text) {
    char error[512];
    const subject *subjects[MEASURE_SUBJECTS_MAX];
    scenario *from = scenario_from_text(text, error);
    assert_non_null(from);
    const measure_plan plan = {.scenarios = &from,
                               .scenario_count = 1,
                               .subjects = subjects,
                               .subject_count = plain_subjects(subjects),
                               .rounds = 2,
                               .seed = 3,
                               .seconds = 1e-3,
                               .timeout_ms = 60000};
    results_model *model = NULL;
    if (measure_run(&plan, &model, message, sizeof message) != MEASURE_OK) {
        fail_msg("%s", model == NULL ? message : model->scenarios[0]->results[0]->message);
    }
    for (size_t i = 0; i < plan.subject_count; i++) {
        const results_result *result = model->scenarios[0]->results[i];
        if (from->threads > 1 && strcmp(result->subject, "malloc-threaded") == 0) {
            assert_int_equal(result->status, RESULT_UNSUPPORTED); /* malloc itself is what it would be */
            continue;
        }
        assert_int_equal(result->status, RESULT_OK);
        assert_int_equal(result->sample_count, 2);
        for (size_t j = 0; j < 2; j++) {
            assert_true(result->samples[j]->time_ns_per_op > 0);
            assert_true(result->samples[j]->operations >= model->scenarios[0]->operations);
        }
        assert_true(model->subjects[i]->library[0] == '/');
    }
    results_model_destroy(model);
    scenario_destroy(from);
}

static void real_workers_measure_one_thread(void **state) {
    (void)state;
    run_real_workers(CHURN);
}

static void real_workers_measure_two_threads(void **state) {
    (void)state;
    run_real_workers(HANDOFF);
}

static void a_program_that_is_no_worker_fails_its_results(void **state) {
    (void)state;
    static const struct {
        const char *program, *message;
    } rows[] = {{"/bin/false", "round 1: exited with status 1"},
                {"/bin/true", "round 1: the process ended with status 0 before it had measured"},
                {"/bin/echo", "round 1: the worker's answer is no report"},
                {"/nonexistent/program", "round 1: could not be started: No such file or directory"}};
    char error[512];
    scenario *from = scenario_from_text(CHURN, error);
    assert_non_null(from);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const measure_plan plan = {.scenarios = &from,
                                   .scenario_count = 1,
                                   .subjects = ALL,
                                   .subject_count = 1,
                                   .rounds = 2,
                                   .seconds = 1e-3,
                                   .timeout_ms = 60000,
                                   .program = rows[i].program};
        results_model *model = NULL;
        assert_int_equal(measure_run(&plan, &model, message, sizeof message), MEASURE_FAILED);
        assert_string_equal(model->scenarios[0]->results[0]->message, rows[i].message);
        results_model_destroy(model);
    }
    scenario_destroy(from);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main(argc - 1, argv + 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_fills_the_model),
        cmocka_unit_test(subjects_take_turns_at_each_place),
        cmocka_unit_test(a_subject_without_its_library_is_unavailable_and_no_failure),
        cmocka_unit_test(a_worker_that_crashes_is_a_failed_result_and_not_tried_again),
        cmocka_unit_test(other_live_bytes_than_the_streams_fail_the_run),
        cmocka_unit_test(a_subject_that_is_not_made_for_a_scenario_is_unsupported_and_no_failure),
        cmocka_unit_test(where_nobody_is_made_for_it_nothing_was_measured),
        cmocka_unit_test(another_library_than_the_subjects_ends_the_run),
        cmocka_unit_test(nothing_to_measure_is_refused),
        cmocka_unit_test(the_median_round_trip_stands_beside_results_with_threads),
        cmocka_unit_test(progress_is_told_before_every_worker),
        cmocka_unit_test(each_round_plays_every_scenario),
        cmocka_unit_test(a_run_that_is_ended_early_generates_no_more_scenarios),
        cmocka_unit_test(a_pass_is_announced_by_its_name_and_its_process),
        cmocka_unit_test(a_failure_in_one_scenario_leaves_the_others_alone),
        cmocka_unit_test(a_scenario_that_is_too_large_is_refused_before_any_is_measured),
        cmocka_unit_test(real_workers_measure_one_thread),
        cmocka_unit_test(real_workers_measure_two_threads),
        cmocka_unit_test(a_program_that_is_no_worker_fails_its_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
