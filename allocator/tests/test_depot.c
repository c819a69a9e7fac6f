/* Unit tests of depot.c. */
#include "unit.h"

#include <pthread.h>

#include "depot.h"

static void what_is_put_is_taken_once(void **state) {
    (void)state;
    depot_bin bin = {0};
    poolbuf batches[3];
    assert_null(depot_take(&bin));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(depot_put(&bin, 3, &batches[i]));
    }
    assert_false(depot_put(&bin, 3, &batches[0]));
    assert_int_equal(depot_count(&bin), 3);
    for (unsigned i = 3; i-- > 0;) {
        assert_ptr_equal(depot_take(&bin), &batches[i]);
    }
    assert_null(depot_take(&bin));
}

static void trim_tells_what_nobody_needed(void **state) {
    (void)state;
    depot_bin bin = {0};
    poolbuf batches[4];
    for (unsigned i = 0; i < 4; i++) {
        assert_true(depot_put(&bin, 4, &batches[i]));
    }
    assert_int_equal(depot_trim(&bin), 0); /* they came since the last one */
    poolbuf *batch = depot_take(&bin);
    assert_true(depot_put(&bin, 4, batch));
    assert_int_equal(depot_trim(&bin), 3);
    assert_int_equal(depot_trim(&bin), 4);
}

#define THREADS 4
#define ROUNDS  20000

static depot_bin shared;

/* Each batch carries a plain count in its bytes: whoever has the batch may change it, so a batch that two threads had at
 * once would lose counts, and ThreadSanitizer would see it. */
static void *pass_batches(void *unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS;) {
        poolbuf *batch = depot_take(&shared);
        if (batch == NULL) {
            continue;
        }
        batch->usable++;
        while (!depot_put(&shared, DEPOT_PLACES_MAX, batch)) {
        }
        i++;
    }
    return NULL;
}

static void no_batch_is_ever_in_two_hands(void **state) {
    (void)state;
    static poolbuf batches[3];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < 3; i++) {
        assert_true(depot_put(&shared, DEPOT_PLACES_MAX, &batches[i]));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, pass_batches, NULL), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    uint64_t passed = 0;
    for (unsigned i = 0; i < 3; i++) {
        passed += batches[i].usable;
    }
    assert_int_equal(passed, (uint64_t)THREADS * ROUNDS);
    assert_int_equal(depot_count(&shared), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_taken_once),
        cmocka_unit_test(trim_tells_what_nobody_needed),
        cmocka_unit_test(no_batch_is_ever_in_two_hands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
