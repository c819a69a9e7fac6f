/* The page's section on leaks: the answer, then a folding card a call stack, the largest first. Folding is the browser's
 * own, so it works without scripts. */
#include <inttypes.h>
#include <math.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/leaks_holders.h"
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

static void write_measures(const leaks_model *model, const leaks_group *group, FILE *to) {
    const leaks_estimate *estimate = &group->estimated_count;
    fputs("<dl class=\"measures\">\n", to);
    write_measure(to, "found", html_exact(group->count), unit_count(group->count).text);
    if (group->unit == NULL) {
        write_measure(to, "bytes", html_exact(group->bytes), unit_count(group->bytes).text);
    } else {
        write_measure(to, "holding", html_exact(group->bytes), leaks_group_amount(model, group, group->bytes));
    }
    char shown[256];
    snprintf(shown, sizeof shown, "%s %s%s%s%s%s", unit_number(estimate->value).text,
             isfinite(estimate->low) ? "[" : "", isfinite(estimate->low) ? unit_number(estimate->low).text : "",
             isfinite(estimate->low) ? ", " : "", isfinite(estimate->low) ? unit_number(estimate->high).text : "",
             isfinite(estimate->low) ? "]" : "");
    if (estimate->low < estimate->high) {
        write_measure(to, "estimated in all, 95&#8239;%", estimate->value, shown);
    } else if (isfinite(estimate->value)) {
        write_word(to, "in all", "exactly these");
    }
    write_word(to, "growth", leaks_group_growth(model, group));
    write_word(to, "sizes", leaks_group_sizes(model, group));
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
        fputs(i == 0 ? "Last access: " : "Before that: ", to);
        html_print(to, leaks_access_title(model, group->accesses[i]));
        fputs("</h3>\n", to);
        write_stack(model, group->accesses[i]->stack, group->accesses[i]->stack_count, to);
    }
    if (group->accesses_dropped != 0 && group->accesses_dropped != MODEL_UNKNOWN) {
        fprintf(to, "<p class=\"note\">Older accesses that were not kept: %" PRIu64 ".</p>\n", group->accesses_dropped);
    }
}

static void write_site(const leaks_model *model, const leaks_group *group, const leaks_site *site, FILE *to) {
    fprintf(to, "<tr%s><td><details><summary>", leaks_site_is_short(group, site) ? " class=\"short\"" : "");
    html_print(to, leaks_site_title(model, site));
    fputs("</summary>\n", to);
    write_stack(model, site->stack, site->stack_count, to);
    fputs("</details></td>", to);
    html_number_cell(to, "", html_exact(site->count), unit_count(site->count));
    html_number_cell(to, "", html_exact(site->open), unit_count(site->open));
    html_number_cell(to, "", html_exact(site->usual), unit_count(site->usual));
    html_text_cell(to, "", leaks_site_thread(model, site));
    fputs("</tr>\n", to);
}

/* Who is short stands in a sentence, and is marked in the table of all who took references or gave them back. */
static void write_holders(const leaks_model *model, const leaks_group *group, FILE *to) {
    const leaks_holders *holders = &group->holders;
    if (!leaks_group_has_holders(group)) {
        return;
    }
    fputs("<h3>Who still holds it</h3>\n", to);
    const char *line = NULL;
    for (size_t i = 0; (line = leaks_holders_verdict(model, group, i)) != NULL; i++) {
        fputs("<p class=\"culprit\">", to);
        html_print(to, line);
        fputs("</p>\n", to);
    }
    fputs("<div class=\"scroll\"><table class=\"holders\"><thead><tr><th>References</th><th class=\"number\">taken or "
          "given</th><th class=\"number\">still open</th><th class=\"number\">where released in full</th>"
          "<th>by</th></tr></thead><tbody>\n",
          to);
    for (size_t i = 0; i < holders->site_count; i++) {
        write_site(model, group, holders->sites[i], to);
    }
    fprintf(to, "</tbody></table></div>\n<p class=\"note\">References open: %s.", unit_count(holders->open).text);
    if (holders->elsewhere.taken != MODEL_UNKNOWN && holders->elsewhere.taken + holders->elsewhere.given > 0) {
        fprintf(to, " At sites that were not kept: %s taken, %s given back.", unit_count(holders->elsewhere.taken).text,
                unit_count(holders->elsewhere.given).text);
    }
    fputs("</p>\n", to);
}

static void write_badge(FILE *to, const char *class, const char *text) {
    if (text != NULL) {
        fprintf(to, " <b class=\"badge %s\">", class);
        html_print(to, text);
        fputs("</b>", to);
    }
}

static void write_descriptions(const leaks_group *group, FILE *to) {
    fputs(group->description_count == 0 ? "" : "<h3>Such as</h3>\n<ul class=\"descriptions\">\n", to);
    for (size_t i = 0; i < group->description_count; i++) {
        fputs("<li>", to);
        html_print(to, group->descriptions[i]);
        fputs("</li>\n", to);
    }
    fputs(group->description_count == 0 ? "" : "</ul>\n", to);
}

static void write_note(FILE *to, const char *label, const char *text) {
    if (text != NULL) {
        fprintf(to, "<p class=\"note\">%s", label);
        html_print(to, text);
        fputs(".</p>\n", to);
    }
}

static void write_misuse(const leaks_model *model, const leaks_misuse *misuse, FILE *to) {
    fputs("<details class=\"card leak misuse\" open><summary><span class=\"where\">", to);
    html_print(to, misuse->offence);
    fputs("</span><span class=\"amount\">misuse</span></summary>\n<div class=\"body\">\n<dl class=\"measures\">\n", to);
    write_measure(to, "times", html_exact(misuse->count), unit_count(misuse->count).text);
    write_word(to, "of", misuse->type);
    write_word(to, "thread", misuse->thread);
    write_word(to, "released by", misuse->released_by);
    fputs("</dl>\n<h3>Found at</h3>\n", to);
    write_stack(model, misuse->stack, misuse->stack_count, to);
    fputs("<h3>Released before that at</h3>\n", to);
    write_stack(model, misuse->release_stack, misuse->release_stack_count, to);
    fputs("<h3>Allocated at</h3>\n", to);
    write_stack(model, misuse->allocation_stack, misuse->allocation_stack_count, to);
    fputs("</div></details>\n", to);
}

static void write_group(const leaks_model *model, const leaks_group *group, double all_bytes, bool is_open, FILE *to) {
    fprintf(to, "<details class=\"card leak\"%s><summary><span class=\"where\">", is_open ? " open" : "");
    const char *where = group->allocation_stack_count == 0 ? "no stack was captured"
                                                           : leaks_frame_place(model, group->allocation_stack[0]);
    html_print(to, where);
    fputs("</span><span class=\"amount\">", to);
    write_badge(to, group->baseline.standing == STANDING_KNOWN ? "known" : "", leaks_group_standing(model, group));
    if (group->lost != 0 && group->lost != MODEL_UNKNOWN) {
        write_badge(to, "", model_text_format(model->arena, "%s lost", unit_count(group->lost).text));
    }
    html_print(to, leaks_group_title(model, group));
    double share =
        group->bytes == MODEL_UNKNOWN || group->unit != NULL || all_bytes <= 0 ? 0 : (double)group->bytes / all_bytes;
    fprintf(to, "</span><span class=\"share\"><i style=\"width:%.1f%%\"></i></span></summary>\n<div class=\"body\">\n",
            share * 100);
    write_measures(model, group, to);
    write_note(to, "", leaks_group_lost(model, group));
    write_note(to, "A suppression rule matches, and covers it no longer: ", leaks_group_lifted(model, group));
    fputs("<h3>Allocated at</h3>\n", to);
    write_stack(model, group->allocation_stack, group->allocation_stack_count, to);
    write_descriptions(group, to);
    write_holders(model, group, to);
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
    const char *remark = NULL;
    for (size_t i = 0; (remark = leaks_model_remark(model, i)) != NULL; i++) {
        html_fact(to, i == 0 ? "Limits" : "", remark);
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
        all_bytes += groups[i]->bytes == MODEL_UNKNOWN || groups[i]->unit != NULL ? 0 : (double)groups[i]->bytes;
    }
    for (size_t i = 0; i < model->misuse_count; i++) {
        write_misuse(model, model->misuses[i], to);
    }
    for (size_t i = 0; i < model->group_count; i++) {
        write_group(model, groups[i], all_bytes, i < OPEN_AT_FIRST, to);
    }
    write_processes(model, to);
    fputs("</section>\n", to);
}
