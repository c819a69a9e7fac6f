/* The buffer: allocate and release behind their fast paths, which are in poolbuf/fast_path.h.
 *
 * Whatever is not the fast path's (no cache yet, no handle there, a sampled allocation, a checker) ends in allocate_slow(),
 * because the empty cache has no handles, and the countdown expires. A release is a slow one where the state is anything but
 * one reference and no flag (see poolbuf_flag): poolbuf_release_slow_() subtracts, and end_buffer() takes apart what is
 * dead. */
#include "buffer.h"

#include <string.h>

#include "check.h"
#include "counter.h"
#include "handle.h"
#include "os/os.h"
#include "poison.h"
#include "registry.h"
#include "tracker.h"

#define GROWTH_FIRST     ((size_t)64)
#define GROWTH_THRESHOLD ((size_t)4 << 20) /* doubling below, steps of this size above */
#define UNPOOLED_ALIGN   16u

/* ---- Allocate ----------------------------------------------------------------------------------------------------- */

#define KIND_PREFERRED (-1)

static poolbuf *allocate_slow(poolbuf_allocator *allocator, int kind, size_t initial_capacity, size_t max_capacity);

poolbuf *poolbuf_allocate(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity) {
    return poolbuf_allocate_fast_(allocator, initial_capacity, max_capacity);
}

poolbuf *poolbuf_allocate_slow_(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity) {
    return allocate_slow(allocator, KIND_PREFERRED, initial_capacity, poolbuf_limited_(max_capacity));
}

static poolbuf *allocate_kind(poolbuf_allocator *allocator, int kind, size_t initial_capacity, size_t max_capacity) {
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return NULL;
    }
    size_t most = poolbuf_limited_(max_capacity);
    poolbuf *buffer = poolbuf_pop_(allocator->group.slot, allocator->kind_bins[kind], initial_capacity, most);
    return POOLBUF_LIKELY(buffer != NULL) ? buffer : allocate_slow(allocator, kind, initial_capacity, most);
}

poolbuf *poolbuf_allocate_direct(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity) {
    return allocate_kind(allocator, POOLBUF_KIND_DIRECT, initial_capacity, max_capacity);
}

poolbuf *poolbuf_allocate_heap(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity) {
    return allocate_kind(allocator, POOLBUF_KIND_HEAP, initial_capacity, max_capacity);
}

/* Without a cache: straight from an arena, the first of its kind. */
static poolbuf *take_uncached(poolbuf_allocator *allocator, uint32_t bin) {
    const cache_group *group = &allocator->group;
    const bin_config *config = &group->bins[bin];
    poolbuf *list = NULL;
    if (config->naked) {
        (void)arena_take_naked(allocator->pooled[0] ? group->arenas[0] : group->arenas[1], 1, &list);
    } else {
        (void)arena_take(&group->arenas[config->kind][0], config->size_class, 1, &list);
    }
    return list != NULL ? handle_pop(&list) : NULL;
}

static poolbuf *take_once(poolbuf_allocator *allocator, uint32_t bin) {
    thread_cache *cache = registry_cache(&allocator->group);
    return cache != NULL ? thread_cache_take(cache, bin) : take_uncached(allocator, bin);
}

/* What is tried before an allocation fails, a step at a time. First the arenas get what this thread and the depot could do
 * without; a chunk that empties so may be all that is needed. Then the system gets every spare chunk. False: no more steps. */
static bool squeeze(poolbuf_allocator *allocator, unsigned step) {
    cache_group *group = &allocator->group;
    if (step == 0) {
        poolbuf_trim_thread_cache(allocator);
        cache_group_drain_depot(group, true);
        return true;
    }
    for (unsigned kind = 0; kind < CACHE_KINDS && step == 1; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            (void)arena_release_spares(&group->arenas[kind][i]);
        }
    }
    return step == 1;
}

poolbuf *buffer_take_handle(poolbuf_allocator *allocator, uint32_t bin) {
    poolbuf *handle = take_once(allocator, bin);
    for (unsigned step = 0; handle == NULL && squeeze(allocator, step); step++) {
        handle = take_once(allocator, bin);
    }
    return handle;
}

void buffer_give_handle(poolbuf_allocator *allocator, uint32_t bin, poolbuf *handle) {
    thread_cache *cache = registry_cache(&allocator->group);
    if (cache != NULL) {
        thread_cache_put(cache, bin, handle);
        return;
    }
    poolbuf *list = NULL;
    handle_push(&list, handle);
    if (allocator->group.bins[bin].naked) {
        arena_give_naked(allocator->pooled[0] ? allocator->group.arenas[0] : allocator->group.arenas[1], list);
    } else {
        arena_give(list);
    }
}

/* A handle and its bytes as two blocks of the process heap, for checkers that know nothing but malloc. */
static poolbuf *take_unpooled(poolbuf_allocator *allocator, int kind, size_t bytes) {
    void *handle_block = NULL;
    void *bytes_block = NULL;
    if (os->acquire(OS_HEAP, sizeof(poolbuf), sizeof(poolbuf), &handle_block) != 0) {
        return NULL;
    }
    if (os->acquire(OS_HEAP, bytes != 0 ? bytes : 1, UNPOOLED_ALIGN, &bytes_block) != 0) {
        (void)os->give_back(OS_HEAP, handle_block, sizeof(poolbuf));
        return NULL;
    }
    poolbuf *handle = handle_block;
    *handle = (poolbuf){
        .memory = bytes_block,
        .origin = allocator,
        .usable = (uint32_t)bytes,
        .slot = allocator->group.slot,
        .kind = (uint8_t)kind,
    };
    handle_kill(handle, POOLBUF_FLAG_UNPOOLED);
    counter_add_shared(&allocator->unpooled_buffers, 1);
    counter_add_shared(&allocator->unpooled_bytes, bytes);
    return handle;
}

static void give_unpooled(poolbuf_allocator *allocator, poolbuf *handle) {
    (void)counter_sub_shared(&allocator->unpooled_buffers, 1);
    (void)counter_sub_shared(&allocator->unpooled_bytes, handle->usable);
    (void)os->give_back(OS_HEAP, handle->memory, handle->usable);
    (void)os->give_back(OS_HEAP, handle, sizeof *handle);
}

/* A dead handle with at least so many bytes, from wherever that size comes from. */
static poolbuf *take_memory(poolbuf_allocator *allocator, int kind, size_t bytes) {
    if (allocator_is_closed(allocator)) {
        return NULL;
    }
    if (!allocator->pooled[kind]) {
        poolbuf *handle = take_unpooled(allocator, kind, bytes);
        for (unsigned step = 0; handle == NULL && squeeze(allocator, step); step++) {
            handle = take_unpooled(allocator, kind, bytes);
        }
        return handle;
    }
    if (bytes <= allocator->options.chunk_size) {
        return buffer_take_handle(allocator, allocator->kind_bins[kind] + size_class_of(&allocator->classes, bytes));
    }
    thread_cache *cache = registry_cache(&allocator->group);
    arena *source = cache != NULL ? cache->arenas[kind] : &allocator->group.arenas[kind][0];
    poolbuf *handle = arena_take_huge(source, bytes);
    for (unsigned step = 0; handle == NULL && squeeze(allocator, step); step++) {
        handle = arena_take_huge(source, bytes);
    }
    return handle;
}

static void give_memory(poolbuf_allocator *allocator, poolbuf *handle) {
    uint32_t flags = handle_flags_of(handle_state_get(handle));
    if ((flags & POOLBUF_FLAG_UNPOOLED) != 0) {
        give_unpooled(allocator, handle);
    } else if ((flags & POOLBUF_FLAG_HUGE) != 0) {
        arena_give_huge(handle);
    } else {
        buffer_give_handle(allocator, handle->bin, handle);
    }
}

/* Counts the allocation; if it is a sampled one, the tracker may want the buffer. */
static void count_and_sample(poolbuf_allocator *allocator, poolbuf *buffer) {
    thread_cache *cache = registry_cache(&allocator->group);
    bool sampled = cache != NULL ? thread_cache_count(cache) : registry_count_uncached(&allocator->group);
    if (sampled && tracker_allocated(buffer, allocator, buffer->capacity)) {
        uint64_t tracked = handle_state(POOLBUF_FLAG_TRACKED, 0);
        (void)__atomic_fetch_or(&buffer->state, tracked, __ATOMIC_RELAXED);
    }
}

/* The fast path knows where the bins are with four classes a doubling, as constants are cheaper than what an option says. With
 * eight this comes first here. */
static inline poolbuf *pop_of_eight(const poolbuf_allocator *allocator, int kind, size_t initial_capacity,
                                    size_t max_capacity) {
    uint32_t slot = allocator->group.slot;
    poolbuf_cache_ *cache = registry_slot(slot);
    if (allocator->group.per_log2 != 3 || initial_capacity > allocator->group.largest) {
        return NULL;
    }
    poolbuf_bin_ *bin = &cache->bins[allocator->kind_bins[kind] + size_class_of(&allocator->classes, initial_capacity)];
    return poolbuf_pop_bin_(slot, bin, initial_capacity, max_capacity);
}

static __attribute__((noinline)) poolbuf *allocate_slow(poolbuf_allocator *allocator, int kind, size_t initial_capacity,
                                                        size_t max_capacity) {
    if (initial_capacity > max_capacity) {
        return NULL;
    }
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return NULL;
    }
    if (kind == KIND_PREFERRED) {
        kind = allocator->options.prefer_direct ? POOLBUF_KIND_DIRECT : POOLBUF_KIND_HEAP;
    }
    poolbuf *buffer = pop_of_eight(allocator, kind, initial_capacity, max_capacity);
    if (buffer != NULL) {
        return buffer;
    }
    buffer = take_memory(allocator, kind, initial_capacity);
    if (buffer == NULL) {
        return NULL;
    }
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    buffer->link = NULL;
    buffer->capacity = (uint32_t)initial_capacity;
    buffer->max_capacity = (uint32_t)max_capacity;
    handle_state_set(buffer, handle_state(flags, 1));
    if ((flags & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_handle_out(allocator_anchor(allocator), buffer);
        poison_bytes_out(allocator_anchor(allocator), buffer->memory, initial_capacity);
    }
    count_and_sample(allocator, buffer);
    return buffer;
}

/* ---- References --------------------------------------------------------------------------------------------------- */

bool buffer_check_alive(const poolbuf *buffer) {
    if (((uintptr_t)buffer & (sizeof(poolbuf) - 1)) != 0) {
        tracker_misuse(buffer, POOLBUF_MISUSE_FOREIGN_POINTER);
        return false;
    }
    uint64_t state = handle_state_get(buffer);
    if (handle_flags_of(state) >= POOLBUF_FLAG_ANNOTATED << 1) {
        tracker_misuse(buffer, POOLBUF_MISUSE_FOREIGN_POINTER);
        return false;
    }
    if (handle_count_of(state) == 0) {
        tracker_misuse(buffer, POOLBUF_MISUSE_USE_AFTER_RELEASE);
        return false;
    }
    return true;
}

poolbuf *buffer_counted(const poolbuf *buffer) {
    while ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_SLICE) != 0) {
        buffer = buffer->origin;
    }
    return (poolbuf *)(uintptr_t)buffer;
}

poolbuf *buffer_root(const poolbuf *buffer) {
    const uint32_t derived = POOLBUF_FLAG_SLICE | POOLBUF_FLAG_RETAINED_SLICE;
    while ((handle_flags_of(handle_state_get(buffer)) & derived) != 0) {
        buffer = buffer->origin;
    }
    return (poolbuf *)(uintptr_t)buffer;
}

void buffer_note(const poolbuf *buffer, poolbuf_access access, const char *hint) {
    const poolbuf *root = buffer_root(buffer);
    if ((handle_flags_of(handle_state_get(root)) & POOLBUF_FLAG_TRACKED) != 0) {
        tracker_accessed(root, access, hint);
    }
}

/* The last reference is gone, and with it every right of its owners: takes the buffer apart. */
static void end_buffer(poolbuf *buffer, uint32_t flags) {
    if ((flags & POOLBUF_FLAG_RETAINED_SLICE) != 0) {
        derived_end_retained(buffer);
        return;
    }
    poolbuf_allocator *allocator = allocator_of(buffer);
    if ((flags & POOLBUF_FLAG_TRACKED) != 0) {
        tracker_released(buffer);
    }
    if ((flags & POOLBUF_FLAG_HAS_SLICES) != 0) {
        derived_end_slices(allocator, buffer);
    }
    handle_kill(buffer, flags & ~(uint32_t)(POOLBUF_FLAG_TRACKED | POOLBUF_FLAG_HAS_SLICES));
    if ((flags & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_bytes_back(allocator_anchor(allocator), buffer->memory, buffer->usable);
        poison_handle_back(allocator_anchor(allocator), buffer);
    }
    bool orphan = allocator_is_closed(allocator);
    give_memory(allocator, buffer);
    if (orphan) {
        allocator_orphan_gone(allocator);
    }
}

bool poolbuf_release_slow_(poolbuf *buffer) {
    uint64_t state = __atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE);
    if (handle_count_of(state) == 0 && handle_flags_of(state) < POOLBUF_FLAG_ANNOTATED << 1) {
        tracker_misuse(buffer, POOLBUF_MISUSE_OVER_RELEASE);
        return false;
    }
    if (!buffer_check_alive(buffer)) {
        return false;
    }
    if ((handle_flags_of(state) & POOLBUF_FLAG_SLICE) != 0) {
        return poolbuf_release(buffer_counted(buffer));
    }
    /* Note it first: afterwards the buffer may be somebody else's. */
    bool last = handle_count_of(state) == 1;
    if (!last) {
        buffer_note(buffer, POOLBUF_ACCESS_RELEASE, NULL);
        state = __atomic_fetch_sub(&buffer->state, 1, __ATOMIC_ACQ_REL);
        last = handle_count_of(state) == 1;
        if (POOLBUF_UNLIKELY(handle_count_of(state) == 0)) {
            /* Two owners of one reference were here at once: the count has wrapped into the flags. */
            handle_state_set(buffer, state);
            tracker_misuse(buffer, POOLBUF_MISUSE_OVER_RELEASE);
            return false;
        }
    }
    if (last) {
        end_buffer(buffer, handle_flags_of(state));
    }
    return last;
}

/* The bin has no room, or the thread no cache. */
bool poolbuf_release_full_(poolbuf *buffer) {
    end_buffer(buffer, 0);
    return true;
}

bool poolbuf_release(poolbuf *buffer) {
    return poolbuf_release_fast_(buffer);
}

poolbuf *poolbuf_retain_slow_(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return buffer;
    }
    poolbuf *counted = buffer_counted(buffer);
    if (handle_count_of(handle_state_get(counted)) >= POOLBUF_RETAIN_LIMIT_) {
        tracker_misuse(buffer, POOLBUF_MISUSE_OVERFLOW);
        return buffer;
    }
    (void)__atomic_fetch_add(&counted->state, 1, __ATOMIC_RELAXED);
    buffer_note(buffer, POOLBUF_ACCESS_RETAIN, NULL);
    return buffer;
}

uint32_t poolbuf_ref_count(const poolbuf *buffer) {
    return handle_count_of(handle_state_get(buffer_counted(buffer)));
}

void poolbuf_touch_slow_(poolbuf *buffer, const char *hint) {
    if (buffer_check_alive(buffer)) {
        buffer_note(buffer, POOLBUF_ACCESS_TOUCH, hint);
    }
}

void poolbuf_record_access_(const poolbuf *buffer, bool write) {
    buffer_note(buffer, write ? POOLBUF_ACCESS_WRITE : POOLBUF_ACCESS_READ, NULL);
}

void poolbuf_out_of_bounds_(const poolbuf *buffer) {
    (void)buffer_check_alive(buffer);
}

poolbuf_allocator *poolbuf_owner(const poolbuf *buffer) {
    return allocator_of(buffer_root(buffer));
}

/* ---- Capacity ----------------------------------------------------------------------------------------------------- */

/* Netty's calculateNewCapacity. least <= max. */
static size_t grown_capacity(size_t least, size_t max) {
    size_t grown = GROWTH_FIRST;
    if (least > GROWTH_THRESHOLD) {
        grown = (least / GROWTH_THRESHOLD + 1) * GROWTH_THRESHOLD;
    } else {
        while (grown < least) {
            grown <<= 1;
        }
    }
    return grown < max ? grown : max;
}

static void swap_memory(poolbuf *a, poolbuf *b) {
    const uint32_t of_memory = POOLBUF_FLAG_HUGE | POOLBUF_FLAG_UNPOOLED | POOLBUF_FLAG_ANNOTATED;
    /* Field by field: other owners may be counting in a->state and a->shares meanwhile, so no copy of the whole handle. */
    uint8_t *memory = a->memory;
    void *origin = a->origin;
    uint32_t usable = a->usable;
    uint32_t position = a->position;
    uint16_t bin = a->bin;
    a->memory = b->memory;
    a->origin = b->origin;
    a->usable = b->usable;
    a->position = b->position;
    a->bin = b->bin;
    b->memory = memory;
    b->origin = origin;
    b->usable = usable;
    b->position = position;
    b->bin = bin;
    /* Other owners may be counting, so each bit is changed by itself; b is dead and ours. */
    uint32_t a_flags = handle_flags_of(handle_state_get(a)) & of_memory;
    uint32_t b_flags = handle_flags_of(handle_state_get(b)) & of_memory;
    if (a_flags != b_flags) {
        (void)__atomic_fetch_xor(&a->state, handle_state(a_flags ^ b_flags, 0), __ATOMIC_RELAXED);
        handle_state_set(b, handle_state(a_flags, 0));
    }
}

/* Brings the bytes to memory of another class: takes a second handle, copies, and swaps what is behind the two. */
static poolbuf_status move_buffer(poolbuf *buffer, size_t capacity) {
    poolbuf_allocator *allocator = allocator_of(buffer);
    if (allocator_is_closed(allocator)) {
        return POOLBUF_ERROR_LIVE_BUFFERS;
    }
    poolbuf *other = take_memory(allocator, buffer->kind, capacity);
    if (other == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    const void *anchor = allocator_anchor(allocator);
    if ((handle_flags_of(handle_state_get(other)) & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_bytes_out(anchor, other->memory, capacity);
    }
    memcpy(other->memory, buffer->memory, capacity < buffer->capacity ? capacity : buffer->capacity);
    if ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_bytes_back(anchor, buffer->memory, buffer->usable);
    }
    const uint8_t *old_memory = buffer->memory;
    swap_memory(buffer, other);
    derived_follow(buffer, old_memory);
    buffer->capacity = (uint32_t)capacity;
    give_memory(allocator, other);
    return POOLBUF_OK;
}

static void resize_in_place(poolbuf *buffer, size_t capacity) {
    size_t old_capacity = buffer->capacity;
    buffer->capacity = (uint32_t)capacity;
    if ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_ANNOTATED) != 0 && capacity != old_capacity) {
        poison_bytes_resized(allocator_anchor(allocator_of(buffer)), buffer->memory, old_capacity, capacity,
                             buffer->usable);
    }
}

/* No retained slice is alive. The acquire pairs with the release in derived_end_retained(): what the owners of such slices
 * did to the bytes, and their look at where the buffer comes from, is over before the buffer moves. */
static bool may_move(const poolbuf *buffer) {
    return __atomic_load_n(&buffer->shares, __ATOMIC_ACQUIRE) == 0;
}

/* Whether shrinking is worth a move: Netty's rule. Slices keep a buffer where it is. */
static bool shrink_moves(const poolbuf *buffer, size_t capacity) {
    if ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_HAS_SLICES) != 0 || !may_move(buffer)) {
        return false;
    }
    return capacity <= buffer->usable / 2 || (buffer->usable <= 512 && capacity + 16 <= buffer->usable);
}

static poolbuf_status change_capacity(poolbuf *buffer, size_t capacity) {
    if (capacity > buffer->usable) {
        if (!may_move(buffer)) {
            return POOLBUF_ERROR_UNSUPPORTED;
        }
        poolbuf_status status = move_buffer(buffer, capacity);
        if (status != POOLBUF_OK) {
            return status;
        }
    } else if (capacity >= buffer->capacity || !shrink_moves(buffer, capacity) ||
               move_buffer(buffer, capacity) != POOLBUF_OK) {
        resize_in_place(buffer, capacity); /* also where there is no memory to shrink into */
    }
    buffer->writer_index = buffer->writer_index < capacity ? buffer->writer_index : (uint32_t)capacity;
    buffer->reader_index = buffer->reader_index < capacity ? buffer->reader_index : (uint32_t)capacity;
    buffer_note(buffer, POOLBUF_ACCESS_GROW, NULL);
    return POOLBUF_OK;
}

static bool is_derived(const poolbuf *buffer) {
    return (handle_flags_of(handle_state_get(buffer)) & (POOLBUF_FLAG_SLICE | POOLBUF_FLAG_RETAINED_SLICE)) != 0;
}

poolbuf_status poolbuf_set_capacity(poolbuf *buffer, size_t capacity) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (is_derived(buffer)) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    if (capacity > buffer->max_capacity) {
        return POOLBUF_ERROR_MAX_CAPACITY;
    }
    return capacity == buffer->capacity ? POOLBUF_OK : change_capacity(buffer, capacity);
}

poolbuf_status poolbuf_reserve_slow_(poolbuf *buffer, size_t length) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (length > (size_t)buffer->max_capacity - buffer->writer_index) {
        return POOLBUF_ERROR_MAX_CAPACITY;
    }
    size_t least = buffer->writer_index + length;
    if (least <= buffer->capacity) {
        return POOLBUF_OK;
    }
    /* The class's own slack first: it costs nothing. A slice has none, as its capacity is its maximum. */
    size_t max = buffer->max_capacity;
    size_t slack = buffer->usable < max ? buffer->usable : max;
    return change_capacity(buffer, least <= slack ? slack : grown_capacity(least, max));
}
