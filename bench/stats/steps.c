/* Steps in a series, by binary segmentation, and prediction intervals. */
#include "stats/steps.h"

#include <math.h>
#include <string.h>

#include "stats/stats.h"

#define MAD_OF_NORMAL 0.6745 /* of a normal distribution's deviation */
#define FAR           3.5    /* deviations; see stats_outliers() */

static double median_of(const double *values, size_t count) {
    double sorted[STATS_SERIES_MAX];
    memcpy(sorted, values, count * sizeof *sorted);
    stats_sort(sorted, count);
    return stats_quantile(sorted, count, 0.5);
}

double stats_level(const double *values, size_t count) {
    return median_of(values, count < STATS_SERIES_MAX ? count : STATS_SERIES_MAX);
}

/* Where more than half are equal nothing is drawn in: their distances would all be zero. */
static void draw_in(double *logs, size_t count) {
    double distances[STATS_SERIES_MAX];
    const double centre = median_of(logs, count);
    for (size_t i = 0; i < count; i++) {
        distances[i] = fabs(logs[i] - centre);
    }
    const double reach = FAR * median_of(distances, count) / MAD_OF_NORMAL;
    for (size_t i = 0; reach > 0 && i < count; i++) {
        logs[i] = fmax(centre - reach, fmin(centre + reach, logs[i]));
    }
}

typedef struct cut {
    size_t at; /* the first value behind it */
    double t;  /* absolute; infinite where both sides have no scatter and differ */
} cut;

/* The squares of each side come from sums of distances to the first value, which are small: no digits are lost. */
static cut find_cut(const double *logs, size_t count) {
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += logs[i] - logs[0];
        squares += (logs[i] - logs[0]) * (logs[i] - logs[0]);
    }
    cut best = {0, 0};
    double left = 0;
    for (size_t i = 1; i + STATS_STEP_LEAST <= count; i++) {
        left += logs[i - 1] - logs[0];
        if (i < STATS_STEP_LEAST) {
            continue;
        }
        const double n = (double)i;
        const double m = (double)(count - i);
        const double difference = (sum - left) / m - left / n;
        const double scatter = squares - left * left / n - (sum - left) * (sum - left) / m;
        const double error = sqrt(fmax(scatter, 0) / (n + m - 2) * (1 / n + 1 / m));
        /* What is left of rounding is no scatter, and no difference. */
        const double tiny = 1e-12;
        const double t = fabs(difference) < tiny ? 0 : error < tiny ? HUGE_VAL : fabs(difference) / error;
        if (t > best.t) {
            best = (cut){i, t};
        }
    }
    return best;
}

/* The place where a part is to be cut; 0: nowhere. Apart, so that a deep recursion does not keep its logarithms. */
static __attribute__((noinline)) size_t significant_cut(const double *values, size_t count, double alpha) {
    double logs[STATS_SERIES_MAX];
    const size_t least = STATS_STEP_LEAST;
    if (count < 2 * least) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        logs[i] = log(values[i]);
    }
    draw_in(logs, count);
    const cut best = find_cut(logs, count);
    const double places = (double)(count - 2 * least + 1);
    return best.t > 0 && stats_student_tails(best.t, (double)(count - 2)) * places < alpha ? best.at : 0;
}

static size_t cut_part(const double *values, size_t first, size_t count, double alpha, size_t *steps, size_t found) {
    const size_t at = significant_cut(values + first, count, alpha);
    if (at == 0) {
        return found;
    }
    found = cut_part(values, first, at, alpha, steps, found);
    steps[found++] = first + at;
    return cut_part(values, first + at, count - at, alpha, steps, found);
}

size_t stats_find_steps(const double *values, size_t count, double alpha, size_t *steps) {
    return cut_part(values, 0, count < STATS_SERIES_MAX ? count : STATS_SERIES_MAX, alpha, steps, 0);
}

stats_range stats_predict(const double *values, size_t count, double confidence) {
    if (count < 2) {
        return (stats_range){nan(""), nan("")};
    }
    const double n = (double)count;
    double mean = 0;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        mean += log(values[i]) / n;
    }
    for (size_t i = 0; i < count; i++) {
        squares += (log(values[i]) - mean) * (log(values[i]) - mean);
    }
    const double scatter = sqrt(squares / (n - 1) * (1 + 1 / n));
    const double reach = scatter > 0 ? stats_student_quantile(n - 1, confidence) * scatter : 0;
    return (stats_range){exp(mean - reach), exp(mean + reach)};
}
