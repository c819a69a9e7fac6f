/* Places: which of a recording's threads one thread of a replay plays, when there are more than can play at once.
 *
 * A server that starts a thread for each request has thousands of them, and never more than a few at a time. Played by one
 * thread each, or folded onto as many as there may be, they would all run at once: what is timed is then the scheduler. So
 * a recorded thread that has made its last event leaves its place to one that begins later.
 *
 * Invariants, for a trace whose threads became places:
 *   P1  two threads of which one's first event lies between the other's first and last never share a place.
 *   P2  nor do two of which one uses a buffer that the other allocated: a hand-over stays one. Where that would take more
 *       places than may be, it gives way.
 *   P3  the events and their order stay as they are, so that what replay.c says of deadlocks holds. */
#ifndef POOLBUF_BENCH_PLACES_H
#define POOLBUF_BENCH_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "record/trace.h"

/* places_share() makes places of a trace's threads: thread_count and the events' threads become those of places, which are
 * in use from 0 on, without a gap. A trace of at most `most` threads is left as it is.
 *   most     places, beyond which P2 gives way. P1 does not: there may be more places than that.
 *   returns  false without memory; the trace is then as it was.
 *   threads  any, one at a time for a trace.
 *   cost     three passes over the events, and 8 bytes for each time that a thread uses another one's buffer, in a row of
 *            such uses of one allocating thread once. */
bool places_share(trace *recorded, uint32_t most);

#endif
