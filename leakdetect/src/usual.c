/* See usual.h. */
#include "usual.h"

#include <string.h>

#include "memory.h"

static usual_entry *find(usual *self, const usual_entry *wanted) {
    uint64_t hash = ((uint64_t)wanted->allocation_stack << 32 | wanted->stack) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ (hash >> 29) ^ wanted->type ^ (uint64_t)wanted->kind << 20) * 0xbf58476d1ce4e5b9u;
    if (self->entries == NULL && (self->entries = memory_map(USUAL_SLOTS * sizeof *self->entries)) == NULL) {
        return NULL;
    }
    for (uint32_t slot = (uint32_t)(hash >> 40);; slot++) {
        usual_entry *entry = &self->entries[slot % USUAL_SLOTS];
        if (entry->count == 0) {
            if (self->used >= USUAL_SLOTS / 4 * 3) {
                return NULL;
            }
            self->used++;
            *entry = *wanted;
            return entry;
        }
        if (entry->allocation_stack == wanted->allocation_stack && entry->stack == wanted->stack &&
            entry->type == wanted->type && entry->kind == wanted->kind) {
            return entry;
        }
    }
}

usual_entry *usual_look_up(usual *self, uint32_t allocation_stack, uint32_t type, uint32_t close_stack) {
    usual_entry *entry = find(
        self, &(usual_entry){
                  .allocation_stack = allocation_stack, .type = type, .kind = USUAL_CLOSINGS, .stack = close_stack});
    if (entry != NULL) {
        self->last = (uint32_t)(entry - self->entries);
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
        memset(self->entries, 0, USUAL_SLOTS * sizeof *self->entries);
    }
    self->used = 0;
}
