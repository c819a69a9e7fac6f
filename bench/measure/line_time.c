/* Ping and pong on one atomic. */
#include "measure/line_time.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "subjects/subject.h"

enum {
    PARTS = 8
};

typedef struct table {
    _Alignas(128) atomic_uint ball; /* odd: the partner's turn. Two lines wide: prefetchers fetch lines in pairs */
    _Alignas(128) uint32_t trips;
} table;

static void hit(table *shared, unsigned expected) {
    unsigned turns = 0;
    while (atomic_load_explicit(&shared->ball, memory_order_acquire) != expected) {
        subject_pause(&turns);
    }
    atomic_store_explicit(&shared->ball, expected + 1, memory_order_release);
}

static void *partner(void *argument) {
    table *shared = argument;
    for (uint32_t i = 0; i < shared->trips; i++) {
        hit(shared, 2 * i + 1);
    }
    return NULL;
}

static double now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double line_round_trip_ns(uint32_t trips) {
    const uint32_t part = trips / PARTS + 1;
    table shared = {.trips = part * PARTS};
    pthread_t thread;
    if (pthread_create(&thread, NULL, partner, &shared) != 0) {
        return nan("");
    }
    double best = HUGE_VAL;
    uint32_t trip = 0;
    for (int i = 0; i < PARTS; i++) {
        const double start = now_ns();
        for (uint32_t j = 0; j < part; j++, trip++) {
            hit(&shared, 2 * trip);
        }
        best = fmin(best, (now_ns() - start) / part);
    }
    (void)pthread_join(thread, NULL);
    return best;
}
