/* The HTML page: its frame, its data, and what its sections share. */
#include "reports/html.h"

#include <math.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/json.h"
#include "reports/table.h"
#include "reports/web.h"
#include "reports/writers.h"

/* ---- pieces ---- */

/* Up to `end`, which lies in the text or is NULL. */
static void print_until(FILE *to, const char *text, const char *end) {
    for (; text != NULL && *text != '\0' && text != end; text++) {
        const size_t unsafe = text_unsafe_length(text);
        if (unsafe > 0) {
            fputc(' ', to);
            text += unsafe - 1;
            continue;
        }
        switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        case '\'':
            fputs("&#39;", to);
            break;
        default:
            fputc(*text, to);
        }
    }
}

void html_print(FILE *to, const char *text) {
    print_until(to, text, NULL);
}

void html_number_cell(FILE *to, const char *class, double exact, unit_text shown) {
    if (isfinite(exact)) {
        fprintf(to, "<td class=\"number %s\"><data value=\"%.12g\">%s</data></td>", class, exact, shown.text);
    } else {
        fprintf(to, "<td class=\"number %s\">&ndash;</td>", class);
    }
}

void html_text_cell(FILE *to, const char *class, const char *text) {
    fprintf(to, "<td class=\"%s\">", class);
    html_print(to, text);
    fputs("</td>", to);
}

void html_headline(FILE *to, const char *sentence) {
    const char *rest = strstr(sentence, "; ");
    fputs("<h1>", to);
    print_until(to, sentence, rest);
    fputs("</h1>\n", to);
    if (rest != NULL) {
        fputs("<p class=\"asks\">", to);
        html_print(to, rest + 2);
        fputs("</p>\n", to);
    }
}

void html_fact(FILE *to, const char *label, const char *text) {
    if (text != NULL) {
        fprintf(to, "<dt>%s</dt><dd>", label);
        html_print(to, text);
        fputs("</dd>\n", to);
    }
}

double html_exact(uint64_t count) {
    return count == MODEL_UNKNOWN ? MODEL_NAN : (double)count;
}

/* ---- the page ---- */

/* JSON inside a script element: '<' would let a text close the element or open a comment, so it is written as an escape.
 * Beyond ASCII everything is escaped by the JSON printer, U+2028 and U+2029 among it. */
static int print_data(const char *bytes, size_t size, void *to) {
    for (size_t i = 0; i < size; i++) {
        int result = bytes[i] == '<' ? fputs("\\u003c", to) : fputc(bytes[i], to);
        if (result == EOF) {
            return -1;
        }
    }
    return 0;
}

static void write_data(const report_view *views, size_t count, FILE *to) {
    fputs("<script type=\"application/json\" id=\"poolbuf-data\">{\"inputs\":[", to);
    for (size_t i = 0; i < count; i++) {
        json_t *value = views[i].results != NULL   ? results_to_json(views[i].results)
                        : views[i].history != NULL ? history_to_json(views[i].history)
                                                   : leaks_to_json(views[i].leaks);
        fputs(i == 0 ? "" : ",", to);
        json_dump_callback(value, print_data, to, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
        json_decref(value);
    }
    fputs("]}</script>\n", to);
}

static void write_asset(web_asset asset, FILE *to) {
    fwrite(asset.bytes, 1, asset.size, to);
}

static void write_head(const report_view *views, FILE *to) {
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n<title>poolbuf: ",
          to);
    html_print(to, views[0].results != NULL   ? answer_overall(views[0].results)
                   : views[0].history != NULL ? history_answer(views[0].history)
                                              : answer_leaks(views[0].leaks));
    fputs("</title>\n<style>", to);
    write_asset(web_style(), to);
    fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the report</a>\n"
          "<header class=\"top\"><div class=\"brand\">poolbuf <span>report</span></div>"
          "<button type=\"button\" id=\"theme\" hidden>Dark</button></header>\n<main id=\"main\">\n",
          to);
}

bool html_is_built(void) {
    return web_script().size != 0;
}

void html_write(const report_view *views, size_t count, FILE *to) {
    write_head(views, to);
    for (size_t i = 0; i < count; i++) {
        if (views[i].results != NULL) {
            html_write_results(views[i].results, i, to);
        } else if (views[i].history != NULL) {
            html_write_history(views[i].history, to);
        } else {
            html_write_leaks(views[i].leaks, to);
        }
    }
    fputs(
        "</main>\n<footer>This page is one file: it asks no server for anything, and its data stand inside it as JSON."
        "</footer>\n",
        to);
    write_data(views, count, to);
    fputs("<script>", to);
    write_asset(web_script(), to);
    fputs("</script>\n</body>\n</html>\n", to);
}
