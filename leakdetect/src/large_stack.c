/* Asking for room, and switching; see large_stack.h. */
#include "large_stack.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#ifdef __x86_64__

#include <valgrind/valgrind.h>

#define GUARD_BYTES ((size_t)64 << 10)

/* Whether the thread's own stack has room below this frame. Where nobody can tell, as without /proc, it counts as if it had. On
 * another one, a coroutine's or a signal handler's, or where two threads share one descriptor, it has not. */
static bool has_room(void) {
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    pthread_attr_t attributes;
    void *low = NULL;
    size_t bytes = 0;
    size_t guard = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return true;
    }
    (void)pthread_attr_getstack(&attributes, &low, &bytes);
    (void)pthread_attr_getguardsize(&attributes, &guard); /* may lie inside or below */
    (void)pthread_attr_destroy(&attributes);
    return here >= (uintptr_t)low && here - (uintptr_t)low < bytes && here - (uintptr_t)low >= LARGE_STACK_ROOM + guard;
}

/* Calls with the stack pointer at `top`. The frame is found by its frame pointer meanwhile, and ours by a register that a
 * function gives back as it was. */
static __attribute__((noinline)) void call_on(const char *top, void (*function)(void *), void *context) {
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[top], %%rsp\n\t"
                     "callq *%[function]\n\t"
                     "movq %%rbx, %%rsp"
                     : "+D"(context)
                     : [top] "r"(top), [function] "r"(function), "r"(__builtin_frame_address(0))
                     : "rbx", "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1",
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                       "xmm13", "xmm14", "xmm15");
}

void large_stack_run(void (*function)(void *context), void *context) {
    const int saved_errno = errno;
    const size_t all = GUARD_BYTES + LARGE_STACK_BYTES;
    const bool stays = has_room();
    char *low =
        stays ? MAP_FAILED
              : mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    errno = saved_errno;
    if (low == MAP_FAILED) {
        function(context);
        return;
    }
    (void)mprotect(low, GUARD_BYTES, PROT_NONE); /* benign: without it a larger report is as it would be here */
    const unsigned number = VALGRIND_STACK_REGISTER(low + GUARD_BYTES, low + all - 1);
    errno = saved_errno;
    call_on(low + all, function, context);
    const int errno_after = errno;
    VALGRIND_STACK_DEREGISTER(number);
    (void)munmap(low, all);
    errno = errno_after;
}

#else

void large_stack_run(void (*function)(void *context), void *context) {
    function(context);
}

#endif
