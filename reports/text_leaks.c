/* Leak findings for a terminal: one block a call stack, the largest first, and the answer last. */
#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/leaks_holders.h"
#include "reports/leaks_order.h"
#include "reports/leaks_suppressions.h"
#include "reports/table.h"
#include "reports/writers.h"

static void print_stack(const leaks_model *model, leaks_frame *const *stack, size_t count, FILE *to, int indent) {
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "%*s#%-2zu ", indent, "", i);
        text_print_safe(to, leaks_frame_place(model, stack[i]));
        fputc('\n', to);
    }
    if (count == 0) {
        fprintf(to, "%*sno stack was captured\n", indent, "");
    }
}

static void print_accesses(const leaks_model *model, const leaks_group *group, FILE *to) {
    for (size_t i = 0; i < group->access_count; i++) {
        const leaks_access *access = group->accesses[i];
        fputs("    ", to);
        text_print_safe(to, leaks_access_title(model, access));
        fputs(" at\n", to);
        print_stack(model, access->stack, access->stack_count, to, 6);
    }
    if (group->accesses_dropped != 0 && group->accesses_dropped != MODEL_UNKNOWN) {
        fprintf(to, "    %llu older access%s not kept\n", (unsigned long long)group->accesses_dropped,
                group->accesses_dropped == 1 ? " was" : "es were");
    }
}

static void print_line(FILE *to, const char *label, const char *text) {
    if (text != NULL) {
        fprintf(to, "    %s", label);
        text_print_safe(to, text);
        fputc('\n', to);
    }
}

static void print_holders(const leaks_model *model, const leaks_group *group, FILE *to, bool colour) {
    print_line(to, "holders: ", leaks_holders_balance(model, group));
    const char *line = NULL;
    for (size_t i = 0; (line = leaks_holders_verdict(model, group, i)) != NULL; i++) {
        fputs("    ", to);
        tone_print(to, colour, TONE_STRONG, line);
        fputc('\n', to);
    }
}

void text_write_misuse(const leaks_model *model, const leaks_misuse *misuse, FILE *to) {
    fputs("    found at\n", to);
    print_stack(model, misuse->stack, misuse->stack_count, to, 6);
    if (misuse->released_by != NULL || misuse->release_stack_count > 0) {
        print_line(to, "released before that by thread ",
                   misuse->released_by == NULL ? "unknown" : misuse->released_by);
        print_stack(model, misuse->release_stack, misuse->release_stack_count, to, 6);
    }
    if (misuse->allocation_stack_count > 0) {
        fputs("    allocated at\n", to);
        print_stack(model, misuse->allocation_stack, misuse->allocation_stack_count, to, 6);
    }
}

static void print_misuse(const leaks_model *model, const leaks_misuse *misuse, size_t number, FILE *to, bool colour) {
    char heading[64];
    snprintf(heading, sizeof heading, "MISUSE %zu of %zu  ", number, model->misuse_count);
    tone_print(to, colour, TONE_BAD, heading);
    tone_print(to, colour, TONE_STRONG, leaks_misuse_title(model, misuse));
    fputc('\n', to);
    text_write_misuse(model, misuse, to);
    fputc('\n', to);
}

static void print_group_body(const leaks_model *model, const leaks_group *group, FILE *to, bool colour) {
    const char *facts = leaks_group_facts(model, group);
    if (facts != NULL) {
        fputs("    ", to);
        tone_print(to, colour, TONE_FAINT, facts);
        fputc('\n', to);
    }
    fputs("    allocated at\n", to);
    print_stack(model, group->allocation_stack, group->allocation_stack_count, to, 6);
    for (size_t i = 0; i < group->description_count; i++) {
        print_line(to, i == 0 ? "such as: " : "     and: ", group->descriptions[i]);
    }
    print_holders(model, group, to, colour);
    print_line(to, "", leaks_group_lost(model, group));
    print_line(to, "not suppressed: ", leaks_group_lifted(model, group));
    print_accesses(model, group, to);
}

void text_write_group(const leaks_model *model, const leaks_group *group, FILE *to) {
    print_group_body(model, group, to, false);
}

static void print_group(const leaks_model *model, const leaks_group *group, size_t number, FILE *to, bool colour) {
    char heading[64];
    snprintf(heading, sizeof heading, "%s %zu of %zu  ", leaks_model_is_live(model) ? "ALIVE" : "LEAK", number,
             model->group_count);
    const char *standing = leaks_group_standing(model, group);
    tone_print(to, colour, TONE_BAD, heading);
    tone_print(to, colour, TONE_STRONG, leaks_group_title(model, group));
    if (standing != NULL) {
        fputs("  ", to);
        tone_print(to, colour, group->baseline.standing == STANDING_KNOWN ? TONE_FAINT : TONE_BAD, standing);
    }
    fputc('\n', to);
    print_group_body(model, group, to, colour);
    fputc('\n', to);
}

void text_write_checked(const leaks_model *model, FILE *to) {
    for (size_t i = 0; i < model->process_count; i++) {
        text_print_safe(to, leaks_process_facts(model, model->processes[i]));
        fputc('\n', to);
        const char *exact = leaks_exact_facts(model, model->processes[i]->exact, model->processes[i]->tracked);
        if (exact != NULL) {
            fputs("  ", to);
            text_print_safe(to, exact);
            fputc('\n', to);
        }
    }
    const char *remark = NULL;
    for (size_t i = 0; (remark = leaks_model_remark(model, i)) != NULL; i++) {
        text_print_safe(to, remark);
        fputc('\n', to);
    }
    const char *line = leaks_suppressions_facts(model, 0);
    for (size_t i = 1; line != NULL; line = leaks_suppressions_facts(model, i++)) {
        fputs("suppressions: ", to);
        text_print_safe(to, line);
        fputc('\n', to);
    }
}

void text_write_leaks(const leaks_model *model, FILE *to, bool colour) {
    const leaks_group **groups = leaks_order(model);
    for (size_t i = 0; i < model->misuse_count; i++) {
        print_misuse(model, model->misuses[i], i + 1, to, colour);
    }
    for (size_t i = 0; i < model->group_count; i++) {
        print_group(model, groups[i], i + 1, to, colour);
    }
    text_write_checked(model, to);
    tone_print(to, colour, model->group_count == 0 && model->misuse_count == 0 ? TONE_STRONG : TONE_BAD,
               answer_leaks(model));
    fputc('\n', to);
}
