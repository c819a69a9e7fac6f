/* Unit tests of bulk.c: that many in one call are what as many single calls would be. */
#include "unit.h"

#include <pthread.h>

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "os/os.h"

#define MOST 700u /* more than a cache holds of a small class */

static poolbuf_allocator *allocator;
static poolbuf *list[MOST];

static struct {
    uint32_t gap;
    unsigned allocated, released, misuses;
    poolbuf_misuse misuse;
} seen;

static uint32_t next_gap(void) {
    return seen.gap;
}

static bool allocated(poolbuf *buffer, poolbuf_allocator *of, size_t capacity) {
    (void)buffer;
    (void)of;
    (void)capacity;
    seen.allocated++;
    return true;
}

static void released(const poolbuf *buffer) {
    (void)buffer;
    seen.released++;
}

static void misuse(const poolbuf *buffer, poolbuf_misuse kind) {
    (void)buffer;
    seen.misuse = kind;
    seen.misuses++;
}

static const poolbuf_tracker tracker = {
    .struct_size = sizeof tracker,
    .next_gap = next_gap,
    .allocated = allocated,
    .released = released,
    .misuse = misuse,
};

static int set_up(void **state) {
    (void)state;
    memset(&seen, 0, sizeof seen);
    seen.gap = UINT32_MAX;
    UNIT_OK(poolbuf_tracker_register(&tracker));
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    poolbuf_status status = poolbuf_allocator_destroy(allocator);
    UNIT_OK(poolbuf_tracker_register(NULL));
    return status == POOLBUF_OK ? 0 : -1;
}

static void each_buffer_is_new_and_has_one_reference(void **state) {
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(poolbuf_allocate_many(allocator, 100, 1000, list, 32), 32);
        for (unsigned i = 0; i < 32; i++) {
            assert_int_equal(poolbuf_ref_count(list[i]), 1);
            assert_int_equal(poolbuf_capacity(list[i]), 100);
            assert_int_equal(poolbuf_max_capacity(list[i]), 1000);
            assert_int_equal(poolbuf_readable_bytes(list[i]), 0);
            assert_true(poolbuf_is_direct(list[i]));
            assert_ptr_equal(poolbuf_owner(list[i]), allocator);
            UNIT_OK(poolbuf_write_u32_be(list[i], i));
        }
        for (unsigned i = 0; i < 32; i++) {
            uint32_t value = 0;
            UNIT_OK(poolbuf_read_u32_be(list[i], &value));
            assert_int_equal(value, i); /* no two share a byte */
        }
        assert_int_equal(poolbuf_release_many(list, 32), 32);
    }
}

static void counts_are_exact_for_every_length_of_list(void **state) {
    (void)state;
    uint64_t allocations = 0;
    uint64_t releases = 0;
    for (size_t count = 0; count <= MOST; count += count < 70 ? 1 : 35) {
        assert_int_equal(poolbuf_allocate_many(allocator, 256, 256, list, count), count);
        allocations += count;
        assert_int_equal(unit_metrics(allocator).live_buffers, count);
        assert_int_equal(unit_metrics(allocator).allocations, allocations);
        assert_true(allocator_audit(allocator));
        assert_int_equal(poolbuf_release_many(list, count), count);
        releases += count;
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
        assert_int_equal(unit_metrics(allocator).releases, releases);
        assert_true(allocator_audit(allocator));
    }
    assert_int_equal(poolbuf_allocate_many(allocator, 256, 256, NULL, 0), 0);
    assert_int_equal(poolbuf_release_many(NULL, 0), 0);
}

static void handles_come_in_the_order_of_single_calls(void **state) {
    (void)state;
    poolbuf *again[32];
    assert_int_equal(poolbuf_allocate_many(allocator, 256, 256, list, 32), 32);
    assert_int_equal(poolbuf_release_many(list, 32), 32);
    for (unsigned i = 0; i < 32; i++) {
        again[i] = poolbuf_allocate(allocator, 256, 256);
        assert_ptr_equal(again[i], list[31 - i]);
    }
    for (unsigned i = 0; i < 32; i++) {
        assert_true(poolbuf_release(again[i]));
    }
    assert_int_equal(poolbuf_allocate_many(allocator, 256, 256, again, 32), 32);
    assert_memory_equal(again, list, sizeof again);
    assert_int_equal(poolbuf_release_many(again, 32), 32);
}

/* Bulk calls on one allocator, the same in single calls on its twin: the caches, the depot and the arenas end up alike. */
static void trims_and_refills_come_where_single_calls_have_them(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 256, 5000, 32768, 300000};
    poolbuf *singles[MOST];
    poolbuf_allocator *twins[2];
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.cache_trim_interval = 50;
    UNIT_OK(poolbuf_allocator_create(&options, &twins[0]));
    UNIT_OK(poolbuf_allocator_create(&options, &twins[1]));
    unit_random random = unit_random_start("twins", 7);
    for (unsigned step = 0; step < 200; step++) {
        size_t size = sizes[unit_random_below(&random, 5)];
        size_t count = unit_random_below(&random, size > 10000 ? 80 : MOST);
        assert_int_equal(poolbuf_allocate_many(twins[0], size, size, list, count), count);
        for (size_t i = 0; i < count; i++) {
            singles[i] = poolbuf_allocate(twins[1], size, size);
        }
        poolbuf_metrics many = unit_metrics(twins[0]);
        poolbuf_metrics single = unit_metrics(twins[1]);
        assert_memory_equal(&many, &single, sizeof many);
        assert_int_equal(poolbuf_release_many(list, count), count);
        for (size_t i = 0; i < count; i++) {
            assert_true(poolbuf_release(singles[i]));
        }
        many = unit_metrics(twins[0]);
        single = unit_metrics(twins[1]);
        assert_memory_equal(&many, &single, sizeof many);
        assert_true(allocator_audit(twins[0]));
    }
    UNIT_OK(poolbuf_allocator_destroy(twins[0]));
    UNIT_OK(poolbuf_allocator_destroy(twins[1]));
}

static void a_gap_of_n_samples_each_nth_buffer_of_a_list(void **state) {
    (void)state;
    static const uint32_t gaps[] = {1, 2, 7, 31, 32, 33, 100};
    for (unsigned i = 0; i < sizeof gaps / sizeof gaps[0]; i++) {
        seen.gap = gaps[i];
        seen.allocated = 0;
        seen.released = 0;
        poolbuf_tracker_reset_sampling();
        unsigned before = 0;
        for (unsigned call = 0; call < 40; call++) {
            size_t count = call % 3 == 0 ? 32 : call; /* lists of one and of none too */
            assert_int_equal(poolbuf_allocate_many(allocator, 64, 64, list, count), count);
            for (unsigned j = 0; j < count; j++) {
                bool sampled = (before + j + 1) % gaps[i] == 0;
                assert_int_equal((list[j]->state >> 32 & POOLBUF_FLAG_TRACKED) != 0, sampled);
            }
            before += (unsigned)count;
            assert_int_equal(seen.allocated, before / gaps[i]);
            assert_int_equal(poolbuf_release_many(list, count), count);
            assert_int_equal(seen.released, seen.allocated);
        }
    }
}

static void one_list_may_mix_classes_flags_counts_and_allocators(void **state) {
    (void)state;
    poolbuf_allocator *other = NULL;
    UNIT_OK(poolbuf_allocator_create(NULL, &other));
    for (unsigned round = 0; round < 3; round++) {
        size_t count = 0;
        for (unsigned i = 0; i < 20; i++) {
            list[count++] = poolbuf_allocate(allocator, 64, 64);
            list[count++] = poolbuf_allocate(other, 64, 64);
            list[count++] = poolbuf_allocate_heap(allocator, 64, 64);
            list[count++] = poolbuf_allocate(allocator, (size_t)16 << i % 12, 65536);
        }
        size_t dying = count;
        poolbuf *huge = poolbuf_allocate(allocator, (size_t)5 << 20, (size_t)5 << 20);
        list[count++] = huge;
        poolbuf *sliced = poolbuf_allocate(allocator, 64, 64);
        assert_non_null(poolbuf_slice(sliced, 0, 8));
        list[count++] = sliced;
        poolbuf *twice = poolbuf_retain(poolbuf_allocate(allocator, 64, 64));
        list[count++] = twice;
        list[count++] = twice;
        poolbuf *parent = poolbuf_allocate(allocator, 64, 64);
        list[count++] = poolbuf_retained_slice(parent, 0, 8);
        list[count++] = parent;
        poolbuf *kept = poolbuf_retain(poolbuf_allocate(allocator, 64, 64));
        list[count++] = kept;
        /* huge, sliced, twice once, the retained slice and its parent */
        assert_int_equal(poolbuf_release_many(list, count), dying + 5);
        assert_int_equal(unit_metrics(allocator).live_buffers, 1);
        assert_int_equal(unit_metrics(other).live_buffers, 0);
        assert_int_equal(poolbuf_ref_count(kept), 1);
        assert_int_equal(poolbuf_release_many(&kept, 1), 1);
        assert_true(allocator_audit(allocator));
    }
    UNIT_OK(poolbuf_allocator_destroy(other));
}

static void allocators_without_a_slot_of_their_own_take_part(void **state) {
    (void)state;
    poolbuf_allocator *many[40];
    size_t count = 0;
    for (unsigned i = 0; i < 40; i++) {
        UNIT_OK(poolbuf_allocator_create(NULL, &many[i]));
        assert_int_equal(poolbuf_allocate_many(many[i], 64, 64, list + count, 10), 10);
        count += 10;
    }
    assert_int_equal(poolbuf_release_many(list, count), count);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(unit_metrics(many[i]).live_buffers, 0);
        UNIT_OK(poolbuf_allocator_destroy(many[i]));
    }
}

static void sizes_that_no_cache_holds_are_given_too(void **state) {
    (void)state;
    assert_int_equal(poolbuf_allocate_many(allocator, (size_t)5 << 20, (size_t)5 << 20, list, 3), 3);
    assert_int_equal(poolbuf_release_many(list, 3), 3);
    assert_int_equal(poolbuf_allocate_many(allocator, 11, 10, list, 3), 0);
    assert_int_equal(poolbuf_allocate_many(allocator, SIZE_MAX, SIZE_MAX, list, 3), 0);
    assert_int_equal(poolbuf_allocate_many(allocator, 10, SIZE_MAX, list, 2), 2);
    assert_int_equal(poolbuf_max_capacity(list[1]), POOLBUF_CAPACITY_LIMIT);
    assert_int_equal(poolbuf_release_many(list, 2), 2);
}

static void *release_list(void *count) {
    size_t wanted = *(size_t *)count;
    *(size_t *)count = poolbuf_release_many(list, wanted);
    return NULL;
}

static void another_thread_may_release_the_list(void **state) {
    (void)state;
    for (size_t count = 0; count < MOST; count += 100) {
        assert_int_equal(poolbuf_allocate_many(allocator, 256, 256, list, count), count);
        size_t died = count;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, release_list, &died), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(died, count);
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
        assert_true(allocator_audit(allocator));
    }
}

static void run_out_of_memory(bool pooling) {
    os = &os_fault;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = 262144;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = pooling;
    size_t least = MOST;
    size_t most = 0;
    for (unsigned long passing = 0; passing < 16; passing++) {
        poolbuf_allocator *poor = NULL;
        UNIT_OK(poolbuf_allocator_create(&options, &poor));
        memset(list, 0, sizeof list);
        os_fault_arm(passing, false);
        size_t given = poolbuf_allocate_many(poor, 32768, 32768, list, 200);
        assert_true(given < 200);
        least = given < least ? given : least;
        most = given > most ? given : most;
        for (size_t i = 0; i < 200; i++) {
            assert_int_equal(list[i] != NULL, i < given);
        }
        assert_int_equal(unit_metrics(poor).live_buffers, given);
        assert_true(allocator_audit(poor));
        os_fault_disarm();
        assert_int_equal(poolbuf_allocate_many(poor, 32768, 32768, list + given, 200 - given), 200 - given);
        assert_int_equal(poolbuf_release_many(list, 200), 200);
        UNIT_OK(poolbuf_allocator_destroy(poor));
        assert_int_equal(os_fault_regions(), 0);
    }
    assert_int_equal(least, 0);
    assert_true(most > 4);
    os = &os_linux;
}

static void what_memory_there_is_is_given_and_no_more(void **state) {
    (void)state;
    run_out_of_memory(true);
    run_out_of_memory(false);
}

static void nothing_and_the_dead_are_told_and_passed_over(void **state) {
    (void)state;
    poolbuf *kept[2];
    assert_int_equal(poolbuf_allocate_many(allocator, 64, 64, kept, 2), 2);
    assert_int_equal(poolbuf_allocate_many(allocator, 64, 64, list, 2), 2);
    poolbuf *wrong[] = {NULL, list[0], NULL, kept[0], list[0], list[1], kept[1], NULL};
    assert_int_equal(poolbuf_release_many(wrong, 8), 4);
    assert_int_equal(seen.misuses, 4); /* list[0] is there twice */
    assert_int_equal(seen.misuse, POOLBUF_MISUSE_FOREIGN_POINTER);
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
}

#define BULK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        BULK_TEST(each_buffer_is_new_and_has_one_reference),
        BULK_TEST(counts_are_exact_for_every_length_of_list),
        BULK_TEST(handles_come_in_the_order_of_single_calls),
        BULK_TEST(trims_and_refills_come_where_single_calls_have_them),
        BULK_TEST(a_gap_of_n_samples_each_nth_buffer_of_a_list),
        BULK_TEST(one_list_may_mix_classes_flags_counts_and_allocators),
        BULK_TEST(allocators_without_a_slot_of_their_own_take_part),
        BULK_TEST(sizes_that_no_cache_holds_are_given_too),
        BULK_TEST(another_thread_may_release_the_list),
        BULK_TEST(what_memory_there_is_is_given_and_no_more),
    };
    const struct CMUnitTest misuse_tests[] = {
        BULK_TEST(nothing_and_the_dead_are_told_and_passed_over),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* Memcheck would report the look at a dead handle, as it should */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
