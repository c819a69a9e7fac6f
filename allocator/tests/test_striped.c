/* Unit tests of striped.c: counts that one thread adds to and another takes from, with more threads than stripes. */
#include "unit.h"

#include <pthread.h>

#include "striped.h"

enum {
    THREADS = 2 * STRIPES + 1,
    TIMES = 300
};

static striped_counts counts;

/* Adds, or, every second thread, takes away. */
static void *count(void *argument) {
    const size_t thread = (size_t)(uintptr_t)argument;
    for (uint64_t i = 0; i < TIMES; i++) {
        striped_add(&counts, 0, thread % 2 == 0 ? 3 : (uint64_t)0 - 2);
        striped_add(&counts, 1, thread);
    }
    return (void *)(uintptr_t)striped_own;
}

static void the_sum_is_that_of_all_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    size_t users[STRIPES] = {0};
    striped_add(&counts, 0, 0); /* this thread has its stripe, too */
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *own = NULL;
        assert_int_equal(pthread_join(threads[i], &own), 0);
        assert_in_range((uintptr_t)own, 1, STRIPES);
        users[(uintptr_t)own - 1]++;
    }
    for (size_t i = 0; i < STRIPES; i++) {
        assert_in_range(users[i], 2, 3); /* in turn */
    }
    assert_int_equal(striped_get(&counts, 0), TIMES * (3 * (STRIPES + 1) - 2 * STRIPES));
    assert_int_equal(striped_get(&counts, 1), TIMES * THREADS * (THREADS - 1) / 2);
}

/* As a reader may find it who has seen an end, but not yet the beginning before it. */
static void the_sum_is_never_below_zero(void **state) {
    (void)state;
    striped_counts own = {0};
    striped_add(&own, 1, (uint64_t)0 - 5);
    assert_int_equal(striped_get(&own, 1), 0);
    own.stripes[striped_own % STRIPES].by_kind[1] = 7; /* another one */
    assert_int_equal(striped_get(&own, 1), 2);
}

static void *wrap(void *allocator) {
    static char bytes[] = "abc";
    return poolbuf_wrap(allocator, bytes, 3, NULL, NULL);
}

static void a_buffer_may_begin_and_end_in_two_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    poolbuf *wrapped[THREADS];
    poolbuf_allocator_options options;
    poolbuf_allocator *allocator = NULL;
    poolbuf_allocator_options_init(&options);
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wrap, allocator), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], (void **)&wrapped[i]), 0);
        assert_non_null(wrapped[i]);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(unit_metrics(allocator).live_buffers, THREADS - i);
        assert_true(poolbuf_release(wrapped[i]));
    }
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_that_of_all_threads),
        cmocka_unit_test(the_sum_is_never_below_zero),
        cmocka_unit_test(a_buffer_may_begin_and_end_in_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
