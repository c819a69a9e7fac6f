/* Walks the stream thread by thread, as no order between threads is given. */
#include "subjects/demand.h"

#include <sys/mman.h>

enum {
    NOBODY = 0xFFFF,
    SHARED = 0xFFFE,
    EMPTY = 0xFF
};

/* What is known of a slot. */
typedef struct slot_fact {
    uint16_t user; /* the one thread that uses it, NOBODY or SHARED */
    uint8_t class; /* of the buffer in it, EMPTY for none; only of slots with one user */
    uint32_t size; /* bytes of that buffer */
    uint32_t mask; /* bit i: it holds a buffer of class i at some time; only of shared slots */
    uint32_t more; /* bit i: it holds a reference to one, or a view of one, at some time */
} slot_fact;

_Static_assert(POOL_CLASS_COUNT <= 32, "a class is a bit of slot_fact.mask");

static bool is_passed_on(stream_op op) {
    return stream_op_kind(op) == STREAM_MOVE || stream_op_is_give(op);
}

/* What one slot may hold or refer to, another one may, too; says whether that is news. */
static bool spread(slot_fact *slots, uint32_t source, uint32_t target, bool is_reference) {
    const slot_fact *from = &slots[source];
    slot_fact *to = &slots[target];
    const uint32_t mask = to->mask;
    const uint32_t more = to->more;
    to->mask |= is_reference ? 0 : from->mask;
    to->more |= is_reference ? from->mask | from->more : from->more;
    return to->mask != mask || to->more != more;
}

static bool spread_thread(const stream_thread *part, slot_fact *slots) {
    uint32_t hand = 0;
    bool has_hand = false;
    bool is_new = false;
    for (size_t at = 0; at < part->op_count; at++) {
        const stream_op op = part->ops[at];
        const stream_kind kind = stream_op_kind(op);
        if (is_passed_on(op)) {
            is_new = spread(slots, op.slot, stream_op_target(op), false) || is_new;
        } else if (kind == STREAM_HOLD) {
            hand = op.slot;
            has_hand = true;
        } else if ((kind == STREAM_RETAIN || kind == STREAM_SLICE) && has_hand) {
            is_new = spread(slots, hand, op.slot, true) || is_new;
        }
    }
    return is_new;
}

/* Slots that buffers go between are shared ones; what is in the hand may be, and then another thread, perhaps one that
 * was walked later, has filled it. Walks until a walk finds nothing new: as often as a buffer goes on, at most. */
static void follow(const stream *source, slot_fact *slots) {
    for (bool is_new = true; is_new;) {
        is_new = false;
        for (size_t i = 0; i < (size_t)source->phase_count * source->thread_count; i++) {
            const stream_phase *phase = &source->phases[i / source->thread_count];
            is_new = spread_thread(&phase->threads[i % source->thread_count], slots) || is_new;
        }
    }
}

/* One thread's books. */
typedef struct walk {
    slot_fact *slots;
    uint64_t live[POOL_CLASS_COUNT], peak[POOL_CLASS_COUNT];
    const slot_fact *hand; /* what the thread holds */
} walk;

static void find_users(const stream *source, slot_fact *slots) {
    for (uint32_t i = 0; i < source->slot_count; i++) {
        slots[i] = (slot_fact){.user = NOBODY, .class = EMPTY};
    }
    for (uint32_t i = 0; i < source->phase_count; i++) {
        for (uint32_t thread = 0; thread < source->thread_count; thread++) {
            const stream_thread *part = &source->phases[i].threads[thread];
            for (size_t at = 0; at < part->op_count; at++) {
                const stream_op op = part->ops[at];
                const bool many = stream_op_kind(op) == STREAM_ASSEMBLE;
                if (is_passed_on(op)) {
                    slots[op.slot].user = slots[stream_op_target(op)].user = SHARED;
                }
                for (uint32_t s = 0; stream_op_has_slot(op) && s < (many ? stream_op_size(op) : 1); s++) {
                    slot_fact *slot = &slots[op.slot + s];
                    slot->user = slot->user == NOBODY || slot->user == thread ? (uint16_t)thread : SHARED;
                }
            }
        }
    }
}

/* So many more buffers than are live are there for a moment. */
static void pass(walk *self, unsigned class, uint64_t more) {
    const uint64_t live = self->live[class] + more;
    self->peak[class] = live > self->peak[class] ? live : self->peak[class];
}

static void fill(walk *self, slot_fact *slot, unsigned class) {
    if (slot->user == SHARED) {
        slot->mask |= UINT32_C(1) << class;
        return;
    }
    pass(self, class, 1);
    self->live[class]++;
    slot->class = (uint8_t) class;
}

static void empty(walk *self, slot_fact *slot) {
    if (slot->user != SHARED && slot->class != EMPTY) {
        self->live[slot->class]--;
        slot->class = EMPTY;
    }
}

/* Smaller sizes stay where they are. The old buffer is there until the contents have moved; a shared one may come from
 * any class below. */
static void resize(walk *self, slot_fact *slot, unsigned class) {
    if (slot->user == SHARED) {
        pass(self, class, 1);
        fill(self, slot, class);
    } else if (slot->class == EMPTY || class > slot->class) {
        pass(self, class, 1);
        empty(self, slot);
        fill(self, slot, class);
    }
}

/* A reference may be its buffer's last, wherever the others have gone: each is counted as a whole buffer. So is that of
 * a view, which takes a small buffer besides. */
static void share(walk *self, stream_op op) {
    slot_fact *slot = &self->slots[op.slot];
    const bool is_view = stream_op_kind(op) == STREAM_SLICE;
    const uint32_t small = is_view ? UINT32_C(1) << pool_class_of(STREAM_VIEW_SIZE) : 0;
    if (self->hand == NULL) {
        return;
    }
    slot->more |= small | self->hand->mask | self->hand->more;
    if (self->hand->user != SHARED && self->hand->class != EMPTY) {
        slot->more |= UINT32_C(1) << self->hand->class;
    }
}

static void assemble(walk *self, stream_op op) {
    pass(self, pool_class_of(stream_op_size(op) * STREAM_PART_SIZE), 1);
    for (uint32_t i = 0; i < stream_op_size(op); i++) {
        empty(self, &self->slots[op.slot + i]);
    }
}

/* What is appended to may grow through every class on its way, and is copied from one into the next. */
static void append(walk *self, slot_fact *slot, uint32_t size) {
    slot->size += size;
    resize(self, slot, pool_class_of(slot->size));
}

static void step(walk *self, stream_op op) {
    const unsigned class = pool_class_of(stream_op_size(op));
    switch (stream_op_kind(op)) {
    case STREAM_ALLOCATE:
        fill(self, &self->slots[op.slot], class);
        self->slots[op.slot].size = stream_op_size(op);
        break;
    case STREAM_RELEASE:
        empty(self, &self->slots[op.slot]);
        break;
    case STREAM_REPLACE:
        empty(self, &self->slots[op.slot]);
        fill(self, &self->slots[op.slot], class);
        self->slots[op.slot].size = stream_op_size(op);
        break;
    case STREAM_RESIZE:
        resize(self, &self->slots[op.slot], class);
        self->slots[op.slot].size = stream_op_size(op);
        break;
    case STREAM_APPEND:
        append(self, &self->slots[op.slot], stream_op_size(op));
        break;
    case STREAM_HOLD:
        self->hand = stream_op_is_give(op) ? self->hand : &self->slots[op.slot];
        break;
    case STREAM_RETAIN:
    case STREAM_SLICE:
        share(self, op);
        break;
    case STREAM_ASSEMBLE:
        assemble(self, op);
        break;
    case STREAM_PINGPONG:
        pass(self, class, 1);
        break;
    case STREAM_BULK:
        pass(self, class, stream_bulk_count(op));
        break;
    default:
        break;
    }
}

/* A repeated phase ends with the same slots full as it began with, perhaps by other sizes: the second pass begins with
 * those, and all after it are like it. */
static void walk_thread(walk *self, const stream *source, uint32_t thread) {
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const stream_thread *part = &source->phases[i].threads[thread];
        for (unsigned turn = 0; turn < (source->phases[i].repeat > 1 ? 2 : 1); turn++) {
            for (size_t at = 0; at < part->op_count; at++) {
                step(self, part->ops[at]);
            }
        }
    }
}

bool demand_of_stream(const stream *source, demand *out) {
    const size_t size = (source->slot_count + (size_t)1) * sizeof(slot_fact);
    slot_fact *slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED) {
        return false;
    }
    *out = (demand){.buffers = {0}};
    find_users(source, slots);
    for (uint32_t thread = 0; thread < source->thread_count; thread++) {
        walk self = {.slots = slots};
        walk_thread(&self, source, thread);
        for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
            out->buffers[i] += self.peak[i];
        }
    }
    follow(source, slots);
    for (uint32_t i = 0; i < source->slot_count; i++) {
        for (uint32_t left = slots[i].more; left != 0; left &= left - 1) {
            out->buffers[__builtin_ctz(left)]++;
        }
        for (uint32_t left = slots[i].mask; left != 0; left &= left - 1) {
            out->buffers[__builtin_ctz(left)]++;
        }
    }
    (void)munmap(slots, size);
    return true;
}
