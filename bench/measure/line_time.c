/* Ping and pong on one atomic. */
#include "measure/line_time.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "subjects/subject.h"

enum {
    PARTS = 8
};

/* A wait of so many looks is for a thread that has no processor, and what a look at the clock takes is nothing beside it. */
#define LONG_WAIT 128u

/* The ball when the first thread wants no more of it. */
#define BALL_AWAY UINT32_MAX

typedef struct table {
    _Alignas(128) atomic_uint ball; /* odd: the partner's turn. Two lines wide: prefetchers fetch lines in pairs */
} table;

_Static_assert(LINE_TRIPS_MAX + PARTS < BALL_AWAY / 2, "no turn has the end's number");

/* Waits for one's turn, or for the end of all; how many looks it took. */
static unsigned await(const table *shared, unsigned turn) {
    unsigned looks = 0;
    unsigned ball = 0;
    while ((ball = atomic_load_explicit(&shared->ball, memory_order_acquire)) != turn && ball != BALL_AWAY) {
        subject_pause(&looks);
    }
    return looks;
}

static void *partner(void *argument) {
    table *shared = argument;
    for (unsigned turn = 1;; turn += 2) {
        (void)await(shared, turn);
        if (atomic_load_explicit(&shared->ball, memory_order_relaxed) == BALL_AWAY) {
            return NULL;
        }
        atomic_store_explicit(&shared->ball, turn + 1, memory_order_release);
    }
}

static double now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Plays up to `trips` round trips from the trip on; how many it played before the time was up, at least one. */
static uint32_t play_part(table *shared, uint32_t trip, uint32_t trips, double end_ns) {
    uint32_t played = 0;
    bool is_late = false;
    while (played < trips && !is_late) {
        atomic_store_explicit(&shared->ball, 2 * (trip + played) + 1, memory_order_release);
        played++;
        is_late = await(shared, 2 * (trip + played)) >= LONG_WAIT && now_ns() >= end_ns;
    }
    return played;
}

double line_round_trip_ns(uint32_t trips) {
    const uint32_t wanted = (trips < LINE_TRIPS_MAX ? trips : LINE_TRIPS_MAX) / PARTS + 1;
    table shared = {.ball = 0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, partner, &shared) != 0) {
        return nan("");
    }
    double best = HUGE_VAL;
    uint32_t trip = 0;
    const double end_ns = now_ns() + LINE_TIME_NS_MAX;
    for (int i = 0; i < PARTS; i++) {
        const double start = now_ns();
        const uint32_t played = play_part(&shared, trip, wanted, end_ns);
        const double mean = (now_ns() - start) / played;
        const bool is_whole = played == wanted;
        /* Where the time was up, a part that was cut short counts only if no other was played. */
        best = is_whole || i == 0 ? fmin(best, mean) : best;
        if (!is_whole) {
            break;
        }
        trip += played;
    }
    atomic_store_explicit(&shared.ball, BALL_AWAY, memory_order_release);
    (void)pthread_join(thread, NULL);
    return best;
}
