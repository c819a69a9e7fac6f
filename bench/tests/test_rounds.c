/* Unit tests of what a run does with its rounds: when it ends, what it marks, how it ranks. Workers are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/rank.h"
#include "measure/run.h"
#include "measure/stream_image.h"
#include "stream_text.h"

#define assert_near(actual, expected, tolerance) assert_true(fabs((actual) - (expected)) <= (tolerance))

enum {
    ROUNDS = 16,
    SUBJECTS = 2
};

static const subject A = {.name = "malloc", .kernel = &subject_kernel_malloc};
static const subject B = {.name = "other", .kernel = &subject_kernel_malloc};
static const subject *const ALL[SUBJECTS] = {&A, &B};

/* What the made-up workers do: other takes `ratio` times malloc's time, give or take `noise`. */
typedef struct script {
    double ratio, noise;
    int wild_at;  /* other's round, from 1, that takes ten times as long */
    int stop_at;  /* the call in which a signal comes */
    bool dies;    /* of that signal, as a worker on a terminal does */
    int fails_at; /* other's round, from 1, in which it cannot be measured */
    measure_step last;
    int calls, rounds_of_other;
    volatile sig_atomic_t stop;
} script;

static bool launch(const measure_plan *plan, const worker_job *job, worker_report *report, char *message,
                   size_t message_size) {
    script *self = plan->launch_user;
    stream_image image;
    const bool is_other = job->subject == &B;
    self->rounds_of_other += is_other;
    if (++self->calls == self->stop_at) {
        self->stop = SIGINT;
        if (self->dies) {
            (void)snprintf(message, message_size, "killed by signal 2 (Interrupt)");
            return false;
        }
    }
    if (is_other && self->rounds_of_other == self->fails_at) {
        (void)snprintf(message, message_size, "killed by signal 11 (Segmentation fault)");
        return false;
    }
    assert_true(stream_image_open(job->stream_descriptor, &image));
    const double swing = self->rounds_of_other % 2 == 0 ? 1 + self->noise : 1;
    const double wild = self->rounds_of_other == self->wild_at ? 10 : 1;
    *report = (worker_report){.status = WORKER_OK,
                              .time_ns_per_op = is_other ? 100 * self->ratio * swing * wild : 100,
                              .operations = 1000,
                              .line_round_trip_ns = nan(""),
                              .peak_live_bytes = image.stream.peak_live_bytes,
                              .phase_count = image.stream.phase_count};
    report->phases = calloc(report->phase_count, sizeof *report->phases);
    assert_non_null(report->phases);
    for (size_t i = 0; i < report->phase_count; i++) {
        report->phases[i].buffers = image.stream.phases[i].end_live_buffers;
        report->phases[i].bytes = image.stream.phases[i].end_live_bytes;
    }
    stream_image_close(&image);
    return true;
}

static void note(const measure_step *step, void *user) {
    ((script *)user)->last = *step;
}

static const char CHURN[] =
    SCENARIO_HEAD "phases:\n  - {kind: churn, live: 20, operations: 200, sizes: {uniform: {low: 1, high: 900}}}\n";

static results_model *run_script(script *self, size_t scenario_count, bool early_end) {
    char error[512];
    char message[4096];
    scenario *from[2] = {NULL, NULL};
    for (size_t i = 0; i < scenario_count; i++) {
        from[i] = scenario_from_text(CHURN, error);
        assert_non_null(from[i]);
        from[i]->name[0] = (char)('a' + i);
    }
    const measure_plan plan = {.scenarios = from,
                               .scenario_count = scenario_count,
                               .subjects = ALL,
                               .subject_count = SUBJECTS,
                               .rounds = ROUNDS,
                               .early_end = early_end,
                               .seed = 1,
                               .seconds = 1,
                               .stop = &self->stop,
                               .progress = note,
                               .progress_user = self,
                               .launch = launch,
                               .launch_user = self};
    results_model *model = NULL;
    assert_int_equal(measure_run(&plan, &model, message, sizeof message),
                     self->fails_at == 0 ? MEASURE_OK : MEASURE_FAILED);
    for (size_t i = 0; i < scenario_count; i++) {
        scenario_destroy(from[i]);
    }
    return model;
}

static void a_clear_answer_ends_a_scenario_at_its_half(void **state) {
    (void)state;
    script self = {.ratio = 0.5, .noise = 0.02};
    results_model *model = run_script(&self, 1, true);
    const results_scenario *from = model->scenarios[0];
    assert_int_equal(from->rounds_played, ROUNDS / 2);
    assert_int_equal(from->results[1]->sample_count, ROUNDS / 2);
    assert_int_equal(from->results[1]->ratio.verdict, VERDICT_FASTER);
    assert_true(from->confidence > 0.99);
    assert_int_equal(from->results[1]->rounds_needed, MODEL_UNKNOWN);
    assert_int_equal(model->run.rounds, ROUNDS);
    assert_false(model->run.partial);
    results_model_destroy(model);
}

static void a_clear_answer_ends_nothing_when_all_rounds_are_wanted(void **state) {
    (void)state;
    script self = {.ratio = 0.5, .noise = 0.02};
    results_model *model = run_script(&self, 1, false);
    assert_int_equal(model->scenarios[0]->rounds_played, ROUNDS);
    assert_near(model->scenarios[0]->confidence, 0.95, 1e-12);
    results_model_destroy(model);
}

static void a_doubt_plays_all_rounds_and_says_how_many_it_takes(void **state) {
    (void)state;
    script self = {.ratio = 0.82, .noise = 0.5}; /* in turn 18 % faster and 23 % slower */
    results_model *model = run_script(&self, 1, true);
    const results_scenario *from = model->scenarios[0];
    assert_int_equal(from->rounds_played, ROUNDS);
    assert_true(from->confidence > 0.95 && from->confidence < 0.96);
    assert_int_equal(from->results[1]->ratio.verdict, VERDICT_NOT_SEPARATED);
    assert_true(from->results[1]->rounds_needed > ROUNDS && from->results[1]->rounds_needed != MODEL_UNKNOWN);
    assert_int_equal(from->results[0]->rounds_needed, MODEL_UNKNOWN);
    results_model_destroy(model);
}

static void equals_within_one_percent_end_early_and_win_nothing(void **state) {
    (void)state;
    script self = {.ratio = 0.9995, .noise = 0.001};
    results_model *model = run_script(&self, 1, true);
    assert_int_equal(model->scenarios[0]->rounds_played, ROUNDS / 2);
    assert_int_equal(model->scenarios[0]->results[1]->ratio.verdict, VERDICT_NOT_SEPARATED);
    assert_int_equal(model->scenarios[0]->results[1]->rounds_needed, MODEL_UNKNOWN);
    results_model_destroy(model);
}

/* The last worker is announced when all others are done, whoever fell out before: else the time left would be too long. */
static void nobody_waits_for_a_subject_that_has_failed(void **state) {
    (void)state;
    for (int ends_early = 0; ends_early < 2; ends_early++) {
        script self = {.ratio = 0.5, .fails_at = 3};
        results_model *model = run_script(&self, 2, ends_early != 0);
        assert_int_equal(model->scenarios[0]->results[1]->sample_count, 1);
        assert_int_equal(model->scenarios[0]->results[1]->status, RESULT_FAILED);
        assert_int_equal(self.last.done + 1, self.calls);
        /* That the second scenario ends at its half, too, is known behind its last worker. */
        assert_int_equal(self.last.total, self.calls + (ends_early != 0 ? ROUNDS : 0));
        results_model_destroy(model);
    }
}

static void a_wild_round_is_marked_and_kept(void **state) {
    (void)state;
    script self = {.ratio = 0.5, .noise = 0.02, .wild_at = 3};
    results_model *model = run_script(&self, 1, false);
    const results_result *other = model->scenarios[0]->results[1];
    assert_int_equal(other->sample_count, ROUNDS);
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(other->samples[i]->outlier, i == 2);
    }
    assert_near(other->samples[2]->time_ns_per_op, 500, 1e-9);
    assert_int_equal(other->ratio.verdict, VERDICT_FASTER);
    results_model_destroy(model);
}

static void a_stop_leaves_a_partial_model_of_what_was_measured(void **state) {
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        script self = {.ratio = 0.5, .noise = 0.02, .stop_at = 8, .dies = dies != 0};
        results_model *model = run_script(&self, 1, true);
        const results_scenario *from = model->scenarios[0];
        assert_true(model->run.partial);
        assert_int_equal(self.calls, 8);
        assert_int_equal(from->rounds_played, 3);
        assert_int_equal(from->results[0]->sample_count + from->results[1]->sample_count, 7);
        assert_int_equal(from->results[0]->status, RESULT_OK);
        assert_int_equal(from->results[1]->status, RESULT_OK);
        assert_true(isfinite(from->results[1]->ratio.estimate));
        results_model_destroy(model);
    }
}

static void a_stop_before_the_first_answer_is_partial_too(void **state) {
    (void)state;
    script self = {.ratio = 0.5, .stop_at = 1, .dies = true};
    results_model *model = run_script(&self, 2, true);
    assert_true(model->run.partial);
    assert_int_equal(self.calls, 1);
    assert_int_equal(model->scenario_count, 2);
    assert_int_equal(model->scenarios[1]->results[1]->sample_count, 0);
    assert_int_equal(model->rank_count, 0);
    for (size_t i = 0; i < 2; i++) {
        const results_result *baseline = model->scenarios[i]->results[0];
        assert_int_equal(baseline->ratio.verdict, VERDICT_UNKNOWN);
        assert_int_equal(baseline->to_fastest.verdict, VERDICT_UNKNOWN);
        assert_true(isnan(baseline->ratio.estimate));
    }
    results_model_destroy(model);
}

static void ranks_are_by_the_geometric_mean_over_scenarios(void **state) {
    (void)state;
    script self = {.ratio = 0.5, .noise = 0.02};
    results_model *model = run_script(&self, 2, true);
    assert_int_equal(model->rank_count, 2);
    assert_string_equal(model->ranks[0]->subject, "other");
    assert_int_equal(model->ranks[0]->rank, 1);
    assert_int_equal(model->ranks[0]->rank_low, 1);
    assert_int_equal(model->ranks[0]->rank_high, 1);
    assert_near(model->ranks[0]->ratio.estimate, 0.505, 0.006);
    assert_true(model->ranks[0]->ratio.low <= model->ranks[0]->ratio.estimate);
    assert_true(model->ranks[0]->ratio.high >= model->ranks[0]->ratio.estimate);
    assert_int_equal(model->ranks[0]->ratio.verdict, VERDICT_FASTER);
    assert_int_equal(model->ranks[1]->ratio.verdict, VERDICT_BASELINE);
    /* The geometric mean of 0.5 and 2 is 1, which the arithmetic one is not. */
    for (size_t i = 0; i < model->scenarios[1]->results[1]->sample_count; i++) {
        model->scenarios[1]->results[1]->samples[i]->time_ns_per_op =
            1e4 / model->scenarios[0]->results[1]->samples[i]->time_ns_per_op;
    }
    rank_subjects(model);
    for (size_t i = 0; i < 2; i++) {
        assert_near(model->ranks[i]->ratio.estimate, 1, 1e-9);
    }
    /* Who failed somewhere is not ranked by the rest; with nobody beside the baseline there are no ranks. */
    model->scenarios[1]->results[1]->status = RESULT_FAILED;
    rank_subjects(model);
    assert_int_equal(model->rank_count, 0);
    results_model_destroy(model);
}

static void one_scenario_has_no_ranks(void **state) {
    (void)state;
    script self = {.ratio = 0.5};
    results_model *model = run_script(&self, 1, true);
    assert_int_equal(model->rank_count, 0);
    results_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clear_answer_ends_a_scenario_at_its_half),
        cmocka_unit_test(a_clear_answer_ends_nothing_when_all_rounds_are_wanted),
        cmocka_unit_test(a_doubt_plays_all_rounds_and_says_how_many_it_takes),
        cmocka_unit_test(equals_within_one_percent_end_early_and_win_nothing),
        cmocka_unit_test(nobody_waits_for_a_subject_that_has_failed),
        cmocka_unit_test(a_wild_round_is_marked_and_kept),
        cmocka_unit_test(a_stop_leaves_a_partial_model_of_what_was_measured),
        cmocka_unit_test(a_stop_before_the_first_answer_is_partial_too),
        cmocka_unit_test(ranks_are_by_the_geometric_mean_over_scenarios),
        cmocka_unit_test(one_scenario_has_no_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
