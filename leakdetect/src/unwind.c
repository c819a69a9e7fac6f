/* What all unwinders share: depth, and cutting the library's own frames from the top.
 *
 * The cut goes by address, so that it needs no symbols and costs two comparisons a frame:
 *   libpoolbuf.so   our own module's mapping, found once through the loader;
 *   libpoolbuf.a    the one stretch of .text in which the archive keeps all our code, with a name at each end
 *                   (cmake/library/one_text.ld);
 *   unit tests      our objects are linked into the program like its own, and nothing is cut. */
#include "unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "message.h"
#include "module_log.h"
#include "process/cancel.h"
#include "process/sampled.h"
#include "stack_bounds.h"
#include "stack_table.h"
#include "unwind_cfi.h"
#include "unwind_gate.h"
#include "unwind_memo.h"

enum {
    OWN_FRAMES_MAX = 16 /* how deep the library may stand above its caller when it captures */
};

#define CANNOT SIZE_MAX

extern const char __start_poolbuf_text[] __attribute__((weak, visibility("hidden")));
extern const char __stop_poolbuf_text[] __attribute__((weak, visibility("hidden")));

typedef struct own_code {
    uintptr_t start, end;
} own_code;

static uint32_t recall_nothing(uintptr_t frame, unwind_reason reason, size_t frames) {
    (void)frame;
    (void)reason;
    (void)frames;
    return 0;
}

static const unwinder *implementation = &unwind_libunwind;
SAMPLED_WORD unwind_recall *unwind_recall_now = recall_nothing;
SAMPLED_WORD uint32_t unwind_depth = 32;
const uintptr_t memo_constant = 0;
static own_code own; /* empty: nothing is cut */
static atomic_bool said_lonely;
static _Atomic uint64_t left_behind;
_Atomic uint64_t unwind_doubted[UNWIND_DOUBTED_WORDS];

/* Widens the own range over the executable segments of the module that holds this very function, unless that is the
 * program itself, which the loader lists first, without a name. */
static int find_own_module(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    const uintptr_t here = *(const uintptr_t *)context;
    own_code found = {UINTPTR_MAX, 0};
    bool holds = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0) {
            uintptr_t start = info->dlpi_addr + segment->p_vaddr;
            uintptr_t end = start + segment->p_memsz;
            holds = holds || (here >= start && here < end);
            found.start = start < found.start ? start : found.start;
            found.end = end > found.end ? end : found.end;
        }
    }
    if (holds && info->dlpi_name != NULL && info->dlpi_name[0] != '\0') {
        own = found;
    }
    return holds;
}

static void find_own_code(void) {
    if (__start_poolbuf_text != NULL) {
        own = (own_code){(uintptr_t)__start_poolbuf_text, (uintptr_t)__stop_poolbuf_text};
        return;
    }
    uintptr_t here = (uintptr_t)&find_own_code;
    dl_iterate_phdr(find_own_module, &here);
}

void unwind_configure(const unwinder *unwinder_to_use, unwind_kind kind, uint32_t frames) {
    implementation = unwinder_to_use->capture == NULL ? unwinder_to_use->behind : unwinder_to_use;
    unwind_recall_now =
        implementation->recall != NULL && !stack_bounds_under_valgrind() ? implementation->recall : recall_nothing;
    atomic_store_explicit(&said_lonely, false, memory_order_relaxed);
    unwind_depth = frames < 1 || kind == UNWIND_CALL_SITE ? 1 : frames > STACK_MAX_FRAMES ? STACK_MAX_FRAMES : frames;
    find_own_code();
    gate_start();
}

/* Once for a choice of unwinder, by whoever comes first. */
static __attribute__((noinline, cold)) void say_lonely(void) {
    if (implementation->lonely != NULL && !atomic_exchange_explicit(&said_lonely, true, memory_order_relaxed)) {
        message_print("%s", implementation->lonely);
    }
}

/* Fills `raw`, which has room for STACK_MAX_FRAMES + OWN_FRAMES_MAX; returns where in it the program's frames begin,
 * and sets how many they are; CANNOT if the walker leaves it to who is behind. Every frame costs, and ours come first,
 * so we ask for as few as have sufficed before. Where they do not, the walk is repeated once with room for all, and the
 * next one asks for more. */
static inline __attribute__((always_inline)) size_t walk_with(const unwinder *walker, void **raw, size_t limit,
                                                              unwind_query *query, size_t *count) {
    static _Atomic uint32_t own_depth; /* our own frames, most seen; relaxed, a hint */
    size_t asked = limit + atomic_load_explicit(&own_depth, memory_order_relaxed);
    for (;;) {
        int captured = walker->capture(raw, asked, query);
        if (__builtin_expect(captured == UNWIND_CANNOT, 0) && walker->behind != NULL) {
            return CANNOT;
        }
        size_t all = captured < 0 ? 0 : (size_t)captured;
        size_t top = 0;
        while (top < all && (uintptr_t)raw[top] - own.start < own.end - own.start) {
            top++;
        }
        if (all == asked && all - top < limit && asked < limit + OWN_FRAMES_MAX) {
            atomic_store_explicit(&own_depth, top < OWN_FRAMES_MAX ? (uint32_t)top : OWN_FRAMES_MAX,
                                  memory_order_relaxed);
            asked = limit + OWN_FRAMES_MAX;
            continue;
        }
        *count = all - top < limit ? all - top : limit;
        if (__builtin_expect(*count == 1 && limit > 1, 0)) {
            say_lonely();
        }
        return top;
    }
}

static inline __attribute__((always_inline)) size_t capture(void **raw, size_t limit, unwind_query *query,
                                                            size_t *count) {
    limit = limit < unwind_depth ? limit : unwind_depth;
    const unwinder *walker = implementation;
    if (walker->behind != NULL) {
        const size_t first = walk_with(walker, raw, limit, query, count);
        if (__builtin_expect(first != CANNOT, 1)) {
            return first;
        }
        walker = walker->behind;
        atomic_fetch_add_explicit(&left_behind, 1, memory_order_relaxed);
    }
    int *const error = walker->takes_locks ? &errno : NULL; /* which it may change, as no other does */
    const int saved_errno = error == NULL ? 0 : *error;
    const int cancellation = error == NULL ? 0 : cancel_disable(); /* it may read and write, too */
    bool gated = walker->takes_locks && gate_enter();
    if (walker->takes_locks && !gated) { /* the call site is certain, and free of locks */
        walker = &unwind_fp;
        limit = limit < 1 ? limit : 1;
    }
    size_t first = walk_with(walker, raw, limit, query, count);
    if (gated) {
        gate_leave();
    }
    if (*count == 0 && walker != &unwind_fp && walker != &unwind_fake) { /* that it can tell at least */
        first = walk_with(&unwind_fp, raw, limit < 1 ? limit : 1, NULL, count);
    }
    if (error != NULL) {
        cancel_restore(cancellation);
        *error = saved_errno;
    }
    return first;
}

uint64_t unwind_left_behind(void) {
    return atomic_load_explicit(&left_behind, memory_order_relaxed);
}

size_t unwind_capture(uintptr_t *frames, size_t limit) {
    void *raw[STACK_MAX_FRAMES + OWN_FRAMES_MAX];
    size_t count = 0;
    size_t first = capture(raw, limit, NULL, &count);
    memcpy(frames, raw + first, count * sizeof *frames);
    return count;
}

static uint32_t capture_stack(uintptr_t frame, size_t frames, unwind_reason reason) {
    void *raw[STACK_MAX_FRAMES + OWN_FRAMES_MAX];
    unwind_query query = {.reason = reason, .frames = (uint32_t)frames, .frame = frame};
    size_t count = 0;
    size_t first = capture(raw, frames, &query, &count);
    uint32_t stack = stack_table_put((const uintptr_t *)(const void *)(raw + first), count);
    const bool written_down = module_log_look(stack_table_count());
    if (query.remember != NULL && stack != 0 && written_down) {
        atomic_store_explicit(query.remember, query.remembered | stack, memory_order_relaxed);
    }
    return stack;
}

static void doubt(uint32_t stack) {
    atomic_fetch_or_explicit(&unwind_doubted[stack / 64 % UNWIND_DOUBTED_WORDS], (uint64_t)1 << stack % 64,
                             memory_order_relaxed);
    detour_set(DETOUR_DOUBTS, true);
}

/* Walks again if the first walk went, perhaps, by rules of a module that is gone; see unwind_cfi.h. */
static uint32_t revise(uint32_t stack, uint32_t epoch, uintptr_t frame, size_t frames, unwind_reason reason) {
    if (implementation != &unwind_cfi || cfi_look() == epoch) {
        return stack;
    }
    const uint32_t revised = capture_stack(frame, frames, reason);
    if (revised != stack) {
        doubt(stack);
    }
    return revised;
}

uint32_t unwind_capture_anew(uintptr_t frame, size_t frames, unwind_reason reason) {
    const uint32_t epoch = cfi_epoch();
    const uint64_t known = stack_table_count();
    uint32_t stack = capture_stack(frame, frames, reason);
    if (stack_table_count() != known || unwind_doubts(stack)) {
        stack = revise(stack, epoch, frame, frames, reason);
    }
    return stack;
}
