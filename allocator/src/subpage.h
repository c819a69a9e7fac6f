/* A subpage: a run cut into equal slots, for one small size class.
 *
 * It keeps the record and never touches the slots: a bitmap beside the memory, a set bit for each free slot. The lowest
 * free slot is taken first, so that use stays dense and the far end empties. No bit is set before hint's word (P1).
 *
 *      first_page            + slot_bytes                          + slot_count * slot_bytes
 *      [ slot 0 (used)       ][ slot 1 (free) ][ slot 2 (used) ]...
 *
 * A subpage with a free slot is in its class's ring in the arena; a full one is in none. Guarded by the arena lock. */
#ifndef SUBPAGE_H
#define SUBPAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "size_class.h"

struct chunk;

typedef struct subpage {
    struct chunk *chunk;         /* where the run lies */
    struct subpage *next, *prev; /* the class's ring; both NULL outside one or alone in it */
    uint32_t first_page;
    uint32_t page_count;
    uint32_t size_class;
    uint32_t slot_bytes;
    uint32_t slot_count;
    uint32_t free_count;
    uint32_t hint;         /* a slot; see P1 */
    uint64_t free_slots[]; /* bitmap */
} subpage;

/* Bytes of a record that fits every class. */
size_t subpage_storage(const size_classes *classes);

void subpage_init(subpage *self, const size_classes *classes, uint32_t size_class, struct chunk *owner,
                  uint32_t first_page);

/* Takes the lowest free slot; there is one. */
uint32_t subpage_take(subpage *self);

/* Gives a slot back; one that is free already is a CHECK. */
void subpage_give(subpage *self, uint32_t slot);

static inline bool subpage_is_full(const subpage *self) {
    return self->free_count == 0;
}

static inline bool subpage_is_empty(const subpage *self) {
    return self->free_count == self->slot_count;
}

/* Rings: first is the ring's anchor in the arena. */
void subpage_ring_add(subpage **first, subpage *self);
void subpage_ring_remove(subpage **first, subpage *self);

bool subpage_audit(const subpage *self, const size_classes *classes);

#endif
