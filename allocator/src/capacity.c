/* The buffer's capacity: growing, shrinking, and dropping what has been read.
 *
 * A buffer grows within the memory that it has, or moves: a second handle is taken, the bytes are copied, and what is behind the
 * two handles is swapped, so that the address of a handle never changes. A huge one, whose memory is a mapping of its own, has the
 * system change that, and an unpooled one realloc(). Composites grow by components instead (composite.c),
 * other people's memory not at all. */
#include "capacity.h"

#include <string.h>

#include "allocator.h"
#include "buffer.h"
#include "check.h"
#include "composite.h"
#include "handle.h"
#include "indices.h"
#include "pieces.h"
#include "poison.h"
#include "probe.h"

#define GROWTH_FIRST     ((size_t)64)
#define GROWTH_THRESHOLD ((size_t)4 << 20) /* doubling below, steps of this size above */

size_t capacity_grown(size_t least, size_t max) {
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
    /* Field by field: other owners may be counting in a->state meanwhile, so no copy of the whole handle. */
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

/* Copies the bytes to a second handle's memory, and swaps what is behind the two. */
static void copy_over(poolbuf_allocator *allocator, poolbuf *buffer, poolbuf *other, size_t capacity) {
    const void *anchor = allocator_anchor(allocator);
    if ((handle_flags_of(handle_state_get(other)) & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_bytes_out(anchor, other->memory, capacity);
    }
    memcpy(other->memory, buffer->memory, capacity < buffer->capacity ? capacity : buffer->capacity);
    if ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_ANNOTATED) != 0) {
        poison_bytes_back(anchor, buffer->memory, buffer->usable);
    }
    swap_memory(buffer, other);
}

/* Brings the bytes to memory of another size. */
static poolbuf_status move_buffer(poolbuf *buffer, size_t capacity) {
    poolbuf_allocator *allocator = allocator_of(buffer);
    if (allocator_is_closed(allocator)) {
        return POOLBUF_ERROR_LIVE_BUFFERS;
    }
    const uint8_t *old_memory = buffer->memory;
    poolbuf *other = buffer_take_resized(allocator, buffer, capacity);
    if (other == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    if (other != buffer) {
        copy_over(allocator, buffer, other, capacity);
    }
    derived_follow_memory(buffer, old_memory);
    buffer->capacity = (uint32_t)capacity;
    if (other != buffer) {
        buffer_give_memory(allocator, other);
    }
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

/* No retained slice is alive of a buffer with memory, or of what a composite's bytes lie in. The acquire pairs with the
 * release in derived_end_retained(): what the owners of such slices did to the bytes, and their look at where the
 * buffer comes from, is over before the buffer moves. */
static bool may_move(const poolbuf *buffer) {
    if (buffer->memory != NULL) {
        return handle_shares_of(__atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE)) == 0;
    }
    size_t capacity = handle_capacity(buffer);
    size_t run = 0;
    for (size_t index = 0; index < capacity; index += run) {
        size_t leaf_index = 0;
        uint32_t seen = 0;
        const poolbuf *leaf = piece_leaf(buffer, index, &leaf_index, &run, &seen);
        if (leaf == NULL) {
            return false; /* what was there is gone */
        }
        if (handle_shares_of(__atomic_load_n(&buffer_root(leaf)->state, __ATOMIC_ACQUIRE)) != 0) {
            return false;
        }
    }
    return true;
}

/* Whether shrinking is worth a move: Netty's rule. Slices keep a buffer where it is. */
static bool shrink_moves(const poolbuf *buffer, size_t capacity) {
    if ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_HAS_SLICES) != 0 || !may_move(buffer)) {
        return false;
    }
    return capacity <= buffer->usable / 2 || (buffer->usable <= 512 && capacity + 16 <= buffer->usable);
}

static poolbuf_status change_capacity(poolbuf *buffer, size_t capacity) {
    size_t old_capacity = buffer->capacity;
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
    if ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_HAS_SLICES) != 0) {
        derived_follow_capacity(buffer);
    }
    PROBE3(grow, buffer, old_capacity, capacity);
    buffer_note(buffer, POOLBUF_ACCESS_GROW, NULL);
    return POOLBUF_OK;
}

/* The buffer whose capacity it is: a duplicate's is that of the buffer that it shows. NULL: nobody may change it. */
static poolbuf *resizable(poolbuf *buffer, poolbuf_status *status) {
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    *status = (flags & POOLBUF_FLAG_READ_ONLY) != 0 ? POOLBUF_ERROR_READ_ONLY : POOLBUF_ERROR_UNSUPPORTED;
    if ((flags & POOLBUF_FLAG_READ_ONLY) != 0) {
        return NULL;
    }
    if ((flags & POOLBUF_FLAG_DUPLICATE) != 0) {
        buffer = buffer_counted(buffer);
        flags = handle_flags_of(handle_state_get(buffer));
    }
    const uint32_t fixed = POOLBUF_FLAG_SLICE | POOLBUF_FLAG_RETAINED_SLICE | POOLBUF_FLAG_WRAPPED;
    return (flags & fixed) != 0 || composite_is_fixed(buffer) ? NULL : buffer;
}

static poolbuf_status resize(poolbuf *buffer, size_t capacity) {
    bool in_pieces = (handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_COMPOSITE) != 0;
    return in_pieces ? composite_set_capacity(buffer, capacity) : change_capacity(buffer, capacity);
}

poolbuf_status poolbuf_set_capacity(poolbuf *buffer, size_t capacity) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    poolbuf_status status = POOLBUF_OK;
    poolbuf *target = resizable(buffer, &status);
    if (target == NULL) {
        return status;
    }
    if (capacity > target->max_capacity) {
        return POOLBUF_ERROR_MAX_CAPACITY;
    }
    return capacity == handle_capacity(target) ? POOLBUF_OK : resize(target, capacity);
}

poolbuf_status poolbuf_reserve_slow_(poolbuf *buffer, size_t length) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (poolbuf_is_read_only(buffer)) {
        return POOLBUF_ERROR_READ_ONLY;
    }
    if (length > buffer->max_capacity - poolbuf_writer_index(buffer)) {
        return POOLBUF_ERROR_MAX_CAPACITY;
    }
    size_t least = poolbuf_writer_index(buffer) + length;
    if (least <= handle_capacity(buffer)) {
        return POOLBUF_OK;
    }
    poolbuf_status status = POOLBUF_OK;
    poolbuf *target = resizable(buffer, &status);
    if (target == NULL) {
        return status;
    }
    /* The class's own slack first: it costs nothing. A composite has none: what is usable of it is its capacity. */
    size_t max = target->max_capacity;
    size_t slack = smaller(target->usable, max);
    return resize(target, least <= slack ? slack : capacity_grown(least, max));
}

poolbuf_room poolbuf_ensure_writable_try(poolbuf *buffer, size_t length, bool force) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ROOM_CANNOT;
    }
    if (length <= poolbuf_writable_bytes(buffer)) {
        return poolbuf_is_read_only(buffer) ? POOLBUF_ROOM_CANNOT : POOLBUF_ROOM_ENOUGH;
    }
    poolbuf_status status = poolbuf_reserve_slow_(buffer, length);
    if (status == POOLBUF_OK) {
        return POOLBUF_ROOM_GREW;
    }
    if (status != POOLBUF_ERROR_MAX_CAPACITY || !force || handle_capacity(buffer) == buffer->max_capacity) {
        return POOLBUF_ROOM_CANNOT;
    }
    status = poolbuf_set_capacity(buffer, buffer->max_capacity);
    return status == POOLBUF_OK ? POOLBUF_ROOM_GREW_TO_MAX : POOLBUF_ROOM_CANNOT;
}

size_t poolbuf_max_writable_bytes(const poolbuf *buffer) {
    return poolbuf_is_read_only(buffer) ? 0 : buffer->max_capacity - poolbuf_writer_index(buffer);
}

size_t poolbuf_max_fast_writable_bytes(const poolbuf *buffer) {
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    const poolbuf *memory = (flags & POOLBUF_FLAG_DUPLICATE) != 0 ? buffer_counted(buffer) : buffer;
    size_t writable = poolbuf_writable_bytes(buffer);
    size_t fast = smaller(memory->usable, buffer->max_capacity);
    bool grows = (flags & (POOLBUF_FLAG_READ_ONLY | POOLBUF_FLAG_COMPOSITE)) == 0 && poolbuf_ref_count(buffer) != 0;
    return grows && fast - poolbuf_writer_index(buffer) > writable ? fast - poolbuf_writer_index(buffer) : writable;
}

size_t poolbuf_capacity_slow_(const poolbuf *buffer) {
    return handle_capacity(buffer);
}

/* ---- Dropping what has been read ---------------------------------------------------------------------------------- */

/* A composite lets go of components, and copies nothing. */
static bool drops_components(const poolbuf *buffer) {
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    return (flags & POOLBUF_FLAG_COMPOSITE) != 0 && (flags & POOLBUF_FLAG_SLICE) == 0 && !composite_is_fixed(buffer);
}

poolbuf_status poolbuf_discard_read_bytes(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (poolbuf_is_read_only(buffer)) {
        return POOLBUF_ERROR_READ_ONLY;
    }
    size_t read = buffer->reader_index;
    size_t readable = poolbuf_readable_bytes(buffer);
    if (read == 0) {
        return POOLBUF_OK;
    }
    if (drops_components(buffer)) {
        composite_discard(buffer, true);
        return POOLBUF_OK;
    }
    const poolbuf *root = buffer_root(buffer);
    if (!may_move(root) || composite_is_fixed(root)) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    poolbuf_status status = poolbuf_set_buffer(buffer, 0, buffer, read, readable);
    if (status == POOLBUF_OK) {
        handle_set_indices(buffer, 0, readable);
        marks_move_down(buffer, read);
    }
    return status;
}

poolbuf_status poolbuf_discard_some_read_bytes(poolbuf *buffer) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (poolbuf_is_read_only(buffer)) {
        return POOLBUF_ERROR_READ_ONLY;
    }
    if (drops_components(buffer)) {
        composite_discard(buffer, false);
        return POOLBUF_OK;
    }
    bool worth_it = buffer->reader_index >= handle_capacity(buffer) / 2 || poolbuf_readable_bytes(buffer) == 0;
    return worth_it ? poolbuf_discard_read_bytes(buffer) : POOLBUF_OK;
}
