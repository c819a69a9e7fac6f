/* What many runs of one environment measured, by scenario, subject and metric: the model of `poolbuf history`.
 *
 *   history_model
 *    +- series[]: scenario x subject x metric
 *        +- points[]: one a run, oldest first
 *
 * The subcommand fills it, the writers read it; ownership and what unknown means are model.h's. */
#ifndef POOLBUF_REPORTS_HISTORY_H
#define POOLBUF_REPORTS_HISTORY_H

#include "reports/model.h"
#include "reports/units.h"

typedef struct history_point {
    const char *created, *label; /* the run's; created as in its results */
    const char *accepted;        /* why a new level is expected from here on; NULL: it is not */
    model_estimate value;        /* its interval is that of the run's rounds, where it had some */
    double level;                /* the median of the level that it is on; NaN before the last accepted run */
    double step;                 /* this level over the one before, where one begins; else NaN */
    uint64_t run;                /* its number in the database */
} history_point;

typedef enum history_verdict {
    HISTORY_NOT_JUDGED, /* no threshold was asked for, or see `note` */
    HISTORY_TOO_FEW,    /* runs */
    HISTORY_AS_USUAL,
    HISTORY_BETTER,
    HISTORY_WORSE, /* beyond its threshold: what the exit status answers for */
    HISTORY_VERDICT_COUNT
} history_verdict;

/* Why a check must not pass over a series that the newest run lacks. */
typedef enum history_loss {
    HISTORY_NOTHING_LOST,
    HISTORY_LOST_FAILED,  /* its subject failed in the newest run */
    HISTORY_LOST_METRIC,  /* its subject ran, and the metric was not measured */
    HISTORY_LOST_MISSING, /* the newest run lacks the subject, which was there shortly before */
    HISTORY_LOSS_COUNT
} history_loss;

/* A run that is shown. */
typedef struct history_run {
    uint64_t run;  /* its number in the database */
    bool accepted; /* a new level was expected from it on */
} history_run;

/* A result of the newest run without figures. */
typedef struct history_absence {
    const char *scenario, *subject;
    const char *status, *message; /* of results: "failed", "unavailable", "unsupported"; and why, or NULL */
} history_absence;

typedef struct history_series {
    const char *scenario, *subject, *metric;
    compare_unit unit; /* of the values; unknown where they are relative to another subject's */
    history_point **points;
    size_t point_count;
    history_verdict verdict;
    const char *note;           /* why there is none */
    history_loss loss;          /* of a series that is not in the newest run */
    const history_point *since; /* where the level began that is meant; NULL: it is the newest run alone */
    double change;              /* newest run, or its level, over what it is judged by; NaN without */
    model_estimate usual;       /* the level before the newest run, and where it was to be expected */
    double limit_percent;       /* NaN: not judged */
} history_series;

typedef struct history_model {
    const char *database, *host, *build, *relative_to;
    uint64_t run_count; /* that are shown */
    uint64_t newest_run;
    const char *newest, *newest_label, *oldest;
    bool is_check;      /* of the newest run; else only shown */
    bool has_points;    /* the reader wants each run, not only a line for each series */
    uint64_t recent;    /* a level that began in so many last runs is new */
    history_run **runs; /* newest first */
    size_t shown_count; /* of them */
    history_absence **absences;
    size_t absence_count;
    history_series **series;
    size_t series_count;
    const char **remarks;
    size_t remark_count;
    model_arena *arena;
} history_model;

history_model *history_model_create(void);
void history_model_destroy(history_model *model); /* NULL is fine */
history_series *history_model_add_series(history_model *model, const char *scenario, const char *subject,
                                         const char *metric);
history_point *history_series_add_point(history_model *model, history_series *series);
void history_model_add_remark(history_model *model, const char *remark);
size_t history_model_count(const history_model *model, history_verdict verdict);
size_t history_model_losses(const history_model *model);
bool history_was_checked(const history_model *model); /* some series could be judged */

/* "as usual", "too few runs", "better", "worse"; "not judged" else */
const char *history_verdict_name(history_verdict verdict);

/* ---- what the writers for people share ---- */

struct text_table;

/* A run's label, or when it was measured; and a value of the series with its unit. */
const char *history_point_name(const history_point *point);
unit_text history_value(const history_series *series, double value);
/* Its last value; NaN in a check of a newest run that lacks it. */
double history_newest(const history_model *model, const history_series *series);
/* "+5.0 % at v1.2, accepted at v1.4"; "no change of level" */
const char *history_steps(const history_model *model, const history_series *series);

/* "24 runs from 2026-01-01T10:00:00Z to 2026-02-01T10:00:00Z" */
const char *history_facts(const history_model *model);
/* "over those of malloc in the same run: what slows the whole machine drops out"; NULL where times are times */
const char *history_relation(const history_model *model);
/* The one sentence: of a check what was found, else how many levels changed. */
const char *history_answer(const history_model *model);
/* "slower since v1.2", "as usual", or why a series was not judged */
const char *history_outcome(const history_model *model, const history_series *series);
/* A row a series; of a check with its verdict. */
void history_table_init(struct text_table *table, const history_model *model);
/* A row a run, newest last. */
void history_points_init(struct text_table *table, const history_series *series);
/* "churn, pooled, time" */
const char *history_series_title(const history_model *model, const history_series *series);

#endif
