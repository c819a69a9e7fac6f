/* The little mathematics that sampling and its estimates need, by hand: the library links no libm. */
#ifndef LEAKDETECT_ARITHMETIC_H
#define LEAKDETECT_ARITHMETIC_H

#include <stdint.h>

/* A stream of pseudo-random 64-bit words (SplitMix64): any seed is good, and the state is one word. */
uint64_t random_next(uint64_t *state);

/* Uniform in (0, 1): never 0, so that its logarithm is finite. */
double random_unit(uint64_t *state);

/* Natural logarithm of a positive finite x, and e to the x for |x| <= 700; relative errors below 1e-9. */
double log_natural(double x);
double exp_natural(double x);
double root_square(double x);

/* The value that a Gamma(shape, 1) variable stays below with the given probability: accurate to 1e-3 for the shapes
 * and probabilities of a 95 % interval. Twice it is the quantile of chi-square with 2 * shape degrees of freedom. */
double gamma_quantile(double shape, double probability);

#endif
