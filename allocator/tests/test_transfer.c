/* Unit tests of the transfers in access.h: bytes, zeros, other buffers, iovecs, copies; on every kind of buffer. */
#include "unit.h"

#include <sys/uio.h>

#include "allocator.h"
#include "kinds.h"

enum {
    CAPACITY = 61,
    SMALL = 23 /* for what is tried with every index and every length */
};

static poolbuf_allocator *allocator;
static unit_random numbers;

static int set_up(void **state) {
    (void)state;
    numbers = unit_random_from(12);
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static size_t below(size_t limit) {
    return unit_random_below(&numbers, (uint32_t)limit);
}

/* Ranges that do not lie within a capacity; each wraps or is too far, by index or by length. */
static const struct {
    size_t index, length;
} outside[] = {
    {0, CAPACITY + 1},  {CAPACITY, 1},
    {CAPACITY + 1, 0},  {SIZE_MAX, 0},
    {SIZE_MAX, 1},      {SIZE_MAX, 2},
    {1, SIZE_MAX},      {0, SIZE_MAX},
    {CAPACITY - 3, 4},  {(size_t)1 << 32, 1},
    {1, CAPACITY},      {0, SIZE_MAX / 2},
    {SIZE_MAX - 10, 4}, {5, ((size_t)1 << 32) + 1},
};

#define OUTSIDE_COUNT (sizeof outside / sizeof outside[0])

/* ---- Bytes ------------------------------------------------------------------------------------------------------ */

static void set_and_get_each_range(const specimen *subject) {
    uint8_t model[SMALL];
    uint8_t bytes[SMALL + 2];
    kinds_fill(subject->buffer, model, SMALL, 1);
    for (size_t index = 0; index <= SMALL; index++) {
        for (size_t length = 0; length <= SMALL - index; length++) {
            for (size_t i = 0; i < length; i++) {
                model[index + i] = (uint8_t)unit_random_next(&numbers);
            }
            EXPECT_OK(poolbuf_set_bytes(subject->buffer, index, model + index, length));
            EXPECT(kinds_holds(subject->buffer, model, SMALL));
            memset(bytes, 0xee, sizeof bytes);
            EXPECT_OK(poolbuf_get_bytes(subject->buffer, index, bytes + 1, length));
            EXPECT(memcmp(bytes + 1, model + index, length) == 0);
            EXPECT(bytes[0] == 0xee && bytes[length + 1] == 0xee);
        }
    }
    EXPECT(poolbuf_writer_index(subject->buffer) == 0);
}

static void bytes_are_set_and_got_at_every_index_and_length(void **state) {
    (void)state;
    kinds_each(allocator, SMALL, set_and_get_each_range);
}

static void use_outside(const specimen *subject) {
    uint8_t model[CAPACITY];
    uint8_t bytes[2 * CAPACITY] = {0};
    kinds_fill(subject->buffer, model, CAPACITY, 2);
    for (size_t i = 0; i < OUTSIDE_COUNT; i++) {
        volatile size_t length = outside[i].length; /* what a compiler can see it warns about */
        EXPECT_STATUS(poolbuf_get_bytes(subject->buffer, outside[i].index, bytes, length), OUT_OF_BOUNDS);
        EXPECT_STATUS(poolbuf_set_bytes(subject->buffer, outside[i].index, bytes, length), OUT_OF_BOUNDS);
        EXPECT_STATUS(poolbuf_set_zero(subject->buffer, outside[i].index, length), OUT_OF_BOUNDS);
        EXPECT(poolbuf_copy(subject->buffer, outside[i].index, length) == NULL);
        EXPECT(poolbuf_bytes_at(subject->buffer, outside[i].index, length) == NULL);
    }
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 2, CAPACITY - 1));
    for (size_t length = CAPACITY - 2; length != 0; length = length < SIZE_MAX / 2 ? length * 2 + 1 : 0) {
        volatile size_t opaque = length;
        EXPECT_STATUS(poolbuf_read_bytes(subject->buffer, bytes, opaque), OUT_OF_BOUNDS);
        EXPECT(poolbuf_read_copy(subject->buffer, length) == NULL);
        EXPECT_STATUS(poolbuf_skip_bytes(subject->buffer, length), OUT_OF_BOUNDS);
    }
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    EXPECT(poolbuf_reader_index(subject->buffer) == 2);
    EXPECT(poolbuf_writer_index(subject->buffer) == CAPACITY - 1);
    EXPECT(bytes[0] == 0);
}

static void bytes_outside_the_capacity_or_the_readable_ones_are_refused(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, use_outside);
}

/* Random writes until it is full, then random reads. */
static void write_and_read_in_sequence(const specimen *subject) {
    uint8_t model[CAPACITY];
    uint8_t bytes[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 3);
    size_t run = 0;
    for (size_t place = 0; place < CAPACITY; place += run) {
        run = below(CAPACITY - place + 1);
        bool zero = below(3) == 0;
        for (size_t i = 0; i < run; i++) {
            model[place + i] = zero ? 0 : (uint8_t)unit_random_next(&numbers);
        }
        EXPECT_OK(zero ? poolbuf_write_zero(subject->buffer, run)
                       : poolbuf_write_bytes(subject->buffer, model + place, run));
        EXPECT(poolbuf_writer_index(subject->buffer) == place + run);
        EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    }
    for (size_t place = 0; place < CAPACITY; place += run) {
        run = below(CAPACITY - place + 1);
        EXPECT_OK(poolbuf_read_bytes(subject->buffer, bytes, run));
        EXPECT(memcmp(bytes, model + place, run) == 0);
        EXPECT(poolbuf_reader_index(subject->buffer) == place + run);
    }
    EXPECT(poolbuf_writer_index(subject->buffer) == CAPACITY);
}

static void bytes_and_zeros_are_read_as_they_were_written(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        kinds_each(allocator, CAPACITY, write_and_read_in_sequence);
    }
}

static void zero_each_range(const specimen *subject) {
    uint8_t model[SMALL];
    for (size_t index = 0; index <= SMALL; index++) {
        for (size_t length = 0; length <= SMALL - index; length++) {
            kinds_fill(subject->buffer, model, SMALL, 4);
            memset(model + index, 0, length);
            EXPECT_OK(poolbuf_set_zero(subject->buffer, index, length));
            EXPECT(kinds_holds(subject->buffer, model, SMALL));
        }
    }
}

static void zeros_are_set_where_they_were_asked_for_and_nowhere_else(void **state) {
    (void)state;
    kinds_each(allocator, SMALL, zero_each_range);
}

static void write_past_the_end(const specimen *subject) {
    uint8_t model[3 * CAPACITY] = {0};
    kinds_fill(subject->buffer, model, CAPACITY, 5);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 3, CAPACITY - 7));
    poolbuf_status expected = subject->grows ? POOLBUF_OK : POOLBUF_ERROR_MAX_CAPACITY;
    const uint8_t bytes[20] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1};
    EXPECT(poolbuf_write_bytes(subject->buffer, bytes, sizeof bytes) == expected);
    EXPECT(poolbuf_write_zero(subject->buffer, 100) == expected);
    EXPECT_STATUS(poolbuf_write_zero(subject->buffer, SIZE_MAX), MAX_CAPACITY);
    EXPECT_STATUS(poolbuf_write_zero(subject->buffer, POOLBUF_CAPACITY_LIMIT), MAX_CAPACITY);
    EXPECT(poolbuf_reader_index(subject->buffer) == 3);
    if (subject->grows) {
        memcpy(model + CAPACITY - 7, bytes, sizeof bytes);
        EXPECT(poolbuf_writer_index(subject->buffer) == CAPACITY - 7 + sizeof bytes + 100);
        EXPECT(kinds_holds(subject->buffer, model, CAPACITY - 7 + sizeof bytes + 100));
    } else {
        EXPECT(poolbuf_writer_index(subject->buffer) == CAPACITY - 7);
        EXPECT(poolbuf_capacity(subject->buffer) == CAPACITY);
        EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    }
}

static void writes_past_the_capacity_grow_the_buffer_or_change_nothing(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, write_past_the_end);
}

/* ---- From buffer to buffer -------------------------------------------------------------------------------------- */

static void transfer_at_random(const specimen *to, const specimen *from) {
    uint8_t to_model[CAPACITY];
    uint8_t from_model[CAPACITY];
    kinds_fill(to->buffer, to_model, CAPACITY, 6);
    kinds_fill(from->buffer, from_model, CAPACITY, 7);
    for (int round = 0; round < 8; round++) {
        size_t length = below(CAPACITY + 1);
        size_t to_index = below(CAPACITY - length + 1);
        size_t from_index = below(CAPACITY - length + 1);
        memcpy(to_model + to_index, from_model + from_index, length);
        EXPECT_OK(round % 2 == 0 ? poolbuf_set_buffer(to->buffer, to_index, from->buffer, from_index, length)
                                 : poolbuf_get_buffer(from->buffer, from_index, to->buffer, to_index, length));
        EXPECT(poolbuf_writer_index(to->buffer) == 0 && poolbuf_writer_index(from->buffer) == 0);
        length = below(CAPACITY / 2);
        size_t place = below(CAPACITY - length + 1);
        from_index = below(CAPACITY - length + 1);
        EXPECT_OK(poolbuf_set_indices(to->buffer, 0, place));
        EXPECT_OK(poolbuf_set_indices(from->buffer, from_index, CAPACITY));
        memcpy(to_model + place, from_model + from_index, length);
        EXPECT_OK(round % 2 == 0 ? poolbuf_write_buffer(to->buffer, from->buffer, length)
                                 : poolbuf_read_buffer(from->buffer, to->buffer, length));
        EXPECT(poolbuf_reader_index(to->buffer) == 0 && poolbuf_writer_index(to->buffer) == place + length);
        EXPECT(poolbuf_reader_index(from->buffer) == from_index + length);
        EXPECT(poolbuf_writer_index(from->buffer) == CAPACITY);
        poolbuf_clear(to->buffer);
        poolbuf_clear(from->buffer);
        EXPECT(kinds_holds(to->buffer, to_model, CAPACITY));
        EXPECT(kinds_holds(from->buffer, from_model, CAPACITY));
    }
}

static void bytes_go_from_every_kind_to_every_kind(void **state) {
    (void)state;
    for (size_t i = 0; i < kinds_count(); i++) {
        for (size_t j = 0; j < kinds_count(); j++) {
            specimen to = kinds_make(allocator, i, CAPACITY);
            specimen from = kinds_make(allocator, j, CAPACITY);
            transfer_at_random(&to, &from);
            kinds_release(&to);
            kinds_release(&from);
        }
    }
}

static void transfer_outside(const specimen *subject) {
    uint8_t model[CAPACITY];
    uint8_t other_model[CAPACITY];
    poolbuf *other = poolbuf_allocate(allocator, CAPACITY, CAPACITY);
    kinds_fill(other, other_model, CAPACITY, 8);
    kinds_fill(subject->buffer, model, CAPACITY, 9);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 5, 15));
    EXPECT_OK(poolbuf_set_indices(other, 20, 40));
    for (size_t i = 0; i < OUTSIDE_COUNT; i++) {
        size_t index = outside[i].index;
        size_t length = outside[i].length;
        EXPECT_STATUS(poolbuf_set_buffer(subject->buffer, index, other, 0, length), OUT_OF_BOUNDS);
        EXPECT_STATUS(poolbuf_set_buffer(other, 0, subject->buffer, index, length), OUT_OF_BOUNDS);
        EXPECT_STATUS(poolbuf_get_buffer(subject->buffer, index, other, 0, length), OUT_OF_BOUNDS);
        EXPECT_STATUS(poolbuf_get_buffer(other, 0, subject->buffer, index, length), OUT_OF_BOUNDS);
    }
    EXPECT_STATUS(poolbuf_write_buffer(other, subject->buffer, 11), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_read_buffer(subject->buffer, other, SIZE_MAX), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_write_buffer(subject->buffer, other, 21), OUT_OF_BOUNDS);
    EXPECT_OK(poolbuf_set_writer_index(other, CAPACITY));
    EXPECT_STATUS(poolbuf_read_buffer(subject->buffer, other, 1), MAX_CAPACITY);
    EXPECT(poolbuf_reader_index(subject->buffer) == 5 && poolbuf_writer_index(subject->buffer) == 15);
    EXPECT(poolbuf_reader_index(other) == 20 && poolbuf_writer_index(other) == CAPACITY);
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    EXPECT(kinds_holds(other, other_model, CAPACITY));
    EXPECT(poolbuf_release(other));
}

static void a_transfer_that_either_side_refuses_moves_no_byte_and_no_index(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, transfer_outside);
}

static void move_within(const specimen *subject) {
    uint8_t model[SMALL];
    kinds_fill(subject->buffer, model, SMALL, 10);
    for (size_t length = 0; length <= SMALL; length++) {
        for (size_t to = 0; to <= SMALL - length; to += 1 + length % 2) {
            for (size_t from = 0; from <= SMALL - length; from += 1 + to % 3) {
                memmove(model + to, model + from, length);
                EXPECT_OK(poolbuf_set_buffer(subject->buffer, to, subject->buffer, from, length));
                EXPECT(kinds_holds(subject->buffer, model, SMALL));
            }
        }
    }
    kinds_fill(subject->buffer, model, SMALL, 11);
    poolbuf *view = poolbuf_slice(subject->buffer, 4, SMALL - 4);
    EXPECT(view != NULL);
    memmove(model + 4, model, SMALL - 4);
    EXPECT_OK(poolbuf_set_buffer(view, 0, subject->buffer, 0, SMALL - 4));
    EXPECT(kinds_holds(subject->buffer, model, SMALL));
    memmove(model, model + 4, SMALL - 4);
    EXPECT_OK(poolbuf_get_buffer(view, 0, subject->buffer, 0, SMALL - 4));
    EXPECT(kinds_holds(subject->buffer, model, SMALL));
}

static void a_transfer_that_overlaps_copies_the_bytes_as_they_were(void **state) {
    (void)state;
    kinds_each(allocator, SMALL, move_within);
}

static void append_to_itself(const specimen *subject) {
    uint8_t model[2 * CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 12);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 2, CAPACITY - 5));
    size_t length = subject->grows ? CAPACITY - 7 : 5;
    memcpy(model + CAPACITY - 5, model + 2, length);
    EXPECT_OK(poolbuf_write_buffer(subject->buffer, subject->buffer, length));
    EXPECT(poolbuf_reader_index(subject->buffer) == 2 + length);
    EXPECT(poolbuf_writer_index(subject->buffer) == CAPACITY - 5 + length);
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY - 5 + length));
}

static void a_buffer_is_written_to_itself_even_as_it_grows(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, append_to_itself);
}

/* Of a size class, of malloc's, with a region of its own; through it or a duplicate, from bytes or from a list. */
static void bytes_of_the_buffer_itself_are_written_even_as_it_moves(void **state) {
    (void)state;
    const size_t sizes[] = {CAPACITY, 40000, (size_t)6 << 20};
    for (unsigned i = 0; i < 24; i++) {
        size_t size = sizes[i % 3];
        poolbuf *buffer = i % 2 != 0 ? poolbuf_allocate(allocator, size, 4 * size)
                                     : poolbuf_allocate_unpooled(allocator, size, 4 * size);
        UNIT_OK(poolbuf_write_zero(buffer, size));
        for (size_t j = 0; j < size; j += size / 20) {
            UNIT_OK(poolbuf_set_u8(buffer, j, (uint8_t)(j / 3 + 1)));
        }
        poolbuf *to = i % 4 < 2 ? buffer : poolbuf_duplicate(buffer);
        UNIT_OK(poolbuf_set_capacity(to, size)); /* without the slack of a class */
        const uint8_t *old_memory = poolbuf_memory(to);
        const struct iovec pieces[] = {{poolbuf_memory(to), size - 5}, {poolbuf_memory(to) + size - 5, 5}};
        /* A size class moves. What is not the pool's may be made larger where it is, each time. */
        for (size_t room = size; room == size || (room < 4 * size && poolbuf_memory(to) == old_memory); room += size) {
            UNIT_OK(i < 12 ? poolbuf_write_bytes(to, pieces[0].iov_base, size) : poolbuf_write_iovec(to, pieces, 2));
            assert_memory_equal(poolbuf_memory(to), poolbuf_memory(to) + room, size);
        }
        assert_true(poolbuf_release(buffer));
    }
}

/* Two components that show the same bytes, 8 apart: what is set in one is seen in the other. */
static void a_composite_that_holds_the_same_bytes_twice_copies_them_as_they_were(void **state) {
    (void)state;
    for (size_t to = 0; to <= 16; to++) {
        for (size_t from = 0; from <= 32; from++) {
            uint8_t leaf[32];
            uint8_t taken[16];
            poolbuf *root = poolbuf_allocate(allocator, 32, 32);
            kinds_fill(root, leaf, 32, 13);
            poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
            UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_retained_slice(root, 0, 24), true));
            UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_retained_slice(root, 8, 24), true));
            size_t length = to < 8 ? 16 : 8; /* ends within the first component */
            for (size_t i = 0; i < length; i++) {
                size_t at = from + i;
                taken[i] = leaf[at < 24 ? at : at - 24 + 8];
            }
            UNIT_OK(poolbuf_set_buffer(composite, to, composite, from, length));
            memcpy(leaf + to, taken, length);
            assert_memory_equal(poolbuf_memory(root), leaf, 32);
            assert_true(poolbuf_release(composite));
            assert_true(poolbuf_release(root));
        }
    }
}

/* The composite grows, has too many components then, and makes them one: the source would go with the one that it is
 * a slice of. */
static void a_source_that_lies_in_a_component_outlives_its_consolidation(void **state) {
    (void)state;
    uint8_t model[40];
    poolbuf *composite = poolbuf_allocate_composite(allocator, 1);
    poolbuf *only = poolbuf_allocate(allocator, 20, 20);
    kinds_fill(only, model, 20, 18);
    UNIT_OK(poolbuf_set_writer_index(only, 20));
    UNIT_OK(poolbuf_composite_add_component(composite, only, true));
    poolbuf *source = poolbuf_composite_component_slice(composite, 0);
    memcpy(model + 20, model + 3, 10);
    UNIT_OK(poolbuf_skip_bytes(source, 3));
    UNIT_OK(poolbuf_write_buffer(composite, source, 10));
    assert_int_equal(poolbuf_composite_component_count(composite), 1);
    assert_true(kinds_holds(composite, model, 30));
    assert_int_equal(poolbuf_writer_index(composite), 30);
    assert_true(poolbuf_release(composite));
}

/* ---- Memory in pieces ------------------------------------------------------------------------------------------- */

static void use_iovecs(const specimen *subject) {
    uint8_t model[CAPACITY];
    uint8_t bytes[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 14);
    for (int round = 0; round < 20; round++) {
        size_t total = below(CAPACITY + 1);
        size_t index = below(CAPACITY - total + 1);
        size_t first = below(total + 1);
        size_t second = below(total - first + 1);
        for (size_t i = 0; i < total; i++) {
            bytes[i] = (uint8_t)unit_random_next(&numbers);
        }
        const struct iovec pieces[] = {
            {bytes, first}, {NULL, 0}, {bytes + first, second}, {bytes + first + second, total - first - second}};
        bool sequential = round % 2 == 0;
        EXPECT_OK(poolbuf_set_indices(subject->buffer, 0, index));
        EXPECT_OK(sequential ? poolbuf_write_iovec(subject->buffer, pieces, 4)
                             : poolbuf_set_iovec(subject->buffer, index, pieces, 4));
        EXPECT(poolbuf_writer_index(subject->buffer) == index + (sequential ? total : 0));
        memcpy(model + index, bytes, total);
        EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
        memset(bytes, 0, sizeof bytes);
        EXPECT_OK(poolbuf_set_indices(subject->buffer, index, CAPACITY));
        EXPECT_OK(sequential ? poolbuf_read_iovec(subject->buffer, pieces, 4)
                             : poolbuf_get_iovec(subject->buffer, index, pieces, 4));
        EXPECT(poolbuf_reader_index(subject->buffer) == index + (sequential ? total : 0));
        EXPECT(memcmp(bytes, model + index, total) == 0);
    }
}

static void iovecs_take_and_give_their_pieces_in_order(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, use_iovecs);
}

static void misuse_iovecs(const specimen *subject) {
    uint8_t model[CAPACITY];
    uint8_t bytes[CAPACITY] = {0};
    kinds_fill(subject->buffer, model, CAPACITY, 15);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 3, 30));
    const struct iovec long_one[] = {{bytes, 20}, {bytes + 20, 8}};
    EXPECT_STATUS(poolbuf_read_iovec(subject->buffer, long_one, 2), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_get_iovec(subject->buffer, CAPACITY - 27, long_one, 2), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_set_iovec(subject->buffer, CAPACITY - 27, long_one, 2), OUT_OF_BOUNDS);
    EXPECT_STATUS(poolbuf_get_iovec(subject->buffer, SIZE_MAX, long_one, 2), OUT_OF_BOUNDS);
    const struct iovec vast[] = {{bytes, POOLBUF_CAPACITY_LIMIT}, {bytes, 1}};
    const struct iovec wraps[] = {{bytes, 2}, {bytes, SIZE_MAX}};
    EXPECT_STATUS(poolbuf_write_iovec(subject->buffer, vast, 2), BAD_ARGUMENT);
    EXPECT_STATUS(poolbuf_read_iovec(subject->buffer, wraps, 2), BAD_ARGUMENT);
    EXPECT_STATUS(poolbuf_set_iovec(subject->buffer, 0, vast, 2), BAD_ARGUMENT);
    EXPECT_STATUS(poolbuf_get_iovec(subject->buffer, 0, wraps, 2), BAD_ARGUMENT);
    EXPECT_OK(poolbuf_read_iovec(subject->buffer, NULL, 0));
    EXPECT_OK(poolbuf_write_iovec(subject->buffer, NULL, 0));
    EXPECT(poolbuf_reader_index(subject->buffer) == 3 && poolbuf_writer_index(subject->buffer) == 30);
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    EXPECT_OK(poolbuf_set_writer_index(subject->buffer, CAPACITY - 27));
    EXPECT(poolbuf_write_iovec(subject->buffer, long_one, 2) ==
           (subject->grows ? POOLBUF_OK : POOLBUF_ERROR_MAX_CAPACITY));
    EXPECT(poolbuf_writer_index(subject->buffer) == CAPACITY - 27 + (subject->grows ? 28 : 0));
}

static void iovecs_that_name_too_much_are_refused_as_a_whole(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, misuse_iovecs);
}

/* ---- Read-only -------------------------------------------------------------------------------------------------- */

static void write_to_read_only(const specimen *subject) {
    uint8_t model[CAPACITY];
    uint8_t bytes[CAPACITY] = {0};
    kinds_fill(subject->buffer, model, CAPACITY, 16);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 5, 50));
    poolbuf *view = poolbuf_as_read_only(subject->buffer);
    poolbuf *other = poolbuf_allocate(allocator, CAPACITY, CAPACITY);
    EXPECT(view != NULL && other != NULL);
    EXPECT_OK(poolbuf_write_zero(other, CAPACITY));
    const struct iovec piece = {bytes, 3};
    EXPECT_STATUS(poolbuf_set_bytes(view, 1, bytes, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_write_bytes(view, bytes, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_set_zero(view, 1, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_write_zero(view, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_set_buffer(view, 1, other, 1, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_get_buffer(other, 1, view, 1, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_write_buffer(view, other, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_read_buffer(other, view, 3), READ_ONLY);
    EXPECT_STATUS(poolbuf_set_iovec(view, 1, &piece, 1), READ_ONLY);
    EXPECT_STATUS(poolbuf_write_iovec(view, &piece, 1), READ_ONLY);
    EXPECT_STATUS(poolbuf_discard_read_bytes(view), READ_ONLY);
    EXPECT(poolbuf_reader_index(other) == 0);
    EXPECT(poolbuf_reader_index(view) == 5 && poolbuf_writer_index(view) == 50);
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    EXPECT_OK(poolbuf_read_bytes(view, bytes, 10));
    EXPECT(memcmp(bytes, model + 5, 10) == 0);
    EXPECT_OK(poolbuf_read_iovec(view, &piece, 1));
    EXPECT(memcmp(bytes, model + 15, 3) == 0);
    poolbuf_clear(other);
    EXPECT_OK(poolbuf_read_buffer(view, other, 20));
    EXPECT(memcmp(poolbuf_memory(other), model + 18, 20) == 0);
    EXPECT(poolbuf_release(other));
}

static void a_read_only_buffer_refuses_every_transfer_into_it(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, write_to_read_only);
}

/* ---- Copies ----------------------------------------------------------------------------------------------------- */

static void check_copy(const specimen *subject, poolbuf *copy, const uint8_t *bytes, size_t length) {
    EXPECT(copy != NULL);
    EXPECT(poolbuf_reader_index(copy) == 0 && poolbuf_readable_bytes(copy) == length);
    EXPECT(poolbuf_ref_count(copy) == 1);
    EXPECT(poolbuf_is_contiguous(copy) && !poolbuf_is_read_only(copy));
    EXPECT(poolbuf_is_direct(copy) == poolbuf_is_direct(subject->buffer));
    EXPECT(poolbuf_owner(copy) == allocator);
    EXPECT(poolbuf_max_capacity(copy) == poolbuf_max_capacity(subject->buffer));
    EXPECT(memcmp(poolbuf_memory(copy), bytes, length) == 0);
}

static void copy_ranges(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 17);
    for (size_t index = 0; index <= CAPACITY; index += 5) {
        for (size_t length = 0; length <= CAPACITY - index; length += 7) {
            poolbuf *copy = poolbuf_copy(subject->buffer, index, length);
            check_copy(subject, copy, model + index, length);
            EXPECT(poolbuf_release(copy));
        }
    }
    EXPECT(poolbuf_reader_index(subject->buffer) == 0 && poolbuf_writer_index(subject->buffer) == 0);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 4, CAPACITY));
    poolbuf *copy = poolbuf_read_copy(subject->buffer, 30);
    check_copy(subject, copy, model + 4, 30);
    EXPECT(poolbuf_reader_index(subject->buffer) == 34);
    EXPECT_OK(poolbuf_set_zero(copy, 0, 30)); /* is nobody else's */
    EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
    EXPECT(poolbuf_release(copy));
    poolbuf *view = poolbuf_as_read_only(subject->buffer);
    copy = poolbuf_copy(view, 3, 20);
    check_copy(subject, copy, model + 3, 20);
    EXPECT_OK(poolbuf_set_u8(copy, 0, 1));
    EXPECT(poolbuf_release(copy));
}

static void a_copy_is_writable_and_in_one_piece_whatever_the_source_is(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, copy_ranges);
}

#define TRANSFER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TRANSFER_TEST(bytes_are_set_and_got_at_every_index_and_length),
        TRANSFER_TEST(bytes_outside_the_capacity_or_the_readable_ones_are_refused),
        TRANSFER_TEST(bytes_and_zeros_are_read_as_they_were_written),
        TRANSFER_TEST(zeros_are_set_where_they_were_asked_for_and_nowhere_else),
        TRANSFER_TEST(writes_past_the_capacity_grow_the_buffer_or_change_nothing),
        TRANSFER_TEST(bytes_go_from_every_kind_to_every_kind),
        TRANSFER_TEST(a_transfer_that_either_side_refuses_moves_no_byte_and_no_index),
        TRANSFER_TEST(a_transfer_that_overlaps_copies_the_bytes_as_they_were),
        TRANSFER_TEST(a_buffer_is_written_to_itself_even_as_it_grows),
        TRANSFER_TEST(bytes_of_the_buffer_itself_are_written_even_as_it_moves),
        TRANSFER_TEST(a_composite_that_holds_the_same_bytes_twice_copies_them_as_they_were),
        TRANSFER_TEST(a_source_that_lies_in_a_component_outlives_its_consolidation),
        TRANSFER_TEST(iovecs_take_and_give_their_pieces_in_order),
        TRANSFER_TEST(iovecs_that_name_too_much_are_refused_as_a_whole),
        TRANSFER_TEST(a_read_only_buffer_refuses_every_transfer_into_it),
        TRANSFER_TEST(a_copy_is_writable_and_in_one_piece_whatever_the_source_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
