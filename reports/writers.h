/* One writer a format and a kind. report.c chooses among them; they only write, and find out at the end, by ferror(),
 * whether the stream took it. */
#ifndef POOLBUF_REPORTS_WRITERS_H
#define POOLBUF_REPORTS_WRITERS_H

#include <stdio.h>

#include "reports/report.h"

/* What a writer sees of an input: one of them is set; a history only for the page. */
typedef struct report_view {
    const results_model *results;
    const leaks_model *leaks;
    const history_model *history;
} report_view;

void text_write_results(const results_model *model, FILE *to, bool colour);
void text_write_leaks(const leaks_model *model, FILE *to, bool colour);
void text_write_compare(const compare_model *model, FILE *to, bool colour);
void text_write_history(const history_model *model, FILE *to, bool colour);
/* What stands below one title of a text report, for writers that have titles of their own. */
void text_write_group(const leaks_model *model, const leaks_group *group, FILE *to);
void text_write_misuse(const leaks_model *model, const leaks_misuse *misuse, FILE *to);
/* What was checked, and how far that goes: processes, counts, the sample, suppressions. */
void text_write_checked(const leaks_model *model, FILE *to);

void markdown_write_results(const results_model *model, FILE *to);
void markdown_write_leaks(const leaks_model *model, FILE *to);
void markdown_write_compare(const compare_model *model, FILE *to);
void markdown_write_history(const history_model *model, FILE *to);

/* JUnit's XML; several inputs are several suites of one document. */
void junit_write(const report_view *views, size_t count, FILE *to);
void junit_write_compare(const compare_model *model, FILE *to);
void junit_write_history(const history_model *model, FILE *to);

/* SARIF 2.1.0, a run an input, which are all leaks; files in source_root are named relative to it. */
void sarif_write(const report_view *views, size_t count, const char *source_root, FILE *to);

/* Collapsed stacks, of leaks; those of several inputs one after the other, as readers add them up. */
void collapsed_write(const report_view *views, size_t count, report_weight weight, FILE *to);

/* False if the page was left out of this build. */
bool html_is_built(void);
void html_write(const report_view *views, size_t count, FILE *to);

#endif
