/* A subpage: a run cut into equal slots. */
#include "subpage.h"

#include "bitmap.h"
#include "check.h"

size_t subpage_storage(const size_classes *classes) {
    uint32_t most_slots = (uint32_t)1 << (classes->page_log2 - SIZE_CLASS_QUANTUM_LOG2);
    return sizeof(subpage) + sizeof(uint64_t) * BITMAP_WORDS(most_slots);
}

void subpage_init(subpage *self, const size_classes *classes, uint32_t size_class, struct chunk *owner,
                  uint32_t first_page) {
    uint32_t pages = size_class_subpage_pages(classes, size_class);
    uint32_t slot_bytes = (uint32_t)size_class_bytes(classes, size_class);
    uint32_t slots = (uint32_t)(((size_t)pages << classes->page_log2) / slot_bytes);
    *self = (subpage){
        .chunk = owner,
        .first_page = first_page,
        .page_count = pages,
        .size_class = size_class,
        .slot_bytes = slot_bytes,
        .slot_count = slots,
        .free_count = slots,
    };
    bitmap_fill(self->free_slots, slots);
}

uint32_t subpage_take(subpage *self) {
    POOLBUF_ASSERT(self->free_count != 0);
    uint32_t slot = bitmap_first(self->free_slots, self->slot_count, self->hint);
    POOLBUF_ASSERT(slot != BITMAP_NONE);
    bitmap_clear(self->free_slots, slot);
    self->free_count--;
    self->hint = slot;
    return slot;
}

void subpage_give(subpage *self, uint32_t slot) {
    POOLBUF_CHECK(slot < self->slot_count && !bitmap_test(self->free_slots, slot),
                  "a slot is freed that is not in use");
    bitmap_set(self->free_slots, slot);
    self->free_count++;
    if (slot < self->hint) {
        self->hint = slot;
    }
}

void subpage_ring_add(subpage **first, subpage *self) {
    self->prev = NULL;
    self->next = *first;
    if (*first != NULL) {
        (*first)->prev = self;
    }
    *first = self;
}

void subpage_ring_remove(subpage **first, subpage *self) {
    if (self->prev != NULL) {
        self->prev->next = self->next;
    } else {
        POOLBUF_ASSERT(*first == self);
        *first = self->next;
    }
    if (self->next != NULL) {
        self->next->prev = self->prev;
    }
    self->next = self->prev = NULL;
}

bool subpage_audit(const subpage *self, const size_classes *classes) {
    POOLBUF_AUDIT(size_class_is_small(classes, self->size_class));
    POOLBUF_AUDIT(self->slot_bytes == size_class_bytes(classes, self->size_class));
    POOLBUF_AUDIT((size_t)self->slot_bytes * self->slot_count <= (size_t)self->page_count << classes->page_log2);
    POOLBUF_AUDIT(bitmap_population(self->free_slots, self->slot_count) == self->free_count);
    if (self->free_count != 0) { /* P1 */
        uint32_t lowest = bitmap_first(self->free_slots, self->slot_count, 0);
        POOLBUF_AUDIT(lowest / BITMAP_WORD_BITS >= self->hint / BITMAP_WORD_BITS);
    }
    return true;
}
