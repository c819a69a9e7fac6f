/* A plugin that has the whole library in it. */
#include <poolbuf/poolbuf.h>

POOLBUF_API int use_and_release(void);

int use_and_release(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 100, 100);
    return buffer != NULL && poolbuf_release(buffer) ? 0 : 1;
}
