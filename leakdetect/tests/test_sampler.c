/* Unit tests of sampler.c, and the measurement behind the figures in its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arithmetic.h"
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

static void gaps_are_geometric_with_the_mean_asked_for(void **state) {
    (void)state;
    sampler self = {.interval = 128};
    uint64_t random = 4;
    float weight;
    double sum = 0;
    double squares = 0;
    int ones = 0;
    const int draws = 200000;
    for (int i = 0; i < draws; i++) {
        double gap = sampler_next_gap(&self, &random, &weight);
        sum += gap;
        squares += gap * gap;
        ones += gap == 1;
    }
    double mean = sum / draws;
    double deviation = root_square(squares / draws - mean * mean);
    assert_true(mean > 126.5 && mean < 129.5);
    assert_true(deviation > 125.5 && deviation < 129.5); /* sqrt(1 - p) / p = 127.5 */
    assert_true(ones > draws / 142 && ones < draws / 116);
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
    sampler a = {.interval = 128, .dense_start = 64};
    sampler b = a;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dense_start_samples_everything),
        cmocka_unit_test(weights_rise_to_the_interval_and_stay),
        cmocka_unit_test(an_interval_of_one_samples_everything),
        cmocka_unit_test(gaps_are_geometric_with_the_mean_asked_for),
        cmocka_unit_test(the_largest_interval_never_overflows_a_gap),
        cmocka_unit_test(the_same_seed_gives_the_same_sample),
        cmocka_unit_test(the_dense_start_finds_a_site_that_plain_sampling_misses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
