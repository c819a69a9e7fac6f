/* Unit tests of depot.c. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <valgrind/valgrind.h>

#include "depot.h"

#define BATCH 2
#define INDEX 70 /* of the bin; its mark is in the second word */

typedef struct fixture {
    depot_bin bin;
    uint64_t used[2];
    poolbuf *places[DEPOT_PLACES_MAX * BATCH];
    poolbuf buffers[8];
    uint32_t told; /* atomic, as is the next */
    uint32_t trims;
} fixture;

static fixture *make(uint32_t places) {
    fixture *f = calloc(1, sizeof *f);
    depot_init(&f->bin, f->places, BATCH, places, f->used, INDEX);
    return f;
}

/* The batch of two buffers that begins with number i. */
static bool put(fixture *f, unsigned i) {
    poolbuf *batch[BATCH] = {&f->buffers[i], &f->buffers[i + 1]};
    return depot_put(&f->bin, batch);
}

/* Takes a batch, which is a whole one; the number that it begins with, or -1. */
static int take(fixture *f) {
    poolbuf *batch[BATCH];
    if (!depot_take(&f->bin, batch)) {
        return -1;
    }
    assert_ptr_equal(batch[1], batch[0] + 1);
    return (int)(batch[0] - f->buffers);
}

static void what_is_put_is_taken_once(void **state) {
    (void)state;
    fixture *f = make(3);
    assert_int_equal(take(f), -1);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(put(f, 2 * i));
    }
    assert_false(put(f, 6));
    assert_int_equal(depot_count(&f->bin), 3);
    for (int i = 3; i-- > 0;) {
        assert_int_equal(take(f), 2 * i);
    }
    assert_int_equal(take(f), -1);
    free(f);
}

static void a_bin_without_places_takes_nothing(void **state) {
    (void)state;
    fixture *f = make(0);
    assert_false(put(f, 0));
    assert_int_equal(take(f), -1);
    assert_int_equal(depot_count(&f->bin), 0);
    free(f);
}

static void trim_tells_what_nobody_needed(void **state) {
    (void)state;
    fixture *f = make(4);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(put(f, i));
    }
    assert_int_equal(depot_trim(&f->bin), 0); /* they came since the last one */
    int batch = take(f);
    assert_true(put(f, (unsigned)batch));
    assert_int_equal(depot_trim(&f->bin), 3);
    assert_int_equal(depot_trim(&f->bin), 4);
    free(f);
}

static bool is_marked(const fixture *f) {
    assert_int_equal(depot_marks(&f->used[0]), 0);
    uint64_t marks = depot_marks(&f->used[1]);
    assert_int_equal(marks & ~((uint64_t)1 << (INDEX - 64)), 0);
    return marks != 0;
}

static void a_bin_is_marked_from_its_first_batch_until_a_trim_finds_it_empty(void **state) {
    (void)state;
    fixture *f = make(2);
    assert_false(is_marked(f));
    assert_true(put(f, 0));
    assert_true(is_marked(f));
    assert_int_equal(depot_trim(&f->bin), 0);
    assert_true(is_marked(f));
    assert_int_equal(take(f), 0);
    assert_true(is_marked(f));
    assert_int_equal(depot_trim(&f->bin), 0);
    assert_false(is_marked(f));
    assert_true(put(f, 0));
    assert_true(is_marked(f));
    free(f);
}

#define THREADS 4
#define ROUNDS  20000
#define TURNS   20000

/* Each batch carries plain counts in its handles: whoever has the batch may change them, so a batch that two threads had at
 * once would lose counts, and ThreadSanitizer would see it. */
static void *pass_batches(void *argument) {
    fixture *f = argument;
    for (int i = 0; i < ROUNDS;) {
        poolbuf *batch[BATCH];
        if (!depot_take(&f->bin, batch)) {
            continue;
        }
        batch[0]->usable++;
        batch[1]->usable++;
        while (!depot_put(&f->bin, batch)) {
        }
        i++;
    }
    return NULL;
}

static void no_batch_is_ever_in_two_hands(void **state) {
    (void)state;
    fixture *f = make(DEPOT_PLACES_MAX);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < 3; i++) {
        assert_true(put(f, 2 * i));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, pass_batches, f), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    uint64_t passed = 0;
    for (unsigned i = 0; i < 6; i++) {
        passed += f->buffers[i].usable;
    }
    assert_int_equal(passed, (uint64_t)THREADS * ROUNDS * BATCH);
    assert_int_equal(depot_count(&f->bin), 3);
    free(f);
}

static void *trim_until_told(void *argument) {
    fixture *f = argument;
    while (__atomic_load_n(&f->told, __ATOMIC_RELAXED) == 0) {
        (void)depot_trim(&f->bin);
        (void)__atomic_fetch_add(&f->trims, 1, __ATOMIC_SEQ_CST);
        if (RUNNING_ON_VALGRIND) { /* where one thread runs at a time, and this one would until it is made to stop */
            sched_yield();
        }
    }
    return NULL;
}

/* Returns once a trim has begun and ended that sees what this thread has done: without the fence the last store of that may be on
 * its way while trims come and go, and the mark, too. */
static void await_a_trim(fixture *f) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint32_t trims = __atomic_load_n(&f->trims, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&f->trims, __ATOMIC_SEQ_CST) - trims < 2) {
        sched_yield();
    }
}

static bool is_before(const struct timespec *end) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec < end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec);
}

/* A trim has just seen the bin empty while a batch goes in: whatever comes first, the batch is found by the next. Where the two
 * threads take turns on one processor, each turn is a slice of the scheduler's time: then there are fewer. */
static void no_batch_lies_in_a_bin_without_a_mark(void **state) {
    (void)state;
    fixture *f = make(1);
    pthread_t trimmer;
    assert_int_equal(pthread_create(&trimmer, NULL, trim_until_told, f), 0);
    struct timespec end;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &end), 0);
    end.tv_sec++;
    for (int turn = 0; turn < TURNS && is_before(&end); turn++) {
        assert_true(put(f, 0));
        await_a_trim(f);
        assert_true(is_marked(f));
        assert_int_equal(take(f), 0);
        await_a_trim(f);
    }
    __atomic_store_n(&f->told, 1, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(trimmer, NULL), 0);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_taken_once),
        cmocka_unit_test(a_bin_without_places_takes_nothing),
        cmocka_unit_test(trim_tells_what_nobody_needed),
        cmocka_unit_test(a_bin_is_marked_from_its_first_batch_until_a_trim_finds_it_empty),
        cmocka_unit_test(no_batch_is_ever_in_two_hands),
        cmocka_unit_test(no_batch_lies_in_a_bin_without_a_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
