/* Helpers that the compiler has put into their callers: the report must tell them apart all the same.
 *
 *     inlined [TIMES] */
#include <stdlib.h>

#include <poolbuf/poolbuf.h>

#define MERGED __attribute__((always_inline)) static inline

static poolbuf *volatile lost;
static volatile int work;

MERGED void fetch(size_t size) {
    lost = poolbuf_allocate(NULL, size, size); /* @fetch */
    work++;
}

MERGED void fetch_small(void) {
    fetch(100); /* @fetch-small */
    work += 2;  /* or the compiler would make one call of the two */
}

MERGED void fetch_large(void) {
    fetch(1000); /* @fetch-large */
}

__attribute__((noinline)) static void serve(int number) {
    if (number % 3 == 0) {
        fetch_large();
    } else {
        fetch_small();
    }
    work++;
}

int main(int count, char **arguments) {
    long times = count > 1 ? strtol(arguments[1], NULL, 10) : 1;
    for (long i = 0; i < times; i++) {
        for (int j = 0; j < 6; j++) {
            serve(j);
        }
    }
    return 0;
}
