/* An arena's audit: walks every structure and compares it with the others and with the counters. For tests. */
#include "arena.h"

#include "check.h"

/* Every subpage of a chunk with a free slot, and no other, is in its ring: adds up what the rings must have. */
static void audit_count(const chunk *record, uint64_t ring_members[], uint64_t used[], uint64_t *subpage_pages) {
    for (uint32_t page = 0; page < record->runs.page_count; page++) {
        const subpage *cut = record->subpages[page];
        if (cut != NULL) {
            ring_members[cut->size_class] += subpage_is_full(cut) ? 0 : 1;
            used[cut->size_class] += cut->slot_count - cut->free_count;
            *subpage_pages += cut->page_count;
        }
    }
}

static bool audit_locked(const arena *self) {
    const size_classes *classes = self->config.classes;
    uint64_t ring_members[SIZE_CLASS_MAX_COUNT] = {0};
    uint64_t used[SIZE_CLASS_MAX_COUNT] = {0};
    uint64_t pages = 0;
    uint64_t subpage_pages = 0;
    uint64_t dirty_pages = self->decay.out_pages;
    uint64_t chunks = self->spares.count;
    uint64_t subpages = 0;
    if (!chunk_lists_audit(self->lists) || !spare_list_audit(&self->spares) || !decay_audit(&self->decay)) { /* A3 */
        return false;
    }
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        for (const chunk *record = self->lists[i].first; record != NULL; record = record->next) {
            POOLBUF_AUDIT(record->arena == self);
            audit_count(record, ring_members, used, &subpage_pages);
            pages += record->runs.page_count - record->runs.free_pages;
            dirty_pages += record->dirty.count;
            POOLBUF_AUDIT(record->dirty.count == 0 || self->config.regions->pages_stay ||
                          record->decay_link != NULL); /* D1 */
            subpages += record->subpage_count;
            chunks++;
        }
    }
    for (const chunk *record = self->spares.newest; record != NULL; record = record->next) {
        POOLBUF_AUDIT(record->arena == self);
        POOLBUF_AUDIT(record->decay_link == NULL); /* D1 */
        dirty_pages += record->dirty.count;
    }
    POOLBUF_AUDIT(chunks == self->counters.chunks);
    /* Whoever maps has a record already, and whoever unmaps has it still; a child has those, for ever, of the threads that
     * did at its fork(). */
    uint64_t under_way = self->doomed + (self->mapping_era == region_era() ? self->mapping : 0);
    POOLBUF_AUDIT(dirty_pages == self->counters.dirty_pages);
    POOLBUF_AUDIT(chunks + under_way <= self->chunk_records.out);
    POOLBUF_AUDIT(self->chunk_books.out == self->chunk_records.out);
    POOLBUF_AUDIT(chunks + under_way == self->chunk_records.out || region_era() != 0);
    POOLBUF_AUDIT(subpages == self->subpage_records.out);
    POOLBUF_AUDIT(self->counters.huge_buffers + self->mapping_huge == self->huge_records.out);
    uint64_t run_pages = 0;
    uint64_t carved[SIZE_CLASS_MAX_COUNT] = {0}; /* by the class that serves: A4 */
    for (uint32_t i = 0; i < classes->count; i++) {
        carved[self->serving[i]] += self->counters.carved[i];
    }
    for (uint32_t i = 0; i < classes->count; i++) {
        uint64_t members = 0;
        for (const subpage *cut = self->rings[i]; cut != NULL; cut = cut->next) {
            POOLBUF_AUDIT(cut->size_class == i);
            POOLBUF_AUDIT(!subpage_is_full(cut));
            POOLBUF_AUDIT(!subpage_is_empty(cut) || self->kept[i] == cut); /* A2 */
            members++;
        }
        POOLBUF_AUDIT(members == ring_members[i]);
        if (size_class_is_small(classes, i)) {
            POOLBUF_AUDIT(used[i] == carved[i]); /* A1 */
        } else {
            run_pages += carved[i] * (size_class_bytes(classes, i) >> classes->page_log2);
        }
    }
    POOLBUF_AUDIT(pages == subpage_pages + run_pages + self->decay.out_pages);
    POOLBUF_AUDIT(subpage_pages + run_pages == self->counters.used_pages);
    return true;
}

bool arena_audit(arena *self) {
    arena_lock(self);
    bool good = audit_locked(self);
    arena_unlock(self);
    return good;
}
