/* Results and comparisons as test results. A result passes if it was measured: which subject wins is no verdict about the
 * program. A comparison passes unless it is a regression. */
#include <math.h>
#include <stdlib.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/junit.h"
#include "reports/results_table.h"
#include "reports/sentence.h"
#include "reports/units.h"

/* One play of the scenario. */
static double seconds_of(const results_scenario *scenario, const results_result *result) {
    return scenario->operations == MODEL_UNKNOWN ? MODEL_NAN
                                                 : result->time_ns_per_op.median * (double)scenario->operations / 1e9;
}

static void add_measured(sentence *out, const results_model *model, const results_result *result) {
    const model_estimate *time = &result->time_ns_per_op;
    const results_ratio *ratio = &result->ratio;
    sentence_join(out, "%s an operation [%s, %s]", unit_time_ns(time->median).text, unit_time_ns(time->low).text,
                  unit_time_ns(time->high).text);
    if (results_is_null(result)) {
        sentence_join(out, "harness cost");
    } else if (isfinite(ratio->estimate) && ratio->verdict != VERDICT_BASELINE && model->run.baseline_subject != NULL) {
        sentence_join(out, "%s of %s's %s: %s", unit_ratio(ratio->estimate).text, model->run.baseline_subject,
                      unit_ratio_interval(ratio->low, ratio->high).text, model_verdict_name(ratio->verdict));
    }
    if (isfinite(result->peak_resident_bytes.median)) {
        sentence_join(out, "peak resident %s", unit_bytes(result->peak_resident_bytes.median).text);
    }
}

static void add_result(junit_suite *suite, const results_model *model, const results_scenario *scenario,
                       const results_result *result) {
    sentence measured;
    sentence_init(&measured);
    if (result->status == RESULT_OK) {
        add_measured(&measured, model, result);
    }
    junit_add_case(suite,
                   &(junit_case){.class_name = scenario->name,
                                 .name = result->subject,
                                 .outcome = result->status == RESULT_OK       ? JUNIT_PASSED
                                            : result->status == RESULT_FAILED ? JUNIT_FAILURE
                                                                              : JUNIT_SKIPPED,
                                 .type = "failed",
                                 .message = results_failure(model, result),
                                 .details = measured.used == 0 ? NULL : measured.text,
                                 .seconds = result->status == RESULT_OK ? seconds_of(scenario, result) : MODEL_NAN});
}

void junit_add_results(junit *to, const results_model *model) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_scenario *scenario = model->scenarios[i];
        junit_suite *suite = junit_add_suite(to, scenario->name, model->created);
        junit_add_property(suite, "host", results_host_facts(model));
        junit_add_property(suite, "build", results_build_facts(model));
        junit_add_property(suite, "run", results_run_facts(model));
        junit_add_property(suite, "scenario", results_scenario_facts(model, scenario));
        junit_add_property(suite, "answer", answer_scenario(model, scenario));
        for (size_t j = 0; j < scenario->result_count; j++) {
            add_result(suite, model, scenario, scenario->results[j]);
        }
        if (model->run.partial) {
            junit_add_case(suite, &(junit_case){.class_name = scenario->name,
                                                .name = "all rounds were played",
                                                .outcome = JUNIT_ERROR,
                                                .type = "partial",
                                                .message = "the run was ended before its time: rounds are missing",
                                                .seconds = MODEL_NAN});
        }
    }
}

/* ---- comparisons ---- */

static void describe(sentence *out, const compare_model *model, const compare_row *row) {
    const results_ratio *ratio = &row->ratio;
    if (!compare_is_decided(row)) {
        sentence_join(out, "%s", compare_outcome(row));
        return;
    }
    sentence_join(out, "%s, %s before", compare_amount(row, true).text, compare_amount(row, false).text);
    if (isfinite(ratio->estimate)) {
        sentence_join(out, "%+.1f %%", (ratio->estimate - 1) * 100);
    }
    if (isfinite(ratio->low) && isfinite(ratio->high)) {
        sentence_join(out, "new/base %s %s", unit_ratio(ratio->estimate).text,
                      unit_ratio_interval(ratio->low, ratio->high).text);
    }
    sentence_join(out, "%s", compare_outcome(row));
    if (row->regression) {
        sentence_join(out, "beyond %.3g %%", row->metric == NULL ? model->threshold_percent : row->limit_percent);
    }
    sentence_join_text(out, "", row->confirmation);
}

/* What the exit code of `poolbuf compare` answers for: regressions, and what BASE has and NEW has not. */
static void add_row(junit_suite *suite, const compare_model *model, const compare_row *row) {
    const bool is_lost = row->loss == COMPARE_LOST_FAILED || row->loss == COMPARE_LOST_MISSING;
    const junit_outcome outcome = row->regression           ? JUNIT_FAILURE
                                  : is_lost                 ? JUNIT_ERROR
                                  : compare_is_decided(row) ? JUNIT_PASSED
                                                            : JUNIT_SKIPPED;
    sentence text;
    sentence_init(&text);
    describe(&text, model, row);
    junit_add_case(suite, &(junit_case){.class_name = row->scenario,
                                        .name = model_text_format(model->arena, "%s, %s", row->subject,
                                                                  row->metric == NULL ? "time" : row->metric),
                                        .outcome = outcome,
                                        .type = row->regression                    ? "regression"
                                                : row->loss == COMPARE_LOST_FAILED ? "failed"
                                                                                   : "missing",
                                        .message = text.text,
                                        .details = outcome == JUNIT_PASSED ? text.text : NULL,
                                        .seconds = MODEL_NAN});
}

static void add_check(junit_suite *suite, const compare_model *model) {
    const bool has_times = !model->are_times_off;
    const bool is_checked = compare_model_is_checked(model);
    junit_add_case(suite, &(junit_case){.class_name = "comparison",
                                        .name = has_times ? "times were compared" : "something was compared",
                                        .outcome = is_checked ? JUNIT_PASSED : JUNIT_ERROR,
                                        .type = "unchecked",
                                        .message = is_checked  ? NULL
                                                   : has_times ? "no scenario and subject has times in both"
                                                               : "no scenario and subject has what is judged in both",
                                        .details = answer_compare(model),
                                        .seconds = MODEL_NAN});
}

void junit_write_compare(const compare_model *model, FILE *to) {
    junit *document = junit_create();
    junit_suite *suite = junit_add_suite(document, "comparison", model->new.created);
    junit_add_property(suite, "base", compare_side_facts(model, &model->base));
    junit_add_property(suite, "new", compare_side_facts(model, &model->new));
    junit_add_property(suite, "answer", answer_compare(model));
    for (size_t i = 0; i < model->remark_count; i++) {
        junit_add_property(suite, "note", model->remarks[i]);
    }
    add_check(suite, model);
    for (size_t i = 0; i < model->row_count; i++) {
        add_row(suite, model, model->rows[i]);
    }
    junit_finish(document, to);
}

void junit_write(const report_view *views, size_t count, FILE *to) {
    junit *document = junit_create();
    for (size_t i = 0; i < count; i++) {
        if (views[i].results != NULL) {
            junit_add_results(document, views[i].results);
        } else {
            junit_add_leaks(document, views[i].leaks);
        }
    }
    junit_finish(document, to);
}
