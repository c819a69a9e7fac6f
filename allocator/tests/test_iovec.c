/* Unit tests of the pieces that io.c lends, and of the lists of memory that access.c takes: iovecs, from either side. */
#include "io_shapes.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <poolbuf/io.h>

#include "allocator.h"

static poolbuf_allocator *allocator;
static poolbuf_allocator *unpooled;

static int set_up(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.pooling = false;
    UNIT_OK(poolbuf_allocator_create(&options, &unpooled));
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    UNIT_OK(poolbuf_allocator_destroy(unpooled));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static const part_shape heap_part = {.pooled = true};
static const part_shape direct_part = {.pooled = true, .direct = true};

/* ---- Pieces ------------------------------------------------------------------------------------------------------- */

static void a_plain_buffer_is_one_piece(void **state) {
    (void)state;
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 100);
    struct iovec pieces[2];
    size_t count = 2;
    size_t covered = 0;
    assert_int_equal(poolbuf_iovec_count(b, 0, 100), 1);
    UNIT_OK(poolbuf_readable_iovec(b, 10, 50, pieces, &count, &covered));
    assert_int_equal(count, 1);
    assert_int_equal(covered, 50);
    assert_ptr_equal(pieces[0].iov_base, poolbuf_memory(b) + 10);
    assert_int_equal(pieces[0].iov_len, 50);
    assert_true(poolbuf_release(b));
}

static void the_pieces_of_a_composite_are_those_of_its_components(void **state) {
    (void)state;
    poolbuf *c = make_parts(allocator, unpooled, heap_part, direct_part, 3, 10);
    UNIT_OK(poolbuf_composite_insert_component(c, 1, poolbuf_allocate(allocator, 8, 8), false)); /* of no bytes */
    struct iovec pieces[4];
    size_t count = 4;
    size_t covered = 0;
    assert_int_equal(poolbuf_iovec_count(c, 0, 30), 3);
    assert_int_equal(poolbuf_iovec_count(c, 9, 2), 2);
    UNIT_OK(poolbuf_readable_iovec(c, 5, 20, pieces, &count, &covered));
    assert_int_equal(count, 3);
    assert_int_equal(covered, 20);
    assert_ptr_equal(pieces[0].iov_base, poolbuf_memory(poolbuf_composite_component(c, 0)) + 5);
    assert_ptr_equal(pieces[1].iov_base, poolbuf_memory(poolbuf_composite_component(c, 2)));
    assert_ptr_equal(pieces[2].iov_base, poolbuf_memory(poolbuf_composite_component(c, 3)));
    assert_int_equal(pieces[0].iov_len, 5);
    assert_int_equal(pieces[1].iov_len, 10);
    assert_int_equal(pieces[2].iov_len, 5);
    assert_true(poolbuf_release(c));
}

static void pieces_of_every_kind_show_their_range_and_nothing_else(void **state) {
    (void)state;
    static const size_t ranges[][2] = {{0, KIND_BYTES}, {0, 1}, {9, 2}, {7, 150}, {299, 1}, {300, 0}, {0, 0}};
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        assert_non_null(b);
        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
            struct iovec pieces[40];
            size_t count = 40;
            size_t covered = 0;
            UNIT_OK(poolbuf_readable_iovec(b, ranges[r][0], ranges[r][1], pieces, &count, &covered));
            assert_int_equal(covered, ranges[r][1]);
            assert_int_equal(count, poolbuf_iovec_count(b, ranges[r][0], ranges[r][1]));
            size_t at = ranges[r][0];
            for (size_t i = 0; i < count; i++) {
                assert_payload(pieces[i].iov_base, at, pieces[i].iov_len);
                assert_true(pieces[i].iov_len != 0);
                at += pieces[i].iov_len;
            }
            assert_int_equal(at, ranges[r][0] + ranges[r][1]);
        }
        assert_true(poolbuf_release(owned));
    }
}

static void pieces_beyond_the_room_are_told_by_what_is_covered(void **state) {
    (void)state;
    poolbuf *c = make_parts(allocator, unpooled, heap_part, direct_part, 10, 10);
    size_t at = 0;
    unsigned calls = 0;
    for (size_t covered = 0; at < 100; at += covered) {
        struct iovec pieces[3];
        size_t count = 3;
        UNIT_OK(poolbuf_readable_iovec(c, at, 100 - at, pieces, &count, &covered));
        assert_int_equal(covered, at + 30 <= 100 ? 30 : 10);
        assert_payload(pieces[count - 1].iov_base, at + covered - 10, 10);
        calls++;
    }
    assert_int_equal(calls, 4);
    size_t none = 0;
    size_t covered = 7;
    UNIT_OK(poolbuf_readable_iovec(c, 0, 100, NULL, &none, &covered));
    assert_int_equal(none, 0);
    assert_int_equal(covered, 0);
    assert_true(poolbuf_release(c));
}

static void pieces_out_of_bounds_are_refused(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        const poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        struct iovec piece = {.iov_len = 77};
        size_t count = 1;
        size_t covered = 77;
        assert_int_equal(poolbuf_readable_iovec(b, 1, KIND_BYTES, &piece, &count, &covered),
                         POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_readable_iovec(b, SIZE_MAX, 2, &piece, &count, &covered), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_iovec_count(b, 301, 0), 0);
        assert_int_equal(count, 1);
        assert_int_equal(covered, 77);
        assert_int_equal(piece.iov_len, 77);
        assert_true(poolbuf_release(owned));
    }
}

static void writable_pieces_take_what_readv_gives(void **state) {
    (void)state;
    poolbuf *c = make_parts(allocator, unpooled, heap_part, direct_part, 4, 10);
    UNIT_OK(poolbuf_set_indices(c, 0, 15));
    struct iovec pieces[4];
    size_t count = 4;
    size_t covered = 0;
    UNIT_OK(poolbuf_writable_iovec(c, pieces, &count, &covered));
    assert_int_equal(count, 3);
    assert_int_equal(covered, poolbuf_writable_bytes(c));
    UNIT_OK(poolbuf_set_zero(c, 15, 25));
    uint8_t bytes[25];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = payload_at(15 + i);
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(readv(ends[0], pieces, (int)count), 25);
    UNIT_OK(poolbuf_set_writer_index(c, 40));
    assert_readable_payload(c, 0, 40);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_true(poolbuf_release(c));
}

static void writable_pieces_of_what_is_read_only_are_refused(void **state) {
    (void)state;
    struct iovec pieces[4];
    size_t count = 4;
    size_t covered = 0;
    for (unsigned kind = KIND_FIRST_READ_ONLY; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        poolbuf *views[] = {b, poolbuf_slice(b, 10, 20), poolbuf_duplicate(b)};
        for (size_t i = 0; i < 3; i++) {
            poolbuf_clear(views[i]);
            assert_int_equal(poolbuf_writable_iovec(views[i], pieces, &count, &covered), POOLBUF_ERROR_READ_ONLY);
        }
        assert_true(poolbuf_release(owned));
    }
    poolbuf *c = make_parts(allocator, unpooled, heap_part, direct_part, 2, 10);
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap_read_only(allocator, "ten bytes!", 10, NULL, NULL), false));
    assert_int_equal(poolbuf_writable_iovec(c, pieces, &count, &covered), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(count, 4);
    assert_true(poolbuf_release(c));
}

static void the_empty_buffer_has_no_pieces(void **state) {
    (void)state;
    struct iovec piece;
    size_t count = 1;
    size_t covered = 1;
    UNIT_OK(poolbuf_readable_iovec(poolbuf_empty(), 0, 0, &piece, &count, &covered));
    assert_int_equal(count, 0);
    assert_int_equal(covered, 0);
    assert_int_equal(poolbuf_iovec_count(poolbuf_empty(), 0, 0), 0);
    assert_int_equal(poolbuf_writable_iovec(poolbuf_empty(), &piece, &count, &covered), POOLBUF_ERROR_READ_ONLY);
}

/* What poolbuf_bytes_at() lends is what a single piece shows, and NULL where there are several. */
static void one_piece_is_what_bytes_at_lends(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        const poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        for (size_t index = 0; index < KIND_BYTES; index += 7) {
            for (size_t length = 1; length <= KIND_BYTES - index; length += 11) {
                struct iovec piece;
                size_t count = 1;
                size_t covered = 0;
                UNIT_OK(poolbuf_readable_iovec(b, index, length, &piece, &count, &covered));
                const uint8_t *lent = poolbuf_bytes_at(b, index, length);
                assert_ptr_equal(lent, covered == length ? piece.iov_base : NULL);
                assert_int_equal(poolbuf_iovec_count(b, index, length) == 1, covered == length);
            }
        }
        assert_true(poolbuf_release(owned));
    }
}

/* ---- Lists of memory ---------------------------------------------------------------------------------------------- */

/* Cuts memory into pieces anywhere, empty ones too; gives back their number. */
static size_t cut_list(unit_random *random, void *memory, size_t length, struct iovec *list, size_t room) {
    size_t count = 0;
    size_t done = 0;
    while (done < length || count == 0) {
        size_t left = length - done;
        size_t next = count + 1 == room ? left : unit_random_below(random, (uint32_t)left + 1);
        list[count++] = (struct iovec){.iov_base = (uint8_t *)memory + done, .iov_len = next};
        done += next;
    }
    return count;
}

static void lists_take_and_give_their_bytes_in_order(void **state) {
    (void)state;
    unit_random random = unit_random_start("lists", 20);
    for (unsigned kind = 0; kind < KIND_FIRST_READ_ONLY; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        for (unsigned round = 0; round < 50; round++) {
            uint8_t memory[KIND_BYTES + 2] = {0};
            struct iovec list[8];
            size_t index = unit_random_below(&random, KIND_BYTES);
            size_t length = unit_random_below(&random, (uint32_t)(KIND_BYTES - index + 1));
            UNIT_OK(poolbuf_get_iovec(b, index, list, cut_list(&random, memory + 1, length, list, 8)));
            assert_payload(memory + 1, index, length);
            assert_int_equal(memory[0], 0);
            assert_int_equal(memory[length + 1], 0);
            UNIT_OK(poolbuf_set_zero(b, index, length));
            UNIT_OK(poolbuf_set_iovec(b, index, list, cut_list(&random, memory + 1, length, list, 8)));
            assert_readable_payload(b, 0, KIND_BYTES); /* the neighbours too, and no index has moved */
            UNIT_OK(poolbuf_set_reader_index(b, index));
            UNIT_OK(poolbuf_read_iovec(b, list, cut_list(&random, memory + 1, length, list, 8)));
            assert_payload(memory + 1, index, length);
            assert_int_equal(poolbuf_reader_index(b), index + length);
            UNIT_OK(poolbuf_set_indices(b, 0, index));
            UNIT_OK(poolbuf_set_zero(b, index, length));
            UNIT_OK(poolbuf_write_iovec(b, list, cut_list(&random, memory + 1, length, list, 8)));
            assert_int_equal(poolbuf_writer_index(b), index + length);
            UNIT_OK(poolbuf_set_indices(b, 0, KIND_BYTES));
        }
        assert_readable_payload(b, 0, KIND_BYTES);
        assert_true(poolbuf_release(owned));
    }
}

static void lists_that_do_not_fit_are_refused_whole(void **state) {
    (void)state;
    uint8_t memory[KIND_BYTES + 1] = {0};
    const struct iovec longer[] = {{memory, 100}, {memory + 100, KIND_BYTES - 100 + 1}};
    const struct iovec one[] = {{memory, 1}};
    const struct iovec none[] = {{memory, 0}};
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        bool read_only = kind >= KIND_FIRST_READ_ONLY;
        assert_int_equal(poolbuf_get_iovec(b, 0, longer, 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_iovec(b, KIND_BYTES, one, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_iovec(b, SIZE_MAX, none, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
        UNIT_OK(poolbuf_get_iovec(b, KIND_BYTES, none, 1));
        assert_int_equal(poolbuf_read_iovec(b, longer, 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_set_iovec(b, 0, longer, 2), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_set_iovec(b, 1, longer, 1), read_only ? POOLBUF_ERROR_READ_ONLY : POOLBUF_OK);
        if (read_only) {
            assert_int_equal(poolbuf_write_iovec(b, one, 1), POOLBUF_ERROR_READ_ONLY);
            assert_readable_payload(b, 0, KIND_BYTES);
        }
        assert_int_equal(poolbuf_reader_index(b), 0);
        assert_int_equal(poolbuf_writer_index(b), KIND_BYTES);
        for (size_t i = 0; i < sizeof memory; i++) {
            assert_int_equal(memory[i], 0);
        }
        assert_true(poolbuf_release(owned));
    }
}

#define IOVEC_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IOVEC_TEST(a_plain_buffer_is_one_piece),
        IOVEC_TEST(the_pieces_of_a_composite_are_those_of_its_components),
        IOVEC_TEST(pieces_of_every_kind_show_their_range_and_nothing_else),
        IOVEC_TEST(pieces_beyond_the_room_are_told_by_what_is_covered),
        IOVEC_TEST(pieces_out_of_bounds_are_refused),
        IOVEC_TEST(writable_pieces_take_what_readv_gives),
        IOVEC_TEST(writable_pieces_of_what_is_read_only_are_refused),
        IOVEC_TEST(the_empty_buffer_has_no_pieces),
        IOVEC_TEST(one_piece_is_what_bytes_at_lends),
        IOVEC_TEST(lists_take_and_give_their_bytes_in_order),
        IOVEC_TEST(lists_that_do_not_fit_are_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
