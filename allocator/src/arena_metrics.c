/* What can be read of an arena: its counters, and copies of its structures. */
#include "arena_metrics.h"

#include <string.h>

#include "counter.h"

uint64_t arena_metadata_bytes(const arena *self) {
    return counter_get(&self->handles.bytes) + counter_get(&self->chunk_records.bytes) +
           counter_get(&self->chunk_books.bytes) + counter_get(&self->huge_records.bytes) +
           counter_get(&self->subpage_records.bytes);
}

static void add_active(const arena *self, poolbuf_arena_metrics *m) {
    const size_classes *classes = self->config.classes;
    for (uint32_t i = 0; i < classes->count; i++) {
        uint64_t carved = counter_get(&self->counters.carved[i]);
        uint32_t serving = self->serving[i];
        *(size_class_is_small(classes, serving) ? &m->small_active : &m->normal_active) += carved;
        m->active_bytes += carved * size_class_bytes(classes, serving);
    }
}

void arena_read_metrics(const arena *self, poolbuf_arena_metrics *metrics) {
    const arena_counters *counters = &self->counters;
    uint64_t chunks = counter_get(&counters->chunks);
    uint64_t huge_bytes = counter_get(&counters->huge_bytes);
    *metrics = (poolbuf_arena_metrics){
        .struct_size = metrics->struct_size,
        .thread_caches = __atomic_load_n(&self->thread_count, __ATOMIC_RELAXED),
        .chunk_count = chunks,
        .chunk_bytes = chunks << self->config.classes->chunk_log2,
        .spare_chunks = counter_get(&self->spares.count),
        .chunk_maps = counter_get(&counters->chunk_maps),
        .chunk_unmaps = counter_get(&counters->chunk_unmaps),
        .small_allocations = counter_get(&counters->allocations[ARENA_SMALL]),
        .normal_allocations = counter_get(&counters->allocations[ARENA_NORMAL]),
        .huge_allocations = counter_get(&counters->allocations[ARENA_HUGE]),
        .small_releases = counter_get(&counters->releases[ARENA_SMALL]),
        .normal_releases = counter_get(&counters->releases[ARENA_NORMAL]),
        .huge_releases = counter_get(&counters->releases[ARENA_HUGE]),
        .huge_active = counter_get(&counters->huge_buffers),
        .active_bytes = huge_bytes,
        .used_bytes = (chunks << self->config.classes->chunk_log2) + huge_bytes,
        .metadata_bytes = arena_metadata_bytes(self),
    };
    add_active(self, metrics);
}

/* ---- Structures --------------------------------------------------------------------------------------------------- */

static void add_element(metric_array *array, const void *element, size_t bytes) {
    if (array->count < array->capacity) {
        char *at = (char *)array->elements + array->count * array->struct_size;
        memset(at, 0, array->struct_size);
        memcpy(at, element, array->struct_size < bytes ? array->struct_size : bytes);
    }
    array->count++;
}

void arena_copy_chunk_lists(arena *self, metric_array *lists) {
    arena_lock(self);
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        const chunk_list *list = &self->lists[i];
        poolbuf_chunk_list_metrics element = {
            .name = list->name,
            .min_usage = list->min_usage,
            .max_usage = list->max_usage,
        };
        for (const chunk *record = list->first; record != NULL; record = record->next) {
            element.chunks++;
        }
        add_element(lists, &element, sizeof element);
    }
    arena_unlock(self);
}

static void add_chunk(const arena *self, metric_array *chunks, const chunk *record, unsigned list) {
    poolbuf_chunk_metrics element = {
        .base = record->region,
        .list = list,
        .usage = chunk_usage(record),
        .chunk_bytes = (size_t)1 << self->config.classes->chunk_log2,
        .free_bytes = chunk_free_bytes(record),
        .subpages = record->subpage_count,
    };
    add_element(chunks, &element, sizeof element);
}

void arena_copy_chunks(arena *self, metric_array *chunks) {
    arena_lock(self);
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        for (const chunk *record = self->lists[i].first; record != NULL; record = record->next) {
            add_chunk(self, chunks, record, i);
        }
    }
    for (const chunk *record = self->spares.newest; record != NULL; record = record->next) {
        add_chunk(self, chunks, record, POOLBUF_CHUNK_LISTS);
    }
    arena_unlock(self);
}

void arena_copy_subpages(arena *self, metric_array *subpages) {
    arena_lock(self);
    for (uint32_t i = 0; i < self->config.classes->small_count; i++) {
        for (const subpage *record = self->rings[i]; record != NULL; record = record->next) {
            poolbuf_subpage_metrics element = {
                .size_class = record->size_class,
                .slot_bytes = record->slot_bytes,
                .slots = record->slot_count,
                .free_slots = record->free_count,
                .page_size = (size_t)1 << self->config.classes->page_log2,
            };
            add_element(subpages, &element, sizeof element);
        }
    }
    arena_unlock(self);
}

_Static_assert(POOLBUF_CHUNK_LISTS == CHUNK_LIST_COUNT, "lists are numbered as in the arena");

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
