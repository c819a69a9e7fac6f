/* The model's memory, its lists, and the one thing it does besides holding data: merging leak findings.
 *
 * A model's memory is a chain of blocks that only grows. Nodes are cut from the newest block; a list that outgrows its
 * array gets a new one of twice the size and leaves the old one behind, so a node's address never changes. */
#include "reports/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/leaks_suppressions.h"

enum {
    BLOCK_BYTES = 16 * 1024,
    ALIGNMENT = 16,
    FIRST_LIST = 4
};

typedef struct arena_block arena_block;
struct arena_block {
    arena_block *next;
    size_t used, size; /* bytes of `bytes` */
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

struct model_arena {
    arena_block *newest;
};

static const model_estimate UNKNOWN_ESTIMATE = {MODEL_NAN, MODEL_NAN, MODEL_NAN};
static const results_ratio UNKNOWN_RATIO = {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN};

static const leaks_tracked UNKNOWN_TRACKED = {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN,
                                              MODEL_UNKNOWN};

static void *allocate_or_end(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fprintf(stderr, "poolbuf: out of memory while building a report (%zu bytes)\n", size);
        exit(1);
    }
    return memory;
}

/* ---- memory ---- */

static model_arena *arena_create(void) {
    return allocate_or_end(sizeof(model_arena));
}

static void arena_destroy(model_arena *arena) {
    for (arena_block *block = arena->newest; block != NULL;) {
        arena_block *next = block->next;
        free(block);
        block = next;
    }
    free(arena);
}

void *model_allocate(model_arena *arena, size_t size) {
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    arena_block *block = arena->newest;
    if (block == NULL || block->size - block->used < size) {
        size_t bytes = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = allocate_or_end(sizeof *block + bytes);
        block->size = bytes;
        block->next = arena->newest;
        arena->newest = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

void model_append(model_arena *arena, void *list, size_t *count, const void *item) {
    void **items;
    memcpy(&items, list, sizeof items);
    bool full = *count == 0 || (*count >= FIRST_LIST && (*count & (*count - 1)) == 0);
    if (full) {
        size_t room = *count == 0 ? FIRST_LIST : *count * 2;
        void **larger = model_allocate(arena, room * sizeof *larger);
        if (*count != 0) {
            memcpy(larger, items, *count * sizeof *larger);
        }
        items = larger;
        memcpy(list, &items, sizeof items);
    }
    memcpy(&items[*count], &item, sizeof item);
    *count += 1;
}

const char *model_text(model_arena *arena, const char *text) {
    if (text == NULL) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    return memcpy(model_allocate(arena, size), text, size);
}

const char *model_text_format(model_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        fputs("poolbuf: out of memory while building a report\n", stderr);
        exit(1);
    }
    const char *copy = model_text(arena, text);
    free(text);
    return copy;
}

/* ---- results ---- */

results_model *results_model_create(void) {
    results_model *model = allocate_or_end(sizeof *model);
    model->arena = arena_create();
    model->host.cores = model->host.memory_bytes = MODEL_UNKNOWN;
    model->run.seed = model->run.rounds = MODEL_UNKNOWN;
    return model;
}

void results_model_destroy(results_model *model) {
    if (model != NULL) {
        arena_destroy(model->arena);
        free(model);
    }
}

void results_model_add_command(results_model *model, const char *argument) {
    model_append(model->arena, &model->command, &model->command_count, model_text(model->arena, argument));
}

results_subject *results_model_add_subject(results_model *model, const char *name) {
    results_subject *subject = model_allocate(model->arena, sizeof *subject);
    subject->name = model_text(model->arena, name);
    model_append(model->arena, &model->subjects, &model->subject_count, subject);
    return subject;
}

results_scenario *results_model_add_scenario(results_model *model, const char *name) {
    results_scenario *scenario = model_allocate(model->arena, sizeof *scenario);
    scenario->name = model_text(model->arena, name);
    scenario->threads = scenario->operations = scenario->allocations = MODEL_UNKNOWN;
    scenario->line_round_trip_ns = MODEL_NAN;
    model_append(model->arena, &model->scenarios, &model->scenario_count, scenario);
    return scenario;
}

void results_scenario_add_phase(results_model *model, results_scenario *scenario, const char *name) {
    model_append(model->arena, &scenario->phases, &scenario->phase_count, model_text(model->arena, name));
}

results_result *results_scenario_add_result(results_model *model, results_scenario *scenario, const char *subject) {
    results_result *result = model_allocate(model->arena, sizeof *result);
    result->subject = model_text(model->arena, subject);
    result->time_ns_per_op = result->peak_resident_bytes = UNKNOWN_ESTIMATE;
    result->ratio = result->to_fastest = UNKNOWN_RATIO;
    model_append(model->arena, &scenario->results, &scenario->result_count, result);
    return result;
}

results_sample *results_result_add_sample(results_model *model, results_result *result) {
    results_sample *sample = model_allocate(model->arena, sizeof *sample);
    sample->round = sample->position = sample->operations = MODEL_UNKNOWN;
    sample->time_ns_per_op = MODEL_NAN;
    sample->peak_live_bytes = sample->peak_resident_bytes = sample->resident_growth_bytes = MODEL_UNKNOWN;
    sample->page_faults_minor = sample->page_faults_major = MODEL_UNKNOWN;
    model_append(model->arena, &result->samples, &result->sample_count, sample);
    return sample;
}

results_phase *results_sample_add_phase(results_model *model, results_sample *sample, const char *name) {
    results_phase *phase = model_allocate(model->arena, sizeof *phase);
    phase->name = model_text(model->arena, name);
    phase->live_buffers = phase->live_bytes = MODEL_UNKNOWN;
    model_append(model->arena, &sample->phases, &sample->phase_count, phase);
    return phase;
}

/* ---- leaks ---- */

leaks_model *leaks_model_create(void) {
    leaks_model *model = allocate_or_end(sizeof *model);
    model->arena = arena_create();
    return model;
}

void leaks_model_destroy(leaks_model *model) {
    if (model != NULL) {
        arena_destroy(model->arena);
        free(model);
    }
}

leaks_process *leaks_model_add_process(leaks_model *model) {
    leaks_process *process = model_allocate(model->arena, sizeof *process);
    process->pid = process->sampling_interval = process->uptime_ms = MODEL_UNKNOWN;
    process->exact = (leaks_exact){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    process->tracked = UNKNOWN_TRACKED;
    process->suppressed = (leaks_suppressed){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    model_append(model->arena, &model->processes, &model->process_count, process);
    return process;
}

leaks_group *leaks_model_add_group(leaks_model *model, const char *fingerprint) {
    leaks_group *group = model_allocate(model->arena, sizeof *group);
    group->fingerprint = model_text(model->arena, fingerprint);
    group->count = group->bytes = group->accesses_dropped = MODEL_UNKNOWN;
    group->processes = 1;
    group->estimated_count = (leaks_estimate){MODEL_NAN, MODEL_NAN, MODEL_NAN};
    group->age_ms = (leaks_age){MODEL_UNKNOWN, MODEL_UNKNOWN};
    model_append(model->arena, &model->groups, &model->group_count, group);
    return group;
}

static leaks_frame *frame_create(leaks_model *model) {
    leaks_frame *frame = model_allocate(model->arena, sizeof *frame);
    frame->offset = frame->line = MODEL_UNKNOWN;
    return frame;
}

leaks_frame *leaks_group_add_frame(leaks_model *model, leaks_group *group) {
    leaks_frame *frame = frame_create(model);
    model_append(model->arena, &group->allocation_stack, &group->allocation_stack_count, frame);
    return frame;
}

leaks_access *leaks_group_add_access(leaks_model *model, leaks_group *group, const char *kind) {
    leaks_access *access = model_allocate(model->arena, sizeof *access);
    access->kind = model_text(model->arena, kind);
    access->count = MODEL_UNKNOWN;
    model_append(model->arena, &group->accesses, &group->access_count, access);
    return access;
}

leaks_frame *leaks_access_add_frame(leaks_model *model, leaks_access *access) {
    leaks_frame *frame = frame_create(model);
    model_append(model->arena, &access->stack, &access->stack_count, frame);
    return frame;
}

/* ---- merging ---- */

static uint64_t sum(uint64_t a, uint64_t b) {
    if (a == MODEL_UNKNOWN || b == MODEL_UNKNOWN) {
        return a == MODEL_UNKNOWN ? b : a;
    }
    return a > (uint64_t)INT64_MAX - b ? (uint64_t)INT64_MAX : a + b;
}

static bool text_equal(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

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

static void frame_copy(leaks_model *into, leaks_frame *to, const leaks_frame *from) {
    *to = *from;
    to->address = model_text(into->arena, from->address);
    to->module = model_text(into->arena, from->module);
    to->build_id = model_text(into->arena, from->build_id);
    to->function = model_text(into->arena, from->function);
    to->file = model_text(into->arena, from->file);
}

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
    for (size_t i = 0; i < from->stack_count; i++) {
        frame_copy(into, leaks_access_add_frame(into, access), from->stack[i]);
    }
}

static leaks_group *find_or_add_group(leaks_model *into, const leaks_group *from) {
    for (size_t i = 0; i < into->group_count; i++) {
        leaks_group *group = into->groups[i];
        if (text_equal(group->fingerprint, from->fingerprint) && text_equal(group->type, from->type) &&
            text_equal(group->kind, from->kind)) {
            return group;
        }
    }
    leaks_group *group = leaks_model_add_group(into, from->fingerprint);
    group->processes = 0;
    group->type = model_text(into->arena, from->type);
    group->kind = model_text(into->arena, from->kind);
    group->thread = model_text(into->arena, from->thread);
    for (size_t i = 0; i < from->allocation_stack_count; i++) {
        frame_copy(into, leaks_group_add_frame(into, group), from->allocation_stack[i]);
    }
    return group;
}

static double sum_known(double a, double b) {
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

static void merge_group(leaks_model *into, const leaks_group *from) {
    leaks_group *group = find_or_add_group(into, from);
    group->count = sum(group->count, from->count);
    group->bytes = sum(group->bytes, from->bytes);
    group->processes = sum(group->processes, from->processes);
    group->accesses_dropped = sum(group->accesses_dropped, from->accesses_dropped);
    group->estimated_count.value = sum_known(group->estimated_count.value, from->estimated_count.value);
    group->estimated_count.low = sum_known(group->estimated_count.low, from->estimated_count.low);
    group->estimated_count.high = sum_known(group->estimated_count.high, from->estimated_count.high);
    uint64_t oldest = from->age_ms.oldest;
    if (oldest != MODEL_UNKNOWN && (group->age_ms.oldest == MODEL_UNKNOWN || group->age_ms.oldest < oldest)) {
        group->age_ms.oldest = oldest;
    }
    if (from->age_ms.newest < group->age_ms.newest) { /* unknown is the largest count, so any known one is below it */
        group->age_ms.newest = from->age_ms.newest;
    }
    if (!text_equal(group->thread, from->thread)) {
        group->thread = "several";
    }
    for (size_t i = 0; i < from->access_count; i++) {
        merge_access(into, group, from->accesses[i]);
    }
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
    for (size_t i = 0; i < from->group_count; i++) {
        merge_group(into, from->groups[i]);
    }
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

leaks_tracked leaks_model_tracked(const leaks_model *model) {
    leaks_tracked total = UNKNOWN_TRACKED;
    for (size_t i = 0; i < model->process_count; i++) {
        total.seen = sum(total.seen, model->processes[i]->tracked.seen);
        total.live = sum(total.live, model->processes[i]->tracked.live);
        total.untracked = sum(total.untracked, model->processes[i]->tracked.untracked);
        total.inherited = sum(total.inherited, model->processes[i]->tracked.inherited);
        total.not_listed = sum(total.not_listed, model->processes[i]->tracked.not_listed);
    }
    return total;
}

/* ---- comparison ---- */

compare_model *compare_model_create(void) {
    compare_model *model = allocate_or_end(sizeof *model);
    model->arena = arena_create();
    model->base.rounds = model->new.rounds = MODEL_UNKNOWN;
    model->threshold_percent = MODEL_NAN;
    return model;
}

void compare_model_destroy(compare_model *model) {
    if (model != NULL) {
        arena_destroy(model->arena);
        free(model);
    }
}

compare_row *compare_model_add_row(compare_model *model, const char *scenario, const char *subject) {
    compare_row *row = model_allocate(model->arena, sizeof *row);
    row->scenario = model_text(model->arena, scenario);
    row->subject = model_text(model->arena, subject);
    row->base_ns_per_op = row->new_ns_per_op = UNKNOWN_ESTIMATE;
    row->ratio = UNKNOWN_RATIO;
    model_append(model->arena, &model->rows, &model->row_count, row);
    return row;
}

void compare_model_add_remark(compare_model *model, const char *remark) {
    model_append(model->arena, &model->remarks, &model->remark_count, model_text(model->arena, remark));
}

size_t compare_model_regressions(const compare_model *model) {
    size_t count = 0;
    for (size_t i = 0; i < model->row_count; i++) {
        count += model->rows[i]->regression ? 1 : 0;
    }
    return count;
}

/* ---- names ---- */

const char *result_status_name(result_status status) {
    static const char *const NAMES[] = {"ok", "failed", "unavailable", "unsupported"};
    _Static_assert(sizeof NAMES / sizeof NAMES[0] == RESULT_STATUS_COUNT, "every status has a name");
    return (unsigned)status < RESULT_STATUS_COUNT ? NAMES[status] : "unknown";
}

const char *model_verdict_name(model_verdict verdict) {
    static const char *const NAMES[] = {"unknown", "baseline", "faster", "slower", "not separated"};
    _Static_assert(sizeof NAMES / sizeof NAMES[0] == MODEL_VERDICT_COUNT, "every verdict has a name");
    return (unsigned)verdict < MODEL_VERDICT_COUNT ? NAMES[verdict] : "unknown";
}

const char *leaks_tool_name(leaks_tool tool) {
    static const char *const NAMES[] = {"builtin", "valgrind"};
    _Static_assert(sizeof NAMES / sizeof NAMES[0] == LEAKS_TOOL_COUNT, "every tool has a name");
    return (unsigned)tool < LEAKS_TOOL_COUNT ? NAMES[tool] : "unknown";
}
