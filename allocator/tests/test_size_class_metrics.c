/* Unit tests of size_class_metrics.c: the queries that Netty's SizeClassesMetric has. */
#include "unit.h"

#include <poolbuf/metrics.h>

static poolbuf_allocator *make(size_t page_size, size_t chunk_size) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.page_size = page_size;
    options.chunk_size = chunk_size;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

/* Netty's own table for 8 KiB and 4 MiB. */
static void defaults_answer_as_nettys_metric_does(void **state) {
    (void)state;
    poolbuf_allocator *a = make(8192, (size_t)4 << 20);
    assert_int_equal(poolbuf_size_class_count(a), 68);
    assert_int_equal(poolbuf_small_size_class_count(a), 39);
    assert_int_equal(poolbuf_page_class_count(a), 32);
    assert_int_equal(poolbuf_size_class_bytes(a, 0), 16);
    assert_int_equal(poolbuf_size_class_bytes(a, 38), 28672);
    assert_int_equal(poolbuf_size_class_bytes(a, 39), 32768);
    assert_int_equal(poolbuf_size_class_bytes(a, 67), 4 << 20);
    assert_int_equal(poolbuf_size_class_of_size(a, 0), 0);
    assert_int_equal(poolbuf_size_class_of_size(a, 16), 0);
    assert_int_equal(poolbuf_size_class_of_size(a, 17), 1);
    assert_int_equal(poolbuf_size_class_of_size(a, 1000), 19);
    assert_int_equal(poolbuf_size_class_of_size(a, 4 << 20), 67);
    assert_int_equal(poolbuf_normalize_size(a, 0), 16);
    assert_int_equal(poolbuf_normalize_size(a, 1000), 1024);
    assert_int_equal(poolbuf_normalize_size(a, 16639), 20480);
    assert_int_equal(poolbuf_page_class_bytes(a, 0), 8192);
    assert_int_equal(poolbuf_page_class_bytes(a, 4), 5 * 8192);
    assert_int_equal(poolbuf_page_class_bytes(a, 31), 4 << 20);
    assert_int_equal(poolbuf_page_class_ceil(a, 1), 0);
    assert_int_equal(poolbuf_page_class_ceil(a, 9), 8);
    assert_int_equal(poolbuf_page_class_floor(a, 9), 7);
    assert_int_equal(poolbuf_page_class_ceil(a, 512), 31);
    assert_int_equal(poolbuf_page_class_floor(a, 511), 30);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void what_no_class_holds_has_an_answer_too(void **state) {
    (void)state;
    poolbuf_allocator *a = make(8192, (size_t)4 << 20);
    assert_int_equal(poolbuf_size_class_bytes(a, 68), 0);
    assert_int_equal(poolbuf_size_class_bytes(a, UINT32_MAX), 0);
    assert_int_equal(poolbuf_size_class_of_size(a, (4 << 20) + 1), 68);
    assert_int_equal(poolbuf_size_class_of_size(a, SIZE_MAX), 68);
    assert_int_equal(poolbuf_normalize_size(a, (4 << 20) + 1), (4 << 20) + 1);
    assert_true(poolbuf_normalize_size(a, SIZE_MAX) == SIZE_MAX);
    assert_int_equal(poolbuf_page_class_bytes(a, 32), 0);
    assert_int_equal(poolbuf_page_class_ceil(a, 0), 0);
    assert_int_equal(poolbuf_page_class_floor(a, 0), 0);
    assert_int_equal(poolbuf_page_class_ceil(a, 513), 32);
    assert_int_equal(poolbuf_page_class_floor(a, SIZE_MAX), 32);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

/* The two directions agree, for the geometries at the ends. */
static void queries_agree_in_every_geometry(void **state) {
    (void)state;
    const size_t geometries[][2] = {{4096, 32768}, {8192, (size_t)4 << 20}, {65536, (size_t)1 << 30}};
    for (unsigned g = 0; g < 3; g++) {
        poolbuf_allocator *a = make(geometries[g][0], geometries[g][1]);
        uint32_t count = poolbuf_size_class_count(a);
        size_t below = 0;
        for (uint32_t i = 0; i < count; i++) {
            size_t bytes = poolbuf_size_class_bytes(a, i);
            assert_true(bytes > below);
            assert_int_equal(poolbuf_size_class_of_size(a, bytes), i);
            assert_int_equal(poolbuf_size_class_of_size(a, below + 1), i);
            assert_int_equal(poolbuf_normalize_size(a, below + 1), bytes);
            assert_int_equal(i < poolbuf_small_size_class_count(a), bytes < 4 * geometries[g][0]);
            below = bytes;
        }
        assert_int_equal(below, geometries[g][1]);
        for (uint32_t i = 0; i < poolbuf_page_class_count(a); i++) {
            size_t bytes = poolbuf_page_class_bytes(a, i);
            assert_int_equal(bytes % geometries[g][0], 0);
            assert_int_equal(poolbuf_page_class_ceil(a, bytes / geometries[g][0]), i);
            assert_int_equal(poolbuf_page_class_floor(a, bytes / geometries[g][0]), i);
        }
        assert_int_equal(poolbuf_page_class_bytes(a, poolbuf_page_class_count(a) - 1), geometries[g][1]);
        UNIT_OK(poolbuf_allocator_destroy(a));
    }
}

/* What a buffer really gets is what the query said. */
static void a_buffer_takes_what_its_size_is_normalized_to(void **state) {
    (void)state;
    poolbuf_allocator *a = make(8192, (size_t)4 << 20);
    for (size_t size = 1; size <= (size_t)8 << 20; size = size * 3 + 1) {
        poolbuf *b = poolbuf_allocate(a, size, size);
        assert_non_null(b);
        assert_int_equal(unit_metrics(a).live_bytes, poolbuf_normalize_size(a, size));
        assert_true(poolbuf_release(b));
    }
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void null_is_the_default_allocator(void **state) {
    (void)state;
    poolbuf_allocator *a = poolbuf_allocator_default();
    assert_int_equal(poolbuf_size_class_count(NULL), poolbuf_size_class_count(a));
    assert_true(poolbuf_size_class_count(NULL) != 0);
    assert_int_equal(poolbuf_normalize_size(NULL, 5), 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_answer_as_nettys_metric_does),
        cmocka_unit_test(what_no_class_holds_has_an_answer_too),
        cmocka_unit_test(queries_agree_in_every_geometry),
        cmocka_unit_test(a_buffer_takes_what_its_size_is_normalized_to),
        cmocka_unit_test(null_is_the_default_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
