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
    MEMO_LIMIT_MAX = (1 << MEMO_LIMIT_BITS) - 1
};

#define MEMO_ONE_SERIAL (UINT64_C(1) << (MEMO_STACK_BITS + MEMO_LIMIT_BITS))

/* A thread's own, from its place's first owner to its last. */
#define MEMO_PLAIN __attribute__((no_sanitize("thread")))

/* A word of the stack that must be what it was. */
typedef struct memo_check {
    uintptr_t at, not_word;
} memo_check;

/* Compared at a time, without a look whether there are more. */
enum {
    MEMO_GROUP = 4
};

_Static_assert(MEMO_CHECKS % MEMO_GROUP == 0, "there is room to fill up the last group");

typedef struct unwind_memo {
    /* Who walks by it: a signal handler finds its own thread there, and goes without. 0: nobody. Who had the place before may have
     * ended in the midst of a walk; he does not count. */
    uintptr_t busy;
    uint64_t serial; /* another whenever the walk or the checks change; its highest bits, never 0 after the first */
    _Atomic uint64_t known;   /* the stack of that walk, below its mark; any other mark: it is not known */
    uint32_t bytes_of_groups; /* of checks, as many as the stack needs, and one group at least */
    memo_check checks[MEMO_CHECKS];
} unwind_memo;

/* For a stack that needs no check: a word that stays as it is. */
SAMPLED_EXTERN const uintptr_t memo_constant;

/* Who is busy: no other thread that lives has it there. */
static inline uintptr_t memo_thread(void) {
    return (uintptr_t)&gate_own;
}

MEMO_PLAIN static inline void memo_change(unwind_memo *self) {
    self->serial += MEMO_ONE_SERIAL;
    self->serial = self->serial == 0 ? MEMO_ONE_SERIAL : self->serial;
}

/* Marks what is known by these checks of a stack of at most so many frames. It is stored after the walk, and a signal
 * handler may have checked something else in between. How many addresses the walk was asked for does not matter: they were
 * enough for the stack. */
MEMO_PLAIN static inline uint64_t memo_mark(const unwind_memo *self, size_t frames) {
    return self->serial | (uint64_t)frames << MEMO_STACK_BITS;
}

/* The stack of a walk from where the last one stood, which the caller has seen to: all that the checks read is the
 * thread's own stack then. 0 if it is not known, or not that. */
MEMO_PLAIN static inline __attribute__((always_inline)) uint32_t memo_recall(const unwind_memo *self, size_t frames) {
    __asm__("" : "+r"(self)); /* one address, kept: gcc would work it out for each field */
    const uint64_t serial = self->serial;
    const uint64_t known = atomic_load_explicit(&self->known, memory_order_relaxed);
    if (__builtin_expect((known ^ (serial | (uint64_t)frames << MEMO_STACK_BITS)) >> MEMO_STACK_BITS != 0, 0)) {
        return 0;
    }
    const memo_check *check = self->checks;
    const memo_check *const end = (const memo_check *)(const void *)((const char *)check + self->bytes_of_groups);
    uintptr_t all = UINTPTR_MAX; /* and no branch */
    do {
        all &= stack_bounds_word(check[0].at) ^ check[0].not_word;
        all &= stack_bounds_word(check[1].at) ^ check[1].not_word;
        all &= stack_bounds_word(check[2].at) ^ check[2].not_word;
        all &= stack_bounds_word(check[3].at) ^ check[3].not_word;
        check += MEMO_GROUP;
    } while (check != end);
    atomic_signal_fence(memory_order_seq_cst);
    return all == UINTPTR_MAX && self->serial == serial ? (uint32_t)known : 0;
}

/* Before the first check is written, and after a walk whose checks are those up to `end`: where to leave word of its
 * stack. */
MEMO_PLAIN static inline void memo_ask(unwind_memo *self, memo_check *end, unwind_query *query) {
    if (end == self->checks) {
        *end++ = (memo_check){(uintptr_t)&memo_constant, ~memo_constant};
    }
    while ((end - self->checks) % MEMO_GROUP != 0) {
        *end = end[-1]; /* the last one again */
        end++;
    }
    self->bytes_of_groups = (uint32_t)((end - self->checks) * (ptrdiff_t)sizeof *end);
    memo_change(self);
    query->remember = &self->known;
    query->remembered = memo_mark(self, query->frames);
}

#endif
