/* What a walk found, so that the next one can tell that it would find the same: then its stack is that of the last time, and
 * nothing is written down and nothing looked up.
 *
 * A walker that decides by words of the stack alone, once it knows where it stands, keeps those words here. A repetition
 * compares them, each with what it was, and none waits for another: a processor does that for many frames at once.
 * The stack that came of the walk is known only to the walker's caller, who leaves word of it here (unwind_query.remember).
 *
 *     walk     busy; new serial; write checks; new serial; not busy ...... known = serial | stack
 *     recall   known and serial belong together? compare; the serial is the same still?
 *
 * A signal handler may come between any two of these steps, and walk or recall itself. Who recalls writes nothing; a walk
 * in between changes the serial, which is looked at last. A handler that finds its own thread busy walks without a memo.
 *
 * A memo belongs to a thread, by its place in the gate (unwind_gate.h), which is its own as long as it lives, so memos need no
 * destructor; and to a reason to capture, as an allocation and a release come from different places in the library, and
 * mostly in the program. Its words may be anything, pointers to buffers, too: they are kept inverted, or a scan would find them
 * here (scan.h). */
#ifndef LEAKDETECT_UNWIND_MEMO_H
#define LEAKDETECT_UNWIND_MEMO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack_bounds.h"
#include "unwind.h"
#include "unwind_gate.h"

enum {
    MEMO_FRAMES = 40,
    MEMO_CHECKS = 2 * MEMO_FRAMES,
    MEMO_STACK_BITS = 32,
    MEMO_LIMIT_BITS = 10, /* how many frames the stack may have at most */
    MEMO_LIMIT_MAX = (1 << MEMO_LIMIT_BITS) - 1,
    MEMO_SERIAL_BITS = 22
};

/* A thread's own, from its place's first owner to its last. */
#define MEMO_PLAIN __attribute__((no_sanitize("thread")))

/* A word of the stack that must be what it was. */
typedef struct memo_check {
    uintptr_t at, not_word;
} memo_check;

_Static_assert(MEMO_CHECKS % 2 == 0, "what is odd has room for one more");

typedef struct unwind_memo {
    uintptr_t busy;  /* who walks by it: a signal handler finds its own thread there, and goes without. 0: nobody. Who
                               had the place before may have ended in the midst of a walk; he does not count */
    uint32_t serial; /* another whenever the walk or the checks change; never 0 after the first */
    uint32_t pair_count;    /* of checks, as many as the stack needs */
    _Atomic uint64_t known; /* the stack of that walk, below its mark; any other mark: it is not known */
    memo_check checks[MEMO_CHECKS];
} unwind_memo;

/* Who is busy: no other thread that lives has it there. */
static inline uintptr_t memo_thread(void) {
    return (uintptr_t)&gate_own;
}

MEMO_PLAIN static inline void memo_change(unwind_memo *self) {
    self->serial = (self->serial + 1) % (1u << MEMO_SERIAL_BITS) == 0 ? 1 : self->serial + 1;
}

/* Marks what is known by these checks of a stack of at most so many frames. It is stored after the walk, and a signal
 * handler may have checked something else in between. How many addresses the walk was asked for does not matter: they were
 * enough for the stack. */
MEMO_PLAIN static inline uint64_t memo_mark(const unwind_memo *self, size_t frames) {
    return (uint64_t)self->serial << (MEMO_STACK_BITS + MEMO_LIMIT_BITS) | (uint64_t)frames << MEMO_STACK_BITS;
}

/* The stack of a walk from where the last one stood, which the caller has seen to: all that the checks read is the
 * thread's own stack then. 0 if it is not known, or not that. */
MEMO_PLAIN static inline __attribute__((always_inline)) uint32_t memo_recall(const unwind_memo *self, size_t frames) {
    __asm__("" : "+r"(self)); /* one address, kept: gcc would work it out for each field */
    const uint32_t serial = self->serial;
    const uint64_t known = atomic_load_explicit(&self->known, memory_order_relaxed);
    if (__builtin_expect((known ^ memo_mark(self, frames)) >> MEMO_STACK_BITS != 0, 0)) {
        return 0;
    }
    uintptr_t all = UINTPTR_MAX; /* and no branch */
    for (const memo_check *check = self->checks, *end = check + (size_t)2 * self->pair_count; check < end; check += 2) {
        all &= stack_bounds_word(check[0].at) ^ check[0].not_word;
        all &= stack_bounds_word(check[1].at) ^ check[1].not_word;
    }
    atomic_signal_fence(memory_order_seq_cst);
    return all == UINTPTR_MAX && self->serial == serial ? (uint32_t)known : 0;
}

/* Before the first check is written, and after a walk whose checks are those up to `end`: where to leave word of its
 * stack. */
MEMO_PLAIN static inline void memo_ask(unwind_memo *self, memo_check *end, unwind_query *query) {
    if ((end - self->checks) % 2 != 0) {
        *end = end[-1]; /* an odd one twice */
        end++;
    }
    self->pair_count = (uint32_t)(end - self->checks) / 2;
    memo_change(self);
    query->remember = &self->known;
    query->remembered = memo_mark(self, query->frames);
}

#endif
