/* Unit tests of the demand: how many buffers of each class a pool must have for a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream_text.h"
#include "subjects/demand.h"

enum {
    CLASS_16,
    CLASS_32,
    CLASS_64,
    CLASS_128,
    SLOTS = 4
};

#define COUNT(ops) (sizeof(ops) / sizeof(ops)[0])

/* One phase of one or two threads' operations. */
static demand demand_of(const stream_op *first, size_t first_count, const stream_op *second, size_t second_count,
                        uint32_t repeat) {
    stream_thread threads[] = {{.ops = first, .op_count = first_count}, {.ops = second, .op_count = second_count}};
    stream_phase phase = {.name = "p", .threads = threads, .repeat = repeat};
    const stream source = {
        .thread_count = second == NULL ? 1 : 2, .phase_count = 1, .slot_count = SLOTS, .phases = &phase};
    demand wanted;
    assert_true(demand_of_stream(&source, &wanted));
    return wanted;
}

static void classes_are_powers_of_two_from_16_bytes(void **state) {
    (void)state;
    static const struct {
        uint32_t size;
        unsigned class;
    } rows[] = {{0, 0}, {1, 0}, {16, 0}, {17, 1}, {32, 1}, {33, 2}, {4096, 8}, {4097, 9}, {STREAM_SIZE_MAX, 24}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(pool_class_of(rows[i].size), rows[i].class);
        assert_true(pool_class_payload(rows[i].class) >= rows[i].size);
    }
    assert_int_equal(pool_class_of(STREAM_SIZE_MAX), POOL_CLASS_COUNT - 1);
}

static void one_thread_needs_its_peak_in_each_class(void **state) {
    (void)state;
    const stream_op ops[] = {
        stream_op_make(STREAM_ALLOCATE, 0, 16), stream_op_make(STREAM_ALLOCATE, 1, 10),
        stream_op_make(STREAM_RELEASE, 0, 0),   stream_op_make(STREAM_ALLOCATE, 2, 30),
        stream_op_make(STREAM_REPLACE, 1, 100), stream_op_make(STREAM_ALLOCATE, 0, 1),
        stream_op_make(STREAM_RELEASE, 0, 0),   stream_op_make(STREAM_RELEASE, 1, 0),
        stream_op_make(STREAM_RELEASE, 2, 0),
    };
    const demand wanted = demand_of(ops, COUNT(ops), NULL, 0, 1);
    assert_int_equal(wanted.buffers[CLASS_16], 2);
    assert_int_equal(wanted.buffers[CLASS_32], 1);
    assert_int_equal(wanted.buffers[CLASS_64], 0);
    assert_int_equal(wanted.buffers[CLASS_128], 1);
}

static void growing_needs_both_buffers_and_shrinking_none(void **state) {
    (void)state;
    const stream_op ops[] = {
        stream_op_make(STREAM_ALLOCATE, 0, 16), stream_op_make(STREAM_RESIZE, 0, 32),
        stream_op_make(STREAM_RESIZE, 0, 1),    stream_op_make(STREAM_ALLOCATE, 1, 32),
        stream_op_make(STREAM_RELEASE, 0, 0),   stream_op_make(STREAM_RELEASE, 1, 0),
    };
    const demand wanted = demand_of(ops, COUNT(ops), NULL, 0, 1);
    assert_int_equal(wanted.buffers[CLASS_16], 1);
    assert_int_equal(wanted.buffers[CLASS_32], 2);
}

static void pingpong_needs_one_more_and_bulk_as_many_as_a_call(void **state) {
    (void)state;
    const stream_op ops[] = {
        stream_op_make(STREAM_ALLOCATE, 0, 64),
        stream_op_make(STREAM_PINGPONG, 1000, 64),
        stream_op_make(STREAM_BULK, stream_bulk_make(9, 32), 16),
        stream_op_make(STREAM_RELEASE, 0, 0),
    };
    const demand wanted = demand_of(ops, COUNT(ops), NULL, 0, 5);
    assert_int_equal(wanted.buffers[CLASS_64], 2);
    assert_int_equal(wanted.buffers[CLASS_16], 32);
}

/* The second time round, slot 0 holds 128 bytes from the first, while slot 1 is filled with as many. */
static void a_repeated_phase_begins_with_what_it_left(void **state) {
    (void)state;
    const stream_op ops[] = {
        stream_op_make(STREAM_ALLOCATE, 1, 128),
        stream_op_make(STREAM_RELEASE, 1, 0),
        stream_op_make(STREAM_REPLACE, 0, 128),
    };
    assert_int_equal(demand_of(ops, COUNT(ops), NULL, 0, 1).buffers[CLASS_128], 1);
    assert_int_equal(demand_of(ops, COUNT(ops), NULL, 0, 2).buffers[CLASS_128], 2);
}

static void threads_add_up_and_shared_slots_count_in_each_class_they_hold(void **state) {
    (void)state;
    const stream_op first[] = {
        stream_op_make(STREAM_ALLOCATE, 0, 16),
        stream_op_make(STREAM_ALLOCATE, 0, 64),
        stream_op_make(STREAM_ALLOCATE, 1, 32),
        stream_op_make(STREAM_RELEASE, 1, 0),
    };
    const stream_op second[] = {
        stream_op_make(STREAM_RELEASE, 0, 0),
        stream_op_make(STREAM_RELEASE, 0, 0),
        stream_op_make(STREAM_ALLOCATE, 2, 32),
        stream_op_make(STREAM_RELEASE, 2, 0),
    };
    const demand wanted = demand_of(first, COUNT(first), second, COUNT(second), 1);
    assert_int_equal(wanted.buffers[CLASS_16], 1);
    assert_int_equal(wanted.buffers[CLASS_64], 1);
    assert_int_equal(wanted.buffers[CLASS_32], 2);
}

/* In a churn of one thread there is no doubt at all. */
static void a_churn_of_one_size_needs_its_live_set(void **state) {
    (void)state;
    stream *source =
        stream_from_text(SCENARIO_HEAD "phases:\n  - {kind: churn, live: 20, operations: 500, sizes: {fixed: 100}}\n");
    demand wanted;
    assert_true(demand_of_stream(source, &wanted));
    for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
        assert_int_equal(wanted.buffers[i], i == CLASS_128 ? 20 : 0);
    }
    stream_destroy(source);
}

/* Against the order of the threads, and twice: where a buffer goes last is known when its moves have been followed. */
static void a_slot_may_hold_what_moves_to_it(void **state) {
    (void)state;
    const stream_op first[] = {
        stream_op_make(STREAM_MOVE, 1, 2),
        stream_op_make(STREAM_RELEASE, 2, 0),
    };
    const stream_op second[] = {
        stream_op_make(STREAM_ALLOCATE, 0, 64),
        stream_op_make(STREAM_MOVE, 0, 1),
    };
    const demand wanted = demand_of(first, COUNT(first), second, COUNT(second), 1);
    assert_int_equal(wanted.buffers[CLASS_64], 3);
    assert_int_equal(wanted.buffers[CLASS_16], 0);
}

/* What the first thread has in its hand, the second has put there. */
static void a_reference_may_be_to_what_another_thread_gives(void **state) {
    (void)state;
    const stream_op first[] = {
        stream_op_make(STREAM_HOLD, 1, 0),
        stream_op_make(STREAM_RETAIN, 2, 0),
        stream_op_make(STREAM_DROP, 2, 0),
        stream_op_make(STREAM_RELEASE, 1, STREAM_RELEASE_GIVEN),
    };
    const stream_op second[] = {
        stream_op_make(STREAM_ALLOCATE, 0, 64),
        stream_give_make(0, 1),
    };
    const demand wanted = demand_of(first, COUNT(first), second, COUNT(second), 1);
    assert_int_equal(wanted.buffers[CLASS_64], 3);
    assert_int_equal(wanted.buffers[CLASS_16], 0);
}

static void a_reference_counts_as_a_buffer_and_a_view_as_two(void **state) {
    (void)state;
    const stream_op retain[] = {stream_op_make(STREAM_ALLOCATE, 0, 100), stream_op_make(STREAM_HOLD, 0, 0),
                                stream_op_make(STREAM_RETAIN, 1, 0), stream_op_make(STREAM_RELEASE, 0, 0),
                                stream_op_make(STREAM_DROP, 1, 0)};
    demand wanted = demand_of(retain, COUNT(retain), NULL, 0, 1);
    assert_int_equal(wanted.buffers[CLASS_128], 2);
    assert_int_equal(wanted.buffers[CLASS_32], 0);
    const stream_op slice[] = {stream_op_make(STREAM_ALLOCATE, 0, 100), stream_op_make(STREAM_HOLD, 0, 0),
                               stream_op_make(STREAM_SLICE, 1, 9), stream_op_make(STREAM_RELEASE, 0, 0),
                               stream_op_make(STREAM_DROP, 1, 1)};
    wanted = demand_of(slice, COUNT(slice), NULL, 0, 1);
    assert_int_equal(wanted.buffers[CLASS_128], 2);
    assert_int_equal(wanted.buffers[CLASS_32], 1);
}

static void an_append_needs_each_class_on_its_way(void **state) {
    (void)state;
    const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 0, 10), stream_op_make(STREAM_APPEND, 0, 10),
                             stream_op_make(STREAM_APPEND, 0, 10), stream_op_make(STREAM_APPEND, 0, 80)};
    const demand wanted = demand_of(ops, COUNT(ops), NULL, 0, 1);
    assert_int_equal(wanted.buffers[CLASS_16], 1);
    assert_int_equal(wanted.buffers[CLASS_32], 1);
    assert_int_equal(wanted.buffers[CLASS_64], 0);
    assert_int_equal(wanted.buffers[CLASS_128], 1);
}

static void a_message_needs_its_list_beside_its_parts(void **state) {
    (void)state;
    const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 0, 10), stream_op_make(STREAM_ALLOCATE, 1, 10),
                             stream_op_make(STREAM_ASSEMBLE, 0, 2)};
    const demand wanted = demand_of(ops, COUNT(ops), NULL, 0, 2);
    assert_int_equal(wanted.buffers[CLASS_16], 2);
    assert_int_equal(wanted.buffers[CLASS_64], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_powers_of_two_from_16_bytes),
        cmocka_unit_test(one_thread_needs_its_peak_in_each_class),
        cmocka_unit_test(growing_needs_both_buffers_and_shrinking_none),
        cmocka_unit_test(pingpong_needs_one_more_and_bulk_as_many_as_a_call),
        cmocka_unit_test(a_repeated_phase_begins_with_what_it_left),
        cmocka_unit_test(threads_add_up_and_shared_slots_count_in_each_class_they_hold),
        cmocka_unit_test(a_reference_may_be_to_what_another_thread_gives),
        cmocka_unit_test(a_reference_counts_as_a_buffer_and_a_view_as_two),
        cmocka_unit_test(an_append_needs_each_class_on_its_way),
        cmocka_unit_test(a_message_needs_its_list_beside_its_parts),
        cmocka_unit_test(a_churn_of_one_size_needs_its_live_set),
        cmocka_unit_test(a_slot_may_hold_what_moves_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
