/* The tracker's callbacks, as the allocator calls them: each does nothing where no tracker is registered. Inline is what a
 * sampled buffer comes by: each frame between the program and the tracker has to be walked. */
#ifndef TRACKER_H
#define TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/tracker.h>

#include "check.h"

/* The one that is registered, or NULL. Atomic; release in poolbuf_tracker_register() pairs with acquire here. */
extern const poolbuf_tracker *tracker_current;
static inline const poolbuf_tracker *tracker_get(void) {
    return __atomic_load_n(&tracker_current, __ATOMIC_ACQUIRE);
}

/* The struct as it first was; before there was anything to withhold; before that was done with slices, and gaps had a
 * name; and before a release told whether to ask. */
#define TRACKER_FIRST_SIZE  offsetof(poolbuf_tracker, referenced)
#define TRACKER_SECOND_SIZE offsetof(poolbuf_tracker, withhold)
#define TRACKER_THIRD_SIZE  offsetof(poolbuf_tracker, withhold_view)
#define TRACKER_FOURTH_SIZE offsetof(poolbuf_tracker, ended)

/* Of a tracker that is as old as one of these, or of none. */
uint32_t tracker_next_gap_old(const poolbuf_tracker *tracker);
bool tracker_released_old(const poolbuf_tracker *tracker, const poolbuf *buffer);

/* 1 or more; UINT32_MAX: none. */
static inline uint32_t tracker_next_gap(const void *countdown) {
    const poolbuf_tracker *tracker = tracker_get();
    uint32_t gap =
        POOLBUF_LIKELY(tracker != NULL && tracker->struct_size > TRACKER_THIRD_SIZE && tracker->next_gap_of != NULL)
            ? tracker->next_gap_of(countdown)
            : tracker_next_gap_old(tracker);
    return gap != 0 ? gap : 1;
}

static inline bool tracker_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    const poolbuf_tracker *tracker = tracker_get();
    return tracker != NULL && tracker->allocated != NULL && tracker->allocated(buffer, allocator, capacity);
}

/* Whether to offer it with tracker_withhold(). */
static inline bool tracker_released(const poolbuf *buffer) {
    const poolbuf_tracker *tracker = tracker_get();
    if (POOLBUF_LIKELY(tracker != NULL && tracker->struct_size > TRACKER_FOURTH_SIZE && tracker->ended != NULL)) {
        return tracker->ended(buffer);
    }
    return tracker_released_old(tracker, buffer);
}

void tracker_accessed(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                      const char *hint);
bool tracker_withhold(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size);
bool tracker_withhold_view(poolbuf *view, poolbuf_allocator *allocator, const poolbuf *root);
void tracker_surrender(poolbuf_allocator *allocator);
void tracker_allocator_destroyed(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes);

/* A programming error of the caller: tells the tracker, counts, and aborts unless POOLBUF_MISUSE=count. */
void tracker_misuse(const poolbuf *buffer, poolbuf_misuse misuse);
uint64_t tracker_misuse_count(void);

#endif
