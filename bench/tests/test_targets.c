/* Unit tests of the judge of targets, on results that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "targets/targets.h"

enum {
    ROUNDS = 9
};

static const char *const MALLOCS[] = {"malloc", "jemalloc", "mimalloc", "tcmalloc"};

/* A result whose times spread by `spread` around ns: +1, 0, -1 times it, in turns that start at `phase`. */
static results_result *add_result(results_model *model, results_scenario *to, const char *subject, double ns,
                                  double spread, unsigned phase) {
    results_result *result = results_scenario_add_result(model, to, subject);
    result->status = RESULT_OK;
    result->time_ns_per_op = (model_estimate){.median = ns, .low = ns - spread, .high = ns + spread};
    for (unsigned i = 0; i < ROUNDS; i++) {
        results_sample *sample = results_result_add_sample(model, result);
        sample->round = i + 1;
        sample->time_ns_per_op = ns + spread * ((i + phase) % 3 - 1.0);
    }
    return result;
}

static results_scenario *add_scenario(results_model *model, const char *name, uint64_t threads) {
    results_scenario *added = results_model_add_scenario(model, name);
    added->threads = threads;
    added->operations = 2000;
    added->allocations = 1000;
    added->line_round_trip_ns = threads > 1 ? 60 : nan("");
    return added;
}

/* The subject at ns, tcmalloc at best, the other mallocs slower. */
static results_scenario *add_contest(results_model *model, const char *name, const char *subject, double ns,
                                     double best, double spread) {
    results_scenario *added = add_scenario(model, name, 1);
    add_result(model, added, subject, ns, spread, 1);
    for (unsigned i = 0; i < 4; i++) {
        add_result(model, added, MALLOCS[i], best + 3 - i, 0, 0);
    }
    return added;
}

static targets_judgement judged;

static const targets_judgement *judge(const char *row, const results_model *model) {
    targets_judge(targets_row_find(row), model, &judged);
    return &judged;
}

static void each_size_is_judged_alone_and_the_worst_decides(void **state) {
    (void)state;
    results_model *model = results_model_create();
    add_contest(model, "pingpong-4096", "pooled", 5, 10, 0.01);
    add_contest(model, "pingpong-16", "pooled", 5, 9, 0.01);
    add_contest(model, "pingpong-256", "pooled", 5, 7.5, 0.01);
    add_contest(model, "pingpong-large-16", "pooled", 5, 1, 0.01);
    add_contest(model, "pingpong-2-threads-16", "pooled", 5, 1, 0.01);
    const targets_judgement *out = judge("pingpong", model);
    assert_int_equal(out->figure_count, 3);
    assert_int_equal(out->figures[0].size, 16);
    assert_int_equal(out->figures[0].verdict, TARGETS_MET);
    assert_int_equal(out->figures[1].verdict, TARGETS_MISSED);
    assert_int_equal(out->figures[2].size, 4096);
    assert_int_equal(out->figures[2].verdict, TARGETS_MET);
    assert_true(fabs(out->figures[1].value - 1.5) < 0.01);
    assert_true(out->figures[1].low < out->figures[1].value && out->figures[1].value < out->figures[1].high);
    assert_int_equal(out->worst, 1);
    assert_int_equal(out->verdict, TARGETS_MISSED);
    /* Two operations a buffer, on one thread. */
    assert_string_equal(out->figures[1].detail, "pooled 10.0 ns, tcmalloc 15.0 ns");
    results_model_destroy(model);
}

static void a_bound_inside_the_interval_is_not_separated(void **state) {
    (void)state;
    results_model *model = results_model_create();
    add_contest(model, "churn-1024", "pooled", 10, 13, 2);
    assert_int_equal(judge("churn-1024", model)->verdict, TARGETS_NOT_SEPARATED);
    results_model_destroy(model);
}

static void not_slower_is_met_by_a_narrow_interval_that_holds_1(void **state) {
    (void)state;
    static const struct {
        double ns, spread;
        targets_verdict verdict;
    } rows[] = {
        {10, 0.1, TARGETS_MET},
        {10, 3, TARGETS_NOT_SEPARATED},
        {9, 0.1, TARGETS_MET},
        {10.2, 0.1, TARGETS_MISSED},
        {20, 0.1, TARGETS_MISSED},
        {5, 1, TARGETS_MET},
        {10.2, 0.5, TARGETS_NOT_SEPARATED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        results_model *model = results_model_create();
        add_contest(model, "burst-64", "pooled", rows[i].ns, 10, rows[i].spread);
        if (judge("burst-64", model)->verdict != rows[i].verdict) {
            fail_msg("%g with %g: [%g, %g]", rows[i].ns, rows[i].spread, judged.figures[0].low, judged.figures[0].high);
        }
        results_model_destroy(model);
    }
}

static void without_an_interval_nothing_is_separated(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *from = add_contest(model, "churn-1024", "pooled", 1, 100, 0);
    for (size_t i = 0; i < from->result_count; i++) {
        from->results[i]->sample_count = 1;
    }
    assert_int_equal(judge("churn-1024", model)->verdict, TARGETS_NOT_SEPARATED);
    results_model_destroy(model);
}

static void a_subject_that_is_missing_or_failed_is_not_measured(void **state) {
    (void)state;
    for (size_t broken = 0; broken < 5; broken++) {
        results_model *model = results_model_create();
        results_scenario *from = add_contest(model, "churn-1024", "pooled", 1, 100, 0.1);
        from->results[broken]->status = RESULT_FAILED;
        from->results[broken]->message = "round 1: killed";
        const targets_judgement *out = judge("churn-1024", model);
        assert_int_equal(out->verdict, TARGETS_NOT_MEASURED);
        assert_non_null(strstr(out->figures[0].detail, "round 1: killed"));
        results_model_destroy(model);
    }
    results_model *model = results_model_create();
    assert_int_equal(judge("churn-1024", model)->verdict, TARGETS_NOT_MEASURED);
    assert_string_equal(judged.figures[0].detail, "churn-1024 was not run");
    add_contest(model, "pingpong-16", "pooled", 1, 100, 0.1);
    assert_int_equal(judge("pingpong", model)->verdict, TARGETS_MET);
    assert_int_equal(judge("pingpong-inline", model)->verdict, TARGETS_NOT_MEASURED);
    assert_string_equal(judged.figures[0].detail, "pooled-inline was not measured");
    results_model_destroy(model);
}

static void time_is_the_subjects_own_with_the_harness_in_it(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *from = add_scenario(model, "bulk-32-256", 1);
    add_result(model, from, "pooled", 3.5, 0.1, 0);
    add_result(model, from, "null", 1, 0, 0);
    const targets_judgement *out = judge("bulk-32", model);
    assert_int_equal(out->verdict, TARGETS_MISSED);
    assert_true(out->figures[0].value == 3.5);
    assert_non_null(strstr(out->figures[0].detail, "without the harness's own 2.50 ns"));
    from->results[0]->time_ns_per_op = (model_estimate){2.9, 2.8, 3.0};
    assert_int_equal(judge("bulk-32", model)->verdict, TARGETS_MET);
    from->results[0]->time_ns_per_op = (model_estimate){2.9, 2.8, 3.1};
    assert_int_equal(judge("bulk-32", model)->verdict, TARGETS_NOT_SEPARATED);
    results_model_destroy(model);
}

static void memory_is_what_the_process_grew_by_over_live_bytes(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *from = add_contest(model, "resident-100000", "pooled", 10, 10, 1);
    for (size_t r = 0; r < 2; r++) {
        for (size_t i = 0; i < ROUNDS; i++) {
            from->results[r]->samples[i]->peak_live_bytes = 1000;
            from->results[r]->samples[i]->resident_growth_bytes = r == 0 ? 1100 + i : 1020;
            from->results[r]->samples[i]->peak_resident_bytes = 9000;
        }
    }
    const targets_judgement *out = judge("resident-100000", model);
    assert_int_equal(out->verdict, TARGETS_MET);
    assert_true(fabs(out->figures[0].value - 1.104) < 1e-9);
    assert_non_null(strstr(out->figures[0].detail, "malloc 1.02"));
    for (size_t i = 0; i < ROUNDS; i++) {
        from->results[0]->samples[i]->peak_live_bytes = 900;
    }
    assert_int_equal(judge("resident-100000", model)->verdict, TARGETS_MISSED);
    for (size_t i = 0; i < ROUNDS; i++) {
        from->results[0]->samples[i]->resident_growth_bytes = MODEL_UNKNOWN;
    }
    assert_int_equal(judge("resident-100000", model)->verdict, TARGETS_NOT_MEASURED);
    results_model_destroy(model);
}

static void two_threads_are_held_against_one_of_the_same_size(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *one = add_scenario(model, "pingpong-16", 1);
    results_scenario *two = add_scenario(model, "pingpong-2-threads-16", 2);
    add_result(model, one, "pooled", 10, 1, 0);
    add_result(model, two, "pooled", 10.5, 1.05, 0); /* 5 % more in every round */
    add_result(model, add_scenario(model, "pingpong-2-threads-32", 2), "pooled", 5, 0, 0);
    const targets_judgement *out = judge("pingpong-2-threads", model);
    assert_int_equal(out->figure_count, 2);
    assert_int_equal(out->figures[0].verdict, TARGETS_MET);
    assert_true(fabs(out->figures[0].value - 1.05) < 1e-9);
    assert_true(out->figures[0].high - out->figures[0].low < 1e-9); /* paired by round */
    assert_non_null(strstr(out->figures[0].detail, "line round trip 60.0 ns"));
    assert_int_equal(out->figures[1].verdict, TARGETS_NOT_MEASURED);
    assert_int_equal(out->verdict, TARGETS_NOT_MEASURED);
    results_model_destroy(model);
}

static void throughput_is_of_all_threads_together(void **state) {
    (void)state;
    results_model *model = results_model_create();
    add_result(model, add_scenario(model, "churn-2-threads", 2), "pooled", 20, 0, 0);
    results_scenario *crowd = add_scenario(model, "churn-64-threads", 64);
    results_result *crowded = add_result(model, crowd, "pooled", 640, 0, 0);
    assert_int_equal(judge("threads-64", model)->verdict, TARGETS_MET);
    assert_true(fabs(judged.figures[0].value - 1) < 1e-9);
    for (size_t i = 0; i < ROUNDS; i++) {
        crowded->samples[i]->time_ns_per_op = 1280;
    }
    assert_int_equal(judge("threads-64", model)->verdict, TARGETS_MISSED);
    assert_true(fabs(judged.figures[0].value - 0.5) < 1e-9);
    results_model_destroy(model);
}

static void a_given_figure_is_exact(void **state) {
    (void)state;
    const targets_row *row = targets_row_find("give-back");
    targets_judge_given(row, 4.99, "as told", &judged);
    assert_int_equal(judged.verdict, TARGETS_MET);
    assert_string_equal(judged.figures[0].detail, "as told");
    targets_judge_given(row, 5.01, NULL, &judged);
    assert_int_equal(judged.verdict, TARGETS_MISSED);
    targets_judge_given(row, nan(""), "no such program", &judged);
    assert_int_equal(judged.verdict, TARGETS_NOT_MEASURED);
}

/* Prints judgements of two rows; the text is to be freed. */
static char *print_two(double first, double second, bool *all_met) {
    targets_judgement two[2];
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    targets_judge_given(targets_row_find("give-back"), first, NULL, &two[0]);
    targets_judge_given(targets_row_find("instructions"), second, NULL, &two[1]);
    *all_met = targets_print(two, 2, to, false);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void the_last_line_says_what_the_status_says(void **state) {
    (void)state;
    bool all_met = false;
    char *text = print_two(1, 1, &all_met);
    assert_true(all_met);
    assert_non_null(strstr(text, "\n2 of 2 targets met\n"));
    free(text);
    text = print_two(1, 3, &all_met);
    assert_false(all_met);
    assert_non_null(strstr(text, "\n1 of 2 targets met; MISSED: instructions\n"));
    assert_non_null(strstr(text, "MISSED by 50 %"));
    free(text);
    text = print_two(nan(""), 1, &all_met);
    assert_false(all_met);
    assert_non_null(strstr(text, "\n1 of 2 targets met; not measured: give-back\n"));
    free(text);
}

static void rows_have_names_of_their_own_and_scenarios_that_are_shipped(void **state) {
    (void)state;
    const targets_row *row = NULL;
    size_t count = 0;
    for (; (row = targets_row_at(count)) != NULL; count++) {
        char path[512];
        char subjects[TARGETS_TEXT_SIZE];
        assert_ptr_equal(targets_row_find(row->name), row);
        assert_non_null(row->about);
        assert_non_null(row->bound_text);
        assert_true(row->bound > 0);
        targets_row_subjects(row, subjects, sizeof subjects);
        assert_true((row->kind == TARGETS_GIVEN) == (subjects[0] == '\0'));
        assert_true((row->kind == TARGETS_GIVEN) == (row->scenario == NULL));
        if (row->scenario != NULL) {
            (void)snprintf(path, sizeof path, SHIPPED_SCENARIOS "/%s.yaml", row->scenario);
            assert_int_equal(access(path, R_OK), 0);
        }
    }
    assert_int_equal(count, 14);
    assert_null(targets_row_find("pingpon"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_size_is_judged_alone_and_the_worst_decides),
        cmocka_unit_test(a_bound_inside_the_interval_is_not_separated),
        cmocka_unit_test(not_slower_is_met_by_a_narrow_interval_that_holds_1),
        cmocka_unit_test(without_an_interval_nothing_is_separated),
        cmocka_unit_test(a_subject_that_is_missing_or_failed_is_not_measured),
        cmocka_unit_test(time_is_the_subjects_own_with_the_harness_in_it),
        cmocka_unit_test(memory_is_what_the_process_grew_by_over_live_bytes),
        cmocka_unit_test(two_threads_are_held_against_one_of_the_same_size),
        cmocka_unit_test(throughput_is_of_all_threads_together),
        cmocka_unit_test(a_given_figure_is_exact),
        cmocka_unit_test(the_last_line_says_what_the_status_says),
        cmocka_unit_test(rows_have_names_of_their_own_and_scenarios_that_are_shipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
