/* The capture contract: return addresses of the calling thread's stack, innermost first.
 *
 * unwind_capture() may be called with no lock held only: an unwinder may enter the dynamic loader, which has locks of
 * its own and may allocate. The caller has raised the thread's guard (thread.h), so that nested allocations stay
 * untracked.
 *
 * Implementations: unwind_libunwind.c (libunwind.so.8 by dlopen, when first needed, with RTLD_LOCAL, so that its
 * copies of backtrace and _Unwind_* never replace libgcc's in the program; falls back to glibc's backtrace()),
 * unwind_cfi.c (call frame information, by ourselves; libunwind does what it cannot), unwind_fp.c (frame pointers, for
 * programs that have them; for the call site alone it serves any program), and unwind_fake.c (canned stacks, for
 * tests). */
#ifndef LEAKDETECT_UNWIND_H
#define LEAKDETECT_UNWIND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detour.h"
#include "process/sampled.h"
#include "stack_table.h"

enum {
    UNWIND_CANNOT = -1,
    UNWIND_DOUBTED_WORDS = 64
};

/* Why a stack is captured. The same reasons come from the same places in the library, and in turns: a buffer is opened, used,
 * and closed. So a walker that remembers its last walk remembers one of each. */
typedef enum unwind_reason {
    UNWIND_OPENING,
    UNWIND_CLOSING,
    UNWIND_USING,
    UNWIND_REASONS
} unwind_reason;

/* A walk whose stack is wanted, and not its addresses alone: who called the walker may tell it what came of this walk,
 * for recall(). */
typedef struct unwind_query {
    unwind_reason reason;
    uint32_t frames;            /* how many the stack may have: as many of those that the walk finds */
    uintptr_t frame;            /* where recall() would be told to stand; 0: here */
    _Atomic uint64_t *remember; /* NULL, or where to store `remembered` with the stack in its low 32 bits */
    uint64_t remembered;
} unwind_query;

typedef uint32_t unwind_recall(uintptr_t frame, unwind_reason reason, size_t frames);

typedef struct unwinder {
    const char *name;
    /* Fills at most `limit` raw return addresses, the first one inside the caller of this function or deeper; returns
     * how many. 0 or less: no stack could be had. `query` is NULL, or has its reason and frames set, perhaps its frame, and
     * all else 0. A walker that goes by frames begins at that one, which is a caller's. */
    int (*capture)(void **addresses, size_t limit, unwind_query *query);
    /* NULL, or names the stack that came of this thread's last capture for that reason, if a walk of so many frames would go
     * the same way again; 0: walk. `frame` is the address of the caller's frame. It calls nobody and takes no lock. Not under
     * Valgrind, as it compares words that nobody may have written. */
    unwind_recall *recall;
    const struct unwinder *behind; /* NULL, or who walks where capture is NULL or gives UNWIND_CANNOT */
    bool takes_locks;              /* that others take, too: it walks in the gate (unwind_gate.h) */
    const char *lonely; /* NULL, or what to say, once, when more was asked for than the call site and no more came */
} unwinder;

extern const unwinder unwind_libunwind;
extern const unwinder unwind_cfi; /* on x86-64 with glibc 2.35; elsewhere every walk is libunwind's */
extern const unwinder unwind_fp;
extern const unwinder unwind_fake;

typedef enum unwind_kind {
    UNWIND_FULL,     /* up to `frames` frames */
    UNWIND_CALL_SITE /* the caller's frame only */
} unwind_kind;

/* unwind_configure() chooses implementation and depth; at start-up, and in tests. */
void unwind_configure(const unwinder *unwinder_to_use, unwind_kind kind_to_use, uint32_t frames);

/* unwind_capture() fills `frames` with the stack of the calling thread without the library's own frames at its top:
 * the first one is the caller of the public function. Returns their count, at most `limit`, at most STACK_MAX_FRAMES,
 * and at most what was configured. Keeps errno. */
size_t unwind_capture(uintptr_t *frames, size_t limit);

/* unwind_capture() and stack_table_put() together; 0 if there is no stack. Inline, since each frame of ours is one more to be
 * compared: recall() and the walk begin at that of the function which this is a part of. Its frame must be a plain one, with its
 * caller's frame pointer and the return address on top: no local of it is aligned to more than 16 bytes. What stands before
 * it is for this alone.
 * Stacks that turned out to be wrong are in the table of stacks all the same, and would not be new the next time: they are
 * doubted, a bit for a stack, or for several, which then are walked anew in vain (relaxed). The other one is for who knows that
 * there are no doubts. */
SAMPLED_EXTERN unwind_recall *unwind_recall_now; /* the walker's, or one that knows nothing */
SAMPLED_EXTERN uint32_t unwind_depth;            /* frames of a stack, at most: STACK_MAX_FRAMES, or fewer */
extern _Atomic uint64_t unwind_doubted[UNWIND_DOUBTED_WORDS];
uint32_t unwind_capture_anew(uintptr_t frame, size_t frames, unwind_reason reason);
static inline bool unwind_doubts(uint32_t stack) {
    const _Atomic uint64_t *word = &unwind_doubted[stack / 64 % UNWIND_DOUBTED_WORDS];
    return __builtin_expect(detour_is_set(DETOUR_DOUBTS), 0) &&
           (atomic_load_explicit(word, memory_order_relaxed) >> stack % 64 & 1) != 0;
}
static inline __attribute__((always_inline)) uint32_t unwind_capture_asking(size_t limit, unwind_reason reason,
                                                                            bool doubts) {
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    const size_t frames = limit < STACK_MAX_FRAMES && limit < unwind_depth ? limit : unwind_depth;
    uint32_t stack = unwind_recall_now(frame, reason, frames);
    if (__builtin_expect(stack == 0 || (doubts && unwind_doubts(stack)), 0)) {
        stack = unwind_capture_anew(frame, frames, reason);
    }
    __asm__ volatile("" : "+r"(stack)); /* no tail call: the frame is to be there as long as it is walked from */
    return stack;
}
static inline __attribute__((always_inline)) uint32_t unwind_capture_stack(size_t limit, unwind_reason reason) {
    return unwind_capture_asking(limit, reason, true);
}
static inline __attribute__((always_inline)) uint32_t unwind_capture_undoubted(size_t limit, unwind_reason reason) {
    return unwind_capture_asking(limit, reason, false);
}

/* unwind_left_behind() says how many walks were left to who is behind. */
uint64_t unwind_left_behind(void);

/* For fork, before any lock of ours is taken and after all are given back: nobody is in the midst of a walk that takes
 * locks meanwhile (unwind_gate.c). Who captures then gets the call site alone. */
void unwind_fork_prepare(void);
void unwind_fork_parent(void);
void unwind_fork_child(void);

/* What the fake unwinder returns from now on; copied, at most STACK_MAX_FRAMES. */
void unwind_fake_set(const uintptr_t *frames, size_t count);

#endif
