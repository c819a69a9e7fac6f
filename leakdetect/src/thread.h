/* What the detector keeps for each thread: guard, random stream, identity, countdowns.
 *
 * It is plain thread-local storage that needs no destructor, so threads that end leave nothing behind. Only its own
 * thread touches it. */
#ifndef LEAKDETECT_THREAD_H
#define LEAKDETECT_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/sampled.h"

typedef struct thread_countdown {
    uint32_t left;        /* allocations until the sampled one; 0: draw a gap first */
    float weight_pending; /* what the sampled one at the end of the running gap stands for */
    float weight_expired; /* the same, of the gap that ended last */
} thread_countdown;

/* Of one of poolbuf's countdowns on this thread: there is one for each allocator. */
typedef struct thread_gap {
    const void *countdown;  /* whose; NULL: free */
    thread_countdown drawn; /* poolbuf counts, we remember the weights */
    bool scope_pending;     /* the running gap was set by a scope */
    bool scope_expired;     /* the same, of the gap that ended last */
} thread_gap;

enum {
    THREAD_NAME_USES = 1024, /* a thread's name costs a system call, so it is read again this seldom */
    THREAD_GAPS = 4,         /* with more allocators on a thread, the one whose gap is oldest starts anew */
    THREAD_LANES = 15,       /* with more threads than these some share one: time, and a part of the quarantine */
    THREAD_LANE_SHARDS = 16  /* parts of a lane, with a lock each */
};

/* What reports call a thread. */
typedef struct thread_who {
    uint32_t id;   /* the kernel's */
    uint32_t name; /* interned; 0 until known */
} thread_who;

typedef enum thread_phase {
    THREAD_NEW,
    THREAD_READY,
    THREAD_INSIDE /* the detector is at work on this thread: what it allocates meanwhile stays untracked */
} thread_phase;

/* What a sampled buffer of one allocator comes by is in the first cache line. */
typedef struct thread_state {
    uint8_t phase; /* thread_phase */
    uint8_t lane;  /* from 1: which part of the tables it works in, where others mostly do not; 0 for a new thread */
    uint8_t shard; /* of the lane's, where it puts what a word finds (tracker_shard.h) */
    int32_t name_uses; /* how often more its name may be used before it is read again */
    thread_who who;
    uint64_t random;
    thread_gap *newest_gap; /* the one that poolbuf asked for last; NULL for a new thread */
    thread_gap gaps[THREAD_GAPS];
    uint32_t gaps_taken;
    int cancellation;           /* what it was before the report that this thread makes */
    uint32_t epoch;             /* the sampling epoch that `resources` belongs to */
    uint32_t scope_epoch;       /* and `buffers` */
    thread_countdown buffers;   /* in scopes we count */
    thread_countdown resources; /* leakdetect_track() counts here */
} __attribute__((aligned(64))) thread_state;

_Static_assert(offsetof(thread_state, gaps[1]) <= 64, "a cache line has room for one gap");

SAMPLED_EXTERN _Thread_local thread_state thread_own; /* for thread_self(), and for who asks for its phase himself */

/* A bit for each lane that some thread has been given, and for lane 0, which is nobody's. The bit is set before the thread works in
 * its lane. */
extern _Atomic uint32_t thread_lanes_used;
void thread_start(thread_state *self);

/* thread_self() returns the calling thread's state, ready for use. */
static inline thread_state *thread_self(void) {
    thread_state *self = &thread_own;
    if (__builtin_expect(self->phase == THREAD_NEW, 0)) {
        thread_start(self);
    }
    return self;
}

/* thread_enter() raises the guard of a thread that has started; false if it was up, and then the caller must leave everything
 * alone. thread_raise() is for who has seen that it is ready. The guard is up for a signal handler, too, before anything that
 * follows is done, and until all of it is. */
static inline void thread_raise(thread_state *self) {
    self->phase = THREAD_INSIDE;
    atomic_signal_fence(memory_order_seq_cst);
}

static inline bool thread_enter(thread_state *self) {
    if (self->phase == THREAD_INSIDE) {
        return false;
    }
    thread_raise(self);
    return true;
}

static inline void thread_leave(thread_state *self) {
    atomic_signal_fence(memory_order_seq_cst);
    self->phase = THREAD_READY;
}

/* The thread's id and name. The name is read again now and then, for threads that name themselves late. */
void thread_read_name(thread_state *self);
static inline thread_who thread_identify(thread_state *self) {
    if (__builtin_expect(--self->name_uses < 0, 0)) {
        thread_read_name(self);
    }
    return self->who;
}

/* Seeds the streams of threads that start from now on, and the caller's. With the same seed, threads get the same
 * streams in the order in which they first call. */
void thread_seed(uint64_t seed);

/* In the child after fork the caller is another thread, to the kernel; and it starts a stream and gaps of its own, or all
 * children of one parent would sample the very same of their allocations, and miss the very same. With the same seed
 * they get the same streams in the order of their forks. thread_before_fork() is called in the parent, one fork at a
 * time. The gaps of poolbuf's countdowns are drawn anew by poolbuf. */
void thread_before_fork(void);
void thread_after_fork(void);

#endif
