/* Unit tests of thread_cache.c and registry.c, through an allocator: batches, budget, trimming, exact counts. */
#include "unit.h"

#include <pthread.h>

#include "allocator.h"
#include "os/os.h"
#include "registry.h"

static poolbuf_allocator *make(void (*change)(poolbuf_allocator_options *options)) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = 2;
    options.heap_arenas = 1;
    if (change != NULL) {
        change(&options);
    }
    poolbuf_allocator *made = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &made));
    return made;
}

static void end(poolbuf_allocator *allocator) {
    assert_true(allocator_audit(allocator));
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void take_many(poolbuf_allocator *allocator, poolbuf **buffers, unsigned count, size_t size) {
    for (unsigned i = 0; i < count; i++) {
        buffers[i] = poolbuf_allocate(allocator, size, size);
        assert_non_null(buffers[i]);
    }
}

static void give_many(poolbuf **buffers, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
}

static void a_class_caches_up_to_256_small_and_64_of_32_kib(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    poolbuf *buffers[2000];
    take_many(allocator, buffers, 2000, 256);
    give_many(buffers, 2000);
    const thread_cache *cache = registry_cache(&allocator->group);
    uint64_t idle = thread_cache_idle(cache, size_class_of(&allocator->classes, 256));
    assert_true(idle > 192 && idle <= 256); /* whole batches leave at once */
    take_many(allocator, buffers, 500, 32768);
    give_many(buffers, 500);
    idle = thread_cache_idle(cache, size_class_of(&allocator->classes, 32768));
    assert_true(idle > 48 && idle <= 64);
    end(allocator);
}

static void a_batch_of_64_up_to_16_kib_never_leaves_the_cache(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 256, 1024, 4096, 16384};
    poolbuf_allocator *allocator = make(NULL);
    poolbuf *buffers[64];
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        take_many(allocator, buffers, 64, sizes[i]);
        give_many(buffers, 64);
        uint64_t before = unit_metrics(allocator).arena_allocations;
        for (int round = 0; round < 10; round++) {
            take_many(allocator, buffers, 64, sizes[i]);
            give_many(buffers, 64);
        }
        assert_int_equal(unit_metrics(allocator).arena_allocations, before);
    }
    end(allocator);
}

static void large_classes_are_cached_too(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    for (size_t size = (size_t)64 << 10; size <= (size_t)4 << 20; size *= 2) {
        poolbuf *b = poolbuf_allocate(allocator, size, size);
        assert_true(poolbuf_release(b));
        uint64_t before = unit_metrics(allocator).arena_allocations;
        for (int i = 0; i < 100; i++) {
            assert_true(poolbuf_release(poolbuf_allocate(allocator, size, size)));
        }
        assert_int_equal(unit_metrics(allocator).arena_allocations, before);
    }
    end(allocator);
}

static void small_budget(poolbuf_allocator_options *options) {
    options->cache_limit_bytes = 200000;
}

static void a_cache_never_holds_more_than_its_budget(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(small_budget);
    unit_random random = unit_random_start("budget", 6);
    enum {
        LIVE = 300
    };
    poolbuf *live[LIVE] = {NULL};
    for (int step = 0; step < 20000; step++) {
        uint32_t i = unit_random_below(&random, LIVE);
        if (live[i] != NULL) {
            assert_true(poolbuf_release(live[i]));
            live[i] = NULL;
        } else {
            size_t size = unit_random_size(&random, 18);
            live[i] = poolbuf_allocate(allocator, size, size);
        }
        if (step % 97 == 0) {
            const thread_cache *cache = registry_cache(&allocator->group);
            uint64_t bytes = 0;
            for (uint32_t bin = 0; bin < allocator->group.bin_count; bin++) {
                bytes += thread_cache_idle(cache, bin) * allocator->group.bins[bin].bytes;
            }
            assert_true(bytes <= 200000);
            assert_true(thread_cache_audit(cache));
        }
    }
    for (unsigned i = 0; i < LIVE; i++) {
        if (live[i] != NULL) {
            assert_true(poolbuf_release(live[i]));
        }
    }
    end(allocator);
}

static void no_cache(poolbuf_allocator_options *options) {
    options->cache_limit_bytes = 0;
}

static void no_small_no_normal(poolbuf_allocator_options *options) {
    options->small_cache_size = 0;
    options->normal_cache_size = 0;
}

static void one_of_each(poolbuf_allocator_options *options) {
    options->small_cache_size = 1;
    options->normal_cache_size = 3;
    options->max_cached_capacity = 65536;
}

static void caching_can_be_turned_off_or_down(void **state) {
    (void)state;
    static void (*const changes[])(poolbuf_allocator_options *) = {no_cache, no_small_no_normal, one_of_each};
    static const uint64_t cached_small[] = {0, 0, 1};
    static const uint64_t cached_normal[] = {0, 0, 3};
    for (unsigned i = 0; i < 3; i++) {
        poolbuf_allocator *allocator = make(changes[i]);
        poolbuf *buffers[50];
        take_many(allocator, buffers, 50, 100);
        assert_int_equal(unit_metrics(allocator).live_buffers, 50);
        give_many(buffers, 50);
        const bin_config *small = &allocator->group.bins[size_class_of(&allocator->classes, 100)];
        uint64_t depot =
            (uint64_t)depot_count(&allocator->group.depot[size_class_of(&allocator->classes, 100)]) * small->batch;
        assert_int_equal(unit_metrics(allocator).cached_buffers - depot, cached_small[i]);
        poolbuf_trim_thread_cache(allocator);
        cache_group_drain_depot(&allocator->group);
        take_many(allocator, buffers, 50, 40000);
        give_many(buffers, 50);
        const bin_config *normal = &allocator->group.bins[size_class_of(&allocator->classes, 40000)];
        depot =
            (uint64_t)depot_count(&allocator->group.depot[size_class_of(&allocator->classes, 40000)]) * normal->batch;
        assert_int_equal(unit_metrics(allocator).cached_buffers - depot, cached_normal[i]);
        take_many(allocator, buffers, 10, 100000);
        give_many(buffers, 10);
        assert_int_equal(unit_metrics(allocator).allocations, 110);
        assert_int_equal(unit_metrics(allocator).releases, 110);
        end(allocator);
    }
}

static void often(poolbuf_allocator_options *options) {
    options->cache_trim_interval = 100;
}

static void sizes_of_caches_and_the_trim_interval_are_nettys_by_default(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    assert_int_equal(options.small_cache_size, 256);
    assert_int_equal(options.normal_cache_size, 64);
    assert_int_equal(options.cache_trim_interval, 8192);
}

/* What a trim leaves behind: the low-water mark on top of what was there. */
static bool is_marked(poolbuf_allocator *allocator, size_t size) {
    const poolbuf_bin_ *bin = &registry_cache(&allocator->group)->fast.bins[size_class_of(&allocator->classes, size)];
    return bin->floor != bin->bottom;
}

static void hits_and_misses_alike_count_towards_the_trim(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(often);
    poolbuf *held[49];
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 1000, 1000)));
    take_many(allocator, held, 49, 64);
    for (int i = 0; i < 49; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 4096, 4096)));
    }
    assert_false(is_marked(allocator, 1000));
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 4096, 4096))); /* the hundredth */
    assert_true(is_marked(allocator, 1000));
    give_many(held, 49);
    end(allocator);
}

static void heap_and_direct_buffers_are_cached_apart(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    const poolbuf *direct = poolbuf_allocate_direct(allocator, 500, 500);
    const poolbuf *heap = poolbuf_allocate_heap(allocator, 500, 500);
    assert_true(poolbuf_release((poolbuf *)(uintptr_t)heap));
    assert_true(poolbuf_release((poolbuf *)(uintptr_t)direct));
    const thread_cache *cache = registry_cache(&allocator->group);
    assert_int_equal(
        thread_cache_idle(cache, allocator->kind_bins[POOLBUF_KIND_DIRECT] + size_class_of(&allocator->classes, 500)),
        1);
    assert_int_equal(
        thread_cache_idle(cache, allocator->kind_bins[POOLBUF_KIND_HEAP] + size_class_of(&allocator->classes, 500)), 1);
    poolbuf *again = poolbuf_allocate_heap(allocator, 500, 500);
    assert_ptr_equal(again, heap);
    assert_true(poolbuf_release(again));
    end(allocator);
}

static void one_byte_more_than_a_chunk_is_huge_exact_and_never_cached(void **state) {
    (void)state;
    const size_t largest = (size_t)4 << 20;
    poolbuf_allocator *allocator = make(NULL);
    poolbuf *b = poolbuf_allocate(allocator, largest, largest);
    assert_int_equal(unit_metrics(allocator).huge_buffers, 0);
    assert_true(poolbuf_release(b));
    uint64_t cached = unit_metrics(allocator).cached_bytes;
    b = poolbuf_allocate(allocator, largest + 1, largest + 1);
    assert_int_equal(unit_metrics(allocator).huge_buffers, 1);
    assert_int_equal(unit_metrics(allocator).huge_bytes, largest + 1);
    assert_true(poolbuf_release(b));
    assert_int_equal(unit_metrics(allocator).huge_buffers, 0);
    assert_int_equal(unit_metrics(allocator).cached_bytes, cached);
    end(allocator);
}

static void what_nobody_uses_for_two_intervals_goes(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(often);
    poolbuf *buffers[256];
    take_many(allocator, buffers, 256, 1000);
    give_many(buffers, 256);
    const thread_cache *cache = registry_cache(&allocator->group);
    for (int i = 0; i < 400; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    }
    assert_int_equal(thread_cache_idle(cache, size_class_of(&allocator->classes, 1000)), 0);
    assert_int_equal(depot_count(&allocator->group.depot[size_class_of(&allocator->classes, 1000)]), 0);
    assert_true(thread_cache_idle(cache, size_class_of(&allocator->classes, 64)) > 0);
    end(allocator);
}

static void every_second(poolbuf_allocator_options *options) {
    options->cache_trim_interval = 0;
    options->cache_trim_interval_ms = 1000;
}

static void time_trims_too_where_it_is_asked_for(void **state) {
    (void)state;
    os = &os_fault; /* its clock stands still */
    poolbuf_allocator *allocator = make(every_second);
    poolbuf *buffers[100];
    take_many(allocator, buffers, 100, 1000);
    give_many(buffers, 100);
    for (int i = 0; i < 5000; i++) { /* far more than lie between two looks at the clock */
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    }
    const thread_cache *cache = registry_cache(&allocator->group);
    assert_false(is_marked(allocator, 1000));
    for (int trims = 0; trims < 4; trims++) {
        os_fault_pass_ms(1000);
        for (int i = 0; i < 2000; i++) {
            assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
        }
    }
    assert_int_equal(thread_cache_idle(cache, size_class_of(&allocator->classes, 1000)), 0);
    end(allocator);
    os = &os_linux;
}

static void one_low_batch(poolbuf_allocator_options *options) {
    options->cache_trim_interval = 100;
    options->small_cache_size = 64; /* in batches of 16 */
}

/* The mark goes down by a batch at a time, so at most so many more stay than were needed. */
static void a_trim_keeps_what_was_reached_to_a_batch(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(one_low_batch);
    poolbuf *buffers[64];
    take_many(allocator, buffers, 64, 1000);
    give_many(buffers, 64);
    const thread_cache *cache = registry_cache(&allocator->group);
    uint32_t bin = size_class_of(&allocator->classes, 1000);
    assert_true(thread_cache_idle(cache, bin) > 48);
    for (int i = 0; i < 120; i++) { /* two trims: one sets the mark, one uses it */
        take_many(allocator, buffers, 5, 1000);
        give_many(buffers, 5);
    }
    assert_true(thread_cache_idle(cache, bin) >= 5 && thread_cache_idle(cache, bin) <= 16 + 5);
    assert_true(thread_cache_audit(cache));
    end(allocator);
}

static void what_is_in_use_stays_through_trims(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(often);
    poolbuf *buffers[64];
    take_many(allocator, buffers, 64, 1000);
    give_many(buffers, 64);
    uint64_t before = unit_metrics(allocator).arena_allocations;
    for (int i = 0; i < 100; i++) {
        take_many(allocator, buffers, 64, 1000);
        give_many(buffers, 64);
    }
    assert_int_equal(unit_metrics(allocator).arena_allocations, before);
    end(allocator);
}

static void trim_gives_everything_back_at_once(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    poolbuf *buffers[100];
    take_many(allocator, buffers, 100, 500);
    give_many(buffers, 100);
    poolbuf_trim_thread_cache(allocator);
    assert_int_equal(unit_metrics(allocator).cached_buffers, 0);
    assert_int_equal(unit_metrics(allocator).arena_releases, unit_metrics(allocator).arena_allocations);
    end(allocator);
}

static void counts_are_exact_at_every_step(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(often);
    unit_random random = unit_random_start("counts", 7);
    enum {
        LIVE = 200
    };
    poolbuf *live[LIVE] = {NULL};
    uint64_t alive = 0;
    uint64_t bytes = 0;
    uint64_t allocations = 0;
    for (int step = 0; step < 3000; step++) {
        uint32_t i = unit_random_below(&random, LIVE);
        if (live[i] != NULL) {
            bytes -= live[i]->usable;
            alive--;
            assert_true(poolbuf_release(live[i]));
            live[i] = NULL;
        } else {
            size_t size = unit_random_size(&random, 23);
            live[i] = poolbuf_allocate(allocator, size, size);
            bytes += live[i]->usable;
            alive++;
            allocations++;
        }
        if (step % 7 == 0) {
            poolbuf_metrics m = unit_metrics(allocator);
            assert_int_equal(m.live_buffers, alive);
            assert_int_equal(m.live_bytes, bytes);
            assert_int_equal(m.allocations, allocations);
            assert_int_equal(m.releases, allocations - alive);
            assert_int_equal(m.pinned_bytes, m.live_bytes + m.cached_bytes);
        }
    }
    for (unsigned i = 0; i < LIVE; i++) {
        if (live[i] != NULL) {
            assert_true(poolbuf_release(live[i]));
        }
    }
    end(allocator);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static void *allocate_and_end(void *argument) {
    poolbuf_allocator *allocator = argument;
    poolbuf *buffers[1000];
    take_many(allocator, buffers, 1000, 256);
    give_many(buffers, 1000);
    return NULL;
}

static void run_thread(void *(*run)(void *), void *argument) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_thread_that_ends_leaves_nothing_in_its_cache(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    for (int i = 0; i < 20; i++) {
        run_thread(allocate_and_end, allocator);
        poolbuf_metrics m = unit_metrics(allocator);
        assert_int_equal(m.thread_caches, 0);
        assert_int_equal(m.live_buffers, 0);
        assert_int_equal(m.allocations, 1000 * ((uint64_t)i + 1));
        assert_int_equal(allocator->group.arenas[0][0].thread_count, 0);
    }
    end(allocator);
}

static void *allocate_64(void *argument) {
    poolbuf **buffers = argument;
    take_many(poolbuf_owner(buffers[64]), buffers, 64, 256);
    return NULL;
}

static void batches_travel_from_the_releasing_to_the_allocating_thread(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    poolbuf *buffers[65];
    buffers[64] = poolbuf_allocate(allocator, 1, 1);
    for (int i = 0; i < 50; i++) {
        run_thread(allocate_64, buffers); /* a new thread each time: nothing of its own */
        give_many(buffers, 64);
    }
    /* The first few rounds fill this thread's cache; from then on its overflow is what the others get. */
    assert_true(unit_metrics(allocator).arena_allocations < (uint64_t)12 * 64);
    assert_int_equal(unit_metrics(allocator).allocations, 50 * 64 + 1);
    assert_true(poolbuf_release(buffers[64]));
    end(allocator);
}

static void traffic_of_caches_is_counted(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    for (int i = 0; i < 100; i++) {
        assert_true(poolbuf_release(poolbuf_allocate(allocator, 256, 256)));
    }
    poolbuf_metrics m = unit_metrics(allocator);
    assert_int_equal(m.cache_misses, 1);
    assert_int_equal(m.cache_hits, 99);
    assert_int_equal(m.cache_refills, 1);
    assert_int_equal(m.cache_flushes, 0);
    assert_int_equal(m.remote_releases, 0);
    poolbuf *buffers[65];
    buffers[64] = poolbuf_allocate(allocator, 1, 1);
    run_thread(allocate_64, buffers);
    give_many(buffers, 64); /* what another thread has taken, and which is gone */
    assert_int_equal(unit_metrics(allocator).remote_releases, 64 - 1);
    assert_true(poolbuf_release(buffers[64]));
    m = unit_metrics(allocator);
    assert_int_equal(m.remote_releases, 64);
    assert_int_equal(m.cache_hits + m.cache_misses, 100 + 65);
    poolbuf_trim_thread_cache(allocator);
    assert_int_equal(unit_metrics(allocator).remote_releases, 64);
    assert_int_equal(unit_metrics(allocator).cache_flushes, m.cache_flushes + 2); /* of two classes */
    end(allocator);
}

static void *bind(void *argument) {
    poolbuf_allocator *allocator = argument;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    assert_true(poolbuf_release(b));
    const thread_cache *cache = registry_cache(&allocator->group);
    return cache->arenas[POOLBUF_KIND_DIRECT];
}

static void a_thread_is_bound_to_the_arena_with_the_fewest_threads(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    arena *arenas = allocator->group.arenas[POOLBUF_KIND_DIRECT];
    assert_ptr_equal(bind(allocator), &arenas[0]);
    pthread_t thread;
    void *bound = NULL;
    assert_int_equal(pthread_create(&thread, NULL, bind, allocator), 0);
    assert_int_equal(pthread_join(thread, &bound), 0);
    assert_ptr_equal(bound, &arenas[1]);
    assert_int_equal(arenas[0].thread_count, 1);
    assert_int_equal(arenas[1].thread_count, 0);
    end(allocator);
}

static pthread_key_t late_key;
static poolbuf_allocator *late_allocator;

/* Runs in a round of destructors after the registry's own. */
static void use_late(void *value) {
    static _Thread_local int round;
    if (round++ < 2) {
        assert_int_equal(pthread_setspecific(late_key, value), 0);
        return;
    }
    poolbuf *b = poolbuf_allocate(late_allocator, 100, 1000);
    assert_non_null(b);
    UNIT_OK(poolbuf_set_capacity(b, 1000));
    assert_non_null(poolbuf_slice(b, 0, 10));
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(value));
}

static void *hold_until_the_end(void *argument) {
    poolbuf *b = poolbuf_allocate(argument, 64, 64);
    assert_int_equal(pthread_setspecific(late_key, b), 0);
    return NULL;
}

static void destructors_may_allocate_and_release_after_the_cache_has_gone(void **state) {
    (void)state;
    late_allocator = make(NULL);
    assert_int_equal(pthread_key_create(&late_key, use_late), 0);
    run_thread(hold_until_the_end, late_allocator);
    assert_int_equal(pthread_key_delete(late_key), 0);
    poolbuf_metrics m = unit_metrics(late_allocator);
    assert_int_equal(m.live_buffers, 0);
    assert_int_equal(m.thread_caches, 0);
    assert_int_equal(m.allocations, 2);
    end(late_allocator);
}

/* More slices at once than a thread caches, from a thread that then ends: all of their handles reach an arena. */
static void *slice_and_end(void *allocator) {
    poolbuf *slices[600];
    unsigned count = sizeof slices / sizeof slices[0];
    poolbuf *root = poolbuf_allocate(allocator, 16, 16);
    assert_non_null(root);
    for (unsigned i = 0; i < count; i++) {
        slices[i] = poolbuf_retained_slice(root, 0, 1);
        assert_non_null(slices[i]);
    }
    give_many(slices, count);
    assert_true(poolbuf_release(root));
    return NULL;
}

/* Nobody may take handles from one arena and give them to another, where they pile up. */
static void handles_of_slices_come_back_to_threads_of_every_arena(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(NULL);
    poolbuf *here =
        poolbuf_allocate(allocator, 16, 16); /* this thread is with the first arena, the others with the second */
    assert_non_null(here);
    uint64_t settled = 0;
    for (unsigned i = 0; i < 100; i++) {
        run_thread(slice_and_end, allocator);
        settled = i < 10 ? unit_metrics(allocator).metadata_bytes : settled;
    }
    assert_int_equal(unit_metrics(allocator).metadata_bytes, settled);
    assert_true(poolbuf_release(here));
    end(allocator);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_caches_up_to_256_small_and_64_of_32_kib),
        cmocka_unit_test(a_batch_of_64_up_to_16_kib_never_leaves_the_cache),
        cmocka_unit_test(large_classes_are_cached_too),
        cmocka_unit_test(a_cache_never_holds_more_than_its_budget),
        cmocka_unit_test(caching_can_be_turned_off_or_down),
        cmocka_unit_test(sizes_of_caches_and_the_trim_interval_are_nettys_by_default),
        cmocka_unit_test(hits_and_misses_alike_count_towards_the_trim),
        cmocka_unit_test(heap_and_direct_buffers_are_cached_apart),
        cmocka_unit_test(one_byte_more_than_a_chunk_is_huge_exact_and_never_cached),
        cmocka_unit_test(what_nobody_uses_for_two_intervals_goes),
        cmocka_unit_test(time_trims_too_where_it_is_asked_for),
        cmocka_unit_test(a_trim_keeps_what_was_reached_to_a_batch),
        cmocka_unit_test(what_is_in_use_stays_through_trims),
        cmocka_unit_test(trim_gives_everything_back_at_once),
        cmocka_unit_test(counts_are_exact_at_every_step),
        cmocka_unit_test(a_thread_that_ends_leaves_nothing_in_its_cache),
        cmocka_unit_test(traffic_of_caches_is_counted),
        cmocka_unit_test(batches_travel_from_the_releasing_to_the_allocating_thread),
        cmocka_unit_test(a_thread_is_bound_to_the_arena_with_the_fewest_threads),
        cmocka_unit_test(destructors_may_allocate_and_release_after_the_cache_has_gone),
        cmocka_unit_test(handles_of_slices_come_back_to_threads_of_every_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
