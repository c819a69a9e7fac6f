/* The library that processes.c loads and closes. It is compiled without frame pointers. */
#include <stddef.h>

#include <poolbuf/poolbuf.h>

#define APART __attribute__((noinline))

void library_leak(void);
void library_work(void);

static poolbuf *volatile lost;
static poolbuf *volatile state;
static volatile int work;

APART static poolbuf *library_fill(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 768, 768); /* @library-fill */
    work++;
    return buffer;
}

__attribute__((visibility("default"))) void library_leak(void) {
    lost = library_fill();
    work++;
}

/* What this takes is given back, but only when the library is unloaded. */
__attribute__((visibility("default"))) void library_work(void) {
    state = library_fill();
    work++;
}

__attribute__((destructor)) static void library_end(void) {
    poolbuf *last = state;
    state = NULL;
    if (last != NULL) {
        poolbuf_release(last);
    }
}
