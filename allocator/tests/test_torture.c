/* Torture: the first, the second, ... call of the system fails, until the whole scenario passes. Each round must end with
 * errors that the caller can see, every structure whole, every region given back, and an allocator that works on. */
#include "unit.h"

#include <poolbuf/chunk.h>

#include "allocator.h"
#include "bitmap.h"
#include "give_back.h"
#include "os/os.h"

/* Uses every part that asks the system for memory; any step may fail, and says so. True if none did. */
static bool scenario(poolbuf_allocator *allocator) {
    bool good = true;
    static const size_t sizes[] = {16, 100, 5000, 28672, 32768, 100000, 262144, 300000};
    poolbuf *buffers[16] = {NULL};
    for (unsigned i = 0; i < 8; i++) {
        buffers[i] = poolbuf_allocate_direct(allocator, sizes[i], (size_t)32 << 20);
        buffers[i + 8] = poolbuf_allocate_heap(allocator, sizes[i], (size_t)32 << 20);
    }
    for (unsigned i = 0; i < 16; i++) {
        poolbuf *b = buffers[i];
        if (b == NULL) {
            good = false;
            continue;
        }
        UNIT_OK(poolbuf_set_writer_index(b, 16));
        UNIT_OK(poolbuf_set_u64_be(b, 8, i));
        size_t capacity = poolbuf_capacity(b);
        poolbuf_status status = poolbuf_set_capacity(b, capacity * 3);
        if (status != POOLBUF_OK) {
            assert_int_equal(status, POOLBUF_ERROR_NO_MEMORY);
            assert_int_equal(poolbuf_capacity(b), capacity); /* a call that fails changes nothing */
            good = false;
        }
        uint64_t value = 0;
        UNIT_OK(poolbuf_get_u64_be(b, 8, &value));
        assert_int_equal(value, i);
        poolbuf *slice = poolbuf_slice(b, 8, 8);
        poolbuf *retained = poolbuf_retained_slice(b, 8, 8);
        good = good && slice != NULL && retained != NULL;
        if (retained != NULL) {
            assert_false(poolbuf_release(b));
            buffers[i] = retained;
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        if (buffers[i] != NULL) {
            assert_true(poolbuf_release(buffers[i]));
        }
    }
    return good;
}

/* One way to set up an allocator, and which calls fail. */
typedef struct setting {
    const char *name;
    bool unpooled;
    bool every_option;             /* of those that say how memory is taken and given back */
    poolbuf_huge_pages huge_pages; /* with every_option */
    unsigned kinds;                /* of os_fault_kind */
} setting;

enum {
    TABLE = 64,
    LIMIT_CHUNKS = 40
};

/* What the callbacks of every_option see and do. */
static struct {
    void *registered[TABLE]; /* by index */
    poolbuf *ballast;        /* what the program can do without at the limit */
    unsigned asked;
} program;

static bool on_mapped(void *context, const poolbuf_chunk *told) {
    (void)context;
    assert_true(told->index < TABLE);
    assert_null(program.registered[told->index]);
    program.registered[told->index] = told->base;
    return true;
}

static void on_unmapped(void *context, const poolbuf_chunk *told) {
    (void)context;
    assert_ptr_equal(program.registered[told->index], told->base);
    program.registered[told->index] = NULL;
}

static bool on_limit(void *context, poolbuf_allocator *allocator, size_t wanted_bytes, size_t used_bytes) {
    (void)context;
    (void)allocator;
    assert_true(wanted_bytes != 0 && used_bytes != 0);
    program.asked++;
    if (program.ballast == NULL) {
        return false;
    }
    (void)poolbuf_release(program.ballast);
    program.ballast = NULL;
    return true;
}

static poolbuf_allocator_options options_of(const setting *way) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = 262144;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = !way->unpooled;
    options.prefer_direct = true;
    if (way->every_option) {
        size_t huge = os_huge_page_size(way->huge_pages == POOLBUF_HUGE_PAGES_EXPLICIT);
        options.chunk_size = huge > options.chunk_size ? huge : options.chunk_size;
        options.huge_pages = way->huge_pages;
        options.numa = os_numa_start(OS_NUMA_INTERLEAVE) == NULL ? POOLBUF_NUMA_INTERLEAVE : POOLBUF_NUMA_OFF;
        options.alignment = 256;
        options.memory_limit_bytes = LIMIT_CHUNKS * options.chunk_size;
        options.memory_limit_reached = on_limit;
        options.chunk_mapped = on_mapped;
        options.chunk_unmapped = on_unmapped;
        options.decay_ms = 0;
        options.cache_limit_bytes = 65536;
    }
    return options;
}

/* To the limit and beyond: with the ballast gone there is room. */
static bool limited_scenario(poolbuf_allocator *allocator) {
    size_t half = LIMIT_CHUNKS / 2 * allocator->options.chunk_size;
    program.ballast = poolbuf_allocate(allocator, half, half);
    bool good = program.ballast != NULL;
    poolbuf *b = poolbuf_allocate_heap(allocator, 100, 100); /* a chunk of the other kind: only one half is left now */
    poolbuf *large = poolbuf_allocate(allocator, half, half);
    poolbuf *small = poolbuf_allocate(allocator, 100, 100);
    good = good && b != NULL && large != NULL && small != NULL;
    poolbuf *all[] = {program.ballast, b, large, small};
    (void)poolbuf_allocator_purge(allocator);
    for (unsigned i = 0; i < 4; i++) {
        if (all[i] != NULL) {
            (void)poolbuf_release(all[i]);
        }
    }
    program.ballast = NULL;
    return good;
}

static bool whole_scenario(poolbuf_allocator *allocator) {
    bool good = scenario(allocator);
    (void)poolbuf_allocator_purge(allocator);
    return allocator->options.memory_limit_bytes == 0 ? good : limited_scenario(allocator) && good;
}

/* Gives back what the system refused while it did. */
static void expect_no_region(void) {
    os_fault_disarm();
    give_back_retry();
    assert_int_equal(os_fault_regions(), 0);
}

/* Every number that is taken is that of a chunk that is registered. */
static void expect_numbers(const poolbuf_allocator *allocator) {
    const index_table *indices = &allocator->region_pool.indices;
    uint32_t numbers = (uint32_t)(indices->bytes * 8);
    uint32_t taken = numbers - (numbers != 0 ? bitmap_population(indices->free, numbers) : 0);
    uint32_t registered = 0;
    for (unsigned i = 0; i < TABLE; i++) {
        registered += program.registered[i] != NULL;
    }
    assert_int_equal(taken, registered);
}

static bool round_passes(const setting *way, unsigned long failures, bool once) {
    const poolbuf_allocator_options options = options_of(way);
    poolbuf_allocator *allocator = NULL;
    os_fault_reserve_huge(failures % 3); /* there are no more than so many reserved regions */
    os_fault_arm_kinds(way->kinds, failures, once);
    poolbuf_status status = poolbuf_allocator_create(&options, &allocator);
    if (status != POOLBUF_OK) {
        assert_int_equal(status, POOLBUF_ERROR_NO_MEMORY);
        assert_null(allocator);
        expect_no_region();
        return false;
    }
    bool good = whole_scenario(allocator);
    bool passed = os_fault_calls() <= failures;
    assert_true(good || !passed);
    assert_true(allocator_audit(allocator));
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    os_fault_disarm();
    assert_true(whole_scenario(allocator)); /* it works again */
    if (way->every_option) {
        expect_numbers(allocator);
    }
    os_fault_arm_kinds(way->kinds & (OS_FAULT_GIVE_BACK | OS_FAULT_PURGE), 0, false); /* it ends against resistance */
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    expect_no_region();
    for (unsigned i = 0; i < TABLE; i++) {
        assert_null(program.registered[i]);
    }
    return passed;
}

static void run(const setting *way, bool once) {
    os = &os_fault;
    unsigned long failures = 0;
    for (bool passed = false; !passed; failures++) {
        assert_true(failures < 2000);
        passed = round_passes(way, failures, once);
    }
    print_message("%s: %lu points of failure\n", way->name, failures);
    assert_true(failures > 10);
    assert_true(!way->every_option || program.asked != 0);
    os_fault_reserve_huge(0);
    os = &os_linux;
}

static const setting POOLED = {.name = "pooled", .kinds = OS_FAULT_ACQUIRE};
static const setting UNPOOLED = {.name = "unpooled", .unpooled = true, .kinds = OS_FAULT_ACQUIRE};
static const setting EVERY_CALL = {.name = "every call", .kinds = OS_FAULT_EVERY};
static const setting ADVISED = {.name = "every option, huge pages advised",
                                .every_option = true,
                                .huge_pages = POOLBUF_HUGE_PAGES_MADVISE,
                                .kinds = OS_FAULT_EVERY};
static const setting RESERVED = {.name = "every option, huge pages reserved",
                                 .every_option = true,
                                 .huge_pages = POOLBUF_HUGE_PAGES_EXPLICIT,
                                 .kinds = OS_FAULT_EVERY};

static void one_failure_at_each_point_is_an_error_and_no_more(void **state) {
    (void)state;
    run(&POOLED, true);
}

static void no_memory_from_each_point_on_is_an_error_and_no_more(void **state) {
    (void)state;
    run(&POOLED, false);
}

static void unpooled_buffers_survive_each_failure(void **state) {
    (void)state;
    run(&UNPOOLED, true);
    run(&UNPOOLED, false);
}

static void each_mmap_munmap_and_madvise_may_fail(void **state) {
    (void)state;
    run(&EVERY_CALL, true);
    run(&EVERY_CALL, false);
}

static void each_call_may_fail_with_every_option(void **state) {
    (void)state;
    run(&ADVISED, true);
    run(&ADVISED, false);
    run(&RESERVED, true);
    run(&RESERVED, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failure_at_each_point_is_an_error_and_no_more),
        cmocka_unit_test(no_memory_from_each_point_on_is_an_error_and_no_more),
        cmocka_unit_test(unpooled_buffers_survive_each_failure),
        cmocka_unit_test(each_mmap_munmap_and_madvise_may_fail),
        cmocka_unit_test(each_call_may_fail_with_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
