/* Unit tests of whose references views are: who shares a count, who keeps whom alive; and of views that several
 * threads read and release. Dead views are in test_references.c. */
#include "unit.h"

#include <pthread.h>

#include <valgrind/valgrind.h>

#include <poolbuf/tracker.h>
#include <poolbuf/wrapped.h>

#include "allocator.h"
#include "kinds.h"

enum {
    CAPACITY = 61,
    DEPTH = 5,
    THREADS = 4
};

static poolbuf_allocator *allocator;
static unit_random numbers;

static int set_up(void **state) {
    (void)state;
    numbers = unit_random_from(14);
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static poolbuf *counting(size_t length, uint8_t *model) {
    poolbuf *b = poolbuf_allocate(allocator, length, length);
    kinds_fill(b, model, length, 1);
    UNIT_OK(poolbuf_set_writer_index(b, length));
    return b;
}

/* ---- Counts ----------------------------------------------------------------------------------------------------- */

/* Views that share a count: whatever is done to one is done to the buffer. */
static void share_the_count(const specimen *subject) {
    poolbuf *b = subject->buffer;
    uint32_t before = poolbuf_ref_count(b);
    EXPECT_OK(poolbuf_set_writer_index(b, CAPACITY));
    poolbuf *views[] = {poolbuf_slice(b, 1, 50), poolbuf_duplicate(b), poolbuf_as_read_only(b),
                        poolbuf_read_slice(b, 9), poolbuf_slice(poolbuf_duplicate(poolbuf_as_read_only(b)), 4, 20)};
    for (size_t i = 0; i < 5; i++) {
        EXPECT(poolbuf_ref_count(b) == before); /* making one counts nothing */
        EXPECT(poolbuf_ref_count(views[i]) == before);
    }
    bool counts = subject->owner == subject->buffer; /* else nobody counts here */
    for (size_t i = 0; i < 5; i++) {
        EXPECT(poolbuf_retain(views[i]) == views[i]);
        EXPECT(poolbuf_retain_n(views[i], 3) == views[i]);
        EXPECT(poolbuf_ref_count(b) == before + (counts ? 4 : 0));
        EXPECT(poolbuf_ref_count(views[(i + 1) % 5]) == before + (counts ? 4 : 0));
        EXPECT(!poolbuf_release(views[(i + 2) % 5]));
        EXPECT(!poolbuf_release_n(b, 3));
        EXPECT(poolbuf_ref_count(views[i]) == before);
    }
}

static void a_view_that_shares_a_count_is_retained_and_released_as_its_buffer(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, share_the_count);
}

static void count_for_itself(const specimen *subject) {
    poolbuf *b = subject->buffer;
    bool counts = subject->owner == subject->buffer;
    bool whole = counts && !subject->in_pieces; /* those of composites hold components */
    uint32_t before = poolbuf_ref_count(b);
    EXPECT_OK(poolbuf_set_writer_index(b, CAPACITY));
    poolbuf *views[] = {poolbuf_retained_slice(b, 2, 50), poolbuf_retained_duplicate(b),
                        poolbuf_read_retained_slice(b, 50)};
    for (size_t i = 0; i < 3; i++) {
        EXPECT(poolbuf_ref_count(views[i]) == (counts ? 1 : before));
    }
    EXPECT(poolbuf_ref_count(b) == before + (whole ? 3 : 0));
    for (size_t i = 0; i < 3; i++) {
        (void)poolbuf_retain_n(views[i], 2);
        EXPECT(poolbuf_ref_count(views[i]) == (counts ? 3 : before));
        EXPECT(poolbuf_ref_count(b) == before + (whole ? 3 - i : 0)); /* not the buffer's */
        EXPECT(!poolbuf_release(views[i]));
        EXPECT(poolbuf_release_n(views[i], 2) == counts);
        EXPECT(poolbuf_ref_count(b) == before + (whole ? 2 - i : 0));
    }
    EXPECT(poolbuf_ref_count(b) == before);
}

static void a_retained_view_counts_for_itself_and_holds_one_reference(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, count_for_itself);
}

/* ---- Who keeps whom --------------------------------------------------------------------------------------------- */

typedef struct link {
    poolbuf *buffer;
    size_t offset, length; /* in the model */
} link;

/* A retained view of the one before, by way of some views that share its count. */
static link next_link(link of) {
    poolbuf *from = of.buffer;
    for (uint32_t hops = unit_random_below(&numbers, 3); hops != 0; hops--) {
        from = hops % 2 == 0 ? poolbuf_duplicate(from) : poolbuf_slice(from, 0, of.length);
    }
    link made = of;
    if (unit_random_below(&numbers, 2) == 0) {
        made.buffer = poolbuf_retained_duplicate(from);
    } else {
        size_t index = unit_random_below(&numbers, 4);
        made.offset += index;
        made.length -= index + 2;
        made.buffer = poolbuf_retained_slice(from, index, made.length);
    }
    EXPECT(made.buffer != NULL);
    return made;
}

/* Chains of retained views, ended in any order: each shows its bytes until its own end, and the last one ends all. */
static void a_chain_of_retained_views_ends_in_any_order(void **state) {
    (void)state;
    for (size_t k = 0; k < kinds_count(); k++) {
        for (int round = 0; round < 10; round++) {
            uint8_t model[CAPACITY];
            specimen subject = kinds_make(allocator, k, CAPACITY);
            if (subject.owner != subject.buffer) {
                kinds_release(&subject);
                break;
            }
            kinds_fill(subject.buffer, model, CAPACITY, 2);
            link chain[DEPTH] = {{subject.buffer, 0, CAPACITY}};
            for (size_t i = 1; i < DEPTH; i++) {
                chain[i] = next_link(chain[i - 1]);
            }
            for (size_t left = DEPTH; left != 0; left--) {
                for (size_t i = 0; i < left; i++) {
                    EXPECT(kinds_holds(chain[i].buffer, model + chain[i].offset, chain[i].length));
                }
                EXPECT(unit_metrics(allocator).live_buffers != 0);
                size_t which = unit_random_below(&numbers, (uint32_t)left);
                (void)poolbuf_release(chain[which].buffer);
                chain[which] = chain[left - 1];
            }
            EXPECT(unit_metrics(allocator).live_buffers == 0);
        }
    }
}

static void many_retained_views_of_one_buffer_end_before_and_after_it(void **state) {
    (void)state;
    for (size_t when = 0; when <= 8; when++) { /* the buffer's own end */
        uint8_t model[64];
        poolbuf *b = counting(64, model);
        poolbuf *views[8];
        for (size_t i = 0; i < 8; i++) {
            views[i] = i % 2 == 0 ? poolbuf_retained_slice(b, i, 64 - 2 * i) : poolbuf_retained_duplicate(b);
            assert_int_equal(poolbuf_ref_count(b), i + 2);
        }
        for (size_t i = 0; i < 8; i++) {
            if (i == when) {
                assert_false(poolbuf_release(b));
            }
            assert_true(kinds_holds(views[i], model + (i % 2 == 0 ? i : 0), i % 2 == 0 ? 64 - 2 * i : 64));
            assert_true(poolbuf_release(views[i]));
        }
        if (when == 8) {
            assert_int_equal(poolbuf_ref_count(b), 1);
            assert_true(poolbuf_release(b));
        }
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    }
}

static void a_component_goes_when_neither_composite_nor_view_needs_it(void **state) {
    (void)state;
    uint8_t model[3][16];
    poolbuf *parts[3];
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    for (size_t i = 0; i < 3; i++) {
        parts[i] = counting(16, model[i]);
        UNIT_OK(poolbuf_composite_add_component(composite, poolbuf_retain(parts[i]), true));
    }
    poolbuf *view = poolbuf_retained_slice(composite, 8, 16); /* of the first two */
    assert_int_equal(poolbuf_ref_count(composite), 1);
    assert_int_equal(poolbuf_ref_count(parts[0]), 3);
    assert_int_equal(poolbuf_ref_count(parts[1]), 3);
    assert_int_equal(poolbuf_ref_count(parts[2]), 2);
    assert_true(poolbuf_release(composite));
    assert_int_equal(poolbuf_ref_count(parts[0]), 2);
    assert_int_equal(poolbuf_ref_count(parts[2]), 1);
    assert_true(poolbuf_release(view));
    for (size_t i = 0; i < 3; i++) {
        assert_true(poolbuf_release(parts[i]));
    }
}

/* ---- Unreleasable ----------------------------------------------------------------------------------------------- */

static void ignore_releases(const specimen *subject) {
    uint8_t model[CAPACITY];
    kinds_fill(subject->buffer, model, CAPACITY, 3);
    EXPECT_OK(poolbuf_set_writer_index(subject->buffer, CAPACITY));
    uint32_t before = poolbuf_ref_count(subject->owner);
    poolbuf *safe = poolbuf_unreleasable(subject->buffer);
    EXPECT(poolbuf_readable_bytes(safe) == CAPACITY);
    poolbuf *views[] = {safe,
                        poolbuf_unreleasable(safe),
                        poolbuf_slice(safe, 0, CAPACITY),
                        poolbuf_duplicate(safe),
                        poolbuf_retained_slice(safe, 0, CAPACITY),
                        poolbuf_retained_duplicate(safe),
                        poolbuf_as_read_only(safe),
                        poolbuf_unreleasable(poolbuf_as_read_only(subject->buffer)),
                        poolbuf_retained_slice(poolbuf_retained_duplicate(safe), 0, CAPACITY),
                        poolbuf_read_retained_slice(safe, CAPACITY)};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        EXPECT(views[i] != NULL);
        EXPECT(poolbuf_retain(views[i]) == views[i] && poolbuf_retain_n(views[i], 7) == views[i]);
        EXPECT(!poolbuf_release(views[i]) && !poolbuf_release_n(views[i], 9) && !poolbuf_release(views[i]));
        EXPECT(poolbuf_ref_count(subject->owner) == before);
        EXPECT(kinds_holds(views[i], model, CAPACITY));
        EXPECT(poolbuf_is_read_only(views[i]) == (i == 6 || i == 7));
    }
}

static void no_release_of_an_unreleasable_view_or_of_a_view_of_it_counts(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, ignore_releases);
}

/* ---- What a view looks at, and pins ----------------------------------------------------------------------------- */

static void unwrapping_gives_the_buffer_that_counts_or_that_is_held(void **state) {
    (void)state;
    uint8_t model[32];
    poolbuf *b = counting(32, model);
    poolbuf *slice = poolbuf_slice(b, 2, 20);
    poolbuf *retained = poolbuf_retained_slice(slice, 2, 10);
    poolbuf *further = poolbuf_retained_duplicate(poolbuf_duplicate(retained));
    assert_null(poolbuf_unwrap(b));
    assert_ptr_equal(poolbuf_unwrap(slice), b);
    assert_ptr_equal(poolbuf_unwrap(poolbuf_slice(slice, 1, 3)), b); /* flattened */
    assert_ptr_equal(poolbuf_unwrap(poolbuf_duplicate(poolbuf_duplicate(slice))), b);
    assert_ptr_equal(poolbuf_unwrap(poolbuf_as_read_only(poolbuf_as_read_only(b))), b);
    assert_ptr_equal(poolbuf_unwrap(poolbuf_duplicate(poolbuf_as_read_only(b))), b);
    assert_ptr_equal(poolbuf_unwrap(poolbuf_as_read_only(poolbuf_duplicate(b))), b);
    assert_ptr_equal(poolbuf_unwrap(poolbuf_unreleasable(b)), b);
    assert_ptr_equal(poolbuf_unwrap(retained), b);
    assert_ptr_equal(poolbuf_unwrap(poolbuf_slice(retained, 0, 1)), retained);
    assert_ptr_equal(poolbuf_unwrap(further), retained);
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    assert_null(poolbuf_unwrap(composite));
    assert_ptr_equal(poolbuf_unwrap(poolbuf_slice(poolbuf_duplicate(composite), 0, 0)), composite);
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(further));
    assert_true(poolbuf_release(retained));
    assert_true(poolbuf_release(b));
}

static void a_view_pins_the_whole_buffer_and_of_a_composite_its_components(void **state) {
    (void)state;
    uint8_t bytes[300];
    poolbuf *b = poolbuf_allocate(allocator, 1000, 1000); /* of a class of 1024 */
    poolbuf *wrapped = poolbuf_wrap(allocator, bytes, sizeof bytes, NULL, NULL);
    poolbuf *retained = poolbuf_retained_slice(b, 10, 1);
    assert_int_equal(poolbuf_pinned_bytes(b), 1024);
    assert_int_equal(poolbuf_pinned_bytes(b), unit_metrics(allocator).live_bytes);
    assert_int_equal(poolbuf_pinned_bytes(poolbuf_slice(b, 0, 0)), 1024);
    assert_int_equal(poolbuf_pinned_bytes(poolbuf_as_read_only(retained)), 1024);
    assert_int_equal(poolbuf_pinned_bytes(wrapped), 300);
    assert_int_equal(poolbuf_pinned_bytes(poolbuf_slice(wrapped, 5, 5)), 300);
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    assert_int_equal(poolbuf_pinned_bytes(composite), 0);
    UNIT_OK(poolbuf_composite_add_component(composite, retained, true));
    UNIT_OK(poolbuf_composite_add_component(composite, wrapped, true));
    assert_int_equal(poolbuf_pinned_bytes(composite), 1324);
    assert_int_equal(poolbuf_pinned_bytes(poolbuf_slice(composite, 0, 1)), 1324);
    poolbuf *first = poolbuf_retained_slice(composite, 0, 1);
    assert_int_equal(poolbuf_pinned_bytes(first), 1024);
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(first));
    assert_true(poolbuf_release(b));
}

/* Whether what is kept of a buffer is a copy of it. */
static bool keeps_a_copy(poolbuf *b, size_t index, size_t length) {
    poolbuf *kept = poolbuf_copy_if_small(b, index, length);
    assert_non_null(kept);
    assert_int_equal(poolbuf_readable_bytes(kept), length);
    uint8_t byte = 0;
    UNIT_OK(poolbuf_set_u8(b, index, 1));
    UNIT_OK(poolbuf_get_u8(kept, 0, &byte));
    UNIT_OK(poolbuf_set_u8(b, index, 2));
    bool copied = byte != 1;
    UNIT_OK(poolbuf_get_u8(kept, 0, &byte));
    assert_true(byte == 2 || copied);
    assert_int_equal(poolbuf_ref_count(kept), 1);
    assert_true(poolbuf_release(kept));
    return copied;
}

static void what_is_small_or_pins_too_much_is_copied(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 128 << 10, 128 << 10);
    UNIT_OK(poolbuf_set_zero(b, 0, 128 << 10));
    assert_true(keeps_a_copy(b, 100, 1));
    assert_true(keeps_a_copy(b, 100, POOLBUF_COPY_BREAK_EVEN));
    assert_true(keeps_a_copy(b, 100, 2047)); /* 64 times that is less than is pinned */
    assert_false(keeps_a_copy(b, 100, 2048));
    assert_null(poolbuf_copy_if_small(b, 128 << 10, 1));
    assert_null(poolbuf_copy_if_small(b, 1, 128 << 10));
    assert_null(poolbuf_copy_if_small(b, SIZE_MAX, 2));
    assert_int_equal(poolbuf_ref_count(b), 1);
    poolbuf *slice = poolbuf_slice(b, 10, 4096);
    assert_false(keeps_a_copy(slice, 0, 4096)); /* it is the root that counts */
    assert_true(keeps_a_copy(slice, 0, 2000));
    assert_true(poolbuf_release(b));
    b = poolbuf_allocate(allocator, 1024, 1024);
    UNIT_OK(poolbuf_set_zero(b, 0, 1024));
    assert_true(keeps_a_copy(b, 0, POOLBUF_COPY_BREAK_EVEN));
    assert_false(keeps_a_copy(b, 0, POOLBUF_COPY_BREAK_EVEN + 1));
    assert_true(poolbuf_release(b));
}

/* ---- The leak detector ------------------------------------------------------------------------------------------ */

static struct {
    const poolbuf *buffer;
    unsigned touches, slices, allocated, released;
} told;

static uint32_t each_one(void) {
    return 1;
}

static bool tell_allocated(poolbuf *buffer, poolbuf_allocator *owner, size_t capacity) {
    (void)buffer;
    (void)owner;
    (void)capacity;
    told.allocated++;
    return true;
}

static void tell_accessed(const poolbuf *buffer, poolbuf_access access, const char *hint) {
    (void)hint;
    told.buffer = buffer;
    told.touches += access == POOLBUF_ACCESS_TOUCH;
    told.slices += access == POOLBUF_ACCESS_SLICE;
}

static void tell_released(const poolbuf *buffer) {
    (void)buffer;
    told.released++;
}

static void what_is_copied_is_of_the_kind_and_allocator_that_was_asked(void **state) {
    (void)state;
    poolbuf_allocator *other = NULL;
    UNIT_OK(poolbuf_allocator_create(NULL, &other));
    poolbuf *composite = poolbuf_allocate_composite_direct(allocator, 0);
    poolbuf *part = poolbuf_allocate_heap(other, 128 << 10, 128 << 10);
    UNIT_OK(poolbuf_write_zero(part, 128 << 10));
    UNIT_OK(poolbuf_composite_add_component(composite, part, true));
    static const size_t lengths[] = {1, POOLBUF_COPY_BREAK_EVEN, POOLBUF_COPY_BREAK_EVEN + 1, 2000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        poolbuf *kept = poolbuf_copy_if_small(composite, 100, lengths[i]);
        assert_ptr_equal(poolbuf_owner(kept), allocator);
        assert_true(poolbuf_is_direct(kept));
        assert_true(poolbuf_release(kept));
    }
    assert_true(poolbuf_release(composite));
    UNIT_OK(poolbuf_allocator_destroy(other));
}

static void every_view_is_told_of_as_the_buffer_that_it_is_cut_from(void **state) {
    (void)state;
    static const poolbuf_tracker tracker = {.struct_size = sizeof tracker,
                                            .next_gap = each_one,
                                            .allocated = tell_allocated,
                                            .accessed = tell_accessed,
                                            .released = tell_released};
    memset(&told, 0, sizeof told);
    UNIT_OK(poolbuf_tracker_register(&tracker));
    uint8_t model[16];
    poolbuf *b = counting(16, model);
    poolbuf *views[] = {poolbuf_slice(b, 0, 8),        poolbuf_duplicate(b),
                        poolbuf_as_read_only(b),       poolbuf_unreleasable(b),
                        poolbuf_read_slice(b, 4),      poolbuf_retained_slice(b, 0, 8),
                        poolbuf_retained_duplicate(b), poolbuf_read_retained_slice(b, 4)};
    assert_int_equal(told.slices, 8);
    for (unsigned i = 0; i < 8; i++) {
        poolbuf_touch(poolbuf_duplicate(views[i]), "view");
        assert_int_equal(told.touches, i + 1);
        assert_ptr_equal(told.buffer, b);
        assert_int_equal(told.released, 0);
        (void)(i >= 5 && poolbuf_release(views[i]));
    }
    assert_int_equal(told.allocated, 1);                           /* views are not sampled */
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0); /* and a composite is a buffer as others are */
    UNIT_OK(poolbuf_composite_add_component(composite, b, true));
    assert_int_equal(told.allocated, 2);
    poolbuf_touch(poolbuf_slice(composite, 0, 2), "composite");
    assert_ptr_equal(told.buffer, composite);
    assert_true(poolbuf_release(composite));
    assert_int_equal(told.released, 2);
    UNIT_OK(poolbuf_tracker_register(NULL));
}

/* ---- Threads ---------------------------------------------------------------------------------------------------- */

typedef struct reader {
    pthread_t thread;
    poolbuf *buffer; /* whose reference is the thread's */
    const uint8_t *model;
    size_t length;
    unsigned wrong; /* assertions of cmocka belong to the main thread */
} reader;

/* Reads by every way there is, through views that it makes itself, and releases what it was given. */
static void *read_and_release(void *argument) {
    reader *self = argument;
    for (size_t round = 0; round < 40; round++) {
        size_t index = round % 8;
        size_t length = self->length - index;
        uint8_t bytes[CAPACITY];
        poolbuf *views[] = {poolbuf_retained_duplicate(self->buffer),
                            poolbuf_retained_slice(self->buffer, index, length),
                            poolbuf_copy(self->buffer, index, length)};
        poolbuf *shared = poolbuf_slice(self->buffer, index, length);
        self->wrong += poolbuf_read_bytes(shared, bytes, length) != POOLBUF_OK;
        self->wrong += memcmp(bytes, self->model + index, length) != 0;
        self->wrong += !kinds_holds(poolbuf_duplicate(self->buffer), self->model, self->length);
        self->wrong += !kinds_holds(views[0], self->model, self->length);
        for (size_t i = 1; i < 3; i++) {
            self->wrong += poolbuf_read_bytes(views[i], bytes, length) != POOLBUF_OK;
            self->wrong += memcmp(bytes, self->model + index, length) != 0;
        }
        for (size_t i = 0; i < 3; i++) {
            (void)poolbuf_release(views[i]);
        }
    }
    (void)poolbuf_release(self->buffer);
    return NULL;
}

static void read_by_threads(bool retained) {
    for (size_t k = 0; k < kinds_count(); k++) {
        uint8_t model[CAPACITY];
        reader readers[THREADS];
        specimen subject = kinds_make(allocator, k, CAPACITY);
        kinds_fill(subject.buffer, model, CAPACITY, 4);
        EXPECT_OK(poolbuf_set_writer_index(subject.buffer, CAPACITY));
        for (size_t i = 0; i < THREADS; i++) {
            poolbuf *given = retained ? poolbuf_retained_duplicate(subject.buffer) : poolbuf_retain(subject.buffer);
            readers[i] = (reader){.buffer = given, .model = model, .length = CAPACITY};
        }
        for (size_t i = 0; i < THREADS; i++) {
            EXPECT(pthread_create(&readers[i].thread, NULL, read_and_release, &readers[i]) == 0);
        }
        bool last_here = k % 2 == 0 && subject.owner == subject.buffer;
        if (!last_here && subject.owner == subject.buffer) {
            (void)poolbuf_release(subject.owner); /* while they read */
        }
        for (size_t i = 0; i < THREADS; i++) {
            EXPECT(pthread_join(readers[i].thread, NULL) == 0);
            EXPECT(readers[i].wrong == 0);
        }
        if (last_here || subject.owner != subject.buffer) {
            EXPECT(poolbuf_release(subject.owner));
        }
        EXPECT(unit_metrics(allocator).live_buffers == 0);
    }
}

static void threads_that_share_a_buffer_read_it_through_views_of_their_own(void **state) {
    (void)state;
    read_by_threads(false);
}

static void retained_views_are_read_and_released_by_other_threads(void **state) {
    (void)state;
    read_by_threads(true);
}

/* ---- Long chains ------------------------------------------------------------------------------------------------ */

/* As of a parser that goes on with a retained slice of the rest, and releases what it had. Each holds the one before. */
static void *go_on_with_the_rest(void *argument) {
    const size_t count = RUNNING_ON_VALGRIND ? POOLBUF_RETAINED_SLICES_LIMIT / 16 : POOLBUF_RETAINED_SLICES_LIMIT;
    poolbuf *rest = argument;
    for (size_t i = 0; i < count; i++) {
        poolbuf *next = poolbuf_retained_slice(rest, 1, poolbuf_capacity(rest) - 1);
        EXPECT(next != NULL);
        EXPECT(!poolbuf_release(rest));
        rest = next;
    }
    uint8_t first = 0;
    EXPECT_OK(poolbuf_read_u8(rest, &first));
    EXPECT(first == (uint8_t)(count * 7));
    EXPECT(poolbuf_release(rest)); /* and with it all that it holds */
    return NULL;
}

/* On a stack that has no room for a call a slice, and without a step for each pair of them, which were 2^35. */
static void a_long_chain_of_retained_slices_ends_on_a_small_stack(void **state) {
    (void)state;
    const size_t length = (size_t)POOLBUF_RETAINED_SLICES_LIMIT + 1;
    poolbuf *b = poolbuf_allocate(allocator, length, length);
    for (size_t i = 0; i < length; i++) {
        UNIT_OK(poolbuf_write_u8(b, (uint8_t)(i * 7)));
    }
    pthread_attr_t small;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, (size_t)512 << 10), 0);
    assert_int_equal(pthread_create(&thread, &small, go_on_with_the_rest, b), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&small), 0);
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
}

static unsigned ends;

static void count_end(void *memory, size_t length, void *context) {
    ends += memory == NULL && length == 0 && context == &ends;
}

static void no_memory_can_be_wrapped_and_viewed(void **state) {
    (void)state;
    poolbuf *b = poolbuf_wrap(allocator, NULL, 0, count_end, &ends);
    poolbuf *view = poolbuf_retained_slice(b, 0, 0);
    assert_true(poolbuf_is_contiguous(b));
    assert_int_equal(poolbuf_readable_bytes(view), 0);
    assert_ptr_equal(poolbuf_unwrap(view), b);
    assert_false(poolbuf_release(b));
    assert_true(poolbuf_release(view));
    assert_int_equal(ends, 1);
}

#define COUNTS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        COUNTS_TEST(a_view_that_shares_a_count_is_retained_and_released_as_its_buffer),
        COUNTS_TEST(a_retained_view_counts_for_itself_and_holds_one_reference),
        COUNTS_TEST(a_chain_of_retained_views_ends_in_any_order),
        COUNTS_TEST(many_retained_views_of_one_buffer_end_before_and_after_it),
        COUNTS_TEST(a_component_goes_when_neither_composite_nor_view_needs_it),
        COUNTS_TEST(no_release_of_an_unreleasable_view_or_of_a_view_of_it_counts),
        COUNTS_TEST(unwrapping_gives_the_buffer_that_counts_or_that_is_held),
        COUNTS_TEST(a_view_pins_the_whole_buffer_and_of_a_composite_its_components),
        COUNTS_TEST(what_is_small_or_pins_too_much_is_copied),
        COUNTS_TEST(what_is_copied_is_of_the_kind_and_allocator_that_was_asked),
        COUNTS_TEST(every_view_is_told_of_as_the_buffer_that_it_is_cut_from),
        COUNTS_TEST(threads_that_share_a_buffer_read_it_through_views_of_their_own),
        COUNTS_TEST(retained_views_are_read_and_released_by_other_threads),
        COUNTS_TEST(a_long_chain_of_retained_slices_ends_on_a_small_stack),
        COUNTS_TEST(no_memory_can_be_wrapped_and_viewed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
