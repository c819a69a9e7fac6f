/* Releases a buffer once more than it may. The library reports where it was allocated and released, and aborts.
 *
 *   over_release            in main()
 *   over_release BYTES      in a thread with a stack of so many bytes */
#include <pthread.h>
#include <stdlib.h>

#include <poolbuf/poolbuf.h>

#define OWN_FRAME __attribute__((noinline))

OWN_FRAME static poolbuf *make(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 100, 100);
    if (buffer == NULL) {
        exit(1);
    }
    return buffer;
}

OWN_FRAME static int first_release(poolbuf *buffer) {
    return poolbuf_release(buffer) ? 0 : 1;
}

OWN_FRAME static int second_release(poolbuf *buffer) {
    return poolbuf_release(buffer) ? 0 : 2;
}

OWN_FRAME static void *offend(void *failed) {
    poolbuf *buffer = make();
    *(int *)failed += first_release(buffer);
    *(int *)failed += second_release(buffer);
    return NULL;
}

int main(int count, char **arguments) {
    int failed = 0;
    pthread_t thread;
    pthread_attr_t attributes;
    if (count == 1) {
        offend(&failed);
        return failed;
    }
    if (pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setstacksize(&attributes, strtoul(arguments[1], NULL, 10)) != 0 ||
        pthread_create(&thread, &attributes, offend, &failed) != 0 || pthread_join(thread, NULL) != 0) {
        return 3;
    }
    return failed;
}
