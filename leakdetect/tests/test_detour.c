/* Unit tests of the plain way that a sampled buffer takes, and of what takes it off that (detour.h, buffers.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/leakscope.h>
#include <poolbuf/poolbuf.h>
#include <poolbuf/tracker.h>

#include "arithmetic.h"
#include "detector.h"
#include "stack_table.h"
#include "tracked.h"

enum {
    INTERVAL = 16, /* rare enough that closings have no stacks */
    WATCHED = 10 * INTERVAL
};

static poolbuf_allocator *allocator;

static void start(uint32_t interval, uint64_t bytes) {
    detector_settings settings = {.level = LEAKDETECT_SIMPLE,
                                  .interval = interval,
                                  .sampling_bytes = bytes,
                                  .target_records = 4,
                                  .frames = 4,
                                  .track_close = true,
                                  .unwinder = &unwind_fp,
                                  .seed = 99};
    detector_start(&settings);
    poolbuf_tracker_reset_sampling();
}

/* Until a closing has found that stacks of closings are not worth it. */
static void wear_in(void) {
    for (int i = 0; i < 100 * INTERVAL && detours_any(); i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 100, 100)));
    }
}

static int set_up(void **state) {
    (void)state;
    start(INTERVAL, 0);
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

/* No buffer that has some is alive. */
static void forget_canaries(void) {
    detour_set(DETOUR_CANARIES, false);
}

static tracker_totals totals(void) {
    tracker_totals now;
    tracker_count(&now);
    return now;
}

/* The detector asks the loader for something at its start, and not everywhere is it there. */
static void no_error_of_the_loader_is_left_for_the_program(void **state) {
    (void)state;
    assert_null(dlerror());
}

static void the_level_and_a_sample_by_bytes_are_detours(void **state) {
    (void)state;
    wear_in();
    assert_false(detours_any());
    const leakdetect_level others[] = {LEAKDETECT_DISABLED, LEAKDETECT_ADVANCED, LEAKDETECT_PARANOID};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(leakdetect_set_level(others[i]), POOLBUF_OK);
        assert_true(detour_is_set(DETOUR_LEVEL));
        assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
        assert_false(detours_any());
    }
    start(INTERVAL, 4096);
    assert_true(detour_is_set(DETOUR_LEVEL));
}

static void closings_are_one_as_long_as_their_stacks_are_kept(void **state) {
    (void)state;
    assert_true(detour_is_set(DETOUR_CLOSINGS));
    wear_in();
    assert_false(detour_is_set(DETOUR_CLOSINGS));
    start(2, 0); /* one in two is worth it */
    for (int i = 0; i < 1000; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 100, 100)));
    }
    assert_true(detour_is_set(DETOUR_CLOSINGS));
}

enum {
    COMPARED = 4000
};

/* What is tracked of so many allocations; key 0: it was not. */
static void track_some(tracker_record *records, detour way) {
    const uint64_t live = totals().live;
    start(INTERVAL, 0);
    wear_in();
    start(INTERVAL, 0); /* from the same seed, both times */
    detour_set(DETOUR_CLOSINGS, false);
    detour_set(way, true);
    for (size_t i = 0; i < COMPARED; i++) {
        poolbuf *buffer = poolbuf_allocate(allocator, 1 + i % 2000, 4096);
        assert_non_null(buffer);
        if (!tracker_find(AT_BUFFER(buffer), &records[i])) {
            records[i] = (tracker_record){0};
        }
        assert_true(poolbuf_release(buffer));
        assert_int_equal(totals().live, live);
    }
    detour_set(way, false);
}

static void both_ways_track_the_same(void **state) {
    (void)state;
    static tracker_record plain[COMPARED], detoured[COMPARED];
    size_t tracked = 0;
    track_some(plain, 0);
    track_some(detoured, DETOUR_DOUBTS);
    for (size_t i = 0; i < COMPARED; i++) {
        tracker_record *one = &plain[i];
        const tracker_record *other = &detoured[i];
        one->stack = other->stack;       /* has the library's own frames, as it is a part of the program here */
        one->birth_ns = other->birth_ns; /* may be later */
        one->word = other->word;         /* the records of a shard are taken in the order in which they became free */
        assert_memory_equal(one, other, offsetof(tracker_record, scan));
        tracked += one->key != 0;
        assert_true(one->key == 0 || (one->weight == INTERVAL && one->stack != 0 &&
                                      one->owner == ~(uintptr_t)allocator && one->who.name != 0));
    }
    assert_in_range(tracked, COMPARED / INTERVAL / 2, COMPARED / INTERVAL * 2);
    assert_null(tracker_audit());
}

/* And its closing, where it was tracked. */
typedef struct life {
    tracker_record record;
    tracker_closed closed;
} life;

/* At paranoid, with canaries and without, of buffers that are used meanwhile, and of some that are not. */
static void live_some(life *lives, detour way) {
    start(INTERVAL, 0);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    assert_true(detour_is_set(DETOUR_EXACT));
    detour_set(DETOUR_DOUBTS, (way & DETOUR_DOUBTS) != 0);
    for (size_t i = 0; i < COMPARED; i++) {
        life *of = &lives[i];
        poolbuf *buffer = poolbuf_allocate(allocator, 1 + i % 2000, 4096);
        assert_true(tracker_find(AT_BUFFER(buffer), &of->record));
        if (i % 3 == 0) {
            assert_non_null(poolbuf_retain(buffer));
            assert_false(poolbuf_release(buffer));
        }
        uint32_t word = *poolbuf_tracker_word(buffer); /* as it is once the buffer is closed */
        const tracker_place place = tracker_place_in(buffer, &word);
        assert_true(poolbuf_release(buffer));
        word &= ~TRACKER_WORD_INDEX;
        assert_true(tracker_find_closed(&place, &of->closed));
    }
    detour_set(DETOUR_DOUBTS, false);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
}

static void both_ways_track_the_same_at_paranoid(void **state) {
    (void)state;
    static life exact[COMPARED], detoured[COMPARED];
    const uint64_t live = totals().live;
    live_some(exact, 0);
    live_some(detoured, DETOUR_DOUBTS);
    assert_int_equal(totals().live, live);
    for (size_t i = 0; i < COMPARED; i++) {
        const tracker_record *one = &exact[i].record;
        const tracker_record *other = &detoured[i].record;
        assert_int_equal(one->owner, other->owner);
        assert_int_equal(one->size, other->size);
        assert_int_equal(one->guard, other->guard);
        assert_int_equal(one->type, other->type);
        assert_memory_equal(&one->who, &other->who, sizeof one->who);
        assert_true(one->weight == 1 && other->weight == 1);
        assert_true(one->stack != 0 && other->stack != 0);
        assert_true(one->watch != 0 && one->accesses == 0 && one->holds == 0);
        const tracker_closed *end = &exact[i].closed;
        assert_int_equal(end->key, one->key);
        assert_int_equal(end->size, one->size);
        assert_int_equal(end->allocation_stack, one->stack);
        assert_int_equal(end->type, one->type);
        assert_memory_equal(&end->who, &one->who, sizeof one->who);
        assert_true(end->close_stack != 0 && detoured[i].closed.close_stack != 0);
    }
    assert_null(tracker_audit());
    forget_canaries();
}

/* The allocator does not ask for a gap each time then; and does again. */
static void each_is_tracked_until_the_level_falls(void **state) {
    (void)state;
    wear_in();
    poolbuf *buffers[100];
    for (int turn = 0; turn < 20; turn++) {
        const tracker_totals before = totals();
        assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
        for (size_t i = 0; i < 100; i++) {
            buffers[i] = poolbuf_allocate(allocator, 100 + i, 1000);
            assert_int_equal(totals().live, before.live + i + 1);
        }
        assert_int_equal(leakdetect_set_level(turn % 2 == 0 ? LEAKDETECT_DISABLED : LEAKDETECT_SIMPLE), POOLBUF_OK);
        for (size_t i = 0; i < 100; i++) {
            assert_true(poolbuf_release(buffers[i]));
        }
        assert_int_equal(totals().live, before.live);
        size_t tracked = 0;
        for (size_t i = 0; i < (size_t)100 * INTERVAL; i++) {
            tracker_record record;
            poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
            tracked += tracker_find(AT_BUFFER(buffer), &record);
            assert_true(poolbuf_release(buffer));
        }
        assert_in_range(tracked, turn % 2 == 0 ? 0 : 50, turn % 2 == 0 ? 0 : 200);
    }
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
    assert_null(tracker_audit());
    forget_canaries();
}

/* What was watched when it was tracked has lists, which go back. */
static void a_watched_buffer_is_closed_after_the_level_has_fallen(void **state) {
    (void)state;
    wear_in();
    const tracker_totals before = totals();
    assert_int_equal(leakdetect_set_level(LEAKDETECT_ADVANCED), POOLBUF_OK);
    poolbuf *buffers[WATCHED];
    for (size_t i = 0; i < WATCHED; i++) {
        buffers[i] = poolbuf_allocate(allocator, 100, 100);
        assert_non_null(poolbuf_retain(buffers[i]));
        assert_false(poolbuf_release(buffers[i]));
    }
    assert_true(totals().live > before.live);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
    assert_false(detours_any());
    for (size_t i = 0; i < WATCHED; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
    assert_int_equal(totals().live, before.live);
    assert_int_equal(totals().live_bytes, before.live_bytes);
    assert_null(tracker_audit());
}

/* The name of the thread that has allocated the next one that is tracked. */
static const char *next_name(void) {
    const char *name = NULL;
    for (int i = 0; i < 100 * INTERVAL && name == NULL; i++) {
        tracker_record record;
        poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
        name = tracker_find(AT_BUFFER(buffer), &record) ? name_get(record.who.name) : NULL;
        assert_true(poolbuf_release(buffer));
    }
    assert_non_null(name);
    return name;
}

static void *rename_and_allocate(void *unused) {
    (void)unused;
    assert_int_equal(prctl(PR_SET_NAME, "early", 0, 0, 0), 0);
    assert_string_equal(next_name(), "early");
    assert_int_equal(prctl(PR_SET_NAME, "late", 0, 0, 0), 0);
    assert_string_equal(next_name(), "early");
    for (int i = 0; i < THREAD_NAME_USES * INTERVAL; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 100, 100)));
    }
    assert_string_equal(next_name(), "late");
    return NULL;
}

static void a_thread_that_names_itself_late_is_called_that(void **state) {
    (void)state;
    pthread_t thread;
    wear_in();
    assert_int_equal(pthread_create(&thread, NULL, rename_and_allocate, NULL), 0);
    pthread_join(thread, NULL);
}

enum {
    WORKERS = THREAD_LANES + 5, /* some share a lane, and so its locks */
    SLOTS = 64,
    STEPS = 20000,
    EXACT_STEPS = STEPS / INTERVAL
};

static int steps;

static poolbuf *_Atomic slots[SLOTS];
static atomic_bool working;

/* Puts a buffer where another one was, and releases that, whoever allocated it. */
static void *exchange(void *seed) {
    uint64_t random = (uintptr_t)seed;
    for (int i = 0; i < steps; i++) {
        const uint64_t draw = random_next(&random);
        poolbuf *fresh = poolbuf_allocate(allocator, 1 + draw % 1000, 1000);
        poolbuf *other = atomic_exchange(&slots[(draw >> 32) % SLOTS], fresh);
        if (other != NULL) {
            (void)poolbuf_release(other);
        }
    }
    return NULL;
}

static void *hold_all_locks(void *unused) {
    while (atomic_load(&working)) {
        tracker_lock_all();
        tracker_unlock_all();
        (void)totals();
    }
    return unused;
}

/* Returns how many were tracked of those that so many steps of each worker allocate. */
static uint64_t work_where_locks_are_held(int steps_to_make) {
    pthread_t threads[WORKERS + 1];
    const tracker_totals before = totals();
    steps = steps_to_make;
    atomic_store(&working, true);
    assert_int_equal(pthread_create(&threads[WORKERS], NULL, hold_all_locks, NULL), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, exchange, (void *)(i + 1)),
                         0); // NOLINT(performance-no-int-to-ptr)
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&working, false);
    pthread_join(threads[WORKERS], NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        poolbuf *last = atomic_exchange(&slots[i], NULL);
        assert_true(last == NULL || poolbuf_release(last));
    }
    assert_int_equal(totals().live, before.live);
    assert_int_equal(totals().live_bytes, before.live_bytes);
    assert_null(tracker_audit());
    return totals().seen - before.seen;
}

static void nothing_is_lost_where_locks_are_held(void **state) {
    (void)state;
    wear_in();
    assert_in_range(work_where_locks_are_held(STEPS), (uint64_t)WORKERS * STEPS / INTERVAL / 2,
                    (uint64_t)WORKERS * STEPS / INTERVAL * 2);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    assert_int_equal(work_where_locks_are_held(EXACT_STEPS), (uint64_t)WORKERS * EXACT_STEPS);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
    forget_canaries();
}

/* A shard's first closing has no place to be remembered, and so is made by the long way. */
static void an_overrun_is_told_once(void **state) {
    (void)state;
    poolbuf_metrics before = {.struct_size = sizeof before};
    poolbuf_metrics after = {.struct_size = sizeof after};
    assert_int_equal(poolbuf_allocator_metrics(allocator, &before), POOLBUF_OK);
    assert_int_equal(setenv("POOLBUF_MISUSE", "count", 1), 0);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    for (uint64_t i = 0; i < 2 * (uint64_t)TRACKER_LANE_SHARDS; i++) {
        thread_own.shard = (uint8_t)(i % TRACKER_LANE_SHARDS);
        uint8_t *slack = NULL;
        bool reachable = false;
        poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
        const bool has_canaries = poolbuf_tracker_slack(buffer, &slack, &reachable) != 0; /* unless a checker watches */
        assert_int_equal(has_canaries, (buffer->state >> 32 & POOLBUF_FLAG_ANNOTATED) == 0);
        if (has_canaries) {
            slack[0] ^= 1;
        }
        assert_true(poolbuf_release(buffer));
        assert_int_equal(poolbuf_allocator_metrics(allocator, &after), POOLBUF_OK);
        assert_int_equal(after.misuses - before.misuses, has_canaries ? i + 1 : 0);
    }
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
    assert_int_equal(unsetenv("POOLBUF_MISUSE"), 0);
    forget_canaries();
}

/* For good: the last test. */
static void a_scope_and_canaries_are_detours(void **state) {
    (void)state;
    wear_in();
    assert_false(detours_any());
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    uint8_t *slack = NULL;
    bool reachable = false;
    poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
    assert_int_equal(detour_is_set(DETOUR_CANARIES), poolbuf_tracker_slack(buffer, &slack, &reachable) != 0);
    assert_true(poolbuf_release(buffer));
    leakscope scope = {0};
    assert_false(detour_is_set(DETOUR_SCOPES));
    assert_int_equal(leakscope_open("some", 0, &scope), POOLBUF_OK);
    assert_true(detour_is_set(DETOUR_SCOPES));
    assert_int_equal(leakscope_close(scope, NULL), POOLBUF_OK);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_error_of_the_loader_is_left_for_the_program),
        cmocka_unit_test_setup_teardown(the_level_and_a_sample_by_bytes_are_detours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closings_are_one_as_long_as_their_stacks_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_ways_track_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_ways_track_the_same_at_paranoid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_is_tracked_until_the_level_falls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_watched_buffer_is_closed_after_the_level_has_fallen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_that_names_itself_late_is_called_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_lost_where_locks_are_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_overrun_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scope_and_canaries_are_detours, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
