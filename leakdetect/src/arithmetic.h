/* The little mathematics that sampling and its estimates need, by hand: the library links no libm. */
#ifndef LEAKDETECT_ARITHMETIC_H
#define LEAKDETECT_ARITHMETIC_H

#include <stdint.h>
#include <string.h>

#define ARITHMETIC_LN2   0.69314718055994530942
#define ARITHMETIC_SQRT2 1.41421356237309504880

/* A stream of pseudo-random 64-bit words (SplitMix64): any seed is good, and the state is one word. */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in (0, 1): never 0, so that its logarithm is finite. */
static inline double random_unit(uint64_t *state) {
    return ((double)(random_next(state) >> 12) + 0.5) / 4503599627370496.0; /* 2^52 cells, their middles */
}

/* The logarithm of a draw, for 0 < x < 1: absolute errors below 1e-9, relative ones only where x is not close to 1. It
 * differs from log_natural() in what a processor that has nothing else to do waits for. There is no step that centres
 * the fraction on 1, a branch which a random x takes every other time, unforeseen: the fraction m in [1, 2) is taken by
 * sqrt 2, which is in the middle of them, ln m = ln sqrt 2 + ln(m / sqrt 2). And fewer of the series' terms wait for
 * each other. */
static inline double log_of_draw(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    double exponent = (double)((int)(bits >> 52) - 1023);
    bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    double r = (m - ARITHMETIC_SQRT2) / (m + ARITHMETIC_SQRT2); /* as in log_natural() */
    double q = r * r;
    double p = q * q;
    double series = (1 + q * (1.0 / 3)) + p * ((1.0 / 5 + q * (1.0 / 7)) + p * (1.0 / 9 + q * (1.0 / 11)));
    return (exponent + 0.5) * ARITHMETIC_LN2 + 2 * r * series;
}

/* Natural logarithm of a positive finite x, and e to the x for |x| <= 700; relative errors below 1e-9. */
double log_natural(double x);
double exp_natural(double x);
double root_square(double x);

/* The value that a Gamma(shape, 1) variable stays below with the given probability: accurate to 1e-3 for the shapes
 * and probabilities of a 95 % interval, and for 99.99 %. Twice it is the quantile of chi-square with 2 * shape degrees of freedom. */
double gamma_quantile(double shape, double probability);

#endif
