/* Gamma intervals for weighted sums; see estimate.h. */
#include "estimate.h"

#include "arithmetic.h"

void estimate_add(estimate_sums *sums, double weight) {
    if (weight > 1) {
        sums->sampled++;
        sums->weights += weight;
        sums->squares += weight * weight;
        sums->greatest = weight > sums->greatest ? weight : sums->greatest;
    } else {
        sums->certain++;
    }
}

void estimate_merge(estimate_sums *into, const estimate_sums *from) {
    into->certain += from->certain;
    into->sampled += from->sampled;
    into->weights += from->weights;
    into->squares += from->squares;
    into->greatest = from->greatest > into->greatest ? from->greatest : into->greatest;
}

/* Of the sampled ones, and as if one more might come. */
static double upper_end(const estimate_sums *sums, double largest, double probability) {
    if (!(largest > 1)) {
        return 0;
    }
    double weights = sums->weights + largest;
    double scale = (sums->squares + largest * largest) / weights;
    return scale * gamma_quantile(weights / scale, probability);
}

estimate estimate_total(const estimate_sums *sums, double largest) {
    double certain = (double)sums->certain;
    estimate total = {certain + sums->weights, certain, certain};
    largest = sums->greatest > largest ? sums->greatest : largest;
    if (sums->sampled > 0) {
        double scale = sums->squares / sums->weights; /* the sum behaves as `scale` times a Poisson count */
        total.low += scale * gamma_quantile(sums->weights / scale, 0.025);
        double seen = certain + (double)sums->sampled;
        total.low = total.low < seen ? seen : total.low;
    }
    total.high += upper_end(sums, largest, 0.975);
    return total;
}

double estimate_most(const estimate_sums *sums, double largest) {
    largest = sums->greatest > largest ? sums->greatest : largest;
    return (double)sums->certain + upper_end(sums, largest, 0.9999);
}

uint64_t estimate_certain(double largest) {
    if (!(largest > 1)) {
        return 1;
    }
    double least = log_natural(0.01) / log_natural(1 - 1 / largest);
    uint64_t whole = (uint64_t)least;
    return (double)whole < least ? whole + 1 : whole;
}
