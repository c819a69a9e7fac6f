/* Intervals by resampling, of what has no convenient distribution.
 *
 * Two kinds, for two uses. A ratio of two subjects gets the studentised bootstrap of the trimmed mean of its paired
 * logarithms: rounds on a shared machine have tails that Student's interval of the plain mean pays for with width, and
 * trimming with a studentised interval keeps its level in small samples, never narrower than Student's (R. Wilcox,
 * Introduction to Robust Estimation and Hypothesis Testing, 2005, 4.4.4; K. Yuen, Biometrika 61, 1974, for the
 * variance). A composed figure, the geometric mean over scenarios, gets the bias-corrected and accelerated one (B.
 * Efron, JASA 82, 1987), which needs no standard error.
 *
 * Nothing is left out: a round among the farthest fifth on its side has no weight in the estimate, but counts in the
 * interval as if it lay where the nearest weighted one does. What lies far away is listed by stats_outliers().
 *
 * Pure functions of their arguments and the seed: the same samples give the same interval, always and anywhere. */
#ifndef STATS_BOOTSTRAP_H
#define STATS_BOOTSTRAP_H

#include <stdint.h>

#include "stats/stats.h"

enum {
    STATS_RESAMPLES = 1999,     /* so that (1999 + 1) times a tail is whole for the usual tails */
    STATS_BOOTSTRAP_LEAST = 10, /* pairs; below, resamples have too few distinct values, and Student's t is used */
    STATS_PAIRS_MAX = 1024
};

/* The share of samples on each side that has no weight in a trimmed mean. */
#define STATS_TRIM 0.2

typedef struct stats_trimmed {
    double mean;    /* of what is left between both trims; NaN if count is 0 */
    double error;   /* standard error of it, from winsorised squares; NaN with fewer than two left */
    double degrees; /* of freedom: those left, less one */
} stats_trimmed;

/* stats_trimmed_mean() is the mean of sorted values without the STATS_TRIM lowest and highest; below 5 values it is the
 * mean of all. */
stats_trimmed stats_trimmed_mean(const double *sorted, size_t count);

/* stats_paired_bootstrap() compares as stats_paired_ratio() does, by the trimmed mean of the logarithms of the ratios.
 *   count       pairs; beyond STATS_PAIRS_MAX the rest is not read.
 *   confidence  of the interval and so of the verdict, between 0 and 1. */
stats_ratio stats_paired_bootstrap(const double *first, const double *second, size_t count, double confidence,
                                   uint64_t seed);

/* stats_bca_interval() turns resampled estimates into bounds.
 *   resampled   `resamples` estimates; sorted in place.
 *   estimate    the one of the samples themselves.
 *   left_out    `count` estimates, each without one of the samples (a jackknife).
 *   low, high   set; NaN when there are no resamples. */
void stats_bca_interval(double *resampled, size_t resamples, double estimate, const double *left_out, size_t count,
                        double confidence, double *low, double *high);

/* stats_normal_quantile() is the z that a standard normal variable stays below with probability p, within 1e-4. */
double stats_normal_quantile(double p);

/* stats_outliers() marks samples by the modified z-score of their logarithms: 0.6745 |x - median| / MAD above 3.5
 * (B. Iglewicz and D. Hoaglin, How to Detect and Handle Outliers, 1993). Where half of the samples are equal, so that
 * the MAD is 0, the mean distance stands in for it, as they propose. Fewer than 5 samples have no outlier.
 *   samples  those that are not finite or not above zero are never marked.
 *   marked   gets `count` flags.
 *   returns  how many are marked. */
#define STATS_OUTLIER_SCORE 3.5
size_t stats_outliers(const double *samples, size_t count, bool *marked);

#endif
