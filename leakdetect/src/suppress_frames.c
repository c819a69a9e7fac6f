/* Sets of rules, by frame; see suppress_frames.h. */
#include "suppress_frames.h"

#include "memory.h"

enum {
    WORD_BITS = 64
};

static void add(uint64_t *set, size_t rule) {
    set[rule / WORD_BITS] |= (uint64_t)1 << rule % WORD_BITS;
}

/* The first place that a frame of each stack must match which the rule covers: of a block not one of those that it may go
 * without, nor any frames at all. NULL: there is none. */
static const suppress_place *key_of(const suppress_frames *self, size_t at) {
    const suppress_rule *rule = (const suppress_rule *)self->file->rules.items + at;
    const suppress_place *places = (const suppress_place *)self->file->places.items + rule->first_place;
    size_t i = rule->allocator_places;
    while (i < rule->place_count && places[i].kind == SUPPRESS_ANY_FRAMES) {
        i++;
    }
    return i < rule->place_count ? &places[i] : NULL;
}

bool suppress_frames_init(suppress_frames *self, const suppress_file *file) {
    const size_t words = (file->rules.count + WORD_BITS - 1) / WORD_BITS;
    const size_t sets = (SUPPRESS_FRAMES_SLOTS + 3) * words;
    const size_t bytes = SUPPRESS_FRAMES_SLOTS * sizeof(symbol_frame *) + sets * sizeof(uint64_t);
    void *memory = memory_map(bytes); /* what is not used is not touched */
    if (memory == NULL) {
        return false;
    }
    *self = (suppress_frames){.file = file, .frames = memory, .words = words, .memory = memory, .bytes = bytes};
    self->sets = (uint64_t *)(void *)(self->frames + SUPPRESS_FRAMES_SLOTS);
    self->always = self->sets + SUPPRESS_FRAMES_SLOTS * words;
    self->stack = self->always + words;
    self->other = self->stack + words;
    for (size_t i = 0; i < file->rules.count; i++) {
        if (key_of(self, i) == NULL) {
            add(self->always, i);
        }
    }
    return true;
}

void suppress_frames_fini(suppress_frames *self) {
    memory_unmap(self->memory, self->bytes);
    *self = (suppress_frames){0};
}

static void find_out(suppress_frames *self, const symbol_frame *frame, uint64_t *set) {
    for (size_t i = 0; i < self->words; i++) {
        set[i] = 0;
    }
    for (size_t i = 0; i < self->file->rules.count; i++) {
        const suppress_place *key = key_of(self, i);
        self->looks += key != NULL;
        if (key != NULL && suppress_place_matches(key, frame)) {
            add(set, i);
        }
    }
}

static const uint64_t *set_of(suppress_frames *self, const symbol_frame *frame) {
    size_t slot = ((uint64_t)(uintptr_t)frame * 0x9e3779b97f4a7c15u >> 40) % SUPPRESS_FRAMES_SLOTS;
    while (self->frames[slot] != NULL && self->frames[slot] != frame) {
        slot = (slot + 1) % SUPPRESS_FRAMES_SLOTS;
    }
    uint64_t *set = self->sets + slot * self->words;
    if (self->frames[slot] == frame) {
        return set;
    }
    if (self->kept == SUPPRESS_FRAMES_KEPT) {
        set = self->other;
    } else {
        self->frames[slot] = frame;
        self->kept++;
    }
    find_out(self, frame, set);
    return set;
}

void suppress_frames_choose(suppress_frames *self, const report_frames *stack) {
    for (size_t i = 0; i < self->words; i++) {
        self->stack[i] = self->always[i];
    }
    for (size_t i = 0; i < stack->count; i++) {
        const uint64_t *set = set_of(self, stack->items[i]);
        for (size_t j = 0; j < self->words; j++) {
            self->stack[j] |= set[j];
        }
    }
}

size_t suppress_frames_next(const suppress_frames *self, size_t from) {
    const size_t count = self->file->rules.count;
    for (size_t word = from / WORD_BITS; from < count; from = ++word * WORD_BITS) {
        const uint64_t rest = self->stack[word] >> from % WORD_BITS;
        if (rest != 0) {
            return from + (size_t)__builtin_ctzll(rest);
        }
    }
    return count;
}
