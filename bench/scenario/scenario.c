/* Loading scenarios and suites: the rules that no table can say, and the defaults. */
#include "scenario/scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/shape.h"
#include "record/trace.h"
#include "scenario/document.h"
#include "scenario/places.h"
#include "scenario/replay_plan.h"
#include "scenario/stream.h"

_Static_assert(SCENARIO_SIZE_MAX == STREAM_SIZE_MAX, "a scenario may ask for what a stream can say");
_Static_assert(TRACE_SIZE_MAX == SCENARIO_SIZE_MAX, "a stream can say what a trace holds");
_Static_assert(SCENARIO_BURST_MAX == STREAM_BULK_COUNT_MAX, "a BULK operation can say every burst");

static bool is_name(const char *text) {
    return text[0] != '\0' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] == '\0';
}

static bool has_suffix(const char *text, const char *suffix) {
    size_t length = strlen(text);
    size_t end = strlen(suffix);
    return length > end && strcmp(text + length - end, suffix) == 0;
}

static bool check_name(document *file, const yaml_node_t *mapping, const char *name) {
    char quoted[DOCUMENT_QUOTE_SIZE];
    return is_name(name) ||
           document_fail(file, document_value(file, mapping, "name"),
                         "the name %s is not a word; legal: letters, digits, - and _", document_quote(quoted, name));
}

static bool check_range(document *file, const yaml_node_t *node, uint32_t low, uint32_t high) {
    return low <= high ||
           document_fail(file, document_value(file, node, "low"),
                         "\"low\" is %" PRIu32 ", above \"high\", %" PRIu32 "; legal: 1 to \"high\"", low, high);
}

static bool check_weighted(document *file, const yaml_node_t *list, const scenario_sizes *sizes) {
    for (uint32_t i = 0; i < sizes->weighted_count; i++) {
        const scenario_weight *entry = &sizes->weighted[i];
        const yaml_node_t *node = document_entry(file, list, i);
        bool one = entry->size != 0 && entry->low == 0 && entry->high == 0;
        bool range = entry->size == 0 && entry->low != 0 && entry->high != 0;
        if (!one && !range) {
            return document_fail(
                file, node,
                "an entry of \"weighted\" mixes or lacks sizes; legal: either \"size\", or \"low\" and "
                "\"high\"");
        }
        if (range && !check_range(file, node, entry->low, entry->high)) {
            return false;
        }
    }
    return true;
}

static bool check_sizes(document *file, const yaml_node_t *node, const scenario_sizes *sizes) {
    int given = (sizes->fixed != 0) + (sizes->uniform != NULL) + (sizes->log_uniform != NULL) +
                (sizes->weighted != NULL) + (sizes->each != NULL);
    if (given != 1) {
        return document_fail(
            file, node,
            "\"sizes\" has %d distributions; exactly one is right: fixed, uniform, log_uniform, weighted "
            "or each",
            given);
    }
    if (sizes->uniform != NULL) {
        return check_range(file, document_value(file, node, "uniform"), sizes->uniform->low, sizes->uniform->high);
    }
    if (sizes->log_uniform != NULL) {
        return check_range(file, document_value(file, node, "log_uniform"), sizes->log_uniform->low,
                           sizes->log_uniform->high);
    }
    return check_weighted(file, document_value(file, node, "weighted"), sizes);
}

typedef enum key_rule {
    FORBIDDEN = 0, /* it means nothing there */
    ALLOWED,
    NEEDED
} key_rule;

/* The keys that not every phase has. */
typedef enum phase_key {
    KEY_OPERATIONS,
    KEY_SIZES,
    KEY_LIVE,
    KEY_BURST,
    KEY_PRODUCERS,
    KEY_CONSUMERS,
    KEY_ORDER,
    KEY_RETAIN,
    KEY_WRITES,
    KEY_TOUCH,
    KEY_SUCCESSION,
    KEY_SIZES_RETAINED,
    KEY_SIZES_AFTER,
    KEY_BUFFER,
    KEY_HEADER,
    KEY_SHARE,
    KEY_MISS,
    KEY_COUNT
} phase_key;

static const char *const key_names[KEY_COUNT] = {
    [KEY_OPERATIONS] = "operations",
    [KEY_SIZES] = "sizes",
    [KEY_LIVE] = "live",
    [KEY_BURST] = "burst",
    [KEY_PRODUCERS] = "producers",
    [KEY_CONSUMERS] = "consumers",
    [KEY_ORDER] = "order",
    [KEY_RETAIN] = "retain",
    [KEY_WRITES] = "writes",
    [KEY_TOUCH] = "touch",
    [KEY_SUCCESSION] = "succession",
    [KEY_SIZES_RETAINED] = "sizes_retained",
    [KEY_SIZES_AFTER] = "sizes_after",
    [KEY_BUFFER] = "buffer",
    [KEY_HEADER] = "header",
    [KEY_SHARE] = "share",
    [KEY_MISS] = "miss",
};

/* What each kind needs and what it can use; what is not named here means nothing to it. */
typedef struct kind_rule {
    const char *name;
    key_rule keys[KEY_COUNT];
} kind_rule;

#define STEPS_OF_SIZES [KEY_OPERATIONS] = NEEDED, [KEY_SIZES] = NEEDED

static const kind_rule kind_rules[] = {
    [SCENARIO_PINGPONG] = {"pingpong", {STEPS_OF_SIZES}},
    [SCENARIO_CHURN] = {"churn",
                        {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED, [KEY_TOUCH] = ALLOWED, [KEY_SUCCESSION] = ALLOWED}},
    [SCENARIO_BURST] = {"burst",
                        {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED, [KEY_ORDER] = ALLOWED, [KEY_TOUCH] = ALLOWED,
                         [KEY_SUCCESSION] = ALLOWED}},
    [SCENARIO_BULK] = {"bulk", {STEPS_OF_SIZES, [KEY_BURST] = NEEDED}},
    [SCENARIO_HANDOFF] = {"handoff",
                          {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED, [KEY_BURST] = ALLOWED, [KEY_PRODUCERS] = ALLOWED,
                           [KEY_CONSUMERS] = ALLOWED}},
    [SCENARIO_REPLAY] = {"trace", {FORBIDDEN}},
    [SCENARIO_SHAPE] = {"shape", {FORBIDDEN}},
    [SCENARIO_PIPELINE] = {"pipeline", {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED}},
    [SCENARIO_RELAY] = {"relay",
                        {[KEY_SIZES] = NEEDED,
                         [KEY_LIVE] = NEEDED,
                         [KEY_RETAIN] = NEEDED,
                         [KEY_TOUCH] = ALLOWED,
                         [KEY_SUCCESSION] = NEEDED}},
    [SCENARIO_FRAGMENT] = {"fragment",
                           {STEPS_OF_SIZES, [KEY_RETAIN] = NEEDED, [KEY_TOUCH] = ALLOWED, [KEY_SIZES_RETAINED] = NEEDED,
                            [KEY_SIZES_AFTER] = NEEDED}},
    [SCENARIO_THRASH] = {"thrash", {STEPS_OF_SIZES, [KEY_WRITES] = NEEDED}},
    [SCENARIO_SCRATCH] = {"scratch", {STEPS_OF_SIZES, [KEY_WRITES] = NEEDED}},
    [SCENARIO_FANOUT] = {"fanout", {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED, [KEY_SHARE] = ALLOWED}},
    [SCENARIO_FRAMES] = {"frames",
                         {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED, [KEY_BUFFER] = NEEDED, [KEY_HEADER] = ALLOWED}},
    [SCENARIO_APPEND] = {"append", {STEPS_OF_SIZES, [KEY_BUFFER] = NEEDED}},
    [SCENARIO_SHIP] = {"ship", {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED, [KEY_BUFFER] = NEEDED}},
    [SCENARIO_ASSEMBLE] = {"assemble", {STEPS_OF_SIZES, [KEY_BURST] = NEEDED}},
    [SCENARIO_PAGES] = {"pages", {STEPS_OF_SIZES, [KEY_LIVE] = NEEDED, [KEY_MISS] = NEEDED}},
};

/* What is not there but needed is said before what is there and means nothing. */
static bool check_keys(document *file, const yaml_node_t *node, const kind_rule *rule) {
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (rule->keys[i] == NEEDED && document_value(file, node, key_names[i]) == NULL) {
            return document_fail(file, node, "the key \"%s\" is missing; %s needs it", key_names[i], rule->name);
        }
    }
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        const yaml_node_t *value = document_value(file, node, key_names[i]);
        if (rule->keys[i] == FORBIDDEN && value != NULL) {
            return document_fail(file, value, "\"%s\" means nothing to %s; remove it", key_names[i], rule->name);
        }
    }
    return true;
}

uint32_t scenario_phase_threads(const scenario_phase *phase) {
    switch (phase->kind) {
    case SCENARIO_HANDOFF:
        return phase->producers != 0 ? phase->producers + phase->consumers : 2;
    case SCENARIO_PIPELINE:
    case SCENARIO_THRASH:
    case SCENARIO_SCRATCH:
    case SCENARIO_FANOUT:
    case SCENARIO_SHIP:
        return 2;
    default:
        return 1;
    }
}

/* The largest size that a distribution can give. */
static uint32_t largest_of(const scenario_sizes *sizes) {
    uint32_t largest = sizes->fixed;
    if (sizes->uniform != NULL) {
        largest = sizes->uniform->high;
    }
    if (sizes->log_uniform != NULL) {
        largest = sizes->log_uniform->high;
    }
    for (uint32_t i = 0; i < sizes->weighted_count; i++) {
        const scenario_weight *entry = &sizes->weighted[i];
        uint32_t high = entry->size != 0 ? entry->size : entry->high;
        largest = high > largest ? high : largest;
    }
    for (uint32_t i = 0; i < sizes->each_count; i++) {
        largest = sizes->each[i] > largest ? sizes->each[i] : largest;
    }
    return largest;
}

/* A frame with its header, or a piece, fits into an empty buffer. */
static bool check_buffer(document *file, const yaml_node_t *node, const scenario_phase *phase) {
    uint64_t needed = (uint64_t)largest_of(phase->sizes) + phase->header;
    return phase->buffer == 0 || needed <= phase->buffer ||
           document_fail(file, document_value(file, node, "buffer"),
                         "\"buffer\" is %" PRIu32 ", but \"sizes\" and \"header\" make up to %" PRIu64
                         "; legal: as much, or more",
                         phase->buffer, needed);
}

static bool check_parts(document *file, const yaml_node_t *node, const scenario_phase *phase) {
    return phase->kind != SCENARIO_ASSEMBLE || phase->burst <= STREAM_PARTS_MAX ||
           document_fail(file, document_value(file, node, "burst"),
                         "\"burst\" is %" PRIu32 ", but a message has at most %u parts; legal: 1 to %u", phase->burst,
                         STREAM_PARTS_MAX, STREAM_PARTS_MAX);
}

static bool check_handoff(document *file, const yaml_node_t *node, scenario_phase *phase) {
    if (phase->burst == 0) {
        phase->burst = 1;
    }
    if (phase->live % phase->burst != 0) {
        return document_fail(file, document_value(file, node, "burst"),
                             "\"burst\" is %" PRIu32 ", which does not divide \"live\", %" PRIu32
                             "; legal: a divisor of \"live\"",
                             phase->burst, phase->live);
    }
    if ((phase->producers == 0) != (phase->consumers == 0)) {
        return document_fail(file, node,
                             "a handoff has \"%s\" alone; legal: \"producers\" and \"consumers\", or neither",
                             phase->producers != 0 ? "producers" : "consumers");
    }
    if (phase->producers + phase->consumers > SCENARIO_THREADS_MAX) {
        return document_fail(file, document_value(file, node, "consumers"),
                             "%" PRIu32 " producers and %" PRIu32 " consumers are more than %u threads; legal: fewer",
                             phase->producers, phase->consumers, SCENARIO_THREADS_MAX);
    }
    return true;
}

/* How many threads there are says the file, or the phases; those with a number of their own leave the others idle. */
static bool check_threads(document *file, const scenario_phase *phase, const scenario *from) {
    const uint32_t needed = scenario_phase_threads(phase);
    const bool pairs = phase->kind == SCENARIO_SHIP || (phase->kind == SCENARIO_HANDOFF && phase->producers == 0);
    const bool counts =
        phase->kind == SCENARIO_PIPELINE || phase->kind == SCENARIO_HANDOFF || phase->kind == SCENARIO_FANOUT;
    const yaml_node_t *node = document_value(file, document_root(file), "threads");
    if (pairs && from->threads % 2 != 0) {
        return document_fail(file, node, "\"threads\" is %" PRIu32 ", but %s works in pairs; legal: an even number",
                             from->threads, kind_rules[phase->kind].name);
    }
    return !counts || from->threads == 0 || from->threads >= needed ||
           document_fail(file, node,
                         "\"threads\" is %" PRIu32 ", but a %s here needs %" PRIu32 "; legal: as many, or more",
                         from->threads, kind_rules[phase->kind].name, needed);
}

/* The second and third distributions of a phase; `each`, which makes phases, is for the first alone. */
static bool check_other_sizes(document *file, const yaml_node_t *node, const char *key, const scenario_sizes *sizes) {
    const yaml_node_t *value = document_value(file, node, key);
    if (value != NULL && sizes->each != NULL) {
        return document_fail(file, document_value(file, value, "each"),
                             "\"each\" is for \"sizes\"; legal in \"%s\": fixed, uniform, log_uniform or weighted",
                             key);
    }
    return value == NULL || check_sizes(file, value, sizes);
}

/* A trace's path is taken from the scenario's own folder, so that a scenario and its trace travel together; and a
 * scenario's from its suite's. */
static bool resolve_path(document *file, const yaml_node_t *node, char **path) {
    const char *slash = strrchr(file->path, '/');
    if ((*path)[0] != '/' && slash != NULL) {
        char *joined = NULL;
        if (asprintf(&joined, "%.*s/%s", (int)(slash - file->path), file->path, *path) < 0) {
            return document_fail(file, node, "not enough memory; try again");
        }
        free(*path);
        *path = joined;
    }
    return true;
}

static bool resolve_shape(document *file, const yaml_node_t *node, scenario_phase *phase) {
    char error[512];
    shape recorded;
    if (!resolve_path(file, node, &phase->shape)) {
        return false;
    }
    return shape_read(phase->shape, &recorded, error, sizeof error) ||
           document_fail(file, document_value(file, node, "shape"), "%s", error);
}

static bool resolve_trace(document *file, const yaml_node_t *node, scenario_phase *phase) {
    char error[512];
    trace *recorded = NULL;
    if (!resolve_path(file, node, &phase->trace)) {
        return false;
    }
    if (!trace_read(phase->trace, &recorded, error, sizeof error)) {
        return document_fail(file, document_value(file, node, "trace"), "%s", error);
    }
    trace_destroy(recorded);
    return true;
}

static bool check_phase(document *file, const yaml_node_t *node, scenario_phase *phase, const scenario *from) {
    if ((phase->kind != 0) + (phase->trace != NULL) + (phase->shape != NULL) != 1) {
        return document_fail(file, node, "a phase has %s; exactly one is right: \"kind\", \"trace\" or \"shape\"",
                             phase->trace != NULL || phase->shape != NULL ? "several" : "none");
    }
    if (phase->trace != NULL) {
        phase->kind = SCENARIO_REPLAY;
        return check_keys(file, node, &kind_rules[SCENARIO_REPLAY]) && resolve_trace(file, node, phase);
    }
    if (phase->shape != NULL) {
        phase->kind = SCENARIO_SHAPE;
        return check_keys(file, node, &kind_rules[SCENARIO_SHAPE]) && resolve_shape(file, node, phase);
    }
    return check_keys(file, node, &kind_rules[phase->kind]) &&
           check_sizes(file, document_value(file, node, "sizes"), phase->sizes) &&
           check_other_sizes(file, node, "sizes_retained", phase->sizes_retained) &&
           check_other_sizes(file, node, "sizes_after", phase->sizes_after) && check_buffer(file, node, phase) &&
           check_parts(file, node, phase) && (phase->kind != SCENARIO_HANDOFF || check_handoff(file, node, phase)) &&
           check_threads(file, phase, from);
}

static bool name_taken(const scenario *from, uint32_t count, const char *name) {
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(from->phases[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A phase's name is the given one, which must be new, or the kind's name with a number where that is taken. */
static bool name_phase(document *file, const yaml_node_t *node, scenario *from, uint32_t index) {
    scenario_phase *phase = &from->phases[index];
    if (phase->name != NULL) {
        return check_name(file, node, phase->name) &&
               (!name_taken(from, index, phase->name) ||
                document_fail(file, document_value(file, node, "name"),
                              "an earlier phase has the name \"%s\"; names of phases differ", phase->name));
    }
    const char *base = kind_rules[phase->kind].name;
    size_t room = strlen(base) + 12;
    phase->name = malloc(room);
    if (phase->name == NULL) {
        return document_fail(file, node, "not enough memory; try again");
    }
    (void)snprintf(phase->name, room, "%s", base);
    for (unsigned n = 2; name_taken(from, index, phase->name); n++) {
        (void)snprintf(phase->name, room, "%s-%u", base, n);
    }
    return true;
}

static bool check_scenario(document *file, scenario *from) {
    const yaml_node_t *root = document_root(file);
    const yaml_node_t *phases = document_value(file, root, "phases");
    bool replays = false;
    uint32_t needed = 1;
    if (!check_name(file, root, from->name)) {
        return false;
    }
    for (uint32_t i = 0; i < from->phases_count; i++) {
        const yaml_node_t *node = document_entry(file, phases, i);
        if (!check_phase(file, node, &from->phases[i], from) || !name_phase(file, node, from, i)) {
            return false;
        }
        replays = replays || from->phases[i].kind == SCENARIO_REPLAY || from->phases[i].kind == SCENARIO_SHAPE;
        needed = scenario_phase_threads(&from->phases[i]) > needed ? scenario_phase_threads(&from->phases[i]) : needed;
    }
    if (from->threads == 0 && !replays) {
        from->threads = needed;
    }
    return true;
}

/* Runs libcyaml over a file that document_check() has passed. */
static void *fill(document *file, const cyaml_schema_value_t *schema) {
    cyaml_data_t *data = NULL;
    cyaml_err_t result = cyaml_load_data(file->text, file->text_size, &schema_config, schema, &data, NULL);
    if (result != CYAML_OK) {
        (void)document_fail(file, NULL, "libcyaml refuses it: %s; see scenarios/schema.json", cyaml_strerror(result));
        return NULL;
    }
    return data;
}

static bool load_yaml(const char *path, scenario **out, char *error, size_t error_size) {
    document file;
    scenario *from = NULL;
    bool fine = document_open(&file, path, "scenario", error, error_size) && document_check(&file, &schema_scenario) &&
                (from = fill(&file, &schema_scenario)) != NULL && check_scenario(&file, from);
    if (fine && (from->file = strdup(path)) == NULL) {
        fine = document_fail(&file, NULL, "not enough memory; try again");
    }
    document_close(&file);
    if (!fine) {
        scenario_destroy(from);
        return false;
    }
    *out = from;
    return true;
}

/* What of the references is played on as many threads as the trace has, and what is not: that is said. */
static void tell_references(const trace *recorded, char *text, size_t size) {
    const uint32_t threads =
        recorded->thread_count < SCENARIO_THREADS_MAX ? recorded->thread_count : SCENARIO_THREADS_MAX;
    replay_plan plan;
    if (replay_plan_make(&plan, recorded, threads) == NULL) { /* else the play will say what is wrong */
        (void)snprintf(text, size, "; ");
        (void)replay_plan_tell(&plan.counts, text + 2, size - 2);
    }
    replay_plan_destroy(&plan);
}

typedef struct note {
    char text[256];
} note;

_Static_assert(TRACE_SIZE_MAX == (UINT32_C(256) << 20) - 1, "what is said of larger sizes");

/* What a recording lacks is said of it alike for traces and shapes. */
static note tell_losses(uint64_t clamped_sizes, uint64_t dropped_events) {
    note told;
    char clamped[128] = "";
    if (clamped_sizes != 0) {
        (void)snprintf(clamped, sizeof clamped, "; %" PRIu64 " sizes were larger than 256 MiB, and count as that",
                       clamped_sizes);
    }
    (void)snprintf(told.text, sizeof told.text, "%s%s", clamped,
                   dropped_events != 0 ? "; the recording ends before the program did" : "");
    return told;
}

/* Who plays a recording of more threads than can play, which has been given places. */
static note tell_places(uint32_t threads, uint32_t places) {
    note told = {""};
    if (threads > SCENARIO_THREADS_MAX && places <= SCENARIO_THREADS_MAX) {
        (void)snprintf(told.text, sizeof told.text, ", played by %" PRIu32 ": others begin where some have ended",
                       places);
    } else if (threads > SCENARIO_THREADS_MAX) {
        (void)snprintf(told.text, sizeof told.text, ", %" PRIu32 " at a time, folded onto %u", places,
                       SCENARIO_THREADS_MAX);
    }
    return told;
}

static bool tell_source(scenario *from, trace *recorded) {
    const char *what = recorded->source == TRACE_OF_BUFFERS ? "poolbuf's buffers" : "malloc";
    const uint32_t threads = recorded->thread_count;
    char references[512] = "";
    if (!places_share(recorded, SCENARIO_THREADS_MAX)) {
        return false;
    }
    if (recorded->reference_count > 0) {
        tell_references(recorded, references, sizeof references);
    }
    return asprintf(&from->source, "recorded from %s of %s: %" PRIu64 " events, %" PRIu32 " threads%s%s%s", what,
                    recorded->program, recorded->event_count, threads,
                    tell_places(threads, recorded->thread_count).text, references,
                    tell_losses(recorded->summary.clamped_sizes, recorded->summary.dropped_events).text) > 0;
}

/* What such a scenario is called: its file's name without the suffix.
 *   returns  its length, or 0 after a line in error, where nothing stands before the suffix. */
static int name_of(const char *path, const char *suffix, const char **base, char *error, size_t error_size) {
    const char *slash = strrchr(path, '/');
    *base = slash != NULL ? slash + 1 : path;
    const int length = (int)(strlen(*base) - strlen(suffix));
    if (length == 0) {
        (void)snprintf(error, error_size,
                       "%s: a scenario is called as its file, and nothing stands before %s; rename it", path, suffix);
    }
    return length;
}

/* A trace alone is a scenario of one phase, named after its file, with what the trace knows about itself. */
static bool load_trace(const char *path, scenario **out, char *error, size_t error_size) {
    trace *recorded = NULL;
    const char *base = NULL;
    const int length = name_of(path, ".pbtrace", &base, error, error_size);
    if (length == 0 || !trace_read(path, &recorded, error, error_size)) {
        return false;
    }
    scenario *from = calloc(1, sizeof *from);
    bool fine = from != NULL;
    if (fine) {
        from->phases = calloc(1, sizeof *from->phases);
        from->phases_count = from->phases != NULL;
        from->file = strdup(path);
        fine = from->phases != NULL && from->file != NULL && asprintf(&from->name, "%.*s", length, base) > 0 &&
               asprintf(&from->asks, "What do the allocations of %s cost?", recorded->program) > 0 &&
               tell_source(from, recorded);
    }
    if (fine) {
        from->phases[0].kind = SCENARIO_REPLAY;
        from->phases[0].name = strdup(kind_rules[SCENARIO_REPLAY].name);
        from->phases[0].trace = strdup(path);
        fine = from->phases[0].name != NULL && from->phases[0].trace != NULL;
    }
    trace_destroy(recorded);
    if (!fine) {
        (void)snprintf(error, error_size, "%s: not enough memory; try again", path);
        scenario_destroy(from);
        return false;
    }
    *out = from;
    return true;
}

/* So is a shape. */
static bool load_shape(const char *path, scenario **out, char *error, size_t error_size) {
    shape recorded;
    const char *base = NULL;
    const int length = name_of(path, ".pbshape", &base, error, error_size);
    if (length == 0 || !shape_read(path, &recorded, error, error_size)) {
        return false;
    }
    scenario *from = calloc(1, sizeof *from);
    bool fine = from != NULL;
    if (fine) {
        from->phases = calloc(1, sizeof *from->phases);
        from->phases_count = from->phases != NULL;
        from->file = strdup(path);
        fine = from->phases != NULL && from->file != NULL && asprintf(&from->name, "%.*s", length, base) > 0 &&
               asprintf(&from->asks, "What do allocations of the shape %s cost?", from->name) > 0 &&
               asprintf(&from->source, "a recorded shape: %" PRIu64 " buffers, %" PRIu32 " threads%s%s",
                        recorded.buffer_count, recorded.threads,
                        recorded.threads > SCENARIO_THREADS_MAX ? ", played by 64" : "",
                        tell_losses(recorded.clamped_sizes, recorded.dropped_events).text) > 0;
    }
    if (fine) {
        from->phases[0].kind = SCENARIO_SHAPE;
        from->phases[0].name = strdup(kind_rules[SCENARIO_SHAPE].name);
        from->phases[0].shape = strdup(path);
        fine = from->phases[0].name != NULL && from->phases[0].shape != NULL;
    }
    if (!fine) {
        (void)snprintf(error, error_size, "%s: not enough memory; try again", path);
        scenario_destroy(from);
        return false;
    }
    *out = from;
    return true;
}

bool scenario_load(const char *path, scenario **out, char *error, size_t error_size) {
    if (has_suffix(path, ".pbtrace")) {
        return load_trace(path, out, error, error_size);
    }
    if (has_suffix(path, ".pbshape")) {
        return load_shape(path, out, error, error_size);
    }
    return load_yaml(path, out, error, error_size);
}

void scenario_destroy(scenario *loaded) {
    if (loaded == NULL) {
        return;
    }
    free(loaded->file);
    loaded->file = NULL;
    (void)cyaml_free(&schema_config, &schema_scenario, loaded, 0);
}

static bool check_suite(document *file, const scenario_suite *suite) {
    const yaml_node_t *root = document_root(file);
    const yaml_node_t *list = document_value(file, root, "scenarios");
    for (uint32_t i = 0; i < suite->scenarios_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(suite->scenarios[i], suite->scenarios[j]) == 0) {
                return document_fail(file, document_entry(file, list, i), "\"%s\" is there twice; once is right",
                                     suite->scenarios[i]);
            }
        }
    }
    return check_name(file, root, suite->name);
}

static bool resolve_scenarios(document *file, const scenario_suite *suite) {
    const yaml_node_t *list = document_value(file, document_root(file), "scenarios");
    for (uint32_t i = 0; i < suite->scenarios_count; i++) {
        if (scenario_is_path(suite->scenarios[i]) &&
            !resolve_path(file, document_entry(file, list, i), &suite->scenarios[i])) {
            return false;
        }
    }
    return true;
}

bool scenario_suite_load(const char *path, scenario_suite **out, char *error, size_t error_size) {
    document file;
    scenario_suite *suite = NULL;
    bool fine = document_open(&file, path, "suite", error, error_size) && document_check(&file, &schema_suite) &&
                (suite = fill(&file, &schema_suite)) != NULL && check_suite(&file, suite) &&
                resolve_scenarios(&file, suite);
    if (fine && (suite->file = strdup(path)) == NULL) {
        fine = document_fail(&file, NULL, "not enough memory; try again");
    }
    document_close(&file);
    if (!fine) {
        scenario_suite_destroy(suite);
        return false;
    }
    *out = suite;
    return true;
}

void scenario_suite_destroy(scenario_suite *suite) {
    if (suite == NULL) {
        return;
    }
    free(suite->file);
    suite->file = NULL;
    (void)cyaml_free(&schema_config, &schema_suite, suite, 0);
}
