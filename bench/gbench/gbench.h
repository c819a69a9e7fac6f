/* gbench: Google Benchmark from C.
 *
 * A suite is a list of benchmarks. Each is a C function with the caller's own data behind it, which runs what it measures
 * inside the state loop; the suite runs them all and hands every result to C callbacks:
 *
 *     static void measure(gbench_state *state, void *user) {
 *         while (gbench_keep_running(state)) {
 *             work(user);
 *         }
 *     }
 *     gbench_definition definition;
 *     gbench_definition_init(&definition, "work", measure, &my_data);
 *     gbench_suite_add(suite, &definition);
 *     gbench_suite_run(suite, &reporter, &my_results);
 *
 * This header owns the translation and nothing else: timing, choice of iterations, threads and aggregation are Google
 * Benchmark's. It prints nothing, reads neither the command line nor BENCHMARK_* variables, and knows no global state that a
 * caller could see. What the library gets wrong is said or mended here: numbers that are not finite never reach a caller
 * (gbench_value.valid says so), and a loop that ends early is an error instead of a wrong time.
 *
 * What it costs, measured on Debian 12's 1.7.1: gbench_keep_running() is a call through a shared boundary, 2 to 3 ns an
 * iteration instead of 0.4 in C++, so short work belongs in a loop of the caller's around gbench_keep_running_batch();
 * gbench_pause() with gbench_resume() cost about 300 ns a pair. */
#ifndef GBENCH_H
#define GBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gbench_status {
    GBENCH_OK = 0,
    GBENCH_ERROR_NO_MEMORY,    /* the system has no memory for this */
    GBENCH_ERROR_BAD_ARGUMENT, /* an argument contradicts its documentation */
    GBENCH_ERROR_BUSY,         /* another suite is running: Google Benchmark has one registry a process */
    GBENCH_ERROR_EMPTY,        /* the suite has no benchmark, so nothing was run */
    GBENCH_ERROR_STOPPED,      /* the reporter's context callback declined, so nothing was run */
    GBENCH_ERROR_LIBRARY,      /* Google Benchmark threw an exception that is not about memory */
    GBENCH_ERROR_BAD_STATE,    /* the call does not fit the state loop's state, such as a pause while paused */
    GBENCH_STATUS_COUNT        /* how many there are; not a status */
} gbench_status;

/* gbench_status_text() names a status for people.
 *   returns  a static string, never NULL; unknown values have a text of their own.
 *   threads  any. */
const char *gbench_status_text(gbench_status status);

typedef struct gbench_suite gbench_suite; /* an ordered list of benchmarks */
typedef struct gbench_state gbench_state; /* one thread's run of one benchmark; lives as long as the function's call */

/* What is measured. Runs once in each of the benchmark's threads, and again for each try that Google Benchmark makes while
 * it looks for an iteration count (never when `iterations` is fixed). Must call gbench_keep_running() or its batch form
 * until it returns false, and must not leave by longjmp. */
typedef void (*gbench_function)(gbench_state *state, void *user);

typedef enum gbench_clock {
    GBENCH_CLOCK_REAL,   /* wall time decides how long to run */
    GBENCH_CLOCK_CPU,    /* the threads' own CPU time decides */
    GBENCH_CLOCK_MANUAL, /* the function says each iteration's time with gbench_set_iteration_time() */
} gbench_clock;

/* One benchmark. Set by gbench_definition_init(), then changed field by field. */
typedef struct gbench_definition {
    size_t struct_size;          /* of the caller's header: set by gbench_definition_init() */
    const char *name;            /* copied */
    gbench_function function;    /* not NULL */
    void *user;                  /* handed to the function; shared by all threads; not owned */
    const int64_t *arguments;    /* copied; what gbench_argument() reads; NULL when there are none */
    size_t argument_count;       /* at most GBENCH_ARGUMENTS_MAX */
    int threads;                 /* 1 to GBENCH_THREADS_MAX; default 1 */
    int repetitions;             /* 1 or more; default 1; from 2 on aggregates follow (mean, median, stddev, cv) */
    double min_time_seconds;     /* how long a repetition lasts at least; default 0.5; ignored when iterations is set */
    int64_t iterations;          /* iterations of each thread in each repetition; 0 (default): as min_time needs */
    gbench_clock clock;          /* default GBENCH_CLOCK_REAL */
    bool report_aggregates_only; /* default false: each repetition is reported too */
} gbench_definition;

enum {
    GBENCH_ARGUMENTS_MAX = 16,
    GBENCH_THREADS_MAX = 1024
};

/* gbench_definition_init() fills a definition with the defaults above.
 *   definition  not NULL; every field is overwritten.
 *   name        not NULL; shown in results, followed by arguments and threads where there are any.
 *   threads     any. */
void gbench_definition_init(gbench_definition *definition, const char *name, gbench_function function, void *user);

/* gbench_suite_create() makes an empty suite.
 *   returns  the suite, to be destroyed by the caller; NULL when out of memory.
 *   threads  any. */
gbench_suite *gbench_suite_create(void);

/* gbench_suite_destroy() frees a suite that is not running. NULL is allowed and does nothing. */
void gbench_suite_destroy(gbench_suite *suite);

/* gbench_suite_add() appends one benchmark; results come in this order.
 *   definition  not NULL; nothing of it is kept but `user`, which must outlive the runs.
 *   errors      BAD_ARGUMENT (a limit above is passed, a name is missing), NO_MEMORY; the suite is then unchanged.
 *   threads     one at a time for a suite. */
gbench_status gbench_suite_add(gbench_suite *suite, const gbench_definition *definition);

/* A number that may be missing. Google Benchmark lets a division by zero through as NaN; here that is valid == false. */
typedef struct gbench_value {
    double value; /* 0 when not valid */
    bool valid;
} gbench_value;

typedef enum gbench_scaling {
    GBENCH_SCALING_UNKNOWN,
    GBENCH_SCALING_ENABLED,
    GBENCH_SCALING_DISABLED
} gbench_scaling;

/* The machine, as Google Benchmark sees it. */
typedef struct gbench_context {
    size_t struct_size;
    const char *host_name;
    int cpu_count;
    double cycles_per_second;    /* the nominal clock; 0 when unknown */
    gbench_scaling scaling;      /* CPU frequency scaling, which makes times wander */
    const double *load_averages; /* 1, 5 and 15 minutes, as many as the system tells */
    size_t load_average_count;
} gbench_context;

typedef struct gbench_counter {
    const char *name;
    gbench_value value; /* as its flags say: already divided by time, threads or iterations */
} gbench_counter;

typedef enum gbench_run_kind {
    GBENCH_RUN_ITERATIONS,
    GBENCH_RUN_AGGREGATE
} gbench_run_kind;

/* One result. Everything it points to lives until the callback returns. */
typedef struct gbench_run {
    size_t struct_size;
    const char *name;        /* the definition's name with arguments, threads and aggregate appended */
    size_t definition_index; /* which gbench_suite_add() call, counted from 0 */
    gbench_run_kind kind;
    const char *aggregate_name; /* "mean", "median", "stddev" or "cv"; "" for GBENCH_RUN_ITERATIONS */
    bool is_ratio;              /* an aggregate without unit ("cv"): the two times below are plain ratios */
    const char *label;          /* "" unless set */
    const char *error;          /* NULL when all went well; otherwise no number here means anything */
    int threads;
    int repetition_index; /* from 0; -1 for an aggregate */
    int repetitions;
    int64_t iterations; /* of all threads together; for an aggregate, how many repetitions it summarises */
    /* Wall time of the whole loop: the mean over the threads, which start and stop together. Google Benchmark's own "Time"
     * is this over the iterations of all threads together, so it shrinks as threads are added; here nothing is divided.
     * Not valid for an aggregate. */
    gbench_value wall_seconds;
    gbench_value cpu_seconds; /* CPU time of the whole loop, all threads together; not valid for an aggregate */
    /* Wall and CPU time of one iteration on its thread: wall_seconds x threads / iterations, cpu_seconds / iterations. For
     * an aggregate, that statistic of them. Mind that the library's deviation loses its digits when values are large and
     * nearly constant; bench/stats computes its own. */
    gbench_value wall_ns_per_iteration;
    gbench_value cpu_ns_per_iteration;
    const gbench_counter *counters; /* by name */
    size_t counter_count;
} gbench_run;

/* Who receives results. All callbacks run in the thread that called gbench_suite_run(), outside every measured time; each
 * may be NULL. */
typedef struct gbench_reporter {
    size_t struct_size;                                         /* sizeof(gbench_reporter), set by the caller */
    bool (*context)(const gbench_context *context, void *user); /* first; false = run nothing */
    void (*run)(const gbench_run *run, void *user);             /* each repetition, then each aggregate */
    void (*finalize)(void *user);                               /* last, once, if context did not decline */
} gbench_reporter;

/* gbench_suite_run() runs every benchmark of a suite, in order, and reports as it goes.
 *   suite     not NULL; may be run any number of times.
 *   reporter  not NULL; its struct_size is set.
 *   user      handed to the reporter's callbacks.
 *   errors    EMPTY, STOPPED, BUSY, NO_MEMORY, LIBRARY, BAD_ARGUMENT. A benchmark that skips itself with an error is no
 *             error of the run: its result says so.
 *   threads   any, one run at a time in a process (BUSY otherwise). */
gbench_status gbench_suite_run(gbench_suite *suite, const gbench_reporter *reporter, void *user);

/* ---- Inside a benchmark's function. Each of these belongs to the thread whose state it is. ---- */

/* gbench_keep_running() says whether to run another iteration; the clock starts at the first call and stops at the last.
 *   returns  true: run one iteration, then ask again. False: return from the function; stays false.
 *   cost     2 to 3 ns. A paused clock is resumed. With threads, the first and the last call wait for all of them. */
bool gbench_keep_running(gbench_state *state);

/* gbench_keep_running_batch() is the same for `count` iterations at once; the last batch may pass the wanted number, and
 * what was really run is what counts. `count` is 1 or more. */
bool gbench_keep_running_batch(gbench_state *state, int64_t count);

/* gbench_iterations_wanted() is how many iterations this thread is asked for; known before the loop. */
int64_t gbench_iterations_wanted(const gbench_state *state);

/* gbench_iterations_done() is how many iterations this thread has been given so far; 0 before the loop. */
int64_t gbench_iterations_done(const gbench_state *state);

/* gbench_argument() reads the definition's argument `index`; 0 when there is no such argument. */
int64_t gbench_argument(const gbench_state *state, size_t index);
int gbench_thread_index(const gbench_state *state); /* from 0 to gbench_thread_count() - 1 */
int gbench_thread_count(const gbench_state *state);

/* gbench_pause() stops this thread's clock, gbench_resume() starts it again. Both only inside the loop.
 *   errors   BAD_STATE: not in the loop, or already (not) paused; nothing has changed.
 *   cost     about 300 ns a pair, part of which is measured: pause around milliseconds, not around single calls. */
gbench_status gbench_pause(gbench_state *state);
gbench_status gbench_resume(gbench_state *state);

/* gbench_set_iteration_time() says how long this iteration took, once an iteration, for GBENCH_CLOCK_MANUAL.
 *   seconds  finite and not negative, or BAD_ARGUMENT. */
gbench_status gbench_set_iteration_time(gbench_state *state, double seconds);

/* gbench_skip_with_error() reports this benchmark as failed; its loop then ends. The first message of all threads wins.
 *   message  not NULL; copied. */
void gbench_skip_with_error(gbench_state *state, const char *message);

/* What becomes of a counter's value before it is reported. Values of all threads are added first. Flags combine. */
enum {
    GBENCH_COUNTER_PLAIN = 0,
    GBENCH_COUNTER_RATE = 1,               /* divided by the wall time in seconds (with CLOCK_CPU: the CPU time) */
    GBENCH_COUNTER_AVERAGE_THREADS = 2,    /* divided by the number of threads */
    GBENCH_COUNTER_AVERAGE_ITERATIONS = 4, /* divided by the number of iterations of all threads */
    GBENCH_COUNTER_PER_ITERATION = 8,      /* multiplied by that number */
    GBENCH_COUNTER_INVERT = 16,            /* one over it, last */
};

/* gbench_set_counter() sets a counter of this thread's share of the result; call it after the loop.
 *   name    not NULL; copied.
 *   errors  BAD_ARGUMENT (an unknown flag), NO_MEMORY. */
gbench_status gbench_set_counter(gbench_state *state, const char *name, double value, unsigned flags);

/* gbench_set_label() adds a word to the result; call it after the loop, in one thread. */
void gbench_set_label(gbench_state *state, const char *label);

#ifdef __cplusplus
}
#endif

#endif
