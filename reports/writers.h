/* One writer a format and a kind. report.c chooses among them; they only write, and find out at the end, by ferror(),
 * whether the stream took it. */
#ifndef POOLBUF_REPORTS_WRITERS_H
#define POOLBUF_REPORTS_WRITERS_H

#include <stdio.h>

#include "reports/report.h"

/* What a writer sees of an input: one of the two is set. */
typedef struct report_view {
    const results_model *results;
    const leaks_model *leaks;
} report_view;

void text_write_results(const results_model *model, FILE *to, bool colour);
void text_write_leaks(const leaks_model *model, FILE *to, bool colour);
void text_write_compare(const compare_model *model, FILE *to, bool colour);

void markdown_write_results(const results_model *model, FILE *to);
void markdown_write_leaks(const leaks_model *model, FILE *to);
void markdown_write_compare(const compare_model *model, FILE *to);

/* False if the page was left out of this build. */
bool html_is_built(void);
void html_write(const report_view *views, size_t count, FILE *to);

#endif
