/* Unit tests of reach.c on a memory that is an array, and of reach_maps.c on lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"
#include "reach.h"
#include "reach_maps.h"

enum {
    BASE = 0x100000, /* where the synthetic memory begins */
    BYTES = 1 << 20,
    ROW = BASE + 0x10000, /* rows and blocks lie from here on; roots below */
    RECORDS = 256,
    BLOCKS = BASE + 0x40000
};

static uint8_t *memory;
static uintptr_t unreadable_from, unreadable_to;

static bool read_array(void *context, uintptr_t at, void *into, size_t bytes) {
    (void)context;
    if (at < BASE || at + bytes > BASE + BYTES || (at < unreadable_to && at + bytes > unreadable_from)) {
        return false;
    }
    memcpy(into, memory + (at - BASE), bytes);
    return true;
}

static void put(uintptr_t at, uint64_t word) {
    memcpy(memory + (at - BASE), &word, sizeof word);
}

static reach self;

static int set_up(void **state) {
    (void)state;
    memory = calloc(1, BYTES);
    assert_non_null(memory);
    unreadable_from = unreadable_to = 0;
    reach_init(&self, read_array, NULL, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    reach_fini(&self);
    free(memory);
    return 0;
}

static uintptr_t record(size_t i) {
    return ROW + i * REACH_RECORD_BYTES;
}

static bool reached(uintptr_t address) {
    uint32_t node;
    assert_true(reach_node_at(&self, address, &node));
    return reach_is_reached(&self, node);
}

static void begin_with_row(void) {
    reach_add_row(&self, ROW, (size_t)RECORDS * REACH_RECORD_BYTES);
    assert_true(reach_begin(&self));
}

static void finish(void) {
    reach_scan(&self, BASE, BASE + BYTES);
    assert_true(reach_finish(&self));
}

static void what_a_root_refers_to_is_reached_and_nothing_else(void **state) {
    (void)state;
    put(BASE + 8, record(5));
    put(BASE + 20, record(6) + 63); /* at an address that divides by four alone, to its last byte */
    put(BASE + 32, record(7) | (uint64_t)0xabcd << 48);
    begin_with_row();
    finish();
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(reached(record(i)), i >= 5 && i <= 7);
    }
}

static void chains_are_followed_and_rings_without_a_way_in_are_not(void **state) {
    (void)state;
    put(BASE, record(0));
    for (size_t i = 0; i < 100; i++) {
        put(record(i) + 24, record((i + 1) % 100)); /* 0 to 99 */
        put(record(100 + i) + 24, record(100 + (i + 1) % 100));
    }
    begin_with_row();
    finish();
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(reached(record(i)), i < 100);
    }
}

static void a_block_and_its_home_are_reached_together(void **state) {
    (void)state;
    reach_add_block(&self, BLOCKS, 1000, record(1));
    reach_add_block(&self, BLOCKS + 1000, 1000, record(2));
    reach_add_block(&self, BLOCKS + 4096, 64, 0);
    put(BASE, BLOCKS + 999);          /* the first, by its last byte */
    put(BLOCKS + 500, BLOCKS + 4096); /* which refers to the third */
    begin_with_row();
    finish();
    assert_true(reached(BLOCKS));
    assert_true(reached(record(1)));
    assert_false(reached(BLOCKS + 1000));
    assert_false(reached(record(2)));
    assert_true(reached(BLOCKS + 4096));
}

static void hidden_memory_is_no_root(void **state) {
    (void)state;
    put(BASE + 0x100, record(1));
    put(BASE + 0x200, record(2));
    put(BASE + 0x300, record(3));
    reach_hide(&self, BASE + 0x200, 0x80);
    reach_hide(&self, BASE + 0x240, 0x80);
    begin_with_row();
    assert_true(reach_is_hidden(&self, BASE + 0x200, BASE + 0x2c0));
    assert_false(reach_is_hidden(&self, BASE + 0x200, BASE + 0x2c1));
    finish();
    assert_true(reached(record(1)));
    assert_false(reached(record(2)));
    assert_true(reached(record(3)));
}

static void parts_that_overlap_are_all_reached_and_read(void **state) {
    (void)state;
    reach_add_block(&self, BLOCKS, 1000, 0);
    reach_add_block(&self, BLOCKS + 100, 100, 0);
    reach_add_block(&self, BLOCKS + 300, 100, 0);
    reach_add_block(&self, BLOCKS + 1000, 100, 0); /* this one touches and does not overlap */
    put(BLOCKS + 904, record(9));
    begin_with_row();
    finish();
    assert_true(reached(BLOCKS));
    assert_true(reached(BLOCKS + 100));
    assert_true(reached(BLOCKS + 300));
    assert_false(reached(BLOCKS + 1000));
    assert_true(reached(record(9)));
}

static void words_beside_memory_that_cannot_be_read_are_seen(void **state) {
    (void)state;
    unreadable_from = BASE + 0x5000;
    unreadable_to = BASE + 0x6000;
    put(BASE + 0x4ff8, record(1));
    put(BASE + 0x2ffc, record(2)); /* across two pages */
    put(BASE + 0x5800, record(3));
    put(BASE + 0x6000, record(4));
    begin_with_row();
    finish();
    assert_true(reached(record(1)));
    assert_true(reached(record(2)));
    assert_false(reached(record(3)));
    assert_true(reached(record(4)));
    assert_true(self.unreadable_bytes >= 0x1000 && self.unreadable_bytes <= 0x1008);
}

static void words_across_two_reads_are_seen(void **state) {
    (void)state;
    put(BASE + REACH_READ_BYTES - 4, 0); /* ROW begins there: the roots end */
    for (unsigned i = 0; i < 3; i++) {
        put(BLOCKS + (uintptr_t)(i + 1) * REACH_READ_BYTES - 4 - (uintptr_t)i * 4, record(i + 1));
    }
    begin_with_row();
    reach_scan(&self, BLOCKS, BLOCKS + (uintptr_t)5 * REACH_READ_BYTES);
    assert_true(reach_finish(&self));
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(reached(record(i)));
    }
}

static bool always(void *context) {
    (void)context;
    return true;
}

static void a_stopped_search_knows_nothing(void **state) {
    (void)state;
    self.stop = always;
    put(BASE, record(1));
    reach_add_row(&self, ROW, (size_t)RECORDS * REACH_RECORD_BYTES);
    assert_true(reach_begin(&self));
    reach_scan(&self, BASE, BASE + BYTES);
    assert_false(reach_finish(&self));
}

/* A random graph, held against a search that is too simple to be wrong. */
static void it_agrees_with_a_plain_search(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t random = seed;
        bool expected[RECORDS] = {false};
        size_t targets[RECORDS][2];
        memset(memory, 0, BYTES);
        reach_fini(&self);
        reach_init(&self, read_array, NULL, NULL);
        for (size_t i = 0; i < RECORDS; i++) {
            for (size_t j = 0; j < 2; j++) {
                targets[i][j] = random_next(&random) % RECORDS;
                bool edge = random_next(&random) % 3 != 0;
                targets[i][j] = edge ? targets[i][j] : i;
                put(record(i) + 8 + 24 * j, record(targets[i][j]) + random_next(&random) % 64);
            }
        }
        for (size_t i = 0; i < 3; i++) {
            size_t root = random_next(&random) % RECORDS;
            put(BASE + random_next(&random) % 0x1000 * 8, record(root));
        }
        begin_with_row();
        finish();
        for (uintptr_t at = BASE; at < BASE + 0x8000; at += 8) {
            uint64_t word;
            memcpy(&word, memory + (at - BASE), sizeof word);
            if (word != 0) {
                expected[(word - ROW) / REACH_RECORD_BYTES] = true;
            }
        }
        for (size_t round = 0; round < RECORDS; round++) {
            for (size_t i = 0; i < RECORDS; i++) {
                expected[targets[i][0]] = expected[targets[i][0]] || expected[i];
                expected[targets[i][1]] = expected[targets[i][1]] || expected[i];
            }
        }
        for (size_t i = 0; i < RECORDS; i++) {
            assert_int_equal(reached(record(i)), expected[i]);
        }
    }
}

static bool parse(const char *line, reach_mapping *mapping) {
    return reach_maps_parse(line, strlen(line), mapping);
}

static bool swapped(const char *line) {
    return reach_swap_parse(line, strlen(line));
}

static void lines_of_maps_are_understood(void **state) {
    (void)state;
    reach_mapping m;
    assert_true(parse("7ffe12345000-7ffe12366000 rw-p 00000000 00:00 0                          [stack]", &m));
    assert_true(m.start == 0x7ffe12345000 && m.end == 0x7ffe12366000);
    assert_true(m.readable && m.writable && !m.shared && m.anonymous && !m.device);
    assert_true(parse("55d0-66d0 r-xs 00001000 fe:00 5457084    /usr/bin/x y", &m));
    assert_true(m.readable && !m.writable && m.shared && !m.anonymous && !m.device);
    assert_true(parse("1000-2000 rw-s 00000000 00:06 17 /dev/dri/card0", &m) && m.device);
    assert_true(parse("1000-2000 rw-s 00000000 00:06 17 /dev/shm/pool", &m) && !m.device && m.in_memory);
    assert_true(parse("1000-2000 rw-s 00000000 fe:01 17 /dev/zero (deleted)", &m) && !m.device && !m.in_memory);
    assert_int_equal(m.device_number, (uint64_t)0xfe << 32 | 1);
    assert_true(parse("1000-2000 r--p 00000000 00:00 0 [vvar]", &m) && !m.readable && !m.anonymous);
    assert_true(parse("1000-2000 ---p 00000000 00:00 0", &m) && !m.readable && m.anonymous);
    assert_false(parse("", &m));
    assert_false(parse("2000-1000 rw-p 00000000 00:00 0", &m));
    assert_true(swapped("Swap:                 12 kB"));
    assert_true(swapped("Swap:  100 kB"));
    assert_false(swapped("Swap:                  0 kB"));
    assert_false(swapped("SwapPss:               4 kB"));
    assert_false(swapped("Swap:"));
    assert_false(parse("1000 2000 rw-p", &m));
    assert_false(parse("1000-2000 rw", &m));
}

static void lines_of_epoll_and_of_registers_are_understood(void **state) {
    (void)state;
    static const char LINE[] = "tfd:        5 events:       19 data:     7f0012345678  pos:0 ino:61af sdev:7";
    uint64_t word = 0;
    assert_true(reach_epoll_parse(LINE, sizeof LINE - 1, &word));
    assert_true(word == 0x7f0012345678);
    assert_false(reach_epoll_parse("flags:\t02", 9, &word));
    assert_false(reach_epoll_parse("tfd: 5 events: 19", 17, &word));
}

static void readable_ranges_may_span_mappings_that_touch(void **state) {
    (void)state;
    memory_array mappings = {0};
    static const reach_mapping ITEMS[] = {{.start = 0x1000, .end = 0x2000, .readable = true},
                                          {.start = 0x2000, .end = 0x3000, .readable = true},
                                          {.start = 0x3000, .end = 0x4000},
                                          {.start = 0x5000, .end = 0x6000, .readable = true}};
    for (size_t i = 0; i < sizeof ITEMS / sizeof ITEMS[0]; i++) {
        *(reach_mapping *)memory_array_next(&mappings, sizeof ITEMS[0]) = ITEMS[i];
    }
    assert_true(reach_maps_readable(&mappings, 0x1800, 0x1800));
    assert_false(reach_maps_readable(&mappings, 0x1800, 0x1801));
    assert_false(reach_maps_readable(&mappings, 0x800, 0x900));
    assert_true(reach_maps_readable(&mappings, 0x5fff, 1));
    assert_false(reach_maps_readable(&mappings, 0x5fff, 2));
    assert_false(reach_maps_readable(&mappings, 0x5fff, SIZE_MAX));
    memory_array_fini(&mappings);
}

#define REACH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        REACH_TEST(what_a_root_refers_to_is_reached_and_nothing_else),
        REACH_TEST(chains_are_followed_and_rings_without_a_way_in_are_not),
        REACH_TEST(a_block_and_its_home_are_reached_together),
        REACH_TEST(hidden_memory_is_no_root),
        REACH_TEST(parts_that_overlap_are_all_reached_and_read),
        REACH_TEST(words_beside_memory_that_cannot_be_read_are_seen),
        REACH_TEST(words_across_two_reads_are_seen),
        REACH_TEST(a_stopped_search_knows_nothing),
        REACH_TEST(it_agrees_with_a_plain_search),
        cmocka_unit_test(lines_of_maps_are_understood),
        cmocka_unit_test(lines_of_epoll_and_of_registers_are_understood),
        cmocka_unit_test(readable_ranges_may_span_mappings_that_touch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
