/* Unit tests of metrics.c: exact figures in small scenarios, and that reading stops nobody. */
#include "unit.h"

#include <pthread.h>
#include <sys/prctl.h>

#include "allocator.h"
#include "metrics.h"
#include "poison.h"
#include "registry.h"

#define CHUNK ((size_t)4 << 20)

static poolbuf_allocator *make(uint32_t direct_arenas, uint32_t heap_arenas) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = direct_arenas;
    options.heap_arenas = heap_arenas;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

static void kinds_are_told_apart(void **state) {
    (void)state;
    poolbuf_allocator *a = make(2, 3);
    poolbuf_metrics m = unit_metrics(a);
    assert_int_equal(m.direct_arenas, 2);
    assert_int_equal(m.heap_arenas, 3);
    assert_int_equal(m.used_direct_bytes + m.used_heap_bytes, 0);
    poolbuf *direct = poolbuf_allocate_direct(a, 1000, 1000);
    poolbuf *heap = poolbuf_allocate_heap(a, 40000, 40000);
    poolbuf *huge = poolbuf_allocate_heap(a, CHUNK + 1, CHUNK + 1);
    m = unit_metrics(a);
    assert_int_equal(m.live_direct_bytes, 1024);
    assert_int_equal(m.live_heap_bytes, 40960 + CHUNK + 1);
    assert_int_equal(m.live_bytes, m.live_direct_bytes + m.live_heap_bytes);
    assert_int_equal(m.pinned_direct_bytes, 1024 + (m.cached_bytes - (m.pinned_heap_bytes - m.live_heap_bytes)));
    assert_int_equal(m.pinned_bytes, m.pinned_direct_bytes + m.pinned_heap_bytes);
    assert_int_equal(m.used_direct_bytes, CHUNK);
    assert_int_equal(m.used_heap_bytes, 2 * CHUNK + 1);
    assert_true(poolbuf_release(heap));
    assert_true(poolbuf_release(huge));
    m = unit_metrics(a);
    assert_int_equal(m.live_heap_bytes, 0);
    assert_int_equal(m.used_heap_bytes, CHUNK);
    assert_true(poolbuf_release(direct));
    (void)poolbuf_allocator_purge(a);
    m = unit_metrics(a);
    assert_int_equal(m.live_direct_bytes, 0);
    assert_int_equal(m.pinned_bytes, 0);
    assert_int_equal(m.used_direct_bytes, 0); /* the subpage that its class keeps otherwise has gone too */
    assert_int_equal(m.used_heap_bytes, 0);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void unpooled_buffers_count_as_used_of_their_kind(void **state) {
    (void)state;
    poolbuf_allocator *a = make(1, 0);
    poolbuf *heap = poolbuf_allocate_heap(a, 1000, 1000);
    poolbuf_metrics m = unit_metrics(a);
    assert_int_equal(m.used_heap_bytes, 1000);
    assert_int_equal(m.live_heap_bytes, 1000);
    assert_int_equal(m.pinned_heap_bytes, 1000);
    assert_int_equal(m.used_direct_bytes, 0);
    assert_int_equal(m.heap_arenas, 0);
    assert_true(poolbuf_release(heap));
    assert_int_equal(unit_metrics(a).used_heap_bytes, 0);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

/* Without caches each allocation is a trip to the arena. */
static void small_normal_and_huge_are_counted_apart(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.cache_limit_bytes = 0;
    poolbuf_allocator *a = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &a));
    poolbuf *buffers[9];
    for (unsigned i = 0; i < 9; i++) {
        size_t size = i < 4 ? 28672 : i < 7 ? 28673 : CHUNK + 1;
        buffers[i] = poolbuf_allocate(a, size, size);
        assert_non_null(buffers[i]);
    }
    poolbuf_metrics m = unit_metrics(a);
    assert_int_equal(m.arena_small_allocations, 4);
    assert_int_equal(m.arena_normal_allocations, 3);
    assert_int_equal(m.arena_huge_allocations, 2);
    assert_int_equal(m.arena_allocations, 9);
    assert_int_equal(m.arena_releases, 0);
    for (unsigned i = 0; i < 9; i++) {
        assert_true(poolbuf_release(buffers[i]));
        m = unit_metrics(a);
        assert_int_equal(m.arena_releases, i + 1);
        assert_int_equal(m.arena_small_releases, i < 4 ? i + 1 : 4);
        assert_int_equal(m.arena_huge_releases, i < 7 ? 0 : i - 6);
    }
    assert_int_equal(m.arena_normal_releases, 3);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void the_shape_is_that_of_the_options(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.page_size = 4096;
    options.chunk_size = (size_t)1 << 20;
    options.small_cache_size = 17;
    options.normal_cache_size = 5;
    poolbuf_allocator *a = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &a));
    poolbuf_metrics m = unit_metrics(a);
    assert_int_equal(m.page_size, 4096);
    assert_int_equal(m.chunk_size, 1 << 20);
    assert_int_equal(m.small_cache_size, 17);
    assert_int_equal(m.normal_cache_size, 5);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

/* ---- Resident ----------------------------------------------------------------------------------------------------- */

#define TOUCHED ((size_t)256 << 10)

static void touch(poolbuf *buffer, size_t from, size_t bytes) {
    for (size_t at = from; at < from + bytes; at += 4096) {
        UNIT_OK(poolbuf_set_u8(buffer, at, 1));
    }
}

/* Pages that nobody has touched are not there; those that were touched are, until they are dropped. */
static void resident_bytes_are_the_pages_that_were_touched(void **state) {
    (void)state;
    if (poison_memcheck || prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) {
        skip(); /* chunks are the checker's, which has used their pages before; or a touch may bring in a huge page */
    }
    poolbuf_allocator *a = make(1, 1);
    poolbuf *b = poolbuf_allocate(a, TOUCHED, TOUCHED);
    poolbuf *huge = poolbuf_allocate(a, 2 * CHUNK, 2 * CHUNK);
    uint64_t before = unit_metrics(a).resident_bytes;
    touch(b, 0, TOUCHED);
    touch(huge, CHUNK, TOUCHED);
    poolbuf_metrics m = unit_metrics(a);
    assert_int_equal(m.resident_bytes - before, 2 * TOUCHED);
    assert_true(poolbuf_release(huge));
    assert_int_equal(unit_metrics(a).resident_bytes - before, TOUCHED);
    assert_true(poolbuf_release(b));
    (void)poolbuf_allocator_purge(a);
    m = unit_metrics(a);
    assert_int_equal(m.resident_bytes, 0);
    assert_int_equal(m.chunk_count, 0);
    UNIT_OK(poolbuf_allocator_destroy(a));
    (void)prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
}

/* More regions than are copied at once, and a lock in between. */
static void resident_bytes_add_up_over_many_regions(void **state) {
    (void)state;
    enum {
        MANY = 300
    };
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.page_size = 4096;
    options.chunk_size = 32768;
    options.cache_limit_bytes = 0;
    options.direct_arenas = 1;
    poolbuf_allocator *a = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &a));
    poolbuf *buffers[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        buffers[i] = poolbuf_allocate(a, 32768, 32768);
        touch(buffers[i], 0, 32768);
    }
    poolbuf_metrics m = unit_metrics(a);
    assert_int_equal(m.chunk_count, MANY);
    assert_int_equal(m.resident_bytes, m.chunk_bytes);
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
    UNIT_OK(poolbuf_allocator_destroy(a));
}

/* ---- Versions ----------------------------------------------------------------------------------------------------- */

static void an_older_callers_struct_is_not_written_past_its_end(void **state) {
    (void)state;
    poolbuf_allocator *a = make(1, 1);
    const size_t sizes[] = {METRICS_SIZE_V1, offsetof(poolbuf_metrics, resident_bytes), sizeof(poolbuf_metrics)};
    for (unsigned i = 0; i < 3; i++) {
        struct {
            poolbuf_metrics metrics;
            uint64_t beyond;
        } caller;
        memset(&caller, 0xa5, sizeof caller);
        caller.metrics.struct_size = sizes[i];
        UNIT_OK(poolbuf_allocator_metrics(a, &caller.metrics));
        assert_int_equal(caller.metrics.struct_size, sizes[i]);
        assert_int_equal(caller.metrics.live_buffers, 0);
        for (size_t at = sizes[i]; at < sizeof caller; at++) {
            assert_int_equal(((unsigned char *)&caller)[at], 0xa5);
        }
    }
    poolbuf_metrics small = {.struct_size = METRICS_SIZE_V1 - 1};
    assert_int_equal(poolbuf_allocator_metrics(a, &small), POOLBUF_ERROR_BAD_ARGUMENT);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

/* ---- Stopping nobody ---------------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static poolbuf_allocator *shared;

static void *hold_each_arenas_lock(void *unused) {
    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        arena_lock(&shared->group.arenas[i % 2][i / 2]);
    }
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < 4; i++) {
        arena_unlock(&shared->group.arenas[i % 2][i / 2]);
    }
    return NULL;
}

/* With every arena's lock held by somebody: it would hang otherwise. */
static void a_snapshot_takes_no_arenas_lock(void **state) {
    (void)state;
    shared = make(2, 2);
    poolbuf *b = poolbuf_allocate(shared, 100, 100);
    pthread_t thread;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, hold_each_arenas_lock, NULL), 0);
    (void)pthread_barrier_wait(&barrier);
    poolbuf_metrics m = {.struct_size = offsetof(poolbuf_metrics, resident_bytes)};
    UNIT_OK(poolbuf_allocator_metrics(shared, &m));
    assert_int_equal(m.live_bytes, 112);
    assert_true(m.metadata_bytes > 0);
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_barrier_destroy(&barrier);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_allocator_destroy(shared));
}

enum {
    THREADS = 21
};

static void *have_a_cache(void *unused) {
    (void)unused;
    poolbuf *b = poolbuf_allocate(shared, 100, 100);
    assert_non_null(b);
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    assert_true(poolbuf_release(b));
    return NULL;
}

typedef struct walk {
    uint64_t caches;
    uint64_t last;
    bool in_order;
} walk;

static void step(void *context, const thread_cache *cache) {
    walk *w = context;
    w->in_order = w->in_order && cache->serial < w->last;
    w->last = cache->serial;
    w->caches++;
}

static walk walk_caches(const poolbuf_allocator *allocator) {
    walk w = {.last = UINT64_MAX, .in_order = true};
    registry_visit_caches(&allocator->group, step, &w);
    return w;
}

static void each_cache_is_visited_once(void **state) {
    (void)state;
    shared = make(1, 1);
    pthread_t threads[THREADS];
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, have_a_cache, NULL), 0);
    }
    (void)pthread_barrier_wait(&barrier);
    walk w = walk_caches(shared);
    assert_true(w.in_order);
    assert_int_equal(w.caches, THREADS);
    poolbuf_metrics m = unit_metrics(shared);
    assert_int_equal(m.thread_caches, THREADS);
    assert_int_equal(m.live_buffers, THREADS);
    assert_int_equal(m.live_bytes, THREADS * 112);
    assert_int_equal(m.allocations, THREADS);
    (void)pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    w = walk_caches(shared);
    assert_int_equal(w.caches, 0);
    m = unit_metrics(shared);
    assert_int_equal(m.thread_caches, 0);
    assert_int_equal(m.live_buffers, 0);
    assert_int_equal(m.allocations, THREADS);
    (void)pthread_barrier_destroy(&barrier);
    UNIT_OK(poolbuf_allocator_destroy(shared));
}

enum {
    PARENTS = 4,
    SIBLINGS = 6
};

/* Memcheck sees the same code in fewer. */
static unsigned generation_count(void) {
    return RUNNING_ON_VALGRIND ? 15 : 60;
}

static void *one_buffer(void *unused) {
    (void)unused;
    poolbuf *b = poolbuf_allocate(shared, 5000, 5000);
    assert_non_null(b);
    assert_true(poolbuf_release(b));
    return NULL;
}

static void *generations(void *unused) {
    (void)unused;
    for (unsigned i = 0; i < generation_count(); i++) {
        pthread_t threads[SIBLINGS];
        for (unsigned j = 0; j < SIBLINGS; j++) {
            assert_int_equal(pthread_create(&threads[j], NULL, one_buffer, NULL), 0);
        }
        for (unsigned j = 0; j < SIBLINGS; j++) {
            assert_int_equal(pthread_join(threads[j], NULL), 0);
        }
    }
    return one_buffer(NULL);
}

/* Caches come and go under a walk: none is met twice, and when all is quiet the figures are exact. */
static void a_walk_survives_caches_that_come_and_go(void **state) {
    (void)state;
    const uint64_t in_all = (uint64_t)PARENTS * (generation_count() * SIBLINGS + 1);
    shared = make(1, 1);
    pthread_t threads[PARENTS];
    for (unsigned i = 0; i < PARENTS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, generations, NULL), 0);
    }
    for (unsigned i = 0; i < 300; i++) {
        walk w = walk_caches(shared);
        assert_true(w.in_order);
        assert_true(w.caches <= (uint64_t)PARENTS * (SIBLINGS + 1));
        poolbuf_metrics m = unit_metrics(shared);
        assert_true(m.allocations <= in_all);
    }
    for (unsigned i = 0; i < PARENTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    poolbuf_metrics m = unit_metrics(shared);
    assert_int_equal(m.allocations, in_all);
    assert_int_equal(m.live_buffers, 0);
    assert_int_equal(m.thread_caches, 0);
    UNIT_OK(poolbuf_allocator_destroy(shared));
}

/* ---- Counters while threads come and go ------------------------------------------------------------------------- */

enum {
    RESIDENTS = 20, /* whose caches are more than one look takes */
    VISITORS = 300,
    A_VISIT = 60
};

static void *visit(void *of) {
    for (unsigned i = 0; i < A_VISIT; i++) {
        (void)poolbuf_release(poolbuf_allocate(of, 100, 100));
    }
    return NULL;
}

static pthread_barrier_t residents;

static void *reside(void *of) {
    (void)visit(of);
    (void)pthread_barrier_wait(&residents);
    (void)pthread_barrier_wait(&residents);
    return NULL;
}

static bool visits_over; /* atomic */

/* Under Valgrind a thread takes a while, and what races there is not the point. */
static unsigned visitors(void) {
    return RUNNING_ON_VALGRIND ? VISITORS / 15 : VISITORS;
}

static void *send_visitors(void *of) {
    for (unsigned i = 0; i < visitors(); i++) {
        pthread_t visitor;
        if (pthread_create(&visitor, NULL, visit, of) == 0) {
            (void)pthread_join(visitor, NULL);
        }
    }
    __atomic_store_n(&visits_over, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Whoever collects them takes a counter that has fallen for one that began anew. */
static void a_counter_never_falls_while_threads_come_and_go(void **state) {
    (void)state;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    pthread_t resident[RESIDENTS];
    assert_int_equal(pthread_barrier_init(&residents, NULL, RESIDENTS + 1), 0);
    for (unsigned i = 0; i < RESIDENTS; i++) {
        assert_int_equal(pthread_create(&resident[i], NULL, reside, allocator), 0);
    }
    (void)pthread_barrier_wait(&residents);
    pthread_t sender;
    __atomic_store_n(&visits_over, false, __ATOMIC_RELAXED);
    assert_int_equal(pthread_create(&sender, NULL, send_visitors, allocator), 0);
    poolbuf_metrics last = unit_metrics(allocator);
    while (!__atomic_load_n(&visits_over, __ATOMIC_ACQUIRE)) {
        poolbuf_metrics m = unit_metrics(allocator);
        assert_true(m.allocations >= last.allocations);
        assert_true(m.cache_misses >= last.cache_misses);
        assert_true(m.cache_refills >= last.cache_refills);
        assert_true(m.cache_flushes >= last.cache_flushes);
        last = m;
    }
    assert_int_equal(pthread_join(sender, NULL), 0);
    assert_int_equal(unit_metrics(allocator).allocations, (RESIDENTS + visitors()) * A_VISIT); /* exact again */
    (void)pthread_barrier_wait(&residents);
    for (unsigned i = 0; i < RESIDENTS; i++) {
        assert_int_equal(pthread_join(resident[i], NULL), 0);
    }
    (void)pthread_barrier_destroy(&residents);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(unpooled_buffers_count_as_used_of_their_kind),
        cmocka_unit_test(small_normal_and_huge_are_counted_apart),
        cmocka_unit_test(the_shape_is_that_of_the_options),
        cmocka_unit_test(resident_bytes_are_the_pages_that_were_touched),
        cmocka_unit_test(resident_bytes_add_up_over_many_regions),
        cmocka_unit_test(an_older_callers_struct_is_not_written_past_its_end),
        cmocka_unit_test(a_snapshot_takes_no_arenas_lock),
        cmocka_unit_test(each_cache_is_visited_once),
        cmocka_unit_test(a_walk_survives_caches_that_come_and_go),
        cmocka_unit_test(a_counter_never_falls_while_threads_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
