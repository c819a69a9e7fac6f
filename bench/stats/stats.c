/* Order statistics and location. The comparisons are in compare.c, Student's distribution in student.c. */
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *left, const void *right) {
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

void stats_sort(double *samples, size_t count) {
    if (count > 1) {
        qsort(samples, count, sizeof *samples, compare_doubles);
    }
}

double stats_quantile(const double *sorted, size_t count, double share) {
    if (count == 0 || !(share >= 0 && share <= 1)) {
        return nan("");
    }
    const double position = share * (double)(count - 1);
    const size_t below = (size_t)position;
    if (below + 1 >= count) {
        return sorted[count - 1];
    }
    const double weight = position - (double)below;
    return sorted[below] + weight * (sorted[below + 1] - sorted[below]);
}

stats_summary stats_summarise(double *samples, size_t count, double *scratch) {
    stats_sort(samples, count);
    stats_summary summary = {
        .count = count,
        .minimum = stats_quantile(samples, count, 0),
        .quartile_low = stats_quantile(samples, count, 0.25),
        .median = stats_quantile(samples, count, 0.5),
        .quartile_high = stats_quantile(samples, count, 0.75),
        .maximum = stats_quantile(samples, count, 1),
    };
    for (size_t i = 0; i < count; i++) {
        scratch[i] = fabs(samples[i] - summary.median);
    }
    stats_sort(scratch, count);
    summary.median_deviation = stats_quantile(scratch, count, 0.5);
    return summary;
}

/* The median lies outside the k-th smallest and k-th largest of n samples if fewer than k of n fair coins fall on one side.
 * The largest k for which that stays below the permitted error is the answer. */
void stats_median_interval(const double *sorted, size_t count, double *low, double *high) {
    if (count == 0) {
        *low = *high = nan("");
        return;
    }
    const double permitted = (1 - STATS_CONFIDENCE) / 2;
    double term = exp2(-(double)count); /* probability that exactly `below` coins fall on one side */
    double sum = term;
    size_t below = 0;
    while (below + 1 < count / 2) {
        term *= (double)(count - below) / (double)(below + 1);
        if (sum + term > permitted) {
            break;
        }
        sum += term;
        below++;
    }
    *low = sorted[below];
    *high = sorted[count - 1 - below];
}
