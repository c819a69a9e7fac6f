/* Unit tests of stack_table.c and the store beneath it, intern.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "intern.h"
#include "stack_table.h"

static void equal_stacks_share_one_id(void **state) {
    (void)state;
    const uintptr_t a[] = {1, 2, 3};
    const uintptr_t b[] = {1, 2, 3};
    const uintptr_t c[] = {1, 2, 4};
    uint64_t before = stack_table_count();
    assert_int_not_equal(stack_table_put(a, 3), 0);
    assert_int_equal(stack_table_put(a, 3), stack_table_put(b, 3));
    assert_int_not_equal(stack_table_put(a, 3), stack_table_put(c, 3));
    assert_int_not_equal(stack_table_put(a, 3), stack_table_put(a, 2));
    assert_int_equal(stack_table_count(), before + 3);
}

static void a_stack_comes_back_as_it_went_in(void **state) {
    (void)state;
    uintptr_t deep[STACK_MAX_FRAMES];
    size_t count;
    for (size_t i = 0; i < STACK_MAX_FRAMES; i++) {
        deep[i] = ~(uintptr_t)i;
    }
    uint32_t id = stack_table_put(deep, STACK_MAX_FRAMES);
    const uintptr_t *kept = stack_table_get(id, &count);
    assert_int_equal(count, STACK_MAX_FRAMES);
    assert_memory_equal(kept, deep, sizeof deep);
}

/* What a thread remembers of its last stacks goes by some of the frames; these agree in all of those. */
static void stacks_that_are_alike_where_a_thread_looks_first_are_told_apart(void **state) {
    (void)state;
    uintptr_t frames[9] = {11, 12, 13, 14, 15, 16, 17, 18, 19};
    uint32_t first = stack_table_put(frames, 9);
    for (size_t i = 0; i < 9; i++) {
        frames[i] ^= 0x100;
        uint32_t other = stack_table_put(frames, 9);
        assert_int_not_equal(other, 0);
        assert_int_not_equal(other, first);
        frames[i] ^= 0x100;
        assert_int_equal(stack_table_put(frames, 9), first);
        assert_int_not_equal(stack_table_put(frames, i), first);
    }
}

static void stack_zero_is_no_stack(void **state) {
    (void)state;
    size_t count = 7;
    assert_null(stack_table_get(0, &count));
    assert_int_equal(count, 0);
    assert_int_equal(stack_table_put(NULL, 0), 0);
}

static void names_are_cut_at_their_limit_and_empty_ones_are_none(void **state) {
    (void)state;
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[199] = '\0';
    assert_int_equal(name_put(NULL), 0);
    assert_int_equal(name_put(""), 0);
    assert_string_equal(name_get(0), "");
    assert_string_equal(name_get(name_put("session")), "session");
    assert_int_equal(strlen(name_get(name_put(longer))), NAME_MAX_BYTES);
}

/* Fills a table of its own past several segments, and finds everything again. */
static void many_entries_spread_over_segments(void **state) {
    (void)state;
    static intern_table table = INTERN_TABLE_INIT;
    static uint32_t ids[20000];
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t entry[32] = {i, i * i};
        ids[i] = intern_put(&table, entry, sizeof entry);
        assert_int_not_equal(ids[i], 0);
    }
    assert_true(table.segment_count > 3);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t entry[32] = {i, i * i};
        size_t length;
        const uint64_t *kept = intern_get(&table, ids[i], &length);
        assert_int_equal(length, sizeof entry);
        assert_int_equal(kept[0], i);
        assert_int_equal(intern_put(&table, entry, sizeof entry), ids[i]);
    }
}

static void what_is_too_long_is_refused_and_counted_when_full(void **state) {
    (void)state;
    static intern_table table = INTERN_TABLE_INIT;
    static char bytes[INTERN_MAX_LENGTH + 1];
    assert_int_equal(intern_put(&table, bytes, sizeof bytes), 0);
    assert_int_not_equal(intern_put(&table, bytes, INTERN_MAX_LENGTH), 0);
    table.segment_count = INTERN_SEGMENTS; /* as if full */
    table.segment_used = INTERN_SEGMENT_BYTES;
    bytes[0] = 1;
    assert_int_equal(intern_put(&table, bytes, INTERN_MAX_LENGTH), 0);
    assert_int_equal(table.refused, 1);
}

static void *put_many(void *argument) {
    (void)argument;
    uint64_t sum = 0;
    for (uintptr_t i = 1; i <= 5000; i++) {
        const uintptr_t frames[] = {i, i ^ 0x5555, 99};
        uint32_t id = stack_table_put(frames, 3);
        size_t count;
        assert_int_equal(stack_table_get(id, &count)[0], i);
        sum += id;
    }
    return (void *)(uintptr_t)sum;
}

static void threads_agree_on_ids(void **state) {
    (void)state;
    pthread_t threads[4];
    void *sums[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &sums[i]);
        assert_ptr_equal(sums[i], sums[0]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stacks_share_one_id),
        cmocka_unit_test(a_stack_comes_back_as_it_went_in),
        cmocka_unit_test(stacks_that_are_alike_where_a_thread_looks_first_are_told_apart),
        cmocka_unit_test(stack_zero_is_no_stack),
        cmocka_unit_test(names_are_cut_at_their_limit_and_empty_ones_are_none),
        cmocka_unit_test(many_entries_spread_over_segments),
        cmocka_unit_test(what_is_too_long_is_refused_and_counted_when_full),
        cmocka_unit_test(threads_agree_on_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
