/* What can be read of an arena: its counters, and copies of its structures. */
#include "arena_metrics.h"

#include "counter.h"

uint64_t arena_metadata_bytes(const arena *self) {
    return counter_get(&self->handles.bytes) + counter_get(&self->chunk_records.bytes) +
           counter_get(&self->huge_records.bytes) + counter_get(&self->subpage_records.bytes);
}

typedef struct region_copy {
    region_extent *regions;
    size_t skip; /* still to be left out */
    size_t room;
    size_t count;
} region_copy;

static void copy_region(region_copy *copy, const chunk *record, size_t payload) {
    if (copy->skip != 0) {
        copy->skip--;
    } else if (copy->room != 0) {
        copy->regions[copy->count++] = (region_extent){record->region + record->lead, payload};
        copy->room--;
    }
}

size_t arena_copy_regions(arena *self, size_t skip, region_extent *regions, size_t capacity) {
    region_copy copy = {.regions = regions, .skip = skip, .room = capacity};
    size_t chunk_bytes = (size_t)1 << self->config.classes->chunk_log2;
    arena_lock(self);
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        for (const chunk *record = self->lists[i].first; record != NULL && copy.room != 0; record = record->next) {
            copy_region(&copy, record, chunk_bytes);
        }
    }
    for (const chunk *record = self->spares.newest; record != NULL && copy.room != 0; record = record->next) {
        copy_region(&copy, record, chunk_bytes);
    }
    for (const chunk *record = self->huge; record != NULL && copy.room != 0; record = record->next) {
        copy_region(&copy, record, record->huge_bytes);
    }
    arena_unlock(self);
    return copy.count;
}
