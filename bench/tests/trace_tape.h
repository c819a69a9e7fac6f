/* For the tests of replays: a trace of buffers that is made event by event, in memory, without a recorder or a file. */
#ifndef POOLBUF_BENCH_TESTS_TRACE_TAPE_H
#define POOLBUF_BENCH_TESTS_TRACE_TAPE_H

#include <stdlib.h>

#include "record/trace.h"
#include "scenario/random.h"

enum {
    TAPE_EVENTS_MAX = 4096,
    TAPE_CHECKPOINTS_MAX = 64,
    TAPE_BUFFERS = 8,
    TAPE_THREADS = 5
};

/* A trace in the making, and what is live in it. */
typedef struct tape {
    trace trace;
    trace_event events[TAPE_EVENTS_MAX];
    trace_checkpoint checkpoints[TAPE_CHECKPOINTS_MAX];
    uint32_t sizes[TAPE_BUFFERS]; /* 0: empty */
    uint64_t live_buffers, live_bytes;
} tape;

static inline tape *tape_new(void) {
    tape *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->trace.events = self->events;
    self->trace.checkpoints = self->checkpoints;
    self->trace.source = TRACE_OF_BUFFERS;
    self->trace.thread_count = 1;
    return self;
}

static inline void tape_put(tape *self, uint32_t thread, trace_kind kind, uint32_t slot, uint32_t size) {
    trace *to = &self->trace;
    assert_true(to->event_count < TAPE_EVENTS_MAX && slot < TAPE_BUFFERS);
    to->events[to->event_count++] =
        (trace_event){.slot = slot, .size = size, .kind = kind & 15u, .thread = thread & 0xfffffffu};
    to->thread_count = thread >= to->thread_count ? thread + 1 : to->thread_count;
    to->slot_count = slot >= to->slot_count ? slot + 1 : to->slot_count;
    if (kind == TRACE_ALLOCATE || kind == TRACE_RESIZE || kind == TRACE_RELEASE) {
        self->live_buffers += (uint64_t)(kind == TRACE_ALLOCATE);
        self->live_buffers -= (uint64_t)(kind == TRACE_RELEASE);
        self->live_bytes = self->live_bytes - self->sizes[slot] + size;
        self->sizes[slot] = size;
    } else {
        to->reference_count++;
    }
}

static inline void tape_put_checkpoint(tape *self) {
    trace *to = &self->trace;
    if (to->event_count > (to->checkpoint_count > 0 ? to->checkpoints[to->checkpoint_count - 1].event_count : 0)) {
        assert_true(to->checkpoint_count < TAPE_CHECKPOINTS_MAX);
        to->checkpoints[to->checkpoint_count++] =
            (trace_checkpoint){to->event_count, self->live_buffers, self->live_bytes};
    }
}

/* What any program may do, on more buffers and threads; where it is not `sound`, with counts that do not add up. */
static inline void tape_put_random(tape *to, uint64_t seed, bool sound) {
    random_state random;
    uint32_t held[TAPE_BUFFERS] = {0};
    random_init(&random, seed, 0);
    for (unsigned i = 0; i < 2000; i++) {
        const uint32_t thread = (uint32_t)random_below(&random, 1 + seed % TAPE_THREADS);
        const uint32_t slot = (uint32_t)random_below(&random, TAPE_BUFFERS);
        const uint32_t some = 1 + (uint32_t)random_below(&random, 3);
        const unsigned choice = (unsigned)random_below(&random, 40);
        if (held[slot] == 0) {
            tape_put(to, thread, TRACE_ALLOCATE, slot, 1 + (uint32_t)random_below(&random, 5000));
            held[slot] = 1;
        } else if (choice < 2) {
            tape_put(to, thread, TRACE_RESIZE, slot, 1 + (uint32_t)random_below(&random, 5000));
        } else if (choice < 14) {
            tape_put(to, thread, TRACE_RETAIN, slot, some);
            held[slot] += some;
        } else if (choice < 19) {
            tape_put(to, thread, TRACE_SLICE, slot, some % 2);
            held[slot] += some % 2;
        } else if (held[slot] > some || (!sound && choice < 25)) {
            tape_put(to, thread, TRACE_DROP, slot, some);
            held[slot] = held[slot] > some ? held[slot] - some : 1;
        } else if (held[slot] == 1 || !sound) {
            tape_put(to, thread, TRACE_RELEASE, slot, 0);
            held[slot] = 0;
        }
        if (random_below(&random, 100) == 0) {
            tape_put_checkpoint(to);
        }
    }
}

#endif
