/* The promises of the leak detector's cost, and their judge. */
#include "leak_cost/rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/stats.h"

/* What jemalloc with libunwind adds, seeing each allocation: from 26 to 921 ns a step of the same churn, on the kind of machine
 * that this project was planned on. Debian's jemalloc walks stacks with libgcc, which takes seven times as long, and would
 * be too easy a mark; so this one is a figure on record, and nothing that was measured beside ours. */
#define JEMALLOC_RECORDED_NS (921.0 - 26.0)

typedef enum figure_kind {
    FIGURE_VALUE,   /* a */
    FIGURE_PERCENT, /* how much more a is than b */
    FIGURE_ADDED,   /* a - b */
    FIGURE_SHARE,   /* (a - b) / (c - d) */
    FIGURE_TWICE,   /* how many times what one does two do: 2 a/b */
    FIGURE_SCALE    /* the same, beside a control's, which stands for 2 */
} figure_kind;

typedef struct row {
    const char *name;
    figure_kind kind;
    const char *series[4]; /* a to d */
    double bound;          /* NO_BOUND: none */
    bool at_least;
    const char *unit;
    double factor; /* of the figure; 0 is 1 */
    const char *about;
} row;

#define NO_VALUE ((double)NAN)
#define NO_BOUND NO_VALUE

static const row ROWS[] = {
    {"disabled, churn",
     FIGURE_PERCENT,
     {"instructions.churn.disabled", "instructions.churn.without"},
     1,
     false,
     "%",
     0,
     "instructions, over a build without leakdetect"},
    {"disabled, allocate and release",
     FIGURE_PERCENT,
     {"instructions.pair.disabled", "instructions.pair.without"},
     1,
     false,
     "%",
     0,
     "instructions, over a build without leakdetect"},
    {"simple 1/128, recorded redis",
     FIGURE_PERCENT,
     {"redis.filled.simple", "redis.filled.disabled"},
     5,
     false,
     "%",
     0,
     "slower"},
    {"simple 1/128, recorded nginx",
     FIGURE_PERCENT,
     {"nginx.filled.simple", "nginx.filled.disabled"},
     5,
     false,
     "%",
     0,
     "slower"},
    {"redis, two bytes of each buffer touched",
     FIGURE_PERCENT,
     {"redis.touched.simple", "redis.touched.disabled"},
     NO_BOUND,
     false,
     "%",
     0,
     "slower"},
    {"nginx, the same",
     FIGURE_PERCENT,
     {"nginx.touched.simple", "nginx.touched.disabled"},
     NO_BOUND,
     false,
     "%",
     0,
     "slower"},
    {"simple 1/128, allocate and release",
     FIGURE_PERCENT,
     {"pairs.default.simple", "pairs.default.disabled"},
     20,
     false,
     "%",
     0,
     "slower"},
    {"the same, libunwind",
     FIGURE_PERCENT,
     {"pairs.libunwind.simple", "pairs.libunwind.disabled"},
     NO_BOUND,
     false,
     "%",
     0,
     "slower"},
    {"the same, frame pointers", FIGURE_PERCENT, {"pairs.fp.simple", "pairs.fp.disabled"}, 8, false, "%", 0, "slower"},
    {"paranoid, 20 frames, of heaptrack's",
     FIGURE_SHARE,
     {"churn.paranoid", "churn.disabled", "churn.heaptrack", "churn.malloc"},
     1.0 / 3,
     false,
     "x",
     0,
     "added"},
    {"paranoid, of jemalloc's 895 ns on record",
     FIGURE_ADDED,
     {"churn.paranoid", "churn.disabled"},
     0.25,
     false,
     "x",
     1 / JEMALLOC_RECORDED_NS,
     "added"},
    {"paranoid, of Debian's jemalloc's",
     FIGURE_SHARE,
     {"churn.paranoid", "churn.disabled", "churn.jemalloc_prof", "churn.jemalloc"},
     NO_BOUND,
     false,
     "x",
     0,
     "added"},
    {"paranoid adds", FIGURE_ADDED, {"churn.paranoid", "churn.disabled"}, NO_BOUND, false, " ns", 0, "a step"},
    {"paranoid without quarantine adds",
     FIGURE_ADDED,
     {"churn.unguarded", "churn.disabled"},
     NO_BOUND,
     false,
     " ns",
     0,
     "a step"},
    {"paranoid by libunwind adds",
     FIGURE_ADDED,
     {"churn.libunwind", "churn.disabled"},
     NO_BOUND,
     false,
     " ns",
     0,
     "a step"},
    {"two threads at once, of heaptrack's",
     FIGURE_SHARE,
     {"crowd.paranoid", "crowd.disabled", "crowd.heaptrack", "crowd.malloc"},
     NO_BOUND,
     false,
     "x",
     0,
     "added"},
    {"two threads at once, paranoid adds",
     FIGURE_ADDED,
     {"crowd.paranoid", "crowd.disabled"},
     NO_BOUND,
     false,
     " ns",
     0,
     "a step of each"},
    {"a capture, 20 frames, warm", FIGURE_VALUE, {"capture.warm"}, 200, false, " ns", 0, ""},
    {"two threads capture",
     FIGURE_SCALE,
     {"capture.one", "capture.two", "control.one", "control.two"},
     1.9,
     true,
     "x",
     0,
     "what one does"},
    {"the same by the clock alone",
     FIGURE_TWICE,
     {"capture.one", "capture.two"},
     NO_BOUND,
     true,
     "x",
     0,
     "what one does"},
    {"two processes, by the clock",
     FIGURE_TWICE,
     {"control.one", "control.two"},
     NO_BOUND,
     true,
     "x",
     0,
     "what one does"},
    {"a thread's first capture", FIGURE_VALUE, {"capture.first_us"}, 20, false, " us", 0, ""},
    {"memory that it touches", FIGURE_VALUE, {"capture.first_touched_kib"}, 32, false, " KiB", 0, ""},
    {"memory that it maps", FIGURE_VALUE, {"capture.first_mapped_kib"}, 32, false, " KiB", 0, ""},
    {"a capture by libunwind, warm", FIGURE_VALUE, {"capture.libunwind.warm"}, NO_BOUND, false, " ns", 0, ""},
    {"a thread's ninth, with libunwind's cache",
     FIGURE_VALUE,
     {"capture.libunwind.ninth_us"},
     NO_BOUND,
     false,
     " us",
     0,
     ""},
    {"memory that it touches", FIGURE_VALUE, {"capture.libunwind.ninth_touched_kib"}, NO_BOUND, false, " KiB", 0, ""},
    {"C++ exceptions, with the library", FIGURE_PERCENT, {"throw.with", "throw.without"}, 3, false, "%", 0, "slower"},
    {"unwinding is libgcc's", FIGURE_VALUE, {"throw.with.libgcc"}, 1, true, "", 0, "(1: yes)"},
    {"memory a tracked buffer, resident", FIGURE_VALUE, {"memory.resident"}, 200, false, " B", 0, ""},
    {"the same, mapped", FIGURE_VALUE, {"memory.mapped"}, NO_BOUND, false, " B", 0, ""},
    {"stacks kept, of one site", FIGURE_VALUE, {"memory.stacks"}, 1, false, "", 0, ""},
};

static const unsigned OPERANDS[] = {[FIGURE_VALUE] = 1, [FIGURE_PERCENT] = 2, [FIGURE_ADDED] = 2,
                                    [FIGURE_SHARE] = 4, [FIGURE_TWICE] = 2,   [FIGURE_SCALE] = 4};

/* --- series -------------------------------------------------------------------------------------------------------- */

static rows_series *find_series(rows_samples *samples, const char *name) {
    for (size_t i = 0; i < samples->count; i++) {
        if (strcmp(samples->series[i].name, name) == 0) {
            return &samples->series[i];
        }
    }
    if (samples->count == SERIES_MAX) {
        return NULL;
    }
    rows_series *added = &samples->series[samples->count++];
    memset(added, 0, sizeof *added);
    (void)snprintf(added->name, sizeof added->name, "%.*s", SERIES_TEXT_SIZE - 1, name);
    return added;
}

static bool read_line(char *text, rows_samples *into) {
    text[strcspn(text, "\n")] = '\0';
    char *space = strchr(text, ' ');
    if (space == NULL || space == text || space - text >= SERIES_TEXT_SIZE) {
        return false;
    }
    *space = '\0';
    rows_series *series = find_series(into, text);
    const char *value = space + 1;
    if (series == NULL) {
        return false;
    }
    if (strncmp(value, "- ", 2) == 0) {
        (void)snprintf(series->missing, sizeof series->missing, "%.*s", SERIES_TEXT_SIZE - 1, value + 2);
        return true;
    }
    char *end = NULL;
    errno = 0;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || errno != 0 || !isfinite(number) || series->count == SERIES_ROUNDS_MAX) {
        return false;
    }
    series->values[series->count++] = number;
    return true;
}

bool rows_read(FILE *from, rows_samples *into, unsigned *line) {
    char text[2 * SERIES_TEXT_SIZE];
    for (*line = 1; fgets(text, sizeof text, from) != NULL; ++*line) {
        if (strchr(text, '\n') == NULL || !read_line(text, into)) {
            return false;
        }
    }
    return ferror(from) == 0;
}

/* --- judging ------------------------------------------------------------------------------------------------------- */

static double figure_of(figure_kind kind, const double *x) {
    switch (kind) {
    case FIGURE_VALUE:
        return x[0];
    case FIGURE_PERCENT:
        return 100 * (x[0] / x[1] - 1);
    case FIGURE_ADDED:
        return x[0] - x[1];
    case FIGURE_SHARE:
        return (x[0] - x[1]) / (x[2] - x[3]);
    case FIGURE_TWICE:
        return 2 * (x[0] / x[1]);
    case FIGURE_SCALE:
        return 2 * (x[0] / x[1]) / (x[2] / x[3]);
    }
    return NO_VALUE;
}

static double median_of(const rows_series *series) {
    static double sorted[SERIES_ROUNDS_MAX];
    memcpy(sorted, series->values, series->count * sizeof sorted[0]);
    stats_sort(sorted, series->count);
    return stats_quantile(sorted, series->count, 0.5);
}

static rows_verdict verdict_of(const row *of, const rows_judgement *judged) {
    if (isnan(of->bound)) {
        return ROWS_INFORMS;
    }
    if (of->at_least ? judged->low >= of->bound : judged->high <= of->bound) {
        return ROWS_MET;
    }
    return (of->at_least ? judged->high < of->bound : judged->low > of->bound) ? ROWS_NOT_MET : ROWS_NOT_SEPARATED;
}

typedef struct operands {
    const rows_series *of[4];
    unsigned count;
    size_t rounds; /* that all of them have */
} operands;

static const rows_series *find_measured(const rows_samples *samples, const char *name, rows_judgement *into) {
    (void)snprintf(into->detail, sizeof into->detail, "not measured: %s", name);
    for (size_t i = 0; i < samples->count; i++) {
        const rows_series *series = &samples->series[i];
        if (strcmp(series->name, name) == 0 && series->count > 0) {
            return series;
        }
        if (strcmp(series->name, name) == 0) {
            (void)snprintf(into->detail, sizeof into->detail, "not measured: %s", series->missing);
        }
    }
    return NULL;
}

/* False, with the reason as the judgement's detail, if one of them was not measured. */
static bool find_operands(const row *of, const rows_samples *samples, operands *found, rows_judgement *into) {
    *found = (operands){.rounds = SERIES_ROUNDS_MAX};
    for (unsigned i = 0; i < OPERANDS[of->kind]; i++) {
        const rows_series *series = find_measured(samples, of->series[i], into);
        if (series == NULL) {
            return false;
        }
        found->of[found->count++] = series;
        found->rounds = series->count < found->rounds ? series->count : found->rounds;
    }
    return true;
}

/* The medians, where there are several. */
static void describe(const operands *found, rows_judgement *into) {
    static const char *const BEFORE[] = {"", ", ", "; ", ", "};
    size_t used = 0;
    into->detail[0] = '\0';
    for (unsigned i = 0; found->count > 1 && i < found->count && used < sizeof into->detail; i++) {
        int more =
            snprintf(into->detail + used, sizeof into->detail - used, "%s%.5g", BEFORE[i], median_of(found->of[i]));
        used += more > 0 ? (size_t)more : 0;
    }
}

static void compute(const row *of, const operands *found, rows_judgement *into) {
    static double figures[SERIES_ROUNDS_MAX];
    for (size_t round = 0; round < found->rounds; round++) {
        double x[4] = {0};
        for (unsigned i = 0; i < found->count; i++) {
            x[i] = found->of[i]->values[round];
        }
        figures[round] = figure_of(of->kind, x) * (of->factor != 0 ? of->factor : 1);
    }
    stats_sort(figures, found->rounds);
    into->value = stats_quantile(figures, found->rounds, 0.5);
    stats_median_interval(figures, found->rounds, &into->low, &into->high);
}

bool rows_judge(size_t rank, const rows_samples *samples, rows_judgement *into) {
    operands found;
    if (rank >= sizeof ROWS / sizeof ROWS[0]) {
        return false;
    }
    const row *of = &ROWS[rank];
    *into = (rows_judgement){.name = of->name, .unit = of->unit, .value = NO_VALUE, .low = NO_VALUE, .high = NO_VALUE};
    if (!isnan(of->bound)) {
        (void)snprintf(into->must, sizeof into->must, "at %s %.4g%s%s%s", of->at_least ? "least" : "most", of->bound,
                       of->unit, of->about[0] != '\0' ? " " : "", of->about);
    }
    into->verdict = ROWS_NOT_MEASURED;
    if (find_operands(of, samples, &found, into)) {
        compute(of, &found, into);
        into->verdict = verdict_of(of, into);
        describe(&found, into);
    }
    return true;
}

unsigned rows_print(const rows_samples *samples, FILE *out) {
    static const char *const VERDICTS[] = {[ROWS_MET] = "met",
                                           [ROWS_NOT_MET] = "NOT MET",
                                           [ROWS_NOT_SEPARATED] = "NOT SEPARATED",
                                           [ROWS_NOT_MEASURED] = "NOT MEASURED",
                                           [ROWS_INFORMS] = ""};
    rows_judgement judged;
    unsigned failed = 0;
    (void)fprintf(out, "%-41s %-55s %-29s %-13s %s\n", "what", "must be", "measured, its 95 % interval", "",
                  "medians of the series");
    for (size_t i = 0; rows_judge(i, samples, &judged); i++) {
        bool has_bound = judged.must[0] != '\0';
        failed += has_bound && judged.verdict != ROWS_MET;
        char measured[SERIES_TEXT_SIZE] = "-";
        if (judged.verdict != ROWS_NOT_MEASURED) {
            (void)snprintf(measured, sizeof measured, "%.3g%s [%.3g, %.3g]", judged.value, judged.unit, judged.low,
                           judged.high);
        }
        (void)fprintf(out, "%-41s %-55s %-29s %-13s %s\n", judged.name, has_bound ? judged.must : "-", measured,
                      VERDICTS[judged.verdict], judged.detail);
    }
    return failed;
}
