/* Unit tests of arithmetic.c: against values from tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arithmetic.h"

static void assert_close(double value, double expected, double tolerance) {
    double difference = value > expected ? value - expected : expected - value;
    double scale = expected > 0 ? expected : -expected;
    if (!(difference <= tolerance * (scale > 1 ? scale : 1))) {
        fail_msg("%.12g is not %.12g", value, expected);
    }
}

static void logarithms_match_the_table(void **state) {
    (void)state;
    assert_close(log_natural(1), 0, 1e-12);
    assert_close(log_natural(2), 0.693147180559945, 1e-10);
    assert_close(log_natural(10), 2.302585092994046, 1e-10);
    assert_close(log_natural(0.9921875), -0.00784317746102589, 1e-10);
    assert_close(log_natural(1e-300), -690.775527898214, 1e-10);
    assert_close(log_natural(1.4142135), 0.346573550, 1e-7);
}

static void the_logarithm_of_a_draw_is_that_of_the_table(void **state) {
    (void)state;
    uint64_t random = 5;
    for (int i = 0; i < 100000; i++) {
        double u = random_unit(&random);
        assert_close(log_of_draw(u), log_natural(u), 1e-9);
        assert_close(log_of_draw(u * u * u * u * u), log_natural(u * u * u * u * u), 1e-9);
    }
    assert_close(log_of_draw(0.5), -0.693147180559945, 1e-10);
    assert_close(log_of_draw(1 - 1.0 / ((uint64_t)1 << 53)), 0, 1e-10); /* the largest draw, and the smallest */
    assert_close(log_of_draw(1.0 / ((uint64_t)1 << 53)), -36.7368005696771, 1e-10);
}

static void exponentials_and_roots_match_the_table(void **state) {
    (void)state;
    assert_close(exp_natural(0), 1, 1e-12);
    assert_close(exp_natural(1), 2.718281828459045, 1e-10);
    assert_close(exp_natural(-5), 0.006737946999085467, 1e-10);
    assert_close(exp_natural(20) / 485165195.40979, 1, 1e-9);
    assert_close(root_square(2), 1.4142135623730951, 1e-12);
    assert_close(root_square(1e10), 1e5, 1e-9);
    assert_close(root_square(0), 0, 0);
}

/* Half the quantiles of chi-square with 2, 8, 40 and 200 degrees of freedom. */
static void gamma_quantiles_match_the_chi_square_table(void **state) {
    (void)state;
    assert_close(gamma_quantile(1, 0.025), 0.0506356 / 2, 1e-4);
    assert_close(gamma_quantile(1, 0.975), 7.3777589 / 2, 1e-4);
    assert_close(gamma_quantile(4, 0.025), 2.1797307 / 2, 1e-4);
    assert_close(gamma_quantile(4, 0.975), 17.5345461 / 2, 1e-4);
    assert_close(gamma_quantile(20, 0.025), 24.4330392 / 2, 1e-4);
    assert_close(gamma_quantile(20, 0.975), 59.3417071 / 2, 1e-4);
    assert_close(gamma_quantile(100, 0.025), 162.7279830 / 2, 1e-3);
    assert_close(gamma_quantile(100, 0.975), 241.0578954 / 2, 1e-3);
    assert_close(gamma_quantile(1, 0.9999), 18.4206807 / 2, 1e-4);
    assert_close(gamma_quantile(20, 0.9999), 82.0622938 / 2, 1e-4);
    assert_close(gamma_quantile(100, 0.9999), 283.0602538 / 2, 1e-3);
    assert_close(gamma_quantile(0, 0.975), 0, 0);
}

static void random_streams_repeat_and_are_uniform(void **state) {
    (void)state;
    uint64_t a = 42;
    uint64_t b = 42;
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double unit = random_unit(&a);
        assert_true(unit > 0 && unit < 1);
        assert_true(unit == random_unit(&b));
        sum += unit;
    }
    assert_close(sum / 100000, 0.5, 0.005);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithms_match_the_table),
        cmocka_unit_test(the_logarithm_of_a_draw_is_that_of_the_table),
        cmocka_unit_test(exponentials_and_roots_match_the_table),
        cmocka_unit_test(gamma_quantiles_match_the_chi_square_table),
        cmocka_unit_test(random_streams_repeat_and_are_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
