/* Unit tests of buffers.c: what the detector is told by several allocators on one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/leakscope.h>
#include <poolbuf/poolbuf.h>
#include <poolbuf/tracker.h>

#include "detector.h"
#include "tracked.h"

enum {
    ALLOCATORS = 6, /* more than a thread remembers gaps of */
    DENSE_START = 256,
    INTERVAL = 64,
    EXPECTED = 1500, /* samples: so many vary by 39, and ten times that never happens */
    TOLERANCE = 390
};

static poolbuf_allocator *allocators[ALLOCATORS];

static int set_up(void **state) {
    (void)state;
    detector_settings settings = {.level = LEAKDETECT_SIMPLE,
                                  .interval = INTERVAL,
                                  .dense_start = DENSE_START,
                                  .frames = 4,
                                  .unwinder = &unwind_fp,
                                  .seed = 99};
    tracker_reset();
    detector_start(&settings);
    poolbuf_tracker_reset_sampling();
    for (size_t i = 0; i < ALLOCATORS; i++) {
        assert_int_equal(poolbuf_allocator_create(NULL, &allocators[i]), POOLBUF_OK);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < ALLOCATORS; i++) {
        assert_int_equal(poolbuf_allocator_destroy(allocators[i]), POOLBUF_OK);
    }
    return 0;
}

/* Allocates until one is tracked; returns what that one stands for. */
static float next_weight(poolbuf_allocator *allocator) {
    float weight = 0;
    for (int i = 0; i < 100 * INTERVAL && weight <= 0; i++) {
        poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
        assert_non_null(buffer);
        tracker_record record;
        weight = tracker_find(AT_BUFFER(buffer), &record) ? record.weight : 0;
        poolbuf_release(buffer);
    }
    return weight;
}

/* A message that has grown leaks what it is now. */
static void what_grows_or_shrinks_is_tracked_with_its_capacity(void **state) {
    (void)state;
    tracker_totals before;
    tracker_totals after;
    tracker_record record;
    tracker_count(&before);
    poolbuf *buffer = poolbuf_allocate(allocators[0], 64, 65536);
    assert_non_null(buffer);
    assert_int_equal(poolbuf_set_capacity(buffer, 65536), POOLBUF_OK);
    assert_true(tracker_find(AT_BUFFER(buffer), &record));
    assert_int_equal(record.size, 65536);
    tracker_count(&after);
    assert_int_equal(after.live_bytes - before.live_bytes, 65536);
    assert_int_equal(poolbuf_set_capacity(buffer, 10), POOLBUF_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(poolbuf_write_u8(buffer, 1), POOLBUF_OK);
    }
    assert_true(tracker_find(AT_BUFFER(buffer), &record));
    assert_int_equal(record.size, poolbuf_capacity(buffer));
    (void)poolbuf_release(buffer);
    tracker_count(&after);
    assert_int_equal(after.live_bytes, before.live_bytes);
}

static void wear_off_dense_start(poolbuf_allocator *allocator) {
    for (int i = 0; i < 4 * DENSE_START * INTERVAL; i++) {
        poolbuf_release(poolbuf_allocate(allocator, 100, 100));
    }
    assert_true(next_weight(allocator) > INTERVAL - 1);
}

static void a_sample_has_the_weight_that_its_own_allocator_drew(void **state) {
    (void)state;
    assert_true(next_weight(allocators[0]) < 1.01F);
    wear_off_dense_start(allocators[1]); /* meanwhile the gap of the first one waits, drawn when all were tracked */
    assert_true(next_weight(allocators[0]) < 1.01F);
    assert_true(next_weight(allocators[1]) > INTERVAL - 1);
    assert_true(next_weight(allocators[0]) > INTERVAL - 1);
}

static void more_allocators_than_are_remembered_have_a_weight_that_was_drawn(void **state) {
    (void)state;
    for (size_t i = 0; i < ALLOCATORS; i++) {
        assert_true(next_weight(allocators[i]) < 1.01F);
    }
    wear_off_dense_start(allocators[0]);
    for (size_t i = 1; i < ALLOCATORS; i++) {
        const float weight = next_weight(allocators[i]);
        assert_true(weight < 1.01F || weight > INTERVAL - 1);
        assert_true(next_weight(allocators[i]) > INTERVAL - 1);
    }
}

/* Samples among so many buffers that EXPECTED are due, a few of them in each scope and one between scopes. */
static uint64_t sample_in_scopes(poolbuf_allocator *const *among, size_t count) {
    leakdetect_counts before = {.struct_size = sizeof before};
    leakdetect_counts after = before;
    leakscope scope = {0};
    assert_int_equal(leakdetect_count(&before), POOLBUF_OK);
    for (size_t i = 0; i < (size_t)EXPECTED * INTERVAL; i++) {
        if (i % 24 == 0) {
            assert_int_equal(leakscope_open("some", 0, &scope), POOLBUF_OK);
        }
        poolbuf_release(poolbuf_allocate(among[i % count], 100, 100));
        if (i % 24 == 22) {
            assert_int_equal(leakscope_close(scope, NULL), POOLBUF_OK);
        }
    }
    assert_int_equal(leakdetect_count(&after), POOLBUF_OK);
    return after.seen - before.seen;
}

static void scopes_keep_the_rate_of_more_allocators_than_are_remembered(void **state) {
    (void)state;
    wear_off_dense_start(allocators[0]);
    assert_in_range(sample_in_scopes(allocators, ALLOCATORS), EXPECTED - TOLERANCE, EXPECTED + TOLERANCE);
}

static poolbuf_allocator *create_without_caches(void) {
    poolbuf_allocator_options options;
    poolbuf_allocator *allocator = NULL;
    poolbuf_allocator_options_init(&options);
    options.cache_limit_bytes = 0;
    assert_int_equal(poolbuf_allocator_create(&options, &allocator), POOLBUF_OK);
    return allocator;
}

static void scopes_keep_the_rate_of_an_allocator_without_caches(void **state) {
    (void)state;
    poolbuf_allocator *uncached = create_without_caches();
    wear_off_dense_start(uncached);
    assert_in_range(sample_in_scopes(&uncached, 1), EXPECTED - TOLERANCE, EXPECTED + TOLERANCE);
    assert_int_equal(poolbuf_allocator_destroy(uncached), POOLBUF_OK);
}

static void without_caches_a_level_leaves_its_weight_to_no_other(void **state) {
    (void)state;
    poolbuf_allocator *uncached = create_without_caches();
    wear_off_dense_start(uncached);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_DISABLED), POOLBUF_OK);
    poolbuf_release(poolbuf_allocate(uncached, 100, 100));
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
    assert_true(next_weight(uncached) > INTERVAL - 1);
    assert_int_equal(poolbuf_allocator_destroy(uncached), POOLBUF_OK);
}

enum {
    CHILDREN = 40,
    TAKEN_BY_EACH = 40
};

/* How many of its allocations a child sampled. */
typedef struct child_samples {
    uint32_t buffers, resources, by_thread;
} child_samples;

static uint32_t sample_resources(void) {
    static char resources[TAKEN_BY_EACH];
    uint32_t sampled = 0;
    for (size_t i = 0; i < TAKEN_BY_EACH; i++) {
        sampled += leakdetect_track(&resources[i], 1, "session");
    }
    return sampled;
}

static void *sample_in_thread(void *samples) {
    ((child_samples *)samples)->by_thread = sample_resources();
    return NULL;
}

static void sample_in_child(int to) {
    child_samples own = {0};
    pthread_t thread;
    for (int i = 0; i < TAKEN_BY_EACH; i++) {
        tracker_record record;
        poolbuf *buffer = poolbuf_allocate(NULL, 100, 100);
        own.buffers += tracker_find(AT_BUFFER(buffer), &record);
        poolbuf_release(buffer); /* Memcheck looks at children, too */
    }
    own.resources = sample_resources();
    bool good = pthread_create(&thread, NULL, sample_in_thread, &own) == 0 && pthread_join(thread, NULL) == 0 &&
                write(to, &own, sizeof own) == (ssize_t)sizeof own;
    _exit(good ? 0 : 1);
}

/* As chance has it: some have more than others, and all together about what is due. */
static void assert_by_chance(const uint32_t *samples) {
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    uint32_t sum = 0;
    for (size_t i = 0; i < CHILDREN; i++) {
        least = samples[i] < least ? samples[i] : least;
        most = samples[i] > most ? samples[i] : most;
        sum += samples[i];
    }
    assert_true(least < most);
    assert_in_range(sum, CHILDREN * TAKEN_BY_EACH / INTERVAL / 2, CHILDREN * TAKEN_BY_EACH / INTERVAL * 2);
}

static void forked_children_draw_samples_of_their_own(void **state) {
    (void)state;
    uint32_t buffers[CHILDREN];
    uint32_t resources[CHILDREN];
    uint32_t by_thread[CHILDREN];
    int ends[2];
    const detector_settings settings = {
        .level = LEAKDETECT_SIMPLE, .interval = INTERVAL, .frames = 4, .unwinder = &unwind_fp, .seed = 99};
    tracker_reset();
    detector_start(&settings);
    poolbuf_tracker_reset_sampling();
    assert_int_equal(pipe(ends), 0);
    poolbuf_release(poolbuf_allocate(NULL, 100, 100)); /* a gap runs when we fork */
    for (size_t i = 0; i < CHILDREN; i++) {
        child_samples found;
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            sample_in_child(ends[1]);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], &found, sizeof found), sizeof found);
        buffers[i] = found.buffers;
        resources[i] = found.resources;
        by_thread[i] = found.by_thread;
    }
    close(ends[0]);
    close(ends[1]);
    assert_by_chance(buffers);
    assert_by_chance(resources);
    assert_by_chance(by_thread);
}

enum {
    GROWTHS = 300,
    SMALL = 64,
    LARGE = 100000
};

static void *retain_and_release(void *buffer) {
    for (int i = 0; i < 10 * GROWTHS; i++) {
        (void)poolbuf_retain(buffer);
        (void)poolbuf_touch(buffer, "held");
        (void)poolbuf_release(buffer);
    }
    return NULL;
}

/* Of one buffer, which buffer.h allows: the bytes move, the references do not care. */
static void references_are_told_while_the_buffer_grows(void **state) {
    (void)state;
    pthread_t thread;
    tracker_record record;
    tracker_totals before;
    tracker_totals after;
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    tracker_count(&before);
    poolbuf *buffer = poolbuf_allocate(allocators[0], SMALL, LARGE);
    assert_non_null(buffer);
    assert_int_equal(pthread_create(&thread, NULL, retain_and_release, buffer), 0);
    for (int i = 0; i < GROWTHS; i++) {
        /* While the other one holds it, it is not made larger; it may be made smaller. */
        poolbuf_status status = poolbuf_set_capacity(buffer, LARGE);
        assert_true(status == POOLBUF_OK || status == POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_set_capacity(buffer, SMALL), POOLBUF_OK);
    }
    pthread_join(thread, NULL);
    assert_true(tracker_find(AT_BUFFER(buffer), &record));
    assert_int_equal(record.size, poolbuf_capacity(buffer));
    assert_true(poolbuf_release(buffer));
    tracker_count(&after);
    assert_int_equal(after.live, before.live);
    assert_int_equal(after.live_bytes, before.live_bytes);
}

enum {
    HANDED = 2000,
    HANDERS = 3
};

static poolbuf *handed[HANDERS][HANDED];

static void *allocate_some(void *number) {
    const size_t own = *(const size_t *)number;
    for (size_t i = 0; i < HANDED; i++) {
        handed[own][i] = poolbuf_allocate(allocators[own], 1 + i, 4096);
    }
    return NULL;
}

static void *release_others(void *number) {
    const size_t other = (*(const size_t *)number + 1) % HANDERS;
    for (size_t i = 0; i < HANDED; i++) {
        (void)poolbuf_release(handed[other][i]);
    }
    return NULL;
}

static void on_each(void *(*work)(void *)) {
    static size_t numbers[HANDERS] = {0, 1, 2};
    pthread_t threads[HANDERS];
    for (size_t i = 0; i < HANDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    for (size_t i = 0; i < HANDERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void what_other_threads_release_is_closed(void **state) {
    (void)state;
    tracker_totals before;
    tracker_totals now;
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    tracker_count(&before);
    for (int round = 0; round < 5; round++) { /* handles are other threads' than those that they were at first */
        on_each(allocate_some);
        tracker_count(&now);
        assert_int_equal(now.live - before.live, HANDERS * HANDED);
        for (size_t own = 0; own < HANDERS; own++) {
            for (size_t i = 0; i < HANDED; i += 97) {
                tracker_record record;
                assert_true(tracker_find(AT_BUFFER(handed[own][i]), &record));
                assert_int_equal(record.size, 1 + i);
                assert_int_equal(record.owner, ~(uintptr_t)allocators[own]);
            }
        }
        on_each(release_others);
        tracker_count(&now);
        assert_int_equal(now.live, before.live);
        assert_int_equal(now.live_bytes, before.live_bytes);
        assert_null(tracker_audit());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(references_are_told_while_the_buffer_grows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_other_threads_release_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_grows_or_shrinks_is_tracked_with_its_capacity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sample_has_the_weight_that_its_own_allocator_drew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_allocators_than_are_remembered_have_a_weight_that_was_drawn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(scopes_keep_the_rate_of_more_allocators_than_are_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scopes_keep_the_rate_of_an_allocator_without_caches, set_up, tear_down),
        cmocka_unit_test(forked_children_draw_samples_of_their_own), /* ThreadSanitizer counts the locks at a fork */
        cmocka_unit_test_setup_teardown(without_caches_a_level_leaves_its_weight_to_no_other, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
