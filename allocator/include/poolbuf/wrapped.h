/* Buffers whose memory is not the pool's: the caller's, a file's, malloc's, or none at all.
 *
 * They are poolbufs like all others: counted, tracked by the leak detector, sliced, and components of composites. A buffer of
 * wrapped memory has a fixed capacity. It counts as alive (poolbuf_metrics.live_buffers) with 0 bytes, as none are the pool's.
 *
 * All of these: allocator: NULL means the default one; it keeps the handle and names the leak detector's books, and gives no
 * memory. Threads: any. Errors: NULL: no memory, or what is said. */
#ifndef POOLBUF_WRAPPED_H
#define POOLBUF_WRAPPED_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint64_t */

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* Told once that the pool is done with wrapped memory: by the thread that drops the last reference, with no lock held. It may
 * free the memory and use buffers. */
typedef void poolbuf_wrap_release(void *memory, size_t length, void *context);

/* poolbuf_wrap() gives a buffer of memory that the caller owns, readable and writable as a whole.
 *   memory    length bytes; they stay valid until release() is called, or, without one, until the last reference is gone. NULL
 *             only where length is 0.
 *   length    at most POOLBUF_CAPACITY_LIMIT.
 *   release   NULL: nobody is to be told.
 *   errors    NULL: no memory, or too long. release() is not called: the memory is the caller's as before.
 *   cost      two handles from the calling thread's cache. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_wrap(poolbuf_allocator *allocator, void *memory, size_t length,
                                                    poolbuf_wrap_release *release, void *context);

/* poolbuf_wrap_read_only() does so with memory that nobody may write, such as a literal's: the buffer is read-only. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_wrap_read_only(poolbuf_allocator *allocator, const void *memory,
                                                              size_t length, poolbuf_wrap_release *release,
                                                              void *context);

/* poolbuf_wrap_buffers() gives one buffer that shows what is readable in several, one after the other: a composite, or, where only
 * one has readable bytes, that one. Those without are released.
 *   buffers  count pointers, none NULL. One reference to each becomes the result's, in any case: if the call fails, it has been
 *            released.
 *   errors   NULL: no memory, or more bytes than POOLBUF_CAPACITY_LIMIT. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_wrap_buffers(poolbuf_allocator *allocator, poolbuf **buffers,
                                                            size_t count);

/* How the pages of a mapped file may be used. */
typedef enum poolbuf_map {
    POOLBUF_MAP_READ_ONLY = 0, /* the buffer is read-only */
    POOLBUF_MAP_PRIVATE = 1,   /* writes stay in memory */
    POOLBUF_MAP_SHARED = 2     /* writes reach the file; it was opened for writing */
} poolbuf_map;

/* poolbuf_map_file() gives a buffer of a range of a file, by mmap(): pages are read when they are touched.
 *   descriptor  of a regular file; it may be closed afterwards.
 *   offset      bytes from the start of the file; any number.
 *   length      bytes; the range lies within the file. 0 means up to its end.
 *   buffer      set on success: readable as a whole; the caller owns one reference.
 *   errors      POOLBUF_ERROR_SYSTEM: errno says why; POOLBUF_ERROR_OUT_OF_BOUNDS: the range is not within the file, or longer than
 *               POOLBUF_CAPACITY_LIMIT; POOLBUF_ERROR_NO_MEMORY; POOLBUF_ERROR_BAD_ARGUMENT: no such mode.
 *   cost        fstat(), mmap(), and munmap() at the end. If the file is cut meanwhile, touching what is gone raises SIGBUS. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_map_file(poolbuf_allocator *allocator, int descriptor,
                                                              uint64_t offset, size_t length, poolbuf_map mode,
                                                              poolbuf **buffer);

/* poolbuf_allocate_unpooled() gives a heap buffer whose handle and memory are two blocks of malloc() of their own, and stay so when
 * it grows. For the rest as poolbuf_allocate_heap().
 *   cost  two malloc(), two free(). */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_allocate_unpooled(poolbuf_allocator *allocator, size_t initial_capacity,
                                                                 size_t max_capacity);

/* poolbuf_allocate_copy() gives a buffer with a copy of length bytes, readable as a whole, which may grow to POOLBUF_CAPACITY_LIMIT.
 *   bytes  not NULL unless length is 0. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_allocate_copy(poolbuf_allocator *allocator, const void *bytes,
                                                             size_t length);

/* poolbuf_empty() lends the empty buffer: one for the whole process, of capacity 0, read-only and unreleasable. Views of it are the
 * buffer itself.
 *   errors   none.     cost  none.
 *   threads  any number may use it at once, but for what sets indices (poolbuf_clear(), poolbuf_set_indices() and their kin). */
POOLBUF_API poolbuf *poolbuf_empty(void);

POOLBUF_END_DECLS

#endif
