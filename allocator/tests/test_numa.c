/* Tests of the option numa: what the kernel says of the pages of a chunk. Skipped where there are no memory policies. */
#include "unit.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include "allocator.h"
#include "captured.h"
#include "give_back.h"
#include "os/os.h"
#include "poison.h"

static const char *real_library;

static int set_up(void **state) {
    (void)state;
    os = &os_fault;
    poison_init();
    real_library = os_numa_library;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    os_numa_library = real_library;
    os_fault_disarm();
    give_back_retry();
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
    return 0;
}

static poolbuf_allocator_options options_of(poolbuf_numa numa) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = true;
    options.prefer_direct = true;
    options.decay_ms = 0;
    options.cache_limit_bytes = 0;
    options.numa = numa;
    return options;
}

/* The policy of an address's mapping; -1 where the kernel does not say. */
static int policy_at(const void *address) {
    int mode = -1;
    if (syscall(SYS_get_mempolicy, &mode, NULL, 0, address, MPOL_F_ADDR) != 0) {
        return -1;
    }
    return mode;
}

static void skip_without_policies(void) {
    const char *missing = os_numa_start(OS_NUMA_INTERLEAVE);
    if (missing != NULL) {
        print_message("SKIPPED: %s\n", missing);
        skip();
    }
    if (poison_memcheck) {
        print_message("SKIPPED: under Memcheck chunks come from malloc\n");
        skip();
    }
}

static void expect_policy(poolbuf_numa numa, int first, int second) {
    poolbuf_allocator_options options = options_of(numa);
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *pooled = poolbuf_allocate_direct(allocator, 100, 100);
    poolbuf *huge = poolbuf_allocate_direct(allocator, (size_t)8 << 20, (size_t)40 << 20);
    poolbuf *heap = poolbuf_allocate_heap(allocator, 100, 100);
    int mode = policy_at(poolbuf_memory(pooled));
    assert_true(mode == first || mode == second);
    assert_int_equal(policy_at(poolbuf_memory(huge)), mode);
    UNIT_OK(poolbuf_set_capacity(huge, (size_t)40 << 20));
    assert_int_equal(policy_at(poolbuf_memory(huge)), mode);
    assert_int_equal(policy_at(poolbuf_memory(huge) + ((size_t)40 << 20) - 1), mode);
    assert_int_equal(policy_at(poolbuf_memory(heap)), MPOL_DEFAULT); /* direct arenas alone */
    (void)poolbuf_release(pooled);
    (void)poolbuf_release(huge);
    (void)poolbuf_release(heap);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void interleave_is_the_policy_of_direct_chunks_and_huge_buffers(void **state) {
    (void)state;
    skip_without_policies();
    expect_policy(POOLBUF_NUMA_INTERLEAVE, MPOL_INTERLEAVE, MPOL_INTERLEAVE);
}

static void local_is_the_policy_of_direct_chunks_and_huge_buffers(void **state) {
    (void)state;
    skip_without_policies();
    expect_policy(POOLBUF_NUMA_LOCAL, MPOL_LOCAL, MPOL_PREFERRED); /* what a kernel before 5.14 calls it */
}

static void off_leaves_the_process_policy(void **state) {
    (void)state;
    skip_without_policies();
    expect_policy(POOLBUF_NUMA_OFF, MPOL_DEFAULT, MPOL_DEFAULT);
}

static void a_chunk_that_cannot_be_bound_is_no_chunk(void **state) {
    (void)state;
    skip_without_policies();
    poolbuf_allocator_options options = options_of(POOLBUF_NUMA_INTERLEAVE);
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    os_fault_arm_kinds(OS_FAULT_BIND, 0, false);
    assert_null(poolbuf_allocate_direct(allocator, 100, 100));
    assert_int_equal(unit_metrics(allocator).payload_bytes, 0);
    /* One that cannot go back either must not serve as if it were bound. */
    os_fault_arm_kinds(OS_FAULT_BIND | OS_FAULT_GIVE_BACK, 0, false);
    assert_null(poolbuf_allocate_direct(allocator, 100, 100));
    os_fault_disarm();
    poolbuf *b = poolbuf_allocate_direct(allocator, 100, 100);
    assert_int_equal(policy_at(poolbuf_memory(b)), MPOL_INTERLEAVE);
    assert_true(allocator_audit(allocator));
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void without_the_library_creation_fails_and_names_the_option(void **state) {
    (void)state;
    os_numa_library = "libnuma.so.none";
    poolbuf_allocator_options options = options_of(POOLBUF_NUMA_LOCAL);
    poolbuf_allocator *allocator = NULL;
    capture();
    poolbuf_status status = poolbuf_allocator_create(&options, &allocator);
    const char *text = captured_text();
    assert_int_equal(status, POOLBUF_ERROR_BAD_OPTION);
    assert_null(allocator);
    assert_string_equal(
        text, "poolbuf: POOLBUF_NUMA=local is not possible here: libnuma.so.1 is missing; install libnuma1\n");
    options.direct_arenas = 0; /* nothing to bind */
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    options = options_of((poolbuf_numa)9);
    assert_int_equal(poolbuf_allocator_create(&options, &allocator), POOLBUF_ERROR_BAD_OPTION);
}

static void another_library_of_that_name_is_told_apart(void **state) {
    (void)state;
    os_numa_library = "libm.so.6";
    const char *missing = os_numa_start(OS_NUMA_LOCAL);
    assert_non_null(missing);
    assert_non_null(strstr(missing, "too old"));
}

#define NUMA_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        NUMA_TEST(interleave_is_the_policy_of_direct_chunks_and_huge_buffers),
        NUMA_TEST(local_is_the_policy_of_direct_chunks_and_huge_buffers),
        NUMA_TEST(off_leaves_the_process_policy),
        NUMA_TEST(a_chunk_that_cannot_be_bound_is_no_chunk),
        NUMA_TEST(without_the_library_creation_fails_and_names_the_option),
        NUMA_TEST(another_library_of_that_name_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
