/* The page's section on benchmark results: the answer, where it comes from, ratios at a glance, then a card a scenario
 * with a place for its chart and tables with every number. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/results_notes.h"
#include "reports/results_table.h"

enum {
    LEADERS_MOST = 32
};

static const char *verdict_class(const results_result *result) {
    if (result->status != RESULT_OK) {
        return result->status == RESULT_FAILED ? "failed" : "quiet";
    }
    if (results_is_null(result)) {
        return "quiet";
    }
    switch (result->ratio.verdict) {
    case VERDICT_FASTER:
        return "faster";
    case VERDICT_SLOWER:
        return "slower";
    case VERDICT_NOT_SEPARATED:
        return "undecided";
    default:
        return "plain";
    }
}

static bool leads_alone(const results_scenario *scenario, const results_result *result) {
    const results_result *leaders[LEADERS_MOST];
    return answer_leaders(scenario, leaders, LEADERS_MOST) == 1 && leaders[0] == result;
}

/* ---- at a glance ---- */

static void write_matrix_cell(const results_scenario *scenario, const results_result *result, FILE *to) {
    if (result == NULL || (result->status == RESULT_OK && result->ratio.verdict == VERDICT_UNKNOWN)) {
        fputs("<td class=\"quiet\">&ndash;</td>", to);
    } else if (result->status != RESULT_OK) {
        html_text_cell(to, verdict_class(result), result_status_name(result->status));
    } else {
        const char *sign = result->ratio.verdict == VERDICT_NOT_SEPARATED ? "&asymp;&#8239;" : "";
        fprintf(to, "<td class=\"%s%s\" title=\"%s\">%s<data value=\"%.12g\">%s</data></td>", verdict_class(result),
                leads_alone(scenario, result) ? " wins" : "", model_verdict_name(result->ratio.verdict), sign,
                result->ratio.estimate, unit_ratio(result->ratio.estimate).text);
    }
}

static void write_matrix(const results_model *model, size_t input, FILE *to) {
    fputs("<section class=\"card\"><h2>At a glance</h2>\n<p class=\"note\">Time an operation over ", to);
    html_print(to, model->run.baseline_subject == NULL ? "the baseline" : model->run.baseline_subject);
    fputs("&rsquo;s: below 1 is faster. The winner, where there is one, is bold.</p>\n"
          "<div class=\"scroll\"><table class=\"matrix\"><thead><tr><th scope=\"col\">scenario</th>",
          to);
    for (size_t i = 0; i < model->subject_count; i++) {
        if (strcmp(model->subjects[i]->name, MODEL_NULL_SUBJECT) != 0) {
            fputs("<th scope=\"col\">", to);
            html_print(to, model->subjects[i]->name);
            fputs("</th>", to);
        }
    }
    fputs("</tr></thead>\n<tbody>\n", to);
    for (size_t s = 0; s < model->scenario_count; s++) {
        fprintf(to, "<tr><th scope=\"row\"><a href=\"#r%zus%zu\">", input, s);
        html_print(to, model->scenarios[s]->name);
        fputs("</a></th>", to);
        for (size_t i = 0; i < model->subject_count; i++) {
            if (strcmp(model->subjects[i]->name, MODEL_NULL_SUBJECT) != 0) {
                write_matrix_cell(model->scenarios[s], results_find(model->scenarios[s], model->subjects[i]->name), to);
            }
        }
        fputs("</tr>\n", to);
    }
    fputs(
        "</tbody></table></div>\n<ul class=\"legend\"><li><i class=\"key-faster\"></i>faster</li>"
        "<li><i class=\"key-slower\"></i>slower</li><li><i class=\"key-undecided\"></i>&asymp; not separated: the 95 % "
        "interval holds 1</li><li><i class=\"key-baseline\"></i>baseline</li></ul>\n</section>\n",
        to);
}

static void write_ranks(const results_model *model, FILE *to) {
    fputs("<section class=\"card\"><h2>Ranks</h2>\n<p class=\"note\">", to);
    html_print(to, results_ranks_caption(model));
    fputs("</p>\n<div class=\"scroll\"><table class=\"numbers\"><thead><tr><th scope=\"col\">subject</th>"
          "<th scope=\"col\" class=\"number\">rank</th><th scope=\"col\" class=\"number\">95&#8239;% interval</th>"
          "<th scope=\"col\" class=\"number\">geometric mean</th>"
          "<th scope=\"col\" class=\"number\">95&#8239;% interval</th><th scope=\"col\">verdict</th></tr></thead>"
          "\n<tbody>\n",
          to);
    for (size_t i = 0; i < model->rank_count; i++) {
        const results_rank *rank = model->ranks[i];
        fputs("<tr><th scope=\"row\">", to);
        html_print(to, rank->subject);
        fputs("</th>", to);
        html_number_cell(to, "main", html_exact(rank->rank), unit_count(rank->rank));
        fprintf(to, "<td class=\"number interval\">%s</td>", results_rank_interval(rank).text);
        html_number_cell(to, "ratio", rank->ratio.estimate, unit_ratio(rank->ratio.estimate));
        fprintf(to, "<td class=\"number interval\">%s</td>",
                unit_ratio_interval(rank->ratio.low, rank->ratio.high).text);
        html_text_cell(to, "", rank->ratio.verdict == VERDICT_UNKNOWN ? NULL : model_verdict_name(rank->ratio.verdict));
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div>\n</section>\n", to);
}

/* ---- a scenario's tables ---- */

static void write_numbers_head(const results_model *model, unit_scale scale, FILE *to) {
    fprintf(to,
            "<div class=\"scroll\"><table class=\"numbers sortable\"><thead><tr><th scope=\"col\">subject</th>"
            "<th scope=\"col\" class=\"number\">%s/op</th><th scope=\"col\" class=\"number\">95&#8239;%% interval</th>"
            "<th scope=\"col\" class=\"number\">&times; ",
            strcmp(scale.name, "us") == 0 ? "&micro;s" : scale.name);
    html_print(to, model->run.baseline_subject == NULL ? "baseline" : model->run.baseline_subject);
    fputs("</th><th scope=\"col\" class=\"number\">95&#8239;% interval</th><th scope=\"col\">verdict</th>"
          "<th scope=\"col\" class=\"number\">peak live</th><th scope=\"col\" class=\"number\">peak resident</th>"
          "<th scope=\"col\" class=\"number\">growth</th><th scope=\"col\" "
          "class=\"number\">faults</th><th scope=\"col\" class=\"number\">switches</th></tr></thead>\n<tbody>\n",
          to);
}

static void write_verdict_cell(const results_result *result, FILE *to) {
    const char *word = result->status != RESULT_OK  ? result_status_name(result->status)
                       : results_is_null(result)    ? "harness cost"
                       : result->ratio.verdict == 0 ? NULL
                                                    : model_verdict_name(result->ratio.verdict);
    fputs(word == NULL ? "<td>&ndash;</td>" : "<td><span class=\"verdict\">", to);
    html_print(to, word);
    fputs(word == NULL ? "" : "</span></td>", to);
}

static void write_interval_cell(unit_text interval, FILE *to) {
    fprintf(to, "<td class=\"number interval\">%s</td>", interval.text);
}

static void write_numbers_row(const results_scenario *scenario, const results_result *result, unit_scale scale,
                              FILE *to) {
    bool is_fine = result->status == RESULT_OK;
    bool has_ratio = is_fine && !results_is_null(result) && result->ratio.verdict != VERDICT_UNKNOWN;
    bool has_interval = has_ratio && result->ratio.verdict != VERDICT_BASELINE;
    fprintf(to, "<tr class=\"%s%s\"><th scope=\"row\">", verdict_class(result),
            leads_alone(scenario, result) ? " leads" : "");
    html_print(to, result->subject);
    fputs("</th>", to);
    const model_estimate *time = &result->time_ns_per_op;
    html_number_cell(to, "main", is_fine ? time->median : MODEL_NAN, unit_scaled(scale, time->median));
    write_interval_cell(unit_scaled_interval(scale, time->low, time->high), to);
    html_number_cell(to, "ratio", has_ratio ? result->ratio.estimate : MODEL_NAN, unit_ratio(result->ratio.estimate));
    write_interval_cell(has_interval ? unit_ratio_interval(result->ratio.low, result->ratio.high) : (unit_text){""},
                        to);
    write_verdict_cell(result, to);
    double live = answer_median_count(result, offsetof(results_sample, peak_live_bytes));
    double growth = answer_median_count(result, offsetof(results_sample, resident_growth_bytes));
    double minor = answer_median_count(result, offsetof(results_sample, page_faults_minor));
    double major = answer_median_count(result, offsetof(results_sample, page_faults_major));
    html_number_cell(to, "", live, unit_bytes(live));
    html_number_cell(to, "", result->peak_resident_bytes.median, unit_bytes(result->peak_resident_bytes.median));
    html_number_cell(to, "", growth, unit_bytes(growth));
    html_number_cell(to, "", minor + (isfinite(major) ? major : 0), unit_number(minor + (isfinite(major) ? major : 0)));
    double switches = answer_median_count(result, offsetof(results_sample, switches_voluntary)) +
                      answer_median_count(result, offsetof(results_sample, switches_involuntary));
    html_number_cell(to, "", switches, results_switches(result));
    fputs("</tr>\n", to);
}

static void write_note(const char *note, FILE *to) {
    if (note != NULL) {
        fputs("<p class=\"note\">", to);
        html_print(to, note);
        fputs("</p>\n", to);
    }
}

static void write_numbers(const results_model *model, const results_scenario *scenario, unit_scale scale, FILE *to) {
    write_numbers_head(model, scale, to);
    for (size_t i = 0; i < scenario->result_count; i++) {
        write_numbers_row(scenario, scenario->results[i], scale, to);
    }
    fputs("</tbody></table></div>\n", to);
    write_note(results_waste(model, scenario), to);
    for (size_t i = 0; i < scenario->result_count; i++) {
        write_note(results_failure(model, scenario->results[i]), to);
    }
    const char *remark = NULL;
    for (size_t i = 0; (remark = results_note(model, scenario, i)) != NULL; i++) {
        fputs("<p class=\"note\">", to);
        html_print(to, remark);
        fputs("</p>\n", to);
    }
}

static const results_sample *sample_of_round(const results_result *result, uint64_t round) {
    for (size_t i = 0; i < result->sample_count; i++) {
        if (result->samples[i]->round == round) {
            return result->samples[i];
        }
    }
    return NULL;
}

/* Every sample, the slow ones too: rows are subjects, columns rounds. */
static void write_samples(const results_scenario *scenario, unit_scale scale, FILE *to) {
    enum {
        ROUNDS_MOST = 1000
    };
    uint64_t rounds = 0;
    for (size_t i = 0; i < scenario->result_count; i++) {
        for (size_t j = 0; j < scenario->results[i]->sample_count; j++) {
            uint64_t round = scenario->results[i]->samples[j]->round;
            rounds = round <= ROUNDS_MOST && round > rounds ? round : rounds;
        }
    }
    if (rounds == 0) {
        return;
    }
    fprintf(to,
            "<details class=\"samples\"><summary>Every sample by round, %s an operation</summary>\n"
            "<div class=\"scroll\"><table class=\"sortable\"><thead><tr><th scope=\"col\">subject</th>",
            strcmp(scale.name, "us") == 0 ? "&micro;s" : scale.name);
    for (uint64_t round = 1; round <= rounds; round++) {
        fprintf(to, "<th scope=\"col\" class=\"number\">%" PRIu64 "</th>", round);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        if (result->sample_count == 0) {
            continue;
        }
        fputs("<tr><th scope=\"row\">", to);
        html_print(to, result->subject);
        fputs("</th>", to);
        for (uint64_t round = 1; round <= rounds; round++) {
            const results_sample *sample = sample_of_round(result, round);
            double time = sample == NULL ? MODEL_NAN : sample->time_ns_per_op;
            html_number_cell(to, "sample", time, unit_scaled(scale, time));
        }
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div></details>\n", to);
}

/* What each subject held at the end of each phase: the same for all, or the subjects did not do the same work. */
static void write_phases(const results_scenario *scenario, FILE *to) {
    if (scenario->phase_count == 0) {
        return;
    }
    fputs("<details class=\"phases\"><summary>Live buffers and bytes at the end of each phase</summary>\n"
          "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">subject</th>",
          to);
    for (size_t p = 0; p < scenario->phase_count; p++) {
        fputs("<th scope=\"col\" class=\"number\" colspan=\"2\">", to);
        html_print(to, scenario->phases[p]);
        fputs("</th>", to);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        if (result->sample_count == 0) {
            continue;
        }
        const results_sample *last = result->samples[result->sample_count - 1];
        fputs("<tr><th scope=\"row\">", to);
        html_print(to, result->subject);
        fputs("</th>", to);
        for (size_t p = 0; p < scenario->phase_count; p++) {
            const results_phase *phase = p < last->phase_count ? last->phases[p] : NULL;
            uint64_t buffers = phase == NULL ? MODEL_UNKNOWN : phase->live_buffers;
            uint64_t bytes = phase == NULL ? MODEL_UNKNOWN : phase->live_bytes;
            html_number_cell(to, "", html_exact(buffers), unit_count(buffers));
            html_number_cell(to, "", html_exact(bytes), unit_byte_count(bytes));
        }
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div></details>\n", to);
}

static void write_scenario(const results_model *model, size_t input, size_t index, FILE *to) {
    const results_scenario *scenario = model->scenarios[index];
    const char *answer = answer_scenario(model, scenario);
    unit_scale scale = results_scale(scenario);
    fprintf(to, "<section class=\"card scenario\" id=\"r%zus%zu\">\n<h2>", input, index);
    html_print(to, scenario->name);
    fputs("</h2>\n<p class=\"asks\">", to);
    html_print(to, scenario->asks);
    fputs("</p>\n<p class=\"note\">", to);
    html_print(to, results_scenario_facts(model, scenario));
    if (isfinite(scenario->line_round_trip_ns)) {
        fprintf(to, ", a cache line&rsquo;s round trip between the threads&rsquo; cores %s",
                unit_time_ns(scenario->line_round_trip_ns).text);
    }
    fputs("</p>\n<p class=\"note\">", to);
    html_print(to, scenario->source);
    fputs("</p>\n<p class=\"answer\">", to);
    html_print(to, answer);
    fprintf(
        to,
        "</p>\n<figure class=\"chart\" data-input=\"%zu\" data-scenario=\"%zu\" role=\"img\" aria-label=\"Chart of ",
        input, index);
    html_print(to, scenario->name);
    fputs(": time an operation, ratio to the baseline and peak memory of each subject; ", to);
    html_print(to, answer);
    fputs(". The table below has the numbers.\"><div class=\"canvas\"></div><figcaption aria-hidden=\"true\">Dots: "
          "every sample, first round on top. Tick: median. Band: 95&#8239;% interval. Memory: the "
          "wide bar is resident, the narrow one live, as requested; what was never touched is not "
          "resident.</figcaption></figure>\n",
          to);
    write_numbers(model, scenario, scale, to);
    html_write_passes(model, scenario, to);
    write_samples(scenario, scale, to);
    write_phases(scenario, to);
    fputs("</section>\n", to);
}

/* ---- where it comes from ---- */

static void write_subjects(const results_model *model, FILE *to) {
    fputs("<section class=\"card\"><h2>Who served</h2>\n<p class=\"note\">The library that was found serving each "
          "subject, "
          "not the one that was asked for.</p>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\">subject</th>"
          "<th scope=\"col\">library</th><th scope=\"col\">version</th><th scope=\"col\">package</th>"
          "<th scope=\"col\">note</th></tr></thead>\n<tbody>\n",
          to);
    for (size_t i = 0; i < model->subject_count; i++) {
        const results_subject *subject = model->subjects[i];
        fprintf(to, "<tr class=\"%s\"><th scope=\"row\">", subject->available ? "" : "quiet");
        html_print(to, subject->name);
        fputs("</th>", to);
        html_text_cell(to, "",
                       subject->library == NULL ? (subject->available ? "built in" : "unavailable") : subject->library);
        html_text_cell(to, "", results_short_version(model, subject->version));
        html_text_cell(to, "", subject->package);
        html_text_cell(to, "", subject->note);
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div>\n", to);
    const char *command = results_command_line(model);
    if (command != NULL) {
        fputs("<h3>Command</h3>\n<pre class=\"stack command\">", to);
        html_print(to, command);
        fputs("</pre>\n", to);
    }
    fputs("</section>\n", to);
}

static void write_reading(FILE *to) {
    fputs("<section class=\"card\"><h2>How to read this</h2>\n"
          "<p class=\"asks\">Each subject ran each scenario in a process of its own, round after round, in a changing "
          "order; a "
          "ratio pairs what ran in the same round. Intervals are at 95&#8239;%. <b>Faster</b> and <b>slower</b> mean "
          "that the "
          "whole interval lies on one side of 1; <b>not separated</b> means that these numbers cannot tell. A winner "
          "is named only if it is separated from each of the others, again in pairs of the same round. Every sample "
          "is "
          "shown: none is dropped as an outlier. <b>Live</b> is what the scenario holds, as requested, <b>resident</b> "
          "what the "
          "process "
          "took from the system at its peak, <b>growth</b> how much of that came during the run. <b>null</b> hands out "
          "the "
          "same memory always: it is what the harness itself costs.</p></section>\n",
          to);
}

static void write_warnings(const results_model *model, FILE *to) {
    const char *caution = NULL;
    for (size_t i = 0; (caution = results_caution(model, i)) != NULL; i++) {
        fputs("<p class=\"warning\">", to);
        html_print(to, caution);
        fputs("</p>\n", to);
    }
}

void html_write_results(const results_model *model, size_t input, FILE *to) {
    fputs("<section class=\"results\">\n<p class=\"eyebrow\">Benchmark, ", to);
    html_print(to, model->created);
    fputs("</p>\n", to);
    html_headline(to, answer_overall(model));
    fputs("<dl class=\"facts\">\n", to);
    html_fact(to, "Host", results_host_facts(model));
    html_fact(to, "Build", results_build_facts(model));
    html_fact(to, "Run", results_run_facts(model));
    fputs("</dl>\n", to);
    write_warnings(model, to);
    fputs("<noscript><p class=\"note\">Charts need JavaScript. Every number stands in the tables.</p></noscript>\n",
          to);
    if (model->scenario_count > 1) {
        write_matrix(model, input, to);
    }
    if (model->rank_count > 0) {
        write_ranks(model, to);
    }
    for (size_t i = 0; i < model->scenario_count; i++) {
        write_scenario(model, input, i, to);
    }
    write_subjects(model, to);
    write_reading(to);
    fputs("</section>\n", to);
}
