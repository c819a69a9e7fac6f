/* Whether Memcheck is there, asked once; and what tests say about AddressSanitizer. */
#include "poison.h"

#include <pthread.h>

#include "process/sampled.h"

SAMPLED_WORD bool poison_memcheck;
bool poison_asan_ignored;

/* Memcheck, and not just Valgrind: callgrind and the others have nothing to be told, and callgrind's counts are to be
 * those of the native paths. Only Memcheck answers this request with 1. */
static void ask(void) {
    unsigned char byte = 0;
    unsigned char bits = 0;
    poison_memcheck = VALGRIND_GET_VBITS(&byte, &bits, 1) == 1;
}

void poison_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, ask);
}
