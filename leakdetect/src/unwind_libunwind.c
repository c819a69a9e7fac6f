/* Stacks by libunwind's unw_backtrace(), whose per-thread cache makes a warm capture cost some 9 ns a frame.
 *
 * That cache is a table of 256 KiB, which libunwind fills with blanks when a thread first calls: 90 us and 64 page
 * faults, though most threads of a program that starts one for each request are sampled a few times at most. So a
 * thread's first STEPPED_CAPTURES walk by unw_step() instead, which gives the same frames from tables that the
 * process shares: 0.5 us a frame, and no memory. After so many the steps have cost about what the cache does, so it
 * is worth having; whatever a thread does, it pays at most twice what the better way would have been.
 *
 * Where a function has no unwind information libunwind guesses, by the frame pointer; and what it has read once it reads again
 * without asking. On a thread's own stack that does no harm. From a coroutine's outermost function a guess leads to the stack of
 * whoever made the coroutine, which may be unmapped by then. So on a stack that is not the thread's own (stack_bounds.h) every
 * walk goes by steps, from functions with unwind information alone.
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
#include <ucontext.h>

#include <valgrind/valgrind.h>

#include "helper.h"
#include "stack_bounds.h"
#include "unwind.h"
#include "unwind_gate.h"

/* There in a program that was built with ThreadSanitizer. */
extern void __tsan_init(void) __attribute__((weak));

enum {
    LOAD_WAIT_MS = 2000, /* a load takes about 0.5 ms; this is for a machine with more to run than it has cores */
    LOAD_LOOK_NS = 50000,
    STEPPED_CAPTURES = 8
};

typedef int backtrace_function(void **addresses, int limit);

/* What the walk by steps needs of libunwind, whose headers we do without. The interface is fixed with the library's
 * version 8: unw_context_t is ucontext_t, unw_cursor_t 127 words, unw_proc_info_t 9 or 10, and register 16 the instruction
 * pointer. */
#ifdef __x86_64__
#define STEP_SYMBOL(name) "_ULx86_64_" name
enum {
    CURSOR_WORDS = 256,
    PROCEDURE_WORDS = 32,
    REGISTER_IP = 16
};
#endif

typedef struct step_functions {
    int (*get_context)(ucontext_t *context);
    int (*init_local)(void *cursor, ucontext_t *context);
    int (*step)(void *cursor);
    int (*get_register)(void *cursor, int number, uint64_t *value);
    int (*get_procedure)(void *cursor, uint64_t *procedure); /* its first two words: where it begins and ends */
} step_functions;

enum load_state {
    LOAD_NOT_TRIED,
    LOAD_BUSY,
    LOAD_DONE
};

static _Atomic int load_state;
static atomic_bool waited_in_vain;
/* All written before LOAD_DONE is released, and read after it is acquired. */
static backtrace_function *walk;
static backtrace_function *walk_unseen;
static step_functions steps; /* step is NULL where there is no such walk */
static bool prefers_steps;   /* for a thread's first walks */

static _Thread_local uint32_t captures; /* of this thread, up to STEPPED_CAPTURES; one more: it has a cache */

/* libunwind finds out whether an address can be read by handing it to write(). Memcheck would report each try, and
 * its user could not tell that from an error of the program. */
static int walk_under_valgrind(void **addresses, int limit) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    const int count = walk_unseen(addresses, limit);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return count;
}

#ifdef __x86_64__
/* Where there is no unwind information the procedure is one byte long, and that is no error. */
static bool is_certain(void *cursor) {
    uint64_t procedure[PROCEDURE_WORDS] = {0};
    return steps.get_procedure(cursor, procedure) == 0 && procedure[1] - procedure[0] > 1;
}

static int walk_by_steps(void **addresses, int limit, bool may_guess) {
    ucontext_t context;
    uint64_t cursor[CURSOR_WORDS];
    int count = 0;
    if (steps.get_context(&context) != 0 || steps.init_local(cursor, &context) < 0) {
        return 0;
    }
    while (count < limit && (may_guess || is_certain(cursor)) && steps.step(cursor) > 0) {
        uint64_t address = 0;
        if (steps.get_register(cursor, REGISTER_IP, &address) < 0 || address == 0) {
            break;
        }
        addresses[count++] = (void *)(uintptr_t)address; // NOLINT(performance-no-int-to-ptr)
    }
    return count;
}

static void load_steps(void *library) {
    step_functions found;
    *(void **)&found.get_context = dlsym(library, "_Ux86_64_getcontext");
    *(void **)&found.init_local = dlsym(library, STEP_SYMBOL("init_local"));
    *(void **)&found.step = dlsym(library, STEP_SYMBOL("step"));
    *(void **)&found.get_register = dlsym(library, STEP_SYMBOL("get_reg"));
    *(void **)&found.get_procedure = dlsym(library, STEP_SYMBOL("get_proc_info"));
    if (found.get_context != NULL && found.init_local != NULL && found.step != NULL && found.get_register != NULL &&
        found.get_procedure != NULL) {
        steps = found;
    }
}
#else
static int walk_by_steps(void **addresses, int limit, bool may_guess) {
    return may_guess ? walk(addresses, limit) : 0;
}

static void load_steps(void *library) {
    (void)library;
}
#endif

static void load(void) {
    void *library = helper_open("libunwind.so.8");
    void *symbol = library == NULL ? NULL : dlsym(library, "unw_backtrace");
    if (symbol != NULL) {
        walk = (backtrace_function *)symbol;
        load_steps(library);
    } else {
        helper_say_missing("libunwind.so.8", "stacks come from the slower backtrace(3)", "libunwind8");
        walk = backtrace;
    }
    if (RUNNING_ON_VALGRIND) {
        walk_unseen = walk;
        walk = walk_under_valgrind;
    }
    /* Its first steps set up what libunwind guards by a plain flag, and that is reported. */
    prefers_steps = steps.step != NULL && !RUNNING_ON_VALGRIND && __tsan_init == NULL;
    atomic_store_explicit(&load_state, LOAD_DONE, memory_order_release);
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Apart, so that libunwind_capture() needs no frame of its own. */
static __attribute__((noinline, cold)) bool loaded_slow(void) {
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

/* A thread that ends gives its cache back under a lock of libunwind's, outside of the gate: a child may have inherited it. So where
 * there were other threads, one that has no cache yet gets none, and goes on by steps. */
static __attribute__((noinline)) int first_walk(void **addresses, int limit) {
    if (prefers_steps && (captures < STEPPED_CAPTURES || atomic_load_explicit(&gate_is_child, memory_order_relaxed))) {
        captures += captures < STEPPED_CAPTURES;
        return walk_by_steps(addresses, limit, true);
    }
    captures = STEPPED_CAPTURES + 1; /* it has a cache from now on */
    return walk(addresses, limit);
}

/* 0, no stack, where steps cannot be had. */
static __attribute__((noinline)) int walk_foreign(void **addresses, int limit) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    const int count = steps.step == NULL ? 0 : walk_by_steps(addresses, limit, false);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return count;
}

static int libunwind_capture(void **addresses, size_t limit, unwind_query *query) {
    stack_bounds bounds;
    (void)query;
    if (atomic_load_explicit(&load_state, memory_order_acquire) != LOAD_DONE && !loaded_slow()) {
        return 0;
    }
    if (__builtin_expect(!stack_bounds_find(&bounds, (uintptr_t)__builtin_frame_address(0), sizeof(uintptr_t)), 0)) {
        return walk_foreign(addresses, (int)limit);
    }
    if (__builtin_expect(captures <= STEPPED_CAPTURES, 0)) {
        return first_walk(addresses, (int)limit);
    }
    return walk(addresses, (int)limit); /* a tail call: one frame less to walk */
}

const unwinder unwind_libunwind = {.name = "libunwind", .capture = libunwind_capture, .takes_locks = true};
