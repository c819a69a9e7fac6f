/* Phases that use a buffer's whole contents: fanout, frames, append, ship, assemble and pages. What they have in common
 * is that bytes are written once and read once, as a server does, and that references are worth more than copies. */
#include "scenario/generate.h"

#include <assert.h>

/* The slots of one thread here: one for what it works on, and a ring behind them. */
enum {
    SLOT_WORK,
    SLOT_ASIDE, /* a frame's header, a page's pin */
    SLOT_RING = GENERATE_SLOT_ALIGN
};

static uint32_t stride_of(uint32_t ring) {
    return SLOT_RING + generate_aligned(ring);
}

static void add(const generate_plan *self, uint32_t thread, stream_kind kind, uint32_t slot, uint32_t size) {
    builder_add(self->into, thread, kind, slot, size);
}

static void add_filled(const generate_plan *self, uint32_t thread, stream_kind kind, uint32_t slot, uint32_t size) {
    add(self, thread, kind, slot, size);
    add(self, thread, STREAM_WRITE, slot, STREAM_WRITE_ALL);
}

/* Reads what is in a slot, and drops it. */
static void finish(const generate_plan *self, uint32_t thread, uint32_t slot, uint32_t form) {
    add(self, thread, STREAM_READ, slot, form);
    add(self, thread, STREAM_DROP, slot, form);
}

/* ---- fanout ---- */

/* Subscriber s of 1 .. threads - 1 has a ring of its own, which the publisher fills. */
static uint32_t subscription(const generate_plan *self, uint32_t subscriber, uint64_t message) {
    return (subscriber - 1) * stride_of(self->phase->live) + SLOT_RING + (uint32_t)(message % self->phase->live);
}

static void deliver(const generate_plan *self, uint64_t message, uint32_t size) {
    const bool is_view = self->phase->share == SCENARIO_SHARE_VIEW;
    for (uint32_t s = 1; s < self->threads; s++) {
        if (is_view || s == 1) {
            add(self, 0, STREAM_HOLD, SLOT_WORK, 0); /* a view begins at the first byte */
        }
        add(self, 0, is_view ? STREAM_SLICE : STREAM_RETAIN, subscription(self, s, message), is_view ? size : 0);
    }
}

static void receive(const generate_plan *self, uint64_t message) {
    const uint32_t form = self->phase->share == SCENARIO_SHARE_VIEW ? STREAM_FORM_VIEW : STREAM_FORM_BUFFER;
    for (uint32_t s = 1; s < self->threads; s++) {
        finish(self, s, subscription(self, s, message), form);
    }
}

/* Thread 0 publishes; all others are subscribers, who get each message. The publisher keeps no reference, so the
 * slowest subscriber releases the message, whoever that is. */
void generate_fanout(const generate_plan *self) {
    uint32_t live = self->phase->live;
    assert(live > 0);
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    random_state random;
    random_init(&random, self->seed, 0);
    pass = pass < live ? live : pass;
    builder_open(self->into, self->name, "");
    builder_expect(self->into, (uint64_t)pass * (4 + 4 * (uint64_t)self->threads));
    for (uint64_t i = 0; i < pass && self->into->failure == NULL; i++) {
        uint32_t size = sizes_draw(self->drawn, &random);
        add_filled(self, 0, STREAM_ALLOCATE, SLOT_WORK, size);
        if (i >= live) {
            receive(self, i - live);
        }
        deliver(self, i, size);
        add(self, 0, STREAM_RELEASE, SLOT_WORK, 0);
    }
    for (uint64_t i = pass - live; i < pass; i++) {
        receive(self, i);
    }
    builder_close(self->into, repeat);
}

/* ---- frames ---- */

/* A frame leaves the ring when another takes its place. */
static void add_frame(const generate_plan *self, uint32_t thread, uint32_t base, uint64_t frame, uint32_t size) {
    uint32_t slot = base + SLOT_RING + (uint32_t)(frame % self->phase->live);
    if (frame >= self->phase->live) {
        finish(self, thread, slot, STREAM_FORM_VIEW);
    }
    if (self->phase->header != 0) {
        add(self, thread, STREAM_SLICE, base + SLOT_ASIDE, self->phase->header);
        finish(self, thread, base + SLOT_ASIDE, STREAM_FORM_VIEW);
    }
    add(self, thread, STREAM_SLICE, slot, size);
}

/* A connection's read buffer is filled, cut into frames without a copy until the next one would not fit, and released;
 * its memory goes back when the last of its frames has been read. */
static void cut_frames(const generate_plan *self, uint32_t thread, uint32_t pass) {
    assert(self->phase->live > 0);
    const uint32_t base = thread * stride_of(self->phase->live);
    uint32_t left = 0;
    random_state random;
    random_init(&random, self->seed, thread);
    for (uint64_t i = 0; i < pass && self->into->failure == NULL; i++) {
        uint32_t size = sizes_draw(self->drawn, &random);
        if (i == 0 || size + self->phase->header > left) {
            if (i != 0) {
                add(self, thread, STREAM_RELEASE, base + SLOT_WORK, 0);
            }
            add_filled(self, thread, STREAM_ALLOCATE, base + SLOT_WORK, self->phase->buffer);
            add(self, thread, STREAM_HOLD, base + SLOT_WORK, 0);
            left = self->phase->buffer;
        }
        add_frame(self, thread, base, i, size);
        left -= size + self->phase->header;
    }
    add(self, thread, STREAM_RELEASE, base + SLOT_WORK, 0);
    for (uint64_t i = pass > self->phase->live ? pass - self->phase->live : 0; i < pass; i++) {
        finish(self, thread, base + SLOT_RING + (uint32_t)(i % self->phase->live), STREAM_FORM_VIEW);
    }
}

void generate_frames(const generate_plan *self) {
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    builder_open(self->into, self->name, "");
    builder_expect(self->into, (uint64_t)self->threads * pass * 6);
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        cut_frames(self, t, pass);
    }
    builder_close(self->into, repeat);
}

/* ---- append and ship ---- */

/* Appends pieces to the thread's buffer until the next one would make it longer than it may be. A step is a piece. */
typedef struct writer {
    uint32_t thread, slot;
    uint32_t length; /* 0: there is no buffer */
    random_state random;
} writer;

/* Whether the buffer is full: the piece was then not added, and is to be drawn again by the next one. */
static bool add_piece(const generate_plan *self, writer *by, uint32_t size) {
    if (by->length == 0) {
        add_filled(self, by->thread, STREAM_ALLOCATE, by->slot, size);
    } else if (size > self->phase->buffer - by->length) {
        return false;
    } else {
        add(self, by->thread, STREAM_APPEND, by->slot, size);
    }
    by->length += size;
    return true;
}

void generate_append(const generate_plan *self) {
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    builder_open(self->into, self->name, "");
    builder_expect(self->into, (uint64_t)self->threads * pass);
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        writer by = {.thread = t, .slot = t * stride_of(0)};
        random_init(&by.random, self->seed, t);
        for (uint32_t i = 0; i < pass && self->into->failure == NULL; i++) {
            uint32_t size = sizes_draw(self->drawn, &by.random);
            if (!add_piece(self, &by, size)) {
                add(self, t, STREAM_READ, by.slot, STREAM_FORM_BUFFER);
                add(self, t, STREAM_RELEASE, by.slot, 0);
                by.length = 0;
                (void)add_piece(self, &by, size);
            }
        }
        add(self, t, STREAM_READ, by.slot, STREAM_FORM_BUFFER);
        add(self, t, STREAM_RELEASE, by.slot, 0);
    }
    builder_close(self->into, repeat);
}

/* What the writer has is handed over as a reference, as its own slot is for it alone to empty. */
static void hand_over(const generate_plan *self, writer *by, uint64_t batch) {
    assert(self->phase->live > 0);
    const uint32_t slot = by->slot + SLOT_RING + (uint32_t)(batch % self->phase->live);
    if (batch >= self->phase->live) {
        finish(self, by->thread + 1, slot, STREAM_FORM_BUFFER);
    }
    add(self, by->thread, STREAM_HOLD, by->slot, 0);
    add(self, by->thread, STREAM_RETAIN, slot, 0);
    add(self, by->thread, STREAM_RELEASE, by->slot, 0);
    by->length = 0;
}

/* Thread 2k appends to batches, thread 2k + 1 reads and releases them; `live` batches wait at most. */
void generate_ship(const generate_plan *self) {
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    builder_open(self->into, self->name, "");
    builder_expect(self->into, (uint64_t)self->threads / 2 * pass);
    for (uint32_t t = 0; t + 1 < self->threads && self->into->failure == NULL; t += 2) {
        writer by = {.thread = t, .slot = t * stride_of(self->phase->live)};
        uint64_t batch = 0;
        random_init(&by.random, self->seed, t);
        for (uint32_t i = 0; i < pass && self->into->failure == NULL; i++) {
            uint32_t size = sizes_draw(self->drawn, &by.random);
            if (!add_piece(self, &by, size)) {
                hand_over(self, &by, batch++);
                (void)add_piece(self, &by, size);
            }
        }
        hand_over(self, &by, batch++);
        for (uint64_t i = batch > self->phase->live ? batch - self->phase->live : 0; i < batch; i++) {
            finish(self, t + 1, by.slot + SLOT_RING + (uint32_t)(i % self->phase->live), STREAM_FORM_BUFFER);
        }
    }
    builder_close(self->into, repeat);
}

/* ---- assemble ---- */

/* A step is a message of `burst` parts. */
void generate_assemble(const generate_plan *self) {
    uint32_t parts = self->phase->burst;
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations > parts ? self->operations / parts : 1, &repeat);
    builder_open(self->into, self->name, "");
    builder_expect(self->into, (uint64_t)self->threads * pass * (parts + 1));
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        const uint32_t base = t * stride_of(parts);
        random_state random;
        random_init(&random, self->seed, t);
        for (uint32_t i = 0; i < pass && self->into->failure == NULL; i++) {
            for (uint32_t part = 0; part < parts; part++) {
                add(self, t, STREAM_ALLOCATE, base + part, sizes_draw(self->drawn, &random));
            }
            add(self, t, STREAM_ASSEMBLE, base, parts);
        }
    }
    builder_close(self->into, repeat);
}

/* ---- pages ---- */

/* A page that is there is pinned, read and unpinned; one that is not takes the place of the one that came longest ago.
 * */
static void visit_page(const generate_plan *self, uint32_t thread, uint32_t base, uint32_t *oldest,
                       random_state *random) {
    const uint32_t live = self->phase->live;
    const uint32_t pages = base + SLOT_RING;
    if (random_below(random, 100) < self->phase->miss) {
        add_filled(self, thread, STREAM_REPLACE, pages + *oldest, sizes_draw(self->drawn, random));
        *oldest = *oldest + 1 == live ? 0 : *oldest + 1;
        return;
    }
    add(self, thread, STREAM_HOLD, pages + (uint32_t)random_below(random, live), 0);
    add(self, thread, STREAM_RETAIN, base + SLOT_ASIDE, 0);
    finish(self, thread, base + SLOT_ASIDE, STREAM_FORM_BUFFER);
}

void generate_pages(const generate_plan *self) {
    uint32_t live = self->phase->live;
    uint32_t stride = stride_of(live);
    assert(live > 0);
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    random_state random;
    builder_open(self->into, self->name, ".fill");
    builder_expect(self->into, self->threads * (UINT64_C(3) * live + UINT64_C(4) * pass));
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        random_init(&random, self->seed, UINT64_C(2) * t);
        for (uint32_t s = 0; s < live; s++) {
            add_filled(self, t, STREAM_ALLOCATE, t * stride + SLOT_RING + s, sizes_draw(self->drawn, &random));
        }
    }
    builder_close(self->into, 1);
    builder_open(self->into, self->name, "");
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        uint32_t oldest = 0;
        random_init(&random, self->seed, UINT64_C(2) * t + 1);
        for (uint32_t i = 0; i < pass && self->into->failure == NULL; i++) {
            visit_page(self, t, t * stride, &oldest, &random);
        }
    }
    builder_close(self->into, repeat);
    builder_open(self->into, self->name, ".drain");
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        for (uint32_t s = 0; s < live; s++) {
            add(self, t, STREAM_RELEASE, t * stride + SLOT_RING + s, 0);
        }
    }
    builder_close(self->into, 1);
}
