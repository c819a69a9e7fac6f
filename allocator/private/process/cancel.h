/* No function of the library is a cancellation point, as malloc() is none: a thread that pthread_cancel() ends amid one would leave
 * a lock that nobody gives back, a count that nobody takes down, or a buffer half released. So whatever is a cancellation point
 * below it (waiting, files, the program's callbacks) stands between these two; the request stays pending meanwhile. Both
 * are async-signal-safe in glibc, and keep errno. */
#ifndef POOLBUF_PROCESS_CANCEL_H
#define POOLBUF_PROCESS_CANCEL_H

#include <pthread.h>
#include <time.h>

/* Returns what cancel_restore() takes. */
static inline int cancel_disable(void) {
    int before = PTHREAD_CANCEL_ENABLE;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void cancel_restore(int before) {
    (void)pthread_setcancelstate(before, NULL);
}

/* Waits so long, less than a second, or less if a signal comes. */
static inline void cancel_sleep(long nanoseconds) {
    const int before = cancel_disable();
    (void)nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
    cancel_restore(before);
}

#endif
