/* From a scenario to a stream: the dispatch over phases, what all generators share, and pingpong, bulk, burst and
 * churn. The others are in generate_*.c, replays in replay.c,
 * shapes in imitate.c.
 *
 * Every phase and thread has a random sequence of its own: changing one phase leaves the others as they were. */
#include "scenario/generate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/places.h"

#define QUICK_DIVISOR 8u

uint32_t generate_pass(const generate_plan *self, uint32_t steps, uint32_t *repeat) {
    *repeat = self->succession != 0 ? self->succession : (steps - 1) / BUILDER_PASS_OPS + 1;
    return steps > *repeat ? steps / *repeat : 1;
}

void generate_close(const generate_plan *self, uint32_t repeat) {
    if (self->into->failure == NULL) {
        self->into->stream->phases[self->into->stream->phase_count - 1].is_fresh = self->succession != 0;
    }
    builder_close(self->into, repeat);
}

void generate_new(const generate_plan *self, uint32_t thread, stream_kind kind, uint32_t slot, uint32_t size) {
    builder_add(self->into, thread, kind, slot, size);
    if (self->phase->touch == SCENARIO_TOUCH_PAGES) {
        builder_add(self->into, thread, STREAM_WRITE, slot, 0);
    }
}

void generate_order(uint32_t *order, uint32_t count, scenario_order by, random_state *random) {
    const uint32_t turn = by == SCENARIO_ORDER_LIFO ? 0 : by == SCENARIO_ORDER_HALVES ? count / 2 : count;
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i < turn ? i : count - 1 - (i - turn);
    }
    for (uint32_t i = count; by == SCENARIO_ORDER_RANDOM && i > 1; i--) {
        const uint32_t other = (uint32_t)random_below(random, i);
        const uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

void generate_pingpong(const generate_plan *self) {
    uint32_t repeat = 1;
    builder_open(self->into, self->name, "");
    if (self->drawn->fixed != 0) {
        for (uint32_t t = 0; t < self->threads; t++) {
            builder_add(self->into, t, STREAM_PINGPONG, self->operations, self->drawn->fixed);
        }
    } else {
        uint32_t pass = generate_pass(self, self->operations, &repeat);
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

static void add_bulk(const generate_plan *self, uint32_t thread, uint32_t times, uint32_t size) {
    while (times > 0) {
        uint32_t some = times < STREAM_BULK_TIMES_MAX ? times : STREAM_BULK_TIMES_MAX;
        builder_add(self->into, thread, STREAM_BULK, stream_bulk_make(some, self->phase->burst), size);
        times -= some;
    }
}

/* As pingpong, with a call for `burst` buffers in the place of one for one. The buffers of a call have one size. */
void generate_bulk(const generate_plan *self) {
    uint32_t repeat = 1;
    uint32_t burst = self->phase->burst;
    uint32_t calls = self->operations > burst ? self->operations / burst : 1;
    builder_open(self->into, self->name, "");
    if (self->drawn->fixed != 0) {
        for (uint32_t t = 0; t < self->threads; t++) {
            add_bulk(self, t, calls, self->drawn->fixed);
        }
    } else {
        uint32_t pass = generate_pass(self, calls, &repeat);
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

static void add_burst(const generate_plan *self, uint32_t thread, uint32_t base, const uint32_t *order,
                      random_state *random) {
    for (uint32_t s = 0; s < self->phase->live; s++) {
        generate_new(self, thread, STREAM_ALLOCATE, base + s, sizes_draw(self->drawn, random));
    }
    for (uint32_t s = 0; s < self->phase->live; s++) {
        builder_add(self->into, thread, STREAM_RELEASE, base + order[s], 0);
    }
}

/* The usual order is first in, first out, as packets and requests of one turn of an event loop are done with. To a
 * last-in, first-out cache it is the harder one: what it gives next is the buffer that was touched longest ago of those
 * it holds. With one size and an order without chance a pass is one burst, since the next one would be the same
 * operations again. */
void generate_burst(const generate_plan *self) {
    uint32_t live = self->phase->live;
    uint32_t stride = generate_aligned(live);
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    bool is_same = self->drawn->fixed != 0 && self->phase->order != SCENARIO_ORDER_RANDOM;
    uint32_t *order = malloc(live * sizeof *order);
    if (order == NULL) {
        self->into->failure = "not enough memory for the order of its releases";
        return;
    }
    if (is_same && self->succession == 0) {
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
            generate_order(order, live, self->phase->order, &random);
            add_burst(self, t, t * stride, order, &random);
        }
    }
    generate_close(self, repeat);
    free(order);
}

/* Fill, steady and drain are phases of their own: only the steady one is what the question is about, and the live
 * counts at the end of fill and steady are where subjects can be compared. */
void generate_churn(const generate_plan *self) {
    uint32_t live = self->phase->live;
    uint32_t stride = generate_aligned(live);
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    uint64_t ops_each = self->phase->touch == SCENARIO_TOUCH_PAGES ? 2 : 1; /* a new buffer takes */
    random_state random;

    assert(live > 0);
    builder_open(self->into, self->name, ".fill");
    builder_expect(self->into, self->threads * (live + ops_each * ((uint64_t)live + pass)));
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        random_init(&random, self->seed, UINT64_C(2) * t);
        for (uint32_t s = 0; s < live; s++) {
            generate_new(self, t, STREAM_ALLOCATE, t * stride + s, sizes_draw(self->drawn, &random));
        }
    }
    builder_close(self->into, 1);

    builder_open(self->into, self->name, "");
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        random_init(&random, self->seed, UINT64_C(2) * t + 1);
        for (uint32_t i = 0; i < pass; i++) {
            uint32_t slot = t * stride + (uint32_t)random_below(&random, live);
            generate_new(self, t, STREAM_REPLACE, slot, sizes_draw(self->drawn, &random));
        }
    }
    generate_close(self, repeat);

    builder_open(self->into, self->name, ".drain");
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        for (uint32_t s = 0; s < live; s++) {
            builder_add(self->into, t, STREAM_RELEASE, t * stride + s, 0);
        }
    }
    builder_close(self->into, 1);
}

/* What makes each kind's operations. */
static void (*const generators[])(const generate_plan *) = {
    [SCENARIO_PINGPONG] = generate_pingpong, [SCENARIO_CHURN] = generate_churn,
    [SCENARIO_BURST] = generate_burst,       [SCENARIO_BULK] = generate_bulk,
    [SCENARIO_HANDOFF] = generate_handoff,   [SCENARIO_PIPELINE] = generate_pipeline,
    [SCENARIO_RELAY] = generate_relay,       [SCENARIO_FRAGMENT] = generate_fragment,
    [SCENARIO_THRASH] = generate_thrash,     [SCENARIO_SCRATCH] = generate_scratch,
    [SCENARIO_FANOUT] = generate_fanout,     [SCENARIO_FRAMES] = generate_frames,
    [SCENARIO_APPEND] = generate_append,     [SCENARIO_SHIP] = generate_ship,
    [SCENARIO_ASSEMBLE] = generate_assemble, [SCENARIO_PAGES] = generate_pages,
};

/* After a scenario's phase, which may be several of the stream, all threads sleep. */
static void add_idle(const generate_plan *self) {
    stream *made = self->into->stream;
    if (self->into->failure == NULL && made->phase_count > 0) {
        made->phases[made->phase_count - 1].idle_ms = self->phase->idle_ms;
    }
}

static void generate_sized(generate_plan *self, uint32_t fixed, const char *name) {
    sizes drawn;
    if (!sizes_init(&drawn, self->phase->sizes, fixed)) {
        self->into->failure = "not enough memory for its sizes";
        return;
    }
    self->drawn = &drawn;
    self->name = name;
    assert(generators[self->phase->kind] != NULL);
    generators[self->phase->kind](self);
    add_idle(self);
    self->drawn = NULL;
    sizes_fini(&drawn);
}

static void generate_phase(generate_plan *self, bool quick) {
    const scenario_phase *phase = self->phase;
    self->operations = quick ? phase->operations / QUICK_DIVISOR + 1 : phase->operations;
    self->succession = quick && phase->succession != 0 ? phase->succession / QUICK_DIVISOR + 1 : phase->succession;
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
        if (scenario_phase_threads(phase) > most) {
            most = scenario_phase_threads(phase);
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
        if (!places_share(traces[p], SCENARIO_THREADS_MAX)) {
            (void)snprintf(error, error_size, "%s: not enough memory", phase->trace);
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
        generate_plan self = {.into = into, .phase = &from->phases[p], .threads = into->stream->thread_count};
        random_state random;
        random_init(&random, seed, p);
        self.seed = random_next(&random);
        if (self.phase->kind == SCENARIO_SHAPE) {
            generate_shape(into, self.phase->name, self.phase->shape, self.threads, self.seed);
        } else if (traces[p] == NULL) {
            generate_phase(&self, quick);
        } else {
            generate_replay(into, self.phase->name, traces[p], self.threads);
            add_idle(&self);
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
