/* Percentages by metric. */
#include "thresholds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exit_codes.h"

#define PERCENT_MOST 100000

static const char *const NAMES[] = {"time", "memory", "growth", "faults"};
_Static_assert(sizeof NAMES / sizeof NAMES[0] == METRIC_COUNT, "every metric has a name");

const char *metric_name(metric which) {
    return NAMES[which];
}

static double known(uint64_t count) {
    return count == MODEL_UNKNOWN ? nan("") : (double)count;
}

double metric_of(metric which, const results_sample *sample) {
    switch (which) {
    case METRIC_TIME:
        return sample->time_ns_per_op;
    case METRIC_MEMORY:
        return known(sample->peak_resident_bytes);
    case METRIC_GROWTH:
        return known(sample->resident_growth_bytes);
    case METRIC_FAULTS:
        return known(sample->page_faults_minor);
    case METRIC_COUNT:
        break;
    }
    return nan("");
}

/* Digits, a point and a trailing % are all that is wanted; strtod() takes more. */
static bool read_percent(const char *text, size_t length, double *out) {
    char copy[32];
    if (length == 0 || length >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length - (text[length - 1] == '%' ? 1 : 0)] = '\0';
    if (copy[0] == '\0' || strspn(copy, "0123456789.") != strlen(copy)) {
        return false;
    }
    char *end = NULL;
    *out = strtod(copy, &end);
    return *end == '\0' && *out <= PERCENT_MOST;
}

static int find_metric(const char *text, size_t length) {
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (strlen(NAMES[i]) == length && strncmp(text, NAMES[i], length) == 0) {
            return i;
        }
    }
    return -1;
}

int thresholds_parse(const command_line *line, const char *text, thresholds *out) {
    do {
        const size_t length = strcspn(text, ",");
        const char *equals = memchr(text, '=', length);
        const char *number = equals == NULL ? text : equals + 1;
        const size_t digits = length - (size_t)(number - text);
        const int which = equals == NULL ? METRIC_TIME : find_metric(text, (size_t)(equals - text));
        if (which < 0) {
            return usage_error(line, "--threshold: no metric \"%.*s\"; it must be one of time, memory, growth, faults",
                               (int)(equals - text), text);
        }
        if (!read_percent(number, digits, &out->percent[which])) {
            return usage_error(line, "--threshold: \"%.*s\" is not a number from 0 to %d", (int)digits, number,
                               PERCENT_MOST);
        }
        text += length;
    } while (*text++ == ',');
    return ARGUMENTS_PROCEED;
}
