/* Stacks by libunwind's unw_backtrace(), whose per-thread cache makes a warm capture cost some 9 ns a frame.
 *
 * The library is loaded on the first capture, not at start-up: a program that never samples never pays for it. Loading
 * takes the dynamic loader's lock. A second thread must not simply wait for the first to finish: it may hold that lock
 * itself (a constructor of a library being loaded that allocates a buffer), and then both would wait forever. So it
 * waits for a bounded time, and goes without a stack after that. */
#include <dlfcn.h>
#include <execinfo.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "message.h"
#include "unwind.h"

enum {
    LOAD_WAIT_NS = 20000000 /* a load takes about 0.5 ms; this is for a loaded machine */
};

typedef int backtrace_function(void **addresses, int limit);

enum load_state {
    LOAD_NOT_TRIED,
    LOAD_BUSY,
    LOAD_DONE
};

static _Atomic int load_state;
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

static bool loaded_slow(void) {
    int expected = LOAD_NOT_TRIED;
    if (atomic_compare_exchange_strong_explicit(&load_state, &expected, LOAD_BUSY, memory_order_acquire,
                                                memory_order_acquire)) {
        load();
        return true;
    }
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        sched_yield();
        if (atomic_load_explicit(&load_state, memory_order_acquire) == LOAD_DONE) {
            return true;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000LL + now.tv_nsec - start.tv_nsec < LOAD_WAIT_NS);
    return false;
}

static int libunwind_capture(void **addresses, size_t limit) {
    if (atomic_load_explicit(&load_state, memory_order_acquire) != LOAD_DONE && !loaded_slow()) {
        return 0;
    }
    return walk(addresses, (int)limit); /* a tail call: one frame less to walk */
}

const unwinder unwind_libunwind = {"libunwind", libunwind_capture};
