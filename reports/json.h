/* Models to JSON and back. json_file.c reads files and says what is wrong with them; json_results.c, json_leaks.c,
 * json_compare.c and json_history.c own one schema each, as tables (json_field.h). */
#ifndef POOLBUF_REPORTS_JSON_H
#define POOLBUF_REPORTS_JSON_H

#include <stdio.h>

#include "reports/history.h"
#include "reports/json_field.h"

/* The caller owns what comes back; never NULL. */
json_t *results_to_json(const results_model *model);
json_t *leaks_to_json(const leaks_model *model);
json_t *compare_to_json(const compare_model *model);
json_t *history_to_json(const history_model *model);

/* NULL after a fault, which is then in the reader. `reader` starts zeroed; its arena is the new model's. */
results_model *results_from_json(json_reader *reader, const json_t *root);
leaks_model *leaks_from_json(json_reader *reader, const json_t *root);

/* JSON for people: indented, numbers with the digits that a measurement can have. */
void json_print(const json_t *value, FILE *to);

#endif
