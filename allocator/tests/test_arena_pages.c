/* Unit tests of arena.c: which pages are dirty, and when and how they go back. */
#include "arena_fixture.h"

#include <errno.h>

static void a_purge_drops_dirty_pages_and_no_others(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 8 * PAGE);
    give_one(take_one(f, 16 * PAGE));
    assert_int_equal(f->arena.counters.dirty_pages, 16);
    assert_int_equal(arena_purge(&f->arena), 16 * PAGE);
    assert_int_equal(f->arena.counters.dirty_pages, 0);
    assert_int_equal(f->arena.counters.purges, 1);
    assert_int_equal(f->arena.counters.purged_bytes, 16 * PAGE);
    assert_int_equal(arena_purge(&f->arena), 0);
    assert_int_equal(f->arena.counters.used_pages, 8);
    give_one(kept);
}

static void pages_that_are_freed_are_dirty_until_they_are_taken_again(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 8 * PAGE);
    give_one(take_one(f, 16 * PAGE));
    assert_int_equal(f->arena.counters.used_pages, 8);
    assert_int_equal(f->arena.counters.dirty_pages, 16);
    poolbuf *other = take_one(f, 12 * PAGE);
    assert_int_equal(f->arena.counters.used_pages, 20);
    assert_int_equal(f->arena.counters.dirty_pages, 4);
    assert_true(arena_audit(&f->arena));
    give_one(other);
    give_one(kept);
    assert_int_equal(f->arena.counters.used_pages, 0);
    assert_int_equal(f->arena.counters.dirty_pages, 24); /* of a spare chunk */
    assert_int_equal(arena_release_spares(&f->arena), CHUNK);
    assert_int_equal(f->arena.counters.dirty_pages, 0);
}

static void dirty_pages_beside_used_ones_go_back_once_they_have_decayed(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 8 * PAGE);
    poolbuf *freed = take_one(f, 16 * PAGE);
    poison_bytes_open(freed->memory, freed->usable);
    memset(freed->memory, 7, freed->usable);
    const uint8_t *memory = freed->memory;
    give_one(freed);
    os_fault_pass_ms(DECAY_MS - 1);
    arena_decay(&f->arena);
    assert_int_equal(f->arena.counters.purges, 0);
    os_fault_pass_ms(1 + TICK_MS);
    arena_decay(&f->arena);
    assert_int_equal(f->arena.counters.purges, 1);
    assert_int_equal(f->arena.counters.dirty_pages, 0);
    assert_false(arena_has_decaying(&f->arena));
    freed = take_one(f, 16 * PAGE);
    assert_ptr_equal(freed->memory, memory);
    poison_bytes_open(freed->memory, freed->usable);
    (void)VALGRIND_MAKE_MEM_DEFINED(freed->memory, freed->usable);
    assert_int_equal(freed->memory[0], 0);
    assert_int_equal(freed->memory[freed->usable - 1], 0);
    give_one(freed);
    give_one(kept);
}

static void traffic_beside_a_large_free_run_does_not_keep_it(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 8 * PAGE);
    give_one(take_one(f, 256 * PAGE));
    uint64_t passed = 0;
    while (passed < DECAY_MS + 2 * TICK_MS) {
        give_one(take_one(f, 4 * PAGE)); /* from the start of that run, which it then merges with again */
        os_fault_pass_ms(TICK_MS / 4);
        passed += TICK_MS / 4;
        assert_true(arena_audit(&f->arena));
    }
    assert_int_equal(f->arena.counters.dirty_pages, 4);
    assert_int_equal(f->arena.counters.purged_bytes, 252 * PAGE);
    give_one(kept);
}

static void a_chunk_that_is_now_empty_now_used_keeps_no_old_pages(void **state) {
    fixture *f = *state;
    give_one(take_one(f, 256 * PAGE));
    for (uint64_t passed = 0; passed < DECAY_MS + 2 * TICK_MS; passed += TICK_MS) {
        give_one(take_one(f, 4 * PAGE));
        os_fault_pass_ms(TICK_MS);
    }
    give_one(take_one(f, 4 * PAGE));
    assert_int_equal(f->arena.counters.chunk_unmaps, 0);
    assert_int_equal(f->arena.counters.dirty_pages, 4);
}

static void what_cannot_be_dropped_stays_dirty_and_is_tried_again(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 8 * PAGE);
    give_one(take_one(f, 16 * PAGE));
    os_fault_fail_purge(true);
    assert_int_equal(arena_purge(&f->arena), 0);
    assert_int_equal(f->arena.counters.dirty_pages, 16);
    assert_true(arena_audit(&f->arena));
    for (unsigned i = 0; i < 3; i++) {
        os_fault_pass_ms(DECAY_MS + TICK_MS);
        arena_decay(&f->arena);
        assert_int_equal(f->arena.counters.dirty_pages, 16);
        assert_int_equal(f->arena.counters.purges, 0);
        assert_true(arena_audit(&f->arena));
    }
    os_fault_fail_purge(false);
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    arena_decay(&f->arena);
    assert_int_equal(f->arena.counters.dirty_pages, 0);
    give_one(kept);
}

static void a_call_gives_back_a_bounded_part_and_later_ones_the_rest(void **state) {
    fixture *f = *state;
    enum {
        RUNS = 60
    };
    poolbuf *handles[2 * RUNS];
    for (unsigned i = 0; i < (unsigned)2 * RUNS; i++) {
        handles[i] = take_one(f, 4 * PAGE);
    }
    for (unsigned i = 0; i < RUNS; i++) {
        give_one(handles[(size_t)2 * i]);
    }
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    arena_decay(&f->arena);
    uint64_t first = f->arena.counters.purges;
    assert_true(first > 0);
    assert_true(first < RUNS);
    for (unsigned i = 0; i < RUNS / first; i++) {
        assert_true(arena_has_decaying(&f->arena));
        arena_decay(&f->arena);
        assert_true(arena_audit(&f->arena));
    }
    assert_int_equal(f->arena.counters.purges, RUNS);
    assert_int_equal(f->arena.counters.dirty_pages, 0);
    for (unsigned i = 0; i < RUNS; i++) {
        give_one(handles[(size_t)2 * i + 1]);
    }
    leave_spares(f, 20, 0);
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    uint64_t unmaps = f->arena.counters.chunk_unmaps;
    arena_decay(&f->arena);
    assert_int_equal(f->arena.counters.chunk_unmaps - unmaps, first);
    for (unsigned i = 0; i < 4; i++) {
        arena_decay(&f->arena);
    }
    assert_int_equal(f->arena.counters.chunks, 0);
}

static void without_a_decay_time_pages_are_dropped_when_they_are_freed(void **state) {
    fixture *f = *state;
    f->arena.config.decay_ms = 0;
    poolbuf *kept = take_one(f, 8 * PAGE);
    for (unsigned i = 1; i <= 3; i++) {
        poolbuf *list = NULL;
        assert_int_equal(arena_take(&f->arena, size_class_of(&f->classes, 4 * PAGE), 20, &list), 20);
        arena_give(list);
        assert_int_equal(f->arena.counters.dirty_pages, 0);
        assert_int_equal(f->arena.counters.purged_bytes, (size_t)i * 20 * 4 * PAGE);
    }
    give_one(kept);
    assert_int_equal(f->arena.counters.chunks, 0);
}

static fixture *dropping;
static poolbuf *emptying;
static bool locked_meanwhile;
static bool taken_meanwhile;

/* What other threads may do while pages are out. */
static int purge_amid_traffic(void *start, size_t size) {
    locked_meanwhile = pthread_mutex_trylock(&dropping->arena.lock) != 0;
    if (locked_meanwhile) {
        return EINVAL;
    }
    (void)pthread_mutex_unlock(&dropping->arena.lock);
    poolbuf *other = take_one(dropping, 4 * PAGE);
    taken_meanwhile = other->memory >= (uint8_t *)start && other->memory < (uint8_t *)start + size;
    give_one(other);
    if (emptying != NULL) {
        give_one(emptying);
    }
    if (!arena_audit(&dropping->arena)) {
        return EINVAL;
    }
    return os_fault.purge(start, size);
}

static void drop_amid_traffic(fixture *f, poolbuf *give_meanwhile) {
    static os_backend watching; /* outlives a failed assertion */
    watching = os_fault;
    watching.purge = purge_amid_traffic;
    dropping = f;
    emptying = give_meanwhile;
    taken_meanwhile = false;
    os = &watching;
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    arena_decay(&f->arena);
    os = &os_fault;
    assert_false(locked_meanwhile);
    assert_false(taken_meanwhile);
    assert_int_equal(f->arena.counters.purges, 1);
    assert_true(arena_audit(&f->arena));
}

static void pages_are_dropped_outside_the_lock_while_nobody_can_have_them(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 8 * PAGE);
    give_one(take_one(f, 16 * PAGE));
    drop_amid_traffic(f, NULL);
    give_one(kept);
}

static void a_chunk_that_empties_while_its_pages_are_out_becomes_a_spare(void **state) {
    fixture *f = *state;
    poolbuf *last = take_one(f, 8 * PAGE);
    give_one(take_one(f, 16 * PAGE));
    drop_amid_traffic(f, last);
    assert_int_equal(f->arena.spares.count, 1);
    assert_int_equal(f->arena.counters.used_pages, 0);
}

static void random_traffic_amid_decay_keeps_every_structure_whole(void **state) {
    fixture *f = *state;
    unit_random random = unit_random_start("arena, decay", 8);
    enum {
        LIVE = 200
    };
    poolbuf *live[LIVE] = {NULL};
    for (int step = 0; step < 4000; step++) {
        uint32_t i = unit_random_below(&random, LIVE);
        if (live[i] != NULL) {
            give_one(live[i]);
            live[i] = NULL;
        } else {
            live[i] = take_one(f, 1 + unit_random_below(&random, 1u << 19));
        }
        os_fault_fail_purge(unit_random_below(&random, 8) == 0);
        os_fault_pass_ms(unit_random_below(&random, 50));
        if (unit_random_below(&random, 200) == 0) {
            (void)arena_purge(&f->arena);
        }
        assert_true(arena_audit(&f->arena));
    }
    os_fault_fail_purge(false);
    assert_true(f->arena.counters.purges > 100);
    for (unsigned i = 0; i < LIVE; i++) {
        if (live[i] != NULL) {
            give_one(live[i]);
        }
    }
    (void)arena_purge(&f->arena);
    assert_int_equal(f->arena.counters.dirty_pages, 0);
    assert_false(arena_has_decaying(&f->arena));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ARENA_TEST(a_purge_drops_dirty_pages_and_no_others),
        ARENA_TEST(pages_that_are_freed_are_dirty_until_they_are_taken_again),
        ARENA_TEST(dirty_pages_beside_used_ones_go_back_once_they_have_decayed),
        ARENA_TEST(traffic_beside_a_large_free_run_does_not_keep_it),
        ARENA_TEST(a_chunk_that_is_now_empty_now_used_keeps_no_old_pages),
        ARENA_TEST(what_cannot_be_dropped_stays_dirty_and_is_tried_again),
        ARENA_TEST(a_call_gives_back_a_bounded_part_and_later_ones_the_rest),
        ARENA_TEST(without_a_decay_time_pages_are_dropped_when_they_are_freed),
        ARENA_TEST(pages_are_dropped_outside_the_lock_while_nobody_can_have_them),
        ARENA_TEST(a_chunk_that_empties_while_its_pages_are_out_becomes_a_spare),
        ARENA_TEST(random_traffic_amid_decay_keeps_every_structure_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
