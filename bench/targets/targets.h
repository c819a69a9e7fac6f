/* The promises that this project makes about its speed and memory, and whether results keep them.
 *
 * A target is a row of a table: a figure, a bound, and the side of the bound that is right. Figures come from results of
 * `poolbuf run`, one for each size where a row speaks of sizes, so that no size hides behind another; each ratio is of
 * samples of one run, paired by round. ci/targets.sh measures what the rows need and shows them; what a row needs stands
 * in the table of targets.c alone.
 *
 * A verdict is about the whole interval, not about the estimate:
 *   met            it lies on the right side. Of a row that asks for "not slower", also one that holds 1 and ends less than
 *                  TARGETS_MARGIN below it: equal, as far as such a run can tell.
 *   missed         it lies on the wrong side.
 *   not separated  it holds the bound: more rounds may tell.
 *   not measured   a subject or a scenario is missing, or has failed.
 * A row is as good as its worst figure, and all rows together are kept only if each is met. */
#ifndef POOLBUF_BENCH_TARGETS_H
#define POOLBUF_BENCH_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "reports/model.h"

#define TARGETS_MARGIN 0.05

enum {
    TARGETS_FIGURES_MAX = 64,
    TARGETS_TEXT_SIZE = 160
};

typedef enum targets_kind {
    TARGETS_FASTER,     /* the best malloc's time over the subject's */
    TARGETS_TIME,       /* nanoseconds a buffer, as measured, with the harness's own in it */
    TARGETS_RESIDENT,   /* bytes that the process grew by, over the most bytes that were live */
    TARGETS_ALONE,      /* each thread's time over that of a thread alone, in the other scenario */
    TARGETS_THROUGHPUT, /* of all threads together, over that of the other scenario's */
    TARGETS_GIVEN       /* percent, measured by something else than `poolbuf run` */
} targets_kind;

typedef struct targets_row {
    const char *name; /* what picks it */
    const char *about;
    const char *bound_text;
    targets_kind kind;
    const char *subject;
    const char *scenario; /* its name, or the name that stands before "-SIZE"; NULL for TARGETS_GIVEN */
    const char *other;    /* ALONE and THROUGHPUT: the scenario to compare with, in the same run; else NULL */
    double bound;
    bool at_least; /* right is at the bound and above; else at the bound and below */
    double margin; /* how far below 1 an interval that holds it may end; 0 for none */
} targets_row;

typedef enum targets_verdict { /* from good to bad */
    TARGETS_MET,
    TARGETS_NOT_SEPARATED,
    TARGETS_NOT_MEASURED,
    TARGETS_MISSED
} targets_verdict;

typedef struct targets_figure {
    unsigned long size;      /* bytes; 0 where the row has no sizes */
    double value, low, high; /* NaN where not known */
    targets_verdict verdict;
    char detail[TARGETS_TEXT_SIZE]; /* the times behind it, or why there is no figure */
} targets_figure;

typedef struct targets_judgement {
    const targets_row *row;
    targets_verdict verdict; /* of the worst figure */
    size_t figure_count;
    size_t worst;
    targets_figure figures[TARGETS_FIGURES_MAX]; /* by size; at least one */
} targets_judgement;

/* targets_row_at() and targets_row_find() look into the table.
 *   returns  a static row; NULL past the end, or for a name that no row has. */
const targets_row *targets_row_at(size_t index);
const targets_row *targets_row_find(const char *name);

/* targets_row_subjects() writes the names of the subjects that a row needs, parted by commas; "" for TARGETS_GIVEN. */
void targets_row_subjects(const targets_row *row, char *text, size_t size);

/* targets_judge() judges a row by the results of one run. */
void targets_judge(const targets_row *row, const results_model *model, targets_judgement *out);

/* targets_judge_given() judges a row of TARGETS_GIVEN, or says why any row has no results.
 *   value   exact, in percent; NaN if it was not measured.
 *   detail  what it is made of, or why it was not measured; may be NULL. */
void targets_judge_given(const targets_row *row, double value, const char *detail, targets_judgement *out);

/* targets_print() prints a table of judgements, and a sentence that sums them up.
 *   returns  whether every one is met. */
bool targets_print(const targets_judgement *judgements, size_t count, FILE *to, bool colour);

#endif
