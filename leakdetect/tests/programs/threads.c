/* Threads that lose buffers and end; others are released by a thread that did not allocate them. */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include <poolbuf/poolbuf.h>

enum {
    THREADS = 4,
    LOST = 5, /* by each thread */
    PASSED = 2000
};

static poolbuf *passed_on[THREADS][PASSED];

static poolbuf *or_die(poolbuf *buffer) {
    if (buffer == NULL) {
        exit(1);
    }
    return buffer;
}

__attribute__((noinline)) static size_t lose(void) {
    return poolbuf_capacity(or_die(poolbuf_allocate(NULL, 512, 512)));
}

static void *work(void *argument) {
    poolbuf **place = argument;
    size_t bytes = 0;
    if (pthread_setname_np(pthread_self(), "worker") != 0) {
        return argument;
    }
    for (int i = 0; i < LOST; i++) {
        bytes += lose();
    }
    for (int i = 0; i < PASSED; i++) {
        place[i] = or_die(poolbuf_allocate(NULL, 128, 128));
    }
    return bytes == (size_t)512 * LOST ? NULL : argument;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, passed_on[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        if (pthread_join(threads[i], &failed) != 0 || failed != NULL) {
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < PASSED; j++) {
            poolbuf_release(passed_on[i][j]);
        }
    }
    return 0;
}
