/* Thread-local state; see thread.h. */
#include "thread.h"

#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arithmetic.h"
#include "stack_table.h"

_Thread_local thread_state thread_own;
_Atomic uint32_t thread_lanes_used = 1;
static _Atomic uint64_t base_seed;
static _Atomic uint64_t thread_ordinal; /* how many threads got a stream since thread_seed(), or the last fork */
static uint64_t forks;                  /* that led to this process or began in it; under the locks of fork() */

static void start_stream(thread_state *self) {
    uint64_t ordinal = atomic_fetch_add_explicit(&thread_ordinal, 1, memory_order_relaxed);
    uint64_t stream = atomic_load_explicit(&base_seed, memory_order_relaxed) + ordinal * 0xd1342543de82ef95u;
    self->random = random_next(&stream);
}

/* In turn, so that the first threads have one each, and who shares one begins at another shard of it. */
static void choose_lane(thread_state *self) {
    static _Atomic uint32_t next;
    const uint32_t ordinal = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    self->lane = (uint8_t)(ordinal % THREAD_LANES + 1);
    self->shard = (uint8_t)(ordinal / THREAD_LANES % THREAD_LANE_SHARDS);
    atomic_fetch_or_explicit(&thread_lanes_used, 1u << self->lane, memory_order_acq_rel);
}

/* A signal handler may come in between, and starts it as well: so it has not started before everything is there. */
__attribute__((cold)) void thread_start(thread_state *self) {
    choose_lane(self);
    self->who.id = (uint32_t)syscall(SYS_gettid);
    self->newest_gap = self->gaps;
    start_stream(self);
    atomic_signal_fence(memory_order_release);
    self->phase = THREAD_READY;
}

__attribute__((cold)) void thread_read_name(thread_state *self) {
    char text[17] = {0};
    prctl(PR_GET_NAME, text, 0, 0, 0);
    self->who.name = name_put(text);
    self->name_uses = self->who.name != 0 ? THREAD_NAME_USES : 0; /* after this one */
}

void thread_seed(uint64_t seed) {
    atomic_store_explicit(&base_seed, seed, memory_order_relaxed);
    atomic_store_explicit(&thread_ordinal, 0, memory_order_relaxed);
    thread_state *self = &thread_own;
    if (self->phase != THREAD_NEW) {
        start_stream(self);
    }
}

void thread_before_fork(void) {
    forks++;
}

/* Siblings differ by the number of their fork, and what they fork by the seed that this gives. */
void thread_after_fork(void) {
    uint64_t stream = atomic_load_explicit(&base_seed, memory_order_relaxed) + forks * 0x9fb21c651e98df25u;
    thread_seed(random_next(&stream));
    thread_own.who.id = (uint32_t)syscall(SYS_gettid);
    thread_own.resources.left = 0;
    thread_own.buffers.left = 0;
}
