/* The recorder's lock: it keeps threads out, wakes those that sleep, and leaves errno alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "record/event_lock.h"

#define THREADS 4
#define TURNS   20000

static event_lock lock; /* all zero, as a page that the kernel has wiped */
static long turns;      /* under the lock */

static void *take_turns(void *argument) {
    (void)argument;
    for (int i = 0; i < TURNS; i++) {
        event_lock_take(&lock);
        const long before = turns;
        if (i % 64 == 0) {
            (void)sched_yield(); /* so that others find it taken, and come to sleep */
        }
        turns = before + 1;
        event_lock_give(&lock);
    }
    return NULL;
}

static void one_thread_at_a_time_has_it(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(turns, THREADS * TURNS);
    assert_int_equal(atomic_load(&lock.taken), 0);
}

static void *take_and_give(void *argument) {
    (void)argument;
    errno = 77;
    event_lock_take(&lock);
    event_lock_give(&lock);
    return (void *)(uintptr_t)errno;
}

static void a_waiter_is_let_in_and_both_keep_their_errno(void **state) {
    (void)state;
    pthread_t waiter;
    void *its_errno = NULL;
    event_lock_take(&lock);
    atomic_store(&lock.waiting, 0);
    assert_int_equal(pthread_create(&waiter, NULL, take_and_give, NULL), 0);
    while (atomic_load(&lock.waiting) == 0) {
        (void)sched_yield();
    }
    errno = 78;
    event_lock_give(&lock);
    assert_int_equal(errno, 78);
    assert_int_equal(pthread_join(waiter, &its_errno), 0);
    assert_int_equal((uintptr_t)its_errno, 77);
}

static void a_waiter_whose_waking_is_missed_looks_again(void **state) {
    (void)state;
    pthread_t waiter;
    event_lock_take(&lock);
    atomic_store(&lock.waiting, 0);
    assert_int_equal(pthread_create(&waiter, NULL, take_and_give, NULL), 0);
    while (atomic_load(&lock.waiting) == 0) {
        (void)sched_yield();
    }
    atomic_store(&lock.waiting, 0); /* as if event_lock_give() had not seen it */
    event_lock_give(&lock);
    assert_int_equal(pthread_join(waiter, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_at_a_time_has_it),
        cmocka_unit_test(a_waiter_is_let_in_and_both_keep_their_errno),
        cmocka_unit_test(a_waiter_whose_waking_is_missed_looks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
