/* A finished stream: releasing it, and auditing it against the invariants of stream.h. */
#include "scenario/stream.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void stream_destroy(stream *played) {
    if (played == NULL) {
        return;
    }
    for (uint32_t p = 0; p < played->phase_count; p++) {
        stream_phase *phase = &played->phases[p];
        for (uint32_t t = 0; t < played->thread_count; t++) {
            free((void *)(uintptr_t)phase->threads[t].ops);
        }
        free(phase->threads);
        free((void *)(uintptr_t)phase->name);
    }
    free(played->phases);
    free(played);
}

/* The audit's model of one slot. Threads are numbered from 1 here; 0 is nobody yet. */
typedef struct audit_slot {
    uint32_t size; /* 0: empty */
    uint32_t filler, emptier;
} audit_slot;

typedef struct audit {
    const stream *stream;
    audit_slot *slots;
    size_t *next;   /* each thread's position in its operations */
    uint32_t *pass; /* each thread's repeats done */
    uint64_t live_buffers, live_bytes, allocations, operations;
    char *error;
    size_t error_size;
} audit;

__attribute__((format(printf, 2, 3))) static bool fail(audit *self, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(self->error, self->error_size, format, args);
    va_end(args);
    return false;
}

typedef enum outcome {
    STEP_DONE,
    STEP_WAITS,
    STEP_BROKEN
} outcome;

static outcome broken(audit *self, uint32_t thread, stream_op op, const char *what) {
    (void)fail(self, "thread %" PRIu32 ", slot %" PRIu32 ", kind %d: %s", thread, op.slot, (int)stream_op_kind(op),
               what);
    return STEP_BROKEN;
}

static outcome fill(audit *self, uint32_t thread, stream_op op) {
    audit_slot *slot = &self->slots[op.slot];
    if (slot->filler != 0 && slot->filler != thread + 1) {
        return broken(self, thread, op, "a second thread fills the slot (S1)");
    }
    if (slot->size != 0) {
        return STEP_WAITS;
    }
    slot->filler = thread + 1;
    slot->size = stream_op_size(op);
    self->live_buffers++;
    self->live_bytes += slot->size;
    self->allocations++;
    return STEP_DONE;
}

static outcome use(audit *self, uint32_t thread, stream_op op) {
    audit_slot *slot = &self->slots[op.slot];
    uint32_t size = stream_op_size(op);
    if (slot->emptier != 0 && slot->emptier != thread + 1) {
        return broken(self, thread, op, "a second thread empties or changes the slot (S1)");
    }
    if (slot->size == 0) {
        return STEP_WAITS;
    }
    slot->emptier = thread + 1;
    switch (stream_op_kind(op)) {
    case STREAM_RELEASE:
        self->live_buffers--;
        self->live_bytes -= slot->size;
        slot->size = 0;
        return STEP_DONE;
    case STREAM_REPLACE:
        self->allocations++;
        self->live_bytes = self->live_bytes - slot->size + size;
        slot->size = size;
        return STEP_DONE;
    case STREAM_RESIZE:
        self->live_bytes = self->live_bytes - slot->size + size;
        slot->size = size;
        return STEP_DONE;
    default:
        return STEP_DONE;
    }
}

/* Both ends must be ready, so that a thread that waits holds nothing in its hand. */
static outcome move(audit *self, uint32_t thread, stream_op op) {
    if (stream_op_target(op) >= self->stream->slot_count || stream_op_target(op) == op.slot) {
        return broken(self, thread, op, "no such slot to move to");
    }
    audit_slot *from = &self->slots[op.slot];
    audit_slot *to = &self->slots[stream_op_target(op)];
    if (from->emptier != 0 && from->emptier != thread + 1) {
        return broken(self, thread, op, "a second thread empties or changes the slot (S1)");
    }
    if (to->filler != 0 && to->filler != thread + 1) {
        return broken(self, thread, op, "a second thread fills the slot (S1)");
    }
    if (from->size == 0 || to->size != 0) {
        return STEP_WAITS;
    }
    from->emptier = to->filler = thread + 1;
    to->size = from->size;
    from->size = 0;
    return STEP_DONE;
}

static outcome play(audit *self, uint32_t thread, stream_op op) {
    stream_kind kind = stream_op_kind(op);
    uint32_t size = stream_op_size(op);
    if (kind >= STREAM_KIND_COUNT) {
        return broken(self, thread, op, "no such kind");
    }
    if (stream_op_asks_bytes(op) && (size == 0 || size > self->stream->max_size)) {
        return broken(self, thread, op, "a size of 0, or past the stream's largest");
    }
    if (!stream_op_has_slot(op)) {
        self->allocations += stream_op_allocations(op);
        self->operations += stream_op_operations(op);
        return stream_op_operations(op) == 0 ? broken(self, thread, op, "repeats 0 times") : STEP_DONE;
    }
    if (op.slot >= self->stream->slot_count) {
        return broken(self, thread, op, "no such slot");
    }
    outcome step = kind == STREAM_ALLOCATE ? fill(self, thread, op)
                   : kind == STREAM_MOVE   ? move(self, thread, op)
                                           : use(self, thread, op);
    self->operations += step == STEP_DONE ? stream_op_operations(op) : 0;
    return step;
}

/* Runs every thread as far as it can go, again and again. With one filler and one emptier a slot, what one thread does
 * never takes another's chance away, so if any order gets to the end, this one does. */
static bool play_phase(audit *self, const stream_phase *phase) {
    uint32_t threads = self->stream->thread_count;
    uint32_t ended = 0;
    for (uint32_t t = 0; t < threads; t++) {
        self->next[t] = 0;
        self->pass[t] = phase->threads[t].op_count == 0 ? phase->repeat : 0;
        ended += self->pass[t] == phase->repeat;
    }
    while (ended < threads) {
        bool moved = false;
        for (uint32_t t = 0; t < threads; t++) {
            const stream_thread *thread = &phase->threads[t];
            while (self->pass[t] < phase->repeat) {
                outcome step = play(self, t, thread->ops[self->next[t]]);
                if (step == STEP_BROKEN) {
                    return false;
                }
                if (step == STEP_WAITS) {
                    break;
                }
                moved = true;
                if (++self->next[t] == thread->op_count) {
                    self->next[t] = 0;
                    ended += ++self->pass[t] == phase->repeat;
                }
            }
        }
        if (!moved) {
            return fail(self, "every thread waits for another (S2)");
        }
    }
    return true;
}

static bool audit_phase(audit *self, const stream_phase *phase) {
    for (uint32_t s = 0; s < self->stream->slot_count; s++) {
        self->slots[s].filler = self->slots[s].emptier = 0;
    }
    if (phase->repeat == 0) {
        return fail(self, "phase %s: repeats 0 times", phase->name);
    }
    uint64_t before = self->live_buffers;
    if (!play_phase(self, phase)) {
        return false;
    }
    if (phase->repeat > 1 && self->live_buffers != before) {
        return fail(self, "phase %s repeats, but fills or empties slots (S4)", phase->name);
    }
    if (self->live_buffers != phase->end_live_buffers || self->live_bytes != phase->end_live_bytes) {
        return fail(self,
                    "phase %s ends with %" PRIu64 " buffers of %" PRIu64 " bytes, but says %" PRIu64 " of %" PRIu64,
                    phase->name, self->live_buffers, self->live_bytes, phase->end_live_buffers, phase->end_live_bytes);
    }
    return true;
}

static bool audit_totals(audit *self) {
    const stream *played = self->stream;
    if (self->live_buffers != 0) {
        return fail(self, "the stream ends with %" PRIu64 " buffers (S4)", self->live_buffers);
    }
    if (self->allocations != played->allocation_count || self->operations != played->operation_count) {
        return fail(self,
                    "%" PRIu64 " allocations and %" PRIu64 " operations were played, but it says %" PRIu64
                    " and %" PRIu64,
                    self->allocations, self->operations, played->allocation_count, played->operation_count);
    }
    return true;
}

bool stream_audit(const stream *played, char *error, size_t error_size) {
    audit self = {.stream = played, .error_size = error_size};
    self.error = error;
    self.slots = calloc(played->slot_count + 1u, sizeof *self.slots);
    self.next = calloc(played->thread_count, sizeof *self.next);
    self.pass = calloc(played->thread_count, sizeof *self.pass);
    bool fine = self.slots != NULL && self.next != NULL && self.pass != NULL;
    if (!fine) {
        (void)fail(&self, "not enough memory for the audit");
    }
    for (uint32_t p = 0; p < played->phase_count && fine; p++) {
        fine = audit_phase(&self, &played->phases[p]);
    }
    fine = fine && audit_totals(&self);
    free(self.pass);
    free(self.next);
    free(self.slots);
    return fine;
}
