/* Destroys an allocator while three of its buffers are alive, then ends with the buffers still there. With "late" it releases
 * them in between; with a second argument, it then loses two of the default allocator. */
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

enum {
    BUFFERS = 3
};

__attribute__((noinline)) static poolbuf *take(poolbuf_allocator *allocator) {
    poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
    if (buffer == NULL) {
        exit(1);
    }
    return buffer;
}

int main(int argc, char **argv) {
    static poolbuf *buffers[BUFFERS + 2];
    poolbuf_allocator *allocator;
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        return 1;
    }
    for (int i = 0; i < BUFFERS; i++) {
        buffers[i] = take(allocator);
    }
    if (poolbuf_allocator_destroy(allocator) != POOLBUF_ERROR_LIVE_BUFFERS) {
        return 2;
    }
    for (int i = 0; i < BUFFERS && argc > 1 && strcmp(argv[1], "late") == 0; i++) {
        poolbuf_release(buffers[i]);
    }
    for (int i = BUFFERS; i < BUFFERS + 2 && argc > 2; i++) {
        buffers[i] = poolbuf_allocate(NULL, 1024, 1024);
    }
    return 0;
}
