/* Unit tests of estimate.c: known values, and whether the intervals cover the truth as often as they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#include <valgrind/valgrind.h>

#include "arithmetic.h"
#include "estimate.h"
#include "sampler.h"

static void what_is_tracked_with_certainty_is_exact(void **state) {
    (void)state;
    estimate_sums sums = {0};
    for (int i = 0; i < 70; i++) {
        estimate_add(&sums, 1);
    }
    estimate total = estimate_total(&sums, 1);
    assert_true(total.value == 70 && total.low == 70 && total.high == 70);
}

/* Of one weight the interval is the exact one for a Poisson count: 5 events give 1.6235 to 11.6683. */
static void five_samples_at_one_in_128_give_the_textbook_interval(void **state) {
    (void)state;
    estimate_sums sums = {0};
    for (int i = 0; i < 5; i++) {
        estimate_add(&sums, 128);
    }
    estimate total = estimate_total(&sums, 128);
    assert_true(total.value == 640);
    assert_true(total.low > 1.623 * 128 && total.low < 1.624 * 128);
    assert_true(total.high > 11.668 * 128 && total.high < 11.669 * 128);
}

static void certain_ones_leave_room_for_what_was_not_sampled(void **state) {
    (void)state;
    estimate_sums sums = {0};
    estimate_add(&sums, 1);
    estimate total = estimate_total(&sums, 128);
    assert_true(total.low == 1 && total.value == 1);
    assert_true(total.high > 1 + 3.68 * 128 && total.high < 1 + 3.70 * 128); /* no event: below 3.69 */
}

static void the_low_end_is_never_below_what_was_seen(void **state) {
    (void)state;
    estimate_sums sums = {0};
    for (int i = 0; i < 10; i++) {
        estimate_add(&sums, 1.01);
    }
    assert_true(estimate_total(&sums, 1.01).low >= 10);
}

/* As of a type that has its own interval of 1, and that leakdetect_track() samples as everything else. */
static void members_of_a_larger_weight_than_was_thought_have_their_interval(void **state) {
    (void)state;
    estimate_sums sums = {0};
    estimate_sums part = {0};
    estimate_add(&sums, 1);
    for (int i = 0; i < 5; i++) {
        estimate_add(&part, 128);
    }
    estimate_merge(&sums, &part);
    estimate total = estimate_total(&sums, 1);
    assert_true(total.value == 641);
    assert_true(total.low > 1 + 1.623 * 128 && total.low < 1 + 1.624 * 128);
    assert_true(total.high > 1 + 11.668 * 128 && total.high < 1 + 11.669 * 128);
}

/* So many prove what is claimed; Memcheck sees the same code in fewer. */
static int runs_here(void) {
    return RUNNING_ON_VALGRIND ? 50 : 500;
}

static int covered_runs(uint32_t dense_start, uint64_t one_in, int runs) {
    int covered = 0;
    for (uint64_t seed = 1; seed <= (uint64_t)runs; seed++) {
        sampler self = {.interval = 128, .dense_start = dense_start};
        uint64_t random = seed * 7919;
        float weight;
        estimate_sums sums = {0};
        const uint64_t allocations = 60000;
        uint64_t truth = 0;
        for (uint64_t n = sampler_next_gap(&self, &random, &weight); n <= allocations;) {
            if ((n + seed) % one_in == 0) {
                estimate_add(&sums, (double)weight);
            }
            n += sampler_next_gap(&self, &random, &weight);
        }
        truth = (allocations + seed) / one_in - seed / one_in;
        estimate total = estimate_total(&sums, sampler_largest_weight(&self));
        covered += total.low <= (double)truth && (double)truth <= total.high;
    }
    return covered;
}

static void at_1_in_128_a_site_of_588_leaks_is_as_good_as_certain(void **state) {
    (void)state;
    static const double weights[] = {1.5, 2, 8, 128, 5000, 1e6};
    assert_int_equal(estimate_certain(1), 1);
    assert_int_equal(estimate_certain(2), 7); /* 2^-7 < 1 % < 2^-6 */
    assert_int_equal(estimate_certain(128), 588);
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        double unseen_each = log_natural(1 - 1 / weights[i]);
        uint64_t least = estimate_certain(weights[i]);
        assert_true(exp_natural((double)least * unseen_each) <= 0.01 + 1e-9);
        assert_true(exp_natural((double)(least - 1) * unseen_each) > 0.01 - 1e-9);
    }
}

static void intervals_cover_the_truth_in_93_of_100_runs_or_more(void **state) {
    (void)state;
    static const uint64_t ONE_IN[] = {37, 701, 5003}; /* 1,621, 85 and 12 leaks of 60,000 */
    const int runs = runs_here();
    for (size_t i = 0; i < sizeof ONE_IN / sizeof ONE_IN[0]; i++) {
        int plain = covered_runs(0, ONE_IN[i], runs);
        int dense = covered_runs(1024, ONE_IN[i], runs);
        print_message("one in %lu leaks: the interval covers the truth in %d (plain) and %d (dense start) of %d runs\n",
                      (unsigned long)ONE_IN[i], plain, dense, runs);
        assert_true(plain >= runs * 93 / 100);
        assert_true(dense >= runs * 93 / 100);
    }
}

typedef struct site {
    uint64_t one_in, size;
} site;

/* A site loses every one_in-th, at random, of the allocations that have its size, or of all, if it has no size of its
 * own. All runs are over the same allocations. */
static bool is_lost(const site *at, uint64_t n, uint64_t *size) {
    static const uint64_t SIZES[] = {64, 1000, 16384, 1 << 20};
    uint64_t place = n;
    uint64_t draw = random_next(&place);
    *size = SIZES[draw % 4];
    return (at->size == 0 || *size == at->size) && (draw >> 8) % at->one_in == 0;
}

static int covered_runs_by_bytes(uint32_t dense_start, const site *at, int runs) {
    const uint64_t allocations = 20000;
    int covered = 0;
    uint64_t truth = 0;
    uint64_t size;
    for (uint64_t n = 1; n <= allocations; n++) {
        truth += is_lost(at, n, &size);
    }
    for (uint64_t seed = 1; seed <= (uint64_t)runs; seed++) {
        sampler self = {.interval = 128, .dense_start = dense_start, .bytes = 1 << 17};
        uint64_t random = seed * 104729;
        estimate_sums sums = {0};
        float weight;
        for (uint64_t n = sampler_next_gap(&self, &random, &weight); n <= allocations;) {
            bool lost = is_lost(at, n, &size);
            if (sampler_accept(&self, size, &random, &weight) && lost) {
                estimate_add(&sums, (double)weight);
            }
            n += sampler_next_gap(&self, &random, &weight);
        }
        estimate total = estimate_total(&sums, sampler_largest_weight(&self));
        covered += total.low <= (double)truth && (double)truth <= total.high;
    }
    return covered;
}

static void intervals_cover_the_truth_by_bytes_too(void **state) {
    (void)state;
    static const site SITES[] = {{2, 64}, {10, 1000}, {10, 16384}, {100, 1 << 20}, {10, 0}};
    const int runs = runs_here();
    for (size_t i = 0; i < sizeof SITES / sizeof SITES[0]; i++) {
        int plain = covered_runs_by_bytes(0, &SITES[i], runs);
        int dense = covered_runs_by_bytes(1024, &SITES[i], runs);
        print_message("by bytes, one in %lu of size %lu leaks: covered in %d (plain) and %d (dense start) of %d runs\n",
                      (unsigned long)SITES[i].one_in, (unsigned long)SITES[i].size, plain, dense, runs);
        assert_true(plain >= runs * 93 / 100);
        assert_true(dense >= runs * 93 / 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_tracked_with_certainty_is_exact),
        cmocka_unit_test(five_samples_at_one_in_128_give_the_textbook_interval),
        cmocka_unit_test(certain_ones_leave_room_for_what_was_not_sampled),
        cmocka_unit_test(the_low_end_is_never_below_what_was_seen),
        cmocka_unit_test(members_of_a_larger_weight_than_was_thought_have_their_interval),
        cmocka_unit_test(at_1_in_128_a_site_of_588_leaks_is_as_good_as_certain),
        cmocka_unit_test(intervals_cover_the_truth_in_93_of_100_runs_or_more),
        cmocka_unit_test(intervals_cover_the_truth_by_bytes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
