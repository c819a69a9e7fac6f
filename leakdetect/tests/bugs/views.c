/* Slices, views, composites and wrapped memory, and the references that they hold. */
#include "bugs.h"

#include <stdint.h>
#include <stdlib.h>

static poolbuf *header;

APART static poolbuf *receive(size_t size) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, size, size)); /* @receive */
    bugs_must(poolbuf_write_zero(buffer, size) == POOLBUF_OK);
    bugs_work++;
    return buffer;
}

APART static void keep_header(poolbuf *buffer) {
    header = bugs_need(poolbuf_retained_slice(buffer, 0, 16)); /* @keep-header */
    bugs_work++;
}

/* Sixteen bytes that somebody keeps pin 64 KiB. */
static void slice_pins_root(void) {
    poolbuf *buffer = receive(65536);
    keep_header(buffer);
    poolbuf_release(buffer);
}

APART static poolbuf *next_line(poolbuf *buffer) {
    poolbuf *line = bugs_need(poolbuf_read_retained_slice(buffer, 64)); /* @next-line */
    bugs_work++;
    return line;
}

/* Of eight lines that were cut off, one is skipped, and so is its release. */
static void slice_leaked(void) {
    poolbuf *buffer = receive(512);
    for (int i = 0; i < 8; i++) {
        poolbuf *line = next_line(buffer);
        if (i != 5) {
            poolbuf_release(line);
        }
    }
    poolbuf_release(buffer);
}

static poolbuf *published;

APART static void publish(poolbuf *buffer) {
    published = bugs_need(poolbuf_as_read_only(poolbuf_retain(buffer))); /* @publish */
    bugs_work++;
}

static void read_only_view(void) {
    poolbuf *buffer = receive(1024);
    publish(buffer);
    poolbuf_release(buffer);
}

APART static void duplicate(poolbuf *buffer) {
    bugs_lost = bugs_need(poolbuf_retained_duplicate(buffer)); /* @duplicate */
    bugs_work++;
}

static void duplicate_leaked(void) {
    poolbuf *buffer = receive(300);
    duplicate(buffer);
    poolbuf_release(buffer);
}

APART static void finish_with(poolbuf *view) {
    bugs_must(!poolbuf_release(view)); /* the bug: the view passes releases over */
    bugs_work++;
}

/* Somebody was given a view that cannot be released, and releases it for the owner. */
static void unreleasable(void) {
    finish_with(bugs_need(poolbuf_unreleasable(receive(400))));
}

APART static poolbuf *gather(void) {
    poolbuf *all = bugs_need(poolbuf_allocate_composite(NULL, 0)); /* @gather */
    for (int i = 0; i < 3; i++) {
        bugs_must(poolbuf_composite_add_component(all, receive(100), true) == POOLBUF_OK);
    }
    bugs_work++;
    return all;
}

/* The composite and what it holds: four buffers, and two sites. */
static void composite_leaked(void) {
    bugs_lost = gather();
}

APART static void add_shared(poolbuf *all, poolbuf *buffer) {
    poolbuf_retain(buffer); /* @add-shared; the bug: adding takes the reference over */
    bugs_must(poolbuf_composite_add_component(all, buffer, true) == POOLBUF_OK);
    bugs_work++;
}

static void composite_drops_component(void) {
    poolbuf *all = bugs_need(poolbuf_allocate_composite(NULL, 0));
    add_shared(all, receive(100));
    bugs_must(poolbuf_composite_remove_components(all, 0, 1) == POOLBUF_OK);
    poolbuf_release(all);
}

APART static void detach(poolbuf *all) {
    poolbuf *parts[3];
    size_t count = 3;
    bugs_must(poolbuf_composite_decompose(all, 0, 300, parts, &count) == POOLBUF_OK); /* @detach */
    poolbuf_release(parts[0]);
    poolbuf_release(parts[2]);
    bugs_work++;
}

/* Three slices are asked for, and two given back. */
static void decomposed(void) {
    poolbuf *all = gather();
    detach(all);
    poolbuf_release(all);
}

static void drop_context(void *memory, size_t length, void *context) {
    free(memory);
    bugs_work += (int)length;
    poolbuf_release(context);
}

APART static void tie(poolbuf *all) {
    void *memory = malloc(32);
    bugs_must(memory != NULL);
    poolbuf *tail = poolbuf_wrap(NULL, memory, 32, drop_context, poolbuf_retain(all)); /* @tie */
    bugs_must(poolbuf_composite_add_component(all, bugs_need(tail), true) == POOLBUF_OK);
    bugs_work++;
}

/* A composite holds wrapped memory whose owner waits, to let go of the composite, until the memory is no longer
 * wrapped. */
static void composite_cycle(void) {
    poolbuf *all = bugs_need(poolbuf_allocate_composite(NULL, 0)); /* @cycle */
    tie(all);
    poolbuf_release(all);
}

APART static void wrap(void) {
    static uint8_t memory[4096];
    bugs_lost = bugs_need(poolbuf_wrap(NULL, memory, sizeof memory, NULL, NULL)); /* @wrap */
    bugs_work++;
}

static void wrapped_leaked(void) {
    wrap();
}

const bugs_case bugs_views[] = {{"slice-pins-root", slice_pins_root},
                                {"slice-leaked", slice_leaked},
                                {"read-only-view", read_only_view},
                                {"duplicate-leaked", duplicate_leaked},
                                {"unreleasable", unreleasable},
                                {"composite-leaked", composite_leaked},
                                {"composite-drops-component", composite_drops_component},
                                {"decomposed", decomposed},
                                {"composite-cycle", composite_cycle},
                                {"wrapped-leaked", wrapped_leaked},
                                {NULL, NULL}};
