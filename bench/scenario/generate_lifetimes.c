/* Buffers that outlive something: their thread (relay), or their neighbours (fragment). */
#include <stdlib.h>

#include "scenario/generate.h"

static const char no_memory[] = "not enough memory for the order of its releases";

/* So many of a hundred, and at least one. */
static uint32_t part_of(uint32_t count, uint32_t percent) {
    const uint32_t part = (uint32_t)((uint64_t)count * percent / 100);
    return part != 0 ? part : 1;
}

/* ---- Relay ---- */

/* Each thread's slots: those that its buffers outlive it in, then its own, then its desk. */
typedef struct relay {
    const generate_plan *plan;
    uint32_t retained; /* buffers of a thread that outlive it */
    uint32_t stride;
    bool has_desk; /* to write to a legacy's pages before it is left: in its slot that is the heir's alone to do (S1) */
    uint32_t *order; /* live of them */
} relay;

/* Thread t's legacy goes to thread t + 1, or to its own successor where it is alone. */
static void release_legacy(const relay *self, uint32_t thread) {
    const uint32_t threads = self->plan->threads;
    const uint32_t testator = (thread + threads - 1) % threads;
    for (uint32_t i = 0; i < self->retained; i++) {
        builder_add(self->plan->into, thread, STREAM_RELEASE, testator * self->stride + i, 0);
    }
}

static void make(const relay *self, uint32_t thread, uint32_t slot, uint32_t size) {
    const uint32_t base = thread * self->stride;
    const uint32_t desk = base + self->plan->phase->live;
    const bool is_moved = self->has_desk && slot < self->retained;
    generate_new(self->plan, thread, STREAM_ALLOCATE, is_moved ? desk : base + slot, size);
    if (is_moved) {
        builder_add(self->plan->into, thread, STREAM_MOVE, desk, base + slot);
    }
}

/* All of a life's buffers, in a random order of those that will stay and those that will not: a page has some of both.
 * Then the thread releases what does not outlive it, in another random order. */
static void live(const relay *self, uint32_t thread, random_state *random) {
    const uint32_t count = self->plan->phase->live;
    const uint32_t base = thread * self->stride;
    generate_order(self->order, count, SCENARIO_ORDER_RANDOM, random);
    for (uint32_t i = 0; i < count; i++) {
        make(self, thread, self->order[i], sizes_draw(self->plan->drawn, random));
    }
    generate_order(self->order, count, SCENARIO_ORDER_RANDOM, random);
    for (uint32_t i = 0; i < count; i++) {
        if (self->order[i] >= self->retained) {
            builder_add(self->plan->into, thread, STREAM_RELEASE, base + self->order[i], 0);
        }
    }
}

/* One life in each thread: release what another left, then allocate. In the order of appending all legacies are taken
 * before any is made again, so that it is a legal one. */
static void add_life(const relay *self) {
    const generate_plan *plan = self->plan;
    for (uint32_t t = 0; t < plan->threads; t++) {
        release_legacy(self, t);
    }
    for (uint32_t t = 0; t < plan->threads && plan->into->failure == NULL; t++) {
        random_state random;
        random_init(&random, plan->seed, UINT64_C(2) * t + 1);
        live(self, t, &random);
    }
}

/* A life allocates `live` buffers; how many lives there are, one after another, is `succession`. The first legacies are
 * made by threads that stay, and the last ones are released by them. */
void generate_relay(const generate_plan *self) {
    const uint32_t count = self->phase->live;
    const bool has_desk = self->phase->touch == SCENARIO_TOUCH_PAGES && self->threads > 1;
    relay made = {.plan = self,
                  .retained = part_of(count, self->phase->retain),
                  .stride = generate_aligned(has_desk ? count + 1 : count),
                  .has_desk = has_desk,
                  .order = malloc(count * sizeof *made.order)};
    if (made.order == NULL) {
        self->into->failure = no_memory;
        return;
    }
    builder_open(self->into, self->name, ".fill");
    builder_expect(self->into, UINT64_C(3) * self->threads * count);
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        random_state random;
        random_init(&random, self->seed, UINT64_C(2) * t);
        for (uint32_t i = 0; i < made.retained; i++) {
            generate_new(self, t, STREAM_ALLOCATE, t * made.stride + i, sizes_draw(self->drawn, &random));
        }
    }
    builder_close(self->into, 1);

    builder_open(self->into, self->name, "");
    add_life(&made);
    generate_close(self, self->succession);

    builder_open(self->into, self->name, ".drain");
    for (uint32_t t = 0; t < self->threads; t++) {
        release_legacy(&made, t);
    }
    builder_close(self->into, 1);
    free(made.order);
}

/* ---- Fragment ---- */

typedef struct fragment {
    const generate_plan *plan;
    sizes retained, after;    /* what is drawn from beside plan->drawn */
    uint32_t retained_count;  /* of a thread's first buffers, those that stay: its first slots */
    uint32_t stride;          /* of the slots of the first buffers */
    uint32_t *order;          /* of a thread's first buffers */
    uint64_t *released_bytes; /* of each thread */
    uint32_t *after_end;      /* of each thread, the end of its slots of those that come after; [0]: where they begin */
} fragment;

/* Long-lived ones and short-lived ones in a random order, as connections come and requests go. */
static void mix(const fragment *self, uint32_t thread, random_state *random) {
    const generate_plan *plan = self->plan;
    generate_order(self->order, plan->operations, SCENARIO_ORDER_RANDOM, random);
    self->released_bytes[thread] = 0;
    for (uint32_t i = 0; i < plan->operations; i++) {
        const bool stays = self->order[i] < self->retained_count;
        const uint32_t size = sizes_draw(stays ? &self->retained : plan->drawn, random);
        self->released_bytes[thread] += stays ? 0 : size;
        generate_new(plan, thread, STREAM_ALLOCATE, thread * self->stride + self->order[i], size);
    }
}

static void thin(const fragment *self, uint32_t thread, random_state *random) {
    generate_order(self->order, self->plan->operations, SCENARIO_ORDER_RANDOM, random);
    for (uint32_t i = 0; i < self->plan->operations; i++) {
        if (self->order[i] >= self->retained_count) {
            builder_add(self->plan->into, thread, STREAM_RELEASE, thread * self->stride + self->order[i], 0);
        }
    }
}

/* As many bytes as went, rounded down to a buffer. Its slots follow those of the thread before. */
static void refill(const fragment *self, uint32_t thread, random_state *random) {
    uint64_t room = self->released_bytes[thread];
    uint32_t slot = generate_aligned(self->after_end[thread]);
    for (;;) {
        const uint32_t size = sizes_draw(&self->after, random);
        if (size > room || self->plan->into->failure != NULL) {
            break;
        }
        room -= size;
        generate_new(self->plan, thread, STREAM_ALLOCATE, slot++, size);
    }
    self->after_end[thread + 1] = slot;
}

static void drain(const fragment *self, uint32_t thread) {
    const uint32_t first = generate_aligned(self->after_end[thread]);
    for (uint32_t i = 0; i < self->retained_count; i++) {
        builder_add(self->plan->into, thread, STREAM_RELEASE, thread * self->stride + i, 0);
    }
    for (uint32_t slot = first; slot < self->after_end[thread + 1]; slot++) {
        builder_add(self->plan->into, thread, STREAM_RELEASE, slot, 0);
    }
}

/* The three steps are phases of their own, since it is between them that memory is looked at. */
static void add_fragment(const fragment *self) {
    static const char *const endings[] = {".mix", ".thin", "", ".drain"};
    const generate_plan *plan = self->plan;
    builder_expect(plan->into, UINT64_C(2) * plan->threads * plan->operations);
    for (unsigned step = 0; step < 4; step++) {
        builder_open(plan->into, plan->name, endings[step]);
        for (uint32_t t = 0; t < plan->threads && plan->into->failure == NULL; t++) {
            random_state random;
            random_init(&random, plan->seed, UINT64_C(4) * t + step);
            switch (step) {
            case 0:
                mix(self, t, &random);
                break;
            case 1:
                thin(self, t, &random);
                break;
            case 2:
                refill(self, t, &random);
                break;
            default:
                drain(self, t);
                break;
            }
        }
        builder_close(plan->into, 1);
    }
}

/* `operations` buffers, of which `retain` percent stay; the others go, and others come into their place. */
void generate_fragment(const generate_plan *self) {
    fragment made = {.plan = self,
                     .retained_count = part_of(self->operations, self->phase->retain),
                     .stride = generate_aligned(self->operations)};
    made.order = malloc(self->operations * sizeof *made.order);
    made.released_bytes = calloc(self->threads, sizeof *made.released_bytes);
    made.after_end = calloc(self->threads + 1u, sizeof *made.after_end);
    const bool has_retained = sizes_init(&made.retained, self->phase->sizes_retained, 0);
    const bool has_after = sizes_init(&made.after, self->phase->sizes_after, 0);
    if (made.order != NULL && made.released_bytes != NULL && made.after_end != NULL && has_retained && has_after) {
        made.after_end[0] = self->threads * made.stride;
        add_fragment(&made);
    } else {
        self->into->failure = no_memory;
    }
    sizes_fini(&made.after);
    sizes_fini(&made.retained);
    free(made.after_end);
    free(made.released_bytes);
    free(made.order);
}
