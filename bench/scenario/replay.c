/* A recorded trace as a stream: each recorded allocation is one buffer.
 *
 * A trace is one total order over all threads, and its slots are reused at once by whoever allocates next. A replay has
 * no such order: its threads run freely and wait only at slots, for "full" or "empty". With the trace's own slots that
 * goes wrong: where thread A allocates, resizes and releases in a slot and allocates there again for thread C to
 * release, C may find the first buffer, take it, and leave A waiting for ever. So buffers get new slots here:
 *
 *   - A buffer's opener is the thread that allocates it; its closer is the thread that releases it, or the opener when
 *     nobody does. A slot belongs to one pair of opener and closer, for good. So inside a slot fills and takes
 *     alternate strictly, and "full" can only mean the buffer that is meant (invariant S1).
 *   - A resize is done by the closer, at its place in the recorded order, even where the opener did it: after the
 *     allocation the opener may not look at the slot again, because the closer may already have emptied it.
 *   - It cannot deadlock (S2): the operations are appended in the recorded order, and each waits only for an earlier
 *     one of the same slot. Of all operations not yet done the earliest has nothing left to wait for, and everything
 *     before it in its own thread is done; so it goes on, whatever the others do.
 *   - A pair of two threads takes the slot that was emptied longest ago, and only when LAG of them are empty. So the
 *     threads may drift apart by LAG hand-overs, as they could when they were recorded; without it, they would go in
 *     lockstep through one slot. A thread's own slots are reused last in, first out, as the trace did.
 *
 * So hand-overs stay as they were: what one recorded thread allocated and another released, one thread of the stream
 * allocates and another releases. Where a scenario has fewer threads than the trace, recorded thread t is played by t
 * modulo their number, and a hand-over between two that fall on one thread is none.
 *
 * The trace is cut into phases at its checkpoints, where all threads meet. So what is live there is what the recorder
 * counted, which is looked at here, and what every subject must hold when it comes there. A trace without checkpoints is
 * cut into PIECES. What it leaves live is released in a last phase, in the order of slots, each buffer by its closer.
 *
 * RETAIN, DROP and SLICE are not played; trace.reference_count says how many there are. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario/generate.h"

#define PIECES 8u
#define LAG    64u
#define NOBODY UINT32_MAX

/* The slots of one pair. Empty ones are a ring (two threads) or a stack (one). */
typedef struct slot_pool {
    uint32_t *empty;
    uint32_t room, first, count;
    uint32_t block_next, block_end; /* fresh slots, taken GENERATE_SLOT_ALIGN at a time */
} slot_pool;

typedef struct replay {
    builder *into;
    const trace *from;
    uint32_t threads;
    uint32_t *closer;   /* of the buffer now in each trace slot */
    uint32_t *opener;   /* the same */
    uint32_t *slot;     /* its slot in the stream */
    uint32_t *closers;  /* for each event that allocates: the buffer's closer; else NOBODY */
    slot_pool *pools;   /* [opener * threads + closer] */
    uint32_t slot_next; /* first slot that no pool has */
} replay;

static uint32_t thread_of(const replay *self, const trace_event *event) {
    return event->thread % self->threads;
}

/* Walks backwards: a release names the closer of the buffer that the nearest earlier allocation in that slot made. */
static void find_closers(replay *self) {
    for (uint32_t s = 0; s < self->from->slot_count; s++) {
        self->closer[s] = NOBODY;
    }
    for (uint64_t i = self->from->event_count; i-- > 0;) {
        const trace_event *event = &self->from->events[i];
        self->closers[i] = NOBODY;
        if (event->kind == TRACE_RELEASE) {
            self->closer[event->slot] = thread_of(self, event);
        } else if (event->kind == TRACE_ALLOCATE) {
            uint32_t closer = self->closer[event->slot];
            self->closers[i] = closer != NOBODY ? closer : thread_of(self, event);
            self->closer[event->slot] = NOBODY;
        }
    }
}

static uint32_t pool_take(replay *self, uint32_t opener, uint32_t closer) {
    slot_pool *pool = &self->pools[opener * self->threads + closer];
    if (opener == closer && pool->count > 0) {
        return pool->empty[--pool->count];
    }
    if (opener != closer && pool->count >= LAG) {
        uint32_t slot = pool->empty[pool->first];
        pool->first = (pool->first + 1) % pool->room;
        pool->count--;
        return slot;
    }
    if (pool->block_next == pool->block_end) {
        pool->block_next = self->slot_next;
        pool->block_end = self->slot_next += GENERATE_SLOT_ALIGN;
    }
    return pool->block_next++;
}

static bool pool_give(replay *self, uint32_t opener, uint32_t closer, uint32_t slot) {
    slot_pool *pool = &self->pools[opener * self->threads + closer];
    if (pool->count == pool->room) {
        uint32_t room = pool->room == 0 ? 2 * LAG : pool->room * 2;
        uint32_t *empty = malloc(room * sizeof *empty);
        if (empty == NULL) {
            return false;
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
    return true;
}

static bool add_event(replay *self, uint64_t index) {
    const trace_event *event = &self->from->events[index];
    uint32_t s = event->slot;
    switch ((trace_kind)event->kind) {
    case TRACE_ALLOCATE:
        self->opener[s] = thread_of(self, event);
        self->closer[s] = self->closers[index];
        self->slot[s] = pool_take(self, self->opener[s], self->closer[s]);
        builder_add(self->into, self->opener[s], STREAM_ALLOCATE, self->slot[s], event->size);
        return true;
    case TRACE_RESIZE:
        builder_add(self->into, self->closer[s], STREAM_RESIZE, self->slot[s], event->size);
        return true;
    case TRACE_RELEASE: {
        uint32_t slot = self->slot[s];
        builder_add(self->into, self->closer[s], STREAM_RELEASE, slot, 0);
        self->slot[s] = NOBODY;
        return pool_give(self, self->opener[s], self->closer[s], slot);
    }
    default:
        return true;
    }
}

/* The count of events at which a piece ends; the last one ends with the trace. */
static uint64_t end_of_piece(const trace *from, uint32_t piece) {
    if (from->checkpoint_count == 0) {
        return from->event_count * (piece + 1) / PIECES;
    }
    return piece < from->checkpoint_count ? from->checkpoints[piece].event_count : from->event_count;
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

static bool add_phases(replay *self, const char *name) {
    const trace *from = self->from;
    const uint32_t pieces = from->checkpoint_count != 0 ? from->checkpoint_count + 1 : PIECES;
    uint64_t next = 0;
    for (uint32_t s = 0; s < self->from->slot_count; s++) {
        self->slot[s] = NOBODY;
    }
    builder_expect(self->into, from->event_count);
    for (uint32_t piece = 0; piece < pieces; piece++) {
        char ending[32];
        (void)snprintf(ending, sizeof ending, ".%" PRIu32 "of%" PRIu32, piece + 1, pieces);
        builder_open(self->into, name, ending);
        for (; next < end_of_piece(from, piece); next++) {
            if (!add_event(self, next)) {
                return false;
            }
        }
        check_piece(self, piece);
        builder_close(self->into, 1);
    }
    builder_open(self->into, name, ".drain");
    for (uint32_t s = 0; s < self->from->slot_count; s++) {
        if (self->slot[s] != NOBODY) {
            builder_add(self->into, self->closer[s], STREAM_RELEASE, self->slot[s], 0);
        }
    }
    builder_close(self->into, 1);
    return true;
}

bool generate_replay(builder *into, const char *name, const trace *from, uint32_t thread_count) {
    replay self = {.into = into, .from = from, .threads = thread_count};
    size_t pools = (size_t)thread_count * thread_count;
    self.closer = calloc(from->slot_count + 1u, sizeof *self.closer);
    self.opener = calloc(from->slot_count + 1u, sizeof *self.opener);
    self.slot = calloc(from->slot_count + 1u, sizeof *self.slot);
    self.closers = calloc(from->event_count + 1u, sizeof *self.closers);
    self.pools = calloc(pools, sizeof *self.pools);
    bool fine =
        self.closer != NULL && self.opener != NULL && self.slot != NULL && self.closers != NULL && self.pools != NULL;
    if (fine) {
        find_closers(&self);
        fine = add_phases(&self, name);
    }
    for (size_t i = 0; i < pools && self.pools != NULL; i++) {
        free(self.pools[i].empty);
    }
    free(self.pools);
    free(self.closers);
    free(self.slot);
    free(self.opener);
    free(self.closer);
    return fine;
}
