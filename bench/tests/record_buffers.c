/* A program with buffers to be recorded, for test_record.c: one thread allocates, retains, slices and grows them, and hands
 * them to another, which releases them. Beneath them malloc is called too, in a size that nobody else asks for.
 *   leak   leaves a buffer behind
 *   ends   ends buffers in every order of their references; one of 777 bytes by 7 references at once
 *   race   two threads give back the last references of buffers and slices at the same time */
#include <pthread.h>
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

enum {
    BATCHES = 30,
    BATCH = 1000,     /* buffers */
    LOOKS_MAX = 10000 /* some 10 us: longer than a buffer takes, shorter than a scheduler's switch */
};

typedef struct pair {
    poolbuf *ours, *theirs;
    poolbuf *rest; /* what is released when both are; NULL for nothing */
} pair;

static pair pairs[BATCH];
static _Atomic unsigned reached[2]; /* the buffer of the batch that each thread is at, from 1 */
static pthread_barrier_t both;

/* Waits until the other thread is at this buffer, too, so that the two meet; but not until a thread that has no processor gets
 * one again: on a busy machine that is milliseconds, 30,000 times. */
static void meet(unsigned self, unsigned at) {
    atomic_store(&reached[self], at);
    for (unsigned looks = 0; looks < LOOKS_MAX && atomic_load(&reached[1 - self]) < at; looks++) {
    }
}

static void *race_other(void *argument) {
    (void)argument;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        (void)pthread_barrier_wait(&both);
        for (unsigned i = 0; i < BATCH; i++) {
            meet(1, i + 1);
            (void)poolbuf_release(pairs[i].theirs);
        }
        (void)pthread_barrier_wait(&both);
    }
    return NULL;
}

static pair make_pair(unsigned i) {
    poolbuf *buffer = checked(poolbuf_allocate(NULL, 100, 100));
    poolbuf *slice = i % 3 != 0 ? checked(poolbuf_retained_slice(buffer, 0, 10)) : poolbuf_retain(buffer);
    if (i % 3 != 2) {
        return (pair){.ours = buffer, .theirs = slice};
    }
    return (pair){.ours = poolbuf_retain(slice), .theirs = slice, .rest = buffer};
}

static int race(void) {
    pthread_t other;
    if (pthread_barrier_init(&both, NULL, 2) != 0 || pthread_create(&other, NULL, race_other, NULL) != 0) {
        return 1;
    }
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < BATCH; i++) {
            pairs[i] = make_pair(i + batch * BATCH);
        }
        atomic_store(&reached[0], 0);
        atomic_store(&reached[1], 0);
        (void)pthread_barrier_wait(&both);
        for (unsigned i = 0; i < BATCH; i++) {
            meet(0, i + 1);
            (void)poolbuf_release(pairs[i].ours);
        }
        (void)pthread_barrier_wait(&both);
        for (unsigned i = 0; i < BATCH; i++) {
            if (pairs[i].rest != NULL) {
                (void)poolbuf_release(pairs[i].rest);
            }
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
