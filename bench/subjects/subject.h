/* Subjects: what can serve buffers, and what a measured process needs of it.
 *
 * A subject is a name that users know: pooled, malloc, jemalloc, dpdk, null. Behind it stands a kernel, which plays an
 * operation stream (scenario/stream.h) on one kind of reference-counted buffer. Each kernel is kernel.h compiled around
 * the inline functions of one kind of buffer, so that no indirect call is inside its loop; the three allocators that
 * replace malloc share malloc's kernel and differ in the library that is preloaded.
 *
 *   kernel                  where it is compiled                     how a worker comes by it
 *   pooled, malloc, fixed   into every worker                        the table in subjects.c
 *   pooled-inline           into poolbuf-worker-static as it links   the same; `worker` names the program
 *   dpdk, boost             into a worker of its own                 its main() gives it to subject_provide()
 *   a user's own            into the user's shared object            library.h opens it; plugin.h is what
 *                                                                    the user compiles
 *
 * This header, kernel.h and what they include are C11 and C++17: peers and users may be written in either.
 *
 * Equal work is the contract: every kind of buffer has a reference count, a size and two indices, is released without an
 * atomic subtraction when the count is 1, and its memory is touched by the same bytes.
 *
 * A kernel is entered once a phase in each thread, in one of three forms: play() is what throughput is measured with,
 * audit() does the same and counts what is alive and checks that contents survive, timed() reads a clock around each
 * operation. Counting and clocks are kept out of play(); that it holds what it should is seen afterwards, from the
 * buffers that are really in the slots. */
#ifndef POOLBUF_BENCH_SUBJECT_H
#define POOLBUF_BENCH_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/stream.h"
#include "subjects/atomics.h"
#include "subjects/timer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef SUBJECT_ATOMIC(void *) subject_slot;

/* Whether subject_fail(), subject_cannot_serve() and the waits are the harness's, or this library's own copies of them:
 * subjects/plugin.h makes them static, so that a user's shared object needs nothing of the program that loads it. */
#ifndef SUBJECT_LINKAGE
#define SUBJECT_LINKAGE extern
#endif

typedef enum subject_failure {
    SUBJECT_FINE = 0,
    SUBJECT_NO_MEMORY,     /* the subject had no buffer to give */
    SUBJECT_CONTENTS_LOST, /* a buffer did not hold what was written to it */
    SUBJECT_STILL_LIVE,    /* the subject counts live buffers after the last one was released */
    SUBJECT_UNSERVED,      /* the subject is not made for this stream: subject_run.reason says why */
    SUBJECT_NO_THREAD,     /* the system did not start a thread; no fault of the subject's */
    SUBJECT_FAILURE_COUNT  /* how many there are; not a failure */
} subject_failure;

enum {
    SUBJECT_REASON_SIZE = 160 /* bytes, with the terminating zero */
};

/* One play of a stream on one subject: shared by all its threads. Made by subject_run_init(). */
typedef struct subject_run {
    subject_slot *slots; /* mapped apart from any heap, so that no subject's memory changes its layout */
    uint32_t slot_count;
    uint32_t thread_count;
    uint32_t max_size;        /* bytes; no operation asks for more */
    void *state;              /* the kernel's own: set by its prepare(), released by its finish() */
    size_t slots_size;        /* bytes of the mapping */
    uint32_t references_from; /* of the phase that has ended: held() looks at the slots before it; 0: at all */
    atomic_int failure;       /* subject_failure; set once, and every thread then leaves its phase */
    atomic_uint sink;         /* what was read, so that no read can be left out */
    const stream *source;     /* all that will be played; NULL where a test plays loose operations */
    char
        reason[SUBJECT_REASON_SIZE]; /* why prepare() returned false, if it says so; subject_cannot_serve() writes it */
    /* Written by audit() alone, by all threads. */
    SUBJECT_ATOMIC(uint64_t) live_buffers;
    SUBJECT_ATOMIC(uint64_t) live_bytes; /* sum of the sizes that were asked for */
    SUBJECT_ATOMIC(uint64_t) peak_live_bytes;
    SUBJECT_ATOMIC(uint64_t)
    live_room; /* sum of the bytes that the live buffers have room for, where the kernel tells */
    SUBJECT_ATOMIC(uint64_t) peak_live_room;
} subject_run;

/* What is in the slots now. */
typedef struct subject_held {
    uint64_t buffers;
    uint64_t bytes; /* sum of the sizes that were asked for */
} subject_held;

typedef struct subject_kernel {
    /* Both are called by one thread, outside any clock, while no other is inside. prepare() returns false when there is no
     * memory, or what subject_cannot_serve() does. finish() is called after a successful prepare(), with all slots
     * empty, and releases everything; it returns false when the subject itself says that buffers are still alive. */
    bool (*prepare)(subject_run *run);
    bool (*finish)(subject_run *run);
    /* Play operations `repeat` times. Return false once run->failure is set; slots then hold what they hold. */
    bool (*play)(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat);
    /* As play(), for a thread whose stream_thread has pairs: `kind` is that of all its operations. */
    bool (*pure)(subject_run *run, stream_kind kind, const stream_pair *pairs, size_t count, uint32_t repeat);
    bool (*audit)(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat);
    /* Each element of ops is timed as one, a BULK or PINGPONG of many turns as well. */
    bool (*timed)(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat, subject_timer *timer);
    /* Count the buffers in the slots before references_from, or release what is in all, while no thread plays. */
    subject_held (*held)(const subject_run *run);
    void (*discard)(subject_run *run);
    bool tells_room; /* whether audit() counts what its buffers have room for */
} subject_kernel;

extern const subject_kernel subject_kernel_pooled;
extern const subject_kernel subject_kernel_pooled_inline;
extern const subject_kernel subject_kernel_pooled_nocache;
extern const subject_kernel subject_kernel_unpooled;
extern const subject_kernel subject_kernel_pooled_simple;
extern const subject_kernel subject_kernel_pooled_advanced;
extern const subject_kernel subject_kernel_pooled_paranoid;
extern const subject_kernel subject_kernel_malloc;
extern const subject_kernel subject_kernel_malloc_threaded;
extern const subject_kernel subject_kernel_fixed;
extern const subject_kernel subject_kernel_null;
extern const subject_kernel subject_kernel_dpdk;  /* in poolbuf-worker-dpdk */
extern const subject_kernel subject_kernel_boost; /* in poolbuf-worker-boost */
const char *subject_boost_version(void);          /* there, too: "Boost 1.74.0", static */

/* Whose code must serve malloc (or poolbuf_allocate) for a result to count. */
typedef enum subject_provider {
    SUBJECT_PROVIDER_LIBC,
    SUBJECT_PROVIDER_JEMALLOC,
    SUBJECT_PROVIDER_MIMALLOC,
    SUBJECT_PROVIDER_TCMALLOC,
    SUBJECT_PROVIDER_POOLBUF,
    SUBJECT_PROVIDER_POOLBUF_STATIC, /* libpoolbuf.a: the worker itself */
    SUBJECT_PROVIDER_PROGRAM,        /* memory of our own; malloc must be the C library's all the same */
    SUBJECT_PROVIDER_PEER,           /* a peer's library inside a worker of its own, which shows it: subject.proof */
    SUBJECT_PROVIDER_LIBRARY,        /* a user's own shared object */
} subject_provider;

typedef struct subject {
    const char *name;
    const char *about; /* one line for people */
    const subject_kernel *kernel;
    subject_provider provider;
    const char *preload; /* the shared object's name, NULL for none */
    const char *package; /* Debian's package of what it needs to run, or to be built; NULL for none */
    const char *worker;  /* the program, beside this one, that plays it; NULL: this one */
    bool is_on_request;  /* takes part only where it is named: it is not an allocator of its own */
    const char *library; /* a user's own shared object that has the kernel; NULL for the subjects of the table */
    /* PEER and LIBRARY, in their worker alone: an address of the code that serves, and the version that it tells. */
    const void *proof;
    const char *version;
} subject;

/* The subject that all others are compared with. */
#define SUBJECT_BASELINE "malloc"

/* subject_at() and subject_find() look into the table of subjects.
 *   returns  a static entry; NULL past the end, or for a name that nobody has.
 *   threads  any. */
const subject *subject_at(size_t index);
const subject *subject_find(const char *name);

/* subject_provide() gives the table the kernel of a subject that this program alone plays.
 *   proof    an address in the code that serves it.
 *   version  with the peer's name; a static string.
 *   threads  before any other call here. */
void subject_provide(const char *name, const subject_kernel *kernel, const void *proof, const char *version);

/* subject_failure_text() names a failure for people: a static string, never NULL. */
const char *subject_failure_text(subject_failure failure);

/* subject_run_init() maps the slots, all empty and all resident.
 *   returns  false when there is no memory for them; nothing is then to be undone. */
bool subject_run_init(subject_run *run, uint32_t slot_count, uint32_t thread_count, uint32_t max_size);
void subject_run_fini(subject_run *run);

/* subject_fail() records the first failure; the waits below then end. Always returns false. */
SUBJECT_LINKAGE bool subject_fail(subject_run *run, subject_failure failure);

/* subject_cannot_serve() is for a prepare() whose pool is not made for what will be played: sizes beyond its largest
 * buffer, more memory up front than there is. The result is then "unsupported", with the reason, which is no failure.
 *   reason   as for printf(), one line; what is longer than SUBJECT_REASON_SIZE is cut.
 *   returns  false, always: what prepare() returns then. */
SUBJECT_LINKAGE bool subject_cannot_serve(subject_run *run, const char *reason, ...)
    __attribute__((format(printf, 2, 3)));

/* Wait until another thread has filled, or emptied, a slot: spinning at first, then giving the processor away, so that it
 * also works on one core. Out of line: a kernel calls them only when its first look has failed.
 *   returns  the buffer; NULL (false) when the run has failed meanwhile. */
SUBJECT_LINKAGE void *subject_wait_full(subject_run *run, const subject_slot *slot);
SUBJECT_LINKAGE bool subject_wait_empty(subject_run *run, const subject_slot *slot);

/* All threads of a run meet here. Zero-initialise it but for thread_count. The last one to come lets the others go; what
 * each did before is seen by all afterwards. Spins like the waits above, or sleeps where there are more threads than
 * processors: those who wait would take the time of those they wait for. */
typedef struct subject_barrier {
    atomic_uint arrived;
    atomic_uint generation;
    uint32_t thread_count;
} subject_barrier;

void subject_barrier_wait(subject_barrier *barrier);

/* subject_pause() is one turn of a loop that waits for another thread. `turns` counts them, from 0. */
SUBJECT_LINKAGE void subject_pause(unsigned *turns);

#ifdef __cplusplus
}
#endif

#endif
