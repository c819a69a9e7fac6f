/* Reports as GitHub Markdown, for job summaries and comments: the answer first, tables next, detail folded away. */
#include <math.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/results_notes.h"
#include "reports/results_passes.h"
#include "reports/results_table.h"
#include "reports/units.h"
#include "reports/writers.h"

static void print_heading(FILE *to, const char *marks, const char *text) {
    fprintf(to, "%s ", marks);
    markdown_print_safe(to, text);
    fputs("\n\n", to);
}

static void print_strong(FILE *to, const char *text) {
    fputs("**", to);
    markdown_print_safe(to, text);
    fputs("**\n\n", to);
}

static void print_bullet(FILE *to, const char *label, const char *text) {
    if (text != NULL) {
        fprintf(to, "- %s%s", label, label[0] == '\0' ? "" : ": ");
        markdown_print_safe(to, text);
        fputc('\n', to);
    }
}

static void print_table(FILE *to, text_table *table) {
    table_print_markdown(table, to);
    table_fini(table);
    fputc('\n', to);
}

static void print_remark(FILE *to, const char *remark) {
    if (remark != NULL) {
        markdown_print_safe(to, remark);
        fputs("\n\n", to);
    }
}

/* What was measured beside time. */
static void print_passes(const results_model *model, const results_scenario *scenario, FILE *to) {
    for (int i = 0; i < RESULTS_PASS_COUNT; i++) {
        results_pass_head head;
        if (results_pass_head_of(model, scenario, (results_pass)i, &head)) {
            text_table table;
            print_heading(to, "####", head.title);
            print_remark(to, head.caption);
            results_pass_table_init(&table, model, scenario, (results_pass)i, &head);
            print_table(to, &table);
            for (size_t j = 0; j < scenario->result_count; j++) {
                print_remark(to, results_pass_failure(model, scenario->results[j], (results_pass)i));
            }
        }
    }
}

static void print_scenario(const results_model *model, const results_scenario *scenario, FILE *to) {
    print_heading(to, "###", scenario->name);
    if (scenario->asks != NULL) {
        markdown_print_safe(to, scenario->asks);
        fputs("\n\n", to);
    }
    print_strong(to, answer_scenario(model, scenario));
    text_table table;
    results_table_init(&table, model, scenario);
    print_table(to, &table);
    print_remark(to, results_memory_caution(scenario));
    print_remark(to, results_waste(model, scenario));
    const char *remark = NULL;
    for (size_t i = 0; (remark = results_note(model, scenario, i)) != NULL; i++) {
        print_remark(to, remark);
    }
    print_passes(model, scenario, to);
    bool has_failure = false;
    for (size_t i = 0; i < scenario->result_count; i++) {
        const char *failure = results_failure(model, scenario->results[i]);
        print_bullet(to, "", failure);
        has_failure = has_failure || failure != NULL;
    }
    fputs(has_failure ? "\n" : "", to);
    const char *facts = results_scenario_facts(model, scenario);
    if (facts != NULL) {
        markdown_print_safe(to, facts);
    }
    if (isfinite(scenario->line_round_trip_ns)) {
        fprintf(to, ", line round trip %s", unit_time_ns(scenario->line_round_trip_ns).text);
    }
    fputs(". ", to);
    markdown_print_safe(to, scenario->source == NULL ? "" : scenario->source);
    fputs("\n\n", to);
}

void markdown_write_results(const results_model *model, FILE *to) {
    print_heading(to, "##", "poolbuf benchmark");
    print_strong(to, answer_overall(model));
    const char *caution = NULL;
    for (size_t i = 0; (caution = results_caution(model, i)) != NULL; i++) {
        print_bullet(to, "note", caution);
    }
    fputs(results_caution(model, 0) != NULL ? "\n" : "", to);
    if (model->scenario_count > 1) {
        fputs("Time an operation over that of ", to);
        markdown_print_safe(to, model->run.baseline_subject == NULL ? "the baseline" : model->run.baseline_subject);
        fputs(": below 1 is faster, \\~ is not separated from 1.\n\n", to);
        text_table table;
        results_overview_init(&table, model);
        print_table(to, &table);
    }
    if (model->rank_count > 0) {
        markdown_print_safe(to, "Ranks: ");
        markdown_print_safe(to, results_ranks_caption(model));
        fputs("\n\n", to);
        text_table table;
        results_ranks_init(&table, model);
        print_table(to, &table);
    }
    for (size_t i = 0; i < model->scenario_count; i++) {
        print_scenario(model, model->scenarios[i], to);
    }
    fputs("<details><summary>Where these numbers come from</summary>\n\n", to);
    print_bullet(to, "host", results_host_facts(model));
    print_bullet(to, "build", results_build_facts(model));
    print_bullet(to, "run", results_run_facts(model));
    for (size_t i = 0; i < model->subject_count; i++) {
        print_bullet(to, "", results_subject_facts(model, model->subjects[i]));
    }
    const char *command = results_command_line(model);
    if (command != NULL) {
        fputs("\n```sh\n", to);
        markdown_print_fenced(to, command);
        fputs("```\n", to);
    }
    fputs("\n</details>\n", to);
}

void markdown_write_compare(const compare_model *model, FILE *to) {
    print_heading(to, "##", "poolbuf comparison");
    print_strong(to, answer_compare(model));
    for (size_t i = 0; i < model->remark_count; i++) {
        fputs("> ", to);
        markdown_print_safe(to, model->remarks[i]);
        fputs("\n\n", to);
    }
    text_table table;
    compare_table_init(&table, model);
    print_table(to, &table);
    print_bullet(to, "base", compare_side_facts(model, &model->base));
    print_bullet(to, "new", compare_side_facts(model, &model->new));
}
