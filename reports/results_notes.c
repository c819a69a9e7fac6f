/* Lines below a scenario's table, and the table of ranks. */
#include "reports/results_notes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/sentence.h"

/* More rounds than anybody waits for are not named. */
#define ROUNDS_WORTH_NAMING 1000

static const char *early_end(const results_model *model, const results_scenario *scenario) {
    if (scenario->rounds_played == MODEL_UNKNOWN || model->run.partial || model->run.rounds == MODEL_UNKNOWN ||
        scenario->rounds_played >= model->run.rounds) {
        return NULL;
    }
    if (!isfinite(scenario->confidence)) {
        return model_text_format(model->arena, "Ended after %" PRIu64 " of %" PRIu64 " rounds: every answer was clear.",
                                 scenario->rounds_played, model->run.rounds);
    }
    return model_text_format(model->arena,
                             "Ended after %" PRIu64 " of %" PRIu64 " rounds: every answer was clear. Its ratios have "
                             "intervals of %.1f %%, so that looking twice makes no error more likely.",
                             scenario->rounds_played, model->run.rounds, scenario->confidence * 100);
}

/* "Outliers, which count all the same: malloc in round 3, pooled in round 1, 7; ..." */
static const char *outliers(const results_model *model, const results_scenario *scenario) {
    sentence out;
    sentence_init(&out);
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        bool is_first = true;
        for (size_t j = 0; j < result->sample_count; j++) {
            if (!result->samples[j]->outlier) {
                continue;
            }
            if (is_first) {
                sentence_add(&out, "%s%s in round", out.used == 0 ? "" : "; ", result->subject);
            }
            sentence_add(&out, "%s%" PRIu64, is_first ? " " : ", ", result->samples[j]->round);
            is_first = false;
        }
    }
    return out.used == 0 ? NULL
                         : model_text_format(model->arena,
                                             "Outliers, which count all the same: %s (modified z-score of the "
                                             "logarithm above 3.5).",
                                             out.text);
}

/* "To separate from malloc: jemalloc about 45 rounds, mimalloc more than 1000". */
static const char *open_questions(const results_model *model, const results_scenario *scenario) {
    sentence out;
    sentence_init(&out);
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        if (result->rounds_needed == MODEL_UNKNOWN) {
            continue;
        }
        if (result->rounds_needed > ROUNDS_WORTH_NAMING) {
            sentence_join(&out, "%s more than %d", result->subject, ROUNDS_WORTH_NAMING);
        } else {
            sentence_join(&out, "%s about %" PRIu64, result->subject, result->rounds_needed);
        }
    }
    const char *baseline = model->run.baseline_subject;
    return out.used == 0 ? NULL
                         : model_text_format(model->arena,
                                             "Rounds it would take to tell from %s (--rounds), if they differ by what "
                                             "was seen here, or by 1 %%: %s.",
                                             baseline == NULL ? "the baseline" : baseline, out.text);
}

static bool had_threads(const results_result *result) {
    return result->sample_count > 0 && result->samples[0]->had_threads;
}

/* Which of its two selves the C library's malloc was, where both were measured. */
static const char *single_threaded_malloc(const results_model *model, const results_scenario *scenario) {
    const results_result *before = NULL;
    const results_result *after = NULL;
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        before = strcmp(result->subject, "malloc") == 0 ? result : before;
        after = strcmp(result->subject, "malloc-threaded") == 0 ? result : after;
    }
    if (before == NULL || after == NULL || before->sample_count == 0 || had_threads(before) || !had_threads(after)) {
        return NULL;
    }
    return model_text(model->arena,
                      "malloc ran in a process that never had a second thread, where glibc leaves out its locks and "
                      "atomic operations; malloc-threaded is the same code after a second thread has come and gone.");
}

const char *results_note(const results_model *model, const results_scenario *scenario, size_t index) {
    const char *lines[] = {early_end(model, scenario), outliers(model, scenario), open_questions(model, scenario),
                           single_threaded_malloc(model, scenario)};
    size_t count = 0;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lines[i] != NULL && count++ == index) {
            return lines[i];
        }
    }
    return NULL;
}

const char *results_ranks_caption(const results_model *model) {
    const char *baseline = model->run.baseline_subject;
    return model_text_format(
        model->arena,
        "geometric mean of the ratios to %s over %zu scenario%s, each weighing the same; intervals "
        "by resampling rounds",
        baseline == NULL ? "the baseline" : baseline, model->scenario_count, sentence_plural(model->scenario_count));
}

unit_text results_rank_interval(const results_rank *rank) {
    unit_text text = {"-"};
    if (rank->rank_low != MODEL_UNKNOWN && rank->rank_high != MODEL_UNKNOWN) {
        (void)snprintf(text.text, sizeof text.text, "[%" PRIu64 ", %" PRIu64 "]", rank->rank_low, rank->rank_high);
    }
    return text;
}

void results_ranks_init(text_table *table, const results_model *model) {
    static const table_column COLUMNS[] = {
        {"subject", false},       {"rank", true},          {"95 % interval", true},
        {"geometric mean", true}, {"95 % interval", true}, {"verdict", false},
    };
    table_init(table, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < model->rank_count; i++) {
        const results_rank *rank = model->ranks[i];
        const bool has_interval = isfinite(rank->ratio.low) && rank->ratio.verdict != VERDICT_BASELINE;
        table_add(table, TONE_PLAIN, "%s", rank->subject);
        table_add(table, TONE_PLAIN, "%s", unit_count(rank->rank).text);
        table_add(table, TONE_FAINT, "%s", results_rank_interval(rank).text);
        table_add(table, TONE_PLAIN, "%s", unit_ratio(rank->ratio.estimate).text);
        table_add(table, TONE_FAINT, "%s",
                  has_interval ? unit_ratio_interval(rank->ratio.low, rank->ratio.high).text : "");
        table_add(table, TONE_FAINT, "%s",
                  rank->ratio.verdict == VERDICT_UNKNOWN ? "-" : model_verdict_name(rank->ratio.verdict));
        table_end_row(table);
    }
}
