/* How many buffers of each pool class a stream may have alive at once: what a pool is filled with that cannot grow. */
#ifndef POOLBUF_BENCH_DEMAND_H
#define POOLBUF_BENCH_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "scenario/stream.h"
#include "subjects/pool_class.h"

typedef struct demand {
    uint64_t buffers[POOL_CLASS_COUNT];
} demand;

/* demand_of_stream() bounds the buffers of each class that are alive at any moment of a play, for a pool whose buffers
 * stay in their class when they shrink. Of slots that one thread alone uses the bound is exact for each thread, and the
 * threads' add up; a slot that is handed over counts in each class that it ever holds.
 *   out      set on success.
 *   returns  false without memory. It takes 8 bytes a slot, mapped apart from any heap and given back.
 *   cost     two passes over the stream's operations, the repeats of a phase counted twice. */
bool demand_of_stream(const stream *source, demand *out);

#endif
