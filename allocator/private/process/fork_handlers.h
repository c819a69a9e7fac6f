/* Handlers of fork() that stay.
 *
 * pthread_atfork() ties its handlers to the library that registers them, and glibc forgets them once exit() has come to that
 * library, while other threads may still be in fork(): then the handlers before the fork have run, those behind it do not
 * any more, and what the first have locked stays locked; or glibc finds fewer than it has counted, and aborts. The library
 * is never unmapped (registry.c), so its handlers may stay until the process is gone. Those of a program's own code, which has no handle,
 * do the same. */
#ifndef POOLBUF_PROCESS_FORK_HANDLERS_H
#define POOLBUF_PROCESS_FORK_HANDLERS_H

#include <features.h>
#include <pthread.h>
#include <stddef.h>

#ifdef __GLIBC__
/* NOLINTNEXTLINE(bugprone-reserved-identifier): what pthread_atfork() of glibc calls, with the handle of its caller */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso_handle);
#endif

/* fork_handlers_add() is pthread_atfork() but for that. */
static inline int fork_handlers_add(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
#ifdef __GLIBC__
    return __register_atfork(prepare, parent, child, NULL);
#else
    return pthread_atfork(prepare, parent, child);
#endif
}

#endif
