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
struct poolbuf_chunk; /* chunk.h */

/* Pages of direct chunks and of huge direct buffers. */
typedef enum poolbuf_huge_pages {
    POOLBUF_HUGE_PAGES_OFF = 0,      /* as the system has it */
    POOLBUF_HUGE_PAGES_MADVISE = 1,  /* aligned to huge pages, and the kernel is asked to use them (MADV_HUGEPAGE) */
    POOLBUF_HUGE_PAGES_EXPLICIT = 2, /* of huge pages that the system has in reserve (MAP_HUGETLB); ordinary ones where
                                      * too few are left, which the metric huge_page_fallbacks counts */
    POOLBUF_HUGE_PAGES_AUTO = 3      /* ordinary ones while the allocator is small, from 32 MiB on as with MADVISE */
} poolbuf_huge_pages;

/* Which memory node their pages come from. */
typedef enum poolbuf_numa {
    POOLBUF_NUMA_OFF = 0,       /* as the process has it */
    POOLBUF_NUMA_LOCAL = 1,     /* the node of the CPU that touches a page first, whatever the process has */
    POOLBUF_NUMA_INTERLEAVE = 2 /* all nodes that the process may use, in turn */
} poolbuf_numa;

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
    /* Bytes. The memory of each direct buffer starts at a multiple of it, and a pooled or huge one's usable bytes are a
     * multiple, so that no two share such a unit. 0, or a power of two up to page_size; POOLBUF_ALIGNMENT, 0. */
    size_t alignment;
    /* MADVISE and EXPLICIT want a chunk_size of at least a huge page; POOLBUF_HUGE_PAGES, AUTO. */
    poolbuf_huge_pages huge_pages;
    poolbuf_numa numa;         /* needs libnuma.so.1, which is loaded then; POOLBUF_NUMA, off */
    size_t memory_limit_bytes; /* bytes that payload may take from the system: chunks, spare ones too, huge and unpooled
                                * buffers, not handles and tables; 0 = no limit, else at least chunk_size where anything is
                                * pooled; POOLBUF_MEMORY_LIMIT, 0 */
    /* What happens at the limit: this thread's cache and the depot are emptied; each chunk goes back in which nothing
     * is alive, or in another thread's cache; room in other arenas is used; then, if there is a callback, it is asked:
     * wanted_bytes more would pass the limit, used_bytes are taken. No lock is held: it may release, trim and purge.
     * true = try once more; else, or where that fails too, the allocation gives NULL. An allocation inside it that
     * meets the limit fails without asking. No environment variable; any thread. */
    bool (*memory_limit_reached)(void *context, poolbuf_allocator *allocator, size_t wanted_bytes, size_t used_bytes);
    void *memory_limit_context; /* passed to it */
    /* Callbacks; NULL = none; no environment variable. chunk.h says what they may do. */
    bool (*chunk_mapped)(void *context,
                         const struct poolbuf_chunk *chunk); /* direct memory is there; false = unwanted */
    void (*chunk_unmapped)(void *context, const struct poolbuf_chunk *chunk); /* it is about to go */
    void *chunk_context;                                                      /* passed to both */
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
 *   errors     POOLBUF_ERROR_BAD_OPTION for a value outside its limits, or that cannot be had here, named on stderr;
 *              POOLBUF_ERROR_NO_MEMORY, also where background_thread is on and the system starts no thread;
 *              POOLBUF_ERROR_BAD_ARGUMENT for a struct_size that this library does not know, and where allocator is NULL.
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
 * cache, empties what the threads share, gives up the empty subpages that size classes keep, unmaps spare chunks, and
 * drops the dirty pages of the others. The chunks that are left have buffers that are alive, or in other threads'
 * caches.
 *   allocator  NULL means the default one.
 *   returns    bytes of the chunks that were unmapped and of the pages that were dropped.
 *   errors     none; what the system refuses stays as it is.
 *   threads    any; other threads' caches are theirs and stay.
 *   cost       one system call for each spare chunk and each dirty run, without the arena's lock. */
POOLBUF_API size_t poolbuf_allocator_purge(poolbuf_allocator *allocator);

/* poolbuf_allocator_dump() writes every structure as text: settings, arenas, chunk lists, chunks with their usage and free
 * runs, subpages, huge buffers, what waits in the depot and in each thread's cache.
 *   allocator  NULL means the default one.
 *   stream     not NULL.
 *   returns    POOLBUF_OK; POOLBUF_ERROR_BAD_ARGUMENT if the stream reports an error; POOLBUF_ERROR_NO_MEMORY if NULL
 *              was passed and the default allocator cannot be made.
 *   threads    any; one arena is locked at a time, so arenas are shown at slightly different moments.
 *   cost       for people: holds a lock while it writes, an arena's, or the one that threads take to start and to end; so a
 *              stream that blocks stops others. */
POOLBUF_API poolbuf_status poolbuf_allocator_dump(poolbuf_allocator *allocator, FILE *stream);

POOLBUF_END_DECLS

#endif
