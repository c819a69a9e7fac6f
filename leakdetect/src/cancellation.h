/* No function of the detector is a cancellation point, as none of the allocator's is (allocator/src/cancel.h): a thread that
 * pthread_cancel() ends amid one would take a lock along, or leave a buffer half released. What waits, reads or writes, and what
 * calls the program's functions, stands between these two; the request stays pending. */
#ifndef LEAKDETECT_CANCELLATION_H
#define LEAKDETECT_CANCELLATION_H

#include <pthread.h>
#include <time.h>

/* Returns what cancellation_restore() takes. Async-signal-safe in glibc, keeps errno. */
static inline int cancellation_disable(void) {
    int before = PTHREAD_CANCEL_ENABLE;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void cancellation_restore(int before) {
    (void)pthread_setcancelstate(before, NULL);
}

/* Waits so long, or less if a signal comes. */
static inline void cancellation_sleep(long nanoseconds) {
    const int before = cancellation_disable();
    (void)nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
    cancellation_restore(before);
}

#endif
