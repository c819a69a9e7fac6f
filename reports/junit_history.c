/* A check of a history as JUnit's XML: a case for each series, by the names that junit.h asks for. */
#include <math.h>

#include "reports/history.h"
#include "reports/junit.h"
#include "reports/sentence.h"

/* "slower since v1.2, +8.1 %, of 20 runs, beyond 5 %" */
static const char *describe(const history_model *model, const history_series *series) {
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%s", history_outcome(model, series));
    if (isfinite(series->change)) {
        sentence_join(&out, "%+.1f %%", (series->change - 1) * 100);
    }
    sentence_join(&out, "of %zu run%s", series->point_count, sentence_plural(series->point_count));
    if (series->verdict == HISTORY_WORSE) {
        sentence_join(&out, "beyond %.3g %%", series->limit_percent);
    }
    return sentence_keep(&out, model->arena);
}

static void add_series(junit_suite *suite, const history_model *model, const history_series *series) {
    const bool judged = series->verdict != HISTORY_NOT_JUDGED && series->verdict != HISTORY_TOO_FEW;
    const bool lost = series->loss != HISTORY_NOTHING_LOST;
    const char *text = describe(model, series);
    junit_add_case(suite,
                   &(junit_case){.class_name = series->scenario,
                                 .name = model_text_format(model->arena, "%s, %s", series->subject, series->metric),
                                 .outcome = series->verdict == HISTORY_WORSE ? JUNIT_FAILURE
                                            : lost                           ? JUNIT_ERROR
                                            : judged                         ? JUNIT_PASSED
                                                                             : JUNIT_SKIPPED,
                                 .type = !lost                                 ? "regression"
                                         : series->loss == HISTORY_LOST_FAILED ? "failed"
                                                                               : "missing",
                                 .message = text,
                                 .details = judged && series->verdict != HISTORY_WORSE ? text : NULL,
                                 .seconds = MODEL_NAN});
}

/* Where no series could be judged the check has failed, whatever its cases say. */
static void add_check(junit_suite *suite, const history_model *model) {
    const bool checked = history_was_checked(model);
    junit_add_case(suite, &(junit_case){.class_name = "history",
                                        .name = "series were judged",
                                        .outcome = checked ? JUNIT_PASSED : JUNIT_ERROR,
                                        .type = "unchecked",
                                        .message = checked ? NULL : "no series has enough comparable runs",
                                        .details = history_answer(model),
                                        .seconds = MODEL_NAN});
}

void junit_write_history(const history_model *model, FILE *to) {
    junit *document = junit_create();
    junit_suite *suite = junit_add_suite(document, "history", model->newest);
    junit_add_property(suite, "history", history_facts(model));
    junit_add_property(suite, "newest run", model->newest_label);
    junit_add_property(suite, "host", model->host);
    junit_add_property(suite, "build", model->build);
    junit_add_property(suite, "times", history_relation(model));
    junit_add_property(suite, "answer", history_answer(model));
    for (size_t i = 0; i < model->remark_count; i++) {
        junit_add_property(suite, "note", model->remarks[i]);
    }
    add_check(suite, model);
    for (size_t i = 0; i < model->series_count; i++) {
        add_series(suite, model, model->series[i]);
    }
    junit_finish(document, to);
}
