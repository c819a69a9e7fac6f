/* What is marked, and said, of history_losses.h. */
#include "history_losses.h"

#include <stdio.h>
#include <string.h>

#include "reports/table.h"

enum {
    NAMED_MOST = 4 /* series in a line; the table has all */
};

/* ---- finding ---- */

static bool is_of(const history_series *series, const char *scenario, const char *subject, const char *metric) {
    return (scenario == NULL || strcmp(series->scenario, scenario) == 0) && strcmp(series->subject, subject) == 0 &&
           (metric == NULL || strcmp(series->metric, metric) == 0);
}

bool history_is_in_newest_run(const history_model *model, const char *scenario, const char *subject,
                              const char *metric) {
    for (size_t i = 0; i < model->series_count; i++) {
        const history_series *series = model->series[i];
        if (series->points[series->point_count - 1]->run == model->newest_run &&
            is_of(series, scenario, subject, metric)) {
            return true;
        }
    }
    return false;
}

static const history_absence *find_absence(const history_model *model, const history_series *series) {
    for (size_t i = 0; i < model->absence_count; i++) {
        if (is_of(series, model->absences[i]->scenario, model->absences[i]->subject, NULL)) {
            return model->absences[i];
        }
    }
    return NULL;
}

/* Its last run is one of the recent ones, and none since has been accepted. */
static bool is_recent(const history_model *model, const history_series *series) {
    const uint64_t last = series->points[series->point_count - 1]->run;
    for (size_t i = 0; i < model->shown_count && i <= model->recent; i++) {
        if (model->runs[i]->run == last) {
            return true;
        }
        if (model->runs[i]->accepted) {
            return false;
        }
    }
    return false;
}

static const char *describe(history_model *model, const history_absence *absence) {
    return model_text_format(model->arena, "%s in the newest run%s%s", absence->status,
                             absence->message != NULL ? ": " : "", absence->message != NULL ? absence->message : "");
}

static void find_loss(history_model *model, history_series *series, bool only_common) {
    const history_absence *absence = find_absence(model, series);
    series->note = absence != NULL ? describe(model, absence) : "not in the newest run";
    if (absence != NULL && strcmp(absence->status, result_status_name(RESULT_FAILED)) == 0) {
        series->loss = HISTORY_LOST_FAILED;
    } else if (is_recent(model, series)) {
        if (history_is_in_newest_run(model, series->scenario, series->subject, NULL)) {
            series->note = "not measured in the newest run";
            series->loss = HISTORY_LOST_METRIC;
        } else if (!only_common) {
            series->loss = HISTORY_LOST_MISSING;
        }
    }
}

/* A failure is told of even where nothing is there to lose: the scenario has changed, or the subject never ran. */
static void remark_on_failure(history_model *model, const history_absence *absence) {
    bool had_figures = false;
    for (size_t i = 0; !had_figures && i < model->series_count; i++) {
        had_figures = is_of(model->series[i], absence->scenario, absence->subject, NULL);
    }
    if (!had_figures && strcmp(absence->status, result_status_name(RESULT_FAILED)) == 0) {
        history_model_add_remark(model, model_text_format(model->arena, "%s on %s %s", absence->subject,
                                                          absence->scenario, describe(model, absence)));
    }
}

void history_find_losses(history_model *model, bool only_common) {
    for (size_t i = 0; i < model->series_count; i++) {
        history_series *series = model->series[i];
        if (series->points[series->point_count - 1]->run != model->newest_run) {
            find_loss(model, series, only_common);
        }
    }
    for (size_t i = 0; i < model->absence_count; i++) {
        remark_on_failure(model, model->absences[i]);
    }
}

bool history_losses_are_failures(const history_model *model) {
    for (size_t i = 0; i < model->series_count; i++) {
        if (model->series[i]->loss == HISTORY_LOST_FAILED || model->series[i]->loss == HISTORY_LOST_METRIC) {
            return true;
        }
    }
    return false;
}

/* ---- telling ---- */

static bool is_failure(const history_series *series) {
    return series->loss == HISTORY_LOST_FAILED;
}

static size_t count(const history_model *model, bool failures) {
    size_t all = 0;
    for (size_t i = 0; i < model->series_count; i++) {
        const history_series *series = model->series[i];
        all += series->loss != HISTORY_NOTHING_LOST && is_failure(series) == failures ? 1 : 0;
    }
    return all;
}

/* "tiny, pooled, time (failed in the newest run: it crashed), ..., and 3 more" */
static void name(const history_model *model, bool failures) {
    size_t named = 0;
    for (size_t i = 0; i < model->series_count && named < NAMED_MOST; i++) {
        const history_series *series = model->series[i];
        if (series->loss != HISTORY_NOTHING_LOST && is_failure(series) == failures) {
            (void)fputs(named == 0 ? " " : "; ", stderr);
            text_print_safe(stderr, history_series_title(model, series));
            (void)fputs(" (", stderr);
            text_print_safe(stderr, series->note); /* it may quote what a library of the user's has said */
            (void)fputc(')', stderr);
            named++;
        }
    }
    if (count(model, failures) > named) {
        (void)fprintf(stderr, "; and %zu more", count(model, failures) - named);
    }
}

void history_losses_tell(const history_model *model) {
    const size_t failed = count(model, true);
    const size_t missing = count(model, false);
    if (failed > 0) {
        (void)fprintf(stderr, "poolbuf history check: %zu series failed in the newest run:", failed);
        name(model, true);
        (void)fputc('\n', stderr);
    }
    if (missing > 0) {
        (void)fprintf(stderr, "poolbuf history check: %zu series missing in the newest run:", missing);
        name(model, false);
        (void)fputs("; measure all that the runs before it have, or give --only-common for subjects and scenarios that "
                    "were left out on purpose\n",
                    stderr);
    }
}
