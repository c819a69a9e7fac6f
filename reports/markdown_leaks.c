/* Leak findings as GitHub Markdown: the answer first, then each call stack with who still holds it, detail folded away. */
#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/leaks_holders.h"
#include "reports/leaks_order.h"
#include "reports/leaks_suppressions.h"
#include "reports/table.h"
#include "reports/writers.h"

static void print_bullet(FILE *to, const char *label, const char *text) {
    if (text != NULL) {
        fprintf(to, "- %s%s", label, label[0] == '\0' ? "" : ": ");
        markdown_print_safe(to, text);
        fputc('\n', to);
    }
}

static void print_stack(const leaks_model *model, leaks_frame *const *stack, size_t count, FILE *to) {
    fputs("```text\n", to);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "#%-2zu ", i);
        markdown_print_fenced(to, leaks_frame_place(model, stack[i]));
    }
    fputs(count == 0 ? "no stack was captured\n```\n" : "```\n", to);
}

static void print_accesses(const leaks_model *model, const leaks_group *group, FILE *to) {
    if (group->access_count == 0) {
        return;
    }
    fprintf(to, "\n<details><summary>Last accesses (%zu)</summary>\n\n", group->access_count);
    for (size_t i = 0; i < group->access_count; i++) {
        markdown_print_safe(to, leaks_access_title(model, group->accesses[i]));
        fputs("\n\n", to);
        print_stack(model, group->accesses[i]->stack, group->accesses[i]->stack_count, to);
        fputc('\n', to);
    }
    fputs("</details>\n", to);
}

/* What is said about a group below its stack: the culprit first, in bold. */
static void print_remarks(const leaks_model *model, const leaks_group *group, FILE *to) {
    const char *line = leaks_holders_verdict(model, group, 0);
    const char *balance = leaks_holders_balance(model, group);
    const char *lost = leaks_group_lost(model, group);
    const char *lifted = leaks_group_lifted(model, group);
    if (line == NULL && balance == NULL && lost == NULL && lifted == NULL && group->description_count == 0) {
        return;
    }
    fputc('\n', to);
    for (size_t i = 0; (line = leaks_holders_verdict(model, group, i)) != NULL; i++) {
        fputs("- **", to);
        markdown_print_safe(to, line);
        fputs("**\n", to);
    }
    print_bullet(to, "holders", balance);
    print_bullet(to, "", lost);
    print_bullet(to, "not suppressed", lifted);
    for (size_t i = 0; i < group->description_count; i++) {
        print_bullet(to, "such as", group->descriptions[i]);
    }
}

static void print_group(const leaks_model *model, const leaks_group *group, size_t number, FILE *to) {
    const char *standing = leaks_group_standing(model, group);
    fprintf(to, "### %zu. ", number);
    markdown_print_safe(to, leaks_group_title(model, group));
    if (standing != NULL) {
        fputs(" (", to);
        markdown_print_safe(to, standing);
        fputs(")", to);
    }
    fputs("\n\n", to);
    markdown_print_safe(to, leaks_group_facts(model, group));
    fputs("\n\n", to);
    print_stack(model, group->allocation_stack, group->allocation_stack_count, to);
    print_remarks(model, group, to);
    print_accesses(model, group, to);
    fputc('\n', to);
}

static void print_misuse(const leaks_model *model, const leaks_misuse *misuse, FILE *to) {
    fputs("### Misuse: ", to);
    markdown_print_safe(to, leaks_misuse_title(model, misuse));
    fputs("\n\nFound at\n\n", to);
    print_stack(model, misuse->stack, misuse->stack_count, to);
    if (misuse->released_by != NULL || misuse->release_stack_count > 0) {
        fputs("\nReleased before that by thread ", to);
        markdown_print_safe(to, misuse->released_by == NULL ? "unknown" : misuse->released_by);
        fputs("\n\n", to);
        print_stack(model, misuse->release_stack, misuse->release_stack_count, to);
    }
    if (misuse->allocation_stack_count > 0) {
        fputs("\nAllocated at\n\n", to);
        print_stack(model, misuse->allocation_stack, misuse->allocation_stack_count, to);
    }
    fputc('\n', to);
}

void markdown_write_leaks(const leaks_model *model, FILE *to) {
    fputs("## poolbuf leaks\n\n**", to);
    markdown_print_safe(to, answer_leaks(model));
    fputs("**\n\n", to);
    const leaks_group **groups = leaks_order(model);
    for (size_t i = 0; i < model->misuse_count; i++) {
        print_misuse(model, model->misuses[i], to);
    }
    for (size_t i = 0; i < model->group_count; i++) {
        print_group(model, groups[i], i + 1, to);
    }
    fputs("<details><summary>What was checked</summary>\n\n", to);
    print_bullet(to, "tool", leaks_tool_name(model->tool));
    for (size_t i = 0; i < model->process_count; i++) {
        print_bullet(to, "", leaks_process_facts(model, model->processes[i]));
        print_bullet(to, "", leaks_exact_facts(model, model->processes[i]->exact, model->processes[i]->tracked));
    }
    const char *remark = NULL;
    for (size_t i = 0; (remark = leaks_model_remark(model, i)) != NULL; i++) {
        print_bullet(to, "", remark);
    }
    const char *line = leaks_suppressions_facts(model, 0);
    for (size_t i = 1; line != NULL; line = leaks_suppressions_facts(model, i++)) {
        print_bullet(to, "suppressions", line);
    }
    fputs("\n</details>\n", to);
}
