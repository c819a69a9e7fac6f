/* Tests of give_back.c: what the system refuses to take is not lost, whoever gave it. */
#include "unit.h"

#include "allocator.h"
#include "give_back.h"
#include "os/os.h"

#define CHUNK ((size_t)262144)

static int set_up(void **state) {
    (void)state;
    os = &os_fault;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    uint64_t regions = 0;
    uint64_t bytes = 0;
    os_fault_disarm();
    give_back_retry();
    give_back_waiting(&regions, &bytes);
    assert_int_equal(regions, 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
    return 0;
}

static void refuse(unsigned long passing, bool once) {
    os_fault_arm_kinds(OS_FAULT_GIVE_BACK, passing, once);
}

static uint64_t waiting(void) {
    uint64_t regions = 0;
    uint64_t bytes = 0;
    give_back_waiting(&regions, &bytes);
    assert_true((regions == 0) == (bytes == 0));
    return regions;
}

static void *acquire(size_t size) {
    void *region = NULL;
    assert_int_equal(os->acquire(OS_MAPPED, size, 4096, &region), 0);
    memset(region, 1, size);
    return region;
}

static void what_was_refused_goes_with_the_next_that_does_not(void **state) {
    (void)state;
    refuse(0, false);
    for (unsigned i = 0; i < 3; i++) {
        give_back_plain(OS_MAPPED, acquire(8192), 8192);
    }
    assert_int_equal(waiting(), 3);
    assert_int_equal(os_fault_regions(), 3);
    os_fault_disarm();
    give_back_plain(OS_MAPPED, acquire(4096), 4096);
    assert_int_equal(waiting(), 0);
    assert_int_equal(os_fault_regions(), 0);
}

static void a_system_that_keeps_refusing_is_asked_a_few_times_only(void **state) {
    (void)state;
    refuse(0, false);
    for (unsigned i = 0; i < 50; i++) {
        give_back_plain(OS_MAPPED, acquire(4096), 4096);
    }
    assert_int_equal(os_fault_calls(), 50); /* nothing went, so nothing more was offered */
    os_fault_disarm();
    refuse(1, false); /* one goes, and then none */
    give_back_plain(OS_MAPPED, acquire(4096), 4096);
    assert_true(os_fault_calls() <= 10);
    assert_int_equal(waiting(), 50);
}

static void only_its_maker_finds_a_region_of_that_size(void **state) {
    (void)state;
    const int maker = 0;
    uint64_t counter = 8192;
    const give_back_terms terms = {
        .source = OS_MAPPED, .size = 8192, .maker = &maker, .counter = &counter, .count = 8192};
    refuse(0, false);
    void *region = acquire(8192);
    assert_false(give_back(region, &terms));
    give_back_plain(OS_MAPPED, acquire(8192), 8192);
    assert_int_equal(counter, 8192); /* it has not gone */
    assert_null(give_back_reuse(&counter, 8192));
    assert_null(give_back_reuse(&maker, 4096));
    assert_ptr_equal(give_back_reuse(&maker, 8192), region);
    assert_null(give_back_reuse(&maker, 8192));
    assert_false(give_back(region, &terms));
    os_fault_disarm();
    give_back_retry();
    assert_int_equal(counter, 0);
}

static void a_counter_that_ends_is_not_touched_any_more(void **state) {
    (void)state;
    uint64_t counter = 5;
    const give_back_terms terms = {
        .source = OS_MAPPED, .size = 4096, .maker = &counter, .counter = &counter, .count = 1};
    refuse(0, false);
    assert_false(give_back(acquire(4096), &terms));
    give_back_disown(&counter);
    assert_null(give_back_reuse(&counter, 4096));
    os_fault_disarm();
    give_back_retry();
    assert_int_equal(counter, 5);
}

static void pages_of_a_refused_region_are_dropped(void **state) {
    (void)state;
    refuse(0, false);
    uint8_t *region = acquire(16384);
    give_back_plain(OS_MAPPED, region, 16384);
    assert_int_equal(region[8192], 0); /* it was 1; its page is a new one */
}

static poolbuf_allocator *create(uint64_t limit) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = CHUNK;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = true;
    options.prefer_direct = true;
    options.decay_ms = 0;
    options.cache_limit_bytes = 0;
    options.memory_limit_bytes = limit;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

static void a_refused_chunk_counts_and_serves_again(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(CHUNK);
    poolbuf *b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    refuse(0, false);
    (void)poolbuf_release(b);
    poolbuf_metrics m = unit_metrics(allocator);
    assert_int_equal(m.chunk_count, 0);
    assert_int_equal(m.payload_bytes, CHUNK);
    assert_int_equal(m.refused_regions, 1);
    assert_true(m.refused_bytes >= CHUNK);
    assert_null(poolbuf_allocate_heap(allocator, 100, 100)); /* another kind of memory; at the limit */
    b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    assert_non_null(b);
    assert_int_equal(unit_metrics(allocator).refused_regions, 0);
    assert_true(allocator_audit(allocator));
    (void)poolbuf_release(b);
    os_fault_disarm();
    poolbuf *heap = poolbuf_allocate_heap(allocator, 100, 100); /* at the limit what waits is offered again */
    assert_non_null(heap);
    assert_int_equal(unit_metrics(allocator).refused_regions, 0);
    (void)poolbuf_release(heap);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void purge_offers_what_was_refused(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(0);
    poolbuf *huge = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
    refuse(0, true);
    (void)poolbuf_release(huge);
    assert_int_equal(unit_metrics(allocator).refused_regions, 1);
    (void)poolbuf_allocator_purge(allocator);
    assert_int_equal(unit_metrics(allocator).refused_regions, 0);
    assert_int_equal(unit_metrics(allocator).payload_bytes, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void nothing_of_a_destroyed_allocator_is_lost(void **state) {
    (void)state;
    for (unsigned long i = 0;; i++) {
        poolbuf_allocator *allocator = create(0);
        poolbuf *b = poolbuf_allocate(allocator, 100, 100);
        poolbuf *huge = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
        refuse(i, i % 2 == 0); /* at times only the one, at times all from there on */
        (void)poolbuf_release(b);
        (void)poolbuf_release(huge);
        UNIT_OK(poolbuf_allocator_destroy(allocator));
        bool done = os_fault_calls() <= i;
        os_fault_disarm();
        give_back_retry();
        assert_int_equal(os_fault_regions(), 0);
        if (done) {
            assert_true(i > 8);
            break;
        }
    }
}

#define GIVE_BACK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        GIVE_BACK_TEST(what_was_refused_goes_with_the_next_that_does_not),
        GIVE_BACK_TEST(a_system_that_keeps_refusing_is_asked_a_few_times_only),
        GIVE_BACK_TEST(only_its_maker_finds_a_region_of_that_size),
        GIVE_BACK_TEST(a_counter_that_ends_is_not_touched_any_more),
        GIVE_BACK_TEST(pages_of_a_refused_region_are_dropped),
        GIVE_BACK_TEST(a_refused_chunk_counts_and_serves_again),
        GIVE_BACK_TEST(purge_offers_what_was_refused),
        GIVE_BACK_TEST(nothing_of_a_destroyed_allocator_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
