/* What every sampled resource comes by, inline in the function that poolbuf calls: each frame between that and the walker is
 * one of ours, to be walked and cut, and each function saves the registers of the one before. Plain functions of the same
 * are detector_track() and detector_untrack(). */
#ifndef LEAKDETECT_DETECTOR_HERE_H
#define LEAKDETECT_DETECTOR_HERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "detector.h"
#include "stack_table.h"
#include "thread.h"
#include "tracker.h"
#include "tracker_shard.h"
#include "trigger.h"
#include "unwind.h"

#define DETECTOR_HERE static inline __attribute__((always_inline))

DETECTOR_HERE uint64_t detector_clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What tracker_open() leaves to its caller. */
DETECTOR_HERE void detector_describe(tracker_record *record, uint64_t birth_ns, uint32_t stack, uint32_t type,
                                     thread_who who, float weight) {
    record->birth_ns = birth_ns;
    record->stack = stack;
    record->type = type;
    record->who = who;
    record->weight = weight;
}

DETECTOR_HERE uint32_t detector_watch_of_new(void) {
    const uint32_t watch = tracker_watch(); /* before it is asked what is recorded */
    return detector_records_accesses() ? watch : 0;
}

/* word: of the resource, or NULL; see tracker_place. */
DETECTOR_HERE bool detector_track_here(thread_state *self, const void *resource, uint32_t *word, const void *owner,
                                       uint64_t size, uint32_t type, float weight, uint32_t guard) {
    if (!thread_enter(self)) {
        return false;
    }
    /* Walk the stack before taking the tracker's lock. Unwinding is slow and may enter the loader, which may allocate:
     * under our lock that stalls everyone and can deadlock us. The guard above leaves such nested buffers untracked. */
    const tracker_place place = word != NULL ? tracker_place_for_in(resource, word, self) : tracker_place_for(resource);
    tracker_fetch_bucket(&place);
    const uint32_t stack = unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_OPENING);
    const uint64_t birth_ns = detector_now_ns();
    const thread_who who = thread_identify(self);
    shard_lock *held = NULL;
    tracker_record *record = tracker_open(&place, tracker_owner_key(owner), size, &held);
    if (record != NULL) {
        detector_describe(record, birth_ns, stack, type, who, weight);
        record->guard = guard;
        record->watch = detector_watch_of_new();
        if (shard_lock_put(held)) {
            shard_lock_wake(held);
            tracker_turn(self);
        }
    } else {
        tracker_turn(self);
    }
    thread_leave(self);
    trigger_revive();
    return record != NULL;
}

/* Under the thread's guard, which somebody else may have raised (entered: this thread has, just now). The tracker is about to be
 * asked for the resource: where a stack is captured first, there is time to fetch something. */
DETECTOR_HERE tracker_closer detector_closer_here(thread_state *self, const tracker_place *place, bool entered) {
    tracker_closer by = {.who = thread_identify(self)};
    if (entered && detector_keeps_closing_stacks()) {
        tracker_fetch_bucket(place);
        by.stack = unwind_capture_stack(DETECTOR_CLOSE_FRAMES, UNWIND_CLOSING);
    }
    return by;
}

/* closed: NULL, or set to what is known of the resource's life. The guard stays up over the tracker's lock: a signal handler that
 * comes then, and allocates, does not wait for it. */
DETECTOR_HERE bool detector_close_here(const tracker_place *place, tracker_closed *closed) {
    thread_state *self = thread_self();
    const bool entered = thread_enter(self);
    const tracker_closer by = detector_closer_here(self, place, entered);
    const bool tracked = tracker_remove(place, by, closed);
    if (entered) {
        thread_leave(self);
    }
    trigger_revive();
    return tracked;
}

#endif
