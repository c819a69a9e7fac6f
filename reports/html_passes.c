/* The page's part on passes: a table each, and memory over time as one small curve a subject, all on the same scales,
 * so that they can be compared by eye. Drawn here, as lines of SVG: they need no script. */
#include <math.h>

#include "reports/html.h"
#include "reports/results_passes.h"

enum {
    CURVE_WIDTH = 220,
    CURVE_HEIGHT = 90
};

static void write_row(const results_result *result, results_pass pass, size_t count, FILE *to) {
    results_pass_cell cells[RESULTS_PASS_CELLS];
    const char *message = NULL;
    if (!results_pass_cells(result, pass, cells, &message) && message == NULL) {
        return;
    }
    fputs("<tr><th scope=\"row\">", to);
    html_print(to, result->subject);
    fputs("</th>", to);
    for (size_t i = 0; i < count; i++) {
        if (cells[i].interval.text[0] == '\0') {
            html_number_cell(to, "", cells[i].exact, cells[i].shown);
        } else {
            /* In the cell and not in a row of its own, so that rows can be sorted. */
            fprintf(to, "<td class=\"number\"><data value=\"%.12g\">%s</data><br><small>%s</small></td>",
                    cells[i].exact, cells[i].shown.text, cells[i].interval.text);
        }
    }
    fputs("</tr>\n", to);
}

static void write_failures(const results_model *model, const results_scenario *scenario, results_pass pass, FILE *to) {
    for (size_t i = 0; i < scenario->result_count; i++) {
        const char *failure = results_pass_failure(model, scenario->results[i], pass);
        if (failure != NULL) {
            fputs("<p class=\"note\">", to);
            html_print(to, failure);
            fputs("</p>\n", to);
        }
    }
}

/* ---- curves ---- */

/* What all curves of a scenario are drawn in. Memory is that above the start. */
typedef struct curve_scale {
    double ms, bytes; /* the most of each; above 0 */
} curve_scale;

static double resident_of(const results_memory *memory, const results_memory_point *point) {
    if (point->resident_bytes == MODEL_UNKNOWN || memory->start_resident_bytes == MODEL_UNKNOWN ||
        point->resident_bytes < memory->start_resident_bytes) {
        return 0;
    }
    return (double)(point->resident_bytes - memory->start_resident_bytes);
}

static double live_of(const results_memory *memory, const results_memory_point *point) {
    (void)memory;
    return point->live_bytes == MODEL_UNKNOWN ? 0 : (double)point->live_bytes;
}

/* Time ends with the last release: the idle seconds after it would leave no room for what came before. */
static double end_ms(const results_memory *memory) {
    const size_t count = memory->point_count;
    double end = count == 0 ? 0 : memory->points[count - 1]->at_ms;
    for (size_t i = 0; i < count; i++) {
        if (live_of(memory, memory->points[i]) > 0) {
            end = memory->points[i + 1 < count ? i + 1 : i]->at_ms;
        }
    }
    return end;
}

static curve_scale scale_of(const results_scenario *scenario) {
    curve_scale scale = {1e-3, 1};
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_memory *memory = &scenario->results[i]->memory;
        scale.ms = fmax(scale.ms, end_ms(memory));
        for (size_t j = 0; j < memory->point_count; j++) {
            scale.bytes = fmax(scale.bytes, resident_of(memory, memory->points[j]));
            scale.bytes = fmax(scale.bytes, live_of(memory, memory->points[j]));
        }
    }
    return scale;
}

static void write_line(const results_memory *memory, curve_scale scale, const char *class,
                       double (*value_of)(const results_memory *, const results_memory_point *), FILE *to) {
    fprintf(to, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < memory->point_count; i++) {
        const results_memory_point *point = memory->points[i];
        if (point->at_ms <= scale.ms) {
            fprintf(to, "%s%.1f,%.1f", i == 0 ? "" : " ", point->at_ms / scale.ms * CURVE_WIDTH,
                    (1 - value_of(memory, point) / scale.bytes) * CURVE_HEIGHT);
        }
    }
    fputs("\"/>", to);
}

static void write_curves(const results_scenario *scenario, FILE *to) {
    const curve_scale scale = scale_of(scenario);
    bool has_curve = false;
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_memory *memory = &scenario->results[i]->memory;
        if (memory->point_count < 2) {
            continue;
        }
        fputs(has_curve ? "" : "<div class=\"curves\">\n", to);
        has_curve = true;
        fprintf(to, "<figure class=\"curve\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Memory over time of ",
                (int)CURVE_WIDTH, (int)CURVE_HEIGHT);
        html_print(to, scenario->results[i]->subject);
        fputs("\">", to);
        write_line(memory, scale, "resident", resident_of, to);
        write_line(memory, scale, "live", live_of, to);
        fputs("</svg><figcaption>", to);
        html_print(to, scenario->results[i]->subject);
        fputs("</figcaption></figure>\n", to);
    }
    if (has_curve) {
        fprintf(to,
                "</div>\n<p class=\"note\">Thin line: live bytes, as requested. Thick line: resident above the start. "
                "From 0 to %s, and to %s, in each.</p>\n",
                unit_time_ns(scale.ms * 1e6).text, unit_bytes(scale.bytes).text);
    }
}

void html_write_passes(const results_model *model, const results_scenario *scenario, FILE *to) {
    for (int i = 0; i < RESULTS_PASS_COUNT; i++) {
        const results_pass pass = (results_pass)i;
        results_pass_head head;
        if (!results_pass_head_of(model, scenario, pass, &head)) {
            continue;
        }
        fputs("<h3>", to);
        html_print(to, head.title);
        fputs("</h3>\n<p class=\"note\">", to);
        html_print(to, head.caption);
        fputs("</p>\n<div class=\"scroll\"><table class=\"passes sortable\"><thead><tr><th scope=\"col\">subject</th>",
              to);
        for (size_t j = 0; j < head.count; j++) {
            fputs("<th scope=\"col\" class=\"number\">", to);
            html_print(to, head.headings[j]);
            fputs("</th>", to);
        }
        fputs("</tr></thead>\n<tbody>\n", to);
        for (size_t j = 0; j < scenario->result_count; j++) {
            write_row(scenario->results[j], pass, head.count, to);
        }
        fputs("</tbody></table></div>\n", to);
        write_failures(model, scenario, pass, to);
        if (pass == RESULTS_MEMORY) {
            write_curves(scenario, to);
        }
    }
}
