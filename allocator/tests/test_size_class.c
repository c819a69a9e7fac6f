/* Unit tests of size_class.c: the series, its lookup, and the geometry that follows from it. */
#include "unit.h"

#include "size_class.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static size_classes defaults(void) {
    size_classes classes;
    size_classes_init(&classes, 8 * KIB, 4 * MIB, 4);
    return classes;
}

static size_classes eight(void) {
    size_classes classes;
    size_classes_init(&classes, 8 * KIB, 4 * MIB, 8);
    return classes;
}

/* The largest chunk: it has every class there can be. */
static size_classes largest(uint32_t per_doubling) {
    size_classes classes;
    size_classes_init(&classes, 64 * KIB, 1024 * MIB, per_doubling);
    return classes;
}

static const uint32_t PER_DOUBLING[] = {4, 8};

static void defaults_have_68_classes_39_of_them_small_and_32_page_classes(void **state) {
    (void)state;
    size_classes classes = defaults();
    assert_int_equal(classes.count, 68);
    assert_int_equal(classes.small_count, 39);
    assert_int_equal(classes.page_count, 32);
    assert_int_equal(size_class_bytes(&classes, 38), 28 * KIB);
    assert_int_equal(size_class_bytes(&classes, 39), 32 * KIB);
    assert_int_equal(size_class_bytes(&classes, 67), 4 * MIB);
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
    size_classes classes = defaults();
    for (uint32_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        assert_int_equal(size_class_bytes(&classes, i), golden[i]);
    }
}

static void eight_a_doubling_have_128_classes_79_of_them_small(void **state) {
    (void)state;
    static const size_t golden[] = {16,  32,  48,  64,  80,  96,  112, 128, 144, 160, 176, 192,
                                    208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480, 512};
    size_classes classes = eight();
    assert_int_equal(classes.count, 128);
    assert_int_equal(classes.small_count, 79);
    assert_int_equal(classes.page_count, 32); /* those of four */
    for (uint32_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        assert_int_equal(size_class_bytes(&classes, i), golden[i]);
    }
    assert_int_equal(size_class_bytes(&classes, size_class_of(&classes, 16639)), 18 * KIB);
    assert_int_equal(size_class_bytes(&classes, 79), 64 * KIB);
    assert_int_equal(size_class_bytes(&classes, 127), 4 * MIB);
}

static void every_size_to_4_mib_gets_the_first_class_that_holds_it(void **state) {
    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        size_classes classes = largest(PER_DOUBLING[p]);
        uint32_t expected = 0;
        for (size_t size = 0; size <= 4 * MIB; size++) {
            if (size > size_class_bytes(&classes, expected)) {
                expected++;
            }
            if (size_class_of(&classes, size) != expected) {
                fail_msg("size %zu, %u classes a doubling", size, PER_DOUBLING[p]);
            }
        }
    }
}

static void every_class_to_1_gib_is_found_by_its_size_and_left_by_one_byte_more(void **state) {
    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        size_classes classes = largest(PER_DOUBLING[p]);
        assert_true(classes.count <= SIZE_CLASS_MAX_COUNT);
        for (uint32_t i = 0; i < classes.count; i++) {
            assert_int_equal(size_class_of(&classes, size_class_bytes(&classes, i)), i);
            assert_int_equal(size_class_of(&classes, size_class_bytes(&classes, i) + 1), i + 1);
        }
        assert_int_equal(size_class_bytes(&classes, classes.count - 1), 1024 * MIB);
    }
    assert_int_equal(largest(8).count, SIZE_CLASS_MAX_COUNT);
}

static void no_request_above_64_bytes_wastes_more_than_a_fifth(void **state) {
    (void)state;
    static const size_t parts[] = {5, 9}; /* and a ninth above 128 bytes where there are eight */
    for (unsigned p = 0; p < 2; p++) {
        size_classes classes = largest(PER_DOUBLING[p]);
        for (uint32_t i = PER_DOUBLING[p]; i < classes.count; i++) {
            size_t worst = size_class_bytes(&classes, i - 1) + 1;
            assert_true((size_class_bytes(&classes, i) - worst) * parts[p] <= size_class_bytes(&classes, i));
        }
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
        uint32_t pages = size_class_subpage_pages(&classes, size_class_of(&classes, golden[i].bytes));
        assert_int_equal(pages, golden[i].pages);
        assert_int_equal((size_t)pages * 8 * KIB / golden[i].bytes, golden[i].slots);
    }
    for (unsigned p = 0; p < 2; p++) {
        classes = p == 0 ? defaults() : eight();
        for (uint32_t i = 0; i < classes.small_count; i++) {
            size_t run = (size_t)size_class_subpage_pages(&classes, i) * 8 * KIB;
            assert_int_equal(run % size_class_bytes(&classes, i), 0);
            assert_true(run / size_class_bytes(&classes, i) <= 512);
        }
    }
}

/* Calls check for every geometry that the options allow. */
static void for_each_geometry(void (*check)(size_t page, size_t chunk, uint32_t per)) {
    for (size_t page = 4 * KIB; page <= 64 * KIB; page *= 2) {
        for (size_t chunk = page * 8; chunk <= page * 16384 && chunk <= 1024 * MIB; chunk *= 2) {
            check(page, chunk, 4);
            if (chunk > page * 8) {
                check(page, chunk, 8);
            }
        }
    }
}

static void check_geometry(size_t page, size_t chunk, uint32_t per) {
    size_classes classes;
    size_classes_init(&classes, page, chunk, per);
    assert_int_equal(size_class_bytes(&classes, classes.count - 1), chunk);
    assert_int_equal(size_class_bytes(&classes, classes.small_count), page * per);
    assert_true(classes.page_count <= 64);
    assert_int_equal(size_class_page_bytes_in_pages(&classes, classes.page_count - 1), chunk / page);
    for (uint32_t i = 0; i < classes.small_count; i++) {
        assert_true(size_class_subpage_pages(&classes, i) <= chunk / page);
    }
    for (uint32_t i = classes.small_count; i < classes.count; i++) {
        assert_int_equal(size_class_bytes(&classes, i) % page, 0);
    }
}

static void other_page_and_chunk_sizes_have_consistent_geometry(void **state) {
    (void)state;
    for_each_geometry(check_geometry);
}

/* The series as Netty's SizeClasses makes it, group by group: class n of a group has 2^group + n * 2^delta bytes; the first
 * group begins at n = 0, the others at n = 1. */
static uint32_t make_series(size_t chunk, uint32_t per, size_t *sizes) {
    uint32_t count = 0;
    for (uint32_t n = 0; n < per; n++) {
        sizes[count++] = ((size_t)1 << 4) + ((size_t)n << 4);
    }
    for (unsigned group = per == 4 ? 6 : 7, delta = 4; sizes[count - 1] < chunk; group++, delta++) {
        for (uint32_t n = 1; n <= per && sizes[count - 1] < chunk; n++) {
            sizes[count++] = ((size_t)1 << group) + ((size_t)n << delta);
        }
    }
    return count;
}

static void check_series(size_t page, size_t chunk, uint32_t per) {
    size_t sizes[SIZE_CLASS_MAX_COUNT + 8];
    size_classes classes;
    size_classes_init(&classes, page, chunk, per);
    assert_int_equal(make_series(chunk, per, sizes), classes.count);
    for (uint32_t i = 0; i < classes.count; i++) {
        assert_int_equal(size_class_bytes(&classes, i), sizes[i]);
        assert_int_equal(size_class_is_small(&classes, i), sizes[i] < page * per);
    }
    uint32_t page_class = 0;
    uint32_t four = make_series(chunk, 4, sizes);
    for (uint32_t i = 0; i < four; i++) {
        if (sizes[i] % page == 0) {
            assert_int_equal(size_class_page_bytes_in_pages(&classes, page_class++), (uint32_t)(sizes[i] / page));
        }
    }
    assert_int_equal(page_class, classes.page_count);
}

static void nettys_loop_makes_the_same_classes_for_every_geometry(void **state) {
    (void)state;
    for_each_geometry(check_series);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_have_68_classes_39_of_them_small_and_32_page_classes),
        cmocka_unit_test(the_series_is_the_golden_one),
        cmocka_unit_test(eight_a_doubling_have_128_classes_79_of_them_small),
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
