/* Tables that the terminal and Markdown share. */
#include "reports/results_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/units.h"

static table_tone verdict_tone(model_verdict verdict) {
    return verdict == VERDICT_FASTER ? TONE_GOOD : verdict == VERDICT_SLOWER ? TONE_BAD : TONE_FAINT;
}

bool results_is_null(const results_result *result) {
    return strcmp(result->subject, MODEL_NULL_SUBJECT) == 0;
}

unit_scale results_scale(const results_scenario *scenario) {
    double smallest = (double)INFINITY;
    for (size_t i = 0; i < scenario->result_count; i++) {
        double median = scenario->results[i]->time_ns_per_op.median;
        if (!results_is_null(scenario->results[i]) && median < smallest) {
            smallest = median;
        }
    }
    return unit_scale_for(isfinite(smallest) ? smallest : 1);
}

unit_text results_switches(const results_result *result) {
    double voluntary = answer_median_count(result, offsetof(results_sample, switches_voluntary));
    double involuntary = answer_median_count(result, offsetof(results_sample, switches_involuntary));
    unit_text text = unit_number(MODEL_NAN);
    if (isfinite(voluntary) && isfinite(involuntary)) {
        (void)snprintf(text.text, sizeof text.text, "%.28s+%.28s", unit_number(voluntary).text,
                       unit_number(involuntary).text);
    }
    return text;
}

static void add_verdict(text_table *table, const results_result *result) {
    if (results_is_null(result)) {
        table_add(table, TONE_FAINT, "harness cost");
    } else if (result->ratio.verdict != VERDICT_UNKNOWN) {
        table_add(table, verdict_tone(result->ratio.verdict), "%s", model_verdict_name(result->ratio.verdict));
    } else {
        table_add(table, TONE_FAINT, "-");
    }
}

static void add_result(text_table *table, const results_result *result, unit_scale scale, bool leads) {
    table_add(table, leads ? TONE_STRONG : TONE_PLAIN, "%s", result->subject);
    if (result->status != RESULT_OK) {
        for (int i = 0; i < 4; i++) {
            table_add(table, TONE_FAINT, "-");
        }
        table_add(table, result->status == RESULT_FAILED ? TONE_BAD : TONE_FAINT, "%s",
                  result_status_name(result->status));
        table_end_row(table);
        return;
    }
    const model_estimate *time = &result->time_ns_per_op;
    const results_ratio *ratio = &result->ratio;
    bool has_ratio = !results_is_null(result) && ratio->verdict != VERDICT_UNKNOWN;
    table_add(table, leads ? TONE_STRONG : TONE_PLAIN, "%s", unit_scaled(scale, time->median).text);
    table_add(table, TONE_FAINT, "%s", unit_scaled_interval(scale, time->low, time->high).text);
    table_add(table, has_ratio ? verdict_tone(ratio->verdict) : TONE_FAINT, "%s",
              has_ratio ? unit_ratio(ratio->estimate).text : "-");
    table_add(table, TONE_FAINT, "%s",
              has_ratio && ratio->verdict != VERDICT_BASELINE ? unit_ratio_interval(ratio->low, ratio->high).text : "");
    add_verdict(table, result);
    double live = answer_median_count(result, offsetof(results_sample, peak_live_bytes));
    double growth = answer_median_count(result, offsetof(results_sample, resident_growth_bytes));
    double minor = answer_median_count(result, offsetof(results_sample, page_faults_minor));
    double major = answer_median_count(result, offsetof(results_sample, page_faults_major));
    table_add(table, TONE_PLAIN, "%s", unit_bytes(live).text);
    table_add(table, TONE_PLAIN, "%s", unit_bytes(result->peak_resident_bytes.median).text);
    table_add(table, TONE_PLAIN, "%s", unit_bytes(growth).text);
    table_add(table, TONE_PLAIN, "%s%s%s", unit_number(minor).text, major > 0 ? "+" : "",
              major > 0 ? unit_number(major).text : "");
    table_add(table, TONE_PLAIN, "%s", results_switches(result).text);
    table_end_row(table);
}

void results_table_init(text_table *table, const results_model *model, const results_scenario *scenario) {
    enum {
        COLUMNS = 11
    };
    unit_scale scale = results_scale(scenario);
    const char *baseline = model->run.baseline_subject == NULL ? "baseline" : model->run.baseline_subject;
    const table_column columns[COLUMNS] = {
        {"subject", false},      {model_text_format(model->arena, "%s/op", scale.name), true},
        {"95 % interval", true}, {model_text_format(model->arena, "x %s", baseline), true},
        {"95 % interval", true}, {"verdict", false},
        {"peak live", true},     {"peak resident", true},
        {"growth", true},        {"faults", true},
        {"switches", true},
    };
    table_column *kept = model_allocate(model->arena, sizeof columns);
    memcpy(kept, columns, sizeof columns);
    table_init(table, kept, COLUMNS);
    enum {
        LEADERS_MOST = 32
    };
    const results_result *leaders[LEADERS_MOST];
    size_t leader_count = answer_leaders(scenario, leaders, LEADERS_MOST);
    for (size_t i = 0; i < scenario->result_count; i++) {
        bool leads = leader_count == 1 && leaders[0] == scenario->results[i];
        add_result(table, scenario->results[i], scale, leads);
    }
}

const results_result *results_find(const results_scenario *scenario, const char *subject) {
    for (size_t i = 0; i < scenario->result_count; i++) {
        if (strcmp(scenario->results[i]->subject, subject) == 0) {
            return scenario->results[i];
        }
    }
    return NULL;
}

static void add_overview_cell(text_table *table, const results_result *result, bool leads) {
    if (result != NULL && result->status != RESULT_OK) {
        table_add(table, result->status == RESULT_FAILED ? TONE_BAD : TONE_FAINT, "%s",
                  result_status_name(result->status));
    } else if (result == NULL || result->ratio.verdict == VERDICT_UNKNOWN) {
        table_add(table, TONE_FAINT, "-");
    } else {
        /* A tilde marks "not separated" where colours do not. */
        const char *mark = result->ratio.verdict == VERDICT_NOT_SEPARATED ? "~" : "";
        table_add(table, leads ? TONE_STRONG : verdict_tone(result->ratio.verdict), "%s%s", mark,
                  unit_ratio(result->ratio.estimate).text);
    }
}

void results_overview_init(text_table *table, const results_model *model) {
    table_column *columns = model_allocate(model->arena, (model->subject_count + 1) * sizeof *columns);
    size_t count = 0;
    columns[count++] = (table_column){"scenario", false};
    for (size_t i = 0; i < model->subject_count; i++) {
        if (strcmp(model->subjects[i]->name, MODEL_NULL_SUBJECT) != 0) {
            columns[count++] = (table_column){model->subjects[i]->name, true};
        }
    }
    table_init(table, columns, count);
    for (size_t s = 0; s < model->scenario_count; s++) {
        const results_result *leader = NULL;
        const results_result *leaders[2];
        if (answer_leaders(model->scenarios[s], leaders, 2) == 1) {
            leader = leaders[0];
        }
        table_add(table, TONE_PLAIN, "%s", model->scenarios[s]->name);
        for (size_t i = 1; i < count; i++) {
            const results_result *result = results_find(model->scenarios[s], columns[i].heading);
            add_overview_cell(table, result, result != NULL && result == leader);
        }
        table_end_row(table);
    }
}

unit_text compare_amount(const compare_row *row, bool is_new) {
    if (row->metric == NULL) {
        return unit_time_ns(is_new ? row->new_ns_per_op.median : row->base_ns_per_op.median);
    }
    const double amount = is_new ? row->new_amount.median : row->base_amount.median;
    return row->unit == COMPARE_NS      ? unit_time_ns(amount)
           : row->unit == COMPARE_COUNT ? unit_number(amount)
                                        : unit_bytes(amount);
}

const char *compare_outcome(const compare_row *row) {
    if (row->metric == NULL) {
        return compare_is_decided(row) ? model_verdict_name(row->ratio.verdict)
               : row->note != NULL     ? row->note
                                       : "no verdict";
    }
    if (row->note != NULL) {
        return row->note;
    }
    if (row->is_by_threshold) {
        return row->regression ? "more, by the threshold alone" : "within the threshold, which alone decides";
    }
    const bool is_time = row->unit == COMPARE_NS;
    return row->ratio.verdict == VERDICT_FASTER          ? (is_time ? "faster" : "less")
           : row->ratio.verdict == VERDICT_SLOWER        ? (is_time ? "slower" : "more")
           : row->ratio.verdict == VERDICT_NOT_SEPARATED ? "not separated"
                                                         : "no verdict";
}

/* Of two numbers there is a ratio, but no interval. */
static void add_row(text_table *table, const compare_row *row) {
    const bool decided = compare_is_decided(row);
    const table_tone tone = row->regression ? TONE_BAD : verdict_tone(row->ratio.verdict);
    table_add(table, TONE_PLAIN, "%s", row->scenario);
    table_add(table, TONE_PLAIN, "%s%s%s", row->subject, row->metric == NULL ? "" : " ",
              row->metric == NULL ? "" : row->metric);
    table_add(table, TONE_PLAIN, "%s", compare_amount(row, false).text);
    table_add(table, TONE_PLAIN, "%s", compare_amount(row, true).text);
    table_add(table, TONE_PLAIN, "%s", decided ? unit_ratio(row->ratio.estimate).text : "-");
    table_add(table, TONE_FAINT, "%s", decided ? unit_ratio_interval(row->ratio.low, row->ratio.high).text : "");
    if (decided && isfinite(row->ratio.estimate)) {
        table_add(table, tone, "%+.1f %%", (row->ratio.estimate - 1) * 100);
    } else {
        table_add(table, TONE_FAINT, "-");
    }
    table_add(table, tone, "%s%s%s%s", row->regression ? "REGRESSION: " : "", compare_outcome(row),
              row->confirmation != NULL ? "; " : "", row->confirmation != NULL ? row->confirmation : "");
    table_end_row(table);
}

void compare_table_init(text_table *table, const compare_model *model) {
    static const table_column COLUMNS[] = {
        {"scenario", false}, {"subject", false},      {"base", true},   {"new", true},
        {"new/base", true},  {"95 % interval", true}, {"change", true}, {"outcome", false},
    };
    table_init(table, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < model->row_count; i++) {
        add_row(table, model->rows[i]);
    }
}
