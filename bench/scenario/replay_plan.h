/* What a replay is decided by before its first operation: who has each buffer when, and which recorded references are
 * played.
 *
 * A recorder sees that a thread takes a reference to a buffer, and that one gives a reference back. Which one it gives
 * back, and how it came by it, no program says. A stream must: each of its references is in a slot that one thread
 * fills and another empties. So each DROP is matched with a reference that is there, of the same buffer:
 *
 *   - the newest that the thread has made itself: take, use, give back is the usual case;
 *   - else the oldest: of those that were made to be handed out, the first is for who comes first.
 *
 * The reference that ALLOCATE gives is nobody's match: the RELEASE ends it, whoever has dropped what before, and with it
 * all that are left then. So the live curve is the same with references and without.
 *
 * Who makes a reference needs one of its own to make it from. That is one which it will give back itself, if there is
 * such, and it waits for nobody. Else it is the buffer's own, which goes there by a give (HOLD in stream.h), and from
 * there to the next who needs it; at last to who releases the buffer. Each leaves its hands when they have used it for
 * the last time, and not when the next one asks.
 *
 * References that a stream cannot say are left out, taking and giving back, and counted by why; replay_reason has them.
 * Those that are held when the trace ends are given back behind it, as its buffers are released, each by who made it.
 * In a trace of no references the buffer is its closer's from the allocation on. */
#ifndef POOLBUF_BENCH_REPLAY_PLAN_H
#define POOLBUF_BENCH_REPLAY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/trace.h"

#define REPLAY_NOBODY UINT32_MAX /* no thread; no reference */

/* Why references are left out. */
typedef enum replay_reason {
    REPLAY_RESIZED,     /* the buffer is resized while it is held, or while another thread may hold it */
    REPLAY_BORROWS,     /* a slice without a reference of its own */
    REPLAY_UNBALANCED,  /* nobody has taken what is given back */
    REPLAY_REASON_COUNT /* how many there are; not a reason */
} replay_reason;

/* References taken and given back. Each counts: a retain of three is three. */
typedef struct replay_count {
    uint64_t retains, slices, drops;
} replay_count;

typedef struct replay_counts {
    replay_count recorded;
    replay_count left_out[REPLAY_REASON_COUNT]; /* the rest is played */
    uint64_t by_last;                           /* references that a RELEASE gives back besides the buffer's own */
    uint64_t kept;                              /* references that are held when the trace ends, and given back then */
} replay_counts;

/* A reference that RETAIN or SLICE makes. */
typedef struct replay_reference {
    uint32_t older, newer; /* of the same buffer, while the plan is made */
    uint32_t slot;         /* the stream's, while it is played */
    uint16_t maker, ender; /* threads; a reference that is left out has the ender REPLAY_LEFT_OUT */
    bool is_view;
    bool is_kept; /* no DROP gives it back */
} replay_reference;

#define REPLAY_LEFT_OUT UINT16_MAX

/* In replay_plan.threads: what is held is a reference, the rest is its index. */
#define REPLAY_HOLDS_REFERENCE (UINT32_C(1) << 31)

typedef struct replay_plan {
    /* For each event. ALLOCATE: the thread that has the buffer first, which is the one that empties its slot. RESIZE,
     * and RETAIN and SLICE where they use the buffer's own reference: the thread that has it next, perhaps the same.
     * RETAIN and SLICE where they use another: which one, with REPLAY_HOLDS_REFERENCE. RELEASE: how many references it
     * gives back besides, if any. Else REPLAY_NOBODY. */
    uint32_t *threads;
    replay_reference *made; /* one for each reference that RETAIN and SLICE make, in their order */
    uint32_t *ended;        /* one for each that DROP or RELEASE gives back: an index into made, or REPLAY_NOBODY */
    uint64_t made_count, ended_count;
    replay_counts counts;
} replay_plan;

/* replay_plan_make() decides on a replay of a trace by so many threads, at most UINT16_MAX - 1.
 *   out      set in any case; release it with replay_plan_destroy().
 *   returns  NULL when all is well, else what is wrong, a static text: too many references, or no memory.
 *   cost     three passes over the events; each looks at 64 references of a buffer at most. */
const char *replay_plan_make(replay_plan *out, const trace *from, uint32_t threads);
void replay_plan_destroy(replay_plan *plan);

/* replay_plan_tell() says in one line what of the references is played, and what is left out and why.
 *   returns  what snprintf() does. */
int replay_plan_tell(const replay_counts *counts, char *text, size_t size);

/* The pieces that a trace is cut into, at its checkpoints; one without them is cut into eight. replay_piece_end() is
 * the count of events at which one ends; the last one ends with the trace. */
uint32_t replay_piece_count(const trace *from);
uint64_t replay_piece_end(const trace *from, uint32_t piece);

/* replay_thread() is the thread that plays what a recorded one did. */
static inline uint32_t replay_thread(const trace_event *event, uint32_t threads) {
    return event->thread % threads;
}

#endif
