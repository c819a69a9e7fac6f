/* Series and Newton steps. */
#include "arithmetic.h"

#include <string.h>

static const double LN2 = ARITHMETIC_LN2;
static const double SQRT2 = ARITHMETIC_SQRT2;

double log_natural(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    double m; /* x = m * 2^exponent with m in [1, 2), then in [0.71, 1.42) so that the series converges fast */
    memcpy(&m, &bits, sizeof m);
    if (m > SQRT2) {
        m *= 0.5;
        exponent++;
    }
    double s = (m - 1) / (m + 1); /* ln m = 2 (s + s^3/3 + s^5/5 + ...), |s| < 0.172 */
    double q = s * s;
    double series = 1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q / 13)))));
    return exponent * LN2 + 2 * s * series;
}

double exp_natural(double x) {
    int halvings = 0;
    while (x > 0.125 || x < -0.125) {
        x *= 0.5;
        halvings++;
    }
    double sum = 1;
    for (int n = 10; n > 0; n--) {
        sum = 1 + sum * x / n;
    }
    for (; halvings > 0; halvings--) {
        sum *= sum;
    }
    return sum;
}

double root_square(double x) {
    if (!(x > 0)) {
        return 0;
    }
    double root = exp_natural(0.5 * log_natural(x));
    return 0.5 * (root + x / root); /* one Newton step squares the relative error away */
}

/* ln Gamma(x) for x >= 1: Stirling's series at x + 8, walked back by the recurrence. */
static double log_gamma(double x) {
    double product = 1;
    for (int i = 0; i < 8; i++) {
        product *= x;
        x += 1;
    }
    double inverse = 1 / x;
    return (x - 0.5) * log_natural(x) - x + 0.91893853320467274178 + inverse / 12 - inverse * inverse * inverse / 360 -
           log_natural(product);
}

/* P(shape, x), the regularised lower incomplete gamma function, by its power series: fine for shape and x up to 100. */
static double gamma_cumulative(double shape, double x) {
    if (x <= 0) {
        return 0;
    }
    double term = 1;
    double sum = 1;
    for (int n = 1; n < 1000 && term > sum * 1e-12; n++) {
        term *= x / (shape + n);
        sum += term;
    }
    return sum * exp_natural(shape * log_natural(x) - x - log_gamma(shape + 1));
}

double gamma_quantile(double shape, double probability) {
    if (!(shape > 0)) {
        return 0;
    }
    if (shape > 50) { /* Wilson and Hilferty: within 1e-3 here; normal quantiles of 2.5 %, 97.5 % and 99.99 % */
        double z = probability < 0.5 ? -1.959964 : probability < 0.99 ? 1.959964 : 3.719016;
        double cube = 1 - 1 / (9 * shape) + z / (3 * root_square(shape));
        return shape * cube * cube * cube;
    }
    double low = 0;
    double high = 4 * shape + 20;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (gamma_cumulative(shape, middle) < probability) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}
