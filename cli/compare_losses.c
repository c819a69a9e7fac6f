/* Rows without a verdict, and what is said of them. */
#include "compare_losses.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/table.h"

enum {
    NAMED_MOST = 4 /* scenarios in a line; the table has all */
};

/* ---- finding ---- */

static bool is_measured(const results_result *result) {
    return result != NULL && result->status == RESULT_OK && result->sample_count > 0;
}

bool losses_are_measured(const results_result *base, const results_result *new) {
    return is_measured(base) && is_measured(new);
}

bool losses_find(const compare_model *model, compare_row *row, const results_result *base, const results_result *new) {
    if (losses_are_measured(base, new)) {
        return false;
    }
    if (base == NULL || new == NULL) {
        row->note = base == NULL ? "only in NEW" : "only in BASE";
    } else if (base->status == RESULT_OK && new->status == RESULT_OK) {
        row->note = base->sample_count > 0  ? "no samples in NEW"
                    : new->sample_count > 0 ? "no samples in BASE"
                                            : "no samples in either";
    } else {
        const char *why = new->status != RESULT_OK ? new->message : NULL;
        row->note = model_text_format(model->arena, "%s in BASE, %s in NEW%s%s", result_status_name(base->status),
                                      result_status_name(new->status), why != NULL ? ": " : "", why != NULL ? why : "");
    }
    if (base != NULL && base->status == RESULT_OK && new != NULL &&new->status == RESULT_FAILED) {
        row->loss = COMPARE_LOST_FAILED;
    } else if (is_measured(base)) {
        row->loss = COMPARE_LOST_MISSING;
    }
    return true;
}

/* Those that have a ratio. */
static size_t known(const double *times, size_t count) {
    size_t all = 0;
    for (size_t i = 0; i < count; i++) {
        all += isfinite(times[i]) && times[i] > 0 ? 1 : 0;
    }
    return all;
}

compare_loss losses_of_samples(const double *base, size_t base_count, const double *new, size_t new_count) {
    return known(base, base_count) > 1 && known(new, new_count) < 2 ? COMPARE_LOST_MISSING : COMPARE_NOTHING_LOST;
}

void losses_forgive(compare_model *model) {
    for (size_t i = 0; i < model->row_count; i++) {
        compare_row *row = model->rows[i];
        if (row->loss == COMPARE_LOST_MISSING && row->metric == NULL) {
            row->loss = COMPARE_NOTHING_LOST;
        }
    }
}

bool losses_are_failures(const compare_model *model) {
    for (size_t i = 0; i < model->row_count; i++) {
        const compare_row *row = model->rows[i];
        if (row->loss == COMPARE_LOST_FAILED || (row->loss != COMPARE_NOTHING_LOST && row->metric != NULL)) {
            return true;
        }
    }
    return false;
}

/* ---- telling ---- */

static size_t count(const compare_model *model, compare_loss kind, const char *scenario) {
    size_t all = 0;
    for (size_t i = 0; i < model->row_count; i++) {
        const compare_row *row = model->rows[i];
        all += row->loss == kind && (scenario == NULL || strcmp(row->scenario, scenario) == 0) ? 1 : 0;
    }
    return all;
}

static bool is_first_of_its_scenario(const compare_model *model, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (model->rows[i]->loss == model->rows[index]->loss &&
            strcmp(model->rows[i]->scenario, model->rows[index]->scenario) == 0) {
            return false;
        }
    }
    return true;
}

/* "pooled (only in BASE) and 3 more on tiny, ..." */
static void name(const compare_model *model, compare_loss kind) {
    size_t named = 0;
    size_t left = count(model, kind, NULL);
    for (size_t i = 0; i < model->row_count && named < NAMED_MOST; i++) {
        const compare_row *row = model->rows[i];
        if (row->loss != kind || !is_first_of_its_scenario(model, i)) {
            continue;
        }
        const size_t here = count(model, kind, row->scenario);
        (void)fputs(named == 0 ? " " : ", ", stderr);
        text_print_safe(stderr, row->subject);
        if (row->metric != NULL) {
            (void)fprintf(stderr, " %s", row->metric);
        }
        if (row->note != NULL) {
            (void)fputs(" (", stderr);
            text_print_safe(stderr, row->note); /* it may quote what a library of the user's has said */
            (void)fputc(')', stderr);
        }
        if (here > 1) {
            (void)fprintf(stderr, " and %zu more", here - 1);
        }
        (void)fputs(" on ", stderr);
        text_print_safe(stderr, row->scenario);
        left -= here;
        named++;
    }
    if (left > 0) {
        (void)fprintf(stderr, ", and %zu on other scenarios", left);
    }
}

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

void losses_tell(const compare_model *model, bool partial) {
    const size_t failed = count(model, COMPARE_LOST_FAILED, NULL);
    const size_t missing = count(model, COMPARE_LOST_MISSING, NULL);
    if (failed > 0) {
        (void)fprintf(stderr, "poolbuf compare: %zu result%s of BASE failed in NEW:", failed, plural(failed));
        name(model, COMPARE_LOST_FAILED);
        (void)fputc('\n', stderr);
    }
    if (missing > 0) {
        (void)fprintf(stderr, "poolbuf compare: %zu result%s of BASE missing in NEW%s:", missing, plural(missing),
                      partial ? ", whose run was ended before its time" : "");
        name(model, COMPARE_LOST_MISSING);
        (void)fputs("; measure NEW with all that BASE has, or give --only-common for subjects and scenarios that were "
                    "left out on purpose\n",
                    stderr);
    }
}
