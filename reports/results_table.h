/* A scenario's results as a table, the same for the terminal and for Markdown. */
#ifndef POOLBUF_REPORTS_RESULTS_TABLE_H
#define POOLBUF_REPORTS_RESULTS_TABLE_H

#include "reports/model.h"
#include "reports/table.h"
#include "reports/units.h"

/* Rows are the subjects: time an operation, ratio to the baseline, memory, faults. The caller calls table_fini(). The
 * model must outlive the table, which borrows its headings from it. */
void results_table_init(text_table *table, const results_model *model, const results_scenario *scenario);

/* Rows are the scenarios, columns the subjects, cells the ratio to the baseline; leaders are strong. */
void results_overview_init(text_table *table, const results_model *model);

/* The unit of a scenario's times, which fits the fastest subject that does work. */
unit_scale results_scale(const results_scenario *scenario);
/* "12+3": a round's voluntary and involuntary context switches, the median of each. */
unit_text results_switches(const results_result *result);
bool results_is_null(const results_result *result);
const results_result *results_find(const results_scenario *scenario, const char *subject);

/* What a comparison's rows look like in both. */
/* A row's sides, whatever its metric; and its verdict, or why it has none, in words. */
unit_text compare_amount(const compare_row *row, bool is_new);
const char *compare_outcome(const compare_row *row);
void compare_table_init(text_table *table, const compare_model *model);

#endif
