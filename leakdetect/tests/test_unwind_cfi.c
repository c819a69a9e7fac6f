/* Unit tests of unwind_cfi.c: frame for frame what libunwind sees, in functions of every kind; no fault and no invented
 * frame where information is wrong; and no rule of a library that has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
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
#include "stack_paths.h"
#include "stack_table.h"
#include "unwind.h"
#include "unwind_cfi.h"

enum {
    PAGE = 4096
};

static void every_kind_of_function_is_crossed(void **state) {
    (void)state;
    for (int i = 0; i < KINDS; i++) {
        const uint8_t kind = (uint8_t)i;
        go_on((path){&kind, 1, compare_here});
        assert_same(4);
    }
}

static void stacks_at_random_are_what_libunwind_sees(void **state) {
    (void)state;
    uint64_t random = 21;
    const int rounds = RUNNING_ON_VALGRIND ? RANDOM_ROUNDS / 20 : RANDOM_ROUNDS;
    for (int i = 0; i < rounds; i++) {
        uint8_t kinds[20];
        const size_t depth = random_next(&random) % sizeof kinds;
        for (size_t k = 0; k < depth; k++) {
            kinds[k] = (uint8_t)((random_next(&random) >> 20) % KINDS);
        }
        go_on((path){kinds, depth, compare_here});
        assert_same((int)depth);
    }
}

static void a_deep_stack_is_cut_at_the_limit(void **state) {
    (void)state;
    uint8_t kinds[200] = {0};
    go_on((path){kinds, sizeof kinds, compare_here});
    assert_same(STACK_MAX_FRAMES);
}

static jmp_buf escape;

OWN_FRAME __attribute__((noreturn)) static void compare_and_escape(void) {
    compare_here();
    longjmp(escape, 1);
}

/* The return address of its last instruction belongs to the next function. */
OWN_FRAME __attribute__((noreturn)) static void ends_in_a_call(void) {
    compare_and_escape();
}

static void a_call_that_never_returns_is_crossed(void **state) {
    (void)state;
    if (setjmp(escape) == 0) {
        ends_in_a_call();
    }
    assert_same(4);
}

static int look_for(const void *key, const void *element) {
    (void)key;
    (void)element;
    compare_here();
    return 0;
}

static void callbacks_of_the_c_library_are_crossed(void **state) {
    (void)state;
    char element = 1;
    assert_ptr_equal(bsearch(&element, &element, 1, 1, look_for), &element);
    assert_same(4);
}

static void *compare_in_thread(void *argument) {
    go_on((path){argument, 3, compare_here});
    return NULL;
}

static void a_threads_stack_ends_at_its_beginning(void **state) {
    (void)state;
    uint8_t kinds[3] = {0, 2, 7};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, compare_in_thread, kinds), 0);
    pthread_join(thread, NULL);
    assert_same(6);
}

/* --- hand-written functions -------------------------------------------------------------------------------------- */

#ifdef __x86_64__
/* call_described(function), call_silently(function): the same code, with call frame information and without;
 * outermost(): is never called, and has no caller;
 * call_lying(function, value): the information says that the frame pointer leads to the frame, and it is `value`. */
void call_described(action *function);
void call_silently(action *function);
void outermost(void);
void call_lying(action *function, uintptr_t value);
__asm__(".pushsection .text\n"
        ".globl call_described, call_silently, call_lying, outermost\n"
        ".type outermost, @function\n"
        "outermost:\n"
        "  .cfi_startproc\n"
        "  .cfi_undefined %rip\n"
        "  nop\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size outermost, .-outermost\n"
        ".type call_described, @function\n"
        "call_described:\n"
        "  .cfi_startproc\n"
        "  push %rbx\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  sub $0x120, %rsp\n"
        "  .cfi_adjust_cfa_offset 0x120\n"
        "  call *%rdi\n"
        "  add $0x120, %rsp\n"
        "  .cfi_adjust_cfa_offset -0x120\n"
        "  pop %rbx\n"
        "  .cfi_adjust_cfa_offset -8\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size call_described, .-call_described\n"
        ".type call_silently, @function\n"
        "call_silently:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  call *%rdi\n"
        "  pop %rbp\n"
        "  ret\n"
        ".size call_silently, .-call_silently\n"
        ".type call_lying, @function\n"
        "call_lying:\n"
        "  .cfi_startproc\n"
        "  push %rbp\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  .cfi_rel_offset %rbp, 0\n"
        "  mov %rsi, %rbp\n"
        "  .cfi_def_cfa_register %rbp\n"
        "  call *%rdi\n"
        "  pop %rbp\n"
        "  .cfi_def_cfa %rsp, 8\n"
        "  .cfi_restore %rbp\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size call_lying, .-call_lying\n"
        ".popsection\n");

/* Functions of 24,000 calls each, one of which is made: in frames of two words, and of six. */
enum {
    SITES = 24000,
    SITE_BYTES = 8,
    SITES_AT = 16, /* from the function's beginning */
    CALL_BYTES = 2
};

void call_small_site(action *function, uintptr_t site_offset);
void call_large_site(action *function, uintptr_t site_offset);
#define CALL_SITES(name, bytes)                                                                                        \
    ".globl " name "\n"                                                                                                \
    ".type " name ", @function\n"                                                                                      \
    ".balign 16\n" name ":\n"                                                                                          \
    "  .cfi_startproc\n"                                                                                               \
    "  sub $" bytes ", %rsp\n"                                                                                         \
    "  .cfi_adjust_cfa_offset " bytes "\n"                                                                             \
    "  lea 1f(%rip), %rax\n"                                                                                           \
    "  add %rsi, %rax\n"                                                                                               \
    "  jmp *%rax\n"                                                                                                    \
    "  .balign 8\n"                                                                                                    \
    "1:\n"                                                                                                             \
    "  .rept 24000\n"                                                                                                  \
    "  call *%rdi\n"                                                                                                   \
    "  jmp 2f\n"                                                                                                       \
    "  .balign 8\n"                                                                                                    \
    "  .endr\n"                                                                                                        \
    "2:\n"                                                                                                             \
    "  add $" bytes ", %rsp\n"                                                                                         \
    "  .cfi_adjust_cfa_offset -" bytes "\n"                                                                            \
    "  ret\n"                                                                                                          \
    "  .cfi_endproc\n"                                                                                                 \
    ".size " name ", .-" name "\n"
__asm__(".pushsection .text\n" CALL_SITES("call_small_site", "8") CALL_SITES("call_large_site", "40") ".popsection\n");

OWN_FRAME static void capture_lightly(void) {
    found.depth = unwind_cfi.capture(found.frames, 8, NULL);
}

OWN_FRAME static void call_site(void (*call)(action *, uintptr_t), uintptr_t site) {
    call(capture_lightly, site);
    __asm__ volatile("" ::: "memory");
}

/* Three times as many addresses as the table has places. Frames: capture_lightly's, the site's, call_site's, that of
 * this function, in which a compiler may make several calls of one, and those beyond. */
static void what_the_table_has_no_room_for_is_found_again(void **state) {
    (void)state;
    uint64_t random = 24;
    void *beyond[2][4];
    const int rounds = RUNNING_ON_VALGRIND ? 5000 : 4 * SITES;
    for (int i = 0; i < rounds; i++) {
        const uintptr_t site = random_next(&random) % SITES * SITE_BYTES;
        const size_t large = random_next(&random) >> 32 & 1;
        found.depth = 0;
        call_site(large ? call_large_site : call_small_site, site);
        assert_int_equal(found.depth, 8);
        const uintptr_t function = large ? (uintptr_t)call_large_site : (uintptr_t)call_small_site;
        assert_int_equal((uintptr_t)found.frames[1], function + SITES_AT + site + CALL_BYTES);
        if (i == 0) {
            memcpy(beyond[0], found.frames + 4, sizeof beyond[0]);
        }
        memcpy(beyond[1], found.frames + 4, sizeof beyond[1]);
        assert_memory_equal(beyond[1], beyond[0], sizeof beyond[0]);
    }
}

static void a_hand_written_function_that_is_described_is_crossed(void **state) {
    (void)state;
    call_described(compare_here);
    assert_same(4);
}

static uintptr_t stack_found[STACK_MAX_FRAMES];
static size_t stack_found_depth;

OWN_FRAME static void capture_here(void) {
    stack_found_depth = unwind_capture(stack_found, STACK_MAX_FRAMES);
    __asm__ volatile("" ::: "memory");
}

static bool is_seen(uintptr_t function, size_t bytes) {
    size_t at = 0;
    while (at < stack_found_depth && stack_found[at] - function >= bytes) {
        at++;
    }
    return at < stack_found_depth;
}

static void one_that_is_not_is_left_to_libunwind(void **state) {
    (void)state;
    const uint64_t before = unwind_left_behind();
    call_silently(compare_here);
    assert_int_equal(found.depth, UNWIND_CANNOT);
    call_silently(capture_here);
    assert_int_equal(unwind_left_behind(), before + 1);
    assert_true(is_seen((uintptr_t)call_silently, 16));
}

static comparison lied;

OWN_FRAME static void capture_lied(void) {
    lied.depth = unwind_cfi.capture(lied.frames, STACK_MAX_FRAMES, NULL);
}

/* Libunwind is not asked: it reads what such information leads to. */
static void wrong_information_costs_the_stack_only(void **state) {
    (void)state;
    uint64_t random = 22;
    void *heap = malloc(PAGE);
    const int rounds = RUNNING_ON_VALGRIND ? 500 : 20000;
    for (int i = 0; i < rounds; i++) {
        const uintptr_t near = (uintptr_t)__builtin_frame_address(0);
        const uint64_t draw = random_next(&random);
        const uintptr_t bases[] = {
            near, (uintptr_t)heap, (uintptr_t)pthread_self(), near + ((uintptr_t)8 << 20), near - PAGE,
            0,    UINTPTR_MAX,     (uintptr_t)&capture_lied};
        const uintptr_t reach = (draw & 8) != 0 ? 256 : 1 << 20;
        lied.depth = 0;
        call_lying(capture_lied, (bases[draw % 8] + (draw >> 16) % (2 * reach) - reach) & ~(uintptr_t)(draw & 7));
        assert_true(lied.depth == UNWIND_CANNOT || lied.depth >= 2);
        assert_true(lied.depth <= STACK_MAX_FRAMES);
    }
    free(heap);
}

/* --- foreign stacks ---------------------------------------------------------------------------------------------- */

static ucontext_t back;

static void compare_on_fiber(void) {
    uint8_t kinds[4] = {1, 5, 7, 2};
    go_on((path){kinds, sizeof kinds, compare_here});
}

static void a_fibers_stack_is_walked_to_its_end(void **state) {
    (void)state;
    const size_t bytes = (size_t)64 * PAGE;
    char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(stack, MAP_FAILED);
    for (int i = 0; i < 3; i++) {
        ucontext_t there;
        assert_int_equal(getcontext(&there), 0);
        there.uc_stack.ss_sp = stack;
        there.uc_stack.ss_size = bytes;
        there.uc_link = &back;
        makecontext(&there, compare_on_fiber, 0);
        assert_int_equal(swapcontext(&back, &there), 0);
        assert_same(6);
    }
    munmap(stack, bytes);
}

static void handler(int number) {
    (void)number;
    compare_here();
    capture_here();
}

/* A handler's caller was interrupted anywhere: that is libunwind's, and so is the stack. */
static void handlers_stacks_are_left_to_libunwind(void **state) {
    (void)state;
    const size_t bytes = (size_t)256 << 10;
    const stack_t own = {.ss_sp = malloc(bytes), .ss_size = bytes};
    stack_t before;
    struct sigaction old;
    assert_int_equal(sigaltstack(&own, &before), 0);
    for (int on_own = 0; on_own < 2; on_own++) {
        struct sigaction how = {.sa_handler = handler, .sa_flags = on_own ? SA_ONSTACK : 0};
        assert_int_equal(sigaction(SIGUSR1, &how, &old), 0);
        raise(SIGUSR1);
        assert_int_equal(found.depth, UNWIND_CANNOT);
        assert_true(stack_found_depth > 2);
        assert_true(is_seen((uintptr_t)handlers_stacks_are_left_to_libunwind, 4096) || UNDER_TSAN);
        sigaction(SIGUSR1, &old, NULL);
    }
    sigaltstack(&before, NULL);
    free(own.ss_sp);
}

/* --- libraries that go ------------------------------------------------------------------------------------------- */

static uint32_t plugin_stack;

OWN_FRAME static void capture_stack_here(void) {
    plugin_stack = unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_OPENING);
    __asm__ volatile("" ::: "memory");
}

/* Returns where the library's function was. The stack through it is right if beyond this function it is the same as
 * without. */
OWN_FRAME static uintptr_t capture_through(const char *file, bool *right) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    void (*call)(action *, uintptr_t);
    *(void **)&call = dlsym(library, "plugin_call");
    assert_non_null(call);
    call(capture_stack_here, (uintptr_t)outermost + 1);
    size_t depth = 0;
    size_t depth_without = 0;
    const uintptr_t *frames = stack_table_get(plugin_stack, &depth);
    capture_stack_here();
    const uintptr_t *without = stack_table_get(plugin_stack, &depth_without);
    size_t at = 0;
    while (at < depth && frames[at] - (uintptr_t)call >= 64) {
        at++;
    }
    const size_t callers = depth > at + 2 ? depth - at - 2 : 0; /* of this function */
    *right = callers > 2 && callers < depth_without && frames[at + 1] - (uintptr_t)capture_through < 1024 &&
             without[depth_without - callers - 1] - (uintptr_t)capture_through < 1024 &&
             memcmp(frames + at + 2, without + depth_without - callers, callers * sizeof *frames) == 0;
    const uintptr_t place = (uintptr_t)call;
    dlclose(library);
    return place;
}

/* The same addresses, rules that differ, and where the old rule looks lies an address at which stacks end. */
static void the_rules_of_a_closed_library_are_not_anothers(void **state) {
    (void)state;
    static const char *const PLUGINS[2] = {CFI_PLUGIN_SMALL, CFI_PLUGIN_LARGE};
    uintptr_t places[2] = {0, 1};
    int replaced = 0;
    for (int i = 0; i < 700; i++) { /* more than twice what a tag can tell apart */
        bool right = false;
        places[i % 2] = capture_through(PLUGINS[i % 2], &right);
        assert_true(right);
        replaced += places[0] == places[1];
    }
    if (replaced == 0) {
        print_message("left out: the loader maps each library elsewhere\n");
        skip();
    }
}
#endif

/* --- threads and system calls ------------------------------------------------------------------------------------ */

static void *compare_often(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    uintptr_t frames[2][STACK_MAX_FRAMES];
    size_t differences = 0;
    for (int i = 0; i < 2000; i++) {
        size_t counts[2];
        for (volatile int k = 0; k < 2; k++) {
            counts[k] = unwind_capture(frames[k], STACK_MAX_FRAMES);
        }
        differences +=
            counts[0] < 2 || counts[0] != counts[1] || memcmp(frames[0], frames[1], counts[0] * sizeof(uintptr_t)) != 0;
        if (random_next(&random) % 64 == 0) {
            (void)cfi_look();
        }
    }
    return (void *)differences;
}

static void threads_walk_at_once(void **state) {
    (void)state;
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, compare_often, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *differences;
        pthread_join(threads[i], &differences);
        assert_null(differences);
    }
}

OWN_FRAME static size_t deep(uintptr_t *frames, int levels) {
    size_t count = levels == 0 ? unwind_capture(frames, STACK_MAX_FRAMES) : deep(frames, levels - 1);
    __asm__ volatile("" ::: "memory");
    return count;
}

/* In a child that the kernel kills at its first system call but write and exit. */
static void check_without_system_calls(void) {
    uintptr_t frames[STACK_MAX_FRAMES];
    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        if (i == 1 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) {
            syscall(SYS_exit, 2);
        }
        count = deep(frames, 20);
    }
    syscall(SYS_exit, count > 20 ? 0 : 1);
}

static void warm_walks_make_no_system_call(void **state) {
    (void)state;
    int status = -1;
    if (UNDER_TSAN || RUNNING_ON_VALGRIND) {
        print_message("left out: the tool makes system calls of its own\n");
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        check_without_system_calls();
    }
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        skip(); /* no seccomp here */
    }
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_kind_of_function_is_crossed, set_up),
        cmocka_unit_test_setup(stacks_at_random_are_what_libunwind_sees, set_up),
        cmocka_unit_test_setup(a_deep_stack_is_cut_at_the_limit, set_up),
        cmocka_unit_test_setup(a_call_that_never_returns_is_crossed, set_up),
        cmocka_unit_test_setup(callbacks_of_the_c_library_are_crossed, set_up),
        cmocka_unit_test_setup(a_threads_stack_ends_at_its_beginning, set_up),
#ifdef __x86_64__
        cmocka_unit_test_setup(what_the_table_has_no_room_for_is_found_again, set_up),
        cmocka_unit_test_setup(a_hand_written_function_that_is_described_is_crossed, set_up),
        cmocka_unit_test_setup(one_that_is_not_is_left_to_libunwind, set_up),
        cmocka_unit_test_setup(wrong_information_costs_the_stack_only, set_up),
        cmocka_unit_test_setup(a_fibers_stack_is_walked_to_its_end, set_up),
        cmocka_unit_test_setup(handlers_stacks_are_left_to_libunwind, set_up),
        cmocka_unit_test_setup(the_rules_of_a_closed_library_are_not_anothers, set_up),
#endif
        cmocka_unit_test_setup(threads_walk_at_once, set_up),
        cmocka_unit_test_setup(warm_walks_make_no_system_call, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
