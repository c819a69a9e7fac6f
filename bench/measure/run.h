/* A run: every scenario on every subject, in rounds, each in a fresh process; from a plan to a results model.
 *
 *   for each scenario       its stream is generated once, and handed to all workers as the same bytes (stream_image.h)
 *   for each round          all scenarios
 *     for each scenario     all subjects, in the order of a balanced design (schedule.h)
 *       for each subject    a worker process (worker.h), whose live counts are held against the stream's
 *   for each pass asked for all scenarios on all subjects once more, each in a process of its own (worker_pass.h), or
 *                           in several that take turns (passes.h)
 *   then                    medians, and the ratio to the baseline, paired by round (stats.h)
 *
 * A subject that fails in one round is not started again in that scenario: its result is failed, with the reason, and the
 * others go on. One that is not made for a scenario, as a pool without buffers of its sizes, is unsupported there,
 * which is no failure. Another library than the subject's, on the other hand, ends the run: whatever set it in place
 * may have touched the others too. */
#ifndef POOLBUF_BENCH_RUN_H
#define POOLBUF_BENCH_RUN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/worker.h"
#include "reports/model.h"
#include "scenario/scenario.h"
#include "subjects/subject.h"

enum {
    MEASURE_ROUNDS_MAX = 1000,
    MEASURE_SUBJECTS_MAX = 64
};

/* What a timed part lasts, in seconds, and the rounds: defaults of a full and of a quick run. Processes differ from each
 * other more than the parts of one do, so time goes into rounds: 16 of them let each of eight subjects follow each other
 * one twice, and make intervals 42 % narrower than 7 do. */
#define MEASURE_SECONDS       0.15
#define MEASURE_SECONDS_QUICK 0.03
#define MEASURE_ROUNDS        16u
#define MEASURE_ROUNDS_QUICK  3u

/* One pass of measure_plan.passes. */
#define MEASURE_PASS(pass) (1u << (unsigned)(pass))

/* The longest that a play at a fixed rate may take, and how long memory is watched after all was released. */
#define MEASURE_RATE_SECONDS_MAX 60.0
#define MEASURE_IDLE_SECONDS     10.0

/* Where a run is; handed to plan.progress before each scenario's operations are generated, and before each worker. */
typedef struct measure_step {
    const char *scenario;
    const char *subject;    /* NULL: its operations are generated; round and rounds are then of the scenarios */
    const char *pass;       /* worker_pass_name()'s word; NULL: time, in rounds */
    uint32_t round, rounds; /* from 1; of a pass, its processes */
    size_t done, total;     /* workers of the whole run; the total falls where some are not needed */
    double seconds;         /* since the first worker, or while operations are generated since the run began */
} measure_step;

/* How much a subject can be slowed down by. */
#define MEASURE_SPIN_PERCENT_MAX 1000u
#define MEASURE_STALL_NS_MAX     UINT64_C(1000000000)

/* How a subject takes part other than as itself. Zero-initialised is as itself. */
typedef struct measure_part {
    const char *plays;     /* the name that a worker knows it by, when it runs under another; NULL: its name */
    const char *program;   /* that plays it, such as another build; NULL: the plan's */
    unsigned spin_percent; /* of each play's time is wasted after it: a slowdown of a known size */
    uint32_t stall_every;  /* in so many operations one stalls: a tail of a known size; 0 for none */
    uint64_t stall_ns;     /* so long */
} measure_part;

typedef struct measure_plan {
    const char *suite; /* NULL when scenarios were named one by one */
    scenario *const *scenarios;
    size_t scenario_count;
    const subject *const *subjects;
    size_t subject_count;       /* at most MEASURE_SUBJECTS_MAX; each subject once */
    const char *const *command; /* the command line, for the record */
    size_t command_count;
    uint32_t rounds; /* 1 to MEASURE_ROUNDS_MAX */
    bool early_end;  /* end a scenario before its rounds are over when its answers are clear (stats/design.h) */
    uint64_t seed;
    bool quick;          /* shorter streams */
    double seconds;      /* of a timed part; above 0 */
    unsigned passes;     /* MEASURE_PASS() of each that is to be played after the rounds, as often as passes.h says */
    double rate;         /* operations a second, of all threads together, for WORKER_LATENCY_AT_RATE */
    double idle_seconds; /* for WORKER_MEMORY: after all was released */
    unsigned timeout_ms; /* of a worker */
    const char *program; /* that has the worker in it, and beside it those that subjects name; NULL: this one */
    const measure_part *parts;                              /* one a subject; NULL: each as itself */
    void (*progress)(const measure_step *step, void *user); /* NULL for silence */
    void *progress_user;
    /* Set by a signal handler: the run ends soon, its worker is killed, and the model is marked partial. May be NULL. */
    const volatile sig_atomic_t *stop;
    /* How a worker is run; NULL: as a process. Tests put another one here. Returns false with a message when there was no
     * report; a report is released by the run. */
    bool (*launch)(const struct measure_plan *plan, const worker_job *job, worker_report *report, char *message,
                   size_t message_size);
    void *launch_user;
} measure_plan;

typedef enum measure_outcome {
    MEASURE_OK,        /* every result is fine, or its subject is not available here */
    MEASURE_FAILED,    /* at least one result is failed: the model says which and why */
    MEASURE_REFUSED,   /* a subject was served by another library, or nothing could be measured: no model */
    MEASURE_BAD_INPUT, /* a scenario cannot be turned into operations: no model */
    MEASURE_NO_MEMORY, /* no model */
} measure_outcome;

/* measure_run() carries out a plan.
 *   model    set for OK and FAILED; release it with results_model_destroy().
 *   message  gets one line otherwise.
 *   threads  one run at a time. */
measure_outcome measure_run(const measure_plan *plan, results_model **model, char *message, size_t message_size);

#endif
