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

static int parse_word(const command_line *line, const char *word, thresholds *out, bool named[METRIC_COUNT]) {
    const char *equals = strchr(word, '=');
    const char *number = equals == NULL ? word : equals + 1;
    const size_t length = strlen(word) - strlen(number);
    const metric which = equals == NULL ? METRIC_TIME : metric_find(word, length - 1);
    if (which == METRIC_COUNT) {
        return usage_error(line, "--threshold: no metric \"%.*s\"; it must be one of %s", (int)length - 1, word,
                           metric_names());
    }
    if (named[which]) {
        return usage_error(line, "--threshold: %s has two of them; give each metric one, as in time=5,memory=10",
                           metric_name(which));
    }
    named[which] = true;
    if (strcmp(number, "off") == 0) {
        out->percent[which] = nan("");
        return ARGUMENTS_PROCEED;
    }
    if (!read_percent(number, strlen(number), &out->percent[which])) {
        return usage_error(line, "--threshold: \"%s\" is not a number from 0 to %d, or off", number, PERCENT_MOST);
    }
    return ARGUMENTS_PROCEED;
}

int thresholds_parse(const command_line *line, const text_list *words, thresholds *out) {
    int status = ARGUMENTS_PROCEED;
    bool named[METRIC_COUNT] = {false};
    for (size_t i = 0; i < words->count && status == ARGUMENTS_PROCEED; i++) {
        status = parse_word(line, words->items[i], out, named);
    }
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (status != ARGUMENTS_PROCEED || isfinite(out->percent[i])) {
            return status;
        }
    }
    return usage_error(line,
                       "--threshold: nothing is left to be judged; name what is, as in time=off,instructions=0.5");
}
