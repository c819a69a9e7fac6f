/* Quantiles of Student's t distribution.
 *
 * P(|T| > t) with v degrees of freedom is I_x(v/2, 1/2) at x = v / (v + t^2), I being the regularised incomplete beta
 * function, which a continued fraction computes to machine precision (Lentz's method). The quantile is found by Newton's
 * method from 0 upwards: for t > 0 the probability of the tails falls and is convex, so each step stays short of the root,
 * and none can miss it. */
#include "stats/stats.h"

#include <float.h>
#include <math.h>

/* The continued fraction of the incomplete beta function; converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b) {
    enum {
        STEPS_MAX = 500
    };
    const double tiny = DBL_MIN / DBL_EPSILON;
    double c = 1;
    double d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double fraction = d;
    for (int step = 1; step <= STEPS_MAX; step++) {
        const double m = step;
        const double terms[2] = {
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        };
        double factor = 1;
        for (int half = 0; half < 2; half++) {
            d = 1 + terms[half] * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + terms[half] / c;
            c = fabs(c) < tiny ? tiny : c;
            factor = c * d;
            fraction *= factor;
        }
        if (fabs(factor - 1) < 4 * DBL_EPSILON) {
            break;
        }
    }
    return fraction;
}

/* log|Gamma(x)| by the reentrant call: lgamma() writes a global. */
static double log_gamma(double x) {
    int sign = 0;
    return lgamma_r(x, &sign);
}

static double incomplete_beta(double x, double a, double b) {
    if (x <= 0) {
        return 0;
    }
    if (x >= 1) {
        return 1;
    }
    const double scale = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) {
        return scale * beta_fraction(x, a, b) / a;
    }
    return 1 - scale * beta_fraction(1 - x, b, a) / b;
}

double stats_student_tails(double t, double degrees) {
    return isinf(t) ? 0 : incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

/* Density of T at t. */
static double student_density(double t, double degrees) {
    const double constant = log_gamma((degrees + 1) / 2) - log_gamma(degrees / 2) - 0.5 * log(degrees * M_PI);
    return exp(constant - (degrees + 1) / 2 * log1p(t * t / degrees));
}

double stats_student_quantile(double degrees, double confidence) {
    enum {
        STEPS_MAX = 200
    };
    if (!(degrees > 0) || !(confidence > 0 && confidence < 1)) {
        return nan("");
    }
    /* From a million degrees on, the difference to the normal distribution is below 1e-5 of the value. */
    const double v = fmin(degrees, 1e6);
    double t = 0;
    for (int step = 0; step < STEPS_MAX; step++) {
        const double excess = stats_student_tails(t, v) - (1 - confidence);
        const double advance = excess / (2 * student_density(t, v));
        t += advance;
        if (!(advance > t * 1e-13)) {
            break;
        }
    }
    return t;
}
