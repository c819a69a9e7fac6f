/* What a gate permits, a metric each: `5` is time alone, `time=5,latency-p99=20` more, `time=off,instructions=0.5` not time. */
#ifndef CLI_THRESHOLDS_H
#define CLI_THRESHOLDS_H

#include <stdbool.h>

#include "arguments.h"
#include "metrics.h"

/* In percent; NaN for a metric that is not judged. */
typedef struct thresholds {
    double percent[METRIC_COUNT];
} thresholds;

/* thresholds_init() judges time alone, by so many percent. */
void thresholds_init(thresholds *self, double time_percent);

/* thresholds_parse() reads all that --threshold was given, however often. Time keeps its default unless it
 * is named.
 *   returns  ARGUMENTS_PROCEED; EXIT_USAGE after one line, also for a metric that is named twice, and where none is left. */
int thresholds_parse(const command_line *line, const text_list *words, thresholds *out);

#endif
