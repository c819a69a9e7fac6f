/* Stacks by frame pointers: some 2 ns a frame, no library, no table, no lock, and never a fault.
 *
 * A frame pointer points at the caller's, with the return address above it:
 *
 *     frame -> [ caller's frame | return address ] ... [ its caller's | return address ] ...   towards higher addresses
 *
 * Our own code keeps frame pointers (CMakeLists.txt), so the call site is always right. What lies beyond is the
 * program's, and in a program without frame pointers that register holds anything. So nothing is read on trust:
 *   - a frame is aligned, lies above the one before, and lies in memory that is known to be readable (see below);
 *   - a return address points into a loaded object. That is asked of the loader's lock-free look-up, the one that
 *     exceptions use, and answered from a small cache for each thread; the code itself is never read, since it may be
 *     unloaded meanwhile.
 * The first address that fails ends the stack. What no check can see is a function without frame pointers between two
 * that have them: if it leaves the register alone, its caller is missing, and the rest is right.
 *
 * Which memory is readable. pthread_getattr_np() would know, but it calls malloc(), and reads /proc in the main
 * thread; a buffer may be allocated inside malloc or in a signal handler. But glibc keeps a thread's descriptor at
 * the top of its stack, and the loader remembers the top of the main thread's. So a stack is known from where
 * somebody has stood on it up to that anchor, once each page between has been probed; that costs a system call a
 * page, once in a thread's life.
 *
 *     low                                            high
 *      |  pages probed, once  ...................... | thread descriptor, or the main thread's arguments
 *            ^ the stack pointer, warm: two comparisons
 *
 * A stack pointer that has no such way up stands on a foreign stack: a coroutine's, or that of a signal handler.
 * Those come and go, so nothing is remembered of them: each capture probes the pages that it reads, two or three
 * system calls. An anchor is believed only over PROBE_PAGES more pages at a time; further down a thread's stack
 * counts as foreign for that capture. The one lie that probing cannot see: a foreign stack that lies right below a
 * thread's, without a guard page between, counts as part of it, even after it is unmapped. No thread library makes
 * such stacks by itself. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <valgrind/memcheck.h>

#include "unwind.h"

enum {
    PAGE = 4096,             /* the smallest OS page that Linux has: a larger one is probed more often than needed */
    PROBE_PAGES = 64,        /* by how much a stack's known part grows at most in one capture */
    FOREIGN_REACH = 1 << 20, /* bytes above the stack pointer that a walk over a foreign stack may see */
    MODULES = 4,             /* objects that a thread remembers: program, libpoolbuf, C library, one more */
    LOWEST_CODE = 64 * 1024  /* no Linux maps anything lower for a program */
};

typedef struct frame {
    uintptr_t caller;
    uintptr_t return_address;
} frame;

typedef struct known_range {
    uintptr_t start, end;
} known_range;

/* A signal handler may capture in the midst of a capture. So a range is taken back before it changes, each change is
 * one store, and the compiler keeps their order; a module may be remembered twice. */
typedef struct walker_state {
    volatile uintptr_t low, high; /* of this thread's own stack; low is UINTPTR_MAX while nothing is known */
    known_range modules[MODULES];
    uint32_t next_module;
} walker_state;

static _Thread_local walker_state state = {.low = UINTPTR_MAX};

extern void *__libc_stack_end; /* the loader's: where the main thread's stack began */

/* --- what may be read ------------------------------------------------------------------------------------------- */

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

/* Extends the known part of the thread's own stack down to `here`; false if that is another stack, or too far away. */
static bool grow_known(walker_state *self, uintptr_t here) {
    const uintptr_t anchor = anchor_of(here);
    const uintptr_t bottom = here & ~(uintptr_t)(PAGE - 1);
    const uintptr_t upto = self->low != UINTPTR_MAX && self->high == anchor ? self->low : anchor;
    if (here >= upto || upto - bottom > (uintptr_t)PROBE_PAGES * PAGE) {
        return false;
    }
    for (uintptr_t page = bottom; page < upto; page += PAGE) {
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

/* --- what may be code ------------------------------------------------------------------------------------------- */

static bool in_module_slow(walker_state *self, uintptr_t address) {
#ifdef DLFO_STRUCT_HAS_EH_DBASE /* glibc 2.35 */
    struct dl_find_object found;
    if (_dl_find_object((void *)address, &found) != 0) { // NOLINT(performance-no-int-to-ptr)
        return false;
    }
    known_range *place = &self->modules[self->next_module++ % MODULES];
    place->end = 0;
    atomic_signal_fence(memory_order_seq_cst);
    place->start = (uintptr_t)found.dlfo_map_start;
    atomic_signal_fence(memory_order_seq_cst);
    place->end = (uintptr_t)found.dlfo_map_end;
#else
    (void)self;
    (void)address;
#endif
    return true;
}

static inline bool in_module(walker_state *self, uintptr_t address) {
    for (size_t i = 0; i < MODULES; i++) {
        if (address >= self->modules[i].start && address < self->modules[i].end) {
            return true;
        }
    }
    return in_module_slow(self, address);
}

static inline bool plausible(walker_state *self, uintptr_t address) {
    return address >= LOWEST_CODE && address < UINTPTR_MAX / 2 && in_module(self, address);
}

/* --- the walk --------------------------------------------------------------------------------------------------- */

/* The last frame of a walk may stand so close to `high` that only a part of it is known; it is not read then. */
__attribute__((no_sanitize("address", "thread"))) static inline bool read_frame(uintptr_t at, uintptr_t high,
                                                                                frame *into) {
    if (at % sizeof(uintptr_t) != 0 || at >= high || high - at < sizeof *into) {
        return false;
    }
    const volatile uintptr_t *words = (const volatile uintptr_t *)at; // NOLINT(performance-no-int-to-ptr)
    into->caller = words[0];
    into->return_address = words[1];
    return true;
}

static uintptr_t page_end(uintptr_t address) {
    return address / PAGE * PAGE + PAGE;
}

/* On a foreign stack: both ends of the frame must lie in pages that answered, in this very capture. */
static bool probed(uintptr_t at, uintptr_t *probed_upto) {
    const uintptr_t end = at + sizeof(frame);
    if (end <= *probed_upto) {
        return true;
    }
    if (at % sizeof(uintptr_t) != 0 || !readable(at) || !readable(end - sizeof(uintptr_t))) {
        return false;
    }
    *probed_upto = page_end(end - 1);
    return true;
}

static inline size_t walk(walker_state *self, uintptr_t at, void **addresses, size_t limit) {
    uintptr_t high = self->high;
    uintptr_t probed_upto = UINTPTR_MAX; /* below this nothing needs a probe */
    if (__builtin_expect(at < self->low || at >= high, 0)) {
        if (grow_known(self, at)) {
            high = self->high;
        } else {
            high = at + FOREIGN_REACH;
            probed_upto = page_end(at + sizeof(frame) - 1); /* we stand on it */
        }
    }
    size_t count = 0;
    frame here;
    while (count < limit && probed(at, &probed_upto) && read_frame(at, high, &here) &&
           plausible(self, here.return_address)) {
        addresses[count++] = (void *)here.return_address; // NOLINT(performance-no-int-to-ptr)
        if (here.caller < at + sizeof here) {
            break;
        }
        at = here.caller;
    }
    return count;
}

/* Memcheck knows which words of a stack were never written, and of garbage it would say so. */
static __attribute__((noinline)) size_t walk_under_valgrind(walker_state *self, uintptr_t at, void **addresses,
                                                            size_t limit) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    size_t count = walk(self, at, addresses, limit);
    (void)VALGRIND_MAKE_MEM_DEFINED(&count, sizeof count);
    (void)VALGRIND_MAKE_MEM_DEFINED(addresses, count * sizeof *addresses);
    (void)VALGRIND_MAKE_MEM_DEFINED(self, sizeof *self);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return count;
}

__attribute__((noinline)) static int fp_capture(void **addresses, size_t limit) {
    const uintptr_t at = (uintptr_t)__builtin_frame_address(0);
    return (int)(RUNNING_ON_VALGRIND ? walk_under_valgrind(&state, at, addresses, limit)
                                     : walk(&state, at, addresses, limit));
}

const unwinder unwind_fp = {
    .name = "fp",
    .capture = fp_capture,
    .lonely = "the code that allocates has no frame pointers: stacks are call sites only; compile it with "
              "-fno-omit-frame-pointer, or use POOLBUF_LEAK_UNWINDER=libunwind, which needs none",
};
