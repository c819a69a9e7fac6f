/* How composites lie in each other: how deep, and what they keep alive together.
 *
 * A composite may be found in another on many ways: where each level has the one below k times, k to the power of the levels. So
 * a walk leaves in each composite what it has found there, under a number of its own, and looks into none twice. Walks may meet
 * in a composite, as those that hold it share it; then one overwrites what the other has left, which looks again. */
#include "composite_parts.h"

#include "buffer.h"
#include "composite.h"
#include "handle.h"

#define DEPTH_BITS 8u

_Static_assert(POOLBUF_COMPOSITE_DEPTH_LIMIT < 1u << DEPTH_BITS, "a depth fits beside the number of its walk");

/* Bounds the stack: where composites are added from the outside in, they may lie deeper in each other than the limit. */
#define PINNED_LEVELS 256u

static uint64_t walks; /* atomic, relaxed */

static uint64_t next_walk(void) {
    return __atomic_add_fetch(&walks, 1, __ATOMIC_RELAXED);
}

/* The composite that a buffer is or shows; NULL: neither. */
static composite *composite_of(const poolbuf *buffer) {
    const poolbuf *root = buffer_root(buffer);
    return (handle_flags_of(handle_state_get(root)) & POOLBUF_FLAG_COMPOSITE) != 0 ? root->origin : NULL;
}

/* What is less than the limit is exact, and is left; the rest ends the walk. */
static uint32_t depth_of(const poolbuf *buffer, const poolbuf *taker, uint32_t limit, uint64_t walk) {
    composite *self = composite_of(buffer);
    if (self == NULL) {
        return 0;
    }
    if (self == taker->origin || limit <= 1) {
        return limit;
    }
    uint64_t left = __atomic_load_n(&self->depth_found, __ATOMIC_RELAXED);
    if (left >> DEPTH_BITS == walk) {
        uint32_t depth = (uint32_t)(left & ((1u << DEPTH_BITS) - 1));
        return depth < limit ? depth : limit;
    }
    uint32_t inside_it = 0;
    for (uint32_t i = 0; self->nested && i < self->count && inside_it < limit - 1; i++) {
        uint32_t depth = depth_of(self->components[i].buffer, taker, limit - 1, walk);
        inside_it = depth > inside_it ? depth : inside_it;
    }
    if (inside_it + 1 < limit) {
        __atomic_store_n(&self->depth_found, walk << DEPTH_BITS | (inside_it + 1), __ATOMIC_RELAXED);
    }
    return inside_it + 1;
}

bool composite_nests_too_deep(const poolbuf *buffer, const poolbuf *taker) {
    return composite_of(buffer) != NULL &&
           depth_of(buffer, taker, POOLBUF_COMPOSITE_DEPTH_LIMIT, next_walk()) >= POOLBUF_COMPOSITE_DEPTH_LIMIT;
}

/* The release pairs with the acquire: whose number it is, those bytes are what he has found, or another at the same time. Without a
 * number nothing is left: there is one composite. */
static size_t pinned_by(composite *self, uint32_t levels, uint64_t walk) {
    if (walk != 0 && __atomic_load_n(&self->pinned_walk, __ATOMIC_ACQUIRE) == walk) {
        return __atomic_load_n(&self->pinned_found, __ATOMIC_RELAXED);
    }
    size_t bytes = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        const poolbuf *root = buffer_root(self->components[i].buffer);
        composite *inner = composite_of(root);
        size_t pinned = root->usable;
        if (handle_count_of(handle_state_get(root)) == 0 || (inner != NULL && levels == 0)) {
            pinned = 0;
        } else if (inner != NULL) {
            pinned = pinned_by(inner, levels - 1, walk);
        }
        bytes = pinned < SIZE_MAX - bytes ? bytes + pinned : SIZE_MAX;
    }
    if (walk != 0) {
        __atomic_store_n(&self->pinned_found, bytes, __ATOMIC_RELAXED);
        __atomic_store_n(&self->pinned_walk, walk, __ATOMIC_RELEASE);
    }
    return bytes;
}

size_t composite_pinned_bytes(composite *self) {
    return pinned_by(self, PINNED_LEVELS, self->nested ? next_walk() : 0);
}
