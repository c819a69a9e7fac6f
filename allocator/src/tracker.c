/* The one tracker, and what happens on misuse. */
#include "tracker.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <poolbuf/options.h>

#include "check.h"
#include "counter.h"
#include "process/sampled.h"
#include "registry.h"

static uint32_t no_gap(const void *countdown) {
    (void)countdown;
    return UINT32_MAX;
}

static bool not_tracked(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    (void)buffer;
    (void)allocator;
    (void)capacity;
    return false;
}

static bool ends_unseen(const poolbuf *buffer) {
    (void)buffer;
    return false;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is a callback */
static bool not_withheld(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size) {
    (void)buffer;
    (void)allocator;
    (void)memory;
    (void)size;
    return false;
}

static const tracker_calls NO_CALLS = {no_gap, not_tracked, ends_unseen, not_withheld};
SAMPLED_WORD tracker_calls tracker_calls_now = {no_gap, not_tracked, ends_unseen, not_withheld};
const poolbuf_tracker *tracker_current;
static uint64_t misuses; /* atomic */

static bool withholds(const poolbuf_tracker *tracker) {
    return tracker != NULL && tracker->struct_size > TRACKER_SECOND_SIZE && tracker->withhold != NULL &&
           tracker->surrender != NULL;
}

/* Of trackers that are older than next_gap_of(), and than ended(). */
static uint32_t next_gap_old(const void *countdown) {
    const poolbuf_tracker *tracker = tracker_get();
    return tracker != NULL && tracker->next_gap != NULL ? tracker->next_gap() : no_gap(countdown);
}

static bool ended_old(const poolbuf *buffer) {
    const poolbuf_tracker *tracker = tracker_get();
    if (tracker != NULL && tracker->released != NULL) {
        tracker->released(buffer);
    }
    return withholds(tracker);
}

static tracker_calls calls_of(const poolbuf_tracker *tracker) {
    tracker_calls calls = NO_CALLS;
    if (tracker == NULL) {
        return calls;
    }
    if (tracker->struct_size > TRACKER_THIRD_SIZE && tracker->next_gap_of != NULL) {
        calls.next_gap = tracker->next_gap_of;
    } else if (tracker->next_gap != NULL) {
        calls.next_gap = next_gap_old;
    }
    calls.allocated = tracker->allocated != NULL ? tracker->allocated : not_tracked;
    calls.ended = tracker->struct_size > TRACKER_FOURTH_SIZE && tracker->ended != NULL ? tracker->ended : ended_old;
    calls.withhold = withholds(tracker) ? tracker->withhold : not_withheld;
    return calls;
}

poolbuf_status poolbuf_tracker_register(const poolbuf_tracker *tracker) {
    if (tracker != NULL && tracker->struct_size != sizeof *tracker && tracker->struct_size != TRACKER_FIRST_SIZE &&
        tracker->struct_size != TRACKER_SECOND_SIZE && tracker->struct_size != TRACKER_THIRD_SIZE &&
        tracker->struct_size != TRACKER_FOURTH_SIZE) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    tracker_surrender(NULL); /* the next one knows nothing of what this one keeps back */
    const tracker_calls calls = calls_of(tracker);
    __atomic_store_n(&tracker_current, tracker, __ATOMIC_RELEASE);
    __atomic_store_n(&tracker_calls_now.next_gap, calls.next_gap, __ATOMIC_RELEASE);
    __atomic_store_n(&tracker_calls_now.allocated, calls.allocated, __ATOMIC_RELEASE);
    __atomic_store_n(&tracker_calls_now.ended, calls.ended, __ATOMIC_RELEASE);
    __atomic_store_n(&tracker_calls_now.withhold, calls.withhold, __ATOMIC_RELEASE);
    registry_restart_sampling();
    return POOLBUF_OK;
}

void poolbuf_tracker_reset_sampling(void) {
    registry_restart_sampling();
}

void poolbuf_tracker_reset_thread(void) {
    registry_restart_sampling_here();
}

void tracker_accessed(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                      const char *hint) {
    const poolbuf_tracker *tracker = tracker_get();
    if (tracker != NULL && tracker->struct_size > TRACKER_FIRST_SIZE && tracker->referenced != NULL) {
        tracker->referenced(buffer, access, references, by_slice, hint);
    } else if (tracker != NULL && tracker->accessed != NULL) {
        tracker->accessed(buffer, access, hint);
    }
}

bool tracker_withhold_view(poolbuf *view, poolbuf_allocator *allocator, const poolbuf *root) {
    const poolbuf_tracker *tracker = tracker_get();
    return withholds(tracker) && tracker->struct_size > TRACKER_THIRD_SIZE && tracker->withhold_view != NULL &&
           tracker->withhold_view(view, allocator, root);
}

void tracker_surrender(poolbuf_allocator *allocator) {
    const poolbuf_tracker *tracker = tracker_get();
    if (withholds(tracker)) {
        tracker->surrender(allocator);
    }
}

void poolbuf_tracker_raise(const poolbuf *buffer, poolbuf_misuse misuse) {
    tracker_misuse(buffer, misuse);
}

void tracker_allocator_destroyed(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes) {
    const poolbuf_tracker *tracker = tracker_get();
    if (tracker != NULL && tracker->allocator_destroyed != NULL) {
        tracker->allocator_destroyed(allocator, live_buffers, live_bytes);
    }
}

void tracker_misuse(const poolbuf *buffer, poolbuf_misuse misuse) {
    static const char *const TEXTS[] = {
        [POOLBUF_MISUSE_OVER_RELEASE] = "released once more than it was retained",
        [POOLBUF_MISUSE_USE_AFTER_RELEASE] = "used after its last release",
        [POOLBUF_MISUSE_FOREIGN_POINTER] = "is not a buffer of this library",
        [POOLBUF_MISUSE_OVERFLOW] = "retained more than 2^30 times",
        [POOLBUF_MISUSE_OVERRUN] = "written to behind its end",
        [POOLBUF_MISUSE_WRITE_AFTER_RELEASE] = "written to after its last release",
    };
    counter_add_shared(&misuses, 1);
    const poolbuf_tracker *tracker = tracker_get();
    if (tracker != NULL && tracker->misuse != NULL) {
        tracker->misuse(buffer, misuse);
    }
    unsigned action = 0;
    (void)poolbuf_option_read_choice("POOLBUF_MISUSE", &action);
    if (action == 0) {
        (void)fprintf(stderr, "poolbuf: buffer %p %s\n", (const void *)buffer, TEXTS[misuse]);
        abort();
    }
}

uint64_t tracker_misuse_count(void) {
    return counter_get(&misuses);
}
