/* The sentences of answer.h. */
#include "reports/answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/sentence.h"
#include "reports/units.h"

enum {
    LEADERS_MOST = 32,
};

/* "a", "a and b", "a, b and c": what goes before the i-th of count names. */
static const char *list_separator(size_t i, size_t count) {
    return i == 0 ? "" : i + 1 == count ? " and " : ", ";
}

static const char NULL_ALONE[] = "null alone was measured: what the harness costs";
static const char NOBODY[] = "no subject could be measured";

/* ---- who leads ---- */

static bool takes_part(const results_result *result) {
    return result->status == RESULT_OK && strcmp(result->subject, MODEL_NULL_SUBJECT) != 0 &&
           isfinite(result->time_ns_per_op.median);
}

static bool has_ratio(const results_result *result) {
    return result->ratio.verdict != VERDICT_UNKNOWN && isfinite(result->ratio.estimate);
}

/* Ratios are paired, so they decide wherever both have one; without them, times do. */
static bool is_ahead(const results_result *a, const results_result *b) {
    if (has_ratio(a) && has_ratio(b)) {
        return a->ratio.estimate < b->ratio.estimate;
    }
    return a->time_ns_per_op.median < b->time_ns_per_op.median;
}

static bool is_separated(const results_result *best, const results_result *other) {
    if (best->to_fastest.verdict == VERDICT_BASELINE && other->to_fastest.verdict != VERDICT_UNKNOWN) {
        return other->to_fastest.verdict == VERDICT_SLOWER;
    }
    if (best->ratio.verdict == VERDICT_BASELINE && has_ratio(other)) {
        return other->ratio.verdict == VERDICT_SLOWER;
    }
    if (other->ratio.verdict == VERDICT_BASELINE && has_ratio(best)) {
        return best->ratio.verdict == VERDICT_FASTER;
    }
    if (has_ratio(best) && has_ratio(other)) {
        return best->ratio.high < other->ratio.low; /* false when an end is unknown */
    }
    return best->time_ns_per_op.high < other->time_ns_per_op.low;
}

size_t answer_leaders(const results_scenario *scenario, const results_result **leaders, size_t most) {
    const results_result *best = NULL;
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        if (takes_part(result) && (best == NULL || is_ahead(result, best))) {
            best = result;
        }
    }
    size_t count = 0;
    if (best != NULL && most != 0) {
        leaders[count++] = best;
    }
    for (size_t i = 0; i < scenario->result_count && count != 0 && count < most; i++) {
        const results_result *result = scenario->results[i];
        if (result != best && takes_part(result) && !is_separated(best, result)) {
            size_t at = count++;
            for (; at > 1 && is_ahead(result, leaders[at - 1]); at--) {
                leaders[at] = leaders[at - 1];
            }
            leaders[at] = result;
        }
    }
    return count;
}

/* ---- results ---- */

/* "; next fixed, 1.05 of pooled's [1.02, 1.08]": who comes behind a winner. */
static void add_next(sentence *out, const results_scenario *scenario, const results_result *winner) {
    const results_result *next = NULL;
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        if (result != winner && takes_part(result) && isfinite(result->to_fastest.estimate) &&
            (next == NULL || result->to_fastest.estimate < next->to_fastest.estimate)) {
            next = result;
        }
    }
    if (next != NULL) {
        const results_ratio *ratio = &next->to_fastest;
        sentence_add(out, "; next %s, %s of %s's %s", next->subject, unit_ratio(ratio->estimate).text, winner->subject,
                     unit_ratio_interval(ratio->low, ratio->high).text);
    }
}

/* The null subject takes part in no comparison: with nobody else it is what was asked for. */
static bool is_of_null_alone(const results_scenario *scenario) {
    return scenario->result_count == 1 && scenario->results[0]->status == RESULT_OK &&
           strcmp(scenario->results[0]->subject, MODEL_NULL_SUBJECT) == 0;
}

static size_t count_contenders(const results_scenario *scenario) {
    size_t count = 0;
    for (size_t i = 0; i < scenario->result_count; i++) {
        count += takes_part(scenario->results[i]) ? 1 : 0;
    }
    return count;
}

static const char *answer_without_subjects(const results_model *model) {
    bool is_harness = model->scenario_count > 0;
    for (size_t i = 0; i < model->scenario_count; i++) {
        is_harness = is_harness && is_of_null_alone(model->scenarios[i]);
    }
    return is_harness ? NULL_ALONE : NOBODY;
}

const char *answer_scenario(const results_model *model, const results_scenario *scenario) {
    const results_result *leaders[LEADERS_MOST];
    size_t count = answer_leaders(scenario, leaders, LEADERS_MOST);
    const char *baseline = model->run.baseline_subject;
    sentence out;
    sentence_init(&out);
    if (count == 0) {
        sentence_add(&out, "%s", is_of_null_alone(scenario) ? NULL_ALONE : NOBODY);
    } else if (count_contenders(scenario) == 1) {
        sentence_add(&out, "%s alone was measured: nothing to compare it with", leaders[0]->subject);
    } else if (count == 1) {
        const results_ratio *ratio = &leaders[0]->ratio;
        sentence_add(&out, "%s wins", leaders[0]->subject);
        if (baseline != NULL && has_ratio(leaders[0]) && ratio->verdict != VERDICT_BASELINE) {
            sentence_add(&out, ": %s of %s's time %s", unit_ratio(ratio->estimate).text, baseline,
                         unit_ratio_interval(ratio->low, ratio->high).text);
        }
        add_next(&out, scenario, leaders[0]);
    } else {
        for (size_t i = 0; i < count; i++) {
            sentence_add(&out, "%s%s", list_separator(i, count), leaders[i]->subject);
        }
        sentence_add(&out, " are not separated");
    }
    return sentence_keep(&out, model->arena);
}

typedef struct score {
    const char *subject;
    size_t wins;
} score;

static void count_win(score *scores, size_t *count, const char *subject) {
    size_t i = 0;
    while (i < *count && strcmp(scores[i].subject, subject) != 0) {
        i++;
    }
    if (i == *count && i < LEADERS_MOST) {
        scores[(*count)++] = (score){subject, 0};
    }
    if (i < *count) {
        scores[i].wins++;
        for (; i > 0 && scores[i].wins > scores[i - 1].wins; i--) {
            score better = scores[i];
            scores[i] = scores[i - 1];
            scores[i - 1] = better;
        }
    }
}

/* "; not separated: handoff (pooled, mimalloc)" */
static void add_undecided(sentence *out, const results_model *model) {
    const char *separator = "; not separated: ";
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_result *leaders[LEADERS_MOST];
        size_t count = answer_leaders(model->scenarios[i], leaders, LEADERS_MOST);
        if (count < 2) {
            continue;
        }
        sentence_add(out, "%s%s (", separator, model->scenarios[i]->name);
        for (size_t j = 0; j < count; j++) {
            sentence_add(out, "%s%s", j == 0 ? "" : ", ", leaders[j]->subject);
        }
        sentence_add(out, ")");
        separator = ", ";
    }
}

/* Who is alone has beaten nobody. "; measured alone: handoff (pooled)" */
static void add_alone(sentence *out, const results_model *model) {
    const char *separator = "; measured alone: ";
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_result *only;
        if (count_contenders(model->scenarios[i]) == 1 && answer_leaders(model->scenarios[i], &only, 1) == 1) {
            sentence_add(out, "%s%s (%s)", separator, model->scenarios[i]->name, only->subject);
            separator = ", ";
        }
    }
}

/* The one subject of all scenarios that were measured; NULL where there are several. */
static const char *find_only_subject(const results_model *model) {
    const char *only = NULL;
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_result *leader;
        if (answer_leaders(model->scenarios[i], &leader, 1) == 0) {
            continue;
        }
        if (count_contenders(model->scenarios[i]) > 1 || (only != NULL && strcmp(only, leader->subject) != 0)) {
            return NULL;
        }
        only = leader->subject;
    }
    return only;
}

static void add_scores(sentence *out, const results_model *model, const score *scores, size_t count) {
    if (count == 0) {
        sentence_add(out, "no winner in %zu scenarios", model->scenario_count);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            sentence_add(out, ", %s %zu", scores[i].subject, scores[i].wins);
        } else if (scores[i].wins == model->scenario_count) {
            sentence_add(out, "%s wins all %zu scenarios", scores[i].subject, model->scenario_count);
        } else {
            sentence_add(out, "%s wins %zu of %zu scenarios", scores[i].subject, scores[i].wins, model->scenario_count);
        }
    }
}

const char *answer_overall(const results_model *model) {
    score scores[LEADERS_MOST];
    size_t score_count = 0;
    size_t unmeasured = 0;
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_result *leaders[LEADERS_MOST];
        size_t count = answer_leaders(model->scenarios[i], leaders, LEADERS_MOST);
        unmeasured += count == 0 ? 1 : 0;
        if (count == 1 && count_contenders(model->scenarios[i]) > 1) {
            count_win(scores, &score_count, leaders[0]->subject);
        }
    }
    if (unmeasured == model->scenario_count) {
        return answer_without_subjects(model);
    }
    if (model->scenario_count == 1) {
        return answer_scenario(model, model->scenarios[0]);
    }
    sentence out;
    sentence_init(&out);
    const char *only = find_only_subject(model);
    if (only != NULL) {
        sentence_add(&out, "%s alone was measured: nothing to compare it with", only);
    } else {
        add_scores(&out, model, scores, score_count);
        add_undecided(&out, model);
        add_alone(&out, model);
    }
    if (unmeasured != 0) {
        sentence_add(&out, "; not measured: %zu", unmeasured);
    }
    return sentence_keep(&out, model->arena);
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double answer_median_count(const results_result *result, size_t offset_in_sample) {
    if (result->sample_count == 0) {
        return MODEL_NAN;
    }
    double *values = calloc(result->sample_count, sizeof *values);
    if (values == NULL) {
        return MODEL_NAN;
    }
    size_t count = 0;
    for (size_t i = 0; i < result->sample_count; i++) {
        uint64_t value;
        memcpy(&value, (const unsigned char *)result->samples[i] + offset_in_sample, sizeof value);
        if (value != MODEL_UNKNOWN) {
            values[count++] = (double)value;
        }
    }
    qsort(values, count, sizeof *values, compare_doubles);
    double median = count == 0 ? MODEL_NAN : (values[(count - 1) / 2] + values[count / 2]) / 2;
    free(values);
    return median;
}

/* ---- leaks ---- */

static bool ended_by_misuse(const leaks_model *model) {
    for (size_t i = 0; i < model->process_count; i++) {
        const char *reason = model->processes[i]->reason;
        if (reason != NULL && strcmp(reason, "misuse") == 0) {
            return true;
        }
    }
    return false;
}

/* "3 buffers leaked, none of them sampled: ..." */
static const char *describe_unsampled(const leaks_model *model, uint64_t count, const char *verb) {
    return model_text_format(model->arena, "%s buffer%s%s, %s: run again with POOLBUF_LEAK_LEVEL=paranoid to see where",
                             unit_count(count).text, sentence_plural(count), verb,
                             count == 1 ? "not sampled" : "none of them sampled");
}

const char *answer_unsampled(const leaks_model *model) {
    const uint64_t unseen = leaks_model_unseen(model);
    return unseen == 0 ? NULL : describe_unsampled(model, unseen, " leaked");
}

/* A forked child has no exact counts, which would count what its parent has to release. */
static bool all_know(const leaks_model *model) {
    for (size_t i = 0; i < model->process_count; i++) {
        if (model->processes[i]->exact.live_buffers == MODEL_UNKNOWN) {
            return false;
        }
    }
    return true;
}

const char *answer_leaks(const leaks_model *model) {
    uint64_t count = 0;
    uint64_t bytes = 0;
    uint64_t buffers = 0;
    uint64_t buffer_bytes = 0;
    size_t standings[LEAKS_STANDING_COUNT] = {0};
    for (size_t i = 0; i < model->group_count; i++) {
        count += model->groups[i]->count;
        buffers += leaks_group_is_of_buffers(model->groups[i]) ? model->groups[i]->count : 0;
        const uint64_t held =
            model->groups[i]->bytes == MODEL_UNKNOWN || model->groups[i]->unit != NULL ? 0 : model->groups[i]->bytes;
        bytes += held;
        buffer_bytes += leaks_group_is_of_buffers(model->groups[i]) ? held : 0;
        standings[(unsigned)model->groups[i]->baseline.standing % LEAKS_STANDING_COUNT]++;
    }
    const bool live = leaks_model_is_live(model);
    leaks_exact exact = leaks_model_unsuppressed(model);
    uint64_t suppressed = leaks_model_suppressed(model).groups;
    bool exact_live = exact.live_buffers != MODEL_UNKNOWN && exact.live_buffers != 0;
    sentence out;
    sentence_init(&out);
    if (model->misuse_count > 0 && model->group_count == 0 && ended_by_misuse(model)) {
        sentence_add(&out, "%zu misuse%s, which ended the program before leaks could be looked for",
                     model->misuse_count, sentence_plural(model->misuse_count));
        return sentence_keep(&out, model->arena);
    }
    if (model->misuse_count > 0) {
        sentence_add(&out, "%zu misuse%s and ", model->misuse_count, sentence_plural(model->misuse_count));
    }
    if (model->process_count == 0 && model->group_count == 0) {
        sentence_add(&out, "nothing was checked: no process reported");
    } else if (model->group_count == 0 && exact_live && !live) {
        sentence_add(&out, "%s", describe_unsampled(model, exact.live_buffers, " leaked"));
    } else if (model->group_count == 0) {
        sentence_add(&out, live ? "nothing listed is alive" : "no leak found");
    } else if (live) {
        sentence_add(&out, "%zu call stack%s with what was alive: %s (%s)", model->group_count,
                     sentence_plural(model->group_count), unit_count(count).text, unit_byte_count(bytes).text);
    } else {
        sentence_add(&out, "%zu leaking call stack%s: ", model->group_count, sentence_plural(model->group_count));
        const uint64_t unseen = leaks_model_unseen(model);
        if (exact_live && leaks_model_has_buffers(model) && exact.live_buffers > buffers + unseen) {
            sentence_add(&out, "%s%s leaked in all (%s); seen with a stack: ", all_know(model) ? "" : "at least ",
                         unit_count(exact.live_buffers + count - buffers).text,
                         unit_byte_count(exact.live_bytes + bytes - buffer_bytes).text);
        }
        sentence_add(&out, "%s (%s)", unit_count(count).text, unit_byte_count(bytes).text);
        if (unseen > 0) {
            sentence_add(&out, "; and %s", describe_unsampled(model, unseen, ""));
        }
    }
    if (standings[STANDING_UNKNOWN] < model->group_count) {
        sentence_add(&out, "; against the baseline %zu new, %zu grown, %zu known", standings[STANDING_NEW],
                     standings[STANDING_GROWN], standings[STANDING_KNOWN]);
    }
    if (suppressed > 0) {
        sentence_add(&out, "; %s suppressed call stack%s", unit_count(suppressed).text, sentence_plural(suppressed));
    }
    return sentence_keep(&out, model->arena);
}

/* ---- comparison ---- */

const char *answer_compare_unchecked(const compare_model *model) {
    for (size_t i = 0; i < model->row_count; i++) {
        const compare_row *row = model->rows[i];
        if (row->metric != NULL && compare_is_decided(row)) {
            return "no times could be compared";
        }
    }
    return "nothing could be compared";
}

/* How times stand, and by which threshold. */
static void add_times(sentence *out, const compare_model *model, const size_t verdicts[MODEL_VERDICT_COUNT],
                      size_t timed) {
    if (timed == model->row_count) {
        sentence_add(out, " beyond %.3g %%:", model->threshold_percent);
    } else {
        sentence_add(out, " beyond the thresholds; of times"); /* each metric has one of its own */
    }
    sentence_add(out, " %zu faster, %zu slower, %zu not separated", verdicts[VERDICT_FASTER], verdicts[VERDICT_SLOWER],
                 verdicts[VERDICT_NOT_SEPARATED]);
    const size_t undecided = verdicts[VERDICT_UNKNOWN] + verdicts[VERDICT_BASELINE];
    if (undecided != 0) {
        sentence_add(out, ", %zu without a verdict", undecided);
    }
}

const char *answer_compare(const compare_model *model) {
    size_t timed = 0;
    size_t others = 0;
    size_t verdicts[MODEL_VERDICT_COUNT] = {0};
    for (size_t i = 0; i < model->row_count; i++) {
        const compare_row *row = model->rows[i];
        if (row->metric == NULL) {
            verdicts[(unsigned)row->ratio.verdict % MODEL_VERDICT_COUNT]++;
            timed++;
        } else {
            others += compare_is_decided(row) ? 1 : 0;
        }
    }
    const size_t regressions = compare_model_regressions(model);
    const bool has_times = timed > verdicts[VERDICT_UNKNOWN] + verdicts[VERDICT_BASELINE];
    sentence out;
    sentence_init(&out);
    if (model->are_times_off ? others == 0 : !has_times && regressions == 0) {
        sentence_add(&out, "%s", answer_compare_unchecked(model));
        return sentence_keep(&out, model->arena);
    }
    if (regressions == 0) {
        sentence_add(&out, "no regression");
    } else {
        sentence_add(&out, "%zu regression%s", regressions, sentence_plural(regressions));
    }
    if (model->are_times_off) {
        sentence_add(&out, " beyond the thresholds in %zu comparison%s, none of times", others,
                     sentence_plural(others));
    } else {
        add_times(&out, model, verdicts, timed);
    }
    if (compare_model_losses(model) != 0) {
        sentence_add(&out, "; %zu measured in base and not in new", compare_model_losses(model));
    }
    return sentence_keep(&out, model->arena);
}
