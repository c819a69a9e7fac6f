/* Chunks, for programs that register memory: with io_uring as fixed buffers, with a network card, with another process.
 *
 * Registering a buffer at a time costs more than the I/O. Register each chunk once, when chunk_mapped of the allocator's
 * options says that it is there, under its index, which is a small number and so a slot in a table of registered memory;
 * take it out again when chunk_unmapped says that it goes. A buffer is then an index and an offset:
 *
 *      poolbuf_location at;
 *      if (poolbuf_chunk_location(buffer, &at) == POOLBUF_OK) {
 *          io_uring_prep_write_fixed(entry, socket, poolbuf_memory(buffer), length, 0, (int)at.chunk_index);
 *      }
 *
 * examples/uring_echo.c does all of that. Where an allocator has a chunk_mapped, the pages of its direct chunks stay what they are
 * for as long as the chunk is mapped: no purge and no decay drops single pages of it, as who registered them would go on
 * with the dropped ones; and no growing buffer moves them or adds to them: a huge one gets another region, and is copied. */
#ifndef POOLBUF_CHUNK_H
#define POOLBUF_CHUNK_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint32_t */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* A chunk of direct memory, or the region of one huge direct buffer, as the callbacks of poolbuf_allocator_options see it.
 *
 * bool chunk_mapped(void *context, const poolbuf_chunk *chunk)   after it was mapped, before any buffer lies in it.
 *   returns  false: do not use it. It goes back, without a chunk_unmapped, and the allocation fails as if there were no memory.
 * void chunk_unmapped(void *context, const poolbuf_chunk *chunk) when the last buffer in it is gone for good, before it
 *   goes back: by decay or purge, when a huge buffer dies, by poolbuf_allocator_destroy(), and with the last buffer that was
 *   alive then.
 *
 *   context  chunk_context of the options.
 *   chunk    lent for the call; the same values in both calls.
 *   threads  any thread that allocates, releases or exits, and the background thread; also several at once, for different
 *            chunks. Nothing is locked: a callback may allocate, release, trim, purge and look at metrics, and may wait for a
 *            lock of the program's. What it must not do is create or destroy an allocator, or wait for another thread that
 *            is in a call on this one. Memory is not mapped for a callback: an allocation of its that needs a new chunk
 *            fails. */
typedef struct poolbuf_chunk {
    uint32_t index; /* the smallest number that no other mapped chunk of the allocator has */
    void *base;     /* the first byte that a buffer may have */
    size_t bytes;   /* from there */
} poolbuf_chunk;

/* Where a buffer's bytes lie. */
typedef struct poolbuf_location {
    uint32_t chunk_index; /* poolbuf_chunk.index */
    size_t offset;        /* bytes from poolbuf_chunk.base to the buffer's first byte */
} poolbuf_location;

/* poolbuf_chunk_location() says where a buffer's bytes lie; it need not have callbacks for that.
 *   buffer   a buffer or a slice, whose first byte it is then.
 *   out      not NULL; set on success alone. It holds until the buffer's capacity changes, which may move it.
 *   returns  POOLBUF_OK.
 *   errors   POOLBUF_ERROR_UNSUPPORTED for a heap buffer and one that is not pooled: there is no chunk to register;
 *            POOLBUF_ERROR_OUT_OF_BOUNDS for a dead buffer.
 *   threads  as reading the buffer.
 *   cost     a few loads; no lock. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_chunk_location(const poolbuf *buffer, poolbuf_location *out);

POOLBUF_END_DECLS

#endif
