/* What turmoil loads and unloads: it uses the library while it is being loaded and unloaded. */
#include <poolbuf/poolbuf.h>

/* A fork may come between any two lines here, and the child's exit() runs end() in whatever state that left. */
static poolbuf *volatile buffer;

__attribute__((constructor)) static void begin(void) {
    buffer = poolbuf_allocate(NULL, 100, 100);
}

__attribute__((destructor)) static void end(void) {
    poolbuf *last = buffer;
    buffer = NULL;
    if (last != NULL) {
        poolbuf_release(last);
    }
}
