/* The background thread: gives memory back while nobody calls in. */
#include "background.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "check.h"
#include "counter.h"
#include "os/os.h"
#include "process/cancel.h"
#include "region.h"

#define PASSES_A_DECAY 8u                /* passes in a decay time */
#define DEPOTS_A_DECAY 4u                /* looks into a depot */
#define PERIOD_MIN_MS  50u               /* between two passes, however short a decay time is */
#define STACK_BYTES    ((size_t)1 << 18) /* mapped, not resident; it must hold the program's thread-local storage too */
#define RETRY_MS       1000u             /* between attempts to start the thread that are nobody's to fail */
#define EXIT_SECONDS   2                 /* what the end of the process waits for the thread */
#define THREAD_NAME    "poolbuf-decay"

static pthread_mutex_t lifecycle_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_t thread; /* guarded by lifecycle_lock, as are the next two */
static uint64_t retry_ms;
static bool ended; /* the process exits: no more starts */

static background_member *members; /* guarded by work_lock */
static uint64_t last_pass;         /* guarded by work_lock */
static uint32_t member_count;      /* atomic; written under work_lock */

static pthread_cond_t called_or_stopping; /* with sleep_lock; by the monotonic clock */
static bool running; /* guarded by sleep_lock, as are the next three; written under lifecycle_lock too */
static bool stopping;
static bool stirred;  /* something became dirty since the last pass began */
static bool called;   /* a pass is wanted now */
static uint32_t idle; /* a flag; atomic (B2); also: there is no thread, but there should be */

/* ---- Work --------------------------------------------------------------------------------------------------------- */

static bool depot_has_any(const cache_group *group) {
    for (uint32_t i = 0; i < group->bin_count; i++) {
        if (depot_count(&group->depot[i]) != 0) {
            return true;
        }
    }
    return false;
}

static bool has_waiting(const background_member *member) {
    const cache_group *group = member->group;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            if (arena_has_decaying(&group->arenas[kind][i])) {
                return true;
            }
        }
    }
    return depot_has_any(group);
}

/* A bounded part of what is due; true if more was so when the pass began. What the system refuses to drop is due again
 * later, so a pass ends, however soon that is. */
static bool step_locked(background_member *member, uint64_t began_ms) {
    cache_group *group = member->group;
    if (began_ms >= member->depot_due_ms && depot_has_any(group)) {
        cache_group_trim_depot(group);
        member->depot_due_ms = began_ms + 1 + member->decay_ms / DEPOTS_A_DECAY; /* once a pass at most */
    }
    bool more = false;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            more = arena_decay_step(&group->arenas[kind][i]) <= began_ms || more;
        }
    }
    return more;
}

static uint64_t until_next_locked(void) {
    uint64_t period_ms = BACKGROUND_NEVER;
    bool waiting = false;
    for (const background_member *member = members; member != NULL; member = member->next) {
        uint64_t own_ms = member->decay_ms / PASSES_A_DECAY;
        own_ms = own_ms > PERIOD_MIN_MS ? own_ms : PERIOD_MIN_MS;
        period_ms = own_ms < period_ms ? own_ms : period_ms;
        waiting = waiting || has_waiting(member);
    }
    return waiting ? period_ms : BACKGROUND_NEVER;
}

uint64_t background_pass(void) {
    (void)pthread_mutex_lock(&work_lock);
    uint64_t pass = ++last_pass;
    uint64_t began_ms = os->now_ms();
    for (;;) {
        background_member *member = members;
        while (member != NULL && member->pass >= pass) { /* tests may pass at the same time */
            member = member->next;
        }
        if (member == NULL) {
            break;
        }
        region_postpone(true);
        if (!step_locked(member, began_ms)) {
            member->pass = pass;
        }
        region_postpone(false);
        /* Those who wait for the lock may come in between; and may take members away. What a program hears of chunks that go,
         * it hears here, as it may come in too. */
        (void)pthread_mutex_unlock(&work_lock);
        region_settle();
        (void)pthread_mutex_lock(&work_lock);
    }
    uint64_t next_ms = until_next_locked();
    (void)pthread_mutex_unlock(&work_lock);
    return next_ms;
}

void background_hold(void) {
    (void)pthread_mutex_lock(&work_lock);
}

void background_let_go(void) {
    (void)pthread_mutex_unlock(&work_lock);
}

/* ---- Sleep -------------------------------------------------------------------------------------------------------- */

static void set_idle(bool value) {
    (void)__atomic_exchange_n(&idle, value ? 1 : 0, __ATOMIC_ACQ_REL);
}

static void sleep_locked(uint64_t ms) {
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!stopping && !called) {
        if (pthread_cond_timedwait(&called_or_stopping, &sleep_lock, &until) != 0) {
            break;
        }
    }
}

static void *run(void *unused) {
    (void)unused;
    (void)pthread_mutex_lock(&sleep_lock);
    while (!stopping) {
        called = false;
        stirred = false;
        set_idle(true); /* before the pass, which may be the last for long (B2) */
        (void)pthread_mutex_unlock(&sleep_lock);
        uint64_t next_ms = background_pass();
        (void)pthread_mutex_lock(&sleep_lock);
        if (next_ms != BACKGROUND_NEVER) {
            set_idle(false);
            sleep_locked(next_ms); /* whatever stirred meanwhile has its turn then (B1) */
        }
        while (next_ms == BACKGROUND_NEVER && !stopping && !called && !stirred) {
            (void)pthread_cond_wait(&called_or_stopping, &sleep_lock);
        }
    }
    (void)pthread_mutex_unlock(&sleep_lock);
    return NULL;
}

void background_call(void) {
    (void)pthread_mutex_lock(&sleep_lock);
    called = true;
    (void)pthread_cond_broadcast(&called_or_stopping);
    (void)pthread_mutex_unlock(&sleep_lock);
}

/* ---- Start and stop ----------------------------------------------------------------------------------------------- */

static void init_sleep(bool will_run) {
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&called_or_stopping, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_lock(&sleep_lock);
    running = will_run;
    stopping = stirred = called = false;
    (void)pthread_mutex_unlock(&sleep_lock);
}

/* Signals are the program's threads' to handle. The name is for those who look at a process from outside. */
static int create_thread(void) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(&thread, &attributes, run, NULL);
    if (error == EINVAL) { /* the program's thread-local storage leaves no room in a stack of that size */
        error = pthread_create(&thread, NULL, run, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        (void)pthread_setname_np(thread, THREAD_NAME);
    }
    return error;
}

static void forget_thread(void) {
    (void)pthread_mutex_lock(&sleep_lock);
    running = false;
    (void)pthread_mutex_unlock(&sleep_lock);
    (void)pthread_cond_destroy(&called_or_stopping);
}

/* Has the lifecycle lock; there is no thread. It counts as running before it does: it may find nothing to do and fall asleep
 * at once, and whoever has something for it must not think then that there is none to wake. */
static bool start(void) {
    init_sleep(true);
    if (create_thread() != 0) {
        forget_thread();
        retry_ms = os->now_ms() + RETRY_MS;
        return false;
    }
    return true;
}

static bool is_running(void) {
    (void)pthread_mutex_lock(&sleep_lock);
    bool value = running;
    (void)pthread_mutex_unlock(&sleep_lock);
    return value;
}

static void ask_to_stop(void) {
    (void)pthread_mutex_lock(&sleep_lock);
    stopping = true;
    (void)pthread_cond_broadcast(&called_or_stopping);
    (void)pthread_mutex_unlock(&sleep_lock);
}

static void add_member(background_member *member) {
    (void)pthread_mutex_lock(&work_lock);
    member->next = members;
    if (members != NULL) {
        members->prev = member;
    }
    members = member;
    __atomic_store_n(&member_count, member_count + 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&work_lock);
}

static void remove_member(background_member *member) {
    (void)pthread_mutex_lock(&work_lock);
    if (member->prev != NULL) {
        member->prev->next = member->next;
    } else {
        members = member->next;
    }
    if (member->next != NULL) {
        member->next->prev = member->prev;
    }
    __atomic_store_n(&member_count, member_count - 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&work_lock);
}

bool background_enter(background_member *member, cache_group *group, uint32_t decay_ms) {
    *member = (background_member){.group = group, .decay_ms = decay_ms};
    (void)pthread_mutex_lock(&lifecycle_lock);
    add_member(member);
    bool good = true;
    if (is_running()) {
        background_call(); /* its decay time may be the shortest now */
    } else if (!ended) {
        good = start();
        if (!good) {
            remove_member(member);
        }
    }
    (void)pthread_mutex_unlock(&lifecycle_lock);
    return good;
}

void background_leave(background_member *member) {
    int cancel = cancel_disable();
    (void)pthread_mutex_lock(&lifecycle_lock);
    remove_member(member);
    if (member_count == 0 && is_running()) {
        ask_to_stop();
        (void)pthread_join(thread, NULL);
        forget_thread();
    }
    (void)pthread_mutex_unlock(&lifecycle_lock);
    cancel_restore(cancel);
}

/* There is a thread to wake, or none yet in this process. The latter is a forked child's: it may stand anywhere in the
 * allocator, so it tries the lifecycle lock only, as whoever has that sees to the thread. */
static void wake(void) {
    (void)pthread_mutex_lock(&sleep_lock);
    bool there = running;
    if (there) {
        stirred = true;
        set_idle(false);
        (void)pthread_cond_broadcast(&called_or_stopping);
    }
    (void)pthread_mutex_unlock(&sleep_lock);
    if (!there && pthread_mutex_trylock(&lifecycle_lock) == 0) {
        bool wanted = !ended && __atomic_load_n(&member_count, __ATOMIC_RELAXED) != 0 && !is_running();
        if (wanted && os->now_ms() >= retry_ms) {
            (void)start(); /* benign: without a thread, calls that reach an arena do its work; this is tried again */
        }
        (void)pthread_mutex_unlock(&lifecycle_lock);
    }
}

void background_wake(void) {
    if (POOLBUF_UNLIKELY(__atomic_load_n(&idle, __ATOMIC_RELAXED) != 0)) {
        wake();
    }
}

/* A read that writes: either it comes before the thread's own write, which then sees the depot as it is now, or it sees
 * that write. */
void background_wake_for_depot(void) {
    if (POOLBUF_UNLIKELY(__atomic_fetch_or(&idle, 0, __ATOMIC_ACQ_REL) != 0)) {
        wake();
    }
}

/* At exit the thread is joined, so that no checker finds it, or its stack, left over. It is waited for with a limit: a process
 * may exit from where it holds a lock that the thread needs. */
static __attribute__((destructor)) void end(void) {
    if (pthread_mutex_trylock(&lifecycle_lock) != 0) {
        return;
    }
    ended = true;
    if (is_running() && !pthread_equal(pthread_self(), thread)) {
        ask_to_stop();
        struct timespec until = {0};
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += EXIT_SECONDS;
        if (pthread_timedjoin_np(thread, NULL, &until) == 0) {
            forget_thread();
        }
    }
    (void)pthread_mutex_unlock(&lifecycle_lock);
}

/* ---- fork() ------------------------------------------------------------------------------------------------------- */

void background_before_fork(void) {
    (void)pthread_mutex_lock(&work_lock);
}

void background_after_fork_parent(void) {
    (void)pthread_mutex_unlock(&work_lock);
}

void background_after_fork_child(void) {
    (void)pthread_mutex_init(&lifecycle_lock, NULL);
    (void)pthread_mutex_init(&sleep_lock, NULL);
    init_sleep(false);
    retry_ms = 0;
    set_idle(member_count != 0);
    (void)pthread_mutex_unlock(&work_lock);
}
