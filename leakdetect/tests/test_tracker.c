/* Unit tests of tracker.c. The audit runs after every change of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"
#include "tracked.h"

static char resources[70000];

static void assert_sound(void) {
    const char *broken = tracker_audit();
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
}

static int start_empty(void **state) {
    (void)state;
    tracker_reset();
    return 0;
}

static bool insert(const void *resource, uint64_t size, uint32_t stack) {
    return tracker_insert(resource, NULL, &(tracker_record){.size = size, .stack = stack, .weight = 1});
}

static bool remove_plain(const void *resource) {
    return tracker_close(resource, (tracker_closer){.stack = 77});
}

static tracker_totals totals(void) {
    tracker_totals now;
    tracker_count(&now);
    return now;
}

static void what_goes_in_comes_out_once(void **state) {
    (void)state;
    assert_true(insert(&resources[0], 100, 1));
    assert_int_equal(totals().live, 1);
    assert_int_equal(totals().live_bytes, 100);
    assert_true(remove_plain(&resources[0]));
    assert_false(remove_plain(&resources[0]));
    assert_int_equal(totals().live, 0);
    assert_int_equal(totals().live_bytes, 0);
    assert_int_equal(totals().seen, 1);
    assert_sound();
}

static void an_address_tracked_twice_counts_once(void **state) {
    (void)state;
    tracker_record found;
    assert_true(insert(&resources[0], 100, 1));
    assert_true(insert(&resources[0], 30, 2));
    assert_int_equal(totals().live, 1);
    assert_int_equal(totals().live_bytes, 30);
    assert_true(tracker_find(AT(&resources[0]), &found));
    assert_int_equal(found.stack, 2);
    assert_sound();
}

static void tables_grow_and_records_are_used_again(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof resources; i++) {
            assert_true(insert(&resources[i], i, (uint32_t)i));
        }
        assert_sound();
        for (size_t i = 0; i < sizeof resources; i++) {
            tracker_record found;
            assert_true(tracker_find(AT(&resources[i]), &found));
            assert_int_equal(found.size, i);
            assert_true(remove_plain(&resources[i]));
        }
        assert_sound();
    }
    assert_int_equal(totals().live, 0);
    assert_int_equal(totals().seen, 2 * sizeof resources);
}

static void addresses_are_kept_complemented(void **state) {
    (void)state;
    tracker_record found;
    assert_true(tracker_insert(&resources[5], &resources[9], &(tracker_record){.size = 1}));
    assert_true(tracker_find(AT(&resources[5]), &found));
    assert_int_equal(found.key, ~(uintptr_t)&resources[5]);
    assert_int_equal(found.owner, ~(uintptr_t)&resources[9]);
}

static void the_newest_closing_of_an_address_is_remembered(void **state) {
    (void)state;
    tracker_closed closed;
    assert_false(tracker_find_closed(AT(&resources[0]), &closed));
    for (uint32_t i = 1; i <= 3; i++) {
        assert_true(insert(&resources[0], i, i));
        assert_true(tracker_close(&resources[0], (tracker_closer){.stack = 100 + i}));
    }
    assert_true(tracker_find_closed(AT(&resources[0]), &closed));
    assert_int_equal(closed.allocation_stack, 3);
    assert_int_equal(closed.close_stack, 103);
    assert_int_equal(closed.size, 3);
}

typedef struct access_list {
    size_t count;
    uint32_t stacks[64];
    uint32_t dropped;
} access_list;

static void list_accesses(tracker_record *record, void *context) {
    access_list *list = context;
    list->dropped = record->accesses_dropped;
    for (const tracker_access *access = tracker_next_access(record, NULL); access != NULL && list->count < 64;
         access = tracker_next_access(record, access)) {
        list->stacks[list->count++] = access->stack;
    }
}

static access_list touch_and_list(uint32_t touches, uint32_t target) {
    access_list list = {0};
    uint64_t random = 11;
    assert_true(insert(&resources[0], 1, 1));
    for (uint32_t i = 1; i <= touches; i++) {
        tracker_access access = {.stack = i, .kind = ACCESS_TOUCH};
        assert_true(tracker_record_access(AT(&resources[0]), &access, target, random_next(&random)));
    }
    tracker_visit(list_accesses, &list);
    return list;
}

static void few_accesses_are_all_kept_newest_first(void **state) {
    (void)state;
    access_list list = touch_and_list(4, 4);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.stacks[0], 4);
    assert_int_equal(list.stacks[3], 1);
    assert_int_equal(list.dropped, 0);
}

static void many_accesses_back_off_but_the_first_and_the_last_stay(void **state) {
    (void)state;
    access_list list = touch_and_list(100000, 4);
    assert_true(list.count >= 10 && list.count <= 30); /* 4 + about log2(100,000) */
    assert_int_equal(list.stacks[0], 100000);
    assert_int_equal(list.stacks[list.count - 1], 1);
    assert_int_equal(list.count + list.dropped, 100000);
}

static void accesses_of_the_untracked_are_ignored(void **state) {
    (void)state;
    assert_false(tracker_record_access(AT(&resources[1]), &(tracker_access){.stack = 1}, 4, 0));
}

static void accesses_go_with_their_record(void **state) {
    (void)state;
    for (int round = 0; round < 1000; round++) {
        touch_and_list(20, 4);
        assert_true(remove_plain(&resources[0]));
    }
    assert_sound();
}

static void count_record(tracker_record *record, void *context) {
    (void)record;
    ++*(int *)context;
}

static void a_visit_sees_each_record_once(void **state) {
    (void)state;
    int seen = 0;
    for (size_t i = 0; i < 1000; i++) {
        insert(&resources[i], 1, 1);
    }
    tracker_visit(count_record, &seen);
    assert_int_equal(seen, 1000);
}

static void random_traffic_keeps_the_table_sound(void **state) {
    (void)state;
    static bool live[512];
    uint64_t random = 12345;
    memset(live, 0, sizeof live);
    for (int step = 0; step < 20000; step++) {
        size_t i = random_next(&random) % 512;
        assert_int_equal(live[i] ? remove_plain(&resources[i]) : insert(&resources[i], i, 1), true);
        live[i] = !live[i];
        if (step % 500 == 0) {
            assert_sound();
        }
    }
    assert_sound();
}

static void *work_on_own_part(void *argument) {
    char *part = argument;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 500; i++) {
            insert(part + i, 8, 1);
            tracker_record_access(AT(part + i), &(tracker_access){.stack = 2}, 4, i);
        }
        for (size_t i = 0; i < 500; i++) {
            remove_plain(part + i);
        }
    }
    return NULL;
}

static void threads_share_the_table(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work_on_own_part, resources + i * 1000), 0);
    }
    int seen = 0;
    tracker_visit(count_record, &seen);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(totals().live, 0);
    assert_int_equal(totals().seen, 4 * 20 * 500);
    assert_sound();
}

/* --- lanes ------------------------------------------------------------------------------------------------------- */

enum {
    BLOCK_BYTES = 1 << TRACKER_BLOCK_BITS,
    LANE_THREADS = 3,
    IN_BLOCK = 300
};

static char blocks[LANE_THREADS + 1][BLOCK_BYTES] __attribute__((aligned(BLOCK_BYTES)));

static unsigned lane_of(const void *resource) {
    return (unsigned)(tracker_place_of(resource).shard - tracker_shards) / TRACKER_LANE_SHARDS;
}

static void *track_in_block(void *block) {
    for (size_t i = 0; i < IN_BLOCK; i++) {
        insert((char *)block + i, 1, 1);
    }
    return NULL;
}

static void a_block_has_the_lane_of_the_thread_that_came_first(void **state) {
    (void)state;
    for (size_t i = 0; i < LANE_THREADS; i++) {
        pthread_t thread;
        assert_int_equal(lane_of(blocks[i]), 0);
        assert_false(remove_plain(blocks[i])); /* in the shards that are nobody's */
        assert_int_equal(pthread_create(&thread, NULL, track_in_block, blocks[i]), 0);
        pthread_join(thread, NULL);
        assert_int_not_equal(lane_of(blocks[i]), 0);
        for (size_t other = 0; other < i; other++) {
            assert_int_not_equal(lane_of(blocks[i]), lane_of(blocks[other]));
        }
    }
    assert_sound();
    const unsigned lane = lane_of(blocks[0]);
    for (size_t i = 0; i < LANE_THREADS; i++) { /* another thread closes them, and tracks there, too */
        for (size_t k = 0; k < IN_BLOCK; k++) {
            assert_true(remove_plain(&blocks[i][k]));
        }
        assert_true(insert(&blocks[i][0], 1, 1));
    }
    assert_int_equal(lane_of(blocks[0]), lane);
    assert_int_equal(totals().live, LANE_THREADS);
    assert_sound();
}

static void *track_in_last_block(void *barrier) {
    pthread_barrier_wait(barrier);
    return track_in_block(blocks[LANE_THREADS]);
}

/* Both see a block without a lane; if they did not agree on one, what each has tracked would be there twice. */
static void threads_agree_on_the_lane_of_a_block(void **state) {
    (void)state;
    static pthread_barrier_t barrier;
    pthread_t threads[2];
    for (unsigned round = 0; round < 200; round++) {
        tracker_reset();
        *tracker_home(~(uintptr_t)blocks[LANE_THREADS]) = 0;
        assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, track_in_last_block, &barrier), 0);
        }
        for (size_t i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
        }
        pthread_barrier_destroy(&barrier);
        assert_int_equal(totals().live, IN_BLOCK);
        assert_sound();
    }
}

static const void *made_up(uintptr_t number) {
    return (const void *)(((uintptr_t)1 << 40) + number); // NOLINT(performance-no-int-to-ptr)
}

static void beyond_the_bound_a_resource_is_refused_and_counted(void **state) {
    (void)state;
    const uint64_t before = tracker_bound(0); /* what is mapped already may be used */
    uintptr_t tracked = 0;
    while (insert(made_up(tracked), 1, 1)) {
        tracked++;
    }
    assert_int_equal(totals().live, tracked);
    assert_int_equal(totals().refused, 1);
    assert_false(insert(made_up(tracked), 1, 1));
    assert_int_equal(totals().refused, 2);
    assert_true(tracked > 0 && remove_plain(made_up(0)));
    assert_true(insert(made_up(0), 1, 1)); /* in its place */
    assert_sound();
    (void)tracker_bound(before);
    assert_true(insert(made_up(tracked), 1, 1));
    assert_sound();
}

/* --- words ------------------------------------------------------------------------------------------------------- */

enum {
    WORDY = 512
};

static struct {
    uint64_t address[8]; /* as far apart as handles */
    uint32_t word;
} wordy[WORDY];

static bool insert_by_word(size_t i, uint64_t size) {
    const tracker_place place = tracker_place_for_in(&wordy[i], &wordy[i].word, thread_self());
    return tracker_fill(&place, NULL, &(tracker_record){.size = size, .stack = (uint32_t)i, .weight = 1});
}

static bool remove_by_word(size_t i) {
    const tracker_place place = tracker_place_in(&wordy[i], &wordy[i].word);
    return tracker_remove(&place, (tracker_closer){.stack = 88}, NULL);
}

static bool find_by_word(size_t i, tracker_record *record) {
    const tracker_place place = tracker_place_in(&wordy[i], &wordy[i].word);
    return tracker_find(&place, record);
}

static bool find_closed_by_word(size_t i, tracker_closed *closed) {
    const tracker_place place = tracker_place_in(&wordy[i], &wordy[i].word);
    return tracker_find_closed(&place, closed);
}

static int start_without_words(void **state) {
    memset(wordy, 0, sizeof wordy);
    return start_empty(state);
}

static void a_word_finds_what_it_was_given_for(void **state) {
    (void)state;
    tracker_record found;
    tracker_closed closed;
    assert_false(find_by_word(3, &found));
    assert_true(insert_by_word(3, 100));
    assert_true(find_by_word(3, &found));
    assert_int_equal(found.size, 100);
    assert_false(tracker_find(AT(&wordy[3]), &found)); /* nobody looks for it by its address */
    wordy[4].word = wordy[3].word;                     /* a handle that was copied over another */
    assert_false(find_by_word(4, &found));
    assert_false(remove_by_word(4));
    assert_true(remove_by_word(3));
    assert_false(remove_by_word(3));
    assert_true(find_closed_by_word(3, &closed));
    assert_int_equal(closed.close_stack, 88);
    assert_int_equal(closed.allocation_stack, 3);
    assert_int_equal(totals().live, 0);
    assert_int_equal(totals().live_bytes, 0);
    assert_sound();
}

static void a_word_may_say_anything_before(void **state) {
    (void)state;
    tracker_record found;
    uint64_t random = 4711;
    assert_true(insert_by_word(0, 1));
    for (int round = 0; round < 2000; round++) {
        const size_t i = 1 + random_next(&random) % (WORDY - 1);
        wordy[i].word = (uint32_t)random_next(&random);
        assert_false(find_by_word(i, &found));
        assert_true(insert_by_word(i, 2));
        assert_true(find_by_word(i, &found));
        assert_int_equal(found.size, 2);
        assert_int_equal(totals().live, 2);
        assert_true(remove_by_word(i));
    }
    assert_true(find_by_word(0, &found));
    assert_sound();
}

/* Of a resource whose end nobody has seen. */
static void a_record_that_a_word_still_names_gives_way(void **state) {
    (void)state;
    tracker_record found;
    assert_true(insert_by_word(7, 100));
    assert_true(insert_by_word(7, 30));
    assert_int_equal(totals().live, 1);
    assert_int_equal(totals().live_bytes, 30);
    assert_true(find_by_word(7, &found));
    assert_int_equal(found.size, 30);
    assert_sound();
}

static void records_with_words_and_without_lie_side_by_side(void **state) {
    (void)state;
    static bool live[2][WORDY];
    uint64_t random = 99;
    int count = 0;
    memset(live, 0, sizeof live);
    for (int step = 0; step < 20000; step++) {
        const uint64_t drawn = random_next(&random);
        const size_t i = drawn % WORDY;
        const bool has_word = (drawn >> 32 & 1) != 0; /* of the same address, too */
        bool *alive = &live[has_word][i];
        if (has_word) {
            assert_true(*alive ? remove_by_word(i) : insert_by_word(i, i));
        } else {
            assert_true(*alive ? remove_plain(&wordy[i]) : insert(&wordy[i], i, 1));
        }
        count += *alive ? -1 : 1;
        *alive = !*alive;
        if (step % 500 == 0) {
            int seen = 0;
            tracker_visit(count_record, &seen);
            assert_int_equal(seen, count);
            assert_sound();
        }
    }
    assert_sound();
}

static void *track_all_by_word(void *unused) {
    (void)unused;
    for (size_t i = 0; i < WORDY; i++) {
        insert_by_word(i, 8);
    }
    return NULL;
}

static void *close_half_by_word(void *first) {
    for (size_t i = *(const size_t *)first; i < WORDY; i += 2) {
        remove_by_word(i);
    }
    return NULL;
}

static void what_one_thread_tracks_others_close(void **state) {
    (void)state;
    pthread_t threads[2];
    static size_t firsts[] = {0, 1};
    for (unsigned round = 0; round < 50; round++) {
        assert_int_equal(pthread_create(&threads[0], NULL, track_all_by_word, NULL), 0);
        pthread_join(threads[0], NULL);
        assert_int_equal(totals().live, WORDY);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, close_half_by_word, &firsts[i]), 0);
        }
        for (size_t i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(totals().live, 0);
        assert_sound();
    }
}

/* Another thread's first use of its lane, between the locks and the fork: the child has neither that thread nor what it held. */
static void a_lane_that_came_into_use_amid_a_fork_begins_anew(void **state) {
    (void)state;
    const uint32_t lane = 1u << THREAD_LANES;
    tracker_shard *shard = &tracker_shards[THREAD_LANES * TRACKER_LANE_SHARDS + 3];
    const uint32_t before = atomic_fetch_and(&thread_lanes_used, ~lane);
    assert_true(insert(&resources[0], 5, 1));
    tracker_lock_all();
    assert_int_equal(shard->lock.word, SHARD_LOCK_FREE); /* lanes that nobody uses are left alone */
    atomic_fetch_or(&thread_lanes_used, lane);
    shard_lock_take(&shard->lock);
    shard->opened = 7;
    shard->records.used = 7;
    tracker_after_fork();
    tracker_unlock_all();
    assert_int_equal(shard->lock.word, SHARD_LOCK_FREE);
    assert_int_equal(totals().live, 1);
    assert_int_equal(totals().live_bytes, 5);
    assert_sound();
    atomic_store(&thread_lanes_used, before);
}

enum {
    MANY_WORDS = 150000 /* more than any lane has, beside the bound and from the tests before */
};

static uint32_t words[2][MANY_WORDS];

typedef struct tracked_by {
    uint32_t *words;
    uintptr_t first; /* of the addresses that are made up */
    size_t count;    /* that there was room for */
} tracked_by;

static bool insert_made_up(const tracked_by *by, size_t i) {
    const tracker_place place = tracker_place_for_in(made_up(by->first + 64 * i), &by->words[i], thread_self());
    return tracker_fill(&place, NULL, &(tracker_record){.size = 1});
}

static void *track_until_refused(void *argument) {
    tracked_by *self = argument;
    while (self->count < MANY_WORDS && insert_made_up(self, self->count)) {
        self->count++;
    }
    return NULL;
}

static void track_in_thread(tracked_by *by) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, track_until_refused, by), 0);
    pthread_join(thread, NULL);
}

static bool remove_made_up(const tracked_by *by, size_t i);

/* Tracks until it is refused; again when all of `freed` has become free; and then again. */
typedef struct latecomer {
    tracked_by by;
    const tracked_by *freed;
    size_t own, with_freed; /* what it had room for */
} latecomer;

static void *track_late(void *argument) {
    latecomer *self = argument;
    (void)track_until_refused(&self->by);
    self->own = self->by.count;
    for (size_t i = 0; i < self->freed->count; i++) {
        assert_true(remove_made_up(self->freed, i));
    }
    for (int misses = 0; misses < TRACKER_LANE_SHARDS;) { /* one that is refused goes to another shard */
        const size_t before = self->by.count;
        (void)track_until_refused(&self->by);
        misses = self->by.count == before ? misses + 1 : 0;
    }
    self->with_freed = self->by.count;
    return NULL;
}

/* At the bound what one thread had at its peak serves the others, to the last record. */
static void records_that_one_lane_has_free_serve_another(void **state) {
    (void)state;
    pthread_t thread;
    memset(words, 0, sizeof words);
    tracked_by first = {.words = words[0], .first = 0};
    latecomer second = {.by = {.words = words[1], .first = (uintptr_t)1 << 30}, .freed = &first};
    const uint64_t before = tracker_bound(0);
    track_in_thread(&first);
    assert_in_range(first.count, 1, MANY_WORDS - 1);
    assert_int_equal(pthread_create(&thread, NULL, track_late, &second), 0);
    pthread_join(thread, NULL);
    assert_in_range(second.own, 1, MANY_WORDS - 1); /* something is left in any case */
    assert_int_equal(second.with_freed, second.own + first.count);
    assert_sound();
    for (size_t i = 0; i < second.by.count; i++) {
        assert_true(remove_made_up(&second.by, i));
    }
    assert_int_equal(totals().live, 0);
    assert_sound();
    (void)tracker_bound(before);
}

static bool remove_made_up(const tracked_by *by, size_t i) {
    const tracker_place place = tracker_place_in(made_up(by->first + 64 * i), &by->words[i]);
    return tracker_remove(&place, (tracker_closer){0}, NULL);
}

static const tracker_shard *own_lane(void) {
    return &tracker_shards[tracker_number_in(thread_self()->lane, 0)];
}

/* Shards of this thread's lane that have ever held something. */
static unsigned shards_used(void) {
    unsigned used = 0;
    for (size_t i = 0; i < TRACKER_LANE_SHARDS; i++) {
        used += own_lane()[i].records.used != 0;
    }
    return used;
}

static uint32_t records_used(void) {
    uint32_t used = 0;
    for (size_t i = 0; i < TRACKER_LANE_SHARDS; i++) {
        used += own_lane()[i].records.used;
    }
    return used;
}

enum {
    FREE_OF_CHARGE = 4032, /* records of a shard that are not counted, TRACKER_FREE_SLABS */
    SPREAD = 100000
};

/* Few lie in one shard, many in all, evenly; and what became free is used before a table grows, wherever it is. */
static void a_thread_goes_to_another_shard_when_one_is_full(void **state) {
    (void)state;
    memset(words, 0, sizeof words);
    const tracked_by by = {.words = words[0], .first = 0};
    for (size_t i = 0; i < FREE_OF_CHARGE; i++) {
        assert_true(insert_made_up(&by, i));
    }
    assert_int_equal(shards_used(), 1);
    for (size_t i = FREE_OF_CHARGE; i < SPREAD; i++) {
        assert_true(insert_made_up(&by, i));
    }
    assert_int_equal(records_used(), SPREAD);
    for (size_t i = 0; i < TRACKER_LANE_SHARDS; i++) {
        assert_in_range(own_lane()[i].records.used, SPREAD / TRACKER_LANE_SHARDS / 2, SPREAD / TRACKER_LANE_SHARDS * 2);
    }
    uint64_t random = 7;
    for (size_t i = 0; i < SPREAD; i++) { /* lives at random */
        const size_t one = random_next(&random) % SPREAD;
        assert_true(remove_made_up(&by, one));
        assert_true(insert_made_up(&by, one));
    }
    for (size_t i = 0; i < SPREAD / 2; i++) { /* all from some shards, and then as many again */
        assert_true(remove_made_up(&by, i));
    }
    for (size_t i = 0; i < SPREAD / 2; i++) {
        assert_true(insert_made_up(&by, i));
    }
    assert_in_range(records_used(), SPREAD, SPREAD + SPREAD / 5);
    assert_int_equal(totals().live, SPREAD);
    assert_sound();
}

/* Where the lane has room no record is refused, though the shards are full one by one. */
static void all_shards_of_a_lane_are_full_before_one_is_refused(void **state) {
    (void)state;
    memset(words, 0, sizeof words);
    tracked_by by = {.words = words[0], .first = 0};
    const uint64_t before = tracker_bound(0);
    (void)track_until_refused(&by);
    const uint32_t used = records_used();
    assert_in_range(by.count, (size_t)FREE_OF_CHARGE * TRACKER_LANE_SHARDS, MANY_WORDS - 1);
    for (size_t i = 0; i < by.count; i += 97) { /* a few become free, wherever they are, and are found */
        assert_true(remove_made_up(&by, i));
    }
    for (size_t i = 0; i < by.count; i += 97) {
        assert_true(insert_made_up(&by, i));
    }
    assert_int_equal(records_used(), used);
    assert_sound();
    (void)tracker_bound(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_goes_in_comes_out_once, start_empty),
        cmocka_unit_test_setup(an_address_tracked_twice_counts_once, start_empty),
        cmocka_unit_test_setup(tables_grow_and_records_are_used_again, start_empty),
        cmocka_unit_test_setup(addresses_are_kept_complemented, start_empty),
        cmocka_unit_test_setup(the_newest_closing_of_an_address_is_remembered, start_empty),
        cmocka_unit_test_setup(few_accesses_are_all_kept_newest_first, start_empty),
        cmocka_unit_test_setup(many_accesses_back_off_but_the_first_and_the_last_stay, start_empty),
        cmocka_unit_test_setup(accesses_of_the_untracked_are_ignored, start_empty),
        cmocka_unit_test_setup(accesses_go_with_their_record, start_empty),
        cmocka_unit_test_setup(a_visit_sees_each_record_once, start_empty),
        cmocka_unit_test_setup(random_traffic_keeps_the_table_sound, start_empty),
        cmocka_unit_test_setup(threads_share_the_table, start_empty),
        cmocka_unit_test_setup(a_block_has_the_lane_of_the_thread_that_came_first, start_empty),
        cmocka_unit_test_setup(threads_agree_on_the_lane_of_a_block, start_empty),
        cmocka_unit_test_setup(beyond_the_bound_a_resource_is_refused_and_counted, start_empty),
        cmocka_unit_test_setup(a_word_finds_what_it_was_given_for, start_without_words),
        cmocka_unit_test_setup(a_word_may_say_anything_before, start_without_words),
        cmocka_unit_test_setup(a_record_that_a_word_still_names_gives_way, start_without_words),
        cmocka_unit_test_setup(records_with_words_and_without_lie_side_by_side, start_without_words),
        cmocka_unit_test_setup(what_one_thread_tracks_others_close, start_without_words),
        cmocka_unit_test_setup(records_that_one_lane_has_free_serve_another, start_empty),
        cmocka_unit_test_setup(a_thread_goes_to_another_shard_when_one_is_full, start_empty),
        cmocka_unit_test_setup(all_shards_of_a_lane_are_full_before_one_is_refused, start_empty),
        cmocka_unit_test_setup(a_lane_that_came_into_use_amid_a_fork_begins_anew, start_empty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
