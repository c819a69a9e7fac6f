/* Unit tests of the fast paths as a program has them that defines POOLBUF_INLINE and links the static library: the same
 * handles, counts and samples as through the calls, with which they mix. */
#include "unit.h"

#include <pthread.h>

#if !POOLBUF_INLINE
#error "the static library's target is to define POOLBUF_INLINE"
#endif

/* The library's own functions, which have the inline ones' names. */
poolbuf *called_allocate(poolbuf_allocator *allocator, size_t initial_capacity,
                         size_t max_capacity) __asm__("poolbuf_allocate");
bool called_release(poolbuf *buffer) __asm__("poolbuf_release");

static poolbuf_allocator *make(void) {
    poolbuf_allocator *made = NULL;
    UNIT_OK(poolbuf_allocator_create(NULL, &made));
    return made;
}

static void inlined_and_called_functions_share_the_cache(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make();
    poolbuf *inlined = poolbuf_allocate(allocator, 1000, SIZE_MAX);
    assert_int_equal(poolbuf_max_capacity(inlined), POOLBUF_CAPACITY_LIMIT);
    assert_true(called_release(inlined));
    poolbuf *called = called_allocate(allocator, 1000, 2000);
    assert_ptr_equal(called, inlined);
    assert_int_equal(poolbuf_max_capacity(called), 2000);
    assert_true(poolbuf_release(called));
    assert_ptr_equal(poolbuf_allocate(allocator, 900, 900), called);
    assert_int_equal(unit_metrics(allocator).live_buffers, 1);
    assert_int_equal(unit_metrics(allocator).allocations, 3);
    assert_true(poolbuf_release(called));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void what_the_fast_path_cannot_serve_is_served(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 16, 65536, (size_t)4 << 20, ((size_t)4 << 20) + 1, (size_t)9 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int turn = 0; turn < 3; turn++) {
            poolbuf *buffer = poolbuf_allocate(NULL, sizes[i], sizes[i]);
            assert_non_null(buffer);
            assert_int_equal(poolbuf_capacity(buffer), sizes[i]);
            memset(poolbuf_memory(buffer), 0x5a, sizes[i]);
            (void)poolbuf_retain(buffer);
            assert_false(poolbuf_release(buffer));
            assert_true(poolbuf_release(buffer));
        }
    }
    assert_null(poolbuf_allocate(NULL, 2, 1));
    assert_null(poolbuf_allocate(NULL, POOLBUF_CAPACITY_LIMIT + 1, SIZE_MAX));
}

static unsigned samples;

static uint32_t every_tenth(void) {
    return 10;
}

static bool count_sample(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    (void)buffer;
    (void)allocator;
    (void)capacity;
    samples++;
    return false;
}

static void every_allocation_counts_towards_the_next_sample(void **state) {
    (void)state;
    static const poolbuf_tracker tracker = {
        .struct_size = sizeof tracker, .next_gap = every_tenth, .allocated = count_sample};
    UNIT_OK(poolbuf_tracker_register(&tracker));
    poolbuf_allocator *allocator = make();
    samples = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
        assert_true(called_release(called_allocate(allocator, 64, 64)));
    }
    assert_int_equal(samples, 200);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    UNIT_OK(poolbuf_tracker_register(NULL));
}

static void *pass_on(void *argument) {
    poolbuf **buffers = argument;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(poolbuf_release(buffers[i]));
        buffers[i] = poolbuf_allocate(NULL, 100 + i, 200);
    }
    return NULL;
}

static void a_thread_has_a_cache_of_its_own(void **state) {
    (void)state;
    poolbuf *buffers[100];
    for (unsigned i = 0; i < 100; i++) {
        buffers[i] = poolbuf_allocate(NULL, 100 + i, 200);
    }
    for (unsigned round = 0; round < 10; round++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, pass_on, buffers), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_int_equal(poolbuf_release_many(buffers, 100), 100);
    assert_int_equal(unit_metrics(NULL).live_buffers, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inlined_and_called_functions_share_the_cache),
        cmocka_unit_test(what_the_fast_path_cannot_serve_is_served),
        cmocka_unit_test(every_allocation_counts_towards_the_next_sample),
        cmocka_unit_test(a_thread_has_a_cache_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
