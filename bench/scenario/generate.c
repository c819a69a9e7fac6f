/* From a scenario to a stream: pingpong, churn, burst, bulk and handoff, and the dispatch over phases. Replays are in replay.c,
 * and shapes in imitate.c.
 *
 * Every phase and thread has a random sequence of its own: changing one phase leaves the others as they were. */
#include "scenario/generate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/sizes.h"

#define QUICK_DIVISOR 8u

typedef struct plan {
    builder *into;
    const scenario_phase *phase;
    const sizes *drawn;
    const char *name; /* of the stream's phase */
    uint32_t threads;
    uint32_t operations; /* steps of each thread, already made quick */
    uint64_t seed;       /* this phase's own */
} plan;

/* A long phase is a pass that repeats: the operations stay in memory and 2 MiB a thread is enough to hide their
 * pattern. The count of steps is rounded down to whole passes. */
static uint32_t pass_of(uint32_t operations, uint32_t *repeat) {
    *repeat = (operations - 1) / BUILDER_PASS_OPS + 1;
    return operations / *repeat;
}

static uint32_t aligned(uint32_t slots) {
    return (slots + GENERATE_SLOT_ALIGN - 1) / GENERATE_SLOT_ALIGN * GENERATE_SLOT_ALIGN;
}

static void generate_pingpong(const plan *self) {
    uint32_t repeat = 1;
    builder_open(self->into, self->name, "");
    if (self->drawn->fixed != 0) {
        for (uint32_t t = 0; t < self->threads; t++) {
            builder_add(self->into, t, STREAM_PINGPONG, self->operations, self->drawn->fixed);
        }
    } else {
        uint32_t pass = pass_of(self->operations, &repeat);
        builder_expect(self->into, (uint64_t)self->threads * pass);
        for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
            random_state random;
            random_init(&random, self->seed, t);
            for (uint32_t i = 0; i < pass; i++) {
                builder_add(self->into, t, STREAM_PINGPONG, 1, sizes_draw(self->drawn, &random));
            }
        }
    }
    builder_close(self->into, repeat);
}

static void add_bulk(const plan *self, uint32_t thread, uint32_t times, uint32_t size) {
    while (times > 0) {
        uint32_t some = times < STREAM_BULK_TIMES_MAX ? times : STREAM_BULK_TIMES_MAX;
        builder_add(self->into, thread, STREAM_BULK, stream_bulk_make(some, self->phase->burst), size);
        times -= some;
    }
}

/* As pingpong, with a call for `burst` buffers in the place of one for one. The buffers of a call have one size. */
static void generate_bulk(const plan *self) {
    uint32_t repeat = 1;
    uint32_t burst = self->phase->burst;
    uint32_t calls = self->operations > burst ? self->operations / burst : 1;
    builder_open(self->into, self->name, "");
    if (self->drawn->fixed != 0) {
        for (uint32_t t = 0; t < self->threads; t++) {
            add_bulk(self, t, calls, self->drawn->fixed);
        }
    } else {
        uint32_t pass = pass_of(calls, &repeat);
        builder_expect(self->into, (uint64_t)self->threads * pass);
        for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
            random_state random;
            random_init(&random, self->seed, t);
            for (uint32_t i = 0; i < pass; i++) {
                add_bulk(self, t, 1, sizes_draw(self->drawn, &random));
            }
        }
    }
    builder_close(self->into, repeat);
}

/* First in, first out, as packets and requests of one turn of an event loop are done with. To a last-in, first-out cache
 * it is the harder order: what it gives next is the buffer that was touched longest ago of those it holds. With one size
 * a pass is one burst, since the next one would be the same operations again. */
static void generate_burst(const plan *self) {
    uint32_t live = self->phase->live;
    uint32_t stride = aligned(live);
    uint32_t repeat;
    uint32_t pass = pass_of(self->operations, &repeat);
    if (self->drawn->fixed != 0) {
        repeat = self->operations > live ? self->operations / live : 1;
        pass = live;
    }
    pass = pass < live ? live : pass / live * live;
    builder_open(self->into, self->name, "");
    builder_expect(self->into, UINT64_C(2) * self->threads * pass);
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        random_state random;
        random_init(&random, self->seed, t);
        for (uint32_t first = 0; first < pass && self->into->failure == NULL; first += live) {
            for (uint32_t s = 0; s < live; s++) {
                builder_add(self->into, t, STREAM_ALLOCATE, t * stride + s, sizes_draw(self->drawn, &random));
            }
            for (uint32_t s = 0; s < live; s++) {
                builder_add(self->into, t, STREAM_RELEASE, t * stride + s, 0);
            }
        }
    }
    builder_close(self->into, repeat);
}

/* In a churn that touches pages, what follows each new buffer. */
static void add_write(const plan *self, uint32_t thread, uint32_t slot) {
    if (self->phase->touch == SCENARIO_TOUCH_PAGES) {
        builder_add(self->into, thread, STREAM_WRITE, slot, 0);
    }
}

/* Fill, steady and drain are phases of their own: only the steady one is what the question is about, and the live
 * counts at the end of fill and steady are where subjects can be compared. */
static void generate_churn(const plan *self) {
    uint32_t live = self->phase->live;
    uint32_t stride = aligned(live);
    uint32_t repeat;
    uint32_t pass = pass_of(self->operations, &repeat);
    uint64_t ops_each = self->phase->touch == SCENARIO_TOUCH_PAGES ? 2 : 1; /* a new buffer takes */
    random_state random;

    builder_open(self->into, self->name, ".fill");
    builder_expect(self->into, self->threads * (live + ops_each * ((uint64_t)live + pass)));
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        random_init(&random, self->seed, UINT64_C(2) * t);
        for (uint32_t s = 0; s < live; s++) {
            builder_add(self->into, t, STREAM_ALLOCATE, t * stride + s, sizes_draw(self->drawn, &random));
            add_write(self, t, t * stride + s);
        }
    }
    builder_close(self->into, 1);

    builder_open(self->into, self->name, "");
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        random_init(&random, self->seed, UINT64_C(2) * t + 1);
        for (uint32_t i = 0; i < pass; i++) {
            uint32_t slot = t * stride + (uint32_t)random_below(&random, live);
            builder_add(self->into, t, STREAM_REPLACE, slot, sizes_draw(self->drawn, &random));
            add_write(self, t, slot);
        }
    }
    builder_close(self->into, repeat);

    builder_open(self->into, self->name, ".drain");
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        for (uint32_t s = 0; s < live; s++) {
            builder_add(self->into, t, STREAM_RELEASE, t * stride + s, 0);
        }
    }
    builder_close(self->into, 1);
}

/* One burst is released last buffer first: that one is full only when all are, so the taker waits once a burst and does
 * not pull at cache lines that the filler still writes. The others follow in the order in which they were filled. */
static void take_burst(const plan *self, uint32_t thread, uint32_t base, uint64_t first, uint32_t count) {
    uint32_t ring = self->phase->live;
    builder_add(self->into, thread, STREAM_RELEASE, base + (uint32_t)((first + count - 1) % ring), 0);
    for (uint32_t i = 0; i + 1 < count; i++) {
        builder_add(self->into, thread, STREAM_RELEASE, base + (uint32_t)((first + i) % ring), 0);
    }
}

/* Thread 2k allocates into a ring of `live` slots and thread 2k + 1 releases from it. The order of appending fills all
 * rings before a taker starts: that order is a legal one, and its peak is that of full rings. */
static void generate_handoff(const plan *self) {
    uint32_t ring = self->phase->live;
    uint32_t burst = self->phase->burst;
    uint32_t stride = aligned(ring);
    uint32_t pairs = self->threads / 2;
    uint32_t repeat;
    uint32_t pass = pass_of(self->operations, &repeat);
    random_state random[SCENARIO_THREADS_MAX / 2];
    assert(ring > 0 && ring % burst == 0 && pairs <= SCENARIO_THREADS_MAX / 2);
    pass = pass < burst ? burst : pass / burst * burst;
    for (uint32_t k = 0; k < pairs; k++) {
        random_init(&random[k], self->seed, k);
    }
    builder_open(self->into, self->name, "");
    builder_expect(self->into, UINT64_C(2) * pairs * pass);
    for (uint64_t first = 0; first < pass && self->into->failure == NULL; first += burst) {
        for (uint32_t k = 0; k < pairs && first >= ring; k++) {
            take_burst(self, 2 * k + 1, k * stride, first - ring, burst);
        }
        for (uint32_t k = 0; k < pairs; k++) {
            for (uint64_t i = first; i < first + burst; i++) {
                builder_add(self->into, 2 * k, STREAM_ALLOCATE, k * stride + (uint32_t)(i % ring),
                            sizes_draw(self->drawn, &random[k]));
            }
        }
    }
    for (uint64_t first = pass > ring ? pass - ring : 0; first < pass && self->into->failure == NULL; first += burst) {
        for (uint32_t k = 0; k < pairs; k++) {
            take_burst(self, 2 * k + 1, k * stride, first, burst);
        }
    }
    builder_close(self->into, repeat);
}

static void generate_sized(plan *self, uint32_t fixed, const char *name) {
    sizes drawn;
    if (!sizes_init(&drawn, self->phase->sizes, fixed)) {
        self->into->failure = "not enough memory for its sizes";
        return;
    }
    self->drawn = &drawn;
    self->name = name;
    switch (self->phase->kind) {
    case SCENARIO_PINGPONG:
        generate_pingpong(self);
        break;
    case SCENARIO_CHURN:
        generate_churn(self);
        break;
    case SCENARIO_BURST:
        generate_burst(self);
        break;
    case SCENARIO_BULK:
        generate_bulk(self);
        break;
    default:
        generate_handoff(self);
        break;
    }
    self->drawn = NULL;
    sizes_fini(&drawn);
}

static void generate_phase(plan *self, bool quick) {
    const scenario_phase *phase = self->phase;
    self->operations = quick ? phase->operations / QUICK_DIVISOR + 1 : phase->operations;
    if (phase->sizes->each_count == 0) {
        generate_sized(self, 0, phase->name);
    }
    for (uint32_t i = 0; i < phase->sizes->each_count && self->into->failure == NULL; i++) {
        size_t size = strlen(phase->name) + 12;
        char *name = malloc(size);
        if (name == NULL) {
            self->into->failure = "not enough memory for its phases";
            return;
        }
        (void)snprintf(name, size, "%s-%u", phase->name, phase->sizes->each[i]);
        generate_sized(self, phase->sizes->each[i], name);
        free(name);
    }
}

/* Traces are read before anything is built: how many threads they have decides how many the stream has. */
static bool read_traces(const scenario *from, trace **traces, uint32_t *threads, char *error, size_t error_size) {
    uint32_t most = 1;
    for (uint32_t p = 0; p < from->phases_count; p++) {
        const scenario_phase *phase = &from->phases[p];
        if (phase->kind == SCENARIO_HANDOFF && most < 2) {
            most = 2;
        }
        if (phase->kind == SCENARIO_SHAPE && !generate_shape_threads(phase->shape, &most, error, error_size)) {
            return false;
        }
        if (phase->kind != SCENARIO_REPLAY) {
            continue;
        }
        if (!trace_read(phase->trace, &traces[p], error, error_size)) {
            return false;
        }
        if (traces[p]->thread_count > most) {
            most = traces[p]->thread_count;
        }
    }
    if (most > SCENARIO_THREADS_MAX) {
        most = SCENARIO_THREADS_MAX;
    }
    *threads = from->threads != 0 ? from->threads : most;
    return true;
}

static void build(builder *into, const scenario *from, trace **traces, uint64_t seed, bool quick) {
    for (uint32_t p = 0; p < from->phases_count && into->failure == NULL; p++) {
        plan self = {.into = into, .phase = &from->phases[p], .threads = into->stream->thread_count};
        random_state random;
        random_init(&random, seed, p);
        self.seed = random_next(&random);
        if (self.phase->kind == SCENARIO_SHAPE) {
            generate_shape(into, self.phase->name, self.phase->shape, self.threads, self.seed);
        } else if (traces[p] == NULL) {
            generate_phase(&self, quick);
        } else if (!generate_replay(into, self.phase->name, traces[p], self.threads)) {
            into->failure = "not enough memory for its trace";
        }
    }
}

bool stream_generate(const scenario *from, uint64_t seed, bool quick, stream **out, char *error, size_t error_size) {
    uint32_t threads = 0;
    builder into;
    stream *made = NULL;
    trace **traces = calloc(from->phases_count, sizeof(trace *));
    if (traces == NULL) {
        (void)snprintf(error, error_size, "%s: not enough memory", from->file);
        return false;
    }
    if (read_traces(from, traces, &threads, error, error_size)) {
        if (builder_init(&into, threads)) {
            build(&into, from, traces, seed, quick);
            made = builder_finish(&into);
            if (made == NULL) {
                (void)snprintf(error, error_size, "%s: %s", from->file, into.failure);
            }
        } else {
            (void)snprintf(error, error_size, "%s: not enough memory", from->file);
        }
    }
    for (uint32_t p = 0; p < from->phases_count; p++) {
        trace_destroy(traces[p]);
    }
    free(traces);
    *out = made;
    return made != NULL;
}
