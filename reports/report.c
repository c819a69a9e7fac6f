/* The doors of report.h: from a format's name to the writer that makes it. */
#include "reports/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reports/json.h"
#include "reports/writers.h"

static const char *const FORMAT_NAMES[] = {"text", "markdown", "html", "json", "junit", "sarif", "collapsed"};
_Static_assert(sizeof FORMAT_NAMES / sizeof FORMAT_NAMES[0] == REPORT_FORMAT_COUNT, "every format has a name");

/* Alone. */
static bool is_of_leaks(report_format format) {
    return format == REPORT_SARIF || format == REPORT_COLLAPSED;
}

static bool has_format(report_kind kind, report_format format) {
    return format == REPORT_HTML ? kind != REPORT_COMPARE : is_of_leaks(format) ? kind == REPORT_LEAKS : true;
}

bool report_format_parse(report_kind kind, const char *name, report_format *out) {
    for (size_t i = 0; i < REPORT_FORMAT_COUNT; i++) {
        if (has_format(kind, (report_format)i) && strcmp(name, FORMAT_NAMES[i]) == 0) {
            *out = (report_format)i;
            return true;
        }
    }
    return false;
}

const char *report_format_names(report_kind kind) {
    return kind == REPORT_COMPARE ? "text, markdown, json, junit"
           : kind == REPORT_LEAKS ? "text, markdown, html, json, junit, sarif, collapsed"
                                  : "text, markdown, html, json, junit";
}

bool report_colour_wanted(FILE *stream) {
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    bool is_dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    return (no_colour == NULL || no_colour[0] == '\0') && !is_dumb && isatty(fileno(stream)) == 1;
}

/* The one place where a stream's failure is noticed. */
static bool finish(FILE *to, char *error, size_t error_size) {
    errno = 0;
    if (fflush(to) == 0 && ferror(to) == 0) {
        return true;
    }
    snprintf(error, error_size, "the report could not be written: %s", strerror(errno == 0 ? EIO : errno));
    return false;
}

static bool refuse_html(char *error, size_t error_size) {
    snprintf(error, error_size, "html was left out of this build (POOLBUF_WEB=OFF); expected text, markdown or json");
    return false;
}

static bool refuse_results(report_format format, char *error, size_t error_size) {
    snprintf(error, error_size, "%s describes leaks, and results were given; expected %s", FORMAT_NAMES[format],
             report_format_names(REPORT_RESULTS));
    return false;
}

static bool are_leaks(const report_view *views, size_t count) {
    size_t leaks = 0;
    for (size_t i = 0; i < count; i++) {
        leaks += views[i].leaks != NULL;
    }
    return leaks == count;
}

/* A failure stays in the stream, where finish() finds it. */
static void write_json(json_t *value, FILE *to) {
    json_print(value, to);
    json_decref(value);
}

static void write_one(const report_view *view, report_format format, bool colour, FILE *to) {
    if (format == REPORT_TEXT && view->results != NULL) {
        text_write_results(view->results, to, colour);
    } else if (format == REPORT_TEXT) {
        text_write_leaks(view->leaks, to, colour);
    } else if (view->results != NULL) {
        markdown_write_results(view->results, to);
    } else {
        markdown_write_leaks(view->leaks, to);
    }
}

static bool write_views(const report_view *views, size_t count, report_format format, const report_options *options,
                        FILE *to, char *error, size_t error_size) {
    if (format == REPORT_HTML && !html_is_built()) {
        return refuse_html(error, error_size);
    }
    if (format == REPORT_JSON && count != 1) {
        snprintf(error, error_size, "json takes one input, %zu were given; expected one, or another format", count);
        return false;
    }
    if (is_of_leaks(format) && !are_leaks(views, count)) {
        return refuse_results(format, error, error_size);
    }
    if (format == REPORT_JUNIT) {
        junit_write(views, count, to);
    } else if (format == REPORT_SARIF) {
        sarif_write(views, count, options == NULL ? NULL : options->source_root, to);
    } else if (format == REPORT_COLLAPSED) {
        collapsed_write(views, count, options == NULL ? REPORT_BY_COUNT : options->weight, to);
    } else if (format == REPORT_HTML) {
        html_write(views, count, to);
    } else if (format == REPORT_JSON) {
        write_json(views->results != NULL ? results_to_json(views->results) : leaks_to_json(views->leaks), to);
    } else {
        for (size_t i = 0; i < count; i++) {
            fputs(i == 0 ? "" : "\n", to);
            write_one(&views[i], format, options != NULL && options->colour, to);
        }
    }
    return finish(to, error, error_size);
}

bool report_write_inputs(const report_input *inputs, size_t count, report_format format, const report_options *options,
                         FILE *to, char *error, size_t error_size) {
    report_view *views = calloc(count + 1, sizeof *views);
    if (views == NULL) {
        snprintf(error, error_size, "out of memory for %zu inputs", count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        views[i] = (report_view){.results = inputs[i].results, .leaks = inputs[i].leaks};
    }
    bool is_written = write_views(views, count, format, options, to, error, error_size);
    free(views);
    return is_written;
}

bool report_write_results(const results_model *model, report_format format, const report_options *options, FILE *to,
                          char *error, size_t error_size) {
    return write_views(&(report_view){.results = model}, 1, format, options, to, error, error_size);
}

bool report_write_leaks(const leaks_model *model, report_format format, const report_options *options, FILE *to,
                        char *error, size_t error_size) {
    return write_views(&(report_view){.leaks = model}, 1, format, options, to, error, error_size);
}

bool report_write_compare(const compare_model *model, report_format format, const report_options *options, FILE *to,
                          char *error, size_t error_size) {
    switch (format) {
    case REPORT_TEXT:
        text_write_compare(model, to, options != NULL && options->colour);
        break;
    case REPORT_MARKDOWN:
        markdown_write_compare(model, to);
        break;
    case REPORT_JSON:
        write_json(compare_to_json(model), to);
        break;
    case REPORT_JUNIT:
        junit_write_compare(model, to);
        break;
    default:
        snprintf(error, error_size, "a comparison has no such format; expected %s",
                 report_format_names(REPORT_COMPARE));
        return false;
    }
    return finish(to, error, error_size);
}

bool report_write_history(const history_model *model, report_format format, const report_options *options, FILE *to,
                          char *error, size_t error_size) {
    switch (format) {
    case REPORT_TEXT:
        text_write_history(model, to, options != NULL && options->colour);
        break;
    case REPORT_MARKDOWN:
        markdown_write_history(model, to);
        break;
    case REPORT_JSON:
        write_json(history_to_json(model), to);
        break;
    case REPORT_HTML:
        return write_views(&(report_view){.history = model}, 1, format, options, to, error, error_size);
    case REPORT_JUNIT:
        if (!model->is_check) {
            snprintf(error, error_size, "junit is for what was checked: `poolbuf history check` has it");
            return false;
        }
        junit_write_history(model, to);
        break;
    default:
        snprintf(error, error_size, "a history has no such format; expected %s", report_format_names(REPORT_HISTORY));
        return false;
    }
    return finish(to, error, error_size);
}
