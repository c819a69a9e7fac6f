/* A scenario's results as a table, the same for the terminal and for Markdown. */
#ifndef POOLBUF_REPORTS_RESULTS_TABLE_H
#define POOLBUF_REPORTS_RESULTS_TABLE_H

#include "reports/model.h"
#include "reports/table.h"

/* Rows are the subjects: time an operation, ratio to the baseline, memory, faults. The caller calls table_fini(). The
 * model must outlive the table, which borrows its headings from it. */
void results_table_init(text_table *table, const results_model *model, const results_scenario *scenario);

/* Rows are the scenarios, columns the subjects, cells the ratio to the baseline; leaders are strong. */
void results_overview_init(text_table *table, const results_model *model);

/* What a comparison's rows look like in both. */
void compare_table_init(text_table *table, const compare_model *model);

#endif
