/* Building a stream; see builder.h. */
#include "scenario/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char no_memory[] = "not enough memory for its operations";

bool builder_init(builder *self, uint32_t thread_count) {
    memset(self, 0, sizeof *self);
    self->stream = calloc(1, sizeof *self->stream);
    self->threads = calloc(thread_count, sizeof *self->threads);
    if (!model_init(&self->slots, thread_count) || self->stream == NULL || self->threads == NULL) {
        model_fini(&self->slots);
        free(self->stream);
        free(self->threads);
        return false;
    }
    self->stream->thread_count = thread_count;
    return true;
}

void builder_open(builder *self, const char *name, const char *ending) {
    stream *made = self->stream;
    if (self->failure != NULL) {
        return;
    }
    if (made->phase_count == self->phase_room) {
        uint32_t room = self->phase_room == 0 ? 16 : self->phase_room * 2;
        stream_phase *phases = realloc(made->phases, room * sizeof *phases);
        if (phases == NULL) {
            self->failure = no_memory;
            return;
        }
        made->phases = phases;
        self->phase_room = room;
    }
    size_t size = strlen(name) + strlen(ending) + 1;
    char *text = malloc(size);
    stream_thread *threads = calloc(made->thread_count, sizeof *threads);
    if (text == NULL || threads == NULL) {
        free(text);
        free(threads);
        self->failure = no_memory;
        return;
    }
    (void)snprintf(text, size, "%s%s", name, ending);
    made->phases[made->phase_count++] = (stream_phase){.name = text, .threads = threads, .repeat = 1};
    model_open(&self->slots);
}

void builder_expect(builder *self, uint64_t ops) {
    if (self->failure == NULL && self->op_total + ops > BUILDER_OPS_MAX) {
        self->failure = "more operations than fit in 1 GiB; fewer threads, phases or operations are needed";
    }
}

/* `last` is the highest slot that an operation names. */
static bool grow_slots(builder *self, uint64_t last) {
    if (last >= self->slots.slot_room) {
        uint64_t room = self->slots.slot_room == 0 ? 1024 : self->slots.slot_room;
        while (room <= last) {
            room *= 2;
        }
        if (room > UINT32_MAX) {
            self->failure = "more slots than a stream can have";
            return false;
        }
        if (!model_reserve(&self->slots, (uint32_t)room)) {
            self->failure = no_memory;
            return false;
        }
    }
    if (last >= self->stream->slot_count) {
        self->stream->slot_count = (uint32_t)last + 1;
    }
    return true;
}

static void note_peak(builder *self, uint64_t live_bytes) {
    if (live_bytes > self->stream->peak_live_bytes) {
        self->stream->peak_live_bytes = live_bytes;
    }
}

/* Plays one operation on the model: in the order of appending, none has to wait. */
static void play(builder *self, uint32_t thread, stream_op op) {
    uint32_t size = stream_op_size(op);
    stream_kind kind = stream_op_kind(op);
    switch (model_step(&self->slots, thread, op)) {
    case MODEL_WAITS:
        self->failure = "its generator uses a slot out of turn";
        return;
    case MODEL_BROKEN:
        self->failure = self->slots.why;
        return;
    default:
        break;
    }
    if (self->slots.largest > self->stream->max_size) {
        self->stream->max_size = self->slots.largest;
    }
    uint64_t brief = kind == STREAM_BULK ? (uint64_t)size * stream_bulk_count(op) : kind == STREAM_PINGPONG ? size : 0;
    note_peak(self, self->slots.live_bytes + brief);
}

static bool append(builder *self, builder_thread *thread, stream_op op) {
    if (thread->count == thread->room) {
        size_t room = thread->room == 0 ? 256 : thread->room * 2;
        stream_op *ops = realloc(thread->ops, room * sizeof *ops);
        if (ops == NULL) {
            self->failure = no_memory;
            return false;
        }
        thread->ops = ops;
        thread->room = room;
    }
    thread->ops[thread->count++] = op;
    thread->operation_count += stream_op_operations(op);
    return true;
}

void builder_add(builder *self, uint32_t thread, stream_kind kind, uint32_t slot, uint32_t size) {
    if (self->failure != NULL) {
        return;
    }
    builder_expect(self, 1);
    self->op_total++;
    stream_op op = stream_op_make(kind, slot, size);
    uint64_t last = kind == STREAM_ASSEMBLE ? (uint64_t)slot + size - 1
                    : (kind == STREAM_MOVE || stream_op_is_give(op)) && stream_op_target(op) > slot
                        ? stream_op_target(op)
                        : slot;
    if (self->failure != NULL || (stream_op_has_slot(op) && !grow_slots(self, last)) ||
        !append(self, &self->threads[thread], op)) {
        return;
    }
    play(self, thread, op);
}

static void count_totals(stream *made, const stream_phase *phase) {
    for (uint32_t t = 0; t < made->thread_count; t++) {
        const stream_thread *thread = &phase->threads[t];
        uint64_t allocations = 0;
        for (size_t i = 0; i < thread->op_count; i++) {
            allocations += stream_op_allocations(thread->ops[i]);
        }
        made->allocation_count += allocations * phase->repeat;
        made->operation_count += thread->operation_count * phase->repeat;
    }
}

static void pack(builder *self, stream_thread *thread) {
    if (thread->op_count == 0 || !stream_is_pure(thread->ops, thread->op_count)) {
        return;
    }
    stream_pair *pairs = malloc(thread->op_count * sizeof *pairs);
    if (pairs == NULL) {
        self->failure = no_memory;
        return;
    }
    stream_pack(thread->ops, thread->op_count, pairs);
    thread->pairs = pairs;
}

void builder_close(builder *self, uint32_t repeat) {
    stream *made = self->stream;
    if (self->failure != NULL) {
        return;
    }
    stream_phase *phase = &made->phases[made->phase_count - 1];
    size_t ops = 0;
    for (uint32_t t = 0; t < made->thread_count; t++) {
        builder_thread *from = &self->threads[t];
        stream_op *shrunk = from->count > 0 ? realloc(from->ops, from->count * sizeof *shrunk) : NULL;
        phase->threads[t] = (stream_thread){.ops = shrunk != NULL ? shrunk : from->ops,
                                            .op_count = from->count,
                                            .operation_count = from->operation_count};
        pack(self, &phase->threads[t]);
        ops += from->count;
        *from = (builder_thread){0};
    }
    /* A second pass starts from what the first one left, so its peak may differ; further passes repeat the second. */
    for (uint32_t t = 0; t < made->thread_count && repeat > 1; t++) {
        for (size_t i = 0; i < phase->threads[t].op_count && phase->threads[t].ops != NULL; i++) {
            stream_kind kind = stream_op_kind(phase->threads[t].ops[i]);
            if (kind == STREAM_REPLACE) {
                play(self, t, phase->threads[t].ops[i]);
            }
        }
    }
    phase->repeat = repeat;
    phase->end_live_buffers = self->slots.live_buffers;
    phase->end_live_bytes = self->slots.live_bytes;
    count_totals(made, phase);
    if (ops == 0) {
        free(phase->threads);
        free((void *)(uintptr_t)phase->name);
        made->phase_count--;
    }
}

stream *builder_finish(builder *self) {
    stream *made = self->stream;
    if (self->failure == NULL && self->slots.live_buffers != 0) {
        self->failure = "its generator leaves buffers behind";
    }
    for (uint32_t t = 0; t < made->thread_count; t++) {
        free(self->threads[t].ops);
    }
    free(self->threads);
    model_fini(&self->slots);
    self->threads = NULL;
    self->stream = NULL;
    if (self->failure != NULL) {
        stream_destroy(made);
        return NULL;
    }
    return made;
}
