/* Tests of the memory limit: what it counts, in which order it makes room, and that threads never pass it. */
#include "unit.h"

#include <pthread.h>
#include <time.h>

#include <poolbuf/chunk.h>

#include "allocator.h"
#include "os/os.h"
#include "poison.h"

#define CHUNK ((size_t)262144)

/* Payload that is out, as the system sees it: every region of at least a chunk's size. */
static size_t payload;      /* atomic */
static size_t payload_most; /* atomic */

static size_t without_lead(size_t size) {
    return poison_memcheck ? size - 8192 : size;
}

static int counting_acquire(os_source source, size_t size, size_t alignment, void **region) {
    if (size >= CHUNK) {
        size_t now = __atomic_add_fetch(&payload, without_lead(size), __ATOMIC_SEQ_CST);
        size_t most = __atomic_load_n(&payload_most, __ATOMIC_SEQ_CST);
        while (now > most &&
               !__atomic_compare_exchange_n(&payload_most, &most, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        }
    }
    int error = os_fault.acquire(source, size, alignment, region);
    if (error != 0 && size >= CHUNK) {
        (void)__atomic_sub_fetch(&payload, without_lead(size), __ATOMIC_SEQ_CST);
    }
    return error;
}

static int counting_give_back(os_source source, void *region, size_t size) {
    int error = os_fault.give_back(source, region, size);
    if (error == 0 && size >= CHUNK) {
        (void)__atomic_sub_fetch(&payload, without_lead(size), __ATOMIC_SEQ_CST);
    }
    return error;
}

static os_backend counting;

/* A program that makes room when it is asked to. */
typedef struct program {
    unsigned asked;
    size_t wanted_bytes, used_bytes;
    uint64_t spares;       /* at that moment */
    poolbuf *droppable[4]; /* released at the first call */
    bool allocates;        /* from inside */
    bool inner_failed;
    bool answer;
} program;

static program asked_of;

static bool on_limit(void *context, poolbuf_allocator *allocator, size_t wanted_bytes, size_t used_bytes) {
    program *self = context;
    self->asked++;
    self->wanted_bytes = wanted_bytes;
    self->used_bytes = used_bytes;
    self->spares = unit_metrics(allocator).spare_chunks;
    if (self->allocates) {
        self->inner_failed = poolbuf_allocate(allocator, CHUNK * 3, CHUNK * 3) == NULL;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (self->droppable[i] != NULL) {
            (void)poolbuf_release(self->droppable[i]);
            self->droppable[i] = NULL;
        }
    }
    return self->answer;
}

static poolbuf_allocator_options options_of(size_t limit) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = CHUNK;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = true;
    options.prefer_direct = true;
    options.decay_ms = 1000;
    options.memory_limit_bytes = limit;
    options.cache_limit_bytes = 0;
    options.small_cache_size = 16; /* so that no table is as large as a chunk, by which payload is told apart */
    return options;
}

static poolbuf_allocator *create(const poolbuf_allocator_options *options) {
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(options, &allocator));
    return allocator;
}

static int set_up(void **state) {
    (void)state;
    asked_of = (program){0};
    payload = payload_most = 0;
    counting = os_fault;
    counting.acquire = counting_acquire;
    counting.give_back = counting_give_back;
    os = &counting;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
    return 0;
}

static void chunks_of_both_kinds_and_huge_buffers_count_and_handles_do_not(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(CHUNK * 4);
    poolbuf_allocator *allocator = create(&options);
    poolbuf *direct = poolbuf_allocate_direct(allocator, CHUNK, CHUNK);
    poolbuf *heap = poolbuf_allocate_heap(allocator, CHUNK, CHUNK);
    poolbuf *huge = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
    assert_true(direct != NULL && heap != NULL && huge != NULL); /* exactly the limit */
    assert_int_equal(unit_metrics(allocator).payload_bytes, CHUNK * 4);
    assert_null(poolbuf_allocate_direct(allocator, 16, 16));
    assert_null(poolbuf_allocate_heap(allocator, 16, 16));
    assert_null(poolbuf_allocate(allocator, CHUNK + 1, CHUNK * 2));
    assert_true(unit_metrics(allocator).memory_limit_hits >= 3);
    assert_true(allocator_audit(allocator));
    (void)poolbuf_release(huge);
    assert_int_equal(unit_metrics(allocator).payload_bytes, CHUNK * 2);
    assert_null(poolbuf_allocate(allocator, CHUNK * 2 + 1, CHUNK * 3)); /* a page too many */
    huge = poolbuf_allocate(allocator, CHUNK * 2 - 1, CHUNK * 3);       /* whole pages are what the system gives */
    assert_int_equal(unit_metrics(allocator).payload_bytes,
                     CHUNK * 4 - (poison_memcheck ? 1 : 0)); /* malloc gives bytes */
    poolbuf *slice = poolbuf_slice(huge, 0, 0);              /* a handle */
    assert_non_null(slice);
    (void)poolbuf_release(direct);
    (void)poolbuf_release(heap);
    (void)poolbuf_release(huge);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void unpooled_buffers_count_their_bytes(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(10000);
    options.pooling = false;
    poolbuf_allocator *allocator = create(&options);
    poolbuf *a = poolbuf_allocate(allocator, 6000, 10000);
    assert_null(poolbuf_allocate(allocator, 4001, 4001));
    poolbuf *b = poolbuf_allocate(allocator, 4000, 4000);
    assert_non_null(b);
    assert_int_equal(poolbuf_set_capacity(a, 7000), POOLBUF_ERROR_NO_MEMORY); /* it needs both for a moment */
    assert_int_equal(poolbuf_capacity(a), 6000);
    (void)poolbuf_release(b);
    assert_int_equal(unit_metrics(allocator).payload_bytes, 6000);
    (void)poolbuf_release(a);
    assert_int_equal(unit_metrics(allocator).payload_bytes, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void spare_chunks_make_room_before_anybody_is_asked(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(CHUNK * 3);
    options.memory_limit_reached = on_limit;
    options.memory_limit_context = &asked_of;
    options.cache_limit_bytes = (size_t)1 << 20; /* what is in caches makes room too */
    poolbuf_allocator *allocator = create(&options);
    poolbuf *b[2] = {poolbuf_allocate_heap(allocator, CHUNK, CHUNK), poolbuf_allocate_heap(allocator, CHUNK, CHUNK)};
    (void)poolbuf_release(b[0]);
    (void)poolbuf_release(b[1]);
    assert_true(unit_metrics(allocator).payload_bytes >= CHUNK * 2);
    poolbuf *huge = poolbuf_allocate(allocator, CHUNK * 3, CHUNK * 3);
    assert_non_null(huge);
    assert_int_equal(asked_of.asked, 0);
    (void)poolbuf_release(huge);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void come_and_go(poolbuf *buffer) {
    assert_non_null(buffer);
    assert_true(poolbuf_release(buffer));
}

/* Small buffers of all classes and both kinds come and go; then one needs all that the limit allows. */
static void small_buffers_that_came_and_went_leave_no_chunk_pinned(void **state) {
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        poolbuf_allocator_options options = options_of(CHUNK * 2);
        options.memory_limit_reached = on_limit;
        options.memory_limit_context = &asked_of;
        options.decay_ms = i % 2 == 0 ? 1000 : 0;
        options.cache_limit_bytes = i % 4 < 2 ? 0 : (size_t)1 << 20;
        poolbuf_allocator *allocator = create(&options);
        for (size_t size = 1; size < 28000; size += size / 4 + 1) {
            come_and_go(poolbuf_allocate_direct(allocator, size, size));
            come_and_go(poolbuf_allocate_heap(allocator, size, size));
        }
        assert_int_equal(unit_metrics(allocator).payload_bytes, CHUNK * 2);
        if (i >= 4) {
            (void)poolbuf_allocator_purge(allocator);
            assert_int_equal(unit_metrics(allocator).payload_bytes, 0);
        }
        poolbuf *huge = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
        assert_non_null(huge);
        assert_int_equal(asked_of.asked, 0);
        assert_true(allocator_audit(allocator));
        assert_true(poolbuf_release(huge));
        UNIT_OK(poolbuf_allocator_destroy(allocator));
    }
}

static void room_in_another_arena_is_used_before_the_limit_fails(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(CHUNK);
    options.direct_arenas = 2;
    options.memory_limit_reached = on_limit;
    options.memory_limit_context = &asked_of;
    poolbuf_allocator *allocator = create(&options);
    poolbuf *list = NULL;
    assert_int_equal(arena_take(&allocator->group.arenas[POOLBUF_KIND_DIRECT][1], 0, 1, &list), 1);
    poolbuf *b = poolbuf_allocate(allocator, 5000, 5000); /* without caches, arena 0 is asked */
    assert_non_null(b);
    assert_int_equal(asked_of.asked, 0);
    (void)poolbuf_release(b);
    arena_give(list);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void the_callback_hears_what_is_wanted_and_what_it_releases_is_used(void **state) {
    (void)state;
    for (unsigned caches = 0; caches < 2; caches++) {
        poolbuf_allocator_options options = options_of(CHUNK * 4);
        options.memory_limit_reached = on_limit;
        options.memory_limit_context = &asked_of;
        options.cache_limit_bytes = caches != 0 ? (size_t)1 << 24 : 0;
        poolbuf_allocator *allocator = create(&options);
        asked_of = (program){.answer = true};
        for (unsigned i = 0; i < 4; i++) {
            asked_of.droppable[i] = poolbuf_allocate(allocator, CHUNK, CHUNK);
            assert_non_null(asked_of.droppable[i]);
        }
        poolbuf *huge = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
        assert_non_null(huge);
        assert_int_equal(asked_of.asked, 1);
        assert_int_equal(asked_of.wanted_bytes, CHUNK * 2);
        assert_int_equal(asked_of.used_bytes, CHUNK * 4);
        assert_int_equal(asked_of.spares, 0); /* they go first */
        (void)poolbuf_release(huge);
        UNIT_OK(poolbuf_allocator_destroy(allocator));
    }
}

static void the_callback_is_asked_once_an_allocation_and_may_say_no(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(CHUNK);
    options.memory_limit_reached = on_limit;
    options.memory_limit_context = &asked_of;
    poolbuf_allocator *allocator = create(&options);
    poolbuf *kept = poolbuf_allocate(allocator, CHUNK, CHUNK);
    assert_null(poolbuf_allocate(allocator, 100, 100));
    assert_int_equal(asked_of.asked, 1);
    asked_of.answer = true; /* but nothing was released */
    assert_null(poolbuf_allocate(allocator, 100, 100));
    assert_int_equal(asked_of.asked, 2);
    assert_int_equal(poolbuf_set_capacity(kept, 100), POOLBUF_OK); /* in place, where there is no room to move */
    assert_int_equal(asked_of.asked, 3);
    (void)poolbuf_release(kept);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void the_callback_is_not_asked_when_the_system_has_no_memory(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(CHUNK * 100);
    options.memory_limit_reached = on_limit;
    options.memory_limit_context = &asked_of;
    poolbuf_allocator *allocator = create(&options);
    os_fault_arm(0, false);
    assert_null(poolbuf_allocate(allocator, 100, 100));
    assert_null(poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2));
    os_fault_disarm();
    assert_int_equal(asked_of.asked, 0);
    assert_int_equal(unit_metrics(allocator).memory_limit_hits, 0);
    assert_int_equal(unit_metrics(allocator).payload_bytes, 0); /* what failed is not counted */
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void an_allocation_inside_the_callback_fails_without_asking_again(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(CHUNK * 2);
    options.memory_limit_reached = on_limit;
    options.memory_limit_context = &asked_of;
    asked_of.allocates = true;
    poolbuf_allocator *allocator = create(&options);
    poolbuf *kept = poolbuf_allocate(allocator, CHUNK, CHUNK);
    assert_null(poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2));
    assert_int_equal(asked_of.asked, 1);
    assert_true(asked_of.inner_failed);
    assert_int_equal(asked_of.wanted_bytes, CHUNK * 2);
    (void)poolbuf_release(kept);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_limit_below_a_chunk_is_refused_where_anything_is_pooled(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(CHUNK - 1);
    poolbuf_allocator *allocator = NULL;
    assert_int_equal(poolbuf_allocator_create(&options, &allocator), POOLBUF_ERROR_BAD_OPTION);
    options.pooling = false;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

enum {
    THREADS = 4,
    STEPS = 1500,
    SLOTS = 64 /* with all of them full it is far beyond the limit */
};

static poolbuf *slots[SLOTS]; /* atomic; whoever exchanges a buffer out owns it */
static poolbuf_allocator *shared;
static unsigned refusals; /* atomic */

static void *fill(void *argument) {
    unit_random random = *(unit_random *)argument;
    for (int i = 0; i < STEPS; i++) {
        size_t size = unit_random_size(&random, 20);
        poolbuf *fresh = unit_random_below(&random, 4) == 0 ? poolbuf_allocate_heap(shared, size, size)
                                                            : poolbuf_allocate(shared, size, size);
        if (fresh == NULL) {
            (void)__atomic_add_fetch(&refusals, 1, __ATOMIC_RELAXED);
        }
        poolbuf *old = __atomic_exchange_n(&slots[unit_random_below(&random, SLOTS)], fresh, __ATOMIC_ACQ_REL);
        if (old != NULL) {
            (void)poolbuf_release(old);
        }
    }
    return NULL;
}

static void threads_never_pass_the_limit(void **state) {
    (void)state;
    unit_random random = unit_random_start("memory_limit", 3);
    poolbuf_allocator_options options = options_of(CHUNK * 12);
    options.direct_arenas = 2;
    options.heap_arenas = 2;
    options.cache_limit_bytes = (size_t)1 << 20;
    shared = create(&options);
    pthread_t threads[THREADS];
    unit_random seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i].state = unit_random_next(&random);
        assert_int_equal(pthread_create(&threads[i], NULL, fill, &seeds[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(payload_most <= CHUNK * 12);
    assert_true(payload_most > CHUNK * 8); /* it was near */
    assert_true(refusals > 0);
    poolbuf_metrics m = unit_metrics(shared);
    assert_int_equal(m.payload_bytes, payload);
    assert_true(m.payload_bytes >= m.chunk_bytes);
    assert_true(allocator_audit(shared));
    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i] != NULL) {
            (void)poolbuf_release(slots[i]);
            slots[i] = NULL;
        }
    }
    (void)poolbuf_allocator_purge(shared);
    assert_int_equal(unit_metrics(shared).payload_bytes, unit_metrics(shared).chunk_bytes);
    UNIT_OK(poolbuf_allocator_destroy(shared));
    assert_int_equal(payload, 0);
}

static pthread_barrier_t barrier;

static bool slow_mapped(void *context, const poolbuf_chunk *told) {
    (void)context;
    (void)told;
    const struct timespec pause = {.tv_nsec = 5000000};
    (void)nanosleep(&pause, NULL); /* the others come while this chunk is being mapped */
    return true;
}

static void *take_one(void *argument) {
    poolbuf **out = argument;
    (void)pthread_barrier_wait(&barrier);
    *out = poolbuf_allocate(shared, 1000, 1000);
    return NULL;
}

static void threads_that_need_the_last_chunk_at_once_share_it(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) {
        poolbuf_allocator_options options = options_of(CHUNK);
        options.chunk_mapped = slow_mapped;
        shared = create(&options);
        poolbuf *taken[THREADS] = {NULL};
        pthread_t threads[THREADS];
        assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, take_one, &taken[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            assert_non_null(taken[i]);
            (void)poolbuf_release(taken[i]);
        }
        (void)pthread_barrier_destroy(&barrier);
        UNIT_OK(poolbuf_allocator_destroy(shared));
    }
}

#define LIMIT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LIMIT_TEST(chunks_of_both_kinds_and_huge_buffers_count_and_handles_do_not),
        LIMIT_TEST(unpooled_buffers_count_their_bytes),
        LIMIT_TEST(spare_chunks_make_room_before_anybody_is_asked),
        LIMIT_TEST(small_buffers_that_came_and_went_leave_no_chunk_pinned),
        LIMIT_TEST(room_in_another_arena_is_used_before_the_limit_fails),
        LIMIT_TEST(the_callback_hears_what_is_wanted_and_what_it_releases_is_used),
        LIMIT_TEST(the_callback_is_asked_once_an_allocation_and_may_say_no),
        LIMIT_TEST(the_callback_is_not_asked_when_the_system_has_no_memory),
        LIMIT_TEST(an_allocation_inside_the_callback_fails_without_asking_again),
        LIMIT_TEST(a_limit_below_a_chunk_is_refused_where_anything_is_pooled),
        LIMIT_TEST(threads_never_pass_the_limit),
        LIMIT_TEST(threads_that_need_the_last_chunk_at_once_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
