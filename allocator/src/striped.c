/* Which thread has which stripe. */
#include "striped.h"

_Thread_local uint32_t striped_own;

/* In turn, so that the first threads have one each. */
uint32_t striped_choose(void) {
    static uint32_t next; /* atomic */
    striped_own = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % STRIPES + 1;
    return striped_own;
}
