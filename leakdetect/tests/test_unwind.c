/* Unit tests of unwind.c, unwind_libunwind.c and, where it must do the same, unwind_cfi.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "stack_table.h"
#include "unwind.h"

/* A sanitizer's shadow memory has page faults of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

#define OWN_FRAME __attribute__((noinline))

static void the_fake_unwinder_returns_what_it_was_told(void **state) {
    (void)state;
    const uintptr_t canned[] = {0x1000, 0x2000, 0x3000};
    uintptr_t frames[STACK_MAX_FRAMES];
    unwind_configure(&unwind_fake, UNWIND_FULL, 32);
    unwind_fake_set(canned, 3);
    assert_int_equal(unwind_capture(frames, STACK_MAX_FRAMES), 3);
    assert_memory_equal(frames, canned, sizeof canned);
}

static void depth_is_what_was_configured_or_asked_for(void **state) {
    (void)state;
    uintptr_t canned[100];
    uintptr_t frames[STACK_MAX_FRAMES];
    for (size_t i = 0; i < 100; i++) {
        canned[i] = 0x1000 + i;
    }
    unwind_fake_set(canned, 100);
    unwind_configure(&unwind_fake, UNWIND_FULL, 20);
    assert_int_equal(unwind_capture(frames, STACK_MAX_FRAMES), 20);
    assert_int_equal(unwind_capture(frames, 8), 8);
    unwind_configure(&unwind_fake, UNWIND_CALL_SITE, 20);
    assert_int_equal(unwind_capture(frames, STACK_MAX_FRAMES), 1);
    unwind_configure(&unwind_fake, UNWIND_FULL, 100000);
    assert_int_equal(unwind_capture(frames, STACK_MAX_FRAMES), 100);
}

static void no_stack_has_id_zero(void **state) {
    (void)state;
    unwind_configure(&unwind_fake, UNWIND_FULL, 20);
    unwind_fake_set(NULL, 0);
    assert_int_equal(unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_OPENING), 0);
}

/* Whether the frames are, from the inside out, return addresses into the functions that called. */
OWN_FRAME static size_t innermost(uintptr_t *frames) {
    size_t count = unwind_capture(frames, STACK_MAX_FRAMES);
    __asm__ volatile("" ::: "memory");
    return count;
}

OWN_FRAME static size_t outer(uintptr_t *frames) {
    size_t count = innermost(frames);
    __asm__ volatile("" ::: "memory");
    return count;
}

static bool lies_after(uintptr_t address, uintptr_t function) {
    return address > function && address < function + 4096;
}

static void the_callers_are_seen_in_order(void **state) {
    uintptr_t frames[STACK_MAX_FRAMES];
    unwind_configure(*(const unwinder **)*state, UNWIND_FULL, 64);
    size_t count = outer(frames);
    size_t inner_at = 0;
    while (inner_at < count && !lies_after(frames[inner_at], (uintptr_t)innermost)) {
        inner_at++;
    }
    assert_true(inner_at + 1 < count);
    assert_true(lies_after(frames[inner_at + 1], (uintptr_t)outer));
}

static void loading_libunwind_leaves_the_programs_unwinder_alone(void **state) {
    (void)state;
    Dl_info info;
    uintptr_t frames[STACK_MAX_FRAMES];
    unwind_configure(&unwind_libunwind, UNWIND_FULL, 8);
    assert_true(outer(frames) > 0);
    void *symbol = dlsym(RTLD_DEFAULT, "_Unwind_Backtrace");
    if (symbol != NULL && dladdr(symbol, &info) != 0) {
        assert_null(strstr(info.dli_fname, "libunwind"));
    }
    assert_null(dlsym(RTLD_DEFAULT, "unw_backtrace"));
}

static void *capture_in_thread(void *argument) {
    (void)argument;
    uintptr_t frames[STACK_MAX_FRAMES];
    size_t least = SIZE_MAX;
    for (int i = 0; i < 200; i++) {
        size_t count = outer(frames);
        least = count < least ? count : least;
    }
    return (void *)(uintptr_t)least;
}

static void threads_capture_at_once(void **state) {
    pthread_t threads[4];
    unwind_configure(*(const unwinder **)*state, UNWIND_FULL, 64);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, capture_in_thread, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *least;
        pthread_join(threads[i], &least);
        assert_true((uintptr_t)least >= 3);
    }
}

/* The walk by steps and the one by libunwind's cache, which takes over after some captures of a thread, agree; and the
 * thread pays for that cache, which is 64 pages, only then. */
enum {
    CAPTURES = 100
};

typedef struct first_captures {
    uintptr_t frames[CAPTURES][STACK_MAX_FRAMES];
    size_t counts[CAPTURES];
    long faults[CAPTURES];
} first_captures;

static size_t place_of_innermost(const uintptr_t *frames, size_t count) {
    size_t at = 0;
    while (at < count && !lies_after(frames[at], (uintptr_t)innermost)) {
        at++;
    }
    return at;
}

static long faults_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

static void *capture_often(void *argument) {
    first_captures *into = argument;
    memset(into, 1, sizeof *into); /* its pages are not what is counted */
    for (int i = 0; i < CAPTURES; i++) {
        long before = faults_now();
        into->counts[i] = outer(into->frames[i]);
        into->faults[i] = faults_now() - before;
    }
    return NULL;
}

static void a_threads_first_captures_are_as_deep_and_take_little_memory(void **state) {
    (void)state;
    static first_captures found;
    pthread_t thread;
    uintptr_t frames[STACK_MAX_FRAMES];
    unwind_configure(&unwind_libunwind, UNWIND_FULL, 64);
    for (int i = 0; i < 2; i++) { /* the first thread takes the library's pages in */
        assert_true(outer(frames) > 0);
        assert_int_equal(pthread_create(&thread, NULL, capture_often, &found), 0);
        pthread_join(thread, NULL);
    }
    const size_t first_at = place_of_innermost(found.frames[0], found.counts[0]);
    const size_t depth = found.counts[0] - first_at;
    assert_true(depth > 2);
    for (int i = 1; i < CAPTURES; i++) {
        const size_t at = place_of_innermost(found.frames[i], found.counts[i]);
        assert_int_equal(found.counts[i] - at, depth);
        assert_memory_equal(found.frames[i] + at, found.frames[0] + first_at, depth * sizeof(uintptr_t));
    }
    long most = 0;
    for (int i = 0; i < CAPTURES; i++) {
        most = found.faults[i] > most ? found.faults[i] : most;
    }
    print_message("page faults of a thread's first capture: %ld, of the worst one: %ld\n", found.faults[0], most);
#ifdef __x86_64__
    if (!RUNNING_ON_VALGRIND && !UNDER_SANITIZER) {
        assert_true(found.faults[0] < 8); /* 32 KiB */
    }
#endif
}

static atomic_bool stop;

static void *capture_in_new_threads(void *argument) {
    while (!atomic_load(&stop)) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, capture_in_thread, argument) == 0) {
            pthread_join(thread, NULL);
        }
    }
    return NULL;
}

/* Returns the child's status, or -1 if it had to be killed: one that waits for libunwind's lock has all signals
 * blocked. */
static int wait_or_kill(pid_t child) {
    const struct timespec pause = {.tv_nsec = 1000000};
    int status = -1;
    for (int i = 0; i < 10000; i++) {
        if (waitpid(child, &status, WNOHANG) == child) {
            return status;
        }
        nanosleep(&pause, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

/* Other threads are in the midst of first captures all the time. */
static void a_forked_child_captures_whatever_other_threads_did(void **state) {
    pthread_t threads[2];
    uintptr_t frames[STACK_MAX_FRAMES];
    unwind_configure(*(const unwinder **)*state, UNWIND_FULL, 64);
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, capture_in_new_threads, NULL), 0);
    }
    const int forks = RUNNING_ON_VALGRIND ? 25 : 100; /* the others see to the threads, Memcheck to the memory */
    for (int i = 0; i < forks; i++) {
        unwind_fork_prepare(); /* what the detector does around every fork */
        pid_t child = fork();
        if (child == 0) {
            unwind_fork_child();
            _exit(outer(frames) >= 3 && capture_in_thread(NULL) != NULL ? 0 : 1);
        }
        unwind_fork_parent();
        assert_int_equal(wait_or_kill(child), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* What cmocka hands to a test is not const. */
static const unwinder *by_libunwind = &unwind_libunwind;
static const unwinder *by_cfi = &unwind_cfi;

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fake_unwinder_returns_what_it_was_told),
        cmocka_unit_test(depth_is_what_was_configured_or_asked_for),
        cmocka_unit_test(no_stack_has_id_zero),
        cmocka_unit_test_prestate(the_callers_are_seen_in_order, &by_libunwind),
        cmocka_unit_test_prestate(the_callers_are_seen_in_order, &by_cfi),
        cmocka_unit_test(loading_libunwind_leaves_the_programs_unwinder_alone),
        cmocka_unit_test_prestate(threads_capture_at_once, &by_libunwind),
        cmocka_unit_test_prestate(threads_capture_at_once, &by_cfi),
        cmocka_unit_test(a_threads_first_captures_are_as_deep_and_take_little_memory),
        cmocka_unit_test_prestate(a_forked_child_captures_whatever_other_threads_did, &by_libunwind),
        cmocka_unit_test_prestate(a_forked_child_captures_whatever_other_threads_did, &by_cfi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
