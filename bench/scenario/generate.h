/* What each kind of phase does, as operations; stream_generate() in generate.c calls one of these for each phase. */
#ifndef POOLBUF_BENCH_GENERATE_H
#define POOLBUF_BENCH_GENERATE_H

#include "record/trace.h"
#include "scenario/builder.h"
#include "scenario/random.h"
#include "scenario/sizes.h"

/* Each thread's, or each pair's, slots start on a boundary of two cache lines, so that threads do not share one. */
#define GENERATE_SLOT_ALIGN 16u

/* What a generator is given for one phase of a scenario. */
typedef struct generate_plan {
    builder *into;
    const scenario_phase *phase;
    const sizes *drawn;
    const char *name; /* of the stream's phase */
    uint32_t threads;
    uint32_t operations; /* steps of each thread, already made quick */
    uint32_t succession; /* the same for the threads that succeed each other; 0 where they are not fresh ones */
    uint64_t seed;       /* this phase's own */
} generate_plan;

/* generate_pass() splits a thread's steps: a long phase is a pass that repeats. The operations stay in memory, and 2
 * MiB a thread are enough to hide their pattern. Where fresh threads succeed each other, each of them plays one pass.
 *   repeat   gets how often the pass is to be played.
 *   returns  the steps of a pass, at least 1; all steps rounded down to whole passes. */
uint32_t generate_pass(const generate_plan *self, uint32_t steps, uint32_t *repeat);

/* generate_close() ends the open phase of the stream, which fresh threads play if the plan says so. */
void generate_close(const generate_plan *self, uint32_t repeat);

/* generate_aligned() rounds up to GENERATE_SLOT_ALIGN. */
static inline uint32_t generate_aligned(uint32_t slots) {
    return (slots + GENERATE_SLOT_ALIGN - 1) / GENERATE_SLOT_ALIGN * GENERATE_SLOT_ALIGN;
}

/* generate_new() appends an allocation, and the writes to its pages where the phase touches them. */
void generate_new(const generate_plan *self, uint32_t thread, stream_kind kind, uint32_t slot, uint32_t size);

/* generate_order() fills an array with 0 to count - 1, in the order in which a burst's buffers are released. */
void generate_order(uint32_t *order, uint32_t count, scenario_order by, random_state *random);

/* What each kind does is said at its function. All leave what fails in into->failure. */
void generate_pingpong(const generate_plan *self); /* generate.c */
void generate_churn(const generate_plan *self);
void generate_burst(const generate_plan *self);
void generate_bulk(const generate_plan *self);
void generate_handoff(const generate_plan *self); /* generate_queues.c */
void generate_pipeline(const generate_plan *self);
void generate_relay(const generate_plan *self); /* generate_lifetimes.c */
void generate_fragment(const generate_plan *self);
void generate_thrash(const generate_plan *self); /* generate_sharing.c */
void generate_scratch(const generate_plan *self);
void generate_fanout(const generate_plan *self); /* generate_frames.c */
void generate_frames(const generate_plan *self);
void generate_append(const generate_plan *self);
void generate_ship(const generate_plan *self);
void generate_assemble(const generate_plan *self);
void generate_pages(const generate_plan *self);

/* generate_replay() plays a trace on thread_count threads: recorded thread i, or place i (places.h), becomes thread i modulo
 * thread_count.
 * Failures are in into->failure. */
void generate_replay(builder *into, const char *name, const trace *from, uint32_t thread_count);

/* generate_shape() plays a trace that is made to have the shape in a file; see record/shape.h. It is made for thread_count
 * threads, so that what hops in the shape hops in the stream where there are two. Failures are in into->failure. */
void generate_shape(builder *into, const char *name, const char *path, uint32_t thread_count, uint64_t seed);

/* generate_shape_threads() raises *most to the threads of a shape.
 *   returns  false, with a line in error, when the shape cannot be read. */
bool generate_shape_threads(const char *path, uint32_t *most, char *error, size_t error_size);

#endif
