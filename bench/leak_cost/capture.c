/* leak-capture: what one capture of a call stack costs, 20 frames of the program deep. Links the detector's own objects, so that
 * nothing but the capture is measured.
 *
 *   leak-capture ROUNDS [cfi|libunwind|fp]    prints, each round; with a word `capture.WORD` in place of `capture`:
 *     capture.warm                   ns a capture, one thread, by its own clock
 *     capture.one, capture.two       the same by the wall clock, of one thread, and of two at once, the slower one
 *     control.one, control.two       the same of processes, which share nothing: what the machine gives two at once
 *     capture.first_us               us of the first capture in a new thread
 *     capture.first_touched_kib      by the thread's count of page faults: memory that it touched for the first time
 *     capture.first_mapped_kib       by how much the process's address space grew meanwhile
 *     capture.ninth_us, capture.ninth_touched_kib       the same of the one for which libunwind makes its cache
 *
 * Exit status: 0; 1 if the stacks are not that deep, or a thread or process could not be had; 2 usage. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leak_cost/series.h"
#include "stack_table.h"
#include "unwind.h"

enum {
    FRAMES = 20,
    CAPTURES = 5000,      /* a round and thread: so short that few of them are interrupted */
    WARM_UP = 200,        /* captures: past those that are walked by steps */
    STEPPED = 8,          /* those, see unwind_libunwind.c */
    FIRST_STACK_KIB = 128 /* what a thread has touched of its stack before it captures, so that no page of it counts */
};

static char prefix[32] = "capture";

static void print_value(const char *name, double value) {
    char series[64];
    (void)snprintf(series, sizeof series, "%s.%s", prefix, name);
    series_print(series, value);
}

static size_t capture_often(unsigned long count) {
    uintptr_t frames[STACK_MAX_FRAMES];
    size_t depth = 0;
    for (unsigned long i = 0; i < count; i++) {
        depth = unwind_capture(frames, FRAMES);
        __asm__ volatile("" : : "r"(frames) : "memory");
    }
    return depth;
}

static __attribute__((noinline)) size_t descend(unsigned long count, unsigned depth) {
    size_t result = depth > 1 ? descend(count, depth - 1) : capture_often(count);
    __asm__ volatile("" : "+r"(result)); /* a call that is the last thing done would leave no frame */
    return result;
}

/* --- two at once ---------------------------------------------------------------------------------------------------- */

enum {
    AT_ONCE = 2
};

typedef struct job {
    pthread_barrier_t *start;
    double ns; /* by the wall clock */
    bool good;
} job;

static void *run_job(void *argument) {
    job *self = argument;
    self->good = descend(CAPTURES, FRAMES) == FRAMES; /* a fresh process has further to go to be warm than a thread */
    (void)pthread_barrier_wait(self->start);
    double start = series_wall_ns();
    self->good = descend(CAPTURES, FRAMES) == FRAMES && self->good;
    self->ns = (series_wall_ns() - start) / CAPTURES;
    return NULL;
}

/* Of as many as ran; below 0 if something failed. */
static double slowest_of(const job *jobs, unsigned count) {
    double slowest = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!jobs[i].good) {
            return -1;
        }
        slowest = jobs[i].ns > slowest ? jobs[i].ns : slowest;
    }
    return slowest;
}

/* Returns ns of the slower of so many threads; below 0 if something failed. */
static double time_threads(unsigned count) {
    pthread_barrier_t start;
    pthread_t threads[AT_ONCE];
    job jobs[AT_ONCE] = {0};
    bool good = pthread_barrier_init(&start, NULL, count) == 0;
    unsigned started = 0;
    while (good && started < count) {
        jobs[started].start = &start;
        good = pthread_create(&threads[started], NULL, run_job, &jobs[started]) == 0;
        started += good;
    }
    if (started < count) { /* who waits at the barrier waits for ever */
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        good = pthread_join(threads[i], NULL) == 0 && good;
    }
    (void)pthread_barrier_destroy(&start);
    return good ? slowest_of(jobs, count) : -1;
}

typedef struct shared_jobs {
    pthread_barrier_t start;
    job jobs[AT_ONCE];
} shared_jobs;

static bool prepare_shared(shared_jobs *shared, unsigned count) {
    pthread_barrierattr_t attributes;
    if (pthread_barrierattr_init(&attributes) != 0) {
        return false;
    }
    const bool good = pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
                      pthread_barrier_init(&shared->start, &attributes, count) == 0;
    (void)pthread_barrierattr_destroy(&attributes);
    memset(shared->jobs, 0, sizeof shared->jobs);
    return good;
}

/* The same of processes, made by fork() while there is no other thread. */
static double time_processes(shared_jobs *shared, unsigned count) {
    pid_t children[AT_ONCE];
    bool good = prepare_shared(shared, count);
    unsigned started = 0;
    for (; good && started < count; started += good) {
        job *own = &shared->jobs[started];
        own->start = &shared->start;
        children[started] = fork();
        good = children[started] >= 0;
        if (children[started] == 0) {
            (void)run_job(own);
            _exit(0);
        }
    }
    good = good && started == count;
    while (started > 0) {
        int status = 0;
        for (unsigned i = 0; i < started && !good; i++) { /* or they would wait for ever for one that is missing */
            (void)kill(children[i], SIGKILL);
        }
        const pid_t ended = waitpid(-1, &status, 0);
        for (unsigned i = 0; i < started; i++) {
            children[i] = children[i] == ended ? children[started - 1] : children[i];
        }
        started--;
        good = ended > 0 && status == 0 && good;
    }
    return good ? slowest_of(shared->jobs, count) : -1;
}

/* --- the first one in a thread -------------------------------------------------------------------------------------- */

typedef struct first_capture {
    double us, touched_kib, mapped_kib;
    double ninth_us, ninth_touched_kib;
    bool good;
} first_capture;

static double touched_kib(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_THREAD, &usage);
    return (double)usage.ru_minflt * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static __attribute__((noinline)) void touch_stack(void) {
    volatile char pages[FIRST_STACK_KIB * 1024];
    for (size_t i = 0; i < sizeof pages; i += 512) {
        pages[i] = 1;
    }
}

static void *capture_first(void *argument) {
    first_capture *self = argument;
    touch_stack();
    (void)series_cpu_ns(); /* each way of counting is gone once before it counts */
    double mapped = series_memory_bytes(SERIES_MAPPED);
    double touched = touched_kib();
    double start = series_cpu_ns();
    self->good = descend(1, FRAMES) == FRAMES;
    self->us = (series_cpu_ns() - start) / 1000;
    self->touched_kib = touched_kib() - touched;
    self->mapped_kib = (series_memory_bytes(SERIES_MAPPED) - mapped) / 1024;
    self->good = descend(STEPPED - 1, FRAMES) == FRAMES && self->good;
    touched = touched_kib();
    start = series_cpu_ns();
    self->good = descend(1, FRAMES) == FRAMES && self->good;
    self->ninth_us = (series_cpu_ns() - start) / 1000;
    self->ninth_touched_kib = touched_kib() - touched;
    return NULL;
}

static bool measure_first(void) {
    first_capture result = {0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, capture_first, &result) != 0 || pthread_join(thread, NULL) != 0) {
        return false;
    }
    print_value("first_us", result.us);
    print_value("first_touched_kib", result.touched_kib);
    print_value("first_mapped_kib", result.mapped_kib);
    print_value("ninth_us", result.ninth_us);
    print_value("ninth_touched_kib", result.ninth_touched_kib);
    return result.good;
}

static bool measure_alone(void) {
    double start = series_cpu_ns();
    bool good = descend(CAPTURES, FRAMES) == FRAMES;
    print_value("warm", (series_cpu_ns() - start) / CAPTURES);
    return measure_first() && good;
}

static bool measure_two(shared_jobs *shared) {
    const double one = time_threads(1);
    const double two = time_threads(2);
    const double control_one = time_processes(shared, 1);
    const double control_two = time_processes(shared, 2);
    print_value("one", one);
    print_value("two", two);
    if (strchr(prefix, '.') == NULL) { /* a control belongs to its round */
        series_print("control.one", control_one);
        series_print("control.two", control_two);
    }
    return one > 0 && two > 0 && control_one > 0 && control_two > 0;
}

/* NULL if there is no such walker. */
static const unwinder *choose(const char *name) {
    const unwinder *const walkers[] = {&unwind_cfi, &unwind_libunwind, &unwind_fp};
    for (size_t i = 0; i < sizeof walkers / sizeof walkers[0]; i++) {
        if (name == NULL || strcmp(walkers[i]->name, name) == 0) {
            return walkers[i]; /* the first one is the default, as the option's */
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    unsigned long rounds = argc >= 2 ? strtoul(argv[1], NULL, 10) : 0;
    const unwinder *chosen = choose(argc == 3 ? argv[2] : NULL);
    if (rounds == 0 || rounds > 10000 || argc > 3 || chosen == NULL) {
        (void)fprintf(stderr, "leak-capture: usage: leak-capture ROUNDS [cfi|libunwind|fp]\n");
        return 2;
    }
    if (argc == 3) {
        (void)snprintf(prefix, sizeof prefix, "capture.%s", chosen->name);
    }
    unwind_configure(chosen, UNWIND_FULL, FRAMES);
    bool good = descend(WARM_UP, FRAMES) == FRAMES;
    for (unsigned long i = 0; i < rounds && good; i++) {
        good = measure_alone();
    }
    /* After that, for each page that was there when a process forked is a fault at the next write. */
    shared_jobs *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    good = good && shared != MAP_FAILED;
    for (unsigned long i = 0; i < rounds && good; i++) {
        good = measure_two(shared);
    }
    if (!good) {
        (void)fprintf(stderr, "leak-capture: a stack was not %d deep, or a thread or process could not be had\n",
                      FRAMES);
    }
    return good ? 0 : 1;
}
