/* What a scope costs: nanoseconds a pair of allocation and release outside of a scope and in one, and a scope with one pair.
 * Prints the least of some rounds, at the level that the environment says. Run by hand; docs/leak-detection.md has numbers. */
#include <stdio.h>
#include <time.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/leakscope.h>
#include <poolbuf/poolbuf.h>

enum {
    ROUNDS = 20,
    PAIRS = 200000,
    SCOPES = 10000
};

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Returns ns a pair. */
static double run_pairs(int count) {
    double start = now_ns();
    for (int i = 0; i < count; i++) {
        poolbuf *buffer = poolbuf_allocate(NULL, 256, 256);
        if (buffer != NULL) {
            poolbuf_release(buffer);
        }
    }
    return (now_ns() - start) / count;
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

int main(void) {
    double outside = 1e9;
    double inside = 1e9;
    double whole = 1e9;
    leakscope scope;
    run_pairs(PAIRS);
    for (int round = 0; round < ROUNDS; round++) {
        outside = smaller(outside, run_pairs(PAIRS));
        if (leakscope_open("cost", 0, &scope) != POOLBUF_OK) {
            return 1;
        }
        inside = smaller(inside, run_pairs(PAIRS));
        leakscope_close(scope, NULL);
        double start = now_ns();
        for (int i = 0; i < SCOPES; i++) {
            if (leakscope_open("cost", 0, &scope) != POOLBUF_OK) {
                return 1;
            }
            run_pairs(1);
            leakscope_close(scope, NULL);
        }
        whole = smaller(whole, (now_ns() - start) / SCOPES);
    }
    printf("%s: outside %.1f ns a pair, in a scope %.1f ns a pair, a scope with one pair %.0f ns\n",
           leakdetect_name_level(leakdetect_get_level()), outside, inside, whole);
    return 0;
}
