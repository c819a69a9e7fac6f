/* Schema poolbuf.leaks/1 as tables: leak findings in JSON, of one process or merged from several.
 *
 * A process writes its own numbers at the top. A merged file has the first process's identity and the exact sums at the
 * top, so that a reader of one process's file understands it, and adds "tool" and "processes", each with its own. */
#include "reports/json.h"

#include <string.h>

static const char *const TOOLS[] = {"builtin", "valgrind"};
_Static_assert(sizeof TOOLS / sizeof TOOLS[0] == LEAKS_TOOL_COUNT, "every tool has a word");

static const json_field EXACT_FIELDS[] = {
    JSON_COUNT(leaks_exact, live_buffers, JSON_NULLABLE),
    JSON_COUNT(leaks_exact, live_bytes, JSON_NULLABLE),
    JSON_COUNT(leaks_exact, allocated, JSON_NULLABLE),
};
static const json_shape EXACT = JSON_SHAPE(leaks_exact, EXACT_FIELDS);

static const json_field TRACKED_FIELDS[] = {
    JSON_COUNT(leaks_tracked, seen, JSON_NULLABLE),       JSON_COUNT(leaks_tracked, live, JSON_NULLABLE),
    JSON_COUNT(leaks_tracked, untracked, JSON_OPTIONAL),  JSON_COUNT(leaks_tracked, inherited, JSON_OPTIONAL),
    JSON_COUNT(leaks_tracked, not_listed, JSON_OPTIONAL),
};
static const json_shape TRACKED = JSON_SHAPE(leaks_tracked, TRACKED_FIELDS);

static const json_field SUPPRESSED_FIELDS[] = {
    JSON_COUNT(leaks_suppressed, groups, JSON_NULLABLE),
    JSON_COUNT(leaks_suppressed, live_buffers, JSON_NULLABLE),
    JSON_COUNT(leaks_suppressed, live_bytes, JSON_NULLABLE),
};
static const json_shape SUPPRESSED = JSON_SHAPE(leaks_suppressed, SUPPRESSED_FIELDS);

static const json_field SUPPRESSION_FIELDS[] = {
    JSON_TEXT(leaks_suppression, file, JSON_NULLABLE),
    JSON_COUNT(leaks_suppression, line, JSON_NULLABLE),
    JSON_TEXT(leaks_suppression, rule, JSON_NULLABLE),
    JSON_TEXT(leaks_suppression, state, JSON_REQUIRED),
    JSON_COUNT(leaks_suppression, groups, JSON_NULLABLE),
    JSON_COUNT(leaks_suppression, count, JSON_NULLABLE),
    JSON_COUNT(leaks_suppression, bytes, JSON_NULLABLE),
    JSON_COUNT(leaks_suppression, limit_count, JSON_NULLABLE),
    JSON_COUNT(leaks_suppression, limit_bytes, JSON_NULLABLE),
    JSON_TEXT(leaks_suppression, until, JSON_NULLABLE),
    JSON_TEXT(leaks_suppression, reason, JSON_NULLABLE),
};
static const json_shape SUPPRESSION = JSON_SHAPE(leaks_suppression, SUPPRESSION_FIELDS);

static const json_field CERTAIN_FIELDS[] = {
    JSON_COUNT(leaks_certain, buffers, JSON_NULLABLE),
    JSON_COUNT(leaks_certain, resources, JSON_NULLABLE),
};
static const json_shape CERTAIN = JSON_SHAPE(leaks_certain, CERTAIN_FIELDS);

static const json_field SINCE_FIELDS[] = {
    JSON_COUNT(leaks_since, checkpoint, JSON_NULLABLE),
    JSON_COUNT(leaks_since, age_ms, JSON_NULLABLE),
    JSON_COUNT(leaks_since, not_kept, JSON_NULLABLE),
    JSON_COUNT(leaks_since, not_grown, JSON_NULLABLE),
};
static const json_shape SINCE = JSON_SHAPE(leaks_since, SINCE_FIELDS);

static const json_field PROCESS_FIELDS[] = {
    JSON_COUNT(leaks_process, pid, JSON_NULLABLE),
    JSON_TEXT(leaks_process, program, JSON_NULLABLE),
    JSON_TEXT(leaks_process, command, JSON_OPTIONAL),
    JSON_TEXT(leaks_process, level, JSON_NULLABLE),
    JSON_COUNT(leaks_process, sampling_interval, JSON_NULLABLE),
    JSON_TEXT(leaks_process, reason, JSON_NULLABLE),
    JSON_COUNT(leaks_process, uptime_ms, JSON_NULLABLE),
    JSON_INNER(leaks_process, exact, JSON_NULLABLE, &EXACT),
    JSON_INNER(leaks_process, tracked, JSON_NULLABLE, &TRACKED),
    JSON_INNER(leaks_process, suppressed, JSON_OPTIONAL, &SUPPRESSED),
    JSON_COUNT(leaks_process, sampling_bytes, JSON_OPTIONAL),
    JSON_INNER(leaks_process, seen_with_99_percent, JSON_OPTIONAL, &CERTAIN),
    JSON_COUNT(leaks_process, missed_references, JSON_OPTIONAL),
    JSON_COUNT(leaks_process, unseen_buffers, JSON_OPTIONAL),
    JSON_COUNT(leaks_process, older_than_ms, JSON_OPTIONAL),
    JSON_INNER(leaks_process, since, JSON_OPTIONAL, &SINCE),
};
static const json_shape PROCESS = JSON_SHAPE(leaks_process, PROCESS_FIELDS);

static const json_field FRAME_FIELDS[] = {
    JSON_TEXT(leaks_frame, address, JSON_NULLABLE),  JSON_TEXT(leaks_frame, module, JSON_NULLABLE),
    JSON_TEXT(leaks_frame, build_id, JSON_NULLABLE), JSON_COUNT(leaks_frame, offset, JSON_NULLABLE),
    JSON_TEXT(leaks_frame, function, JSON_NULLABLE), JSON_TEXT(leaks_frame, file, JSON_NULLABLE),
    JSON_COUNT(leaks_frame, line, JSON_NULLABLE),    JSON_FLAG(leaks_frame, inlined, JSON_REQUIRED),
};
static const json_shape FRAME = JSON_SHAPE(leaks_frame, FRAME_FIELDS);

static const json_field ACCESS_FIELDS[] = {
    JSON_TEXT(leaks_access, kind, JSON_REQUIRED),
    JSON_TEXT(leaks_access, hint, JSON_NULLABLE),
    JSON_COUNT(leaks_access, count, JSON_NULLABLE),
    JSON_TEXT(leaks_access, thread, JSON_NULLABLE),
    JSON_NODES(leaks_access, stack, stack_count, JSON_REQUIRED, &FRAME),
};
static const json_shape ACCESS = JSON_SHAPE(leaks_access, ACCESS_FIELDS);

static const json_field ESTIMATE_FIELDS[] = {
    JSON_NUMBER(leaks_estimate, value, JSON_NULLABLE),
    JSON_NUMBER(leaks_estimate, low, JSON_NULLABLE),
    JSON_NUMBER(leaks_estimate, high, JSON_NULLABLE),
};
static const json_shape ESTIMATE = JSON_SHAPE(leaks_estimate, ESTIMATE_FIELDS);

static const json_field AGE_FIELDS[] = {
    JSON_COUNT(leaks_age, oldest, JSON_NULLABLE),
    JSON_COUNT(leaks_age, newest, JSON_NULLABLE),
};
static const json_shape AGE = JSON_SHAPE(leaks_age, AGE_FIELDS);

static const json_field SIZES_FIELDS[] = {
    JSON_COUNT(leaks_sizes, least, JSON_NULLABLE),
    JSON_COUNT(leaks_sizes, median, JSON_NULLABLE),
    JSON_COUNT(leaks_sizes, greatest, JSON_NULLABLE),
    JSON_FLAG(leaks_sizes, rounded, JSON_REQUIRED),
};
static const json_shape SIZES = JSON_SHAPE(leaks_sizes, SIZES_FIELDS);

static const json_field GROWTH_FIELDS[] = {
    JSON_SIGNED(leaks_growth, count, JSON_NULLABLE),
    JSON_SIGNED(leaks_growth, bytes, JSON_NULLABLE),
    JSON_REAL(leaks_growth, estimated_count, JSON_NULLABLE),
    JSON_COUNT(leaks_growth, newer, JSON_NULLABLE),
    JSON_FLAG_NAMED(leaks_growth, "new", is_new, JSON_REQUIRED),
};
static const json_shape GROWTH = JSON_SHAPE(leaks_growth, GROWTH_FIELDS);

static const json_field SITE_FIELDS[] = {
    JSON_TEXT(leaks_site, kind, JSON_REQUIRED),
    JSON_COUNT(leaks_site, count, JSON_NULLABLE),
    JSON_COUNT(leaks_site, open, JSON_NULLABLE),
    JSON_FLAG(leaks_site, suspect, JSON_REQUIRED),
    JSON_COUNT(leaks_site, usual, JSON_NULLABLE),
    JSON_FLAG(leaks_site, deviant, JSON_REQUIRED),
    JSON_TEXT(leaks_site, thread, JSON_NULLABLE),
    JSON_FLAG(leaks_site, several_threads, JSON_REQUIRED),
    JSON_NODES(leaks_site, stack, stack_count, JSON_REQUIRED, &FRAME),
    JSON_NODES(leaks_site, caller, caller_count, JSON_REQUIRED, &FRAME),
};
static const json_shape SITE = JSON_SHAPE(leaks_site, SITE_FIELDS);

static const json_field ELSEWHERE_FIELDS[] = {
    JSON_COUNT(leaks_elsewhere, taken, JSON_NULLABLE),
    JSON_COUNT(leaks_elsewhere, given, JSON_NULLABLE),
};
static const json_shape ELSEWHERE = JSON_SHAPE(leaks_elsewhere, ELSEWHERE_FIELDS);

static const json_field HOLDERS_FIELDS[] = {
    JSON_COUNT(leaks_holders, open, JSON_NULLABLE),
    JSON_FLAG(leaks_holders, decided, JSON_REQUIRED),
    JSON_COUNT(leaks_holders, balanced, JSON_NULLABLE),
    JSON_COUNT(leaks_holders, unbalanced, JSON_NULLABLE),
    JSON_INNER(leaks_holders, elsewhere, JSON_REQUIRED, &ELSEWHERE),
    JSON_COUNT(leaks_holders, released_ones, JSON_NULLABLE),
    JSON_NODES(leaks_holders, sites, site_count, JSON_REQUIRED, &SITE),
};
static const json_shape HOLDERS = JSON_SHAPE(leaks_holders, HOLDERS_FIELDS);

static const json_field LIFTED_FIELDS[] = {
    JSON_COUNT(leaks_lifted, line, JSON_NULLABLE),
    JSON_TEXT(leaks_lifted, rule, JSON_NULLABLE),
    JSON_TEXT(leaks_lifted, state, JSON_REQUIRED),
};
static const json_shape LIFTED = JSON_SHAPE(leaks_lifted, LIFTED_FIELDS);

static const char *const STANDINGS[] = {NULL, "known", "grown", "new"};
_Static_assert(sizeof STANDINGS / sizeof STANDINGS[0] == LEAKS_STANDING_COUNT, "every standing has a word");

static const json_field BASELINE_FIELDS[] = {
    JSON_CHOICE(leaks_baseline, standing, JSON_REQUIRED, STANDINGS),
    JSON_COUNT(leaks_baseline, count, JSON_NULLABLE),
};
static const json_shape BASELINE = JSON_SHAPE(leaks_baseline, BASELINE_FIELDS);

static const json_field GROUP_FIELDS[] = {
    JSON_TEXT(leaks_group, fingerprint, JSON_REQUIRED),
    JSON_TEXT(leaks_group, type, JSON_NULLABLE),
    JSON_TEXT(leaks_group, kind, JSON_OPTIONAL),
    JSON_COUNT(leaks_group, count, JSON_REQUIRED),
    JSON_COUNT(leaks_group, bytes, JSON_NULLABLE),
    JSON_INNER(leaks_group, estimated_count, JSON_NULLABLE, &ESTIMATE),
    JSON_INNER(leaks_group, age_ms, JSON_NULLABLE, &AGE),
    JSON_TEXT(leaks_group, thread, JSON_NULLABLE),
    JSON_COUNT(leaks_group, lost, JSON_OPTIONAL),
    JSON_TEXT(leaks_group, unit, JSON_OPTIONAL),
    JSON_INNER(leaks_group, sizes, JSON_OPTIONAL, &SIZES),
    JSON_INNER(leaks_group, growth, JSON_OPTIONAL, &GROWTH),
    JSON_INNER(leaks_group, lifted_by, JSON_OPTIONAL, &LIFTED),
    JSON_INNER(leaks_group, baseline, JSON_OPTIONAL, &BASELINE),
    JSON_NAMES(leaks_group, descriptions, description_count, JSON_OPTIONAL),
    JSON_COUNT(leaks_group, processes, JSON_OPTIONAL),
    JSON_NODES(leaks_group, allocation_stack, allocation_stack_count, JSON_REQUIRED, &FRAME),
    JSON_NODES(leaks_group, accesses, access_count, JSON_REQUIRED, &ACCESS),
    JSON_COUNT(leaks_group, accesses_dropped, JSON_NULLABLE),
    JSON_INNER(leaks_group, holders, JSON_OPTIONAL, &HOLDERS),
};
static const json_shape GROUP = JSON_SHAPE(leaks_group, GROUP_FIELDS);

static const json_field MISUSE_FIELDS[] = {
    JSON_TEXT(leaks_misuse, offence, JSON_REQUIRED),
    JSON_TEXT(leaks_misuse, type, JSON_NULLABLE),
    JSON_COUNT(leaks_misuse, count, JSON_REQUIRED),
    JSON_TEXT(leaks_misuse, thread, JSON_NULLABLE),
    JSON_TEXT(leaks_misuse, released_by, JSON_NULLABLE),
    JSON_COUNT(leaks_misuse, processes, JSON_OPTIONAL),
    JSON_NODES(leaks_misuse, stack, stack_count, JSON_REQUIRED, &FRAME),
    JSON_NODES(leaks_misuse, release_stack, release_stack_count, JSON_REQUIRED, &FRAME),
    JSON_NODES(leaks_misuse, allocation_stack, allocation_stack_count, JSON_REQUIRED, &FRAME),
};
static const json_shape MISUSE = JSON_SHAPE(leaks_misuse, MISUSE_FIELDS);

static const json_field GROUPS_FIELDS[] = {
    JSON_NODES(leaks_model, misuses, misuse_count, JSON_OPTIONAL, &MISUSE),
    JSON_COUNT(leaks_model, misuses_not_listed, JSON_OPTIONAL),
    JSON_NODES(leaks_model, suppressions, suppression_count, JSON_OPTIONAL, &SUPPRESSION),
    JSON_NODES(leaks_model, groups, group_count, JSON_REQUIRED, &GROUP),
};
static const json_shape GROUPS = JSON_SHAPE(leaks_model, GROUPS_FIELDS);

static const json_field MERGED_FIELDS[] = {
    JSON_CHOICE(leaks_model, tool, JSON_REQUIRED, TOOLS),
    JSON_NODES(leaks_model, processes, process_count, JSON_REQUIRED, &PROCESS),
    JSON_CHOICE(leaks_model, unseen_standing, JSON_OPTIONAL, STANDINGS),
};
static const json_shape MERGED = JSON_SHAPE(leaks_model, MERGED_FIELDS);

json_t *leaks_to_json(const leaks_model *model) {
    json_t *root = json_schema_object(LEAKS_SCHEMA);
    leaks_process top = {.pid = MODEL_UNKNOWN,
                         .sampling_interval = MODEL_UNKNOWN,
                         .uptime_ms = MODEL_UNKNOWN,
                         .sampling_bytes = MODEL_UNKNOWN,
                         .unseen_buffers = MODEL_UNKNOWN,
                         .older_than_ms = MODEL_UNKNOWN,
                         .since = {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN}};
    if (model->process_count != 0) {
        top = *model->processes[0];
    }
    top.seen_with_99_percent = leaks_model_certain(model);
    top.missed_references = leaks_model_missed_references(model);
    top.unseen_buffers = model->process_count == 0 ? MODEL_UNKNOWN : leaks_model_unseen(model);
    top.exact = leaks_model_exact(model);
    top.tracked = leaks_model_tracked(model);
    top.suppressed = leaks_model_suppressed(model);
    json_shape_write_into(&PROCESS, &top, root);
    json_shape_write_into(&MERGED, model, root);
    json_shape_write_into(&GROUPS, model, root);
    return root;
}

static void find_strangers(json_reader *reader, const json_t *root) {
    const json_shape *const SHAPES[] = {&PROCESS, &MERGED, &GROUPS};
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value) {
        bool known = strcmp(key, "schema") == 0;
        for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
            known = known || json_shape_has(SHAPES[i], key);
        }
        if (!known) {
            json_stranger(reader, key);
        }
    }
}

/* As report_unseen_buffers() in leakdetect/src/report.c counts them: a report of one process has just its groups. */
static uint64_t count_unseen(const leaks_model *model, const leaks_process *process) {
    const uint64_t live = leaks_model_unsuppressed(model).live_buffers;
    uint64_t listed = process->tracked.not_listed == MODEL_UNKNOWN ? 0 : process->tracked.not_listed;
    for (size_t i = 0; i < model->group_count; i++) {
        const leaks_group *group = model->groups[i];
        listed += leaks_group_is_of_buffers(group) ? group->count : 0;
    }
    if (live == MODEL_UNKNOWN || leaks_process_is_live(process)) {
        return 0;
    }
    const bool is_whole =
        process->level != NULL && strcmp(process->level, "paranoid") == 0 && process->tracked.untracked == 0;
    const bool was_disabled = process->seen_with_99_percent.buffers == MODEL_UNKNOWN;
    const uint64_t explained = listed == 0 ? 0 : is_whole && was_disabled ? listed : live;
    return live > explained ? live - explained : 0;
}

leaks_model *leaks_from_json(json_reader *reader, const json_t *root) {
    leaks_model *model = leaks_model_create();
    reader->arena = model->arena;
    bool is_merged = json_object_get(root, "processes") != NULL || json_object_get(root, "tool") != NULL;
    bool is_read = is_merged ? json_shape_read(reader, &MERGED, root, model)
                             : json_shape_read(reader, &PROCESS, root, leaks_model_add_process(model));
    if (!is_read || !json_shape_read(reader, &GROUPS, root, model)) {
        leaks_model_destroy(model);
        return NULL;
    }
    find_strangers(reader, root);
    if (!is_merged && model->processes[0]->unseen_buffers == MODEL_UNKNOWN) {
        model->processes[0]->unseen_buffers = count_unseen(model, model->processes[0]);
    }
    for (size_t i = 0; i < model->group_count; i++) {
        if (model->groups[i]->processes == MODEL_UNKNOWN) {
            model->groups[i]->processes = 1;
        }
    }
    for (size_t i = 0; i < model->misuse_count; i++) {
        if (model->misuses[i]->processes == MODEL_UNKNOWN) {
            model->misuses[i]->processes = 1;
        }
    }
    return model;
}
