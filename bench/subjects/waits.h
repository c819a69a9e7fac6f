/* The definitions of subject_fail(), subject_cannot_serve() and the waits: what a kernel calls when its first look has
 * failed. Included once by subject_run.c for the harness, and by plugin.h for a user's shared object. */
#ifndef POOLBUF_BENCH_WAITS_H
#define POOLBUF_BENCH_WAITS_H

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

#include "subjects/subject.h"

/* How often a wait looks before it gives the processor away. Some 100 looks last a few microseconds: longer than a
 * hand-over between two running threads takes, shorter than a scheduler's switch. */
#define LOOKS_BEFORE_YIELD 128u

/* Out of line, so that a kernel's loop stays small; unused where a kernel is not the whole of a library. */
#define SUBJECT_WAITS __attribute__((noinline, unused))

SUBJECT_WAITS bool subject_fail(subject_run *run, subject_failure failure) {
    int expected = SUBJECT_FINE;
    (void)atomic_compare_exchange_strong(&run->failure, &expected, (int)failure);
    return false;
}

SUBJECT_WAITS bool subject_cannot_serve(subject_run *run, const char *reason, ...) {
    va_list arguments;
    va_start(arguments, reason);
    (void)vsnprintf(run->reason, sizeof run->reason, reason, arguments);
    va_end(arguments);
    return subject_fail(run, SUBJECT_UNSERVED);
}

SUBJECT_WAITS void subject_pause(unsigned *turns) {
    if (++*turns % LOOKS_BEFORE_YIELD == 0) {
        (void)sched_yield();
        return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline bool subject_has_failed(const subject_run *run) {
    return atomic_load_explicit(&run->failure, memory_order_relaxed) != SUBJECT_FINE;
}

SUBJECT_WAITS void *subject_wait_full(subject_run *run, const subject_slot *slot) {
    unsigned turns = 0;
    void *buffer = NULL;
    while ((buffer = atomic_load_explicit(slot, memory_order_acquire)) == NULL && !subject_has_failed(run)) {
        subject_pause(&turns);
    }
    return buffer;
}

SUBJECT_WAITS bool subject_wait_empty(subject_run *run, const subject_slot *slot) {
    unsigned turns = 0;
    while (atomic_load_explicit(slot, memory_order_acquire) != NULL) {
        if (subject_has_failed(run)) {
            return false;
        }
        subject_pause(&turns);
    }
    return true;
}

#endif
