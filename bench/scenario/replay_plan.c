/* Deciding on a replay; see replay_plan.h. Three passes:
 *
 *   1  backwards: who releases each buffer, and who resizes it. This is all for a trace without references.
 *   2  forwards: matches each DROP with a reference, and leaves out what cannot be played.
 *   3  backwards: what each RETAIN and SLICE is made from, and where the buffer's own reference goes next.
 *
 * A buffer that is resized must be in the slot that it was allocated in, or resized in before: a give would leave
 * another slot's number in it, and the auditing form could not check what survives. So up to its last RESIZE it is with
 * one thread, its home, and references are played that this thread has taken and given back in between. */
#include "scenario/replay_plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario/builder.h"

#define PIECES 8u

/* How many references of a buffer are looked at in search of one; the others would do as well. */
#define REPLAY_REACH 64u

/* In plan.threads, from pass 1 to pass 2: of ALLOCATE, that the buffer is resized; of RESIZE, that it is the last. */
#define FLAG (UINT32_C(1) << 31)

/* What the passes know of the buffer in a trace's slot. */
typedef struct buffer_state {
    uint32_t newest, oldest; /* of its references; pass 3: newest is the one that is given back first */
    uint32_t owner;          /* pass 1: who releases it. Pass 3: who has the buffer's own reference next */
    uint32_t home;           /* pass 1: who resizes it, or MANY. Pass 2: who does until is_growing is false */
    bool is_growing;
    uint64_t left_out; /* references that were, and are still to be given back */
} buffer_state;

#define MANY (UINT32_MAX - 1)

typedef struct planner {
    replay_plan *plan;
    const trace *from;
    uint32_t threads;
    buffer_state *buffers; /* of the trace's slots */
} planner;

uint32_t replay_piece_count(const trace *from) {
    return from->checkpoint_count != 0 ? from->checkpoint_count + 1 : PIECES;
}

uint64_t replay_piece_end(const trace *from, uint32_t piece) {
    if (from->checkpoint_count == 0) {
        return from->event_count * (piece + 1) / PIECES;
    }
    return piece < from->checkpoint_count ? from->checkpoints[piece].event_count : from->event_count;
}

static void forget_buffers(planner *self) {
    for (uint32_t s = 0; s < self->from->slot_count; s++) {
        self->buffers[s] = (buffer_state){
            .newest = REPLAY_NOBODY, .oldest = REPLAY_NOBODY, .owner = REPLAY_NOBODY, .home = REPLAY_NOBODY};
    }
}

/* ---- Pass 1 ---- */

/* A release names the owner of the buffer that the nearest earlier allocation in that slot made. */
static void find_owners(planner *self, bool has_references) {
    for (uint64_t i = self->from->event_count; i-- > 0;) {
        const trace_event *event = &self->from->events[i];
        const uint32_t thread = replay_thread(event, self->threads);
        buffer_state *buffer = &self->buffers[event->slot];
        uint32_t *decided = &self->plan->threads[i];
        *decided = REPLAY_NOBODY;
        if (event->kind == TRACE_RELEASE) {
            buffer->owner = thread;
        } else if (event->kind == TRACE_RESIZE && has_references) {
            *decided = buffer->home == REPLAY_NOBODY ? FLAG : 0;
            buffer->home = buffer->home == REPLAY_NOBODY || buffer->home == thread ? thread : MANY;
        } else if (event->kind == TRACE_ALLOCATE) {
            *decided = buffer->owner != REPLAY_NOBODY ? buffer->owner : thread;
            if (buffer->home != REPLAY_NOBODY) {
                *decided = (buffer->home != MANY ? buffer->home : *decided) | FLAG;
            }
            buffer->owner = buffer->home = REPLAY_NOBODY;
        }
    }
}

/* ---- A buffer's references ---- */

static void push(planner *self, buffer_state *buffer, uint32_t index) {
    replay_reference *made = self->plan->made;
    made[index].older = buffer->newest;
    made[index].newer = REPLAY_NOBODY;
    if (buffer->newest != REPLAY_NOBODY) {
        made[buffer->newest].newer = index;
    } else {
        buffer->oldest = index;
    }
    buffer->newest = index;
}

static void take(planner *self, buffer_state *buffer, uint32_t index) {
    replay_reference *made = self->plan->made;
    const replay_reference *taken = &made[index];
    *(taken->newer != REPLAY_NOBODY ? &made[taken->newer].older : &buffer->newest) = taken->older;
    *(taken->older != REPLAY_NOBODY ? &made[taken->older].newer : &buffer->oldest) = taken->newer;
}

/* ---- Pass 2 ---- */

static void leave_out(planner *self, uint32_t index) {
    replay_reference *reference = &self->plan->made[index];
    replay_count *count = &self->plan->counts.left_out[REPLAY_RESIZED];
    reference->ender = REPLAY_LEFT_OUT;
    count->slices += reference->is_view;
    count->retains += !reference->is_view;
}

/* All that are held now. */
static void leave_out_held(planner *self, buffer_state *buffer) {
    for (; buffer->oldest != REPLAY_NOBODY; take(self, buffer, buffer->oldest)) {
        leave_out(self, buffer->oldest);
        buffer->left_out++;
    }
}

static void make(planner *self, buffer_state *buffer, const trace_event *event) {
    const uint32_t thread = replay_thread(event, self->threads);
    for (uint32_t n = 0; n < event->size; n++) {
        const uint32_t index = (uint32_t)self->plan->made_count++;
        self->plan->made[index] = (replay_reference){.maker = (uint16_t)thread, .is_view = event->kind == TRACE_SLICE};
        if (buffer->is_growing && thread != buffer->home) {
            leave_out(self, index);
            buffer->left_out++;
        } else {
            push(self, buffer, index);
        }
    }
}

/* Which reference a thread gives back; REPLAY_NOBODY where there is none. */
static uint32_t match(const planner *self, const buffer_state *buffer, uint32_t thread) {
    uint32_t index = buffer->newest;
    for (uint32_t n = 0; n < REPLAY_REACH && index != REPLAY_NOBODY; n++) {
        if (self->plan->made[index].maker == thread) {
            return index;
        }
        index = self->plan->made[index].older;
    }
    return buffer->oldest;
}

/* While a buffer grows, what its home has made is not for others: one of those that were left out anyway will do, or
 * else one more is. */
static void spare_home(planner *self, buffer_state *buffer) {
    const uint32_t index = buffer->oldest;
    if (buffer->left_out == 0 && index != REPLAY_NOBODY) {
        take(self, buffer, index);
        leave_out(self, index);
        buffer->left_out++;
    }
}

static void end_one(planner *self, buffer_state *buffer, uint32_t thread) {
    uint32_t index = REPLAY_NOBODY;
    if (buffer->is_growing && thread != buffer->home) {
        spare_home(self, buffer);
    } else {
        index = match(self, buffer, thread);
    }
    if (index != REPLAY_NOBODY) {
        take(self, buffer, index);
        self->plan->made[index].ender = (uint16_t)thread;
    } else if (buffer->left_out > 0) {
        buffer->left_out--;
        self->plan->counts.left_out[REPLAY_RESIZED].drops++;
    } else {
        self->plan->counts.left_out[REPLAY_UNBALANCED].drops++;
    }
    self->plan->ended[self->plan->ended_count++] = index;
}

/* With its last release all of a buffer's references are gone. */
static void end_all(planner *self, buffer_state *buffer, uint64_t at) {
    const uint32_t thread = replay_thread(&self->from->events[at], self->threads);
    uint32_t count = 0;
    while (buffer->oldest != REPLAY_NOBODY) {
        const uint32_t index = buffer->oldest;
        take(self, buffer, index);
        self->plan->made[index].ender = (uint16_t)thread;
        self->plan->ended[self->plan->ended_count++] = index;
        count++;
    }
    self->plan->counts.by_last += count;
    self->plan->threads[at] = count != 0 ? count : REPLAY_NOBODY;
    buffer->left_out = 0;
}

static void match_event(planner *self, uint64_t at) {
    const trace_event *event = &self->from->events[at];
    buffer_state *buffer = &self->buffers[event->slot];
    replay_counts *counts = &self->plan->counts;
    switch ((trace_kind)event->kind) {
    case TRACE_ALLOCATE:
        buffer->home = self->plan->threads[at] & ~FLAG;
        buffer->is_growing = (self->plan->threads[at] & FLAG) != 0;
        break;
    case TRACE_RESIZE:
        leave_out_held(self, buffer);
        buffer->is_growing = self->plan->threads[at] != FLAG;
        self->plan->threads[at] = buffer->home;
        break;
    case TRACE_RELEASE:
        end_all(self, buffer, at);
        break;
    case TRACE_RETAIN:
        counts->recorded.retains += event->size;
        make(self, buffer, event);
        break;
    case TRACE_SLICE:
        counts->recorded.slices += event->size != 0 ? event->size : 1;
        counts->left_out[REPLAY_BORROWS].slices += event->size == 0;
        make(self, buffer, event);
        break;
    case TRACE_DROP:
        counts->recorded.drops += event->size;
        for (uint32_t n = 0; n < event->size; n++) {
            end_one(self, buffer, replay_thread(event, self->threads));
        }
        break;
    default:
        break;
    }
}

static void match_all(planner *self) {
    for (uint64_t i = 0; i < self->from->event_count; i++) {
        match_event(self, i);
    }
}

/* What is held when the trace ends is what pass 3 begins with. */
static void keep_held(planner *self) {
    for (uint32_t s = 0; s < self->from->slot_count; s++) {
        buffer_state *buffer = &self->buffers[s];
        for (uint32_t index = buffer->newest; index != REPLAY_NOBODY; index = self->plan->made[index].older) {
            replay_reference *reference = &self->plan->made[index];
            reference->ender = reference->maker;
            reference->is_kept = true;
            self->plan->counts.kept++;
        }
        buffer->owner = REPLAY_NOBODY;
    }
}

/* ---- Pass 3 ---- */

/* Of the references that are there when the event comes: one that its thread will give back, and that can be held. One
 * that this thread has made itself came from something that it held; where that was the buffer's own, which it needs
 * again later, it still has it in its hand. */
static uint32_t find_held(const planner *self, const buffer_state *buffer, uint32_t thread) {
    const uint32_t passed_over = buffer->owner == thread ? thread : REPLAY_NOBODY;
    uint32_t index = buffer->newest;
    for (uint32_t n = 0; n < REPLAY_REACH && index != REPLAY_NOBODY; n++) {
        const replay_reference *reference = &self->plan->made[index];
        if (reference->ender == thread && reference->maker != passed_over && !reference->is_view) {
            return index;
        }
        index = reference->older;
    }
    return REPLAY_NOBODY;
}

/* The thread needs the buffer's own reference here. */
static uint32_t use_own(buffer_state *buffer, uint32_t thread) {
    const uint32_t next = buffer->owner != REPLAY_NOBODY ? buffer->owner : thread;
    buffer->owner = thread;
    return next;
}

/* What is given back was there before: going backwards, it comes into being here. */
static void revive(planner *self, buffer_state *buffer, uint32_t count, uint64_t *ended) {
    for (; count > 0; count--) {
        const uint32_t index = self->plan->ended[--*ended];
        if (index != REPLAY_NOBODY) {
            push(self, buffer, index);
        }
    }
}

/* `made` and `ended` are how many references were made, and ended, before the event; they go down with it. */
static void place_event(planner *self, uint64_t at, uint64_t *made, uint64_t *ended) {
    const trace_event *event = &self->from->events[at];
    const uint32_t thread = replay_thread(event, self->threads);
    buffer_state *buffer = &self->buffers[event->slot];
    uint32_t *decided = &self->plan->threads[at];
    bool is_played = false;
    switch ((trace_kind)event->kind) {
    case TRACE_ALLOCATE:
        *decided = use_own(buffer, thread);
        buffer->owner = REPLAY_NOBODY;
        break;
    case TRACE_RESIZE:
        *decided = use_own(buffer, *decided);
        break;
    case TRACE_RELEASE:
        revive(self, buffer, *decided != REPLAY_NOBODY ? *decided : 0, ended);
        buffer->owner = thread;
        break;
    case TRACE_RETAIN:
    case TRACE_SLICE:
        for (uint32_t n = 0; n < event->size; n++) {
            if (self->plan->made[--*made].ender != REPLAY_LEFT_OUT) {
                take(self, buffer, (uint32_t)*made);
                is_played = true;
            }
        }
        if (is_played) {
            const uint32_t held = find_held(self, buffer, thread);
            *decided = held != REPLAY_NOBODY ? held | REPLAY_HOLDS_REFERENCE : use_own(buffer, thread);
        }
        break;
    case TRACE_DROP:
        revive(self, buffer, event->size, ended);
        break;
    default:
        break;
    }
}

/* ---- The whole ---- */

static const char too_many[] = "more references than fit in 1 GiB; record a shorter run";
static const char no_memory[] = "not enough memory for its trace";

/* Room for all references, before any is there: what a damaged or a strange trace can ask for is bounded. */
static const char *make_room(planner *self) {
    replay_plan *plan = self->plan;
    uint64_t made = 0;
    uint64_t ended = 0;
    for (uint64_t i = 0; i < self->from->event_count; i++) {
        const trace_event *event = &self->from->events[i];
        made += event->kind == TRACE_RETAIN || event->kind == TRACE_SLICE ? event->size : 0;
        ended += event->kind == TRACE_DROP ? event->size : 0;
    }
    if (made + ended > BUILDER_OPS_MAX) {
        return too_many;
    }
    plan->made = malloc((made + 1) * sizeof *plan->made);
    plan->ended = malloc((made + ended + 1) * sizeof *plan->ended); /* a RELEASE may end each that was made */
    return plan->made != NULL && plan->ended != NULL ? NULL : no_memory;
}

static const char *plan_references(planner *self) {
    const char *wrong = make_room(self);
    if (wrong != NULL) {
        return wrong;
    }
    forget_buffers(self);
    match_all(self);
    keep_held(self);
    uint64_t made = self->plan->made_count;
    uint64_t ended = self->plan->ended_count;
    for (uint64_t i = self->from->event_count; i-- > 0;) {
        place_event(self, i, &made, &ended);
    }
    return NULL;
}

const char *replay_plan_make(replay_plan *out, const trace *from, uint32_t threads) {
    planner self = {.plan = out, .from = from, .threads = threads};
    const bool has_references = from->reference_count > 0;
    const char *wrong = no_memory;
    *out = (replay_plan){.threads = calloc(from->event_count + 1u, sizeof *out->threads)};
    self.buffers = calloc(from->slot_count + 1u, sizeof *self.buffers);
    if (out->threads != NULL && self.buffers != NULL) {
        forget_buffers(&self);
        find_owners(&self, has_references);
        wrong = has_references ? plan_references(&self) : NULL;
    }
    free(self.buffers);
    return wrong;
}

void replay_plan_destroy(replay_plan *plan) {
    free(plan->threads);
    free(plan->made);
    free(plan->ended);
    *plan = (replay_plan){.threads = NULL};
}

/* ---- In words ---- */

/* Appends to a text of which *length characters are there. */
__attribute__((format(printf, 4, 5))) static void say(char *text, size_t size, int *length, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const size_t at = (size_t)*length < size ? (size_t)*length : size;
    const int added = vsnprintf(text + at, size - at, format, args);
    va_end(args);
    *length += added > 0 ? added : 0;
}

/* What is there of a count, after a word on it. */
static void say_count(char *text, size_t size, int *length, const char *word, const replay_count *count) {
    const struct {
        uint64_t number;
        const char *of;
    } parts[] = {{count->retains, "retains"}, {count->slices, "slices"}, {count->drops, "releases"}};
    const char *before = ": ";
    if (count->retains + count->slices + count->drops == 0) {
        return;
    }
    say(text, size, length, "; left out, %s", word);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].number != 0) {
            say(text, size, length, "%s%" PRIu64 " %s", before, parts[i].number, parts[i].of);
            before = ", ";
        }
    }
}

int replay_plan_tell(const replay_counts *counts, char *text, size_t size) {
    static const char *const reasons[REPLAY_REASON_COUNT] = {
        [REPLAY_RESIZED] = "held over a resize",
        [REPLAY_BORROWS] = "without a reference of their own",
        [REPLAY_UNBALANCED] = "without a counterpart",
    };
    replay_count played = counts->recorded;
    int length = 0;
    for (int why = 0; why < REPLAY_REASON_COUNT; why++) {
        played.retains -= counts->left_out[why].retains;
        played.slices -= counts->left_out[why].slices;
        played.drops -= counts->left_out[why].drops;
    }
    say(text, size, &length,
        "plays %" PRIu64 " of %" PRIu64 " retains, %" PRIu64 " of %" PRIu64 " slices, %" PRIu64 " of %" PRIu64
        " releases between",
        played.retains, counts->recorded.retains, played.slices, counts->recorded.slices, played.drops,
        counts->recorded.drops);
    for (int why = 0; why < REPLAY_REASON_COUNT; why++) {
        say_count(text, size, &length, reasons[why], &counts->left_out[why]);
    }
    if (counts->by_last != 0) {
        say(text, size, &length, "; %" PRIu64 " more given back by last releases", counts->by_last);
    }
    if (counts->kept != 0) {
        say(text, size, &length, "; %" PRIu64 " more given back behind its end", counts->kept);
    }
    return length;
}
