/* Buffers that go from thread to thread through bounded queues: handoff and pipeline.
 *
 * A queue is a ring of `live` slots, which one thread fills and another empties (S1). Operations are appended in an
 * order in which every ring is filled before its taker starts: that order is a legal one, and its peak is that of full
 * rings. */
#include <assert.h>
#include <stdlib.h>

#include "scenario/generate.h"

/* The threads of a handoff and the queues between them: pairs of one and one, or one queue from each producer to each
 * consumer. */
typedef struct handoff {
    const generate_plan *plan;
    uint32_t producers, consumers; /* of one group */
    uint32_t groups;               /* pairs; 1 where the producers are counted */
    uint32_t stride;               /* slots from one queue to the next */
    random_state *random;          /* of each producer */
    uint64_t *filled;              /* buffers that each queue has had */
} handoff;

/* In a group producers come first. */
static uint32_t producer_thread(const handoff *self, uint32_t group, uint32_t producer) {
    return group * (self->producers + self->consumers) + producer;
}

static uint32_t queue_of(const handoff *self, uint32_t group, uint32_t producer, uint32_t consumer) {
    return (group * self->producers + producer) * self->consumers + consumer;
}

/* One burst is released last buffer first: that one is full only when all are, so the taker waits once a burst and does
 * not pull at cache lines that the filler still writes. The others follow in the order in which they were filled. */
static void take_burst(const handoff *self, uint32_t thread, uint32_t queue, uint64_t first) {
    const uint32_t ring = self->plan->phase->live;
    const uint32_t count = self->plan->phase->burst;
    const uint32_t base = queue * self->stride;
    builder_add(self->plan->into, thread, STREAM_RELEASE, base + (uint32_t)((first + count - 1) % ring), 0);
    for (uint32_t i = 0; i + 1 < count; i++) {
        builder_add(self->plan->into, thread, STREAM_RELEASE, base + (uint32_t)((first + i) % ring), 0);
    }
}

/* A full queue is first relieved of its oldest burst. */
static void fill_burst(handoff *self, uint32_t group, uint32_t producer, uint32_t consumer) {
    const uint32_t ring = self->plan->phase->live;
    const uint32_t queue = queue_of(self, group, producer, consumer);
    const uint64_t first = self->filled[queue];
    const uint32_t thread = producer_thread(self, group, producer);
    random_state *random = &self->random[group * self->producers + producer];
    if (first >= ring) {
        take_burst(self, producer_thread(self, group, self->producers + consumer), queue, first - ring);
    }
    for (uint64_t i = first; i < first + self->plan->phase->burst; i++) {
        builder_add(self->plan->into, thread, STREAM_ALLOCATE, queue * self->stride + (uint32_t)(i % ring),
                    sizes_draw(self->plan->drawn, random));
    }
    self->filled[queue] += self->plan->phase->burst;
}

/* At the end the consumers take what is left, in turns, as producers gave it. */
static void drain(const handoff *self) {
    const uint32_t ring = self->plan->phase->live;
    const uint32_t burst = self->plan->phase->burst;
    for (uint32_t left = 0; left < ring && self->plan->into->failure == NULL; left += burst) {
        for (uint32_t g = 0; g < self->groups; g++) {
            for (uint32_t p = 0; p < self->producers; p++) {
                for (uint32_t c = 0; c < self->consumers; c++) {
                    const uint32_t queue = queue_of(self, g, p, c);
                    const uint64_t oldest = self->filled[queue] > ring ? self->filled[queue] - ring : 0;
                    if (oldest + left < self->filled[queue]) {
                        take_burst(self, producer_thread(self, g, self->producers + c), queue, oldest + left);
                    }
                }
            }
        }
    }
}

/* Each producer deals its bursts out to the consumers in turn. Those of one group do so at an offset, so that the
 * consumers are equally busy at every moment. */
static void add_handoff(handoff *self, uint32_t pass) {
    const generate_plan *plan = self->plan;
    for (uint32_t i = 0; i < self->groups * self->producers; i++) {
        random_init(&self->random[i], plan->seed, i);
    }
    for (uint32_t turn = 0; turn < pass / plan->phase->burst && plan->into->failure == NULL; turn++) {
        for (uint32_t g = 0; g < self->groups; g++) {
            for (uint32_t p = 0; p < self->producers; p++) {
                fill_burst(self, g, p, (turn + p) % self->consumers);
            }
        }
    }
    drain(self);
}

void generate_handoff(const generate_plan *self) {
    const scenario_phase *phase = self->phase;
    const bool is_counted = phase->producers != 0;
    handoff made = {.plan = self,
                    .producers = is_counted ? phase->producers : 1,
                    .consumers = is_counted ? phase->consumers : 1,
                    .groups = is_counted ? 1 : self->threads / 2,
                    .stride = generate_aligned(phase->live)};
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    const uint32_t fillers = made.groups * made.producers;
    assert(phase->burst > 0);
    assert(phase->live > 0 && phase->live % phase->burst == 0);
    /* A queue has as many slots in every pass: whole bursts, and no fewer than one for each consumer. */
    pass = pass < phase->burst ? phase->burst : pass / phase->burst * phase->burst;
    if ((uint64_t)fillers * made.consumers * made.stride > UINT32_MAX / 2) {
        self->into->failure = "more slots than a stream can have; a smaller \"live\", or fewer threads, are needed";
        return;
    }
    builder_open(self->into, self->name, "");
    builder_expect(self->into, UINT64_C(2) * fillers * pass);
    made.random = malloc((fillers + 1u) * sizeof *made.random);
    made.filled = calloc((size_t)fillers * made.consumers + 1, sizeof *made.filled);
    if (made.random != NULL && made.filled != NULL) {
        add_handoff(&made, pass);
    } else {
        self->into->failure = "not enough memory for its queues";
    }
    generate_close(self, repeat);
    free(made.filled);
    free(made.random);
}

/* Stage s takes from queue s - 1 and gives to queue s; the first one allocates and the last one releases. One step of
 * all stages, last one first, is a legal order: a stage is `live` buffers behind the one before it, so what it has to
 * put its buffer where, the next one has just taken away. Each thread is a stage. */
void generate_pipeline(const generate_plan *self) {
    const uint32_t ring = self->phase->live;
    const uint32_t stride = generate_aligned(ring);
    const uint32_t last = self->threads - 1;
    uint32_t repeat;
    const uint32_t pass = generate_pass(self, self->operations, &repeat);
    random_state random;
    if ((uint64_t)last * stride > STREAM_SIZE_MAX) {
        self->into->failure = "more slots than a buffer can move to; a smaller \"live\", or fewer threads, are needed";
        return;
    }
    random_init(&random, self->seed, 0);
    builder_open(self->into, self->name, "");
    builder_expect(self->into, (uint64_t)self->threads * pass);
    for (uint64_t step = 0; step < pass + (uint64_t)last * ring && self->into->failure == NULL; step++) {
        for (uint32_t s = self->threads; s-- > 0;) {
            const uint64_t buffer = step - (uint64_t)s * ring;
            if (step < (uint64_t)s * ring || buffer >= pass) {
                continue;
            }
            const uint32_t place = (uint32_t)(buffer % ring);
            if (s == 0) {
                builder_add(self->into, s, STREAM_ALLOCATE, place, sizes_draw(self->drawn, &random));
            } else if (s < last) {
                builder_add(self->into, s, STREAM_MOVE, (s - 1) * stride + place, s * stride + place);
            } else {
                builder_add(self->into, s, STREAM_RELEASE, (s - 1) * stride + place, 0);
            }
        }
    }
    generate_close(self, repeat);
}
