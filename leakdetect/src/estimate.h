/* From a sample to the whole: how many resources leaked at a site, with a 95 % interval. */
#ifndef LEAKDETECT_ESTIMATE_H
#define LEAKDETECT_ESTIMATE_H

#include <stdint.h>

/* What a sampled group adds up to. Each member was tracked with a probability p of its own, and weighs 1/p. */
typedef struct estimate_sums {
    uint64_t certain; /* members with p = 1 */
    uint64_t sampled; /* members with p < 1 */
    double weights;   /* the sum of the weights of those */
    double squares;   /* and of their squares */
    double greatest;  /* of those weights */
} estimate_sums;

typedef struct estimate {
    double value, low, high;
} estimate;

void estimate_add(estimate_sums *sums, double weight);

/* estimate_merge() adds the members of one to those of another. */
void estimate_merge(estimate_sums *into, const estimate_sums *from);

/* estimate_total() gives the unbiased estimate and its interval.
 *   largest  the largest weight that the sampler has used in this process, 1 if it has tracked everything: what was never
 *            sampled at all may still be there at that weight. A member's own weight counts if it is larger.
 * The interval is Fay and Feuer's for a weighted sum of Poisson counts, around the sampled members; the certain ones are
 * added as they are. It is exact for one weight, and errs on the wide side where p is large. */
estimate estimate_total(const estimate_sums *sums, double largest);

/* estimate_most() gives what the true number exceeds in one case of 10,000; largest as above. */
double estimate_most(const estimate_sums *sums, double largest);

/* estimate_certain() gives the number of leaks at one site from which on the sample has one of them with a probability
 * of 99 %: the least k with (1 - 1/largest)^k <= 0.01. 1 where everything is tracked. */
uint64_t estimate_certain(double largest);

#endif
