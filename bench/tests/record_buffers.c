/* A program with buffers to be recorded, for test_record.c: one thread allocates, retains, slices and grows them, and hands
 * them to another, which releases them. Beneath them malloc is called too, in a size that nobody else asks for.
 *   leak   leaves a buffer behind
 *   ends   ends buffers in every order of their references; one of 777 bytes by 7 references at once
 *   race   two threads give back the last references of buffers and slices at the same time */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

#define COUNT 1000u

static poolbuf *_Atomic ring[COUNT];
static void *volatile kept;

static void *take(void *argument) {
    (void)argument;
    for (unsigned i = 0; i < COUNT; i++) {
        poolbuf *buffer;
        while ((buffer = atomic_exchange(&ring[i], NULL)) == NULL) {
        }
        if (poolbuf_release(buffer) || !poolbuf_release(buffer)) {
            abort();
        }
    }
    return NULL;
}

static poolbuf *make(unsigned i) {
    poolbuf *buffer = poolbuf_allocate(NULL, 1000 + i % 7, 10000);
    if (buffer == NULL || poolbuf_retain(buffer) != buffer) {
        abort();
    }
    if (i % 4 == 0) {
        poolbuf *slice = poolbuf_retained_slice(buffer, 0, 10);
        if (slice == NULL || poolbuf_release(slice) != true) {
            abort();
        }
    }
    if (i % 3 == 0 && poolbuf_set_capacity(buffer, 5000) != POOLBUF_OK) {
        abort();
    }
    return buffer;
}

static poolbuf *checked(poolbuf *buffer) {
    if (buffer == NULL) {
        abort();
    }
    return buffer;
}

#define MANY 300000000u /* more than four bytes of a trace can say */

/* A buffer, a slice with references of its own, and a slice of that, released in all orders. */
static int ends(void) {
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned i = 0; i < 6; i++) {
        poolbuf *family[3];
        family[0] = checked(poolbuf_allocate(NULL, 100, 100));
        family[1] = poolbuf_retain_n(checked(poolbuf_retained_slice(family[0], 0, 50)), 2);
        family[2] = poolbuf_retain(checked(poolbuf_retained_slice(family[1], 0, 20)));
        (void)poolbuf_release(family[2]);
        (void)poolbuf_release_n(family[1], 2);
        for (unsigned j = 0; j < 3; j++) {
            (void)poolbuf_release(family[orders[i][j]]);
        }
    }
    poolbuf *many = poolbuf_retain_n(checked(poolbuf_allocate(NULL, 100, 100)), MANY);
    if (poolbuf_release_n(many, MANY) || !poolbuf_release(many)) {
        return 1;
    }
    poolbuf *buffer = checked(poolbuf_allocate(NULL, 777, 777));
    poolbuf *slice = poolbuf_retain_n(checked(poolbuf_retained_slice(buffer, 0, 50)), 6);
    return !poolbuf_release(buffer) && poolbuf_release_n(slice, 7) ? 0 : 1;
}

#define ROUNDS 30000u

static poolbuf *_Atomic theirs;
static _Atomic unsigned turn; /* how many releases the other thread has been asked for, and done */

static void *race_other(void *argument) {
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (atomic_load(&turn) != 2 * i + 1) { /* without a pause, so that the two meet */
        }
        (void)poolbuf_release(atomic_load(&theirs));
        atomic_store(&turn, 2 * i + 2);
    }
    return NULL;
}

static int race(void) {
    pthread_t other;
    if (pthread_create(&other, NULL, race_other, NULL) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        poolbuf *buffer = checked(poolbuf_allocate(NULL, 100, 100));
        poolbuf *slice = i % 3 != 0 ? checked(poolbuf_retained_slice(buffer, 0, 10)) : poolbuf_retain(buffer);
        atomic_store(&theirs, slice);
        if (i % 3 == 2) {
            (void)poolbuf_retain(slice);
        }
        atomic_store(&turn, 2 * i + 1);
        (void)poolbuf_release(i % 3 == 2 ? slice : buffer);
        while (atomic_load(&turn) != 2 * i + 2) {
            (void)sched_yield();
        }
        if (i % 3 == 2) {
            (void)poolbuf_release(buffer);
        }
    }
    return pthread_join(other, NULL);
}

int main(int argc, char **argv) {
    pthread_t taker;
    if (argc > 1 && strcmp(argv[1], "leak") != 0) {
        return strcmp(argv[1], "ends") == 0 ? ends() : race();
    }
    kept = malloc(7007);
    if (kept == NULL || pthread_create(&taker, NULL, take, NULL) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        atomic_store(&ring[i], make(i));
    }
    (void)pthread_join(taker, NULL);
    poolbuf *left = poolbuf_allocate(NULL, 77, 77);
    if (argc == 1 && left != NULL) { /* else it leaks */
        (void)poolbuf_release(left);
    }
    free(kept);
    return 0;
}
