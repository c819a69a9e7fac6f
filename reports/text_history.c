/* A history for a terminal and as GitHub Markdown: where it comes from, a table, and the answer. */
#include "reports/history.h"
#include "reports/table.h"
#include "reports/writers.h"

static void print_fact(FILE *to, bool colour, const char *label, const char *text) {
    if (text != NULL) {
        char padded[16];
        snprintf(padded, sizeof padded, "%-10s", label);
        tone_print(to, colour, TONE_FAINT, padded);
        fputc(' ', to);
        text_print_safe(to, text);
        fputc('\n', to);
    }
}

static void print_text_table(text_table *table, FILE *to, bool colour) {
    table_print_text(table, to, 2, colour);
    table_fini(table);
    fputc('\n', to);
}

void text_write_history(const history_model *model, FILE *to, bool colour) {
    text_table table;
    print_fact(to, colour, "history", history_facts(model));
    print_fact(to, colour, "host", model->host);
    print_fact(to, colour, "build", model->build);
    print_fact(to, colour, "times", history_relation(model));
    fputc('\n', to);
    for (size_t i = 0; model->has_points && i < model->series_count; i++) {
        tone_print(to, colour, TONE_STRONG, history_series_title(model, model->series[i]));
        fputs("\n\n", to);
        history_points_init(&table, model->series[i]);
        print_text_table(&table, to, colour);
    }
    history_table_init(&table, model);
    print_text_table(&table, to, colour);
    for (size_t i = 0; i < model->remark_count; i++) {
        fputs("note: ", to);
        text_print_safe(to, model->remarks[i]);
        fputc('\n', to);
    }
    const bool is_good = history_model_count(model, HISTORY_WORSE) == 0 && history_model_losses(model) == 0;
    tone_print(to, colour, is_good ? TONE_STRONG : TONE_BAD, history_answer(model));
    fputc('\n', to);
}

static void print_line(FILE *to, const char *before, const char *text, const char *after) {
    fputs(before, to);
    markdown_print_safe(to, text);
    fputs(after, to);
}

static void print_bullet(FILE *to, const char *label, const char *text) {
    if (text != NULL) {
        fprintf(to, "- %s: ", label);
        print_line(to, "", text, "\n");
    }
}

static void print_markdown_table(text_table *table, FILE *to) {
    table_print_markdown(table, to);
    table_fini(table);
    fputc('\n', to);
}

void markdown_write_history(const history_model *model, FILE *to) {
    text_table table;
    fputs("## poolbuf history\n\n", to);
    print_line(to, "**", history_answer(model), "**\n\n");
    for (size_t i = 0; i < model->remark_count; i++) {
        print_line(to, "> ", model->remarks[i], "\n\n");
    }
    history_table_init(&table, model);
    print_markdown_table(&table, to);
    for (size_t i = 0; model->has_points && i < model->series_count; i++) {
        print_line(to, "### ", history_series_title(model, model->series[i]), "\n\n");
        history_points_init(&table, model->series[i]);
        print_markdown_table(&table, to);
    }
    print_bullet(to, "history", history_facts(model));
    print_bullet(to, "host", model->host);
    print_bullet(to, "build", model->build);
    print_bullet(to, "times", history_relation(model));
}
