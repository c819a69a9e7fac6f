/* Tests of the alignment option: Netty's directMemoryCacheAlignment. */
#include "unit.h"

#include "allocator.h"

static poolbuf_allocator *create(size_t page_size, size_t alignment, bool pooling) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.page_size = page_size;
    options.chunk_size = page_size * 64;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.alignment = alignment;
    options.pooling = pooling;
    options.prefer_direct = true;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

static void expect_aligned(const poolbuf *buffer, size_t alignment, bool pooled) {
    assert_non_null(buffer);
    assert_int_equal((uintptr_t)buffer->memory % alignment, 0);
    assert_true(!pooled || buffer->usable % alignment == 0);
    assert_true(buffer->usable >= buffer->capacity);
}

static const struct {
    size_t page_size, alignment;
} GEOMETRIES[] = {{8192, 16}, {8192, 64}, {8192, 128}, {8192, 4096}, {8192, 8192}, {4096, 512}, {65536, 65536}};
#define GEOMETRY_COUNT (sizeof GEOMETRIES / sizeof GEOMETRIES[0])

static void every_direct_buffer_is_aligned_whatever_its_size_and_history(void **state) {
    (void)state;
    enum {
        LIVE = 64
    };
    unit_random random = unit_random_start("alignment", 5);
    for (unsigned pooling = 0; pooling < 2; pooling++) {
        for (unsigned g = 0; g < GEOMETRY_COUNT; g++) {
            size_t alignment = GEOMETRIES[g].alignment;
            poolbuf_allocator *allocator = create(GEOMETRIES[g].page_size, alignment, pooling != 0);
            poolbuf *live[LIVE] = {NULL};
            for (int step = 0; step < 1500; step++) {
                poolbuf **place = &live[unit_random_below(&random, LIVE)];
                size_t size = unit_random_size(&random, 20); /* small, normal, and for small pages huge */
                if (*place == NULL) {
                    *place = poolbuf_allocate(allocator, size, (size_t)4 << 20);
                } else if (unit_random_below(&random, 2) == 0) {
                    UNIT_OK(poolbuf_set_capacity(*place, size));
                } else {
                    (void)poolbuf_release(*place);
                    *place = NULL;
                    continue;
                }
                expect_aligned(*place, alignment, pooling != 0);
                if (step % 16 == 0) {
                    assert_true(allocator_audit(allocator));
                }
            }
            uint64_t bytes = 0;
            uint64_t buffers = 0;
            for (unsigned i = 0; i < LIVE; i++) {
                bytes += live[i] != NULL ? live[i]->usable : 0;
                buffers += live[i] != NULL;
            }
            assert_int_equal(unit_metrics(allocator).live_buffers, buffers);
            assert_int_equal(unit_metrics(allocator).live_bytes, bytes);
            if (pooling != 0) { /* what its arena has cut is what is alive and cached */
                poolbuf_arena_metrics m = {.struct_size = sizeof m};
                UNIT_OK(poolbuf_allocator_arena_metrics(allocator, POOLBUF_KIND_DIRECT, 0, &m));
                assert_int_equal(m.active_bytes, unit_metrics(allocator).pinned_bytes);
                assert_int_equal(m.small_active, m.small_allocations - m.small_releases);
                assert_int_equal(m.normal_active, m.normal_allocations - m.normal_releases);
            }
            for (unsigned i = 0; i < LIVE; i++) {
                if (live[i] != NULL) {
                    (void)poolbuf_release(live[i]);
                }
            }
            (void)poolbuf_allocator_purge(allocator);
            assert_true(allocator_audit(allocator));
            assert_int_equal(unit_metrics(allocator).live_bytes, 0);
            UNIT_OK(poolbuf_allocator_destroy(allocator));
        }
    }
}

static void a_class_that_is_no_multiple_gets_memory_of_the_next_one_that_is(void **state) {
    (void)state;
    static const struct {
        size_t size, usable;
    } cases[] = {{0, 64},    {1, 64},      {16, 64},     {48, 64},     {64, 64},
                 {65, 128},  {112, 128},   {129, 192},   {224, 256},   {256, 256},
                 {300, 320}, {1000, 1024}, {1025, 1280}, {5000, 5120}, {28672, 28672}};
    poolbuf_allocator *allocator = create(8192, 64, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        poolbuf *b = poolbuf_allocate(allocator, cases[i].size, 100000);
        assert_int_equal(b->usable, cases[i].usable);
        (void)poolbuf_release(b);
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    allocator = create(8192, 8192, true); /* a small class may be served by whole pages */
    poolbuf *b = poolbuf_allocate(allocator, 28000, 28000);
    assert_int_equal(b->usable, 32768);
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_rounded_buffer_comes_back_from_the_cache(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(8192, 64, true);
    poolbuf *first = poolbuf_allocate(allocator, 40, 40);
    (void)poolbuf_release(first);
    uint64_t cut = unit_metrics(allocator).arena_allocations;
    for (int i = 0; i < 100; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 40, 40);
        assert_ptr_equal(b, first);
        (void)poolbuf_release(b);
    }
    assert_int_equal(unit_metrics(allocator).arena_allocations, cut);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void huge_buffers_are_rounded_up_too(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(8192, 4096, true);
    poolbuf *b = poolbuf_allocate(allocator, 524289, (size_t)4 << 20);
    expect_aligned(b, 4096, true);
    assert_int_equal(b->usable, 524288 + 4096);
    assert_int_equal(poolbuf_capacity(b), 524289);
    assert_int_equal(unit_metrics(allocator).huge_bytes, b->usable);
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void heap_buffers_keep_their_class(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(8192, 4096, true);
    poolbuf *b = poolbuf_allocate_heap(allocator, 40, 40);
    assert_int_equal(b->usable, 48);
    (void)poolbuf_release(b);
    b = poolbuf_allocate_direct(allocator, 40, 40);
    assert_int_equal(b->usable, 4096);
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void what_is_no_power_of_two_or_above_the_page_is_refused(void **state) {
    (void)state;
    static const size_t bad[] = {3, 24, 96, 16384, 131072};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        poolbuf_allocator_options options;
        poolbuf_allocator_options_init(&options);
        options.alignment = bad[i];
        poolbuf_allocator *allocator = NULL;
        assert_int_equal(poolbuf_allocator_create(&options, &allocator), POOLBUF_ERROR_BAD_OPTION);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_direct_buffer_is_aligned_whatever_its_size_and_history),
        cmocka_unit_test(a_class_that_is_no_multiple_gets_memory_of_the_next_one_that_is),
        cmocka_unit_test(a_rounded_buffer_comes_back_from_the_cache),
        cmocka_unit_test(huge_buffers_are_rounded_up_too),
        cmocka_unit_test(heap_buffers_keep_their_class),
        cmocka_unit_test(what_is_no_power_of_two_or_above_the_page_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
