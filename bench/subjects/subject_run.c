/* What the threads of one run share: the slots, the first failure, waiting for each other. */
#include "subjects/waits.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *subject_failure_text(subject_failure failure) {
    static const char *const texts[] = {
        [SUBJECT_FINE] = "nothing failed",
        [SUBJECT_NO_MEMORY] = "out of memory: the subject had no buffer to give",
        [SUBJECT_CONTENTS_LOST] = "contents lost: a buffer did not hold what was written to it",
        [SUBJECT_STILL_LIVE] = "still alive: the subject counts live buffers after the last one was released",
        [SUBJECT_NO_THREAD] = "the system did not start a thread for a phase of fresh threads",
        [SUBJECT_UNSERVED] = "the subject is not made for this scenario",
    };
    _Static_assert(sizeof texts / sizeof texts[0] == SUBJECT_FAILURE_COUNT, "every failure has a text");
    return (unsigned)failure < SUBJECT_FAILURE_COUNT ? texts[failure] : "unknown failure";
}

bool subject_run_init(subject_run *run, uint32_t slot_count, uint32_t thread_count, uint32_t max_size) {
    memset(run, 0, sizeof *run);
    run->slot_count = slot_count;
    run->thread_count = thread_count;
    run->max_size = max_size;
    run->slots_size = (slot_count == 0 ? 1 : (size_t)slot_count) * sizeof *run->slots;
    void *mapping =
        mmap(NULL, run->slots_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    run->slots = mapping;
    for (uint32_t i = 0; i < slot_count; i++) {
        atomic_init(&run->slots[i], NULL);
    }
    return true;
}

void subject_run_fini(subject_run *run) {
    (void)munmap(run->slots, run->slots_size);
    run->slots = NULL;
}

static bool is_crowded(const subject_barrier *barrier) {
    static atomic_long processors; /* asked for once, or by each of several who ask at once */
    long count = atomic_load_explicit(&processors, memory_order_relaxed);
    if (count == 0) {
        cpu_set_t allowed;
        count = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? (long)CPU_COUNT(&allowed)
                                                                    : sysconf(_SC_NPROCESSORS_ONLN);
        atomic_store_explicit(&processors, count, memory_order_relaxed);
    }
    return (long)barrier->thread_count > count;
}

/* The last to arrive resets the count before it opens the next generation, by a release that pairs with the acquire of
 * those who wait; nobody can arrive for the next meeting before that. */
void subject_barrier_wait(subject_barrier *barrier) {
    if (barrier->thread_count < 2) {
        return;
    }
    const unsigned generation = atomic_load_explicit(&barrier->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == barrier->thread_count) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->generation, generation + 1, memory_order_release);
        if (is_crowded(barrier)) {
            (void)syscall(SYS_futex, &barrier->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
        }
        return;
    }
    unsigned turns = 0;
    while (atomic_load_explicit(&barrier->generation, memory_order_acquire) == generation) {
        if (is_crowded(barrier)) {
            (void)syscall(SYS_futex, &barrier->generation, FUTEX_WAIT_PRIVATE, generation, NULL, NULL, 0);
        } else {
            subject_pause(&turns);
        }
    }
}
