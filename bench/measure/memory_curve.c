/* setitimer(), and /proc/self/statm. */
#include "measure/memory_curve.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_INTERVAL_US = 100
};

/* All that the handler touches. It is nobody else's while the timer runs; `busy` keeps out a second thread's signal. */
static struct {
    memory_curve curve;
    const subject_run *run;
    int statm;
    uint64_t page_bytes;
    uint64_t start_ns;
    uint64_t ticks; /* signals so far */
    uint64_t every; /* of them, one is a point */
    atomic_bool is_running;
    atomic_flag busy;
} sampler = {.statm = -1, .busy = ATOMIC_FLAG_INIT};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* "size resident shared text lib data dirty", in pages. No library call that may take a lock: this runs in a signal. */
static bool read_statm(uint64_t *resident, uint64_t *data) {
    enum {
        RESIDENT = 1,
        DATA = 5
    };
    char text[256];
    const ssize_t length = pread(sampler.statm, text, sizeof text, 0);
    uint64_t fields[DATA + 1] = {0};
    int field = 0;
    for (ssize_t i = 0; i < length && field <= DATA; i++) {
        if (text[i] == ' ') {
            field++;
        } else if (text[i] >= '0' && text[i] <= '9') {
            fields[field] = fields[field] * 10 + (uint64_t)(text[i] - '0');
        }
    }
    *resident = fields[RESIDENT] * sampler.page_bytes;
    *data = fields[DATA] * sampler.page_bytes;
    return field > DATA;
}

void memory_curve_thin(memory_curve *curve) {
    size_t kept = 0;
    for (size_t i = 0; i < curve->count; i += 2) {
        curve->points[kept++] = curve->points[i];
    }
    curve->count = kept;
}

void memory_curve_add(void) {
    memory_curve *curve = &sampler.curve;
    memory_point point = {.at_ns = now_ns() - sampler.start_ns,
                          .live_bytes = atomic_load_explicit(&sampler.run->live_bytes, memory_order_relaxed),
                          .usable_bytes = atomic_load_explicit(&sampler.run->live_room, memory_order_relaxed)};
    if (!read_statm(&point.resident_bytes, &point.committed_bytes)) {
        return;
    }
    if (curve->count == MEMORY_CURVE_POINTS) {
        memory_curve_thin(curve);
        sampler.every *= 2;
    }
    curve->points[curve->count++] = point;
}

static void on_signal(int number) {
    (void)number;
    if (atomic_flag_test_and_set_explicit(&sampler.busy, memory_order_acquire)) {
        return; /* another thread is at it: this point is left out */
    }
    if (atomic_load_explicit(&sampler.is_running, memory_order_relaxed) && ++sampler.ticks % sampler.every == 0) {
        memory_curve_add();
    }
    atomic_flag_clear_explicit(&sampler.busy, memory_order_release);
}

static bool set_timer(long interval_us) {
    const struct itimerval timer = {.it_interval = {.tv_usec = interval_us}, .it_value = {.tv_usec = interval_us}};
    return setitimer(ITIMER_REAL, &timer, NULL) == 0;
}

bool memory_curve_begin(const subject_run *run) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    uint64_t resident = 0;
    uint64_t data = 0;
    sampler.run = run;
    sampler.curve.count = 0;
    sampler.ticks = 0;
    sampler.every = 1;
    sampler.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    sampler.start_ns = now_ns();
    if (sampler.statm >= 0) {
        (void)close(sampler.statm);
    }
    sampler.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (sampler.statm < 0 || !read_statm(&resident, &data) || sigaction(SIGALRM, &action, NULL) != 0) {
        return false;
    }
    memory_curve_add();
    atomic_store_explicit(&sampler.is_running, true, memory_order_relaxed);
    return set_timer(FIRST_INTERVAL_US);
}

/* The handler stays: a signal that was on its way when the timer stopped would otherwise end the process. */
void memory_curve_end(void) {
    (void)set_timer(0);
    atomic_store_explicit(&sampler.is_running, false, memory_order_relaxed);
    while (atomic_flag_test_and_set_explicit(&sampler.busy, memory_order_acquire)) {
        (void)sched_yield(); /* another thread's signal is being handled */
    }
    atomic_flag_clear_explicit(&sampler.busy, memory_order_release);
    memory_curve_add();
}

const memory_curve *memory_curve_take(void) {
    return &sampler.curve;
}
