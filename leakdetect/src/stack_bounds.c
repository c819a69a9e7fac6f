/* The slow half of stack_bounds.h: anchors and probes. */
#include "stack_bounds.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <valgrind/memcheck.h>

enum {
    PAGE = 4096,            /* the smallest OS page that Linux has: a larger one is probed more often than needed */
    PROBE_PAGES = 64,       /* by how much a stack's known part grows at most in one capture */
    FOREIGN_REACH = 1 << 20 /* bytes above the stack pointer that a walk over a foreign stack may see */
};

_Thread_local stack_known stack_known_own = {.low = UINTPTR_MAX};
_Atomic bool stack_bounds_native;

bool stack_bounds_ask_valgrind(void) {
    const bool asked = RUNNING_ON_VALGRIND != 0;
    atomic_store_explicit(&stack_bounds_native, !asked, memory_order_relaxed);
    return asked;
}

extern void *__libc_stack_end; /* the loader's: where the main thread's stack began */

/* Valgrind would complain about the cheaper way, for which there is a system call with an argument that makes no
 * sense. */
static bool readable_under_valgrind(uintptr_t address) {
    char byte;
    struct iovec to = {&byte, 1};
    struct iovec from = {(void *)address, 1}; // NOLINT(performance-no-int-to-ptr)
    VALGRIND_DISABLE_ERROR_REPORTING;
    const bool readable = process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
    VALGRIND_ENABLE_ERROR_REPORTING;
    return readable;
}

/* Has the kernel read the page: rt_sigprocmask() copies the set first, which fails with EFAULT where we would die,
 * and then finds that there is no such operation. It needs no descriptor and no right, and sandboxes let it
 * pass, since the C library needs it; where one does not, nothing counts as readable. */
static bool readable(uintptr_t address) {
    const int saved_errno = errno;
    bool answer;
    if (RUNNING_ON_VALGRIND) {
        answer = readable_under_valgrind(address);
    } else {
        answer = syscall(SYS_rt_sigprocmask, ~0, address, NULL, sizeof(uint64_t)) != 0 && errno == EINVAL;
    }
    errno = saved_errno;
    return answer;
}

/* Where the stack ends on which `here` lies, if it is the thread's own; any other answer is refuted by the probes. */
static uintptr_t anchor_of(uintptr_t here) {
    const uintptr_t main_top = (uintptr_t)__libc_stack_end;
    const uintptr_t thread_top = (uintptr_t)pthread_self();
    const bool main_is_nearer = here < main_top && (here >= thread_top || main_top < thread_top);
    return main_is_nearer ? main_top : thread_top;
}

/* Extends the known part of the thread's own stack down to `here`; false if that is another stack, or too far away.
 * From the top down: on the way up the last address would be the stack's end, where another mapping may begin. Left
 * behind on the stack, it would count as a reference to what lies there in a scan for unreachable buffers. */
static bool grow_known(stack_known *self, uintptr_t here) {
    const uintptr_t anchor = anchor_of(here);
    const uintptr_t bottom = here & ~(uintptr_t)(PAGE - 1);
    const uintptr_t upto = self->low != UINTPTR_MAX && self->high == anchor ? self->low : anchor;
    if (here >= upto || upto - bottom > (uintptr_t)PROBE_PAGES * PAGE) {
        return false;
    }
    for (uintptr_t page = (upto - 1) & ~(uintptr_t)(PAGE - 1); page >= bottom; page -= PAGE) {
        if (!readable(page)) {
            return false;
        }
    }
    if (self->high != anchor) {
        self->low = UINTPTR_MAX;
        self->high = anchor;
    }
    self->low = bottom;
    return true;
}

static uintptr_t page_end(uintptr_t address) {
    return address / PAGE * PAGE + PAGE;
}

bool stack_bounds_find_slow(stack_bounds *bounds, uintptr_t here, size_t size) {
    if (grow_known(&stack_known_own, here)) {
        *bounds = (stack_bounds){.high = stack_known_own.high, .probed_upto = UINTPTR_MAX};
        return true;
    }
    *bounds = (stack_bounds){.high = here + FOREIGN_REACH, .probed_upto = page_end(here + size - 1)};
    return false;
}

/* On a foreign stack: both ends must lie in pages that answered, in this very walk. */
bool stack_bounds_probe(stack_bounds *bounds, uintptr_t at, size_t size) {
    const uintptr_t end = at + size;
    if (!readable(at) || !readable(end - sizeof(uintptr_t))) {
        return false;
    }
    bounds->probed_upto = page_end(end - 1);
    return true;
}
