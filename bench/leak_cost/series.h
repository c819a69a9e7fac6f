/* What the measuring programs of ci/leak_cost.sh have in common: a clock, and the lines that they print.
 *
 * A line is `SERIES VALUE`. The n-th line of a series belongs to round n, so that what is compared was taken side by side.
 * Header only, and no harness: a program that runs under a foreign allocator or a profiler brings nothing else along. */
#ifndef POOLBUF_BENCH_LEAK_COST_SERIES_H
#define POOLBUF_BENCH_LEAK_COST_SERIES_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Time of the calling thread on a processor: what others do on the machine meanwhile is not in it, but for the caches. */
static inline double series_cpu_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double series_wall_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

typedef enum series_memory {
    SERIES_MAPPED,
    SERIES_RESIDENT
} series_memory;

/* Of this process, in bytes; 0 without /proc. */
static inline double series_memory_bytes(series_memory which) {
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) {
        return 0;
    }
    char *at = fgets(text, sizeof text, file) != NULL ? text : NULL;
    (void)fclose(file);
    double pages = 0;
    for (int field = 0; at != NULL && field <= (int)which; field++) {
        pages = (double)strtoul(at, &at, 10);
    }
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static inline void series_print(const char *series, double value) {
    (void)printf("%s %.6g\n", series, value);
}

#endif
