/* An arena: the slow path that every cache falls back on. */
#include "arena.h"

#include <string.h>

#include "check.h"
#include "counter.h"
#include "handle.h"
#include "poison.h"

#define METADATA_REGION_BYTES 65536u

void arena_init(arena *self, const arena_config *config) {
    *self = (arena){.config = *config};
    (void)pthread_mutex_init(&self->lock, NULL);
    chunk_lists_init(self->lists, (size_t)1 << config->classes->chunk_log2);
    slab_init_handles(&self->handles, config->handle_source);
    slab_init(&self->chunk_records, OS_MAPPED, chunk_storage(config->classes), METADATA_REGION_BYTES);
    slab_init(&self->huge_records, OS_MAPPED, CHUNK_HUGE_STORAGE, METADATA_REGION_BYTES);
    slab_init(&self->subpage_records, OS_MAPPED, subpage_storage(config->classes), METADATA_REGION_BYTES);
}

void arena_lock(arena *self) {
    (void)pthread_mutex_lock(&self->lock);
}

void arena_unlock(arena *self) {
    (void)pthread_mutex_unlock(&self->lock);
}

/* ---- Regions ------------------------------------------------------------------------------------------------------ */

static size_t chunk_bytes(const arena *self) {
    return (size_t)1 << self->config.classes->chunk_log2;
}

static size_t lead_bytes(const arena *self) {
    return poison_memcheck ? (size_t)1 << self->config.classes->page_log2 : 0;
}

/* A region for so many bytes of payload after its lead, closed to everybody. */
static void *map_payload(const arena *self, size_t bytes) {
    void *region = NULL;
    size_t whole = lead_bytes(self) + bytes;
    if (os->acquire(self->config.source, whole, (size_t)1 << self->config.classes->page_log2, &region) != 0) {
        return NULL;
    }
    if (self->config.source == OS_HEAP) {
        poison_heap_region_kept(region);
    }
    poison_bytes_close(region, whole);
    return region;
}

static void unmap_payload(const arena *self, const chunk *record) {
    size_t whole = record->lead + (record->huge_bytes != 0 ? record->huge_bytes : chunk_bytes(self));
    poison_bytes_open(record->region, whole);
    /* benign: a system that refuses to take a region back keeps it mapped; nothing refers to it any more */
    (void)os->give_back(self->config.source, record->region, whole);
}

static chunk *new_chunk_locked(arena *self) {
    chunk *record = spare_list_take(&self->spares);
    if (record != NULL) {
        return record;
    }
    record = slab_take(&self->chunk_records);
    if (record == NULL) {
        return NULL;
    }
    void *region = map_payload(self, chunk_bytes(self));
    if (region == NULL) {
        slab_give(&self->chunk_records, record);
        return NULL;
    }
    chunk_init(record, self->config.classes, self, region, lead_bytes(self));
    counter_add(&self->counters.chunks, 1);
    counter_add(&self->counters.chunk_maps, 1);
    return record;
}

/* A chunk that is in no list goes to release_doomed(). */
static void doom_chunk_locked(arena *self, chunk *record, chunk **doomed) {
    counter_sub(&self->counters.chunks, 1);
    counter_add(&self->counters.chunk_unmaps, 1);
    record->next = *doomed;
    *doomed = record;
}

/* An empty chunk has left its list. */
static void retire_chunk_locked(arena *self, chunk *record, chunk **doomed) {
    if (self->config.decay_ms == 0) {
        doom_chunk_locked(self, record, doomed);
    } else {
        spare_list_add(&self->spares, record, os->now_ms());
    }
}

static void doom_decayed_locked(arena *self, chunk **doomed) {
    if (self->spares.count == 0) {
        return;
    }
    uint64_t now = os->now_ms();
    chunk *record = NULL;
    while ((record = spare_list_take_decayed(&self->spares, now, self->config.decay_ms)) != NULL) {
        doom_chunk_locked(self, record, doomed);
    }
}

static void doom_spares_locked(arena *self, chunk **doomed) {
    chunk *record = NULL;
    while ((record = spare_list_take(&self->spares)) != NULL) {
        doom_chunk_locked(self, record, doomed);
    }
}

/* Unmapping can be slow, so it happens outside the lock: nobody can reach a doomed chunk. Enters and leaves unlocked. */
static size_t release_doomed(arena *self, chunk *doomed) {
    if (doomed == NULL) {
        return 0;
    }
    size_t bytes = 0;
    for (chunk *record = doomed; record != NULL; record = record->next) {
        unmap_payload(self, record);
        bytes += chunk_bytes(self);
    }
    arena_lock(self);
    while (doomed != NULL) {
        chunk *next = doomed->next;
        slab_give(&self->chunk_records, doomed);
        doomed = next;
    }
    arena_unlock(self);
    return bytes;
}

/* The end of each path that takes or gives: unlocks, and gives back the doomed chunks and those that have decayed. After
 * the taking, so that what is needed now is not given back first. */
static void leave(arena *self, chunk *doomed) {
    doom_decayed_locked(self, &doomed);
    arena_unlock(self);
    (void)release_doomed(self, doomed);
}

void arena_fini(arena *self) {
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        for (chunk *record = self->lists[i].first; record != NULL; record = record->next) {
            unmap_payload(self, record);
        }
    }
    for (chunk *record = self->spares.newest; record != NULL; record = record->next) {
        unmap_payload(self, record);
    }
    for (chunk *record = self->huge; record != NULL; record = record->next) {
        unmap_payload(self, record);
    }
    slab_fini(&self->handles);
    slab_fini(&self->chunk_records);
    slab_fini(&self->huge_records);
    slab_fini(&self->subpage_records);
    (void)pthread_mutex_destroy(&self->lock);
}

/* ---- Taking ------------------------------------------------------------------------------------------------------- */

/* Where a buffer's memory lies. */
typedef struct place {
    chunk *chunk;
    uint32_t position;
    uint8_t *memory;
} place;

/* What is wanted of a chunk: a run, or a subpage made of record. */
static bool take_from_chunk(chunk *candidate, uint32_t size_class, subpage *record, uint32_t *position) {
    return record != NULL ? chunk_add_subpage(candidate, record, size_class)
                          : chunk_take_run(candidate, size_class, position);
}

/* Finds or makes a chunk with room for a run; the run is taken and the chunk where it belongs. */
static chunk *take_run_locked(arena *self, uint32_t size_class, subpage *record, uint32_t *position) {
    const size_classes *classes = self->config.classes;
    size_t bytes = record != NULL ? (size_t)size_class_subpage_pages(classes, size_class) << classes->page_log2
                                  : size_class_bytes(size_class);
    uint32_t page_class = size_class_page_ceil(classes, (uint32_t)(bytes >> classes->page_log2));
    for (const uint8_t *id = chunk_list_search_order; *id != CHUNK_LIST_COUNT; id++) {
        if (bytes > self->lists[*id].largest) {
            continue;
        }
        for (chunk *candidate = self->lists[*id].first; candidate != NULL; candidate = candidate->next) {
            if (chunk_has_run(candidate, page_class) && take_from_chunk(candidate, size_class, record, position)) {
                chunk_list_after_take(candidate);
                return candidate;
            }
        }
    }
    chunk *fresh = new_chunk_locked(self);
    if (fresh == NULL) {
        return NULL;
    }
    bool taken = take_from_chunk(fresh, size_class, record, position);
    POOLBUF_CHECK(taken, "an empty chunk has no room for a run");
    chunk_list_add(&self->lists[CHUNK_LIST_INIT], fresh);
    return fresh;
}

static bool place_run_locked(arena *self, uint32_t size_class, place *out) {
    out->chunk = take_run_locked(self, size_class, NULL, &out->position);
    if (out->chunk == NULL) {
        return false;
    }
    out->memory = chunk_address(out->chunk, chunk_position_page(out->position));
    return true;
}

static bool place_slot_locked(arena *self, uint32_t size_class, place *out) {
    subpage *source = self->rings[size_class];
    if (source == NULL) {
        source = slab_take(&self->subpage_records);
        if (source == NULL) {
            return false;
        }
        uint32_t unused = 0;
        if (take_run_locked(self, size_class, source, &unused) == NULL) {
            slab_give(&self->subpage_records, source);
            return false;
        }
        subpage_ring_add(&self->rings[size_class], source);
    }
    uint32_t slot = subpage_take(source);
    if (subpage_is_full(source)) {
        subpage_ring_remove(&self->rings[size_class], source);
    }
    out->chunk = source->chunk;
    out->position = chunk_position(source->first_page, slot);
    out->memory = chunk_address(source->chunk, source->first_page) + (size_t)slot * source->slot_bytes;
    return true;
}

/* Sets all of a handle; dead, and open. */
static void handle_init(const arena *self, poolbuf *handle, uint32_t flags) {
    *handle = (poolbuf){.slot = self->config.slot, .kind = self->config.kind};
    handle_kill(handle, flags);
}

uint32_t arena_take(arena *self, uint32_t size_class, uint32_t count, poolbuf **list) {
    bool small = size_class_is_small(self->config.classes, size_class);
    uint32_t taken = 0;
    arena_lock(self);
    for (; taken < count; taken++) {
        poolbuf *handle = slab_take(&self->handles);
        if (handle == NULL) {
            break;
        }
        place at = {0};
        if (!(small ? place_slot_locked(self, size_class, &at) : place_run_locked(self, size_class, &at))) {
            slab_give(&self->handles, handle);
            break;
        }
        handle_init(self, handle, self->config.handle_flags);
        handle->memory = at.memory;
        handle->origin = at.chunk;
        handle->position = at.position;
        handle->usable = (uint32_t)size_class_bytes(size_class);
        handle->bin = (uint16_t)(self->config.first_bin + size_class);
        handle_push(list, handle);
    }
    counter_add(&self->counters.carved[size_class], taken);
    counter_add(&self->counters.allocations, taken);
    leave(self, NULL);
    return taken;
}

uint32_t arena_take_naked(arena *self, uint32_t count, poolbuf **list) {
    uint32_t taken = 0;
    arena_lock(self);
    for (; taken < count; taken++) {
        poolbuf *handle = slab_take(&self->handles);
        if (handle == NULL) {
            break;
        }
        handle_init(self, handle, 0);
        handle_push(list, handle);
    }
    leave(self, NULL);
    return taken;
}

/* ---- Giving ------------------------------------------------------------------------------------------------------- */

/* The slot is free again. The subpage enters its ring with its first free slot, and leaves with its last used one,
 * unless the ring would be empty then (A2). */
static bool give_slot_locked(arena *self, chunk *owner, uint32_t size_class, uint32_t position) {
    subpage *record = owner->subpages[chunk_position_page(position)];
    POOLBUF_CHECK(record != NULL && record->size_class == size_class, "a slot is freed that belongs to no subpage");
    subpage **ring = &self->rings[size_class];
    if (subpage_is_full(record)) {
        subpage_ring_add(ring, record);
    }
    subpage_give(record, chunk_position_slot(position));
    if (!subpage_is_empty(record) || (record->next == NULL && record->prev == NULL)) {
        return false;
    }
    subpage_ring_remove(ring, record);
    chunk_remove_subpage(owner, record);
    slab_give(&self->subpage_records, record);
    return true;
}

static void give_locked(arena *self, poolbuf *handle, chunk **doomed) {
    chunk *owner = handle->origin;
    uint32_t size_class = (uint32_t)handle->bin - self->config.first_bin;
    POOLBUF_CHECK(size_class < self->config.classes->count, "a handle's class is out of range");
    bool pages_freed = true;
    if (size_class_is_small(self->config.classes, size_class)) {
        pages_freed = give_slot_locked(self, owner, size_class, handle->position);
    } else {
        chunk_give_run(owner, size_class, handle->position);
    }
    if (pages_freed && !chunk_list_after_give(owner)) {
        retire_chunk_locked(self, owner, doomed);
    }
    counter_sub(&self->counters.carved[size_class], 1);
    counter_add(&self->counters.releases, 1);
    slab_give(&self->handles, handle);
}

void arena_give(poolbuf *list) {
    arena *locked = NULL;
    chunk *doomed = NULL;
    while (list != NULL) {
        poolbuf *handle = handle_pop(&list);
        arena *owner = ((const chunk *)handle->origin)->arena;
        POOLBUF_ASSERT(owner != NULL);
        if (owner != locked) {
            if (locked != NULL) {
                leave(locked, doomed);
                doomed = NULL;
            }
            arena_lock(owner);
            locked = owner;
        }
        give_locked(owner, handle, &doomed);
    }
    if (locked != NULL) {
        leave(locked, doomed);
    }
}

void arena_give_naked(arena *self, poolbuf *list) {
    arena_lock(self);
    while (list != NULL) {
        slab_give(&self->handles, handle_pop(&list));
    }
    leave(self, NULL);
}

/* ---- Huge buffers ------------------------------------------------------------------------------------------------- */

poolbuf *arena_take_huge(arena *self, size_t bytes) {
    arena_lock(self);
    poolbuf *handle = slab_take(&self->handles);
    chunk *record = handle != NULL ? slab_take(&self->huge_records) : NULL;
    arena_unlock(self);
    void *region = record != NULL ? map_payload(self, bytes) : NULL;
    arena_lock(self);
    if (region == NULL) {
        if (record != NULL) {
            slab_give(&self->huge_records, record);
        }
        if (handle != NULL) {
            slab_give(&self->handles, handle);
        }
        arena_unlock(self);
        return NULL;
    }
    chunk_init_huge(record, self, region, lead_bytes(self), bytes);
    record->next = self->huge;
    if (self->huge != NULL) {
        self->huge->prev = record;
    }
    self->huge = record;
    counter_add(&self->counters.huge_buffers, 1);
    counter_add(&self->counters.huge_bytes, bytes);
    counter_add(&self->counters.allocations, 1);
    leave(self, NULL);
    handle_init(self, handle, self->config.handle_flags | POOLBUF_FLAG_HUGE);
    handle->memory = record->region + record->lead;
    handle->origin = record;
    handle->usable = (uint32_t)bytes;
    return handle;
}

void arena_give_huge(poolbuf *handle) {
    chunk *record = handle->origin;
    arena *self = record->arena;
    /* The record goes before the region, though the region is given back without the lock: the child of a fork() in between
     * may lose the region, but must not find it in the list, and give it back again. */
    arena_lock(self);
    chunk gone = *record;
    if (record->prev != NULL) {
        record->prev->next = record->next;
    } else {
        self->huge = record->next;
    }
    if (record->next != NULL) {
        record->next->prev = record->prev;
    }
    counter_sub(&self->counters.huge_buffers, 1);
    counter_sub(&self->counters.huge_bytes, record->huge_bytes);
    counter_add(&self->counters.releases, 1);
    slab_give(&self->huge_records, record);
    slab_give(&self->handles, handle);
    leave(self, NULL);
    unmap_payload(self, &gone);
}

/* ---- Purge, dump, audit ------------------------------------------------------------------------------------------- */

typedef struct purge_context {
    chunk *chunk;
    size_t bytes;
} purge_context;

static void purge_run(void *context, uint32_t page, uint32_t pages) {
    purge_context *purge = context;
    size_t bytes = (size_t)pages << purge->chunk->runs.classes->page_log2;
    if (os->purge(chunk_address(purge->chunk, page), bytes) == 0) {
        purge->bytes += bytes;
    }
}

void arena_decay(arena *self) {
    if (counter_get(&self->spares.count) != 0) {
        arena_lock(self);
        leave(self, NULL);
    }
}

size_t arena_release_spares(arena *self) {
    chunk *doomed = NULL;
    arena_lock(self);
    doom_spares_locked(self, &doomed);
    arena_unlock(self);
    return release_doomed(self, doomed);
}

size_t arena_purge(arena *self) {
    chunk *doomed = NULL;
    size_t bytes = 0;
    arena_lock(self);
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        for (chunk *record = self->lists[i].first; record != NULL; record = record->next) {
            purge_context purge = {.chunk = record};
            run_index_visit_free(&record->runs, purge_run, &purge);
            bytes += purge.bytes;
        }
    }
    doom_spares_locked(self, &doomed);
    arena_unlock(self);
    return bytes + release_doomed(self, doomed);
}

void arena_close(arena *self) {
    arena_lock(self);
    self->config.decay_ms = 0;
    arena_unlock(self);
    (void)arena_purge(self);
}

size_t arena_metadata_bytes(arena *self) {
    arena_lock(self);
    size_t bytes =
        self->handles.bytes + self->chunk_records.bytes + self->huge_records.bytes + self->subpage_records.bytes;
    arena_unlock(self);
    return bytes;
}

static void dump_chunk(const chunk *record, FILE *stream) {
    (void)fprintf(stream, "    chunk %p: %u%% used, %zu bytes free, %u subpages\n", (void *)chunk_address(record, 0),
                  chunk_usage(record), chunk_free_bytes(record), record->subpage_count);
    for (uint32_t page = 0; page < record->runs.page_count; page++) {
        const subpage *cut = record->subpages[page];
        if (cut != NULL) {
            (void)fprintf(stream, "      subpage at page %u, %u pages: %u of %u slots of %u bytes used\n", page,
                          cut->page_count, cut->slot_count - cut->free_count, cut->slot_count, cut->slot_bytes);
        }
    }
}

void arena_dump(arena *self, FILE *stream) {
    arena_lock(self);
    (void)fprintf(stream,
                  "arena %p (%s): %u threads, %llu chunks, %llu of them spare, %llu huge buffers of %llu bytes\n",
                  (void *)self, self->config.kind == POOLBUF_KIND_DIRECT ? "direct" : "heap",
                  __atomic_load_n(&self->thread_count, __ATOMIC_RELAXED), (unsigned long long)self->counters.chunks,
                  (unsigned long long)self->spares.count, (unsigned long long)self->counters.huge_buffers,
                  (unsigned long long)self->counters.huge_bytes);
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        const chunk_list *list = &self->lists[i];
        (void)fprintf(stream, "  %s:%s\n", list->name, list->first == NULL ? " none" : "");
        for (const chunk *record = list->first; record != NULL; record = record->next) {
            dump_chunk(record, stream);
        }
    }
    uint64_t now = os->now_ms();
    (void)fprintf(stream, "  spare:%s\n", self->spares.newest == NULL ? " none" : "");
    for (const chunk *record = self->spares.newest; record != NULL; record = record->next) {
        (void)fprintf(stream, "    chunk %p: empty for %llu of %u ms\n", (void *)chunk_address(record, 0),
                      (unsigned long long)(now - record->emptied_ms), self->config.decay_ms);
    }
    arena_unlock(self);
}

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
    uint64_t chunks = self->spares.count;
    uint64_t subpages = 0;
    if (!chunk_lists_audit(self->lists) || !spare_list_audit(&self->spares)) { /* A3 */
        return false;
    }
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        for (const chunk *record = self->lists[i].first; record != NULL; record = record->next) {
            POOLBUF_AUDIT(record->arena == self);
            audit_count(record, ring_members, used, &subpage_pages);
            pages += record->runs.page_count - record->runs.free_pages;
            subpages += record->subpage_count;
            chunks++;
        }
    }
    for (const chunk *record = self->spares.newest; record != NULL; record = record->next) {
        POOLBUF_AUDIT(record->arena == self);
    }
    POOLBUF_AUDIT(chunks == self->counters.chunks);
    POOLBUF_AUDIT(chunks == self->chunk_records.out);
    POOLBUF_AUDIT(subpages == self->subpage_records.out);
    POOLBUF_AUDIT(self->counters.huge_buffers == self->huge_records.out);
    uint64_t run_pages = 0;
    for (uint32_t i = 0; i < classes->count; i++) {
        uint64_t members = 0;
        for (const subpage *cut = self->rings[i]; cut != NULL; cut = cut->next) {
            POOLBUF_AUDIT(cut->size_class == i);
            POOLBUF_AUDIT(!subpage_is_full(cut));
            members++;
        }
        POOLBUF_AUDIT(members == ring_members[i]);
        if (size_class_is_small(classes, i)) {
            POOLBUF_AUDIT(used[i] == self->counters.carved[i]); /* A1 */
        } else {
            run_pages += self->counters.carved[i] * (size_class_bytes(i) >> classes->page_log2);
        }
    }
    POOLBUF_AUDIT(pages == subpage_pages + run_pages);
    return true;
}

bool arena_audit(arena *self) {
    arena_lock(self);
    bool good = audit_locked(self);
    arena_unlock(self);
    return good;
}
