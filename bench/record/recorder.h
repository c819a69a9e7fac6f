/* The recorder's inside: addresses to slots, events to the spool. preload.c puts it behind malloc and its family, and
 * buffers.c behind poolbuf's buffers, whose handles are then the addresses.
 *
 * Rules that follow from where this runs:
 *   R1  It never calls malloc. Tables and the spool are mappings. Memory bound: 32 bytes for each live allocation,
 *       rounded up to a power of two, and 4 bytes a slot, of buffers 8; while a table grows, half as much again. The
 *       spool is page cache, and 1 MiB of it is mapped at a time: what counts or locks what a process has mapped finds
 *       no more.
 *   R2  One lock makes one total order. A release is recorded before the real free and an allocation after the real
 *       malloc, so an address that comes back at once in another thread is recorded in the right order.
 *   R3  All state lies in one page that the kernel wipes in a forked child. So a child, however it was made, finds
 *       itself unopened, with the lock free, and opens a spool of its own at its first event. A vfork child shares
 *       its parent's memory, and rightly its spool.
 *   R4  An interrupted recorder (a signal handler that calls malloc) passes the call by instead of waiting for itself.
 *   R5  errno is the caller's: whoever here calls the system puts it back. */
#ifndef POOLBUF_BENCH_RECORDER_H
#define POOLBUF_BENCH_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/trace.h"

#define RECORDER_UNKNOWN UINT32_MAX

/* What the table has of an address. */
typedef struct recorder_held {
    uint32_t slot; /* or RECORDER_UNKNOWN */
    uint32_t size; /* as recorded */
    uint32_t of;   /* the process whose slot it is */
} recorder_held;

#define RECORDER_UNDECIDED (-1)
#define RECORDER_NOTHING   (-2) /* what was asked for is not there */

/* recorder_source() is what this process records, a trace_source; negative while that is not known and where it is nothing.
 * buffers.c has it, which also feeds the recorder where it is TRACE_OF_BUFFERS; preload.c does where it is TRACE_OF_MALLOC. */
extern _Atomic int recorder_decided;
int recorder_decide(void);

static inline int recorder_source(void) {
    const int source = atomic_load_explicit(&recorder_decided, memory_order_relaxed);
    return source != RECORDER_UNDECIDED ? source : recorder_decide();
}

/* recorder_allocated() records that the program got memory; NULL is ignored. */
void recorder_allocated(const void *memory, size_t size);

/* recorder_allocated_once() does so unless that is recorded already, by a call that this one has made. */
void recorder_allocated_once(const void *memory, size_t size);

/* recorder_releasing() records that the program is about to give memory back; NULL is ignored. */
void recorder_releasing(const void *memory);

/* recorder_pass_by() has this thread's events passed by, or no longer: what an allocator does inside a call that is recorded.
 *   returns  whether they were before; to be given back when the call has ended. */
bool recorder_pass_by(bool passed_by);

/* recorder_resizing() takes an address out of the table before a real realloc, which may give it to another thread.
 *   returns  what it was; hand it to recorder_resized() afterwards, perhaps in a child: a handler may fork meanwhile. */
recorder_held recorder_resizing(const void *memory);
void recorder_resized(recorder_held held, uintptr_t before, const void *after, size_t size);

/* recorder_changed() records that something changed its size where it is; recorder_referenced() that its references did.
 *   kind        TRACE_RETAIN, TRACE_DROP or TRACE_SLICE.
 *   references  how many. A drop of all that is left is not recorded: the release that follows it says so.
 * Unknown addresses are passed over: they were there before the recorder. */
void recorder_changed(const void *memory, size_t size);
void recorder_referenced(const void *memory, trace_kind kind, uint32_t references);

#endif
