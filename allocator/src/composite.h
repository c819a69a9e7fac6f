/* What a composite keeps of its components.
 *
 *      components[i]   buffer, one reference of which is ours; where in it our bytes begin; where they begin in the composite
 *
 * The components tile the composite without a gap: each starts where the one before ends (P1), and the last one ends at the
 * capacity, which is the handle's `usable` (P2). Those of no bytes are never found by an offset. */
#ifndef COMPOSITE_H
#define COMPOSITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/buffer.h>
#include <poolbuf/composite.h>

#include "allocator.h"

typedef struct component {
    poolbuf *buffer;
    uint32_t offset; /* bytes, in the buffer */
    uint32_t start;  /* bytes, in the composite */
    uint32_t length; /* bytes */
} component;

/* One block of the process heap: it moves when it grows. */
typedef struct composite {
    poolbuf_allocator *allocator;
    uint32_t count;
    uint32_t room; /* components that fit */
    uint32_t max_count;
    bool nested;      /* a composite is, or was, among the components */
    bool fixed;       /* a retained slice: its components stay as they are */
    uint32_t changes; /* how often components have come or gone; may wrap */
    uint32_t ended;   /* components that have been released, at its end */
    uint32_t last;    /* atomic; the component that was found last: a hint, which readers at once may all set */
    uint64_t
        depth_found; /* atomic; what the last walk found here, and its number (composite_nest.c); and of the other kind: */
    uint64_t pinned_walk; /* atomic */
    size_t pinned_found;  /* atomic; bytes */
    component components[];
} composite;

/* The component that a byte lies in; NULL: there is none so far up. */
const component *composite_find(composite *self, size_t offset);

/* poolbuf_set_capacity() of a composite, within its maximum. */
poolbuf_status composite_set_capacity(poolbuf *buffer, size_t capacity);

/* Drops whole components below the reader index; with the rest of what was read, where that is wanted. */
void composite_discard(poolbuf *buffer, bool partly);

/* Whether it is one that may not change: a retained slice of another. Of any other buffer, false. */
bool composite_is_fixed(const poolbuf *buffer);

/* poolbuf_retained_slice() of a composite, or of a slice of one; the range is checked. */
poolbuf *composite_retained_slice(poolbuf *buffer, size_t index, size_t length);

size_t composite_pinned_bytes(composite *self);

/* Takes a composite apart whose last reference is gone. */
void composite_end(poolbuf *buffer);

/* P1 and P2, and that each component is alive; for tests. */
bool composite_audit(const poolbuf *buffer);

#endif
