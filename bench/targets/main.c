/* poolbuf-targets: the table of targets from what ci/targets.sh has measured. A tool of this repository, not installed.
 *
 *   poolbuf-targets --rows                      NAME, SCENARIO, OTHER, SUBJECTS and ABOUT of each row, parted by tabs
 *   poolbuf-targets ROW=results.json...         judged by the results of `poolbuf run`
 *                   ROW=3.5:DETAIL              in percent, measured by something else
 *                   ROW=-:WHY                   not measured
 *
 * Exit status: 0 every target given is met, 1 one is not, 2 usage or a file that cannot be read. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/report.h"
#include "targets/targets.h"

enum {
    ROWS_MAX = 64
};

static int complain(const char *argument, const char *what) {
    fprintf(stderr, "poolbuf-targets: %s: %s\n", argument, what);
    return 2;
}

static int list_rows(void) {
    const targets_row *row = NULL;
    for (size_t i = 0; (row = targets_row_at(i)) != NULL; i++) {
        char subjects[TARGETS_TEXT_SIZE];
        targets_row_subjects(row, subjects, sizeof subjects);
        printf("%s\t%s\t%s\t%s\t%s\n", row->name, row->scenario != NULL ? row->scenario : "-",
               row->other != NULL ? row->other : "-", subjects[0] != '\0' ? subjects : "-", row->about);
    }
    return 0;
}

/* "3.5:DETAIL" or "-:WHY"; false for neither. */
static bool read_given(const char *text, double *value, const char **detail) {
    char *end = NULL;
    *value = nan("");
    if (text[0] == '-' && (text[1] == ':' || text[1] == '\0')) {
        *detail = text[1] == ':' ? text + 2 : NULL;
        return true;
    }
    errno = 0;
    *value = strtod(text, &end);
    *detail = *end == ':' ? end + 1 : NULL;
    return errno == 0 && end != text && (*end == ':' || *end == '\0') && isfinite(*value);
}

static int judge(const char *argument, targets_judgement *out) {
    const char *equals = strchr(argument, '=');
    char name[TARGETS_TEXT_SIZE];
    if (equals == NULL || (size_t)(equals - argument) >= sizeof name) {
        return complain(argument, "not ROW=RESULTS.json, ROW=PERCENT:DETAIL or ROW=-:WHY");
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - argument), argument);
    const targets_row *row = targets_row_find(name);
    if (row == NULL) {
        return complain(name, "there is no such row; --rows lists those there are");
    }
    const char *detail = NULL;
    double value = 0;
    const bool is_given = read_given(equals + 1, &value, &detail);
    if (is_given && (row->kind == TARGETS_GIVEN || isnan(value))) {
        targets_judge_given(row, value, detail, out);
        return 0;
    }
    if (row->kind == TARGETS_GIVEN) {
        return complain(argument, "this row takes a number, in percent");
    }
    char error[REPORT_ERROR_BYTES];
    results_model *model = NULL;
    if (!report_read_results(equals + 1, &model, error, sizeof error)) {
        return complain(argument, error);
    }
    targets_judge(row, model, out);
    results_model_destroy(model);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--rows") == 0) {
        return list_rows();
    }
    if (argc < 2 || argc > ROWS_MAX) {
        return complain("usage", "poolbuf-targets --rows | ROW=RESULTS.json...");
    }
    targets_judgement *all = calloc((size_t)argc, sizeof *all);
    int status = all == NULL ? complain("it", "out of memory") : 0;
    const size_t count = (size_t)argc - 1;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = judge(argv[i + 1], &all[i]);
    }
    if (status == 0) {
        status = targets_print(all, count, stdout, report_colour_wanted(stdout)) ? 0 : 1;
    }
    free(all);
    return status;
}
