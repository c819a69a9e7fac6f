/* Loading scenarios and suites: the rules that no table can say, and the defaults. */
#include "scenario/scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/trace.h"
#include "scenario/document.h"
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

/* What each kind needs and what it cannot use. */
typedef struct kind_rule {
    const char *name;
    key_rule live, burst, touch, buffer, header, share, miss;
} kind_rule;

static const kind_rule kind_rules[] = {
    [SCENARIO_PINGPONG] = {.name = "pingpong"},
    [SCENARIO_CHURN] = {.name = "churn", .live = NEEDED, .touch = ALLOWED},
    [SCENARIO_BURST] = {.name = "burst", .live = NEEDED},
    [SCENARIO_BULK] = {.name = "bulk", .burst = NEEDED},
    [SCENARIO_HANDOFF] = {.name = "handoff", .live = NEEDED, .burst = ALLOWED},
    [SCENARIO_REPLAY] = {.name = "trace"},
    [SCENARIO_FANOUT] = {.name = "fanout", .live = NEEDED, .share = ALLOWED},
    [SCENARIO_FRAMES] = {.name = "frames", .live = NEEDED, .buffer = NEEDED, .header = ALLOWED},
    [SCENARIO_APPEND] = {.name = "append", .buffer = NEEDED},
    [SCENARIO_SHIP] = {.name = "ship", .live = NEEDED, .buffer = NEEDED},
    [SCENARIO_ASSEMBLE] = {.name = "assemble", .burst = NEEDED},
    [SCENARIO_PAGES] = {.name = "pages", .live = NEEDED, .miss = NEEDED},
};

static bool forbid(document *file, const yaml_node_t *node, const char *key, const char *kind) {
    const yaml_node_t *value = document_value(file, node, key);
    return value == NULL || document_fail(file, value, "\"%s\" means nothing to %s; remove it", key, kind);
}

static bool demand(document *file, const yaml_node_t *node, const char *key, const char *kind) {
    return document_value(file, node, key) != NULL ||
           document_fail(file, node, "the key \"%s\" is missing; %s needs it", key, kind);
}

static bool check_key(document *file, const yaml_node_t *node, const char *key, key_rule rule, const char *kind) {
    switch (rule) {
    case FORBIDDEN:
        return forbid(file, node, key, kind);
    case NEEDED:
        return demand(file, node, key, kind);
    default:
        return true;
    }
}

static bool check_new_keys(document *file, const yaml_node_t *node, const kind_rule *rule) {
    return check_key(file, node, "buffer", rule->buffer, rule->name) &&
           check_key(file, node, "header", rule->header, rule->name) &&
           check_key(file, node, "share", rule->share, rule->name) &&
           check_key(file, node, "miss", rule->miss, rule->name);
}

bool scenario_needs_pairs(scenario_kind kind) {
    return kind == SCENARIO_HANDOFF || kind == SCENARIO_FANOUT || kind == SCENARIO_SHIP;
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

static bool check_thread_count(document *file, const kind_rule *rule, const scenario_phase *phase,
                               const scenario *from) {
    const yaml_node_t *node = document_value(file, document_root(file), "threads");
    if ((phase->kind == SCENARIO_HANDOFF || phase->kind == SCENARIO_SHIP) && from->threads % 2 != 0) {
        return document_fail(file, node, "\"threads\" is %" PRIu32 ", but %s works in pairs; legal: an even number",
                             from->threads, rule->name);
    }
    if (phase->kind == SCENARIO_FANOUT && from->threads == 1) {
        return document_fail(file, node, "\"threads\" is 1, but fanout needs a subscriber; legal: 2 or more");
    }
    return true;
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
    return true;
}

/* A trace's path is taken from the scenario's own folder, so that a scenario and its trace travel together. */
static bool resolve_trace(document *file, const yaml_node_t *node, scenario_phase *phase) {
    const char *slash = strrchr(file->path, '/');
    char error[512];
    trace *recorded = NULL;
    if (phase->trace[0] != '/' && slash != NULL) {
        char *joined = NULL;
        if (asprintf(&joined, "%.*s/%s", (int)(slash - file->path), file->path, phase->trace) < 0) {
            return document_fail(file, node, "not enough memory; try again");
        }
        free(phase->trace);
        phase->trace = joined;
    }
    if (!trace_read(phase->trace, &recorded, error, sizeof error)) {
        return document_fail(file, document_value(file, node, "trace"), "%s", error);
    }
    trace_destroy(recorded);
    return true;
}

static bool check_phase(document *file, const yaml_node_t *node, scenario_phase *phase, const scenario *from) {
    if ((phase->kind != 0) == (phase->trace != NULL)) {
        return document_fail(file, node,
                             "a phase has %s; exactly one is right: \"kind\" (pingpong, churn, burst, bulk, handoff, "
                             "fanout, frames, append, ship, assemble, pages) or \"trace\"",
                             phase->trace != NULL ? "both \"kind\" and \"trace\"" : "neither \"kind\" nor \"trace\"");
    }
    const kind_rule *rule = &kind_rules[phase->kind];
    if (phase->trace != NULL) {
        phase->kind = SCENARIO_REPLAY;
        rule = &kind_rules[SCENARIO_REPLAY];
        return forbid(file, node, "sizes", rule->name) && forbid(file, node, "operations", rule->name) &&
               forbid(file, node, "live", rule->name) && forbid(file, node, "burst", rule->name) &&
               forbid(file, node, "touch", rule->name) && check_new_keys(file, node, rule) &&
               resolve_trace(file, node, phase);
    }
    return demand(file, node, "sizes", rule->name) && demand(file, node, "operations", rule->name) &&
           check_key(file, node, "live", rule->live, rule->name) &&
           check_key(file, node, "burst", rule->burst, rule->name) &&
           check_key(file, node, "touch", rule->touch, rule->name) && check_new_keys(file, node, rule) &&
           check_sizes(file, document_value(file, node, "sizes"), phase->sizes) && check_buffer(file, node, phase) &&
           check_parts(file, node, phase) && check_thread_count(file, rule, phase, from) &&
           (phase->kind != SCENARIO_HANDOFF || check_handoff(file, node, phase));
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
    bool hands = false;
    if (!check_name(file, root, from->name)) {
        return false;
    }
    for (uint32_t i = 0; i < from->phases_count; i++) {
        const yaml_node_t *node = document_entry(file, phases, i);
        if (!check_phase(file, node, &from->phases[i], from) || !name_phase(file, node, from, i)) {
            return false;
        }
        replays = replays || from->phases[i].kind == SCENARIO_REPLAY;
        hands = hands || scenario_needs_pairs(from->phases[i].kind);
    }
    if (from->threads == 0 && !replays) {
        from->threads = hands ? 2 : 1;
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

/* A trace alone is a scenario of one phase, named after its file, with what the trace knows about itself. */
static bool load_trace(const char *path, scenario **out, char *error, size_t error_size) {
    trace *recorded = NULL;
    if (!trace_read(path, &recorded, error, error_size)) {
        return false;
    }
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    int length = (int)(strlen(base) - strlen(".pbtrace"));
    scenario *from = calloc(1, sizeof *from);
    bool fine = from != NULL;
    if (fine) {
        from->phases = calloc(1, sizeof *from->phases);
        from->phases_count = from->phases != NULL;
        from->file = strdup(path);
        fine = from->phases != NULL && from->file != NULL && asprintf(&from->name, "%.*s", length, base) > 0 &&
               asprintf(&from->asks, "What do the allocations of %s cost?", recorded->program) > 0 &&
               asprintf(&from->source, "recorded from %s: %" PRIu64 " events, %" PRIu32 " threads", recorded->program,
                        recorded->event_count, recorded->thread_count) > 0;
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

bool scenario_load(const char *path, scenario **out, char *error, size_t error_size) {
    if (has_suffix(path, ".pbtrace")) {
        return load_trace(path, out, error, error_size);
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

bool scenario_suite_load(const char *path, scenario_suite **out, char *error, size_t error_size) {
    document file;
    scenario_suite *suite = NULL;
    bool fine = document_open(&file, path, "suite", error, error_size) && document_check(&file, &schema_suite) &&
                (suite = fill(&file, &schema_suite)) != NULL && check_suite(&file, suite);
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
