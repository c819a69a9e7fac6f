/* Tests of huge buffers that change their size: the system changes their mapping, and where it cannot, they are copied. */
#include "smaps.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/chunk.h>
#include <poolbuf/tracker.h>

#include "allocator.h"
#include "os/os.h"
#include "poison.h"

#define CHUNK ((size_t)262144)
#define MIB   ((size_t)1 << 20)

static poolbuf_allocator_options options;
static poolbuf_allocator *allocator;

/* What chunk callbacks have heard, in order: '+' and '-' for a huge buffer's region. */
static char heard[16];
static bool refused;
static size_t wanted_at_limit;

static bool on_mapped(void *context, const poolbuf_chunk *told) {
    (void)context;
    if (told->bytes > CHUNK) {
        strncat(heard, "+", sizeof heard - strlen(heard) - 1);
    }
    return !refused;
}

static void on_unmapped(void *context, const poolbuf_chunk *told) {
    (void)context;
    if (told->bytes > CHUNK) {
        strncat(heard, "-", sizeof heard - strlen(heard) - 1);
    }
}

static bool on_limit(void *context, poolbuf_allocator *of, size_t wanted_bytes, size_t used_bytes) {
    (void)context;
    (void)of;
    (void)used_bytes;
    wanted_at_limit = wanted_bytes;
    return false;
}

static void create(void) {
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
}

/* The sanitizer is told nothing, as what it watches is copied; nor is what a direct buffer has under Memcheck a mapping. */
static int set_up(void **state) {
    (void)state;
    os = &os_fault;
    poison_init();
    poison_asan_ignored = true;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = CHUNK;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = true;
    options.prefer_direct = true;
    options.decay_ms = 0;
    options.cache_limit_bytes = 0;
    heard[0] = '\0';
    refused = false;
    allocator = NULL; /* a test that is skipped makes none */
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    os_fault_disarm();
    if (allocator != NULL) {
        assert_true(allocator_audit(allocator));
        UNIT_OK(poolbuf_allocator_destroy(allocator));
    }
    assert_int_equal(os_fault_regions(), 0);
    poison_asan_ignored = false;
    os = &os_linux;
    return 0;
}

static void skip_where_all_is_copied(void) {
    if (poison_memcheck) {
        print_message("SKIPPED: under Memcheck huge buffers come from malloc\n");
        skip();
    }
}

/* Each page tells its place. */
static poolbuf *filled(size_t capacity) {
    poolbuf *b = poolbuf_allocate(allocator, capacity, POOLBUF_CAPACITY_LIMIT);
    assert_non_null(b);
    for (size_t at = 0; at + 4 <= capacity; at += 4096) {
        UNIT_OK(poolbuf_set_u32_be(b, at, (uint32_t)at ^ 0x5a5a5a5a));
    }
    return b;
}

static bool holds(const poolbuf *b, size_t capacity) {
    for (size_t at = 0; at + 4 <= capacity; at += 4096) {
        uint32_t value = 0;
        if (poolbuf_get_u32_be(b, at, &value) != POOLBUF_OK || value != ((uint32_t)at ^ 0x5a5a5a5a)) {
            return false;
        }
    }
    return true;
}

static size_t huge_bytes(void) {
    poolbuf_metrics m = unit_metrics(allocator);
    assert_int_equal(m.huge_buffers, 1);
    assert_int_equal(m.payload_bytes, m.huge_bytes);
    assert_int_equal(m.committed_bytes, m.huge_bytes);
    return m.huge_bytes;
}

static void growing_takes_no_second_region(void **state) {
    (void)state;
    skip_where_all_is_copied();
    create();
    poolbuf *b = filled(MIB);
    os_fault_limit(os_fault_regions()); /* a copy would need one */
    for (size_t capacity = 5 * MIB; capacity <= 61 * MIB; capacity += 4 * MIB) {
        UNIT_OK(poolbuf_set_capacity(b, capacity));
        UNIT_OK(poolbuf_set_u8(b, capacity - 1, 1));
        assert_int_equal(huge_bytes(), capacity);
    }
    assert_true(holds(b, MIB));
    poolbuf_metrics m = unit_metrics(allocator); /* as in Netty, each is another allocation */
    assert_int_equal(m.arena_huge_allocations, 16);
    assert_int_equal(m.arena_huge_releases, 15);
    assert_true(poolbuf_release(b));
}

static void shrinking_cuts_the_region_where_it_is(void **state) {
    (void)state;
    skip_where_all_is_copied();
    create();
    poolbuf *b = filled(8 * MIB);
    const uint8_t *memory = poolbuf_memory(b);
    os_fault_limit(os_fault_regions());
    UNIT_OK(poolbuf_set_capacity(b, 4 * MIB + 1)); /* Netty's rule: not before half */
    assert_int_equal(huge_bytes(), 8 * MIB);
    UNIT_OK(poolbuf_set_capacity(b, 3 * MIB));
    assert_ptr_equal(poolbuf_memory(b), memory);
    assert_int_equal(huge_bytes(), 3 * MIB);
    assert_int_equal(os_resident_bytes(poolbuf_memory(b) + 3 * MIB, 5 * MIB), 0);
    assert_true(holds(b, 3 * MIB));
    os_fault_disarm();
    UNIT_OK(poolbuf_set_capacity(b, CHUNK)); /* back into a chunk */
    assert_int_equal(unit_metrics(allocator).huge_buffers, 0);
    assert_true(holds(b, CHUNK));
    assert_true(poolbuf_release(b));
}

static void without_memory_nothing_changes(void **state) {
    (void)state;
    create();
    poolbuf *b = filled(2 * MIB);
    const uint8_t *memory = poolbuf_memory(b);
    UNIT_OK(poolbuf_set_indices(b, 5, MIB));
    os_fault_arm(0, false);
    assert_int_equal(poolbuf_set_capacity(b, 3 * MIB), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(poolbuf_ensure_writable(b, 2 * MIB), POOLBUF_ERROR_NO_MEMORY);
    os_fault_disarm();
    assert_ptr_equal(poolbuf_memory(b), memory);
    assert_int_equal(poolbuf_capacity(b), 2 * MIB);
    assert_int_equal(poolbuf_reader_index(b), 5);
    assert_int_equal(poolbuf_writer_index(b), MIB);
    assert_int_equal(huge_bytes(), 2 * MIB);
    assert_true(holds(b, 2 * MIB));
    assert_true(poolbuf_release(b));
}

static void what_cannot_be_resized_is_copied(void **state) {
    (void)state;
    create();
    poolbuf *b = filled(MIB);
    os_fault_arm_kinds(OS_FAULT_RESIZE, 0, false);
    UNIT_OK(poolbuf_set_capacity(b, 9 * MIB));
    UNIT_OK(poolbuf_set_capacity(b, 2 * MIB));
    os_fault_disarm();
    /* And what the kernel itself refuses, as it is two mappings by now. */
    (void)madvise(poolbuf_memory(b), 65536, MADV_DONTDUMP);
    UNIT_OK(poolbuf_set_capacity(b, 6 * MIB));
    UNIT_OK(poolbuf_set_u8(b, 6 * MIB - 1, 1));
    assert_int_equal(huge_bytes(), 6 * MIB);
    assert_true(holds(b, MIB));
    assert_true(poolbuf_release(b));
}

static void the_limit_counts_what_is_added(void **state) {
    (void)state;
    skip_where_all_is_copied();
    options.memory_limit_bytes = 10 * MIB;
    options.memory_limit_reached = on_limit;
    create();
    poolbuf *b = filled(6 * MIB);
    UNIT_OK(poolbuf_set_capacity(b, 9 * MIB)); /* both would be 15 */
    assert_int_equal(poolbuf_set_capacity(b, 12 * MIB), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(wanted_at_limit, 3 * MIB);
    assert_int_equal(poolbuf_capacity(b), 9 * MIB);
    assert_int_equal(huge_bytes(), 9 * MIB);
    UNIT_OK(poolbuf_set_capacity(b, 10 * MIB));
    UNIT_OK(poolbuf_set_capacity(b, MIB));
    poolbuf *other = poolbuf_allocate(allocator, 9 * MIB, 9 * MIB); /* what was cut off is there */
    assert_non_null(other);
    assert_true(poolbuf_release(other));
    assert_true(holds(b, MIB));
    assert_true(poolbuf_release(b));
}

static unsigned acquired;

static int count_acquired(os_source source, size_t size, size_t alignment, void **region) {
    acquired++;
    return os_fault.acquire(source, size, alignment, region);
}

/* realloc() may have room where they are. */
static void unpooled_buffers_are_resized_by_malloc_and_stay_aligned(void **state) {
    (void)state;
    static os_backend watching; /* outlives a failed assertion */
    watching = os_fault;
    watching.acquire = count_acquired;
    os = &watching;
    for (unsigned aligned = 0; aligned < 2; aligned++) {
        options.pooling = false;
        options.alignment = aligned != 0 ? 64 : 0;
        options.memory_limit_bytes = 10 * MIB;
        create();
        poolbuf *b = filled(6 * MIB);
        acquired = 0;
        UNIT_OK(poolbuf_set_capacity(b, 2 * MIB + 5));
        UNIT_OK(poolbuf_set_capacity(b, 7 * MIB));     /* both would be 9 */
        assert_int_equal(acquired != 0, aligned != 0); /* a copy wants a handle and a block */
        assert_int_equal((uintptr_t)poolbuf_memory(b) % 64 == 0 || aligned == 0, true);
        UNIT_OK(poolbuf_set_u8(b, 7 * MIB - 1, 1));
        assert_int_equal(unit_metrics(allocator).live_bytes, 7 * MIB);
        assert_int_equal(unit_metrics(allocator).payload_bytes, 7 * MIB);
        assert_int_equal(poolbuf_set_capacity(b, 11 * MIB), POOLBUF_ERROR_NO_MEMORY);
        os_fault_arm(0, false);
        assert_int_equal(poolbuf_set_capacity(b, 8 * MIB), POOLBUF_ERROR_NO_MEMORY);
        os_fault_disarm();
        assert_int_equal(poolbuf_capacity(b), 7 * MIB);
        assert_int_equal(unit_metrics(allocator).payload_bytes, 7 * MIB);
        assert_true(holds(b, 2 * MIB));
        UNIT_OK(poolbuf_set_capacity(b, 0));
        UNIT_OK(poolbuf_set_capacity(b, 1));
        UNIT_OK(poolbuf_set_u8(b, 0, 1));
        assert_true(poolbuf_release(b));
        assert_int_equal(unit_metrics(allocator).payload_bytes, 0);
        UNIT_OK(poolbuf_allocator_destroy(allocator));
        allocator = NULL;
    }
    os = &os_fault;
}

static void what_is_registered_is_copied_and_told(void **state) {
    (void)state;
    options.chunk_mapped = on_mapped;
    options.chunk_unmapped = on_unmapped;
    create();
    poolbuf *b = filled(MIB);
    const uint8_t *memory = poolbuf_memory(b);
    refused = true;
    assert_int_equal(poolbuf_set_capacity(b, 2 * MIB), POOLBUF_ERROR_NO_MEMORY);
    refused = false;
    assert_ptr_equal(poolbuf_memory(b), memory);
    assert_true(holds(b, MIB));
    heard[1] = '\0';
    UNIT_OK(poolbuf_set_capacity(b, 2 * MIB));
    assert_string_equal(heard, "++-"); /* the new one before the old one goes */
    UNIT_OK(poolbuf_set_capacity(b, MIB));
    assert_string_equal(heard, "++-+-");
    assert_true(holds(b, MIB));
    assert_true(poolbuf_release(b));
}

static void views_that_share_the_count_follow_and_retained_slices_hold_it(void **state) {
    (void)state;
    create();
    poolbuf *b = filled(MIB);
    poolbuf *wall = poolbuf_allocate(allocator, MIB, MIB); /* maps what may lie next to it */
    poolbuf *slice = poolbuf_slice(b, 4096, 8192);
    poolbuf *duplicate = poolbuf_duplicate(b);
    UNIT_OK(poolbuf_set_capacity(duplicate, 33 * MIB));
    assert_ptr_equal(poolbuf_memory(slice), poolbuf_memory(b) + 4096);
    assert_ptr_equal(poolbuf_memory(duplicate), poolbuf_memory(b));
    assert_int_equal(poolbuf_capacity(duplicate), 33 * MIB);
    assert_true(holds(duplicate, MIB));
    const uint8_t *memory = poolbuf_memory(b);
    poolbuf *retained = poolbuf_retained_slice(b, 0, 4096);
    assert_int_equal(poolbuf_set_capacity(b, 65 * MIB), POOLBUF_ERROR_UNSUPPORTED);
    assert_ptr_equal(poolbuf_memory(b), memory);
    assert_false(poolbuf_release(b));
    assert_true(poolbuf_release(retained));
    assert_true(poolbuf_release(wall));
}

static void an_alignment_stays(void **state) {
    (void)state;
    options.page_size = 32768;
    options.alignment = 32768;
    create();
    poolbuf *walls[8];
    poolbuf *b = filled(MIB);
    for (unsigned i = 0; i < 8; i++) { /* each time something lies in the way */
        walls[i] = poolbuf_allocate(allocator, CHUNK + 1, MIB);
        UNIT_OK(poolbuf_set_capacity(b, (i + 2) * MIB - 1));
        assert_int_equal((uintptr_t)poolbuf_memory(b) % 32768, 0);
        assert_int_equal(b->usable, (i + 2) * MIB);
    }
    assert_true(holds(b, MIB));
    for (unsigned i = 0; i < 8; i++) {
        assert_true(poolbuf_release(walls[i]));
    }
    assert_true(poolbuf_release(b));
}

static void what_grows_asks_for_huge_pages_when_it_is_large(void **state) {
    (void)state;
    skip_where_all_is_copied();
    size_t huge = os_huge_page_size(false);
    if (huge == 0) {
        print_message("SKIPPED: this kernel has no huge pages\n");
        skip();
    }
    options.huge_pages = POOLBUF_HUGE_PAGES_AUTO;
    create();
    poolbuf *b = filled(MIB);
    char line[512];
    for (size_t capacity = 2 * MIB; capacity <= 40 * MIB; capacity += 2 * MIB) {
        UNIT_OK(poolbuf_set_capacity(b, capacity));
        assert_true(smaps_line(poolbuf_memory(b) + capacity - 1, "VmFlags:", line, sizeof line));
        assert_int_equal(strstr(line, " hg") != NULL, capacity > 32 * MIB);
    }
    assert_int_equal(unit_metrics(allocator).huge_page_fallbacks, 0);
    assert_true(holds(b, MIB));
    assert_true(poolbuf_release(b));
}

static unsigned huge_asked;

static int count_huge(os_source source, size_t size, size_t alignment, void **region) {
    huge_asked += source == OS_HUGE ? 1 : 0;
    return os_fault.acquire(source, size, alignment, region);
}

static void pages_in_reserve_are_asked_for_anew(void **state) {
    (void)state;
    skip_where_all_is_copied();
    size_t huge = os_huge_page_size(true);
    if (huge == 0) {
        print_message("SKIPPED: this kernel has no huge pages\n");
        skip();
    }
    options.chunk_size = huge;
    options.huge_pages = POOLBUF_HUGE_PAGES_EXPLICIT;
    static os_backend watching; /* outlives a failed assertion */
    watching = os_fault;
    watching.acquire = count_huge;
    os = &watching;
    huge_asked = 0;
    create();
    os_fault_reserve_huge(2);
    poolbuf *b = filled(huge + 1);
    UNIT_OK(poolbuf_set_capacity(b, 3 * huge + 1));
    assert_int_equal(huge_asked, 2);
    assert_int_equal(unit_metrics(allocator).huge_page_fallbacks, 0);
    assert_int_equal(unit_metrics(allocator).payload_bytes, 4 * huge);
    assert_true(holds(b, huge + 1));
    assert_true(poolbuf_release(b));
    os_fault_reserve_huge(0);
    os = &os_fault;
}

static bool stop; /* atomic */

static void *resize_on(void *buffer) {
    for (size_t i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        if (poolbuf_set_capacity(buffer, (i % 2 == 0 ? 9 : 2) * MIB) != POOLBUF_OK) {
            return buffer;
        }
    }
    return NULL;
}

static void count_unmapped(void *context, poolbuf_memory_kind kind, const void *base, size_t bytes) {
    unsigned char in_memory[1];
    (void)kind;
    *(unsigned *)context += mincore((void *)((uintptr_t)base & ~(uintptr_t)4095), 1, in_memory) != 0 ? 1 : 0;
    *(unsigned *)context +=
        mincore((void *)(((uintptr_t)base + bytes - 1) & ~(uintptr_t)4095), 1, in_memory) != 0 ? 1 : 0;
}

/* A child that gave back a region which is not there any more could take something else with it. */
static void a_child_of_a_fork_knows_no_region_that_is_gone(void **state) {
    (void)state;
    skip_where_all_is_copied();
    create();
    poolbuf *b = filled(MIB);
    poolbuf *wall = poolbuf_allocate(allocator, MIB, MIB);
    pthread_t thread;
    __atomic_store_n(&stop, false, __ATOMIC_RELAXED);
    assert_int_equal(pthread_create(&thread, NULL, resize_on, b), 0);
    for (unsigned i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            unsigned unmapped = 0;
            poolbuf_memory_visit(count_unmapped, &unmapped);
            _exit(unmapped == 0 && allocator_audit(allocator) ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    void *failed = b;
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_true(holds(b, MIB));
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(wall));
}

#define RESIZE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        RESIZE_TEST(growing_takes_no_second_region),
        RESIZE_TEST(shrinking_cuts_the_region_where_it_is),
        RESIZE_TEST(without_memory_nothing_changes),
        RESIZE_TEST(what_cannot_be_resized_is_copied),
        RESIZE_TEST(the_limit_counts_what_is_added),
        RESIZE_TEST(unpooled_buffers_are_resized_by_malloc_and_stay_aligned),
        RESIZE_TEST(what_is_registered_is_copied_and_told),
        RESIZE_TEST(views_that_share_the_count_follow_and_retained_slices_hold_it),
        RESIZE_TEST(an_alignment_stays),
        RESIZE_TEST(what_grows_asks_for_huge_pages_when_it_is_large),
        RESIZE_TEST(pages_in_reserve_are_asked_for_anew),
        RESIZE_TEST(a_child_of_a_fork_knows_no_region_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
