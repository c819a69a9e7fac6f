/* What takes a sampled buffer off the plain way, a bit each, in one word: most programs have none of it most of the time, and then
 * one question is asked in place of seven.
 *
 * A bit says that something may be so, and whoever sees one asks for that itself. So a bit may be set that long, and need not be
 * cleared; but it is set before what it speaks of matters to anybody. DETOUR_EXACT is the other way round: who sees it believes it, so
 * it is set once the level is paranoid, and cleared before it is another one.
 *
 * Relaxed. A change of the level is seen late at worst, as it is where the level itself is asked. Scopes and canaries matter to whoever
 * has a buffer of a thread that has set the bit before it made the buffer, and so comes after that. */
#ifndef LEAKDETECT_DETOUR_H
#define LEAKDETECT_DETOUR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "process/sampled.h"

typedef enum detour {
    DETOUR_LEVEL = 1 << 0,    /* any but simple, or the sample is one by bytes */
    DETOUR_SCOPES = 1 << 1,   /* there has been one */
    DETOUR_CANARIES = 1 << 2, /* some buffer has had some */
    DETOUR_CLOSINGS = 1 << 3, /* stacks of closings are kept at the sampled levels */
    DETOUR_DOUBTS = 1 << 4,   /* some stack turned out to be wrong (unwind.h) */
    DETOUR_REVIVAL = 1 << 5,  /* a forked child lacks the detector's thread */
    DETOUR_EXACT = 1 << 6     /* the level is paranoid, and stacks of closings are kept at that; beside DETOUR_LEVEL */
} detour;

SAMPLED_EXTERN _Atomic uint32_t detours_now;

static inline bool detours_any(void) {
    return atomic_load_explicit(&detours_now, memory_order_relaxed) != 0;
}

/* At paranoid the way is another one, and has room for canaries. */
static inline bool detours_allow_exact(void) {
    const uint32_t now = atomic_load_explicit(&detours_now, memory_order_relaxed);
    return (now & ~(uint32_t)(DETOUR_CANARIES | DETOUR_CLOSINGS)) == (uint32_t)(DETOUR_LEVEL | DETOUR_EXACT);
}

static inline bool detour_is_set(detour which) {
    return (atomic_load_explicit(&detours_now, memory_order_relaxed) & (uint32_t)which) != 0;
}

static inline void detour_set(detour which, bool is_so) {
    if (is_so) {
        atomic_fetch_or_explicit(&detours_now, (uint32_t)which, memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&detours_now, ~(uint32_t)which, memory_order_relaxed);
    }
}

#endif
