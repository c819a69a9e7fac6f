/* What is made of a composite: retained slices, the parts that a range lies in, and one composite's components for another.
 *
 * A retained slice of a composite does not hold the composite. It is a composite of its own, of retained slices of the plain
 * buffers that the range lies in (the leaves), or just one such slice where one leaf holds the range. So it is read without a
 * look at what others may be changing, and keeps alive what it covers and nothing else. */
#include "composite_parts.h"

#include "buffer.h"
#include "composite.h"
#include "handle.h"
#include "os/os.h"
#include "pieces.h"

static uint32_t flags_of(const poolbuf *buffer) {
    return handle_flags_of(handle_state_get(buffer));
}

/* How many leaves a checked range lies in. */
static size_t leaves_of(const poolbuf *buffer, size_t index, size_t length) {
    size_t leaves = 0;
    for (size_t run = 0; length != 0; index += run, length -= run, leaves++) {
        (void)piece_at(buffer, index, &run);
        run = smaller(run, length);
    }
    return leaves;
}

/* A retained slice of the leaf at an index, of at most *length bytes; *length is what it has. */
static poolbuf *slice_leaf(const poolbuf *buffer, size_t index, size_t *length) {
    size_t leaf_index = 0;
    size_t run = 0;
    uint32_t seen = 0;
    poolbuf *leaf = piece_leaf(buffer, index, &leaf_index, &run, &seen);
    *length = smaller(*length, run);
    return derived_retained_slice(leaf, seen & POOLBUF_FLAG_READ_ONLY, leaf_index, *length);
}

/* Adds retained slices of all leaves of a range to a composite; false without memory, with some of them added. */
static bool add_leaves(poolbuf *to, const poolbuf *from, size_t index, size_t length, bool increase_writer_index) {
    while (length != 0) {
        size_t run = length;
        poolbuf *slice = slice_leaf(from, index, &run);
        if (slice == NULL || poolbuf_composite_add_component(to, slice, increase_writer_index) != POOLBUF_OK) {
            return false;
        }
        index += run;
        length -= run;
    }
    return true;
}

poolbuf *composite_retained_slice(poolbuf *buffer, size_t index, size_t length) {
    if (pieces_check(buffer, index, length, false) != POOLBUF_OK) {
        return NULL;
    }
    size_t leaves = leaves_of(buffer, index, length);
    if (leaves == 1) {
        return slice_leaf(buffer, index, &length);
    }
    if (leaves > POOLBUF_COMPOSITE_COMPONENTS_LIMIT) {
        return NULL;
    }
    uint32_t room = leaves != 0 ? (uint32_t)leaves : 1;
    poolbuf *slice = composite_make(poolbuf_owner(buffer), room, room, buffer->kind);
    if (slice == NULL) {
        return NULL;
    }
    if (!add_leaves(slice, buffer, index, length, true)) {
        (void)poolbuf_release(slice);
        return NULL;
    }
    slice->max_capacity = (uint32_t)length;
    ((composite *)slice->origin)->fixed = true;
    if (poolbuf_is_read_only(buffer)) {
        (void)__atomic_fetch_or(&slice->state, handle_state(POOLBUF_FLAG_READ_ONLY, 0), __ATOMIC_RELAXED);
    }
    buffer_note(buffer, POOLBUF_ACCESS_SLICE, NULL);
    return slice;
}

poolbuf *poolbuf_composite_component_slice(poolbuf *composite_buffer, uint32_t index) {
    if (index >= poolbuf_composite_component_count(composite_buffer)) {
        return NULL;
    }
    const component *part = &((const composite *)composite_buffer->origin)->components[index];
    return poolbuf_slice(part->buffer, part->offset, part->length);
}

/* Slices of all leaves of a checked range, as a list; NULL without memory. */
static poolbuf **slice_leaves(const poolbuf *buffer, size_t index, size_t length, size_t leaves) {
    void *block = NULL;
    if (os->acquire(OS_HEAP, leaves * sizeof(poolbuf *), sizeof(poolbuf *), &block) != 0) {
        return NULL;
    }
    poolbuf **slices = block;
    for (size_t i = 0; i < leaves; i++) {
        size_t run = length;
        slices[i] = slice_leaf(buffer, index, &run);
        if (slices[i] == NULL) {
            while (i-- > 0) {
                (void)poolbuf_release(slices[i]);
            }
            (void)os->give_back(OS_HEAP, block, leaves * sizeof(poolbuf *));
            return NULL;
        }
        index += run;
        length -= run;
    }
    return slices;
}

poolbuf_status poolbuf_composite_add_flattened(poolbuf *composite_buffer, poolbuf *buffer, bool increase_writer_index) {
    if (!buffer_check_alive(buffer) || (flags_of(buffer) & POOLBUF_FLAG_COMPOSITE) == 0) {
        return poolbuf_composite_add_component(composite_buffer, buffer, increase_writer_index);
    }
    if (buffer_root(buffer) == composite_buffer) {
        (void)poolbuf_release(buffer);
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    size_t index = poolbuf_reader_index(buffer);
    size_t length = poolbuf_readable_bytes(buffer);
    poolbuf_status status = pieces_check(buffer, index, length, false);
    size_t leaves = status == POOLBUF_OK ? leaves_of(buffer, index, length) : 0;
    if (leaves != 0) {
        poolbuf **slices = slice_leaves(buffer, index, length, leaves);
        status = slices == NULL
                     ? POOLBUF_ERROR_NO_MEMORY
                     : poolbuf_composite_add_components(composite_buffer, slices, leaves, increase_writer_index);
        if (slices != NULL) {
            (void)os->give_back(OS_HEAP, slices, leaves * sizeof(poolbuf *));
        }
    } else if (status == POOLBUF_OK) {
        status = poolbuf_composite_add_components(composite_buffer, NULL, 0, increase_writer_index);
    }
    (void)poolbuf_release(buffer);
    return status;
}

poolbuf_status poolbuf_composite_decompose(poolbuf *composite_buffer, size_t offset, size_t length, poolbuf **slices,
                                           size_t *count) {
    const uint32_t kinds = POOLBUF_FLAG_COMPOSITE | POOLBUF_FLAG_SLICE;
    if (!buffer_check_alive(composite_buffer) || (flags_of(composite_buffer) & kinds) != POOLBUF_FLAG_COMPOSITE ||
        composite_is_fixed(composite_buffer)) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    poolbuf_status status = pieces_check(composite_buffer, offset, length, false);
    size_t given = 0;
    composite *self = composite_buffer->origin;
    const component *part = status == POOLBUF_OK && length != 0 ? composite_find(self, offset) : NULL;
    for (; part != NULL && length != 0 && status == POOLBUF_OK; part++) {
        if (part->length == 0) {
            continue;
        }
        size_t into = offset - part->start;
        size_t run = smaller(part->length - into, length);
        if (given == *count) {
            status = POOLBUF_ERROR_BAD_ARGUMENT;
            break;
        }
        slices[given] = poolbuf_retained_slice(part->buffer, part->offset + into, run);
        status = slices[given] != NULL ? POOLBUF_OK : POOLBUF_ERROR_NO_MEMORY;
        given += status == POOLBUF_OK ? 1 : 0;
        offset += run;
        length -= run;
    }
    if (status != POOLBUF_OK) {
        while (given > 0) {
            (void)poolbuf_release(slices[--given]);
        }
        return status;
    }
    *count = given;
    return POOLBUF_OK;
}
