/* Bytes, faults, quantiles and instructions: from two results to rows. */
#include "compare_amounts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDES = 2
};

static const char *const SIDE_NAMES[SIDES] = {"BASE", "NEW"};

/* ---- finding ---- */

const results_scenario *results_find_scenario(const results_model *model, const char *name) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        if (strcmp(model->scenarios[i]->name, name) == 0) {
            return model->scenarios[i];
        }
    }
    return NULL;
}

const results_result *results_find_result(const results_scenario *scenario, const char *subject) {
    for (size_t i = 0; scenario != NULL && i < scenario->result_count; i++) {
        if (strcmp(scenario->results[i]->subject, subject) == 0) {
            return scenario->results[i];
        }
    }
    return NULL;
}

/* ---- is there something to judge? ---- */

/* The first result with a pass's number; NULL without one. */
static const results_result *find_measured(const results_model *model, metric which) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        for (size_t j = 0; j < model->scenarios[i]->result_count; j++) {
            if (isfinite(metric_alone(which, model->scenarios[i]->results[j]))) {
                return model->scenarios[i]->results[j];
            }
        }
    }
    return NULL;
}

const char *amounts_missing(model_arena *arena, const thresholds *limits, const results_model *const sides[SIDES],
                            const char *const paths[SIDES], bool forced) {
    for (int which = 0; which < METRIC_COUNT; which++) {
        const char *option = metric_option((metric)which);
        if (!isfinite(limits->percent[which]) || option == NULL) {
            continue;
        }
        double rates[SIDES];
        for (int side = 0; side < SIDES; side++) {
            const results_result *measured = find_measured(sides[side], (metric)which);
            if (measured == NULL) {
                return model_text_format(arena, "%s: %s has none of it; `poolbuf run %s` measures it",
                                         metric_name((metric)which), paths[side], option);
            }
            rates[side] = metric_rate((metric)which, measured);
        }
        if (!forced && isfinite(rates[0]) && isfinite(rates[1]) && rates[0] != rates[1]) {
            return model_text_format(arena,
                                     "%s: measured at %.0f operations a second in %s and %.0f in %s; use one rate, or "
                                     "--force compares them all the same",
                                     metric_name((metric)which), rates[0], paths[0], rates[1], paths[1]);
        }
    }
    return NULL;
}

/* ---- judging ---- */

model_verdict amounts_verdict(const stats_ratio *ratio) {
    if (isnan(ratio->low)) {
        return VERDICT_UNKNOWN;
    }
    return ratio->verdict == STATS_FASTER   ? VERDICT_FASTER
           : ratio->verdict == STATS_SLOWER ? VERDICT_SLOWER
                                            : VERDICT_NOT_SEPARATED;
}

/* One side of a metric. */
typedef struct amounts {
    double *samples; /* those that are known, from malloc */
    size_t count;
    double alone;
} amounts;

/* Another subject's numbers under each of ours; what is not there makes NaN. */
static bool divide(metric which, const results_result *by, amounts *self) {
    double *under = NULL;
    size_t count = 0;
    const double alone = by == NULL ? nan("") : metric_alone(which, by);
    if (by != NULL && !metric_samples(which, by, &under, &count)) {
        return false;
    }
    for (size_t i = 0; i < self->count; i++) {
        self->samples[i] = i < count ? self->samples[i] / under[i] : nan("");
    }
    self->alone /= alone;
    free(under);
    return true;
}

static bool gather(metric which, const amounts_pair *pair, int side, bool is_relative, amounts *out) {
    out->alone = metric_alone(which, pair->results[side]);
    if (!metric_samples(which, pair->results[side], &out->samples, &out->count)) {
        return false;
    }
    if (is_relative && !divide(which, results_find_result(pair->scenarios[side], pair->relative_to), out)) {
        return false;
    }
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (isfinite(out->samples[i])) {
            out->samples[kept++] = out->samples[i];
        }
    }
    out->count = kept;
    return true;
}

static bool has_zero(const amounts *self) {
    bool found = false;
    for (size_t i = 0; i < self->count; i++) {
        found = found || self->samples[i] == 0;
    }
    return found;
}

static void remark_once(compare_model *model, const char *remark) {
    for (size_t i = 0; i < model->remark_count; i++) {
        if (strcmp(model->remarks[i], remark) == 0) {
            return;
        }
    }
    compare_model_add_remark(model, remark);
}

/* Nothing is a fine number of bytes or faults, but has no ratio, and statistics would leave it out: from none to many would
 * be no regression. So both sides are taken with the least that there can be, once more. */
static void lift_zeros(compare_model *model, metric which, amounts sides[SIDES]) {
    enum {
        PAGE_BYTES = 4096
    };
    const compare_unit unit = metric_unit(which);
    const double least = unit == COMPARE_BYTES ? PAGE_BYTES : 1;
    if (unit == COMPARE_NS || !(has_zero(&sides[0]) || has_zero(&sides[1]))) {
        return;
    }
    for (int side = 0; side < SIDES; side++) {
        for (size_t i = 0; i < sides[side].count; i++) {
            sides[side].samples[i] += least;
        }
    }
    remark_once(model,
                model_text_format(model->arena, "ratios of %s where some are 0 are taken with %s more on both sides",
                                  metric_name(which), unit == COMPARE_BYTES ? "4 KiB" : "1"));
}

static void judge_samples(compare_row *row, const amounts *base, const amounts *new) {
    const stats_ratio ratio = stats_unpaired_ratio(new->samples, new->count, base->samples, base->count);
    row->ratio = (results_ratio){ratio.estimate, ratio.low, ratio.high, amounts_verdict(&ratio)};
    row->regression = row->ratio.verdict == VERDICT_SLOWER && ratio.estimate > 1 + row->limit_percent / 100;
}

/* Nothing says how far two single numbers would lie apart by chance, so there is no verdict, only a limit. */
static void judge_alone(compare_row *row, const amounts *base, const amounts *new) {
    row->is_by_threshold = true;
    row->ratio.estimate = new->alone / base->alone;
    row->regression = row->ratio.estimate > 1 + row->limit_percent / 100;
}

static void judge(compare_model *model, compare_row *row, metric which, amounts sides[SIDES]) {
    const bool is_pass = metric_option(which) != NULL;
    const bool has[SIDES] = {sides[0].alone > 0, sides[1].alone > 0};
    if (!is_pass || (sides[0].count > 1 && sides[1].count > 1)) {
        lift_zeros(model, which, sides);
        judge_samples(row, &sides[0], &sides[1]);
        row->loss = sides[0].count > 1 && sides[1].count < 2 ? COMPARE_LOST_MISSING : COMPARE_NOTHING_LOST;
    } else if (has[0] && has[1]) {
        judge_alone(row, &sides[0], &sides[1]);
    } else {
        row->note = has[0] || has[1] ? model_text_format(model->arena, "not measured in %s", SIDE_NAMES[has[0] ? 1 : 0])
                                     : "not measured in either";
        row->loss = has[0] ? COMPARE_LOST_MISSING : COMPARE_NOTHING_LOST;
    }
    /* The null subject is the harness itself, whose growth is no regression. */
    row->regression = row->regression && strcmp(row->subject, MODEL_NULL_SUBJECT) != 0;
}

static bool compare_one(compare_model *model, metric which, double limit, const amounts_pair *pair) {
    const bool is_relative = pair->relative_to != NULL && metric_unit(which) == COMPARE_NS;
    amounts sides[SIDES] = {{.count = 0}, {.count = 0}};
    const bool fine = gather(which, pair, 0, is_relative, &sides[0]) && gather(which, pair, 1, is_relative, &sides[1]);
    if (fine) {
        compare_row *row = compare_model_add_row(model, pair->scenarios[0]->name, pair->results[0]->subject);
        row->metric = metric_name(which);
        row->unit = metric_unit(which);
        row->limit_percent = limit;
        judge(model, row, which, sides);
        /* What the row shows is what was measured, also where the ratio is of relative numbers. */
        row->base_amount = metric_estimate(which, pair->results[0], row->is_by_threshold || sides[0].count < 2);
        row->new_amount = metric_estimate(which, pair->results[1], row->is_by_threshold || sides[1].count < 2);
    }
    free(sides[0].samples);
    free(sides[1].samples);
    return fine;
}

bool amounts_compare(compare_model *model, const thresholds *limits, const amounts_pair *pair) {
    bool fine = true;
    for (int which = METRIC_TIME + 1; which < METRIC_COUNT && fine; which++) {
        if (isfinite(limits->percent[which])) {
            fine = compare_one(model, (metric)which, limits->percent[which], pair);
        }
    }
    return fine;
}
