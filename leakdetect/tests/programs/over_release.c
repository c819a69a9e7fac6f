/* Releases a buffer once more than it may. The library reports where it was allocated and released, and aborts. */
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

int main(void) {
    poolbuf *buffer = make();
    int failed = first_release(buffer);
    return failed + second_release(buffer);
}
