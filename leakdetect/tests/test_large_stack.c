/* Tests of large_stack.c: room where a thread's stack has little, and reports that need it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/leakscope.h>
#include <poolbuf/poolbuf.h>

#include "large_stack.h"
#include "sanitizers.h"

enum {
    SMALL_BYTES = UNDER_ASAN || UNDER_TSAN ? 64 << 10 : 32 << 10, /* unoptimised code needs more than the least */
    SMALLER_BYTES = 20 << 10,
    GUARD_BYTES = 512 << 10, /* more than any frame, and what is_near() looks at */
    OWN_BYTES = 4096         /* of LARGE_STACK_ROOM: frames down to the function that is called */
};

static char here, elsewhere; /* where the stack is to be */

/* --- the switch --------------------------------------------------------------------------------------------------- */

typedef struct visit {
    pthread_t thread;
    uintptr_t frame;
    int errno_before;
    bool used;
} visit;

/* Writes to all of the room that is promised. */
__attribute__((noinline)) static void use(void *context) {
    visit *self = context;
    volatile char bytes[LARGE_STACK_ROOM - OWN_BYTES];
    self->errno_before = errno;
    for (size_t i = 0; i < sizeof bytes; i += 256) {
        bytes[i] = 1;
    }
    self->thread = pthread_self();
    self->frame = (uintptr_t)__builtin_frame_address(0);
    self->used = bytes[0] == 1;
    errno = ERANGE;
}

static bool is_near(uintptr_t frame, uintptr_t own) {
    return own > frame && own - frame < LARGE_STACK_ROOM;
}

/* Each of these returns its argument where all is well: cmocka's assertions are for the main thread. */
static void *use_room(void *wanted) {
    visit made = {.frame = 0};
    errno = EDOM;
    large_stack_run(use, &made);
    const bool good =
        made.used && pthread_equal(made.thread, pthread_self()) && made.errno_before == EDOM && errno == ERANGE;
    return good && is_near(made.frame, (uintptr_t)__builtin_frame_address(0)) == (wanted == &here) ? wanted : NULL;
}

/* On a stack of our own, as the C library may give it a larger one that it has kept. */
static void *in_thread(size_t stack_bytes, void *(*work)(void *), void *argument) {
    pthread_attr_t attributes;
    pthread_t thread;
    void *result = NULL;
    char *low = mmap(NULL, GUARD_BYTES + stack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(low != MAP_FAILED);
    assert_int_equal(mprotect(low + GUARD_BYTES, stack_bytes, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, low + GUARD_BYTES, stack_bytes), 0);
    assert_int_equal(pthread_create(&thread, &attributes, work, argument), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    (void)pthread_attr_destroy(&attributes);
    assert_int_equal(munmap(low, GUARD_BYTES + stack_bytes), 0);
    return result;
}

static void a_thread_with_room_stays_on_its_stack(void **state) {
    (void)state;
    assert_non_null(use_room(&here));
    assert_non_null(in_thread(2 * LARGE_STACK_BYTES, use_room, &here));
}

static void a_thread_without_gets_some_elsewhere(void **state) {
    (void)state;
    assert_non_null(in_thread(SMALL_BYTES, use_room, &elsewhere));
}

/* --- reports ------------------------------------------------------------------------------------------------------ */

__attribute__((noinline)) static poolbuf *make(void) {
    return poolbuf_allocate(NULL, 100, 100);
}

/* Names and lines are looked up for these; lines alone take 150 KiB of stack. */
static void *report(void *argument) {
    poolbuf *buffer = make();
    const poolbuf_status status = leakdetect_write_report("/dev/null");
    return buffer != NULL && poolbuf_release(buffer) && status == POOLBUF_OK ? argument : NULL;
}

static void *destroy_too_early(void *argument) {
    poolbuf_allocator *allocator = NULL;
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        return NULL;
    }
    poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
    const poolbuf_status status = poolbuf_allocator_destroy(allocator);
    return poolbuf_release(buffer) && status == POOLBUF_ERROR_LIVE_BUFFERS ? argument : NULL;
}

static void reports_are_made_on_small_stacks(void **state) {
    assert_non_null(in_thread(SMALL_BYTES, report, state));
    assert_non_null(in_thread(SMALL_BYTES, destroy_too_early, state));
}

/* Returns its argument if the scope says that one was left. */
static void *leave_one_in_a_scope(void *argument) {
    leakscope scope;
    leakscope_result left = {.struct_size = sizeof left};
    if (leakscope_open("small", LEAKSCOPE_STACKS, &scope) != POOLBUF_OK) {
        return NULL;
    }
    poolbuf *buffer = make();
    const poolbuf_status count = leakscope_count(scope, &left);
    const poolbuf_status status = leakscope_close(scope, &left);
    return poolbuf_release(buffer) && count == POOLBUF_OK && status == POOLBUF_ERROR_LIVE_BUFFERS && left.left == 1 &&
                   left.stacks_shown
               ? argument
               : NULL;
}

static void scopes_are_closed_on_smaller_ones(void **state) {
    assert_non_null(leave_one_in_a_scope(state)); /* what is made once is made here */
    assert_non_null(in_thread(UNDER_ASAN || UNDER_TSAN ? SMALL_BYTES : SMALLER_BYTES, leave_one_in_a_scope, state));
}

static ucontext_t main_context, coroutine;
static void *coroutine_result;

static void run_coroutine(void) {
    coroutine_result = report(&coroutine);
}

static void reports_are_made_in_coroutines(void **state) {
    (void)state;
    const size_t bytes = 4 * (size_t)SMALL_BYTES;
    char *stack = malloc(bytes);
    assert_non_null(stack);
    assert_int_equal(getcontext(&coroutine), 0);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = bytes;
    coroutine.uc_link = &main_context;
    makecontext(&coroutine, run_coroutine, 0);
    assert_int_equal(swapcontext(&main_context, &coroutine), 0);
    assert_ptr_equal(coroutine_result, &coroutine);
    free(stack);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_with_room_stays_on_its_stack), cmocka_unit_test(a_thread_without_gets_some_elsewhere),
        cmocka_unit_test(reports_are_made_on_small_stacks),      cmocka_unit_test(scopes_are_closed_on_smaller_ones),
        cmocka_unit_test(reports_are_made_in_coroutines),
    };
    if (leakdetect_set_level(LEAKDETECT_PARANOID) != POOLBUF_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
