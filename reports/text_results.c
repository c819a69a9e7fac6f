/* Results and comparisons for a terminal: a table a scenario, then the ratios at a glance, then the answer, last, where a
 * reader's eye rests after the program ends. */
#include <math.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/results_notes.h"
#include "reports/results_passes.h"
#include "reports/results_table.h"
#include "reports/units.h"
#include "reports/writers.h"

/* Why a subject has no numbers, below the table: a long message would widen it. */
static void print_failures(const results_model *model, const results_scenario *scenario, FILE *to, bool colour) {
    for (size_t i = 0; i < scenario->result_count; i++) {
        const char *failure = results_failure(model, scenario->results[i]);
        if (failure != NULL) {
            fputs("  ", to);
            tone_print(to, colour, scenario->results[i]->status == RESULT_FAILED ? TONE_BAD : TONE_FAINT, failure);
            fputs("\n", to);
        }
    }
}

/* A paragraph in lines of at most WRAP_COLUMNS, cut at spaces. */
static void print_paragraph(const char *text, FILE *to, bool colour) {
    enum {
        WRAP_COLUMNS = 112,
        LINE_BYTES = 1024
    };
    while (text != NULL && *text != '\0') {
        text += strspn(text, " ");
        size_t length = 0;
        size_t columns = 0;
        size_t fits = 0;
        for (; text[length] != '\0' && columns <= WRAP_COLUMNS && length < LINE_BYTES - 1; length++) {
            fits = text[length] == ' ' ? length : fits;
            columns += ((unsigned char)text[length] & 0xC0) != 0x80 ? 1 : 0;
        }
        bool is_last = text[length] == '\0' && columns <= WRAP_COLUMNS;
        length = is_last || fits == 0 ? length : fits;
        char line[LINE_BYTES];
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        fputs(length == 0 ? "" : "  ", to);
        tone_print(to, colour, TONE_FAINT, line);
        fputs(length == 0 ? "" : "\n", to);
        text += length;
    }
}

/* What was measured beside time. */
static void print_passes(const results_model *model, const results_scenario *scenario, FILE *to, bool colour) {
    for (int i = 0; i < RESULTS_PASS_COUNT; i++) {
        results_pass_head head;
        if (!results_pass_head_of(model, scenario, (results_pass)i, &head)) {
            continue;
        }
        fputs("\n  ", to);
        tone_print(to, colour, TONE_STRONG, head.title);
        fputs("\n", to);
        print_paragraph(head.caption, to, colour);
        fputs("\n", to);
        text_table table;
        results_pass_table_init(&table, model, scenario, (results_pass)i, &head);
        table_print_text(&table, to, 2, colour);
        table_fini(&table);
        for (size_t j = 0; j < scenario->result_count; j++) {
            print_paragraph(results_pass_failure(model, scenario->results[j], (results_pass)i), to, colour);
        }
    }
}

static void print_scenario(const results_model *model, const results_scenario *scenario, FILE *to, bool colour) {
    tone_print(to, colour, TONE_STRONG, scenario->name);
    if (scenario->asks != NULL) {
        fputs("  ", to);
        text_print_safe(to, scenario->asks);
    }
    fputs("\n  ", to);
    tone_print(to, colour, TONE_FAINT, results_scenario_facts(model, scenario));
    if (isfinite(scenario->line_round_trip_ns)) {
        tone_print(to, colour, TONE_FAINT, ", line round trip ");
        tone_print(to, colour, TONE_FAINT, unit_time_ns(scenario->line_round_trip_ns).text);
    }
    fputs("\n", to);
    print_paragraph(scenario->source, to, colour);
    fputs("\n", to);
    text_table table;
    results_table_init(&table, model, scenario);
    table_print_text(&table, to, 2, colour);
    table_fini(&table);
    print_paragraph(results_memory_caution(scenario), to, colour);
    print_paragraph(results_waste(model, scenario), to, colour);
    const char *remark = NULL;
    for (size_t i = 0; (remark = results_note(model, scenario, i)) != NULL; i++) {
        print_paragraph(remark, to, colour);
    }
    print_passes(model, scenario, to, colour);
    fputs("\n", to);
    print_failures(model, scenario, to, colour);
    fputs("  ", to);
    tone_print(to, colour, TONE_STRONG, answer_scenario(model, scenario));
    fputs("\n\n", to);
}

/* One "label  text" line of the provenance; nothing if there is no text. */
static void print_fact(FILE *to, bool colour, const char *label, const char *text) {
    if (text != NULL && text[0] != '\0') {
        char padded[16];
        snprintf(padded, sizeof padded, "%-10s", label);
        tone_print(to, colour, TONE_FAINT, padded);
        text_print_safe(to, text);
        fputc('\n', to);
    }
}

static void print_provenance(const results_model *model, FILE *to, bool colour) {
    print_fact(to, colour, "host", results_host_facts(model));
    print_fact(to, colour, "build", results_build_facts(model));
    print_fact(to, colour, "run", results_run_facts(model));
    for (size_t i = 0; i < model->subject_count; i++) {
        print_fact(to, colour, i == 0 ? "served by" : "", results_subject_facts(model, model->subjects[i]));
    }
    print_fact(to, colour, "command", results_command_line(model));
}

void text_write_results(const results_model *model, FILE *to, bool colour) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        print_scenario(model, model->scenarios[i], to, colour);
    }
    if (model->scenario_count > 1) {
        const char *baseline = model->run.baseline_subject;
        tone_print(to, colour, TONE_STRONG, "ratios");
        fputs("  time an operation over ", to);
        text_print_safe(to, baseline == NULL ? "the baseline" : baseline);
        fputs("'s: below 1 is faster, ~ is not separated from 1\n\n", to);
        text_table table;
        results_overview_init(&table, model);
        table_print_text(&table, to, 2, colour);
        table_fini(&table);
        fputs("\n", to);
    }
    if (model->rank_count > 0) {
        tone_print(to, colour, TONE_STRONG, "ranks");
        fputs("  ", to);
        text_print_safe(to, results_ranks_caption(model));
        fputs("\n\n", to);
        text_table table;
        results_ranks_init(&table, model);
        table_print_text(&table, to, 2, colour);
        table_fini(&table);
        fputs("\n", to);
    }
    print_provenance(model, to, colour);
    const char *caution = NULL;
    for (size_t i = 0; (caution = results_caution(model, i)) != NULL; i++) {
        print_fact(to, colour, "note", caution);
    }
    fputs("\n", to);
    tone_print(to, colour, TONE_STRONG, answer_overall(model));
    fputs("\n", to);
}

void text_write_compare(const compare_model *model, FILE *to, bool colour) {
    const compare_side *sides[] = {&model->base, &model->new};
    static const char *const LABELS[] = {"base", "new"};
    for (int i = 0; i < 2; i++) {
        print_fact(to, colour, LABELS[i], compare_side_facts(model, sides[i]));
    }
    fputs("\n", to);
    text_table table;
    compare_table_init(&table, model);
    table_print_text(&table, to, 2, colour);
    table_fini(&table);
    fputs("\n", to);
    for (size_t i = 0; i < model->remark_count; i++) {
        fputs("note: ", to);
        text_print_safe(to, model->remarks[i]);
        fputs("\n", to);
    }
    const bool is_good = compare_model_regressions(model) == 0 && compare_model_losses(model) == 0;
    tone_print(to, colour, is_good ? TONE_STRONG : TONE_BAD, answer_compare(model));
    fputs("\n", to);
}
