/* The gate of unwind_gate.h. */
#include "unwind_gate.h"

#include <errno.h>
#include <link.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "message.h"
#include "process/alone.h"
#include "process/cancel.h"
#include "unwind.h"

enum {
    FORK_WAIT_MS = 2000, /* for walks, which take microseconds; this is for a machine with more to run than cores */
    LOOK_NS = 50000,
    CROWD_RETRY = 1024, /* walks of a thread without a place between two attempts to get one */
    ASK_US = 200000     /* for the loader's list, which is locked for microseconds by those who live */
};

_Atomic uint32_t gate_state = GATE_FENCED;
_Atomic bool gate_is_child;
_Thread_local gate_place *gate_own;

gate_place gate_places[GATE_PLACES];
static _Atomic uint32_t next_place;         /* where the search for a free one begins; a hint */
static _Atomic bool sweeping;               /* only who set it frees a place, so that none is freed twice */
static _Atomic uint32_t crowd;              /* walks of threads without a place */
static bool forced_crowd;                   /* for tests */
static _Thread_local uint32_t crowd_inside; /* this thread's part of it */
static _Thread_local uint32_t crowd_walks;
static _Thread_local bool fork_had_company; /* what fork_prepare found, for the child */
static _Thread_local bool fork_cut_walks;

/* --- places -------------------------------------------------------------------------------------------------------- */

static bool is_gone(uint32_t thread) {
    return syscall(SYS_tgkill, getpid(), thread, 0) != 0 && errno == ESRCH;
}

/* Frees the places of threads that have ended. */
static void sweep(void) {
    if (atomic_exchange_explicit(&sweeping, true, memory_order_acquire)) {
        return;
    }
    for (size_t i = 0; i < GATE_PLACES; i++) {
        uint32_t owner = atomic_load_explicit(&gate_places[i].owner, memory_order_relaxed);
        if (owner != 0 && is_gone(owner)) {
            atomic_store_explicit(&gate_places[i].inside, 0, memory_order_relaxed);
            atomic_store_explicit(&gate_places[i].owner, 0, memory_order_release);
        }
    }
    atomic_store_explicit(&sweeping, false, memory_order_release);
}

static gate_place *find_free(uint32_t thread) {
    uint32_t start = atomic_fetch_add_explicit(&next_place, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < GATE_PLACES; i++) {
        gate_place *place = &gate_places[(start + i) % GATE_PLACES];
        uint32_t nobody = 0;
        if (atomic_load_explicit(&place->owner, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&place->owner, &nobody, thread, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            return place;
        }
    }
    return NULL;
}

/* A signal handler may come in between and take a place, too: then the first one is swept up with its thread. */
static gate_place *take_place(void) {
    uint32_t thread = (uint32_t)syscall(SYS_gettid);
    gate_place *place = find_free(thread);
    if (place == NULL) {
        sweep();
        place = find_free(thread);
    }
    return place;
}

void gate_leave_crowd(void) {
    atomic_fetch_sub(&crowd, 1);
    crowd_inside--;
}

void gate_force_crowd(bool crowded) {
    if (gate_own != NULL) {
        atomic_store(&gate_own->owner, 0);
    }
    gate_own = NULL;
    forced_crowd = crowded;
    crowd_walks = 0;
}

/* --- the child's doubt --------------------------------------------------------------------------------------------- */

static int stop_at_first(struct dl_phdr_info *info, size_t size, void *context) {
    (void)info;
    (void)size;
    (void)context;
    return 1;
}

/* In a process of its own: it ends, or a timer ends it. Handlers and timers of the program are not in its way: all
 * signals are blocked but that one, whose default action is death. */
__attribute__((noreturn)) static void try_loader(void) {
    const struct sigaction die = {.sa_handler = SIG_DFL};
    const struct itimerval soon = {.it_value = {.tv_usec = ASK_US}};
    sigset_t alarm_only;
    (void)sigemptyset(&alarm_only);
    (void)sigaddset(&alarm_only, SIGALRM);
    (void)sigaction(SIGALRM, &die, NULL);
    (void)setitimer(ITIMER_REAL, &soon, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    (void)dl_iterate_phdr(stop_at_first, NULL);
    _exit(0);
}

/* As a scan forks (scan.c): no handlers run, no signal comes, and no wait() of the program sees the process. */
static bool ask_loader(void) {
    sigset_t all;
    sigset_t before;
    int status = -1;
    if (RUNNING_ON_VALGRIND) {
        return true; /* it runs one thread at a time, and knows no such process */
    }
    const int cancellation = cancel_disable();
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (child == 0) {
        try_loader();
    }
    while (child > 0 && waitpid(child, &status, __WALL) != child && errno == EINTR) {
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    cancel_restore(cancellation);
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Valgrind runs one thread at a time: what the compiler keeps in order is in order. */
static bool make_barrier(int command) {
    return RUNNING_ON_VALGRIND || syscall(SYS_membarrier, command, 0, 0) == 0;
}

static uint32_t open_state(void) {
    return make_barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ? GATE_OPEN : GATE_FENCED;
}

/* What this process is, without the forks that are being made. */
static uint32_t mode_of(uint32_t state) {
    return state % GATE_ONE_FORK;
}

static void change_mode(uint32_t from, uint32_t to) {
    atomic_fetch_add(&gate_state, to - from);
}

static bool is_open(uint32_t state) {
    return state == GATE_OPEN || state == GATE_FENCED;
}

/* The state once there is no doubt, or while somebody else removes it. */
static uint32_t settle(void) {
    uint32_t state = atomic_load(&gate_state);
    while (mode_of(state) == GATE_DOUBTFUL) {
        if (atomic_compare_exchange_weak(&gate_state, &state, state + (GATE_ASKING - GATE_DOUBTFUL))) {
            int saved_errno = errno;
            uint32_t found = ask_loader() ? open_state() : GATE_SHUT;
            change_mode(GATE_ASKING, found);
            if (found == GATE_SHUT) {
                message_print("fork() met another thread in the dynamic loader, whose lock this process has inherited: "
                              "stacks may be call sites here, and reports may lack names");
            }
            errno = saved_errno;
            state = atomic_load(&gate_state);
        }
    }
    return state;
}

bool gate_loader_is_free(void) {
    uint32_t state = settle();
    while (mode_of(state) == GATE_ASKING) {
        cancel_sleep(LOOK_NS);
        state = settle();
    }
    return is_open(mode_of(state));
}

bool gate_is_shut(void) {
    return mode_of(atomic_load(&gate_state)) == GATE_SHUT;
}

/* For a thread without a place. */
bool gate_enter_first(void) {
    int saved_errno = errno;
    if (crowd_inside == 0 && crowd_walks++ % CROWD_RETRY == 0 && !forced_crowd) {
        gate_own = take_place();
    }
    errno = saved_errno;
    if (gate_own != NULL) {
        return gate_enter();
    }
    crowd_inside++;
    atomic_fetch_add(&crowd, 1); /* sequentially consistent, as the load is and what the fork does */
    if (is_open(atomic_load(&gate_state)) || is_open(settle())) {
        return true;
    }
    gate_leave_crowd();
    return false;
}

/* Something is not as usual: a fork is on, this is a child, or there is no membarrier(). */
bool gate_enter_slow(gate_place *place) {
    atomic_thread_fence(memory_order_seq_cst);
    if (is_open(atomic_load(&gate_state)) || is_open(settle())) {
        return true;
    }
    uint32_t before = atomic_load_explicit(&place->inside, memory_order_relaxed);
    atomic_store_explicit(&place->inside, before - 1, memory_order_release);
    return false;
}

/* --- fork ---------------------------------------------------------------------------------------------------------- */

/* Others than the caller. One that has ended, or was cancelled, in the midst of a walk is not waited for. */
static bool is_anybody_inside(void) {
    if (atomic_load(&crowd) != crowd_inside) {
        return true;
    }
    for (size_t i = 0; i < GATE_PLACES; i++) {
        if (&gate_places[i] != gate_own && atomic_load_explicit(&gate_places[i].inside, memory_order_acquire) != 0 &&
            !is_gone(atomic_load_explicit(&gate_places[i].owner, memory_order_relaxed))) {
            return true;
        }
    }
    return false;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void unwind_fork_prepare(void) {
    fork_had_company = !process_is_alone();
    fork_cut_walks = false;
    uint32_t state = atomic_fetch_add(&gate_state, GATE_ONE_FORK);
    if (!fork_had_company) {
        return;
    }
    if (mode_of(state) == GATE_OPEN) {
        (void)make_barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    }
    const uint64_t deadline = now_ms() + FORK_WAIT_MS;
    while (is_anybody_inside()) {
        cancel_sleep(LOOK_NS);
        if (now_ms() >= deadline) {
            fork_cut_walks = is_anybody_inside();
            return;
        }
    }
}

void unwind_fork_parent(void) {
    atomic_fetch_sub(&gate_state, GATE_ONE_FORK);
}

/* No other thread is here, and perhaps another fork was being made. */
void unwind_fork_child(void) {
    for (size_t i = 0; i < GATE_PLACES; i++) {
        if (&gate_places[i] != gate_own && atomic_load_explicit(&gate_places[i].owner, memory_order_relaxed) != 0) {
            atomic_store(&gate_places[i].inside, 0);
            atomic_store(&gate_places[i].owner, 0);
        }
    }
    if (gate_own != NULL) {
        atomic_store(&gate_own->owner, (uint32_t)syscall(SYS_gettid));
    }
    atomic_store(&crowd, crowd_inside);
    atomic_store(&sweeping, false);
    if (fork_had_company) {
        atomic_store_explicit(&gate_is_child, true, memory_order_relaxed);
    }
    uint32_t mode = mode_of(atomic_load(&gate_state));
    if (fork_cut_walks || mode == GATE_SHUT) {
        mode = GATE_SHUT;
    } else {
        mode = fork_had_company || mode == GATE_DOUBTFUL || mode == GATE_ASKING ? GATE_DOUBTFUL : open_state();
    }
    atomic_store(&gate_state, mode);
}

void gate_start(void) {
    if (mode_of(atomic_load(&gate_state)) == GATE_FENCED) {
        change_mode(GATE_FENCED, open_state());
    }
}
