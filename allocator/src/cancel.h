/* No function of the allocator is a cancellation point, as malloc() is none: a thread that pthread_cancel() ends amid
 * one would leave a lock that nobody gives back, or a count that nobody takes down. So whatever is a cancellation
 * point below it (waiting, files, the program's callbacks) stands between these two; the request stays pending
 * meanwhile. */
#ifndef CANCEL_H
#define CANCEL_H

#include <pthread.h>

/* Returns what cancel_restore() takes. */
static inline int cancel_disable(void) {
    int before = PTHREAD_CANCEL_ENABLE;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void cancel_restore(int before) {
    (void)pthread_setcancelstate(before, NULL);
}

#endif
