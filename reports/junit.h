/* Test results as CI systems read them: JUnit's XML, which has no standard. What is written here is what the readers of Jenkins
 * and GitLab have in common: testsuites > testsuite (with properties) > testcase, which is passed, or holds one of failure,
 * error and skipped, and then system-out. Names stay the same from run to run, as readers tell a test's history by class
 * name and name: what changes is in messages.
 *
 * A document is built in memory, since a suite begins with how many of its cases failed. Texts may hold anything: what XML
 * cannot is written as U+FFFD. Running out of memory ends the program with one line, as everywhere in reports/. */
#ifndef POOLBUF_REPORTS_JUNIT_H
#define POOLBUF_REPORTS_JUNIT_H

#include <stdio.h>

#include "reports/writers.h"

typedef struct junit junit;
typedef struct junit_suite junit_suite;

typedef enum junit_outcome {
    JUNIT_PASSED,
    JUNIT_FAILURE, /* what was tested is wrong */
    JUNIT_ERROR,   /* it could not be tested, and should have been */
    JUNIT_SKIPPED
} junit_outcome;

typedef struct junit_case {
    const char *class_name, *name;
    junit_outcome outcome;
    const char *type;    /* of a failure or an error: one word for its kind */
    const char *message; /* one line; NULL where it passed */
    const char *details; /* text below it, as some readers show nothing else; of a case that passed, system-out. NULL:
                            the message, or none */
    double seconds;      /* NaN: unknown */
} junit_case;

junit *junit_create(void);
/* timestamp: UTC, ISO 8601, or NULL. The suite lives as long as the document. */
junit_suite *junit_add_suite(junit *self, const char *name, const char *timestamp);
/* Before the first case. An unknown value (NULL) is left out. */
void junit_add_property(junit_suite *suite, const char *name, const char *value);
void junit_add_case(junit_suite *suite, const junit_case *to_add);
/* Writes the document, and destroys it. A failure stays in the stream. */
void junit_finish(junit *self, FILE *to);

/* What becomes of a model: suites of the document. */
void junit_add_leaks(junit *to, const leaks_model *model);
void junit_add_results(junit *to, const results_model *model);

#endif
