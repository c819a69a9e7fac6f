/* poolbuf: pooled, reference-counted byte buffers with leak detection that stays on. The umbrella header and the tour.
 *
 *     #include <poolbuf/poolbuf.h>
 *
 *     poolbuf *buffer = poolbuf_allocate(NULL, 256, 65536);   default allocator; grows from 256 up to 65,536 bytes
 *     if (buffer == NULL) { ... out of memory ... }
 *     if (poolbuf_write_u32_be(buffer, 42) != POOLBUF_OK) { ... would pass 65,536 bytes ... }
 *     uint32_t value;
 *     if (poolbuf_read_u32_be(buffer, &value) == POOLBUF_OK) { ... }
 *     poolbuf_release(buffer);                                 the bytes go back to the pool
 *
 *   buffer.h     the handle: allocate, retain and release, capacity, indices; with
 *     access.h     reading and writing: bytes, numbers, other buffers, copies
 *     derived.h    views: slices, duplicates, read-only and unreleasable ones
 *   composite.h  several buffers as one
 *   wrapped.h    memory of the caller's, files, malloc's, none
 *   varint.h     integers of variable length: LEB128 and zigzag
 *   text.h       UTF-8, ASCII, ISO-8859-1 and UTF-16 in buffers; C strings, printf(), a line about a buffer
 *   hexdump.h    hex dumps, plain and pretty, and back
 *   allocator.h  more than one allocator, with options; trim, purge, dump
 *   chunk.h      callbacks and places, to register chunks for I/O
 *   io.h         files and sockets, straight from and to the bytes; pieces for readv() and its kind
 *   search.h     find bytes, sets and runs of bytes; many needles at once in a stream
 *   compare.h    equality, order and a hash of what buffers hold
 *   status.h     what failed, as a code and as a text
 *   metrics.h    live buffers and bytes, chunks, caches: a snapshot; arenas, size classes; as JSON and OpenMetrics
 *   options.h    every environment variable that the library reads
 *   tracker.h    the hook through which a leak detector sees sampled buffers
 *   poolbuf.hpp  for C++17, and not included here: an owner for one reference, numbers by their type
 *
 * A buffer belongs to its references: allocate gives one, retain adds one, release takes one, and the last release
 * returns the memory. References may be counted from any thread; the bytes and the indices are plain memory, and two
 * threads that use one buffer at once must order themselves.
 *
 * As with malloc(), nothing here is safe in a signal handler that may have interrupted a call of this library on the same
 * thread. Where it cannot have, because that thread blocks the signal around its calls or waits for it outside of them, a
 * handler may allocate and release. */
#ifndef POOLBUF_POOLBUF_H
#define POOLBUF_POOLBUF_H

#define POOLBUF_VERSION_MAJOR 0
#define POOLBUF_VERSION_MINOR 1
#define POOLBUF_VERSION_PATCH 0
#define POOLBUF_VERSION_TEXT  "0.1.0"

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/chunk.h>
#include <poolbuf/compare.h>
#include <poolbuf/composite.h>
#include <poolbuf/export.h>
#include <poolbuf/hexdump.h>
#include <poolbuf/io.h>
#include <poolbuf/metrics.h>
#include <poolbuf/options.h>
#include <poolbuf/search.h>
#include <poolbuf/status.h>
#include <poolbuf/text.h>
#include <poolbuf/tracker.h>
#include <poolbuf/varint.h>
#include <poolbuf/wrapped.h>

POOLBUF_BEGIN_DECLS

/* poolbuf_version_text() names the library that is linked, which may differ from the header.
 *   returns  a static string such as "0.1.0".
 *   threads  any. */
POOLBUF_API const char *poolbuf_version_text(void);

POOLBUF_END_DECLS

#endif
