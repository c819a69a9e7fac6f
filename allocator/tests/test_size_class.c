/* Unit tests of size_class.c: the series, its lookup, and the geometry that follows from it. */
#include "unit.h"

#include "size_class.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static size_classes defaults(void) {
    size_classes classes;
    size_classes_init(&classes, 8 * KIB, 4 * MIB);
    return classes;
}

static void defaults_have_68_classes_39_of_them_small_and_32_page_classes(void **state) {
    (void)state;
    size_classes classes = defaults();
    assert_int_equal(classes.count, 68);
    assert_int_equal(classes.small_count, 39);
    assert_int_equal(classes.page_count, 32);
    assert_int_equal(size_class_bytes(38), 28 * KIB);
    assert_int_equal(size_class_bytes(39), 32 * KIB);
    assert_int_equal(size_class_bytes(67), 4 * MIB);
}

static void the_series_is_the_golden_one(void **state) {
    (void)state;
    static const size_t golden[] = {
        16,      32,      48,      64,      80,      96,      112,     128,     160,    192,    224,    256,
        320,     384,     448,     512,     640,     768,     896,     1024,    1280,   1536,   1792,   2048,
        2560,    3072,    3584,    4096,    5120,    6144,    7168,    8192,    10240,  12288,  14336,  16384,
        20480,   24576,   28672,   32768,   40960,   49152,   57344,   65536,   81920,  98304,  114688, 131072,
        163840,  196608,  229376,  262144,  327680,  393216,  458752,  524288,  655360, 786432, 917504, 1048576,
        1310720, 1572864, 1835008, 2097152, 2621440, 3145728, 3670016, 4194304,
    };
    for (uint32_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        assert_int_equal(size_class_bytes(i), golden[i]);
    }
}

static void every_size_to_4_mib_gets_the_first_class_that_holds_it(void **state) {
    (void)state;
    uint32_t expected = 0;
    for (size_t size = 0; size <= 4 * MIB; size++) {
        if (size > size_class_bytes(expected)) {
            expected++;
        }
        if (size_class_of(size) != expected) {
            fail_msg("size %zu", size);
        }
    }
}

static void every_class_to_1_gib_is_found_by_its_size_and_left_by_one_byte_more(void **state) {
    (void)state;
    for (uint32_t i = 0; i < SIZE_CLASS_MAX_COUNT; i++) {
        assert_int_equal(size_class_of(size_class_bytes(i)), i);
        assert_int_equal(size_class_of(size_class_bytes(i) + 1), i + 1);
    }
    assert_int_equal(size_class_bytes(SIZE_CLASS_MAX_COUNT - 1), 1024 * MIB);
}

static void no_request_above_64_bytes_wastes_more_than_a_fifth(void **state) {
    (void)state;
    for (uint32_t i = 4; i < SIZE_CLASS_MAX_COUNT; i++) {
        size_t worst = size_class_bytes(i - 1) + 1;
        assert_true((size_class_bytes(i) - worst) * 5 <= size_class_bytes(i));
    }
}

static void page_classes_round_up_for_requests_and_down_for_filing(void **state) {
    (void)state;
    size_classes classes = defaults();
    for (uint32_t pages = 1; pages <= 512; pages++) {
        uint32_t up = size_class_page_ceil(&classes, pages);
        uint32_t down = size_class_page_floor(&classes, pages);
        assert_true(size_class_page_bytes_in_pages(&classes, up) >= pages);
        assert_true(size_class_page_bytes_in_pages(&classes, down) <= pages);
        assert_true(up - down <= 1);
        assert_true(up == 0 || size_class_page_bytes_in_pages(&classes, up - 1) < pages);
    }
}

static void subpages_are_the_fewest_pages_that_slots_fill(void **state) {
    (void)state;
    size_classes classes = defaults();
    static const struct {
        size_t bytes;
        uint32_t pages, slots;
    } golden[] = {{16, 1, 512}, {48, 3, 512},  {80, 5, 512},  {640, 5, 64},  {1024, 1, 8}, {1280, 5, 32},
                  {5120, 5, 8}, {16384, 2, 1}, {20480, 5, 2}, {24576, 3, 1}, {28672, 7, 2}};
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        uint32_t pages = size_class_subpage_pages(&classes, size_class_of(golden[i].bytes));
        assert_int_equal(pages, golden[i].pages);
        assert_int_equal((size_t)pages * 8 * KIB / golden[i].bytes, golden[i].slots);
    }
    for (uint32_t i = 0; i < classes.small_count; i++) {
        size_t run = (size_t)size_class_subpage_pages(&classes, i) * 8 * KIB;
        assert_int_equal(run % size_class_bytes(i), 0);
        assert_true(run / size_class_bytes(i) <= 512);
    }
}

static void other_page_and_chunk_sizes_have_consistent_geometry(void **state) {
    (void)state;
    for (size_t page = 4 * KIB; page <= 64 * KIB; page *= 2) {
        for (size_t chunk = page * 8; chunk <= page * 16384 && chunk <= 1024 * MIB; chunk *= 2) {
            size_classes classes;
            size_classes_init(&classes, page, chunk);
            assert_int_equal(size_class_bytes(classes.count - 1), chunk);
            assert_int_equal(size_class_bytes(classes.small_count), page * 4);
            assert_true(classes.page_count <= 64);
            assert_int_equal(size_class_page_bytes_in_pages(&classes, classes.page_count - 1), chunk / page);
            for (uint32_t i = 0; i < classes.small_count; i++) {
                assert_true(size_class_subpage_pages(&classes, i) * page <= chunk);
            }
        }
    }
}

/* The series as Netty's SizeClasses makes it, group by group: class n of a group has 2^group + n * 2^delta bytes; the first
 * group begins at n = 0, the others at n = 1. */
static uint32_t make_series(size_t chunk, size_t *sizes) {
    uint32_t count = 0;
    for (uint32_t n = 0; n < 4; n++) {
        sizes[count++] = ((size_t)1 << 4) + ((size_t)n << 4);
    }
    for (unsigned group = 6, delta = 4; sizes[count - 1] < chunk; group++, delta++) {
        for (uint32_t n = 1; n <= 4 && sizes[count - 1] < chunk; n++) {
            sizes[count++] = ((size_t)1 << group) + ((size_t)n << delta);
        }
    }
    return count;
}

static void nettys_loop_makes_the_same_classes_for_every_geometry(void **state) {
    (void)state;
    for (size_t page = 4 * KIB; page <= 64 * KIB; page *= 2) {
        for (size_t chunk = page * 8; chunk <= page * 16384 && chunk <= 1024 * MIB; chunk *= 2) {
            size_t sizes[SIZE_CLASS_MAX_COUNT + 1];
            size_classes classes;
            size_classes_init(&classes, page, chunk);
            assert_int_equal(make_series(chunk, sizes), classes.count);
            uint32_t page_class = 0;
            for (uint32_t i = 0; i < classes.count; i++) {
                assert_int_equal(size_class_bytes(i), sizes[i]);
                assert_int_equal(size_class_is_small(&classes, i), sizes[i] < page * 4);
                if (sizes[i] % page == 0) {
                    size_t pages = size_class_page_bytes_in_pages(&classes, page_class++);
                    assert_int_equal(pages, sizes[i] / page);
                }
            }
            assert_int_equal(page_class, classes.page_count);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_have_68_classes_39_of_them_small_and_32_page_classes),
        cmocka_unit_test(the_series_is_the_golden_one),
        cmocka_unit_test(every_size_to_4_mib_gets_the_first_class_that_holds_it),
        cmocka_unit_test(every_class_to_1_gib_is_found_by_its_size_and_left_by_one_byte_more),
        cmocka_unit_test(no_request_above_64_bytes_wastes_more_than_a_fifth),
        cmocka_unit_test(page_classes_round_up_for_requests_and_down_for_filing),
        cmocka_unit_test(subpages_are_the_fewest_pages_that_slots_fill),
        cmocka_unit_test(other_page_and_chunk_sizes_have_consistent_geometry),
        cmocka_unit_test(nettys_loop_makes_the_same_classes_for_every_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
