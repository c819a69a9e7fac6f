/* The recorder's other source: poolbuf's own events of a program that is linked to libpoolbuf.
 *
 * The allocator has one outward hook, the tracker, and this takes its place: asked for each allocation, it wants each. So a
 * program that is not recorded executes not one instruction more, and a recorded one has no leak detection. What the
 * tracker is told are handles, which are to the recorder's table what addresses are; a buffer that was there before the
 * tracker is unknown to it, and is skipped.
 *
 * The library's symbols are weak here: absent where the program has no libpoolbuf.so when it starts, or has the static one,
 * which keeps its symbols to itself. Then malloc is what is recorded. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/tracker.h>

#include "record/recorder.h"
#include "record/spool.h"

#pragma weak leakdetect_set_level
#pragma weak poolbuf_tracker_register
#pragma weak poolbuf_capacity_slow_

_Atomic int recorder_decided = RECORDER_UNDECIDED;

int recorder_decide(void) {
    int source = RECORDER_UNDECIDED;
    if (environ != NULL) {
        const char *wanted = getenv(SPOOL_ENV_EVENTS);
        const bool has_buffers = poolbuf_tracker_register != NULL;
        source = has_buffers ? TRACE_OF_BUFFERS : TRACE_OF_MALLOC;
        if (wanted != NULL && strcmp(wanted, "malloc") == 0) {
            source = TRACE_OF_MALLOC;
        } else if (wanted != NULL && strcmp(wanted, "buffers") == 0 && !has_buffers) {
            source = RECORDER_NOTHING;
        }
        atomic_store_explicit(&recorder_decided, source, memory_order_relaxed);
    }
    return source;
}

static uint32_t every_one(void) {
    return 1;
}

static bool on_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    (void)allocator;
    recorder_allocated(buffer, capacity);
    return true;
}

static void on_released(const poolbuf *buffer) {
    recorder_releasing(buffer);
}

static void on_referenced(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                          const char *hint) {
    (void)by_slice;
    (void)hint;
    switch (access) {
    case POOLBUF_ACCESS_RETAIN:
        recorder_referenced(buffer, TRACE_RETAIN, references);
        break;
    case POOLBUF_ACCESS_RELEASE:
        recorder_referenced(buffer, TRACE_DROP, references);
        break;
    case POOLBUF_ACCESS_SLICE:
        recorder_referenced(buffer, TRACE_SLICE, references);
        break;
    case POOLBUF_ACCESS_GROW:
        recorder_changed(buffer, poolbuf_capacity(buffer));
        break;
    default:
        break;
    }
}

static const poolbuf_tracker TRACKER = {
    .struct_size = sizeof(poolbuf_tracker),
    .next_gap = every_one,
    .allocated = on_allocated,
    .released = on_released,
    .referenced = on_referenced,
};

/* The loader starts a preloaded library after those that the program is linked to, so the leak detector, which registers
 * itself from its own constructor, has done so. It hears of nothing from now on, and should not judge by that. */
__attribute__((constructor)) static void start(void) {
    if (recorder_source() == TRACE_OF_BUFFERS) {
        if (leakdetect_set_level != NULL) {
            (void)leakdetect_set_level(LEAKDETECT_DISABLED); /* benign: it is a level */
        }
        (void)poolbuf_tracker_register(&TRACKER);
    }
}
