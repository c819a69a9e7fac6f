/* The page of a history: the answer, a table, and a card a series with its runs from left to right: each run a dot with its
 * interval, each level a line. Drawn here, as the memory curves are: they need no script. */
#include <math.h>

#include "reports/history.h"
#include "reports/html.h"
#include "reports/writers.h"

enum {
    TREND_WIDTH = 900,
    TREND_HEIGHT = 180,
    MARGIN = 12, /* on all sides: for dots, and so that nothing touches the frame */
    DOT_RADIUS = 4
};

/* ---- the drawing ---- */

typedef struct trend_scale {
    double low, high; /* of values */
    size_t count;     /* of runs */
} trend_scale;

static void widen(trend_scale *scale, double value) {
    if (isfinite(value)) {
        scale->low = fmin(scale->low, value);
        scale->high = fmax(scale->high, value);
    }
}

/* What does not change at all is drawn in the middle. */
static trend_scale scale_of(const history_series *series) {
    trend_scale scale = {HUGE_VAL, -HUGE_VAL, series->point_count};
    for (size_t i = 0; i < series->point_count; i++) {
        widen(&scale, series->points[i]->value.median);
        widen(&scale, series->points[i]->value.low);
        widen(&scale, series->points[i]->value.high);
    }
    widen(&scale, series->usual.low);
    widen(&scale, series->usual.high);
    if (scale.high - scale.low < 1e-9 * fabs(scale.high)) {
        const double room = fabs(scale.high) > 0 ? fabs(scale.high) * 0.01 : 1;
        scale.low -= room;
        scale.high += room;
    }
    return scale;
}

static double x_of(const trend_scale *scale, double run) {
    const double room = TREND_WIDTH - 2 * MARGIN;
    return scale->count < 2 ? TREND_WIDTH / 2.0 : MARGIN + run / (double)(scale->count - 1) * room;
}

static double y_of(const trend_scale *scale, double value) {
    const double room = TREND_HEIGHT - 2 * MARGIN;
    return MARGIN + (scale->high - value) / (scale->high - scale->low) * room;
}

static void write_line(FILE *to, const char *class, double x1, double y1, double x2, double y2) {
    fprintf(to, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

/* A level reaches half a run beyond its first and last. */
static void write_levels(const history_series *series, const trend_scale *scale, FILE *to) {
    for (size_t i = 0; i < series->point_count;) {
        size_t end = i + 1;
        while (end < series->point_count && !isfinite(series->points[end]->step) &&
               series->points[end]->accepted == NULL) {
            end++;
        }
        const double level = series->points[i]->level;
        if (isfinite(level)) {
            const double y = y_of(scale, level);
            write_line(to, "level", x_of(scale, fmax((double)i - 0.5, 0)), y,
                       x_of(scale, fmin((double)end - 0.5, (double)scale->count - 1)), y);
        }
        i = end;
    }
}

static void write_changes(const history_series *series, const trend_scale *scale, FILE *to) {
    for (size_t i = 0; i < series->point_count; i++) {
        const history_point *point = series->points[i];
        const double x = x_of(scale, fmax((double)i - 0.5, 0));
        if (isfinite(point->step)) {
            write_line(to, point->step > 1 ? "change slower" : "change faster", x, 0, x, TREND_HEIGHT);
        }
        if (point->accepted != NULL) {
            write_line(to, "change accepted", x, 0, x, TREND_HEIGHT);
        }
    }
}

static const char *dot_class(const history_series *series, size_t i) {
    return i + 1 < series->point_count || series->since != NULL ? "run"
           : series->verdict == HISTORY_WORSE                   ? "run slower"
           : series->verdict == HISTORY_BETTER                  ? "run faster"
                                                                : "run";
}

static void write_dots(const history_series *series, const trend_scale *scale, FILE *to) {
    for (size_t i = 0; i < series->point_count; i++) {
        const history_point *point = series->points[i];
        const double x = x_of(scale, (double)i);
        if (!isfinite(point->value.median)) {
            continue;
        }
        if (isfinite(point->value.low) && isfinite(point->value.high)) {
            write_line(to, "interval", x, y_of(scale, point->value.low), x, y_of(scale, point->value.high));
        }
        fprintf(to, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"><title>", dot_class(series, i), x,
                y_of(scale, point->value.median), (int)DOT_RADIUS);
        html_print(to, history_point_name(point));
        fprintf(to, ": %s</title></circle>\n", history_value(series, point->value.median).text);
    }
}

/* Where the newest run was to be expected. */
static void write_expected(const history_series *series, const trend_scale *scale, FILE *to) {
    if (isfinite(series->usual.low) && isfinite(series->usual.high)) {
        const double top = y_of(scale, series->usual.high);
        fprintf(to, "<rect class=\"expected\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>\n",
                x_of(scale, (double)scale->count - 1) - MARGIN, top, 2 * MARGIN, y_of(scale, series->usual.low) - top);
    }
}

static void write_drawing(const history_model *model, const history_series *series, FILE *to) {
    const trend_scale scale = scale_of(series);
    const history_point *first = series->points[0];
    const history_point *last = series->points[series->point_count - 1];
    fputs("<figure class=\"trend\"><div class=\"values\"><span>", to);
    html_print(to, history_value(series, scale.high).text);
    fputs("</span><span>", to);
    html_print(to, history_value(series, scale.low).text);
    fprintf(to, "</span></div><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", (int)TREND_WIDTH,
            (int)TREND_HEIGHT);
    html_print(to, history_series_title(model, series));
    fputs(", over its runs. The table below has the numbers.\">\n", to);
    write_expected(series, &scale, to);
    write_changes(series, &scale, to);
    write_levels(series, &scale, to);
    write_dots(series, &scale, to);
    fputs("</svg><figcaption><span>", to);
    html_print(to, history_point_name(first));
    fputs("</span><span>", to);
    html_print(to, history_point_name(last));
    fputs("</span></figcaption></figure>\n", to);
}

/* ---- tables ---- */

static void write_headings(FILE *to, const char *class, const char *const *headings, size_t count, size_t texts) {
    fprintf(to, "<div class=\"scroll\"><table class=\"%s\"><thead><tr>", class);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "<th scope=\"col\"%s>%s</th>", i < texts ? "" : " class=\"number\"", headings[i]);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
}

static void write_value_cell(const history_series *series, double value, FILE *to) {
    html_number_cell(to, "", value, history_value(series, value));
}

static const char *row_class(const history_series *series) {
    return series->verdict == HISTORY_WORSE ? "slower" : series->verdict == HISTORY_BETTER ? "faster" : "";
}

static void write_change_cell(double ratio, FILE *to) {
    unit_text text = {""};
    snprintf(text.text, sizeof text.text, "%+.1f %%", (ratio - 1) * 100);
    html_number_cell(to, "ratio", ratio, text);
}

static void write_overview_row(const history_model *model, size_t index, FILE *to) {
    const history_series *series = model->series[index];
    const double newest = history_newest(model, series);
    const double oldest = series->points[0]->value.median;
    fprintf(to, "<tr class=\"%s\"><th scope=\"row\"><a href=\"#s%zu\">", row_class(series), index);
    html_print(to, series->scenario);
    fputs("</a></th>", to);
    html_text_cell(to, "", series->subject);
    html_text_cell(to, "", series->metric);
    fputs("<td><span class=\"verdict\">", to);
    html_print(to, model->is_check ? history_outcome(model, series) : history_steps(model, series));
    fputs("</span></td>", to);
    fprintf(to, "<td class=\"number\"><data value=\"%zu\">%zu</data></td>", series->point_count, series->point_count);
    write_value_cell(series, model->is_check ? series->usual.median : oldest, to);
    write_value_cell(series, newest, to);
    write_change_cell(model->is_check                         ? series->change
                      : series->point_count > 1 && oldest > 0 ? newest / oldest
                                                              : MODEL_NAN,
                      to);
    fputs("</tr>\n", to);
}

static void write_overview(const history_model *model, FILE *to) {
    const char *const headings[] = {"scenario", "subject",
                                    "metric",   model->is_check ? "outcome" : "levels",
                                    "runs",     model->is_check ? "usual" : "oldest",
                                    "newest",   "change"};
    fputs("<section class=\"card\"><h2>At a glance</h2>\n", to);
    write_headings(to, "numbers sortable", headings, sizeof headings / sizeof headings[0], 4);
    for (size_t i = 0; i < model->series_count; i++) {
        write_overview_row(model, i, to);
    }
    fputs("</tbody></table></div>\n</section>\n", to);
}

static void write_runs(const history_series *series, FILE *to) {
    static const char *const HEADINGS[] = {"measured", "label", "level", "value", "low", "high"};
    fputs("<details class=\"samples\"><summary>Every run</summary>\n", to);
    write_headings(to, "sortable", HEADINGS, sizeof HEADINGS / sizeof HEADINGS[0], 3);
    for (size_t i = 0; i < series->point_count; i++) {
        const history_point *point = series->points[i];
        fputs("<tr>", to);
        html_text_cell(to, "", point->created);
        html_text_cell(to, "", point->label);
        fputs("<td>", to);
        if (isfinite(point->step)) {
            fprintf(to, "%+.1f %% from here on", (point->step - 1) * 100);
        }
        if (point->accepted != NULL) {
            fputs(isfinite(point->step) ? "; accepted: " : "accepted: ", to);
            html_print(to, point->accepted);
        }
        fputs("</td>", to);
        write_value_cell(series, point->value.median, to);
        write_value_cell(series, point->value.low, to);
        write_value_cell(series, point->value.high, to);
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div></details>\n", to);
}

/* ---- the section ---- */

static void write_series(const history_model *model, size_t index, FILE *to) {
    const history_series *series = model->series[index];
    fprintf(to, "<section class=\"card\" id=\"s%zu\">\n<h2>", index);
    html_print(to, history_series_title(model, series));
    fputs("</h2>\n<p class=\"answer\">", to);
    html_print(to, model->is_check ? history_outcome(model, series) : history_steps(model, series));
    fputs("</p>\n", to);
    write_drawing(model, series, to);
    write_runs(series, to);
    fputs("</section>\n", to);
}

static void write_reading(const history_model *model, FILE *to) {
    fputs("<section class=\"card\"><h2>How to read this</h2>\n<p class=\"asks\">A dot is a run's median, the line "
          "through it "
          "the 95 % interval of its rounds. A level is drawn where runs do not differ by more than noise explains; an "
          "upright line is where a level ends, or where a new one was accepted.",
          to);
    if (model->is_check) {
        fputs(" The box behind the newest run is where it was to be expected.", to);
    }
    fputs("</p></section>\n", to);
}

void html_write_history(const history_model *model, FILE *to) {
    fputs("<section class=\"results\">\n<p class=\"eyebrow\">History up to ", to);
    html_print(to, model->newest_label != NULL ? model->newest_label : model->newest);
    fputs("</p>\n", to);
    html_headline(to, history_answer(model));
    fputs("<dl class=\"facts\">\n", to);
    html_fact(to, "History", history_facts(model));
    html_fact(to, "Host", model->host);
    html_fact(to, "Build", model->build);
    html_fact(to, "Times", history_relation(model));
    fputs("</dl>\n", to);
    for (size_t i = 0; i < model->remark_count; i++) {
        fputs("<p class=\"note\">Note: ", to);
        html_print(to, model->remarks[i]);
        fputs("</p>\n", to);
    }
    write_overview(model, to);
    for (int pass = 0; pass < 2; pass++) { /* what is worse comes first */
        for (size_t i = 0; i < model->series_count; i++) {
            if ((model->series[i]->verdict == HISTORY_WORSE) == (pass == 0)) {
                write_series(model, i, to);
            }
        }
    }
    write_reading(model, to);
    fputs("</section>\n", to);
}
