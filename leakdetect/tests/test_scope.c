/* Unit tests of scopes. Each runs at every level: a scope is exact at all of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/leakscope.h>
#include <poolbuf/poolbuf.h>

#include "../src/tracker.h" /* the allocator has an internal tracker.h, too */
#include "arithmetic.h"
#include "detector.h"
#include "presence.h"
#include "scope.h"

enum {
    INTERVAL = 16, /* of the sample that runs beside the scopes */
    MANY = 4000
};

static poolbuf_allocator *allocator;

static int set_up(void **state) {
    detector_settings settings = {.level = *(const leakdetect_level *)*state,
                                  .interval = INTERVAL,
                                  .target_records = 4,
                                  .frames = 16,
                                  .track_close = true,
                                  .unwinder = &unwind_libunwind,
                                  .seed = 7};
    detector_start(&settings);
    assert_int_equal(leakdetect_set_level(settings.level), POOLBUF_OK);
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    uint64_t records = 1;
    (void)state;
    bool clean = leakscope_current().id == 0 && presence_audit(&records) == NULL && records == 0;
    clean = poolbuf_allocator_destroy(allocator) == POOLBUF_OK && clean;
    leakdetect_counts counts = {.struct_size = sizeof counts};
    clean = leakdetect_count(&counts) == POOLBUF_OK && counts.live == 0 && clean;
    return clean ? 0 : -1;
}

static poolbuf *take(size_t size) {
    poolbuf *buffer = poolbuf_allocate(allocator, size, 1 << 20);
    assert_non_null(buffer);
    return buffer;
}

static leakscope open_scope(const char *name) {
    leakscope scope = {0};
    assert_int_equal(leakscope_open(name, 0, &scope), POOLBUF_OK);
    assert_int_not_equal(scope.id, 0);
    assert_int_equal(leakscope_current().id, scope.id);
    return scope;
}

static leakscope_result close_with(leakscope scope, poolbuf_status expected) {
    leakscope_result result = {.struct_size = sizeof result};
    assert_int_equal(leakscope_close(scope, &result), expected);
    return result;
}

static uint64_t held(leakscope scope) {
    leakscope_result result = {.struct_size = sizeof result};
    assert_int_equal(leakscope_count(scope, &result), POOLBUF_OK);
    return result.left;
}

/* --- counting ---------------------------------------------------------------------------------------------------- */

static void a_scope_that_released_everything_closes(void **state) {
    (void)state;
    leakscope scope = open_scope("clean");
    for (int i = 0; i < 1000; i++) {
        assert_true(poolbuf_release(take((size_t)i)));
    }
    leakscope_result result = close_with(scope, POOLBUF_OK);
    assert_int_equal(result.left, 0);
    assert_int_equal(result.type_count, 0);
    assert_string_equal(result.name, "clean");
}

static void what_is_left_is_counted_exactly(void **state) {
    (void)state;
    static poolbuf *buffers[MANY];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        uint64_t random = seed;
        uint64_t left = 0;
        uint64_t bytes = 0;
        leakscope scope = open_scope("exact");
        for (size_t i = 0; i < MANY; i++) {
            buffers[i] = take(random_next(&random) % 3000);
        }
        for (size_t i = 0; i < MANY; i++) {
            if (random_next(&random) % 8 != 0) {
                assert_true(poolbuf_release(buffers[i]));
                buffers[i] = NULL;
            } else {
                left++;
                bytes += poolbuf_capacity(buffers[i]);
            }
        }
        leakscope_result result = close_with(scope, POOLBUF_ERROR_LIVE_BUFFERS);
        assert_int_equal(result.left, left);
        assert_int_equal(result.left_bytes, bytes);
        assert_int_equal(result.type_count, 1);
        assert_string_equal(result.types[0].name, "poolbuf");
        for (size_t i = 0; i < MANY; i++) {
            assert_true(buffers[i] == NULL || poolbuf_release(buffers[i]));
        }
    }
}

static void buffers_from_bulk_calls_count(void **state) {
    (void)state;
    poolbuf *buffers[100];
    leakscope scope = open_scope("bulk");
    assert_int_equal(poolbuf_allocate_many(allocator, 64, 64, buffers, 100), 100);
    assert_int_equal(held(scope), 100);
    poolbuf_release_many(buffers, 99);
    assert_int_equal(close_with(scope, POOLBUF_ERROR_LIVE_BUFFERS).left, 1);
    assert_true(poolbuf_release(buffers[99]));
}

static void only_what_was_allocated_in_it_counts(void **state) {
    (void)state;
    poolbuf *before = take(10);
    leakscope scope = open_scope("middle");
    poolbuf *within = take(20);
    assert_true(poolbuf_release(before));
    assert_int_equal(close_with(scope, POOLBUF_ERROR_LIVE_BUFFERS).left, 1);
    poolbuf *after = take(30);
    leakscope next = open_scope("next"); /* in the same slot */
    assert_true(poolbuf_release(within));
    assert_true(poolbuf_release(after));
    assert_int_equal(held(next), 0);
    close_with(next, POOLBUF_OK);
}

/* The release finds the thread's cache again, which the scope had taken from the fast path. */
static void a_release_before_the_first_allocation_hides_nothing(void **state) {
    (void)state;
    poolbuf *before = take(100);
    leakscope scope;
    assert_int_equal(leakscope_open("test", 0, &scope), POOLBUF_OK);
    poolbuf_release(before);
    poolbuf *inside = take(100);
    leakscope_result left = {.struct_size = sizeof left};
    assert_int_equal(leakscope_close(scope, &left), POOLBUF_ERROR_LIVE_BUFFERS);
    assert_int_equal(left.left, 1);
    poolbuf_release(inside);
}

static void growth_is_followed(void **state) {
    (void)state;
    leakscope scope = open_scope("growth");
    poolbuf *buffer = take(16);
    assert_int_equal(poolbuf_set_capacity(buffer, 100000), POOLBUF_OK);
    leakscope_result result = close_with(scope, POOLBUF_ERROR_LIVE_BUFFERS);
    assert_int_equal(result.left, 1);
    assert_int_equal(result.left_bytes, 100000);
    assert_true(poolbuf_release(buffer));
}

static void views_do_not_count_and_composites_and_wrapped_do(void **state) {
    (void)state;
    static char memory[100];
    leakscope scope = open_scope("kinds");
    poolbuf *whole = poolbuf_allocate_composite(allocator, 16);
    assert_int_equal(poolbuf_composite_add_component(whole, take(100), true), POOLBUF_OK);
    assert_int_equal(poolbuf_composite_add_component(whole, take(200), true), POOLBUF_OK);
    poolbuf *wrapped = poolbuf_wrap(allocator, memory, sizeof memory, NULL, NULL);
    assert_non_null(poolbuf_slice(wrapped, 10, 20));
    assert_non_null(poolbuf_slice(whole, 0, 0));
    leakscope_result now = {.struct_size = sizeof now};
    assert_int_equal(leakscope_count(scope, &now), POOLBUF_OK);
    assert_int_equal(now.left, 4);
    assert_int_equal(now.left_bytes, 400);
    assert_true(poolbuf_release(whole));
    assert_true(poolbuf_release(wrapped));
    close_with(scope, POOLBUF_OK);
}

static void a_retained_slice_keeps_its_root_in_the_scope_of_the_root(void **state) {
    (void)state;
    leakscope first = open_scope("first");
    poolbuf *root = take(100);
    assert_int_equal(leakscope_leave(first), POOLBUF_OK);
    leakscope second = open_scope("second");
    poolbuf *slice = poolbuf_retained_slice(root, 10, 20);
    assert_non_null(slice);
    assert_false(poolbuf_release(root));
    assert_int_equal(held(second), 0);
    close_with(second, POOLBUF_OK);
    assert_int_equal(held(first), 1);
    assert_true(poolbuf_release(slice));
    assert_int_equal(held(first), 0);
    close_with(first, POOLBUF_OK);
}

static void resources_count_by_their_types(void **state) {
    (void)state;
    static char things[12];
    leakscope scope = open_scope("resources");
    assert_true(leakdetect_track(&things[0], 100, "session"));
    assert_true(leakdetect_track(&things[1], 900, "file"));
    assert_true(leakdetect_track(&things[2], 50, "session"));
    assert_true(leakdetect_track(&things[2], 60, "session")); /* anew */
    leakdetect_touch(&things[0], "hint");
    leakscope_result result = {.struct_size = sizeof result};
    assert_int_equal(leakscope_count(scope, &result), POOLBUF_OK);
    assert_int_equal(result.left, 3);
    assert_int_equal(result.type_count, 2);
    assert_string_equal(result.types[0].name, "file");
    assert_string_equal(result.types[1].name, "session");
    assert_int_equal(result.types[1].count, 2);
    assert_int_equal(result.types[1].bytes, 160);
    for (int i = 0; i < 3; i++) {
        assert_true(leakdetect_untrack(&things[i]));
        assert_false(leakdetect_untrack(&things[i]));
    }
    static const char *const NAMES[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    for (size_t i = 0; i < 12; i++) {
        assert_true(leakdetect_track(&things[i], i + 1, NAMES[i]));
    }
    assert_int_equal(leakscope_count(scope, &result), POOLBUF_OK);
    assert_int_equal(result.type_count, LEAKSCOPE_TYPES_MAX);
    assert_string_equal(result.types[0].name, "l");
    assert_string_equal(result.types[LEAKSCOPE_TYPES_MAX - 1].name, "others");
    assert_int_equal(result.types[LEAKSCOPE_TYPES_MAX - 1].count, 5);
    assert_int_equal(result.types[LEAKSCOPE_TYPES_MAX - 1].bytes, 1 + 2 + 3 + 4 + 5);
    assert_int_equal(result.left, 12);
    for (size_t i = 0; i < 12; i++) {
        assert_true(leakdetect_untrack(&things[i]));
    }
    close_with(scope, POOLBUF_OK);
}

/* --- nesting and expectations ------------------------------------------------------------------------------------- */

static void an_expectation_is_neither_more_nor_less(void **state) {
    (void)state;
    for (uint64_t expected = 0; expected <= 4; expected++) {
        leakscope scope = open_scope("expecting");
        assert_int_equal(leakscope_expect(scope, 9), POOLBUF_OK);
        assert_int_equal(leakscope_expect(scope, expected), POOLBUF_OK);
        poolbuf *left[] = {take(10), take(10)};
        leakscope_result result = close_with(scope, expected == 2 ? POOLBUF_OK : POOLBUF_ERROR_LIVE_BUFFERS);
        assert_int_equal(result.left, 2);
        assert_int_equal(result.expected, expected);
        assert_true(poolbuf_release(left[0]) && poolbuf_release(left[1]));
    }
    leakscope scope = open_scope("mended");
    assert_int_equal(leakscope_expect(scope, 1), POOLBUF_OK);
    close_with(scope, POOLBUF_ERROR_LIVE_BUFFERS);
}

static void what_failed_an_inner_scope_fails_no_other(void **state) {
    (void)state;
    leakscope outer = open_scope("outer");
    leakscope inner = open_scope("inner");
    poolbuf *left = take(10);
    assert_int_equal(held(outer), 0);
    assert_int_equal(close_with(inner, POOLBUF_ERROR_LIVE_BUFFERS).left, 1);
    assert_int_equal(leakscope_current().id, outer.id);
    poolbuf *own = take(20);
    assert_int_equal(held(outer), 1);
    assert_true(poolbuf_release(own));
    close_with(outer, POOLBUF_OK);
    assert_true(poolbuf_release(left));
}

static void what_an_inner_scope_may_leave_becomes_the_outer_ones(void **state) {
    (void)state;
    leakscope outer = open_scope("outer");
    leakscope inner = open_scope("inner");
    poolbuf *left[] = {take(10), take(20)};
    assert_int_equal(leakscope_expect(inner, 2), POOLBUF_OK);
    close_with(inner, POOLBUF_OK);
    assert_int_equal(held(outer), 2);
    assert_true(poolbuf_release(left[0]));
    leakscope_result result = close_with(outer, POOLBUF_ERROR_LIVE_BUFFERS);
    assert_int_equal(result.left, 1);
    assert_int_equal(result.left_bytes, 20);
    assert_true(poolbuf_release(left[1]));
}

static void an_outer_scope_closes_those_inside_it(void **state) {
    (void)state;
    leakscope outer = open_scope("outer");
    leakscope middle = open_scope("middle");
    poolbuf *left = take(10);
    leakscope inner = open_scope("inner");
    poolbuf *deep = take(10);
    leakscope_result result = close_with(outer, POOLBUF_ERROR_LIVE_BUFFERS);
    assert_int_equal(result.left, 2);
    assert_int_equal(result.inner, 2);
    assert_int_equal(leakscope_current().id, 0);
    close_with(middle, POOLBUF_ERROR_BAD_ARGUMENT);
    close_with(inner, POOLBUF_ERROR_BAD_ARGUMENT);
    assert_true(poolbuf_release(left) && poolbuf_release(deep));
}

/* --- misuse and limits ------------------------------------------------------------------------------------------- */

static void closing_twice_is_refused_though_the_slot_is_in_use_again(void **state) {
    (void)state;
    leakscope first = open_scope("first");
    close_with(first, POOLBUF_OK);
    leakscope second = open_scope("second");
    poolbuf *held_buffer = take(10);
    close_with(first, POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakscope_expect(first, 1), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakscope_join(first), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakscope_leave(first), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(held(second), 1);
    assert_true(poolbuf_release(held_buffer));
    close_with(second, POOLBUF_OK);
}

static void what_is_no_scope_is_refused(void **state) {
    (void)state;
    static const uint64_t IDS[] = {0, 1, UINT64_MAX, (uint64_t)1 << 32 | 5000, (uint64_t)3 << 32 | UINT32_MAX};
    leakscope_result small = {.struct_size = 3};
    leakscope scope = {4711};
    for (size_t i = 0; i < sizeof IDS / sizeof IDS[0]; i++) {
        close_with((leakscope){IDS[i]}, POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(leakscope_join((leakscope){IDS[i]}), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(leakscope_leave((leakscope){IDS[i]}), POOLBUF_ERROR_BAD_ARGUMENT);
    }
    assert_int_equal(leakscope_open("x", 2, &scope), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakscope_open("x", 0, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(scope.id, 4711);
    scope = open_scope(NULL);
    assert_int_equal(leakscope_close(scope, &small), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakscope_count(scope, &small), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakscope_count(scope, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
    leakscope_result old = {.struct_size = offsetof(leakscope_result, left_bytes), .left_bytes = 99};
    assert_int_equal(leakscope_close(scope, &old), POOLBUF_OK);
    assert_int_equal(old.left_bytes, 99);
    assert_string_equal(old.name, "scope");
}

static void depth_and_number_are_bounded(void **state) {
    (void)state;
    static leakscope open[LEAKSCOPE_OPEN_MAX];
    leakscope refused = {0};
    for (int i = 0; i < LEAKSCOPE_DEPTH_MAX; i++) {
        open[i] = open_scope("deep");
    }
    assert_int_equal(leakscope_open("deeper", 0, &refused), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(leakscope_join(open[0]), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(close_with(open[0], POOLBUF_OK).inner, LEAKSCOPE_DEPTH_MAX - 1);
    for (int i = 0; i < LEAKSCOPE_OPEN_MAX; i++) {
        open[i] = open_scope("wide");
        assert_int_equal(leakscope_leave(open[i]), POOLBUF_OK);
    }
    assert_int_equal(leakscope_open("one more", 0, &refused), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(refused.id, 0);
    for (int i = 0; i < LEAKSCOPE_OPEN_MAX; i++) {
        close_with(open[i], POOLBUF_OK);
    }
}

static void what_found_no_room_is_told_and_not_passed_over(void **state) {
    (void)state;
    static char things[2000];
    presence_bound(128);
    for (int released = 0; released < 2; released++) {
        leakscope scope = open_scope("full");
        for (size_t i = 0; i < sizeof things; i++) {
            leakdetect_track(&things[i], 1, "thing");
        }
        for (size_t i = 0; i < sizeof things && released != 0; i++) {
            leakdetect_untrack(&things[i]);
        }
        leakscope_result result =
            close_with(scope, released != 0 ? POOLBUF_ERROR_NO_MEMORY : POOLBUF_ERROR_LIVE_BUFFERS);
        assert_int_not_equal(result.uncounted, 0);
        assert_true(released != 0 ? result.left == 0 : result.left + result.uncounted == sizeof things);
        for (size_t i = 0; i < sizeof things; i++) {
            leakdetect_untrack(&things[i]);
        }
    }
    presence_bound(0);
    leakscope scope = open_scope("roomy");
    for (size_t i = 0; i < sizeof things; i++) {
        leakdetect_track(&things[i], 1, "thing");
    }
    assert_int_equal(held(scope), sizeof things);
    for (size_t i = 0; i < sizeof things; i++) {
        leakdetect_untrack(&things[i]);
    }
    close_with(scope, POOLBUF_OK);
}

static void errno_is_left_alone(void **state) {
    (void)state;
    errno = EXDEV;
    leakscope scope = open_scope("errno");
    poolbuf *buffer = take(10);
    assert_true(poolbuf_release(buffer));
    close_with(scope, POOLBUF_OK);
    assert_int_equal(errno, EXDEV);
}

/* --- the sample goes on ------------------------------------------------------------------------------------------- */

static void scopes_leave_the_sample_as_it_is(void **state) {
    static poolbuf *buffers[MANY];
    leakdetect_level level = *(const leakdetect_level *)*state;
    leakdetect_counts before = {.struct_size = sizeof before};
    leakdetect_counts now = before;
    assert_int_equal(leakdetect_count(&before), POOLBUF_OK);
    leakscope scope = open_scope("sample");
    for (size_t i = 0; i < MANY; i++) {
        buffers[i] = take(64);
        poolbuf_touch(buffers[i], "here");
    }
    assert_int_equal(held(scope), MANY);
    assert_int_equal(leakdetect_count(&now), POOLBUF_OK);
    uint64_t sampled = now.live - before.live;
    if (level == LEAKDETECT_DISABLED) {
        assert_int_equal(sampled, 0);
        assert_int_equal(now.stacks, before.stacks);
    } else if (level == LEAKDETECT_PARANOID) {
        assert_int_equal(sampled, MANY);
    } else {
        assert_in_range(sampled, MANY / INTERVAL / 2, MANY / INTERVAL * 2); /* 250, with a deviation of 15 */
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
    close_with(scope, POOLBUF_OK);
    for (size_t i = 0; i < MANY; i++) {
        buffers[i] = take(64); /* outside again: the plain sample */
    }
    assert_int_equal(leakdetect_count(&now), POOLBUF_OK);
    sampled = now.live - before.live;
    if (level == LEAKDETECT_SIMPLE || level == LEAKDETECT_ADVANCED) {
        assert_in_range(sampled, MANY / INTERVAL / 2, MANY / INTERVAL * 2);
    } else {
        assert_int_equal(sampled, level == LEAKDETECT_DISABLED ? 0 : MANY);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

enum {
    THREADS = 4,
    ROUNDS = 3000,
    PLACES = 64
};

static _Atomic(poolbuf *) places[PLACES]; /* where threads hand buffers over */

typedef struct worker {
    pthread_t thread;
    leakscope scope;
    uint64_t seed;
    uint32_t number;
    uint64_t kept_count;
    poolbuf *kept[ROUNDS];
    bool good;
} worker;

static worker workers[THREADS];

static uint32_t origin_of(const poolbuf *buffer) {
    uint32_t origin = UINT32_MAX;
    return poolbuf_get_u32_be(buffer, 0, &origin) == POOLBUF_OK ? origin : UINT32_MAX;
}

static void *work(void *argument) {
    worker *self = argument;
    uint64_t random = self->seed;
    self->good = leakscope_open("parallel", 0, &self->scope) == POOLBUF_OK;
    for (int round = 0; round < ROUNDS && self->good; round++) {
        uint64_t draw = random_next(&random);
        poolbuf *buffer = poolbuf_allocate(allocator, 16 + draw % 500, 1 << 16);
        self->good = buffer != NULL && poolbuf_write_u32_be(buffer, self->number) == POOLBUF_OK;
        if (!self->good) {
            break;
        }
        if (draw >> 40 & 1) { /* to anybody, and what lay there is released here, wherever it came from */
            buffer = atomic_exchange(&places[(draw >> 32) % PLACES], buffer);
        }
        if (buffer != NULL && (draw >> 41) % 16 == 0) {
            self->kept[self->kept_count++] = buffer;
        } else if (buffer != NULL) {
            self->good = poolbuf_release(buffer);
        }
    }
    return NULL;
}

static void run_workers(uint64_t seed) {
    memset(workers, 0, sizeof workers);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].seed = seed * 100 + i;
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].good);
    }
}

static void parallel_scopes_blame_the_one_that_allocated(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t alive[THREADS] = {0};
        run_workers(seed);
        for (size_t i = 0; i < PLACES; i++) {
            poolbuf *buffer = atomic_load(&places[i]);
            if (buffer != NULL) {
                alive[origin_of(buffer)]++;
            }
        }
        for (size_t i = 0; i < THREADS; i++) {
            for (uint64_t j = 0; j < workers[i].kept_count; j++) {
                alive[origin_of(workers[i].kept[j])]++;
            }
        }
        for (size_t i = 0; i < THREADS; i++) {
            assert_true(alive[i] > 0);
            assert_int_equal(held(workers[i].scope), alive[i]);
            assert_int_equal(close_with(workers[i].scope, POOLBUF_ERROR_LIVE_BUFFERS).left, alive[i]);
        }
        for (size_t i = 0; i < PLACES; i++) {
            poolbuf *buffer = atomic_exchange(&places[i], NULL);
            assert_true(buffer == NULL || poolbuf_release(buffer));
        }
        for (size_t i = 0; i < THREADS; i++) {
            for (uint64_t j = 0; j < workers[i].kept_count; j++) {
                assert_true(poolbuf_release(workers[i].kept[j]));
            }
        }
    }
}

typedef struct guest {
    leakscope scope;
    bool joins;
    poolbuf *inside, *outside;
    bool good;
} guest;

static void *visit(void *argument) {
    guest *self = argument;
    self->good = leakscope_current().id == 0;
    self->good = self->good && (!self->joins || leakscope_join(self->scope) == POOLBUF_OK);
    self->inside = poolbuf_allocate(allocator, 100, 100);
    self->good = self->good && (!self->joins || leakscope_leave(self->scope) == POOLBUF_OK);
    self->outside = poolbuf_allocate(allocator, 200, 200);
    self->good = self->good && self->inside != NULL && self->outside != NULL;
    return NULL;
}

static void a_thread_counts_from_joining_to_leaving(void **state) {
    (void)state;
    leakscope scope = open_scope("host");
    for (int joins = 0; joins < 2; joins++) {
        guest one = {.scope = scope, .joins = joins != 0};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, visit, &one), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(one.good);
        assert_int_equal(held(scope), one.joins ? 1 : 0);
        assert_false(scope_is_only_watcher(one.outside));
        assert_true(poolbuf_release(one.inside) && poolbuf_release(one.outside));
    }
    close_with(scope, POOLBUF_OK);
}

static void *close_elsewhere(void *argument) {
    return leakscope_close(*(leakscope *)argument, NULL) == POOLBUF_OK ? argument : NULL;
}

static void a_scope_that_another_thread_closed_counts_nothing_more(void **state) {
    (void)state;
    leakscope outer = open_scope("outer");
    leakscope inner = open_scope("inner");
    pthread_t thread;
    void *good = NULL;
    assert_int_equal(pthread_create(&thread, NULL, close_elsewhere, &inner), 0);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_non_null(good);
    poolbuf *buffer = take(10);
    assert_int_equal(held(outer), 1); /* the one that the thread is in now */
    assert_int_equal(leakscope_current().id, outer.id);
    assert_true(poolbuf_release(buffer));
    close_with(outer, POOLBUF_OK);
}

static atomic_bool stop;
static atomic_bool has_begun; /* the thread below has been round once: a busy machine may let it wait for long */

static void *open_and_close(void *argument) {
    bool good = true;
    while (!atomic_load(&stop) && good) {
        leakscope scope;
        good = leakscope_open("churn", 0, &scope) == POOLBUF_OK;
        poolbuf *left = poolbuf_allocate(allocator, 64, 64);
        leakscope_result result = {.struct_size = sizeof result};
        good = good && left != NULL && leakscope_close(scope, &result) == POOLBUF_ERROR_LIVE_BUFFERS &&
               result.left == 1 && poolbuf_release(left);
        atomic_store(&has_begun, true);
    }
    return good ? argument : NULL;
}

static _Atomic uint64_t published; /* the id of a scope that may have been closed already */

static void *join_and_churn(void *argument) {
    bool good = true;
    while (!atomic_load(&stop) && good) {
        leakscope scope = {atomic_load(&published)};
        poolbuf *buffers[4];
        bool joined = leakscope_join(scope) == POOLBUF_OK;
        for (int i = 0; i < 4; i++) {
            buffers[i] = poolbuf_allocate(allocator, 64, 64);
        }
        for (int i = 0; i < 4; i++) {
            good = buffers[i] != NULL && poolbuf_release(buffers[i]) && good;
        }
        if (joined) {
            (void)leakscope_leave(scope); /* refused where it was closed meanwhile, and dropped */
        }
        good = good && leakscope_current().id == 0;
    }
    return good ? argument : NULL;
}

static void a_scope_closed_under_its_threads_charges_no_other(void **state) {
    (void)state;
    pthread_t threads[2];
    void *good = NULL;
    atomic_store(&stop, false);
    atomic_store(&published, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, join_and_churn, &stop), 0);
    }
    for (int round = 0; round < 100; round++) {
        leakscope shared = open_scope("shared");
        atomic_store(&published, shared.id);
        sched_yield();
        assert_int_not_equal(leakscope_close(shared, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
        leakscope own = open_scope("own"); /* in the same slot */
        assert_int_equal((uint32_t)own.id, (uint32_t)shared.id);
        poolbuf *left[] = {take(10), take(20)};
        leakscope_result result = close_with(own, POOLBUF_ERROR_LIVE_BUFFERS);
        assert_int_equal(result.left, 2);
        assert_int_equal(result.left_bytes, 30);
        assert_true(poolbuf_release(left[0]) && poolbuf_release(left[1]));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_non_null(good);
    }
}

/* What went wrong in a child, in its exit code. */
enum {
    CHILD_COUNTS_WHAT_IT_INHERITED = 1,
    CHILD_GOT_NO_BUFFER,
    CHILD_DID_NOT_RELEASE,
    CHILD_DID_NOT_COUNT_ITS_OWN
};

/* In the child: what was alive is its parent's, and no lock is held by a thread that is no longer there. Signals end it, where cmocka's handlers
 * would jump back into the parent's test. */
static void child_checks(leakscope scope, poolbuf *inherited) {
    for (int number = SIGHUP; number < SIGRTMIN; number++) {
        (void)signal(number, SIG_DFL);
    }
    leakscope_result result = {.struct_size = sizeof result};
    if (leakscope_count(scope, &result) != POOLBUF_OK || result.left != 0) {
        _exit(CHILD_COUNTS_WHAT_IT_INHERITED);
    }
    poolbuf *own = poolbuf_allocate(allocator, 300, 300);
    if (own == NULL) {
        _exit(CHILD_GOT_NO_BUFFER);
    }
    if (!poolbuf_release(inherited)) {
        _exit(CHILD_DID_NOT_RELEASE);
    }
    if (leakscope_close(scope, &result) != POOLBUF_ERROR_LIVE_BUFFERS || result.left != 1 || result.left_bytes != 300) {
        _exit(CHILD_DID_NOT_COUNT_ITS_OWN);
    }
    _exit(poolbuf_release(own) ? 0 : CHILD_DID_NOT_RELEASE);
}

static void a_forked_child_counts_its_own(void **state) {
    (void)state;
    pthread_t thread;
    void *good = NULL;
    atomic_store(&stop, false);
    atomic_store(&has_begun, false);
    leakscope scope = open_scope("forking");
    poolbuf *buffer = take(100);
    /* Memcheck looks for what a child has lost, and finds what the thread that it has not got was holding. */
    bool beside = !RUNNING_ON_VALGRIND;
    if (beside) {
        assert_int_equal(pthread_create(&thread, NULL, open_and_close, &stop), 0);
        while (!atomic_load(&has_begun)) {
            sched_yield();
        }
    }
    int failed = 0; /* looked at when no thread is left that a failure's jump would leave running */
    for (int i = 0; i < 5 && failed == 0; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            child_checks(scope, buffer);
        }
        failed = child > 0 && waitpid(child, &status, 0) == child ? status : -1;
    }
    atomic_store(&stop, true);
    if (beside) {
        assert_int_equal(pthread_join(thread, &good), 0);
        assert_non_null(good);
    }
    assert_int_equal(failed, 0);
    assert_int_equal(held(scope), 1);
    assert_true(poolbuf_release(buffer));
    close_with(scope, POOLBUF_OK);
}

#define SCOPE_TEST(test)                                                                                               \
    { #test, test }

typedef struct named_test {
    const char *name;
    CMUnitTestFunction run;
} named_test;

static const named_test TESTS[] = {
    SCOPE_TEST(a_scope_that_released_everything_closes),
    SCOPE_TEST(what_is_left_is_counted_exactly),
    SCOPE_TEST(buffers_from_bulk_calls_count),
    SCOPE_TEST(only_what_was_allocated_in_it_counts),
    SCOPE_TEST(a_release_before_the_first_allocation_hides_nothing),
    SCOPE_TEST(growth_is_followed),
    SCOPE_TEST(views_do_not_count_and_composites_and_wrapped_do),
    SCOPE_TEST(a_retained_slice_keeps_its_root_in_the_scope_of_the_root),
    SCOPE_TEST(resources_count_by_their_types),
    SCOPE_TEST(an_expectation_is_neither_more_nor_less),
    SCOPE_TEST(what_failed_an_inner_scope_fails_no_other),
    SCOPE_TEST(what_an_inner_scope_may_leave_becomes_the_outer_ones),
    SCOPE_TEST(an_outer_scope_closes_those_inside_it),
    SCOPE_TEST(closing_twice_is_refused_though_the_slot_is_in_use_again),
    SCOPE_TEST(what_is_no_scope_is_refused),
    SCOPE_TEST(depth_and_number_are_bounded),
    SCOPE_TEST(what_found_no_room_is_told_and_not_passed_over),
    SCOPE_TEST(errno_is_left_alone),
    SCOPE_TEST(scopes_leave_the_sample_as_it_is),
    SCOPE_TEST(parallel_scopes_blame_the_one_that_allocated),
    SCOPE_TEST(a_thread_counts_from_joining_to_leaving),
    SCOPE_TEST(a_scope_that_another_thread_closed_counts_nothing_more),
    SCOPE_TEST(a_scope_closed_under_its_threads_charges_no_other),
    SCOPE_TEST(a_forked_child_counts_its_own),
};

enum {
    TEST_COUNT = sizeof TESTS / sizeof TESTS[0]
};

int main(void) {
    static leakdetect_level levels[LEAKDETECT_LEVEL_COUNT];
    static char names[LEAKDETECT_LEVEL_COUNT][TEST_COUNT][96];
    struct CMUnitTest tests[LEAKDETECT_LEVEL_COUNT * TEST_COUNT];
    for (size_t i = 0; i < LEAKDETECT_LEVEL_COUNT; i++) {
        levels[i] = (leakdetect_level)i;
        for (size_t j = 0; j < TEST_COUNT; j++) {
            snprintf(names[i][j], sizeof names[i][j], "%s at %s", TESTS[j].name, leakdetect_name_level(levels[i]));
            tests[i * TEST_COUNT + j] = (struct CMUnitTest){names[i][j], TESTS[j].run, set_up, tear_down, &levels[i]};
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
