/* See suppressions.h. */
#include "suppressions.h"

#include <stdlib.h>
#include <string.h>

#include "reports/facts.h"
#include "reports/leaks_order.h"

enum {
    NAME_BYTES = 1000, /* of a name in a rule; the library takes patterns up to 1,024 bytes */
    RULE_BYTES = NAME_BYTES + 16
};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* A rule with a function of the runtime's would suppress every leak that passes through it. */
static bool is_runtime(const char *module) {
    static const char *const STARTS[] = {"libc.so",  "libc-",   "libstdc++",  "libc++",    "libgcc_s",
                                         "ld-linux", "libm.so", "libpthread", "libpoolbuf"};
    for (size_t i = 0; module != NULL && i < sizeof STARTS / sizeof STARTS[0]; i++) {
        if (strncmp(base_name(module), STARTS[i], strlen(STARTS[i])) == 0) {
            return true;
        }
    }
    return false;
}

static const leaks_frame *find_frame(const leaks_group *group, bool by_function) {
    for (size_t i = 0; i < group->allocation_stack_count; i++) {
        const leaks_frame *frame = group->allocation_stack[i];
        const char *name = by_function ? frame->function : frame->module;
        if (name != NULL && *name != '\0' && !is_runtime(frame->module)) {
            return frame;
        }
    }
    return NULL;
}

/* "START name END". A byte that means something in a rule, or that no line should have, becomes a `*`, and so does what
 * is cut off. */
static void write_rule(char *rule, const char *start, const char *name) {
    char copy[NAME_BYTES + 1];
    size_t used = 0;
    for (; name[used] != '\0' && used < NAME_BYTES; used++) {
        unsigned char byte = (unsigned char)name[used];
        bool comment = byte == '#' && used > 0 && name[used - 1] == ' ';
        copy[used] = byte < ' ' || byte == 0x7f || byte == '$' || comment ? '*' : name[used];
    }
    copy[used] = '\0';
    snprintf(rule, RULE_BYTES, "leak:%s%s%s", start, copy, name[used] == '\0' ? "$" : "*");
}

/* False where the stack has no name to hold on to. */
static bool make_rule(const leaks_group *group, char *rule) {
    const leaks_frame *frame = find_frame(group, true);
    if (frame != NULL) {
        write_rule(rule, "^", frame->function);
        return true;
    }
    frame = find_frame(group, false);
    if (frame != NULL) {
        write_rule(rule, "/", base_name(frame->module));
    }
    return frame != NULL;
}

/* One line, whatever the program called its things. */
static void print_comment(FILE *to, const char *text) {
    for (; *text != '\0'; text++) {
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
    }
}

static void print_group(const leaks_model *model, const leaks_group *group, FILE *to) {
    fprintf(to, "# fingerprint %s: ", group->fingerprint);
    print_comment(to, leaks_group_title(model, group));
    if (group->allocation_stack_count > 0) {
        fputs(", ", to);
        print_comment(to, leaks_frame_place(model, group->allocation_stack[0]));
    }
    fputc('\n', to);
}

void suppressions_print(const leaks_model *model, FILE *to) {
    const leaks_group **groups = leaks_order(model);
    char(*rules)[RULE_BYTES] = calloc(model->group_count + 1, sizeof *rules);
    if (rules == NULL) {
        fputs("poolbuf leaks: out of memory for rules\n", stderr);
        return;
    }
    for (size_t i = 0; i < model->group_count; i++) {
        if (!make_rule(groups[i], rules[i])) {
            print_group(model, groups[i], to);
            fputs("# no rule: its stack has no names\n", to);
        }
    }
    for (size_t i = 0; i < model->group_count; i++) {
        if (rules[i][0] == '\0') {
            continue;
        }
        print_group(model, groups[i], to);
        for (size_t j = i + 1; j < model->group_count; j++) {
            if (strcmp(rules[i], rules[j]) == 0) {
                print_group(model, groups[j], to);
                rules[j][0] = '\0';
            }
        }
        fprintf(to, "%s\n", rules[i]);
    }
    free(rules);
}
