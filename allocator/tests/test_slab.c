/* Unit tests of slab.c. */
#include "unit.h"

#include "os/os.h"
#include "slab.h"

static void records_are_distinct_aligned_and_reused_last_first(void **state) {
    (void)state;
    slab records;
    slab_init(&records, OS_MAPPED, 100, 4096);
    char *taken[200];
    for (unsigned i = 0; i < 200; i++) {
        taken[i] = slab_take(&records);
        assert_non_null(taken[i]);
        assert_int_equal((uintptr_t)taken[i] % 64, 0);
        memset(taken[i], (int)i, 100);
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal((unsigned char)taken[i][0], (unsigned char)i);
        assert_int_equal((unsigned char)taken[i][99], (unsigned char)i);
    }
    slab_give(&records, taken[7]);
    slab_give(&records, taken[9]);
    assert_ptr_equal(slab_take(&records), taken[9]);
    assert_ptr_equal(slab_take(&records), taken[7]);
    assert_int_equal(records.out, 200);
    slab_fini(&records);
}

static void handles_come_from_whole_regions(void **state) {
    (void)state;
    slab handles;
    slab_init_handles(&handles, OS_MAPPED);
    assert_int_equal(handles.bytes, 0);
    for (unsigned i = 0; i < 1024; i++) { /* one more than a region has, as its first place stays empty */
        assert_non_null(slab_take(&handles));
    }
    assert_int_equal(handles.bytes, 2 * 65536 + 4096);
    slab_fini(&handles);
    assert_int_equal(handles.bytes, 0);
}

static void no_memory_is_null_and_leaves_nothing_behind(void **state) {
    (void)state;
    os = &os_fault;
    for (unsigned long passing = 0; passing < 2; passing++) {
        slab records;
        slab_init(&records, OS_MAPPED, 64, 4096);
        os_fault_arm(passing, true);
        assert_null(slab_take(&records));
        assert_int_equal(os_fault_regions(), 0);
        assert_non_null(slab_take(&records)); /* and works again */
        slab_fini(&records);
        assert_int_equal(os_fault_regions(), 0);
    }
    os_fault_disarm();
    os = &os_linux;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_distinct_aligned_and_reused_last_first),
        cmocka_unit_test(handles_come_from_whole_regions),
        cmocka_unit_test(no_memory_is_null_and_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
