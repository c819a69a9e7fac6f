/* What instructions.sh counts: so many turns of `pair` or `trim` (allocate, release) or `bulk` (32 allocated, 32 released). */
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

#define BULK 32u

static int take_turns(bool bulk, unsigned long turns) {
    poolbuf *buffers[BULK];
    for (unsigned long i = 0; i < turns; i++) {
        if (bulk) {
            if (poolbuf_allocate_many(NULL, 256, 256, buffers, BULK) != BULK ||
                poolbuf_release_many(buffers, BULK) != BULK) {
                return 1;
            }
        } else {
            buffers[0] = poolbuf_allocate(NULL, 256, 256);
            if (buffers[0] == NULL || !poolbuf_release(buffers[0])) {
                return 1;
            }
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    return argc == 3 ? take_turns(strcmp(argv[1], "bulk") == 0, strtoul(argv[2], NULL, 10)) : 2;
}
