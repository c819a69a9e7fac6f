/* The ten lines of the README, which tests/readme.sh compares with this file and runs. */
#include <stdio.h>

#include <poolbuf/poolbuf.h>

int main(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 256, 4096); /* 256 bytes now, growing to 4,096 at most */
    uint32_t value = 0;
    if (buffer != NULL && poolbuf_write_u32_be(buffer, 42) == POOLBUF_OK &&
        poolbuf_read_u32_be(buffer, &value) == POOLBUF_OK) {
        printf("read %u, %zu bytes left\n", (unsigned)value, poolbuf_readable_bytes(buffer));
    }
    return buffer != NULL && poolbuf_release(buffer) ? 0 : 1; /* without the release, the next run names this program */
}
