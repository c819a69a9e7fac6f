/* Unit tests of stats/bootstrap and stats/design: known values. How often verdicts are wrong is in test_verdicts.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "scenario/random.h"
#include "stats/bootstrap.h"
#include "stats/design.h"

#define assert_near(actual, expected, tolerance) assert_true(fabs((actual) - (expected)) <= (tolerance))

static double uniform(random_state *random) {
    return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(random_state *random) {
    return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

static void normal_quantiles_match_the_printed_tables(void **state) {
    (void)state;
    assert_near(stats_normal_quantile(0.975), 1.959964, 1e-4);
    assert_near(stats_normal_quantile(0.8), 0.841621, 1e-4);
    assert_near(stats_normal_quantile(0.0013499), -3.0, 1e-3);
    assert_near(stats_normal_quantile(0.5), 0, 0);
    assert_true(isnan(stats_normal_quantile(0)) && isnan(stats_normal_quantile(1)));
}

static void a_trimmed_mean_matches_a_worked_example(void **state) {
    (void)state;
    const double sorted[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1000};
    /* Two of ten go on each side: the mean of 3 to 8, and squares of 3 3 3 4 5 6 7 8 8 8 around 5.5. */
    const stats_trimmed ten = stats_trimmed_mean(sorted, 10);
    assert_near(ten.mean, 5.5, 1e-12);
    assert_near(ten.degrees, 5, 0);
    assert_near(ten.error, sqrt((6 * 6.25 + 2 * 2.25 + 2 * 0.25) / (6 * 5)), 1e-12);
    /* Four have nothing to spare: the plain mean and its error. */
    const stats_trimmed four = stats_trimmed_mean(sorted, 4);
    assert_near(four.mean, 2.5, 1e-12);
    assert_near(four.error, sqrt(5.0 / 3 / 4), 1e-12);
    assert_true(isnan(stats_trimmed_mean(sorted, 0).mean));
    assert_true(isnan(stats_trimmed_mean(sorted, 1).error));
}

static void few_pairs_get_students_interval(void **state) {
    (void)state;
    const double first[] = {10, 11, 12, 13};
    const double second[] = {20, 21, 25, 26};
    const stats_ratio plain = stats_paired_ratio(first, second, 4);
    const stats_ratio ratio = stats_paired_bootstrap(first, second, 4, 0.95, 1);
    assert_near(ratio.estimate, plain.estimate, 1e-12);
    assert_near(ratio.low, plain.low, 1e-9);
    assert_near(ratio.high, plain.high, 1e-9);
    assert_int_equal(ratio.verdict, STATS_FASTER);
    assert_true(isnan(stats_paired_bootstrap(first, second, 1, 0.95, 1).low));
    assert_true(isnan(stats_paired_bootstrap(first, second, 0, 0.95, 1).estimate));
}

static void a_seed_gives_one_interval_and_another_nearly_the_same(void **state) {
    (void)state;
    random_state random;
    double first[16];
    double second[16];
    random_init(&random, 5, 0);
    for (size_t i = 0; i < 16; i++) {
        first[i] = exp(0.05 * normal(&random));
        second[i] = exp(0.05 * normal(&random));
    }
    const stats_ratio one = stats_paired_bootstrap(first, second, 16, 0.95, 7);
    const stats_ratio again = stats_paired_bootstrap(first, second, 16, 0.95, 7);
    const stats_ratio other = stats_paired_bootstrap(first, second, 16, 0.95, 8);
    assert_true(one.estimate == again.estimate && one.low == again.low && one.high == again.high);
    assert_true(one.low != other.low);
    const double width = one.high - one.low;
    assert_near(one.low, other.low, 0.2 * width);
    assert_near(one.high, other.high, 0.2 * width);
    /* More confidence is a wider interval. */
    assert_true(stats_paired_bootstrap(first, second, 16, 0.99, 7).low < one.low);
}

static void one_wild_round_widens_nothing_and_is_marked(void **state) {
    (void)state;
    double times[12];
    double base[12];
    bool marked[12];
    for (size_t i = 0; i < 12; i++) {
        times[i] = 100 + (double)(i % 4);
        base[i] = 100 + (double)((i + 1) % 3);
    }
    const stats_ratio before = stats_paired_bootstrap(times, base, 12, 0.95, 1);
    assert_int_equal(stats_outliers(times, 12, marked), 0);
    times[3] = 900; /* was the highest already */
    const stats_ratio after = stats_paired_bootstrap(times, base, 12, 0.95, 1);
    assert_near(after.estimate, before.estimate, 0.003);
    assert_true(after.high < before.high * 1.02);
    assert_int_equal(stats_outliers(times, 12, marked), 1);
    assert_true(marked[3]);
}

static void outliers_follow_the_rule_also_among_equals(void **state) {
    (void)state;
    bool marked[8];
    const double equal[] = {5, 5, 5, 5, 5, 5, 5, 5};
    assert_int_equal(stats_outliers(equal, 8, marked), 0);
    const double nearly[] = {5, 5, 5, 5, 5, 5, 5, 5.5}; /* MAD 0: the one that differs is 6.4 mean distances off */
    assert_int_equal(stats_outliers(nearly, 8, marked), 1);
    assert_true(marked[7]);
    const double few[] = {1, 1, 1, 100};
    assert_int_equal(stats_outliers(few, 4, marked), 0);
    const double holes[] = {1, 1.01, nan(""), 1.02, 1.03, 0, 0.99, 40};
    assert_int_equal(stats_outliers(holes, 8, marked), 1);
    assert_true(marked[7] && !marked[2] && !marked[5]);
}

static void bca_without_bias_or_skew_is_the_percentile_interval(void **state) {
    (void)state;
    double resampled[1999];
    const double left_out[] = {1, 2, 3}; /* symmetric: no acceleration */
    for (size_t i = 0; i < 1999; i++) {
        resampled[i] = (double)(1998 - i);
    }
    double low = 0;
    double high = 0;
    stats_bca_interval(resampled, 1999, 999, left_out, 3, 0.95, &low, &high);
    assert_near(low, 0.025 * 1998, 0.1);
    assert_near(high, 0.975 * 1998, 0.1);
    stats_bca_interval(resampled, 0, 999, left_out, 3, 0.95, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

/* Worked by hand from Efron's formula: z0 = z(0.6) = 0.253347, a = -1/(6 sqrt 6) * ... of {0, 0, 3}. */
static void bca_moves_its_bounds_by_bias_and_acceleration(void **state) {
    (void)state;
    double resampled[1001];
    const double left_out[] = {0, 0, 3};
    for (size_t i = 0; i < 1001; i++) {
        resampled[i] = (double)i / 1000;
    }
    /* Influences 1, 1, -2: squares 6, cubes -6. */
    const double a = -6 / (6 * pow(6, 1.5));
    const double z0 = 0.2533471;
    const double up = z0 + 1.959964;
    const double down = z0 - 1.959964;
    double low = 0;
    double high = 0;
    stats_bca_interval(resampled, 1001, 0.6, left_out, 3, 0.95, &low, &high);
    assert_near(low, 0.5 * erfc(-(z0 + down / (1 - a * down)) * M_SQRT1_2), 2e-3);
    assert_near(high, 0.5 * erfc(-(z0 + up / (1 - a * up)) * M_SQRT1_2), 2e-3);
}

static void looks_spend_five_percent_in_all(void **state) {
    (void)state;
    const stats_design two = stats_design_make(16, 8, true);
    assert_int_equal(two.count, 2);
    assert_int_equal(two.looks[0].rounds, 8);
    assert_near(1 - two.looks[0].confidence, 0.005575, 2e-5); /* Lan and DeMets: 0.0056 at the half */
    assert_int_equal(two.looks[1].rounds, 16);
    for (uint32_t rounds = 1; rounds <= 200; rounds++) {
        for (uint32_t balanced = 1; balanced <= 24; balanced++) {
            const stats_design design = stats_design_make(rounds, balanced, true);
            double error = 0;
            for (uint32_t i = 0; i < design.count; i++) {
                error += 1 - design.looks[i].confidence;
                assert_true(i + 1 == design.count || design.looks[i].rounds % balanced == 0);
                assert_true(i + 1 == design.count || design.looks[i].rounds >= STATS_LOOK_LEAST);
            }
            assert_near(error, 0.05, 1e-9);
            assert_int_equal(design.looks[design.count - 1].rounds, rounds);
        }
    }
    assert_int_equal(stats_design_make(16, 8, false).count, 1);
    assert_int_equal(stats_design_make(3, 2, true).count, 1);
}

static void a_doubt_says_how_many_rounds_it_takes(void **state) {
    (void)state;
    const stats_ratio doubtful = {.count = 16,
                                  .estimate = exp(0.02),
                                  .log_error = 0.02,
                                  .low = 0.97,
                                  .high = 1.07,
                                  .verdict = STATS_NOT_SEPARATED};
    /* (1.95996 + 0.84162)^2 * 16 = 125.6 */
    assert_int_equal(stats_rounds_needed(&doubtful), 126);
    stats_ratio none = doubtful;
    none.estimate = 1; /* no difference seen: what one of STATS_SAME would take */
    assert_true(stats_rounds_needed(&none) > 500);
    stats_ratio clear = doubtful;
    clear.verdict = STATS_SLOWER;
    assert_int_equal(stats_rounds_needed(&clear), 0);
    stats_ratio same = doubtful;
    same.low = 0.995;
    same.high = 1.004;
    assert_true(stats_is_clear(&same));
    assert_int_equal(stats_rounds_needed(&same), 0);
    stats_ratio unknown = doubtful;
    unknown.low = nan("");
    assert_int_equal(stats_rounds_needed(&unknown), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_quantiles_match_the_printed_tables),
        cmocka_unit_test(a_trimmed_mean_matches_a_worked_example),
        cmocka_unit_test(few_pairs_get_students_interval),
        cmocka_unit_test(a_seed_gives_one_interval_and_another_nearly_the_same),
        cmocka_unit_test(one_wild_round_widens_nothing_and_is_marked),
        cmocka_unit_test(outliers_follow_the_rule_also_among_equals),
        cmocka_unit_test(bca_without_bias_or_skew_is_the_percentile_interval),
        cmocka_unit_test(bca_moves_its_bounds_by_bias_and_acceleration),
        cmocka_unit_test(looks_spend_five_percent_in_all),
        cmocka_unit_test(a_doubt_says_how_many_rounds_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
