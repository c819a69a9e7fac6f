/* What leak detection may cost, and what the judge makes of measured series (series.h). Pure, but for printing. */
#ifndef POOLBUF_BENCH_LEAK_COST_ROWS_H
#define POOLBUF_BENCH_LEAK_COST_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    SERIES_MAX = 64,
    SERIES_ROUNDS_MAX = 1024,
    SERIES_TEXT_SIZE = 160
};

typedef struct rows_series {
    char name[SERIES_TEXT_SIZE];
    double values[SERIES_ROUNDS_MAX];
    size_t count;
    char missing[SERIES_TEXT_SIZE]; /* why it has no values; "": nobody said */
} rows_series;

typedef struct rows_samples {
    rows_series series[SERIES_MAX];
    size_t count;
} rows_samples;

/* rows_read() adds the lines of a file: `SERIES VALUE`, or `SERIES - WHY` for one that could not be measured.
 *   returns  false at a line that is neither, or when a bound above is passed; its number is then in *line. */
bool rows_read(FILE *from, rows_samples *into, unsigned *line);

typedef enum rows_verdict {
    ROWS_MET,
    ROWS_NOT_MET,       /* the whole interval lies beyond the bound */
    ROWS_NOT_SEPARATED, /* the bound lies in the interval, or below it by less than the run can tell */
    ROWS_NOT_MEASURED,
    ROWS_INFORMS /* a figure without a bound */
} rows_verdict;

/* A row's figure is computed for each round; what is judged is the median of the rounds with its 95 % interval
 * (stats_median_interval()). */
typedef struct rows_judgement {
    const char *name;
    char must[SERIES_TEXT_SIZE];
    double value, low, high;
    const char *unit;
    rows_verdict verdict;
    char detail[2 * SERIES_TEXT_SIZE]; /* medians of the series, or why nothing was measured */
} rows_judgement;

/* rows_judge() judges the row of that rank.
 *   returns  false past the last one. */
bool rows_judge(size_t rank, const rows_samples *samples, rows_judgement *into);

/* rows_print() prints the table; returns how many rows with a bound are not met. */
unsigned rows_print(const rows_samples *samples, FILE *out);

#endif
