/* The rules of stream.h, one operation at a time; see model.h. */
#include "scenario/model.h"

#include <stdlib.h>
#include <string.h>

bool model_init(model *self, uint32_t thread_count) {
    memset(self, 0, sizeof *self);
    self->thread_count = thread_count;
    self->hands = calloc(thread_count, sizeof *self->hands);
    self->objects = calloc(1, sizeof *self->objects);
    self->object_count = self->object_room = 1;
    return self->hands != NULL && self->objects != NULL;
}

void model_fini(model *self) {
    free(self->slots);
    free(self->objects);
    free(self->hands);
    memset(self, 0, sizeof *self);
}

bool model_reserve(model *self, uint32_t slot_count) {
    if (slot_count <= self->slot_room) {
        return true;
    }
    model_slot *slots = realloc(self->slots, slot_count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    memset(slots + self->slot_room, 0, (slot_count - self->slot_room) * sizeof *slots);
    self->slots = slots;
    self->slot_room = slot_count;
    return true;
}

void model_open(model *self) {
    for (uint32_t s = 0; s < self->slot_room; s++) {
        self->slots[s].filler = self->slots[s].emptier = 0;
    }
    for (uint32_t i = 0; i < self->object_count; i++) {
        if (self->objects[i].references <= 1) {
            self->objects[i].sharer = 0; /* all that shared it is gone, and all threads know (S3) */
        }
    }
}

void model_rewind(model *self, uint32_t thread) {
    self->hands[thread].object = 0;
}

static model_outcome broken(model *self, const char *why) {
    self->why = why;
    return MODEL_BROKEN;
}

/* ---- Buffers ---- */

/* Gives a new buffer its first reference; 0 without memory. */
static uint32_t object_make(model *self, uint32_t size) {
    uint32_t made = self->object_free;
    if (made != 0) {
        self->object_free = self->objects[made].size;
    } else {
        if (self->object_count == self->object_room) {
            uint32_t room = self->object_room < 1024 ? 1024 : self->object_room * 2;
            model_object *objects = realloc(self->objects, room * sizeof *objects);
            if (objects == NULL) {
                return 0;
            }
            self->objects = objects;
            self->object_room = room;
        }
        made = self->object_count++;
    }
    self->objects[made] = (model_object){.size = size, .references = 1};
    self->live_buffers++;
    self->live_bytes += size;
    return made;
}

static void object_drop(model *self, uint32_t index) {
    model_object *object = &self->objects[index];
    if (--object->references == 0) {
        self->live_buffers--;
        self->live_bytes -= object->size;
        object->size = self->object_free;
        self->object_free = index;
    }
}

static void object_resize(model *self, model_object *object, uint32_t size) {
    self->live_bytes += size;
    self->live_bytes -= object->size;
    object->size = size;
}

static void note_sharer(model_object *object, uint32_t thread) {
    object->sharer = object->sharer == 0 || object->sharer == thread + 1 ? (uint16_t)(thread + 1) : MODEL_MANY;
}

/* ---- Filling a slot ---- */

/* What RETAIN and SLICE take from; NULL, with the reason, where the thread may not. */
static model_object *held(model *self, uint32_t thread) {
    const model_hand *hand = &self->hands[thread];
    if (hand->object == 0) {
        (void)broken(self, "the thread holds no buffer (S5)");
        return NULL;
    }
    return &self->objects[hand->object];
}

static model_outcome take_share(model *self, uint32_t thread, stream_op op, model_slot *slot) {
    model_object *object = held(self, thread);
    model_hand *hand = &self->hands[thread];
    uint32_t size = stream_op_size(op);
    if (object == NULL) {
        return MODEL_BROKEN;
    }
    slot->form = MODEL_SHARE;
    if (stream_op_kind(op) == STREAM_SLICE) {
        if (!object->is_filled && hand->cursor + size > 1) {
            return broken(self, "slices bytes that nobody wrote (S6)");
        }
        if (size > object->size - hand->cursor) {
            return broken(self, "slices past the end of the held buffer");
        }
        hand->cursor += size;
        self->largest = STREAM_VIEW_SIZE;
        slot->form = MODEL_VIEW;
    }
    note_sharer(object, thread);
    object->references++;
    slot->object = hand->object;
    self->shares++;
    return MODEL_DONE;
}

static model_outcome fill(model *self, uint32_t thread, stream_op op) {
    model_slot *slot = &self->slots[op.slot];
    if (slot->filler != 0 && slot->filler != thread + 1) {
        return broken(self, "a second thread fills the slot (S1)");
    }
    if (slot->object != 0) {
        return MODEL_WAITS;
    }
    slot->filler = (uint16_t)(thread + 1);
    if (stream_op_kind(op) != STREAM_ALLOCATE) {
        return take_share(self, thread, op, slot);
    }
    slot->form = MODEL_OWN;
    slot->object = object_make(self, stream_op_size(op));
    return slot->object != 0 ? MODEL_DONE : broken(self, "no memory is left for the audit");
}

/* ---- Using what is in a slot ---- */

/* Whether the slot is full, and this thread's to empty. */
static model_outcome reach(model *self, uint32_t thread, model_slot *slot) {
    if (slot->emptier != 0 && slot->emptier != thread + 1) {
        return broken(self, "a second thread empties or changes the slot (S1)");
    }
    if (slot->object == 0) {
        return MODEL_WAITS;
    }
    slot->emptier = (uint16_t)(thread + 1);
    return MODEL_DONE;
}

static void empty(model *self, uint32_t thread, model_slot *slot) {
    model_hand *hand = &self->hands[thread];
    if (hand->object != 0 && &self->slots[hand->slot] == slot) {
        hand->object = 0;
    }
    if (slot->form != MODEL_OWN) {
        self->shares--;
        note_sharer(&self->objects[slot->object], thread);
    }
    object_drop(self, slot->object);
    slot->object = 0;
}

/* Its contents, or their place, change. */
static model_outcome change(model *self, uint32_t thread, stream_op op, const model_slot *slot) {
    model_object *object = &self->objects[slot->object];
    uint32_t size = stream_op_size(op);
    if (object->sharer != 0 && (object->sharer != thread + 1 || object->references != 1)) {
        return broken(self, "writes to a shared buffer (S5)");
    }
    if (object->is_given) {
        return broken(self, "writes to a buffer that was given on (S5)");
    }
    if (self->hands[thread].object == slot->object) {
        self->hands[thread].object = 0;
    }
    switch (stream_op_kind(op)) {
    case STREAM_WRITE:
        if (size == STREAM_WRITE_ALL) {
            object->is_filled = true;
            return MODEL_DONE;
        }
        return object->is_appended ? broken(self, "writes in steps into a buffer that was appended to (S6)")
                                   : MODEL_DONE;
    case STREAM_RESIZE:
        if (object->is_appended) {
            return broken(self, "resizes a buffer that was appended to (S6)");
        }
        object_resize(self, object, size);
        object->is_filled = false;
        return MODEL_DONE;
    case STREAM_APPEND:
        if (size > STREAM_SIZE_MAX - object->size) {
            return broken(self, "appends past the largest size");
        }
        object->is_appended = true;
        object_resize(self, object, object->size + size);
        self->largest = object->size;
        return MODEL_DONE;
    default: /* TOUCH */
        return MODEL_DONE;
    }
}

/* As MOVE, but that the buffer may be shared: nothing is written to it, so it keeps its number. */
static model_outcome give(model *self, uint32_t thread, stream_op op, model_slot *from) {
    model_slot *to = &self->slots[stream_op_target(op)];
    model_hand *hand = &self->hands[thread];
    if (from == to || (to->filler != 0 && to->filler != thread + 1)) {
        return broken(self, "a second thread fills the slot, or it is given to where it is (S1)");
    }
    if (from->form == MODEL_VIEW) {
        return broken(self, "gives a view on");
    }
    if (to->object != 0) {
        return MODEL_WAITS;
    }
    if (hand->object != 0 && &self->slots[hand->slot] == from) {
        hand->object = 0;
    }
    if (from->form == MODEL_OWN) {
        self->objects[from->object].is_given = true;
    } else {
        note_sharer(&self->objects[from->object], thread);
    }
    *to = (model_slot){
        .object = from->object, .filler = (uint16_t)(thread + 1), .emptier = to->emptier, .form = from->form};
    from->object = 0;
    return MODEL_DONE;
}

static model_outcome release(model *self, uint32_t thread, stream_op op, model_slot *slot) {
    const bool is_given = stream_op_kind(op) == STREAM_RELEASE && stream_op_size(op) == STREAM_RELEASE_GIVEN;
    if (is_given != self->objects[slot->object].is_given) {
        return broken(self, "takes a buffer that was given on for one that was not, or the reverse (S5)");
    }
    empty(self, thread, slot);
    if (stream_op_kind(op) == STREAM_REPLACE) {
        slot->object = object_make(self, stream_op_size(op));
        return slot->object != 0 ? MODEL_DONE : broken(self, "no memory is left for the audit");
    }
    return MODEL_DONE;
}

static model_outcome use(model *self, uint32_t thread, stream_op op) {
    model_slot *slot = &self->slots[op.slot];
    stream_kind kind = stream_op_kind(op);
    model_outcome outcome = reach(self, thread, slot);
    if (outcome != MODEL_DONE) {
        return outcome;
    }
    if (kind == STREAM_READ || kind == STREAM_DROP) {
        if ((stream_op_size(op) == STREAM_FORM_VIEW) != (slot->form == MODEL_VIEW)) {
            return broken(self, "takes a view for a buffer, or a buffer for a view");
        }
        if (kind == STREAM_READ) {
            return self->objects[slot->object].is_filled ? MODEL_DONE
                                                         : broken(self, "reads bytes that nobody wrote (S6)");
        }
        if (slot->form == MODEL_OWN) {
            return broken(self, "drops a buffer's own reference; RELEASE does that");
        }
        empty(self, thread, slot);
        return MODEL_DONE;
    }
    if (stream_op_is_give(op)) {
        return give(self, thread, op, slot);
    }
    if (slot->form != MODEL_OWN && !(kind == STREAM_HOLD && slot->form == MODEL_SHARE)) {
        return broken(self, "does more than to read and drop what is shared (S5)");
    }
    switch (kind) {
    case STREAM_HOLD:
        self->hands[thread] = (model_hand){.slot = op.slot, .object = slot->object};
        return MODEL_DONE;
    case STREAM_RELEASE:
    case STREAM_REPLACE:
        return release(self, thread, op, slot);
    default:
        return change(self, thread, op, slot);
    }
}

static bool is_untouched(const model_object *object) {
    return object->sharer == 0 && !object->is_given;
}

/* All of its slots are looked at before one is emptied, so that waiting changes nothing. */
static model_outcome assemble(model *self, uint32_t thread, stream_op op) {
    uint32_t count = stream_op_size(op);
    for (uint32_t i = 0; i < count; i++) {
        model_slot *slot = &self->slots[op.slot + i];
        model_outcome outcome = reach(self, thread, slot);
        if (outcome != MODEL_DONE) {
            return outcome;
        }
        if (slot->form != MODEL_OWN || !is_untouched(&self->objects[slot->object])) {
            return broken(self, "assembles what is shared (S5)");
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        empty(self, thread, &self->slots[op.slot + i]);
    }
    self->largest = count * STREAM_PART_SIZE;
    return MODEL_DONE;
}

/* Both ends must be ready, so that a thread that waits holds nothing in its hand. What is moved is marked anew at its
 * ends. */
static model_outcome move(model *self, uint32_t thread, stream_op op) {
    model_slot *from = &self->slots[op.slot];
    model_slot *to = &self->slots[stream_op_target(op)];
    model_hand *hand = &self->hands[thread];
    if (from == to || (to->filler != 0 && to->filler != thread + 1)) {
        return broken(self, "a second thread fills the slot, or it is moved to where it is (S1)");
    }
    model_outcome outcome = to->object != 0 ? MODEL_WAITS : reach(self, thread, from);
    if (outcome != MODEL_DONE) {
        return outcome;
    }
    if (from->form != MODEL_OWN || !is_untouched(&self->objects[from->object])) {
        return broken(self, "moves what is shared (S5)");
    }
    if (self->objects[from->object].is_appended) {
        return broken(self, "moves a buffer that was appended to (S6)");
    }
    if (hand->object == from->object) {
        hand->object = 0;
    }
    self->objects[from->object].is_filled = false;
    *to = (model_slot){
        .object = from->object, .filler = (uint16_t)(thread + 1), .emptier = to->emptier, .form = MODEL_OWN};
    from->object = 0;
    return MODEL_DONE;
}

model_outcome model_step(model *self, uint32_t thread, stream_op op) {
    switch (stream_op_kind(op)) {
    case STREAM_ALLOCATE:
    case STREAM_REPLACE:
    case STREAM_RESIZE:
    case STREAM_PINGPONG:
    case STREAM_BULK:
        self->largest = stream_op_size(op);
        break;
    default:
        self->largest = 0;
        break;
    }
    switch (stream_op_kind(op)) {
    case STREAM_PINGPONG:
    case STREAM_BULK:
        return MODEL_DONE;
    case STREAM_ALLOCATE:
    case STREAM_RETAIN:
    case STREAM_SLICE:
        return fill(self, thread, op);
    case STREAM_ASSEMBLE:
        return assemble(self, thread, op);
    case STREAM_MOVE:
        return move(self, thread, op);
    default:
        return use(self, thread, op);
    }
}
