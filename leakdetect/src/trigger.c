/* The handler, the thread and the names of signals; see trigger.h. */
#include "trigger.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "detector.h"
#include "message.h"
#include "process/fork_handlers.h"
#include "process/sampled.h"

#define STACK_BYTES  ((size_t)1 << 19) /* mapped, not resident; it must hold the program's thread-local storage too */
#define EXIT_SECONDS 30                /* what the end of the process waits for a report that is being written */
#define THREAD_NAME  "poolbuf-leaks"
#define NEVER        UINT64_MAX

static pthread_mutex_t lifecycle_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread; /* guarded by lifecycle_lock, as are the next two */
static bool running;
static bool ended; /* the process exits: no more starts */

static sem_t wake;                /* posted by the handler, and by whoever stops the thread */
static sem_t gone;                /* posted by the thread, when it is about to end */
static _Atomic uint64_t requests; /* the process, and in the low 32 bits its signals since the last report of one */
static _Atomic bool stopping;
static int signal_now;                          /* the next two are fixed before the thread starts */
static uint64_t report_every_ms, scan_every_ms; /* 0: never */
static uint64_t lost_before; /* the most that a scan has found lost; of the thread alone, as is the next */
static bool said_no_scan;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a signal handler may add to an atomic number");

/* --- names ---------------------------------------------------------------------------------------------------------- */

typedef struct signal_name {
    const char *name;
    int number;
} signal_name;

static const signal_name NAMES[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"IO", SIGIO},     {"POLL", SIGPOLL},
    {"PWR", SIGPWR},   {"WINCH", SIGWINCH},
};

static bool is_permitted(long number) {
    bool permitted = number >= SIGRTMIN && number <= SIGRTMAX;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        permitted = permitted || number == NAMES[i].number;
    }
    return permitted;
}

/* A whole text of digits, below 1,000. */
static bool parse_digits(const char *text, long *number) {
    size_t length = strlen(text);
    if (length == 0 || length > 3 || strspn(text, "0123456789") != length) {
        return false;
    }
    *number = strtol(text, NULL, 10);
    return true;
}

static bool parse_real_time(const char *text, long *number) {
    bool from_least = strncasecmp(text, "RTMIN", 5) == 0;
    long offset = 0;
    if (!from_least && strncasecmp(text, "RTMAX", 5) != 0) {
        return false;
    }
    if (text[5] != '\0' && (text[5] != (from_least ? '+' : '-') || !parse_digits(text + 6, &offset))) {
        return false;
    }
    *number = from_least ? SIGRTMIN + offset : SIGRTMAX - offset;
    return *number >= SIGRTMIN && *number <= SIGRTMAX;
}

bool trigger_parse_signal(const char *text, int *number) {
    long found = 0;
    if (strcasecmp(text, "off") == 0 || strcmp(text, "0") == 0) {
        *number = 0;
        return true;
    }
    if (!parse_digits(text, &found)) {
        text += strncasecmp(text, "SIG", 3) == 0 ? 3 : 0;
        for (size_t i = 0; found == 0 && i < sizeof NAMES / sizeof NAMES[0]; i++) {
            found = strcasecmp(text, NAMES[i].name) == 0 ? NAMES[i].number : 0;
        }
        if (found == 0 && !parse_real_time(text, &found)) {
            return false;
        }
    }
    if (!is_permitted(found)) {
        return false;
    }
    *number = (int)found;
    return true;
}

/* --- the handler ---------------------------------------------------------------------------------------------------- */

/* How many of what `requests` was are this process's: a forked child finds those that its parent has not answered yet. */
static uint32_t own_requests(uint64_t all) {
    return all >> 32 == (uint64_t)getpid() ? (uint32_t)all : 0;
}

static void handle(int number) {
    (void)number;
    int saved_errno = errno;
    uint64_t before = atomic_load(&requests);
    while (!atomic_compare_exchange_weak(&requests, &before, ((uint64_t)getpid() << 32) + own_requests(before) + 1)) {
    }
    if (own_requests(before) == 0) {
        (void)sem_post(&wake);
    }
    errno = saved_errno;
}

static bool install(int number) {
    struct sigaction present;
    if (sigaction(number, NULL, &present) != 0) {
        return false;
    }
    bool taken = (present.sa_flags & SA_SIGINFO) != 0 || present.sa_handler != SIG_DFL;
    if (taken) {
        message_print("POOLBUF_LEAK_SIGNAL: the process handles or ignores signal %d already; no reports on it",
                      number);
        return false;
    }
    struct sigaction own = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    (void)sigemptyset(&own.sa_mask);
    return sigaction(number, &own, NULL) == 0;
}

/* --- the thread ----------------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wait_until(uint64_t due_ms) {
    if (due_ms == NEVER) {
        (void)sem_wait(&wake);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(due_ms / 1000), .tv_nsec = (long)(due_ms % 1000) * 1000000};
    (void)sem_clockwait(&wake, CLOCK_MONOTONIC, &until);
}

static void report_on_signal(uint32_t times) {
    char reason[48];
    if (times == 1) {
        (void)snprintf(reason, sizeof reason, "signal %d", signal_now);
    } else {
        (void)snprintf(reason, sizeof reason, "signal %d, %u times", signal_now, times);
    }
    finalize_live(reason);
}

static uint64_t first_due(uint64_t every_ms) {
    return every_ms == 0 ? NEVER : now_ms() + every_ms;
}

/* Whether it is time, and then when the next one is: what a slow report missed is not made up for. */
static bool is_due(uint64_t *due_ms, uint64_t every_ms) {
    uint64_t now = now_ms();
    if (now < *due_ms) {
        return false;
    }
    *due_ms += (1 + (now - *due_ms) / every_ms) * every_ms;
    return true;
}

/* Who set a variable has no call to ask. A process that has changed its user, as daemons do, may not read its own memory through
 * /proc until it says that others of that user may, too: that is the program's to decide. */
static void say_no_scan(poolbuf_status status, int error) {
    char text[128];
    if (status == POOLBUF_OK) {
        message_print(
            "POOLBUF_LEAK_SCAN_INTERVAL_S: the process has memory or an io_uring that a scan cannot see: nothing "
            "is called lost");
        return;
    }
    message_print("POOLBUF_LEAK_SCAN_INTERVAL_S: a scan failed: %s%s",
                  status == POOLBUF_ERROR_SYSTEM ? strerror_r(error, text, sizeof text) : poolbuf_status_text(status),
                  status == POOLBUF_ERROR_SYSTEM && error == EACCES && prctl(PR_GET_DUMPABLE) != 1
                      ? "; the process has changed its user, or is not dumpable: see PR_SET_DUMPABLE in prctl(2)"
                      : "");
}

/* One scan, to be compared with the one before: what both find is lost, so at the earliest after two intervals. A
 * scan that fails for the moment is left to the next; one that cannot be had here is said so once. */
static void scan_for_lost(void) {
    const leakdetect_scan_options once = {.struct_size = sizeof once, .once = true};
    leakdetect_scan_result found = {.struct_size = sizeof found};
    if (detector_level() == LEAKDETECT_DISABLED) {
        return;
    }
    poolbuf_status status = leakdetect_scan(&once, &found);
    const int error = errno;
    if (status == POOLBUF_OK && found.lost > lost_before) {
        char reason[64];
        lost_before = found.lost;
        (void)snprintf(reason, sizeof reason, "scan, %llu lost", (unsigned long long)found.lost);
        finalize_live(reason);
    }
    bool blind = status == POOLBUF_OK && found.blind_spots != 0;
    if (!said_no_scan && (blind || status == POOLBUF_ERROR_UNSUPPORTED || status == POOLBUF_ERROR_SYSTEM)) {
        said_no_scan = true;
        say_no_scan(status, error);
    }
}

/* Programs that take signals by signalfd() or sigwait() have them blocked in all of their threads, and ours would wait for ever. */
static void take_signal(void) {
    sigset_t own;
    if (signal_now != 0) {
        (void)sigemptyset(&own);
        (void)sigaddset(&own, signal_now);
        (void)pthread_sigmask(SIG_UNBLOCK, &own, NULL);
    }
}

static void *run(void *unused) {
    (void)unused;
    take_signal();
    uint64_t report_due_ms = first_due(report_every_ms);
    uint64_t scan_due_ms = first_due(scan_every_ms);
    for (;;) {
        bool last = atomic_load(&stopping); /* before the exchange, so that what was asked before the end is answered */
        uint32_t times = own_requests(atomic_exchange(&requests, 0));
        if (times != 0) {
            report_on_signal(times);
        }
        if (last) {
            (void)sem_post(&gone);
            return NULL;
        }
        if (is_due(&scan_due_ms, scan_every_ms)) {
            scan_for_lost();
        }
        if (is_due(&report_due_ms, report_every_ms)) {
            finalize_live("interval");
        }
        /* Whoever asked since the exchange has posted. */
        wait_until(report_due_ms < scan_due_ms ? report_due_ms : scan_due_ms);
    }
}

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

/* Where the system gives no thread, the next tracked resource tries again. */
static void start_thread(void) {
    (void)pthread_mutex_lock(&lifecycle_lock);
    if (!running && !ended) {
        running = create_thread() == 0;
        detour_set(DETOUR_REVIVAL, !running);
    }
    (void)pthread_mutex_unlock(&lifecycle_lock);
}

void trigger_revive_slow(void) {
    int saved_errno = errno;
    start_thread();
    errno = saved_errno;
}

static void fork_child(void) {
    (void)pthread_mutex_init(&lifecycle_lock, NULL);
    (void)sem_init(&wake, 0, 0);
    (void)sem_init(&gone, 0, 0);
    running = false;
    lost_before = 0;
    detour_set(DETOUR_REVIVAL, !ended);
}

void trigger_start(int signal_number, uint32_t interval_s, uint32_t scan_interval_s) {
    (void)sem_init(&wake, 0, 0);
    (void)sem_init(&gone, 0, 0);
    report_every_ms = (uint64_t)interval_s * 1000;
    scan_every_ms = (uint64_t)scan_interval_s * 1000;
    signal_now = signal_number;
    if (signal_number != 0 && !install(signal_number)) {
        signal_now = 0;
    }
    if (signal_now != 0 || interval_s != 0 || scan_interval_s != 0) {
        (void)fork_handlers_add(NULL, NULL, fork_child);
        start_thread();
    }
}

/* By the clock that nobody sets. The thread itself comes here where a function of the program's that it calls ends the
 * process; it does not wait for itself. */
static bool wait_for_end(void) {
    struct timespec until = {0};
    bool ends = false;
    if (pthread_equal(thread, pthread_self())) {
        return false;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += EXIT_SECONDS;
    do {
        ends = sem_clockwait(&gone, CLOCK_MONOTONIC, &until) == 0;
    } while (!ends && errno == EINTR);
    return ends && pthread_join(thread, NULL) == 0;
}

bool trigger_stop(void) {
    (void)pthread_mutex_lock(&lifecycle_lock);
    ended = true;
    detour_set(DETOUR_REVIVAL, false);
    if (running) {
        atomic_store(&stopping, true);
        (void)sem_post(&wake);
        running = !wait_for_end();
    }
    const bool is_gone = !running;
    (void)pthread_mutex_unlock(&lifecycle_lock);
    return is_gone;
}
