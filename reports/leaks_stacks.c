/* See leaks_stacks.h. The fingerprint and the order of lines are those of leakdetect/src/report.c; tests/symbols.sh holds the
 * two together. */
#include "reports/leaks_stacks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void leaks_stacks_visit(leaks_model *model, leaks_stack_visitor *visitor, void *context) {
    for (size_t i = 0; i < model->group_count; i++) {
        leaks_group *group = model->groups[i];
        visitor(model, &group->allocation_stack, &group->allocation_stack_count, context);
        for (size_t j = 0; j < group->access_count; j++) {
            visitor(model, &group->accesses[j]->stack, &group->accesses[j]->stack_count, context);
        }
        for (size_t j = 0; j < group->holders.site_count; j++) {
            leaks_site *site = group->holders.sites[j];
            visitor(model, &site->stack, &site->stack_count, context);
            visitor(model, &site->caller, &site->caller_count, context);
            site->caller_count = site->caller_count > 1 ? 1 : site->caller_count; /* the innermost of inlined ones */
        }
    }
    for (size_t i = 0; i < model->misuse_count; i++) {
        leaks_misuse *misuse = model->misuses[i];
        visitor(model, &misuse->stack, &misuse->stack_count, context);
        visitor(model, &misuse->release_stack, &misuse->release_stack_count, context);
        visitor(model, &misuse->allocation_stack, &misuse->allocation_stack_count, context);
    }
}

/* ---- what is not the program's ---- */

static bool is_outermost(const leaks_frame *frame) {
    static const char *const NAMES[] = {"main", "start_thread", "__libc_start_call_main", "__libc_start_main"};
    for (size_t i = 0; frame->function != NULL && i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(frame->function, NAMES[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_own(const leaks_frame *frame) {
    const size_t length = frame->file == NULL ? 0 : strlen(frame->file);
    return frame->function != NULL && strncmp(frame->function, "poolbuf_", 8) == 0 && length > 2 &&
           strcmp(frame->file + length - 2, ".h") == 0 && strstr(frame->file, "/poolbuf/") != NULL;
}

void leaks_stack_trim(leaks_frame **stack, size_t *count) {
    size_t first = 0;
    while (first < *count && is_own(stack[first])) {
        first++;
    }
    size_t kept = 0;
    for (size_t i = first; i < *count; i++) {
        const bool ends = is_outermost(stack[i]);
        if (ends && kept > 0 && strcmp(stack[i]->function, "main") != 0) {
            break;
        }
        stack[kept++] = stack[i];
        if (ends) {
            break;
        }
    }
    *count = kept;
}

/* ---- fingerprints ---- */

uint64_t leaks_hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    }
    return (hash ^ 0xff) * 0x100000001b3u;
}

uint64_t leaks_hash_number(uint64_t hash, uint64_t number) {
    for (uint64_t rest = number; rest != 0; rest >>= 8) {
        hash = (hash ^ (rest & 0xff)) * 0x100000001b3u;
    }
    return hash;
}

static uint64_t hash_stack(uint64_t hash, leaks_frame *const *stack, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const leaks_frame *frame = stack[i];
        if (frame->function != NULL) {
            hash = leaks_hash_text(hash, frame->function);
            continue;
        }
        const char *module = frame->module == NULL ? "?" : frame->module;
        const char *slash = strrchr(module, '/');
        hash = leaks_hash_text(hash, slash == NULL ? module : slash + 1);
        const bool known = frame->module != NULL && frame->offset != MODEL_UNKNOWN;
        hash = leaks_hash_number(hash, known ? frame->offset : 0);
    }
    return hash;
}

static uint64_t plain_fingerprint(const leaks_group *group) {
    const uint64_t hash = leaks_hash_text(LEAKS_FIRST_HASH, group->type == NULL ? "" : group->type);
    return hash_stack(hash, group->allocation_stack, group->allocation_stack_count);
}

static int compare_counts(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int compare_stacks(leaks_frame *const *a, size_t a_count, leaks_frame *const *b, size_t b_count) {
    for (size_t i = 0; i < a_count && i < b_count; i++) {
        const leaks_frame *x = a[i];
        const leaks_frame *y = b[i];
        int order = strcmp(x->file == NULL ? "" : x->file, y->file == NULL ? "" : y->file);
        const uint64_t x_line = x->line == MODEL_UNKNOWN ? 0 : x->line;
        const uint64_t y_line = y->line == MODEL_UNKNOWN ? 0 : y->line;
        order = order != 0 ? order : compare_counts(x_line, y_line);
        order = order == 0 && x_line == 0 ? compare_counts(x->offset, y->offset) : order;
        if (order != 0) {
            return order;
        }
    }
    return compare_counts(a_count, b_count);
}

static int compare_lines(const leaks_group *a, const leaks_group *b) {
    return compare_stacks(a->allocation_stack, a->allocation_stack_count, b->allocation_stack,
                          b->allocation_stack_count);
}

typedef struct marked {
    uint64_t fingerprint;
    leaks_group *group;
} marked;

static int compare_marked(const void *left, const void *right) {
    const marked *a = left;
    const marked *b = right;
    const int order = compare_counts(a->fingerprint, b->fingerprint);
    return order != 0 ? order : compare_lines(a->group, b->group);
}

/* The detector's groups, those of the same functions together, in the order of their lines. */
static marked *sort_by_functions(leaks_model *model, size_t *count) {
    marked *all = model_allocate(model->arena, (model->group_count + 1) * sizeof(marked));
    *count = 0;
    for (size_t i = 0; i < model->group_count; i++) {
        if (model->groups[i]->kind == NULL) {
            all[(*count)++] = (marked){plain_fingerprint(model->groups[i]), model->groups[i]};
        }
    }
    qsort(all, *count, sizeof *all, compare_marked);
    return all;
}

static size_t count_same_functions(const marked *all, size_t count) {
    size_t same = 0;
    while (same < count && all[same].fingerprint == all[0].fingerprint) {
        same++;
    }
    return same;
}

static const char *number_fingerprint(const leaks_model *model, uint64_t hash, uint64_t ordinal) {
    for (uint64_t again = 0; again < ordinal; again++) {
        hash = leaks_hash_text(hash, "again");
    }
    return model_text_format(model->arena, "%016" PRIx64, hash);
}

static void mark(leaks_model *model, const marked *all, size_t count) {
    uint64_t ordinal = 0;
    for (size_t i = 0; i < count; i++) {
        const bool alike = i == 0 || compare_lines(all[i].group, all[i - 1].group) == 0;
        ordinal = alike ? ordinal : ordinal + 1;
        all[i].group->fingerprint = number_fingerprint(model, all[i].fingerprint, ordinal);
    }
}

static bool have_one_name(const marked *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(all[i].group->fingerprint, all[j].group->fingerprint) == 0) {
                return true;
            }
        }
    }
    return false;
}

void leaks_model_renumber(leaks_model *model) {
    size_t count = 0;
    const marked *all = sort_by_functions(model, &count);
    for (size_t i = 0, same = 0; i < count; i += same) {
        same = count_same_functions(all + i, count - i);
        if (have_one_name(all + i, same)) {
            mark(model, all + i, same);
        }
    }
}

leaks_model *leaks_model_refold(leaks_model *model) {
    if (model->tool != LEAKS_TOOL_BUILTIN) {
        return model;
    }
    size_t count = 0;
    const marked *all = sort_by_functions(model, &count);
    for (size_t i = 0, same = 0; i < count; i += same) {
        same = count_same_functions(all + i, count - i);
        mark(model, all + i, same);
    }
    leaks_model *folded = leaks_model_create();
    folded->tool = model->tool;
    leaks_model_merge(folded, model);
    for (size_t i = 0; i < folded->group_count; i++) { /* two groups of one process are still seen in one */
        leaks_group *group = folded->groups[i];
        group->processes = group->processes > folded->process_count ? folded->process_count : group->processes;
    }
    leaks_model_destroy(model);
    return folded;
}

/* ---- misuses ---- */

const char *leaks_misuse_kind(const leaks_model *model, const leaks_misuse *misuse) {
    return model_text_format(model->arena, "%.*s", (int)strcspn(misuse->offence, ":"), misuse->offence);
}

static uint64_t plain_misuse(const leaks_model *model, const leaks_misuse *misuse) {
    uint64_t hash = leaks_hash_text(LEAKS_FIRST_HASH, leaks_misuse_kind(model, misuse));
    hash = hash_stack(hash, misuse->stack, misuse->stack_count);
    hash = hash_stack(leaks_hash_text(hash, ""), misuse->release_stack, misuse->release_stack_count);
    return hash_stack(leaks_hash_text(hash, ""), misuse->allocation_stack, misuse->allocation_stack_count);
}

static int compare_misuses(const leaks_misuse *a, const leaks_misuse *b) {
    int order = compare_stacks(a->stack, a->stack_count, b->stack, b->stack_count);
    order = order != 0
                ? order
                : compare_stacks(a->release_stack, a->release_stack_count, b->release_stack, b->release_stack_count);
    order = order != 0 ? order
                       : compare_stacks(a->allocation_stack, a->allocation_stack_count, b->allocation_stack,
                                        b->allocation_stack_count);
    return order != 0 ? order : strcmp(a->offence, b->offence);
}

const char *leaks_misuse_fingerprint(const leaks_model *model, const leaks_misuse *misuse) {
    const uint64_t hash = plain_misuse(model, misuse);
    uint64_t before = 0;
    for (size_t i = 0; i < model->misuse_count; i++) {
        const leaks_misuse *other = model->misuses[i];
        before += other != misuse && plain_misuse(model, other) == hash && compare_misuses(other, misuse) < 0;
    }
    return number_fingerprint(model, hash, before);
}
