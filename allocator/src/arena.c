/* An arena: the slow path that every cache falls back on. */
#include "arena.h"

#include <string.h>
#include <time.h>

#include "check.h"
#include "counter.h"
#include "handle.h"
#include "poison.h"
#include "process/cancel.h"

#define METADATA_REGION_BYTES 65536u
#define MAPPING_LOOK_NS       50000  /* mapping a chunk takes some 10 us; a callback that registers it, a millisecond */
#define MAPPING_LOOKS         40000u /* 2 s */

/* Ends at the latest with a whole page, which each alignment divides. */
uint32_t arena_serving_class(const size_classes *classes, uint32_t size_class, size_t alignment) {
    while (alignment != 0 && size_class_bytes(classes, size_class) % alignment != 0) {
        size_class++;
    }
    return size_class;
}
#define GIVEN_BACK_A_CALL  8u    /* chunks that one call unmaps, and ranges of pages that it drops: some milliseconds */
#define GIVEN_BACK_AT_ONCE 1024u /* the same without a decay time: what a call has freed, it gives back */
#define LATE_MS            1000u /* what the background thread may be late, besides a quarter of the decay time */

void arena_init(arena *self, const arena_config *config) {
    *self = (arena){.config = *config};
    for (uint32_t i = 0; i < config->classes->count; i++) {
        self->serving[i] = (uint16_t)arena_serving_class(config->classes, i, config->alignment);
    }
    (void)pthread_mutex_init(&self->lock, NULL);
    chunk_lists_init(self->lists, (size_t)1 << config->classes->chunk_log2);
    decay_init(&self->decay);
    slab_init_handles(&self->handles, config->handle_source);
    slab_init(&self->chunk_records, OS_MAPPED, sizeof(chunk), METADATA_REGION_BYTES);
    slab_init(&self->chunk_books, OS_MAPPED, chunk_books_bytes(config->classes), METADATA_REGION_BYTES);
    slab_init(&self->huge_records, OS_MAPPED, sizeof(chunk), METADATA_REGION_BYTES);
    slab_init(&self->subpage_records, OS_MAPPED, subpage_storage(config->classes), METADATA_REGION_BYTES);
}

void arena_lock(arena *self) {
    (void)pthread_mutex_lock(&self->lock);
}

void arena_unlock(arena *self) {
    (void)pthread_mutex_unlock(&self->lock);
}

void arena_freeze(arena *self) {
    arena_lock(self);
    decay_begin(&self->decay, &self->lock);
}

void arena_thaw(arena *self) {
    decay_end(&self->decay);
    arena_unlock(self);
}

/* ---- Regions ------------------------------------------------------------------------------------------------------ */

static size_t chunk_bytes(const arena *self) {
    return (size_t)1 << self->config.classes->chunk_log2;
}

static void unmap_payload(const arena *self, const chunk *record) {
    size_t bytes = record->huge_bytes != 0 ? record->huge_bytes : chunk_bytes(self);
    region_unmap(self->config.regions, record->region, bytes, record->region_index);
}

/* A chunk from the system that is in no list and that nobody else knows; NULL without memory. Enters and leaves locked, but
 * maps unlocked: the system may take its time, and the others of this arena, who may need no chunk, do not wait for it.
 *
 * What may happen meanwhile: anything that the lock guards may have changed, so the caller searches again, and may find
 * room that was not there before. If it then does not need its chunk, that is an empty one like any other. Two threads may
 * map at once where one chunk would have done; the second is a spare.
 * A fork() in between: the child has a record that is in no list, which its slab gives back in the end, and perhaps a
 * region that nobody knows, address space that it never touches. No counter has been changed yet, so its structures hold.
 * The allocator's end: does not come, as its caller lets no thread be inside a call. */
static chunk *map_chunk_unlocking(arena *self) {
    void *books = slab_take(&self->chunk_books);
    chunk *record = books != NULL ? slab_take(&self->chunk_records) : NULL;
    if (record == NULL) {
        if (books != NULL) {
            slab_give(&self->chunk_books, books);
        }
        return NULL;
    }
    uint32_t era = region_era();
    self->mapping = self->mapping_era == era ? self->mapping + 1 : 1;
    self->mapping_era = era;
    arena_unlock(self);
    uint32_t index = REGION_INDEX_NONE;
    uint8_t *region = region_map(self->config.regions, chunk_bytes(self), &index);
    if (region != NULL) {
        chunk_init(record, self->config.classes, self, region, self->config.regions->lead, books);
        record->region_index = index;
    }
    arena_lock(self);
    self->mapping -= era == region_era(); /* else a hook has called fork(), and this is the child */
    if (region == NULL) {
        slab_give(&self->chunk_records, record);
        slab_give(&self->chunk_books, books);
        return NULL;
    }
    counter_add(&self->counters.chunks, 1);
    counter_add(&self->counters.chunk_maps, 1);
    return record;
}

/* There is no chunk to be had, but somebody is mapping one for this arena, which may have room for us too: at a limit for
 * one chunk, only one of the threads that need the first is let through. So the others look again, for a bounded time, as
 * whoever maps may be held up by the program's callback. False: nobody is mapping, or it has taken too long. */
static bool await_chunk_unlocking(arena *self, uint32_t *looks) {
    if (self->mapping == 0 || self->mapping_era != region_era() || region_in_hook() || ++*looks > MAPPING_LOOKS) {
        return false;
    }
    arena_unlock(self);
    cancel_sleep(MAPPING_LOOK_NS);
    arena_lock(self);
    return true;
}

/* A chunk that is in no list goes to release_doomed(). */
static void doom_chunk_locked(arena *self, chunk *record, chunk **doomed) {
    counter_sub(&self->counters.dirty_pages, record->dirty.count);
    counter_sub(&self->counters.chunks, 1);
    counter_add(&self->counters.chunk_unmaps, 1);
    self->doomed++;
    record->next = *doomed;
    *doomed = record;
}

/* An empty chunk has left its list. */
static void retire_chunk_locked(arena *self, chunk *record, chunk **doomed) {
    decay_forget(record);
    if (self->config.decay_ms == 0) {
        doom_chunk_locked(self, record, doomed);
    } else {
        uint64_t now = os->now_ms();
        spare_list_add(&self->spares, record, now);
        decay_expect(&self->decay, now + self->config.decay_ms);
    }
}

static void doom_decayed_locked(arena *self, uint64_t now, chunk **doomed) {
    for (unsigned i = 0; i < GIVEN_BACK_A_CALL; i++) {
        chunk *record = spare_list_take_decayed(&self->spares, now, self->config.decay_ms);
        if (record == NULL) {
            break;
        }
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
        slab_give(&self->chunk_books, chunk_books(doomed));
        slab_give(&self->chunk_records, doomed);
        self->doomed--;
        doomed = next;
    }
    arena_unlock(self);
    return bytes;
}

/* Takes out pages that are due, or those freed by a moment in the past (DECAY_NEVER: none), drops them with the arena
 * unlocked, and puts them back. False if there are none. Between decay_begin() and decay_end(); enters and leaves with the arena locked. */
static bool drop_range_locked(arena *self, uint64_t freed_by_ms, chunk **doomed) {
    /* The clock is read anew each time: an age is a difference, so now must not be before anything was freed. */
    uint64_t now = os->now_ms();
    uint32_t age_ms = freed_by_ms != DECAY_NEVER ? (uint32_t)(now - freed_by_ms) : self->config.decay_ms;
    decay_range range;
    if (!decay_take_out(&self->decay, self->config.decay_ms, age_ms, now, &range)) {
        return false;
    }
    arena_unlock(self);
    decay_drop(&range);
    arena_lock(self);
    if (range.dropped) {
        counter_sub(&self->counters.dirty_pages, range.pages);
        counter_add(&self->counters.purges, 1);
        counter_add(&self->counters.purged_bytes, (uint64_t)range.pages << self->config.classes->page_log2);
    }
    if (!decay_put_back(&self->decay, &range, os->now_ms())) {
        retire_chunk_locked(self, range.chunk, doomed);
    }
    return true;
}

static void settle_locked(arena *self) {
    const chunk *oldest = self->spares.oldest;
    uint32_t decay_ms = self->config.decay_ms;
    decay_settle(&self->decay, decay_ms, oldest != NULL ? oldest->emptied_ms + decay_ms : DECAY_NEVER);
}

/* Drops some of the pages that are due. After decay_begin(), and ends that. */
static void drop_due_locked(arena *self, chunk **doomed) {
    unsigned left = self->config.decay_ms != 0 ? GIVEN_BACK_A_CALL : GIVEN_BACK_AT_ONCE;
    while (left > 0 && drop_range_locked(self, DECAY_NEVER, doomed)) {
        left--;
    }
    settle_locked(self);
    decay_end(&self->decay);
}

/* Whether a call should see to what is due; now is 0 where it has not looked at the clock yet. With a background thread it need not, unless that is late: the system has not
 * scheduled it, or this is the child of a fork() and could start none. */
static bool is_due_locked(const arena *self, uint64_t now) {
    uint64_t due_ms = decay_due_ms(&self->decay);
    if (due_ms == DECAY_NEVER) {
        return false;
    }
    uint32_t decay_ms = self->config.decay_ms; /* 0: what a call frees it gives back itself, thread or not */
    uint64_t grace_ms = self->config.wake != NULL && decay_ms != 0 ? (uint64_t)decay_ms / 4 + LATE_MS : 0;
    return (now != 0 ? now : os->now_ms()) >= due_ms + grace_ms;
}

/* The end of each path that takes or gives: gives back the doomed chunks and what is due, and leaves unlocked. After the
 * taking, so that what is needed now is not given back first. */
static void leave_at(arena *self, chunk *doomed, uint64_t now) {
    if (is_due_locked(self, now)) {
        doom_decayed_locked(self, os->now_ms(), &doomed);
        /* Another thread that is at it does our part too. */
        if (decay_begin_try(&self->decay)) {
            drop_due_locked(self, &doomed);
        }
    }
    void (*wake)(void) = arena_has_decaying(self) ? self->config.wake : NULL;
    arena_unlock(self);
    (void)release_doomed(self, doomed);
    if (wake != NULL) {
        wake();
    }
}

static void leave(arena *self, chunk *doomed) {
    leave_at(self, doomed, 0);
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
    slab_fini(&self->chunk_books);
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

/* A chunk had so many free and dirty pages before: keeps the arena's sums. */
static void count_pages(arena *self, const chunk *record, uint64_t free_before, uint64_t dirty_before) {
    counter_add(&self->counters.used_pages,
                free_before - record->runs.free_pages); /* modulo 2^64, if there are more now */
    counter_add(&self->counters.dirty_pages, record->dirty.count - dirty_before);
}

/* A chunk in use has dirty pages, which go once they have decayed: but where they stay (region.h). */
static void watch(arena *self, chunk *record, uint64_t now) {
    if (!self->config.regions->pages_stay) {
        decay_watch(&self->decay, record, self->config.decay_ms, now);
    }
}

/* What is wanted of a chunk: a run, or a subpage made of record. */
static bool take_from_chunk(chunk *candidate, uint32_t size_class, subpage *record, uint32_t *position) {
    uint32_t free_before = candidate->runs.free_pages;
    uint32_t dirty_before = candidate->dirty.count;
    bool taken = record != NULL ? chunk_add_subpage(candidate, record, size_class)
                                : chunk_take_run(candidate, size_class, position);
    count_pages(candidate->arena, candidate, free_before, dirty_before);
    return taken;
}

/* An empty chunk: the spare one that emptied last, or the fresh one that was mapped for this; NULL if there is none. */
static chunk *take_empty_locked(arena *self, chunk **fresh) {
    chunk *empty = spare_list_take(&self->spares);
    if (empty == NULL) {
        empty = *fresh;
        *fresh = NULL;
    }
    return empty;
}

/* Finds a chunk with room for a run; the run is taken and the chunk where it belongs. NULL: a chunk must be mapped. */
static chunk *take_run_locked(arena *self, uint32_t size_class, subpage *record, chunk **fresh, uint32_t *position) {
    const size_classes *classes = self->config.classes;
    size_t bytes = record != NULL ? (size_t)size_class_subpage_pages(classes, size_class) << classes->page_log2
                                  : size_class_bytes(classes, size_class);
    uint32_t page_class = size_class_page_ceil(classes, (uint32_t)(bytes >> classes->page_log2));
    for (const uint8_t *id = chunk_list_search_order; *id != CHUNK_LIST_COUNT; id++) {
        chunk_list *list = &self->lists[*id];
        if (bytes > list->largest || !chunk_list_may_have_run(list, page_class)) {
            continue;
        }
        for (chunk *candidate = list->first; candidate != NULL; candidate = candidate->next) {
            if (chunk_has_run(candidate, page_class) && take_from_chunk(candidate, size_class, record, position)) {
                chunk_list_after_take(candidate);
                return candidate;
            }
        }
        chunk_list_has_no_run(list, page_class);
    }
    chunk *empty = take_empty_locked(self, fresh);
    if (empty == NULL) {
        return NULL;
    }
    bool taken = take_from_chunk(empty, size_class, record, position);
    POOLBUF_CHECK(taken, "an empty chunk has no room for a run");
    chunk_list_add(&self->lists[CHUNK_LIST_INIT], empty);
    if (empty->dirty.count != 0) { /* it was a spare one */
        watch(self, empty, os->now_ms());
    }
    return empty;
}

/* What became of looking for a place. */
typedef enum finding {
    FOUND,
    FOUND_NO_CHUNK, /* a chunk must be mapped */
    FOUND_NO_MEMORY /* for a record */
} finding;

static finding place_run_locked(arena *self, uint32_t size_class, chunk **fresh, place *out) {
    out->chunk = take_run_locked(self, size_class, NULL, fresh, &out->position);
    if (out->chunk == NULL) {
        return FOUND_NO_CHUNK;
    }
    out->memory = chunk_address(out->chunk, chunk_position_page(out->position));
    return FOUND;
}

static finding place_slot_locked(arena *self, uint32_t size_class, chunk **fresh, place *out) {
    subpage *source = self->rings[size_class];
    if (source == NULL) {
        source = slab_take(&self->subpage_records);
        if (source == NULL) {
            return FOUND_NO_MEMORY;
        }
        uint32_t unused = 0;
        if (take_run_locked(self, size_class, source, fresh, &unused) == NULL) {
            slab_give(&self->subpage_records, source);
            return FOUND_NO_CHUNK;
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
    return FOUND;
}

/* Sets all of a handle; dead, and open. */
static void handle_init(const arena *self, poolbuf *handle, uint32_t flags) {
    *handle = (poolbuf){.slot = self->config.slot, .kind = self->config.kind};
    handle_kill(handle, flags);
}

/* Cuts up to count buffers of a class, with memory of the class that serves it; how many, and whether it stopped for want of a chunk. Counts them, so that the lock may be left. */
static uint32_t cut_locked(arena *self, uint32_t size_class, uint32_t count, chunk **fresh, poolbuf **list,
                           finding *found) {
    uint32_t serving = self->serving[size_class];
    bool small = size_class_is_small(self->config.classes, serving);
    uint32_t taken = 0;
    for (*found = FOUND; taken < count; taken++) {
        poolbuf *handle = slab_take(&self->handles);
        if (handle == NULL) {
            *found = FOUND_NO_MEMORY;
            break;
        }
        place at = {0};
        *found = small ? place_slot_locked(self, serving, fresh, &at) : place_run_locked(self, serving, fresh, &at);
        if (*found != FOUND) {
            slab_give(&self->handles, handle);
            break;
        }
        handle_init(self, handle, self->config.handle_flags);
        handle->memory = at.memory;
        handle->origin = at.chunk;
        handle->position = at.position;
        handle->usable = (uint32_t)size_class_bytes(self->config.classes, serving);
        handle->bin = (uint16_t)(self->config.first_bin + size_class);
        handle_push(list, handle);
    }
    counter_add(&self->counters.carved[size_class], taken);
    counter_add(&self->counters.allocations[small ? ARENA_SMALL : ARENA_NORMAL], taken);
    return taken;
}

/* A round that has a fresh chunk, which nobody else can have taken, cuts at least one buffer, from that chunk or from room that
 * others made; rounds without one are bounded. */
uint32_t arena_take(arena *self, uint32_t size_class, uint32_t count, poolbuf **list) {
    chunk *fresh = NULL;
    chunk *doomed = NULL;
    finding found = FOUND;
    uint32_t looks = 0;
    arena_lock(self);
    uint32_t taken = cut_locked(self, size_class, count, &fresh, list, &found);
    while (found == FOUND_NO_CHUNK) {
        POOLBUF_ASSERT(fresh == NULL);
        fresh = map_chunk_unlocking(self);
        if (fresh == NULL && (taken != 0 || !await_chunk_unlocking(self, &looks))) {
            break;
        }
        taken += cut_locked(self, size_class, count - taken, &fresh, list, &found);
    }
    if (fresh != NULL) {
        retire_chunk_locked(self, fresh, &doomed);
    }
    leave(self, doomed);
    return taken;
}

uint32_t arena_take_mapped(arena *self, uint32_t size_class, poolbuf **list) {
    chunk *none = NULL;
    finding found = FOUND;
    arena_lock(self);
    uint32_t taken = cut_locked(self, size_class, 1, &none, list, &found);
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

/* The time, looked at once while the lock is held; 0: not yet. */
static uint64_t read_clock(uint64_t *now) {
    if (*now == 0) {
        *now = os->now_ms();
    }
    return *now;
}

/* Takes an empty subpage out of its ring, and gives back its run and its record. */
static void remove_subpage_locked(arena *self, subpage *record, uint64_t now) {
    uint32_t size_class = record->size_class;
    subpage_ring_remove(&self->rings[size_class], record);
    if (self->kept[size_class] == record) {
        self->kept[size_class] = NULL;
    }
    chunk_remove_subpage(record->chunk, record, now);
    slab_give(&self->subpage_records, record);
}

/* The slot is free again. The subpage enters its ring with its first free slot, and leaves with its last used one,
 * unless the ring would be empty then (A2). */
static bool give_slot_locked(arena *self, chunk *owner, uint32_t size_class, uint32_t position, uint64_t *now) {
    subpage *record = owner->subpages[chunk_position_page(position)];
    POOLBUF_CHECK(record != NULL && record->size_class == size_class, "a slot is freed that belongs to no subpage");
    subpage **ring = &self->rings[size_class];
    if (subpage_is_full(record)) {
        subpage_ring_add(ring, record);
    }
    subpage_give(record, chunk_position_slot(position));
    if (!subpage_is_empty(record)) {
        return false;
    }
    if (record->next == NULL && record->prev == NULL) {
        self->kept[size_class] = record;
        return false;
    }
    remove_subpage_locked(self, record, read_clock(now));
    return true;
}

/* A chunk has got pages back, and had so many free and dirty ones before: puts it where it belongs now. */
static void after_give_locked(arena *self, chunk *owner, uint64_t free_before, uint64_t dirty_before, uint64_t now,
                              chunk **doomed) {
    count_pages(self, owner, free_before, dirty_before);
    if (chunk_list_after_give(owner)) {
        watch(self, owner, now);
    } else {
        retire_chunk_locked(self, owner, doomed);
    }
}

static void give_locked(arena *self, poolbuf *handle, chunk **doomed, uint64_t *now) {
    chunk *owner = handle->origin;
    uint32_t size_class = (uint32_t)handle->bin - self->config.first_bin;
    POOLBUF_CHECK(size_class < self->config.classes->count, "a handle's class is out of range");
    uint32_t serving = self->serving[size_class];
    bool small = size_class_is_small(self->config.classes, serving);
    uint32_t free_before = owner->runs.free_pages;
    uint32_t dirty_before = owner->dirty.count;
    bool pages_freed = true;
    if (small) {
        pages_freed = give_slot_locked(self, owner, serving, handle->position, now);
    } else {
        chunk_give_run(owner, serving, handle->position, read_clock(now));
    }
    if (pages_freed) {
        after_give_locked(self, owner, free_before, dirty_before, *now, doomed);
    }
    counter_sub(&self->counters.carved[size_class], 1);
    counter_add(&self->counters.releases[small ? ARENA_SMALL : ARENA_NORMAL], 1);
    slab_give(&self->handles, handle);
}

void arena_give(poolbuf *list) {
    arena *locked = NULL;
    chunk *doomed = NULL;
    uint64_t now = 0;
    while (list != NULL) {
        poolbuf *handle = handle_pop(&list);
        arena *owner = ((const chunk *)handle->origin)->arena;
        POOLBUF_ASSERT(owner != NULL);
        if (owner != locked) {
            if (locked != NULL) {
                leave_at(locked, doomed, now);
                doomed = NULL;
                now = 0;
            }
            arena_lock(owner);
            locked = owner;
        }
        give_locked(owner, handle, &doomed, &now);
    }
    if (locked != NULL) {
        leave_at(locked, doomed, now);
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

static size_t huge_size(const arena *self, size_t bytes) {
    size_t unit = self->config.alignment != 0 ? self->config.alignment : 1;
    return (bytes + unit - 1) / unit * unit;
}

static void link_huge_locked(arena *self, chunk *record) {
    record->prev = NULL;
    record->next = self->huge;
    if (self->huge != NULL) {
        self->huge->prev = record;
    }
    self->huge = record;
}

static void unlink_huge_locked(arena *self, const chunk *record) {
    if (record->prev != NULL) {
        record->prev->next = record->next;
    } else {
        self->huge = record->next;
    }
    if (record->next != NULL) {
        record->next->prev = record->prev;
    }
}

poolbuf *arena_take_huge(arena *self, size_t bytes) {
    bytes = huge_size(self, bytes);
    arena_lock(self);
    poolbuf *handle = slab_take(&self->handles);
    chunk *record = handle != NULL ? slab_take(&self->huge_records) : NULL;
    self->mapping_huge += record != NULL;
    arena_unlock(self);
    uint32_t index = REGION_INDEX_NONE;
    uint8_t *region = record != NULL ? region_map(self->config.regions, bytes, &index) : NULL;
    arena_lock(self);
    self->mapping_huge -= record != NULL;
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
    chunk_init_huge(record, self, region, self->config.regions->lead, bytes);
    record->region_index = index;
    link_huge_locked(self, record);
    counter_add(&self->counters.huge_buffers, 1);
    counter_add(&self->counters.huge_bytes, bytes);
    counter_add(&self->counters.allocations[ARENA_HUGE], 1);
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
    unlink_huge_locked(self, record);
    counter_sub(&self->counters.huge_buffers, 1);
    counter_sub(&self->counters.huge_bytes, record->huge_bytes);
    counter_add(&self->counters.releases[ARENA_HUGE], 1);
    slab_give(&self->huge_records, record);
    slab_give(&self->handles, handle);
    leave(self, NULL);
    unmap_payload(self, &gone);
}

/* The record is in no list meanwhile, as the region is moved without the lock: the child of a fork() in between may lose the
 * region, but must not give back what is not there any more. It counts as another allocation and a release, as in Netty. */
region_resized arena_resize_huge(poolbuf *handle, size_t bytes) {
    chunk *record = handle->origin;
    arena *self = record->arena;
    bytes = huge_size(self, bytes);
    arena_lock(self);
    unlink_huge_locked(self, record);
    arena_unlock(self);
    uint8_t *region = record->region;
    size_t old_bytes = record->huge_bytes;
    region_resized result = region_resize(self->config.regions, &region, old_bytes, bytes);
    arena_lock(self);
    if (result == REGION_RESIZED) {
        record->region = region;
        record->huge_bytes = bytes;
        counter_add(&self->counters.huge_bytes, bytes - old_bytes); /* modulo 2^64, if there are fewer now */
        counter_add(&self->counters.allocations[ARENA_HUGE], 1);
        counter_add(&self->counters.releases[ARENA_HUGE], 1);
        handle->memory = region + record->lead;
        handle->usable = (uint32_t)bytes;
    }
    link_huge_locked(self, record);
    arena_unlock(self);
    return result;
}

/* ---- Giving back to the system ------------------------------------------------------------------------------------- */

void arena_decay(arena *self) {
    uint64_t due_ms = decay_due_ms(&self->decay);
    if (due_ms != DECAY_NEVER && os->now_ms() >= due_ms) {
        arena_lock(self);
        leave(self, NULL);
    }
}

/* Takes the lock even if there seems to be nothing: background.h relies on what that orders. */
uint64_t arena_decay_step(arena *self) {
    chunk *doomed = NULL;
    arena_lock(self);
    decay_begin(&self->decay, &self->lock);
    doom_decayed_locked(self, os->now_ms(), &doomed);
    drop_due_locked(self, &doomed);
    uint64_t next_ms = decay_due_ms(&self->decay);
    arena_unlock(self);
    (void)release_doomed(self, doomed);
    return next_ms;
}

/* Gives back what A2 keeps: an empty subpage pins the chunk that it lies in. Each class's next need cuts a new one.
 * Between decay_begin() and decay_end(): no page is out, so a chunk without another run is seen to be empty. */
static void remove_kept_locked(arena *self, uint64_t now, chunk **doomed) {
    for (uint32_t i = 0; i < self->config.classes->count; i++) {
        subpage *record = self->kept[i];
        if (record == NULL || !subpage_is_empty(record)) {
            continue;
        }
        chunk *owner = record->chunk;
        uint32_t free_before = owner->runs.free_pages;
        uint32_t dirty_before = owner->dirty.count;
        remove_subpage_locked(self, record, now);
        after_give_locked(self, owner, free_before, dirty_before, now, doomed);
    }
}

size_t arena_release_spares(arena *self) {
    chunk *doomed = NULL;
    arena_lock(self);
    /* The caller has found too few pages, perhaps because some were out. */
    decay_begin(&self->decay, &self->lock);
    remove_kept_locked(self, os->now_ms(), &doomed);
    doom_spares_locked(self, &doomed);
    decay_end(&self->decay);
    void (*wake)(void) =
        arena_has_decaying(self) ? self->config.wake : NULL; /* the pages of those subpages are dirty */
    arena_unlock(self);
    size_t bytes = release_doomed(self, doomed);
    if (wake != NULL) {
        wake();
    }
    return bytes;
}

size_t arena_purge(arena *self) {
    chunk *doomed = NULL;
    arena_lock(self);
    decay_begin(&self->decay, &self->lock);
    uint64_t before = self->counters.purged_bytes;
    uint64_t start = os->now_ms();
    remove_kept_locked(self, start, &doomed);
    decay_hurry(&self->decay);
    while (drop_range_locked(self, start, &doomed)) {
        /* What is freed from now on, and what could not be dropped, is not this call's: so it ends. */
    }
    size_t bytes = self->counters.purged_bytes - before; /* all ours, as nobody else drops meanwhile */
    doom_spares_locked(self, &doomed);
    settle_locked(self);
    decay_end(&self->decay);
    arena_unlock(self);
    return bytes + release_doomed(self, doomed);
}

void arena_close(arena *self) {
    arena_lock(self);
    self->config.decay_ms = 0;
    self->config.wake = NULL;
    arena_unlock(self);
    (void)arena_purge(self);
}
