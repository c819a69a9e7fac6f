/* The operation stream: a scenario turned into flat arrays of operations, before any clock starts.
 *
 * A stream is all that a measuring kernel sees. It names sizes and slots, never addresses, so the same stream asks the
 * same work of every subject. Generating it is deterministic: scenario, seed and quick decide every operation.
 *
 * Slots are one array of _Atomic(void *) per run, shared by all threads; loads acquire, stores release. A hand-over is
 * a slot that one thread fills and another empties: the slot array is the ring.
 *
 *   kind       slot             size   what the kernel does
 *   ALLOCATE   slot             bytes  spin until the slot is empty; allocate, write first and last byte, fill the slot
 *   RELEASE    slot             form   spin until the slot is full; take, read the first byte, release; form 1: what
 *                                      HOLD has given on, so that auditing cannot tell whose number is in it
 *   RESIZE     slot             bytes  spin until the slot is full; grow or shrink, keeping contents
 *   TOUCH      slot             times  spin until the slot is full; read and write 4 bytes (1 in a smaller buffer); if
 *                                      so many times, one byte each time, the first eight in turn
 *   REPLACE    slot             bytes  release what is there, allocate, write first and last byte
 *   PINGPONG   how many times   bytes  so many times: allocate, write 4 B, read 4 B, release
 *   BULK       times and count  bytes  so many times: allocate so many in one call, write 4 B to each, read 4 B from
 *                                      each, release all in one call
 *   WRITE      slot             extent spin until the slot is full; write one byte in each further 4 KiB (extent 0), or
 *                                      every byte (1)
 *   MOVE       slot             slot   spin until the first slot is full and the second empty; take from the first,
 *                                      read the first byte, write first and last byte, fill the second
 *   READ       slot             form   spin until the slot is full; read every byte, of a view those that it shows
 *   APPEND     slot             bytes  spin until the slot is full; write so many bytes after those that are there, in
 *                                      memory that grows as the subject lets it grow
 *   HOLD       slot             form   spin until the slot is full; form 0: remember its buffer for the next two kinds;
 *                                      else give it on: spin until the slot form - 1 is empty, and put there what is
 *                                      taken from this one, a reference that nobody counts up or down
 *   RETAIN     slot             -      spin until the slot is empty; fill it with one more reference to the held buffer
 *   SLICE      slot             bytes  spin until the slot is empty; fill it with a view of the held buffer's next
 *                                      bytes, which has a reference to it; HOLD begins at the first byte
 *   DROP       slot             form   spin until the slot is full; take, read the first byte, drop what RETAIN (form
 *                                      0) or SLICE (form 1) has put there; the last reference to a buffer releases it
 *   ASSEMBLE   the first slot   slots  spin until each of so many slots is full; take all, make one message of their
 *                                      buffers without a copy, list its pieces as writev() wants them, release it
 *
 * Invariants, which stream_audit() checks and every generator keeps:
 *   S1  every slot has one filling and one emptying thread inside a phase, and the two alternate; RESIZE, TOUCH, WRITE
 *       and REPLACE are done by the emptying thread. MOVE empties one slot and fills another. So "full" can only mean
 *       the buffer that is meant.
 *   S2  there is one total order of a phase's operations in which every wait is already satisfied. So no deadlock: of
 *       the operations not yet done, the first in that order can always go on.
 *   S3  a phase starts when all threads have ended the one before: what a phase leaves in its slots, the next finds.
 *   S4  the whole stream ends with every slot empty, so that it can be played again; a repeated phase ends with the
 *       same slots full as it began with.
 *   S5  a buffer that is retained or sliced is written to by nobody, in any order of threads; nor are its bytes
 *       moved. So in the phase that shares it, it is written to only where one thread has filled and emptied all of the
 *       slots that shared it, and by that thread. What RETAIN and SLICE have put into a slot is read and dropped
 *       there, by the slot's emptying thread, in the same phase; or in a later one, from slots that a phase says have
 *       nothing else in them when it ends, and as long as the buffer's own reference is in one of the others. So
 *       what is live is what is in those. A thread holds the buffer of a slot that it empties itself, and only as long
 *       as it has not emptied it. A buffer that was given on has another slot's number in it: it is held, read,
 *       given on again and released, and nothing else.
 *   S6  READ and SLICE find bytes that WRITE (extent 1) has written, so nobody reads what nobody wrote; but a SLICE of
 *       the first byte alone finds that of ALLOCATE. APPEND keeps that; a buffer that was appended to is not resized.
 *       A buffer that was shared or appended to is not moved.
 * In S1 and S2 nothing changes by sharing: threads wait for slots, never for a count of references.
 * A phase of fresh threads changes none of them: the thread that is started plays in the place of the one that starts
 * it and waits for its end. Here, "thread" is the place.
 * S1 asks one thing of kernels: RESIZE must not show an empty slot in between. */
#ifndef POOLBUF_BENCH_STREAM_H
#define POOLBUF_BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/scenario.h"

typedef enum stream_kind {
    STREAM_ALLOCATE,
    STREAM_RELEASE,
    STREAM_RESIZE,
    STREAM_TOUCH,
    STREAM_REPLACE,
    STREAM_PINGPONG,
    STREAM_BULK,
    STREAM_WRITE,
    STREAM_MOVE,
    STREAM_READ,
    STREAM_APPEND,
    STREAM_HOLD,
    STREAM_RETAIN,
    STREAM_SLICE,
    STREAM_DROP,
    STREAM_ASSEMBLE
} stream_kind;

enum {
    STREAM_KIND_COUNT = STREAM_ASSEMBLE + 1 /* outside of the kinds, so that a switch that names all needs no more */
};

#define STREAM_SIZE_BITS 28u
#define STREAM_SIZE_MAX  ((UINT32_C(1) << STREAM_SIZE_BITS) - 1) /* bytes: 256 MiB - 1 */

#ifdef __cplusplus
static_assert(STREAM_KIND_COUNT <= 1u << (32u - STREAM_SIZE_BITS), "a kind fits above the size");
#else
_Static_assert(STREAM_KIND_COUNT <= 1u << (32u - STREAM_SIZE_BITS), "a kind fits above the size");
#endif

typedef struct stream_op {
    uint32_t slot; /* index into the slot array; PINGPONG: how many times; BULK: see stream_bulk_make() */
    uint32_t word; /* kind in the top 4 bits, size in bytes below; use the functions */
} stream_op;

static inline stream_kind stream_op_kind(stream_op op) {
    return (stream_kind)(op.word >> STREAM_SIZE_BITS);
}

static inline uint32_t stream_op_size(stream_op op) {
    return op.word & STREAM_SIZE_MAX;
}

static inline stream_op stream_op_make(stream_kind kind, uint32_t slot, uint32_t size) {
    const stream_op op = {slot, ((uint32_t)kind << STREAM_SIZE_BITS) | size};
    return op;
}

/* A BULK operation has two numbers where others have a slot: how many times, and how many buffers a call. */
#define STREAM_BULK_COUNT_BITS 12u
#define STREAM_BULK_COUNT_MAX  (UINT32_C(1) << STREAM_BULK_COUNT_BITS)
#define STREAM_BULK_TIMES_MAX  ((UINT32_C(1) << (32u - STREAM_BULK_COUNT_BITS)) - 1)

static inline uint32_t stream_bulk_make(uint32_t times, uint32_t count) {
    return times << STREAM_BULK_COUNT_BITS | (count - 1);
}

static inline uint32_t stream_bulk_times(stream_op op) {
    return op.slot >> STREAM_BULK_COUNT_BITS;
}

static inline uint32_t stream_bulk_count(stream_op op) {
    return (op.slot & (STREAM_BULK_COUNT_MAX - 1)) + 1;
}

/* WRITE touches each of these, which is what the smallest OS page has. */
#define STREAM_WRITE_STEP UINT32_C(4096) /* bytes */

/* A TOUCH of 0 or 1 times is one of 4 bytes; one of more goes from byte to byte of what lies in one cache line. */
#define STREAM_TOUCH_BYTES 8u

/* The extents of WRITE, in the place of a size. */
#define STREAM_WRITE_STEPS 0u
#define STREAM_WRITE_ALL   1u

/* The forms of READ and DROP, in the place of a size. */
#define STREAM_FORM_BUFFER 0u
#define STREAM_FORM_VIEW   1u

/* The forms of RELEASE. */
#define STREAM_RELEASE_OWN   0u
#define STREAM_RELEASE_GIVEN 1u

/* What SLICE and ASSEMBLE ask a subject for that has no views or composites of its own: a small buffer for a view, and one
 * for the list of a message's parts. stream.max_size counts them. */
#define STREAM_VIEW_SIZE 24u /* bytes */
#define STREAM_PART_SIZE 24u /* bytes, each part */
#define STREAM_PARTS_MAX 64u /* of one message */

/* How many operations it is to the reader of a result: PINGPONG and BULK one a buffer, TOUCH one a time, ASSEMBLE one a part,
 * HOLD none, as it does nothing to a buffer; all others one. */
static inline uint64_t stream_op_operations(stream_op op) {
    switch (stream_op_kind(op)) {
    case STREAM_TOUCH:
        return stream_op_size(op) > 1 ? stream_op_size(op) : 1;
    case STREAM_PINGPONG:
        return op.slot;
    case STREAM_BULK:
        return (uint64_t)stream_bulk_times(op) * stream_bulk_count(op);
    case STREAM_ASSEMBLE:
        return stream_op_size(op);
    case STREAM_HOLD:
        return 0;
    default:
        return 1;
    }
}

/* How many buffers it allocates. */
static inline uint64_t stream_op_allocations(stream_op op) {
    switch (stream_op_kind(op)) {
    case STREAM_ALLOCATE:
    case STREAM_REPLACE:
    case STREAM_PINGPONG:
    case STREAM_BULK:
        return stream_op_operations(op);
    default:
        return 0;
    }
}

/* A HOLD that gives on, and what tells it from one that does not. */
static inline stream_op stream_give_make(uint32_t slot, uint32_t target) {
    return stream_op_make(STREAM_HOLD, slot, target + 1);
}

static inline bool stream_op_is_give(stream_op op) {
    return stream_op_kind(op) == STREAM_HOLD && stream_op_size(op) != 0;
}

/* The slot that a MOVE or a give fills. */
static inline uint32_t stream_op_target(stream_op op) {
    return stream_op_size(op) - stream_op_is_give(op);
}

/* Whether its slot is one of the slot array. */
static inline bool stream_op_has_slot(stream_op op) {
    return stream_op_kind(op) != STREAM_PINGPONG && stream_op_kind(op) != STREAM_BULK;
}

/* An operation whose kind is known, in half of the memory: operations are read once each, from caches further away than a
 * processor's own, and what they take there the subject under test has not. */
typedef struct stream_pair {
    uint16_t slot; /* index into the slot array */
    uint16_t size; /* bytes; a RELEASE: its form */
} stream_pair;

typedef struct stream_thread {
    const stream_op *ops;
    const stream_pair *pairs; /* op_count of them, where stream_is_pure() of ops; otherwise NULL */
    size_t op_count;
    uint64_t operation_count; /* one pass over ops: the sum of stream_op_operations() */
} stream_thread;

typedef struct stream_phase {
    const char *name;          /* unique in its stream */
    stream_thread *threads;    /* stream.thread_count of them; a thread may have no operations */
    uint64_t end_live_buffers; /* what a model holds in the slots when the phase has ended */
    uint64_t end_live_bytes;   /* the sum of their requested sizes */
    uint32_t references_from;  /* from here on, slots have only what RETAIN and SLICE gave when it ends; 0: none */
    uint32_t repeat;           /* how often each thread plays its ops before the phase ends; at least 1 */
    uint32_t idle_ms;          /* how long all threads sleep when the phase has ended; no time of any operation */
    bool is_fresh;             /* each pass of a thread's ops is played by a thread that is started for it and joined */
} stream_phase;

typedef struct stream {
    uint32_t thread_count;
    uint32_t phase_count;
    uint32_t slot_count;
    uint32_t max_size; /* the largest size that any operation asks for */
    stream_phase *phases;
    uint64_t allocation_count; /* buffers allocated by one play of the whole stream, repeats included; RESIZE is none */
    uint64_t operation_count;  /* the sum of stream_op_operations() over the whole stream, repeats included */
    uint64_t peak_live_bytes;  /* in one order that S2 allows; threads that overlap freely may pass it */
} stream;

/* stream_generate() makes the operations of a scenario.
 *   seed        decides every random choice; the same seed gives the same stream on every machine.
 *   quick       makes a stream of the same shape with an eighth of the operations; a trace is always played whole.
 *   out         set on success; release it with stream_destroy().
 *   error       on failure gets one line "FILE:LINE: what is wrong; what would be right".
 *   returns     false for a trace that cannot be read, for limits that are passed, and without memory. */
bool stream_generate(const scenario *from, uint64_t seed, bool quick, stream **out, char *error, size_t error_size);

/* stream_is_pure() says whether operations are all ALLOCATE, all RELEASE, or all REPLACE, none for an empty buffer, each slot
 * and size fits into a stream_pair, and there is one. A kernel plays their pairs and need not look at kinds.
 * stream_pack() writes the pairs of such operations, op_count of them. */
bool stream_is_pure(const stream_op *ops, size_t op_count);
void stream_pack(const stream_op *ops, size_t op_count, stream_pair *pairs);

/* stream_destroy() releases a stream; NULL is fine. */
void stream_destroy(stream *played);

/* stream_audit() plays a stream on a model of the slots and checks S1 to S4, the phases' live counts and the totals.
 *   returns     true when all hold; otherwise false, and error says what broke first. */
bool stream_audit(const stream *played, char *error, size_t error_size);

#endif
