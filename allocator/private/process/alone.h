/* Whether the process has never had a second thread: then nobody else can be amid anything, and what threads need locked
 * operations for takes plain ones, which are some 20 cycles cheaper and wait for no store before them.
 *
 * The C library sees to it that the answer changes before a second thread runs (glibc 2.32; before that it is always "no"). Who
 * asks must not start a thread between the question and what it is asked for. A signal handler may come at any time, and may
 * do the same: only what is one instruction is whole to it. */
#ifndef POOLBUF_PROCESS_ALONE_H
#define POOLBUF_PROCESS_ALONE_H

#include <stdbool.h>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>

static inline bool process_is_alone(void) {
    return __libc_single_threaded != 0;
}

#else

static inline bool process_is_alone(void) {
    return false;
}

#endif

#endif
