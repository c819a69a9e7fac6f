/* What `poolbuf compare` can judge beside the time of an operation: what each metric is called, which measurement has
 * it, and its numbers in a result.
 *
 *   of rounds    a number a round: memory, growth, faults
 *   of passes    latency: a number a process of the pass, and one of all together; memory-drained, memory-idle and
 *                instructions: one number alone */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "reports/model.h"

typedef enum metric {
    METRIC_TIME,   /* ns an operation */
    METRIC_MEMORY, /* peak resident bytes */
    METRIC_GROWTH, /* resident bytes that came during the run */
    METRIC_FAULTS, /* minor page faults of one play */
    METRIC_LATENCY_P50,
    METRIC_LATENCY_P99,
    METRIC_LATENCY_P99_9,
    METRIC_LATENCY_P99_99,
    METRIC_RATE_P50, /* the same at a fixed rate */
    METRIC_RATE_P99,
    METRIC_RATE_P99_9,
    METRIC_RATE_P99_99,
    METRIC_MEMORY_DRAINED, /* resident bytes when all was released */
    METRIC_MEMORY_IDLE,    /* and after the idle time */
    METRIC_INSTRUCTIONS,   /* an operation, under callgrind */
    METRIC_COUNT
} metric;

/* "latency-p99", and so on: what --threshold calls it. */
const char *metric_name(metric which);

/* metric_names() is all names in one line, ", " between them; static. */
const char *metric_names(void);

/* metric_find() looks a name of `length` bytes up; METRIC_COUNT when there is none. */
metric metric_find(const char *name, size_t length);

compare_unit metric_unit(metric which);

/* "--measure latency": what makes a run measure it; NULL when every run does. */
const char *metric_option(metric which);

/* The passes of a run that measure it (measure_plan.passes); 0 when every run does. */
unsigned metric_passes(metric which);

/* A latency at a fixed rate, which is given; NaN where there is none. */
double metric_rate(metric which, const results_result *result);

/* metric_samples() collects the numbers of rounds or of processes, unknown ones as NaN. The one at `i` is of the same
 * round or process for every subject that ran to the end.
 *   out      set to `*count` numbers to be released with free(); no numbers for a metric that has one alone.
 *   returns  false without memory. */
bool metric_samples(metric which, const results_result *result, double **out, size_t *count);

/* metric_alone() is a pass's one number: of latency that of all processes together. NaN where unknown, and for a metric
 * of rounds. */
double metric_alone(metric which, const results_result *result);

/* metric_estimate() is the median of those numbers and the interval of it; of one number alone (is_alone), that. NaN where
 * unknown. */
model_estimate metric_estimate(metric which, const results_result *result, bool is_alone);

#endif
