/* Stress: threads that allocate, write, grow, slice, hand over and release at random; every buffer's bytes say who it is.
 * Small by default, so that it can run everywhere; UNIT_STRESS multiplies the work, UNIT_SEED changes it. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "allocator.h"

enum {
    THREADS = 4,
    SLOTS = 256,
    STEPS = 6000
};

static poolbuf *slots[SLOTS]; /* atomic; whoever exchanges a buffer out owns it */
static poolbuf_allocator *allocator;
static bool failed; /* atomic; assertions of cmocka belong to the main thread */

static void expect(bool condition) {
    if (!condition) {
        __atomic_store_n(&failed, true, __ATOMIC_RELAXED);
    }
}

/* The first eight bytes are a number, the last byte its lowest byte: an overlap of two buffers breaks one of them. */
static poolbuf *make(unit_random *random) {
    size_t size = unit_random_size(random, 17) + 16;
    uint64_t value = unit_random_next(random);
    poolbuf *b = unit_random_below(random, 8) == 0 ? poolbuf_allocate_heap(allocator, size, size * 8)
                                                   : poolbuf_allocate(allocator, size, size * 8);
    if (b == NULL) {
        abort(); /* nothing here limits memory */
    }
    expect(poolbuf_set_writer_index(b, size) == POOLBUF_OK);
    expect(poolbuf_set_u64_le(b, 0, value) == POOLBUF_OK && poolbuf_set_u8(b, size - 1, (uint8_t)value) == POOLBUF_OK);
    return b;
}

static void verify(const poolbuf *b) {
    expect(b != NULL);
    if (b == NULL) {
        return;
    }
    uint64_t value = 0;
    uint8_t last = 0;
    expect(poolbuf_get_u64_le(b, 0, &value) == POOLBUF_OK);
    expect(poolbuf_get_u8(b, poolbuf_writer_index(b) - 1, &last) == POOLBUF_OK);
    expect((uint8_t)value == last);
}

static void use(poolbuf *b, unit_random *random) {
    verify(b);
    switch (unit_random_below(random, 6)) {
    case 0:
        if (poolbuf_capacity(b) * 2 <= poolbuf_max_capacity(b)) { /* false of a slice */
            expect(poolbuf_set_capacity(b, poolbuf_capacity(b) * 2) == POOLBUF_OK);
        }
        verify(b);
        break;
    case 1: {
        poolbuf *slice = poolbuf_slice(b, 0, poolbuf_writer_index(b));
        expect(slice != NULL);
        verify(slice);
        break;
    }
    default:
        break;
    }
}

static void *worker(void *argument) {
    unit_random random = *(unit_random *)argument;
    const char *times = getenv("UNIT_STRESS");
    long steps = STEPS * (times != NULL ? strtol(times, NULL, 10) : 1);
    for (long i = 0; i < steps; i++) {
        poolbuf **slot = &slots[unit_random_below(&random, SLOTS)];
        poolbuf *fresh = make(&random);
        poolbuf *mine = NULL;
        if (unit_random_below(&random, 5) == 0) { /* leave a retained slice there, and drop our own reference */
            mine = __atomic_exchange_n(slot, poolbuf_retained_slice(fresh, 0, poolbuf_writer_index(fresh)),
                                       __ATOMIC_ACQ_REL);
            (void)poolbuf_release(fresh);
        } else {
            mine = __atomic_exchange_n(slot, fresh, __ATOMIC_ACQ_REL);
        }
        if (mine != NULL) {
            use(mine, &random);
            (void)poolbuf_release(mine);
        }
        if (unit_random_below(&random, 2000) == 0) {
            poolbuf_trim_thread_cache(allocator);
        }
    }
    return NULL;
}

static void threads_never_share_memory_and_leave_nothing_behind(void **state) {
    (void)state;
    unit_random random = unit_random_start("stress", 8);
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    pthread_t threads[THREADS];
    unit_random seeds[THREADS];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < THREADS; i++) {
            seeds[i].state = unit_random_next(&random);
            assert_int_equal(pthread_create(&threads[i], NULL, worker, &seeds[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_true(allocator_audit(allocator));
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i] != NULL) {
            (void)poolbuf_release(slots[i]);
            slots[i] = NULL;
        }
    }
    assert_false(__atomic_load_n(&failed, __ATOMIC_RELAXED));
    assert_true(allocator_audit(allocator));
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

enum {
    SHARERS = 4,
    SHARES = 5000
};

static void *retain_and_release(void *argument) {
    for (int i = 0; i < SHARES; i++) {
        (void)poolbuf_release(poolbuf_retain(argument));
        poolbuf *slice = poolbuf_retained_slice(argument, 0, 8);
        expect(slice != NULL);
        verify(slice);
        (void)poolbuf_release(slice);
        if (i % 64 == 0) {
            expect(poolbuf_slice(argument, 0, 8) != NULL);
        }
    }
    (void)poolbuf_release(argument);
    return NULL;
}

static void the_last_of_many_owners_frees_exactly_once(void **state) {
    (void)state;
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    for (int round = 0; round < 4; round++) {
        poolbuf *b = poolbuf_allocate(allocator, 8, 8);
        UNIT_OK(poolbuf_write_u64_le(b, 0));
        pthread_t threads[SHARERS];
        for (unsigned i = 0; i < SHARERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, retain_and_release, poolbuf_retain(b)), 0);
        }
        (void)poolbuf_release(b);
        for (unsigned i = 0; i < SHARERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    }
    assert_false(__atomic_load_n(&failed, __ATOMIC_RELAXED));
    assert_true(allocator_audit(allocator));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

enum {
    MOVES = 2000,
    WRITERS = 50
};

static bool started, done; /* atomic */

static void *count_until_done(void *argument) {
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        (void)poolbuf_release(poolbuf_retain(argument));
        __atomic_store_n(&started, true, __ATOMIC_RELAXED);
    }
    (void)poolbuf_release(argument);
    return NULL;
}

static void a_buffer_moves_while_others_count_its_references(void **state) {
    (void)state;
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    poolbuf *b = poolbuf_allocate(allocator, 8, 1u << 20);
    UNIT_OK(poolbuf_write_u64_le(b, 77));
    pthread_t thread;
    __atomic_store_n(&done, false, __ATOMIC_RELAXED);
    assert_int_equal(pthread_create(&thread, NULL, count_until_done, poolbuf_retain(b)), 0);
    while (!__atomic_load_n(&started, __ATOMIC_RELAXED)) {
        (void)sched_yield();
    }
    for (size_t i = 0; i < MOVES; i++) {
        UNIT_OK(poolbuf_set_capacity(b, 8 + i % 100 * 100));
    }
    __atomic_store_n(&done, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    uint64_t value = 0;
    UNIT_OK(poolbuf_get_u64_le(b, 0, &value));
    assert_int_equal(value, 77);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void *write_and_release(void *argument) {
    expect(poolbuf_set_u8(argument, 0, 42) == POOLBUF_OK);
    (void)poolbuf_release(argument);
    return NULL;
}

/* The only thing that tells this thread that the slice has ended is that the buffer moves. */
static void a_slices_last_write_comes_before_the_move_that_it_held_up(void **state) {
    (void)state;
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    for (int round = 0; round < WRITERS; round++) {
        poolbuf *b = poolbuf_allocate(allocator, 4096, 4096);
        UNIT_OK(poolbuf_set_u8(b, 0, 0));
        const uint8_t *where = poolbuf_memory(b);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, write_and_release, poolbuf_retained_slice(b, 0, 8)), 0);
        for (size_t capacity = 2000; poolbuf_memory(b) == where && capacity > 8; capacity--) {
            UNIT_OK(poolbuf_set_capacity(b, capacity));
            (void)sched_yield();
        }
        if (poolbuf_memory(b) != where) {
            uint8_t value = 0;
            UNIT_OK(poolbuf_get_u8(b, 0, &value));
            assert_int_equal(value, 42);
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(poolbuf_release(b));
    }
    assert_false(__atomic_load_n(&failed, __ATOMIC_RELAXED));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static bool sampling_goes_on; /* atomic */

static void *allocate_and_release(void *argument) {
    (void)argument;
    while (__atomic_load_n(&sampling_goes_on, __ATOMIC_RELAXED)) {
        poolbuf *b = poolbuf_allocate(allocator, 100, 200);
        expect(b != NULL && poolbuf_release(b));
    }
    return NULL;
}

/* Each reset takes every thread's cache from under its fast path, at any point of it. */
static void sampling_begins_anew_while_others_allocate(void **state) {
    (void)state;
    pthread_t threads[2];
    const char *times = getenv("UNIT_STRESS");
    const long resets = 50000 * (times != NULL ? strtol(times, NULL, 10) : 1);
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    __atomic_store_n(&sampling_goes_on, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_and_release, NULL), 0);
    }
    for (long i = 0; i < resets; i++) {
        poolbuf_tracker_reset_sampling();
    }
    __atomic_store_n(&sampling_goes_on, false, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_false(__atomic_load_n(&failed, __ATOMIC_RELAXED));
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_never_share_memory_and_leave_nothing_behind),
        cmocka_unit_test(the_last_of_many_owners_frees_exactly_once),
        cmocka_unit_test(a_buffer_moves_while_others_count_its_references),
        cmocka_unit_test(sampling_begins_anew_while_others_allocate),
        cmocka_unit_test(a_slices_last_write_comes_before_the_move_that_it_held_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
