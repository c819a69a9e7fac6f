/* Unit tests of withhold.c: buffers that the tracker keeps back, and the bytes behind a capacity. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include <valgrind/valgrind.h>

#include "allocator.h"
#include "poison.h"
#include "tracker.h"

enum {
    KEPT_MAX = 8
};

static struct {
    poolbuf *kept[KEPT_MAX];
    unsigned kept_count, asked, views, surrenders, ended, released;
    size_t size;
    bool want, ask;
} seen;

static uint32_t next_gap(void) {
    return 1;
}

static bool allocated(poolbuf *buffer, poolbuf_allocator *owner, size_t capacity) {
    (void)buffer, (void)owner, (void)capacity;
    return true;
}

static bool keep(poolbuf *buffer, poolbuf_allocator *owner, uint8_t *memory, size_t size) {
    assert_non_null(owner);
    assert_int_equal(poolbuf_ref_count(buffer), 0);
    seen.asked++;
    seen.size = size;
    if (size != 0) {
        memset(memory, 0xdb, size); /* all of it is ours */
    }
    if (seen.want && seen.kept_count < KEPT_MAX) {
        seen.kept[seen.kept_count++] = buffer;
        return true;
    }
    return false;
}

static bool keep_view(poolbuf *view, poolbuf_allocator *owner, const poolbuf *root) {
    assert_ptr_equal(owner, poolbuf_owner(root));
    assert_int_equal(poolbuf_ref_count(view), 0);
    seen.views++;
    if (seen.want && seen.kept_count < KEPT_MAX) {
        seen.kept[seen.kept_count++] = view;
        return true;
    }
    return false;
}

static void surrender(poolbuf_allocator *owner) {
    (void)owner;
    seen.surrenders++;
    while (seen.kept_count > 0) {
        poolbuf_tracker_give_back(seen.kept[--seen.kept_count]);
    }
}

static bool ended(const poolbuf *buffer) {
    assert_int_equal(poolbuf_ref_count(buffer), 1); /* nothing is taken apart yet */
    seen.ended++;
    return seen.ask;
}

static void released(const poolbuf *buffer) {
    (void)buffer;
    seen.released++;
}

static const poolbuf_tracker tracker = {
    .struct_size = sizeof tracker,
    .next_gap = next_gap,
    .allocated = allocated,
    .withhold = keep,
    .surrender = surrender,
    .withhold_view = keep_view,
};

static poolbuf_allocator *allocator;

static int set_up(void **state) {
    (void)state;
    memset(&seen, 0, sizeof seen);
    seen.want = true;
    poison_asan_ignored = true; /* where a checker watches there is nothing to withhold */
    UNIT_OK(poolbuf_tracker_register(&tracker));
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    poolbuf_status status = poolbuf_allocator_destroy(allocator);
    UNIT_OK(poolbuf_tracker_register(NULL));
    poison_asan_ignored = false;
    return status == POOLBUF_OK && seen.kept_count == 0 ? 0 : -1;
}

static void what_is_withheld_is_neither_alive_nor_handed_out(void **state) {
    (void)state;
    poolbuf *first = poolbuf_allocate(allocator, 64, 64);
    assert_true(poolbuf_release(first));
    assert_int_equal(seen.kept_count, 1);
    assert_int_equal(seen.size, 64);
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    assert_int_equal(unit_metrics(allocator).live_bytes, 0);
    assert_true(unit_metrics(allocator).cached_buffers >= 1);
    poolbuf *second = poolbuf_allocate(allocator, 64, 64);
    assert_ptr_not_equal(second, first);
    assert_int_equal(unit_metrics(allocator).live_buffers, 1);
    seen.want = false;
    assert_true(poolbuf_release(second));
    poolbuf_tracker_give_back(seen.kept[--seen.kept_count]);
    poolbuf *third = poolbuf_allocate(allocator, 64, 64);
    assert_ptr_equal(third, first); /* the newest one in the cache */
    assert_int_equal(unit_metrics(allocator).live_buffers, 1);
    assert_true(poolbuf_release(third));
}

static void a_tracker_may_decline(void **state) {
    (void)state;
    seen.want = false;
    poolbuf *first = poolbuf_allocate(allocator, 64, 64);
    assert_true(poolbuf_release(first));
    assert_int_equal(seen.asked, 1);
    poolbuf *second = poolbuf_allocate(allocator, 64, 64);
    assert_ptr_equal(second, first);
    assert_true(poolbuf_release(second));
}

static void destroying_and_purging_ask_for_it_back(void **state) {
    (void)state;
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    (void)poolbuf_allocator_purge(allocator);
    assert_int_equal(seen.surrenders, 1);
    assert_int_equal(seen.kept_count, 0);
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    assert_int_equal(seen.kept_count, 1); /* tear_down() destroys */
}

static void another_tracker_does_not_inherit_it(void **state) {
    (void)state;
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    UNIT_OK(poolbuf_tracker_register(NULL));
    assert_int_equal(seen.kept_count, 0);
    assert_int_equal(seen.surrenders, 1);
}

static void huge_buffers_are_not_offered(void **state) {
    (void)state;
    assert_true(poolbuf_release(poolbuf_allocate(allocator, (size_t)5 << 20, (size_t)5 << 20)));
    assert_int_equal(seen.asked, 0);
}

static void composites_are_offered_without_memory(void **state) {
    (void)state;
    poolbuf *whole = poolbuf_allocate_composite(allocator, 4);
    seen.size = 77;
    assert_true(poolbuf_release(whole));
    assert_int_equal(seen.asked, 1);
    assert_int_equal(seen.size, 0);
    poolbuf *other = poolbuf_allocate_composite(allocator, 4);
    assert_ptr_not_equal(other, whole);
    assert_int_equal(poolbuf_ref_count(whole), 0);
    seen.want = false;
    assert_true(poolbuf_release(other));
    assert_int_equal(seen.asked, 2);
    surrender(allocator);
}

/* A retained slice ends by itself; a plain one, and one of the retained, with what it was cut from. */
static void slices_are_offered_when_they_end(void **state) {
    (void)state;
    poolbuf *root = poolbuf_allocate(allocator, 64, 64);
    poolbuf *retained = poolbuf_retained_slice(root, 0, 32);
    poolbuf *of_retained = poolbuf_slice(retained, 0, 16);
    poolbuf *plain = poolbuf_slice(root, 0, 8);
    assert_true(poolbuf_release(retained));
    assert_int_equal(seen.views, 2);
    assert_true(seen.kept[0] == of_retained && seen.kept[1] == retained);
    poolbuf *next = poolbuf_retained_slice(root, 0, 32);
    assert_true(next != retained && next != of_retained);
    assert_int_equal(poolbuf_ref_count(retained), 0);
    seen.want = false; /* and what is declined goes back as ever */
    assert_true(poolbuf_release(next));
    assert_int_equal(seen.views, 3);
    assert_ptr_equal(poolbuf_retained_slice(root, 0, 32), next);
    assert_true(poolbuf_release(next));
    seen.want = true;
    assert_true(poolbuf_release(root));
    assert_int_equal(seen.views, 5);
    assert_ptr_equal(seen.kept[2], plain);
    assert_int_equal(seen.asked, 1); /* the buffer itself */
    poolbuf_metrics m = unit_metrics(allocator);
    assert_int_equal(m.live_buffers, 0);
}

static void an_older_tracker_is_served_and_not_asked(void **state) {
    (void)state;
    poolbuf_tracker older = tracker;
    older.struct_size = offsetof(poolbuf_tracker, withhold);
    UNIT_OK(poolbuf_tracker_register(&older));
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    assert_int_equal(seen.asked, 0);
    UNIT_OK(poolbuf_tracker_register(NULL));
}

static void a_tracker_is_asked_only_about_what_it_may_want(void **state) {
    (void)state;
    poolbuf_tracker choosy = tracker;
    choosy.ended = ended;
    choosy.released = released;
    UNIT_OK(poolbuf_tracker_register(&choosy));
    poolbuf *plain = poolbuf_allocate(allocator, 64, 64);
    assert_true(poolbuf_release(plain));
    assert_int_equal(seen.asked, 0);
    assert_ptr_equal(poolbuf_allocate(allocator, 64, 64), plain); /* it has gone back to the pool */
    poolbuf *slice = poolbuf_slice(plain, 0, 32);                 /* so that there is more to take apart */
    assert_non_null(slice);
    assert_true(poolbuf_release(plain));
    assert_int_equal(seen.asked, 0);
    seen.ask = true;
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    assert_int_equal(seen.asked, 1);
    assert_int_equal(seen.ended, 3);
    assert_int_equal(seen.released, 0); /* ended() is in its place */
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    choosy.struct_size = offsetof(poolbuf_tracker, ended);
    UNIT_OK(poolbuf_tracker_register(&choosy));
    assert_true(poolbuf_release(poolbuf_allocate(allocator, 64, 64)));
    assert_int_equal(seen.ended, 3);
    assert_int_equal(seen.released, 1);
    assert_int_equal(seen.asked, 2);
    UNIT_OK(poolbuf_tracker_register(NULL));
}

static void the_slack_follows_the_capacity(void **state) {
    (void)state;
    uint8_t *slack = NULL;
    bool reachable = true;
    poolbuf *b = poolbuf_allocate(allocator, 100, 1000);
    assert_int_equal(poolbuf_tracker_slack(b, &slack, &reachable), 12);
    assert_ptr_equal(slack, poolbuf_memory(b) + 100);
    assert_false(reachable);
    UNIT_OK(poolbuf_set_capacity(b, 112));
    assert_int_equal(poolbuf_tracker_slack(b, &slack, &reachable), 0);
    poolbuf *slice = poolbuf_retained_slice(b, 0, 112);
    UNIT_OK(poolbuf_set_capacity(b, 110));
    assert_int_equal(poolbuf_tracker_slack(b, &slack, &reachable), 2);
    assert_true(reachable);
    assert_int_equal(poolbuf_tracker_slack(slice, &slack, &reachable), 0);
    assert_true(poolbuf_release(slice));
    assert_int_equal(poolbuf_tracker_slack(b, &slack, &reachable), 2);
    assert_false(reachable);
    assert_true(poolbuf_release(b));
}

/* ---- Threads ---- */

enum {
    TAKERS = 4,
    TAKEN = 20000
};

static poolbuf *_Atomic newest;

/* Keeps one back, of all threads, and gives the one before back: mostly another thread's. */
/* NOLINTNEXTLINE(readability-non-const-parameter): it is a callback */
static bool keep_newest(poolbuf *buffer, poolbuf_allocator *owner, uint8_t *memory, size_t size) {
    (void)owner, (void)memory, (void)size;
    poolbuf *before = atomic_exchange(&newest, buffer);
    if (before != NULL) {
        poolbuf_tracker_give_back(before);
    }
    return true;
}

static void surrender_newest(poolbuf_allocator *owner) {
    (void)owner;
    poolbuf *before = atomic_exchange(&newest, NULL);
    if (before != NULL) {
        poolbuf_tracker_give_back(before);
    }
}

static void *take_and_release(void *size) {
    for (int i = 0; i < TAKEN; i++) {
        poolbuf *buffer = poolbuf_allocate(allocator, *(const size_t *)size, 1024);
        assert_non_null(buffer);
        assert_true(poolbuf_release(buffer));
    }
    return NULL;
}

static void what_threads_keep_back_and_give_back_adds_up(void **state) {
    (void)state;
    poolbuf_tracker busy = tracker;
    busy.withhold = keep_newest;
    busy.surrender = surrender_newest;
    UNIT_OK(poolbuf_tracker_register(&busy));
    static size_t sizes[TAKERS] = {64, 64, 256, 1024};
    pthread_t threads[TAKERS];
    const uint64_t metadata = unit_metrics(allocator).metadata_bytes;
    for (size_t i = 0; i < TAKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, &sizes[i]), 0);
    }
    for (size_t i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_non_null(newest);
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    assert_int_equal(unit_metrics(allocator).live_bytes, 0);
    assert_true(unit_metrics(allocator).metadata_bytes > metadata); /* the stripes, and handles */
    UNIT_OK(poolbuf_tracker_register(&tracker));                    /* the one that is left is given back */
    assert_null(newest);
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    assert_int_equal(unit_metrics(allocator).live_bytes, 0);
}

#define WITHHOLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITHHOLD_TEST(what_is_withheld_is_neither_alive_nor_handed_out),
        WITHHOLD_TEST(a_tracker_may_decline),
        WITHHOLD_TEST(destroying_and_purging_ask_for_it_back),
        WITHHOLD_TEST(another_tracker_does_not_inherit_it),
        WITHHOLD_TEST(huge_buffers_are_not_offered),
        WITHHOLD_TEST(composites_are_offered_without_memory),
        WITHHOLD_TEST(slices_are_offered_when_they_end),
        WITHHOLD_TEST(an_older_tracker_is_served_and_not_asked),
        WITHHOLD_TEST(a_tracker_is_asked_only_about_what_it_may_want),
        WITHHOLD_TEST(the_slack_follows_the_capacity),
        WITHHOLD_TEST(what_threads_keep_back_and_give_back_adds_up),
    };
    if (RUNNING_ON_VALGRIND) {
        return 0; /* Memcheck sees to it */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
