/* Statistics of samples: where they lie, how far they spread, and whether two sets of them differ.
 *
 * Pure functions: no clock, no allocation, no global state, any thread. Samples are times or sizes: finite and above zero
 * wherever a ratio is taken, and finite everywhere. Quantiles need sorted samples; stats_sort() sorts them in place.
 *
 * Two sets are compared by the ratio of their geometric means, because times are skewed and a factor is what people ask
 * for. The interval is Student's on the logarithms: a noisy round widens it instead of moving the answer. Three verdicts:
 * the interval lies below 1, above 1, or holds 1, and then the two are not separated and nobody has won. */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>
#include <stddef.h>

/* How sure an interval is: it misses the truth in 5 of 100 experiments, split evenly over both sides. */
#define STATS_CONFIDENCE 0.95

/* stats_sort() sorts samples in place, ascending. */
void stats_sort(double *samples, size_t count);

/* stats_quantile() is the value below which `share` of the samples lie, interpolated between neighbours (the definition
 * that R calls type 7 and NumPy linear).
 *   sorted   `count` samples in ascending order.
 *   share    0 to 1; 0.5 is the median.
 *   returns  the quantile; NaN if count is 0 or share lies outside. */
double stats_quantile(const double *sorted, size_t count, double share);

typedef struct stats_summary {
    size_t count;
    double minimum, quartile_low, median, quartile_high, maximum;
    /* Median of the distances from the median: half the samples lie closer. Unlike the standard deviation, one wild sample
     * does not change it. Same unit as the samples. */
    double median_deviation;
} stats_summary;

/* stats_summarise() describes samples. It sorts them in place, and needs room for as many again.
 *   scratch  `count` doubles, overwritten.
 *   returns  the summary; with count 0 every value in it is NaN. */
stats_summary stats_summarise(double *samples, size_t count, double *scratch);

/* stats_median_interval() bounds the median of what the samples were drawn from, by the sign test: no assumption about the
 * distribution. It holds the median in STATS_CONFIDENCE of experiments or more from 6 samples on; fewer cannot do that, and
 * then the bounds are the extremes: 94 % for 5 samples, 88 % for 4, 75 % for 3.
 *   sorted     `count` samples in ascending order.
 *   low, high  set to two of the samples; to NaN if count is 0. */
void stats_median_interval(const double *sorted, size_t count, double *low, double *high);

/* stats_student_quantile() is the t that |T| stays below with probability `confidence`, for Student's T with `degrees` degrees
 * of freedom: 12.706 for 0.95 and 1, 1.960 for 0.95 and infinitely many.
 *   degrees     above 0; need not be whole.
 *   confidence  between 0 and 1, both excluded.
 *   returns     NaN if an argument is outside. */
double stats_student_quantile(double degrees, double confidence);

/* stats_student_tails() is the probability that |T| passes t, which is not below 0; degrees as above. */
double stats_student_tails(double t, double degrees);

typedef enum stats_verdict {
    STATS_NOT_SEPARATED, /* the interval holds 1, or there are too few samples for an interval */
    STATS_FASTER,        /* the whole interval lies below 1: the first takes less time than the second */
    STATS_SLOWER,        /* the whole interval lies above 1 */
} stats_verdict;

typedef struct stats_ratio {
    size_t count;     /* pairs that entered; of an unpaired comparison, the smaller of the two counts */
    double estimate;  /* first / second, ratio of geometric means; NaN if count is 0 */
    double low, high; /* STATS_CONFIDENCE interval of it; NaN if count < 2 */
    double degrees;   /* of freedom behind the interval; 0 without one */
    double log_error; /* standard error of the estimate's logarithm; 0 where not known */
    stats_verdict verdict;
} stats_ratio;

/* stats_paired_ratio() compares samples that were taken side by side: first[i] and second[i] come from the same round, so
 * whatever slowed that round down slowed both, and drops out of their ratio.
 *   first, second  `count` samples each. A pair in which either is not finite or not above zero (a failed run) is left out.
 *   returns        never fails; see stats_ratio for what it holds when pairs are few. */
stats_ratio stats_paired_ratio(const double *first, const double *second, size_t count);

/* stats_unpaired_ratio() compares two sets taken apart, such as two result files: Welch's t interval on the logarithms,
 * which lets the sets differ in size and in spread. It cannot remove what changed on the machine between the two.
 *   first, second  samples that are not finite or not above zero are left out. */
stats_ratio stats_unpaired_ratio(const double *first, size_t first_count, const double *second, size_t second_count);

#endif
