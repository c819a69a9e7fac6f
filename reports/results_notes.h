/* What stands below a scenario's table, and the ranks over all scenarios: the same words in the terminal, in Markdown
 * and on the page. Lines live as long as the model. */
#ifndef POOLBUF_REPORTS_RESULTS_NOTES_H
#define POOLBUF_REPORTS_RESULTS_NOTES_H

#include "reports/model.h"
#include "reports/table.h"
#include "reports/units.h"

/* Why it stopped early, which samples lie far off, how many rounds an open question would take, which malloc ran;
 * NULL from the last on. */
const char *results_note(const results_model *model, const results_scenario *scenario, size_t index);

/* What the ranks are of. */
const char *results_ranks_caption(const results_model *model);
unit_text results_rank_interval(const results_rank *rank); /* "[1, 2]" */
/* Rows are the ranked subjects, best first. The caller calls table_fini(). */
void results_ranks_init(text_table *table, const results_model *model);

#endif
