/* The model of history.h, and its words. */
#include "reports/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/sentence.h"
#include "reports/table.h"
#include "reports/units.h"

static const model_estimate UNKNOWN_ESTIMATE = {MODEL_NAN, MODEL_NAN, MODEL_NAN};

history_model *history_model_create(void) {
    model_arena *arena = model_arena_create();
    history_model *model = model_allocate(arena, sizeof *model);
    model->arena = arena;
    return model;
}

void history_model_destroy(history_model *model) {
    if (model != NULL) {
        model_arena_destroy(model->arena); /* the model lies in it */
    }
}

history_series *history_model_add_series(history_model *model, const char *scenario, const char *subject,
                                         const char *metric) {
    history_series *series = model_allocate(model->arena, sizeof *series);
    series->scenario = model_text(model->arena, scenario);
    series->subject = model_text(model->arena, subject);
    series->metric = model_text(model->arena, metric);
    series->change = series->limit_percent = MODEL_NAN;
    series->usual = UNKNOWN_ESTIMATE;
    model_append(model->arena, &model->series, &model->series_count, series);
    return series;
}

history_point *history_series_add_point(history_model *model, history_series *series) {
    history_point *point = model_allocate(model->arena, sizeof *point);
    point->value = UNKNOWN_ESTIMATE;
    point->level = point->step = MODEL_NAN;
    model_append(model->arena, &series->points, &series->point_count, point);
    return point;
}

void history_model_add_remark(history_model *model, const char *remark) {
    model_append(model->arena, &model->remarks, &model->remark_count, model_text(model->arena, remark));
}

size_t history_model_count(const history_model *model, history_verdict verdict) {
    size_t count = 0;
    for (size_t i = 0; i < model->series_count; i++) {
        count += model->series[i]->verdict == verdict ? 1 : 0;
    }
    return count;
}

size_t history_model_losses(const history_model *model) {
    size_t count = 0;
    for (size_t i = 0; i < model->series_count; i++) {
        count += model->series[i]->loss != HISTORY_NOTHING_LOST ? 1 : 0;
    }
    return count;
}

bool history_was_checked(const history_model *model) {
    return history_model_count(model, HISTORY_AS_USUAL) + history_model_count(model, HISTORY_BETTER) +
               history_model_count(model, HISTORY_WORSE) >
           0;
}

const char *history_verdict_name(history_verdict verdict) {
    static const char *const NAMES[] = {"not judged", "too few runs", "as usual", "better", "worse"};
    _Static_assert(sizeof NAMES / sizeof NAMES[0] == HISTORY_VERDICT_COUNT, "every verdict has a name");
    return NAMES[(unsigned)verdict % HISTORY_VERDICT_COUNT];
}

/* ---- words ---- */

const char *history_facts(const history_model *model) {
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%s, %s run%s", model->database, unit_count(model->run_count).text,
                 sentence_plural(model->run_count));
    if (model->run_count > 1) {
        sentence_add(&out, " from %s to %s", model->oldest, model->newest);
    } else if (model->run_count == 1) {
        sentence_add(&out, " of %s", model->newest);
    }
    return sentence_keep(&out, model->arena);
}

const char *history_relation(const history_model *model) {
    return model->relative_to == NULL ? NULL
                                      : model_text_format(model->arena,
                                                          "over those of %s in the same run: what slows the whole "
                                                          "machine drops out",
                                                          model->relative_to);
}

static size_t count_steps(const history_model *model) {
    size_t count = 0;
    for (size_t i = 0; i < model->series_count; i++) {
        for (size_t j = 0; j < model->series[i]->point_count; j++) {
            count += isfinite(model->series[i]->points[j]->step) ? 1 : 0;
        }
    }
    return count;
}

static const char *answer_show(const history_model *model) {
    const size_t steps = count_steps(model);
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%zu series, ", model->series_count);
    if (steps == 0) {
        sentence_add(&out, "no change of level");
    } else {
        sentence_add(&out, "%zu change%s of level", steps, sentence_plural(steps));
    }
    return sentence_keep(&out, model->arena);
}

const char *history_answer(const history_model *model) {
    if (!model->is_check) {
        return answer_show(model);
    }
    const size_t worse = history_model_count(model, HISTORY_WORSE);
    const size_t better = history_model_count(model, HISTORY_BETTER);
    const size_t usual = history_model_count(model, HISTORY_AS_USUAL);
    const size_t few = history_model_count(model, HISTORY_TOO_FEW);
    const size_t none = history_model_count(model, HISTORY_NOT_JUDGED);
    sentence out;
    sentence_init(&out);
    if (!history_was_checked(model)) {
        sentence_add(&out, "nothing could be checked");
    } else if (worse == 0) {
        sentence_add(&out, "no regression");
    } else {
        sentence_add(&out, "%zu regression%s", worse, sentence_plural(worse));
    }
    sentence_add(&out, ": of %zu series %zu as usual, %zu better, %zu worse", model->series_count, usual, better,
                 worse);
    if (few > 0) {
        sentence_add(&out, ", %zu with too few runs", few);
    }
    if (none > 0) {
        sentence_add(&out, ", %zu not judged", none);
    }
    if (history_model_losses(model) > 0) {
        sentence_add(&out, "; %zu measured before and not in the newest run", history_model_losses(model));
    }
    return sentence_keep(&out, model->arena);
}

const char *history_series_title(const history_model *model, const history_series *series) {
    return model_text_format(model->arena, "%s, %s, %s", series->scenario, series->subject, series->metric);
}

/* Its label, or when it was measured. */
const char *history_point_name(const history_point *point) {
    return point->label != NULL ? point->label : point->created;
}

/* Of a time, or a ratio of times; of anything else. */
static const char *direction(const history_series *series) {
    const bool is_time = series->unit == COMPARE_NS || series->unit == COMPARE_UNKNOWN_UNIT;
    return series->verdict == HISTORY_WORSE ? (is_time ? "slower" : "more") : (is_time ? "faster" : "less");
}

const char *history_outcome(const history_model *model, const history_series *series) {
    if (series->verdict == HISTORY_NOT_JUDGED && series->note != NULL) {
        return series->note;
    }
    if (series->verdict != HISTORY_WORSE && series->verdict != HISTORY_BETTER) {
        return history_verdict_name(series->verdict);
    }
    return series->since == NULL
               ? model_text_format(model->arena, "%s in the newest run", direction(series))
               : model_text_format(model->arena, "%s since %s", direction(series), history_point_name(series->since));
}

const char *history_steps(const history_model *model, const history_series *series) {
    sentence out;
    sentence_init(&out);
    for (size_t i = 0; i < series->point_count; i++) {
        const history_point *point = series->points[i];
        if (isfinite(point->step)) {
            sentence_join(&out, "%+.1f %% at %s", (point->step - 1) * 100, history_point_name(point));
        }
        if (point->accepted != NULL) {
            sentence_join(&out, "accepted at %s", history_point_name(point));
        }
    }
    return out.used == 0 ? "no change of level" : sentence_keep(&out, model->arena);
}

/* ---- tables ---- */

unit_text history_value(const history_series *series, double value) {
    switch (series->unit) {
    case COMPARE_NS:
        return unit_time_ns(value);
    case COMPARE_BYTES:
        return unit_bytes(value);
    case COMPARE_COUNT:
        return unit_number(value);
    default:
        return unit_ratio(value);
    }
}

static void add_change(text_table *table, table_tone tone, double ratio) {
    if (isfinite(ratio)) {
        table_add(table, tone, "%+.1f %%", (ratio - 1) * 100);
    } else {
        table_add(table, TONE_FAINT, "-");
    }
}

static table_tone tone_of(history_verdict verdict) {
    return verdict == HISTORY_WORSE      ? TONE_BAD
           : verdict == HISTORY_BETTER   ? TONE_GOOD
           : verdict == HISTORY_AS_USUAL ? TONE_PLAIN
                                         : TONE_FAINT;
}

static void add_outcome(text_table *table, const history_model *model, const history_series *series) {
    table_add(table, series->loss != HISTORY_NOTHING_LOST ? TONE_BAD : tone_of(series->verdict), "%s%s",
              series->verdict == HISTORY_WORSE ? "REGRESSION: " : "", history_outcome(model, series));
}

double history_newest(const history_model *model, const history_series *series) {
    const history_point *last = series->points[series->point_count - 1];
    return model->is_check && last->run != model->newest_run ? MODEL_NAN : last->value.median;
}

static void check_table_init(text_table *table, const history_model *model) {
    static const table_column COLUMNS[] = {
        {"scenario", false}, {"subject", false}, {"metric", false}, {"runs", true},     {"newest", true},
        {"usual", true},     {"expected", true}, {"change", true},  {"outcome", false},
    };
    table_init(table, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < model->series_count; i++) {
        const history_series *series = model->series[i];
        table_add(table, TONE_PLAIN, "%s", series->scenario);
        table_add(table, TONE_PLAIN, "%s", series->subject);
        table_add(table, TONE_PLAIN, "%s", series->metric);
        table_add(table, TONE_FAINT, "%zu", series->point_count);
        table_add(table, TONE_PLAIN, "%s", history_value(series, history_newest(model, series)).text);
        table_add(table, TONE_PLAIN, "%s", history_value(series, series->usual.median).text);
        if (isfinite(series->usual.low)) {
            table_add(table, TONE_FAINT, "%s to %s", history_value(series, series->usual.low).text,
                      history_value(series, series->usual.high).text);
        } else {
            table_add(table, TONE_FAINT, "-");
        }
        add_change(table, tone_of(series->verdict), series->change);
        add_outcome(table, model, series);
        table_end_row(table);
    }
}

static void show_table_init(text_table *table, const history_model *model) {
    static const table_column COLUMNS[] = {
        {"scenario", false}, {"subject", false}, {"metric", false}, {"runs", true},
        {"oldest", true},    {"newest", true},   {"change", true},  {"levels", false},
    };
    table_init(table, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < model->series_count; i++) {
        const history_series *series = model->series[i];
        const double oldest = series->points[0]->value.median;
        const double newest = series->points[series->point_count - 1]->value.median;
        table_add(table, TONE_PLAIN, "%s", series->scenario);
        table_add(table, TONE_PLAIN, "%s", series->subject);
        table_add(table, TONE_PLAIN, "%s", series->metric);
        table_add(table, TONE_FAINT, "%zu", series->point_count);
        table_add(table, TONE_PLAIN, "%s", history_value(series, oldest).text);
        table_add(table, TONE_PLAIN, "%s", history_value(series, newest).text);
        add_change(table, TONE_PLAIN, series->point_count > 1 && oldest > 0 ? newest / oldest : MODEL_NAN);
        table_add(table, TONE_PLAIN, "%s", history_steps(model, series));
        table_end_row(table);
    }
}

void history_table_init(text_table *table, const history_model *model) {
    if (model->is_check) {
        check_table_init(table, model);
    } else {
        show_table_init(table, model);
    }
}

static void add_remark_of(text_table *table, const history_point *point) {
    const bool steps = isfinite(point->step);
    char step[64] = "";
    if (steps) {
        snprintf(step, sizeof step, "%+.1f %% from here on", (point->step - 1) * 100);
    }
    if (point->accepted != NULL) {
        table_add(table, TONE_PLAIN, "%s%saccepted: %s", step, steps ? "; " : "", point->accepted);
    } else {
        table_add(table, !steps ? TONE_FAINT : point->step > 1 ? TONE_BAD : TONE_GOOD, "%s", step);
    }
}

void history_points_init(text_table *table, const history_series *series) {
    static const table_column COLUMNS[] = {
        {"run", true},   {"measured", false},     {"label", false},
        {"value", true}, {"95 % interval", true}, {"level", false},
    };
    table_init(table, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < series->point_count; i++) {
        const history_point *point = series->points[i];
        table_add(table, TONE_FAINT, "%llu", (unsigned long long)point->run);
        table_add(table, TONE_PLAIN, "%s", point->created);
        table_add(table, TONE_PLAIN, "%s", point->label == NULL ? "-" : point->label);
        table_add(table, TONE_PLAIN, "%s", history_value(series, point->value.median).text);
        if (isfinite(point->value.low)) {
            table_add(table, TONE_FAINT, "%s to %s", history_value(series, point->value.low).text,
                      history_value(series, point->value.high).text);
        } else {
            table_add(table, TONE_FAINT, "-");
        }
        add_remark_of(table, point);
        table_end_row(table);
    }
}
