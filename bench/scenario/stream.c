/* A finished stream: releasing it, and auditing it against the invariants of stream.h. */
#include "scenario/stream.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario/model.h"

bool stream_is_pure(const stream_op *ops, size_t op_count) {
    if (op_count == 0) {
        return false;
    }
    const stream_kind kind = stream_op_kind(ops[0]);
    if (kind != STREAM_ALLOCATE && kind != STREAM_RELEASE && kind != STREAM_REPLACE) {
        return false;
    }
    for (size_t i = 0; i < op_count; i++) {
        if (stream_op_kind(ops[i]) != kind || (kind != STREAM_RELEASE && stream_op_size(ops[i]) == 0) ||
            ops[i].slot > UINT16_MAX || stream_op_size(ops[i]) > UINT16_MAX) {
            return false;
        }
    }
    return true;
}

void stream_pack(const stream_op *ops, size_t op_count, stream_pair *pairs) {
    for (size_t i = 0; i < op_count; i++) {
        pairs[i] = (stream_pair){.slot = (uint16_t)ops[i].slot, .size = (uint16_t)stream_op_size(ops[i])};
    }
}

void stream_destroy(stream *played) {
    if (played == NULL) {
        return;
    }
    for (uint32_t p = 0; p < played->phase_count; p++) {
        stream_phase *phase = &played->phases[p];
        for (uint32_t t = 0; t < played->thread_count; t++) {
            free((void *)(uintptr_t)phase->threads[t].ops);
            free((void *)(uintptr_t)phase->threads[t].pairs);
        }
        free(phase->threads);
        free((void *)(uintptr_t)phase->name);
    }
    free(played->phases);
    free(played);
}

typedef struct audit {
    const stream *stream;
    model slots;
    size_t *next;   /* each thread's position in its operations */
    uint32_t *pass; /* each thread's repeats done */
    uint64_t allocations, operations;
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

static model_outcome broken(audit *self, uint32_t thread, stream_op op, const char *what) {
    (void)fail(self, "thread %" PRIu32 ", slot %" PRIu32 ", kind %d: %s", thread, op.slot, (int)stream_op_kind(op),
               what);
    return MODEL_BROKEN;
}

static bool is_sized(stream_kind kind) {
    switch (kind) {
    case STREAM_ALLOCATE:
    case STREAM_RESIZE:
    case STREAM_REPLACE:
    case STREAM_PINGPONG:
    case STREAM_BULK:
    case STREAM_APPEND:
    case STREAM_SLICE:
        return true;
    default:
        return false;
    }
}

/* Whether its numbers are those of an operation of this stream. */
static const char *wrong_numbers(const stream *played, stream_op op) {
    stream_kind kind = stream_op_kind(op);
    uint32_t size = stream_op_size(op);
    uint32_t slots = kind == STREAM_ASSEMBLE ? size : 1;
    if (is_sized(kind) && (size == 0 || size > played->max_size)) {
        return "a size of 0, or past the stream's largest";
    }
    if (kind == STREAM_ASSEMBLE && (size == 0 || size > STREAM_PARTS_MAX)) {
        return "a message of no parts, or of too many";
    }
    if ((kind == STREAM_MOVE || stream_op_is_give(op)) &&
        (stream_op_target(op) >= played->slot_count || stream_op_target(op) == op.slot)) {
        return "no such slot to move to";
    }
    if (!stream_op_has_slot(op)) {
        return stream_op_operations(op) == 0 ? "repeats 0 times" : NULL;
    }
    return op.slot >= played->slot_count || slots > played->slot_count - op.slot ? "no such slot" : NULL;
}

static model_outcome play(audit *self, uint32_t thread, stream_op op) {
    const char *wrong = wrong_numbers(self->stream, op);
    if (wrong != NULL) {
        return broken(self, thread, op, wrong);
    }
    model_outcome step = model_step(&self->slots, thread, op);
    if (step == MODEL_BROKEN) {
        return broken(self, thread, op, self->slots.why);
    }
    if (step == MODEL_DONE) {
        self->allocations += stream_op_allocations(op);
        self->operations += stream_op_operations(op);
        if (self->slots.largest > self->stream->max_size) {
            return broken(self, thread, op, "asks for more than the stream's largest size");
        }
    }
    return step;
}

/* Runs every thread as far as it can go, again and again. With one filler and one emptier a slot, what one thread does
 * never takes another's chance away, so if any order gets to the end, this one does. */
static bool play_phase(audit *self, const stream_phase *phase) {
    uint32_t threads = self->stream->thread_count;
    uint32_t ended = 0;
    for (uint32_t t = 0; t < threads; t++) {
        self->next[t] = 0;
        model_rewind(&self->slots, t);
        self->pass[t] = phase->threads[t].op_count == 0 ? phase->repeat : 0;
        ended += self->pass[t] == phase->repeat;
    }
    while (ended < threads) {
        bool moved = false;
        for (uint32_t t = 0; t < threads; t++) {
            const stream_thread *thread = &phase->threads[t];
            while (self->pass[t] < phase->repeat) {
                model_outcome step = play(self, t, thread->ops[self->next[t]]);
                if (step == MODEL_BROKEN) {
                    return false;
                }
                if (step == MODEL_WAITS) {
                    break;
                }
                moved = true;
                if (++self->next[t] == thread->op_count) {
                    self->next[t] = 0;
                    model_rewind(&self->slots, t);
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

/* Whether shared references are where a phase may leave them, and each live buffer is in one of the other slots. */
static bool stay_in_place(const audit *self, uint32_t references_from) {
    uint64_t buffers = 0;
    for (uint32_t s = 0; s < self->slots.slot_room; s++) {
        const model_slot *slot = &self->slots.slots[s];
        if (slot->object != 0 && (slot->form == MODEL_OWN) != (references_from == 0 || s < references_from)) {
            return false;
        }
        buffers += slot->object != 0 && slot->form == MODEL_OWN;
    }
    return buffers == self->slots.live_buffers;
}

static bool audit_phase(audit *self, const stream_phase *phase) {
    model_open(&self->slots);
    if (phase->repeat == 0) {
        return fail(self, "phase %s: repeats 0 times", phase->name);
    }
    uint64_t before = self->slots.live_buffers;
    if (!play_phase(self, phase)) {
        return false;
    }
    if (self->slots.shares != 0 && !stay_in_place(self, phase->references_from)) {
        return fail(self, "phase %s leaves %" PRIu32 " shared references in its slots (S5)", phase->name,
                    self->slots.shares);
    }
    if (phase->repeat > 1 && self->slots.live_buffers != before) {
        return fail(self, "phase %s repeats, but fills or empties slots (S4)", phase->name);
    }
    if (self->slots.live_buffers != phase->end_live_buffers || self->slots.live_bytes != phase->end_live_bytes) {
        return fail(self,
                    "phase %s ends with %" PRIu64 " buffers of %" PRIu64 " bytes, but says %" PRIu64 " of %" PRIu64,
                    phase->name, self->slots.live_buffers, self->slots.live_bytes, phase->end_live_buffers,
                    phase->end_live_bytes);
    }
    return true;
}

static bool audit_totals(audit *self) {
    const stream *played = self->stream;
    if (self->slots.live_buffers != 0) {
        return fail(self, "the stream ends with %" PRIu64 " buffers (S4)", self->slots.live_buffers);
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
    self.next = calloc(played->thread_count, sizeof *self.next);
    self.pass = calloc(played->thread_count, sizeof *self.pass);
    bool fine = model_init(&self.slots, played->thread_count) && model_reserve(&self.slots, played->slot_count) &&
                self.next != NULL && self.pass != NULL;
    if (!fine) {
        (void)fail(&self, "not enough memory for the audit");
    }
    for (uint32_t p = 0; p < played->phase_count && fine; p++) {
        fine = audit_phase(&self, &played->phases[p]);
    }
    fine = fine && audit_totals(&self);
    free(self.pass);
    free(self.next);
    model_fini(&self.slots);
    return fine;
}
