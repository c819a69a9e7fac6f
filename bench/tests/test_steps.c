/* Unit tests of stats/steps: known series, and simulated ones with fixed seeds that show how often steps are invented, and how
 * often missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "scenario/random.h"
#include "stats/stats.h"
#include "stats/steps.h"

#define ALPHA 0.05

static double uniform(random_state *random) {
    return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(random_state *random) {
    return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

static double even(random_state *random) {
    return 0.02 * normal(random);
}

/* One run in ten on a machine that had other work: 10 to 60 % slower. */
static double disturbed(random_state *random) {
    return uniform(random) < 0.1 ? 0.1 + 0.5 * uniform(random) : even(random);
}

static void fill(double *values, size_t count, double level, double (*noise)(random_state *), random_state *random) {
    for (size_t i = 0; i < count; i++) {
        values[i] = level * exp(noise(random));
    }
}

static void a_step_is_where_the_level_changes(void **state) {
    (void)state;
    const double values[] = {10.1, 9.9, 10, 10.2, 9.8, 10, 12.1, 11.9, 12, 12.2, 8.1, 7.9, 8, 8.2};
    size_t steps[4];
    assert_int_equal(stats_find_steps(values, 14, ALPHA, steps), 2);
    assert_int_equal(steps[0], 6);
    assert_int_equal(steps[1], 10);
    assert_true(fabs(stats_level(values + 6, 4) - 12.05) < 1e-9);
}

static void numbers_without_scatter_have_steps_too(void **state) {
    (void)state;
    const double same[] = {25.5, 25.5, 25.5, 25.5, 25.5, 25.5, 25.5};
    const double counts[] = {25.5, 25.5, 25.5, 25.5, 26.5, 26.5, 26.5};
    size_t steps[2];
    assert_int_equal(stats_find_steps(same, 7, ALPHA, steps), 0);
    assert_int_equal(stats_find_steps(counts, 7, ALPHA, steps), 1);
    assert_int_equal(steps[0], 4);
    assert_int_equal(stats_find_steps(counts, 6, ALPHA, steps), 0); /* two behind it: may be bad days */
}

static void one_wild_run_is_no_step(void **state) {
    (void)state;
    double values[] = {10.1, 9.9, 10, 10.2, 9.8, 10, 10.1, 9.9, 10, 10.1, 9.9, 10.05};
    size_t steps[4];
    for (size_t i = 0; i < 12; i++) {
        const double was = values[i];
        values[i] = 1000;
        assert_int_equal(stats_find_steps(values, 12, ALPHA, steps), 0);
        values[i] = was;
    }
}

static void short_series_have_none(void **state) {
    (void)state;
    const double values[] = {1, 1, 1, 9, 9};
    size_t steps[2];
    for (size_t count = 0; count <= 5; count++) {
        assert_int_equal(stats_find_steps(values, count, ALPHA, steps), 0);
    }
    assert_true(isnan(stats_level(values, 0)));
}

static void many_steps_need_no_deep_stack(void **state) {
    (void)state;
    static double values[STATS_SERIES_MAX];
    static size_t steps[STATS_SERIES_MAX / STATS_STEP_LEAST];
    double level = 1;
    for (size_t i = 0; i < STATS_SERIES_MAX; i++) {
        level *= i % 4 == 0 ? 1.01 : 1;
        values[i] = level;
    }
    assert_int_equal(stats_find_steps(values, STATS_SERIES_MAX, ALPHA, steps), STATS_SERIES_MAX / 4 - 1);
}

static size_t invented(double (*noise)(random_state *), size_t length, size_t series) {
    size_t count = 0;
    for (uint64_t seed = 1; seed <= series; seed++) {
        random_state random;
        double values[64];
        size_t steps[32];
        random_init(&random, seed, length);
        fill(values, length, 10, noise, &random);
        count += stats_find_steps(values, length, ALPHA, steps) > 0;
    }
    return count;
}

static void noise_has_no_steps(void **state) {
    (void)state;
    assert_in_range(invented(even, 8, 500), 0, 25);
    assert_in_range(invented(even, 20, 500), 0, 25);
    assert_in_range(invented(even, 60, 500), 0, 25);
    assert_in_range(invented(disturbed, 20, 500), 0, 25);
    assert_in_range(invented(disturbed, 60, 500), 0, 25);
}

/* Twelve runs, and six 6 % slower, with 2 % of noise: the figures are what such a series is worth. */
static void steps_are_found_where_they_are(void **state) {
    (void)state;
    size_t found = 0;
    size_t near = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        random_state random;
        double values[18];
        size_t steps[6];
        random_init(&random, seed, 99);
        fill(values, 12, 10, even, &random);
        fill(values + 12, 6, 10.6, even, &random);
        const size_t count = stats_find_steps(values, 18, ALPHA, steps);
        found += count > 0;
        near += count == 1 && steps[0] >= 10 && steps[0] <= 14;
    }
    assert_in_range(found, 190, 200);
    assert_in_range(near, 180, 200);
}

static void a_prediction_holds_the_next_value(void **state) {
    (void)state;
    size_t inside = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        random_state random;
        double values[7];
        random_init(&random, seed, 7);
        fill(values, 7, 5, even, &random);
        const stats_range range = stats_predict(values, 6, 0.95);
        inside += values[6] >= range.low && values[6] <= range.high;
    }
    assert_in_range(inside, 1880, 1920); /* 1900, and twice its standard error */
    const double exact[] = {3, 3, 3};
    assert_true(fabs(stats_predict(exact, 3, 0.99).low - 3) < 1e-12);
    assert_true(fabs(stats_predict(exact, 3, 0.99).high - 3) < 1e-12);
    assert_true(isnan(stats_predict(exact, 1, 0.95).low));
    /* exp(mean +- 3.182446 sd sqrt(1 + 1/4)) of the logarithms; 3.182446 is t's quantile in tables */
    const double values[] = {10, 11, 12, 13};
    const stats_range range = stats_predict(values, 4, 0.95);
    assert_true(fabs(range.low - 7.658076) < 1e-5);
    assert_true(fabs(range.high - 17.105626) < 1e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_where_the_level_changes), cmocka_unit_test(numbers_without_scatter_have_steps_too),
        cmocka_unit_test(one_wild_run_is_no_step),           cmocka_unit_test(short_series_have_none),
        cmocka_unit_test(many_steps_need_no_deep_stack),     cmocka_unit_test(noise_has_no_steps),
        cmocka_unit_test(steps_are_found_where_they_are),    cmocka_unit_test(a_prediction_holds_the_next_value),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
