/* Tests of the option huge_pages. */
#include "smaps.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>

#include "allocator.h"
#include "give_back.h"
#include "os/os.h"
#include "poison.h"

#define CHUNK ((size_t)4 << 20)

static int set_up(void **state) {
    (void)state;
    os = &os_fault;
    poison_init();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    os_fault_disarm();
    os_fault_reserve_huge(0);
    give_back_retry();
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
    return 0;
}

static poolbuf_allocator_options options_of(poolbuf_huge_pages huge_pages) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = CHUNK;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = true;
    options.prefer_direct = true;
    options.decay_ms = 0;
    options.cache_limit_bytes = 0;
    options.huge_pages = huge_pages;
    return options;
}

static poolbuf_allocator *create(poolbuf_huge_pages huge_pages) {
    const poolbuf_allocator_options options = options_of(huge_pages);
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

/* Says so and skips where a test would prove nothing. */
static size_t huge_page_or_skip(bool reserved) {
    size_t huge = os_huge_page_size(reserved);
    if (poison_memcheck) {
        print_message("SKIPPED: under Memcheck chunks come from malloc\n");
        skip();
    }
    if (huge == 0) {
        print_message("SKIPPED: this kernel has no huge pages\n");
        skip();
    }
    return huge;
}

static bool is_advised(const void *address) {
    char line[512];
    return smaps_line(address, "VmFlags:", line, sizeof line) && strstr(line, " hg") != NULL;
}

static void chunks_and_huge_buffers_are_aligned_and_advised(void **state) {
    (void)state;
    size_t huge = huge_page_or_skip(false);
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_MADVISE);
    poolbuf *chunk_sized = poolbuf_allocate(allocator, CHUNK, CHUNK);
    poolbuf *larger = poolbuf_allocate(allocator, CHUNK + 5, CHUNK * 2);
    assert_int_equal((uintptr_t)poolbuf_memory(chunk_sized) & (huge - 1), 0);
    assert_int_equal((uintptr_t)poolbuf_memory(larger) & (huge - 1), 0);
    assert_true(is_advised(poolbuf_memory(chunk_sized)) && is_advised(poolbuf_memory(larger)));
    poolbuf *heap = poolbuf_allocate_heap(allocator, 100, 100); /* left alone */
    assert_false(is_advised(poolbuf_memory(heap)));
    assert_int_equal(unit_metrics(allocator).huge_page_fallbacks, 0);
    assert_int_equal(unit_metrics(allocator).payload_bytes, CHUNK * 3 + os_page_size());
    (void)poolbuf_release(heap);
    (void)poolbuf_release(larger);
    (void)poolbuf_release(chunk_sized);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_small_allocator_keeps_ordinary_pages_and_one_that_grows_asks_for_huge_ones(void **state) {
    (void)state;
    size_t huge = huge_page_or_skip(false);
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    assert_int_equal(options.huge_pages, POOLBUF_HUGE_PAGES_AUTO); /* the default */
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_AUTO);
    poolbuf *b[12];
    for (unsigned i = 0; i < 12; i++) {
        b[i] = poolbuf_allocate(allocator, CHUNK, CHUNK);
        bool grown = i >= 8; /* from the one on that passes 32 MiB */
        assert_int_equal(is_advised(poolbuf_memory(b[i])), grown);
        assert_true(!grown || ((uintptr_t)poolbuf_memory(b[i]) & (huge - 1)) == 0);
    }
    assert_int_equal(unit_metrics(allocator).huge_page_fallbacks, 0);
    for (unsigned i = 0; i < 12; i++) {
        (void)poolbuf_release(b[i]);
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* Chunks below a huge page are not refused, and nothing is asked for them. */
static void small_chunks_are_left_alone_by_default(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(POOLBUF_HUGE_PAGES_AUTO);
    options.chunk_size = (size_t)256 << 10;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    enum {
        COUNT = 160
    };
    poolbuf *b[COUNT];
    os_fault_arm_kinds(OS_FAULT_ADVISE, 0, false); /* would count as a fallback, or fail the aligned acquire */
    for (unsigned i = 0; i < COUNT; i++) {
        b[i] = poolbuf_allocate(allocator, options.chunk_size, options.chunk_size);
        assert_non_null(b[i]);
    }
    assert_int_equal(os_fault_calls(), 0);
    os_fault_disarm();
    for (unsigned i = 0; i < COUNT; i++) {
        (void)poolbuf_release(b[i]);
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_touched_chunk_has_huge_pages(void **state) {
    (void)state;
    (void)huge_page_or_skip(false);
    char word[64] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (file != NULL) {
        (void)fgets(word, sizeof word, file);
        (void)fclose(file);
    }
    if (strstr(word, "[never]") != NULL) {
        print_message("SKIPPED: transparent huge pages are turned off\n");
        skip();
    }
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_MADVISE);
    poolbuf *b[4];
    size_t huge_kib = 0;
    for (unsigned i = 0; i < 4; i++) {
        b[i] = poolbuf_allocate(allocator, CHUNK, CHUNK);
        memset(poolbuf_memory(b[i]), 1, CHUNK);
        size_t kib = smaps_number(poolbuf_memory(b[i]), "AnonHugePages:"); /* neighbours may be one mapping */
        huge_kib = kib > huge_kib ? kib : huge_kib;
    }
    for (unsigned i = 0; i < 4; i++) {
        (void)poolbuf_release(b[i]);
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    print_message("%zu KiB of huge pages\n", huge_kib);
    if (huge_kib == 0) {
        print_message("SKIPPED: the kernel found no 2 MiB of memory in one piece\n");
        skip();
    }
}

static void ordinary_chunks_are_not_advised(void **state) {
    (void)state;
    (void)huge_page_or_skip(false);
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_OFF);
    poolbuf *b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    assert_false(is_advised(poolbuf_memory(b)));
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void advice_that_is_refused_is_counted_and_the_chunk_serves(void **state) {
    (void)state;
    (void)huge_page_or_skip(false);
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_MADVISE);
    os_fault_arm_kinds(OS_FAULT_ADVISE, 0, false);
    poolbuf *b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    assert_non_null(b);
    assert_int_equal(unit_metrics(allocator).huge_page_fallbacks, 1);
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void without_reserved_pages_ordinary_ones_serve_and_are_counted(void **state) {
    (void)state;
    size_t huge = huge_page_or_skip(true);
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_EXPLICIT);
    os_fault_arm_kinds(OS_FAULT_ACQUIRE, ULONG_MAX, false);
    poolbuf *first = poolbuf_allocate(allocator, 100, 100); /* what tables need is out of the way */
    uint64_t before = unit_metrics(allocator).huge_page_fallbacks;
    assert_true(before <= 1); /* 0 on a machine that has some in reserve */
    os_fault_reserve_huge(1);
    poolbuf *reserved = poolbuf_allocate(allocator, CHUNK, CHUNK);
    assert_int_equal(unit_metrics(allocator).huge_page_fallbacks, before);
    assert_int_equal((uintptr_t)poolbuf_memory(reserved) & (huge - 1), 0);
    os_fault_reserve_huge(1);
    poolbuf *larger = poolbuf_allocate(allocator, CHUNK + 5, CHUNK * 2);
    assert_int_equal(unit_metrics(allocator).huge_page_fallbacks, before);
    assert_int_equal(unit_metrics(allocator).payload_bytes, CHUNK * 3 + huge); /* whole huge pages */
    memset(poolbuf_memory(larger), 1, poolbuf_capacity(larger));
    (void)poolbuf_release(larger);
    (void)poolbuf_release(reserved);
    (void)poolbuf_release(first);
    (void)poolbuf_allocator_purge(allocator);
    assert_int_equal(unit_metrics(allocator).payload_bytes, unit_metrics(allocator).chunk_bytes);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static unsigned dropped;

static int watch_purge(void *start, size_t size) {
    dropped++;
    return os_fault.purge(start, size);
}

/* They would be gone from the reserve for good, and the kernel drops whole ones only. */
static void pages_in_reserve_go_back_with_their_chunk_alone(void **state) {
    (void)state;
    (void)huge_page_or_skip(true);
    os_backend watching = os_fault;
    watching.purge = watch_purge;
    os = &watching;
    dropped = 0;
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_EXPLICIT);
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    (void)poolbuf_allocator_purge(allocator);
    assert_int_equal(dropped, 0);
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    os = &os_fault;
}

static void chunks_below_a_huge_page_are_refused_where_there_are_direct_ones(void **state) {
    (void)state;
    for (unsigned i = POOLBUF_HUGE_PAGES_MADVISE; i <= POOLBUF_HUGE_PAGES_EXPLICIT; i++) {
        size_t huge = huge_page_or_skip(i == POOLBUF_HUGE_PAGES_EXPLICIT);
        poolbuf_allocator_options options = options_of((poolbuf_huge_pages)i);
        poolbuf_allocator *allocator = NULL;
        options.chunk_size = huge / 2;
        assert_int_equal(poolbuf_allocator_create(&options, &allocator), POOLBUF_ERROR_BAD_OPTION);
        options.direct_arenas = 0; /* it does not matter then */
        UNIT_OK(poolbuf_allocator_create(&options, &allocator));
        UNIT_OK(poolbuf_allocator_destroy(allocator));
    }
    poolbuf_allocator_options options = options_of((poolbuf_huge_pages)7);
    poolbuf_allocator *allocator = NULL;
    assert_int_equal(poolbuf_allocator_create(&options, &allocator), POOLBUF_ERROR_BAD_OPTION);
}

static size_t address_space(void) {
    char line[128];
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    return strtoull(line, NULL, 10) * os_page_size();
}

/* To be aligned a region may take no more address space than it has: that was 2 MiB too many. So large that it fits only where the
 * kernel comes down from, where there is room below. */
static void what_just_fits_into_the_address_space_is_mapped_and_aligned(void **state) {
    (void)state;
    size_t huge = huge_page_or_skip(false);
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_MADVISE);
    const size_t large = (size_t)256 << 20;
    (void)poolbuf_release(poolbuf_allocate(allocator, CHUNK + 1, CHUNK * 2));       /* the records are there */
    poolbuf *wall = poolbuf_allocate(allocator, CHUNK + os_page_size(), CHUNK * 2); /* the next begins in between */
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    const struct rlimit tight = {.rlim_cur = address_space() + large + huge / 4, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    poolbuf *b = poolbuf_allocate(allocator, large, large);
    poolbuf *none = poolbuf_allocate(allocator, large, large);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_null(none);
    assert_non_null(b);
    assert_int_equal((uintptr_t)poolbuf_memory(b) & (huge - 1), 0);
    (void)poolbuf_release(b);
    (void)poolbuf_release(wall);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* Where it cannot be aligned it serves nevertheless. */
static int refuse_to_align(os_source source, size_t size, size_t alignment, void **region) {
    return alignment > 65536 ? ENOMEM : os_fault.acquire(source, size, alignment, region);
}

static void what_cannot_be_aligned_to_huge_pages_serves(void **state) {
    (void)state;
    (void)huge_page_or_skip(false);
    os_backend narrow = os_fault;
    narrow.acquire = refuse_to_align;
    os = &narrow;
    poolbuf_allocator *allocator = create(POOLBUF_HUGE_PAGES_MADVISE);
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    assert_non_null(b);
    assert_true(is_advised(poolbuf_memory(b)));
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    os = &os_fault;
}

#define HUGE_PAGES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        HUGE_PAGES_TEST(chunks_and_huge_buffers_are_aligned_and_advised),
        HUGE_PAGES_TEST(a_small_allocator_keeps_ordinary_pages_and_one_that_grows_asks_for_huge_ones),
        HUGE_PAGES_TEST(small_chunks_are_left_alone_by_default),
        HUGE_PAGES_TEST(a_touched_chunk_has_huge_pages),
        HUGE_PAGES_TEST(ordinary_chunks_are_not_advised),
        HUGE_PAGES_TEST(advice_that_is_refused_is_counted_and_the_chunk_serves),
        HUGE_PAGES_TEST(without_reserved_pages_ordinary_ones_serve_and_are_counted),
        HUGE_PAGES_TEST(pages_in_reserve_go_back_with_their_chunk_alone),
        HUGE_PAGES_TEST(chunks_below_a_huge_page_are_refused_where_there_are_direct_ones),
        HUGE_PAGES_TEST(what_just_fits_into_the_address_space_is_mapped_and_aligned),
        HUGE_PAGES_TEST(what_cannot_be_aligned_to_huge_pages_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
