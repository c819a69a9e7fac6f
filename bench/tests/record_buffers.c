/* A program with buffers to be recorded, for test_record.c: one thread allocates, retains, slices and grows them, and hands
 * them to another, which releases them. Beneath them malloc is called too, in a size that nobody else asks for. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

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

int main(int argc, char **argv) {
    (void)argv;
    pthread_t taker;
    kept = malloc(7007);
    if (kept == NULL || pthread_create(&taker, NULL, take, NULL) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        atomic_store(&ring[i], make(i));
    }
    (void)pthread_join(taker, NULL);
    poolbuf *left = poolbuf_allocate(NULL, 77, 77);
    if (argc == 1 && left != NULL) { /* with an argument it leaks */
        (void)poolbuf_release(left);
    }
    free(kept);
    return 0;
}
