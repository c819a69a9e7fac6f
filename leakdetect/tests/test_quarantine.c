/* Unit tests of quarantine.c, with memory and callbacks of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "arithmetic.h"
#include "guard.h"
#include "quarantine.h"

enum {
    SLOTS = 100,
    SLOT_BYTES = 1000,
    LIMIT = 10 * (SLOT_BYTES + QUARANTINE_ENTRY_COST)
};

static uint8_t memory[SLOTS][SLOT_BYTES];
static int owners[4];
static unsigned given[SLOTS * 2], given_count, changes;
static size_t changed_offset;
static tracker_closed changed_closed;
static const tracker_closed CLOSED = {.allocation_stack = 11, .close_stack = 12, .who.id = 13};

static void give_back(void *resource) {
    given[given_count++] = (unsigned)((uint8_t(*)[SLOT_BYTES])resource - memory);
}

static void changed(const void *resource, size_t offset, size_t size, const tracker_closed *closed) {
    (void)resource;
    assert_true(offset < size);
    changes++;
    changed_offset = offset;
    changed_closed = *closed;
}

static int start(void **state) {
    (void)state;
    given_count = changes = 0;
    quarantine_start(&(const quarantine_doors){.give_back = give_back, .changed = changed}, LIMIT);
    return 0;
}

static int finish(void **state) {
    (void)state;
    quarantine_surrender(NULL);
    return 0;
}

static bool take(unsigned slot, unsigned owner) {
    return quarantine_take(memory[slot], &owners[owner], memory[slot], SLOT_BYTES, &CLOSED);
}

static void the_oldest_leave_first_and_the_limit_is_kept(void **state) {
    (void)state;
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_true(take(i, 0));
        assert_int_equal(memory[i][SLOT_BYTES - 1], GUARD_POISON_BYTE);
        assert_int_equal(given_count, i < 10 ? 0 : i - 9);
    }
    for (unsigned i = 0; i < given_count; i++) {
        assert_int_equal(given[i], i);
    }
    assert_int_equal(changes, 0);
}

static void what_is_larger_than_the_limit_is_not_taken(void **state) {
    (void)state;
    size_t most = LIMIT - QUARANTINE_ENTRY_COST;
    assert_true(take(0, 0));
    memory[1][0] = 7;
    assert_false(quarantine_take(memory[1], &owners[0], memory[1], most + 1, &CLOSED));
    assert_int_equal(memory[1][0], 7);
    assert_int_equal(given_count, 0);
    assert_true(quarantine_take(memory[1], &owners[0], memory[1], most, &CLOSED));
    assert_int_equal(given_count, 1);
}

static void the_newest_closing_is_found_while_it_is_kept(void **state) {
    (void)state;
    tracker_closed found;
    const tracker_closed later = {.close_stack = 22};
    assert_false(quarantine_find(memory[0], &found));
    assert_true(take(0, 0));
    assert_true(take(1, 0));
    assert_true(quarantine_find(memory[0], &found));
    assert_int_equal(found.close_stack, 12);
    assert_true(quarantine_take(memory[0], &owners[1], NULL, 0, &later)); /* without memory: a slice */
    assert_true(quarantine_find(memory[0], &found));
    assert_int_equal(found.close_stack, 22);
    quarantine_surrender(&owners[1]);
    assert_true(quarantine_find(memory[0], &found));
    assert_int_equal(found.close_stack, 12);
    quarantine_surrender(NULL);
    assert_false(quarantine_find(memory[0], &found));
    assert_int_equal(changes, 0);
}

static void a_limit_of_none_takes_nothing(void **state) {
    (void)state;
    quarantine_start(&(const quarantine_doors){.give_back = give_back, .changed = changed}, 0);
    assert_false(quarantine_take(memory[0], &owners[0], memory[0], 0, &CLOSED));
}

static void a_changed_byte_is_told_with_its_stacks(void **state) {
    (void)state;
    assert_true(take(0, 0));
    assert_true(take(1, 0));
    memory[0][SLOT_BYTES - 1] = 0;
    quarantine_surrender(NULL);
    assert_int_equal(changes, 1);
    assert_int_equal(changed_offset, SLOT_BYTES - 1);
    assert_int_equal(changed_closed.allocation_stack, 11);
    assert_int_equal(changed_closed.close_stack, 12);
    assert_int_equal(given_count, 2);
}

static void an_owner_gets_its_own_back_and_room_is_made(void **state) {
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_true(take(i, i % 2));
    }
    quarantine_surrender(&owners[1]);
    assert_int_equal(given_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(given[i], 2 * i + 1);
    }
    for (unsigned i = 10; i < 15; i++) {
        assert_true(take(i, 0));
    }
    assert_int_equal(given_count, 5);
    assert_true(take(15, 0)); /* the oldest that is still there */
    assert_int_equal(given_count, 6);
    assert_int_equal(given[5], 0);
}

static _Atomic unsigned returned;

static void count_given(void *resource) {
    (void)resource;
    returned++;
}

static void the_queue_goes_round_and_holds_so_many_entries(void **state) {
    (void)state;
    returned = 0;
    quarantine_start(&(const quarantine_doors){.give_back = count_given, .changed = changed}, UINT64_MAX);
    for (unsigned i = 0; i < QUARANTINE_ENTRIES + SLOTS; i++) {
        assert_int_equal(returned, i < QUARANTINE_ENTRIES ? 0 : i - QUARANTINE_ENTRIES);
        assert_true(quarantine_take(memory[i % SLOTS], &owners[0], memory[i % SLOTS], 0, &CLOSED));
    }
    quarantine_surrender(&owners[1]);
    assert_int_equal(returned, SLOTS);
    quarantine_surrender(&owners[0]);
    assert_int_equal(returned, QUARANTINE_ENTRIES + SLOTS);
}

enum {
    MANY = 3000
};

static uint8_t many[MANY];
static unsigned next_of_many;
static bool in_order;

static void see_order(void *resource) {
    in_order = in_order && resource == &many[next_of_many];
    next_of_many++;
}

static void take_many(unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        const tracker_closed closed = {.key = i,
                                       .size = (uint64_t)2 * i,
                                       .allocation_stack = 3 * i,
                                       .close_stack = 4 * i,
                                       .type = 5 * i,
                                       .who.name = 6 * i,
                                       .who.id = 7 * i};
        assert_true(quarantine_take(&many[i], &owners[0], NULL, 0, &closed));
    }
}

static void all_are_found(unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        tracker_closed found;
        assert_true(quarantine_find(&many[i], &found));
        assert_int_equal(found.key, i);
        assert_int_equal(found.size, 2 * i);
        assert_int_equal(found.allocation_stack, 3 * i);
        assert_int_equal(found.close_stack, 4 * i);
        assert_int_equal(found.type, 5 * i);
        assert_int_equal(found.who.name, 6 * i);
        assert_int_equal(found.who.id, 7 * i);
    }
}

/* The ring widens where it has come round, with its oldest entry anywhere in it. */
static void the_queue_keeps_its_order_as_it_grows(void **state) {
    (void)state;
    const quarantine_doors doors = {.give_back = see_order, .changed = changed};
    next_of_many = 0;
    in_order = true;
    quarantine_start(&doors, (uint64_t)200 * QUARANTINE_ENTRY_COST);
    take_many(0, 450);
    assert_int_equal(next_of_many, 250);
    quarantine_start(&doors, (uint64_t)1500 * QUARANTINE_ENTRY_COST);
    take_many(450, 1750);
    assert_int_equal(next_of_many, 250);
    all_are_found(250, 1750);
    take_many(1750, MANY);
    assert_int_equal(next_of_many, MANY - 1500);
    all_are_found(MANY - 1500, MANY);
    quarantine_surrender(NULL);
    assert_int_equal(next_of_many, MANY);
    assert_true(in_order);
}

static void several_leave_for_a_large_one_and_each_is_checked(void **state) {
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_true(take(i, 0));
    }
    quarantine_surrender(&owners[1]); /* of whom there is nothing */
    memory[3][7] = 0;
    memory[8][9] = 0;
    assert_true(quarantine_take(memory[10], &owners[0], memory[10], (size_t)8 * SLOT_BYTES, &CLOSED));
    assert_int_equal(given_count, 8);
    for (unsigned i = 0; i < given_count; i++) {
        assert_int_equal(given[i], i);
    }
    assert_int_equal(changes, 1);
    assert_int_equal(changed_offset, 7);
    quarantine_surrender(NULL);
    assert_int_equal(given_count, 11);
    assert_int_equal(changes, 2);
    assert_int_equal(changed_offset, 9);
}

enum {
    ROUNDS = 200,
    OWN_SLOTS = SLOTS / 4
};

static _Atomic unsigned returned_of[4];

static void count_given_of(void *resource) {
    returned_of[(size_t)((uint8_t(*)[SLOT_BYTES])resource - memory) / OWN_SLOTS]++;
}

/* All four push each other's out of the queue; what was surrendered may be used again at once, and its owner may end. */
static void *take_and_surrender(void *argument) {
    const unsigned own = *(const unsigned *)argument;
    bool complete = true;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < OWN_SLOTS; i++) {
            complete = take(own * OWN_SLOTS + i, own) && complete;
        }
        quarantine_surrender(&owners[own]);
        complete = complete && returned_of[own] == round * OWN_SLOTS;
    }
    return complete ? argument : NULL;
}

static void a_surrender_waits_for_what_others_give_back(void **state) {
    (void)state;
    pthread_t threads[4];
    static unsigned numbers[4] = {0, 1, 2, 3};
    bool complete = true;
    quarantine_start(&(const quarantine_doors){.give_back = count_given_of, .changed = changed}, LIMIT);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_surrender, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        complete = complete && result != NULL;
    }
    assert_true(complete);
    assert_int_equal(changes, 0);
}

/* --- lanes ------------------------------------------------------------------------------------------------------- */

enum {
    TURN_SLOTS = 200, /* of a thread */
    TURN_LIMIT = 64 * (SLOT_BYTES + QUARANTINE_ENTRY_COST)
};

static uint8_t places[2][TURN_SLOTS][SLOT_BYTES];
static unsigned held_by[2]; /* entries whose memory lies in places[] of the thread and has not come back */

static void count_place(void *resource) {
    const size_t at = (size_t)((uint8_t *)resource - &places[0][0][0]) / SLOT_BYTES;
    assert_true(held_by[at / TURN_SLOTS] > 0);
    held_by[at / TURN_SLOTS]--;
}

static bool take_place(unsigned thread, unsigned i) {
    held_by[thread]++; /* before it can come back */
    return quarantine_take(places[thread][i % TURN_SLOTS], &owners[thread], places[thread][i % TURN_SLOTS], SLOT_BYTES,
                           &CLOSED);
}

static pthread_barrier_t turn;

/* The second thread: one entry for each turn that it is given. */
static void *take_in_turn(void *turns) {
    bool good = true;
    for (unsigned i = 0; i < *(const unsigned *)turns; i++) {
        pthread_barrier_wait(&turn);
        good = take_place(1, i) && good;
        pthread_barrier_wait(&turn);
    }
    return good ? turns : NULL;
}

static void give_turn(void) {
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
}

static void start_turns(pthread_t *thread, unsigned *turns) {
    held_by[0] = held_by[1] = 0;
    quarantine_start(&(const quarantine_doors){.give_back = count_place, .changed = changed}, TURN_LIMIT);
    assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
    assert_int_equal(pthread_create(thread, NULL, take_in_turn, turns), 0);
}

/* All of them, before the first thread does anything. */
static void start_with_turns_taken(pthread_t *thread, unsigned *turns) {
    start_turns(thread, turns);
    for (unsigned i = 0; i < *turns; i++) {
        give_turn();
    }
    assert_int_equal(held_by[1], *turns);
}

static void end_turns(pthread_t thread) {
    void *result = NULL;
    pthread_join(thread, &result);
    assert_non_null(result);
    pthread_barrier_destroy(&turn);
    quarantine_surrender(&owners[0]);
    assert_int_equal(held_by[0], 0);
    quarantine_surrender(&owners[1]);
    assert_int_equal(held_by[1], 0);
    assert_int_equal(changes, 0);
}

static void a_thread_that_comes_later_gets_its_part_and_the_limit_is_kept(void **state) {
    (void)state;
    pthread_t thread;
    unsigned turns = 60;
    start_turns(&thread, &turns);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(take_place(0, i));
        assert_int_equal(held_by[0], i < 64 ? i + 1 : 64); /* one thread alone has all of it */
    }
    for (unsigned i = 1; i <= turns; i++) {
        give_turn();
        assert_int_equal(held_by[0] + held_by[1], 64);
        assert_true(held_by[1] >= (i < 32 ? i : 32)); /* none of its own leaves before it has its part */
    }
    end_turns(thread);
}

static void threads_that_both_go_on_come_to_equal_shares(void **state) {
    (void)state;
    pthread_t thread;
    unsigned turns = 2 * 128; /* by the 128th at the latest it has looked */
    start_turns(&thread, &turns);
    for (unsigned i = 0; i < 64; i++) {
        assert_true(take_place(0, i));
    }
    for (unsigned i = 0; i < turns; i++) {
        give_turn();
        assert_true(take_place(0, i));
        assert_in_range(held_by[0] + held_by[1], 62, 64); /* what is spare may be less than one of them */
    }
    assert_in_range(held_by[0], 31, 33);
    assert_in_range(held_by[1], 31, 33);
    end_turns(thread);
}

static void what_an_idle_thread_has_left_goes(void **state) {
    (void)state;
    pthread_t thread;
    unsigned turns = 20;
    start_with_turns_taken(&thread, &turns);
    const struct timespec idle = {.tv_nsec = 5000000};
    for (unsigned i = 0; held_by[1] != 0 && i < 2000 * 128; i++) { /* ten seconds, of which it needs some hundredths */
        assert_true(take_place(0, i));
        assert_true(held_by[0] + held_by[1] <= 64);
        if (i % 128 == 0) {
            (void)nanosleep(&idle, NULL);
        }
    }
    assert_int_equal(held_by[1], 0);
    assert_in_range(held_by[0], 63, 64);
    end_turns(thread);
}

/* What is large needs what others have, whoever that is. */
static void a_large_one_takes_the_room_of_others(void **state) {
    (void)state;
    pthread_t thread;
    unsigned turns = 20;
    start_with_turns_taken(&thread, &turns);
    held_by[0]++;
    assert_true(quarantine_take(places[0][0], &owners[0], places[0][0], TURN_LIMIT - QUARANTINE_ENTRY_COST, &CLOSED));
    assert_int_equal(held_by[0], 1);
    assert_int_equal(held_by[1], 0);
    end_turns(thread);
}

enum {
    CROWD = 6,
    CROWD_TAKES = 20000,
    CROWD_SLOTS = 4000, /* of a thread: more than the limit holds, so that none comes in twice */
    CROWD_LIMIT = 100000
};

static struct {
    _Atomic uint32_t there; /* times that it came in and has not left */
    uint8_t byte[60];
} crowd[CROWD][CROWD_SLOTS];
static _Atomic int64_t crowd_held;
static _Atomic unsigned crowd_errors;

static void leave_crowd(void *resource) {
    _Atomic uint32_t *there = resource;
    if (atomic_fetch_sub(there, 1) != 1) {
        crowd_errors++;
    }
    crowd_held--;
}

static void *crowd_in(void *number) {
    const unsigned own = *(const unsigned *)number;
    uint64_t random = own + 1;
    for (unsigned i = 0; i < CROWD_TAKES; i++) {
        const uint64_t drawn = random_next(&random);
        if (crowd[own][i % CROWD_SLOTS].there != 0) { /* still there from the last time round */
            continue;
        }
        crowd[own][i % CROWD_SLOTS].there = 1;
        crowd_held++;
        if (!quarantine_take(&crowd[own][i % CROWD_SLOTS], &owners[own % 2], crowd[own][i % CROWD_SLOTS].byte,
                             drawn % 61, &CLOSED)) {
            crowd_errors++;
        }
        if (drawn % 5000 == 0) {
            quarantine_surrender(&owners[drawn / 5000 % 2]);
        }
    }
    return NULL;
}

static void each_comes_back_once_in_a_crowd(void **state) {
    (void)state;
    static unsigned numbers[CROWD] = {0, 1, 2, 3, 4, 5};
    pthread_t threads[CROWD];
    quarantine_start(&(const quarantine_doors){.give_back = leave_crowd, .changed = changed}, CROWD_LIMIT);
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_in, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(crowd_held * QUARANTINE_ENTRY_COST <= CROWD_LIMIT);
    quarantine_surrender(NULL);
    assert_int_equal(crowd_held, 0);
    assert_int_equal(crowd_errors, 0);
    assert_int_equal(changes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_leave_first_and_the_limit_is_kept, start, finish),
        cmocka_unit_test_setup_teardown(what_is_larger_than_the_limit_is_not_taken, start, finish),
        cmocka_unit_test_setup_teardown(the_newest_closing_is_found_while_it_is_kept, start, finish),
        cmocka_unit_test_setup_teardown(a_limit_of_none_takes_nothing, start, finish),
        cmocka_unit_test_setup_teardown(a_changed_byte_is_told_with_its_stacks, start, finish),
        cmocka_unit_test_setup_teardown(an_owner_gets_its_own_back_and_room_is_made, start, finish),
        cmocka_unit_test_setup_teardown(the_queue_goes_round_and_holds_so_many_entries, start, finish),
        cmocka_unit_test_setup_teardown(the_queue_keeps_its_order_as_it_grows, start, finish),
        cmocka_unit_test_setup_teardown(several_leave_for_a_large_one_and_each_is_checked, start, finish),
        cmocka_unit_test_setup_teardown(a_surrender_waits_for_what_others_give_back, start, finish),
        cmocka_unit_test_setup_teardown(a_thread_that_comes_later_gets_its_part_and_the_limit_is_kept, start, finish),
        cmocka_unit_test_setup_teardown(threads_that_both_go_on_come_to_equal_shares, start, finish),
        cmocka_unit_test_setup_teardown(what_an_idle_thread_has_left_goes, start, finish),
        cmocka_unit_test_setup_teardown(a_large_one_takes_the_room_of_others, start, finish),
        cmocka_unit_test_setup_teardown(each_comes_back_once_in_a_crowd, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
