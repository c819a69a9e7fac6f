/* What each kind of phase does, as operations; stream_generate() in generate.c calls one of these for each phase. */
#ifndef POOLBUF_BENCH_GENERATE_H
#define POOLBUF_BENCH_GENERATE_H

#include "record/trace.h"
#include "scenario/builder.h"
#include "scenario/random.h"

/* Each thread's, or each pair's, slots start on a boundary of two cache lines, so that threads do not share one. */
#define GENERATE_SLOT_ALIGN 16u

/* generate_replay() plays a trace on thread_count threads: recorded thread i becomes thread i modulo thread_count.
 *   returns  false without memory; other failures are in into->failure. */
bool generate_replay(builder *into, const char *name, const trace *from, uint32_t thread_count);

/* generate_shape() plays a trace that is made to have the shape in a file; see record/shape.h. It is made for thread_count
 * threads, so that what hops in the shape hops in the stream where there are two. Failures are in into->failure. */
void generate_shape(builder *into, const char *name, const char *path, uint32_t thread_count, uint64_t seed);

/* generate_shape_threads() raises *most to the threads of a shape.
 *   returns  false, with a line in error, when the shape cannot be read. */
bool generate_shape_threads(const char *path, uint32_t *most, char *error, size_t error_size);

#endif
