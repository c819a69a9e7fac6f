/* Stacks by frame pointers: some 2 ns a frame, less where nothing has changed, no library, no lock, and never a fault.
 *
 * A frame pointer points at the caller's, with the return address above it:
 *
 *     frame -> [ caller's frame | return address ] ... [ its caller's | return address ] ...   towards higher addresses
 *
 * Our own code keeps frame pointers (CMakeLists.txt), so the call site is always right. What lies beyond is the
 * program's, and in a program without frame pointers that register holds anything. So nothing is read on trust:
 *   - a frame is aligned, lies above the one before, and lies in memory that is known to be readable (stack_bounds.h); beyond
 *     a frame of more than a page that is asked again, as the way there may lead off a coroutine's stack, over memory that was
 *     between the two once and is gone;
 *   - a return address points into a loaded object. That is asked of the loader's lock-free look-up, the one that
 *     exceptions use, and answered from a small cache for each thread; the code itself is never read, since it may be
 *     unloaded meanwhile.
 * The first address that fails ends the stack. What no check can see is a function without frame pointers between two
 * that have them: if it leaves the register alone, its caller is missing, and the rest is right.
 *
 * Where a walk would begin as the last one did, its words are compared with what they were (unwind_memo.h). With the same words
 * and the same end of the stack it would go the same way: a return address that pointed into an object still does, since
 * somebody is going to return there. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <valgrind/memcheck.h>

#include "process/sampled.h"
#include "stack_bounds.h"
#include "unwind.h"
#include "unwind_gate.h"
#include "unwind_memo.h"

enum {
    NEAR = 4096,            /* bytes from a frame to the next, on one stack for certain */
    MODULES = 4,            /* objects that a thread remembers: program, libpoolbuf, C library, one more */
    LOWEST_CODE = 64 * 1024 /* no Linux maps anything lower for a program */
};

typedef struct frame {
    uintptr_t caller;
    uintptr_t return_address;
} frame;

typedef struct known_range {
    uintptr_t start, end;
} known_range;

/* A signal handler may capture in the midst of a capture; a module may be remembered twice. */
typedef struct walker_state {
    known_range modules[MODULES];
    uint32_t next_module;
} walker_state;

static _Thread_local walker_state state;

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

/* What a thread's last walk of a kind was. */
typedef struct fp_memo {
    uintptr_t start, high; /* where it began, and the end of the stack; 0: nothing is known */
    unwind_memo memo;
} fp_memo;

/* Those of one place, as far from the next one's as makes a shift of the way there. */
typedef struct fp_memos {
    fp_memo of[UNWIND_REASONS];
} __attribute__((aligned(4096))) fp_memos;

static fp_memos memos[GATE_PLACES];

/* Writes down what a walk reads; `into` is where it stands, NULL where nobody wants it, or there was too much, or not the
 * stack's words alone have decided. */
typedef struct notes {
    memo_check *into, *end;
} notes;

MEMO_PLAIN static inline __attribute__((always_inline)) void note(notes *self, uintptr_t at, const frame *here) {
    if (self->into == NULL) {
        return;
    }
    if (self->into == self->end) {
        self->into = NULL;
        return;
    }
    *self->into++ = (memo_check){at, ~here->caller};
    *self->into++ = (memo_check){at + sizeof(uintptr_t), ~here->return_address};
}

/* The last frame of a walk may stand so close to the stack's end that only a part of it is known; it is not read
 * then. */
MEMO_PLAIN static inline __attribute__((always_inline)) size_t
walk(walker_state *self, stack_bounds *bounds, uintptr_t at, void **addresses, size_t limit, notes *read) {
    size_t count = 0;
    while (count < limit && stack_bounds_hold(bounds, at, sizeof(frame))) {
        const frame here = {.caller = stack_bounds_word(at),
                            .return_address = stack_bounds_word(at + sizeof(uintptr_t))};
        note(read, at, &here);
        if (!plausible(self, here.return_address)) {
            break;
        }
        addresses[count++] = (void *)here.return_address; // NOLINT(performance-no-int-to-ptr)
        if (here.caller < at + sizeof here) {
            break;
        }
        if (__builtin_expect(here.caller - at > NEAR, 0)) {
            stack_bounds_doubt(bounds);
            read->into = NULL;
        }
        at = here.caller;
    }
    return count;
}

/* A thread's first walk, on a foreign stack, a handler's within a walk, and where nobody wants the stack. */
static __attribute__((noinline)) size_t walk_alone(stack_bounds *bounds, uintptr_t at, void **addresses, size_t limit) {
    notes none = {NULL, NULL};
    if (gate_own == NULL && gate_enter()) { /* a place for the next time */
        gate_leave();
    }
    return walk(&state, bounds, at, addresses, limit, &none);
}

MEMO_PLAIN static __attribute__((noinline)) size_t walk_and_note(stack_bounds *bounds, uintptr_t at, void **addresses,
                                                                 size_t limit, fp_memo *with, unwind_query *query) {
    notes read = {with->memo.checks, with->memo.checks + MEMO_CHECKS};
    with->start = 0;
    memo_change(&with->memo);
    query->remember = NULL; /* of an earlier walk, which was not enough */
    const size_t count = walk(&state, bounds, at, addresses, limit, &read);
    if (read.into != NULL && query->frames <= MEMO_LIMIT_MAX) {
        with->start = at;
        with->high = bounds->high;
        memo_ask(&with->memo, read.into, query);
    }
    return count;
}

MEMO_PLAIN static inline __attribute__((always_inline)) size_t walk_from(uintptr_t at, void **addresses, size_t limit,
                                                                         unwind_query *query) {
    stack_bounds bounds;
    const size_t number = gate_number();
    if (!stack_bounds_find(&bounds, at, sizeof(frame)) || query == NULL || number == GATE_PLACES) {
        return walk_alone(&bounds, at, addresses, limit);
    }
    fp_memo *const with = &memos[number].of[query->reason];
    if (__builtin_expect(with->memo.busy == memo_thread(), 0)) {
        return walk_alone(&bounds, at, addresses, limit);
    }
    with->memo.busy = memo_thread();
    atomic_signal_fence(memory_order_seq_cst);
    const size_t count = walk_and_note(&bounds, at, addresses, limit, with, query);
    atomic_signal_fence(memory_order_seq_cst);
    with->memo.busy = 0;
    return count;
}

/* Memcheck knows which words of a stack were never written, and of garbage it would say so. */
static __attribute__((noinline)) size_t walk_under_valgrind(uintptr_t at, void **addresses, size_t limit,
                                                            unwind_query *query) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    size_t count = walk_from(at, addresses, limit, query);
    (void)VALGRIND_MAKE_MEM_DEFINED(&count, sizeof count);
    (void)VALGRIND_MAKE_MEM_DEFINED(addresses, count * sizeof *addresses);
    (void)VALGRIND_MAKE_MEM_DEFINED(query, query == NULL ? 0 : sizeof *query);
    (void)VALGRIND_MAKE_MEM_DEFINED(&state, sizeof state);
    (void)VALGRIND_MAKE_MEM_DEFINED(&stack_known_own, sizeof stack_known_own);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return count;
}

__attribute__((noinline)) static int fp_capture(void **addresses, size_t limit, unwind_query *query) {
    const uintptr_t at = query != NULL && query->frame != 0 ? query->frame : (uintptr_t)__builtin_frame_address(0);
    return (int)(stack_bounds_under_valgrind() ? walk_under_valgrind(at, addresses, limit, query)
                                               : walk_from(at, addresses, limit, query));
}

SAMPLED_CODE MEMO_PLAIN static uint32_t fp_recall(uintptr_t at, unwind_reason reason, size_t frames) {
    const gate_place *const place = gate_own;
    if (__builtin_expect(place == NULL, 0)) {
        return 0;
    }
    const fp_memo *with = &memos[place - gate_places].of[reason];
    __asm__("" : "+r"(with)); /* one address, kept: gcc would work it out again where it is used */
    const bool stands = with->start == at && stack_bounds_known_still(at, with->high);
    return __builtin_expect(stands, 1) ? memo_recall(&with->memo, frames) : 0;
}

const unwinder unwind_fp = {
    .name = "fp",
    .capture = fp_capture,
    .recall = fp_recall,
    .lonely = "the code that allocates has no frame pointers: stacks are call sites only; compile it with "
              "-fno-omit-frame-pointer, or use POOLBUF_LEAK_UNWINDER=cfi, which needs none",
};
