/* What `poolbuf leaks` found: the reports of all processes together, what they show, and the exit status they earn. */
#ifndef CLI_LEAKS_FINDINGS_H
#define CLI_LEAKS_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "record/child.h"
#include "reports/leaks_baseline.h"
#include "reports/report.h"
#include "scratch.h"
#include "tally.h"

typedef enum fail_on {
    FAIL_ANY,
    FAIL_NONE,
    FAIL_NEW,  /* what the baseline does not have */
    FAIL_GROWN /* that, and what it has fewer of */
} fail_on;

typedef struct findings_request {
    const char *program; /* its name, for messages */
    bool by_valgrind;
    bool generates;              /* suppressions */
    const leaks_model *baseline; /* NULL: none */
    const char *baseline_path;
    report_format output_format;
    const char *source_root; /* of sarif; see report_options */
    fail_on fail_on;
} findings_request;

typedef struct findings {
    findings_request how;
    leaks_model *model;
    leaks_model *alive; /* the last live reports of processes that wrote no other: no leaks */
    leaks_exact exact;  /* summed over the built-in detector's reports, without what is suppressed */
    leaks_tracked tracked;
    leaks_comparison compared; /* with the baseline */
    size_t reports;            /* of the built-in detector: proof that libpoolbuf was there */
    size_t unfinished;         /* of Memcheck's reports, those that break off before its search for leaks */
    tally_count tally;         /* of reports that are not here */
} findings;

void findings_init(findings *self, const findings_request *how);
void findings_fini(findings *self);

/* findings_gather() reads the reports in the folder. Returns false, with one line on stderr, if one cannot be read. */
bool findings_gather(findings *self, const scratch *folder);

/* findings_show() writes the report to stderr if there is something to tell, and to `to`, where that is not NULL, in
 * any case: an empty one says so. Returns false, with one line on stderr, if it cannot be written there. */
bool findings_show(const findings *self, FILE *to);

/* findings_judge() says the rest, and returns the exit status. */
int findings_judge(const findings *self, const child_end *end);

#endif
