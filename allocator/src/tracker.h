/* The tracker's callbacks, as the allocator calls them: each does nothing where no tracker is registered. Inline is what a
 * sampled buffer comes by: each frame between the program and the tracker has to be walked. */
#ifndef TRACKER_H
#define TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/tracker.h>

#include "check.h"
#include "process/sampled.h"

/* The one that is registered, or NULL. Atomic, as are the calls below; release in poolbuf_tracker_register() pairs with acquire
 * here. */
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

/* What a sampled buffer comes by, once looked up: of a tracker that is as old as one of these something that does the same, and of
 * what is not there something that does nothing. Written by poolbuf_tracker_register(), whose caller sees to it that no other
 * thread uses buffers then. */
typedef struct tracker_calls {
    uint32_t (*next_gap)(const void *countdown);
    bool (*allocated)(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity);
    bool (*ended)(const poolbuf *buffer);
    bool (*withhold)(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size);
} tracker_calls;
SAMPLED_EXTERN tracker_calls tracker_calls_now;

/* UINT32_MAX: none; 0: each one, and it need not be asked again. */
static inline uint32_t tracker_next_gap(const void *countdown) {
    return __atomic_load_n(&tracker_calls_now.next_gap, __ATOMIC_ACQUIRE)(countdown);
}

static inline bool tracker_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    return __atomic_load_n(&tracker_calls_now.allocated, __ATOMIC_ACQUIRE)(buffer, allocator, capacity);
}

/* Whether to offer it with tracker_withhold(). */
static inline bool tracker_released(const poolbuf *buffer) {
    return __atomic_load_n(&tracker_calls_now.ended, __ATOMIC_ACQUIRE)(buffer);
}

static inline bool tracker_withhold(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size) {
    return __atomic_load_n(&tracker_calls_now.withhold, __ATOMIC_ACQUIRE)(buffer, allocator, memory, size);
}

void tracker_accessed(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                      const char *hint);
bool tracker_withhold_view(poolbuf *view, poolbuf_allocator *allocator, const poolbuf *root);
void tracker_surrender(poolbuf_allocator *allocator);
void tracker_allocator_destroyed(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes);

/* A programming error of the caller: tells the tracker, counts, and aborts unless POOLBUF_MISUSE=count. */
void tracker_misuse(const poolbuf *buffer, poolbuf_misuse misuse);
uint64_t tracker_misuse_count(void);

#endif
