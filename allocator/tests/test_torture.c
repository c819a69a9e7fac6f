/* Torture: the first, the second, ... request to the system fails, until the whole scenario passes. Each round must end
 * with errors that the caller can see, every structure whole, every region given back, and an allocator that works on. */
#include "unit.h"

#include "allocator.h"
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

static void run(bool once, bool pooling) {
    os = &os_fault;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = 262144;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = pooling;
    unsigned long failures = 0;
    for (bool passed = false; !passed; failures++) {
        assert_true(failures < 1000);
        poolbuf_allocator *allocator = NULL;
        os_fault_arm(failures, once);
        poolbuf_status status = poolbuf_allocator_create(&options, &allocator);
        if (status != POOLBUF_OK) {
            assert_int_equal(status, POOLBUF_ERROR_NO_MEMORY);
            assert_null(allocator);
            assert_int_equal(os_fault_regions(), 0);
            continue;
        }
        bool good = scenario(allocator);
        passed = os_fault_calls() <= failures;
        assert_true(good || !passed);
        assert_true(allocator_audit(allocator));
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
        os_fault_disarm();
        assert_true(scenario(allocator)); /* it works again */
        UNIT_OK(poolbuf_allocator_destroy(allocator));
        assert_int_equal(os_fault_regions(), 0);
    }
    print_message("%lu points of failure\n", failures);
    assert_true(failures > 10);
    os_fault_disarm();
    os = &os_linux;
}

static void one_failure_at_each_point_is_an_error_and_no_more(void **state) {
    (void)state;
    run(true, true);
}

static void no_memory_from_each_point_on_is_an_error_and_no_more(void **state) {
    (void)state;
    run(false, true);
}

static void unpooled_buffers_survive_each_failure(void **state) {
    (void)state;
    run(true, false);
    run(false, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failure_at_each_point_is_an_error_and_no_more),
        cmocka_unit_test(no_memory_from_each_point_on_is_an_error_and_no_more),
        cmocka_unit_test(unpooled_buffers_survive_each_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
