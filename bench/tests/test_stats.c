/* Unit tests of stats/: known values, and simulated experiments that show how often the verdicts are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "stats/stats.h"

#define assert_near(actual, expected, tolerance) assert_true(fabs((actual) - (expected)) <= (tolerance))

static void a_quantile_interpolates_between_neighbours(void **state) {
    (void)state;
    const double sorted[] = {1, 2, 4, 8};
    assert_near(stats_quantile(sorted, 4, 0), 1, 0);
    assert_near(stats_quantile(sorted, 4, 1), 8, 0);
    assert_near(stats_quantile(sorted, 4, 0.5), 3, 1e-12);
    assert_near(stats_quantile(sorted, 4, 0.25), 1.75, 1e-12); /* R: quantile(c(1,2,4,8), 0.25) */
    assert_near(stats_quantile(sorted, 4, 0.9), 6.8, 1e-12);
    assert_near(stats_quantile(sorted, 1, 0.7), 1, 0);
    assert_true(isnan(stats_quantile(sorted, 0, 0.5)));
    assert_true(isnan(stats_quantile(sorted, 4, 1.5)));
    assert_true(isnan(stats_quantile(sorted, 4, nan(""))));
}

static void a_summary_is_not_moved_by_one_wild_sample(void **state) {
    (void)state;
    double samples[] = {12, 10, 1000, 11, 9};
    double scratch[5];
    const stats_summary summary = stats_summarise(samples, 5, scratch);
    assert_int_equal(summary.count, 5);
    assert_near(summary.minimum, 9, 0);
    assert_near(summary.quartile_low, 10, 0);
    assert_near(summary.median, 11, 0);
    assert_near(summary.quartile_high, 12, 0);
    assert_near(summary.maximum, 1000, 0);
    assert_near(summary.median_deviation, 1, 0);
    assert_true(isnan(stats_summarise(samples, 0, scratch).median));
}

static void a_median_interval_takes_the_ranks_of_the_sign_test(void **state) {
    (void)state;
    double sorted[100];
    for (size_t i = 0; i < 100; i++) {
        sorted[i] = (double)(i + 1);
    }
    /* Ranks from tables of the binomial distribution. */
    static const struct {
        size_t count;
        double low, high;
    } rows[] = {{1, 1, 1}, {2, 1, 2},  {5, 1, 5},   {6, 1, 6},    {8, 1, 8},
                {9, 2, 8}, {10, 2, 9}, {20, 6, 15}, {100, 40, 61}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double low = 0;
        double high = 0;
        stats_median_interval(sorted, rows[i].count, &low, &high);
        assert_near(low, rows[i].low, 0);
        assert_near(high, rows[i].high, 0);
    }
    double low = 0;
    double high = 0;
    stats_median_interval(sorted, 0, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

static void student_quantiles_match_the_printed_tables(void **state) {
    (void)state;
    static const struct {
        double degrees, confidence, t;
    } rows[] = {
        {1, 0.95, 12.7062047}, {2, 0.95, 4.3026527},  {4, 0.95, 2.7764451},   {6, 0.95, 2.4469119},
        {9, 0.95, 2.2621572},  {30, 0.95, 2.0422725}, {100, 0.95, 1.9839715}, {6, 0.99, 3.7074280},
        {6, 0.50, 0.7175582},  {1, 0.999, 636.61925}, {1e9, 0.95, 1.9599664},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const double t = stats_student_quantile(rows[i].degrees, rows[i].confidence);
        assert_near(t, rows[i].t, rows[i].t * 3e-6);
    }
    assert_true(isnan(stats_student_quantile(0, 0.95)));
    assert_true(isnan(stats_student_quantile(5, 1)));
    assert_true(isnan(stats_student_quantile(nan(""), 0.95)));
}

static void a_paired_ratio_matches_a_worked_example(void **state) {
    (void)state;
    const double first[] = {10, 11, 12, 13};
    const double second[] = {20, 21, 25, 26};
    const stats_ratio ratio = stats_paired_ratio(first, second, 4);
    const double logs[] = {log(0.5), log(11.0 / 21), log(12.0 / 25), log(0.5)};
    const double mean = (logs[0] + logs[1] + logs[2] + logs[3]) / 4;
    double squares = 0;
    for (int i = 0; i < 4; i++) {
        squares += (logs[i] - mean) * (logs[i] - mean);
    }
    const double reach = 3.1824463 * sqrt(squares / 3 / 4);
    assert_int_equal(ratio.count, 4);
    assert_near(ratio.degrees, 3, 0);
    assert_near(ratio.estimate, exp(mean), 1e-12);
    assert_near(ratio.low, exp(mean - reach), 1e-7);
    assert_near(ratio.high, exp(mean + reach), 1e-7);
    assert_int_equal(ratio.verdict, STATS_FASTER);
    assert_int_equal(stats_paired_ratio(second, first, 4).verdict, STATS_SLOWER);
}

static void a_slow_round_that_hits_both_changes_nothing(void **state) {
    (void)state;
    const double first[] = {10, 10.1, 30.0, 10};
    const double second[] = {20, 20.0, 60.1, 20};
    const stats_ratio ratio = stats_paired_ratio(first, second, 4);
    assert_int_equal(ratio.verdict, STATS_FASTER);
    assert_true(ratio.high < 0.52);
}

static void failed_rounds_are_left_out(void **state) {
    (void)state;
    const double first[] = {10, nan(""), 0, -1, 10, HUGE_VAL};
    const double second[] = {20, 20, 20, 20, 20, 20};
    const stats_ratio ratio = stats_paired_ratio(first, second, 6);
    assert_int_equal(ratio.count, 2);
    assert_near(ratio.estimate, 0.5, 1e-12);
}

static void few_samples_give_no_verdict(void **state) {
    (void)state;
    const double first[] = {10};
    const double second[] = {1000};
    const stats_ratio one = stats_paired_ratio(first, second, 1);
    assert_int_equal(one.verdict, STATS_NOT_SEPARATED);
    assert_near(one.estimate, 0.01, 1e-12);
    assert_true(isnan(one.low) && isnan(one.high));
    assert_true(isnan(stats_paired_ratio(first, second, 0).estimate));
    assert_int_equal(stats_unpaired_ratio(first, 1, second, 1).verdict, STATS_NOT_SEPARATED);
    assert_true(isnan(stats_unpaired_ratio(first, 0, second, 1).estimate));
}

static void equal_samples_are_not_separated_and_constant_ones_are(void **state) {
    (void)state;
    const double ten[] = {10, 10, 10};
    const double eleven[] = {11, 11, 11};
    assert_int_equal(stats_paired_ratio(ten, ten, 3).verdict, STATS_NOT_SEPARATED);
    assert_int_equal(stats_unpaired_ratio(ten, 3, ten, 3).verdict, STATS_NOT_SEPARATED);
    assert_int_equal(stats_paired_ratio(ten, eleven, 3).verdict, STATS_FASTER);
    assert_int_equal(stats_unpaired_ratio(eleven, 3, ten, 3).verdict, STATS_SLOWER);
}

static void an_unpaired_ratio_matches_a_worked_example(void **state) {
    (void)state;
    const double first[] = {exp(1.0), exp(2.0), exp(3.0)};
    const double second[] = {exp(4.0), exp(6.0), exp(8.0), exp(10.0)};
    const stats_ratio ratio = stats_unpaired_ratio(first, 3, second, 4);
    /* Means 2 and 7, variances of the means 1/3 and (20/3)/4. */
    const double a = 1.0 / 3;
    const double b = 5.0 / 3;
    const double degrees = (a + b) * (a + b) / (a * a / 2 + b * b / 3);
    assert_near(ratio.degrees, degrees, 1e-9);
    assert_near(log(ratio.estimate), -5, 1e-12);
    const double reach = stats_student_quantile(degrees, 0.95) * sqrt(a + b);
    assert_near(log(ratio.high), -5 + reach, 1e-9);
    assert_int_equal(ratio.count, 3);
    assert_int_equal(ratio.verdict, STATS_FASTER);
}

/* ---- Simulated experiments: fixed seeds, so they pass or fail for ever. ---- */

typedef struct generator {
    uint64_t state;
} generator;

/* SplitMix64. */
static uint64_t next_word(generator *random) {
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static double uniform(generator *random) {
    return ((double)(next_word(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(generator *random) {
    return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

/* Noise as machines make it: mostly 2 %, and in one sample of ten a slowdown of 10 to 60 %. */
static double disturbed(generator *random) {
    const double base = 0.02 * normal(random);
    return uniform(random) < 0.1 ? base + 0.1 + 0.5 * uniform(random) : base;
}

typedef struct tally {
    int faster, slower, covered, runs;
} tally;

typedef double (*noise)(generator *random);

static double plain(generator *random) {
    return 0.05 * normal(random);
}

/* Plays `runs` experiments of `rounds` paired rounds with a true ratio; each round has a drift that both sides share. */
static tally simulate(uint64_t seed, int runs, size_t rounds, double true_ratio, noise error) {
    generator random = {seed};
    tally result = {.runs = runs};
    for (int run = 0; run < runs; run++) {
        double first[32];
        double second[32];
        for (size_t i = 0; i < rounds; i++) {
            const double drift = 0.3 * normal(&random);
            first[i] = 10 * true_ratio * exp(drift + error(&random));
            second[i] = 10 * exp(drift + error(&random));
        }
        const stats_ratio ratio = stats_paired_ratio(first, second, rounds);
        result.faster += ratio.verdict == STATS_FASTER;
        result.slower += ratio.verdict == STATS_SLOWER;
        result.covered += ratio.low <= true_ratio && true_ratio <= ratio.high;
    }
    return result;
}

static void equal_subjects_are_called_different_in_one_of_twenty_at_most(void **state) {
    (void)state;
    /* 4,000 experiments of true size 5 % lie below 5.7 % in 98 of 100 series. */
    const int runs = 4000;
    for (size_t rounds = 3; rounds <= 11; rounds += 4) {
        const tally even = simulate(1000 + rounds, runs, rounds, 1, plain);
        const tally rough = simulate(2000 + rounds, runs, rounds, 1, disturbed);
        assert_true((even.faster + even.slower) * 1000 <= runs * 57);
        assert_true((rough.faster + rough.slower) * 1000 <= runs * 57);
        /* Neither side is favoured. */
        assert_true((even.faster - even.slower) * 100 <= runs * 2 && (even.slower - even.faster) * 100 <= runs * 2);
    }
}

static void the_interval_covers_the_truth_in_nineteen_of_twenty(void **state) {
    (void)state;
    const int runs = 4000;
    const tally result = simulate(7, runs, 7, 1.25, plain);
    assert_true(result.covered * 1000 >= runs * 943);
    assert_true(result.covered * 1000 <= runs * 957);
}

static void a_slowdown_past_the_noise_is_found(void **state) {
    (void)state;
    const tally result = simulate(11, 1000, 7, 1.25, plain);
    assert_true(result.slower >= 990);
    assert_int_equal(result.faster, 0);
}

static void unpaired_samples_of_one_source_are_rarely_called_different(void **state) {
    (void)state;
    generator random = {99};
    const int runs = 4000;
    int alarms = 0;
    for (int run = 0; run < runs; run++) {
        double first[7];
        double second[9];
        for (size_t i = 0; i < 7; i++) {
            first[i] = exp(0.02 * normal(&random));
        }
        for (size_t i = 0; i < 9; i++) {
            second[i] = exp(0.06 * normal(&random));
        }
        alarms += stats_unpaired_ratio(first, 7, second, 9).verdict != STATS_NOT_SEPARATED;
    }
    assert_true(alarms * 1000 <= runs * 57);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_interpolates_between_neighbours),
        cmocka_unit_test(a_summary_is_not_moved_by_one_wild_sample),
        cmocka_unit_test(a_median_interval_takes_the_ranks_of_the_sign_test),
        cmocka_unit_test(student_quantiles_match_the_printed_tables),
        cmocka_unit_test(a_paired_ratio_matches_a_worked_example),
        cmocka_unit_test(a_slow_round_that_hits_both_changes_nothing),
        cmocka_unit_test(failed_rounds_are_left_out),
        cmocka_unit_test(few_samples_give_no_verdict),
        cmocka_unit_test(equal_samples_are_not_separated_and_constant_ones_are),
        cmocka_unit_test(an_unpaired_ratio_matches_a_worked_example),
        cmocka_unit_test(equal_subjects_are_called_different_in_one_of_twenty_at_most),
        cmocka_unit_test(the_interval_covers_the_truth_in_nineteen_of_twenty),
        cmocka_unit_test(a_slowdown_past_the_noise_is_found),
        cmocka_unit_test(unpaired_samples_of_one_source_are_rarely_called_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
