/* Where a lock's word is not free: sleeping and waking; see shard_lock.h. */
#include "shard_lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The one who gets it leaves AWAITED behind, since there may be others: the worst of it is one wake for nobody. The
 * sleep has an end, for a wake may be missed: see shard_lock_give(). */
void shard_lock_wait(shard_lock *self) {
    const int saved_errno = errno;
    const struct timespec most = {.tv_nsec = SHARD_LOCK_SLEEP_NS};
    while (atomic_exchange_explicit(&self->word, SHARD_LOCK_AWAITED, memory_order_acquire) != SHARD_LOCK_FREE) {
        (void)syscall(SYS_futex, &self->word, FUTEX_WAIT_PRIVATE, SHARD_LOCK_AWAITED, &most);
    }
    errno = saved_errno;
}

void shard_lock_wake(shard_lock *self) {
    const int saved_errno = errno;
    (void)syscall(SYS_futex, &self->word, FUTEX_WAKE_PRIVATE, 1);
    errno = saved_errno;
}
