/* Unit tests of spare_list.c: the order of reuse and of decay. */
#include "unit.h"

#include "spare_list.h"

#define COUNT 4

typedef struct fixture {
    size_classes classes;
    spare_list list;
    chunk *chunks[COUNT];
} fixture;

/* The chunks' regions are never touched: any address will do. They become empty at 0, 100, 200 and 300 ms. */
static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    size_classes_init(&f->classes, 8192, (size_t)4 << 20, 4);
    for (unsigned i = 0; i < COUNT; i++) {
        f->chunks[i] = malloc(sizeof(chunk) + chunk_books_bytes(&f->classes));
        chunk_init(f->chunks[i], &f->classes, NULL, f->chunks[i], 0, f->chunks[i] + 1);
        spare_list_add(&f->list, f->chunks[i], (uint64_t)i * 100);
        assert_true(spare_list_audit(&f->list));
    }
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    for (unsigned i = 0; i < COUNT; i++) {
        free(f->chunks[i]);
    }
    free(f);
    return 0;
}

static void the_chunk_that_emptied_last_is_used_first(void **state) {
    fixture *f = *state;
    for (unsigned i = COUNT; i-- > 0;) {
        assert_ptr_equal(spare_list_take(&f->list), f->chunks[i]);
        assert_true(spare_list_audit(&f->list));
        assert_int_equal(f->list.count, i);
    }
    assert_null(spare_list_take(&f->list));
}

static void a_chunk_decays_to_the_millisecond_and_the_oldest_first(void **state) {
    fixture *f = *state;
    assert_null(spare_list_take_decayed(&f->list, 999, 1000));
    assert_ptr_equal(spare_list_take_decayed(&f->list, 1000, 1000), f->chunks[0]);
    assert_null(spare_list_take_decayed(&f->list, 1099, 1000));
    assert_true(spare_list_audit(&f->list));
    assert_ptr_equal(spare_list_take_decayed(&f->list, 1200, 1000), f->chunks[1]);
    assert_ptr_equal(spare_list_take_decayed(&f->list, 1200, 1000), f->chunks[2]);
    assert_null(spare_list_take_decayed(&f->list, 1200, 1000));
    assert_ptr_equal(spare_list_take_decayed(&f->list, 99999, 1000), f->chunks[3]);
    assert_null(spare_list_take_decayed(&f->list, 99999, 1000));
    assert_true(spare_list_audit(&f->list));
}

static void both_ends_meet(void **state) {
    fixture *f = *state;
    assert_ptr_equal(spare_list_take(&f->list), f->chunks[3]);
    assert_ptr_equal(spare_list_take_decayed(&f->list, 900, 500), f->chunks[0]);
    assert_ptr_equal(spare_list_take(&f->list), f->chunks[2]);
    assert_ptr_equal(spare_list_take_decayed(&f->list, 900, 500), f->chunks[1]);
    assert_null(f->list.newest);
    assert_null(f->list.oldest);
    spare_list_add(&f->list, f->chunks[2], 900);
    assert_true(spare_list_audit(&f->list));
    assert_ptr_equal(spare_list_take(&f->list), f->chunks[2]);
}

#define SPARE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SPARE_TEST(the_chunk_that_emptied_last_is_used_first),
        SPARE_TEST(a_chunk_decays_to_the_millisecond_and_the_oldest_first),
        SPARE_TEST(both_ends_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
