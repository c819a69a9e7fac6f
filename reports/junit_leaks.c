/* Leak findings as test results: a case for each call stack that leaked, for each misuse, and two that say whether the
 * detector was there and whether it missed something. */
#include <stdlib.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/junit.h"
#include "reports/leaks_holders.h"
#include "reports/leaks_order.h"
#include "reports/leaks_stacks.h"
#include "reports/sentence.h"

/* What one case is called after: the program, without its folders. */
static const char *program_of(const leaks_model *model) {
    const char *program = model->process_count == 0 ? NULL : model->processes[0]->program;
    const char *slash = program == NULL ? NULL : strrchr(program, '/');
    const char *name = slash == NULL ? program : slash + 1;
    for (size_t i = 1; i < model->process_count && name != NULL; i++) {
        const char *other = model->processes[i]->program;
        if (other == NULL || strcmp(other, program) != 0) {
            return "several programs";
        }
    }
    return name == NULL ? "poolbuf" : name;
}

/* Without its line, which moves from change to change. */
static const char *function_of(leaks_frame *const *stack, size_t count) {
    return count == 0 || stack[0]->function == NULL ? "an unknown function" : stack[0]->function;
}

static const char KNOWN[] = "known: the baseline has it, with as many or more";

/* A known leak that has not grown was accepted with its baseline, and what is alive is no leak yet. */
static const char *why_skipped(const leaks_model *model, const leaks_group *group) {
    if (group->baseline.standing == STANDING_KNOWN) {
        return KNOWN;
    }
    const bool is_lost = group->lost != 0 && group->lost != MODEL_UNKNOWN;
    return leaks_model_is_live(model) && !is_lost ? "alive when the report was made: no leak yet" : NULL;
}

static void add_group(junit_suite *suite, const leaks_model *model, const leaks_group *group, const char *class_name) {
    char *details = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&details, &size);
    sentence message;
    if (out != NULL) {
        text_write_group(model, group, out);
        (void)fclose(out);
    }
    const char *skipped = why_skipped(model, group);
    sentence_init(&message);
    sentence_join_text(&message, "", leaks_group_title(model, group));
    sentence_join_text(&message, "", leaks_group_standing(model, group));
    sentence_join_text(&message, "", leaks_holders_verdict(model, group, 0));
    junit_add_case(
        suite,
        &(junit_case){.class_name = class_name,
                      .name = model_text_format(
                          model->arena, "%s allocated by %s, %s%s%s", group->type == NULL ? "resource" : group->type,
                          function_of(group->allocation_stack, group->allocation_stack_count), group->fingerprint,
                          group->kind == NULL ? "" : ", ", group->kind == NULL ? "" : group->kind),
                      .outcome = skipped == NULL ? JUNIT_FAILURE : JUNIT_SKIPPED,
                      .type = "leak",
                      .message = skipped == NULL ? message.text : skipped,
                      .details = details,
                      .seconds = MODEL_NAN});
    free(details);
}

static void add_misuse(junit_suite *suite, const leaks_model *model, const leaks_misuse *misuse,
                       const char *class_name) {
    char *details = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&details, &size);
    if (out != NULL) {
        text_write_misuse(model, misuse, out);
        (void)fclose(out);
    }
    junit_add_case(
        suite, &(junit_case){.class_name = class_name,
                             .name = model_text_format(model->arena, "%s, by %s, %s", leaks_misuse_kind(model, misuse),
                                                       function_of(misuse->stack, misuse->stack_count),
                                                       leaks_misuse_fingerprint(model, misuse)),
                             .outcome = JUNIT_FAILURE,
                             .type = "misuse",
                             .message = leaks_misuse_title(model, misuse),
                             .details = details,
                             .seconds = MODEL_NAN});
    free(details);
}

/* A process that a misuse ended looked for none. */
static bool was_checked(const leaks_model *model) {
    bool checked = model->group_count > 0;
    for (size_t i = 0; i < model->process_count; i++) {
        const char *reason = model->processes[i]->reason;
        checked = checked || reason == NULL || strcmp(reason, "misuse") != 0;
    }
    return checked;
}

/* Passes even where leaks were found: whether they were looked for is another question. */
static void add_check(junit_suite *suite, const leaks_model *model, const char *class_name) {
    char *facts = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&facts, &size);
    if (out != NULL) {
        text_write_checked(model, out);
        (void)fclose(out);
    }
    const bool is_checked = was_checked(model);
    junit_add_case(suite, &(junit_case){.class_name = class_name,
                                        .name = "leaks were looked for",
                                        .outcome = is_checked ? JUNIT_PASSED : JUNIT_ERROR,
                                        .type = "unchecked",
                                        .message = is_checked ? NULL : answer_leaks(model),
                                        .details = facts != NULL && facts[0] != '\0' ? facts : NULL,
                                        .seconds = MODEL_NAN});
    free(facts);
}

static void add_unsampled(junit_suite *suite, const leaks_model *model, const char *class_name) {
    const char *missed = answer_unsampled(model);
    const bool is_known = missed != NULL && model->unseen_standing == STANDING_KNOWN;
    if (leaks_model_unsuppressed(model).live_buffers == MODEL_UNKNOWN || leaks_model_is_live(model)) {
        return;
    }
    junit_add_case(suite, &(junit_case){.class_name = class_name,
                                        .name = "no buffer leaked that no sample saw",
                                        .outcome = is_known         ? JUNIT_SKIPPED
                                                   : missed != NULL ? JUNIT_FAILURE
                                                                    : JUNIT_PASSED,
                                        .type = "leak",
                                        .message = is_known ? KNOWN : missed,
                                        .details = is_known ? missed : NULL,
                                        .seconds = MODEL_NAN});
}

void junit_add_leaks(junit *to, const leaks_model *model) {
    const char *class_name = program_of(model);
    junit_suite *suite = junit_add_suite(to, model_text_format(model->arena, "leaks of %s", class_name), NULL);
    const leaks_group **groups = leaks_order(model);
    add_check(suite, model, class_name);
    add_unsampled(suite, model, class_name);
    for (size_t i = 0; i < model->misuse_count; i++) {
        add_misuse(suite, model, model->misuses[i], class_name);
    }
    for (size_t i = 0; i < model->group_count; i++) {
        add_group(suite, model, groups[i], class_name);
    }
}
