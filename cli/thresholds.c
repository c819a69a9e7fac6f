/* Percentages by metric. */
#include "thresholds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exit_codes.h"

#define PERCENT_MOST 100000

void thresholds_init(thresholds *self, double time_percent) {
    for (int i = 0; i < METRIC_COUNT; i++) {
        self->percent[i] = nan("");
    }
    self->percent[METRIC_TIME] = time_percent;
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

int thresholds_parse(const command_line *line, const char *text, thresholds *out) {
    do {
        const size_t length = strcspn(text, ",");
        const char *equals = memchr(text, '=', length);
        const char *number = equals == NULL ? text : equals + 1;
        const size_t digits = length - (size_t)(number - text);
        const metric which = equals == NULL ? METRIC_TIME : metric_find(text, (size_t)(equals - text));
        if (which == METRIC_COUNT) {
            return usage_error(line, "--threshold: no metric \"%.*s\"; it must be one of %s", (int)(equals - text),
                               text, metric_names());
        }
        if (!read_percent(number, digits, &out->percent[which])) {
            return usage_error(line, "--threshold: \"%.*s\" is not a number from 0 to %d", (int)digits, number,
                               PERCENT_MOST);
        }
        text += length;
    } while (*text++ == ',');
    return ARGUMENTS_PROCEED;
}
