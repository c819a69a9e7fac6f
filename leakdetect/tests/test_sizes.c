/* Unit tests of sizes.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arithmetic.h"
#include "sizes.h"

static void nothing_has_no_median(void **state) {
    (void)state;
    const sizes none = {0};
    assert_int_equal(sizes_median(&none), 0);
}

static void few_sizes_are_exact_in_any_order(void **state) {
    (void)state;
    sizes self = {0};
    static const uint64_t in[] = {512, 16, 512, 4096, 64, 0, 512};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        sizes_add(&self, in[i], 1);
    }
    assert_int_equal(self.least, 0);
    assert_int_equal(self.greatest, 4096);
    assert_int_equal(sizes_median(&self), 512);
    assert_int_equal(self.kinds, 5);
    assert_false(self.rounded);
}

static void what_json_cannot_hold_is_cut_to_the_most_that_it_can(void **state) {
    (void)state;
    sizes self = {0};
    sizes_add(&self, UINT64_MAX, 1);
    sizes_add(&self, SIZES_MOST + 1, 1);
    assert_true(self.least == SIZES_MOST && self.greatest == SIZES_MOST && sizes_median(&self) == SIZES_MOST);
    assert_int_equal(self.kinds, 1);
    assert_true(sizes_sum(1, 2) == 3);
    assert_true(sizes_sum(SIZES_MOST - 1, 1) == SIZES_MOST);
    assert_true(sizes_sum(SIZES_MOST, SIZES_MOST) == SIZES_MOST);
    assert_true(sizes_sum(UINT64_MAX, UINT64_MAX) == SIZES_MOST);
}

static void of_an_even_number_the_lower_middle_is_the_median(void **state) {
    (void)state;
    sizes self = {0};
    sizes_add(&self, 10, 2);
    sizes_add(&self, 20, 2);
    assert_int_equal(sizes_median(&self), 10);
    sizes_add(&self, 20, 1);
    assert_int_equal(sizes_median(&self), 20);
}

static void many_sizes_keep_their_ends_and_come_near_the_median(void **state) {
    (void)state;
    sizes self = {0};
    uint64_t random = 5;
    for (int i = 0; i < 10000; i++) {
        sizes_add(&self, random_next(&random) % 100001, 1);
    }
    sizes_add(&self, 100001, 1);
    assert_true(self.rounded);
    assert_int_equal(self.kinds, SIZES_KINDS);
    assert_int_equal(self.greatest, 100001);
    assert_true(self.least < 100);
    assert_in_range(sizes_median(&self), 35000, 65000);
    uint64_t counted = 0;
    for (uint32_t i = 0; i < self.kinds; i++) {
        assert_true(i == 0 || self.size[i - 1] < self.size[i]);
        counted += self.count[i];
    }
    assert_int_equal(counted, 10001);
}

static void merging_is_adding_all_of_the_other(void **state) {
    (void)state;
    sizes one = {0};
    sizes other = {0};
    sizes_add(&one, 100, 3);
    sizes_add(&other, 50, 4);
    sizes_add(&other, 100, 1);
    sizes_merge(&one, &other);
    assert_int_equal(one.least, 50);
    assert_int_equal(one.greatest, 100);
    assert_int_equal(sizes_median(&one), 50);
    for (uint64_t i = 0; i < 100; i++) {
        sizes_add(&other, 1000 + i * i, 1);
    }
    sizes_merge(&one, &other);
    assert_true(one.rounded);
    assert_int_equal(one.least, 50);
    assert_int_equal(one.greatest, 1000 + 99 * 99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_has_no_median),
        cmocka_unit_test(few_sizes_are_exact_in_any_order),
        cmocka_unit_test(what_json_cannot_hold_is_cut_to_the_most_that_it_can),
        cmocka_unit_test(of_an_even_number_the_lower_middle_is_the_median),
        cmocka_unit_test(many_sizes_keep_their_ends_and_come_near_the_median),
        cmocka_unit_test(merging_is_adding_all_of_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
