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

#endif
