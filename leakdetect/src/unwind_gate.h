/* Nobody is in the midst of a walk while the process forks.
 *
 * A walk may take locks that are not ours: libunwind's own, and the one under which glibc's loader keeps its list of
 * objects. The child of a fork() has no other thread, so what one of the parent's threads held then is held for ever, and a
 * table that it was changing stays half changed. So whoever walks passes a gate, which a fork closes before it waits for
 * those inside (G1). Nobody waits at the gate: who finds it closed does without locks (unwind.c), as he may hold one that
 * a fork handler of the program waits for.
 *
 *     walker   inside = 1; gate open? -> walk; inside = 0          fork   close; membarrier; wait until all inside are 0
 *
 * Passing costs two plain stores and a load, since the barrier between the first store and the load is the fork's: it
 * makes every running thread execute one (membarrier(2), Linux 4.14). Where that is refused each walker has its own.
 *
 * A thread has a place of its own in a fixed table. It is taken at the first walk and needs no destructor: when the table is
 * full, places of threads that the kernel does not know any more are taken back. Beyond GATE_PLACES threads that live, the rest
 * share a counter.
 *
 * The loader's list is another matter, as other threads lock it beside us: in dlopen() and dlclose(), in dl_iterate_phdr()
 * and, before glibc 2.35, for each C++ exception. So a child whose parent had other threads finds out before its first
 * walk, and once: a process made from it for that takes the lock, or does not return in time (G2). If it does not, the child
 * never walks with locks again. */
#ifndef LEAKDETECT_UNWIND_GATE_H
#define LEAKDETECT_UNWIND_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/sampled.h"

enum {
    GATE_PLACES = 1024
};

/* The state: what this process is, in the low bits, and GATE_ONE_FORK for each fork() that is being made. */
enum {
    GATE_OPEN,
    GATE_FENCED,   /* open, but there is no membarrier() */
    GATE_DOUBTFUL, /* a child that has not found out yet */
    GATE_ASKING,   /* one of its threads does */
    GATE_SHUT,     /* a child that found the loader locked, or a walk cut off */
    GATE_ONE_FORK = 1 << 8
};

typedef struct gate_place {
    _Atomic uint32_t inside; /* walks going on; more than 1 in a signal handler. Written by the owner alone */
    _Atomic uint32_t owner;  /* thread id; 0: free */
} __attribute__((aligned(64))) gate_place;

extern gate_place gate_places[GATE_PLACES];
extern _Atomic uint32_t gate_state;
extern _Atomic bool gate_is_child; /* of a process, or of its child, that had other threads when it forked */
SAMPLED_EXTERN _Thread_local gate_place *gate_own; /* NULL: none yet, or one in the crowd */

bool gate_enter_slow(gate_place *place);
bool gate_enter_first(void);
void gate_leave_crowd(void);

/* gate_enter() says whether the caller may walk with locks; if so gate_leave() follows. Async-signal-safe. */
static inline bool gate_enter(void) {
    gate_place *place = gate_own;
    if (__builtin_expect(place == NULL, 0)) {
        return gate_enter_first();
    }
    uint32_t before = atomic_load_explicit(&place->inside, memory_order_relaxed);
    atomic_store_explicit(&place->inside, before + 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* pairs with the fork's membarrier */
    if (__builtin_expect(atomic_load_explicit(&gate_state, memory_order_relaxed) == GATE_OPEN, 1)) {
        return true;
    }
    return gate_enter_slow(place);
}

static inline void gate_leave(void) {
    gate_place *place = gate_own;
    if (__builtin_expect(place == NULL, 0)) {
        gate_leave_crowd();
        return;
    }
    uint32_t before = atomic_load_explicit(&place->inside, memory_order_relaxed);
    atomic_store_explicit(&place->inside, before - 1, memory_order_release); /* what the walk wrote comes with it */
}

/* gate_number() is that of the calling thread's place, which no other living thread has; GATE_PLACES if it has none, or
 * none yet: then passing the gate gets it one, where there are any. */
static inline size_t gate_number(void) {
    return gate_own == NULL ? GATE_PLACES : (size_t)(gate_own - gate_places);
}

/* gate_start() opens it; at start-up, and again in tests. */
void gate_start(void);

/* gate_loader_is_free() says whether the loader's functions may be called: not in a child that inherited its lock. */
bool gate_loader_is_free(void);

/* gate_is_shut() says whether no walk with locks will ever be let in again. */
bool gate_is_shut(void);

/* gate_force_crowd() gives the calling thread no place from now on, or one again; for tests. */
void gate_force_crowd(bool crowded);

#endif
