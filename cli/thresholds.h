/* What a gate permits, a metric each: `5` is time alone, `time=5,memory=10` more. */
#ifndef CLI_THRESHOLDS_H
#define CLI_THRESHOLDS_H

#include <stdbool.h>

#include "arguments.h"
#include "reports/model.h"

typedef enum metric {
    METRIC_TIME,   /* ns an operation */
    METRIC_MEMORY, /* peak resident bytes */
    METRIC_GROWTH, /* resident bytes that came during the run */
    METRIC_FAULTS, /* minor page faults of one play */
    METRIC_COUNT
} metric;

/* In percent; NaN for a metric that is not judged. */
typedef struct thresholds {
    double percent[METRIC_COUNT];
} thresholds;

/* thresholds_parse() reads the words of --threshold. Time keeps its default unless it is named.
 *   returns  ARGUMENTS_PROCEED, or EXIT_USAGE after one line. */
int thresholds_parse(const command_line *line, const char *text, thresholds *out);

const char *metric_name(metric which);
/* NaN where a sample does not know it. */
double metric_of(metric which, const results_sample *sample);

#endif
