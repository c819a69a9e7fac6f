/* Which words of a stack may be read, without asking the C library or the kernel each time.
 *
 * pthread_getattr_np() would know, but it calls malloc(), and reads /proc in the main thread; a buffer may be allocated
 * inside malloc or in a signal handler. But glibc keeps a thread's descriptor at the top of its stack, and the loader
 * remembers the top of the main thread's. So a stack is known from where somebody has stood on it up to that anchor,
 * once each page between has been probed; that costs a system call a page, once in a thread's life.
 *
 *     low                                            high
 *      |  pages probed, once  ...................... | thread descriptor, or the main thread's arguments
 *            ^ the stack pointer, warm: two comparisons
 *
 * A stack pointer that has no such way up stands on a foreign stack: a coroutine's, or that of a signal handler.
 * Those come and go, so nothing is remembered of them: each capture probes the pages that it reads, two or three
 * system calls. An anchor is believed only over PROBE_PAGES more pages at a time; further down a thread's stack
 * counts as foreign for that capture. The one lie that probing cannot see: a foreign stack that lies right below a
 * thread's, without a guard page between, counts as part of it, even after it is unmapped. No thread library makes
 * such stacks by itself; but who follows something other than call frame information may be led up there, and doubts
 * long ways. */
#ifndef LEAKDETECT_STACK_BOUNDS_H
#define LEAKDETECT_STACK_BOUNDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/sampled.h"

/* A signal handler may capture in the midst of a capture. So a range is taken back before it changes, each change is
 * one store, and the compiler keeps their order. */
typedef struct stack_known {
    volatile uintptr_t low, high; /* of the thread's own stack; low is UINTPTR_MAX while nothing is known */
} stack_known;

SAMPLED_EXTERN _Thread_local stack_known stack_known_own;

/* Whether Valgrind runs this process, which is asked once: the question is longer than it looks. */
SAMPLED_EXTERN _Atomic bool stack_bounds_native;
bool stack_bounds_ask_valgrind(void);
static inline bool stack_bounds_under_valgrind(void) {
    return __builtin_expect(!atomic_load_explicit(&stack_bounds_native, memory_order_relaxed), 0) &&
           stack_bounds_ask_valgrind();
}

/* What one walk may read. */
typedef struct stack_bounds {
    uintptr_t high;        /* nothing from here on */
    uintptr_t probed_upto; /* below this nothing needs a probe; UINTPTR_MAX on a known stack */
} stack_bounds;

/* For the two functions below. */
bool stack_bounds_find_slow(stack_bounds *bounds, uintptr_t here, size_t size);
bool stack_bounds_probe(stack_bounds *bounds, uintptr_t at, size_t size);

/* stack_bounds_find() says what may be read on the calling thread's stack.
 *   here     on it; `size` bytes from there can be read, as the caller stands on them.
 *   returns  whether it is the thread's own stack, and known.
 *   threads  any; async-signal-safe, keeps errno.
 *   cost     warm, two comparisons. */
static inline bool stack_bounds_find(stack_bounds *bounds, uintptr_t here, size_t size) {
    const uintptr_t high = stack_known_own.high;
    if (__builtin_expect(here < stack_known_own.low || here >= high, 0)) {
        return stack_bounds_find_slow(bounds, here, size);
    }
    *bounds = (stack_bounds){.high = high, .probed_upto = UINTPTR_MAX};
    return true;
}

/* stack_bounds_known_still() says whether `here`, where somebody has stood on the calling thread's stack when that ended at `high`, is
 * still known to be on it. */
static inline bool stack_bounds_known_still(uintptr_t here, uintptr_t high) {
    return stack_known_own.high == high && here >= stack_known_own.low;
}

/* stack_bounds_hold() says whether `size` bytes can be read, at an address that is not below those asked for before in
 * this walk. At most a page; both ends are words. An address that is not aligned is refused. */
static inline bool stack_bounds_hold(stack_bounds *bounds, uintptr_t at, size_t size) {
    if (at % sizeof(uintptr_t) != 0 || at >= bounds->high || bounds->high - at < size) {
        return false;
    }
    return __builtin_expect(at + size <= bounds->probed_upto, 1) || stack_bounds_probe(bounds, at, size);
}

/* stack_bounds_doubt() has everything from here on probed in this walk. */
static inline void stack_bounds_doubt(stack_bounds *bounds) {
    bounds->probed_upto = 0;
}

/* stack_bounds_word() reads a word that is held; not a sanitizer's affair, as it may belong to any frame. */
__attribute__((no_sanitize("address", "thread"))) static inline uintptr_t stack_bounds_word(uintptr_t at) {
    return *(const volatile uintptr_t *)at; // NOLINT(performance-no-int-to-ptr)
}

#endif
