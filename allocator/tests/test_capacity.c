/* Unit tests of capacity.c on every kind of buffer: growing, shrinking, making room, dropping what has been read.
 * What plain buffers do by size class is in test_buffer.c. */
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
    return poolbuf_reader_index(buffer) == reader && poolbuf_writer_index(buffer) == writer;
}

/* ---- Growing and shrinking -------------------------------------------------------------------------------------- */

static void resize_each_way(const specimen *subject) {
    static const size_t capacities[] = {62, 64, 100, 400, 399, 5000, 4999, 2000, 300, 62, 40, 39, 10, 1, 0, 1, 200};
    poolbuf *b = subject->buffer;
    uint8_t model[5000] = {0};
    kinds_fill(b, model, CAPACITY, 1);
    EXPECT_OK(poolbuf_set_indices(b, 20, 50));
    size_t kept = CAPACITY; /* bytes whose value is known */
    size_t reader = 20;
    size_t writer = 50;
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        size_t capacity = capacities[i];
        EXPECT_OK(poolbuf_set_capacity(b, capacity));
        kept = kept < capacity ? kept : capacity;
        reader = reader < capacity ? reader : capacity;
        writer = writer < capacity ? writer : capacity;
        EXPECT(poolbuf_capacity(b) == capacity);
        EXPECT(poolbuf_max_capacity(b) == POOLBUF_CAPACITY_LIMIT);
        EXPECT(indices_are(b, reader, writer));
        EXPECT(kinds_holds(b, model, kept));
        EXPECT(capacity == 0 || poolbuf_set_u8(b, capacity - 1, 1) == POOLBUF_OK);
        EXPECT_STATUS(poolbuf_set_u8(b, capacity, 1), OUT_OF_BOUNDS);
        model[capacity != 0 ? capacity - 1 : 0] = 1;
    }
}

static void be_of_fixed_capacity(const specimen *subject) {
    poolbuf *b = subject->buffer;
    uint8_t model[CAPACITY];
    kinds_fill(b, model, CAPACITY, 2);
    EXPECT_OK(poolbuf_set_indices(b, 20, 50));
    EXPECT(poolbuf_max_capacity(b) == CAPACITY);
    EXPECT(poolbuf_set_capacity(b, CAPACITY + 1) != POOLBUF_OK);
    EXPECT(poolbuf_set_capacity(b, SIZE_MAX) != POOLBUF_OK);
    EXPECT_STATUS(poolbuf_ensure_writable(b, CAPACITY - 49), MAX_CAPACITY);
    EXPECT(poolbuf_capacity(b) == CAPACITY);
    EXPECT(indices_are(b, 20, 50));
    EXPECT(kinds_holds(b, model, CAPACITY));
}

static void resize_if_it_grows(const specimen *subject) {
    subject->grows ? resize_each_way(subject) : be_of_fixed_capacity(subject);
}

static void a_capacity_goes_up_and_down_and_the_bytes_stay_or_it_is_fixed(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, resize_if_it_grows);
}

static void views_and_foreign_memory_refuse_any_other_capacity(void **state) {
    (void)state;
    uint8_t bytes[16] = {0};
    poolbuf *root = poolbuf_allocate(allocator, 16, 64);
    poolbuf *retained = poolbuf_retained_slice(root, 0, 16);
    poolbuf *wrapped = poolbuf_wrap(allocator, bytes, sizeof bytes, NULL, NULL);
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_retain(root), false));
    UNIT_OK(poolbuf_set_capacity(composite, 16));
    poolbuf *fixed[] = {poolbuf_slice(root, 0, 16),
                        poolbuf_duplicate(poolbuf_slice(root, 0, 16)),
                        retained,
                        poolbuf_duplicate(retained),
                        wrapped,
                        poolbuf_duplicate(wrapped),
                        poolbuf_slice(composite, 0, 16)};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        assert_int_equal(poolbuf_set_capacity(fixed[i], 8), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_set_capacity(fixed[i], 17), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_capacity(fixed[i]), 16);
    }
    assert_true(poolbuf_release(wrapped));
    assert_true(poolbuf_release(retained));
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(root));
}

static void a_maximum_is_kept_by_every_way_to_grow(void **state) {
    (void)state;
    static const size_t wrong[] = {101, 102, SIZE_MAX, ((size_t)1 << 32) + 50, POOLBUF_CAPACITY_LIMIT};
    poolbuf *buffers[] = {poolbuf_allocate_direct(allocator, 10, 100), poolbuf_allocate_heap(allocator, 10, 100),
                          poolbuf_allocate_unpooled(allocator, 10, 100)};
    for (size_t i = 0; i < 3; i++) {
        poolbuf *views[] = {buffers[i], poolbuf_duplicate(buffers[i])};
        for (size_t v = 0; v < 2; v++) {
            for (size_t j = 0; j < sizeof wrong / sizeof wrong[0]; j++) {
                assert_int_equal(poolbuf_set_capacity(views[v], wrong[j]), POOLBUF_ERROR_MAX_CAPACITY);
                assert_int_equal(poolbuf_ensure_writable(views[v], wrong[j]), POOLBUF_ERROR_MAX_CAPACITY);
                assert_int_equal(poolbuf_write_zero(views[v], wrong[j]), POOLBUF_ERROR_MAX_CAPACITY);
            }
            assert_int_equal(poolbuf_capacity(views[v]), 10);
        }
        UNIT_OK(poolbuf_write_zero(buffers[i], 100));
        assert_int_equal(poolbuf_capacity(buffers[i]), 100);
        assert_int_equal(poolbuf_write_u8(buffers[i], 1), POOLBUF_ERROR_MAX_CAPACITY);
        assert_int_equal(poolbuf_ensure_writable(buffers[i], SIZE_MAX - 50), POOLBUF_ERROR_MAX_CAPACITY);
        assert_true(poolbuf_release(buffers[i]));
    }
}

static void growing_without_memory_changes_nothing(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.memory_limit_bytes = (size_t)16 << 20;
    poolbuf_allocator *small = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &small));
    for (size_t i = 0; i < kinds_count(); i++) {
        specimen subject = kinds_make(small, i, CAPACITY);
        if (subject.grows) {
            uint8_t model[CAPACITY];
            const size_t much = (size_t)100 << 20;
            kinds_fill(subject.buffer, model, CAPACITY, 3);
            EXPECT_OK(poolbuf_set_indices(subject.buffer, 3, 40));
            EXPECT_STATUS(poolbuf_set_capacity(subject.buffer, much), NO_MEMORY);
            EXPECT_STATUS(poolbuf_ensure_writable(subject.buffer, much), NO_MEMORY);
            EXPECT_STATUS(poolbuf_write_zero(subject.buffer, much), NO_MEMORY);
            EXPECT(poolbuf_ensure_writable_try(subject.buffer, much, true) == POOLBUF_ROOM_CANNOT);
            EXPECT(poolbuf_capacity(subject.buffer) == CAPACITY);
            EXPECT(indices_are(subject.buffer, 3, 40));
            EXPECT(kinds_holds(subject.buffer, model, CAPACITY));
        }
        kinds_release(&subject);
    }
    assert_true(allocator_audit(small));
    UNIT_OK(poolbuf_allocator_destroy(small));
}

/* ---- Making room ------------------------------------------------------------------------------------------------ */

static void make_room(const specimen *subject) {
    poolbuf *b = subject->buffer;
    EXPECT_OK(poolbuf_set_indices(b, 1, 60));
    EXPECT_OK(poolbuf_ensure_writable(b, 0));
    EXPECT_OK(poolbuf_ensure_writable(b, 1));
    EXPECT(poolbuf_ensure_writable_try(b, 0, false) == POOLBUF_ROOM_ENOUGH);
    EXPECT(poolbuf_ensure_writable_try(b, 1, true) == POOLBUF_ROOM_ENOUGH);
    EXPECT(poolbuf_capacity(b) == CAPACITY);
    EXPECT_STATUS(poolbuf_ensure_writable(b, SIZE_MAX), MAX_CAPACITY);
    EXPECT_STATUS(poolbuf_ensure_writable(b, SIZE_MAX - 59), MAX_CAPACITY);
    EXPECT_STATUS(poolbuf_ensure_writable(b, POOLBUF_CAPACITY_LIMIT - 59), MAX_CAPACITY);
    EXPECT_STATUS(poolbuf_ensure_writable(b, (size_t)UINT32_MAX - 10), MAX_CAPACITY);
    EXPECT(poolbuf_ensure_writable_try(b, SIZE_MAX, false) == POOLBUF_ROOM_CANNOT);
    EXPECT(poolbuf_capacity(b) == CAPACITY);
    if (subject->grows) {
        EXPECT(poolbuf_ensure_writable_try(b, 2, false) == POOLBUF_ROOM_GREW);
        EXPECT(poolbuf_writable_bytes(b) >= 2);
        EXPECT_OK(poolbuf_ensure_writable(b, 1000));
        EXPECT(poolbuf_writable_bytes(b) >= 1000);
        EXPECT(poolbuf_ensure_writable_try(b, 1000, true) == POOLBUF_ROOM_ENOUGH);
    } else {
        EXPECT(poolbuf_ensure_writable_try(b, 2, false) == POOLBUF_ROOM_CANNOT);
        EXPECT(poolbuf_ensure_writable_try(b, 2, true) == POOLBUF_ROOM_CANNOT); /* is at its maximum already */
        EXPECT(poolbuf_capacity(b) == CAPACITY);
    }
    EXPECT(indices_are(b, 1, 60));
}

static void room_is_there_or_made_or_refused(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, make_room);
}

static void room_is_forced_up_to_the_maximum_and_no_further(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 16, 40);
    poolbuf *duplicate = poolbuf_duplicate(b);
    UNIT_OK(poolbuf_set_writer_index(b, 16));
    UNIT_OK(poolbuf_set_writer_index(duplicate, 16));
    assert_int_equal(poolbuf_ensure_writable_try(b, 25, false), POOLBUF_ROOM_CANNOT);
    assert_int_equal(poolbuf_capacity(b), 16);
    assert_int_equal(poolbuf_ensure_writable_try(duplicate, 25, true), POOLBUF_ROOM_GREW_TO_MAX);
    assert_int_equal(poolbuf_capacity(b), 40);
    assert_int_equal(poolbuf_capacity(duplicate), 40);
    assert_int_equal(poolbuf_ensure_writable_try(b, 25, true), POOLBUF_ROOM_CANNOT);
    assert_int_equal(poolbuf_ensure_writable_try(b, 24, true), POOLBUF_ROOM_ENOUGH);
    assert_int_equal(poolbuf_writer_index(b), 16);
    assert_true(poolbuf_release(b));
    b = poolbuf_allocate(allocator, 16, 16);
    assert_int_equal(poolbuf_ensure_writable_try(b, 16, true), POOLBUF_ROOM_ENOUGH);
    assert_int_equal(poolbuf_ensure_writable_try(b, 17, true), POOLBUF_ROOM_CANNOT);
    assert_int_equal(poolbuf_ensure_writable_try(b, 17, false), POOLBUF_ROOM_CANNOT);
    assert_true(poolbuf_release(b));
}

static void make_room_in_read_only(const specimen *subject) {
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 0, 8));
    poolbuf *view = poolbuf_as_read_only(subject->buffer);
    EXPECT_STATUS(poolbuf_ensure_writable(view, 0), READ_ONLY);
    EXPECT_STATUS(poolbuf_ensure_writable(view, 1), READ_ONLY);
    EXPECT_STATUS(poolbuf_ensure_writable(view, SIZE_MAX), READ_ONLY);
    EXPECT(poolbuf_ensure_writable_try(view, 0, false) == POOLBUF_ROOM_CANNOT);
    EXPECT(poolbuf_ensure_writable_try(view, 1, false) == POOLBUF_ROOM_CANNOT);
    EXPECT(poolbuf_ensure_writable_try(view, 1, true) == POOLBUF_ROOM_CANNOT);
    EXPECT_STATUS(poolbuf_set_capacity(view, 1), READ_ONLY);
    EXPECT_STATUS(poolbuf_set_capacity(view, CAPACITY + 1), READ_ONLY);
    EXPECT_STATUS(poolbuf_discard_read_bytes(view), READ_ONLY);
    EXPECT_STATUS(poolbuf_discard_some_read_bytes(view), READ_ONLY);
    EXPECT(poolbuf_capacity(view) == CAPACITY && poolbuf_capacity(subject->buffer) == CAPACITY);
}

static void a_read_only_buffer_has_no_room_and_makes_none(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, make_room_in_read_only);
}

static void room_comes_from_the_class_before_anything_moves(void **state) {
    (void)state;
    for (size_t size = 1; size < 4000; size = size * 3 / 2 + 1) {
        poolbuf *b = poolbuf_allocate(allocator, size, SIZE_MAX);
        const uint8_t *memory = poolbuf_memory(b);
        size_t fast = poolbuf_max_fast_writable_bytes(b);
        assert_true(fast >= size);
        UNIT_OK(poolbuf_write_zero(b, size));
        assert_int_equal(poolbuf_max_fast_writable_bytes(b), fast - size); /* what was written is no longer there */
        if (fast > size) {
            UNIT_OK(poolbuf_ensure_writable(b, 1));
            assert_int_equal(poolbuf_capacity(b), fast); /* not a byte more than the class has */
            assert_int_equal(poolbuf_writable_bytes(b), fast - size);
            assert_int_equal(poolbuf_max_fast_writable_bytes(b), fast - size);
        }
        UNIT_OK(poolbuf_write_zero(b, fast - size));
        assert_ptr_equal(poolbuf_memory(b), memory);
        assert_int_equal(poolbuf_max_fast_writable_bytes(b), 0);
        UNIT_OK(poolbuf_write_u8(b, 1));
        assert_ptr_not_equal(poolbuf_memory(b), memory);
        assert_true(poolbuf_release(b));
    }
}

static void fast_room_is_cut_by_the_maximum_and_is_that_of_the_capacity_where_it_is_fixed(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 100, 105); /* of a class of 112 */
    poolbuf *duplicate = poolbuf_duplicate(b);
    assert_int_equal(poolbuf_max_fast_writable_bytes(b), 105);
    UNIT_OK(poolbuf_set_writer_index(duplicate, 90));
    assert_int_equal(poolbuf_max_fast_writable_bytes(duplicate), 15);
    poolbuf *slice = poolbuf_slice(b, 10, 20);
    assert_int_equal(poolbuf_max_fast_writable_bytes(slice), 0);
    poolbuf_clear(slice);
    assert_int_equal(poolbuf_max_fast_writable_bytes(slice), 20);
    assert_int_equal(poolbuf_max_fast_writable_bytes(poolbuf_as_read_only(b)), 0);
    assert_true(poolbuf_release(b));
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    assert_int_equal(poolbuf_max_fast_writable_bytes(composite), 0);
    UNIT_OK(poolbuf_set_capacity(composite, 50));
    UNIT_OK(poolbuf_set_writer_index(composite, 20));
    assert_int_equal(poolbuf_max_fast_writable_bytes(composite), 30);
    assert_true(poolbuf_release(composite));
}

static void a_composite_grows_by_the_same_rule_and_by_a_component(void **state) {
    (void)state;
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_write_u8(composite, 7));
    assert_int_equal(poolbuf_capacity(composite), 64);
    assert_int_equal(poolbuf_composite_component_count(composite), 1);
    UNIT_OK(poolbuf_write_zero(composite, 64));
    assert_int_equal(poolbuf_capacity(composite), 128);
    assert_int_equal(poolbuf_composite_component_count(composite), 2);
    uint8_t value = 0;
    UNIT_OK(poolbuf_read_u8(composite, &value));
    assert_int_equal(value, 7);
    assert_true(poolbuf_release(composite));
}

/* ---- Dropping what has been read -------------------------------------------------------------------------------- */

/* A retained slice is looked at by itself, so nothing moves under it. */
static bool is_retained(const specimen *subject) {
    return strstr(subject->kind, "retained") == subject->kind;
}

static void discard(const specimen *subject) {
    poolbuf *b = subject->buffer;
    uint8_t model[CAPACITY];
    kinds_fill(b, model, CAPACITY, 4);
    EXPECT_OK(poolbuf_set_indices(b, 0, 55));
    EXPECT_OK(poolbuf_discard_read_bytes(b));
    EXPECT(indices_are(b, 0, 55) && poolbuf_capacity(b) == CAPACITY);
    EXPECT_OK(poolbuf_set_reader_index(b, 17));
    poolbuf_status status = poolbuf_discard_read_bytes(b);
    if (status == POOLBUF_ERROR_UNSUPPORTED) {
        EXPECT(indices_are(b, 17, 55));
        EXPECT(kinds_holds(b, model, CAPACITY));
        return;
    }
    EXPECT(status == POOLBUF_OK);
    EXPECT(indices_are(b, 0, 38));
    EXPECT(kinds_holds(b, model + 17, 38));
    EXPECT(poolbuf_capacity(b) == CAPACITY || poolbuf_capacity(b) == CAPACITY - 17);
    EXPECT_OK(poolbuf_set_indices(b, 38, 38)); /* nothing is left to read */
    EXPECT_OK(poolbuf_discard_read_bytes(b));
    EXPECT(indices_are(b, 0, 0));
}

static void discarding_moves_the_readable_bytes_to_the_start(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, discard);
    for (size_t i = 0; i < kinds_count(); i++) { /* and only retained slices, or composites of some, refuse */
        specimen subject = kinds_make(allocator, i, CAPACITY);
        EXPECT_OK(poolbuf_set_indices(subject.buffer, 1, 2));
        bool moves = poolbuf_discard_read_bytes(subject.buffer) == POOLBUF_OK;
        EXPECT(moves || is_retained(&subject) || subject.in_pieces);
        kinds_release(&subject);
    }
}

static void discarding_some_waits_for_half_of_the_capacity_or_the_last_byte(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    poolbuf *views[] = {b, poolbuf_slice(b, 0, 64), poolbuf_duplicate(b)};
    for (size_t i = 0; i < 3; i++) {
        uint8_t model[64];
        kinds_fill(b, model, 64, 5);
        UNIT_OK(poolbuf_set_indices(views[i], 31, 60));
        UNIT_OK(poolbuf_discard_some_read_bytes(views[i]));
        assert_true(indices_are(views[i], 31, 60));
        UNIT_OK(poolbuf_set_reader_index(views[i], 32));
        UNIT_OK(poolbuf_discard_some_read_bytes(views[i]));
        assert_true(indices_are(views[i], 0, 28));
        assert_memory_equal(poolbuf_memory(b), model + 32, 28);
        UNIT_OK(poolbuf_set_indices(views[i], 5, 5));
        UNIT_OK(poolbuf_discard_some_read_bytes(views[i]));
        assert_true(indices_are(views[i], 0, 0));
    }
    assert_true(poolbuf_release(b));
}

static void a_composite_discards_components_and_its_capacity_with_them(void **state) {
    (void)state;
    for (int partly = 0; partly < 2; partly++) {
        poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
        uint8_t model[30];
        for (size_t i = 0; i < 3; i++) {
            poolbuf *part = poolbuf_allocate(allocator, 10, 10);
            UNIT_OK(poolbuf_set_writer_index(part, 10));
            UNIT_OK(poolbuf_composite_add_component(composite, part, true));
        }
        kinds_fill(composite, model, 30, 6);
        poolbuf *looking = poolbuf_retained_slice(composite, 0, 30);
        UNIT_OK(poolbuf_skip_bytes(composite, 14));
        UNIT_OK(partly != 0 ? poolbuf_discard_read_bytes(composite) : poolbuf_discard_some_read_bytes(composite));
        size_t gone = partly != 0 ? 14 : 10;
        assert_int_equal(poolbuf_capacity(composite), 30 - gone);
        assert_true(indices_are(composite, 14 - gone, 30 - gone));
        assert_true(kinds_holds(composite, model + gone, 30 - gone));
        assert_true(kinds_holds(looking, model, 30)); /* nothing has moved */
        assert_true(poolbuf_release(looking));
        assert_true(poolbuf_release(composite));
    }
}

static void nothing_is_discarded_under_a_retained_slice(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 40, 40);
    uint8_t model[40];
    kinds_fill(b, model, 40, 7);
    poolbuf *looking = poolbuf_retained_slice(b, 30, 10);
    poolbuf *views[] = {b, poolbuf_slice(b, 0, 40), poolbuf_duplicate(b)};
    for (size_t i = 0; i < 3; i++) {
        UNIT_OK(poolbuf_set_indices(views[i], 25, 40));
        assert_int_equal(poolbuf_discard_read_bytes(views[i]), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_discard_some_read_bytes(views[i]), POOLBUF_ERROR_UNSUPPORTED);
        assert_true(indices_are(views[i], 25, 40));
    }
    assert_memory_equal(poolbuf_memory(b), model, 40);
    assert_true(poolbuf_release(looking));
    UNIT_OK(poolbuf_discard_read_bytes(b));
    assert_memory_equal(poolbuf_memory(b), model + 25, 15);
    assert_true(poolbuf_release(b));
}

/* Of views of a composite, which move bytes from component to component. */
static void nothing_is_discarded_under_a_retained_slice_of_a_component(void **state) {
    (void)state;
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    UNIT_OK(poolbuf_set_capacity(composite, 20));
    UNIT_OK(poolbuf_set_capacity(composite, 40));
    uint8_t model[40];
    kinds_fill(composite, model, 40, 8);
    poolbuf *looking = poolbuf_retained_slice(composite, 10, 20);
    poolbuf *views[] = {poolbuf_slice(composite, 0, 40), poolbuf_duplicate(composite)};
    for (size_t i = 0; i < 2; i++) {
        UNIT_OK(poolbuf_set_indices(views[i], 25, 40));
        assert_int_equal(poolbuf_discard_read_bytes(views[i]), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_discard_some_read_bytes(views[i]), POOLBUF_ERROR_UNSUPPORTED);
        assert_true(indices_are(views[i], 25, 40));
    }
    assert_true(kinds_holds(looking, model + 10, 20));
    assert_true(poolbuf_release(looking));
    UNIT_OK(poolbuf_discard_read_bytes(views[0]));
    assert_true(kinds_holds(views[0], model + 25, 15));
    assert_true(indices_are(views[0], 0, 15));
    assert_int_equal(poolbuf_capacity(composite), 40);
    assert_true(poolbuf_release(composite));
}

#define CAPACITY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CAPACITY_TEST(a_capacity_goes_up_and_down_and_the_bytes_stay_or_it_is_fixed),
        CAPACITY_TEST(views_and_foreign_memory_refuse_any_other_capacity),
        CAPACITY_TEST(a_maximum_is_kept_by_every_way_to_grow),
        CAPACITY_TEST(growing_without_memory_changes_nothing),
        CAPACITY_TEST(room_is_there_or_made_or_refused),
        CAPACITY_TEST(room_is_forced_up_to_the_maximum_and_no_further),
        CAPACITY_TEST(a_read_only_buffer_has_no_room_and_makes_none),
        CAPACITY_TEST(room_comes_from_the_class_before_anything_moves),
        CAPACITY_TEST(fast_room_is_cut_by_the_maximum_and_is_that_of_the_capacity_where_it_is_fixed),
        CAPACITY_TEST(a_composite_grows_by_the_same_rule_and_by_a_component),
        CAPACITY_TEST(discarding_moves_the_readable_bytes_to_the_start),
        CAPACITY_TEST(discarding_some_waits_for_half_of_the_capacity_or_the_last_byte),
        CAPACITY_TEST(a_composite_discards_components_and_its_capacity_with_them),
        CAPACITY_TEST(nothing_is_discarded_under_a_retained_slice),
        CAPACITY_TEST(nothing_is_discarded_under_a_retained_slice_of_a_component),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
