/* Unit tests of allocator.c, metrics.c and registry.c: lifecycles, several allocators, threads that come and go, fork. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "allocator.h"
#include "os/os.h"
#include "registry.h"

static poolbuf_allocator *make(void) {
    poolbuf_allocator *made = NULL;
    UNIT_OK(poolbuf_allocator_create(NULL, &made));
    return made;
}

static void the_default_is_made_once_and_serves_null(void **state) {
    (void)state;
    poolbuf_allocator *allocator = poolbuf_allocator_default();
    assert_non_null(allocator);
    assert_ptr_equal(poolbuf_allocator_default(), allocator);
    poolbuf *b = poolbuf_allocate(NULL, 10, 10);
    assert_ptr_equal(poolbuf_owner(b), allocator);
    assert_true(poolbuf_release(b));
    assert_int_equal(poolbuf_allocator_destroy(allocator), POOLBUF_ERROR_BAD_ARGUMENT);
}

/* It may be most of an address, which a scan for unreachable buffers would take for a reference. */
static void what_lies_between_options_is_not_kept(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.background_thread = false;
    options.alignment = 64;
    options.chunk_context = &options;
    const size_t from = offsetof(poolbuf_allocator_options, background_thread) + sizeof options.background_thread;
    const size_t to = offsetof(poolbuf_allocator_options, alignment);
    for (size_t i = from; i < to; i++) {
        ((unsigned char *)&options)[i] = 0xa5;
    }
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    for (size_t i = from; i < to; i++) {
        assert_int_equal(((const unsigned char *)&allocator->options)[i], 0);
    }
    assert_memory_equal(&allocator->options, &options, from);
    assert_memory_equal((const char *)&allocator->options + to, (const char *)&options + to, sizeof options - to);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void allocators_share_no_memory_and_no_counts(void **state) {
    (void)state;
    poolbuf_allocator *a = make();
    poolbuf_allocator *b = make();
    poolbuf *x = poolbuf_allocate(a, 100, 100);
    assert_true(poolbuf_release(x));
    poolbuf *y = poolbuf_allocate(b, 100, 100);
    assert_ptr_not_equal(x, y);
    assert_int_equal(unit_metrics(a).live_buffers, 0);
    assert_int_equal(unit_metrics(b).live_buffers, 1);
    assert_true(poolbuf_release(y));
    UNIT_OK(poolbuf_allocator_destroy(a));
    UNIT_OK(poolbuf_allocator_destroy(b));
}

static void more_allocators_than_slots_work_all_the_same(void **state) {
    (void)state;
    enum {
        COUNT = REGISTRY_SLOTS + 8
    };
    poolbuf_allocator *allocators[COUNT];
    poolbuf *buffers[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        allocators[i] = make();
        buffers[i] = poolbuf_allocate(allocators[i], 100, 100);
        assert_true(poolbuf_release(buffers[i]));
        assert_ptr_equal(poolbuf_allocate(allocators[i], 100, 100), buffers[i]);
        assert_int_equal(unit_metrics(allocators[i]).allocations, 2);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        assert_ptr_equal(poolbuf_owner(buffers[i]), allocators[i]);
        assert_true(poolbuf_release(buffers[i]));
        assert_true(allocator_audit(allocators[i]));
        UNIT_OK(poolbuf_allocator_destroy(allocators[i]));
    }
}

static void an_illegal_option_is_refused(void **state) {
    (void)state;
    poolbuf_allocator_options good;
    poolbuf_allocator_options_init(&good);
    poolbuf_allocator_options bad[7];
    for (unsigned i = 0; i < 7; i++) {
        bad[i] = good;
    }
    bad[0].page_size = 5000;
    bad[1].chunk_size = good.page_size * 4;
    bad[2].chunk_size = (size_t)3 << 20;
    bad[3].direct_arenas = 257;
    bad[4].page_size = 2048;
    bad[5].classes_per_doubling = 6;
    bad[6].classes_per_doubling = 8;
    bad[6].chunk_size = good.page_size * 8;
    poolbuf_allocator *made = NULL;
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(poolbuf_allocator_create(&bad[i], &made), POOLBUF_ERROR_BAD_OPTION);
        assert_null(made);
    }
    bad[0] = good;
    bad[0].struct_size = 3;
    assert_int_equal(poolbuf_allocator_create(&bad[0], &made), POOLBUF_ERROR_BAD_ARGUMENT);
}

static void every_geometry_allocates_every_class(void **state) {
    (void)state;
    for (size_t page = 4096; page <= 65536; page *= 4) {
        for (size_t largest = page * 8; largest <= page * 128; largest *= 16) {
            poolbuf_allocator_options options;
            poolbuf_allocator_options_init(&options);
            options.page_size = page;
            options.classes_per_doubling = largest == page * 8 ? 4 : 8;
            options.chunk_size = largest;
            poolbuf_allocator *allocator = NULL;
            UNIT_OK(poolbuf_allocator_create(&options, &allocator));
            for (size_t size = 1; size <= largest * 2; size = size * 5 / 4 + 1) {
                poolbuf *a = poolbuf_allocate_direct(allocator, size, size);
                poolbuf *b = poolbuf_allocate_heap(allocator, size, size);
                UNIT_OK(poolbuf_set_u8(a, size - 1, 1));
                UNIT_OK(poolbuf_set_u8(b, size - 1, 1));
                assert_true(poolbuf_release(a));
                assert_true(poolbuf_release(b));
            }
            assert_true(allocator_audit(allocator));
            UNIT_OK(poolbuf_allocator_destroy(allocator));
        }
    }
}

static void preferring_heap_swaps_the_bins(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.prefer_direct = false;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *a = poolbuf_allocate(allocator, 100, 100);
    poolbuf *b = poolbuf_allocate_direct(allocator, 100, 100);
    assert_false(poolbuf_is_direct(a));
    assert_true(poolbuf_is_direct(b));
    assert_true(poolbuf_release(a));
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void no_arenas_of_a_kind_means_unpooled_buffers_of_it(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.heap_arenas = 0;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *heap = poolbuf_allocate_heap(allocator, 100, 1000);
    poolbuf *direct = poolbuf_allocate_direct(allocator, 100, 1000);
    assert_int_equal(unit_metrics(allocator).huge_buffers, 1);
    assert_int_equal(unit_metrics(allocator).live_buffers, 2);
    UNIT_OK(poolbuf_set_capacity(heap, 1000));
    assert_int_equal(unit_metrics(allocator).huge_bytes, 1000);
    assert_true(poolbuf_release(heap));
    assert_true(poolbuf_release(direct));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void destroy_with_live_buffers_says_so_and_leaves_them_usable(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make();
    poolbuf *small = poolbuf_allocate(allocator, 100, 1000);
    poolbuf *large = poolbuf_allocate(allocator, 100000, 100000);
    poolbuf *huge = poolbuf_allocate(allocator, (size_t)5 << 20, (size_t)5 << 20);
    poolbuf *retained = poolbuf_retained_slice(small, 0, 100);
    uint64_t before = 0;
    poolbuf_live_totals(&before, NULL, NULL);
    assert_int_equal(poolbuf_allocator_destroy(allocator), POOLBUF_ERROR_LIVE_BUFFERS);
    UNIT_OK(poolbuf_write_u32_be(small, 1));
    UNIT_OK(poolbuf_set_u8(large, 99999, 1));
    UNIT_OK(poolbuf_set_u8(huge, 5000000, 1));
    assert_int_equal(poolbuf_set_capacity(small, 112), POOLBUF_OK);
    assert_int_equal(poolbuf_ensure_writable(large, 100001), POOLBUF_ERROR_MAX_CAPACITY);
    assert_true(poolbuf_release(retained));
    assert_int_equal(poolbuf_set_capacity(small, 1000), POOLBUF_ERROR_LIVE_BUFFERS);
    uint64_t after = 0;
    poolbuf_live_totals(&after, NULL, NULL);
    assert_int_equal(after, before);
    uint64_t orphans = 0;
    uint64_t bytes = 0;
    poolbuf_orphan_totals(&orphans, &bytes);
    assert_int_equal(orphans, 3);
    assert_int_equal(bytes, 112 + 114688 + (5 << 20));
    assert_true(poolbuf_release(huge));
    assert_true(poolbuf_release(small));
    assert_true(poolbuf_release(large)); /* gives back the allocator */
    poolbuf_live_totals(&after, NULL, NULL);
    assert_int_equal(after, before - 3);
    poolbuf_orphan_totals(&orphans, &bytes);
    assert_int_equal(orphans, 0);
    assert_int_equal(bytes, 0);
}

static void totals_add_up_all_allocators_and_remember_destroyed_ones(void **state) {
    (void)state;
    uint64_t buffers[2];
    uint64_t bytes[2];
    uint64_t allocated[2];
    poolbuf_live_totals(&buffers[0], &bytes[0], &allocated[0]);
    poolbuf_allocator *a = make();
    poolbuf *x = poolbuf_allocate(a, 100, 100);
    poolbuf *y = poolbuf_allocate(NULL, 1000, 1000);
    poolbuf_live_totals(&buffers[1], &bytes[1], &allocated[1]);
    assert_int_equal(buffers[1] - buffers[0], 2);
    assert_int_equal(bytes[1] - bytes[0], 112 + 1024);
    assert_int_equal(allocated[1] - allocated[0], 2);
    assert_true(poolbuf_release(x));
    assert_true(poolbuf_release(y));
    UNIT_OK(poolbuf_allocator_destroy(a));
    poolbuf_live_totals(&buffers[1], &bytes[1], &allocated[1]);
    assert_int_equal(buffers[1], buffers[0]);
    assert_int_equal(bytes[1], bytes[0]);
    assert_int_equal(allocated[1] - allocated[0], 2);
}

static void metrics_of_an_older_caller_are_cut(void **state) {
    (void)state;
    poolbuf_metrics m = {.struct_size = 8};
    assert_int_equal(poolbuf_allocator_metrics(NULL, &m), POOLBUF_ERROR_BAD_ARGUMENT);
    m.struct_size = sizeof m;
    UNIT_OK(poolbuf_allocator_metrics(NULL, &m));
    assert_int_equal(m.struct_size, sizeof m);
}

static void purge_gives_back_all_but_live_memory(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make();
    poolbuf *buffers[2000];
    for (unsigned i = 0; i < 2000; i++) {
        buffers[i] = poolbuf_allocate(allocator, 10000, 10000);
        memset(poolbuf_memory(buffers[i]), 1, 10000);
    }
    for (unsigned i = 0; i < 2000; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
    assert_true(poolbuf_allocator_purge(allocator) > 0);
    poolbuf_metrics m = unit_metrics(allocator);
    assert_int_equal(m.cached_buffers, 0);
    assert_true(m.chunk_count <= 1); /* the class keeps its last subpage */
    assert_true(allocator_audit(allocator));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* An allocator whose threads cache nothing, so that what is released is with its arena. */
static poolbuf_allocator *make_uncached(uint32_t trim_interval, size_t cache_limit_bytes) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.cache_limit_bytes = cache_limit_bytes;
    options.max_cached_capacity = 1024;
    options.cache_trim_interval = trim_interval;
    options.decay_ms = 1000;
    poolbuf_allocator *made = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &made));
    return made;
}

static void empty_two_chunks(poolbuf_allocator *allocator, poolbuf *(*allocate)(poolbuf_allocator *, size_t, size_t)) {
    poolbuf *a = allocate(allocator, (size_t)4 << 20, (size_t)4 << 20);
    poolbuf *b = allocate(allocator, (size_t)4 << 20, (size_t)4 << 20);
    assert_true(poolbuf_release(a));
    assert_true(poolbuf_release(b));
}

static void spare_chunks_are_counted_and_a_purge_takes_them(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make_uncached(0, 0);
    empty_two_chunks(allocator, poolbuf_allocate_direct);
    empty_two_chunks(allocator, poolbuf_allocate_heap);
    poolbuf_metrics m = unit_metrics(allocator);
    assert_int_equal(m.chunk_count, 4);
    assert_int_equal(m.spare_chunks, 4);
    assert_int_equal(m.chunk_bytes, (size_t)16 << 20);
    assert_int_equal(poolbuf_allocator_purge(allocator), (size_t)16 << 20);
    m = unit_metrics(allocator);
    assert_int_equal(m.chunk_count, 0);
    assert_int_equal(m.spare_chunks, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_trim_gives_back_what_has_decayed_in_any_arena(void **state) {
    (void)state;
    os = &os_fault;
    poolbuf_allocator *allocator = make_uncached(100, 65536);
    empty_two_chunks(allocator, poolbuf_allocate_direct);
    empty_two_chunks(allocator, poolbuf_allocate_heap);
    os_fault_pass_ms(999);
    for (int i = 0; i < 200; i++) {
        assert_true(poolbuf_release(poolbuf_allocate_direct(allocator, 100, 100)));
    }
    assert_int_equal(unit_metrics(allocator).chunk_unmaps, 0);
    os_fault_pass_ms(1);
    for (int i = 0; i < 200; i++) {
        assert_true(poolbuf_release(poolbuf_allocate_direct(allocator, 100, 100)));
    }
    assert_int_equal(unit_metrics(allocator).spare_chunks, 0);
    assert_true(unit_metrics(allocator).chunk_unmaps >= 3);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
}

static void a_system_without_memory_gets_spare_chunks_back_and_is_asked_again(void **state) {
    (void)state;
    os = &os_fault;
    poolbuf_allocator *allocator = make_uncached(0, 0);
    poolbuf *small[2] = {poolbuf_allocate_direct(allocator, 100, 100), poolbuf_allocate_heap(allocator, 100, 100)};
    empty_two_chunks(allocator, poolbuf_allocate_direct);
    unsigned long before = os_fault_regions();
    os_fault_limit(before); /* first another arena asks, then a buffer that is huge */
    poolbuf *b = poolbuf_allocate_heap(allocator, (size_t)4 << 20, (size_t)4 << 20);
    assert_non_null(b);
    assert_int_equal(unit_metrics(allocator).spare_chunks, 0);
    assert_int_equal(os_fault_regions(), before - 1);
    assert_true(poolbuf_release(b));
    os_fault_disarm();
    empty_two_chunks(allocator, poolbuf_allocate_direct);
    os_fault_limit(os_fault_regions());
    b = poolbuf_allocate_direct(allocator, (size_t)5 << 20, (size_t)5 << 20);
    assert_non_null(b);
    assert_int_equal(unit_metrics(allocator).spare_chunks, 0);
    assert_true(poolbuf_release(b));
    os_fault_disarm();
    assert_true(poolbuf_release(small[0]));
    assert_true(poolbuf_release(small[1]));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
}

static void what_the_caches_hold_serves_before_spare_chunks_are_given_up(void **state) {
    (void)state;
    os = &os_fault;
    poolbuf_allocator *allocator = make();
    poolbuf *b = poolbuf_allocate_direct(allocator, (size_t)4 << 20, (size_t)4 << 20);
    assert_true(poolbuf_release(b)); /* to the thread's cache */
    os_fault_arm(0, false);
    b = poolbuf_allocate_direct(allocator, (size_t)3 << 20, (size_t)3 << 20);
    assert_non_null(b);
    assert_int_equal(unit_metrics(allocator).chunk_maps, 1);
    assert_true(poolbuf_release(b));
    os_fault_disarm();
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
}

static void the_dump_shows_arenas_and_caches(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make();
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    UNIT_OK(poolbuf_allocator_dump(allocator, stream));
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "68 classes, 1 buffers of 112 bytes alive"));
    assert_non_null(strstr(text, "(direct)"));
    assert_non_null(strstr(text, "cache 0x"));
    assert_non_null(strstr(text, ": 1 allocations, arenas 0x"));
    assert_non_null(strstr(text, "\ndepot:\n  none\n"));
    assert_non_null(strstr(text, " direct preferred\n"));
    assert_non_null(strstr(text, ", 256 of a small class, 64 of a larger one; trims every 8192 allocations\n"));
    free(text);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* ---- Threads and processes ---------------------------------------------------------------------------------------- */

enum {
    LIFETIMES = 40
};
static pthread_barrier_t barrier;
static poolbuf_allocator *passing; /* written between barriers alone */

static void *use_each_generation(void *unused) {
    (void)unused;
    for (int i = 0; i < LIFETIMES; i++) {
        (void)pthread_barrier_wait(&barrier);
        for (size_t size = 1; size < 100000; size = size * 3 + 1) {
            poolbuf *b = poolbuf_allocate(passing, size, size);
            assert_non_null(b);
            assert_true(poolbuf_release(b));
        }
        (void)pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void let_allocators_come_and_go(void) {
    pthread_t threads[3];
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 4), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_each_generation, NULL), 0);
    }
    for (int i = 0; i < LIFETIMES; i++) {
        passing = make();
        (void)pthread_barrier_wait(&barrier);
        (void)pthread_barrier_wait(&barrier);
        if (i + 1 < LIFETIMES) { /* after the last round the threads end */
            assert_int_equal(unit_metrics(passing).thread_caches, 3);
        }
        assert_true(allocator_audit(passing));
        UNIT_OK(poolbuf_allocator_destroy(passing));
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)pthread_barrier_destroy(&barrier);
}

static void allocators_come_and_go_while_threads_live(void **state) {
    (void)state;
    let_allocators_come_and_go();
}

static void take_all_slots(poolbuf_allocator *allocators[REGISTRY_SLOTS]) {
    for (unsigned i = 0; i < REGISTRY_SLOTS; i++) {
        allocators[i] = make();
    }
}

static void give_all_slots(poolbuf_allocator *allocators[REGISTRY_SLOTS]) {
    for (unsigned i = 0; i < REGISTRY_SLOTS; i++) {
        UNIT_OK(poolbuf_allocator_destroy(allocators[i]));
    }
}

/* A new one may lie where the last one lay. */
static void those_beyond_the_slots_come_and_go_too(void **state) {
    (void)state;
    poolbuf_allocator *allocators[REGISTRY_SLOTS];
    take_all_slots(allocators);
    let_allocators_come_and_go();
    give_all_slots(allocators);
}

static uint32_t used_twice; /* atomic */

static void *use_twice(void *argument) {
    (void)poolbuf_release(poolbuf_allocate(argument, 100, 100)); /* makes a cache */
    (void)poolbuf_release(poolbuf_allocate(argument, 100, 100)); /* the first that is counted begins a gap of samples */
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    (void)poolbuf_release(poolbuf_allocate(argument, 100, 100));
    __atomic_store_n(&used_twice, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void a_thread_finds_its_cache_beyond_the_slots_without_the_lock(void **state) {
    (void)state;
    poolbuf_allocator *allocators[REGISTRY_SLOTS];
    take_all_slots(allocators);
    poolbuf_allocator *last = allocators[REGISTRY_SLOTS - 1];
    assert_int_equal(last->group.slot, REGISTRY_SLOT_SHARED);
    pthread_t thread;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, use_twice, last), 0);
    (void)pthread_barrier_wait(&barrier);
    registry_lock();
    (void)pthread_barrier_wait(&barrier);
    const time_t until = time(NULL) + 20;
    while (__atomic_load_n(&used_twice, __ATOMIC_ACQUIRE) == 0 && time(NULL) < until) {
        (void)sched_yield();
    }
    bool waited = __atomic_load_n(&used_twice, __ATOMIC_ACQUIRE) == 0;
    registry_unlock();
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_barrier_destroy(&barrier);
    assert_false(waited);
    give_all_slots(allocators);
}

static bool keep_running; /* atomic */

static void *churn(void *argument) {
    while (__atomic_load_n(&keep_running, __ATOMIC_RELAXED)) {
        poolbuf *buffers[100];
        for (size_t i = 0; i < 100; i++) {
            buffers[i] = poolbuf_allocate(argument, i * 500, i * 500);
        }
        for (unsigned i = 0; i < 100; i++) {
            (void)poolbuf_release(buffers[i]);
        }
        poolbuf_trim_thread_cache(argument);
    }
    return NULL;
}

static int child_works(poolbuf_allocator *allocator, poolbuf *inherited) {
    uint32_t value = 0;
    if (poolbuf_get_u32_be(inherited, 0, &value) != POOLBUF_OK || value != 77) {
        return 1;
    }
    for (size_t size = 0; size < 1000000; size = size * 2 + 1) {
        poolbuf *b = poolbuf_allocate(allocator, size, size);
        if (b == NULL || !poolbuf_release(b)) {
            return 2;
        }
    }
    poolbuf_trim_thread_cache(allocator);
    return allocator_audit(allocator) ? 0 : 3;
}

static void a_forked_child_of_a_threaded_process_has_a_working_allocator(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make();
    poolbuf *inherited = poolbuf_allocate(allocator, 100, 100);
    UNIT_OK(poolbuf_write_u32_be(inherited, 77));
    pthread_t thread;
    __atomic_store_n(&keep_running, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_create(&thread, NULL, churn, allocator), 0);
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (child == 0) {
            /* Not _exit(): what the lost threads held is lost here, and Memcheck would rightly say so. */
            const char *verdict = child_works(allocator, inherited) == 0 ? "/bin/true" : "/bin/false";
            (void)execl(verdict, verdict, (char *)NULL);
            _exit(9);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    __atomic_store_n(&keep_running, false, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(poolbuf_release(inherited));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* ---- Cancelled threads -------------------------------------------------------------------------------------------- */

/* All that a thread may do, while it is to be cancelled at the first chance. */
static void *live_while_cancelled(void *stream) {
    (void)pthread_cancel(pthread_self());
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    poolbuf_allocator *allocator = NULL;
    options.background_thread = true;
    if (poolbuf_allocator_create(&options, &allocator) != POOLBUF_OK) {
        return NULL;
    }
    poolbuf *b = poolbuf_allocate(allocator, 100, 100000);
    bool good = b != NULL && poolbuf_set_capacity(b, 100000) == POOLBUF_OK && poolbuf_release(b);
    good = good && poolbuf_allocator_dump(allocator, stream) == POOLBUF_OK;
    (void)poolbuf_allocator_purge(allocator);
    good = poolbuf_allocator_destroy(allocator) == POOLBUF_OK && good;
    return good ? stream : NULL;
}

static void no_call_is_a_cancellation_point(void **state) {
    (void)state;
    pthread_t thread;
    void *result = NULL;
    FILE *stream = fopen("/dev/null", "w");
    assert_non_null(stream);
    (void)setvbuf(stream, NULL, _IONBF, 0);
    assert_int_equal(pthread_create(&thread, NULL, live_while_cancelled, stream), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, stream);
    assert_int_equal(fclose(stream), 0);
}

static bool is_dropping, may_drop, has_come; /* atomic */

/* The system, which takes its time over the first pages that it is to drop: until another thread has come, and a
 * while. */
static int slow_purge(void *start, size_t size) {
    __atomic_store_n(&is_dropping, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&has_come, __ATOMIC_ACQUIRE)) {
        (void)sched_yield();
    }
    for (unsigned i = 0; i < 50 && !__atomic_load_n(&may_drop, __ATOMIC_ACQUIRE); i++) {
        (void)usleep(1000);
    }
    return os_linux.purge(start, size);
}

static void *purge(void *allocator) {
    (void)poolbuf_allocator_purge(allocator);
    return allocator;
}

static void *purge_while_cancelled(void *allocator) {
    (void)pthread_cancel(pthread_self());
    __atomic_store_n(&has_come, true, __ATOMIC_RELEASE);
    (void)poolbuf_allocator_purge(allocator);
    return allocator;
}

static void who_waits_for_pages_that_are_dropped_is_not_cancelled_there(void **state) {
    (void)state;
    os_backend slow = os_linux;
    slow.purge = slow_purge;
    os = &slow;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = 1;
    options.max_cached_capacity = 0;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *kept = poolbuf_allocate_direct(allocator, 100000, 100000);
    assert_true(poolbuf_release(poolbuf_allocate_direct(allocator, 100000, 100000)));
    pthread_t threads[2];
    void *results[2] = {NULL, NULL};
    assert_int_equal(pthread_create(&threads[0], NULL, purge, allocator), 0);
    while (!__atomic_load_n(&is_dropping, __ATOMIC_ACQUIRE)) {
        (void)sched_yield();
    }
    assert_int_equal(pthread_create(&threads[1], NULL, purge_while_cancelled, allocator), 0);
    assert_int_equal(pthread_join(threads[1], &results[1]), 0);
    assert_ptr_equal(results[1], allocator); /* else it has taken the arena's lock along */
    __atomic_store_n(&may_drop, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(threads[0], &results[0]), 0);
    assert_true(poolbuf_release(kept));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    os = &os_linux;
}

static void *use_and_wait(void *argument) {
    (void)poolbuf_release(poolbuf_allocate(argument, 100, 100));
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    return NULL;
}

static void destroying_in_a_forked_child_follows_no_list_of_a_lost_thread(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make();
    pthread_t thread;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, use_and_wait, allocator), 0);
    (void)pthread_barrier_wait(&barrier);
    /* As if the thread stood in the middle of moving a handle: its top is already raised, the place not yet written. */
    thread_cache *cache = allocator->group.first;
    uint32_t bin = size_class_of(&allocator->classes, 100);
    poolbuf_bin_ *moving = &cache->fast.bins[bin];
    assert_int_equal(thread_cache_idle(cache, bin), 1);
    poolbuf *handle = *moving->bottom;
    *moving->bottom = NULL;
    pid_t child = fork();
    if (child == 0) {
        /* The lost thread is counted nowhere. */
        poolbuf_arena_metrics bound = {.struct_size = sizeof bound};
        poolbuf_status status = poolbuf_allocator_arena_metrics(allocator, POOLBUF_KIND_DIRECT, 0, &bound);
        bool is_alone = status == POOLBUF_OK && bound.thread_caches == 0 && unit_metrics(allocator).thread_caches == 0;
        const char *verdict =
            is_alone && poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? "/bin/true" : "/bin/false";
        (void)execl(verdict, verdict, (char *)NULL);
        _exit(9);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    *moving->bottom = handle;
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&barrier), 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_made_once_and_serves_null),
        cmocka_unit_test(what_lies_between_options_is_not_kept),
        cmocka_unit_test(allocators_share_no_memory_and_no_counts),
        cmocka_unit_test(more_allocators_than_slots_work_all_the_same),
        cmocka_unit_test(an_illegal_option_is_refused),
        cmocka_unit_test(every_geometry_allocates_every_class),
        cmocka_unit_test(preferring_heap_swaps_the_bins),
        cmocka_unit_test(no_arenas_of_a_kind_means_unpooled_buffers_of_it),
        cmocka_unit_test(destroy_with_live_buffers_says_so_and_leaves_them_usable),
        cmocka_unit_test(totals_add_up_all_allocators_and_remember_destroyed_ones),
        cmocka_unit_test(metrics_of_an_older_caller_are_cut),
        cmocka_unit_test(purge_gives_back_all_but_live_memory),
        cmocka_unit_test(spare_chunks_are_counted_and_a_purge_takes_them),
        cmocka_unit_test(a_trim_gives_back_what_has_decayed_in_any_arena),
        cmocka_unit_test(a_system_without_memory_gets_spare_chunks_back_and_is_asked_again),
        cmocka_unit_test(what_the_caches_hold_serves_before_spare_chunks_are_given_up),
        cmocka_unit_test(the_dump_shows_arenas_and_caches),
        cmocka_unit_test(allocators_come_and_go_while_threads_live),
        cmocka_unit_test(those_beyond_the_slots_come_and_go_too),
        cmocka_unit_test(a_thread_finds_its_cache_beyond_the_slots_without_the_lock),
        cmocka_unit_test(a_forked_child_of_a_threaded_process_has_a_working_allocator),
        cmocka_unit_test(no_call_is_a_cancellation_point),
        cmocka_unit_test(who_waits_for_pages_that_are_dropped_is_not_cancelled_there),
        cmocka_unit_test(destroying_in_a_forked_child_follows_no_list_of_a_lost_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
