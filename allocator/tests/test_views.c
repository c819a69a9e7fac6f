/* Unit tests of views on every kind of buffer: what they show, what bounds them, what they follow. Whose references
 * they are is in test_view_counts.c; slices of plain buffers are in test_derived.c as well. */
#include "unit.h"

#include "allocator.h"
#include "kinds.h"

enum {
    CAPACITY = 61,
    FROM = 7, /* the range that slices show */
    LENGTH = 40
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

/* ---- The forms that there are ----------------------------------------------------------------------------------- */

static poolbuf *read_slice(poolbuf *b, size_t index, size_t length) {
    return poolbuf_set_reader_index(b, index) == POOLBUF_OK ? poolbuf_read_slice(b, length) : NULL;
}

static poolbuf *read_retained_slice(poolbuf *b, size_t index, size_t length) {
    return poolbuf_set_reader_index(b, index) == POOLBUF_OK ? poolbuf_read_retained_slice(b, length) : NULL;
}

/* Those of everything are made of a slice here, so that all show a range. */
static poolbuf *duplicate(poolbuf *b, size_t index, size_t length) {
    poolbuf *slice = poolbuf_slice(b, index, length);
    return slice != NULL ? poolbuf_duplicate(slice) : NULL;
}

static poolbuf *retained_duplicate(poolbuf *b, size_t index, size_t length) {
    poolbuf *slice = poolbuf_slice(b, index, length);
    return slice != NULL ? poolbuf_retained_duplicate(slice) : NULL;
}

static poolbuf *unreleasable(poolbuf *b, size_t index, size_t length) {
    poolbuf *slice = poolbuf_slice(b, index, length);
    return slice != NULL ? poolbuf_unreleasable(slice) : NULL;
}

static poolbuf *read_only(poolbuf *b, size_t index, size_t length) {
    poolbuf *slice = poolbuf_slice(b, index, length);
    return slice != NULL ? poolbuf_as_read_only(slice) : NULL;
}

static const struct {
    const char *name;
    poolbuf *(*make)(poolbuf *b, size_t index, size_t length);
    bool retained;
    bool writable;
} forms[] = {
    {"slice", poolbuf_slice, false, true},       {"retained slice", poolbuf_retained_slice, true, true},
    {"read slice", read_slice, false, true},     {"read retained slice", read_retained_slice, true, true},
    {"duplicate", duplicate, false, true},       {"retained duplicate", retained_duplicate, true, true},
    {"unreleasable", unreleasable, false, true}, {"read-only", read_only, false, false},
};

#define FORM_COUNT (sizeof forms / sizeof forms[0])

static void end_view(size_t form, poolbuf *view) {
    if (forms[form].retained) {
        (void)poolbuf_release(view);
    }
}

/* ---- What they show --------------------------------------------------------------------------------------------- */

static void show_a_range(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 1);
    for (size_t f = 0; f < FORM_COUNT; f++) {
        EXPECT_OK(poolbuf_set_indices(subject->buffer, 0, CAPACITY));
        poolbuf *view = forms[f].make(subject->buffer, FROM, LENGTH);
        EXPECT(view != NULL && view != subject->buffer);
        EXPECT(poolbuf_capacity(view) == LENGTH && poolbuf_max_capacity(view) == LENGTH);
        EXPECT(indices_are(view, 0, LENGTH));
        EXPECT(kinds_holds(view, model + FROM, LENGTH));
        EXPECT(poolbuf_owner(view) == allocator);
        EXPECT(poolbuf_is_direct(view) == poolbuf_is_direct(subject->buffer));
        EXPECT(poolbuf_is_read_only(view) == !forms[f].writable);
        /* Each sees what is written to the other. */
        model[FROM + 9] ^= 0xff;
        EXPECT_OK(poolbuf_set_u8(subject->buffer, FROM + 9, model[FROM + 9]));
        EXPECT(kinds_holds(view, model + FROM, LENGTH));
        if (forms[f].writable) {
            model[FROM + 11] ^= 0xff;
            EXPECT_OK(poolbuf_set_u8(view, 11, model[FROM + 11]));
            EXPECT_STATUS(poolbuf_write_u8(view, 0), MAX_CAPACITY);
        }
        EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
        /* The indices are its own. */
        size_t reader = poolbuf_reader_index(subject->buffer);
        EXPECT_OK(poolbuf_set_indices(view, 3, 5));
        EXPECT(indices_are(subject->buffer, reader, CAPACITY));
        poolbuf_clear(subject->buffer);
        EXPECT(indices_are(view, 3, 5));
        end_view(f, view);
    }
}

static void a_view_shows_its_range_and_has_indices_of_its_own(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, show_a_range);
}

/* Every form of every form, of every kind. */
static void show_through_two_levels(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 2);
    for (size_t f = 0; f < FORM_COUNT * FORM_COUNT; f++) {
        EXPECT_OK(poolbuf_set_indices(subject->buffer, 0, CAPACITY));
        size_t outer = f / FORM_COUNT;
        size_t inner = f % FORM_COUNT;
        poolbuf *first = forms[outer].make(subject->buffer, FROM, LENGTH);
        EXPECT(first != NULL);
        poolbuf *second = forms[inner].make(first, 5, 20);
        EXPECT(second != NULL);
        EXPECT(poolbuf_capacity(second) == 20 && indices_are(second, 0, 20));
        EXPECT(kinds_holds(second, model + FROM + 5, 20));
        EXPECT(poolbuf_is_read_only(second) == (!forms[outer].writable || !forms[inner].writable));
        if (poolbuf_is_read_only(second)) {
            EXPECT_STATUS(poolbuf_set_u8(second, 0, 1), READ_ONLY);
        } else {
            model[FROM + 5] ^= 0xff;
            EXPECT_OK(poolbuf_set_u8(second, 0, model[FROM + 5]));
        }
        EXPECT(kinds_holds(subject->buffer, model, CAPACITY));
        end_view(outer, first);
        if (forms[inner].retained || !forms[outer].retained) { /* else it has gone with the first */
            EXPECT(kinds_holds(second, model + FROM + 5, 20));
        }
        end_view(inner, second);
    }
}

static void a_view_of_a_view_adds_the_offsets_and_keeps_what_the_first_may_not(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, show_through_two_levels);
}

static void duplicate_all(const specimen *subject) {
    poolbuf *(*const makers[])(poolbuf *) = {poolbuf_duplicate, poolbuf_retained_duplicate, poolbuf_as_read_only,
                                             poolbuf_unreleasable};
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 3);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 11, 47));
    for (size_t i = 0; i < 4; i++) {
        poolbuf *view = makers[i](subject->buffer);
        EXPECT(view != NULL && view != subject->buffer);
        EXPECT(poolbuf_capacity(view) == CAPACITY && indices_are(view, 11, 47));
        EXPECT(kinds_holds(view, model, CAPACITY));
        poolbuf *again = makers[i](view);
        EXPECT(poolbuf_capacity(again) == CAPACITY && indices_are(again, 11, 47));
        EXPECT(kinds_holds(again, model, CAPACITY));
        EXPECT(poolbuf_is_read_only(again) == (makers[i] == poolbuf_as_read_only));
        if (makers[i] == poolbuf_retained_duplicate) {
            bool fixed = subject->owner == subject->buffer; /* that of an unreleasable buffer is a plain duplicate */
            EXPECT(poolbuf_max_capacity(view) == (fixed ? CAPACITY : poolbuf_max_capacity(subject->buffer)));
            (void)poolbuf_release(again);
            (void)poolbuf_release(view);
        } else {
            EXPECT(poolbuf_max_capacity(view) == poolbuf_max_capacity(subject->buffer));
        }
    }
}

static void a_duplicate_has_everything_and_the_indices_as_they_were(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, duplicate_all);
}

/* ---- Bounds ----------------------------------------------------------------------------------------------------- */

static void slice_outside(const specimen *subject) {
    static const struct {
        size_t index, length;
    } wrong[] = {
        {LENGTH + 1, 0}, {LENGTH, 1},   {0, LENGTH + 1},      {1, LENGTH},          {SIZE_MAX, 0},
        {SIZE_MAX, 1},   {5, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}, {(size_t)1 << 32, 1}, {2, ((size_t)1 << 32) + 1}};
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 0, CAPACITY));
    poolbuf *views[] = {poolbuf_slice(subject->buffer, FROM, LENGTH),
                        poolbuf_retained_slice(subject->buffer, FROM, LENGTH)};
    uint32_t count = poolbuf_ref_count(subject->buffer);
    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            EXPECT(poolbuf_slice(views[v], wrong[i].index, wrong[i].length) == NULL);
            EXPECT(poolbuf_retained_slice(views[v], wrong[i].index, wrong[i].length) == NULL);
            EXPECT(poolbuf_copy_if_small(views[v], wrong[i].index, wrong[i].length) == NULL);
        }
        EXPECT_OK(poolbuf_set_indices(views[v], 4, 10));
        EXPECT(poolbuf_read_slice(views[v], 7) == NULL && poolbuf_read_retained_slice(views[v], 7) == NULL);
        EXPECT(poolbuf_read_slice(views[v], SIZE_MAX) == NULL);
        EXPECT(poolbuf_read_retained_slice(views[v], SIZE_MAX) == NULL);
        EXPECT(indices_are(views[v], 4, 10));
        EXPECT(poolbuf_slice(views[v], LENGTH, 0) != NULL);
    }
    EXPECT(poolbuf_slice(subject->buffer, 0, CAPACITY + 1) == NULL);
    EXPECT(poolbuf_retained_slice(subject->buffer, CAPACITY, 1) == NULL);
    EXPECT(poolbuf_ref_count(subject->buffer) == count);
    (void)poolbuf_release(views[1]);
}

static void a_range_outside_a_buffer_or_a_view_of_it_gives_no_slice(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, slice_outside);
}

static void slice_in_sequence(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 4);
    EXPECT_OK(poolbuf_set_writer_index(subject->buffer, CAPACITY));
    for (size_t at = 0, length = 0; at + length <= CAPACITY; at += length, length += 3) {
        EXPECT_OK(poolbuf_set_reader_index(subject->buffer, at));
        poolbuf *retained = poolbuf_read_retained_slice(subject->buffer, length);
        EXPECT(poolbuf_reader_index(subject->buffer) == at + length);
        EXPECT(retained != NULL && kinds_holds(retained, model + at, length));
        (void)poolbuf_release(retained);
        EXPECT_OK(poolbuf_set_reader_index(subject->buffer, at));
        const poolbuf *shared = poolbuf_read_slice(subject->buffer, length);
        EXPECT(poolbuf_reader_index(subject->buffer) == at + length);
        EXPECT(shared != NULL && kinds_holds(shared, model + at, length));
        EXPECT(poolbuf_capacity(shared) == length);
    }
}

static void read_slices_take_the_next_bytes_and_skip_them(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, slice_in_sequence);
}

static void look_in_place(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 5);
    EXPECT(poolbuf_is_contiguous(subject->buffer) == !subject->in_pieces);
    EXPECT((poolbuf_memory(subject->buffer) != NULL) == !subject->in_pieces);
    size_t crossing = 0;
    for (size_t index = 0; index < CAPACITY; index++) {
        for (size_t length = 0; length <= CAPACITY - index; length++) {
            const uint8_t *bytes = poolbuf_bytes_at(subject->buffer, index, length);
            EXPECT(bytes != NULL || (subject->in_pieces && length > 1));
            EXPECT(bytes == NULL || memcmp(bytes, model + index, length) == 0);
            crossing += bytes == NULL;
        }
    }
    EXPECT(poolbuf_bytes_at(subject->buffer, CAPACITY, 0) != NULL);
    EXPECT(poolbuf_bytes_at(subject->buffer, CAPACITY, 1) == NULL);
    EXPECT(subject->in_pieces || crossing == 0);
    EXPECT(crossing != 0 || strcmp(subject->kind, "composite") != 0);
}

static void bytes_are_lent_in_place_where_they_lie_in_one_piece(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, look_in_place);
}

/* ---- What they follow ------------------------------------------------------------------------------------------- */

static void follow(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 6);
    EXPECT_OK(poolbuf_set_indices(subject->buffer, 10, 50));
    poolbuf *first = poolbuf_duplicate(subject->buffer);
    poolbuf *views[] = {first, poolbuf_duplicate(first), poolbuf_as_read_only(subject->buffer),
                        poolbuf_unreleasable(first)};
    const poolbuf *slice = poolbuf_slice(subject->buffer, 2, 20);
    if (!subject->grows) {
        return;
    }
    static const size_t capacities[] = {62, 3000, 40, 30, 5, 500};
    size_t reader = 10;
    size_t writer = 50;
    size_t kept = CAPACITY;
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        size_t capacity = capacities[i];
        EXPECT_OK(poolbuf_set_capacity(i % 2 == 0 ? subject->buffer : views[1], capacity));
        reader = reader < capacity ? reader : capacity;
        writer = writer < capacity ? writer : capacity;
        kept = kept < capacity ? kept : capacity;
        EXPECT(poolbuf_capacity(subject->buffer) == capacity && indices_are(subject->buffer, reader, writer));
        for (size_t v = 0; v < 4; v++) {
            EXPECT(poolbuf_capacity(views[v]) == capacity && indices_are(views[v], reader, writer));
            EXPECT(kinds_holds(views[v], model, kept));
        }
        EXPECT(poolbuf_capacity(slice) == 20);
        EXPECT(kept < 22 || kinds_holds(slice, model + 2, 20));
    }
    EXPECT_STATUS(poolbuf_set_capacity(views[2], 10), READ_ONLY);
}

static void a_duplicate_follows_the_capacity_and_changes_it_for_all(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, follow);
}

static void a_write_to_a_duplicate_grows_its_buffer(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 16, 1000);
    poolbuf *view = poolbuf_duplicate(b);
    for (uint32_t i = 0; i < 200; i++) {
        UNIT_OK(poolbuf_write_u32_be(view, i));
    }
    assert_int_equal(poolbuf_capacity(b), poolbuf_capacity(view));
    assert_ptr_equal(poolbuf_memory(b), poolbuf_memory(view));
    assert_true(indices_are(b, 0, 0));
    UNIT_OK(poolbuf_set_writer_index(b, 800));
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t value = 0;
        UNIT_OK(poolbuf_read_u32_be(b, &value));
        assert_int_equal(value, i);
    }
    assert_int_equal(poolbuf_write_zero(view, 201), POOLBUF_ERROR_MAX_CAPACITY);
    assert_true(poolbuf_release(b));
}

static void a_retained_view_keeps_the_capacity_that_it_was_made_with(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 100, 1000);
    uint8_t model[100];
    kinds_fill(b, model, 100, 7);
    poolbuf *views[] = {poolbuf_retained_duplicate(b), poolbuf_retained_slice(b, 0, 100)};
    assert_int_equal(poolbuf_set_capacity(b, 1000), POOLBUF_ERROR_UNSUPPORTED);
    UNIT_OK(poolbuf_set_capacity(b, 112)); /* the class's slack: nothing moves */
    UNIT_OK(poolbuf_set_capacity(b, 101));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(poolbuf_capacity(views[i]), 100);
        assert_int_equal(poolbuf_set_capacity(views[i], 50), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(poolbuf_write_zero(views[i], 101), POOLBUF_ERROR_MAX_CAPACITY);
        assert_true(kinds_holds(views[i], model, 100));
        assert_true(poolbuf_release(views[i]));
    }
    UNIT_OK(poolbuf_set_capacity(b, 1000));
    assert_true(kinds_holds(b, model, 100));
    assert_true(poolbuf_release(b));
}

/* ---- At random -------------------------------------------------------------------------------------------------- */

/* A view and what it should be: a range of the model, and its indices and marks. */
typedef struct shown {
    poolbuf *buffer;
    size_t offset, length;
    size_t reader, writer, reader_mark, writer_mark;
    bool writable;
    size_t form; /* FORM_COUNT: the buffer itself */
} shown;

static unit_random numbers;

static size_t below(size_t limit) {
    return unit_random_below(&numbers, (uint32_t)limit);
}

static shown new_view(shown *of) {
    size_t form = below(FORM_COUNT);
    size_t index = below(of->length + 1);
    size_t length = below(of->length - index + 1);
    if (form == 2 || form == 3) { /* those that read: from where they are told to, as far as that is readable */
        index = below(of->writer + 1);
        length = below(of->writer - index + 1);
        of->reader = index + length;
    }
    shown made = {.buffer = forms[form].make(of->buffer, index, length),
                  .offset = of->offset + index,
                  .length = length,
                  .writer = length,
                  .writable = of->writable && forms[form].writable,
                  .form = form};
    EXPECT(made.buffer != NULL);
    return made;
}

static void change_bytes(const shown *view, uint8_t *model) {
    size_t index = below(view->length + 1);
    size_t length = below(view->length - index + 1);
    uint8_t bytes[CAPACITY];
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)unit_random_next(&numbers);
    }
    bool zero = below(4) == 0;
    poolbuf_status status =
        zero ? poolbuf_set_zero(view->buffer, index, length) : poolbuf_set_bytes(view->buffer, index, bytes, length);
    if (view->writable) {
        EXPECT(status == POOLBUF_OK);
        memcpy(model + view->offset + index, bytes, zero ? 0 : length);
        memset(model + view->offset + index, 0, zero ? length : 0);
    } else {
        EXPECT(status == POOLBUF_ERROR_READ_ONLY || length == 0);
    }
}

static void transfer(shown *to, shown *from, uint8_t *model) {
    size_t length = below(from->writer - from->reader + 1);
    bool fits = length <= to->length - to->writer;
    if (!fits || !to->writable) { /* some would grow, and then have another capacity than the model */
        return;
    }
    EXPECT_OK(poolbuf_write_buffer(to->buffer, from->buffer, length));
    memmove(model + to->offset + to->writer, model + from->offset + from->reader, length);
    from->reader += length;
    to->writer += length;
}

static void change_indices(shown *view) {
    size_t writer = below(view->length + 1);
    size_t reader = below(writer + 1);
    switch (below(4)) {
    case 0:
        EXPECT_OK(poolbuf_mark_reader_index(view->buffer));
        EXPECT_OK(poolbuf_mark_writer_index(view->buffer));
        view->reader_mark = view->reader;
        view->writer_mark = view->writer;
        break;
    case 1:
        if (poolbuf_reset_reader_index(view->buffer) == POOLBUF_OK) {
            view->reader = view->reader_mark;
        } else {
            EXPECT(view->reader_mark > view->writer);
        }
        break;
    case 2:
        if (poolbuf_reset_writer_index(view->buffer) == POOLBUF_OK) {
            view->writer = view->writer_mark;
        } else {
            EXPECT(view->writer_mark < view->reader);
        }
        break;
    default:
        EXPECT_OK(poolbuf_set_indices(view->buffer, reader, writer));
        view->reader = reader;
        view->writer = writer;
    }
}

static shown *one_of(shown *views, size_t count) {
    shown *view = &views[below(count)];
    EXPECT(view->buffer != NULL);
    return view;
}

static void call_at_random(const specimen *subject) {
    uint8_t model[CAPACITY];
    shown views[24] = {{.buffer = subject->buffer, .length = CAPACITY, .writable = true, .form = FORM_COUNT}};
    size_t count = 1;
    kinds_fill(subject->buffer, model, CAPACITY, 9);
    for (int step = 0; step < 400; step++) {
        shown *view = one_of(views, count);
        switch (below(5)) {
        case 0:
            if (count < sizeof views / sizeof views[0]) {
                views[count] = new_view(view);
                count++;
            }
            break;
        case 1:
            change_bytes(view, model);
            break;
        case 2:
            transfer(view, one_of(views, count), model);
            break;
        default:
            change_indices(view);
        }
        for (size_t i = 0; i < count; i++) {
            EXPECT(poolbuf_capacity(views[i].buffer) == views[i].length);
            EXPECT(indices_are(views[i].buffer, views[i].reader, views[i].writer));
            EXPECT(kinds_holds(views[i].buffer, model + views[i].offset, views[i].length));
        }
    }
    for (size_t i = count; i-- > 1;) {
        end_view(views[i].form, views[i].buffer);
    }
}

static void random_calls_through_views_agree_with_a_plain_array(void **state) {
    (void)state;
    numbers = unit_random_start("views", 21);
    for (int round = 0; round < 3; round++) {
        kinds_each(allocator, CAPACITY, call_at_random);
    }
}

/* ---- Of composites ---------------------------------------------------------------------------------------------- */

static poolbuf *three_components(uint8_t *model) {
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    for (uint32_t i = 0; i < 3; i++) {
        poolbuf *part = poolbuf_allocate(allocator, 10, 10);
        kinds_fill(part, model + (size_t)10 * i, 10, 20 + i);
        UNIT_OK(poolbuf_set_writer_index(part, 10));
        UNIT_OK(poolbuf_composite_add_component(composite, part, true));
    }
    return composite;
}

static void a_slice_of_a_composite_shows_what_lies_at_its_place_and_no_more(void **state) {
    (void)state;
    uint8_t model[30];
    uint8_t byte = 0;
    poolbuf *composite = three_components(model);
    poolbuf *slice = poolbuf_slice(composite, 5, 20);
    assert_true(kinds_holds(slice, model + 5, 20));
    UNIT_OK(poolbuf_composite_remove_components(composite, 1, 1));
    assert_int_equal(poolbuf_capacity(slice), 20);
    assert_true(kinds_holds(slice, model + 5, 5));
    UNIT_OK(poolbuf_get_u8(slice, 14, &byte));
    assert_int_equal(byte, model[29]);
    assert_int_equal(poolbuf_get_u8(slice, 15, &byte), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_u8(slice, 15, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_null(poolbuf_copy(slice, 0, 16));
    assert_null(poolbuf_retained_slice(slice, 0, 20));
    assert_null(poolbuf_bytes_at(slice, 15, 1));
    assert_int_equal(poolbuf_skip_bytes(slice, 20), POOLBUF_OK); /* indices are the slice's own */
    assert_int_equal(byte, model[29]);
    assert_true(poolbuf_release(composite));
}

static void a_retained_view_of_a_composite_stays_as_it_was(void **state) {
    (void)state;
    uint8_t model[30];
    poolbuf *composite = three_components(model);
    poolbuf *views[] = {poolbuf_retained_slice(composite, 0, 30), poolbuf_retained_duplicate(composite)};
    poolbuf *within = poolbuf_retained_slice(composite, 12, 6);
    assert_true(poolbuf_is_contiguous(within));
    assert_false(poolbuf_is_contiguous(views[0]));
    UNIT_OK(poolbuf_composite_remove_components(composite, 0, 2));
    UNIT_OK(poolbuf_set_capacity(composite, 3));
    assert_true(kinds_holds(views[0], model, 30));
    assert_true(poolbuf_release(composite));
    for (size_t i = 0; i < 2; i++) {
        assert_true(kinds_holds(views[i], model, 30));
        assert_int_equal(poolbuf_readable_bytes(views[i]), 30);
        assert_true(poolbuf_release(views[i]));
    }
    assert_true(kinds_holds(within, model + 12, 6));
    assert_int_equal(unit_metrics(allocator).live_buffers, 1);
    assert_true(poolbuf_release(within));
}

static void a_duplicate_of_a_composite_follows_its_components(void **state) {
    (void)state;
    uint8_t model[30];
    poolbuf *composite = three_components(model);
    poolbuf *view = poolbuf_as_read_only(poolbuf_duplicate(composite));
    poolbuf *more = poolbuf_allocate(allocator, 10, 10);
    UNIT_OK(poolbuf_write_zero(more, 10));
    UNIT_OK(poolbuf_composite_insert_component(composite, 0, more, true));
    assert_int_equal(poolbuf_capacity(view), 40);
    assert_true(indices_are(view, 0, 30));
    UNIT_OK(poolbuf_composite_remove_components(composite, 0, 1));
    assert_true(kinds_holds(view, model, 30));
    UNIT_OK(poolbuf_composite_consolidate(composite, 0, UINT32_MAX));
    assert_true(kinds_holds(view, model, 30));
    UNIT_OK(poolbuf_composite_remove_components(composite, 0, 1));
    assert_int_equal(poolbuf_capacity(view), 0);
    assert_true(indices_are(view, 0, 0));
    assert_true(poolbuf_release(composite));
}

/* ---- The empty buffer ------------------------------------------------------------------------------------------- */

static void every_view_of_the_empty_buffer_is_the_empty_buffer(void **state) {
    (void)state;
    poolbuf *empty = poolbuf_empty();
    assert_ptr_equal(poolbuf_slice(empty, 0, 0), empty);
    assert_ptr_equal(poolbuf_retained_slice(empty, 0, 0), empty);
    assert_ptr_equal(poolbuf_read_slice(empty, 0), empty);
    assert_ptr_equal(poolbuf_read_retained_slice(empty, 0), empty);
    assert_ptr_equal(poolbuf_duplicate(empty), empty);
    assert_ptr_equal(poolbuf_retained_duplicate(empty), empty);
    assert_ptr_equal(poolbuf_as_read_only(empty), empty);
    assert_ptr_equal(poolbuf_unreleasable(empty), empty);
    assert_null(poolbuf_slice(empty, 0, 1));
    assert_null(poolbuf_retained_slice(empty, 1, 0));
    assert_null(poolbuf_read_slice(empty, 1));
    assert_null(poolbuf_unwrap(empty));
    assert_int_equal(poolbuf_pinned_bytes(empty), 0);
    assert_int_equal(poolbuf_set_capacity(empty, 1), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_u8(empty, 1), POOLBUF_ERROR_READ_ONLY);
    poolbuf *copy = poolbuf_copy(empty, 0, 0);
    assert_non_null(copy);
    assert_ptr_not_equal(copy, empty);
    assert_true(poolbuf_release(copy));
    assert_ptr_equal(poolbuf_retain(empty), empty);
    assert_false(poolbuf_release(empty));
    assert_false(poolbuf_release(empty));
    assert_int_equal(poolbuf_ref_count(empty), 1);
}

#define VIEWS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        VIEWS_TEST(a_view_shows_its_range_and_has_indices_of_its_own),
        VIEWS_TEST(a_view_of_a_view_adds_the_offsets_and_keeps_what_the_first_may_not),
        VIEWS_TEST(a_duplicate_has_everything_and_the_indices_as_they_were),
        VIEWS_TEST(a_range_outside_a_buffer_or_a_view_of_it_gives_no_slice),
        VIEWS_TEST(read_slices_take_the_next_bytes_and_skip_them),
        VIEWS_TEST(bytes_are_lent_in_place_where_they_lie_in_one_piece),
        VIEWS_TEST(a_duplicate_follows_the_capacity_and_changes_it_for_all),
        VIEWS_TEST(a_write_to_a_duplicate_grows_its_buffer),
        VIEWS_TEST(a_retained_view_keeps_the_capacity_that_it_was_made_with),
        VIEWS_TEST(random_calls_through_views_agree_with_a_plain_array),
        VIEWS_TEST(a_slice_of_a_composite_shows_what_lies_at_its_place_and_no_more),
        VIEWS_TEST(a_retained_view_of_a_composite_stays_as_it_was),
        VIEWS_TEST(a_duplicate_of_a_composite_follows_its_components),
        VIEWS_TEST(every_view_of_the_empty_buffer_is_the_empty_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
