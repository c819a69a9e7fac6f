/* Comparing two sets of samples: paired by round, or apart. Both work on natural logarithms, where a factor is a
 * difference and an interval of the mean is symmetric. */
#include "stats/stats.h"

#include <math.h>

/* Mean and variance in one pass, by Welford's update: no loss of digits when samples are large and nearly equal. */
typedef struct moments {
    size_t count;
    double mean;
    double squares; /* sum of squared distances from the mean */
} moments;

static void moments_add(moments *all, double value) {
    all->count++;
    const double distance = value - all->mean;
    all->mean += distance / (double)all->count;
    all->squares += distance * (value - all->mean);
}

/* Variance of the mean; needs two samples. */
static double moments_mean_variance(const moments *all) {
    const double count = (double)all->count;
    return all->squares / (count - 1) / count;
}

static bool is_usable(double sample) {
    return isfinite(sample) && sample > 0;
}

static stats_verdict verdict_of(double low, double high) {
    if (high < 1) {
        return STATS_FASTER;
    }
    return low > 1 ? STATS_SLOWER : STATS_NOT_SEPARATED;
}

/* Turns a mean of logarithms, its variance and its degrees of freedom into the answer. */
static stats_ratio ratio_of(size_t count, double mean, double variance, double degrees) {
    const double reach = variance > 0 ? stats_student_quantile(degrees, STATS_CONFIDENCE) * sqrt(variance) : 0;
    stats_ratio ratio = {
        .count = count,
        .estimate = exp(mean),
        .low = exp(mean - reach),
        .high = exp(mean + reach),
        .degrees = degrees,
    };
    ratio.verdict = verdict_of(ratio.low, ratio.high);
    return ratio;
}

static stats_ratio ratio_without_interval(size_t count, double estimate) {
    return (stats_ratio){
        .count = count, .estimate = estimate, .low = nan(""), .high = nan(""), .verdict = STATS_NOT_SEPARATED};
}

stats_ratio stats_paired_ratio(const double *first, const double *second, size_t count) {
    moments logs = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        if (is_usable(first[i]) && is_usable(second[i])) {
            moments_add(&logs, log(first[i]) - log(second[i]));
        }
    }
    if (logs.count < 2) {
        return ratio_without_interval(logs.count, logs.count == 0 ? nan("") : exp(logs.mean));
    }
    return ratio_of(logs.count, logs.mean, moments_mean_variance(&logs), (double)(logs.count - 1));
}

static moments log_moments(const double *samples, size_t count) {
    moments logs = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        if (is_usable(samples[i])) {
            moments_add(&logs, log(samples[i]));
        }
    }
    return logs;
}

stats_ratio stats_unpaired_ratio(const double *first, size_t first_count, const double *second, size_t second_count) {
    const moments a = log_moments(first, first_count);
    const moments b = log_moments(second, second_count);
    const size_t count = a.count < b.count ? a.count : b.count;
    if (count == 0) {
        return ratio_without_interval(0, nan(""));
    }
    if (count == 1) {
        return ratio_without_interval(1, exp(a.mean - b.mean));
    }
    const double variance_a = moments_mean_variance(&a);
    const double variance_b = moments_mean_variance(&b);
    const double variance = variance_a + variance_b;
    /* Welch and Satterthwaite: the degrees of freedom that a sum of two unlike variances is worth. */
    double degrees = (double)(a.count + b.count - 2);
    if (variance > 0) {
        degrees = variance * variance /
                  (variance_a * variance_a / (double)(a.count - 1) + variance_b * variance_b / (double)(b.count - 1));
    }
    return ratio_of(count, a.mean - b.mean, variance, degrees);
}
