/* Unit tests of unwind_fp.c: right stacks where there are frame pointers, and no fault where there is anything else.
 *
 * The garbage is put into the register by a few instructions that then call the capture, so that no compiler's habits
 * decide what is tested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/seccomp.h>
#include <valgrind/valgrind.h>

#include "arithmetic.h"
#include "sanitizers.h"
#include "stack_table.h"
#include "unwind.h"

#define OWN_FRAME __attribute__((noinline))

enum {
    PAGE = 4096,
    ROUNDS = 20000
};

/* --- callers with frame pointers -------------------------------------------------------------------------------- */

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

OWN_FRAME static size_t deep(uintptr_t *frames, int levels) {
    size_t count = levels == 0 ? innermost(frames) : deep(frames, levels - 1);
    __asm__ volatile("" ::: "memory");
    return count;
}

static bool lies_after(uintptr_t address, uintptr_t function) {
    return address > function && address < function + 4096;
}

static size_t find_call_in(const uintptr_t *frames, size_t count, uintptr_t function) {
    size_t at = 0;
    while (at < count && !lies_after(frames[at], function)) {
        at++;
    }
    return at;
}

static int set_up(void **state) {
    (void)state;
    unwind_configure(&unwind_fp, UNWIND_FULL, STACK_MAX_FRAMES);
    return 0;
}

static bool callers_are_in_order(void) {
    uintptr_t frames[STACK_MAX_FRAMES];
    size_t count = outer(frames);
    size_t at = find_call_in(frames, count, (uintptr_t)innermost);
    return at + 2 < count && lies_after(frames[at + 1], (uintptr_t)outer) &&
           lies_after(frames[at + 2], (uintptr_t)callers_are_in_order);
}

static void the_callers_are_seen_in_order(void **state) {
    (void)state;
    assert_true(callers_are_in_order());
}

static void a_deep_stack_is_cut_at_the_limit(void **state) {
    (void)state;
    uintptr_t frames[STACK_MAX_FRAMES];
    size_t count = deep(frames, 300);
    assert_int_equal(count, STACK_MAX_FRAMES);
    for (size_t i = count - 100; i < count; i++) {
        assert_true(lies_after(frames[i], (uintptr_t)deep));
    }
}

/* --- garbage ---------------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
/* with_register(function, argument, value) calls function(argument) with the frame-pointer register set to value. */
size_t with_register(size_t (*function)(uintptr_t *), uintptr_t *frames, uintptr_t value);
__asm__(".pushsection .text\n"
        ".globl with_register\n"
        ".type with_register, @function\n"
        "with_register:\n"
        "  .cfi_startproc\n"
        "  push %rbp\n"
        "  .cfi_def_cfa_offset 16\n"
        "  .cfi_offset %rbp, -16\n"
        "  mov %rdx, %rbp\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %rdi\n"
        "  call *%rax\n"
        "  pop %rbp\n"
        "  .cfi_def_cfa_offset 8\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size with_register, .-with_register\n"
        ".popsection\n");

/* Whether a capture under that value comes back, and with the call site; *beyond is what it says lies further out. */
static bool survives(uintptr_t value, size_t *beyond) {
    uintptr_t frames[STACK_MAX_FRAMES];
    size_t count = with_register(innermost, frames, value);
    size_t at = 0;
    while (at < count && frames[at] - (uintptr_t)with_register > 32) { /* a few instructions, wherever they were put */
        at++;
    }
    *beyond = count - at - 1;
    return at < count && count <= STACK_MAX_FRAMES;
}

/* Values that lie around the stack pointer and around whatever else there is. */
static uintptr_t garbage(uint64_t *random, const void *heap) {
    const uint64_t draw = random_next(random);
    const uintptr_t near = (uintptr_t)__builtin_frame_address(0);
    const uintptr_t bases[] = {near,
                               (uintptr_t)heap,
                               (uintptr_t)pthread_self(),
                               (uintptr_t)&garbage,
                               near + ((uintptr_t)8 << 20),
                               near - ((uintptr_t)64 << 10),
                               UINTPTR_MAX,
                               0};
    const uintptr_t base = bases[draw % 8];
    const uintptr_t reach = (draw & 8) != 0 ? 512 : 1 << 20;
    const uintptr_t aligned = (draw & 16) != 0 ? ~(uintptr_t)7 : ~(uintptr_t)0;
    return (draw & 0x1e0) == 0 ? (uintptr_t)random_next(random)
                               : (base + (uintptr_t)((draw >> 16) % (2 * reach)) - reach) & aligned;
}

static int failures_under_garbage(uint64_t seed) {
    void *heap = malloc(4096);
    const int rounds = RUNNING_ON_VALGRIND ? ROUNDS / 20 : ROUNDS;
    int failures = 0;
    size_t beyond;
    for (int i = 0; i < rounds; i++) {
        failures += !survives(garbage(&seed, heap), &beyond);
    }
    free(heap);
    return failures;
}

static void garbage_in_the_register_costs_the_main_thread_its_callers_only(void **state) {
    (void)state;
    assert_int_equal(failures_under_garbage(1), 0);
}

static void *garbage_in_thread(void *argument) {
    return (void *)(uintptr_t)failures_under_garbage((uint64_t)(uintptr_t)argument);
}

static void garbage_in_the_register_is_survived_in_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, garbage_in_thread, (void *)(i + 2)), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
}

static void what_is_no_frame_is_not_followed(void **state) {
    (void)state;
    size_t beyond;
    /* The words of a frame that points at itself, at a lower one, and whose return address is data. */
    struct {
        uintptr_t caller, return_address;
    } frames[3];
    const uintptr_t code = (uintptr_t)&what_is_no_frame_is_not_followed + 1;
    void *heap = malloc(64);
    frames[0].caller = (uintptr_t)&frames[0];
    frames[0].return_address = code;
    assert_true(survives((uintptr_t)&frames[0], &beyond));
    assert_int_equal(beyond, 1);
    frames[1].caller = (uintptr_t)&frames[0];
    frames[1].return_address = code;
    assert_true(survives((uintptr_t)&frames[1], &beyond));
    assert_int_equal(beyond, 1);
    frames[2].caller = 0;
    frames[2].return_address = (uintptr_t)heap;
    assert_true(survives((uintptr_t)&frames[2], &beyond));
    assert_int_equal(beyond, 0);
    assert_true(survives(0, &beyond));
    assert_int_equal(beyond, 0);
    free(heap);
    /* A good one, but not where a compiler would put it. */
    struct {
        uintptr_t caller, return_address;
    } good = {0, code};
    _Alignas(uintptr_t) char words[sizeof good + 4];
    memcpy(words + 4, &good, sizeof good);
    assert_true(survives((uintptr_t)words + 4, &beyond));
    assert_int_equal(beyond, 0);
}

/* --- foreign stacks --------------------------------------------------------------------------------------------- */

static ucontext_t back;
static uintptr_t coroutine_value;
static bool coroutine_survived, coroutine_in_order;

static void coroutine(void) {
    size_t beyond;
    coroutine_in_order = callers_are_in_order();
    coroutine_survived = survives(coroutine_value, &beyond);
}

static void run_on(char *stack, size_t bytes, uintptr_t value) {
    ucontext_t there;
    assert_int_equal(getcontext(&there), 0);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = bytes;
    there.uc_link = &back;
    coroutine_value = value;
    coroutine_survived = coroutine_in_order = false;
    makecontext(&there, coroutine, 0);
    assert_int_equal(swapcontext(&back, &there), 0);
}

/* The second stack lies where the lower half of the first one was; above it there is nothing any more. */
static void a_coroutines_stack_is_not_remembered(void **state) {
    (void)state;
    const size_t bytes = (size_t)64 * PAGE;
    const size_t half = bytes / 2;
    char *place = mmap(NULL, bytes + (size_t)2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(place, MAP_FAILED);
    char *stack = place + PAGE;
    assert_int_equal(mprotect(stack, bytes, PROT_READ | PROT_WRITE), 0);
    run_on(stack, bytes, (uintptr_t)stack + bytes - 8);
    assert_true(coroutine_in_order);
    assert_true(coroutine_survived);
    assert_int_equal(mprotect(stack + half, half, PROT_NONE), 0);
    for (size_t offset = 0; offset < bytes; offset += 1000) {
        run_on(stack, half, (uintptr_t)stack + offset);
        assert_true(coroutine_in_order);
        assert_true(coroutine_survived);
    }
    munmap(place, bytes + (size_t)2 * PAGE);
}

static volatile sig_atomic_t handled;
static uintptr_t handler_value;

static void handler(int number) {
    (void)number;
    size_t beyond;
    handled = callers_are_in_order() && survives(handler_value, &beyond);
}

static void handlers_capture_on_their_own_stack(void **state) {
    (void)state;
    const size_t bytes = (size_t)256 << 10;
    const stack_t own = {.ss_sp = malloc(bytes), .ss_size = bytes};
    stack_t before;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    struct sigaction old;
    assert_int_equal(sigaltstack(&own, &before), 0);
    assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
    for (uintptr_t offset = 0; offset < 2 * bytes; offset += 4096 - 8) {
        handled = 0;
        handler_value = (uintptr_t)own.ss_sp + offset;
        raise(SIGUSR1);
        assert_true(handled);
    }
    sigaction(SIGUSR1, &old, NULL);
    sigaltstack(&before, NULL);
    free(own.ss_sp);
}
#endif

/* --- cost ------------------------------------------------------------------------------------------------------- */

/* In a child that the kernel kills at its first system call but write and exit. */
static void check_without_system_calls(void) {
    uintptr_t frames[STACK_MAX_FRAMES];
    (void)deep(frames, 20);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) {
        syscall(SYS_exit, 2);
    }
    size_t count = deep(frames, 20);
    count += deep(frames, 10);
    syscall(SYS_exit, count > 40 ? 0 : 1);
}

static void *warm_captures(void *argument) {
    (void)argument;
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        check_without_system_calls();
    }
    waitpid(child, &status, 0);
    return (void *)(uintptr_t)status;
}

static void warm_captures_make_no_system_call(void **state) {
    (void)state;
    pthread_t thread;
    void *status;
    if (UNDER_TSAN || RUNNING_ON_VALGRIND) {
        print_message("left out: the tool makes system calls of its own\n");
        skip();
    }
    if (WEXITSTATUS((int)(uintptr_t)warm_captures(NULL)) == 2) {
        skip(); /* no seccomp here */
    }
    assert_null(warm_captures(NULL));
    assert_int_equal(pthread_create(&thread, NULL, warm_captures, NULL), 0);
    pthread_join(thread, &status);
    assert_null(status);
}

/* --- repetitions ------------------------------------------------------------------------------------------------ */

typedef struct way {
    const uint8_t *turns; /* which function calls next, from here on; each turn is a frame */
    size_t left;
} way;

static uint32_t last_stack;
static unsigned differences;

/* Frames behind the one that returns to `caller`. */
static size_t behind(const uintptr_t *frames, size_t count, uintptr_t caller, const uintptr_t **rest) {
    size_t at = 0;
    while (at < count && frames[at] != caller) {
        at++;
    }
    *rest = frames + at;
    return count - at;
}

/* The stack that may be a repetition's beside a walk that nobody wants the stack of, which is never one. */
OWN_FRAME static void compare_with_a_fresh_walk(void) {
    const uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    uintptr_t fresh[STACK_MAX_FRAMES];
    const uintptr_t *ours = NULL;
    const uintptr_t *theirs = NULL;
    size_t depth = 0;
    for (volatile int i = 0; i < 2; i++) { /* the second one is a repetition where there can be one */
        last_stack = unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_OPENING);
        const uintptr_t *known = stack_table_get(last_stack, &depth);
        const size_t wanted = behind(fresh, unwind_capture(fresh, STACK_MAX_FRAMES), caller, &theirs);
        const size_t got = behind(known, depth, caller, &ours);
        differences += got == 0 || got != wanted || memcmp(ours, theirs, got * sizeof *ours) != 0;
    }
}

static void take(way on);

OWN_FRAME static void turn_left(way on) {
    take(on);
    __asm__ volatile("" ::: "memory");
}

/* As deep as turn_left(): where one has stood the other's frame pointers are the same. */
OWN_FRAME static void turn_right(way on) {
    __asm__ volatile("" ::: "memory");
    take(on);
    __asm__ volatile("nop" ::: "memory");
}

OWN_FRAME static void turn_wide(way on) {
    volatile char larger[96];
    larger[0] = 1;
    take(on);
    __asm__ volatile("" : : "r"(larger[0]) : "memory");
}

OWN_FRAME static void take(way on) {
    static void (*const TURNS[])(way) = {turn_left, turn_right, turn_wide};
    if (on.left == 0) {
        compare_with_a_fresh_walk();
    } else {
        TURNS[*on.turns]((way){on.turns + 1, on.left - 1});
    }
    __asm__ volatile("" ::: "memory");
}

/* Stacks that begin as the last one did and differ further out, as long or longer, and as deep in bytes or not. */
static void what_changed_since_the_last_walk_is_seen(void **state) {
    (void)state;
    uint64_t random = 31;
    uint8_t turns[10] = {0}; /* with what lies above and below, a walk of fewer frames than a memo keeps */
    differences = 0;
    const int rounds = RUNNING_ON_VALGRIND ? ROUNDS / 100 : ROUNDS / 4;
    for (int i = 0; i < rounds; i++) {
        const uint64_t draw = random_next(&random);
        const unsigned turn = (unsigned)(draw >> 32 & 7);
        turns[draw % sizeof turns] = (uint8_t)(turn == 7 ? 2 : turn & 1);
        take((way){turns, sizeof turns - (draw >> 40) % 4 / 3});
    }
    assert_int_equal(differences, 0);
}

/* Two ways with the same turns in another order are as deep in bytes: words of the stack alone tell them apart. */
static void the_order_of_callers_is_seen(void **state) {
    (void)state;
    static const uint8_t ONE[] = {0, 2, 0, 0};
    static const uint8_t OTHER[] = {0, 0, 2, 0};
    differences = 0;
    for (volatile int i = 0; i < 4; i++) {
        take((way){i % 2 == 0 ? ONE : OTHER, sizeof ONE});
    }
    const uint32_t other = last_stack;
    for (volatile int i = 0; i < 1; i++) {
        take((way){ONE, sizeof ONE});
    }
    assert_int_not_equal(last_stack, other);
    assert_int_equal(differences, 0);
}

static unsigned repetitions;

/* Of this frame, so that there are two at least. */
static __attribute__((noinline)) void recall_or_walk(unsigned reason, uint32_t limit) {
    void *frames[STACK_MAX_FRAMES];
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    const uint32_t stack = unwind_fp.recall(frame, (unwind_reason)reason, limit);
    if (stack != 0) {
        assert_int_equal(stack, 100 + reason);
        assert_int_equal(limit, 8);
        repetitions++;
    } else {
        unwind_query query = {.reason = (unwind_reason)reason, .frames = limit, .frame = frame};
        assert_true(unwind_fp.capture(frames, limit, &query) > 1);
        assert_non_null(query.remember);
        atomic_store(query.remember, query.remembered | (100 + reason));
    }
}

/* For each reason a stack of its own, which is what was said of the walk; another limit is another stack. */
static void a_repetition_names_the_stack_that_was_told(void **state) {
    (void)state;
    repetitions = 0;
    for (volatile unsigned i = 0; i < 6 * UNWIND_REASONS; i++) {
        recall_or_walk(i % UNWIND_REASONS, i < 5 * UNWIND_REASONS ? 8 : 4);
    }
    assert_int_equal(repetitions, 4 * UNWIND_REASONS);
}

/* A signal handler may walk between a walk and the word that is left of its stack. */
static void what_is_told_late_is_not_believed(void **state) {
    (void)state;
    void *frames[STACK_MAX_FRAMES];
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    unwind_query early = {.reason = UNWIND_USING, .frames = 8, .frame = frame};
    unwind_query late = early;
    (void)unwind_fp.capture(frames, 8, &early);
    for (volatile int i = 0; i < 2; i++) {
        late = (unwind_query){.reason = UNWIND_USING, .frames = 8, .frame = frame};
        (void)unwind_fp.capture(frames, 8, &late);
        atomic_store(early.remember, early.remembered | 99);
        assert_int_equal(unwind_fp.recall(frame, UNWIND_USING, 8), 0);
    }
    atomic_store(late.remember, late.remembered | 98);
    assert_int_equal(unwind_fp.recall(frame, UNWIND_USING, 8), 98);
}

/* --- said once -------------------------------------------------------------------------------------------------- */

static int capture_one(void **addresses, size_t limit, unwind_query *query) {
    (void)query;
    static char site;
    addresses[0] = &site;
    return limit < 1 ? 0 : 1;
}

static void a_stack_without_callers_is_said_once(void **state) {
    (void)state;
    static const unwinder one = {.name = "one", .capture = capture_one, .lonely = "no frame pointers here"};
    char text[512] = {0};
    int ends[2];
    uintptr_t frames[STACK_MAX_FRAMES];
    assert_int_equal(pipe(ends), 0);
    const int old = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    unwind_configure(&one, UNWIND_CALL_SITE, 8);
    size_t count = unwind_capture(frames, STACK_MAX_FRAMES); /* nothing is missing */
    unwind_configure(&one, UNWIND_FULL, 8);
    for (int i = 0; i < 3; i++) {
        count += unwind_capture(frames, STACK_MAX_FRAMES);
    }
    dup2(old, STDERR_FILENO);
    close(old);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_int_equal(count, 4);
    assert_string_equal(text, "poolbuf: no frame pointers here\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_callers_are_seen_in_order, set_up),
        cmocka_unit_test_setup(a_deep_stack_is_cut_at_the_limit, set_up),
#ifdef __x86_64__
        cmocka_unit_test_setup(garbage_in_the_register_costs_the_main_thread_its_callers_only, set_up),
        cmocka_unit_test_setup(garbage_in_the_register_is_survived_in_threads, set_up),
        cmocka_unit_test_setup(what_is_no_frame_is_not_followed, set_up),
        cmocka_unit_test_setup(a_coroutines_stack_is_not_remembered, set_up),
        cmocka_unit_test_setup(handlers_capture_on_their_own_stack, set_up),
#endif
        cmocka_unit_test_setup(what_changed_since_the_last_walk_is_seen, set_up),
        cmocka_unit_test_setup(the_order_of_callers_is_seen, set_up),
        cmocka_unit_test_setup(a_repetition_names_the_stack_that_was_told, set_up),
        cmocka_unit_test_setup(what_is_told_late_is_not_believed, set_up),
        cmocka_unit_test_setup(warm_captures_make_no_system_call, set_up),
        cmocka_unit_test(a_stack_without_callers_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
