/* The one file that ties the detector to poolbuf's buffers: it implements poolbuf/tracker.h, starts the detector when the
 * library is loaded, and ends it when the process exits.
 *
 * The constructor runs with the lowest priority number that programs may use, so that constructors of the program find
 * the detector at work. The destructor has the same number and runs last: after main, after atexit handlers and C++
 * static destructors, and, in the shared library, after the destructors of everything that depends on it. */
#include <poolbuf/buffer.h>
#include <poolbuf/composite.h>
#include <poolbuf/tracker.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "detector.h"
#include "detector_here.h"
#include "guard.h"
#include "message.h"
#include "process/sampled.h"
#include "quarantine.h"
#include "scope.h"
#include "stack_table.h"
#include "suppress.h"
#include "tally.h"
#include "trigger.h"

SAMPLED_WORD static uint32_t buffer_type; /* the interned name of the type */

/* A weight belongs to the gap that it was drawn with, and a thread has one gap running in each allocator. A place that is taken from
 * another forgets that one's weight, and is nobody's until there is one. */
static __attribute__((noinline)) thread_gap *find_gap(thread_state *self, const void *countdown) {
    for (uint32_t i = 0; i < THREAD_GAPS; i++) {
        if (self->gaps[i].countdown == countdown) {
            return &self->gaps[i];
        }
    }
    /* In a scope it is the scope that has set the running gap: all were set anew when the thread went in. */
    thread_gap *taken = &self->gaps[self->gaps_taken++ % THREAD_GAPS];
    *taken = (thread_gap){.scope_pending = scope_is_inside()};
    return taken;
}

/* The allocator draws the next gap first, and then shows us the buffer, which belongs to the one before. A thread's very first sample
 * may come before a second gap, and then belongs to the first. */
static inline uint32_t draw_gap(thread_state *self, thread_countdown *countdown) {
    const uint32_t gap = detector_next_gap(&detector_buffers, countdown, self);
    if (!(countdown->weight_expired > 0)) {
        countdown->weight_expired = countdown->weight_pending;
    }
    return gap;
}

/* Where each is tracked, there is nothing to ask again until the level changes, or the thread enters a scope: both have the thread
 * begin anew. */
static inline uint32_t draw_gap_or_each(thread_state *self, thread_countdown *countdown) {
    if (detector_level() == LEAKDETECT_PARANOID) {
        countdown->weight_expired = countdown->weight_pending = 1;
        return 0;
    }
    return draw_gap(self, countdown);
}

/* What is asked next comes after it: a signal handler may start a new thread's state in between. */
static inline bool takes_plain_way(const thread_state *self) {
    const bool is_plain = !detours_any() && self->phase == THREAD_READY;
    atomic_signal_fence(memory_order_seq_cst);
    return is_plain;
}

static inline bool takes_exact_way(const thread_state *self) {
    const bool is_exact = detours_allow_exact() && self->phase == THREAD_READY;
    atomic_signal_fence(memory_order_seq_cst);
    return is_exact;
}

/* A thread in a scope shows us every allocation, and the level's sample is then counted here. */
static __attribute__((noinline)) uint32_t next_gap_of_scope(thread_state *self, thread_gap *gap) {
    gap->scope_expired = gap->scope_pending;
    gap->scope_pending = scope_is_inside();
    if (gap->scope_pending) {
        self->buffers.left = gap->scope_expired ? self->buffers.left : 0;
        return 1;
    }
    return draw_gap(self, &gap->drawn);
}

static __attribute__((noinline)) uint32_t next_gap_unusual(const void *countdown) {
    thread_state *self = thread_self();
    thread_gap *gap = find_gap(self, countdown);
    uint32_t drawn = 0;
    if (gap->scope_pending || scope_depth != 0) {
        drawn = next_gap_of_scope(self, gap);
    } else {
        gap->scope_expired = false;
        drawn = draw_gap_or_each(self, &gap->drawn);
    }
    atomic_signal_fence(memory_order_seq_cst); /* a handler that allocates from here finds it complete, or not at all */
    gap->countdown = countdown;
    self->newest_gap = gap;
    return drawn;
}

/* Of the countdown that asked last, with no scope. */
static __attribute__((noinline)) uint32_t next_gap_by_detour(const void *countdown) {
    thread_state *self = thread_self();
    thread_gap *gap = self->newest_gap;
    if (__builtin_expect(gap->countdown != countdown || gap->scope_pending || scope_depth != 0, 0)) {
        return next_gap_unusual(countdown);
    }
    gap->scope_expired = false;
    return draw_gap_or_each(self, &gap->drawn);
}

/* The same at simple, where no scope has set a gap. What is left to a function is its last call, so that nothing needs to be saved
 * here. */
SAMPLED_CODE static uint32_t buffers_next_gap(const void *countdown) {
    thread_state *self = &thread_own;
    if (__builtin_expect(!takes_plain_way(self) || self->newest_gap->countdown != countdown, 0)) {
        return next_gap_by_detour(countdown);
    }
    thread_gap *gap = self->newest_gap;
    gap->drawn.weight_expired = gap->drawn.weight_pending;
    return sampler_next_gap(&detector_buffers, &self->random, &gap->drawn.weight_pending);
}

static inline tracker_place place_of(const poolbuf *buffer) {
    uint32_t *word = poolbuf_tracker_word(buffer);
    return word != NULL ? tracker_place_in(buffer, word) : tracker_place_of(buffer);
}

/* --- canaries and quarantine, see guard.h and quarantine.h --------------------------------------------------------- */

/* What buffers_misuse() is to say of an offence that was found here. */
static _Thread_local struct {
    char text[160];
    const tracker_closed *closed;
} found;

/* How this thread's last tracked buffer ended. buffers_withhold() follows for the same one, unless a signal handler was between. */
static _Thread_local tracker_closed last_closed;

/* The capacity is new: so are the bytes behind it, unless somebody may still use them. Returns the record's guard. */
static __attribute__((noinline)) uint32_t lay_canaries(const poolbuf *buffer) {
    uint8_t *slack = NULL;
    bool reachable = false;
    size_t count = poolbuf_tracker_slack(buffer, &slack, &reachable);
    if (detector_level() != LEAKDETECT_PARANOID || count == 0 || reachable) {
        return 0;
    }
    memset(slack, GUARD_CANARY_BYTE, count);
    if (!detour_is_set(DETOUR_CANARIES)) {
        detour_set(DETOUR_CANARIES, true);
    }
    return (uint32_t)poolbuf_capacity(buffer) + 1;
}

/* A new buffer that fills its memory has no bytes behind it. */
static inline uint32_t guard_of_new(const poolbuf *buffer) {
    return __builtin_expect(buffer->usable == buffer->capacity, 1) ? 0 : lay_canaries(buffer);
}

/* The table is asked last: most buffers have none, which can be told without it. */
static __attribute__((noinline)) void check_canaries(const poolbuf *buffer) {
    uint8_t *slack = NULL;
    bool reachable = false;
    tracker_record record;
    size_t count = poolbuf_tracker_slack(buffer, &slack, &reachable);
    size_t capacity = poolbuf_capacity(buffer);
    if (count == 0) {
        return;
    }
    const tracker_place place = place_of(buffer);
    if (!tracker_find(&place, &record) || record.guard != capacity + 1) {
        return;
    }
    size_t changed = guard_find_change(slack, count, GUARD_CANARY_BYTE);
    if (changed != count) {
        (void)snprintf(found.text, sizeof found.text,
                       "a write behind the end of a buffer: the byte at %zu has changed, the capacity is %zu",
                       capacity + changed, capacity);
        found.closed = NULL;
        poolbuf_tracker_raise(buffer, POOLBUF_MISUSE_OVERRUN);
    }
}

static void poison_changed(const void *resource, size_t offset, size_t size, const tracker_closed *closed) {
    (void)snprintf(found.text, sizeof found.text,
                   "a write to a buffer whose last reference was gone: the byte at %zu has changed, of %zu", offset,
                   size);
    found.closed = closed;
    poolbuf_tracker_raise(resource, POOLBUF_MISUSE_WRITE_AFTER_RELEASE);
}

static void give_back(void *resource) {
    poolbuf_tracker_give_back(resource);
}

/* Of a composite, whose components have ended since. */
static __attribute__((noinline)) bool withhold_older(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory,
                                                     size_t size) {
    tracker_closed closed;
    const tracker_place place = place_of(buffer);
    return tracker_find_closed(&place, &closed) && quarantine_take(buffer, allocator, memory, size, &closed);
}

static bool buffers_withhold(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size) {
    if (detector_level() != LEAKDETECT_PARANOID) {
        return false;
    }
    return __builtin_expect(last_closed.key == ~(uintptr_t)buffer, 1)
               ? quarantine_take(buffer, allocator, memory, size, &last_closed)
               : withhold_older(buffer, allocator, memory, size);
}

/* A slice is not tracked itself: its stacks are those of its buffer's allocation and of its own end. */
static bool buffers_withhold_view(poolbuf *view, poolbuf_allocator *allocator, const poolbuf *root) {
    if (detector_level() != LEAKDETECT_PARANOID) {
        return false;
    }
    tracker_closed closed;
    const tracker_place place = place_of(root);
    return detector_close_part(&place, &closed) && quarantine_take(view, allocator, NULL, 0, &closed);
}

static void buffers_surrender(poolbuf_allocator *allocator) {
    quarantine_surrender(allocator);
}

/* --- the other callbacks --------------------------------------------------------------------------------------------- */

static bool is_next_of_sample(thread_state *self) {
    if (!self->newest_gap->scope_expired) {
        return true; /* poolbuf has counted */
    }
    if (self->buffers.left == 0 || self->scope_epoch != detector_level_epoch()) {
        self->scope_epoch = detector_level_epoch();
        self->buffers.left = detector_next_gap(&detector_buffers, &self->buffers, self);
        self->buffers.weight_expired = self->buffers.weight_pending;
    }
    return --self->buffers.left == 0;
}

static bool track_unusual(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    thread_state *self = thread_self();
    if (detector_level() == LEAKDETECT_DISABLED || !is_next_of_sample(self)) {
        return false;
    }
    const thread_gap *gap = self->newest_gap;
    float weight = (gap->scope_expired ? &self->buffers : &gap->drawn)->weight_expired;
    if (!detector_accept(&detector_buffers, self, capacity, &weight) || weight == 0) {
        return false;
    }
    uint32_t guard = detector_level() == LEAKDETECT_PARANOID ? lay_canaries(buffer) : 0;
    return detector_track(self, buffer, poolbuf_tracker_word(buffer), allocator, capacity, buffer_type, weight, guard);
}

static __attribute__((noinline)) bool allocated_unusual(poolbuf *buffer, poolbuf_allocator *allocator,
                                                        size_t capacity) {
    bool sampled = track_unusual(buffer, allocator, capacity);
    return (scope_is_inside() && scope_add(buffer, capacity, buffer_type, sampled)) || sampled;
}

/* The two that come by here most have a word; composites and wrapped memory have none. */
static inline __attribute__((always_inline)) bool track(thread_state *self, poolbuf *buffer,
                                                        poolbuf_allocator *allocator, size_t capacity, float weight,
                                                        uint32_t guard) {
    uint32_t *word = poolbuf_tracker_word(buffer);
    if (__builtin_expect(word == NULL, 0)) {
        return detector_track(self, buffer, NULL, allocator, capacity, buffer_type, weight, guard);
    }
    return detector_track_here(self, buffer, word, allocator, capacity, buffer_type, weight, guard);
}

static __attribute__((noinline)) bool allocated_in_sample(thread_state *self, poolbuf *buffer,
                                                          poolbuf_allocator *allocator, size_t capacity) {
    return track(self, buffer, allocator, capacity, self->newest_gap->drawn.weight_expired, 0);
}

static __attribute__((noinline)) bool allocated_at_paranoid(thread_state *self, poolbuf *buffer,
                                                            poolbuf_allocator *allocator, size_t capacity) {
    return track(self, buffer, allocator, capacity, 1, guard_of_new(buffer));
}

/* What takes a detour (detour.h), or begins on a new thread. All calls are last ones: nothing is saved, and one frame is left to be
 * walked. */
static __attribute__((noinline)) bool allocated_by_detour(poolbuf *buffer, poolbuf_allocator *allocator,
                                                          size_t capacity) {
    thread_state *self = &thread_own;
    const leakdetect_level level = detector_level();
    if (__builtin_expect(self->phase == THREAD_NEW || scope_depth != 0 || self->newest_gap->scope_expired, 0)) {
        return allocated_unusual(buffer, allocator, capacity);
    }
    if (level == LEAKDETECT_PARANOID) {
        return allocated_at_paranoid(self, buffer, allocator, capacity);
    }
    if (__builtin_expect(!detector_samples(level) || detector_buffers.bytes != 0, 0)) {
        return allocated_unusual(buffer, allocator, capacity);
    }
    return allocated_in_sample(self, buffer, allocator, capacity);
}

/* --- the plain way, where there is no detour, and the exact one, at paranoid --------------------------------------------
 *
 * What detector_track() and detector_untrack() do, with all that is seldom left to functions that are called last: so nothing needs
 * to be saved but what the captures need, and a closing that captures nothing has no frame. */

/* What is found out about an opening before the lock is taken. */
typedef struct opening {
    uint32_t stack;
    float weight;
    uint64_t birth_ns;
    bool exact;            /* by that way, and only then with the next two */
    uint32_t guard, watch; /* as of a record */
} opening;

static inline __attribute__((always_inline)) void describe_opening(tracker_record *record, const thread_state *self,
                                                                   const opening *about) {
    detector_describe(record, about->birth_ns, about->stack, buffer_type, self->who, about->weight);
    if (about->exact) {
        record->guard = about->guard;
        record->watch = about->watch;
    }
}

/* held: NULL, or the shard's lock, where only the record was missing. Under the guard. */
static __attribute__((noinline)) bool track_captured(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity,
                                                     opening about, shard_lock *held) {
    thread_state *self = &thread_own;
    if (held != NULL) {
        shard_lock_give(held);
    } else {
        tracker_turn(self);
    }
    const tracker_place place = tracker_place_for_in(buffer, poolbuf_tracker_word(buffer), self);
    tracker_record *record = tracker_open(&place, tracker_owner_key(allocator), capacity, &held);
    if (record != NULL) {
        describe_opening(record, self, &about);
        shard_lock_give(held);
    } else {
        tracker_turn(self);
    }
    thread_leave(self);
    return record != NULL;
}

static __attribute__((noinline)) bool wake_and_leave(shard_lock *lock, bool result) {
    shard_lock_wake(lock);
    thread_leave(&thread_own);
    return result;
}

/* Both ways, under the guard. */
static inline __attribute__((always_inline)) bool open_here(thread_state *self, poolbuf *buffer,
                                                            poolbuf_allocator *allocator, size_t capacity,
                                                            const tracker_place *place, opening about) {
    shard_lock *lock = &place->shard->lock;
    if (__builtin_expect(!shard_lock_try(lock), 0)) {
        return track_captured(buffer, allocator, capacity, about, NULL);
    }
    if (__builtin_expect(place->shard->spare == NULL, 0)) {
        return track_captured(buffer, allocator, capacity, about, lock);
    }
    tracker_record *record = tracker_take_record(place->shard);
    tracker_begin(record, place, ~(uintptr_t)allocator, capacity); /* there always is one */
    tracker_write_word(&buffer->tracker_word, record->word);
    describe_opening(record, self, &about);
    if (shard_lock_put(lock)) {
        tracker_turn(self);
        return wake_and_leave(lock, true);
    }
    thread_leave(self);
    return true;
}

static inline __attribute__((always_inline)) tracker_place place_here(const thread_state *self, poolbuf *buffer) {
    return tracker_place_by_word(tracker_number_in(self->lane, self->shard), ~(uintptr_t)buffer, &buffer->tracker_word);
}

SAMPLED_CODE static __attribute__((noinline)) bool allocated_plainly(poolbuf *buffer, poolbuf_allocator *allocator,
                                                                     size_t capacity) {
    thread_state *self = &thread_own;
    thread_raise(self);
    opening about = {.weight = self->newest_gap->drawn.weight_expired}; /* a signal handler may draw other gaps */
    about.stack = unwind_capture_undoubted(STACK_MAX_FRAMES, UNWIND_OPENING);
    about.birth_ns = detector_now_ns();
    const tracker_place place = place_here(self, buffer);
    return open_here(self, buffer, allocator, capacity, &place, about);
}

static __attribute__((noinline)) bool allocated_exactly(poolbuf *buffer, poolbuf_allocator *allocator,
                                                        size_t capacity) {
    thread_state *self = &thread_own;
    opening about = {.weight = 1, .exact = true, .guard = guard_of_new(buffer)};
    thread_raise(self);
    const tracker_place place = place_here(self, buffer);
    tracker_fetch_shard(place.shard);
    about.stack = unwind_capture_undoubted(STACK_MAX_FRAMES, UNWIND_OPENING);
    about.birth_ns = detector_now_ns();
    about.watch = detector_watch_of_new();
    return open_here(self, buffer, allocator, capacity, &place, about);
}

/* One reference, and no flag but these: then there is a word, too. */
static inline bool is_plain(const poolbuf *buffer, uint64_t flags) {
    return __atomic_load_n(&buffer->state, __ATOMIC_RELAXED) == (flags << 32 | 1);
}

/* Whether a short way may be taken for it; where it may, one use of the thread's name is taken. */
static inline bool opens_plainly(thread_state *self, const poolbuf *buffer) {
    return is_plain(buffer, 0) && !tracker_word_says(&buffer->tracker_word) && --self->name_uses >= 0;
}

static inline bool ends_plainly(thread_state *self, const poolbuf *buffer) {
    return is_plain(buffer, POOLBUF_FLAG_TRACKED) && --self->name_uses >= 0;
}

static bool allocated_unplainly(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    thread_state *self = &thread_own;
    if (__builtin_expect(!takes_exact_way(self) || !opens_plainly(self, buffer), 0)) {
        return allocated_by_detour(buffer, allocator, capacity);
    }
    return allocated_exactly(buffer, allocator, capacity);
}

SAMPLED_CODE static bool buffers_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    thread_state *self = &thread_own;
    if (__builtin_expect(!takes_plain_way(self) || !opens_plainly(self, buffer), 0)) {
        return allocated_unplainly(buffer, allocator, capacity);
    }
    return allocated_plainly(buffer, allocator, capacity);
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
    const tracker_place place = place_of(buffer);
    if (access == POOLBUF_ACCESS_GROW) {
        (void)tracker_set_guard(&place, lay_canaries(buffer)); /* 0 too: it may have had some, which end here */
    }
    if (access == POOLBUF_ACCESS_GROW && poolbuf_composite_component_count(buffer) == 0) {
        scope_resize(buffer, poolbuf_capacity(buffer));
        tracker_set_size(&place, poolbuf_capacity(buffer));
    }
    if (!scope_is_only_watcher(buffer)) {
        detector_references(&place, KINDS[access], hold, references, hint);
    }
}

static __attribute__((noinline)) void close_without_word(const poolbuf *buffer, tracker_closed *closed) {
    const tracker_place place = tracker_place_of(buffer);
    (void)detector_untrack(&place, closed);
}

/* At paranoid what has ended is kept back. Its canaries have been checked, if it may have any. */
static __attribute__((noinline)) bool end_by_detour(const poolbuf *buffer) {
    const bool withholds = detector_level() == LEAKDETECT_PARANOID;
    tracker_closed *closed = NULL; /* of interest to what is withheld alone */
    if (__builtin_expect(withholds, 0)) {
        closed = &last_closed;
        closed->key = 0;
    }
    if (scope_remove(buffer)) {
        uint32_t *word = poolbuf_tracker_word(buffer);
        if (__builtin_expect(word == NULL, 0)) {
            close_without_word(buffer, closed);
        } else {
            const tracker_place place = tracker_place_in(buffer, word);
            (void)detector_close_here(&place, closed);
        }
    }
    return withholds;
}

static __attribute__((noinline)) bool ended_by_detour(const poolbuf *buffer) {
    if (detour_is_set(DETOUR_CANARIES)) {
        check_canaries(buffer);
    }
    return end_by_detour(buffer);
}

/* held: NULL, or the shard's lock. Under the guard. */
static __attribute__((noinline)) bool leave_and_end(const poolbuf *buffer, shard_lock *held) {
    if (held != NULL) {
        shard_lock_give(held);
    }
    thread_leave(&thread_own);
    return end_by_detour(buffer);
}

/* What both ways do under the lock, which this gives back; the result is that of the caller. */
static inline __attribute__((always_inline)) bool end_here(thread_state *self, const poolbuf *buffer,
                                                           const tracker_place *place, uint32_t stack, bool exact) {
    tracker_shard *shard = place->shard;
    if (__builtin_expect(!shard_lock_try(&shard->lock), 0)) {
        return leave_and_end(buffer, NULL);
    }
    uint32_t said = 0;
    tracker_record *record = tracker_find_named(place, &said);
    if (__builtin_expect(record == NULL || (!exact && tracker_is_watched(record)) || shard->closed == NULL, 0)) {
        return leave_and_end(buffer, &shard->lock);
    }
    tracker_clear_word(place->word, said);
    const tracker_closed now = tracker_closed_now(record, (tracker_closer){.who = self->who, .stack = stack});
    if (exact) {
        tracker_copy_closed(&last_closed, &now);
    }
    tracker_note_closing(shard, &now);
    if (exact && tracker_is_watched(record)) {
        tracker_end_watch(shard, record, stack);
    }
    tracker_put_aside(shard, record);
    if (shard_lock_put(&shard->lock)) {
        return wake_and_leave(&shard->lock, exact);
    }
    thread_leave(self);
    return exact;
}

static inline tracker_place place_said(const poolbuf *buffer) {
    return tracker_place_in(buffer, (uint32_t *)(uintptr_t)&buffer->tracker_word);
}

static __attribute__((noinline)) bool ended_exactly(const poolbuf *buffer) {
    thread_state *self = &thread_own;
    last_closed.key = 0;
    thread_raise(self);
    const tracker_place place = place_said(buffer);
    tracker_fetch_shard(place.shard);
    const uint32_t stack = unwind_capture_undoubted(DETECTOR_CLOSE_FRAMES, UNWIND_CLOSING);
    return end_here(self, buffer, &place, stack, true);
}

static __attribute__((noinline)) bool check_canaries_and_end(const poolbuf *buffer) {
    check_canaries(buffer);
    return ended_exactly(buffer);
}

static bool ended_unplainly(const poolbuf *buffer) {
    thread_state *self = &thread_own;
    if (__builtin_expect(!takes_exact_way(self) || !ends_plainly(self, buffer), 0)) {
        return ended_by_detour(buffer);
    }
    return __builtin_expect(detour_is_set(DETOUR_CANARIES), 0) ? check_canaries_and_end(buffer) : ended_exactly(buffer);
}

/* The plain way. */
SAMPLED_CODE static bool buffers_ended(const poolbuf *buffer) {
    thread_state *self = &thread_own;
    if (__builtin_expect(!takes_plain_way(self) || !ends_plainly(self, buffer), 0)) {
        return ended_unplainly(buffer);
    }
    thread_raise(self);
    const tracker_place place = place_said(buffer);
    return end_here(self, buffer, &place, 0, false);
}

/* A handle is a cache line, so that all of it can be read where a part can; what is none is not read. Memcheck has told the program
 * about its dead handle already. */
static bool copy_word(const poolbuf *buffer, uint32_t *copy) {
    if ((uintptr_t)buffer % sizeof(poolbuf) != 0) {
        return false;
    }
    VALGRIND_DISABLE_ERROR_REPORTING;
    const uint32_t *word = poolbuf_tracker_word(buffer);
    if (word != NULL) {
        *copy = __atomic_load_n(word, __ATOMIC_RELAXED);
    }
    VALGRIND_ENABLE_ERROR_REPORTING;
    return word != NULL;
}

static void buffers_misuse(const poolbuf *buffer, poolbuf_misuse misuse) {
    static const char *const OFFENCES[] = {
        [POOLBUF_MISUSE_OVER_RELEASE] = "release of a buffer whose last reference is gone",
        [POOLBUF_MISUSE_USE_AFTER_RELEASE] = "use of a buffer whose last reference is gone",
        [POOLBUF_MISUSE_FOREIGN_POINTER] = "a pointer that is no buffer, or a handle that was overwritten",
        [POOLBUF_MISUSE_OVERFLOW] = "too many references to one buffer",
    };
    bool found_here = misuse == POOLBUF_MISUSE_OVERRUN || misuse == POOLBUF_MISUSE_WRITE_AFTER_RELEASE;
    uint32_t word = 0; /* a copy: the handle may be gone before the report is written */
    const tracker_place place = copy_word(buffer, &word) ? tracker_place_in(buffer, &word) : tracker_place_of(buffer);
    finalize_misuse(&place, found_here ? found.text : OFFENCES[misuse], found_here ? found.closed : NULL);
}

static void buffers_allocator_destroyed(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes) {
    finalize_owner(allocator, live_buffers, live_bytes);
}

static const poolbuf_tracker TRACKER = {
    .struct_size = sizeof(poolbuf_tracker),
    .allocated = buffers_allocated,
    .misuse = buffers_misuse,
    .allocator_destroyed = buffers_allocator_destroyed,
    .referenced = buffers_referenced,
    .withhold = buffers_withhold,
    .surrender = buffers_surrender,
    .withhold_view = buffers_withhold_view,
    .next_gap_of = buffers_next_gap,
    .ended = buffers_ended,
};

__attribute__((constructor(101))) static void start(void) {
    /* At exit the loader forgets what it has initialised; a thread that is in dlopen() then makes it begin anew. */
    static bool started;
    if (started) {
        return;
    }
    started = true;
    detector_settings settings = detector_read_options();
    buffer_type = name_put("poolbuf");
    detector_set_exact(poolbuf_live_totals, poolbuf_orphan_totals);
    tally_open(settings.tally_path);
    suppress_start();
    detector_start(&settings);
    quarantine_start(&(const quarantine_doors){.give_back = give_back, .changed = poison_changed},
                     settings.quarantine_bytes);
    (void)poolbuf_tracker_register(&TRACKER);
    trigger_start(settings.report_signal, settings.report_interval_s, settings.scan_interval_s);
}

__attribute__((destructor(101))) static void finish(void) {
    quarantine_surrender(NULL);
    if (trigger_stop()) {
        finalize_process();
    } else {
        message_print("leak report at exit not written: the one before it does not end");
        tally_count_lost();
    }
}
