/* The buffer: allocate and release behind their fast paths, which are in poolbuf/fast_path.h.
 *
 * What is not the fast path's ends in allocate_slow() where it found no bin (no cache yet, a checker), because the empty cache has
 * no largest class, and in allocate_from() where there is no handle in it, or the countdown expires. A release is a slow one where
 * the state is anything but one reference and no flag (see poolbuf_flag): poolbuf_release_slow_() subtracts, and end_buffer() takes
 * apart what is dead. */
#include "probe.h"

/* The library's own fast paths have probes; those that a program inlines have none. */
#define POOLBUF_RELEASED_(buffer) PROBE2(release, buffer, (buffer)->usable)

#include "buffer.h"

#include <errno.h>
#include <string.h>

#include "check.h"
#include "composite.h"
#include "countdown.h"
#include "counter.h"
#include "handle.h"
#include "os/os.h"
#include "poison.h"
#include "process/sampled.h"
#include "registry.h"
#include "tracker.h"
#include "withhold.h"
#include "wrapped.h"

#define UNPOOLED_ALIGN 16u

/* ---- Allocate ----------------------------------------------------------------------------------------------------- */

#define KIND_PREFERRED (-1)

static poolbuf *allocate_slow(poolbuf_allocator *allocator, int kind, size_t initial_capacity, size_t max_capacity);
static poolbuf *allocate_from(poolbuf_bin_ *bin, poolbuf_allocator *allocator, int kind, size_t initial_capacity,
                              size_t max_capacity);

/* The two fast paths begin a cache line: where the first lay 32 bytes into one, for what stood before it, a pair took
 * 5.57 ns instead of 5.30 (AMD EPYC). */
#define CACHE_LINE_ALIGNED __attribute__((aligned(64)))

/* poolbuf_allocate_fast_(), with a probe, and with what it knows of the bin where the bin's turn is not now. */
SAMPLED_CODE CACHE_LINE_ALIGNED poolbuf *poolbuf_allocate(poolbuf_allocator *allocator, size_t initial_capacity,
                                                          size_t max_capacity) {
    uint32_t slot = poolbuf_slot_of_(allocator);
    size_t most = poolbuf_limited_(max_capacity);
    poolbuf_bin_ *bin = poolbuf_bin_for_(slot, 0, initial_capacity, most);
    if (POOLBUF_UNLIKELY(bin == NULL)) {
        return allocate_slow(allocator, KIND_PREFERRED, initial_capacity, most);
    }
    poolbuf *buffer = poolbuf_pop_bin_(slot, bin, initial_capacity, most);
    if (POOLBUF_UNLIKELY(buffer == NULL)) {
        return allocate_from(bin, allocator, KIND_PREFERRED, initial_capacity, most);
    }
    PROBE3(allocate, buffer, initial_capacity, allocator);
    return buffer;
}

SAMPLED_CODE poolbuf *poolbuf_allocate_slow_(poolbuf_allocator *allocator, size_t initial_capacity,
                                             size_t max_capacity) {
    return allocate_slow(allocator, KIND_PREFERRED, initial_capacity, poolbuf_limited_(max_capacity));
}

static poolbuf *allocate_kind(poolbuf_allocator *allocator, int kind, size_t initial_capacity, size_t max_capacity) {
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return NULL;
    }
    size_t most = poolbuf_limited_(max_capacity);
    poolbuf *buffer = poolbuf_pop_(allocator->group.slot, allocator->kind_bins[kind], initial_capacity, most);
    if (POOLBUF_UNLIKELY(buffer == NULL)) {
        return allocate_slow(allocator, kind, initial_capacity, most);
    }
    PROBE3(allocate, buffer, initial_capacity, allocator);
    return buffer;
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
        (void)arena_take_naked(cache_group_naked_arena(group), 1, &list);
    } else {
        (void)arena_take(&group->arenas[config->kind][0], config->size_class, 1, &list);
    }
    return list != NULL ? handle_pop(&list) : NULL;
}

/* ---- Memory for a buffer ------------------------------------------------------------------------------------------ */

static size_t unpooled_alignment(const poolbuf_allocator *allocator, int kind) {
    size_t alignment = kind == POOLBUF_KIND_DIRECT ? allocator->options.alignment : 0;
    return alignment > UNPOOLED_ALIGN ? alignment : UNPOOLED_ALIGN;
}

/* A handle and its bytes as two blocks of the process heap, for checkers that know nothing but malloc. */
static poolbuf *take_unpooled(poolbuf_allocator *allocator, int kind, size_t bytes) {
    void *handle_block = NULL;
    void *bytes_block = NULL;
    if (!region_reserve(&allocator->region_pool, bytes)) {
        return NULL;
    }
    if (os->acquire(OS_HEAP, sizeof(poolbuf), sizeof(poolbuf), &handle_block) != 0) {
        region_unreserve(&allocator->region_pool, bytes);
        return NULL;
    }
    if (os->acquire(OS_HEAP, bytes != 0 ? bytes : 1, unpooled_alignment(allocator, kind), &bytes_block) != 0) {
        (void)os->give_back(OS_HEAP, handle_block, sizeof(poolbuf));
        region_unreserve(&allocator->region_pool, bytes);
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
    counter_add_shared(&allocator->unpooled_buffers[kind], 1);
    counter_add_shared(&allocator->unpooled_bytes[kind], bytes);
    return handle;
}

/* Another size for the bytes of such a buffer; see arena_resize_huge(). */
static region_resized resize_unpooled(poolbuf_allocator *allocator, poolbuf *buffer, size_t bytes) {
    size_t old_bytes = buffer->usable;
    size_t added = bytes > old_bytes ? bytes - old_bytes : 0;
    void *moved = NULL;
    if (!region_reserve(&allocator->region_pool, added)) {
        return REGION_NO_MEMORY;
    }
    int error =
        os->resize(OS_HEAP, buffer->memory, old_bytes, bytes, unpooled_alignment(allocator, buffer->kind), &moved);
    if (error != 0) {
        region_unreserve(&allocator->region_pool, added);
        return error == ENOMEM ? REGION_NO_MEMORY : REGION_UNRESIZABLE;
    }
    region_unreserve(&allocator->region_pool, bytes < old_bytes ? old_bytes - bytes : 0);
    counter_add_shared(&allocator->unpooled_bytes[buffer->kind], bytes - old_bytes); /* modulo 2^64 */
    buffer->memory = moved;
    buffer->usable = (uint32_t)bytes;
    return REGION_RESIZED;
}

/* What is wanted, so that it can be tried again: of a bin, or of a size that has none. */
typedef struct request {
    poolbuf_allocator *allocator;
    enum {
        REQUEST_BIN,
        REQUEST_HUGE,
        REQUEST_UNPOOLED
    } what;
    int kind;
    uint32_t bin;    /* REQUEST_BIN */
    size_t bytes;    /* the others */
    poolbuf *resize; /* a huge or unpooled buffer, whose memory may get that size instead; NULL: there is none */
} request;

/* False, from here on, for memory that cannot be changed. */
static bool resize_once(request *wanted, poolbuf **resized) {
    region_resized result = wanted->what == REQUEST_HUGE
                                ? arena_resize_huge(wanted->resize, wanted->bytes)
                                : resize_unpooled(wanted->allocator, wanted->resize, wanted->bytes);
    *resized = result == REGION_RESIZED ? wanted->resize : NULL;
    if (result == REGION_UNRESIZABLE) {
        wanted->resize = NULL;
    }
    return result != REGION_UNRESIZABLE;
}

static poolbuf *take_once(request *wanted) {
    poolbuf_allocator *allocator = wanted->allocator;
    poolbuf *resized = NULL;
    if (wanted->resize != NULL && resize_once(wanted, &resized)) {
        return resized;
    }
    if (wanted->what == REQUEST_UNPOOLED) {
        return take_unpooled(allocator, wanted->kind, wanted->bytes);
    }
    thread_cache *cache = registry_cache(&allocator->group);
    if (wanted->what == REQUEST_HUGE) {
        return arena_take_huge(cache != NULL ? cache->arenas[wanted->kind] : &allocator->group.arenas[wanted->kind][0],
                               wanted->bytes);
    }
    return cache != NULL ? thread_cache_take(cache, wanted->bin) : take_uncached(allocator, wanted->bin);
}

/* Room in the chunks of any arena, when there are no more chunks to be had for our own. */
static poolbuf *take_elsewhere(const request *wanted) {
    const cache_group *group = &wanted->allocator->group;
    const bin_config *config = &group->bins[wanted->bin];
    poolbuf *list = NULL;
    if (wanted->what != REQUEST_BIN || config->naked) {
        return NULL;
    }
    for (uint32_t i = 0; i < group->arena_counts[config->kind] && list == NULL; i++) {
        (void)arena_take_mapped(&group->arenas[config->kind][i], config->size_class, &list);
    }
    return list != NULL ? handle_pop(&list) : NULL;
}

/* The arenas get what this thread and the depot could do without; a chunk that empties so may be all that is needed. */
static void give_up_caches(poolbuf_allocator *allocator) {
    tracker_surrender(allocator);
    poolbuf_trim_thread_cache(allocator);
    cache_group_drain_depot(&allocator->group);
}

static void give_up_spares(poolbuf_allocator *allocator) {
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
            (void)arena_release_spares(&allocator->group.arenas[kind][i]);
        }
    }
}

/* The program's callback, if it was the limit that refused: true if something may have changed. Not from inside itself: what it
 * allocates has to do without. */
static bool ask_at_limit(poolbuf_allocator *allocator) {
    static _Thread_local bool asking;
    const poolbuf_allocator_options *options = &allocator->options;
    size_t wanted_bytes = region_limit_wanted();
    if (wanted_bytes == 0 || options->memory_limit_reached == NULL || asking) {
        return false;
    }
    asking = true;
    bool again = options->memory_limit_reached(options->memory_limit_context, allocator, wanted_bytes,
                                               (size_t)counter_get(&allocator->region_pool.used_bytes));
    asking = false;
    return again;
}

/* What is tried before an allocation fails, a step at a time: our caches, spare chunks, other arenas' room, the callback. */
static poolbuf *take(request *wanted) {
    poolbuf_allocator *allocator = wanted->allocator;
    region_limit_forget();
    poolbuf *handle = take_once(wanted);
    for (unsigned step = 0; handle == NULL; step++) {
        switch (step) {
        case 0:
            give_up_caches(allocator);
            break;
        case 1: /* then the system gets every spare chunk */
            give_up_spares(allocator);
            break;
        case 2:
        case 4:
            handle = take_elsewhere(wanted);
            continue;
        case 3:
            if (!ask_at_limit(allocator)) {
                return NULL;
            }
            give_up_caches(allocator); /* what was released meanwhile is there */
            give_up_spares(allocator);
            break;
        default:
            return NULL;
        }
        handle = take_once(wanted);
    }
    return handle;
}

poolbuf *buffer_take_handle(poolbuf_allocator *allocator, uint32_t bin) {
    request wanted = {.allocator = allocator, .what = REQUEST_BIN, .bin = bin};
    return take(&wanted);
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
        arena_give_naked(cache_group_naked_arena(&allocator->group), list);
    } else {
        arena_give(list);
    }
}

poolbuf *buffer_take_unpooled(poolbuf_allocator *allocator, int kind, size_t bytes) {
    request wanted = {.allocator = allocator, .what = REQUEST_UNPOOLED, .kind = kind, .bytes = bytes};
    return take(&wanted);
}

static void give_unpooled(poolbuf_allocator *allocator, poolbuf *handle) {
    (void)counter_sub_shared(&allocator->unpooled_buffers[handle->kind], 1);
    (void)counter_sub_shared(&allocator->unpooled_bytes[handle->kind], handle->usable);
    (void)os->give_back(OS_HEAP, handle->memory, handle->usable);
    region_unreserve(&allocator->region_pool, handle->usable);
    (void)os->give_back(OS_HEAP, handle, sizeof *handle);
}

/* A dead handle with at least so many bytes, from wherever that size comes from. */
poolbuf *buffer_take_memory(poolbuf_allocator *allocator, int kind, size_t bytes) {
    if (allocator_is_closed(allocator)) {
        return NULL;
    }
    if (allocator->pooled[kind] && bytes <= allocator->options.chunk_size) {
        return buffer_take_handle(allocator, allocator->kind_bins[kind] + size_class_of(&allocator->classes, bytes));
    }
    request wanted = {
        .allocator = allocator,
        .what = allocator->pooled[kind] ? REQUEST_HUGE : REQUEST_UNPOOLED,
        .kind = kind,
        .bytes = bytes,
    };
    return take(&wanted);
}

poolbuf *buffer_take_resized(poolbuf_allocator *allocator, poolbuf *buffer, size_t bytes) {
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    bool unpooled = (flags & POOLBUF_FLAG_UNPOOLED) != 0;
    if (!unpooled && ((flags & POOLBUF_FLAG_HUGE) == 0 || bytes <= allocator->options.chunk_size)) {
        return buffer_take_memory(allocator, buffer->kind, bytes);
    }
    request wanted = {
        .allocator = allocator,
        .what = unpooled ? REQUEST_UNPOOLED : REQUEST_HUGE,
        .kind = buffer->kind,
        .bytes = bytes,
        .resize = buffer,
    };
    return take(&wanted);
}

void buffer_give_memory(poolbuf_allocator *allocator, poolbuf *handle) {
    uint32_t flags = handle_flags_of(handle_state_get(handle));
    if ((flags & POOLBUF_FLAG_UNPOOLED) != 0) {
        give_unpooled(allocator, handle);
    } else if ((flags & POOLBUF_FLAG_HUGE) != 0) {
        arena_give_huge(handle);
    } else {
        buffer_give_handle(allocator, handle->bin, handle);
    }
}

/* Inline wherever a sampled allocation comes by, as is begin(): the stack of each is walked from here, frame by frame.
 * Nobody else knows the buffer yet, so that setting its flag takes no locked operation. */
static inline __attribute__((always_inline)) void count_and_sample(poolbuf_allocator *allocator, poolbuf *buffer) {
    thread_cache *cache = registry_cache(&allocator->group);
    bool sampled = cache != NULL ? thread_cache_count(cache) : registry_count_uncached(&allocator->group);
    if (sampled && tracker_allocated(buffer, allocator, handle_capacity(buffer))) {
        handle_state_set(buffer, handle_state_get(buffer) | handle_state(POOLBUF_FLAG_TRACKED, 0));
    }
}

void buffer_count_and_sample(poolbuf_allocator *allocator, poolbuf *buffer) {
    count_and_sample(allocator, buffer);
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

/* What the probe calls an allocator: NULL is the default one, which alone has the first slot. That lies where all ask. */
static inline const poolbuf_allocator *probed(const poolbuf_allocator *allocator) {
    return allocator->group.slot == 0 ? NULL : allocator;
}

static inline __attribute__((always_inline)) void begin(poolbuf_allocator *allocator, poolbuf *buffer, size_t capacity,
                                                        size_t max_capacity) {
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    buffer->link = NULL;
    buffer->capacity = (uint32_t)capacity;
    buffer->max_capacity = (uint32_t)max_capacity;
    handle_state_set(buffer, handle_state(flags, 1));
    if ((flags & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_handle_out(allocator_anchor(allocator), buffer);
        poison_bytes_out(allocator_anchor(allocator), buffer->memory, capacity);
    }
    count_and_sample(allocator, buffer);
    PROBE3(allocate, buffer, capacity, probed(allocator));
}

void buffer_begin(poolbuf_allocator *allocator, poolbuf *buffer, size_t capacity, size_t max_capacity) {
    begin(allocator, buffer, capacity, max_capacity);
}

/* Whatever the bin has not ready. */
static __attribute__((noinline)) poolbuf *allocate_anew(poolbuf_allocator *allocator, int kind, size_t initial_capacity,
                                                        size_t max_capacity) {
    if (initial_capacity > max_capacity) {
        return NULL;
    }
    if (kind == KIND_PREFERRED) {
        kind = allocator->options.prefer_direct ? POOLBUF_KIND_DIRECT : POOLBUF_KIND_HEAP;
    }
    poolbuf *buffer = pop_of_eight(allocator, kind, initial_capacity, max_capacity);
    if (buffer != NULL) {
        PROBE3(allocate, buffer, initial_capacity, probed(allocator));
        return buffer;
    }
    buffer = buffer_take_memory(allocator, kind, initial_capacity);
    if (buffer == NULL) {
        return NULL;
    }
    begin(allocator, buffer, initial_capacity, max_capacity);
    return buffer;
}

/* What a sampled allocation finds most of the time, since it is the countdown alone that has brought it here: the
 * handle which the fast path would have had, in a bin that poolbuf_bin_for_() found. Meanwhile another thread may have
 * emptied the slot, for sampling to begin anew; it puts nothing else there, so what is not empty is the cache of that bin. */
SAMPLED_CODE static __attribute__((noinline)) poolbuf *
allocate_from(poolbuf_bin_ *bin, poolbuf_allocator *allocator, int kind, size_t initial_capacity, size_t max_capacity) {
    allocator = allocator_resolve(allocator);
    poolbuf **top = poolbuf_bin_top_(bin);
    poolbuf_cache_ *found = registry_slot(allocator->group.slot);
    if (POOLBUF_UNLIKELY(top == bin->floor || found == &registry_no_cache)) {
        return allocate_anew(allocator, kind, initial_capacity, max_capacity);
    }
    thread_cache *cache = (thread_cache *)(void *)found;
    poolbuf *buffer = *--top;
    poolbuf_bin_set_top_(bin, top);
    buffer->capacity = (uint32_t)initial_capacity;
    buffer->max_capacity = (uint32_t)max_capacity;
    handle_state_set(buffer, handle_state(0, 1));
    if (thread_cache_count_popped(cache) && tracker_allocated(buffer, allocator, initial_capacity)) {
        handle_state_set(buffer, handle_state_get(buffer) | handle_state(POOLBUF_FLAG_TRACKED, 0));
    }
    PROBE3(allocate, buffer, initial_capacity, probed(allocator));
    return buffer;
}

/* The empty cache, one of eight classes a doubling and one of which a checker is told more have no largest, and find no bin. */
SAMPLED_CODE static __attribute__((noinline)) poolbuf *allocate_slow(poolbuf_allocator *allocator, int kind,
                                                                     size_t initial_capacity, size_t max_capacity) {
    allocator = allocator_resolve(allocator);
    if (POOLBUF_UNLIKELY(allocator == NULL)) {
        return NULL;
    }
    uint32_t first_bin = kind == KIND_PREFERRED ? 0 : allocator->kind_bins[kind];
    poolbuf_bin_ *bin = poolbuf_bin_for_(allocator->group.slot, first_bin, initial_capacity, max_capacity);
    return bin == NULL ? allocate_anew(allocator, kind, initial_capacity, max_capacity)
                       : allocate_from(bin, allocator, kind, initial_capacity, max_capacity);
}

/* ---- References --------------------------------------------------------------------------------------------------- */

bool buffer_check_alive(const poolbuf *buffer) {
    if (((uintptr_t)buffer & (sizeof(poolbuf) - 1)) != 0) {
        tracker_misuse(buffer, POOLBUF_MISUSE_FOREIGN_POINTER);
        return false;
    }
    uint64_t state = handle_state_get(buffer);
    if (!handle_state_possible(state)) {
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
    const poolbuf *counted = buffer_counted(buffer);
    bool holds = (handle_flags_of(handle_state_get(counted)) & POOLBUF_FLAG_RETAINED_SLICE) != 0;
    return holds ? handle_root(counted) : (poolbuf *)(uintptr_t)counted;
}

void buffer_note_references(const poolbuf *buffer, poolbuf_access access, uint32_t references) {
    const poolbuf *root = buffer_root(buffer);
    if ((handle_flags_of(handle_state_get(root)) & POOLBUF_FLAG_TRACKED) != 0) {
        tracker_accessed(root, access, references, buffer_counted(buffer) != root, NULL);
    }
}

void buffer_note(const poolbuf *buffer, poolbuf_access access, const char *hint) {
    const poolbuf *root = buffer_root(buffer);
    if ((handle_flags_of(handle_state_get(root)) & POOLBUF_FLAG_TRACKED) != 0) {
        tracker_accessed(root, access, 0, false, hint);
    }
}

/* What is left of a buffer goes back to the pool, and with the last one of a destroyed allocator that one. */
static void give_dead(poolbuf_allocator *allocator, poolbuf *buffer) {
    bool orphan = allocator_is_closed(allocator);
    buffer_give_memory(allocator, buffer);
    if (orphan) {
        allocator_orphan_gone(allocator);
    }
}

/* The last reference is gone, and with it every right of its owners: takes the buffer apart. untold: of a retained slice,
 * see buffer_drop_hold(); of a buffer, whose end is what is told, nothing. */
static void end_buffer(poolbuf *buffer, uint32_t flags, uint32_t untold) {
    if ((flags & POOLBUF_FLAG_RETAINED_SLICE) != 0) {
        derived_end_retained_telling(buffer, untold);
        return;
    }
    poolbuf_allocator *allocator = allocator_of(buffer);
    PROBE2(release, buffer, buffer->usable);
    bool withholds = (flags & POOLBUF_FLAG_TRACKED) != 0 && tracker_released(buffer);
    if ((flags & POOLBUF_FLAG_HAS_SLICES) != 0) {
        derived_end_slices(allocator, buffer);
    }
    if ((flags & POOLBUF_FLAG_COMPOSITE) != 0) {
        composite_end(buffer);
        return;
    }
    if ((flags & POOLBUF_FLAG_WRAPPED) != 0) {
        wrapped_end(allocator, buffer);
        return;
    }
    handle_kill(buffer, flags & ~(uint32_t)(POOLBUF_FLAG_TRACKED | POOLBUF_FLAG_HAS_SLICES));
    if ((flags & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_bytes_back(allocator_anchor(allocator), buffer->memory, buffer->usable);
        poison_handle_back(allocator_anchor(allocator), buffer);
    }
    if (!withholds || !withhold(buffer, flags)) {
        give_dead(allocator, buffer);
    }
}

/* Apart: who may come by here has nothing to save for it. */
static __attribute__((noinline)) void give_plain(poolbuf *buffer) {
    give_dead(allocator_of(buffer), buffer);
}

/* A tracked buffer with nothing else about it, whose sole reference this is: what the fast path would have ended, if
 * the sample had not chosen it. */
static inline void end_tracked(poolbuf *buffer) {
    PROBE2(release, buffer, buffer->usable);
    bool withholds = tracker_released(buffer);
    handle_kill(buffer, 0);
    if (POOLBUF_UNLIKELY(withholds) && withhold_plain(buffer)) {
        return;
    }
    if (POOLBUF_UNLIKELY(!registry_push(buffer))) {
        give_plain(buffer);
    }
}

SAMPLED_CODE bool poolbuf_release_slow_(poolbuf *buffer) {
    /* The last reference of a retained slice, which is what most of these are, or of what the sample has chosen. */
    uint64_t state = __atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE);
    if (state == handle_state(POOLBUF_FLAG_RETAINED_SLICE, 1)) {
        derived_end_retained(buffer);
        return true;
    }
    if (state == handle_state(POOLBUF_FLAG_TRACKED, 1)) {
        end_tracked(buffer);
        return true;
    }
    return poolbuf_release_n(buffer, 1);
}

void buffer_end_share(poolbuf *root, uint64_t state) {
    if (POOLBUF_UNLIKELY(handle_count_of(state) == 0)) {
        handle_state_set(root, state); /* somebody has released our reference */
        tracker_misuse(root, POOLBUF_MISUSE_OVER_RELEASE);
    } else if (handle_count_of(state) == 1) {
        end_buffer(root, handle_flags_of(state), 0);
    }
}

/* Of a buffer that counts for itself. */
static bool drop_references(poolbuf *buffer, uint32_t count, uint32_t *untold, uint64_t *state) {
    if (handle_count_of(*state) < count) {
        tracker_misuse(buffer, POOLBUF_MISUSE_OVER_RELEASE);
        return false;
    }
    /* Note it first: afterwards the buffer may be somebody else's. If others overtake us, it still is the last one. */
    if (handle_count_of(*state) == count) {
        return true;
    }
    if (*untold != 0) {
        buffer_note_references(buffer, POOLBUF_ACCESS_RELEASE, *untold);
    }
    *untold = 0;
    *state = __atomic_fetch_sub(&buffer->state, count, __ATOMIC_ACQ_REL);
    if (POOLBUF_UNLIKELY(handle_count_of(*state) < count)) {
        /* Two owners of the same references were here at once: the count has wrapped into the flags. */
        handle_state_set(buffer, *state);
        tracker_misuse(buffer, POOLBUF_MISUSE_OVER_RELEASE);
        return false;
    }
    return handle_count_of(*state) == count;
}

bool buffer_drop_hold(poolbuf *retained_slice, uint32_t *untold) {
    uint64_t state = __atomic_load_n(&retained_slice->state, __ATOMIC_ACQUIRE);
    return drop_references(retained_slice, 1, untold, &state);
}

bool poolbuf_release_n(poolbuf *buffer, uint32_t count) {
    uint64_t state = __atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE);
    if (handle_count_of(state) == 0 && handle_state_possible(state)) {
        tracker_misuse(buffer, POOLBUF_MISUSE_OVER_RELEASE);
        return false;
    }
    if (!buffer_check_alive(buffer) || count == 0 || (handle_flags_of(state) & POOLBUF_FLAG_UNRELEASABLE) != 0) {
        return false;
    }
    if ((handle_flags_of(state) & POOLBUF_FLAG_SLICE) != 0) {
        return poolbuf_release_n(buffer_counted(buffer), count);
    }
    uint32_t untold = count;
    bool last = drop_references(buffer, count, &untold, &state);
    if (last) {
        end_buffer(buffer, handle_flags_of(state), untold);
    }
    return last;
}

/* The bin has no room, or the thread no cache. */
bool poolbuf_release_full_(poolbuf *buffer) {
    end_buffer(buffer, 0, 0);
    return true;
}

SAMPLED_CODE CACHE_LINE_ALIGNED bool poolbuf_release(poolbuf *buffer) {
    return poolbuf_release_fast_(buffer);
}

poolbuf *poolbuf_retain_slow_(poolbuf *buffer) {
    return poolbuf_retain_n(buffer, 1);
}

poolbuf *poolbuf_retain_n(poolbuf *buffer, uint32_t count) {
    if (!buffer_check_alive(buffer) || count == 0 ||
        (handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_UNRELEASABLE) != 0) {
        return buffer;
    }
    poolbuf *counted = buffer_counted(buffer);
    uint32_t references = handle_count_of(handle_state_get(counted));
    if (references >= POOLBUF_RETAIN_LIMIT_ || count > POOLBUF_RETAIN_LIMIT_ - references) {
        tracker_misuse(buffer, POOLBUF_MISUSE_OVERFLOW);
        return buffer;
    }
    (void)__atomic_fetch_add(&counted->state, count, __ATOMIC_RELAXED);
    buffer_note_references(buffer, POOLBUF_ACCESS_RETAIN, count);
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

void poolbuf_out_of_bounds_(const poolbuf *buffer) {
    (void)buffer_check_alive(buffer);
}

poolbuf_allocator *poolbuf_owner(const poolbuf *buffer) {
    const poolbuf *root = buffer_root(buffer);
    bool naked =
        root->origin == NULL && handle_count_of(handle_state_get(root)) == 0; /* a dead handle without memory */
    return naked ? NULL : allocator_of(root);
}
