/* Derived buffers: views of another buffer's bytes, with indices of their own. Part of buffer.h, which includes it.
 *
 *   slice              a range; fixed capacity                          shares the count of its buffer
 *   duplicate          everything; follows the buffer's capacity        shares it
 *   read-only          the same, and refuses every write                shares it
 *   unreleasable       the same, and ignores retain and release         takes no part in it
 *   retained slice     a range; fixed capacity                          counts for itself, and holds its buffer
 *   retained duplicate everything, as it was then; fixed capacity       counts for itself, and holds its buffer
 *
 * Ownership is Netty's. A view that shares a count is not owned: it dies with the last reference of its buffer, and to retain or
 * release it is to retain or release the buffer. Making one does not change the count, so who hands it on retains it first
 * (or hands on a retained one, which is safer). It costs its buffer a handle until then, so a buffer that lives long should
 * hand out retained ones. A retained view has one reference when it is made, its caller's; its last release drops the one
 * that it holds.
 *
 * A view of a view looks at the buffer with the bytes itself (it is flattened), so chains do not grow; only references are
 * held from view to view. What a view of a read-only or unreleasable buffer is made of is read-only or unreleasable too; a
 * retained view of an unreleasable buffer is an unreleasable one without a reference of its own, as there is none to hold.
 *
 * A retained view of a retained view holds that one, and that the one before: none of them ends before those behind it. So
 * whoever goes on and on with a retained slice of the rest keeps a handle for each step, and comes to
 * POOLBUF_RETAINED_SLICES_LIMIT. poolbuf_read_retained_slice() takes parts off one buffer without that.
 *
 * Of a composite: views that share its count look at it by index, so they show what lies there after components have come and
 * gone, and an access beyond what is left is out of bounds. Retained views hold the components they cover, and not the
 * composite: they go on unchanged while it takes more in, discards what was read, or dies. One that lies within a single
 * component is in one piece.
 *
 * All of these: threads: any owner of a reference, but for the reading of indices (the slice of "what is readable"), which
 * needs the one that is using the bytes. Cost: a handle from the calling thread's cache; the buffer's last release then
 * takes its slow path. Errors: NULL: the range is out of bounds, or no memory; for one that counts for itself also that
 * POOLBUF_RETAINED_SLICES_LIMIT of those that look at the same buffer are alive. */
#ifndef POOLBUF_DERIVED_H
#define POOLBUF_DERIVED_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint32_t */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>

POOLBUF_BEGIN_DECLS

/* So many views that count for themselves may look at one buffer at a time, those of its views and of the composites
 * that it is a component of included; threads that make some at the same moment may pass the limit by one each. A
 * program that needs more may copy (poolbuf_copy()), or spread its bytes over more buffers. */
#define POOLBUF_RETAINED_SLICES_LIMIT (POOLBUF_CAST_(uint32_t, 1) << 18)

/* poolbuf_slice() gives a second view of a range.
 *   index, length  the range; it lies within the buffer's capacity.
 *   returns        a slice of fixed capacity, readable as a whole; it follows the buffer's memory when that moves. Cutting the
 *                  buffer's capacity below its end leaves its bytes undefined. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_slice(poolbuf *buffer, size_t index, size_t length);

/* poolbuf_retained_slice() gives a slice that counts for itself, for handing to somebody else. While it lives the buffer's
 * memory does not move, so growing past the size class fails. cost: one atomic addition more. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_retained_slice(poolbuf *buffer, size_t index, size_t length);

/* poolbuf_read_slice() and poolbuf_read_retained_slice() give a slice of the next readable bytes, and skip them. errors: NULL, as
 * above, and nothing is skipped. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_read_slice(poolbuf *buffer, size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_read_retained_slice(poolbuf *buffer, size_t length);

/* poolbuf_duplicate() gives a view of the whole buffer with a copy of its indices. It follows when the buffer grows, shrinks
 * or moves, its indices cut as the buffer's are, and growing it grows the buffer. A duplicate of a slice has the capacity of
 * the slice. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_duplicate(poolbuf *buffer);

/* poolbuf_retained_duplicate() gives one that counts for itself. It is as the buffer was when it was made: its capacity is fixed,
 * since to change it while its owner, perhaps another thread, reads it would be a race; the rest as poolbuf_retained_slice(). */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_retained_duplicate(poolbuf *buffer);

/* poolbuf_as_read_only() gives a duplicate through which nothing can be written: not its bytes, nor its capacity. Others may
 * still write to the buffer itself. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_as_read_only(poolbuf *buffer);

/* poolbuf_unreleasable() gives a duplicate that retain and release pass over (release says false), for handing to code that
 * must not end the buffer. The buffer's owner ends it, and every view of it then. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_unreleasable(poolbuf *buffer);

/* poolbuf_unwrap() lends what a view looks at: for one that shares a count the buffer that counts, for a retained one the buffer
 * that it holds, NULL for a buffer that is no view. errors: none. cost: a few loads. */
POOLBUF_API poolbuf *poolbuf_unwrap(const poolbuf *buffer);

/* poolbuf_pinned_bytes() tells how many bytes of memory a buffer keeps from being used again: those of the whole buffer that it
 * is cut from, not just its own. Of a composite, the sum over its components, down to 256 composites in each other; at most SIZE_MAX.
 *   returns  bytes, counted by size class, as poolbuf_metrics.live_bytes does; of wrapped memory, its length.
 *   errors   none.     threads  any owner, while none changes the buffer.     cost  a few loads a component. */
POOLBUF_API size_t poolbuf_pinned_bytes(const poolbuf *buffer);

/* Up to so many bytes a copy is the better bargain: it pins nothing, and where two threads share the buffer it costs a third of a
 * retained slice and its release, since they pass the buffer's count to and fro (26 ns to 88 at 512 B; even at about 6 KiB). For
 * one thread alone it costs three times as much (26 ns to 9). Measured by ci/buffers.sh; docs/performance.md has the table. */
#define POOLBUF_COPY_BREAK_EVEN POOLBUF_CAST_(size_t, 512)

/* So many bytes kept alive for each byte that is wanted are too many. */
#define POOLBUF_COPY_PINNED_FACTOR POOLBUF_CAST_(size_t, 64)

/* poolbuf_copy_if_small() gives a range to keep: a copy where copying is as cheap as sharing, or where sharing would keep more
 * than POOLBUF_COPY_PINNED_FACTOR times its length alive; a retained slice otherwise. Either way the caller owns one reference, and
 * writes to the result only if it knows that nobody shares it.
 *   returns  readable as a whole; a copy is what poolbuf_copy() gives.
 *   errors   NULL: the range is out of bounds, or no memory; where it would share, also as a retained slice. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_copy_if_small(poolbuf *buffer, size_t index, size_t length);

POOLBUF_END_DECLS

#endif
