/* Unit tests of decay.c: which chunk is looked at when, and what becomes of the pages that are out. */
#include "unit.h"

#include "chunk_list.h"
#include "decay.h"
#include "os/os.h"

#define CHUNKS   4u
#define CHUNK    65536u
#define DECAY_MS 1600u
#define END_MS   ((uint64_t)CHUNKS * 500)
#define STEP_MS  (DECAY_MS / DECAY_STEPS)

/* Chunks of 8 pages, the first of which is in use. */
typedef struct fixture {
    size_classes classes;
    decay decay;
    chunk_list lists[CHUNK_LIST_COUNT];
    chunk *chunks[CHUNKS];
    uint32_t positions[CHUNKS]; /* of the page in use */
} fixture;

static uint32_t class_of_pages(const fixture *f, uint32_t pages) {
    return size_class_of(&f->classes, (size_t)pages * 8192);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    os = &os_fault;
    size_classes_init(&f->classes, 8192, CHUNK, 4);
    decay_init(&f->decay);
    assert_true(decay_begin_try(&f->decay)); /* the one who drops is this test, all the time */
    chunk_lists_init(f->lists, CHUNK);
    for (unsigned i = 0; i < CHUNKS; i++) {
        void *region = NULL;
        assert_int_equal(os->acquire(OS_MAPPED, CHUNK, 8192, &region), 0);
        f->chunks[i] = calloc(1, sizeof(chunk) + chunk_books_bytes(&f->classes));
        chunk_init(f->chunks[i], &f->classes, NULL, region, 0, f->chunks[i] + 1);
        assert_true(chunk_take_run(f->chunks[i], class_of_pages(f, 4), &f->positions[i]));
        chunk_list_add(&f->lists[CHUNK_LIST_INIT], f->chunks[i]);
    }
    *state = f;
    return 0;
}

static bool audit(const fixture *f) {
    return decay_audit(&f->decay) && chunk_lists_audit(f->lists);
}

static int tear_down(void **state) {
    fixture *f = *state;
    assert_true(audit(f));
    assert_int_equal(f->decay.out_pages, 0);
    for (unsigned i = 0; i < CHUNKS; i++) {
        assert_int_equal(os->give_back(OS_MAPPED, f->chunks[i]->region, CHUNK), 0);
        free(f->chunks[i]);
    }
    free(f);
    os_fault_fail_purge(false);
    os = &os_linux;
    return 0;
}

/* Uses and frees the other four pages of a chunk. */
static void make_dirty(fixture *f, unsigned i, uint64_t now) {
    uint32_t position = 0;
    assert_true(chunk_take_run(f->chunks[i], class_of_pages(f, 4), &position));
    chunk_list_after_take(f->chunks[i]);
    chunk_give_run(f->chunks[i], class_of_pages(f, 4), position, now);
    assert_true(chunk_list_after_give(f->chunks[i]));
    decay_watch(&f->decay, f->chunks[i], DECAY_MS, now);
}

/* Drops one range that is due; NULL if there was none. */
static chunk *drop(fixture *f, uint64_t now, bool *still_listed) {
    decay_range range;
    if (!decay_take_out(&f->decay, DECAY_MS, DECAY_MS, now, &range)) {
        return NULL;
    }
    assert_true(audit(f));
    decay_drop(&range);
    *still_listed = decay_put_back(&f->decay, &range, now);
    return range.chunk;
}

static void nothing_is_due_where_nothing_is_dirty(void **state) {
    fixture *f = *state;
    bool listed = false;
    assert_int_equal(decay_due_ms(&f->decay), DECAY_NEVER);
    decay_watch(&f->decay, f->chunks[0], DECAY_MS, 1000);
    assert_int_equal(decay_due_ms(&f->decay), DECAY_NEVER);
    assert_null(drop(f, 1000000, &listed));
}

static void chunks_come_up_when_their_oldest_page_is_due_and_not_before(void **state) {
    fixture *f = *state;
    bool listed = false;
    for (unsigned i = 0; i < CHUNKS; i++) {
        make_dirty(f, i, 1000 + i * 400);
        assert_true(audit(f));
    }
    assert_int_equal(decay_due_ms(&f->decay), 1000 + DECAY_MS);
    for (unsigned i = 0; i < CHUNKS; i++) {
        uint64_t due = 1000 + i * 400 + DECAY_MS;
        assert_null(drop(f, due - 1, &listed));
        assert_ptr_equal(drop(f, due, &listed), f->chunks[i]);
        assert_true(listed);
        assert_int_equal(f->chunks[i]->dirty.count, 0);
        assert_null(drop(f, due, &listed));
        decay_settle(&f->decay, DECAY_MS, DECAY_NEVER);
    }
    assert_int_equal(decay_due_ms(&f->decay), DECAY_NEVER);
}

static void a_page_is_a_tick_late_at_most(void **state) {
    fixture *f = *state;
    bool listed = false;
    for (uint64_t offset = 0; offset < STEP_MS; offset += 7) {
        uint64_t start = (offset + 1) * 10 * DECAY_MS + offset; /* each place in a tick */
        make_dirty(f, 0, start);
        assert_null(drop(f, start + DECAY_MS - 1, &listed));
        assert_ptr_equal(drop(f, start + DECAY_MS + STEP_MS - 1, &listed), f->chunks[0]);
        assert_null(drop(f, start + DECAY_MS + STEP_MS, &listed));
    }
}

static void a_look_in_vain_files_a_chunk_by_what_is_oldest_now(void **state) {
    fixture *f = *state;
    bool listed = false;
    make_dirty(f, 0, 1000);
    make_dirty(f, 0, 2000); /* used again, so dirty from then on */
    assert_null(drop(f, 1000 + DECAY_MS, &listed));
    decay_settle(&f->decay, DECAY_MS, DECAY_NEVER);
    assert_int_equal(decay_due_ms(&f->decay), 2000 + DECAY_MS);
    assert_ptr_equal(drop(f, 2000 + DECAY_MS, &listed), f->chunks[0]);
}

static void due_is_that_of_the_callers_other_things_if_they_come_first(void **state) {
    fixture *f = *state;
    make_dirty(f, 0, 1000);
    decay_settle(&f->decay, DECAY_MS, 1700);
    assert_int_equal(decay_due_ms(&f->decay), 1700);
    decay_settle(&f->decay, DECAY_MS, 5000);
    assert_int_equal(decay_due_ms(&f->decay), 1000 + DECAY_MS);
    decay_expect(&f->decay, 9000);
    assert_int_equal(decay_due_ms(&f->decay), 1000 + DECAY_MS);
}

static void a_chunk_that_leaves_the_lists_is_not_looked_at(void **state) {
    fixture *f = *state;
    bool listed = false;
    make_dirty(f, 0, 1000);
    make_dirty(f, 1, 1000);
    decay_forget(f->chunks[0]);
    assert_ptr_equal(drop(f, 100000, &listed), f->chunks[1]);
    assert_null(drop(f, 100000, &listed));
    decay_watch(&f->decay, f->chunks[0], DECAY_MS, 100000); /* back again, with its old pages */
    assert_ptr_equal(drop(f, 100000, &listed), f->chunks[0]);
}

static void pages_that_are_out_can_be_given_to_nobody(void **state) {
    fixture *f = *state;
    decay_range range;
    uint32_t position = 0;
    make_dirty(f, 0, 0);
    assert_true(decay_take_out(&f->decay, DECAY_MS, DECAY_MS, DECAY_MS, &range));
    assert_int_equal(range.pages, 4);
    assert_int_equal(f->decay.out_pages, 4);
    assert_false(chunk_take_run(f->chunks[0], class_of_pages(f, 1), &position));
    decay_drop(&range);
    assert_true(decay_put_back(&f->decay, &range, DECAY_MS));
    assert_true(chunk_take_run(f->chunks[0], class_of_pages(f, 4), &position));
    chunk_list_after_take(f->chunks[0]);
    decay_forget(f->chunks[0]);
}

static void a_chunk_that_empties_while_pages_are_out_is_the_callers_once_they_are_back(void **state) {
    fixture *f = *state;
    decay_range range;
    make_dirty(f, 0, 0);
    assert_true(decay_take_out(&f->decay, DECAY_MS, DECAY_MS, DECAY_MS, &range));
    chunk_give_run(f->chunks[0], class_of_pages(f, 4), f->positions[0], DECAY_MS);
    assert_true(chunk_list_after_give(f->chunks[0]));
    decay_drop(&range);
    assert_false(decay_put_back(&f->decay, &range, DECAY_MS));
    decay_forget(f->chunks[0]);
    assert_int_equal(f->chunks[0]->dirty.count, 4);
}

static void what_is_not_dropped_stays_dirty_and_waits_anew(void **state) {
    fixture *f = *state;
    bool listed = false;
    make_dirty(f, 0, 0);
    os_fault_fail_purge(true);
    assert_ptr_equal(drop(f, DECAY_MS, &listed), f->chunks[0]);
    assert_int_equal(f->chunks[0]->dirty.count, 4);
    assert_null(drop(f, DECAY_MS, &listed));
    assert_null(drop(f, (uint64_t)2 * DECAY_MS - 1, &listed));
    os_fault_fail_purge(false);
    assert_ptr_equal(drop(f, (uint64_t)2 * DECAY_MS, &listed), f->chunks[0]);
    assert_int_equal(f->chunks[0]->dirty.count, 0);
}

static void in_a_hurry_every_dirty_page_comes_up(void **state) {
    fixture *f = *state;
    decay_range range;
    for (unsigned i = 0; i < CHUNKS; i++) {
        make_dirty(f, i, (uint64_t)i * 500);
    }
    decay_hurry(&f->decay);
    uint32_t pages = 0;
    while (decay_take_out(&f->decay, DECAY_MS, 0, END_MS, &range)) {
        pages += range.pages;
        decay_drop(&range);
        assert_true(decay_put_back(&f->decay, &range, END_MS));
    }
    assert_int_equal(pages, 4 * CHUNKS);
}

/* The clock may stand still for long, or the decay time be nothing. */
static void any_decay_time_and_any_pause_finds_every_page_once(void **state) {
    fixture *f = *state;
    static const uint32_t times[] = {0, 1, 15, 16, 17, 33, 1000, 3600000};
    uint64_t now = 5;
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
        for (unsigned round = 0; round < 3; round++) {
            uint32_t position = 0;
            decay_range range;
            assert_true(chunk_take_run(f->chunks[0], class_of_pages(f, 4), &position));
            chunk_give_run(f->chunks[0], class_of_pages(f, 4), position, now);
            decay_watch(&f->decay, f->chunks[0], times[i], now);
            if (times[i] != 0) {
                assert_false(decay_take_out(&f->decay, times[i], times[i], now, &range));
            }
            now += times[i] != 0 ? times[i] + times[i] / DECAY_STEPS + 1 : 0; /* a tick later at the latest */
            assert_true(decay_take_out(&f->decay, times[i], times[i], now, &range));
            assert_int_equal(range.pages, 4);
            decay_drop(&range);
            assert_true(decay_put_back(&f->decay, &range, now));
            assert_false(decay_take_out(&f->decay, times[i], times[i], now, &range));
            now += (uint64_t)1000000 * round;
        }
    }
    decay_forget(f->chunks[0]);
}

#define DECAY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        DECAY_TEST(nothing_is_due_where_nothing_is_dirty),
        DECAY_TEST(chunks_come_up_when_their_oldest_page_is_due_and_not_before),
        DECAY_TEST(a_page_is_a_tick_late_at_most),
        DECAY_TEST(a_look_in_vain_files_a_chunk_by_what_is_oldest_now),
        DECAY_TEST(due_is_that_of_the_callers_other_things_if_they_come_first),
        DECAY_TEST(a_chunk_that_leaves_the_lists_is_not_looked_at),
        DECAY_TEST(pages_that_are_out_can_be_given_to_nobody),
        DECAY_TEST(a_chunk_that_empties_while_pages_are_out_is_the_callers_once_they_are_back),
        DECAY_TEST(what_is_not_dropped_stays_dirty_and_waits_anew),
        DECAY_TEST(in_a_hurry_every_dirty_page_comes_up),
        DECAY_TEST(any_decay_time_and_any_pause_finds_every_page_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
