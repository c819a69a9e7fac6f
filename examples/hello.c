/* The ten lines of the README: a buffer is allocated, written, read and released. tests/ compares the two and runs it. */
#include <stdio.h>

#include <poolbuf/poolbuf.h>

int main(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 256, 4096); /* 256 bytes now, growing to 4096 at most */
    if (buffer == NULL || poolbuf_write_u32_be(buffer, 42) != POOLBUF_OK) {
        return 1;
    }
    uint32_t value = 0;
    if (poolbuf_read_u32_be(buffer, &value) == POOLBUF_OK) {
        printf("read %u, %zu bytes left\n", (unsigned)value, poolbuf_readable_bytes(buffer));
    }
    poolbuf_release(buffer); /* leave this out, and run with POOLBUF_LEAK_LEVEL=paranoid */
    return 0;
}
