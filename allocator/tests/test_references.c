/* Unit tests of counting: many references at once, too many, too few; and of every call on a buffer that is dead,
 * which POOLBUF_MISUSE=count, set for this program, lets us see from the inside. What the tracker is told is in
 * test_hooks.c.
 *
 * That a sole owner's release is no atomic operation is said in buffer.h and cannot be seen from here. */
#include "unit.h"

#include <pthread.h>
#include <sys/uio.h>

#include <poolbuf/chunk.h>
#include <poolbuf/tracker.h>
#include <valgrind/valgrind.h>

#include "allocator.h"
#include "kinds.h"
#include "number_calls.h"

enum {
    CAPACITY = 61,
    LIMIT = 1 << 30, /* references */
    THREADS = 4
};

static poolbuf_allocator *allocator;

static int set_up(void **state) {
    (void)state;
    UNIT_OK(poolbuf_tracker_register(NULL)); /* the leak detector would describe each of some thousands */
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static uint64_t misuses(void) {
    return unit_metrics(allocator).misuses;
}

/* ---- Live buffers ----------------------------------------------------------------------------------------------- */

static void count_many(const specimen *subject) {
    poolbuf *b = subject->owner;
    EXPECT(poolbuf_ref_count(b) == 1);
    EXPECT(poolbuf_retain_n(b, 0) == b && poolbuf_ref_count(b) == 1);
    EXPECT(!poolbuf_release_n(b, 0) && poolbuf_ref_count(b) == 1);
    EXPECT(poolbuf_retain_n(b, 1) == b && poolbuf_ref_count(b) == 2);
    EXPECT(poolbuf_retain_n(b, 41) == b && poolbuf_ref_count(b) == 43);
    EXPECT(!poolbuf_release_n(b, 42) && poolbuf_ref_count(b) == 1);
    EXPECT(poolbuf_retain_n(b, 9) == b);
    EXPECT(poolbuf_release_n(b, 10)); /* all at once */
}

static void references_are_counted_many_at_once_and_the_last_ones_end_the_buffer(void **state) {
    (void)state;
    uint64_t before = misuses();
    for (size_t k = 0; k < kinds_count(); k++) {
        specimen subject = kinds_make(allocator, k, CAPACITY);
        count_many(&subject);
        EXPECT(unit_metrics(allocator).live_buffers == 0);
    }
    assert_int_equal(misuses(), before);
}

static void count_to_the_limit(const specimen *subject) {
    poolbuf *b = subject->owner;
    EXPECT(poolbuf_retain_n(b, LIMIT - 1) == b);
    EXPECT(poolbuf_ref_count(b) == LIMIT);
    static const uint32_t counts[] = {1, 2, LIMIT, INT32_MAX, UINT32_MAX};
    uint64_t before = misuses();
    for (size_t i = 0; i < 5; i++) {
        EXPECT(poolbuf_retain_n(b, counts[i]) == b);
        EXPECT(misuses() == before + i + 1);
        EXPECT(poolbuf_ref_count(b) == LIMIT);
    }
    EXPECT(poolbuf_retain(b) == b && misuses() == before + 6);
    EXPECT(!poolbuf_release_n(b, LIMIT - 1) && poolbuf_ref_count(b) == 1);
    for (size_t i = 2; i < 5; i++) {
        EXPECT(poolbuf_retain_n(b, counts[i]) == b);
        EXPECT(misuses() == before + 5 + i);
        EXPECT(poolbuf_ref_count(b) == 1);
    }
}

static void more_than_2_to_the_30_references_are_refused(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, count_to_the_limit);
}

static void drop_too_many(const specimen *subject) {
    poolbuf *b = subject->owner;
    uint8_t model[CAPACITY];
    kinds_fill(b, model, CAPACITY, 1);
    static const uint32_t counts[] = {3, 4, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
    (void)poolbuf_retain(b);
    uint64_t before = misuses();
    for (size_t i = 0; i < 5; i++) {
        EXPECT(!poolbuf_release_n(b, counts[i]));
        EXPECT(misuses() == before + i + 1);
        EXPECT(poolbuf_ref_count(b) == 2);
    }
    EXPECT(kinds_holds(b, model, CAPACITY));
    EXPECT(!poolbuf_release_n(b, 1));
    EXPECT(!poolbuf_release_n(b, 2));
    EXPECT(poolbuf_ref_count(b) == 1 && misuses() == before + 6);
}

static void more_references_than_there_are_cannot_be_dropped(void **state) {
    (void)state;
    kinds_each(allocator, CAPACITY, drop_too_many);
}

static void *release_one(void *argument) {
    return poolbuf_release(argument) ? argument : NULL;
}

static void the_last_of_several_threads_ends_the_buffer(void **state) {
    (void)state;
    for (size_t k = 0; k < kinds_count(); k++) {
        pthread_t threads[THREADS];
        specimen subject = kinds_make(allocator, k, CAPACITY);
        unsigned last = 0;
        (void)poolbuf_retain_n(subject.owner, THREADS - 1);
        for (size_t i = 0; i < THREADS; i++) {
            EXPECT(pthread_create(&threads[i], NULL, release_one, subject.owner) == 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            void *ended = NULL;
            EXPECT(pthread_join(threads[i], &ended) == 0);
            last += ended != NULL;
        }
        EXPECT(last == 1);
        EXPECT(unit_metrics(allocator).live_buffers == 0);
    }
}

/* ---- Dead buffers ----------------------------------------------------------------------------------------------- */

/* Whether a call on a dead buffer was refused; live is another buffer, in which nothing may change. */
#define CALLS(X)                                                                                                       \
    X(write_bytes, poolbuf_write_bytes(dead, "x", 1) != POOLBUF_OK)                                                    \
    X(read_bytes, poolbuf_read_bytes(dead, bytes, 1) != POOLBUF_OK)                                                    \
    X(set_bytes, poolbuf_set_bytes(dead, 0, "x", 1) != POOLBUF_OK)                                                     \
    X(get_bytes, poolbuf_get_bytes(dead, 0, bytes, 1) != POOLBUF_OK)                                                   \
    X(write_zero, poolbuf_write_zero(dead, 1) != POOLBUF_OK)                                                           \
    X(write_no_zero, poolbuf_write_zero(dead, 0) != POOLBUF_OK)                                                        \
    X(set_zero, poolbuf_set_zero(dead, 0, 1) != POOLBUF_OK)                                                            \
    X(set_no_zero, poolbuf_set_zero(dead, 0, 0) != POOLBUF_OK)                                                         \
    X(write_buffer, poolbuf_write_buffer(dead, live, 1) != POOLBUF_OK)                                                 \
    X(write_from_dead, poolbuf_write_buffer(live, dead, 0) != POOLBUF_OK)                                              \
    X(read_buffer, poolbuf_read_buffer(dead, live, 1) != POOLBUF_OK)                                                   \
    X(read_into_dead, poolbuf_read_buffer(live, dead, 0) != POOLBUF_OK)                                                \
    X(set_buffer, poolbuf_set_buffer(dead, 0, live, 0, 1) != POOLBUF_OK)                                               \
    X(set_from_dead, poolbuf_set_buffer(live, 0, dead, 0, 0) != POOLBUF_OK)                                            \
    X(get_buffer, poolbuf_get_buffer(dead, 0, live, 0, 1) != POOLBUF_OK)                                               \
    X(get_into_dead, poolbuf_get_buffer(live, 0, dead, 0, 0) != POOLBUF_OK)                                            \
    X(write_iovec, poolbuf_write_iovec(dead, &piece, 1) != POOLBUF_OK)                                                 \
    X(read_iovec, poolbuf_read_iovec(dead, &piece, 1) != POOLBUF_OK)                                                   \
    X(set_iovec, poolbuf_set_iovec(dead, 0, &piece, 1) != POOLBUF_OK)                                                  \
    X(get_iovec, poolbuf_get_iovec(dead, 0, &piece, 1) != POOLBUF_OK)                                                  \
    X(copy, poolbuf_copy(dead, 0, 0) == NULL)                                                                          \
    X(read_copy, poolbuf_read_copy(dead, 0) == NULL)                                                                   \
    X(slice, poolbuf_slice(dead, 0, 0) == NULL)                                                                        \
    X(retained_slice, poolbuf_retained_slice(dead, 0, 0) == NULL)                                                      \
    X(read_slice, poolbuf_read_slice(dead, 0) == NULL)                                                                 \
    X(read_longer_slice, poolbuf_read_slice(dead, 1) == NULL)                                                          \
    X(read_retained_slice, poolbuf_read_retained_slice(dead, 0) == NULL)                                               \
    X(read_longer_retained_slice, poolbuf_read_retained_slice(dead, 1) == NULL)                                        \
    X(duplicate, poolbuf_duplicate(dead) == NULL)                                                                      \
    X(retained_duplicate, poolbuf_retained_duplicate(dead) == NULL)                                                    \
    X(as_read_only, poolbuf_as_read_only(dead) == NULL)                                                                \
    X(unreleasable, poolbuf_unreleasable(dead) == NULL)                                                                \
    X(copy_if_small, poolbuf_copy_if_small(dead, 0, 0) == NULL)                                                        \
    X(copy_if_larger, poolbuf_copy_if_small(dead, 0, 1000) == NULL)                                                    \
    X(set_capacity, poolbuf_set_capacity(dead, 0) != POOLBUF_OK)                                                       \
    X(ensure_writable, poolbuf_ensure_writable(dead, 1) != POOLBUF_OK)                                                 \
    X(ensure_nothing_writable, poolbuf_ensure_writable(dead, 0) != POOLBUF_OK)                                         \
    X(ensure_writable_try, poolbuf_ensure_writable_try(dead, 1, true) == POOLBUF_ROOM_CANNOT)                          \
    X(ensure_nothing_writable_try, poolbuf_ensure_writable_try(dead, 0, false) == POOLBUF_ROOM_CANNOT)                 \
    X(discard_read_bytes, poolbuf_discard_read_bytes(dead) != POOLBUF_OK)                                              \
    X(discard_some_read_bytes, poolbuf_discard_some_read_bytes(dead) != POOLBUF_OK)                                    \
    X(set_reader_index, poolbuf_set_reader_index(dead, 1) != POOLBUF_OK)                                               \
    X(set_writer_index, poolbuf_set_writer_index(dead, 1) != POOLBUF_OK)                                               \
    X(set_indices, poolbuf_set_indices(dead, 1, 1) != POOLBUF_OK)                                                      \
    X(skip_bytes, poolbuf_skip_bytes(dead, 1) != POOLBUF_OK)                                                           \
    X(mark_reader_index, poolbuf_mark_reader_index(dead) != POOLBUF_OK)                                                \
    X(mark_writer_index, poolbuf_mark_writer_index(dead) != POOLBUF_OK)                                                \
    X(reset_reader_index, poolbuf_reset_reader_index(dead) != POOLBUF_OK)                                              \
    X(reset_writer_index, poolbuf_reset_writer_index(dead) != POOLBUF_OK)                                              \
    X(bytes_at, poolbuf_bytes_at(dead, 0, 0) == NULL)                                                                  \
    X(retain, poolbuf_retain(dead) == dead)                                                                            \
    X(retain_n, poolbuf_retain_n(dead, 2) == dead)                                                                     \
    X(release, !poolbuf_release(dead))                                                                                 \
    X(release_n, !poolbuf_release_n(dead, 2))                                                                          \
    X(release_many, poolbuf_release_many(&dead, 1) == 0)                                                               \
    X(touch, (poolbuf_touch(dead, "hint"), true))                                                                      \
    X(component_at_offset, poolbuf_composite_component_at_offset(dead, 0) == NULL)                                     \
    X(component_count, poolbuf_composite_component_count(dead) == 0)                                                   \
    X(component, poolbuf_composite_component(dead, 0) == NULL)                                                         \
    X(remove_components, poolbuf_composite_remove_components(dead, 0, 0) != POOLBUF_OK)                                \
    X(consolidate, poolbuf_composite_consolidate(dead, 0, 0) != POOLBUF_OK)                                            \
    X(discard_read_components, poolbuf_composite_discard_read_components(dead) != POOLBUF_OK)                          \
    X(chunk_location, poolbuf_chunk_location(dead, &location) != POOLBUF_OK)

#define DEFINE(name, refused)                                                                                          \
    static bool dead_##name(poolbuf *dead, poolbuf *live) {                                                            \
        uint8_t bytes[1] = {0};                                                                                        \
        const struct iovec piece = {bytes, 1};                                                                         \
        poolbuf_location location;                                                                                     \
        (void)live, (void)bytes, (void)piece, (void)location;                                                          \
        return refused;                                                                                                \
    }
CALLS(DEFINE)

#define ENTRY(name, refused) {#name, dead_##name},
static const struct {
    const char *name;
    bool (*call)(poolbuf *dead, poolbuf *live);
} calls[] = {CALLS(ENTRY)};

/* A buffer whose last reference is gone, and whose handle is the pool's, as that of malloc's own is nobody's. */
static poolbuf *dead_of_kind(size_t k) {
    specimen subject = kinds_make(allocator, k, CAPACITY);
    uint8_t model[CAPACITY];
    kinds_fill(subject.buffer, model, CAPACITY, 2);
    EXPECT_OK(poolbuf_set_indices(subject.buffer, 5, 50));
    bool gone = strcmp(subject.kind, "unpooled") == 0;
    kinds_release(&subject);
    return gone ? NULL : subject.buffer;
}

static void every_call_on_a_dead_buffer_is_counted_and_refused(void **state) {
    (void)state;
    uint8_t model[CAPACITY];
    poolbuf *live = poolbuf_allocate(allocator, CAPACITY, CAPACITY);
    kinds_fill(live, model, CAPACITY, 3);
    UNIT_OK(poolbuf_set_indices(live, 3, 30));
    for (size_t k = 0; k < kinds_count(); k++) {
        poolbuf *dead = dead_of_kind(k);
        for (size_t i = 0; dead != NULL && i < sizeof calls / sizeof calls[0]; i++) {
            poolbuf as_it_was = *dead;
            uint64_t before = misuses();
            bool refused = calls[i].call(dead, live);
            if (!refused || misuses() != before + 1 || memcmp(&as_it_was, dead, sizeof as_it_was) != 0) {
                print_error("%s: %d times\n", calls[i].name, (int)(misuses() - before));
                EXPECT(refused);
                EXPECT(misuses() == before + 1);
                EXPECT(memcmp(&as_it_was, dead, sizeof as_it_was) == 0);
            }
        }
        EXPECT(poolbuf_reader_index(live) == 3 && poolbuf_writer_index(live) == 30);
        EXPECT(kinds_holds(live, model, CAPACITY));
        EXPECT(allocator_audit(allocator));
    }
    assert_true(poolbuf_release(live));
}

static void every_number_of_a_dead_buffer_is_counted_and_refused(void **state) {
    (void)state;
    for (size_t k = 0; k < kinds_count(); k++) {
        poolbuf *dead = dead_of_kind(k);
        for (size_t n = 0; dead != NULL && n < number_count; n++) {
            const number_calls *number = &number_table[n];
            uint64_t before = misuses();
            uint64_t value = 1;
            EXPECT(number->write(dead, 1) == POOLBUF_ERROR_OUT_OF_BOUNDS);
            EXPECT(number->read(dead, &value) == POOLBUF_ERROR_OUT_OF_BOUNDS);
            EXPECT(number->set(dead, 0, 1) == POOLBUF_ERROR_OUT_OF_BOUNDS);
            EXPECT(number->get(dead, 0, &value) == POOLBUF_ERROR_OUT_OF_BOUNDS);
            EXPECT(value == 1);
            EXPECT(misuses() == before + 4);
        }
    }
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
}

/* What has no error to give says that there is nothing, and what would do nothing does nothing. */
static void a_dead_buffer_has_nothing_and_stays_as_it_is(void **state) {
    (void)state;
    for (size_t k = 0; k < kinds_count(); k++) {
        poolbuf *dead = dead_of_kind(k);
        if (dead == NULL) {
            continue;
        }
        poolbuf as_it_was = *dead;
        EXPECT(poolbuf_ref_count(dead) == 0);
        EXPECT(poolbuf_capacity(dead) == 0 && poolbuf_max_capacity(dead) == 0);
        EXPECT(poolbuf_reader_index(dead) == 0 && poolbuf_writer_index(dead) == 0);
        EXPECT(poolbuf_readable_bytes(dead) == 0 && poolbuf_writable_bytes(dead) == 0);
        EXPECT(poolbuf_max_writable_bytes(dead) == 0 && poolbuf_max_fast_writable_bytes(dead) == 0);
        EXPECT(!poolbuf_is_readable(dead, 1) && !poolbuf_is_writable(dead, 1));
        EXPECT(poolbuf_unwrap(dead) == NULL);
        EXPECT(poolbuf_pinned_bytes(dead) == 0);
        EXPECT(poolbuf_owner(dead) == NULL || poolbuf_owner(dead) == allocator);
        poolbuf_clear(dead);
        EXPECT_OK(poolbuf_skip_bytes(dead, 0));
        EXPECT((poolbuf_set_indices(dead, 0, 0) == POOLBUF_OK) ==
               (dead->memory != NULL)); /* the others have a slow path */
        EXPECT_OK(poolbuf_write_bytes(dead, NULL, 0));
        EXPECT_OK(poolbuf_set_bytes(dead, 0, NULL, 0));
        EXPECT(memcmp(&as_it_was, dead, sizeof as_it_was) == 0);
    }
}

static void a_dead_buffer_is_no_component_and_no_composite_takes_any(void **state) {
    (void)state;
    poolbuf *composite = poolbuf_allocate_composite(allocator, 0);
    poolbuf *live = poolbuf_allocate(allocator, 8, 8);
    for (size_t k = 0; k < kinds_count(); k++) {
        poolbuf *dead = dead_of_kind(k);
        if (dead != NULL) {
            uint64_t before = misuses();
            EXPECT(poolbuf_composite_add_component(composite, dead, true) != POOLBUF_OK);
            EXPECT(poolbuf_composite_add_flattened(composite, dead, true) != POOLBUF_OK);
            EXPECT(misuses() >= before + 2);
            EXPECT(poolbuf_composite_add_component(dead, poolbuf_retain(live), true) != POOLBUF_OK);
            EXPECT(poolbuf_composite_insert_component(dead, 0, poolbuf_retain(live), true) != POOLBUF_OK);
            EXPECT(misuses() >= before + 4);
            EXPECT(poolbuf_ref_count(live) == 1); /* it was taken over, and released */
        }
    }
    assert_int_equal(poolbuf_composite_component_count(composite), 0);
    assert_true(poolbuf_release(composite));
    assert_true(poolbuf_release(live));
}

static void a_dead_buffer_cannot_be_brought_back(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 64, 64);
    assert_true(poolbuf_release(b));
    uint64_t before = misuses();
    assert_ptr_equal(poolbuf_retain(b), b);
    assert_int_equal(poolbuf_ref_count(b), 0);
    assert_ptr_equal(poolbuf_retain_n(b, 2), b);
    assert_int_equal(poolbuf_ref_count(b), 0);
    assert_false(poolbuf_release(b));
    assert_false(poolbuf_release_n(b, 1));
    assert_int_equal(misuses(), before + 4);
    poolbuf *first = poolbuf_allocate(allocator, 64, 64);
    poolbuf *second = poolbuf_allocate(allocator, 64, 64);
    assert_ptr_equal(first, b); /* once, not twice */
    assert_ptr_not_equal(second, b);
    assert_true(poolbuf_release(first));
    assert_true(poolbuf_release(second));
}

static void views_that_share_a_count_die_with_it(void **state) {
    (void)state;
    uint8_t model[32];
    poolbuf *b = poolbuf_allocate(allocator, 32, 32);
    kinds_fill(b, model, 32, 5);
    poolbuf *retained = poolbuf_retained_slice(b, 4, 20);
    poolbuf *of_buffer[] = {poolbuf_slice(b, 0, 4), poolbuf_duplicate(b), poolbuf_as_read_only(b)};
    poolbuf *of_retained[] = {poolbuf_slice(retained, 0, 4), poolbuf_duplicate(retained),
                              poolbuf_unreleasable(retained)};
    assert_false(poolbuf_release(b)); /* the retained one holds it, and with it its views */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(poolbuf_ref_count(of_buffer[i]), 1);
        assert_int_equal(poolbuf_ref_count(of_retained[i]), 1);
    }
    assert_true(kinds_holds(of_buffer[1], model, 32));
    (void)poolbuf_retain(b);
    assert_true(poolbuf_release(retained));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(poolbuf_ref_count(of_retained[i]), 0);
        assert_int_equal(poolbuf_capacity(of_retained[i]), 0);
        assert_int_equal(poolbuf_readable_bytes(of_retained[i]), 0);
        assert_int_equal(poolbuf_ref_count(of_buffer[i]), 1);
    }
    assert_true(poolbuf_release(b));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(poolbuf_ref_count(of_buffer[i]), 0);
        assert_int_equal(poolbuf_capacity(of_buffer[i]), 0);
    }
}

/* Its buffer is dead: so is whatever shared its count, and what held it lives. */
static void calls_on_a_dead_view_leave_its_buffer_alone(void **state) {
    (void)state;
    uint8_t model[32];
    poolbuf *b = poolbuf_allocate(allocator, 32, 32);
    kinds_fill(b, model, 32, 4);
    poolbuf *retained = poolbuf_retained_slice(b, 0, 32);
    poolbuf *shared = poolbuf_slice(retained, 0, 32);
    assert_true(poolbuf_release(retained));
    uint64_t before = misuses();
    assert_false(poolbuf_release(retained));
    assert_false(poolbuf_release(shared));
    assert_int_equal(poolbuf_set_u8(shared, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_null(poolbuf_slice(shared, 0, 1));
    assert_ptr_equal(poolbuf_retain(shared), shared);
    assert_int_equal(misuses(), before + 5);
    assert_int_equal(poolbuf_ref_count(b), 1);
    assert_true(kinds_holds(b, model, 32));
    assert_true(poolbuf_release(b));
}

static poolbuf *slice_of_all(poolbuf *b) {
    return poolbuf_slice(b, 0, poolbuf_capacity(b));
}

static poolbuf *retained_slice_of_all(poolbuf *b) {
    return poolbuf_retained_slice(b, 0, poolbuf_capacity(b));
}

/* What is made of a dead view, by whatever way that came to be, is nothing. */
static void nothing_can_be_made_of_a_dead_view(void **state) {
    (void)state;
    poolbuf *(*const makers[])(poolbuf *) = {poolbuf_duplicate,    poolbuf_retained_duplicate,
                                             poolbuf_as_read_only, poolbuf_unreleasable,
                                             slice_of_all,         retained_slice_of_all};
    static const bool retained[] = {false, true, false, false, false, true};
    for (size_t i = 0; i < 36; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 16, 16);
        UNIT_OK(poolbuf_write_zero(b, 16));
        poolbuf *first = makers[i / 6](b);
        poolbuf *second = makers[i % 6](first);
        assert_non_null(second);
        bool unreleasable = i / 6 == 3; /* so is what is made of it */
        if (retained[i % 6] && !unreleasable) {
            assert_true(poolbuf_release(second));
        }
        if (retained[i / 6]) {
            assert_true(poolbuf_release(first));
        }
        assert_true(poolbuf_release(b));
        assert_int_equal(poolbuf_ref_count(second), 0);
        uint64_t before = misuses();
        for (size_t j = 0; j < 6; j++) {
            assert_null(makers[j](first));
            assert_null(makers[j](second));
        }
        assert_int_equal(misuses(), before + 12);
        assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    }
}

#define REFERENCES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        REFERENCES_TEST(references_are_counted_many_at_once_and_the_last_ones_end_the_buffer),
        REFERENCES_TEST(more_than_2_to_the_30_references_are_refused),
        REFERENCES_TEST(more_references_than_there_are_cannot_be_dropped),
        REFERENCES_TEST(the_last_of_several_threads_ends_the_buffer),
    };
    const struct CMUnitTest dead_tests[] = {
        REFERENCES_TEST(every_call_on_a_dead_buffer_is_counted_and_refused),
        REFERENCES_TEST(every_number_of_a_dead_buffer_is_counted_and_refused),
        REFERENCES_TEST(a_dead_buffer_has_nothing_and_stays_as_it_is),
        REFERENCES_TEST(a_dead_buffer_is_no_component_and_no_composite_takes_any),
        REFERENCES_TEST(a_dead_buffer_cannot_be_brought_back),
        REFERENCES_TEST(views_that_share_a_count_die_with_it),
        REFERENCES_TEST(calls_on_a_dead_view_leave_its_buffer_alone),
        REFERENCES_TEST(nothing_can_be_made_of_a_dead_view),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* each look at a dead handle is an error there */
    }
    return failed + cmocka_run_group_tests(dead_tests, NULL, NULL);
}
