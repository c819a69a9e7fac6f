/* A number over many runs: where its level changed, and where the next one would lie if nothing had changed.
 *
 * Pure functions; any thread. Both work on logarithms, where a factor is a difference. Values are finite and above zero. */
#ifndef STATS_STEPS_H
#define STATS_STEPS_H

#include <stddef.h>

enum {
    STATS_SERIES_MAX = 1024, /* values of a series that are looked at: the last ones */
    STATS_STEP_LEAST = 3     /* values on each side of a step: one or two may be bad days */
};

/* stats_find_steps() finds where the level of a series changes.
 *
 * Binary segmentation (A. Scott and M. Knott, Biometrics 30, 1974): the series is cut where the means of both sides differ
 * most by Student's t, if so large a t is less likely than alpha by chance, counting all the places that it could have
 * been found at (Bonferroni); then each part likewise. Before that, what lies farther from a part's median than
 * stats_outliers() tolerates is drawn in to that distance: a wild run is no level.
 *   values  `count` in order of time, STATS_SERIES_MAX at most.
 *   alpha   in how many series without a step one may be found, at most, as long as their noise is normal or shorter-tailed.
 *   steps   set to the places of the first values of new levels, ascending; room for count / STATS_STEP_LEAST.
 *   returns how many there are. */
size_t stats_find_steps(const double *values, size_t count, double alpha, size_t *steps);

/* stats_level() is what a stretch of values is said to be: their median. NaN for none. */
double stats_level(const double *values, size_t count);

typedef struct stats_range {
    double low, high;
} stats_range;

/* stats_predict() bounds the value that comes next, if it comes from where these came from: Student's prediction interval, which
 * counts the scatter of one more value as well as that of the mean.
 *   confidence  between 0 and 1, for both sides together.
 *   returns     NaN for both with fewer than two values. */
stats_range stats_predict(const double *values, size_t count, double confidence);

#endif
