/* Whether Valgrind is there: asked once. */
#include "poison.h"

#include <pthread.h>

bool poison_valgrind;

static void ask(void) {
    poison_valgrind = RUNNING_ON_VALGRIND != 0;
}

void poison_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, ask);
}
