/* Unit tests of background.c: what a pass gives back, and the thread's life. Time is a clock that stands still but for the
 * test: a pass made by the test itself is exact, and what the thread does is waited for as long as it takes. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

#include <poolbuf/tracker.h>

#include "allocator.h"
#include "background.h"
#include "os/os.h"

#define DECAY_MS 1600u
#define TICK_MS  (DECAY_MS / DECAY_STEPS)
#define PERIOD   (DECAY_MS / 8)
#define MIB      ((size_t)1 << 20)

static bool refuse_threads; /* atomic */

/* The linker puts these in the place of the calls (--wrap). */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    if (__atomic_load_n(&refuse_threads, __ATOMIC_RELAXED)) {
        return EAGAIN;
    }
    return __real_pthread_create(thread, attributes, run, argument);
}

static int set_up(void **state) {
    (void)state;
    os = &os_fault;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_int_equal(os_fault_regions(), 0);
    os_fault_fail_purge(false);
    os = &os_linux;
    return 0;
}

static poolbuf_allocator *make(bool background, uint32_t decay_ms) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.decay_ms = decay_ms;
    options.background_thread = background;
    options.max_cached_capacity = 65536;
    poolbuf_allocator *made = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &made));
    return made;
}

/* Threads of this process by the background thread's name; all of them, if all. */
static unsigned threads_now(bool all) {
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        char path[300];
        char name[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file != NULL) {
            bool ours = fgets(name, sizeof name, file) != NULL && strcmp(name, "poolbuf-decay\n") == 0;
            count += all || ours;
            (void)fclose(file);
        }
    }
    (void)closedir(tasks);
    return count;
}

static void make_dirty(poolbuf_allocator *allocator, size_t bytes) {
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    poolbuf *freed = poolbuf_allocate_direct(allocator, bytes, bytes);
    assert_non_null(freed);
    assert_true(poolbuf_release(freed));
    assert_true(poolbuf_release(kept));
}

/* ---- A pass ------------------------------------------------------------------------------------------------------- */

static void a_pass_gives_back_what_is_due_in_every_arena_and_no_more(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    poolbuf *direct = poolbuf_allocate_direct(allocator, MIB, MIB);
    poolbuf *heap = poolbuf_allocate_heap(allocator, MIB, MIB);
    assert_true(poolbuf_release(poolbuf_allocate_direct(allocator, MIB, MIB)));
    assert_true(poolbuf_release(poolbuf_allocate_heap(allocator, MIB, MIB)));
    assert_true(poolbuf_release(poolbuf_allocate_heap(allocator, 4 * MIB, 4 * MIB))); /* a spare chunk */
    os_fault_pass_ms(DECAY_MS - 1);
    assert_int_equal(background_pass(), PERIOD);
    poolbuf_metrics m = unit_metrics(allocator);
    assert_int_equal(m.dirty_bytes, 6 * MIB);
    assert_int_equal(m.purges, 0);
    assert_int_equal(m.spare_chunks, 1);
    os_fault_pass_ms(1 + TICK_MS);
    assert_int_equal(background_pass(), BACKGROUND_NEVER);
    m = unit_metrics(allocator);
    assert_int_equal(m.dirty_bytes, 0);
    assert_int_equal(m.purges, 2);
    assert_int_equal(m.purged_bytes, 2 * MIB);
    assert_int_equal(m.committed_bytes, 2 * MIB);
    assert_int_equal(m.spare_chunks, 0);
    assert_true(allocator_audit(allocator));
    assert_true(poolbuf_release(direct));
    assert_true(poolbuf_release(heap));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_pass_gives_back_all_that_is_due_however_much(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    poolbuf *buffers[120];
    for (unsigned i = 0; i < 120; i++) {
        buffers[i] = poolbuf_allocate_direct(allocator, MIB, MIB);
    }
    for (unsigned i = 0; i < 120; i++) {
        if (i < 60 || i % 2 == 0) {
            assert_true(poolbuf_release(buffers[i]));
        }
    }
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    assert_int_equal(background_pass(), BACKGROUND_NEVER);
    assert_int_equal(unit_metrics(allocator).committed_bytes, 30 * MIB);
    for (unsigned i = 61; i < 120; i += 2) {
        assert_true(poolbuf_release(buffers[i]));
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void *leave_batches_in_the_depot(void *allocator) {
    poolbuf *buffers[64];
    for (unsigned i = 0; i < 64; i++) {
        buffers[i] = poolbuf_allocate_direct(allocator, 32768, 32768);
    }
    for (unsigned i = 0; i < 64; i++) {
        (void)poolbuf_release(buffers[i]);
    }
    return NULL; /* the thread's end puts its whole batches there */
}

static uint32_t depot_batches(const poolbuf_allocator *allocator) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < allocator->group.bin_count; i++) {
        count += depot_count(&allocator->group.depot[i]);
    }
    return count;
}

static void what_lies_in_the_depot_untouched_goes_back_too(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, leave_batches_in_the_depot, allocator), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(depot_batches(allocator) != 0);
    assert_int_equal(background_pass(), PERIOD);
    assert_int_equal(background_pass(), PERIOD); /* no time has passed: not a second look */
    assert_true(depot_batches(allocator) != 0);
    for (unsigned i = 0; i < 2; i++) { /* the thread may have had its first look before all of them lay there */
        os_fault_pass_ms(DECAY_MS / 4 + 1);
        assert_int_equal(background_pass(), PERIOD);
    }
    assert_int_equal(depot_batches(allocator), 0);
    assert_true(unit_metrics(allocator).dirty_bytes != 0);
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    assert_int_equal(background_pass(), BACKGROUND_NEVER);
    assert_int_equal(unit_metrics(allocator).committed_bytes, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void what_a_thread_caches_is_its_own_and_stays(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    poolbuf *b = poolbuf_allocate_direct(allocator, 32768, 32768);
    assert_true(poolbuf_release(b));
    for (unsigned i = 0; i < 8; i++) {
        os_fault_pass_ms(DECAY_MS);
        assert_int_equal(background_pass(), BACKGROUND_NEVER);
    }
    assert_int_equal(unit_metrics(allocator).cached_buffers, 1);
    assert_ptr_equal(poolbuf_allocate_direct(allocator, 32768, 32768), b);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void what_the_system_refuses_to_drop_ends_no_pass(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    make_dirty(allocator, MIB);
    os_fault_fail_purge(true);
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    assert_int_equal(background_pass(), PERIOD);
    assert_true(unit_metrics(allocator).dirty_bytes != 0);
    os_fault_fail_purge(false);
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    assert_int_equal(background_pass(), BACKGROUND_NEVER);
    assert_int_equal(unit_metrics(allocator).dirty_bytes, 0);
    assert_true(poolbuf_release(kept));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static unsigned refused; /* atomic */

static int refuse_as_time_passes(void *start, size_t size) {
    (void)start;
    (void)size;
    (void)__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
    os_fault_pass_ms(10); /* by the next look, all that was refused is due again */
    return EINVAL;
}

/* As for memory that is locked: the pages are due again at once, but not in this pass. */
static void refused_pages_are_tried_once_a_pass(void **state) {
    (void)state;
    static os_backend refusing; /* outlives a failed assertion */
    refusing = os_fault;
    refusing.purge = refuse_as_time_passes;
    os = &refusing;
    poolbuf_allocator *allocator = make(true, 1);
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    assert_true(poolbuf_release(poolbuf_allocate_direct(allocator, MIB, MIB)));
    os_fault_pass_ms(10);
    assert_int_equal(background_pass(), 50);
    unsigned tried = __atomic_load_n(&refused, __ATOMIC_RELAXED);
    assert_true(tried >= 1);
    assert_true(tried < 1000); /* once, and once for each pass that the thread may have made meanwhile */
    assert_int_equal(unit_metrics(allocator).dirty_bytes, MIB);
    assert_true(poolbuf_release(kept));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    os = &os_fault;
}

static void the_shortest_decay_time_of_all_sets_the_pace(void **state) {
    (void)state;
    poolbuf_allocator *slow = make(true, 80000);
    make_dirty(slow, MIB);
    assert_int_equal(background_pass(), 10000);
    poolbuf_allocator *fast = make(true, 4000);
    assert_int_equal(background_pass(), 500);
    UNIT_OK(poolbuf_allocator_destroy(fast));
    assert_int_equal(background_pass(), 10000);
    poolbuf_allocator *at_once = make(true, 0);
    assert_int_equal(background_pass(), 50);
    UNIT_OK(poolbuf_allocator_destroy(slow));
    assert_int_equal(background_pass(), BACKGROUND_NEVER);
    UNIT_OK(poolbuf_allocator_destroy(at_once));
}

/* Of its only direct arena. A snapshot of the metrics would wait for the thread that these tests hold up. */
static uint64_t dirty_bytes(const poolbuf_allocator *allocator) {
    const arena *only = allocator->group.arenas[POOLBUF_KIND_DIRECT];
    return counter_get(&only->counters.dirty_pages) * allocator->options.page_size;
}

static uint64_t purges(const poolbuf_allocator *allocator) {
    return counter_get(&allocator->group.arenas[POOLBUF_KIND_DIRECT]->counters.purges);
}

static void without_a_decay_time_calls_give_back_at_once_all_the_same(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, 0);
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    for (unsigned i = 1; i <= 3; i++) {
        background_before_fork(); /* the thread stays out of it */
        assert_true(poolbuf_release(poolbuf_allocate_direct(allocator, MIB, MIB)));
        assert_int_equal(dirty_bytes(allocator), 0);
        assert_int_equal(purges(allocator), i);
        background_after_fork_parent();
    }
    assert_true(poolbuf_release(kept));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void calls_leave_it_to_the_thread_unless_that_is_late(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    /* As if the thread were not scheduled. */
    background_before_fork();
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    make_dirty(allocator, MIB);
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    poolbuf *b = poolbuf_allocate_direct(allocator, 5 * MIB, 5 * MIB);
    assert_int_equal(purges(allocator), 0);
    os_fault_pass_ms(DECAY_MS / 4 + 1000);
    assert_true(poolbuf_release(b));
    assert_true(purges(allocator) != 0);
    assert_int_equal(dirty_bytes(allocator), 0);
    background_after_fork_parent();
    assert_true(poolbuf_release(kept));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* ---- The thread --------------------------------------------------------------------------------------------------- */

static void there_is_no_thread_where_nobody_asks_for_one(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(false, DECAY_MS);
    make_dirty(allocator, MIB);
    assert_int_equal(threads_now(false), 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    assert_false(options.background_thread);
    options.background_thread = true;
    options.pooling = false; /* nothing that it could give back */
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    assert_int_equal(threads_now(false), 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void one_thread_serves_all_and_ends_with_the_last(void **state) {
    (void)state;
    unsigned before = threads_now(true);
    poolbuf_allocator *allocators[5];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5; i++) {
            allocators[i] = make(true, DECAY_MS + i);
            assert_int_equal(threads_now(false), 1);
        }
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(threads_now(false), 1);
            UNIT_OK(poolbuf_allocator_destroy(allocators[(i * 2) % 5]));
        }
        assert_int_equal(threads_now(false), 0);
        assert_int_equal(threads_now(true), before);
    }
}

/* Waits for as long as it takes: a thread that never does it is found by the test's time limit. */
static void wait_until_clean(poolbuf_allocator *allocator) {
    while (unit_metrics(allocator).dirty_bytes != 0) {
        background_call();
        (void)sched_yield();
    }
}

static void the_thread_gives_back_while_nobody_calls_in(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    make_dirty(allocator, MIB);
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    wait_until_clean(allocator);
    assert_int_equal(unit_metrics(allocator).purges, 1);
    assert_true(poolbuf_release(kept));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* Nothing but the dirtying wakes it here: it must have gone to sleep, or be about to. */
static void what_becomes_dirty_wakes_the_thread(void **state) {
    (void)state;
    os = &os_linux; /* its clock runs */
    poolbuf_allocator *allocator = make(true, 100);
    for (unsigned i = 0; i < 5; i++) {
        make_dirty(allocator, MIB);
        while (unit_metrics(allocator).dirty_bytes != 0) {
            (void)usleep(1000);
        }
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_batch_in_the_depot_wakes_the_thread(void **state) {
    (void)state;
    os = &os_linux;
    poolbuf_allocator *allocator = make(true, 100);
    for (unsigned i = 0; i < 5; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, leave_batches_in_the_depot, allocator), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        while (unit_metrics(allocator).committed_bytes != 0) {
            (void)usleep(1000);
        }
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void the_thread_takes_no_signals(void **state) {
    (void)state;
    sigset_t before;
    sigset_t after;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int number = 1; number < SIGRTMAX; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    }
    unsigned checked = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        char path[300];
        char line[128];
        bool ours = false;
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            ours = ours || strcmp(line, "Name:\tpoolbuf-decay\n") == 0;
            unsigned long long blocked = 0;
            if (ours && strncmp(line, "SigBlk:", 7) == 0) {
                blocked = strtoull(line + 7, NULL, 16);
                static const int numbers[] = {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1, SIGUSR2, SIGHUP, SIGPROF};
                for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
                    assert_true((blocked >> (numbers[i] - 1) & 1) != 0);
                }
                checked++;
            }
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    (void)closedir(tasks);
    assert_int_equal(checked, 1);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_thread_that_cannot_be_started_is_an_error_of_create(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.background_thread = true;
    poolbuf_allocator *made = NULL;
    __atomic_store_n(&refuse_threads, true, __ATOMIC_RELAXED);
    assert_int_equal(poolbuf_allocator_create(&options, &made), POOLBUF_ERROR_NO_MEMORY);
    assert_null(made);
    assert_int_equal(os_fault_regions(), 0);
    __atomic_store_n(&refuse_threads, false, __ATOMIC_RELAXED);
    UNIT_OK(poolbuf_allocator_create(&options, &made)); /* and is asked again */
    assert_int_equal(threads_now(false), 1);
    UNIT_OK(poolbuf_allocator_destroy(made));
}

/* ---- Traffic ------------------------------------------------------------------------------------------------------ */

static bool keep_running; /* atomic */

static void *churn(void *argument) {
    unit_random random = {(uint64_t)(uintptr_t)&random | 1};
    poolbuf *live[64] = {NULL};
    while (__atomic_load_n(&keep_running, __ATOMIC_RELAXED)) {
        for (unsigned i = 0; i < 64; i++) {
            if (live[i] != NULL) {
                (void)poolbuf_release(live[i]);
            }
            size_t size = 1 + unit_random_below(&random, 1u << 18);
            live[i] = poolbuf_allocate(argument, size, size);
        }
        os_fault_pass_ms(1);
        if (RUNNING_ON_VALGRIND) {
            (void)usleep(1000); /* Valgrind runs one thread at a time, and not in turn: these would starve the others */
        }
    }
    for (unsigned i = 0; i < 64; i++) {
        (void)poolbuf_release(live[i]);
    }
    return NULL;
}

static void *come_and_go(void *unused) {
    for (unsigned i = 0; i < 40; i++) {
        poolbuf_allocator *allocator = make(true, i % 3);
        make_dirty(allocator, MIB);
        background_call();
        UNIT_OK(poolbuf_allocator_destroy(allocator)); /* while a pass may be at it */
    }
    return unused;
}

static void allocators_come_and_go_while_the_thread_works(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, 20);
    pthread_t threads[5];
    __atomic_store_n(&keep_running, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, allocator), 0);
    }
    for (unsigned i = 3; i < 5; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    }
    for (unsigned i = 0; i < 50; i++) {
        background_call();
        if (i % 10 == 0) {
            (void)poolbuf_allocator_purge(allocator);
        }
        (void)background_pass();
    }
    for (unsigned i = 3; i < 5; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    __atomic_store_n(&keep_running, false, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(threads_now(false), 1);
    assert_true(unit_metrics(allocator).purges > 0);
    assert_true(allocator_audit(allocator));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    assert_int_equal(threads_now(false), 0);
}

/* The system, with a clock that stops the thread where it has taken a batch out of the depot and not yet given it to
 * an arena. */
static poolbuf_allocator *drained;    /* the allocator whose depot is looked at; atomic */
static uint32_t batches_before;       /* in it */
static bool is_amid_drain, may_go_on; /* atomic */
static pthread_t main_thread;

static uint64_t stopping_clock(void) {
    poolbuf_allocator *allocator = __atomic_load_n(&drained, __ATOMIC_ACQUIRE);
    if (allocator != NULL && !pthread_equal(pthread_self(), main_thread) && depot_batches(allocator) < batches_before) {
        __atomic_store_n(&is_amid_drain, true, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < 100 && !__atomic_load_n(&may_go_on, __ATOMIC_ACQUIRE); i++) {
            (void)usleep(2000); /* who waits for the thread is not let go on by anybody else */
        }
        __atomic_store_n(&drained, NULL, __ATOMIC_RELEASE);
    }
    return os_fault.now_ms();
}

/* Returns with the thread stopped there. */
static poolbuf_allocator *stop_amid_drain(os_backend *stopping) {
    *stopping = os_fault;
    stopping->now_ms = stopping_clock;
    is_amid_drain = may_go_on = false;
    os = stopping; /* before there is a thread */
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, leave_batches_in_the_depot, allocator), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    main_thread = pthread_self();
    batches_before = depot_batches(allocator);
    assert_true(batches_before != 0);
    __atomic_store_n(&drained, allocator, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&is_amid_drain, __ATOMIC_ACQUIRE)) { /* at the second look, or at the first */
        os_fault_pass_ms(DECAY_MS / 4 + 1);
        background_call();
        (void)sched_yield();
    }
    return allocator;
}

static void what_the_thread_moves_is_not_alive(void **state) {
    (void)state;
    os_backend stopping;
    poolbuf_allocator *allocator = stop_amid_drain(&stopping);
    uint64_t buffers = 0;
    uint64_t bytes = 0;
    poolbuf_live_totals(&buffers, &bytes, NULL);
    __atomic_store_n(&may_go_on, true, __ATOMIC_RELEASE);
    assert_int_equal(buffers, 0);
    assert_int_equal(bytes, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    allocator = stop_amid_drain(&stopping);
    poolbuf_metrics m = unit_metrics(allocator);
    __atomic_store_n(&may_go_on, true, __ATOMIC_RELEASE);
    assert_int_equal(m.live_buffers, 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void an_allocator_destroyed_while_the_thread_moves_something_has_nothing_alive(void **state) {
    (void)state;
    os_backend stopping;
    poolbuf_allocator *allocator = stop_amid_drain(&stopping);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    assert_int_equal(os_fault_regions(), 0);
}

static void destroyed_with_buffers_alive_it_is_no_member_any_more(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    poolbuf *other = poolbuf_allocate_direct(allocator, MIB, MIB);
    make_dirty(allocator, MIB);
    assert_int_equal(poolbuf_allocator_destroy(allocator), POOLBUF_ERROR_LIVE_BUFFERS);
    assert_int_equal(threads_now(false), 0);
    assert_int_equal(background_pass(), BACKGROUND_NEVER);
    assert_true(poolbuf_release(other));
    assert_true(poolbuf_release(kept));
    assert_int_equal(threads_now(false), 0);
}

/* ---- fork() ------------------------------------------------------------------------------------------------------- */

/* Not _exit(): Memcheck would look for leaks in a child that has lost threads. */
static _Noreturn void child_ends(bool good) {
    const char *verdict = good ? "/bin/true" : "/bin/false";
    (void)execl(verdict, verdict, (char *)NULL);
    _exit(9);
}

static void expect_child_was_good(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool child_starts_a_thread_when_it_needs_one(poolbuf_allocator *allocator) {
    if (threads_now(true) != 1) {
        return false; /* fork() itself starts none */
    }
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    poolbuf *b = poolbuf_allocate_direct(allocator, MIB, MIB);
    if (b == NULL || !poolbuf_release(b) || threads_now(false) != 1) {
        return false;
    }
    os_fault_pass_ms(DECAY_MS + TICK_MS);
    wait_until_clean(allocator);
    return poolbuf_release(kept) && poolbuf_allocator_destroy(allocator) == POOLBUF_OK && threads_now(true) == 1;
}

static void a_forked_child_has_no_thread_until_it_needs_one(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    make_dirty(allocator, MIB);
    for (unsigned i = 0; i < 5; i++) {
        background_call(); /* the fork may come in the middle of a pass */
        pid_t child = fork();
        if (child == 0) {
            child_ends(child_starts_a_thread_when_it_needs_one(allocator));
        }
        expect_child_was_good(child);
    }
    assert_int_equal(threads_now(false), 1);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static bool child_does_without(poolbuf_allocator *allocator) {
    __atomic_store_n(&refuse_threads, true, __ATOMIC_RELAXED);
    poolbuf *kept = poolbuf_allocate_direct(allocator, MIB, MIB);
    make_dirty(allocator, MIB);
    os_fault_pass_ms(DECAY_MS + TICK_MS + DECAY_MS / 4 + 1000);
    poolbuf *b = poolbuf_allocate_direct(allocator, 5 * MIB, 5 * MIB);
    bool good = threads_now(true) == 1 && unit_metrics(allocator).dirty_bytes == 0;
    __atomic_store_n(&refuse_threads, false, __ATOMIC_RELAXED);
    os_fault_pass_ms(1000);
    make_dirty(allocator, MIB); /* tries again */
    return good && threads_now(false) == 1 && poolbuf_release(b) && poolbuf_release(kept);
}

static void a_child_that_can_start_no_thread_gives_back_on_its_calls(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, DECAY_MS);
    pid_t child = fork();
    if (child == 0) {
        child_ends(child_does_without(allocator));
    }
    expect_child_was_good(child);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_fork_amid_work_loses_no_pages(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(true, 1);
    pthread_t thread;
    __atomic_store_n(&keep_running, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_create(&thread, NULL, churn, allocator), 0);
    for (unsigned i = 0; i < 10; i++) {
        background_call();
        pid_t child = fork();
        if (child == 0) {
            bool good = allocator_audit(allocator);
            make_dirty(allocator, MIB);
            child_ends(good && poolbuf_allocator_purge(allocator) != 0 && allocator_audit(allocator));
        }
        expect_child_was_good(child);
    }
    __atomic_store_n(&keep_running, false, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* The default allocator is never destroyed, so this is the end of a process with the thread alive. */
static void a_process_ends_with_the_thread_alive(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        assert_int_equal(setenv("POOLBUF_BACKGROUND_THREAD", "on", 1), 0);
        os = &os_linux;
        (void)poolbuf_release(poolbuf_allocate(NULL, 5 * MIB, 5 * MIB));
        exit(threads_now(false) == 1 ? 0 : 1);
    }
    expect_child_was_good(child);
}

static void the_default_allocator_goes_on_without_a_thread_that_cannot_be_started(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        __atomic_store_n(&refuse_threads, true, __ATOMIC_RELAXED);
        assert_int_equal(setenv("POOLBUF_BACKGROUND_THREAD", "on", 1), 0);
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        assert_int_equal(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
        os = &os_linux;
        poolbuf *b = poolbuf_allocate(NULL, MIB, MIB);
        char said[256] = "";
        assert_true(read(pipes[0], said, sizeof said - 1) > 0);
        bool good =
            b != NULL && poolbuf_release(b) && threads_now(false) == 0 &&
            strcmp(said, "poolbuf: POOLBUF_BACKGROUND_THREAD=on: the system starts no thread; going on without\n") == 0;
        exit(good ? 0 : 1);
    }
    expect_child_was_good(child);
}

#define THREAD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        THREAD_TEST(a_pass_gives_back_what_is_due_in_every_arena_and_no_more),
        THREAD_TEST(a_pass_gives_back_all_that_is_due_however_much),
        THREAD_TEST(what_lies_in_the_depot_untouched_goes_back_too),
        THREAD_TEST(what_a_thread_caches_is_its_own_and_stays),
        THREAD_TEST(what_the_system_refuses_to_drop_ends_no_pass),
        THREAD_TEST(refused_pages_are_tried_once_a_pass),
        THREAD_TEST(the_shortest_decay_time_of_all_sets_the_pace),
        THREAD_TEST(without_a_decay_time_calls_give_back_at_once_all_the_same),
        THREAD_TEST(calls_leave_it_to_the_thread_unless_that_is_late),
        THREAD_TEST(there_is_no_thread_where_nobody_asks_for_one),
        THREAD_TEST(one_thread_serves_all_and_ends_with_the_last),
        THREAD_TEST(the_thread_gives_back_while_nobody_calls_in),
        THREAD_TEST(what_becomes_dirty_wakes_the_thread),
        THREAD_TEST(a_batch_in_the_depot_wakes_the_thread),
        THREAD_TEST(the_thread_takes_no_signals),
        THREAD_TEST(a_thread_that_cannot_be_started_is_an_error_of_create),
        THREAD_TEST(allocators_come_and_go_while_the_thread_works),
        THREAD_TEST(what_the_thread_moves_is_not_alive),
        THREAD_TEST(an_allocator_destroyed_while_the_thread_moves_something_has_nothing_alive),
        THREAD_TEST(destroyed_with_buffers_alive_it_is_no_member_any_more),
        THREAD_TEST(a_forked_child_has_no_thread_until_it_needs_one),
        THREAD_TEST(a_child_that_can_start_no_thread_gives_back_on_its_calls),
        THREAD_TEST(a_fork_amid_work_loses_no_pages),
        THREAD_TEST(a_process_ends_with_the_thread_alive),
        THREAD_TEST(the_default_allocator_goes_on_without_a_thread_that_cannot_be_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
