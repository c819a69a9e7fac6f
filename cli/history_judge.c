/* Levels and verdicts of history_judge.h. */
#include "history_judge.h"

#include <math.h>
#include <string.h>

#include "stats/steps.h"

#define FALSE_ALARMS 0.05 /* of checks without a change; over all series together */

/* ---- relative to a subject ---- */

static const history_series *find_reference(const history_model *model, const history_series *of, const char *subject) {
    for (size_t i = 0; i < model->series_count; i++) {
        const history_series *series = model->series[i];
        if (strcmp(series->scenario, of->scenario) == 0 && strcmp(series->metric, of->metric) == 0 &&
            strcmp(series->subject, subject) == 0) {
            return series;
        }
    }
    return NULL;
}

static bool is_in_newest(const history_model *model, const history_series *series) {
    return series->point_count > 0 && series->points[series->point_count - 1]->run == model->newest_run;
}

/* The newest run has the subject and not what it is to be divided by. */
static void blame_reference(history_model *model, history_series *series, const history_series *reference) {
    if (reference->note != NULL) {
        series->note = model_text_format(model->arena, "%s, its reference: %s", reference->subject, reference->note);
        series->loss = reference->loss;
    }
}

static double value_in_run(const history_series *series, uint64_t run) {
    for (size_t i = 0; series != NULL && i < series->point_count; i++) {
        if (series->points[i]->run == run) {
            return series->points[i]->value.median;
        }
    }
    return MODEL_NAN;
}

/* The quotients go into new points, as the subject's own are still to be read. */
static history_series *relate_one(history_model *model, const history_series *series, const history_series *reference) {
    history_series *out = model_allocate(model->arena, sizeof *out);
    *out = *series;
    out->points = NULL;
    out->point_count = 0;
    out->unit = COMPARE_UNKNOWN_UNIT;
    for (size_t i = 0; i < series->point_count; i++) {
        const double under = value_in_run(reference, series->points[i]->run);
        if (under > 0) {
            history_point *point = history_series_add_point(model, out);
            *point = *series->points[i];
            point->value.median /= under;
            point->value.low /= under;
            point->value.high /= under;
        }
    }
    if (reference != NULL && is_in_newest(model, series) && !is_in_newest(model, reference)) {
        blame_reference(model, out, reference);
    }
    return out;
}

bool history_relate(history_model *model, const char *subject) {
    history_series **kept = NULL;
    size_t count = 0;
    bool found = false;
    for (size_t i = 0; i < model->series_count; i++) {
        history_series *series = model->series[i];
        const bool is_itself = strcmp(series->subject, subject) == 0;
        found = found || is_itself;
        if (series->unit == COMPARE_NS && !is_itself) {
            series = relate_one(model, series, find_reference(model, series, subject));
        }
        if (series->point_count > 0 && !(is_itself && series->unit == COMPARE_NS)) {
            model_append(model->arena, &kept, &count, series);
        }
    }
    model->series = kept;
    model->series_count = count;
    return found;
}

/* ---- levels ---- */

/* The values since the newest run that was accepted. */
typedef struct stretch {
    const history_series *series;
    const double *values;
    size_t first, count; /* first: where in the series they begin */
    double lift;         /* what they have more than what was measured; see below */
    bool usable;         /* all are above zero: they have logarithms */
    double limit;        /* a ratio; of a series that is judged */
} stretch;

/* Nothing is a fine number of bytes or faults, but has no ratio: then all are taken with the least that there can be, once more,
 * as compare does. */
static double lift_of(const history_series *series, const double *values, size_t count) {
    enum {
        PAGE_BYTES = 4096
    };
    bool has_zero = false;
    for (size_t i = 0; i < count; i++) {
        has_zero = has_zero || values[i] == 0;
    }
    return !has_zero ? 0 : series->unit == COMPARE_BYTES ? PAGE_BYTES : series->unit == COMPARE_COUNT ? 1 : 0;
}

/* values: room for STATS_SERIES_MAX; lives as long as the stretch. */
static stretch stretch_of(const history_series *series, double *values) {
    stretch out = {.series = series, .values = values, .usable = true, .limit = 1 + series->limit_percent / 100};
    out.first = series->point_count > STATS_SERIES_MAX ? series->point_count - STATS_SERIES_MAX : 0;
    for (size_t i = out.first; i < series->point_count; i++) {
        out.first = series->points[i]->accepted != NULL ? i : out.first;
    }
    out.count = series->point_count - out.first;
    for (size_t i = 0; i < out.count; i++) {
        values[i] = series->points[out.first + i]->value.median;
    }
    out.lift = lift_of(series, values, out.count);
    for (size_t i = 0; i < out.count; i++) {
        values[i] += out.lift;
        out.usable = out.usable && values[i] > 0;
    }
    return out;
}

static double alpha_of(const history_model *model) {
    size_t asked = 0;
    for (size_t i = 0; i < model->series_count; i++) {
        asked += model->series[i]->point_count >= HISTORY_RUNS_LEAST ? 1 : 0;
    }
    return FALSE_ALARMS / (double)(asked > 0 ? asked : 1);
}

/* Levels follow each other; `steps` has where each but the first begins. */
static void mark_levels(history_series *series, const stretch *on, const size_t *steps, size_t found) {
    size_t start = 0;
    double before = MODEL_NAN;
    for (size_t i = 0; i <= found; i++) {
        const size_t end = i < found ? steps[i] : on->count;
        const double level = stats_level(on->values + start, end - start);
        series->points[on->first + start]->step = level / before; /* NaN for the first */
        for (size_t at = start; at < end; at++) {
            series->points[on->first + at]->level = level - on->lift;
        }
        before = level;
        start = end;
    }
}

static void mark(history_series *series, double alpha) {
    double values[STATS_SERIES_MAX];
    size_t steps[STATS_SERIES_MAX / STATS_STEP_LEAST];
    const stretch on = stretch_of(series, values);
    if (on.usable) {
        mark_levels(series, &on, steps, stats_find_steps(values, on.count, alpha, steps));
    }
}

void history_mark_steps(history_model *model) {
    const double alpha = alpha_of(model);
    for (size_t i = 0; i < model->series_count; i++) {
        mark(model->series[i], alpha);
    }
}

/* ---- verdicts ---- */

typedef struct outcome {
    history_verdict verdict;
    const history_point *since;
    double change;
    model_estimate usual;
} outcome;

/* Where the level begins that ends before `end`; both count from the stretch's first value. */
static size_t level_start(const stretch *on, size_t end) {
    size_t start = end - 1;
    while (start > 0 && !isfinite(on->series->points[on->first + start]->step)) {
        start--;
    }
    return start;
}

/* What nothing has been added to may be nothing, and no less. */
static double without_lift(const stretch *on, double value) {
    return fmax(value - on->lift, 0);
}

/* The newest run beside its level so far, if that is long enough. */
static outcome judge_newest(const stretch *on, double alpha) {
    const size_t start = level_start(on, on->count);
    outcome out = {HISTORY_AS_USUAL, NULL, MODEL_NAN, {MODEL_NAN, MODEL_NAN, MODEL_NAN}};
    if (on->count - start < HISTORY_RUNS_LEAST) {
        return out;
    }
    const double *level = on->values + start;
    const size_t before = on->count - start - 1;
    const stats_range range = stats_predict(level, before, 1 - alpha);
    const model_estimate newest = on->series->points[on->series->point_count - 1]->value;
    const double low = (isfinite(newest.low) ? newest.low : newest.median) + on->lift;
    const double high = (isfinite(newest.high) ? newest.high : newest.median) + on->lift;
    const double usual = stats_level(level, before);
    out.usual = (model_estimate){without_lift(on, usual), without_lift(on, range.low), without_lift(on, range.high)};
    out.change = (newest.median + on->lift) / usual;
    out.verdict = low > range.high && out.change > on->limit       ? HISTORY_WORSE
                  : high < range.low && out.change < 1 / on->limit ? HISTORY_BETTER
                                                                   : HISTORY_AS_USUAL;
    return out;
}

/* The last level beside those before it that ended in the recent runs, nearest first: so a change that came in small steps
 * is seen, too. */
static outcome judge_levels(const stretch *on, uint64_t recent) {
    size_t later = level_start(on, on->count);
    const double newest = stats_level(on->values + later, on->count - later);
    while (later > 0 && on->count - later <= recent) {
        const size_t start = level_start(on, later);
        const double level = stats_level(on->values + start, later - start);
        const double change = newest / level;
        if (change > on->limit || change < 1 / on->limit) {
            return (outcome){change > 1 ? HISTORY_WORSE : HISTORY_BETTER,
                             on->series->points[on->first + later],
                             change,
                             {level - on->lift, MODEL_NAN, MODEL_NAN}};
        }
        later = start;
    }
    return (outcome){HISTORY_AS_USUAL, NULL, MODEL_NAN, {MODEL_NAN, MODEL_NAN, MODEL_NAN}};
}

static void remark_once(history_model *model, const char *remark) {
    for (size_t i = 0; i < model->remark_count; i++) {
        if (strcmp(model->remarks[i], remark) == 0) {
            return;
        }
    }
    history_model_add_remark(model, remark);
}

/* Whether one run must be expected to lie farther off than the threshold; as it is judged, with the lift. */
static bool is_noisy(const stretch *on, const model_estimate *usual) {
    return usual->high + on->lift > (usual->median + on->lift) * on->limit;
}

/* A newest run that is slower alone is news, whatever came before it. Returns whether it is noisy. */
static bool judge(history_model *model, history_series *series, double alpha) {
    double values[STATS_SERIES_MAX];
    const stretch on = stretch_of(series, values);
    if (series->points[series->point_count - 1]->run != model->newest_run) {
        series->note = series->note != NULL ? series->note : "not in the newest run";
    } else if (!on.usable) {
        series->note = "zero in some runs: there is no ratio to it";
    } else if (on.count < HISTORY_RUNS_LEAST) {
        series->verdict = HISTORY_TOO_FEW;
    } else {
        outcome found = judge_newest(&on, alpha);
        const outcome levels = judge_levels(&on, model->recent);
        if (found.verdict != HISTORY_WORSE && levels.verdict != HISTORY_AS_USUAL) {
            found = levels;
        }
        series->verdict = found.verdict;
        series->since = found.since;
        series->change = found.change;
        series->usual = found.usual;
        if (on.lift > 0) {
            remark_once(model, model_text_format(model->arena,
                                                 "ratios of %s where some are 0 are taken with %s more on both sides",
                                                 series->metric, series->unit == COMPARE_BYTES ? "4 KiB" : "1"));
        }
        return is_noisy(&on, &series->usual);
    }
    return false;
}

/* Where one run must be expected to lie farther off than the threshold, it cannot be judged by that: this is said. Times
 * alone can be taken relative to another subject's. */
static void remark_on_noise(history_model *model, size_t judged, size_t noisy, bool has_times) {
    if (noisy > 0) {
        history_model_add_remark(
            model, model_text_format(model->arena,
                                     "%zu of %zu series wander%s by more than the threshold: there a change of that "
                                     "size shows only once it has lasted for some runs%s",
                                     noisy, judged, noisy == 1 ? "s" : "",
                                     model->relative_to == NULL && has_times
                                         ? "; --relative-to takes out what slows the whole machine"
                                         : ""));
    }
}

void history_judge(history_model *model) {
    const double alpha = alpha_of(model);
    size_t judged = 0;
    size_t noisy = 0;
    bool has_times = false;
    for (size_t i = 0; i < model->series_count; i++) {
        history_series *series = model->series[i];
        if (isfinite(series->limit_percent)) {
            const bool is_noisy_one = judge(model, series, alpha);
            judged += isfinite(series->usual.median) ? 1 : 0;
            noisy += is_noisy_one ? 1 : 0;
            has_times = has_times || (is_noisy_one && series->unit == COMPARE_NS);
        }
    }
    remark_on_noise(model, judged, noisy, has_times);
}
