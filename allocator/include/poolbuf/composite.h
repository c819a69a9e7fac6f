/* The composite: several buffers that read and write as one, without a copy.
 *
 *      component 0          1              2
 *      [ readable bytes ][ readable    ][ readable      ]      offsets 0 ... capacity
 *      buffer a           buffer b       buffer c              one reference to each is the composite's
 *
 * It is a poolbuf and takes every call that a buffer takes: get, set, read, write, slice, search, release. Component i shows the
 * bytes that were readable in its buffer when it was added; what others do to that buffer's indices afterwards does not
 * matter. poolbuf_memory() is NULL; poolbuf_bytes_at() and the iovecs of io.h reach the bytes in place.
 *
 * It counts as alive (poolbuf_metrics.live_buffers) with 0 bytes; the bytes are its components'. So does a retained slice of one that
 * lies in several components: it is made of retained slices of them.
 *
 * Writing past the end adds a component. A composite may be a component of another, 16 deep at most.
 *
 * A release callback of wrapped.h that runs because a component is gone must not use the composite that it was in.
 *
 * Ownership: adding a buffer takes over one reference to it, in any case: if the call fails, it has been released. The last
 * release of the composite releases all of them.
 *
 * All of these: composite: a buffer of poolbuf_allocate_composite(), and not a view of one; with anything else they fail with
 * POOLBUF_ERROR_UNSUPPORTED (what returns no status: 0 or NULL). Threads: the one owner that is using the bytes. An offset is in
 * bytes from the composite's first; an index counts components from 0. Cost: a search by halves for a component, unless it is
 * the one that was used last. */
#ifndef POOLBUF_COMPOSITE_H
#define POOLBUF_COMPOSITE_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint32_t */

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* What 0 stands for where a number of components is given: Netty's maxNumComponents. */
#define POOLBUF_COMPOSITE_DEFAULT_COMPONENTS 16u

/* The most components that a composite may be allowed, and how deep composites may lie in each other. */
#define POOLBUF_COMPOSITE_COMPONENTS_LIMIT (1u << 24)
#define POOLBUF_COMPOSITE_DEPTH_LIMIT      16u

/* poolbuf_allocate_composite() gives an empty one, of the allocator's preferred kind; _direct and _heap give that kind.
 *   allocator       NULL means the default one. What it grows by, and is consolidated into, comes from here, and is of its kind.
 *   max_components  one more than these, and they are all copied into one; 0 means the default, more than the limit the limit.
 *   returns         a composite with one reference, capacity 0 and maximum capacity POOLBUF_CAPACITY_LIMIT.
 *   errors          NULL: no memory.     threads  any.     cost  a handle from the thread's cache, and one malloc(). */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_allocate_composite(poolbuf_allocator *allocator,
                                                                  uint32_t max_components);
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_allocate_composite_direct(poolbuf_allocator *allocator,
                                                                         uint32_t max_components);
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_allocate_composite_heap(poolbuf_allocator *allocator,
                                                                       uint32_t max_components);

/* poolbuf_composite_add_component() appends a buffer; _insert_component() puts it before component index.
 *   buffer                 one reference to it becomes the composite's, in any case. Its readable bytes are shown; if it has none,
 *                          it is a component of no bytes.
 *   increase_writer_index  whether the writer index moves on by so many bytes, as after a write. Without it the bytes lie above
 *                          the writer index and are not readable yet.
 *   returns                POOLBUF_OK. If there are now more than max_components, they are one.
 *   errors                 POOLBUF_ERROR_MAX_CAPACITY: together more than the maximum; POOLBUF_ERROR_OUT_OF_BOUNDS: index above the
 *                          number of components; POOLBUF_ERROR_NO_MEMORY; POOLBUF_ERROR_BAD_ARGUMENT: the buffer is the
 *                          composite or a view of it, or holds it, or composites would lie too deep. The buffer has been
 *                          released.
 *   cost                   a component's place; a composite that holds composites is also searched for this one. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_add_component(poolbuf *composite, poolbuf *buffer,
                                                                             bool increase_writer_index);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_insert_component(poolbuf *composite, uint32_t index,
                                                                                poolbuf *buffer,
                                                                                bool increase_writer_index);

/* poolbuf_composite_add_components() appends buffers in the order of a list: all, or none if it fails; all are the composite's, or
 * released, in any case.
 *   buffers  count pointers, none NULL; may be NULL where count is 0.
 *   errors   as above. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_add_components(poolbuf *composite, poolbuf **buffers,
                                                                              size_t count, bool increase_writer_index);

/* poolbuf_composite_add_flattened() appends the readable bytes of a buffer; if that is a composite, or a view of one, its components
 * are added one by one (as retained slices of them) instead of the composite, and empty ones left out.
 *   buffer, errors  as above; POOLBUF_ERROR_NO_MEMORY also where a component has POOLBUF_RETAINED_SLICES_LIMIT retained
 *                   slices. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_add_flattened(poolbuf *composite, poolbuf *buffer,
                                                                             bool increase_writer_index);

/* poolbuf_composite_remove_components() releases count components from index on. What comes after them moves down; the indices are
 * cut to the new capacity.
 *   errors  POOLBUF_ERROR_OUT_OF_BOUNDS: there are not so many. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_remove_components(poolbuf *composite, uint32_t index,
                                                                                 uint32_t count);

/* How many components there are, and how many there may be. errors: none; 0 for what is no composite. */
POOLBUF_API uint32_t poolbuf_composite_component_count(const poolbuf *composite);
POOLBUF_API uint32_t poolbuf_composite_max_components(const poolbuf *composite);

/* poolbuf_composite_component() and poolbuf_composite_component_at_offset() lend a component's buffer: the very one that was added,
 * with its own indices, until it is removed or consolidated. poolbuf_composite_component_slice() gives a slice of it of what the
 * composite shows, which shares that buffer's count (poolbuf_slice()).
 *   errors  NULL: no such component; the offset is not below the capacity; no memory for a slice. */
POOLBUF_API poolbuf *poolbuf_composite_component(const poolbuf *composite, uint32_t index);
POOLBUF_API poolbuf *poolbuf_composite_component_at_offset(const poolbuf *composite, size_t offset);
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_composite_component_slice(poolbuf *composite, uint32_t index);

/* poolbuf_composite_to_component_index() tells which component an offset lies in; _to_byte_index(), where a component begins.
 *   errors  POOLBUF_ERROR_OUT_OF_BOUNDS: the offset is not below the capacity; no such component. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_to_component_index(const poolbuf *composite,
                                                                                  size_t offset, uint32_t *index);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_to_byte_index(const poolbuf *composite, uint32_t index,
                                                                             size_t *offset);

/* A walk over the components. Fields are nobody's but poolbuf_composite_next()'s. */
typedef struct poolbuf_composite_iterator {
    const poolbuf *composite;
    uint32_t index;
    uint32_t changes;
} poolbuf_composite_iterator;

/* poolbuf_composite_iterate() begins a walk; poolbuf_composite_next() lends the next component's buffer.
 *   component  *component is NULL after the last one.
 *   returns    POOLBUF_OK.
 *   errors     next: POOLBUF_ERROR_BAD_ARGUMENT: components have come or gone since the walk began. */
POOLBUF_API poolbuf_composite_iterator poolbuf_composite_iterate(const poolbuf *composite);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_next(poolbuf_composite_iterator *iterator,
                                                                    poolbuf **component);

/* poolbuf_composite_decompose() gives retained slices of the components that a range lies in, in order.
 *   slices   room for as many pointers as there are components (so many always suffice).
 *   count    in: the room; out: how many were given, 0 for a range of no bytes. The caller owns one reference to each.
 *   errors   POOLBUF_ERROR_OUT_OF_BOUNDS; POOLBUF_ERROR_BAD_ARGUMENT: too little room; POOLBUF_ERROR_NO_MEMORY, also
 *            where a component has POOLBUF_RETAINED_SLICES_LIMIT retained slices. None was given. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_decompose(poolbuf *composite, size_t offset,
                                                                         size_t length, poolbuf **slices,
                                                                         size_t *count);

/* poolbuf_composite_consolidate() copies so many components from index on into one, and releases them; UINT32_MAX means all that
 * follow. One component or none is left as it is.
 *   errors  POOLBUF_ERROR_OUT_OF_BOUNDS: there are not so many; POOLBUF_ERROR_NO_MEMORY. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_consolidate(poolbuf *composite, uint32_t index,
                                                                           uint32_t count);

/* poolbuf_composite_discard_read_components() releases the components that lie wholly below the reader index. The capacity shrinks
 * by them, indices and marks move down with the bytes. Nothing is copied, so a component that was read in part stays whole. If
 * everything was read and the writer index is at the end, all go. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_composite_discard_read_components(poolbuf *composite);

POOLBUF_END_DECLS

#endif
