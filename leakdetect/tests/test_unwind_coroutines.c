/* Tests of all walkers on the stacks of coroutines that outlive who made them: a walk that goes on beyond the outermost
 * function, by the frame pointer that it began with, comes to memory which is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <valgrind/valgrind.h>

#include "stack_table.h"
#include "unwind.h"

enum {
    STACK_BYTES = 256 << 10,
    STACK_BYTES_VALGRIND = 4 << 20, /* so far apart that Memcheck takes them for several */
    FEW = 1,                        /* all by steps, where it is libunwind's walk */
    MANY = 12                       /* more than those for which its cache does not pay */
};

#define OWN_FRAME __attribute__((noinline))

typedef struct coroutines {
    char *stacks; /* of the second one, of the first one, and, for a thread, its own */
    ucontext_t back, first, second;
    unsigned captured, in_handler;
} coroutines;

static coroutines of_test;
static size_t stack_bytes;
static bool by_handler;
static unsigned captures; /* in a row */

OWN_FRAME static void capture(void) {
    uintptr_t frames[STACK_MAX_FRAMES];
    of_test.captured += unwind_capture(frames, STACK_MAX_FRAMES) > 0;
}

static void handler(int number) {
    (void)number;
    of_test.in_handler++;
    capture();
}

OWN_FRAME static void capture_often(void) {
    for (unsigned i = 0; i < captures; i++) {
        if (by_handler) {
            (void)raise(SIGUSR1);
        } else {
            capture();
        }
    }
}

OWN_FRAME static void prepare(ucontext_t *which, char *stack, void (*function)(void)) {
    (void)getcontext(which); /* benign: it cannot fail */
    which->uc_stack.ss_sp = stack;
    which->uc_stack.ss_size = stack_bytes;
    which->uc_link = &of_test.back;
    makecontext(which, function, 0);
}

static void be_second(void) {
    capture_often();
    (void)swapcontext(&of_test.second, &of_test.back);
    capture_often();
}

/* The frame pointer in the new context is that of a frame on this stack. */
static void be_first(void) {
    capture_often();
    prepare(&of_test.second, of_test.stacks, be_second);
}

/* The first one makes the second and ends; the second one captures with the first one's stack and without it. */
static void *play(void *unused) {
    void *addresses[1];
    (void)unwind_libunwind.capture(addresses, 1, NULL); /* its own data are allocated outside of handlers */
    capture_often();
    prepare(&of_test.first, of_test.stacks + stack_bytes, be_first);
    (void)swapcontext(&of_test.back, &of_test.first);
    (void)swapcontext(&of_test.back, &of_test.second);
    munmap(of_test.stacks + stack_bytes, stack_bytes);
    (void)swapcontext(&of_test.back, &of_test.second);
    return unused;
}

static void map_stacks(const unwinder *by, size_t count) {
    of_test = (coroutines){0};
    stack_bytes = RUNNING_ON_VALGRIND ? STACK_BYTES_VALGRIND : STACK_BYTES;
    of_test.stacks =
        mmap(NULL, count * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(of_test.stacks, MAP_FAILED);
    unwind_configure(by, UNWIND_FULL, STACK_MAX_FRAMES);
}

static void expect_all_captured(void) {
    assert_int_equal(of_test.captured, 4 * captures);
    assert_int_equal(of_test.in_handler, by_handler ? 4 * captures : 0);
}

static void play_in_thread(const pthread_attr_t *attributes) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, attributes, play, NULL), 0);
    pthread_join(thread, NULL);
}

static void a_coroutine_outlives_who_made_it(void **state) {
    map_stacks(*(const unwinder **)*state, 2);
    play_in_thread(NULL);
    munmap(of_test.stacks, stack_bytes);
    expect_all_captured();
}

static void so_does_one_right_below_a_threads_stack(void **state) {
    pthread_attr_t attributes;
    map_stacks(*(const unwinder **)*state, 3);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, of_test.stacks + 2 * stack_bytes, stack_bytes), 0);
    play_in_thread(&attributes);
    pthread_attr_destroy(&attributes);
    munmap(of_test.stacks, stack_bytes);
    munmap(of_test.stacks + 2 * stack_bytes, stack_bytes);
    expect_all_captured();
}

static int few(void **state) {
    (void)state;
    captures = FEW;
    by_handler = false;
    return 0;
}

static int many(void **state) {
    (void)state;
    captures = MANY;
    by_handler = false;
    return 0;
}

static int few_in_handlers(void **state) {
    const struct sigaction how = {.sa_handler = handler};
    (void)few(state);
    by_handler = true;
    return sigaction(SIGUSR1, &how, NULL);
}

static int many_in_handlers(void **state) {
    (void)few_in_handlers(state);
    captures = MANY;
    return 0;
}

/* What cmocka hands to a test is not const. */
static const unwinder *by_fp = &unwind_fp;
static const unwinder *by_cfi = &unwind_cfi;
static const unwinder *by_libunwind = &unwind_libunwind;

#define CASE(function, how, walker)                                                                                    \
    {                                                                                                                  \
        .name = #function ", " #how ", " #walker, .test_func = (function), .setup_func = (how),                        \
        .initial_state = &(walker)                                                                                     \
    }

/* Right below a thread's stack a coroutine's counts as a part of that (stack_bounds.h), and libunwind may guess on it. */
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_coroutine_outlives_who_made_it, few, by_fp),
        CASE(a_coroutine_outlives_who_made_it, many, by_fp),
        CASE(a_coroutine_outlives_who_made_it, few_in_handlers, by_fp),
        CASE(a_coroutine_outlives_who_made_it, many_in_handlers, by_fp),
        CASE(a_coroutine_outlives_who_made_it, few, by_cfi),
        CASE(a_coroutine_outlives_who_made_it, many, by_cfi),
        CASE(a_coroutine_outlives_who_made_it, few_in_handlers, by_cfi),
        CASE(a_coroutine_outlives_who_made_it, many_in_handlers, by_cfi),
        CASE(a_coroutine_outlives_who_made_it, few, by_libunwind),
        CASE(a_coroutine_outlives_who_made_it, many, by_libunwind),
        CASE(a_coroutine_outlives_who_made_it, few_in_handlers, by_libunwind),
        CASE(a_coroutine_outlives_who_made_it, many_in_handlers, by_libunwind),
        CASE(so_does_one_right_below_a_threads_stack, few, by_fp),
        CASE(so_does_one_right_below_a_threads_stack, many, by_fp),
        CASE(so_does_one_right_below_a_threads_stack, few_in_handlers, by_fp),
        CASE(so_does_one_right_below_a_threads_stack, few, by_cfi),
        CASE(so_does_one_right_below_a_threads_stack, many, by_cfi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
