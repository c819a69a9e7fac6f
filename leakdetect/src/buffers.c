/* The one file that ties the detector to poolbuf's buffers: it implements poolbuf/tracker.h, starts the detector when the
 * library is loaded, and ends it when the process exits.
 *
 * The constructor runs with the lowest priority number that programs may use, so that constructors of the program find
 * the detector at work. The destructor has the same number and runs last: after main, after atexit handlers and C++
 * static destructors, and, in the shared library, after the destructors of everything that depends on it. */
#include <poolbuf/buffer.h>
#include <poolbuf/composite.h>
#include <poolbuf/tracker.h>

#include "detector.h"
#include "scope.h"
#include "stack_table.h"
#include "suppress.h"

static uint32_t buffer_type; /* the interned name of the type */

/* A thread in a scope shows us every allocation, and the level's sample is then counted here. */
static uint32_t buffers_next_gap(void) {
    thread_state *self = thread_self();
    self->scope_expired = self->scope_pending;
    self->scope_pending = scope_is_inside();
    if (self->scope_pending) {
        self->buffers.left = self->scope_expired ? self->buffers.left : 0;
        return 1;
    }
    return detector_next_gap(&detector_buffers, &self->buffers, self);
}

static bool is_next_of_sample(thread_state *self) {
    if (!self->scope_expired) {
        return true; /* poolbuf has counted */
    }
    if (self->buffers.left == 0 || self->scope_epoch != detector_level_epoch()) {
        self->scope_epoch = detector_level_epoch();
        self->buffers.left = detector_next_gap(&detector_buffers, &self->buffers, self);
        self->buffers.weight_expired = self->buffers.weight_pending;
    }
    return --self->buffers.left == 0;
}

static bool track_sampled(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    leakdetect_level level = detector_level();
    if (level == LEAKDETECT_DISABLED || !is_next_of_sample(thread_self())) {
        return false;
    }
    /* The allocator has drawn the next gap already, so this buffer belongs to the one before; a thread's very first
     * sample may come before a second gap. */
    const thread_countdown *countdown = &thread_self()->buffers;
    float weight = countdown->weight_expired > 0 ? countdown->weight_expired : countdown->weight_pending;
    return detector_track(buffer, allocator, capacity, buffer_type, level == LEAKDETECT_PARANOID ? 1 : weight);
}

static bool buffers_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    bool sampled = track_sampled(buffer, allocator, capacity);
    return scope_add(buffer, capacity, buffer_type, sampled) || sampled;
}

static void buffers_referenced(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                               const char *hint) {
    static const access_kind KINDS[] = {
        [POOLBUF_ACCESS_RETAIN] = ACCESS_RETAIN, [POOLBUF_ACCESS_RELEASE] = ACCESS_RELEASE,
        [POOLBUF_ACCESS_SLICE] = ACCESS_SLICE,   [POOLBUF_ACCESS_GROW] = ACCESS_GROW,
        [POOLBUF_ACCESS_TOUCH] = ACCESS_TOUCH,   [POOLBUF_ACCESS_READ] = ACCESS_READ,
        [POOLBUF_ACCESS_WRITE] = ACCESS_WRITE,
    };
    hold_kind hold = access == POOLBUF_ACCESS_SLICE     ? HOLD_SLICE
                     : access == POOLBUF_ACCESS_RELEASE ? (by_slice ? HOLD_SLICE_RELEASE : HOLD_RELEASE)
                                                        : (by_slice ? HOLD_SLICE_RETAIN : HOLD_RETAIN);
    if (access == POOLBUF_ACCESS_GROW && poolbuf_composite_component_count(buffer) == 0) {
        scope_resize(buffer, poolbuf_capacity(buffer));
    }
    if (!scope_is_only_watcher(buffer)) {
        detector_references(buffer, KINDS[access], hold, references, hint);
    }
}

static void buffers_released(const poolbuf *buffer) {
    if (scope_remove(buffer)) {
        detector_untrack(buffer);
    }
}

static void buffers_misuse(const poolbuf *buffer, poolbuf_misuse misuse) {
    static const char *const OFFENCES[] = {
        [POOLBUF_MISUSE_OVER_RELEASE] = "release of a buffer whose last reference is gone",
        [POOLBUF_MISUSE_USE_AFTER_RELEASE] = "use of a buffer whose last reference is gone",
        [POOLBUF_MISUSE_FOREIGN_POINTER] = "a pointer that is no buffer, or a handle that was overwritten",
        [POOLBUF_MISUSE_OVERFLOW] = "too many references to one buffer",
    };
    finalize_misuse(buffer, OFFENCES[misuse]);
}

static void buffers_allocator_destroyed(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes) {
    finalize_owner(allocator, live_buffers, live_bytes);
}

static const poolbuf_tracker TRACKER = {
    .struct_size = sizeof(poolbuf_tracker),
    .next_gap = buffers_next_gap,
    .allocated = buffers_allocated,
    .released = buffers_released,
    .misuse = buffers_misuse,
    .allocator_destroyed = buffers_allocator_destroyed,
    .referenced = buffers_referenced,
};

__attribute__((constructor(101))) static void start(void) {
    detector_settings settings = detector_read_options();
    buffer_type = name_put("poolbuf");
    detector_set_exact(poolbuf_live_totals, poolbuf_orphan_totals);
    suppress_start();
    detector_start(&settings);
    (void)poolbuf_tracker_register(&TRACKER);
}

__attribute__((destructor(101))) static void finish(void) {
    finalize_process();
}
