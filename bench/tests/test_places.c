/* Unit tests of places.c: who shares a place did not overlap, and hands nothing over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record/trace.h"
#include "scenario/places.h"
#include "scenario/random.h"

enum {
    EVENTS_MAX = 20000,
    THREADS_MAX = 500
};

/* A trace in the making, and the recorded thread of each event, which places_share() replaces. */
typedef struct tape {
    trace trace;
    trace_event events[EVENTS_MAX];
    uint32_t threads[EVENTS_MAX];
} tape;

static tape *tape_new(void) {
    tape *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->trace.events = self->events;
    self->trace.thread_count = 1;
    return self;
}

static void put(tape *self, uint32_t thread, trace_kind kind, uint32_t slot) {
    trace *to = &self->trace;
    assert_true(to->event_count < EVENTS_MAX);
    self->threads[to->event_count] = thread;
    to->events[to->event_count++] = (trace_event){
        .slot = slot, .size = kind == TRACE_ALLOCATE ? 9 : 0, .kind = kind & 15u, .thread = thread & 0xfffffffu};
    to->thread_count = thread >= to->thread_count ? thread + 1 : to->thread_count;
    to->slot_count = slot >= to->slot_count ? slot + 1 : to->slot_count;
}

static void share(tape *self, uint32_t most) {
    assert_true(places_share(&self->trace, most));
    for (uint64_t i = 0; i < self->trace.event_count; i++) {
        assert_true(self->events[i].thread < self->trace.thread_count);
    }
}

/* P1, the slow way; returns how many threads overlapped at most. */
static uint32_t check_overlaps(const tape *self, uint32_t threads) {
    uint64_t first[THREADS_MAX];
    uint64_t last[THREADS_MAX] = {0};
    uint32_t place[THREADS_MAX] = {0};
    uint32_t most = 0;
    for (uint32_t t = 0; t < threads; t++) {
        first[t] = UINT64_MAX;
    }
    for (uint64_t i = 0; i < self->trace.event_count; i++) {
        const uint32_t t = self->threads[i];
        assert_true(first[t] == UINT64_MAX || place[t] == self->events[i].thread); /* it never moves */
        first[t] = i < first[t] ? i : first[t];
        last[t] = i;
        place[t] = self->events[i].thread;
    }
    for (uint32_t t = 0; t < threads; t++) {
        uint32_t together = 0;
        for (uint32_t u = 0; u < threads; u++) {
            const bool is_there = first[u] <= first[t] && first[t] <= last[u];
            together += is_there;
            assert_false(is_there && u != t && place[u] == place[t]);
        }
        most = together > most ? together : most;
    }
    return most;
}

/* P2: how many releases are another thread's, of those recorded and of places. */
static void count_hand_overs(const tape *self, uint64_t *recorded, uint64_t *shared) {
    uint64_t *opened = calloc(self->trace.slot_count, sizeof *opened);
    assert_non_null(opened);
    *recorded = *shared = 0;
    for (uint64_t i = 0; i < self->trace.event_count; i++) {
        const uint32_t slot = self->events[i].slot;
        if (self->events[i].kind == TRACE_ALLOCATE) {
            opened[slot] = i;
        } else {
            *recorded += self->threads[i] != self->threads[opened[slot]];
            *shared += self->events[i].thread != self->events[opened[slot]].thread;
        }
    }
    free(opened);
}

/* The first thread starts all others and joins each before the next. */
static void threads_that_follow_each_other_share_a_place(void **state) {
    (void)state;
    tape *from = tape_new();
    for (uint32_t t = 1; t < THREADS_MAX; t++) {
        put(from, 0, TRACE_ALLOCATE, 0);
        put(from, t, TRACE_ALLOCATE, 1);
        put(from, t, TRACE_RELEASE, 1);
        put(from, 0, TRACE_RELEASE, 0);
    }
    share(from, 64);
    assert_int_equal(from->trace.thread_count, 2);
    assert_int_equal(check_overlaps(from, THREADS_MAX), 2);
    free(from);
}

static void as_few_threads_as_can_play_keep_their_numbers(void **state) {
    (void)state;
    tape *from = tape_new();
    for (uint32_t t = 0; t < 64; t++) {
        put(from, t, TRACE_ALLOCATE, t);
    }
    share(from, 64);
    assert_int_equal(from->trace.thread_count, 64);
    for (uint64_t i = 0; i < from->trace.event_count; i++) {
        assert_int_equal(from->events[i].thread, i);
    }
    put(from, 64, TRACE_RELEASE, 0); /* one more: none of them overlap, but this one uses a buffer of the first */
    share(from, 64);
    assert_int_equal(from->trace.thread_count, 2);
    assert_int_equal(from->events[0].thread, 0);
    assert_int_equal(from->events[64].thread, 1);
    free(from);
}

/* Each leaves a buffer to the next, which begins when it has ended. */
static void a_hand_over_stays_one(void **state) {
    (void)state;
    uint64_t recorded = 0;
    uint64_t shared = 0;
    tape *from = tape_new();
    for (uint32_t t = 0; t < THREADS_MAX; t++) {
        put(from, t, TRACE_ALLOCATE, t % 2);
        if (t > 0) {
            put(from, t, TRACE_RELEASE, (t + 1) % 2);
        }
    }
    share(from, 64);
    assert_int_equal(from->trace.thread_count, 2);
    count_hand_overs(from, &recorded, &shared);
    assert_int_equal(recorded, THREADS_MAX - 1);
    assert_int_equal(shared, THREADS_MAX - 1);
    free(from);
}

/* Each takes a buffer over from every one before it, more than there are places. */
static void hand_overs_take_no_more_places_than_may_be(void **state) {
    (void)state;
    tape *from = tape_new();
    for (uint32_t t = 0; t < 150; t++) {
        for (uint32_t u = 0; u < t; u++) {
            put(from, t, TRACE_RESIZE, u);
        }
        put(from, t, TRACE_ALLOCATE, t);
    }
    share(from, 64);
    assert_int_equal(from->trace.thread_count, 64);
    assert_int_equal(check_overlaps(from, 150), 1);
    free(from);
}

/* Threads come and go at random, `alive` at a time, and now and then one releases what another allocated. */
static void put_random(tape *to, uint64_t seed, uint32_t alive, bool hands) {
    random_state random;
    uint32_t running[THREADS_MAX];
    uint32_t openers[THREADS_MAX];
    bool full[THREADS_MAX] = {false};
    uint32_t next = 0;
    random_init(&random, seed, 0);
    for (uint32_t i = 0; i < alive; i++) {
        running[i] = next++;
    }
    for (uint32_t i = 0; i < 4000; i++) {
        const uint32_t which = (uint32_t)random_below(&random, alive);
        const uint32_t slot = (uint32_t)random_below(&random, THREADS_MAX);
        if (next < THREADS_MAX && random_below(&random, 8) == 0) {
            running[which] = next++;
        }
        if (!full[slot]) {
            put(to, running[which], TRACE_ALLOCATE, slot);
            openers[slot] = running[which];
            full[slot] = true;
        } else if (hands || openers[slot] == running[which]) {
            put(to, running[which], TRACE_RELEASE, slot);
            full[slot] = false;
        }
    }
}

static void any_threads_share_places_as_they_may(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        const uint32_t alive = 1 + (uint32_t)seed * 2;
        uint64_t recorded = 0;
        uint64_t shared = 0;
        tape *from = tape_new();
        put_random(from, seed, alive, seed % 2 != 0);
        const uint32_t threads = from->trace.thread_count;
        assert_true(threads > 100);
        share(from, seed % 2 != 0 ? 100 : 1);
        const uint32_t most = check_overlaps(from, threads);
        count_hand_overs(from, &recorded, &shared);
        assert_true(most <= alive + 1); /* one comes as another goes, and has not been heard of yet */
        if (seed % 2 == 0) {
            assert_int_equal(from->trace.thread_count, most); /* no hand-overs: as few as there can be */
        } else if (from->trace.thread_count < 100) {
            assert_int_equal(shared, recorded);
        }
        assert_true(from->trace.thread_count <= (seed % 2 != 0 ? 100 : most));
        free(from);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_follow_each_other_share_a_place),
        cmocka_unit_test(as_few_threads_as_can_play_keep_their_numbers),
        cmocka_unit_test(a_hand_over_stays_one),
        cmocka_unit_test(hand_overs_take_no_more_places_than_may_be),
        cmocka_unit_test(any_threads_share_places_as_they_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
