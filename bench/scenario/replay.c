/* A recorded trace as a stream: each recorded allocation is one buffer.
 *
 * A trace is one total order over all threads, and its slots are reused at once by whoever allocates next. A replay has
 * no such order: its threads run freely and wait only at slots, for "full" or "empty". With the trace's own slots that
 * goes wrong: where thread A allocates, resizes and releases in a slot and allocates there again for thread C to
 * release, C may find the first buffer, take it, and leave A waiting for ever. So buffers get new slots here:
 *
 *   - A slot belongs to one pair of threads, for good: one fills it, the other empties it. So inside a slot fills and
 *     takes alternate strictly, and "full" can only mean the buffer that is meant (invariant S1). A buffer's opener is
 *     the thread that allocates it; its closer is the thread that releases it, or else the last that had it.
 *   - Without references a buffer is in one slot, its opener's and closer's. A resize is done by the closer, at its
 *     place in the recorded order, even where the opener did it: after the allocation the opener may not look at the
 *     slot again, because the closer may already have emptied it.
 *   - In a trace with references a buffer's own one goes from slot to slot, by gives, to each thread that must use it:
 *     to resize the buffer, or to take another reference. Each further reference has one slot, of the thread that
 *     makes it and the one that gives it back. replay_plan.h says who that is.
 *   - It cannot deadlock (S2): the operations are appended in the recorded order, and each waits only for an earlier
 *     one of the same slot. Of all operations not yet done the earliest has nothing left to wait for, and everything
 *     before it in its own thread is done; so it goes on, whatever the others do.
 *   - A pair of two threads takes the slot that was emptied longest ago, and only when LAG of them are empty. So the
 *     threads may drift apart by LAG hand-overs, as they could when they were recorded; without it, they would go in
 *     lockstep through one slot. A thread's own slots are reused last in, first out, as the trace did.
 *
 * So hand-overs stay as they were: what one recorded thread allocated and another released, one thread of the stream
 * allocates and another releases. Where a scenario has fewer threads than the trace, recorded thread t is played by t
 * modulo their number, and a hand-over between two that fall on one thread is none. In a trace of more threads than can
 * play, "thread" means place: see places.h.
 *
 * The trace is cut into phases at its checkpoints, where all threads meet. So what is live there is what the recorder
 * counted, which is looked at here, and what every subject must hold when it comes there. A trace without checkpoints
 * is cut into pieces. What it leaves live is released in a last phase, each buffer by its closer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario/generate.h"
#include "scenario/replay_plan.h"

#define LAG 64u

/* The slots of one pair. Empty ones are a ring (two threads) or a stack (one). */
typedef struct slot_pool {
    uint32_t *empty;
    uint32_t room, first, count;
    uint32_t block_next, block_end; /* fresh slots, taken GENERATE_SLOT_ALIGN at a time */
} slot_pool;

/* Where the buffer in a trace's slot is. */
typedef struct place {
    uint32_t slot;           /* in the stream; REPLAY_NOBODY: there is none */
    uint32_t filler, holder; /* the threads of that slot */
    bool is_given;
} place;

/* Slots for buffers' own references, which are seen when a phase ends, and for the others, which are not. */
enum {
    POOLS_OWN,
    POOLS_SHARED,
    POOLS_COUNT
};

typedef struct replay {
    builder *into;
    const trace *from;
    uint32_t threads;
    replay_plan plan;
    place *places;                   /* of the buffer now in each trace slot */
    uint32_t *hands;                 /* the slot whose buffer each thread holds, or REPLAY_NOBODY */
    slot_pool *pools;                /* [(kind * threads + filler) * threads + holder] */
    uint32_t slot_next[POOLS_COUNT]; /* first slot that no pool has; shared ones come behind all own ones */
    uint64_t made, ended;            /* references that were made, and ended, so far */
    uint32_t references_from;        /* the first shared slot; 0 where there are no references */
    bool is_rehearsal;               /* to see how many slots there are; nothing is built */
    bool is_short;                   /* of memory */
} replay;

static slot_pool *pool_of(const replay *self, uint32_t kind, uint32_t filler, uint32_t holder) {
    return &self->pools[((size_t)kind * self->threads + filler) * self->threads + holder];
}

static uint32_t pool_take(replay *self, uint32_t kind, uint32_t filler, uint32_t holder) {
    slot_pool *pool = pool_of(self, kind, filler, holder);
    if (filler == holder && pool->count > 0) {
        return pool->empty[--pool->count];
    }
    if (filler != holder && pool->count >= LAG) {
        uint32_t slot = pool->empty[pool->first];
        pool->first = (pool->first + 1) % pool->room;
        pool->count--;
        return slot;
    }
    if (pool->block_next == pool->block_end) {
        pool->block_next = self->slot_next[kind];
        pool->block_end = self->slot_next[kind] += GENERATE_SLOT_ALIGN;
    }
    return pool->block_next++;
}

static void pool_give(replay *self, uint32_t kind, uint32_t filler, uint32_t holder, uint32_t slot) {
    slot_pool *pool = pool_of(self, kind, filler, holder);
    if (pool->count == pool->room) {
        uint32_t room = pool->room == 0 ? 2 * LAG : pool->room * 2;
        uint32_t *empty = malloc(room * sizeof *empty);
        if (empty == NULL) {
            self->is_short = true;
            return;
        }
        for (uint32_t i = 0; i < pool->count; i++) {
            empty[i] = pool->empty[(pool->first + i) % pool->room];
        }
        free(pool->empty);
        pool->empty = empty;
        pool->room = room;
        pool->first = 0;
    }
    pool->empty[(pool->first + pool->count++) % pool->room] = slot;
}

static void pools_empty(replay *self, size_t pools) {
    for (size_t i = 0; i < pools && self->pools != NULL; i++) {
        free(self->pools[i].empty);
        self->pools[i] = (slot_pool){.empty = NULL};
    }
}

/* ---- Events ---- */

static void add(replay *self, uint32_t thread, stream_kind kind, uint32_t slot, uint32_t size) {
    if (!self->is_rehearsal) {
        builder_add(self->into, thread, kind, slot, size);
    }
}

/* A thread's slot is emptied: it holds nothing from there any more, and the pool has the slot back. */
static void leave_slot(replay *self, uint32_t kind, uint32_t filler, uint32_t holder, uint32_t slot) {
    if (self->hands[holder] == slot) {
        self->hands[holder] = REPLAY_NOBODY;
    }
    pool_give(self, kind, filler, holder, slot);
}

/* The buffer's own reference goes on to the thread that uses it next, as soon as this one is done. */
static void give_on(replay *self, place *buffer, uint32_t next) {
    if (next != buffer->holder) {
        const uint32_t target = pool_take(self, POOLS_OWN, buffer->holder, next);
        const stream_op op = stream_give_make(buffer->slot, target);
        add(self, buffer->holder, STREAM_HOLD, buffer->slot, stream_op_size(op));
        leave_slot(self, POOLS_OWN, buffer->filler, buffer->holder, buffer->slot);
        *buffer = (place){.slot = target, .filler = buffer->holder, .holder = next, .is_given = true};
    }
}

static void release(replay *self, place *buffer) {
    add(self, buffer->holder, STREAM_RELEASE, buffer->slot,
        buffer->is_given ? STREAM_RELEASE_GIVEN : STREAM_RELEASE_OWN);
    leave_slot(self, POOLS_OWN, buffer->filler, buffer->holder, buffer->slot);
    buffer->slot = REPLAY_NOBODY;
}

static void resize(replay *self, place *buffer, const trace_event *event, uint32_t next) {
    add(self, buffer->holder, STREAM_RESIZE, buffer->slot, event->size);
    if (self->hands[buffer->holder] == buffer->slot) {
        self->hands[buffer->holder] = REPLAY_NOBODY; /* the buffer may have moved */
    }
    if (next != REPLAY_NOBODY) {
        give_on(self, buffer, next);
    }
}

/* RETAIN and SLICE. A slice is one of the first byte: how many bytes it had, no trace says. */
static void make_references(replay *self, place *buffer, const trace_event *event, uint32_t decided) {
    const uint32_t thread = replay_thread(event, self->threads);
    const bool is_view = event->kind == TRACE_SLICE;
    const bool is_own = (decided & REPLAY_HOLDS_REFERENCE) == 0;
    for (uint32_t n = 0; n < event->size; n++) {
        replay_reference *reference = &self->plan.made[self->made++];
        if (reference->ender == REPLAY_LEFT_OUT) {
            continue;
        }
        const uint32_t held = is_own ? buffer->slot : self->plan.made[decided & ~REPLAY_HOLDS_REFERENCE].slot;
        if (self->hands[thread] != held || is_view) {
            add(self, thread, STREAM_HOLD, held, 0);
            self->hands[thread] = held;
        }
        reference->slot = pool_take(self, POOLS_SHARED, thread, reference->ender);
        add(self, thread, is_view ? STREAM_SLICE : STREAM_RETAIN, reference->slot, is_view);
    }
    if (decided != REPLAY_NOBODY && is_own) {
        give_on(self, buffer, decided);
    }
}

static void drop(replay *self, const replay_reference *reference) {
    add(self, reference->ender, STREAM_DROP, reference->slot,
        reference->is_view ? STREAM_FORM_VIEW : STREAM_FORM_BUFFER);
    leave_slot(self, POOLS_SHARED, reference->maker, reference->ender, reference->slot);
}

static void drop_references(replay *self, uint32_t count) {
    for (; count > 0; count--) {
        const uint32_t index = self->plan.ended[self->ended++];
        if (index != REPLAY_NOBODY) {
            drop(self, &self->plan.made[index]);
        }
    }
}

static void add_event(replay *self, uint64_t index) {
    const trace_event *event = &self->from->events[index];
    const uint32_t thread = replay_thread(event, self->threads);
    const uint32_t decided = self->plan.threads[index];
    place *buffer = &self->places[event->slot];
    switch ((trace_kind)event->kind) {
    case TRACE_ALLOCATE:
        *buffer = (place){.slot = pool_take(self, POOLS_OWN, thread, decided), .filler = thread, .holder = decided};
        add(self, thread, STREAM_ALLOCATE, buffer->slot, event->size);
        break;
    case TRACE_RESIZE:
        resize(self, buffer, event, decided);
        break;
    case TRACE_RELEASE:
        drop_references(self, decided != REPLAY_NOBODY ? decided : 0);
        release(self, buffer);
        break;
    case TRACE_RETAIN:
    case TRACE_SLICE:
        make_references(self, buffer, event, decided);
        break;
    case TRACE_DROP:
        drop_references(self, event->size);
        break;
    default:
        break;
    }
}

/* ---- Phases ---- */

/* Threads begin a phase with nothing in their hands. */
static void open_piece(replay *self, const char *name, const char *ending) {
    for (uint32_t t = 0; t < self->threads; t++) {
        self->hands[t] = REPLAY_NOBODY;
    }
    builder_open(self->into, name, ending);
    if (self->into->failure == NULL) {
        self->into->stream->phases[self->into->stream->phase_count - 1].references_from = self->references_from;
    }
}

/* What the recorder counted as live when it was there is what the stream has in its slots. */
static void check_piece(replay *self, uint32_t piece) {
    if (piece < self->from->checkpoint_count && self->into->failure == NULL) {
        const trace_checkpoint *recorded = &self->from->checkpoints[piece];
        if (self->into->slots.live_buffers != recorded->live_buffers ||
            self->into->slots.live_bytes != recorded->live_bytes) {
            self->into->failure = "its replay holds other buffers at a checkpoint than were recorded";
        }
    }
}

static void add_phases(replay *self, const char *name) {
    const trace *from = self->from;
    const uint32_t pieces = replay_piece_count(from);
    uint64_t next = 0;
    for (uint32_t s = 0; s < from->slot_count; s++) {
        self->places[s].slot = REPLAY_NOBODY;
    }
    builder_expect(self->into, from->event_count - from->reference_count);
    for (uint32_t piece = 0; piece < pieces; piece++) {
        char ending[32];
        (void)snprintf(ending, sizeof ending, ".%" PRIu32 "of%" PRIu32, piece + 1, pieces);
        open_piece(self, name, ending);
        for (; next < replay_piece_end(from, piece) && !self->is_short && self->into->failure == NULL; next++) {
            add_event(self, next);
        }
        check_piece(self, piece);
        builder_close(self->into, 1);
    }
    open_piece(self, name, ".drain");
    for (uint64_t i = 0; i < self->plan.made_count; i++) {
        if (self->plan.made[i].is_kept) {
            drop(self, &self->plan.made[i]);
        }
    }
    for (uint32_t s = 0; s < from->slot_count; s++) {
        if (self->places[s].slot != REPLAY_NOBODY) {
            release(self, &self->places[s]);
        }
    }
    builder_close(self->into, 1);
}

/* Shared slots have numbers behind all others, so that what is live is seen when a phase ends. How many the others are
 * is known when all events have been gone through. */
static void rehearse(replay *self, size_t pools) {
    self->is_rehearsal = true;
    for (uint64_t i = 0; i < self->from->event_count && !self->is_short; i++) {
        add_event(self, i);
    }
    self->is_rehearsal = false;
    self->made = self->ended = 0;
    pools_empty(self, pools);
    self->references_from = self->slot_next[POOLS_SHARED] = self->slot_next[POOLS_OWN];
    self->slot_next[POOLS_OWN] = 0;
}

static bool make_room(replay *self, size_t pools) {
    self->places = calloc(self->from->slot_count + (size_t)1, sizeof *self->places);
    self->hands = malloc(self->threads * sizeof *self->hands);
    self->pools = calloc(pools, sizeof *self->pools);
    for (uint32_t t = 0; t < self->threads && self->hands != NULL; t++) {
        self->hands[t] = REPLAY_NOBODY;
    }
    return self->places != NULL && self->hands != NULL && self->pools != NULL;
}

void generate_replay(builder *into, const char *name, const trace *from, uint32_t thread_count) {
    replay self = {.into = into, .from = from, .threads = thread_count};
    const size_t pools = (size_t)POOLS_COUNT * thread_count * thread_count;
    const char *wrong = replay_plan_make(&self.plan, from, thread_count);
    self.is_short = !make_room(&self, pools);
    if (wrong == NULL && !self.is_short && from->reference_count > 0) {
        rehearse(&self, pools);
    }
    if (wrong == NULL && !self.is_short) {
        add_phases(&self, name);
    }
    if (self.is_short && wrong == NULL) {
        wrong = "not enough memory for its trace";
    }
    if (into->failure == NULL) {
        into->failure = wrong;
    }
    pools_empty(&self, pools);
    free(self.pools);
    free(self.hands);
    free(self.places);
    replay_plan_destroy(&self.plan);
}
