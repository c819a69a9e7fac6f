/* What passes of their own have measured, as rows of numbers for every writer: latency in a closed loop and at a
 * fixed rate, memory over time, instructions. Texts live as long as the model. */
#ifndef POOLBUF_REPORTS_RESULTS_PASSES_H
#define POOLBUF_REPORTS_RESULTS_PASSES_H

#include "reports/model.h"
#include "reports/table.h"
#include "reports/units.h"

typedef enum results_pass {
    RESULTS_LATENCY,
    RESULTS_LATENCY_AT_RATE,
    RESULTS_MEMORY,
    RESULTS_INSTRUCTIONS,
    RESULTS_PASS_COUNT /* how many there are; not a pass */
} results_pass;

enum {
    RESULTS_PASS_CELLS = 8 /* the most numbers of a row */
};

typedef struct results_pass_head {
    const char *title;   /* "latency" */
    const char *caption; /* what the numbers are, in a sentence or two */
    const char *headings[RESULTS_PASS_CELLS];
    size_t count;
} results_pass_head;

typedef struct results_pass_cell {
    double exact; /* NaN: not known */
    unit_text shown;
    unit_text interval; /* of it over several processes, such as "[170, 195] ns"; empty without one */
} results_pass_cell;

/* results_pass_head_of() describes a pass of a scenario.
 *   returns  false if no subject of the scenario has anything of it, a message neither. */
bool results_pass_head_of(const results_model *model, const results_scenario *scenario, results_pass pass,
                          results_pass_head *head);

/* results_pass_cells() fills one subject's numbers.
 *   message  set to why there are none, or NULL.
 *   returns  whether it has numbers. */
bool results_pass_cells(const results_result *result, results_pass pass, results_pass_cell cells[RESULTS_PASS_CELLS],
                        const char **message);

/* "jemalloc: killed by signal 4 (Illegal instruction)": why a subject has no numbers; NULL where it has, or was not
 * asked. */
const char *results_pass_failure(const results_model *model, const results_result *result, results_pass pass);

/* The same as a table; the caller calls table_fini(), and the model must outlive it. */
void results_pass_table_init(text_table *table, const results_model *model, const results_scenario *scenario,
                             results_pass pass, const results_pass_head *head);

#endif
