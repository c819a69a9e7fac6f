/* Unit tests of sampler.c, and the measurement behind the figures in its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arithmetic.h"
#include "gap_table.h"
#include "sampler.h"

enum {
    RUNS = 200,
    ALLOCATIONS = 1000000
};

static void the_dense_start_samples_everything(void **state) {
    (void)state;
    sampler self = {.interval = 128, .dense_start = 1000};
    uint64_t random = 1;
    float weight;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(sampler_next_gap(&self, &random, &weight), 1);
        assert_true(weight == 1);
        assert_true(sampler_largest_weight(&self) == 1);
    }
}

static void weights_rise_to_the_interval_and_stay(void **state) {
    (void)state;
    sampler self = {.interval = 128, .dense_start = 100};
    uint64_t random = 2;
    float weight = 1;
    float before = 1;
    for (uint64_t n = 0; n < 20000; n += sampler_next_gap(&self, &random, &weight)) {
        assert_true(weight >= before && weight <= 128);
        before = weight;
    }
    assert_true(weight == 128);
    assert_true(sampler_largest_weight(&self) == 128);
}

static void an_interval_of_one_samples_everything(void **state) {
    (void)state;
    sampler self = {.interval = 1};
    uint64_t random = 3;
    float weight;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(sampler_next_gap(&self, &random, &weight), 1);
    }
    assert_true(weight == 1);
}

static void check_mean_and_deviation(sampler *self) {
    uint64_t random = 4;
    float weight;
    double sum = 0;
    double squares = 0;
    int ones = 0;
    const int draws = 200000;
    for (int i = 0; i < draws; i++) {
        double gap = sampler_next_gap(self, &random, &weight);
        sum += gap;
        squares += gap * gap;
        ones += gap == 1;
    }
    double mean = sum / draws;
    double deviation = root_square(squares / draws - mean * mean);
    assert_true(mean > 126.5 && mean < 129.5);
    assert_true(deviation > 125.5 && deviation < 129.5); /* sqrt(1 - p) / p = 127.5 */
    assert_true(ones > draws / 142 && ones < draws / 116);
    assert_true(weight == 128);
}

static void gaps_are_geometric_with_the_mean_asked_for(void **state) {
    (void)state;
    gap_table table;
    gap_table_build(&table, 128);
    check_mean_and_deviation(&(sampler){.interval = 128});
    check_mean_and_deviation(&(sampler){.interval = 128, .table = &table});
}

static void a_table_is_wanted_where_the_rate_is_constant_and_gaps_are_short(void **state) {
    (void)state;
    assert_true(sampler_wants_table(&(sampler){.interval = 2}));
    assert_true(sampler_wants_table(&(sampler){.interval = 128, .dense_start = 4096}));
    assert_true(sampler_wants_table(&(sampler){.interval = GAP_TABLE_INTERVAL_MAX}));
    assert_false(sampler_wants_table(&(sampler){.interval = 1}));
    assert_false(sampler_wants_table(&(sampler){.interval = GAP_TABLE_INTERVAL_MAX + 1}));
    assert_false(sampler_wants_table(&(sampler){.interval = 128, .bytes = 1}));
}

/* What the columns say, added up: the probability of each outcome, to the last digit that a threshold has. */
static void the_columns_add_up_to_the_geometric_distribution(void **state) {
    (void)state;
    static const uint32_t INTERVALS[] = {2, 3, 10, 128, GAP_TABLE_INTERVAL_MAX};
    for (size_t n = 0; n < sizeof INTERVALS / sizeof *INTERVALS; n++) {
        gap_table table;
        double sums[GAP_TABLE_COLUMNS] = {0};
        double longer = 1;
        gap_table_build(&table, INTERVALS[n]);
        for (uint32_t i = 0; i < GAP_TABLE_COLUMNS; i++) {
            const double own = table.columns[i].threshold / 4294967296.0;
            assert_true(table.columns[i].other < GAP_TABLE_COLUMNS);
            sums[i] += own / GAP_TABLE_COLUMNS;
            sums[table.columns[i].other] += (1 - own) / GAP_TABLE_COLUMNS;
        }
        for (uint32_t i = 0; i < GAP_TABLE_COLUMNS; i++) {
            const double expected = i == GAP_TABLE_LAST ? longer : longer / INTERVALS[n];
            const double off = sums[i] - expected;
            assert_true(off < 1.2e-10 && off > -1.2e-10); /* 2^-41 a column, of GAP_TABLE_COLUMNS at most */
            longer -= longer / INTERVALS[n];
        }
    }
}

/* Chi-square over the single gaps up to FIT_LAST, which goes beyond what the table has, and all that are longer.
 * With so many degrees of freedom it is nearly normal; five of its deviations are one failure in three million seeds. */
static double chi_square_of(uint32_t interval, uint64_t seed) {
    enum {
        FIT_DRAWS = 1000000,
        FIT_LAST = 2 * GAP_TABLE_COLUMNS
    };
    static uint32_t counts[FIT_LAST + 2];
    gap_table table;
    sampler self = {.interval = interval, .table = &table};
    uint64_t random = seed;
    float weight;
    double longer = FIT_DRAWS;
    double sum = 0;
    double cells = 0;
    memset(counts, 0, sizeof counts);
    gap_table_build(&table, interval);
    for (int i = 0; i < FIT_DRAWS; i++) {
        const uint32_t gap = sampler_next_gap(&self, &random, &weight);
        assert_true(gap >= 1);
        counts[gap <= FIT_LAST ? gap : FIT_LAST + 1]++;
    }
    double rest = 0; /* cells that are too thin for chi-square are one */
    double rest_expected = 0;
    for (uint32_t gap = 1; gap <= FIT_LAST + 1; gap++) {
        const double expected = gap <= FIT_LAST ? longer / interval : longer;
        longer -= expected;
        if (expected >= 20) {
            sum += (counts[gap] - expected) * (counts[gap] - expected) / expected;
            cells++;
        } else {
            rest += counts[gap];
            rest_expected += expected;
        }
    }
    sum += rest_expected >= 1 ? (rest - rest_expected) * (rest - rest_expected) / rest_expected : 0;
    cells += rest_expected >= 1;
    return (sum - (cells - 1)) / root_square(2 * (cells - 1));
}

static void the_tables_gaps_fit_the_geometric_distribution(void **state) {
    (void)state;
    static const uint32_t INTERVALS[] = {2, 32, 128, GAP_TABLE_INTERVAL_MAX};
    for (size_t n = 0; n < sizeof INTERVALS / sizeof *INTERVALS; n++) {
        const double deviations = chi_square_of(INTERVALS[n], 1000 + n);
        print_message("1 in %u: chi-square is %.2f deviations off its mean\n", INTERVALS[n], deviations);
        assert_true(deviations < 5 && deviations > -5);
    }
}

/* A gap beyond the table is begun anew: so many are longer than once, and twice, the longest that it has. */
static void gaps_longer_than_the_table_are_as_many_as_they_should_be(void **state) {
    (void)state;
    enum {
        LONG_DRAWS = 1000000
    };
    gap_table table;
    sampler self = {.interval = GAP_TABLE_INTERVAL_MAX, .table = &table};
    uint64_t random = 9;
    float weight;
    double longer[3] = {0};
    double expected = LONG_DRAWS;
    gap_table_build(&table, self.interval);
    for (int i = 0; i < LONG_DRAWS; i++) {
        const uint32_t gap = sampler_next_gap(&self, &random, &weight);
        for (uint32_t k = 0; k < 3; k++) {
            longer[k] += gap > (k + 1) * GAP_TABLE_LAST;
        }
    }
    for (uint32_t k = 0; k < 3; k++) {
        expected *= exp_natural(GAP_TABLE_LAST * log_natural(1 - 1.0 / self.interval));
        assert_true((longer[k] - expected) * (longer[k] - expected) < 16 * expected);
    }
}

static void the_largest_interval_never_overflows_a_gap(void **state) {
    (void)state;
    sampler self = {.interval = 1u << 30};
    uint64_t random = 5;
    float weight;
    for (int i = 0; i < 10000; i++) {
        uint32_t gap = sampler_next_gap(&self, &random, &weight);
        assert_true(gap >= 1 && gap < UINT32_MAX); /* UINT32_MAX means "none" to the allocator */
    }
}

static void the_same_seed_gives_the_same_sample(void **state) {
    (void)state;
    gap_table table_a;
    gap_table table_b;
    gap_table_build(&table_a, 128);
    memset(&table_b, 0xff, sizeof table_b);
    gap_table_build(&table_b, 128);
    sampler a = {.interval = 128, .dense_start = 64, .table = &table_a};
    sampler b = {.interval = 128, .dense_start = 64, .table = &table_b};
    uint64_t random_a = 77;
    uint64_t random_b = 77;
    float weight;
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(sampler_next_gap(&a, &random_a, &weight), sampler_next_gap(&b, &random_b, &weight));
    }
}

/* How many of a site's leaks, scattered at random over one run, the sample sees. */
static int seen_of_site(uint32_t dense_start, uint64_t seed, uint64_t leaks, uint64_t *samples) {
    sampler self = {.interval = 128, .dense_start = dense_start};
    uint64_t random = seed * 1000003 + dense_start;
    float weight;
    int seen = 0;
    for (uint64_t n = sampler_next_gap(&self, &random, &weight); n <= ALLOCATIONS;
         n += sampler_next_gap(&self, &random, &weight)) {
        uint64_t place = seed << 32 ^ n;
        seen += random_next(&place) % ALLOCATIONS < leaks;
        ++*samples;
    }
    return seen;
}

static int missed_runs(uint32_t dense_start, uint64_t leaks, uint64_t *samples) {
    int missed = 0;
    *samples = 0;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        missed += seen_of_site(dense_start, seed, leaks, samples) == 0;
    }
    *samples /= RUNS;
    return missed;
}

/* 1,000 of 1,000,000 leak, 700 at one site and 300 at the other. */
static void the_dense_start_finds_a_site_that_plain_sampling_misses(void **state) {
    (void)state;
    uint64_t plain_samples;
    uint64_t dense_samples;
    int plain = missed_runs(0, 300, &plain_samples);
    int dense = missed_runs(SAMPLER_DENSE_START_DEFAULT, 300, &dense_samples);
    int dense_large = missed_runs(SAMPLER_DENSE_START_DEFAULT, 700, &dense_samples);
    print_message("300 of 1,000,000 leak at a site: missed in %d of %d runs at 1 in 128 (%lu samples), in %d with the "
                  "dense start (%lu samples); 700 of them: in %d\n",
                  plain, RUNS, (unsigned long)plain_samples, dense, (unsigned long)dense_samples, dense_large);
    assert_true(plain >= RUNS / 25 && plain <= RUNS / 5); /* 10 % expected */
    assert_true(dense <= 1);                              /* 0.03 % expected */
    assert_int_equal(dense_large, 0);
    assert_true(dense_samples < 30000);
}

/* --- by bytes --------------------------------------------------------------------------------------------------- */

enum {
    SAMPLING_BYTES = 64 * 1024,
    SIZES = 5
};

static const uint64_t SIZE[SIZES] = {16, 500, 4096, 32768, 4 << 20};

/* Sizes in an order that follows no rule the sampler could fall into step with. */
static size_t size_index(uint64_t n) {
    uint64_t place = n;
    return random_next(&place) % SIZES;
}

typedef struct tally {
    uint64_t truth[SIZES], taken[SIZES];
    double estimated[SIZES];
} tally;

static void sample_by_bytes(sampler *self, uint64_t seed, uint64_t allocations, tally *into) {
    uint64_t random = seed * 7919;
    float weight;
    for (uint64_t n = 1; n <= allocations; n++) {
        into->truth[size_index(n)]++;
    }
    for (uint64_t n = sampler_next_gap(self, &random, &weight); n <= allocations;) {
        size_t at = size_index(n);
        if (sampler_accept(self, SIZE[at], &random, &weight)) {
            into->taken[at]++;
            into->estimated[at] += (double)weight;
        }
        n += sampler_next_gap(self, &random, &weight);
    }
}

static double chance_of(uint64_t size, uint64_t bytes) {
    return 1 - exp_natural(size > 40 * bytes ? -40 : -(double)size / (double)bytes);
}

/* Against the definition, within four standard deviations of so many draws. */
static void large_ones_are_likelier_to_be_sampled_up_to_the_look(void **state) {
    (void)state;
    sampler self = {.interval = 128, .bytes = SAMPLING_BYTES};
    tally all = {0};
    sample_by_bytes(&self, 1, 4000000, &all);
    for (size_t i = 0; i < SIZES; i++) {
        double chance = chance_of(SIZE[i], SAMPLING_BYTES);
        chance = chance > 1.0 / SAMPLER_LOOK ? 1.0 / SAMPLER_LOOK : chance;
        double expected = chance * (double)all.truth[i];
        double off = (double)all.taken[i] - expected;
        assert_true(off * off < 16 * expected);
    }
    assert_true(all.taken[0] > 0);
    assert_true(sampler_largest_weight(&self) > 4095 && sampler_largest_weight(&self) < 4098); /* 64 KiB / 16 */
}

static void an_interval_of_one_follows_the_sizes_all_the_way(void **state) {
    (void)state;
    sampler self = {.interval = 1, .bytes = SAMPLING_BYTES};
    tally all = {0};
    sample_by_bytes(&self, 2, 1000000, &all);
    for (size_t i = 0; i < SIZES; i++) {
        double expected = chance_of(SIZE[i], SAMPLING_BYTES) * (double)all.truth[i];
        double off = (double)all.taken[i] - expected;
        assert_true(off * off < 16 * expected + 1);
    }
    assert_int_equal(all.taken[4], all.truth[4]);
}

/* The mean of 500 runs is within four standard errors of the truth, for counts, and so for bytes, of every size; with
 * and without a dense start, under which the weights change from one candidate to the next. */
static void estimates_by_bytes_are_unbiased(void **state) {
    (void)state;
    enum {
        BIAS_RUNS = 500,
        BIAS_ALLOCATIONS = 20000
    };
    static const uint32_t DENSE[] = {0, 512};
    for (size_t d = 0; d < 2; d++) {
        double sums[SIZES] = {0};
        double squares[SIZES] = {0};
        tally one;
        for (uint64_t seed = 1; seed <= BIAS_RUNS; seed++) {
            sampler self = {.interval = 128, .dense_start = DENSE[d], .bytes = SAMPLING_BYTES};
            one = (tally){0};
            sample_by_bytes(&self, seed, BIAS_ALLOCATIONS, &one);
            for (size_t i = 0; i < SIZES; i++) {
                sums[i] += one.estimated[i];
                squares[i] += one.estimated[i] * one.estimated[i];
            }
        }
        for (size_t i = 0; i < SIZES; i++) {
            double mean = sums[i] / BIAS_RUNS;
            double variance = (squares[i] / BIAS_RUNS - mean * mean) / BIAS_RUNS;
            double off = mean - (double)one.truth[i];
            print_message("dense start %u, %lu bytes: %lu in truth, %.0f on average\n", DENSE[d],
                          (unsigned long)SIZE[i], (unsigned long)one.truth[i], mean);
            assert_true(off * off <= 16 * variance);
            assert_true(variance < 0.04 * (double)one.truth[i] * (double)one.truth[i]); /* and says something */
        }
    }
}

static void the_dense_start_goes_before_bytes(void **state) {
    (void)state;
    sampler self = {.interval = 128, .dense_start = 1000, .bytes = 1 << 20};
    uint64_t random = 6;
    float weight;
    for (int i = 0; i < 999; i++) {
        assert_int_equal(sampler_next_gap(&self, &random, &weight), 1);
        assert_true(sampler_accept(&self, 16, &random, &weight));
        assert_true(weight == 1);
    }
}

static void what_has_no_size_is_sampled_by_count(void **state) {
    (void)state;
    sampler self = {.interval = 100, .bytes = 1 << 20};
    uint64_t random = 7;
    float weight;
    int taken = 0;
    for (uint64_t n = sampler_next_gap(&self, &random, &weight); n <= ALLOCATIONS;
         n += sampler_next_gap(&self, &random, &weight)) {
        if (sampler_accept(&self, 0, &random, &weight)) {
            assert_true(weight > 99.9F && weight < 100.1F);
            taken++;
        }
    }
    assert_true(taken > 9600 && taken < 10400);
}

static void by_count_every_candidate_is_taken_as_it_is(void **state) {
    (void)state;
    sampler self = {.interval = 128};
    uint64_t random = 8;
    float weight = 128;
    assert_true(sampler_accept(&self, 16, &random, &weight));
    assert_true(weight == 128);
    assert_int_equal(random, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dense_start_samples_everything),
        cmocka_unit_test(weights_rise_to_the_interval_and_stay),
        cmocka_unit_test(an_interval_of_one_samples_everything),
        cmocka_unit_test(gaps_are_geometric_with_the_mean_asked_for),
        cmocka_unit_test(a_table_is_wanted_where_the_rate_is_constant_and_gaps_are_short),
        cmocka_unit_test(the_columns_add_up_to_the_geometric_distribution),
        cmocka_unit_test(the_tables_gaps_fit_the_geometric_distribution),
        cmocka_unit_test(gaps_longer_than_the_table_are_as_many_as_they_should_be),
        cmocka_unit_test(the_largest_interval_never_overflows_a_gap),
        cmocka_unit_test(the_same_seed_gives_the_same_sample),
        cmocka_unit_test(the_dense_start_finds_a_site_that_plain_sampling_misses),
        cmocka_unit_test(large_ones_are_likelier_to_be_sampled_up_to_the_look),
        cmocka_unit_test(an_interval_of_one_follows_the_sizes_all_the_way),
        cmocka_unit_test(estimates_by_bytes_are_unbiased),
        cmocka_unit_test(the_dense_start_goes_before_bytes),
        cmocka_unit_test(what_has_no_size_is_sampled_by_count),
        cmocka_unit_test(by_count_every_candidate_is_taken_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
