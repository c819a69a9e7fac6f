/* The page's section on leaks: the answer, then a folding card a call stack, the largest first. Folding is the browser's
 * own, so it works without scripts. */
#include <inttypes.h>
#include <math.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/leaks_order.h"
#include "reports/leaks_suppressions.h"

enum {
    OPEN_AT_FIRST = 3
};

static void write_frame(const leaks_model *model, const leaks_frame *frame, FILE *to) {
    fputs("<li>", to);
    html_print(to, frame->function == NULL ? "??" : frame->function);
    const char *site = leaks_frame_site(model, frame);
    if (site != NULL) {
        fputs(" <span class=\"place\">", to);
        html_print(to, site);
        fputs("</span>", to);
    }
    fputs(frame->inlined ? " <span class=\"place\">(inlined)</span></li>\n" : "</li>\n", to);
}

static void write_stack(const leaks_model *model, leaks_frame *const *stack, size_t count, FILE *to) {
    if (count == 0) {
        fputs("<p class=\"note\">No stack was captured.</p>\n", to);
        return;
    }
    fputs("<ol class=\"stack\" start=\"0\">\n", to);
    for (size_t i = 0; i < count; i++) {
        write_frame(model, stack[i], to);
    }
    fputs("</ol>\n", to);
}

static void write_measure(FILE *to, const char *label, double exact, const char *shown) {
    if (isfinite(exact)) {
        fprintf(to, "<div><dt>%s</dt><dd><data value=\"%.12g\">%s</data></dd></div>\n", label, exact, shown);
    }
}

static void write_word(FILE *to, const char *label, const char *word) {
    if (word != NULL) {
        fprintf(to, "<div><dt>%s</dt><dd>", label);
        html_print(to, word);
        fputs("</dd></div>\n", to);
    }
}

static void write_measures(const leaks_group *group, FILE *to) {
    const leaks_estimate *estimate = &group->estimated_count;
    fputs("<dl class=\"measures\">\n", to);
    write_measure(to, "found", html_exact(group->count), unit_count(group->count).text);
    write_measure(to, "bytes", html_exact(group->bytes), unit_count(group->bytes).text);
    char shown[256];
    snprintf(shown, sizeof shown, "%s %s%s%s%s%s", unit_number(estimate->value).text,
             isfinite(estimate->low) ? "[" : "", isfinite(estimate->low) ? unit_number(estimate->low).text : "",
             isfinite(estimate->low) ? ", " : "", isfinite(estimate->low) ? unit_number(estimate->high).text : "",
             isfinite(estimate->low) ? "]" : "");
    write_measure(to, "estimated in all, 95&#8239;%", estimate->value, shown);
    write_measure(to, "oldest", html_exact(group->age_ms.oldest), unit_time_ms(group->age_ms.oldest).text);
    write_measure(to, "newest", html_exact(group->age_ms.newest), unit_time_ms(group->age_ms.newest).text);
    write_word(to, "thread", group->thread);
    write_word(to, "kind", group->kind);
    write_measure(to, "processes", html_exact(group->processes), unit_count(group->processes).text);
    write_word(to, "fingerprint", group->fingerprint);
    fputs("</dl>\n", to);
}

static void write_accesses(const leaks_model *model, const leaks_group *group, FILE *to) {
    for (size_t i = 0; i < group->access_count; i++) {
        fputs("<h3>", to);
        html_print(to, leaks_access_title(model, group->accesses[i]));
        fputs("</h3>\n", to);
        write_stack(model, group->accesses[i]->stack, group->accesses[i]->stack_count, to);
    }
    if (group->accesses_dropped != 0 && group->accesses_dropped != MODEL_UNKNOWN) {
        fprintf(to, "<p class=\"note\">Older accesses that were not kept: %" PRIu64 ".</p>\n", group->accesses_dropped);
    }
}

static void write_group(const leaks_model *model, const leaks_group *group, double all_bytes, bool is_open, FILE *to) {
    fprintf(to, "<details class=\"card leak\"%s><summary><span class=\"where\">", is_open ? " open" : "");
    const char *where = group->allocation_stack_count == 0 ? "no stack was captured"
                                                           : leaks_frame_place(model, group->allocation_stack[0]);
    html_print(to, where);
    fputs("</span><span class=\"amount\">", to);
    html_print(to, leaks_group_title(model, group));
    double share = group->bytes == MODEL_UNKNOWN || all_bytes <= 0 ? 0 : (double)group->bytes / all_bytes;
    fprintf(to, "</span><span class=\"share\"><i style=\"width:%.1f%%\"></i></span></summary>\n<div class=\"body\">\n",
            share * 100);
    write_measures(group, to);
    fputs("<h3>Allocated at</h3>\n", to);
    write_stack(model, group->allocation_stack, group->allocation_stack_count, to);
    write_accesses(model, group, to);
    fputs("</div></details>\n", to);
}

static void write_processes(const leaks_model *model, FILE *to) {
    fprintf(
        to,
        "<section class=\"card\"><h2>What was checked</h2>\n<p class=\"note\">Tool: %s.</p>\n<dl class=\"facts\">\n",
        leaks_tool_name(model->tool));
    for (size_t i = 0; i < model->process_count; i++) {
        const leaks_process *process = model->processes[i];
        html_fact(to, "Process", leaks_process_facts(model, process));
        html_fact(to, "", leaks_exact_facts(model, process->exact, process->tracked));
    }
    const char *line = leaks_suppressions_facts(model, 0);
    for (size_t i = 1; line != NULL; line = leaks_suppressions_facts(model, i++)) {
        html_fact(to, i == 1 ? "Suppressions" : "", line);
    }
    fputs("</dl></section>\n", to);
}

void html_write_leaks(const leaks_model *model, FILE *to) {
    fputs("<section class=\"leaks\">\n<p class=\"eyebrow\">Leak report</p>\n", to);
    html_headline(to, answer_leaks(model));
    if (model->group_count != 0) {
        fputs("<div class=\"tools\" hidden><input type=\"search\" placeholder=\"Find a function, file or thread\" "
              "aria-label=\"Find among the leaks\"><output></output>"
              "<button type=\"button\" class=\"fold\">Unfold or fold all</button></div>\n",
              to);
    }
    const leaks_group **groups = leaks_order(model);
    double all_bytes = 0;
    for (size_t i = 0; i < model->group_count; i++) {
        all_bytes += groups[i]->bytes == MODEL_UNKNOWN ? 0 : (double)groups[i]->bytes;
    }
    for (size_t i = 0; i < model->group_count; i++) {
        write_group(model, groups[i], all_bytes, i < OPEN_AT_FIRST, to);
    }
    write_processes(model, to);
    fputs("</section>\n", to);
}
