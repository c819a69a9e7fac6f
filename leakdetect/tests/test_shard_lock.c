/* Unit tests of shard_lock.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shard_lock.h"

enum {
    THREADS = 4,
    ROUNDS = 5000
};

static shard_lock lock;
static uint64_t plain[2]; /* two numbers that only the holder sees apart */
static uint64_t torn;

static void *add_under_lock(void *unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        shard_lock_take(&lock);
        torn += plain[0] != plain[1];
        plain[0]++;
        if (i % 64 == 0) {
            sched_yield(); /* so that others come to wait */
        }
        plain[1]++;
        shard_lock_give(&lock);
    }
    return NULL;
}

static void one_thread_at_a_time_holds_it_and_none_waits_for_ever(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_under_lock, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(torn, 0);
    assert_int_equal(plain[0], THREADS * ROUNDS);
    assert_int_equal(atomic_load(&lock.word), SHARD_LOCK_FREE);
}

static void *take_once(void *taken) {
    errno = 77;
    shard_lock_take(&lock);
    atomic_store((atomic_int *)taken, errno);
    shard_lock_give(&lock);
    return NULL;
}

static void a_waiting_thread_keeps_its_errno_and_gets_it_once_it_is_given(void **state) {
    (void)state;
    pthread_t thread;
    atomic_int taken = 0;
    shard_lock_take(&lock);
    assert_int_equal(pthread_create(&thread, NULL, take_once, &taken), 0);
    while (atomic_load(&lock.word) != SHARD_LOCK_AWAITED) {
        sched_yield();
    }
    assert_int_equal(atomic_load(&taken), 0);
    shard_lock_give(&lock);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&taken), 77);
}

/* What shard_lock_give() may do to a thread that falls asleep between its load and its store. */
static void a_thread_whose_wake_is_lost_comes_back_by_itself(void **state) {
    (void)state;
    pthread_t thread;
    atomic_int taken = 0;
    shard_lock_take(&lock);
    assert_int_equal(pthread_create(&thread, NULL, take_once, &taken), 0);
    while (atomic_load(&lock.word) != SHARD_LOCK_AWAITED) {
        sched_yield();
    }
    nanosleep(&(struct timespec){.tv_nsec = 2L * SHARD_LOCK_SLEEP_NS}, NULL); /* most likely it sleeps by then */
    atomic_store(&lock.word, SHARD_LOCK_FREE);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&taken), 77);
    assert_int_equal(atomic_load(&lock.word), SHARD_LOCK_FREE);
}

static void a_forked_child_gives_back_what_its_parent_took(void **state) {
    (void)state;
    int status = -1;
    shard_lock_take(&lock);
    pid_t child = fork();
    if (child == 0) {
        shard_lock_give(&lock);
        shard_lock_take(&lock);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    shard_lock_give(&lock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_at_a_time_holds_it_and_none_waits_for_ever),
        cmocka_unit_test(a_waiting_thread_keeps_its_errno_and_gets_it_once_it_is_given),
        cmocka_unit_test(a_thread_whose_wake_is_lost_comes_back_by_itself),
        cmocka_unit_test(a_forked_child_gives_back_what_its_parent_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
