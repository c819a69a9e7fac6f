/* Stacks through functions of every kind, compared frame for frame with what libunwind sees of them. For tests of the
 * walker of unwind_cfi.c; each has its own copy, as the functions are to be in the program. */
#ifndef LEAKDETECT_TESTS_STACK_PATHS_H
#define LEAKDETECT_TESTS_STACK_PATHS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stack_table.h"
#include "unwind.h"
#include "unwind_cfi.h"

#define OWN_FRAME __attribute__((noinline))

enum {
    LIBUNWINDS_OWN = 8, /* frames that it may show before its caller's */
    RANDOM_ROUNDS = 2000
};

static const bool HAS_WALKER =
#if defined(__x86_64__) && defined(DLFO_STRUCT_HAS_EH_DBASE)
    true;
#else
    false;
#endif

static int set_up(void **state) {
    (void)state;
    if (!HAS_WALKER) {
        print_message("left out: every walk is libunwind's here\n");
        skip();
    }
    unwind_configure(&unwind_cfi, UNWIND_FULL, STACK_MAX_FRAMES);
    return 0;
}

/* --- the comparison ---------------------------------------------------------------------------------------------- */

typedef struct comparison {
    int depth; /* of the stack as cfi sees it; UNWIND_CANNOT */
    bool same; /* libunwind sees these frames and no other, from the first on */
    void *frames[STACK_MAX_FRAMES];
} comparison;

static void compare_frames(comparison *into, void *const *theirs, int their_depth) {
    int skipped = 0;
    while (skipped < their_depth && into->depth > 0 && theirs[skipped] != into->frames[0]) {
        skipped++;
    }
    const int left = their_depth - skipped;
    into->same = into->depth > 0 && (left == into->depth || (into->depth == STACK_MAX_FRAMES && left > into->depth)) &&
                 memcmp(into->frames, theirs + skipped, (size_t)into->depth * sizeof *theirs) == 0;
}

/* What capturing gave as a stack, again and again, so that some of it is a repetition: it is one, and beyond the function
 * that is compared in it is what the walk saw. */
static bool is_right(const uint32_t *stacks, size_t count, size_t limit, const comparison *with) {
    size_t depth = 0;
    const uintptr_t *frames = stack_table_get(stacks[0], &depth);
    size_t at = 0;
    for (size_t i = 1; i < count; i++) {
        if (stacks[i] != stacks[0]) {
            return false;
        }
    }
    while (at < depth && frames[at] != (uintptr_t)with->frames[1]) {
        at++;
    }
    const size_t left = depth - at;
    const size_t known = (size_t)with->depth - 1;
    const bool is_cut = left < known ? depth == limit : left > known ? with->depth == STACK_MAX_FRAMES : true;
    return left > 0 && is_cut &&
           memcmp(frames + at, with->frames + 1, (left < known ? left : known) * sizeof *frames) == 0;
}

enum {
    CAPTURES = 3
};

/* All from one call, so that their stacks are one. */
OWN_FRAME static void compare(comparison *into) {
    static const unwinder *const WALKERS[2] = {&unwind_cfi, &unwind_libunwind};
    void *frames[2][STACK_MAX_FRAMES + LIBUNWINDS_OWN];
    int depths[2] = {0, 0};
    for (volatile int i = 0; i < 2; i++) {
        depths[i] = WALKERS[i]->capture(frames[i], STACK_MAX_FRAMES + (i == 1 ? LIBUNWINDS_OWN : 0), NULL);
    }
    into->depth = depths[0];
    if (into->depth > 0) {
        memcpy(into->frames, frames[0], (size_t)into->depth * sizeof(void *));
    }
    compare_frames(into, frames[1], depths[1]);
    if (into->depth <= 1) {
        return; /* libunwind's, and who counts how often is not to count these */
    }
    static const size_t LIMITS[UNWIND_REASONS] = {STACK_MAX_FRAMES, 14, 15};
    for (size_t k = 0; k < UNWIND_REASONS; k++) {
        uint32_t stacks[CAPTURES];
        for (volatile int i = 0; i < CAPTURES; i++) {
            stacks[i] = unwind_capture_stack(LIMITS[k], (unwind_reason)k);
        }
        into->same = into->same && is_right(stacks, CAPTURES, LIMITS[k], into);
    }
}

/* Where the callbacks of tests put it. */
static comparison found;

OWN_FRAME static void compare_here(void) {
    found = (comparison){.depth = 0};
    compare(&found);
    __asm__ volatile("" ::: "memory");
}

static void assert_same(int least) {
    assert_true(found.depth >= least);
    assert_true(found.same);
}

/* --- functions of every kind ------------------------------------------------------------------------------------- */

typedef void action(void);

/* A path: what is left of it is called one after the other, then the action. */
typedef struct path {
    const uint8_t *kinds;
    size_t left;
    action *then;
} path;

static void go_on(path rest);

static volatile uintptr_t sink;

OWN_FRAME static void plain(path rest) {
    go_on(rest);
    sink = rest.left;
}

/* Frames as large as plain()'s, and other addresses. */
OWN_FRAME static void plain_too(path rest) {
    go_on(rest);
    sink = rest.left + 1;
}

OWN_FRAME static void with_many_locals(path rest) {
    volatile uintptr_t words[300];
    words[rest.left] = 1;
    go_on(rest);
    sink = words[rest.left];
}

OWN_FRAME static void with_alloca(path rest) {
    volatile char *bytes = __builtin_alloca(1 + rest.left * 24);
    bytes[0] = 1;
    go_on(rest);
    bytes[0] = 2; /* the frame lasts until here */
}

OWN_FRAME static void with_aligned_locals(path rest) {
    _Alignas(64) volatile char bytes[64];
    bytes[0] = 1;
    go_on(rest);
    bytes[1] = bytes[0];
}

/* Aligned, and with arguments on the stack and a frame that grows: what gcc needs expressions for. */
OWN_FRAME static void with_all_of_it(long a, long b, long c, long d, long e, long f, long g, path rest) {
    _Alignas(64) volatile char bytes[64];
    volatile char *more = __builtin_alloca(16 + rest.left * 3);
    bytes[0] = more[0] = 1;
    go_on(rest);
    bytes[1] = more[0] = bytes[0];
    sink = (uintptr_t)(a + b + c + d + e + f + g);
}

OWN_FRAME static void with_many_registers(path rest) {
    uintptr_t a = sink, b = a * 3, c = b ^ 5, d = c + 7, e = d * 9, f = e ^ 11;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    go_on(rest);
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    sink = a + b + c + d + e + f;
}

#ifdef __clang__
#define NO_FRAME_POINTER
#define FRAME_POINTER
#else
#define NO_FRAME_POINTER __attribute__((optimize("O2", "omit-frame-pointer")))
#define FRAME_POINTER    __attribute__((optimize("O2", "no-omit-frame-pointer")))
#endif

OWN_FRAME NO_FRAME_POINTER static void without_frame_pointer(path rest) {
    go_on(rest);
    sink = rest.left;
}

OWN_FRAME FRAME_POINTER static void with_frame_pointer(path rest) {
    go_on(rest);
    sink = rest.left;
}

static int order_and_go_on(const void *a, const void *b, void *context) {
    path *rest = context;
    if (rest->then != NULL) {
        path once = *rest;
        rest->then = NULL;
        go_on(once);
    }
    return (int)(*(const char *)a - *(const char *)b);
}

OWN_FRAME static void by_the_c_librarys_sort(path rest) {
    char two[2] = {2, 1};
    qsort_r(two, 2, 1, order_and_go_on, &rest);
    sink = (uintptr_t)two[0];
}

static uintptr_t bottom;

/* What is called from here stands at one place, however deep this is: where words of other calls may still be around. */
OWN_FRAME static void down_to_the_bottom(path rest) {
    volatile char *room = __builtin_alloca((uintptr_t)__builtin_frame_address(0) - bottom);
    room[0] = 1;
    without_frame_pointer(rest); /* which hands this frame pointer on */
    room[0] = 2;
}

enum {
    KINDS = 10,
    PLAIN_TOO = 9,
    TO_BOTTOM = UINT8_MAX /* not one at random: somebody is to say where that is */
};

static void go_on(path rest) {
    if (rest.left == 0) {
        rest.then();
        return;
    }
    const uint8_t kind = *rest.kinds;
    rest.kinds++;
    rest.left--;
    if (kind == TO_BOTTOM) {
        down_to_the_bottom(rest);
        return;
    }
    switch (kind % KINDS) {
    case 0:
        plain(rest);
        break;
    case 1:
        with_many_locals(rest);
        break;
    case 2:
        with_alloca(rest);
        break;
    case 3:
        with_aligned_locals(rest);
        break;
    case 4:
        with_all_of_it(1, 2, 3, 4, 5, 6, 7, rest);
        break;
    case 5:
        with_many_registers(rest);
        break;
    case 6:
        without_frame_pointer(rest);
        break;
    case 7:
        with_frame_pointer(rest);
        break;
    case PLAIN_TOO:
        plain_too(rest);
        break;
    default:
        by_the_c_librarys_sort(rest);
        break;
    }
    __asm__ volatile("" ::: "memory");
}

#endif
