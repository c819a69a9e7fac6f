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

SAMPLED_WORD const poolbuf_tracker *tracker_current;
static uint64_t misuses; /* atomic */

static bool withholds(const poolbuf_tracker *tracker) {
    return tracker != NULL && tracker->struct_size > TRACKER_SECOND_SIZE && tracker->withhold != NULL &&
           tracker->surrender != NULL;
}

poolbuf_status poolbuf_tracker_register(const poolbuf_tracker *tracker) {
    if (tracker != NULL && tracker->struct_size != sizeof *tracker && tracker->struct_size != TRACKER_FIRST_SIZE &&
        tracker->struct_size != TRACKER_SECOND_SIZE && tracker->struct_size != TRACKER_THIRD_SIZE &&
        tracker->struct_size != TRACKER_FOURTH_SIZE) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    tracker_surrender(NULL); /* the next one knows nothing of what this one keeps back */
    __atomic_store_n(&tracker_current, tracker, __ATOMIC_RELEASE);
    registry_restart_sampling();
    return POOLBUF_OK;
}

void poolbuf_tracker_reset_sampling(void) {
    registry_restart_sampling();
}

void poolbuf_tracker_reset_thread(void) {
    registry_restart_sampling_here();
}

uint32_t tracker_next_gap_old(const poolbuf_tracker *tracker) {
    return tracker != NULL && tracker->next_gap != NULL ? tracker->next_gap() : UINT32_MAX;
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

bool tracker_released_old(const poolbuf_tracker *tracker, const poolbuf *buffer) {
    if (tracker != NULL && tracker->released != NULL) {
        tracker->released(buffer);
    }
    return withholds(tracker);
}

bool tracker_withhold(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size) {
    const poolbuf_tracker *tracker = tracker_get();
    return withholds(tracker) && tracker->withhold(buffer, allocator, memory, size);
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
