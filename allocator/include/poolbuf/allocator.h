/* The allocator's lifecycle and options.
 *
 * An allocator owns arenas, chunks, thread caches and the handles of its buffers. One default allocator is made on first
 * use and serves every call that names none; a program may make more, each with its own memory and its own caches.
 * Buffers of different allocators never share memory, and any thread may use any allocator. */
#ifndef POOLBUF_ALLOCATOR_H
#define POOLBUF_ALLOCATOR_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint32_t */
#include <stdio.h>   /* FILE */

#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

typedef struct poolbuf_allocator poolbuf_allocator;

/* What an allocator is made of. Fill it with poolbuf_allocator_options_init(), change fields, and pass it to
 * poolbuf_allocator_create(). Each field has an environment variable; `poolbuf options` lists them with their limits. */
typedef struct poolbuf_allocator_options {
    size_t struct_size;         /* bytes of this struct in the caller's header; set by _init */
    size_t page_size;           /* bytes; a power of two, 4 KiB to 64 KiB; POOLBUF_PAGE_SIZE, 8 KiB */
    size_t chunk_size;          /* bytes; page_size times 8, 16 .. 16384, at most 1 GiB; POOLBUF_CHUNK_SIZE, 4 MiB */
    size_t max_cached_capacity; /* bytes; larger classes skip the thread caches; POOLBUF_MAX_CACHED_CAPACITY, 4 MiB */
    size_t cache_limit_bytes; /* bytes that one thread's cache may hold; POOLBUF_CACHE_LIMIT_BYTES, 16 MiB; 0 = none */
    uint32_t heap_arenas;     /* arenas whose chunks come from the process heap; 0 = such buffers are not pooled */
    uint32_t direct_arenas;   /* arenas whose chunks are mapped; 0 = such buffers are not pooled */
    uint32_t
        small_cache_size; /* buffers a thread caches for each small class; POOLBUF_SMALL_CACHE_SIZE, 256; 0 = none */
    uint32_t normal_cache_size; /* the same for each larger class; POOLBUF_NORMAL_CACHE_SIZE, 64; 0 = none */
    uint32_t
        cache_trim_interval; /* a thread's allocations between two trims; POOLBUF_CACHE_TRIM_INTERVAL, 8192; 0 = never */
    uint32_t cache_trim_interval_ms; /* and the longest time between them, while a thread allocates;
                                        POOLBUF_CACHE_TRIM_INTERVAL_MS, 0 = any */
    uint32_t classes_per_doubling;   /* size classes from a power of two to the next: 4, or 8 if a chunk has 16 pages;
                                        POOLBUF_CLASSES_PER_DOUBLING, 4 */
    uint32_t decay_ms;      /* unused memory waits so long to be needed again; POOLBUF_DECAY_MS, 5000; 0 = not at all */
    bool prefer_direct;     /* which kind poolbuf_allocate() gives; POOLBUF_PREFER_DIRECT, on */
    bool pooling;           /* off: every buffer is two blocks of malloc, for Valgrind and ASan; POOLBUF_POOLING, on */
    bool background_thread; /* gives back what has waited while nobody calls in; POOLBUF_BACKGROUND_THREAD, off */
} poolbuf_allocator_options;

/* poolbuf_allocator_options_init() sets every option to its default, then to what the environment says.
 *   options  not NULL; need not be initialised; every field is set on return.
 *   errors   none; an illegal value in the environment is one line on stderr and leaves the default (see options.h).
 *   threads  any; concurrent changes of the environment are the caller's to exclude, as with getenv().
 *   cost     a dozen reads of the environment. */
POOLBUF_API void poolbuf_allocator_options_init(poolbuf_allocator_options *options);

/* poolbuf_allocator_create() makes an allocator.
 *   options    copied; NULL means what poolbuf_allocator_options_init() gives.
 *   allocator  not NULL; set on success alone; the caller owns it until poolbuf_allocator_destroy().
 *   returns    POOLBUF_OK.
 *   errors     POOLBUF_ERROR_BAD_OPTION for a value outside its limits, named on stderr; POOLBUF_ERROR_NO_MEMORY, also
 *              where background_thread is on and the system starts no thread; POOLBUF_ERROR_BAD_ARGUMENT for a
 *              struct_size that this library does not know, and where allocator is NULL.
 *   threads    any.
 *   cost       a mapping for its tables; no chunk yet; the background thread, if it is the first to ask for it. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_allocator_create(const poolbuf_allocator_options *options,
                                                                      poolbuf_allocator **allocator);

/* poolbuf_allocator_destroy() takes an allocator out of service and gives its memory back.
 *   allocator  not NULL, not the default one; invalid on return, except after POOLBUF_ERROR_BAD_ARGUMENT.
 *   returns    POOLBUF_OK: no buffer of it was alive; all its memory has gone back.
 *   errors     POOLBUF_ERROR_LIVE_BUFFERS: the leak detector has been told how many; the allocator is out of service all
 *              the same. What is alive stays valid: it can be read, written within its class and released, it cannot
 *              move to a larger class, and the last release gives back the memory.
 *              POOLBUF_ERROR_BAD_ARGUMENT for the default allocator, which lasts as long as the process.
 *   threads    any; while no other thread is inside a call on the allocator or on a buffer of it. Threads that have used
 *              it may live on or exit, and release what is alive later.
 *   cost       unmaps everything; ends the background thread, if it was the last to ask for it. */
POOLBUF_API poolbuf_status poolbuf_allocator_destroy(poolbuf_allocator *allocator);

/* poolbuf_allocator_default() lends the allocator that serves every call that names none.
 *   returns  never destroyed; NULL only if it could not be made for want of memory; a later call tries again.
 *   threads  any.
 *   cost     made on the first call; then one load. */
POOLBUF_API poolbuf_allocator *poolbuf_allocator_default(void);

/* poolbuf_trim_thread_cache() gives back to the arenas all that the calling thread's cache holds.
 *   allocator  NULL means the default one.
 *   errors     none; a thread without a cache has nothing to give.
 *   threads    any; touches no other thread's cache.
 *   cost       one lock for each run of buffers of one arena. */
POOLBUF_API void poolbuf_trim_thread_cache(poolbuf_allocator *allocator);

/* poolbuf_allocator_purge() gives back to the system all that can be given back now: it trims the calling thread's
 * cache, empties what the threads share, unmaps spare chunks, and drops the dirty pages of the others.
 *   allocator  NULL means the default one.
 *   returns    bytes of the chunks that were unmapped and of the pages that were dropped.
 *   errors     none; what the system refuses stays as it is.
 *   threads    any; other threads' caches are theirs and stay.
 *   cost       one system call for each spare chunk and each dirty run, without the arena's lock. */
POOLBUF_API size_t poolbuf_allocator_purge(poolbuf_allocator *allocator);

/* poolbuf_allocator_dump() writes every structure as text: arenas, chunk lists, chunks with their usage, subpages.
 *   allocator  NULL means the default one.
 *   stream     not NULL.
 *   returns    POOLBUF_OK; POOLBUF_ERROR_BAD_ARGUMENT if the stream reports an error; POOLBUF_ERROR_NO_MEMORY if NULL
 *              was passed and the default allocator cannot be made.
 *   threads    any; one arena is locked at a time, so arenas are shown at slightly different moments.
 *   cost       for people: holds an arena's lock while writing. */
POOLBUF_API poolbuf_status poolbuf_allocator_dump(poolbuf_allocator *allocator, FILE *stream);

POOLBUF_END_DECLS

#endif
