/* Derived buffers: handles that show another buffer's bytes.
 *
 *      buffer (counts) <-- origin -- slice            shares the count; hangs on the buffer's list; dies with it
 *             ^
 *             +--- origin --- retained slice (counts) <-- origin -- slice of it
 *                             holds one reference; shares++ keeps the memory from moving
 *
 * A slice of a slice is made of the buffer that counts, with the offset added, so chains are no longer than the counts
 * are deep. A retained slice of a retained slice holds its parent, as in Netty, and adds to the shares of the root.
 * Duplicates, read-only and unreleasable views are slices too, with a flag that says what more they are. A slice of a composite
 * has no memory but a position in it; a retained slice of one is made of retained slices of the components.
 *
 * The list of slices (poolbuf.link) only grows while the buffer lives, so two owners may add to it at once: pushing is a
 * compare-and-swap, and nobody takes single slices off. It is walked when the buffer moves, which its owners order, and
 * when it has died, which is the last owner's alone. */
#include "buffer.h"

#include "check.h"
#include "composite.h"
#include "handle.h"
#include "naked.h"
#include "pieces.h"
#include "tracker.h"
#include "withhold.h"

/* What a view has from what it is made of. */
static const uint32_t INHERITED = POOLBUF_FLAG_READ_ONLY | POOLBUF_FLAG_UNRELEASABLE | POOLBUF_FLAG_COMPOSITE;

static uint32_t flags_of(const poolbuf *buffer) {
    return handle_flags_of(handle_state_get(buffer));
}

/* Makes a view of a range of a live buffer, which has been checked against it. flags: those of its own. */
static poolbuf *make_view(const poolbuf *buffer, poolbuf *origin, uint32_t flags, size_t index, size_t length) {
    uint32_t bin = 0;
    thread_cache *cache = naked_plain_cache(buffer->slot);
    poolbuf *view = NULL;
    if (POOLBUF_LIKELY(cache != NULL)) {
        bin = cache->group->naked_bin;
        view = naked_pop(cache, bin);
    }
    if (POOLBUF_UNLIKELY(view == NULL)) {
        view = naked_take_for(buffer, &bin);
    }
    if (view == NULL) {
        return NULL;
    }
    flags |= flags_of(buffer) & INHERITED;
    bool in_pieces = (flags & POOLBUF_FLAG_COMPOSITE) != 0;
    bool hidden = in_pieces || (flags & POOLBUF_FLAG_READ_ONLY) != 0;
    bool of_slice = (flags_of(buffer) & POOLBUF_FLAG_SLICE) != 0;
    *view = (poolbuf){
        .memory = in_pieces ? NULL : buffer->memory + index,
        .writer_index = in_pieces ? 0 : (uint32_t)length,
        .hidden_writer_index = in_pieces ? (uint32_t)length : 0,
        .capacity = hidden ? 0 : (uint32_t)length,
        .max_capacity = (uint32_t)length,
        .origin = origin,
        .usable = (uint32_t)length,
        .position = in_pieces ? (of_slice ? buffer->position : 0) + (uint32_t)index : 0,
        .bin = (uint16_t)bin,
        .slot = buffer->slot,
        .kind = buffer->kind,
    };
    if ((flags & POOLBUF_FLAG_RETAINED_SLICE) != 0) {
        handle_set_root(view, buffer_root(buffer));
    }
    handle_state_set(view, handle_state(flags, 1));
    return view;
}

/* The same of a live buffer with nothing special about it, by a thread whose cache has a handle ready; NULL: the slow path has to. */
static inline poolbuf *make_plain(poolbuf *buffer, uint32_t flags, size_t index, size_t length) {
    thread_cache *cache = poolbuf_range_ok_(buffer, index, length) ? naked_plain_cache(buffer->slot) : NULL;
    if (POOLBUF_UNLIKELY(cache == NULL)) {
        return NULL;
    }
    uint32_t bin = cache->group->naked_bin;
    poolbuf *view = naked_pop(cache, bin);
    if (POOLBUF_UNLIKELY(view == NULL)) {
        return NULL;
    }
    view->memory = buffer->memory + index;
    view->writer_index = (uint32_t)length; /* what is not set is as a dead handle has it */
    view->capacity = (uint32_t)length;
    view->max_capacity = (uint32_t)length;
    view->origin = buffer;
    view->usable = (uint32_t)length;
    view->bin = (uint16_t)bin;
    view->slot = buffer->slot;
    view->kind = buffer->kind;
    handle_state_set(view, handle_state(flags, 1));
    return view;
}

void derived_hang(poolbuf *counted, poolbuf *view) {
    poolbuf *first = __atomic_load_n(&counted->link, __ATOMIC_RELAXED);
    do {
        view->link = first;
    } while (!__atomic_compare_exchange_n(&counted->link, &first, view, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if ((flags_of(counted) & POOLBUF_FLAG_HAS_SLICES) == 0) {
        (void)__atomic_fetch_or(&counted->state, handle_state(POOLBUF_FLAG_HAS_SLICES, 0), __ATOMIC_RELEASE);
    }
}

/* A view that shares the count. */
static poolbuf *make_shared(poolbuf *buffer, uint32_t flags, size_t index, size_t length) {
    poolbuf *counted = buffer_counted(buffer);
    poolbuf *view = make_view(buffer, counted, POOLBUF_FLAG_SLICE | flags, index, length);
    if (view != NULL) {
        derived_hang(counted, view);
        buffer_note(buffer, POOLBUF_ACCESS_SLICE, NULL);
    }
    return view;
}

static void note_slice(const poolbuf *root, uint32_t references) {
    if (POOLBUF_UNLIKELY((flags_of(root) & POOLBUF_FLAG_TRACKED) != 0)) {
        tracker_accessed(root, POOLBUF_ACCESS_SLICE, references, true, NULL);
    }
}

static bool range_good(const poolbuf *buffer, size_t index, size_t length) {
    if (!buffer_check_alive(buffer)) {
        return false;
    }
    size_t capacity = handle_capacity(buffer);
    return index <= capacity && length <= capacity - index;
}

/* ---- Slices ------------------------------------------------------------------------------------------------------- */

poolbuf *poolbuf_slice(poolbuf *buffer, size_t index, size_t length) {
    uint64_t state = handle_state_get(buffer);
    bool plain = (handle_flags_of(state) & ~(uint32_t)POOLBUF_FLAG_HAS_SLICES) == 0 && handle_count_of(state) != 0;
    poolbuf *fast = plain ? make_plain(buffer, POOLBUF_FLAG_SLICE, index, length) : NULL;
    if (POOLBUF_LIKELY(fast != NULL)) {
        derived_hang(buffer, fast);
        return fast;
    }
    if (!range_good(buffer, index, length)) {
        return NULL;
    }
    return buffer_is_empty_one(buffer) ? buffer : make_shared(buffer, 0, index, length);
}

poolbuf *derived_retained_slice(poolbuf *buffer, uint32_t flags, size_t index, size_t length) {
    if ((flags_of(buffer) & POOLBUF_FLAG_UNRELEASABLE) != 0) {
        return buffer_is_empty_one(buffer) ? buffer : make_shared(buffer, flags, index, length);
    }
    poolbuf *counted = buffer_counted(buffer);
    poolbuf *root = buffer_root(counted);
    if (handle_shares_of(handle_state_get(root)) >= POOLBUF_RETAINED_SLICES_LIMIT) {
        return NULL;
    }
    poolbuf *slice = make_view(buffer, counted, POOLBUF_FLAG_RETAINED_SLICE | flags, index, length);
    if (slice == NULL) {
        return NULL;
    }
    if (POOLBUF_LIKELY(counted == root && handle_count_of(handle_state_get(root)) < POOLBUF_RETAIN_LIMIT_)) {
        note_slice(root, 1);
        (void)__atomic_fetch_add(&root->state, HANDLE_ONE_SHARE + 1, __ATOMIC_RELAXED);
    } else {
        note_slice(root, 0); /* the reference to the slice in between is a retain, and noted as one */
        (void)__atomic_fetch_add(&root->state, HANDLE_ONE_SHARE, __ATOMIC_RELAXED);
        (void)poolbuf_retain(counted);
    }
    return slice;
}

poolbuf *poolbuf_retained_slice(poolbuf *buffer, size_t index, size_t length) {
    uint64_t state = handle_state_get(buffer);
    bool plain = handle_flags_of(state) == 0 && handle_shares_of(state) < POOLBUF_RETAINED_SLICES_LIMIT &&
                 handle_count_of(state) - 1 < POOLBUF_RETAIN_LIMIT_ - 1;
    poolbuf *fast = plain ? make_plain(buffer, POOLBUF_FLAG_RETAINED_SLICE, index, length) : NULL;
    if (POOLBUF_LIKELY(fast != NULL)) {
        handle_set_root(fast, buffer);
        (void)__atomic_fetch_add(&buffer->state, HANDLE_ONE_SHARE + 1, __ATOMIC_RELAXED);
        return fast;
    }
    if (!range_good(buffer, index, length)) {
        return NULL;
    }
    bool in_pieces =
        (flags_of(buffer) & (POOLBUF_FLAG_COMPOSITE | POOLBUF_FLAG_UNRELEASABLE)) == POOLBUF_FLAG_COMPOSITE;
    return in_pieces ? composite_retained_slice(buffer, index, length)
                     : derived_retained_slice(buffer, 0, index, length);
}

static poolbuf *skip_if_made(poolbuf *buffer, poolbuf *slice, size_t length) {
    if (slice != NULL) {
        handle_read(buffer, length);
    }
    return slice;
}

poolbuf *poolbuf_read_slice(poolbuf *buffer, size_t length) {
    if (length > poolbuf_readable_bytes(buffer)) {
        (void)buffer_check_alive(buffer);
        return NULL;
    }
    return skip_if_made(buffer, poolbuf_slice(buffer, buffer->reader_index, length), length);
}

poolbuf *poolbuf_read_retained_slice(poolbuf *buffer, size_t length) {
    if (length > poolbuf_readable_bytes(buffer)) {
        (void)buffer_check_alive(buffer);
        return NULL;
    }
    return skip_if_made(buffer, poolbuf_retained_slice(buffer, buffer->reader_index, length), length);
}

/* ---- Duplicates --------------------------------------------------------------------------------------------------- */

/* A view of everything, with the indices of what it is made of. Unless that is a slice itself, it follows its capacity. */
static poolbuf *make_duplicate(poolbuf *buffer, uint32_t flags) {
    if (!buffer_check_alive(buffer)) {
        return NULL;
    }
    if (buffer_is_empty_one(buffer)) {
        return buffer;
    }
    uint32_t of = flags_of(buffer);
    bool follows = (of & POOLBUF_FLAG_SLICE) == 0 || (of & POOLBUF_FLAG_DUPLICATE) != 0;
    size_t reader_index = buffer->reader_index;
    size_t writer_index = poolbuf_writer_index(buffer);
    poolbuf *view = make_shared(buffer, flags | (follows ? POOLBUF_FLAG_DUPLICATE : 0), 0, handle_capacity(buffer));
    if (view != NULL) {
        handle_set_indices(view, reader_index, writer_index);
        view->max_capacity = buffer->max_capacity;
    }
    return view;
}

poolbuf *poolbuf_duplicate(poolbuf *buffer) {
    return make_duplicate(buffer, 0);
}

poolbuf *poolbuf_as_read_only(poolbuf *buffer) {
    return make_duplicate(buffer, POOLBUF_FLAG_READ_ONLY);
}

poolbuf *poolbuf_unreleasable(poolbuf *buffer) {
    return make_duplicate(buffer, POOLBUF_FLAG_UNRELEASABLE);
}

poolbuf *poolbuf_retained_duplicate(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return NULL;
    }
    if ((flags_of(buffer) & POOLBUF_FLAG_UNRELEASABLE) != 0) {
        return poolbuf_duplicate(buffer);
    }
    poolbuf *view = poolbuf_retained_slice(buffer, 0, handle_capacity(buffer));
    if (view != NULL) {
        handle_set_indices(view, buffer->reader_index, poolbuf_writer_index(buffer));
    }
    return view;
}

/* ---- What a view keeps alive -------------------------------------------------------------------------------------- */

poolbuf *poolbuf_unwrap(const poolbuf *buffer) {
    uint32_t flags = flags_of(buffer);
    if ((flags & POOLBUF_FLAG_SLICE) != 0) {
        return buffer_counted(buffer);
    }
    return (flags & POOLBUF_FLAG_RETAINED_SLICE) != 0 ? buffer->origin : NULL;
}

size_t poolbuf_pinned_bytes(const poolbuf *buffer) {
    const poolbuf *root = buffer_root(buffer);
    if (handle_count_of(handle_state_get(root)) == 0) { /* what it keeps of its memory is the pool's */
        return 0;
    }
    return (flags_of(root) & POOLBUF_FLAG_COMPOSITE) != 0 ? composite_pinned_bytes(root->origin) : root->usable;
}

poolbuf *poolbuf_copy_if_small(poolbuf *buffer, size_t index, size_t length) {
    if (length <= POOLBUF_COPY_BREAK_EVEN) {
        return poolbuf_copy(buffer, index, length);
    }
    poolbuf *slice = poolbuf_retained_slice(buffer, index, length);
    if (slice == NULL || poolbuf_pinned_bytes(slice) / POOLBUF_COPY_PINNED_FACTOR <= length) {
        return slice;
    }
    poolbuf *copy =
        poolbuf_copy(buffer, index, length); /* not the slice: that may be of a component, and of its allocator */
    if (copy == NULL) {
        return slice; /* it keeps more than it should, and that is better than nothing */
    }
    (void)poolbuf_release(slice);
    return copy;
}

/* ---- With the buffer ---------------------------------------------------------------------------------------------- */

static void end_tracked_view(poolbuf_allocator *allocator, poolbuf *view, const poolbuf *root) {
    if (!withhold_view(allocator, view, root)) {
        naked_give(allocator, view);
    }
}

void derived_end_slices(poolbuf_allocator *allocator, poolbuf *buffer) {
    /* Nobody else is left to add one, so no exchange; the acquire pairs with the pushes. */
    poolbuf *slice = __atomic_load_n(&buffer->link, __ATOMIC_ACQUIRE);
    buffer->link = NULL;
    const poolbuf *root = buffer_root(buffer);
    bool tracked = (flags_of(root) & POOLBUF_FLAG_TRACKED) != 0;
    thread_cache *cache = naked_plain_cache(buffer->slot);
    while (slice != NULL) {
        poolbuf *next = slice->link;
        if (POOLBUF_UNLIKELY(tracked)) {
            end_tracked_view(allocator, slice, root);
        } else if (POOLBUF_UNLIKELY(!naked_push(cache, slice))) {
            naked_give(allocator, slice);
        }
        slice = next;
    }
}

/* The slice is gone but for the share of the root and the reference to the parent, which go last: with them the allocator
 * itself may go. The release orders our last look at the bytes before the move that the owner may make once it sees no
 * shares. What ends the root is told as its end alone; so of a root that only our reference keeps, to which nobody else
 * can add any, nothing is told here. untold: see buffer_drop_hold(). Gives back the parent where that is to be ended as
 * well: another retained slice, and we its last holder. */
static poolbuf *end_hold(poolbuf *parent, uint32_t *untold) {
    poolbuf *root = buffer_root(parent);
    if (parent != root) {
        (void)__atomic_fetch_sub(&root->state, HANDLE_ONE_SHARE, __ATOMIC_RELEASE);
        return buffer_drop_hold(parent, untold) ? parent : NULL;
    }
    uint64_t state = handle_state_get(root);
    if (*untold != 0 && (handle_flags_of(state) & POOLBUF_FLAG_TRACKED) != 0 && handle_count_of(state) != 1) {
        tracker_accessed(root, POOLBUF_ACCESS_RELEASE, *untold, true, NULL);
    }
    buffer_end_share(root, __atomic_fetch_sub(&root->state, HANDLE_ONE_SHARE + 1, __ATOMIC_ACQ_REL));
    return NULL;
}

static void give_retained(poolbuf *slice, const poolbuf *parent) {
    if (slice->link != NULL) {
        derived_end_slices(poolbuf_owner(parent), slice);
    }
    const poolbuf *root = buffer_root(parent);
    if ((flags_of(root) & POOLBUF_FLAG_TRACKED) != 0) {
        end_tracked_view(poolbuf_owner(parent), slice, root);
    } else if (!naked_push(naked_plain_cache(slice->slot), slice)) {
        naked_give(poolbuf_owner(parent), slice);
    }
}

/* A loop, as a recursion would be as deep as there are retained slices that hold each other, and stacks are not. */
static inline void end_retained(poolbuf *slice, uint32_t untold) {
    poolbuf *parent = slice->origin;
    while (POOLBUF_UNLIKELY(flags_of(parent) != 0 || slice->link != NULL)) {
        give_retained(slice, parent);
        slice = end_hold(parent, &untold);
        if (slice == NULL) {
            return;
        }
        parent = slice->origin;
    }
    if (POOLBUF_UNLIKELY(!naked_push(naked_plain_cache(slice->slot), slice))) {
        naked_give(poolbuf_owner(parent), slice);
    }
    /* What end_hold() does, for a parent with nothing special about it. */
    uint64_t state = __atomic_fetch_sub(&parent->state, HANDLE_ONE_SHARE + 1, __ATOMIC_ACQ_REL);
    if (POOLBUF_UNLIKELY(handle_count_of(state) <= 1)) {
        buffer_end_share(parent, state);
    }
}

void derived_end_retained(poolbuf *slice) {
    end_retained(slice, 1);
}

void derived_end_retained_telling(poolbuf *slice, uint32_t untold) {
    end_retained(slice, untold);
}

void derived_follow_memory(poolbuf *buffer, const uint8_t *old_memory) {
    for (poolbuf *view = __atomic_load_n(&buffer->link, __ATOMIC_ACQUIRE); view != NULL; view = view->link) {
        if (view->memory != NULL) { /* marks have none */
            view->memory = buffer->memory + (view->memory - old_memory);
        }
    }
}

void derived_follow_capacity(poolbuf *buffer) {
    uint32_t capacity = (uint32_t)handle_capacity(buffer);
    for (poolbuf *view = __atomic_load_n(&buffer->link, __ATOMIC_ACQUIRE); view != NULL; view = view->link) {
        if ((flags_of(view) & POOLBUF_FLAG_DUPLICATE) != 0) {
            bool hidden = (flags_of(view) & (POOLBUF_FLAG_READ_ONLY | POOLBUF_FLAG_COMPOSITE)) != 0;
            view->usable = capacity;
            view->capacity = hidden ? 0 : capacity;
            handle_set_indices(view, smaller(view->reader_index, capacity),
                               smaller(poolbuf_writer_index(view), capacity));
        }
    }
}
