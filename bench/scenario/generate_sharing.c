/* Small buffers that several threads write to at once: thrash and scratch, which ask whose cache lines an allocator
 * gives to whom. */
#include "scenario/generate.h"

/* Each thread: allocate, write, release. What one buffer has of its line with another thread's shows in the writes.
 * With one size a pass is one buffer, since the next one would be the same operations again. */
void generate_thrash(const generate_plan *self) {
    uint32_t repeat;
    uint32_t pass = generate_pass(self, self->operations, &repeat);
    if (self->drawn->fixed != 0) {
        repeat = self->operations;
        pass = 1;
    }
    builder_open(self->into, self->name, "");
    builder_expect(self->into, UINT64_C(3) * self->threads * pass);
    for (uint32_t t = 0; t < self->threads && self->into->failure == NULL; t++) {
        const uint32_t slot = t * GENERATE_SLOT_ALIGN;
        random_state random;
        random_init(&random, self->seed, UINT64_C(2) * t);
        for (uint32_t i = 0; i < pass; i++) {
            builder_add(self->into, t, STREAM_ALLOCATE, slot, sizes_draw(self->drawn, &random));
            builder_add(self->into, t, STREAM_TOUCH, slot, self->phase->writes);
            builder_add(self->into, t, STREAM_RELEASE, slot, 0);
        }
    }
    generate_close(self, repeat);
}

/* The first thread allocates a buffer for each, which are neighbours. Each thread writes to its own and releases it: a
 * cache of the thread's that gives it out again goes on sharing the line with the other threads'. */
void generate_scratch(const generate_plan *self) {
    builder_open(self->into, self->name, ".give");
    random_state random;
    random_init(&random, self->seed, 1);
    for (uint32_t t = 0; t < self->threads; t++) {
        builder_add(self->into, 0, STREAM_ALLOCATE, t * GENERATE_SLOT_ALIGN, sizes_draw(self->drawn, &random));
    }
    builder_close(self->into, 1);

    builder_open(self->into, self->name, ".take");
    for (uint32_t t = 0; t < self->threads; t++) {
        builder_add(self->into, t, STREAM_TOUCH, t * GENERATE_SLOT_ALIGN, self->phase->writes);
        builder_add(self->into, t, STREAM_RELEASE, t * GENERATE_SLOT_ALIGN, 0);
    }
    builder_close(self->into, 1);
    generate_thrash(self);
}
