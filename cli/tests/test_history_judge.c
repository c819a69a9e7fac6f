/* Simulated histories: how often a check is red though nothing changed, and how often it sees what did. Seeds are fixed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "history_judge.h"
#include "history_losses.h"
#include "scenario/random.h"

enum {
    SERIES = 20,
    RUNS = 16,
    HISTORIES = 200
};

static double uniform(random_state *random) {
    return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(random_state *random) {
    return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

/* What one series is multiplied by in a run, if anything happens. */
typedef double event(size_t series, size_t run);

static double nothing(size_t series, size_t run) {
    (void)series;
    (void)run;
    return 1;
}

static double newest_slower(size_t series, size_t run) {
    return series == 0 && run + 1 == RUNS ? 1.15 : 1;
}

static double slower_lately(size_t series, size_t run) {
    return series == 0 && run + 5 >= RUNS ? 1.07 : 1;
}

static double faster_lately(size_t series, size_t run) {
    return series == 0 && run + 5 >= RUNS ? 1 / 1.07 : 1;
}

static double slower_long_ago(size_t series, size_t run) {
    return series == 0 && run >= 5 ? 1.07 : 1;
}

/* accepted: the run, from 0, that is accepted; 0: none is. */
static history_model *make(uint64_t seed, double noise, event *happens, size_t accepted) {
    random_state random;
    random_init(&random, seed, SERIES);
    history_model *model = history_model_create();
    model->recent = 10;
    model->newest_run = RUNS;
    for (size_t i = 0; i < SERIES; i++) {
        history_series *series = history_model_add_series(model, "scenario", "subject", "time");
        series->limit_percent = 5;
        for (size_t run = 0; run < RUNS; run++) {
            history_point *point = history_series_add_point(model, series);
            point->run = run + 1;
            point->created = "2026-01-01T00:00:00Z";
            point->accepted = accepted != 0 && run == accepted ? "as it should be" : NULL;
            point->value.median = 100 * exp(noise * normal(&random)) * happens(i, run);
        }
    }
    history_mark_steps(model);
    history_judge(model);
    return model;
}

/* In how many histories some series has the verdict; of the first one alone where `first`. */
static size_t count(history_verdict verdict, double noise, event *happens, bool first) {
    size_t found = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history_model *model = make(seed, noise, happens, 0);
        found += first ? model->series[0]->verdict == verdict : history_model_count(model, verdict) > 0;
        history_model_destroy(model);
    }
    return found;
}

static void noise_alone_is_seldom_red(void **state) {
    (void)state;
    assert_in_range(count(HISTORY_WORSE, 0.02, nothing, false), 0, HISTORIES / 20);
    assert_in_range(count(HISTORY_WORSE, 0.10, nothing, false), 0, HISTORIES / 20);
}

static void what_happened_is_seen(void **state) {
    (void)state;
    assert_in_range(count(HISTORY_WORSE, 0.015, newest_slower, true), HISTORIES * 95 / 100, HISTORIES);
    assert_in_range(count(HISTORY_WORSE, 0.015, slower_lately, true), HISTORIES * 95 / 100, HISTORIES);
    assert_in_range(count(HISTORY_BETTER, 0.015, faster_lately, true), HISTORIES * 95 / 100, HISTORIES);
    assert_in_range(count(HISTORY_WORSE, 0.015, slower_long_ago, true), 0, HISTORIES / 20);
}

static void a_level_says_where_it_began(void **state) {
    (void)state;
    history_model *model = make(1, 0.001, slower_lately, 0);
    const history_series *series = model->series[0];
    assert_int_equal(series->verdict, HISTORY_WORSE);
    assert_ptr_equal(series->since, series->points[RUNS - 5]);
    assert_true(fabs(series->since->step - 1.07) < 0.005);
    assert_true(fabs(series->change - 1.07) < 0.005);
    assert_null(model->series[1]->since);
    history_model_destroy(model);
}

static void an_accepted_level_is_none(void **state) {
    (void)state;
    history_model *model = make(1, 0.001, slower_long_ago, 5);
    assert_int_equal(model->series[0]->verdict, HISTORY_AS_USUAL);
    assert_true(isnan(model->series[0]->points[5]->step)); /* nothing before it counts */
    history_model_destroy(model);
    model = make(1, 0.001, slower_lately, RUNS - 5);
    assert_int_equal(model->series[0]->verdict, HISTORY_TOO_FEW);
    history_model_destroy(model);
}

/* A run whose own rounds lie far apart says little about itself. */
static void a_wide_run_is_no_regression(void **state) {
    (void)state;
    history_model *model = make(1, 0.001, newest_slower, 0);
    history_series *series = model->series[0];
    assert_int_equal(series->verdict, HISTORY_WORSE);
    series->points[RUNS - 1]->value.low = 99;
    series->points[RUNS - 1]->value.high = 140;
    history_judge(model);
    assert_int_equal(series->verdict, HISTORY_AS_USUAL);
    series->points[RUNS - 1]->value.low = 114;
    history_judge(model);
    assert_int_equal(series->verdict, HISTORY_WORSE);
    history_model_destroy(model);
}

static void what_cannot_be_judged_says_why(void **state) {
    (void)state;
    history_model *model = make(1, 0.001, nothing, 0);
    history_series *series = model->series[0];
    series->points[3]->value.median = 0;
    series->verdict = HISTORY_NOT_JUDGED;
    model->series[1]->points[RUNS - 1]->run = RUNS - 1;
    model->series[1]->verdict = HISTORY_NOT_JUDGED;
    history_judge(model);
    assert_int_equal(series->verdict, HISTORY_NOT_JUDGED);
    assert_non_null(series->note);
    assert_int_equal(model->series[1]->verdict, HISTORY_NOT_JUDGED);
    assert_string_equal(model->series[1]->note, "not in the newest run");
    history_model_destroy(model);
}

/* From no faults to many is a regression, which no ratio of theirs says. */
static void nothing_has_a_ratio_where_it_is_counted(void **state) {
    (void)state;
    history_model *model = make(1, 0.001, nothing, 0);
    history_series *series = model->series[0];
    series->unit = COMPARE_COUNT;
    for (size_t i = 0; i < RUNS; i++) {
        series->points[i]->value.median = i + 1 < RUNS ? 0 : 5000;
    }
    history_judge(model);
    assert_int_equal(series->verdict, HISTORY_WORSE);
    assert_true(fabs(series->usual.median) < 1e-9);
    assert_true(fabs(series->change - 5001) < 1e-6);
    assert_int_equal(model->remark_count, 1);
    series->points[RUNS - 1]->value.median = 0;
    history_judge(model);
    assert_int_equal(series->verdict, HISTORY_AS_USUAL);
    history_model_destroy(model);
}

/* What is expected of counts some of which are 0 begins at 0, and scatters as they are judged: with what all are lifted by. */
static void nothing_less_than_nothing_is_expected(void **state) {
    (void)state;
    static const compare_unit UNITS[] = {COMPARE_COUNT, COMPARE_BYTES};
    for (size_t unit = 0; unit < 2; unit++) {
        history_model *model = make(1, 0.001, nothing, 0);
        history_series *series = model->series[0];
        series->unit = UNITS[unit];
        series->limit_percent = 1900;
        for (size_t i = 0; i < RUNS; i++) {
            series->points[i]->value.median = i % 3 == 0 ? 2 : 0;
        }
        history_judge(model);
        assert_int_equal(series->verdict, HISTORY_AS_USUAL);
        assert_true(series->usual.low >= 0 && series->usual.low <= series->usual.median);
        assert_true(series->usual.high > 0);
        assert_int_equal(model->remark_count, 1); /* of the lift; one run more or less is no 20 times as many */
        for (size_t i = 0; i < RUNS; i++) {
            series->points[i]->value.median = 0;
        }
        history_judge(model);
        assert_true(series->usual.low >= 0 && series->usual.high >= 0);
        history_model_destroy(model);
    }
}

/* A count does not become smaller by dividing times. */
static void dividing_is_advised_for_times_alone(void **state) {
    (void)state;
    for (int has_times = 0; has_times < 2; has_times++) {
        history_model *model = make(1, 0.001, nothing, 0);
        history_series *series = model->series[0];
        series->unit = has_times != 0 ? COMPARE_NS : COMPARE_COUNT;
        for (size_t i = 0; i < RUNS; i++) {
            series->points[i]->value.median = i % 2 == 0 ? 100 : 200;
        }
        model->remark_count = 0;
        history_judge(model);
        assert_int_equal(model->remark_count, 1);
        assert_int_equal(strstr(model->remarks[0], "--relative-to") != NULL, has_times);
        history_model_destroy(model);
    }
}

static history_model *make_two_subjects(void) {
    static const char *const SUBJECTS[] = {"malloc", "pooled"};
    history_model *model = history_model_create();
    for (size_t i = 0; i < 2; i++) {
        history_series *series = history_model_add_series(model, "churn", SUBJECTS[i], "time");
        series->unit = COMPARE_NS;
        for (uint64_t run = 1; run <= 3; run++) {
            if (i == 1 || run != 2) { /* malloc was not in the second */
                history_point *point = history_series_add_point(model, series);
                point->run = run;
                point->value = (model_estimate){i == 1 ? 6 : 2 * (double)run, 5, 8};
            }
        }
    }
    return model;
}

static void times_are_related_run_by_run(void **state) {
    (void)state;
    history_model *model = make_two_subjects();
    assert_true(history_relate(model, "malloc"));
    assert_int_equal(model->series_count, 1);
    const history_series *series = model->series[0];
    assert_string_equal(series->subject, "pooled");
    assert_int_equal(series->point_count, 2);
    assert_int_equal(series->points[1]->run, 3);
    assert_true(fabs(series->points[0]->value.median - 3) < 1e-12);
    assert_true(fabs(series->points[0]->value.low - 2.5) < 1e-12);
    assert_true(fabs(series->points[1]->value.median - 1) < 1e-12);
    history_model_destroy(model);
    model = make_two_subjects();
    assert_false(history_relate(model, "nobody"));
    history_model_destroy(model);
}

static void add_runs(history_model *model, const uint64_t *numbers, size_t count, uint64_t accepted) {
    for (size_t i = 0; i < count; i++) {
        history_run *run = model_allocate(model->arena, sizeof *run);
        *run = (history_run){numbers[i], numbers[i] == accepted};
        model_append(model->arena, &model->runs, &model->shown_count, run);
    }
    model->newest_run = numbers[0];
    model->recent = 10;
}

/* Two subjects of three runs, of which the newest run, the fifth, has none: one was not measured, one has failed. */
static history_model *make_losses(uint64_t accepted) {
    static const uint64_t RUNS_SHOWN[] = {5, 4, 3, 2, 1};
    history_model *model = make_two_subjects();
    add_runs(model, RUNS_SHOWN, sizeof RUNS_SHOWN / sizeof RUNS_SHOWN[0], accepted);
    history_absence *absence = model_allocate(model->arena, sizeof *absence);
    *absence = (history_absence){"churn", "pooled", "failed", "it hung"};
    model_append(model->arena, &model->absences, &model->absence_count, absence);
    return model;
}

static void what_the_newest_run_lacks_is_lost(void **state) {
    (void)state;
    history_model *model = make_losses(0);
    history_find_losses(model, false);
    assert_int_equal(model->series[0]->loss, HISTORY_LOST_MISSING);
    assert_string_equal(model->series[0]->note, "not in the newest run");
    assert_int_equal(model->series[1]->loss, HISTORY_LOST_FAILED);
    assert_string_equal(model->series[1]->note, "failed in the newest run: it hung");
    assert_int_equal(history_model_losses(model), 2);
    assert_true(history_losses_are_failures(model));
    history_model_destroy(model);
}

/* Left out on purpose: said so, before a run that was accepted, or for long. A failure is none of these. */
static void what_was_left_out_on_purpose_is_not(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        history_model *model = make_losses(i == 0 ? 4 : 0);
        model->recent = i == 1 ? 1 : 10;
        history_find_losses(model, i == 2);
        assert_int_equal(model->series[0]->loss, HISTORY_NOTHING_LOST);
        assert_int_equal(model->series[1]->loss, HISTORY_LOST_FAILED);
        history_model_destroy(model);
    }
}

/* One that ran and was not measured by a metric that has a threshold: --only-common does not forgive that. */
static void a_metric_is_lost_by_itself(void **state) {
    (void)state;
    static const uint64_t RUNS_SHOWN[] = {3, 2, 1};
    history_model *model = make_two_subjects();
    add_runs(model, RUNS_SHOWN, 3, 0);
    history_series *series = history_model_add_series(model, "churn", "pooled", "instructions");
    history_series_add_point(model, series)->run = 2;
    history_find_losses(model, true);
    assert_int_equal(series->loss, HISTORY_LOST_METRIC);
    assert_string_equal(series->note, "not measured in the newest run");
    assert_true(history_losses_are_failures(model));
    assert_int_equal(history_model_losses(model), 1);
    history_model_destroy(model);
}

/* Where the reference has failed in one scenario, nothing relative to it can be judged there. */
static void a_lost_reference_takes_the_others_along(void **state) {
    (void)state;
    static const uint64_t RUNS_SHOWN[] = {4, 3, 2, 1};
    history_model *model = make_two_subjects();
    add_runs(model, RUNS_SHOWN, 4, 0);
    history_series_add_point(model, model->series[1])->run = 4;
    model->series[1]->points[3]->value.median = 1;
    history_find_losses(model, false);
    assert_true(history_relate(model, "malloc"));
    assert_int_equal(model->series[0]->loss, HISTORY_LOST_MISSING);
    assert_string_equal(model->series[0]->note, "malloc, its reference: not in the newest run");
    history_model_destroy(model);
}

/* A failure of what never had figures, or plays something new, is no loss, and is told. */
static void a_failure_without_a_past_is_told(void **state) {
    (void)state;
    history_model *model = make_losses(0);
    model->absences[0]->subject = "own";
    history_find_losses(model, false);
    assert_int_equal(model->remark_count, 1);
    assert_string_equal(model->remarks[0], "own on churn failed in the newest run: it hung");
    assert_false(history_losses_are_failures(model));
    history_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_alone_is_seldom_red),
        cmocka_unit_test(what_happened_is_seen),
        cmocka_unit_test(a_level_says_where_it_began),
        cmocka_unit_test(an_accepted_level_is_none),
        cmocka_unit_test(a_wide_run_is_no_regression),
        cmocka_unit_test(what_cannot_be_judged_says_why),
        cmocka_unit_test(nothing_has_a_ratio_where_it_is_counted),
        cmocka_unit_test(nothing_less_than_nothing_is_expected),
        cmocka_unit_test(dividing_is_advised_for_times_alone),
        cmocka_unit_test(times_are_related_run_by_run),
        cmocka_unit_test(what_the_newest_run_lacks_is_lost),
        cmocka_unit_test(what_was_left_out_on_purpose_is_not),
        cmocka_unit_test(a_metric_is_lost_by_itself),
        cmocka_unit_test(a_lost_reference_takes_the_others_along),
        cmocka_unit_test(a_failure_without_a_past_is_told),
    };
    return cmocka_run_group_tests_name("history_judge", tests, NULL, NULL);
}
