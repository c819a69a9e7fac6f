/* One write(2) a message, so that lines of several threads and processes never mix. */
#include "message.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "process/cancel.h"

enum {
    READER_WAIT_MS = 5000
};

static const int FATAL[] = {SIGPIPE, SIGXFSZ};

void message_shield(message_shield_state *self) {
    self->cancellation = cancel_disable();
    const int saved_errno = errno;
    sigset_t pending;
    (void)sigemptyset(&self->ours);
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    for (size_t i = 0; i < sizeof FATAL / sizeof FATAL[0]; i++) {
        if (sigismember(&pending, FATAL[i]) == 0) {
            (void)sigaddset(&self->ours, FATAL[i]);
        }
    }
    (void)pthread_sigmask(SIG_BLOCK, &self->ours, &self->before);
    errno = saved_errno;
}

void message_unshield(const message_shield_state *self) {
    const int saved_errno = errno;
    while (sigtimedwait(&self->ours, NULL, &(struct timespec){0}) > 0 || errno == EINTR) {
    }
    (void)pthread_sigmask(SIG_SETMASK, &self->before, NULL);
    errno = saved_errno;
    cancel_restore(self->cancellation);
}

static _Atomic bool stalled; /* nobody has read for so long; until somebody does, nobody is waited for again */

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether there is room again. A pipe that is full is no error where somebody made it nonblocking, as event loops do with those
 * that they give their children; but nobody is waited for in vain twice. A signal, as a profiler sends them all the time,
 * makes the wait no longer. */
static bool wait_for_room(void) {
    struct pollfd full = {.fd = STDERR_FILENO, .events = POLLOUT};
    const int64_t end = now_ms() + (atomic_load_explicit(&stalled, memory_order_relaxed) ? 0 : READER_WAIT_MS);
    int ready;
    do {
        const int64_t left = end - now_ms();
        ready = poll(&full, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    atomic_store_explicit(&stalled, ready == 0, memory_order_relaxed);
    return ready > 0;
}

static void write_all(const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = write(STDERR_FILENO, bytes, count);
        if (done < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room()))) {
            continue;
        }
        if (done <= 0) {
            return; /* benign: there is nowhere left to complain */
        }
        bytes += done;
        count -= (size_t)done;
    }
}

void message_write(const char *bytes, size_t count) {
    message_shield_state shield;
    message_shield(&shield);
    write_all(bytes, count);
    message_unshield(&shield);
}

void message_print(const char *format, ...) {
    const int saved_errno = errno;
    char line[1024] = "poolbuf: ";
    const size_t prefix = 9;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + prefix, sizeof line - prefix - 1, format, arguments);
    va_end(arguments);
    size_t used = length < 0 ? 0 : (size_t)length;
    size_t room = sizeof line - prefix - 2;
    used = used > room ? room : used;
    line[prefix + used] = '\n';
    message_write(line, prefix + used + 1);
    errno = saved_errno;
}
