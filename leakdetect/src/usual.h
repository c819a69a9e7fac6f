/* How references usually come and go: sums over the resources that were closed as they should be, by allocation stack.
 * A report compares what leaked with them.
 *
 * One table a shard, under the shard's lock, open-addressed, of entries of 24 bytes, mapped at the first closing at a level
 * that records accesses, and twice as large each time that a closing finds it half full: up to USUAL_SLOTS_MOST. An allocation
 * stack has one entry for each stack that gave back the last reference, which counts those closings, and one for each kind and
 * stack of holds. Where the table is full, a closing
 * that would need a new entry is left out whole, and one whose holds find no room is marked incomplete: a comparison
 * that lacks a part would accuse the wrong site. */
#ifndef LEAKDETECT_USUAL_H
#define LEAKDETECT_USUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    USUAL_SLOTS_FIRST = 1024, /* a power of two, as is the next; three quarters are used */
    USUAL_SLOTS_MOST = 16384, /* of a shard: a thread may have all of its closings in one */
    USUAL_CLOSINGS = 255      /* the kind of an entry that counts closings; its stack is the last release's */
};

typedef struct usual_entry {
    uint64_t count; /* 0: a free slot */
    uint32_t allocation_stack, type;
    uint32_t stack;
    uint8_t kind; /* a hold_kind, or USUAL_CLOSINGS */
    bool incomplete;
} usual_entry;

typedef struct usual {
    usual_entry *entries;
    uint32_t slots;
    uint16_t used;
    uint16_t last; /* the entry of the last closing that was looked up: mostly the next one's, too */
} usual;

/* usual_close() counts a closing; returns its entry, or NULL: no room, and then nothing else of it may be added. Where it is
 * not that of the last one, usual_look_up() finds or makes it.
 * usual_add() adds references of that resource, but for the last release, which the closing is. */
usual_entry *usual_look_up(usual *self, uint32_t allocation_stack, uint32_t type, uint32_t close_stack);
void usual_add(usual *self, usual_entry *closings, uint8_t kind, uint32_t stack, uint64_t count);
void usual_reset(usual *self);

static inline usual_entry *usual_close(usual *self, uint32_t allocation_stack, uint32_t type, uint32_t close_stack) {
    usual_entry *entry = self->entries == NULL ? NULL : &self->entries[self->last];
    if (entry == NULL || entry->allocation_stack != allocation_stack || entry->stack != close_stack ||
        entry->type != type || entry->kind != USUAL_CLOSINGS) { /* as a free slot's is not */
        entry = usual_look_up(self, allocation_stack, type, close_stack);
    }
    if (entry != NULL) {
        entry->count++;
    }
    return entry;
}

#endif
