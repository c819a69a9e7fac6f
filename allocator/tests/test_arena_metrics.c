/* Unit tests of arena_metrics.c: each figure of Netty's PoolArenaMetric in small scenarios, and the copies of structures. */
#include "unit.h"

#include "metrics.h"

#define CHUNK  ((size_t)4 << 20)
#define DIRECT POOLBUF_KIND_DIRECT
#define HEAP   POOLBUF_KIND_HEAP

/* Without caches each allocation is a trip to the first arena of its kind. */
static poolbuf_allocator *make(size_t cache_limit_bytes) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = 2;
    options.heap_arenas = 1;
    options.cache_limit_bytes = cache_limit_bytes;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

static poolbuf_arena_metrics metrics_of(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t arena) {
    poolbuf_arena_metrics metrics = {.struct_size = sizeof metrics};
    UNIT_OK(poolbuf_allocator_arena_metrics(allocator, kind, arena, &metrics));
    return metrics;
}

static void an_arena_counts_small_normal_and_huge(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    poolbuf_arena_metrics m = metrics_of(a, DIRECT, 0);
    assert_int_equal(m.chunk_count + m.small_allocations + m.used_bytes + m.metadata_bytes, 0);
    poolbuf *b[6];
    const size_t sizes[] = {100, 100, 28672, 32768, CHUNK, CHUNK + 5};
    for (unsigned i = 0; i < 6; i++) {
        b[i] = poolbuf_allocate_direct(a, sizes[i], sizes[i]);
        assert_non_null(b[i]);
    }
    m = metrics_of(a, DIRECT, 0);
    assert_int_equal(m.small_allocations, 3);
    assert_int_equal(m.normal_allocations, 2);
    assert_int_equal(m.huge_allocations, 1);
    assert_int_equal(m.small_active, 3);
    assert_int_equal(m.normal_active, 2);
    assert_int_equal(m.huge_active, 1);
    assert_int_equal(m.active_bytes, 2 * 112 + 28672 + 32768 + CHUNK + CHUNK + 5);
    assert_int_equal(m.chunk_count, 2);
    assert_int_equal(m.chunk_maps, 2);
    assert_int_equal(m.chunk_unmaps, 0);
    assert_int_equal(m.chunk_bytes, 2 * CHUNK);
    assert_int_equal(m.used_bytes, 3 * CHUNK + 5);
    assert_int_equal(m.spare_chunks, 0);
    assert_true(m.metadata_bytes > 0);
    for (unsigned i = 1; i < 6; i++) {
        assert_true(poolbuf_release(b[i]));
    }
    m = metrics_of(a, DIRECT, 0);
    assert_int_equal(m.small_releases, 2);
    assert_int_equal(m.normal_releases, 2);
    assert_int_equal(m.huge_releases, 1);
    assert_int_equal(m.small_active, 1);
    assert_int_equal(m.normal_active, 0);
    assert_int_equal(m.huge_active, 0);
    assert_int_equal(m.active_bytes, 112);
    assert_int_equal(m.spare_chunks, 1);
    assert_int_equal(m.used_bytes, 2 * CHUNK);
    (void)poolbuf_allocator_purge(a);
    m = metrics_of(a, DIRECT, 0);
    assert_int_equal(m.chunk_count, 1);
    assert_int_equal(m.chunk_unmaps, 1);
    assert_true(poolbuf_release(b[0]));
    /* The others have seen nothing. */
    m = metrics_of(a, DIRECT, 1);
    assert_int_equal(m.small_allocations + m.normal_allocations + m.huge_allocations + m.chunk_maps, 0);
    m = metrics_of(a, HEAP, 0);
    assert_int_equal(m.small_allocations + m.normal_allocations + m.huge_allocations + m.chunk_maps, 0);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void what_a_cache_holds_is_active_and_its_hits_are_no_allocations(void **state) {
    (void)state;
    poolbuf_allocator *a = make((size_t)16 << 20);
    for (unsigned i = 0; i < 10; i++) {
        poolbuf *b = poolbuf_allocate_heap(a, 1000, 1000);
        assert_true(poolbuf_release(b));
    }
    poolbuf_arena_metrics m = metrics_of(a, HEAP, 0);
    poolbuf_metrics all = unit_metrics(a);
    assert_int_equal(all.live_buffers, 0);
    assert_int_equal(m.small_active, all.cached_buffers);
    assert_int_equal(m.active_bytes, all.cached_bytes);
    assert_int_equal(m.small_allocations, all.arena_allocations);
    assert_int_equal(all.allocations, 10);
    assert_true(m.small_allocations < 10);
    assert_int_equal(m.thread_caches, 1);
    assert_int_equal(metrics_of(a, DIRECT, 0).thread_caches, 1);
    assert_int_equal(metrics_of(a, DIRECT, 1).thread_caches, 0);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void arenas_add_up_to_the_snapshot(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    poolbuf *b[40];
    for (unsigned i = 0; i < 40; i++) {
        size_t size = (size_t)16 << (i % 20);
        b[i] = i % 3 == 0 ? poolbuf_allocate_heap(a, size, size) : poolbuf_allocate_direct(a, size, size);
        assert_non_null(b[i]);
    }
    for (unsigned i = 0; i < 40; i += 2) {
        assert_true(poolbuf_release(b[i]));
    }
    poolbuf_metrics all = unit_metrics(a);
    poolbuf_arena_metrics sum = {0};
    uint64_t active = 0;
    for (unsigned i = 0; i < 3; i++) {
        poolbuf_arena_metrics m = metrics_of(a, i < 2 ? DIRECT : HEAP, i % 2);
        sum.chunk_count += m.chunk_count;
        sum.chunk_bytes += m.chunk_bytes;
        sum.spare_chunks += m.spare_chunks;
        sum.chunk_maps += m.chunk_maps;
        sum.small_allocations += m.small_allocations;
        sum.normal_allocations += m.normal_allocations;
        sum.huge_allocations += m.huge_allocations;
        sum.small_releases += m.small_releases;
        sum.normal_releases += m.normal_releases;
        sum.huge_releases += m.huge_releases;
        sum.used_bytes += m.used_bytes;
        sum.active_bytes += m.active_bytes;
        active += m.small_active + m.normal_active + m.huge_active;
    }
    assert_int_equal(sum.chunk_count, all.chunk_count);
    assert_int_equal(sum.chunk_bytes, all.chunk_bytes);
    assert_int_equal(sum.spare_chunks, all.spare_chunks);
    assert_int_equal(sum.chunk_maps, all.chunk_maps);
    assert_int_equal(sum.small_allocations, all.arena_small_allocations);
    assert_int_equal(sum.normal_allocations, all.arena_normal_allocations);
    assert_int_equal(sum.huge_allocations, all.arena_huge_allocations);
    assert_int_equal(sum.small_releases, all.arena_small_releases);
    assert_int_equal(sum.normal_releases, all.arena_normal_releases);
    assert_int_equal(sum.huge_releases, all.arena_huge_releases);
    assert_int_equal(sum.used_bytes, all.used_direct_bytes + all.used_heap_bytes);
    assert_int_equal(sum.active_bytes, all.pinned_bytes);
    assert_int_equal(active, all.live_buffers + all.cached_buffers);
    for (unsigned i = 1; i < 40; i += 2) {
        assert_true(poolbuf_release(b[i]));
    }
    UNIT_OK(poolbuf_allocator_destroy(a));
}

/* ---- Structures --------------------------------------------------------------------------------------------------- */

static void chunk_lists_have_nettys_bounds(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    poolbuf_chunk_list_metrics lists[POOLBUF_CHUNK_LISTS];
    assert_int_equal(poolbuf_allocator_chunk_lists(a, DIRECT, 0, sizeof lists[0], lists, POOLBUF_CHUNK_LISTS), 6);
    const char *const names[] = {"qInit", "q000", "q025", "q050", "q075", "q100"};
    const unsigned bounds[][2] = {{1, 25}, {1, 50}, {25, 75}, {50, 100}, {75, 100}, {100, 100}};
    for (unsigned i = 0; i < 6; i++) {
        assert_string_equal(lists[i].name, names[i]);
        assert_int_equal(lists[i].min_usage, bounds[i][0]);
        assert_int_equal(lists[i].max_usage, bounds[i][1]);
        assert_int_equal(lists[i].chunks, 0);
    }
    UNIT_OK(poolbuf_allocator_destroy(a));
}

/* A full chunk, one of 40 per cent, an empty one. */
static void chunks_are_listed_with_their_usage(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    poolbuf *full = poolbuf_allocate_direct(a, CHUNK, CHUNK);
    poolbuf *part = poolbuf_allocate_direct(a, 1310720, 1310720); /* 160 of 512 pages */
    poolbuf *small = poolbuf_allocate_direct(a, 16384, 16384);    /* a subpage of two */
    poolbuf *gone = poolbuf_allocate_direct(a, CHUNK, CHUNK);
    assert_true(poolbuf_release(gone));
    poolbuf_chunk_metrics chunks[5];
    memset(chunks, 0xa5, sizeof chunks);
    assert_int_equal(poolbuf_allocator_chunks(a, DIRECT, 0, sizeof chunks[0], chunks, 4), 3);
    assert_int_equal(chunks[0].list, 1); /* from 25 per cent on in q000 */
    assert_int_equal(chunks[0].usage, 100 - 350 * 100 / 512);
    assert_int_equal(chunks[0].free_bytes, 350 * 8192);
    assert_int_equal(chunks[0].subpages, 1);
    assert_int_equal(chunks[1].list, 5);
    assert_int_equal(chunks[1].usage, 100);
    assert_int_equal(chunks[1].free_bytes, 0);
    assert_int_equal(chunks[1].subpages, 0);
    assert_int_equal(chunks[2].list, POOLBUF_CHUNK_LISTS);
    assert_int_equal(chunks[2].usage, 0);
    assert_int_equal(chunks[2].free_bytes, CHUNK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(chunks[i].chunk_bytes, CHUNK);
        assert_non_null(chunks[i].base);
    }
    assert_int_equal(((unsigned char *)&chunks[3])[0], 0xa5);
    poolbuf_chunk_list_metrics lists[POOLBUF_CHUNK_LISTS];
    assert_int_equal(poolbuf_allocator_chunk_lists(a, DIRECT, 0, sizeof lists[0], lists, 6), 6);
    assert_int_equal(lists[1].chunks, 1);
    assert_int_equal(lists[5].chunks, 1);
    assert_int_equal(lists[0].chunks + lists[2].chunks + lists[3].chunks + lists[4].chunks, 0);
    assert_true(poolbuf_release(full));
    assert_true(poolbuf_release(part));
    assert_true(poolbuf_release(small));
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void subpages_with_a_free_slot_are_listed_by_class(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    poolbuf *b[5];
    b[0] = poolbuf_allocate_direct(a, 28000, 28000); /* two slots */
    b[1] = poolbuf_allocate_direct(a, 28000, 28000); /* now full */
    b[2] = poolbuf_allocate_direct(a, 100, 100);
    b[3] = poolbuf_allocate_direct(a, 16, 16);
    b[4] = poolbuf_allocate_direct(a, 10, 10);
    poolbuf_subpage_metrics subpages[4];
    assert_int_equal(poolbuf_allocator_subpages(a, DIRECT, 0, sizeof subpages[0], subpages, 4), 2);
    assert_int_equal(subpages[0].size_class, 0);
    assert_int_equal(subpages[0].slot_bytes, 16);
    assert_int_equal(subpages[0].slots, 512);
    assert_int_equal(subpages[0].free_slots, 510);
    assert_int_equal(subpages[0].page_size, 8192);
    assert_int_equal(subpages[1].size_class, 6);
    assert_int_equal(subpages[1].slot_bytes, 112);
    assert_int_equal(subpages[1].slots, 512);
    assert_int_equal(subpages[1].free_slots, 511);
    assert_true(poolbuf_release(b[0]));
    assert_int_equal(poolbuf_allocator_subpages(a, DIRECT, 0, sizeof subpages[0], subpages, 4), 3);
    assert_int_equal(subpages[2].slot_bytes, 28672);
    assert_int_equal(subpages[2].slots, 2);
    assert_int_equal(subpages[2].free_slots, 1);
    for (unsigned i = 1; i < 5; i++) {
        assert_true(poolbuf_release(b[i]));
    }
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void a_short_array_gets_what_fits_and_the_whole_count(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    poolbuf_chunk_list_metrics lists[2];
    assert_int_equal(poolbuf_allocator_chunk_lists(a, HEAP, 0, sizeof lists[0], lists, 1), 6);
    assert_string_equal(lists[0].name, "qInit");
    assert_int_equal(poolbuf_allocator_chunk_lists(a, HEAP, 0, sizeof lists[0], NULL, 0), 6);
    assert_int_equal(poolbuf_allocator_chunks(a, HEAP, 0, sizeof(poolbuf_chunk_metrics), NULL, 0), 0);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void elements_of_a_newer_caller_are_filled_up_with_zero(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    struct {
        poolbuf_chunk_list_metrics known;
        uint64_t unknown;
    } lists[POOLBUF_CHUNK_LISTS];
    memset(lists, 0xa5, sizeof lists);
    assert_int_equal(poolbuf_allocator_chunk_lists(a, DIRECT, 1, sizeof lists[0], &lists[0].known, 6), 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(lists[i].unknown, 0);
    }
    assert_string_equal(lists[5].known.name, "q100");
    UNIT_OK(poolbuf_allocator_destroy(a));
}

static void what_does_not_exist_is_refused(void **state) {
    (void)state;
    poolbuf_allocator *a = make(0);
    poolbuf_arena_metrics m = {.struct_size = sizeof m};
    assert_int_equal(poolbuf_allocator_arena_metrics(a, DIRECT, 2, &m), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_allocator_arena_metrics(a, HEAP, 1, &m), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_allocator_arena_metrics(a, (poolbuf_kind)2, 0, &m), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_allocator_arena_metrics(a, HEAP, 0, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
    m.struct_size = ARENA_METRICS_SIZE_V1 - 1;
    assert_int_equal(poolbuf_allocator_arena_metrics(a, HEAP, 0, &m), POOLBUF_ERROR_BAD_ARGUMENT);
    poolbuf_chunk_list_metrics list;
    assert_int_equal(poolbuf_allocator_chunk_lists(a, HEAP, 1, sizeof list, &list, 1), 0);
    assert_int_equal(poolbuf_allocator_chunk_lists(a, HEAP, 0, sizeof list - 1, &list, 1), 0);
    assert_int_equal(poolbuf_allocator_chunk_lists(a, HEAP, 0, sizeof list, NULL, 1), 0);
    UNIT_OK(poolbuf_allocator_destroy(a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_counts_small_normal_and_huge),
        cmocka_unit_test(what_a_cache_holds_is_active_and_its_hits_are_no_allocations),
        cmocka_unit_test(arenas_add_up_to_the_snapshot),
        cmocka_unit_test(chunk_lists_have_nettys_bounds),
        cmocka_unit_test(chunks_are_listed_with_their_usage),
        cmocka_unit_test(subpages_with_a_free_slot_are_listed_by_class),
        cmocka_unit_test(a_short_array_gets_what_fits_and_the_whole_count),
        cmocka_unit_test(elements_of_a_newer_caller_are_filled_up_with_zero),
        cmocka_unit_test(what_does_not_exist_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
