/* Releases its buffers as late as a program can: in an atexit() handler and in a destructor. Nothing has leaked. */
#include <stdlib.h>

#include <poolbuf/poolbuf.h>

static poolbuf *for_handler, *for_destructor;

static void release_in_handler(void) {
    poolbuf_release(for_handler);
}

__attribute__((destructor)) static void release_in_destructor(void) {
    poolbuf_release(for_destructor);
}

int main(void) {
    for_handler = poolbuf_allocate(NULL, 100, 100);
    for_destructor = poolbuf_allocate(NULL, 100, 100);
    if (for_handler == NULL || for_destructor == NULL) {
        return 1;
    }
    return atexit(release_in_handler);
}
