/* Stacks by libunwind's unw_backtrace(), whose per-thread cache makes a warm capture cost some 9 ns a frame.
 *
 * The library is loaded on the first capture, not at start-up: a program that never samples never pays for it. Loading
 * takes the dynamic loader's lock. A second thread must not simply wait for the first to finish: it may hold that lock
 * itself (a constructor of a library being loaded that allocates a buffer), and then both would wait forever. So it
 * waits for a bounded time, and goes without a stack after that. Once somebody has waited in vain nobody waits again: a
 * load that is stuck, or that a fork() has cut off, costs a process one such wait. */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <valgrind/valgrind.h>

#include "message.h"
#include "unwind.h"

enum {
    LOAD_WAIT_MS = 2000, /* a load takes about 0.5 ms; this is for a machine with more to run than it has cores */
    LOAD_LOOK_NS = 50000
};

typedef int backtrace_function(void **addresses, int limit);

enum load_state {
    LOAD_NOT_TRIED,
    LOAD_BUSY,
    LOAD_DONE
};

static _Atomic int load_state;
static atomic_bool waited_in_vain;
/* Both written before LOAD_DONE is released, and read after it is acquired. */
static backtrace_function *walk;
static backtrace_function *walk_unseen;

/* libunwind finds out whether an address can be read by handing it to write(). Memcheck would report each try, and its user
 * could not tell that from an error of the program. */
static int walk_under_valgrind(void **addresses, int limit) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    const int count = walk_unseen(addresses, limit);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return count;
}

static void load(void) {
    void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *symbol = library == NULL ? NULL : dlsym(library, "unw_backtrace");
    if (symbol != NULL) {
        walk = (backtrace_function *)symbol;
    } else {
        message_print("libunwind.so.8 is missing: stacks come from the slower backtrace(3); install libunwind8");
        walk = backtrace;
    }
    if (RUNNING_ON_VALGRIND) {
        walk_unseen = walk;
        walk = walk_under_valgrind;
    }
    atomic_store_explicit(&load_state, LOAD_DONE, memory_order_release);
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool loaded_slow(void) {
    int expected = LOAD_NOT_TRIED;
    if (atomic_compare_exchange_strong_explicit(&load_state, &expected, LOAD_BUSY, memory_order_acquire,
                                                memory_order_acquire)) {
        load();
        return true;
    }
    const struct timespec pause = {.tv_nsec = LOAD_LOOK_NS};
    const uint64_t deadline = now_ms() + LOAD_WAIT_MS;
    while (!atomic_load_explicit(&waited_in_vain, memory_order_relaxed)) {
        (void)nanosleep(&pause, NULL); /* not a spin: the loading thread may need this core */
        if (atomic_load_explicit(&load_state, memory_order_acquire) == LOAD_DONE) {
            return true;
        }
        if (now_ms() >= deadline) {
            atomic_store_explicit(&waited_in_vain, true, memory_order_relaxed);
        }
    }
    return false;
}

static int libunwind_capture(void **addresses, size_t limit) {
    if (atomic_load_explicit(&load_state, memory_order_acquire) != LOAD_DONE && !loaded_slow()) {
        return 0;
    }
    return walk(addresses, (int)limit); /* a tail call: one frame less to walk */
}

const unwinder unwind_libunwind = {"libunwind", libunwind_capture};
