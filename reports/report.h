/* The doors of reports/: formats by name, reading a file into a model, writing a model in a format.
 *
 * Whoever calls needs this header and model.h, nothing else. A call that can fail returns false and puts ONE line into
 * `error`, which names the file, where in it, what is wrong and what would be right; the caller prefixes "poolbuf: ".
 * Writers only write to their stream: that a file appears whole or not at all is the stream's owner's business. */
#ifndef POOLBUF_REPORTS_REPORT_H
#define POOLBUF_REPORTS_REPORT_H

#include <stdio.h>

#include "reports/history.h"
#include "reports/model.h"

enum {
    REPORT_ERROR_BYTES = 512
}; /* what an `error` buffer should hold; a longer line is cut */

typedef enum report_format {
    REPORT_TEXT,
    REPORT_MARKDOWN,
    REPORT_HTML,
    REPORT_JSON,
    REPORT_JUNIT,     /* test results for CI; see junit.h */
    REPORT_SARIF,     /* code scanning; of leaks alone */
    REPORT_COLLAPSED, /* call stacks for flame graphs; of leaks alone */
    REPORT_FORMAT_COUNT
} report_format;

/* What a collapsed stack counts: buffers and resources, or bytes, where what has none is left out. */
typedef enum report_weight {
    REPORT_BY_COUNT,
    REPORT_BY_BYTES
} report_weight;

typedef enum report_kind {
    REPORT_RESULTS,
    REPORT_LEAKS,
    REPORT_COMPARE,
    REPORT_HISTORY,
    REPORT_KIND_COUNT
} report_kind;

/* Which formats a kind of report has. names: "text, markdown, html, json, junit", for messages and help. */
bool report_format_parse(report_kind kind, const char *name, report_format *out);
const char *report_format_names(report_kind kind);

typedef struct report_options {
    bool colour; /* text only: mark verdicts with colour as well as with words */
    const char *
        source_root; /* SARIF only: files in this folder, an absolute path without a slash at its end, are named relative to it; NULL: none is */
    report_weight weight; /* collapsed only */
} report_options;         /* NULL is the default: none */

/* Whether text on this stream should be coloured: it is a terminal, TERM is not "dumb", NO_COLOR is unset or empty. */
bool report_colour_wanted(FILE *stream);

/* One file of either schema, found by its "schema" field. */
typedef struct report_input {
    results_model *results; /* exactly one of the two is set */
    leaks_model *leaks;
    char note[REPORT_ERROR_BYTES]; /* empty, or a line about what was passed over: keys of a later version */
} report_input;

/* path: "-" is stdin. */
bool report_read(const char *path, report_input *out, char *error, size_t error_size);
void report_input_fini(report_input *input);
bool report_read_results(const char *path, results_model **out, char *error, size_t error_size);
bool report_read_leaks(const char *path, leaks_model **out, char *error, size_t error_size);

bool report_write_results(const results_model *model, report_format format, const report_options *options, FILE *to,
                          char *error, size_t error_size);
bool report_write_leaks(const leaks_model *model, report_format format, const report_options *options, FILE *to,
                        char *error, size_t error_size);
bool report_write_compare(const compare_model *model, report_format format, const report_options *options, FILE *to,
                          char *error, size_t error_size);
bool report_write_history(const history_model *model, report_format format, const report_options *options, FILE *to,
                          char *error, size_t error_size);
/* Several inputs as one report: one page, one text after the other, or one document. JSON takes exactly one input, SARIF
 * and collapsed stacks leaks alone. */
bool report_write_inputs(const report_input *inputs, size_t count, report_format format, const report_options *options,
                         FILE *to, char *error, size_t error_size);

#endif
