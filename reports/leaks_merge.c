/* Merging leak findings, and what a merged model says in all; model.h says how parts add up. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/leaks_stacks.h"
#include "reports/leaks_suppressions.h"
#include "reports/model.h"

enum {
    DESCRIPTIONS_MOST = 32 /* of one group; each process has eight */
};

static uint64_t sum(uint64_t a, uint64_t b) {
    if (a == MODEL_UNKNOWN || b == MODEL_UNKNOWN) {
        return a == MODEL_UNKNOWN ? b : a;
    }
    return a > (uint64_t)INT64_MAX - b ? (uint64_t)INT64_MAX : a + b;
}

static int64_t sum_signed(int64_t a, int64_t b) {
    if (a == MODEL_UNKNOWN_SIGNED || b == MODEL_UNKNOWN_SIGNED) {
        return a == MODEL_UNKNOWN_SIGNED ? b : a;
    }
    int64_t total;
    if (__builtin_add_overflow(a, b, &total)) {
        return a > 0 ? INT64_MAX : -INT64_MAX;
    }
    return total;
}

static uint64_t smallest(uint64_t a, uint64_t b) {
    return a < b ? a : b; /* unknown is the largest count, so any known one is below it */
}

static uint64_t largest(uint64_t a, uint64_t b) {
    return a == MODEL_UNKNOWN || (b != MODEL_UNKNOWN && b > a) ? b : a;
}

static double sum_known(double a, double b) {
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

static bool text_equal(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* ---- stacks ---- */

static bool frame_equal(const leaks_frame *a, const leaks_frame *b) {
    return a->offset == b->offset && a->line == b->line && text_equal(a->function, b->function) &&
           text_equal(a->file, b->file) && text_equal(a->module, b->module);
}

static bool stack_equal(leaks_frame *const *a, size_t a_count, leaks_frame *const *b, size_t b_count) {
    if (a_count != b_count) {
        return false;
    }
    for (size_t i = 0; i < a_count; i++) {
        if (!frame_equal(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static void stack_copy(leaks_model *into, leaks_frame ***stack, size_t *count, leaks_frame *const *from,
                       size_t from_count) {
    for (size_t i = 0; i < from_count; i++) {
        leaks_frame *frame = leaks_frame_create(into);
        *frame = *from[i];
        frame->address = model_text(into->arena, from[i]->address);
        frame->module = model_text(into->arena, from[i]->module);
        frame->build_id = model_text(into->arena, from[i]->build_id);
        frame->function = model_text(into->arena, from[i]->function);
        frame->file = model_text(into->arena, from[i]->file);
        model_append(into->arena, (void *)stack, count, frame);
    }
}

/* ---- holders ---- */

/* One line of the program, wherever it was called from. Without a line, one call instruction. */
static bool same_place(const leaks_frame *a, const leaks_frame *b) {
    bool by_line = a->line != MODEL_UNKNOWN && b->line != MODEL_UNKNOWN;
    return a->line == b->line && text_equal(a->function, b->function) && text_equal(a->file, b->file) &&
           (by_line || (a->offset == b->offset && text_equal(a->module, b->module)));
}

/* A helper's line is told apart by who called it, as the detector does. */
static bool same_site(const leaks_site *a, const leaks_site *b) {
    if (!text_equal(a->kind, b->kind) || (a->stack_count == 0) != (b->stack_count == 0)) {
        return false;
    }
    if (a->stack_count == 0) {
        return true;
    }
    const leaks_frame *a_caller = a->stack_count > 1 ? a->stack[1] : NULL;
    const leaks_frame *b_caller = b->stack_count > 1 ? b->stack[1] : NULL;
    bool callers = a_caller == NULL || b_caller == NULL ? a_caller == b_caller
                                                        : text_equal(a_caller->function, b_caller->function);
    return callers && same_place(a->stack[0], b->stack[0]);
}

static leaks_site *find_site(const leaks_holders *holders, const leaks_site *like) {
    for (size_t i = 0; i < holders->site_count; i++) {
        if (same_site(holders->sites[i], like)) {
            return holders->sites[i];
        }
    }
    return NULL;
}

static void site_add_in(leaks_site *site, const leaks_site *from) {
    site->count = sum(site->count, from->count);
    site->open = sum(site->open, from->open);
    site->usual = sum(site->usual, from->usual);
    site->suspect = site->suspect || from->suspect;
    site->deviant = site->deviant && from->deviant;
    if (site->several_threads || from->several_threads || !text_equal(site->thread, from->thread)) {
        site->several_threads = true;
    }
    bool one_caller = site->caller_count == from->caller_count &&
                      (site->caller_count == 0 || same_place(site->caller[0], from->caller[0]));
    site->caller_count = one_caller ? site->caller_count : 0;
}

static void site_copy(leaks_model *into, leaks_group *group, const leaks_site *from) {
    leaks_site *site = leaks_group_add_site(into, group, from->kind);
    *site = (leaks_site){.kind = site->kind,
                         .count = from->count,
                         .open = from->open,
                         .usual = from->usual,
                         .suspect = from->suspect,
                         .deviant = from->deviant,
                         .several_threads = from->several_threads,
                         .thread = model_text(into->arena, from->thread)};
    stack_copy(into, &site->stack, &site->stack_count, from->stack, from->stack_count);
    stack_copy(into, &site->caller, &site->caller_count, from->caller, from->caller_count);
}

/* The site that differs from the usual does so in both, or it is not that clear any more. */
static void merge_holders(leaks_model *into, leaks_group *group, const leaks_group *from_group) {
    leaks_holders *holders = &group->holders;
    const leaks_holders *from = &from_group->holders;
    if (!leaks_group_has_holders(from_group)) {
        return;
    }
    bool first = !leaks_group_has_holders(group);
    for (size_t i = 0; i < holders->site_count; i++) {
        leaks_site *site = holders->sites[i];
        site->deviant = site->deviant && find_site(from, site) != NULL;
    }
    const size_t before = holders->site_count;
    for (size_t i = 0; i < from->site_count; i++) {
        leaks_site *site = find_site(holders, from->sites[i]);
        if (site != NULL) {
            site_add_in(site, from->sites[i]);
        } else {
            site_copy(into, group, from->sites[i]);
        }
    }
    for (size_t i = first ? holders->site_count : before; i < holders->site_count; i++) {
        holders->sites[i]->deviant = false;
    }
    holders->open = sum(holders->open, from->open);
    holders->balanced = sum(holders->balanced, from->balanced);
    holders->unbalanced = sum(holders->unbalanced, from->unbalanced);
    holders->elsewhere.taken = sum(holders->elsewhere.taken, from->elsewhere.taken);
    holders->elsewhere.given = sum(holders->elsewhere.given, from->elsewhere.given);
    holders->released_ones = sum(holders->released_ones, from->released_ones);
    holders->decided = (first || holders->decided) && from->decided;
    for (size_t i = 0; !holders->decided && i < holders->site_count; i++) {
        holders->sites[i]->open = MODEL_UNKNOWN;
    }
}

/* ---- groups ---- */

static void merge_access(leaks_model *into, leaks_group *group, const leaks_access *from) {
    for (size_t i = 0; i < group->access_count; i++) {
        leaks_access *access = group->accesses[i];
        if (text_equal(access->kind, from->kind) && text_equal(access->hint, from->hint) &&
            text_equal(access->thread, from->thread) &&
            stack_equal(access->stack, access->stack_count, from->stack, from->stack_count)) {
            access->count = sum(access->count, from->count);
            return;
        }
    }
    leaks_access *access = leaks_group_add_access(into, group, from->kind);
    access->hint = model_text(into->arena, from->hint);
    access->thread = model_text(into->arena, from->thread);
    access->count = from->count;
    stack_copy(into, &access->stack, &access->stack_count, from->stack, from->stack_count);
}

/* How two allocation stacks stand to each other. */
typedef enum site_relation {
    SITE_UNKNOWN, /* of different builds, whose lines cannot be compared */
    SITE_SAME,
    SITE_OTHER /* of one build, with different lines */
} site_relation;

static bool same_build(const leaks_frame *a, const leaks_frame *b) {
    return a->module != NULL && text_equal(a->module, b->module) && text_equal(a->build_id, b->build_id);
}

static site_relation relate_sites(const leaks_group *a, const leaks_group *b) {
    if (a->allocation_stack_count != b->allocation_stack_count || a->allocation_stack_count == 0) {
        return SITE_UNKNOWN;
    }
    for (size_t i = 0; i < a->allocation_stack_count; i++) {
        const leaks_frame *x = a->allocation_stack[i];
        const leaks_frame *y = b->allocation_stack[i];
        if (!same_place(x, y)) {
            return same_build(x, y) ? SITE_OTHER : SITE_UNKNOWN;
        }
    }
    return same_build(a->allocation_stack[0], b->allocation_stack[0]) ? SITE_SAME : SITE_UNKNOWN;
}

/* Two groups of one fingerprint have the same name, and two whose frames all are in the same_place() the same place; so what is
 * compared with each of thousands is two numbers. */
typedef struct group_mark {
    uint64_t name, place;
} group_mark;

static uint64_t hash_known(uint64_t hash, const char *text) {
    return leaks_hash_text(hash, text == NULL ? "" : text);
}

static group_mark mark_of(const leaks_group *group) {
    group_mark mark = {hash_known(LEAKS_FIRST_HASH, group->fingerprint), LEAKS_FIRST_HASH};
    for (size_t i = 0; i < group->allocation_stack_count; i++) {
        const leaks_frame *frame = group->allocation_stack[i];
        mark.place = hash_known(hash_known(leaks_hash_number(mark.place, frame->line), frame->function), frame->file);
        if (frame->line == MODEL_UNKNOWN) {
            mark.place = hash_known(leaks_hash_number(mark.place, frame->offset), frame->module);
        }
    }
    return mark;
}

/* With room for `more`; to be released with free(). NULL without memory: then each group is looked at. */
static group_mark *mark_groups(const leaks_model *model, size_t more) {
    group_mark *marks = calloc(model->group_count + more + 1, sizeof *marks);
    for (size_t i = 0; marks != NULL && i < model->group_count; i++) {
        marks[i] = mark_of(model->groups[i]);
    }
    return marks;
}

static bool may_be_alike(const group_mark *marks, size_t i, group_mark like) {
    return marks == NULL || marks[i].name == like.name || marks[i].place == like.place;
}

/* Two sites of one function have fingerprints by the order of their lines, among those that leaked in that process. So one
 * fingerprint may stand for different sites in different processes, and one site have different fingerprints: where the
 * lines tell, they decide, and the fingerprints are numbered anew. Memcheck's have no numbers. */
static leaks_group *find_group(const leaks_model *in, const group_mark *marks, const leaks_group *like,
                               bool *renumber) {
    const group_mark mark = mark_of(like);
    leaks_group *named = NULL;
    for (size_t i = 0; i < in->group_count; i++) {
        leaks_group *group = in->groups[i];
        if (!may_be_alike(marks, i, mark) || !text_equal(group->type, like->type) ||
            !text_equal(group->kind, like->kind)) {
            continue;
        }
        const bool same_name = text_equal(group->fingerprint, like->fingerprint);
        const site_relation relation = like->kind == NULL ? relate_sites(group, like) : SITE_UNKNOWN;
        if (relation == SITE_SAME) {
            return group;
        }
        *renumber = *renumber || (same_name && relation == SITE_OTHER);
        named = named == NULL && same_name && relation == SITE_UNKNOWN ? group : named;
    }
    return named;
}

static leaks_group *find_or_add_group(leaks_model *into, group_mark *marks, const leaks_group *from, bool *renumber) {
    bool clashes = false;
    leaks_group *group = find_group(into, marks, from, &clashes);
    if (group != NULL) {
        return group;
    }
    *renumber = *renumber || clashes;
    group = leaks_model_add_group(into, from->fingerprint);
    group->processes = 0;
    group->type = model_text(into->arena, from->type);
    group->kind = model_text(into->arena, from->kind);
    group->unit = model_text(into->arena, from->unit);
    group->thread = model_text(into->arena, from->thread);
    stack_copy(into, &group->allocation_stack, &group->allocation_stack_count, from->allocation_stack,
               from->allocation_stack_count);
    if (marks != NULL) {
        marks[into->group_count - 1] = mark_of(group);
    }
    return group;
}

/* The median of both lies between the two; we take that of the larger part, and say that it is near. */
static void merge_sizes(leaks_sizes *sizes, uint64_t count, const leaks_sizes *from, uint64_t from_count) {
    if (from->median == MODEL_UNKNOWN) {
        return;
    }
    if (sizes->median == MODEL_UNKNOWN) {
        *sizes = *from;
        return;
    }
    sizes->rounded = sizes->rounded || from->rounded || sizes->median != from->median;
    sizes->median = from_count > count ? from->median : sizes->median;
    sizes->least = smallest(sizes->least, from->least);
    sizes->greatest = largest(sizes->greatest, from->greatest);
}

static void merge_growth(leaks_growth *growth, const leaks_growth *from) {
    if (from->count == MODEL_UNKNOWN_SIGNED) {
        return;
    }
    growth->is_new = (growth->count == MODEL_UNKNOWN_SIGNED || growth->is_new) && from->is_new;
    growth->count = sum_signed(growth->count, from->count);
    growth->bytes = sum_signed(growth->bytes, from->bytes);
    growth->estimated_count = sum_known(growth->estimated_count, from->estimated_count);
    growth->newer = sum(growth->newer, from->newer);
}

static void merge_estimate(leaks_estimate *estimate, const leaks_estimate *from) {
    estimate->value = sum_known(estimate->value, from->value);
    estimate->low = sum_known(estimate->low, from->low);
    estimate->high = sum_known(estimate->high, from->high);
}

static void merge_group(leaks_model *into, group_mark *marks, const leaks_group *from, bool *renumber) {
    leaks_group *group = find_or_add_group(into, marks, from, renumber);
    merge_sizes(&group->sizes, group->count == MODEL_UNKNOWN ? 0 : group->count, &from->sizes, from->count);
    merge_growth(&group->growth, &from->growth);
    merge_estimate(&group->estimated_count, &from->estimated_count);
    group->count = sum(group->count, from->count);
    group->bytes = sum(group->bytes, from->bytes);
    group->lost = sum(group->lost, from->lost);
    group->processes = sum(group->processes, from->processes);
    group->accesses_dropped = sum(group->accesses_dropped, from->accesses_dropped);
    group->age_ms.oldest = largest(group->age_ms.oldest, from->age_ms.oldest);
    group->age_ms.newest = smallest(group->age_ms.newest, from->age_ms.newest);
    if (!text_equal(group->thread, from->thread)) {
        group->thread = "several";
    }
    if (group->lifted_by.state == NULL && from->lifted_by.state != NULL) {
        group->lifted_by = (leaks_lifted){model_text(into->arena, from->lifted_by.rule),
                                          model_text(into->arena, from->lifted_by.state), from->lifted_by.line};
    }
    if (group->baseline.standing == STANDING_UNKNOWN) {
        group->baseline = from->baseline; /* of one file; `poolbuf leaks --baseline` judges anew what it has merged */
    }
    for (size_t i = 0; i < from->description_count && group->description_count < DESCRIPTIONS_MOST; i++) {
        model_append(into->arena, (void *)&group->descriptions, &group->description_count,
                     model_text(into->arena, from->descriptions[i]));
    }
    for (size_t i = 0; i < from->access_count; i++) {
        merge_access(into, group, from->accesses[i]);
    }
    merge_holders(into, group, from);
}

/* ---- misuses ---- */

static bool same_misuse(const leaks_misuse *a, const leaks_misuse *b) {
    return text_equal(a->offence, b->offence) && text_equal(a->type, b->type) &&
           stack_equal(a->stack, a->stack_count, b->stack, b->stack_count) &&
           stack_equal(a->release_stack, a->release_stack_count, b->release_stack, b->release_stack_count) &&
           stack_equal(a->allocation_stack, a->allocation_stack_count, b->allocation_stack, b->allocation_stack_count);
}

static void merge_misuse(leaks_model *into, const leaks_misuse *from) {
    for (size_t i = 0; i < into->misuse_count; i++) {
        leaks_misuse *misuse = into->misuses[i];
        if (same_misuse(misuse, from)) {
            misuse->count = sum(misuse->count, from->count);
            misuse->processes = sum(misuse->processes, from->processes);
            misuse->thread = text_equal(misuse->thread, from->thread) ? misuse->thread : "several";
            misuse->released_by = text_equal(misuse->released_by, from->released_by) ? misuse->released_by : "several";
            return;
        }
    }
    leaks_misuse *misuse = leaks_model_add_misuse(into, from->offence);
    misuse->type = model_text(into->arena, from->type);
    misuse->thread = model_text(into->arena, from->thread);
    misuse->released_by = model_text(into->arena, from->released_by);
    misuse->count = from->count;
    misuse->processes = from->processes;
    stack_copy(into, &misuse->stack, &misuse->stack_count, from->stack, from->stack_count);
    stack_copy(into, &misuse->release_stack, &misuse->release_stack_count, from->release_stack,
               from->release_stack_count);
    stack_copy(into, &misuse->allocation_stack, &misuse->allocation_stack_count, from->allocation_stack,
               from->allocation_stack_count);
}

/* ---- the whole ---- */

/* What is new in one is new in all. */
static leaks_standing largest_standing(leaks_standing a, leaks_standing b) {
    return a > b ? a : b;
}

void leaks_model_merge(leaks_model *into, const leaks_model *from) {
    for (size_t i = 0; i < from->process_count; i++) {
        leaks_process *process = leaks_model_add_process(into);
        *process = *from->processes[i];
        process->program = model_text(into->arena, process->program);
        process->command = model_text(into->arena, process->command);
        process->level = model_text(into->arena, process->level);
        process->reason = model_text(into->arena, process->reason);
    }
    bool renumber = false;
    group_mark *marks = mark_groups(into, from->group_count);
    for (size_t i = 0; i < from->group_count; i++) {
        merge_group(into, marks, from->groups[i], &renumber);
    }
    free(marks);
    if (renumber) {
        leaks_model_renumber(into);
    }
    for (size_t i = 0; i < from->misuse_count; i++) {
        merge_misuse(into, from->misuses[i]);
    }
    into->unseen_standing = largest_standing(into->unseen_standing, from->unseen_standing);
    into->misuses_not_listed = sum(into->misuses_not_listed, from->misuses_not_listed);
    leaks_suppressions_merge(into, from);
}

leaks_exact leaks_model_exact(const leaks_model *model) {
    leaks_exact total = {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    for (size_t i = 0; i < model->process_count; i++) {
        total.live_buffers = sum(total.live_buffers, model->processes[i]->exact.live_buffers);
        total.live_bytes = sum(total.live_bytes, model->processes[i]->exact.live_bytes);
        total.allocated = sum(total.allocated, model->processes[i]->exact.allocated);
    }
    return total;
}

bool leaks_model_has_buffers(const leaks_model *model) {
    for (size_t i = 0; i < model->group_count; i++) {
        if (leaks_group_is_of_buffers(model->groups[i])) {
            return true;
        }
    }
    return false;
}

leaks_tracked leaks_model_tracked(const leaks_model *model) {
    leaks_tracked total = {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    for (size_t i = 0; i < model->process_count; i++) {
        total.seen = sum(total.seen, model->processes[i]->tracked.seen);
        total.live = sum(total.live, model->processes[i]->tracked.live);
        total.untracked = sum(total.untracked, model->processes[i]->tracked.untracked);
        total.inherited = sum(total.inherited, model->processes[i]->tracked.inherited);
        total.not_listed = sum(total.not_listed, model->processes[i]->tracked.not_listed);
    }
    return total;
}

leaks_certain leaks_model_certain(const leaks_model *model) {
    leaks_certain most = {model->process_count == 0 ? MODEL_UNKNOWN : 0, model->process_count == 0 ? MODEL_UNKNOWN : 0};
    for (size_t i = 0; i < model->process_count; i++) {
        const leaks_certain *one = &model->processes[i]->seen_with_99_percent;
        most.buffers = one->buffers > most.buffers ? one->buffers : most.buffers; /* unknown is the largest count */
        most.resources = one->resources > most.resources ? one->resources : most.resources;
    }
    return most;
}

uint64_t leaks_model_unseen(const leaks_model *model) {
    uint64_t total = MODEL_UNKNOWN;
    for (size_t i = 0; i < model->process_count; i++) {
        total = sum(total, model->processes[i]->unseen_buffers);
    }
    if (total == MODEL_UNKNOWN) {
        const leaks_exact exact = leaks_model_unsuppressed(model);
        const bool none =
            exact.live_buffers == MODEL_UNKNOWN || leaks_model_is_live(model) || leaks_model_has_buffers(model);
        return none ? 0 : exact.live_buffers;
    }
    return total;
}

uint64_t leaks_model_missed_references(const leaks_model *model) {
    uint64_t total = MODEL_UNKNOWN;
    for (size_t i = 0; i < model->process_count; i++) {
        total = sum(total, model->processes[i]->missed_references);
    }
    return total;
}
