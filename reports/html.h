/* Pieces of the HTML page, shared by its sections. The page is complete without scripts: every number stands in a table,
 * exact in <data value>, short as its text. Scripts (web/) add charts. Whatever comes from outside passes html_print(). */
#ifndef POOLBUF_REPORTS_HTML_H
#define POOLBUF_REPORTS_HTML_H

#include <stdint.h>
#include <stdio.h>

#include "reports/history.h"
#include "reports/model.h"
#include "reports/units.h"

/* Text, with what HTML would take for markup escaped; NULL prints nothing. */
void html_print(FILE *to, const char *text);
/* <td class="number CLASS"><data value="EXACT">shown</data></td>, or a dash if unknown. */
void html_number_cell(FILE *to, const char *class, double exact, unit_text shown);
void html_text_cell(FILE *to, const char *class, const char *text);
/* A heading of a sentence: up to the first "; " large, the rest below it. */
void html_headline(FILE *to, const char *sentence);
/* <dt>label</dt><dd>text</dd>, or nothing if the text is NULL. */
void html_fact(FILE *to, const char *label, const char *text);
double html_exact(uint64_t count);

/* The sections. `input` is the model's place in the page's data, where scripts find it. */
void html_write_results(const results_model *model, size_t input, FILE *to);
void html_write_leaks(const leaks_model *model, FILE *to);
void html_write_history(const history_model *model, FILE *to);
/* What passes of their own measured in a scenario: tables and memory curves; nothing where there were none. */
void html_write_passes(const results_model *model, const results_scenario *scenario, FILE *to);

#endif
