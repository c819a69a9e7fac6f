/* Two scopes that leave something: one that keeps stacks, one that does so if POOLBUF_LEAK_SCOPE_STACKS says so. */
#include <stdio.h>

#include <poolbuf/leakscope.h>
#include <poolbuf/poolbuf.h>

__attribute__((noinline)) static size_t lose(size_t size) {
    poolbuf *buffer = poolbuf_allocate(NULL, size, size);
    return buffer == NULL ? 0 : poolbuf_capacity(buffer);
}

static int leave(const char *name, unsigned flags, size_t size, int times) {
    leakscope scope;
    leakscope_result left = {.struct_size = sizeof left};
    char text[LEAKSCOPE_TEXT_BYTES];
    if (leakscope_open(name, flags, &scope) != POOLBUF_OK) {
        return 1;
    }
    for (int i = 0; i < times; i++) {
        if (lose(size) != size) {
            return 1;
        }
    }
    if (leakscope_close(scope, &left) != POOLBUF_ERROR_LIVE_BUFFERS) {
        return 1;
    }
    puts(leakscope_describe(&left, text, sizeof text));
    return 0;
}

int main(void) {
    return leave("shown", LEAKSCOPE_STACKS, 300, 3) + leave("plain", 0, 500, 1);
}
