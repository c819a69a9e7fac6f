/* The model's memory and its lists.
 *
 * A model's memory is a chain of blocks that only grows. Nodes are cut from the newest block; a list that outgrows its
 * array gets a new one of twice the size and leaves the old one behind, so a node's address never changes. */
#include "reports/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

model_arena *model_arena_create(void) {
    return allocate_or_end(sizeof(model_arena));
}

void model_arena_destroy(model_arena *arena) {
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
    model->arena = model_arena_create();
    model->host.cores = model->host.memory_bytes = MODEL_UNKNOWN;
    model->run.seed = model->run.rounds = MODEL_UNKNOWN;
    return model;
}

void results_model_destroy(results_model *model) {
    if (model != NULL) {
        model_arena_destroy(model->arena);
        free(model);
    }
}

void results_model_add_command(results_model *model, const char *argument) {
    model_append(model->arena, &model->command, &model->command_count, model_text(model->arena, argument));
}

results_subject *results_model_add_subject(results_model *model, const char *name) {
    results_subject *subject = model_allocate(model->arena, sizeof *subject);
    subject->name = model_text(model->arena, name);
    subject->spin_percent = subject->stall_every = subject->stall_ns = MODEL_UNKNOWN;
    model_append(model->arena, &model->subjects, &model->subject_count, subject);
    return subject;
}

results_scenario *results_model_add_scenario_apart(results_model *model) {
    results_scenario *scenario = model_allocate(model->arena, sizeof *scenario);
    scenario->threads = scenario->operations = scenario->allocations = MODEL_UNKNOWN;
    scenario->line_round_trip_ns = scenario->confidence = MODEL_NAN;
    scenario->rounds_played = MODEL_UNKNOWN;
    return scenario;
}

results_scenario *results_model_add_scenario(results_model *model, const char *name) {
    results_scenario *scenario = results_model_add_scenario_apart(model);
    scenario->name = model_text(model->arena, name);
    model_append(model->arena, &model->scenarios, &model->scenario_count, scenario);
    return scenario;
}

void results_scenario_add_phase(results_model *model, results_scenario *scenario, const char *name) {
    model_append(model->arena, &scenario->phases, &scenario->phase_count, model_text(model->arena, name));
}

#define UNKNOWN_BOUNDS                                                                                                 \
    { MODEL_NAN, MODEL_NAN, MODEL_NAN }

static const results_latency UNKNOWN_LATENCY = {.spread = {UNKNOWN_BOUNDS, UNKNOWN_BOUNDS, UNKNOWN_BOUNDS,
                                                           UNKNOWN_BOUNDS, UNKNOWN_BOUNDS, UNKNOWN_BOUNDS,
                                                           UNKNOWN_BOUNDS},
                                                .clock_cost_ns = MODEL_NAN,
                                                .relative_error = MODEL_NAN,
                                                .operations = MODEL_UNKNOWN,
                                                .rate_per_second = MODEL_NAN,
                                                .reached_per_second = MODEL_NAN,
                                                .mean_ns = MODEL_NAN,
                                                .p50_ns = MODEL_NAN,
                                                .p90_ns = MODEL_NAN,
                                                .p99_ns = MODEL_NAN,
                                                .p99_9_ns = MODEL_NAN,
                                                .p99_99_ns = MODEL_NAN,
                                                .max_ns = MODEL_NAN};

static void forget_passes(results_result *result) {
    result->instructions = (results_instructions){
        .per_op = MODEL_NAN, .null_per_op = MODEL_NAN, .total = MODEL_UNKNOWN, .operations = MODEL_UNKNOWN};
    result->latency = result->latency_at_rate = UNKNOWN_LATENCY;
    result->memory = (results_memory){.start_resident_bytes = MODEL_UNKNOWN,
                                      .peak_resident_bytes = MODEL_UNKNOWN,
                                      .peak_live_bytes = MODEL_UNKNOWN,
                                      .drained_resident_bytes = MODEL_UNKNOWN,
                                      .idle_resident_bytes = MODEL_UNKNOWN,
                                      .idle_seconds = MODEL_NAN};
}

results_result *results_scenario_add_result(results_model *model, results_scenario *scenario, const char *subject) {
    results_result *result = model_allocate(model->arena, sizeof *result);
    result->subject = model_text(model->arena, subject);
    result->time_ns_per_op = result->peak_resident_bytes = UNKNOWN_ESTIMATE;
    result->ratio = result->to_fastest = UNKNOWN_RATIO;
    result->rounds_needed = MODEL_UNKNOWN;
    forget_passes(result);
    model_append(model->arena, &scenario->results, &scenario->result_count, result);
    return result;
}

results_sample *results_result_add_sample(results_model *model, results_result *result) {
    results_sample *sample = model_allocate(model->arena, sizeof *sample);
    sample->round = sample->position = sample->operations = MODEL_UNKNOWN;
    sample->time_ns_per_op = MODEL_NAN;
    sample->peak_live_bytes = sample->peak_resident_bytes = sample->resident_growth_bytes = MODEL_UNKNOWN;
    sample->peak_usable_bytes = MODEL_UNKNOWN;
    sample->page_faults_minor = sample->page_faults_major = MODEL_UNKNOWN;
    sample->switches_voluntary = sample->switches_involuntary = MODEL_UNKNOWN;
    sample->line_round_trip_ns = MODEL_NAN;
    model_append(model->arena, &result->samples, &result->sample_count, sample);
    return sample;
}

results_rank *results_model_add_rank(results_model *model, const char *subject) {
    results_rank *rank = model_allocate(model->arena, sizeof *rank);
    rank->subject = model_text(model->arena, subject);
    rank->rank = rank->rank_low = rank->rank_high = MODEL_UNKNOWN;
    rank->ratio = UNKNOWN_RATIO;
    model_append(model->arena, &model->ranks, &model->rank_count, rank);
    return rank;
}

void results_model_add_spoiler(results_model *model, const char *line) {
    model_append(model->arena, &model->run.spoilers, &model->run.spoiler_count, model_text(model->arena, line));
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
    model->arena = model_arena_create();
    model->misuses_not_listed = MODEL_UNKNOWN;
    return model;
}

void leaks_model_destroy(leaks_model *model) {
    if (model != NULL) {
        model_arena_destroy(model->arena);
        free(model);
    }
}

leaks_process *leaks_model_add_process(leaks_model *model) {
    leaks_process *process = model_allocate(model->arena, sizeof *process);
    process->pid = process->sampling_interval = process->uptime_ms = MODEL_UNKNOWN;
    process->exact = (leaks_exact){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    process->tracked = UNKNOWN_TRACKED;
    process->suppressed = (leaks_suppressed){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    process->sampling_bytes = process->missed_references = process->older_than_ms = MODEL_UNKNOWN;
    process->unseen_buffers = MODEL_UNKNOWN;
    process->seen_with_99_percent = (leaks_certain){MODEL_UNKNOWN, MODEL_UNKNOWN};
    process->since = (leaks_since){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
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
    group->lost = group->lifted_by.line = group->baseline.count = MODEL_UNKNOWN;
    group->sizes = (leaks_sizes){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, false};
    group->growth = (leaks_growth){MODEL_UNKNOWN_SIGNED, MODEL_UNKNOWN_SIGNED, MODEL_NAN, MODEL_UNKNOWN, false};
    leaks_holders *holders = &group->holders;
    holders->open = holders->balanced = holders->unbalanced = holders->released_ones = MODEL_UNKNOWN;
    holders->elsewhere = (leaks_elsewhere){MODEL_UNKNOWN, MODEL_UNKNOWN};
    model_append(model->arena, &model->groups, &model->group_count, group);
    return group;
}

leaks_frame *leaks_frame_create(leaks_model *model) {
    leaks_frame *frame = model_allocate(model->arena, sizeof *frame);
    frame->offset = frame->line = MODEL_UNKNOWN;
    return frame;
}

leaks_frame *leaks_group_add_frame(leaks_model *model, leaks_group *group) {
    leaks_frame *frame = leaks_frame_create(model);
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
    leaks_frame *frame = leaks_frame_create(model);
    model_append(model->arena, &access->stack, &access->stack_count, frame);
    return frame;
}

leaks_site *leaks_group_add_site(leaks_model *model, leaks_group *group, const char *kind) {
    leaks_site *site = model_allocate(model->arena, sizeof *site);
    site->kind = model_text(model->arena, kind);
    site->count = site->open = site->usual = MODEL_UNKNOWN;
    model_append(model->arena, &group->holders.sites, &group->holders.site_count, site);
    return site;
}

leaks_frame *leaks_site_add_frame(leaks_model *model, leaks_site *site) {
    leaks_frame *frame = leaks_frame_create(model);
    model_append(model->arena, &site->stack, &site->stack_count, frame);
    return frame;
}

leaks_misuse *leaks_model_add_misuse(leaks_model *model, const char *offence) {
    leaks_misuse *misuse = model_allocate(model->arena, sizeof *misuse);
    misuse->offence = model_text(model->arena, offence);
    misuse->count = MODEL_UNKNOWN;
    misuse->processes = 1;
    model_append(model->arena, &model->misuses, &model->misuse_count, misuse);
    return misuse;
}

bool leaks_group_is_of_buffers(const leaks_group *group) {
    return group->type != NULL && strcmp(group->type, "poolbuf") == 0;
}

bool leaks_group_has_holders(const leaks_group *group) {
    return group->holders.open != MODEL_UNKNOWN;
}

bool leaks_process_is_live(const leaks_process *process) {
    const char *reason = process->reason == NULL ? "" : process->reason;
    return strcmp(reason, "on request") == 0 || strcmp(reason, "interval") == 0 || strncmp(reason, "signal ", 7) == 0;
}

bool leaks_model_is_live(const leaks_model *model) {
    for (size_t i = 0; i < model->process_count; i++) {
        if (!leaks_process_is_live(model->processes[i])) {
            return false;
        }
    }
    return model->process_count > 0;
}

/* ---- comparison ---- */

compare_model *compare_model_create(void) {
    compare_model *model = allocate_or_end(sizeof *model);
    model->arena = model_arena_create();
    model->base.rounds = model->new.rounds = MODEL_UNKNOWN;
    model->threshold_percent = MODEL_NAN;
    return model;
}

void compare_model_destroy(compare_model *model) {
    if (model != NULL) {
        model_arena_destroy(model->arena);
        free(model);
    }
}

compare_row *compare_model_add_row(compare_model *model, const char *scenario, const char *subject) {
    compare_row *row = model_allocate(model->arena, sizeof *row);
    row->scenario = model_text(model->arena, scenario);
    row->subject = model_text(model->arena, subject);
    row->base_ns_per_op = row->new_ns_per_op = UNKNOWN_ESTIMATE;
    row->ratio = UNKNOWN_RATIO;
    row->base_amount = row->new_amount = UNKNOWN_ESTIMATE;
    row->limit_percent = MODEL_NAN;
    row->confirmed = UNKNOWN_RATIO;
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

bool compare_is_decided(const compare_row *row) {
    return row->is_by_threshold || row->ratio.verdict != VERDICT_UNKNOWN;
}

bool compare_model_is_checked(const compare_model *model) {
    for (size_t i = 0; i < model->row_count; i++) {
        const compare_row *row = model->rows[i];
        if ((row->metric == NULL || model->are_times_off) && compare_is_decided(row)) {
            return true;
        }
    }
    return false;
}

size_t compare_model_losses(const compare_model *model) {
    size_t count = 0;
    for (size_t i = 0; i < model->row_count; i++) {
        count += model->rows[i]->loss != COMPARE_NOTHING_LOST ? 1 : 0;
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

const char *leaks_standing_name(leaks_standing standing) {
    static const char *const NAMES[] = {"unknown", "known", "grown", "new"};
    _Static_assert(sizeof NAMES / sizeof NAMES[0] == LEAKS_STANDING_COUNT, "every standing has a name");
    return (unsigned)standing < LEAKS_STANDING_COUNT ? NAMES[standing] : "unknown";
}
