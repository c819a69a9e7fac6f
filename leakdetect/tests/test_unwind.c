/* Unit tests of unwind.c and unwind_libunwind.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "stack_table.h"
#include "unwind.h"

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
    assert_int_equal(unwind_capture_stack(STACK_MAX_FRAMES), 0);
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

static void libunwind_sees_the_callers_in_order(void **state) {
    (void)state;
    uintptr_t frames[STACK_MAX_FRAMES];
    unwind_configure(&unwind_libunwind, UNWIND_FULL, 64);
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
    (void)state;
    pthread_t threads[4];
    unwind_configure(&unwind_libunwind, UNWIND_FULL, 64);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, capture_in_thread, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *least;
        pthread_join(threads[i], &least);
        assert_true((uintptr_t)least >= 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fake_unwinder_returns_what_it_was_told),
        cmocka_unit_test(depth_is_what_was_configured_or_asked_for),
        cmocka_unit_test(no_stack_has_id_zero),
        cmocka_unit_test(libunwind_sees_the_callers_in_order),
        cmocka_unit_test(loading_libunwind_leaves_the_programs_unwinder_alone),
        cmocka_unit_test(threads_capture_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
