/* Unit tests of the indices and marks, on every kind of buffer: bounds, marks of each view, and where bytes move. */
#include "unit.h"

#include "allocator.h"
#include "kinds.h"

enum {
    CAPACITY = 61
};

static poolbuf_allocator *allocator;

static int set_up(void **state) {
    (void)state;
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static bool indices_are(const poolbuf *buffer, size_t reader, size_t writer) {
    return poolbuf_reader_index(buffer) == reader && poolbuf_writer_index(buffer) == writer &&
           poolbuf_readable_bytes(buffer) == writer - reader;
}

/* ---- Bounds ----------------------------------------------------------------------------------------------------- */

static void set_each_index(const specimen *subject) {
    poolbuf *b = subject->buffer;
    EXPECT(indices_are(b, 0, 0));
    EXPECT_STATUS(poolbuf_set_reader_index(b, 1), OUT_OF_BOUNDS);
    EXPECT_OK(poolbuf_set_writer_index(b, CAPACITY));
    EXPECT_OK(poolbuf_set_reader_index(b, CAPACITY));
    EXPECT(indices_are(b, CAPACITY, CAPACITY));
    EXPECT_OK(poolbuf_set_reader_index(b, 0));
    EXPECT_STATUS(poolbuf_set_writer_index(b, CAPACITY + 1), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_set_writer_index(b, SIZE_MAX), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_set_reader_index(b, CAPACITY + 1), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_set_reader_index(b, SIZE_MAX), OUT_OF_BOUNDS);
    EXPECT_OK(poolbuf_set_indices(b, CAPACITY / 2, CAPACITY / 2));
    EXPECT_STATUS(poolbuf_set_reader_index(b, CAPACITY / 2 + 1), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_set_writer_index(b, CAPACITY / 2 - 1), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_set_reader_index(b, ((size_t)1 << 32) + 1), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_set_writer_index(b, ((size_t)1 << 32) + CAPACITY / 2), OUT_OF_BOUNDS);
    EXPECT(indices_are(b, CAPACITY / 2, CAPACITY / 2));
}

static void an_index_stays_between_its_neighbours(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, set_each_index);
}

static void set_both(const specimen *subject) {
    static const struct {
        size_t reader, writer;
    } wrong[] = {{SIZE_MAX, CAPACITY},
                 {CAPACITY + 1, CAPACITY + 1},
                 {0, CAPACITY + 1},
                 {2, 1},
                 {0, SIZE_MAX},
                 {SIZE_MAX, SIZE_MAX},
                 {1, 0},
                 {0, (size_t)1 << 32}};
    for (size_t writer = 0; writer <= CAPACITY; writer++) {
        for (size_t reader = 0; reader <= writer; reader++) {
            EXPECT_OK(poolbuf_set_indices(subject->buffer, reader, writer));
            EXPECT(indices_are(subject->buffer, reader, writer));
        }
    }
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 3, 9));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(poolbuf_set_indices(subject->buffer, wrong[i].reader, wrong[i].writer), OUT_OF_BOUNDS);
        EXPECT(indices_are(subject->buffer, 3, 9));
    }
    poolbuf_clear(subject->buffer);
    EXPECT(indices_are(subject->buffer, 0, 0));
    EXPECT(poolbuf_capacity(subject->buffer) == CAPACITY);
}

static void both_indices_are_set_at_once_or_neither(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, set_both);
}

static void ask_and_skip(const specimen *subject) {
    poolbuf *b = subject->buffer;
    EXPECT_OK(poolbuf_set_indices(b, 10, 50));
    EXPECT(poolbuf_is_readable(b, 0) && poolbuf_is_readable(b, 40));
    EXPECT(!poolbuf_is_readable(b, 41) && !poolbuf_is_readable(b, SIZE_MAX));
    EXPECT(poolbuf_is_writable(b, 0) && poolbuf_is_writable(b, CAPACITY - 50));
    EXPECT(!poolbuf_is_writable(b, CAPACITY - 49) && !poolbuf_is_writable(b, SIZE_MAX));
    EXPECT(poolbuf_writable_bytes(b) == CAPACITY - 50);
    EXPECT(poolbuf_max_writable_bytes(b) == poolbuf_max_capacity(b) - 50);
    EXPECT(poolbuf_max_capacity(b) == (subject->grows ? POOLBUF_CAPACITY_LIMIT : CAPACITY));
    EXPECT_STATUS(poolbuf_skip_bytes(b, 41), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_skip_bytes(b, SIZE_MAX), OUT_OF_BOUNDS);
    EXPECT(indices_are(b, 10, 50));
    EXPECT_OK(poolbuf_skip_bytes(b, 0));
    EXPECT_OK(poolbuf_skip_bytes(b, 15));
    EXPECT(indices_are(b, 25, 50));
    EXPECT_OK(poolbuf_skip_bytes(b, 25));
    EXPECT(indices_are(b, 50, 50));
    EXPECT_STATUS(poolbuf_skip_bytes(b, 1), OUT_OF_BOUNDS);
    EXPECT(poolbuf_is_readable(b, 0) && !poolbuf_is_readable(b, 1));
    poolbuf *view = poolbuf_as_read_only(b);
    EXPECT(!poolbuf_is_writable(view, 0) && !poolbuf_is_writable(view, 1));
    EXPECT(poolbuf_writable_bytes(view) == 0 && poolbuf_max_writable_bytes(view) == 0);
    EXPECT(poolbuf_max_fast_writable_bytes(view) == 0);
}

static void what_is_readable_and_writable_follows_from_the_indices(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, ask_and_skip);
}

/* ---- Marks ------------------------------------------------------------------------------------------------------ */

static void mark_and_reset(const specimen *subject) {
    poolbuf *b = subject->buffer;
    EXPECT_OK(poolbuf_set_indices(b, 5, 20));
    EXPECT_OK(poolbuf_reset_reader_index(b)); /* no mark yet */
    EXPECT(indices_are(b, 0, 20));
    EXPECT_OK(poolbuf_reset_writer_index(b));
    EXPECT(indices_are(b, 0, 0));
    EXPECT_OK(poolbuf_set_indices(b, 5, 20));
    EXPECT_OK(poolbuf_mark_reader_index(b));
    EXPECT_OK(poolbuf_set_indices(b, 18, 40));
    EXPECT_OK(poolbuf_mark_writer_index(b));
    EXPECT_OK(poolbuf_set_indices(b, 30, CAPACITY));
    EXPECT(indices_are(b, 30, CAPACITY));
    EXPECT_OK(poolbuf_reset_writer_index(b));
    EXPECT(indices_are(b, 30, 40));
    EXPECT_OK(poolbuf_reset_reader_index(b));
    EXPECT(indices_are(b, 5, 40));
    EXPECT_OK(poolbuf_set_indices(b, 2, 3)); /* the mark lies above the writer */
    EXPECT_STATUS(poolbuf_reset_reader_index(b), OUT_OF_BOUNDS);
    EXPECT(indices_are(b, 2, 3));
    EXPECT_OK(poolbuf_set_indices(b, 41, 50)); /* the mark lies below the reader */
    EXPECT_STATUS(poolbuf_reset_writer_index(b), OUT_OF_BOUNDS);
    EXPECT(indices_are(b, 41, 50));
    poolbuf_clear(b); /* leaves the marks */
    EXPECT_OK(poolbuf_reset_writer_index(b));
    EXPECT_OK(poolbuf_reset_reader_index(b));
    EXPECT(indices_are(b, 5, 40));
}

static void an_index_goes_back_to_its_mark_if_the_other_lets_it(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, mark_and_reset);
}

static void mark_views(const specimen *subject) {
    poolbuf *b = subject->buffer;
    EXPECT_OK(poolbuf_set_indices(b, 4, 30));
    EXPECT_OK(poolbuf_mark_reader_index(b));
    EXPECT_OK(poolbuf_mark_writer_index(b));
    poolbuf *views[] = {poolbuf_slice(b, 0, CAPACITY), poolbuf_duplicate(b), poolbuf_as_read_only(b),
                        poolbuf_retained_slice(b, 0, CAPACITY), poolbuf_retained_duplicate(b)};
    for (size_t i = 0; i < 5; i++) {
        EXPECT(views[i] != NULL);
        EXPECT_OK(poolbuf_set_indices(views[i], 6 + i, 40 + i));
        EXPECT_OK(poolbuf_mark_reader_index(views[i]));
        EXPECT_OK(poolbuf_mark_writer_index(views[i]));
    }
    for (size_t i = 0; i < 5; i++) {
        poolbuf_clear(views[i]);
        EXPECT_OK(poolbuf_reset_writer_index(views[i]));
        EXPECT_OK(poolbuf_reset_reader_index(views[i]));
        EXPECT(indices_are(views[i], 6 + i, 40 + i));
    }
    poolbuf_clear(b);
    EXPECT_OK(poolbuf_reset_writer_index(b));
    EXPECT_OK(poolbuf_reset_reader_index(b));
    EXPECT(indices_are(b, 4, 30));
    for (size_t i = 3; i < 5; i++) { /* false of an unreleasable one's, which go with it */
        (void)poolbuf_release(views[i]);
    }
}

static void each_view_has_marks_of_its_own(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, mark_views);
}

static void a_new_view_has_no_marks(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 8, 8);
    UNIT_OK(poolbuf_set_indices(b, 1, 6));
    UNIT_OK(poolbuf_mark_reader_index(b));
    UNIT_OK(poolbuf_mark_writer_index(b));
    poolbuf *slice = poolbuf_slice(b, 4, 3);
    UNIT_OK(poolbuf_set_reader_index(slice, 1));
    UNIT_OK(poolbuf_reset_reader_index(slice));
    assert_true(indices_are(slice, 0, 3));
    UNIT_OK(poolbuf_set_writer_index(slice, 2));
    UNIT_OK(poolbuf_reset_writer_index(slice));
    assert_true(indices_are(slice, 0, 0));
    poolbuf *duplicate = poolbuf_duplicate(b);
    assert_true(indices_are(duplicate, 1, 6));
    UNIT_OK(poolbuf_reset_reader_index(duplicate));
    UNIT_OK(poolbuf_reset_writer_index(duplicate));
    assert_true(indices_are(duplicate, 0, 0));
    assert_true(poolbuf_release(b));
}

static void a_handle_that_is_used_again_has_no_marks(void **state) {
    (void)state;
    poolbuf *first = poolbuf_allocate(allocator, 64, 64);
    UNIT_OK(poolbuf_set_indices(first, 10, 20));
    UNIT_OK(poolbuf_mark_reader_index(first));
    UNIT_OK(poolbuf_mark_writer_index(first));
    assert_true(poolbuf_release(first));
    poolbuf *second = poolbuf_allocate(allocator, 64, 64);
    assert_ptr_equal(first, second);
    UNIT_OK(poolbuf_set_indices(second, 10, 20));
    UNIT_OK(poolbuf_reset_reader_index(second));
    UNIT_OK(poolbuf_reset_writer_index(second));
    assert_true(indices_are(second, 0, 0));
    assert_true(poolbuf_release(second));
}

static void grow_with_marks(const specimen *subject) {
    poolbuf *b = subject->buffer;
    EXPECT_OK(poolbuf_set_indices(b, 7, 33));
    EXPECT_OK(poolbuf_mark_reader_index(b));
    EXPECT_OK(poolbuf_mark_writer_index(b));
    if (subject->grows) {
        EXPECT_OK(poolbuf_set_capacity(b, 5000));
        EXPECT_OK(poolbuf_set_indices(b, 100, 5000));
    }
    poolbuf_clear(b);
    EXPECT_OK(poolbuf_reset_writer_index(b));
    EXPECT_OK(poolbuf_reset_reader_index(b));
    EXPECT(indices_are(b, 7, 33));
    if (subject->grows) { /* a mark above the capacity is kept, and refused */
        EXPECT_OK(poolbuf_set_capacity(b, 20));
        EXPECT(indices_are(b, 7, 20));
        EXPECT_STATUS(poolbuf_reset_writer_index(b), OUT_OF_BOUNDS);
        EXPECT_OK(poolbuf_set_capacity(b, CAPACITY));
        EXPECT_OK(poolbuf_reset_writer_index(b));
        EXPECT(indices_are(b, 7, 33));
    }
}

static void marks_stay_where_they_are_when_a_buffer_grows_or_shrinks(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, grow_with_marks);
}

static void discard_with_marks(size_t read, size_t reader_mark, size_t writer_mark) {
    for (size_t i = 0; i < kinds_count(); i++) {
        specimen subject = kinds_make(allocator, i, CAPACITY);
        poolbuf *b = subject.buffer;
        EXPECT_OK(poolbuf_set_indices(b, reader_mark, writer_mark));
        EXPECT_OK(poolbuf_mark_reader_index(b));
        EXPECT_OK(poolbuf_mark_writer_index(b));
        EXPECT_OK(poolbuf_set_indices(b, read, 50));
        if (poolbuf_discard_read_bytes(b) == POOLBUF_OK) {
            EXPECT(indices_are(b, 0, 50 - read));
            EXPECT_OK(poolbuf_set_reader_index(b, 0));
            EXPECT_OK(poolbuf_reset_writer_index(b));
            EXPECT_OK(poolbuf_reset_reader_index(b));
            EXPECT(indices_are(b, reader_mark > read ? reader_mark - read : 0,
                               writer_mark > read ? writer_mark - read : 0));
        } else { /* a retained slice, whose owner looks on */
            EXPECT(indices_are(b, read, 50));
        }
        kinds_release(&subject);
    }
}

static void marks_move_down_with_the_bytes_and_stop_at_0(void **state) {
    (void)state;
    discard_with_marks(10, 20, 40);
    discard_with_marks(10, 4, 40);
    discard_with_marks(30, 4, 8);
    discard_with_marks(10, 10, 10);
}

/* ---- The empty buffer ------------------------------------------------------------------------------------------- */

static void the_empty_buffer_has_indices_that_are_0_and_stay_so(void **state) {
    (void)state;
    poolbuf *b = poolbuf_empty();
    assert_true(indices_are(b, 0, 0));
    UNIT_OK(poolbuf_set_indices(b, 0, 0));
    assert_int_equal(poolbuf_set_indices(b, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_writer_index(b, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_skip_bytes(b, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    UNIT_OK(poolbuf_mark_reader_index(b));
    UNIT_OK(poolbuf_mark_writer_index(b));
    UNIT_OK(poolbuf_reset_reader_index(b));
    UNIT_OK(poolbuf_reset_writer_index(b));
    assert_true(poolbuf_is_readable(b, 0));
    assert_false(poolbuf_is_readable(b, 1));
    assert_false(poolbuf_is_writable(b, 0));
    assert_int_equal(poolbuf_capacity(b), 0);
    assert_int_equal(poolbuf_max_capacity(b), 0);
}

#define INDICES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        INDICES_TEST(an_index_stays_between_its_neighbours),
        INDICES_TEST(both_indices_are_set_at_once_or_neither),
        INDICES_TEST(what_is_readable_and_writable_follows_from_the_indices),
        INDICES_TEST(an_index_goes_back_to_its_mark_if_the_other_lets_it),
        INDICES_TEST(each_view_has_marks_of_its_own),
        INDICES_TEST(a_new_view_has_no_marks),
        INDICES_TEST(a_handle_that_is_used_again_has_no_marks),
        INDICES_TEST(marks_stay_where_they_are_when_a_buffer_grows_or_shrinks),
        INDICES_TEST(marks_move_down_with_the_bytes_and_stop_at_0),
        INDICES_TEST(the_empty_buffer_has_indices_that_are_0_and_stay_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
