/* See usual.h. */
#include "usual.h"

#include <string.h>

#include "memory.h"

_Static_assert(USUAL_SLOTS_MOST <= UINT16_MAX, "usual.used and last have room");

static bool is_of(const usual_entry *entry, const usual_entry *wanted) {
    return entry->allocation_stack == wanted->allocation_stack && entry->stack == wanted->stack &&
           entry->type == wanted->type && entry->kind == wanted->kind;
}

/* Where it is, or is to be; there always is a free one. */
static usual_entry *slot_of(const usual *self, const usual_entry *wanted) {
    uint64_t hash = ((uint64_t)wanted->allocation_stack << 32 | wanted->stack) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ (hash >> 29) ^ wanted->type ^ (uint64_t)wanted->kind << 20) * 0xbf58476d1ce4e5b9u;
    uint32_t slot = (uint32_t)(hash >> 40) % self->slots;
    while (self->entries[slot].count != 0 && !is_of(&self->entries[slot], wanted)) {
        slot = (slot + 1) % self->slots;
    }
    return &self->entries[slot];
}

/* Twice the slots; without memory it stays as it is. */
static void grow(usual *self) {
    const usual old = *self;
    self->slots = old.slots == 0 ? USUAL_SLOTS_FIRST : 2 * old.slots;
    self->entries = memory_map(self->slots * sizeof *self->entries);
    if (self->entries == NULL) {
        *self = old;
        return;
    }
    self->last = 0;
    for (uint32_t i = 0; i < old.slots; i++) {
        if (old.entries[i].count != 0) {
            *slot_of(self, &old.entries[i]) = old.entries[i];
        }
    }
    if (old.entries != NULL) {
        memory_unmap(old.entries, old.slots * sizeof *old.entries);
    }
}

static usual_entry *find(usual *self, const usual_entry *wanted) {
    usual_entry *entry = slot_of(self, wanted);
    if (entry->count == 0) {
        if (self->used >= self->slots / 4 * 3) {
            return NULL;
        }
        self->used++;
        *entry = *wanted;
    }
    return entry;
}

usual_entry *usual_look_up(usual *self, uint32_t allocation_stack, uint32_t type, uint32_t close_stack) {
    if (self->used >= self->slots / 2 && self->slots < USUAL_SLOTS_MOST) {
        grow(self); /* here alone, where nobody has an entry in hand, and early, so that its holds have room */
    }
    usual_entry *entry = self->entries == NULL ? NULL
                                               : find(self, &(usual_entry){.allocation_stack = allocation_stack,
                                                                           .type = type,
                                                                           .kind = USUAL_CLOSINGS,
                                                                           .stack = close_stack});
    if (entry != NULL) {
        self->last = (uint16_t)(entry - self->entries);
    }
    return entry;
}

void usual_add(usual *self, usual_entry *closings, uint8_t kind, uint32_t stack, uint64_t count) {
    usual_entry *entry =
        find(self,
             &(usual_entry){
                 .allocation_stack = closings->allocation_stack, .type = closings->type, .kind = kind, .stack = stack});
    if (entry == NULL) {
        closings->incomplete = true;
        return;
    }
    entry->count += count;
}

void usual_reset(usual *self) {
    if (self->entries != NULL) {
        memset(self->entries, 0, self->slots * sizeof *self->entries);
    }
    self->used = 0;
}
