/* Unit tests of tracker.c: which calls a tracker gets, and what misuse leads to. The tracker here is a recording one. */
#define POOLBUF_RECORD_ACCESS 1 /* in optimised builds too */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "poison.h"
#include "registry.h"
#include "thread_cache.h"

static struct {
    uint32_t gap;
    unsigned gaps, allocated, released, destroyed;
    bool want;
    unsigned accesses[POOLBUF_ACCESS_WRITE + 1];
    const char *hint;
    const poolbuf *accessed_buffer, *released_buffer, *misused_buffer;
    poolbuf_misuse misuse;
    unsigned misuses;
    uint64_t destroyed_buffers, destroyed_bytes;
} seen;

static uint32_t next_gap(void) {
    seen.gaps++;
    return seen.gap;
}

static bool allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    assert_int_equal(poolbuf_capacity(buffer), capacity);
    assert_ptr_equal(poolbuf_owner(buffer), allocator);
    seen.allocated++;
    return seen.want;
}

static void accessed(const poolbuf *buffer, poolbuf_access access, const char *hint) {
    seen.accesses[access]++;
    seen.accessed_buffer = buffer;
    seen.hint = hint;
}

static void released(const poolbuf *buffer) {
    assert_true(poolbuf_capacity(buffer) != 0); /* still whole */
    seen.released++;
    seen.released_buffer = buffer;
}

static void misuse(const poolbuf *buffer, poolbuf_misuse kind) {
    seen.misused_buffer = buffer;
    seen.misuse = kind;
    seen.misuses++;
}

static void destroyed(poolbuf_allocator *allocator, uint64_t buffers, uint64_t bytes) {
    assert_non_null(allocator);
    seen.destroyed++;
    seen.destroyed_buffers = buffers;
    seen.destroyed_bytes = bytes;
}

static const poolbuf_tracker tracker = {
    .struct_size = sizeof tracker,
    .next_gap = next_gap,
    .allocated = allocated,
    .accessed = accessed,
    .released = released,
    .misuse = misuse,
    .allocator_destroyed = destroyed,
};

static poolbuf_allocator *allocator;

static int set_up(void **state) {
    (void)state;
    memset(&seen, 0, sizeof seen);
    seen.gap = UINT32_MAX;
    seen.want = true;
    UNIT_OK(poolbuf_tracker_register(&tracker));
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    poolbuf_status status = poolbuf_allocator_destroy(allocator);
    UNIT_OK(poolbuf_tracker_register(NULL));
    return status == POOLBUF_OK ? 0 : -1;
}

static void a_gap_of_n_samples_each_nth_allocation(void **state) {
    (void)state;
    static const uint32_t gaps[] = {1, 2, 7, 100};
    for (unsigned i = 0; i < 4; i++) {
        seen.gap = gaps[i];
        seen.allocated = 0;
        poolbuf_tracker_reset_sampling();
        for (uint32_t j = 1; j <= 1000; j++) {
            assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
            assert_int_equal(seen.allocated, j / gaps[i]);
        }
    }
}

static uint64_t counted(void) {
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    UNIT_OK(poolbuf_allocator_metrics(allocator, &metrics));
    return metrics.allocations;
}

/* Where a checker is told of each allocation, that is the end of a countdown each time, and then a tracker is asked each time. */
static void a_gap_of_0_samples_each_and_is_not_asked_again(void **state) {
    (void)state;
    const bool told = allocator->group.annotated;
    poolbuf *kept = poolbuf_allocate(allocator, 64, 64);
    seen.gap = 0;
    seen.gaps = 0;
    poolbuf_tracker_reset_sampling();
    const uint64_t before = counted();
    for (unsigned i = 1; i <= 1000; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, i, 4096)));
        assert_int_equal(seen.allocated, i);
        assert_int_equal(counted(), before + i);
    }
    assert_int_equal(seen.gaps, told ? 1001 : 1);
    seen.gap = 7; /* and asked again after a reset */
    seen.allocated = 0;
    poolbuf_tracker_reset_thread();
    for (unsigned i = 1; i <= 1000; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
        assert_int_equal(seen.allocated, i / 7);
    }
    assert_int_equal(counted(), before + 2000);
    assert_true(poolbuf_release(kept));
}

/* Trims and looks at the clock come among them as before, in the way of each option. */
static void where_each_is_sampled_a_cache_is_trimmed_all_the_same(void **state) {
    (void)state;
    poolbuf_allocator *first = allocator;
    for (unsigned i = 0; i < 2; i++) {
        poolbuf_allocator_options options;
        poolbuf_allocator_options_init(&options);
        options.cache_trim_interval = i == 0 ? 100 : 0;
        options.cache_trim_interval_ms = i == 0 ? 0 : 1;
        UNIT_OK(poolbuf_allocator_create(&options, &allocator));
        poolbuf *kept[50];
        for (unsigned j = 0; j < 50; j++) {
            kept[j] = poolbuf_allocate(allocator, 1024, 1024);
        }
        poolbuf_release_many(kept, 50);
        seen.gap = 0;
        seen.gaps = 0;
        seen.allocated = 0;
        poolbuf_tracker_reset_sampling();
        poolbuf_metrics metrics = {.struct_size = sizeof metrics};
        unsigned pairs = 0;
        do {
            assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
            pairs++;
            UNIT_OK(poolbuf_allocator_metrics(allocator, &metrics));
        } while (metrics.cached_bytes >= (uint64_t)50 * 1024 && pairs < 50000000);
        assert_true(metrics.cached_bytes < (uint64_t)50 * 1024);
        assert_int_equal(seen.allocated, pairs);
        assert_int_equal(metrics.allocations, 50 + pairs);
        const unsigned apart = allocator->group.annotated ? 1 : i == 0 ? 100 : 1000;
        assert_in_range(seen.gaps, 1, 2 + pairs / apart); /* and 50 have been counted before */
        UNIT_OK(poolbuf_allocator_destroy(allocator));
    }
    allocator = first;
}

static void sampling_begins_anew_though_a_release_comes_first(void **state) {
    (void)state;
    static void (*const RESTARTS[])(void) = {poolbuf_tracker_reset_sampling, poolbuf_tracker_reset_thread};
    for (unsigned i = 0; i < 2; i++) {
        poolbuf *before = poolbuf_allocate(allocator, 64, 64);
        seen.gap = 1;
        seen.allocated = 0;
        RESTARTS[i]();
        assert_true(poolbuf_release(before)); /* fills the cache, and finds it by the slow path */
        poolbuf *after = poolbuf_allocate(allocator, 64, 64);
        assert_int_equal(seen.allocated, 1);
        seen.gap = UINT32_MAX;
        poolbuf_tracker_reset_sampling();
        assert_true(poolbuf_release(after));
    }
}

static void a_restart_loses_no_allocation_from_the_counts(void **state) {
    (void)state;
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    for (int i = 0; i < 100; i++) {
        poolbuf *before = poolbuf_allocate(allocator, 64, 64);
        for (int j = 0; j < i; j++) {
            assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
        }
        poolbuf_tracker_reset_thread();
        assert_true(poolbuf_release(before));
    }
    UNIT_OK(poolbuf_allocator_metrics(allocator, &metrics));
    assert_int_equal(metrics.allocations, 100 + 99 * 100 / 2);
}

static void a_gap_of_none_asks_once_and_samples_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 100000; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    }
    assert_int_equal(seen.gaps, 1);
    assert_int_equal(seen.allocated, 0);
}

/* Though a countdown ends after 2^32 - 1 allocations, here by hand, and no trim comes before. */
static void no_gap_is_none_however_many_allocations_there_are(void **state) {
    (void)state;
    poolbuf_allocator *untrimmed = NULL;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.cache_trim_interval = 0;
    UNIT_OK(poolbuf_allocator_create(&options, &untrimmed));
    assert_true(poolbuf_release(poolbuf_allocate(untrimmed, 64, 64)));
    const unsigned gaps = seen.gaps;
    thread_cache *cache = (thread_cache *)(void *)registry_slot(untrimmed->group.slot);
    assert_int_equal(cache->armed, untrimmed->group.annotated ? 1 : UINT32_MAX);
    for (unsigned i = 0; i < 3; i++) {
        POOLBUF_SET_(*cache->countdown, untrimmed->group.annotated ? 1 : 2);
        for (unsigned j = 0; j < 5; j++) {
            assert_true(poolbuf_release(poolbuf_allocate(untrimmed, 64, 64)));
        }
    }
    assert_int_equal(seen.allocated, 0);
    assert_int_equal(seen.gaps, gaps);
    UNIT_OK(poolbuf_allocator_destroy(untrimmed));
}

static void a_reset_takes_hold_at_the_next_allocation(void **state) {
    (void)state;
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    seen.gap = 1;
    poolbuf_tracker_reset_sampling();
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    assert_int_equal(seen.allocated, 1);
    assert_int_equal(unit_metrics(allocator).allocations, 2); /* and costs no count */
}

static atomic_bool other_may_go_on;

/* Has drawn a gap of none; the reset of another thread must not make it draw again. */
static void *allocate_twice(void *argument) {
    sem_t *drawn = argument;
    bool good = poolbuf_release(poolbuf_allocate(allocator, 64, 64));
    (void)sem_post(drawn);
    while (!atomic_load(&other_may_go_on)) {
        (void)sched_yield();
    }
    return good && poolbuf_release(poolbuf_allocate(allocator, 64, 64)) ? argument : NULL;
}

static void a_reset_of_one_thread_leaves_the_others_alone(void **state) {
    (void)state;
    sem_t drawn;
    pthread_t other;
    void *good = NULL;
    assert_int_equal(sem_init(&drawn, 0, 0), 0);
    atomic_store(&other_may_go_on, false);
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    assert_int_equal(pthread_create(&other, NULL, allocate_twice, &drawn), 0);
    while (sem_wait(&drawn) != 0) {
    }
    assert_int_equal(seen.gaps, 2);
    seen.gap = 1;
    poolbuf_tracker_reset_thread();
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    assert_int_equal(seen.allocated, 1);
    assert_int_equal(unit_metrics(allocator).allocations, 3);
    unsigned gaps = seen.gaps;
    atomic_store(&other_may_go_on, true);
    assert_int_equal(pthread_join(other, &good), 0);
    assert_non_null(good);
    assert_int_equal(seen.gaps, gaps);
    assert_int_equal(seen.allocated, 1);
    assert_int_equal(sem_destroy(&drawn), 0);
}

static void a_reset_of_a_thread_without_a_cache_takes_hold_too(void **state) {
    (void)state;
    poolbuf_allocator *uncached = NULL;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.cache_limit_bytes = 0;
    UNIT_OK(poolbuf_allocator_create(&options, &uncached));
    assert_true(poolbuf_release(poolbuf_allocate(uncached, 64, 64)));
    seen.gap = 1;
    poolbuf_tracker_reset_thread();
    assert_true(poolbuf_release(poolbuf_allocate(uncached, 64, 64)));
    assert_int_equal(seen.allocated, 1);
    seen.gap = 0;
    poolbuf_tracker_reset_thread();
    for (unsigned i = 2; i < 100; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(uncached, 64, 64)));
        assert_int_equal(seen.allocated, i);
    }
    seen.gap = UINT32_MAX;
    poolbuf_tracker_reset_thread();
    assert_true(poolbuf_release(poolbuf_allocate(uncached, 64, 64)));
    assert_int_equal(seen.allocated, 99);
    UNIT_OK(poolbuf_allocator_destroy(uncached));
}

static void a_buffer_that_is_not_wanted_causes_no_calls(void **state) {
    (void)state;
    seen.gap = 1;
    seen.want = false;
    poolbuf_tracker_reset_sampling();
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    poolbuf_touch(b, "hint");
    assert_false(poolbuf_release(poolbuf_retain(b)));
    assert_true(poolbuf_release(b));
    assert_int_equal(seen.allocated, 1);
    assert_int_equal(seen.released, 0);
    assert_null(seen.accessed_buffer);
}

static void every_use_of_a_tracked_buffer_is_told(void **state) {
    (void)state;
    seen.gap = 1;
    poolbuf_tracker_reset_sampling();
    poolbuf *b = poolbuf_allocate(allocator, 64, 1000);
    uint8_t value = 0;
    poolbuf_touch(b, "here");
    assert_string_equal(seen.hint, "here");
    assert_ptr_equal(seen.accessed_buffer, b);
    UNIT_OK(poolbuf_write_u8(b, 1));
    UNIT_OK(poolbuf_read_u8(b, &value));
    UNIT_OK(poolbuf_set_capacity(b, 1000));
    assert_false(poolbuf_release(poolbuf_retain(b)));
    static const unsigned expected[] = {1, 1, 0, 1, 1, 1, 1};
    assert_memory_equal(seen.accesses, expected, sizeof expected);
    assert_int_equal(seen.allocated, 1); /* growing allocates memory, not a buffer */
    assert_true(poolbuf_release(b));
    assert_int_equal(seen.released, 1);
    assert_ptr_equal(seen.released_buffer, b);
}

static void uses_through_slices_are_told_of_the_buffer(void **state) {
    (void)state;
    seen.gap = 1;
    poolbuf_tracker_reset_sampling();
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    poolbuf *s = poolbuf_slice(b, 0, 10);
    poolbuf *r = poolbuf_retained_slice(s, 0, 5);
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_SLICE], 2);
    UNIT_OK(poolbuf_set_u8(r, 0, 1));
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_WRITE], 1);
    assert_ptr_equal(seen.accessed_buffer, b);
    assert_int_equal(seen.allocated, 1); /* slices are not sampled */
    assert_true(poolbuf_release(r));
    assert_true(poolbuf_release(b));
    assert_int_equal(seen.released, 1);
}

static void a_tracked_buffer_is_tracked_once_and_not_after_its_handle_comes_back(void **state) {
    (void)state;
    seen.gap = 1;
    poolbuf_tracker_reset_sampling();
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    assert_true(poolbuf_release(b));
    seen.gap = UINT32_MAX;
    poolbuf_tracker_reset_sampling();
    assert_ptr_equal(poolbuf_allocate(allocator, 64, 64), b);
    poolbuf_touch(b, NULL);
    assert_true(poolbuf_release(b));
    assert_int_equal(seen.released, 1);
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_TOUCH], 0);
}

static void destroying_with_live_buffers_is_told_before_anything_goes(void **state) {
    (void)state;
    poolbuf_allocator *other = NULL;
    UNIT_OK(poolbuf_allocator_create(NULL, &other));
    poolbuf *b = poolbuf_allocate(other, 100, 100);
    assert_int_equal(poolbuf_allocator_destroy(other), POOLBUF_ERROR_LIVE_BUFFERS);
    assert_int_equal(seen.destroyed, 1);
    assert_int_equal(seen.destroyed_buffers, 1);
    assert_int_equal(seen.destroyed_bytes, 112);
    assert_true(poolbuf_release(b));
}

static void *allocate_without_cache(void *unused) {
    (void)unused;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    (void)poolbuf_release(b);
    return NULL;
}

static void each_thread_asks_for_itself(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, allocate_without_cache, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(seen.gaps, 1);
    (void)allocate_without_cache(NULL);
    assert_int_equal(seen.gaps, 2);
}

/* Of the family that `told` is about: what was taken, less what was given back. */
static struct {
    uint64_t taken, given;
    int64_t of_slices; /* taken less given, by slices */
    unsigned neutral;
} told;

static void referenced(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                       const char *hint) {
    accessed(buffer, access, hint);
    told.taken += access == POOLBUF_ACCESS_RELEASE ? 0 : references;
    told.given += access == POOLBUF_ACCESS_RELEASE ? references : 0;
    told.of_slices += !by_slice ? 0 : access == POOLBUF_ACCESS_RELEASE ? -(int64_t)references : references;
    told.neutral += references == 0;
}

static void references_taken_and_given_back_are_told_with_their_number(void **state) {
    (void)state;
    poolbuf_tracker counting = tracker;
    counting.referenced = referenced;
    UNIT_OK(poolbuf_tracker_register(&counting));
    memset(&told, 0, sizeof told);
    seen.gap = 1;
    poolbuf_tracker_reset_sampling();
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    (void)poolbuf_retain_n(b, 5);
    assert_int_equal(told.taken, 5);
    assert_false(poolbuf_release_n(b, 3));
    assert_int_equal(told.given, 3);
    poolbuf *shared = poolbuf_slice(b, 0, 20); /* takes none */
    assert_int_equal(told.neutral, 1);
    poolbuf *inner = poolbuf_retained_slice(shared, 0, 10);
    poolbuf *innermost = poolbuf_retained_slice(inner, 0, 5);
    poolbuf *twin = poolbuf_retained_duplicate(b);
    assert_int_equal(told.taken, 5 + 3);
    assert_int_equal(told.of_slices, 3);
    assert_ptr_equal(poolbuf_retain(twin), twin);
    assert_int_equal(told.of_slices, 4);
    assert_false(poolbuf_release(twin));
    assert_true(poolbuf_release(inner) == false); /* `innermost` holds it */
    assert_true(poolbuf_release(innermost));
    assert_true(poolbuf_release(twin));
    assert_int_equal(told.given, 3 + 4);
    assert_int_equal(told.of_slices, 0);
    assert_int_equal(1 + told.taken - told.given, poolbuf_ref_count(b));
    poolbuf_touch(b, "hint");
    assert_string_equal(seen.hint, "hint");
    assert_int_equal(told.taken, 9);
    assert_true(poolbuf_release_n(b, 3));
    assert_int_equal(seen.released, 1);
    UNIT_OK(poolbuf_tracker_register(&tracker));
}

/* What the whole family holds, by what has been told; after the end, what the end gave back. */
static void expect_held(uint64_t references) {
    assert_int_equal(1 + told.taken - told.given, references);
}

/* Allocates a buffer whose references are told to a function. */
static poolbuf *begin_counting(void (*of)(const poolbuf *, poolbuf_access, uint32_t, bool, const char *)) {
    static poolbuf_tracker counting;
    counting = tracker;
    counting.referenced = of;
    UNIT_OK(poolbuf_tracker_register(&counting));
    memset(&told, 0, sizeof told);
    seen.released = 0;
    seen.gap = 1;
    poolbuf_tracker_reset_sampling();
    return poolbuf_allocate(allocator, 64, 64);
}

static void a_slice_that_ends_its_buffer_is_told_as_the_end_alone(void **state) {
    (void)state;
    poolbuf *b = begin_counting(referenced);
    poolbuf *outer = poolbuf_retained_slice(b, 0, 20);
    poolbuf *inner = poolbuf_retained_slice(outer, 0, 10);
    expect_held(3);
    assert_false(poolbuf_release(b));
    assert_false(poolbuf_release(outer));
    expect_held(1);
    assert_true(poolbuf_release(inner));
    assert_int_equal(seen.released, 1);
    expect_held(1);
    assert_int_equal(told.of_slices, 1); /* the last one, which the end gives back */
}

static void all_references_of_a_slice_given_back_at_once_are_told(void **state) {
    (void)state;
    poolbuf *b = begin_counting(referenced);
    poolbuf *outer = poolbuf_retained_slice(b, 0, 20);
    poolbuf *inner = poolbuf_retain_n(poolbuf_retained_slice(outer, 0, 10), 4);
    assert_int_equal(told.taken, 1 + 1 + 4);
    assert_true(poolbuf_release_n(inner, 5));
    assert_int_equal(told.given, 5);
    (void)poolbuf_retain_n(outer, 2);
    assert_true(poolbuf_release_n(outer, 3));
    assert_int_equal(told.given, 5 + 3);
    assert_int_equal(told.of_slices, 0);
    expect_held(1);
    outer = poolbuf_retain_n(poolbuf_retained_slice(b, 0, 20), 6);
    assert_false(poolbuf_release(b));
    assert_true(poolbuf_release_n(outer, 7));
    assert_int_equal(seen.released, 1);
    expect_held(7); /* which went with the end */
}

static sem_t is_told, may_go_on;

static void *release_it(void *buffer) {
    return (void *)(uintptr_t)poolbuf_release(buffer);
}

static void referenced_and_waiting(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                                   const char *hint) {
    referenced(buffer, access, references, by_slice, hint);
    if (access == POOLBUF_ACCESS_RELEASE && told.given == references) { /* the first one */
        (void)sem_post(&is_told);
        (void)sem_wait(&may_go_on);
    }
}

/* The other thread has told of its release, as one that is not the last, when ours overtakes it; so its is the last. */
static void a_release_that_turns_out_to_be_the_slices_last_is_told_once(void **state) {
    (void)state;
    pthread_t other;
    void *last = NULL;
    poolbuf *b = begin_counting(referenced_and_waiting);
    poolbuf *outer = poolbuf_retained_slice(b, 0, 20);
    poolbuf *inner = poolbuf_retain(poolbuf_retained_slice(outer, 0, 10));
    assert_int_equal(sem_init(&is_told, 0, 0), 0);
    assert_int_equal(sem_init(&may_go_on, 0, 0), 0);
    assert_int_equal(pthread_create(&other, NULL, release_it, inner), 0);
    (void)sem_wait(&is_told);
    assert_false(poolbuf_release(inner));
    (void)sem_post(&may_go_on);
    assert_int_equal(pthread_join(other, &last), 0);
    assert_non_null(last);
    assert_int_equal(told.given, 2); /* what `inner` had */
    assert_true(poolbuf_release(outer));
    assert_int_equal(told.given, 3);
    assert_int_equal(told.of_slices, 0);
    expect_held(1);
    assert_true(poolbuf_release(b));
    (void)sem_destroy(&is_told);
    (void)sem_destroy(&may_go_on);
}

static void a_tracker_without_the_newest_callback_is_served_as_before(void **state) {
    (void)state;
    poolbuf_tracker older = tracker;
    older.struct_size = offsetof(poolbuf_tracker, referenced);
    older.referenced = referenced; /* beyond its end */
    UNIT_OK(poolbuf_tracker_register(&older));
    memset(&told, 0, sizeof told);
    seen.gap = 1;
    poolbuf_tracker_reset_sampling();
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    assert_false(poolbuf_release(poolbuf_retain(b)));
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_RETAIN], 1);
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_RELEASE], 1);
    assert_int_equal(told.taken, 0);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_tracker_register(&tracker));
}

static void a_tracker_of_another_size_is_refused(void **state) {
    (void)state;
    poolbuf_tracker other = tracker;
    other.struct_size = 8;
    assert_int_equal(poolbuf_tracker_register(&other), POOLBUF_ERROR_BAD_ARGUMENT);
}

/* ---- Misuse, with POOLBUF_MISUSE=count set for this program ------------------------------------------------------- */

/* Memcheck closes dead handles, so each of these is an error of its own there. */
static void expect_misuse(const poolbuf *buffer, poolbuf_misuse kind, unsigned count) {
    assert_int_equal(seen.misuses, count);
    assert_int_equal(seen.misuse, kind);
    assert_ptr_equal(seen.misused_buffer, buffer);
}

static void releasing_once_too_often_is_told_and_changes_nothing(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    assert_true(poolbuf_release(b));
    assert_false(poolbuf_release(b));
    expect_misuse(b, POOLBUF_MISUSE_OVER_RELEASE, 1);
    assert_true(unit_metrics(allocator).misuses >= 1);
    poolbuf *c = poolbuf_allocate(allocator, 64, 64);
    poolbuf *d = poolbuf_allocate(allocator, 64, 64);
    assert_ptr_not_equal(c, d);
    assert_true(poolbuf_release(c));
    assert_true(poolbuf_release(d));
    assert_true(allocator_audit(allocator));
}

static void every_use_of_a_dead_buffer_is_told_and_fails(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    UNIT_OK(poolbuf_write_u32_be(b, 1));
    assert_true(poolbuf_release(b));
    uint32_t value = 0;
    unsigned count = 0;
    assert_int_equal(poolbuf_write_u32_be(b, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_int_equal(poolbuf_read_u32_be(b, &value), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_int_equal(poolbuf_get_u32_be(b, 0, &value), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_int_equal(poolbuf_set_u32_be(b, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_int_equal(poolbuf_set_capacity(b, 10), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_int_equal(poolbuf_ensure_writable(b, 0), POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_null(poolbuf_slice(b, 0, 0));
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_null(poolbuf_retained_slice(b, 0, 0));
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_ptr_equal(poolbuf_retain(b), b);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    poolbuf_touch(b, NULL);
    expect_misuse(b, POOLBUF_MISUSE_USE_AFTER_RELEASE, ++count);
    assert_int_equal(poolbuf_ref_count(b), 0);
    assert_true(allocator_audit(allocator));
}

static void a_slice_dies_with_its_buffer(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    poolbuf *s = poolbuf_slice(b, 0, 10);
    assert_true(poolbuf_release(b));
    assert_false(poolbuf_release(s));
    expect_misuse(s, POOLBUF_MISUSE_OVER_RELEASE, 1);
}

static void a_pointer_that_is_no_handle_is_told(void **state) {
    (void)state;
    static _Alignas(64) unsigned char bytes[128];
    memset(bytes, 0xff, sizeof bytes);
    assert_false(poolbuf_release((poolbuf *)(void *)(bytes + 8)));
    expect_misuse((poolbuf *)(void *)(bytes + 8), POOLBUF_MISUSE_FOREIGN_POINTER, 1);
    assert_false(poolbuf_release((poolbuf *)(void *)bytes));
    expect_misuse((poolbuf *)(void *)bytes, POOLBUF_MISUSE_FOREIGN_POINTER, 2);
}

static void too_many_references_are_refused(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    uint64_t honest = b->state;
    b->state = honest + 0x40000000u - 1;
    assert_ptr_equal(poolbuf_retain(b), b);
    expect_misuse(b, POOLBUF_MISUSE_OVERFLOW, 1);
    b->state = honest;
    assert_true(poolbuf_release(b));
}

/* Whatever is done to a buffer, and after its end for as long as its handle is not used for something else. */
static void a_word_stays_what_the_tracker_has_made_it(void **state) {
    (void)state;
    poolbuf *(*const kinds[])(poolbuf_allocator *, size_t, size_t) = {poolbuf_allocate_direct, poolbuf_allocate_heap};
    for (size_t i = 0; i < 2; i++) {
        poolbuf *buffer = kinds[i](allocator, 100, 1 << 20);
        assert_non_null(buffer);
        uint32_t *word = poolbuf_tracker_word(buffer);
        assert_non_null(word);
        *word = 0x12345678;
        UNIT_OK(poolbuf_write_u32_be(buffer, 7));
        UNIT_OK(poolbuf_set_capacity(buffer, 100000)); /* the bytes move */
        UNIT_OK(poolbuf_set_indices(buffer, 1, 90000));
        poolbuf *slice = poolbuf_slice(buffer, 1, 10);
        poolbuf *kept = poolbuf_retained_slice(buffer, 2, 10);
        poolbuf *shown = poolbuf_as_read_only(buffer);
        assert_true(slice != NULL && kept != NULL && shown != NULL);
        assert_true(poolbuf_release(kept));
        UNIT_OK(poolbuf_set_capacity(buffer, 50));
        poolbuf_clear(buffer);
        assert_non_null(poolbuf_retain(buffer));
        assert_false(poolbuf_release(buffer));
        assert_ptr_equal(poolbuf_tracker_word(buffer), word);
        assert_int_equal(*word, 0x12345678);
        assert_true(poolbuf_release(buffer));
        if (!poison_wanted()) { /* nobody closes a handle that is free */
            assert_ptr_equal(poolbuf_tracker_word(buffer), word);
            assert_int_equal(*word, 0x12345678);
        }
    }
    poolbuf *huge = poolbuf_allocate(allocator, 8 << 20, 8 << 20);
    assert_non_null(huge);
    assert_non_null(poolbuf_tracker_word(huge));
    assert_true(poolbuf_release(huge));
}

static void what_is_in_pieces_or_wrapped_has_no_word(void **state) {
    (void)state;
    static uint8_t bytes[16];
    poolbuf *composite = poolbuf_allocate_composite(allocator, 4);
    poolbuf *wrapped = poolbuf_wrap(allocator, bytes, sizeof bytes, NULL, NULL);
    assert_non_null(composite);
    assert_non_null(wrapped);
    assert_null(poolbuf_tracker_word(composite));
    assert_null(poolbuf_tracker_word(wrapped));
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(wrapped));
}

#define TRACKER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TRACKER_TEST(a_gap_of_n_samples_each_nth_allocation),
        TRACKER_TEST(a_gap_of_0_samples_each_and_is_not_asked_again),
        TRACKER_TEST(where_each_is_sampled_a_cache_is_trimmed_all_the_same),
        TRACKER_TEST(sampling_begins_anew_though_a_release_comes_first),
        TRACKER_TEST(a_restart_loses_no_allocation_from_the_counts),
        TRACKER_TEST(a_gap_of_none_asks_once_and_samples_nothing),
        TRACKER_TEST(no_gap_is_none_however_many_allocations_there_are),
        TRACKER_TEST(a_reset_takes_hold_at_the_next_allocation),
        TRACKER_TEST(a_reset_of_one_thread_leaves_the_others_alone),
        TRACKER_TEST(a_reset_of_a_thread_without_a_cache_takes_hold_too),
        TRACKER_TEST(a_buffer_that_is_not_wanted_causes_no_calls),
        TRACKER_TEST(every_use_of_a_tracked_buffer_is_told),
        TRACKER_TEST(uses_through_slices_are_told_of_the_buffer),
        TRACKER_TEST(a_tracked_buffer_is_tracked_once_and_not_after_its_handle_comes_back),
        TRACKER_TEST(destroying_with_live_buffers_is_told_before_anything_goes),
        TRACKER_TEST(each_thread_asks_for_itself),
        TRACKER_TEST(references_taken_and_given_back_are_told_with_their_number),
        TRACKER_TEST(a_slice_that_ends_its_buffer_is_told_as_the_end_alone),
        TRACKER_TEST(all_references_of_a_slice_given_back_at_once_are_told),
        TRACKER_TEST(a_release_that_turns_out_to_be_the_slices_last_is_told_once),
        TRACKER_TEST(a_tracker_without_the_newest_callback_is_served_as_before),
        TRACKER_TEST(a_tracker_of_another_size_is_refused),
        TRACKER_TEST(a_word_stays_what_the_tracker_has_made_it),
        TRACKER_TEST(what_is_in_pieces_or_wrapped_has_no_word),
    };
    const struct CMUnitTest misuse_tests[] = {
        TRACKER_TEST(releasing_once_too_often_is_told_and_changes_nothing),
        TRACKER_TEST(every_use_of_a_dead_buffer_is_told_and_fails),
        TRACKER_TEST(a_slice_dies_with_its_buffer),
        TRACKER_TEST(a_pointer_that_is_no_handle_is_told),
        TRACKER_TEST(too_many_references_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* the errors that the others make are there for Memcheck to report: see memcheck_finds_* */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
