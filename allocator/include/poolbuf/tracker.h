/* The allocator's only outward hook: the callbacks that a leak detector implements.
 *
 * The allocator decides when an allocation is sampled, by a countdown that it keeps for each thread; the tracker decides
 * how far apart the samples lie and what to remember. Only buffers for which allocated() returned true (POOLBUF_FLAG_TRACKED)
 * cause further calls. No call is made with a lock of the allocator held, but for misuse(), which makes no promise
 * because the program is wrong already. A callback must not allocate or release buffers. */
#ifndef POOLBUF_TRACKER_H
#define POOLBUF_TRACKER_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint32_t, uint64_t */

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* What a caller did with a tracked buffer. Reads and writes are reported by code compiled with
 * POOLBUF_RECORD_ACCESS (see buffer.h). What is done through a slice is reported on the buffer it was cut from. */
typedef enum poolbuf_access {
    POOLBUF_ACCESS_RETAIN,
    POOLBUF_ACCESS_RELEASE, /* a release that was not the last; the last one is released(). Where threads race to be the
                             * last, each may be told before it is known which it is: then so is the one that was */
    POOLBUF_ACCESS_SLICE,   /* slice or retained slice made */
    POOLBUF_ACCESS_GROW,    /* capacity changed */
    POOLBUF_ACCESS_TOUCH,   /* poolbuf_touch(), with its hint */
    POOLBUF_ACCESS_READ,
    POOLBUF_ACCESS_WRITE
} poolbuf_access;

/* What a caller must not do, and did. */
typedef enum poolbuf_misuse {
    POOLBUF_MISUSE_OVER_RELEASE,       /* release of a buffer whose last reference is gone */
    POOLBUF_MISUSE_USE_AFTER_RELEASE,  /* any other call on such a buffer */
    POOLBUF_MISUSE_FOREIGN_POINTER,    /* not a handle of this library, or one that has been overwritten */
    POOLBUF_MISUSE_OVERFLOW,           /* more than 2^30 references */
    POOLBUF_MISUSE_OVERRUN,            /* bytes behind the capacity have changed; only a tracker finds this out */
    POOLBUF_MISUSE_WRITE_AFTER_RELEASE /* bytes of a dead buffer have changed; likewise */
} poolbuf_misuse;

typedef struct poolbuf_tracker {
    size_t struct_size; /* bytes of this struct in the tracker's header */

    /* How many allocations the calling thread makes until the next sampled one, that one included: 1 = the next one,
     * UINT32_MAX = none until poolbuf_tracker_reset_sampling(), 0 = each one until then, which spares most of them the
     * question. Asked when a countdown first exists or has run out, and anew in the child of a fork. A thread has one
     * countdown for each allocator that it uses. */
    uint32_t (*next_gap)(void);

    /* A sampled allocation, before its caller sees it. True: the buffer is tracked, and the calls below follow. */
    bool (*allocated)(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity);

    /* A tracked buffer was used; hint is the caller's text or NULL, and lives as long as the caller keeps it. */
    void (*accessed)(const poolbuf *buffer, poolbuf_access access, const char *hint);

    /* The last reference of a tracked buffer is gone; its memory is not reused before this returns. */
    void (*released)(const poolbuf *buffer);

    /* Says what it knows about the buffer. Afterwards the process aborts, unless POOLBUF_MISUSE=count. */
    void (*misuse)(const poolbuf *buffer, poolbuf_misuse misuse);

    /* An allocator is being destroyed, with so much alive; nothing has been given back yet. */
    void (*allocator_destroyed)(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes);

    /* What accessed() is, and called in its place where it is set, with the number of references that the call took
     * (retain, retained slice) or gave back (release): so many of the whole family, the buffer and what was cut from
     * it. 0 for every other access. With the allocation as the first and released() as the end, the sum is what is
     * held. by_slice: they are references that a retained slice is, or that were taken or given back through one; the
     * others, and the allocation's, add up by themselves. A tracker whose struct ends before this field is accepted,
     * too. */
    void (*referenced)(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                       const char *hint);

    /* After released(): the buffer is dead, and its memory is about to go back to the pool. True: both stay out of use, and the
     * bytes are the tracker's, until poolbuf_tracker_give_back(). Not asked of huge and unpooled buffers, nor of those that
     * a checker watches; for composites and wrapped memory, which have none of the pool's, memory is NULL and size 0. A
     * struct_size that ends before this field is legal. */
    bool (*withhold)(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size);

    /* Everything of an allocator that is withheld has to be given back before this returns; NULL: of all of them. Called
     * before an allocator is destroyed or purged, when it has no memory left, and when another tracker is registered. */
    void (*surrender)(poolbuf_allocator *allocator);

    /* The last reference of a slice is gone, or that of the buffer which it went with; only its handle is left, which is dead.
     * root: the tracked buffer that it was cut from, alive still unless released() has been called for it. True: the
     * handle stays out of use until poolbuf_tracker_give_back(). A struct_size that ends before this field is legal. */
    bool (*withhold_view)(poolbuf *view, poolbuf_allocator *allocator, const poolbuf *root);

    /* What next_gap() is, and asked in its place where it is set. countdown: whose gap it is, an address that stands for one of
     * the thread's countdowns and is not to be followed. Where the gap that has run out is a sampled allocation's, allocated()
     * is the next call on this thread; after a 0 it comes without a question, for any countdown that was given one. Together with
     * withhold_view. */
    uint32_t (*next_gap_of)(const void *countdown);

    /* What released() is, and called in its place where it is set. False: withhold() need not be asked about the
     * buffer, which spares its release two atomic operations; where there is no withhold(), the result means nothing. A
     * struct_size that ends before this field is legal. */
    bool (*ended)(const poolbuf *buffer);
} poolbuf_tracker;

/* poolbuf_tracker_register() installs the tracker.
 *   tracker  static storage: it is used until another takes its place; any callback may be NULL. NULL unregisters.
 *   returns  POOLBUF_OK.
 *   errors   POOLBUF_ERROR_BAD_ARGUMENT if struct_size is not one that this library knows.
 *   threads  at start-up, before other threads use buffers; buffers tracked by an earlier tracker are reported to the new.
 *   cost     restarts sampling, see below. */
POOLBUF_API poolbuf_status poolbuf_tracker_register(const poolbuf_tracker *tracker);

/* poolbuf_tracker_reset_sampling() makes every thread ask next_gap() again at its next allocation.
 *   errors   none.
 *   threads  any.
 *   cost     a lock and one store for each thread and allocator; each thread then takes the slow path once. */
POOLBUF_API void poolbuf_tracker_reset_sampling(void);

/* poolbuf_tracker_reset_thread() does the same for the calling thread alone; the others keep the gaps that they are in.
 *   errors   none.
 *   threads  any.
 *   cost     a lock and one store for each allocator that the thread uses; each then takes the slow path once. */
POOLBUF_API void poolbuf_tracker_reset_thread(void);

/* poolbuf_tracker_give_back() ends what withhold() began: the buffer's memory goes back to the pool.
 *   buffer   one that is withheld; its bytes may be anything.
 *   errors   none.
 *   threads  any, with no lock held that a callback takes.
 *   cost     as the slow path of a release. */
POOLBUF_API void poolbuf_tracker_give_back(poolbuf *buffer);

/* poolbuf_tracker_slack() tells which bytes of a buffer's memory lie behind its capacity, and are nobody's.
 *   slack      set where there are some, to the first one, which is at index poolbuf_capacity(). They may be written to, unless
 *   reachable  is set to true: slices that were made before the capacity shrank may still show them.
 *   returns    how many, until the capacity changes; 0 also where a checker watches them.
 *   threads    whoever may change the buffer's capacity. */
POOLBUF_API size_t poolbuf_tracker_slack(const poolbuf *buffer, uint8_t **slack, bool *reachable);

/* poolbuf_tracker_raise() reports a misuse that the tracker has found: it is counted, misuse() is called, and the process aborts
 * unless POOLBUF_MISUSE=count.
 *   threads  any, with no lock held that a callback takes. */
POOLBUF_API void poolbuf_tracker_raise(const poolbuf *buffer, poolbuf_misuse misuse);

/* poolbuf_tracker_word() gives 32 bits in a buffer's handle that are the tracker's, so that it finds at once what it keeps of the
 * buffer. They stay as they are while the buffer is alive, and afterwards until its handle is used for something else; when a
 * buffer is allocated they may be anything.
 *   buffer   one that allocated() was called with, alive or dead. Of another one, as misuse() may be called with, they are to be
 *            read, may be anything, and belong to somebody else.
 *   returns  NULL for composites, wrapped memory and slices, which have no such bits.
 *   threads  any. Callbacks about one buffer may run at once, but for allocated() and the last of released(); what a program that
 *            misuses a buffer does beside those is its own fault, and no race where the bits are read and written atomically. */
static inline uint32_t *poolbuf_tracker_word(const poolbuf *buffer) {
    const uint64_t none =
        (uint64_t)(POOLBUF_FLAG_COMPOSITE | POOLBUF_FLAG_WRAPPED | POOLBUF_FLAG_SLICE | POOLBUF_FLAG_RETAINED_SLICE)
        << 32;
    const uint64_t state = __atomic_load_n(&buffer->state, __ATOMIC_RELAXED);
    /* The memory is looked at once a buffer is dead: while it is alive, whoever may make it grow writes to that. */
    if (POOLBUF_UNLIKELY_((state & none) != 0 || ((uint32_t)state == 0 && buffer->memory == NULL))) {
        return NULL;
    }
    return (uint32_t *)(uintptr_t)&buffer->tracker_word;
}

/* poolbuf_live_totals() adds up all allocators: the exact figures beside a sampled report.
 *   buffers    buffers alive.
 *   bytes      their bytes, counted as poolbuf_metrics.live_bytes counts them.
 *   allocated  buffers ever handed out, by destroyed allocators too. Each output may be NULL.
 *   errors     none.
 *   threads    any; exact when no call that allocates or releases is running.
 *   cost       as poolbuf_allocator_metrics(), for each allocator. */
POOLBUF_API void poolbuf_live_totals(uint64_t *buffers, uint64_t *bytes, uint64_t *allocated);

/* poolbuf_orphan_totals() tells how much of poolbuf_live_totals() belongs to allocators that are destroyed: what was alive
 * then and has not been released since. Outputs, errors, threads and cost as there. */
POOLBUF_API void poolbuf_orphan_totals(uint64_t *buffers, uint64_t *bytes);

/* What a piece of the pool's memory is to whoever looks for references to buffers in it. */
typedef enum poolbuf_memory_kind {
    POOLBUF_MEMORY_HANDLES, /* records of 64 bytes side by side: handles, dead ones too, and what wrapped memory keeps */
    POOLBUF_MEMORY_BYTES,   /* what buffers' bytes lie in, and free memory between them */
    POOLBUF_MEMORY_BOOKS    /* may hold the address of any buffer, and reaches none */
} poolbuf_memory_kind;

typedef void poolbuf_memory_visitor(void *context, poolbuf_memory_kind kind, const void *base, size_t bytes);

/* poolbuf_memory_visit() shows the pool's memory, of all allocators and of destroyed ones with buffers alive.
 *   visitor  called for each piece, with locks of the allocator held: it may call nothing of this library.
 *   errors   none.
 *   threads  any; what other threads map or unmap meanwhile is shown or not. Unpooled buffers are in no piece.
 *   cost     one call for each chunk and for each 1,023 handles, under their arena's lock. */
POOLBUF_API void poolbuf_memory_visit(poolbuf_memory_visitor *visitor, void *context);

/* Copies bytes of the memory that is looked at; false where there are none. */
typedef bool poolbuf_memory_reader(void *context, const void *at, void *into, size_t bytes);

/* poolbuf_memory_of_handle() tells which block belongs to a handle alone: the memory of a buffer, the list of components of
 * a composite. Views, wrapped memory and what is dead own none.
 *   copy     the handle's 64 bytes, copied from wherever they are.
 *   read     how to read what the handle refers to; context is passed on.
 *   block    set where the result is not 0.
 *   returns  the block's bytes, or 0.
 *   errors   none: it makes what it can of what it is given, and touches nothing but copy.
 *   threads  any; also in a child that another thread's work was cut short in, as it takes no lock.
 *   cost     a few comparisons. */
POOLBUF_API size_t poolbuf_memory_of_handle(const poolbuf *copy, poolbuf_memory_reader *read, void *context,
                                            const void **block);

POOLBUF_END_DECLS

#endif
