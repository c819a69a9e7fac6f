/* Resampling. Samples are sorted once; a resample is a count for each, so that it is sorted too, and costs no more
 * than a walk. */
#include "stats/bootstrap.h"

#include <math.h>
#include <string.h>

#include "scenario/random.h"

enum {
    TRIM_LEAST = 5, /* samples, below which nothing is trimmed */
    OUTLIERS_LEAST = 5
};

static bool is_usable(double sample) {
    return isfinite(sample) && sample > 0;
}

double stats_normal_quantile(double p) {
    if (!(p > 0 && p < 1)) {
        return nan("");
    }
    /* Student's with a million degrees, which is within 1e-5 of the normal one. */
    const double z = p == 0.5 ? 0 : stats_student_quantile(1e6, fabs(2 * p - 1));
    return p < 0.5 ? -z : z;
}

static double normal_share_below(double z) {
    return 0.5 * erfc(-z * M_SQRT1_2);
}

stats_trimmed stats_trimmed_mean(const double *sorted, size_t count) {
    const size_t trim = count < TRIM_LEAST ? 0 : (size_t)(STATS_TRIM * (double)count);
    const size_t left = count - 2 * trim;
    if (count == 0) {
        return (stats_trimmed){nan(""), nan(""), 0};
    }
    double sum = 0;
    for (size_t i = trim; i < count - trim; i++) {
        sum += sorted[i];
    }
    /* Winsorised: what was trimmed takes the value of its nearest neighbour that was not. */
    const double low = sorted[trim];
    const double high = sorted[count - 1 - trim];
    const double middle = (sum + (double)trim * (low + high)) / (double)count;
    double squares = (double)trim * ((low - middle) * (low - middle) + (high - middle) * (high - middle));
    for (size_t i = trim; i < count - trim; i++) {
        squares += (sorted[i] - middle) * (sorted[i] - middle);
    }
    const double h = (double)left;
    return (stats_trimmed){sum / h, left < 2 ? nan("") : sqrt(squares / (h * (h - 1))), h - 1};
}

/* Sorted logarithms of the ratios of the usable pairs. */
static size_t paired_logs(const double *first, const double *second, size_t count, double *logs) {
    size_t used = 0;
    for (size_t i = 0; i < count && i < STATS_PAIRS_MAX; i++) {
        if (is_usable(first[i]) && is_usable(second[i])) {
            logs[used++] = log(first[i]) - log(second[i]);
        }
    }
    stats_sort(logs, used);
    return used;
}

/* A resample of sorted values, sorted. */
static void resample(random_state *random, const double *sorted, size_t count, double *out) {
    uint16_t times[STATS_PAIRS_MAX];
    size_t used = 0;
    memset(times, 0, count * sizeof times[0]);
    for (size_t i = 0; i < count; i++) {
        times[random_below(random, count)]++;
    }
    for (size_t i = 0; i < count; i++) {
        for (uint16_t j = 0; j < times[i]; j++) {
            out[used++] = sorted[i];
        }
    }
}

/* How many standard errors a resample's mean lies off; sorted. */
static void studentise(const double *sorted, size_t count, double mean, uint64_t seed, double *off) {
    random_state random;
    double values[STATS_PAIRS_MAX];
    random_init(&random, seed, count);
    for (size_t i = 0; i < STATS_RESAMPLES; i++) {
        resample(&random, sorted, count, values);
        const stats_trimmed again = stats_trimmed_mean(values, count);
        const double distance = again.mean - mean;
        off[i] = again.error > 0 ? distance / again.error : distance == 0 ? 0 : copysign(HUGE_VAL, distance);
    }
    stats_sort(off, STATS_RESAMPLES);
}

/* How far the interval reaches, in standard errors: on each side the farther of Student's and the bootstrap's. The
 * bootstrap alone sees skew, which Student's does not, but is a little narrow at 16 pairs: of 2,000 simulated runs of
 * equals it called 5.5 % different, and both together 4.4 %. */
static void find_reach(const double *sorted, size_t count, const stats_trimmed *all, double confidence, uint64_t seed,
                       double *below, double *above) {
    const double tail = (1 - confidence) / 2;
    *below = *above = stats_student_quantile(all->degrees, confidence);
    if (count < STATS_BOOTSTRAP_LEAST || !(all->error > 0)) {
        return;
    }
    double off[STATS_RESAMPLES];
    studentise(sorted, count, all->mean, seed, off);
    const double upper = stats_quantile(off, STATS_RESAMPLES, 1 - tail);
    const double lower = stats_quantile(off, STATS_RESAMPLES, tail);
    /* Resamples of tied values may have no spread, and then no bound; Student's remains. */
    if (isfinite(upper) && isfinite(lower)) {
        *below = fmax(*below, upper);
        *above = fmax(*above, -lower);
    }
}

stats_ratio stats_paired_bootstrap(const double *first, const double *second, size_t count, double confidence,
                                   uint64_t seed) {
    double logs[STATS_PAIRS_MAX];
    const size_t used = paired_logs(first, second, count, logs);
    const stats_trimmed all = stats_trimmed_mean(logs, used);
    stats_ratio ratio = {
        .count = used, .estimate = exp(all.mean), .low = nan(""), .high = nan(""), .verdict = STATS_NOT_SEPARATED};
    if (used < 2 || !(confidence > 0 && confidence < 1)) {
        return ratio;
    }
    double below = 0;
    double above = 0;
    find_reach(logs, used, &all, confidence, seed, &below, &above);
    ratio.degrees = all.degrees;
    ratio.log_error = all.error;
    ratio.low = exp(all.mean - below * all.error);
    ratio.high = exp(all.mean + above * all.error);
    ratio.verdict = ratio.high < 1 ? STATS_FASTER : ratio.low > 1 ? STATS_SLOWER : STATS_NOT_SEPARATED;
    return ratio;
}

/* Skewness of the jackknife's influence, over six: how fast the spread changes with the estimate. */
static double acceleration(const double *left_out, size_t count) {
    double mean = 0;
    double squares = 0;
    double cubes = 0;
    for (size_t i = 0; i < count; i++) {
        mean += left_out[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        const double distance = mean - left_out[i];
        squares += distance * distance;
        cubes += distance * distance * distance;
    }
    return squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

void stats_bca_interval(double *resampled, size_t resamples, double estimate, const double *left_out, size_t count,
                        double confidence, double *low, double *high) {
    if (resamples == 0 || !(confidence > 0 && confidence < 1)) {
        *low = *high = nan("");
        return;
    }
    stats_sort(resampled, resamples);
    /* Ties count half, or an estimate of few distinct values would seem biased. */
    double below = 0;
    for (size_t i = 0; i < resamples; i++) {
        below += resampled[i] < estimate ? 1 : resampled[i] == estimate ? 0.5 : 0;
    }
    const double least = 0.5 / (double)resamples;
    const double bias = stats_normal_quantile(fmin(fmax(below / (double)resamples, least), 1 - least));
    const double a = acceleration(left_out, count);
    const double z = stats_normal_quantile((1 + confidence) / 2);
    double shares[2];
    for (int side = 0; side < 2; side++) {
        const double moved = bias + (side == 0 ? -z : z);
        shares[side] = normal_share_below(bias + moved / (1 - a * moved));
    }
    *low = stats_quantile(resampled, resamples, shares[0]);
    *high = stats_quantile(resampled, resamples, shares[1]);
}

/* The usual distance from the median, in the unit that makes it a standard deviation of normal noise. */
static double usual_distance(const double *distances, size_t count) {
    double sorted[STATS_PAIRS_MAX];
    memcpy(sorted, distances, count * sizeof *sorted);
    stats_sort(sorted, count);
    const double middle = stats_quantile(sorted, count, 0.5);
    if (middle > 0) {
        return middle / 0.6745;
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += distances[i];
    }
    return 1.253314 * sum / (double)count;
}

size_t stats_outliers(const double *samples, size_t count, bool *marked) {
    double logs[STATS_PAIRS_MAX];
    double distances[STATS_PAIRS_MAX];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        marked[i] = false;
        if (is_usable(samples[i]) && used < STATS_PAIRS_MAX) {
            logs[used++] = log(samples[i]);
        }
    }
    if (used < OUTLIERS_LEAST) {
        return 0;
    }
    stats_sort(logs, used);
    const double median = stats_quantile(logs, used, 0.5);
    for (size_t i = 0; i < used; i++) {
        distances[i] = fabs(logs[i] - median);
    }
    const double usual = usual_distance(distances, used);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        marked[i] = is_usable(samples[i]) && fabs(log(samples[i]) - median) > STATS_OUTLIER_SCORE * usual;
        found += marked[i] ? 1 : 0;
    }
    return found;
}
