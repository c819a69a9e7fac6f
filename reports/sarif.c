/* Leak findings for code scanning: SARIF 2.1.0 (OASIS Standard, 27 March 2020), a result for each call stack that leaked
 * and for each misuse.
 *
 * A scanner shows a result at its first location, and only if that is a file of the repository: so it is the innermost
 * frame of the stack whose file lies in the source root, and frames of other files come after those. Fingerprints are
 * the detector's own, so that a result keeps its identity while lines move. What was alive in a report of a running
 * program is no result, unless a scan found it lost. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/json.h"
#include "reports/leaks_holders.h"
#include "reports/leaks_order.h"
#include "reports/leaks_stacks.h"
#include "reports/sentence.h"
#include "reports/writers.h"

#define SARIF_SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"
#define ROOT         "SRCROOT" /* what locations are relative to */

typedef enum rule {
    RULE_LEAK,
    RULE_UNSAMPLED,
    RULE_MISUSE,
    RULE_COUNT
} rule;

static const struct {
    const char *id, *name, *text, *help;
} RULES[RULE_COUNT] = {
    {"leak", "Leak", "A buffer or another counted resource was never released.",
     "Each reference must be released once. The stack is that of the allocation; who holds what is open follows, where "
     "accesses were recorded (POOLBUF_LEAK_LEVEL=advanced or paranoid)."},
    {"unsampled-leak", "UnsampledLeak", "Buffers were never released, and the sample has none of them.",
     "They were counted, but not tracked: run the program again with POOLBUF_LEAK_LEVEL=paranoid to see where they "
     "were "
     "allocated."},
    {"misuse", "Misuse",
     "A buffer was used or released after its last reference was gone, or written to behind its end.",
     "The stack is that of the offence; those of the last release and of the allocation follow."},
};

typedef struct writer {
    const leaks_model *model;
    const char *root; /* NULL: none, and every file is absolute */
    size_t root_length;
} writer;

static json_t *made(json_t *value) {
    if (value == NULL) {
        fputs("poolbuf: out of memory for a report\n", stderr);
        exit(1);
    }
    return value;
}

static void put(json_t *object, const char *key, json_t *value) {
    (void)made(json_object_set_new(object, key, made(value)) == 0 ? object : NULL);
}

static void put_text(json_t *object, const char *key, const char *text) {
    if (text != NULL) {
        put(object, key, json_text(text));
    }
}

static void put_count(json_t *object, const char *key, uint64_t count) {
    if (count != MODEL_UNKNOWN) {
        put(object, key, json_integer((json_int_t)count));
    }
}

static void push(json_t *list, json_t *value) {
    (void)made(json_array_append_new(list, made(value)) == 0 ? list : NULL);
}

static json_t *message(const char *text) {
    json_t *object = made(json_object());
    put_text(object, "text", text == NULL ? "" : text);
    return object;
}

/* ---- locations ---- */

/* As RFC 3986 wants paths: all but letters, digits and a few signs as %XX. */
static json_t *uri(const char *scheme, const char *path) {
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    fputs(scheme, out);
    for (; *path != '\0'; path++) {
        if (strchr(PLAIN, *path) != NULL) {
            fputc(*path, out);
        } else {
            fprintf(out, "%%%02X", (unsigned)(unsigned char)*path);
        }
    }
    json_t *value = fclose(out) == 0 ? json_string(text) : NULL;
    free(text);
    return value;
}

/* Without "." and "..", which builds in a folder of their own leave in names (build/../src/x.c), and which scanners do not
 * resolve. What leads out of a relative path stays. */
static char *tidy(const writer *self, const char *path) {
    char *text = model_allocate(self->model->arena, strlen(path) + 2);
    const bool is_absolute = path[0] == '/';
    size_t used = 0;  /* of text: parts, each with a slash in front */
    size_t fixed = 0; /* of that, what no ".." takes back */
    while (*path != '\0') {
        path += strspn(path, "/");
        const size_t length = strcspn(path, "/");
        const bool is_up = length == 2 && strncmp(path, "..", 2) == 0;
        if (is_up && used > fixed) {
            while (text[--used] != '/') {
            }
        } else if (length > 0 && !(length == 1 && *path == '.') && !(is_up && is_absolute)) {
            text[used] = '/';
            memcpy(text + used + 1, path, length);
            used += length + 1;
            fixed = is_up ? used : fixed;
        }
        path += length;
    }
    text[used] = '\0';
    return is_absolute || used == 0 ? text : text + 1;
}

static const char *behind_root(const writer *self, const char *path) {
    const bool is_inside = strncmp(path, self->root, self->root_length) == 0 && path[self->root_length] == '/' &&
                           path[self->root_length + 1] != '\0';
    return is_inside ? path + self->root_length + 1 : NULL;
}

/* What a file is called relative to the root; NULL: it is not inside. A compiler may have come by a symbolic link, which shows
 * where the file is at hand. */
static const char *inside(const writer *self, const char *path) {
    char real[PATH_MAX];
    const char *name = tidy(self, path);
    if (name[0] != '/') {
        return strncmp(name, "../", 3) == 0 ? NULL : name;
    }
    const char *found = self->root == NULL ? NULL : behind_root(self, name);
    if (found == NULL && self->root != NULL && realpath(path, real) != NULL) {
        found = behind_root(self, real);
    }
    return found == NULL ? NULL : model_text(self->model->arena, found);
}

static json_t *artifact(const writer *self, const char *path) {
    json_t *object = made(json_object());
    const char *relative = inside(self, path);
    path = tidy(self, path);
    relative = relative == NULL && path[0] != '/' ? path : relative;
    if (relative != NULL) {
        put(object, "uri", uri("", relative));
        put_text(object, "uriBaseId", self->root == NULL ? NULL : ROOT);
    } else {
        put(object, "uri", uri("file://", path));
    }
    return object;
}

static bool has_line(const leaks_frame *frame) {
    return frame->line != MODEL_UNKNOWN && frame->line > 0;
}

static json_t *location(const writer *self, const leaks_frame *frame) {
    json_t *object = made(json_object());
    const char *path = frame->file != NULL ? frame->file : frame->module;
    if (path != NULL) {
        json_t *physical = made(json_object());
        put(physical, "artifactLocation", artifact(self, path));
        if (frame->file != NULL && has_line(frame)) {
            json_t *region = made(json_object());
            put_count(region, "startLine", frame->line);
            put(physical, "region", region);
        }
        put(object, "physicalLocation", physical);
    }
    if (frame->function != NULL) {
        json_t *logical = made(json_object());
        put_text(logical, "fullyQualifiedName", frame->function);
        put_text(logical, "kind", "function");
        json_t *list = made(json_array());
        push(list, logical);
        put(object, "logicalLocations", list);
    }
    return object;
}

/* The frame that a scanner can show: see the top; rather one with a line, which a call that the optimiser has made of two lacks.
 * NULL: the stack has none with a file. */
static const leaks_frame *shown(const writer *self, leaks_frame *const *stack, size_t count) {
    const leaks_frame *first = NULL;
    const leaks_frame *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *file = stack[i]->file;
        if (file != NULL && inside(self, file) != NULL && (found == NULL || has_line(stack[i]))) {
            found = stack[i];
        }
        if (found != NULL && has_line(found)) {
            return found;
        }
        first = first == NULL && file != NULL ? stack[i] : first;
    }
    return found != NULL ? found : first != NULL ? first : count > 0 ? stack[0] : NULL;
}

static void put_location(const writer *self, json_t *result, leaks_frame *const *stack, size_t count) {
    const leaks_frame *frame = shown(self, stack, count);
    const char *program = self->model->process_count > 0 ? self->model->processes[0]->program : NULL;
    const leaks_frame unknown = {.module = program, .line = MODEL_UNKNOWN};
    json_t *list = made(json_array());
    if (frame != NULL || program != NULL) {
        push(list, location(self, frame == NULL ? &unknown : frame));
    }
    put(result, "locations", list);
}

static void push_stack(const writer *self, json_t *stacks, const char *title, leaks_frame *const *stack, size_t count) {
    if (count == 0) {
        return;
    }
    json_t *object = made(json_object());
    json_t *frames = made(json_array());
    for (size_t i = 0; i < count; i++) {
        json_t *frame = made(json_object());
        const char *slash = stack[i]->module == NULL ? NULL : strrchr(stack[i]->module, '/');
        put(frame, "location", location(self, stack[i]));
        put_text(frame, "module", slash == NULL ? stack[i]->module : slash + 1);
        push(frames, frame);
    }
    put(object, "message", message(title));
    put(object, "frames", frames);
    push(stacks, object);
}

/* ---- results ---- */

static json_t *begin(rule which, const char *text) {
    json_t *result = made(json_object());
    put_text(result, "ruleId", RULES[which].id);
    put(result, "ruleIndex", json_integer((json_int_t)which));
    put_text(result, "level", "error");
    put(result, "message", message(text));
    return result;
}

static void put_fingerprint(json_t *result, const char *fingerprint) {
    json_t *all = made(json_object());
    put_text(all, "poolbufStack/v1", fingerprint);
    put(result, "partialFingerprints", all);
}

/* Who may be to blame, as places of their own: the lines of the balance that are open or differ from the usual. */
static void put_holders(const writer *self, json_t *result, json_t *stacks, const leaks_group *group) {
    json_t *related = made(json_array());
    for (size_t i = 0; i < group->holders.site_count; i++) {
        const leaks_site *site = group->holders.sites[i];
        if (site->stack_count == 0 || !leaks_site_is_short(group, site)) {
            continue;
        }
        const char *title = leaks_site_title(self->model, site);
        json_t *place = location(self, site->stack[0]);
        put(place, "id", json_integer((json_int_t)json_array_size(related) + 1));
        put(place, "message", message(title));
        push(related, place);
        push_stack(self, stacks, title, site->stack, site->stack_count);
    }
    if (json_array_size(related) > 0) {
        put(result, "relatedLocations", related);
    } else {
        json_decref(related);
    }
}

static const char *sentence_of_group(const leaks_model *model, const leaks_group *group) {
    sentence text;
    const char *line = NULL;
    sentence_init(&text);
    sentence_add(&text, "%s never released", leaks_group_title(model, group));
    if (group->allocation_stack_count > 0) {
        sentence_add(&text, ", allocated at %s", leaks_frame_place(model, group->allocation_stack[0]));
    }
    sentence_add(&text, ".");
    for (size_t i = 0; (line = leaks_holders_verdict(model, group, i)) != NULL; i++) {
        sentence_add(&text, " %s.", line);
    }
    line = leaks_group_lost(model, group);
    sentence_add(&text, "%s%s%s", line == NULL ? "" : " ", line == NULL ? "" : line, line == NULL ? "" : ".");
    return sentence_keep(&text, model->arena);
}

static void put_standing(json_t *result, leaks_standing standing) {
    static const char *const STATES[LEAKS_STANDING_COUNT] = {
        [STANDING_KNOWN] = "unchanged", [STANDING_GROWN] = "updated", [STANDING_NEW] = "new"};
    put_text(result, "baselineState", STATES[standing]);
}

static json_t *result_of_group(const writer *self, const leaks_group *group) {
    json_t *result = begin(RULE_LEAK, sentence_of_group(self->model, group));
    json_t *stacks = made(json_array());
    json_t *properties = made(json_object());
    put_location(self, result, group->allocation_stack, group->allocation_stack_count);
    push_stack(self, stacks, "allocated at", group->allocation_stack, group->allocation_stack_count);
    put_holders(self, result, stacks, group);
    put(result, "stacks", stacks);
    put_fingerprint(result, group->fingerprint);
    put_standing(result, group->baseline.standing);
    put_count(result, "occurrenceCount", group->count == 0 ? MODEL_UNKNOWN : group->count);
    put_text(properties, "type", group->type);
    put_text(properties, "kind", group->kind);
    put_text(properties, "thread", group->thread);
    put_count(properties, "count", group->count);
    put_count(properties, "size", group->bytes);
    put_text(properties, "unit", group->unit == NULL ? "bytes" : group->unit);
    put(result, "properties", properties);
    return result;
}

static json_t *result_of_misuse(const writer *self, const leaks_misuse *misuse) {
    json_t *result = begin(RULE_MISUSE, leaks_misuse_title(self->model, misuse));
    json_t *stacks = made(json_array());
    put_location(self, result, misuse->stack, misuse->stack_count);
    push_stack(self, stacks, "found at", misuse->stack, misuse->stack_count);
    push_stack(self, stacks, "last released at", misuse->release_stack, misuse->release_stack_count);
    push_stack(self, stacks, "allocated at", misuse->allocation_stack, misuse->allocation_stack_count);
    put(result, "stacks", stacks);
    put_fingerprint(result, leaks_misuse_fingerprint(self->model, misuse));
    put_count(result, "occurrenceCount", misuse->count == 0 ? MODEL_UNKNOWN : misuse->count);
    return result;
}

static json_t *results_of(const writer *self) {
    const leaks_model *model = self->model;
    const leaks_group **groups = leaks_order(model);
    const bool live = leaks_model_is_live(model);
    const char *unsampled = answer_unsampled(model);
    json_t *results = made(json_array());
    for (size_t i = 0; i < model->misuse_count; i++) {
        push(results, result_of_misuse(self, model->misuses[i]));
    }
    for (size_t i = 0; i < model->group_count; i++) {
        if (!live || (groups[i]->lost != 0 && groups[i]->lost != MODEL_UNKNOWN)) {
            push(results, result_of_group(self, groups[i]));
        }
    }
    if (unsampled != NULL) {
        json_t *result = begin(RULE_UNSAMPLED, unsampled);
        put_location(self, result, NULL, 0);
        put_standing(result, model->unseen_standing);
        push(results, result);
    }
    return results;
}

/* ---- the run ---- */

static json_t *driver(void) {
    json_t *object = made(json_object());
    json_t *rules = made(json_array());
    for (size_t i = 0; i < RULE_COUNT; i++) {
        json_t *one = made(json_object());
        put_text(one, "id", RULES[i].id);
        put_text(one, "name", RULES[i].name);
        put(one, "shortDescription", message(RULES[i].text));
        put(one, "help", message(RULES[i].help));
        push(rules, one);
    }
    put_text(object, "name", "poolbuf");
    put_text(object, "semanticVersion", POOLBUF_TOOL_VERSION);
    put(object, "rules", rules);
    return object;
}

static json_t *notice(const char *level, const char *text) {
    json_t *object = made(json_object());
    put_text(object, "level", level);
    put(object, "message", message(text));
    return object;
}

/* One for each report of a process; that there is none is a failure of the tool, which is said where scanners look. */
static json_t *invocations_of(const leaks_model *model) {
    json_t *list = made(json_array());
    json_t *notices = made(json_array());
    const char *remark = NULL;
    for (size_t i = 0; (remark = leaks_model_remark(model, i)) != NULL; i++) {
        push(notices, notice("note", remark));
    }
    for (size_t i = 0; i < model->process_count; i++) {
        const leaks_process *process = model->processes[i];
        json_t *one = made(json_object());
        put(one, "executionSuccessful", json_true());
        put_text(one, "commandLine", process->command);
        put_count(one, "processId", process->pid);
        push(list, one);
    }
    if (model->process_count == 0) {
        json_t *none = made(json_object());
        put(none, "executionSuccessful", json_boolean(model->group_count > 0));
        push(list, none);
        if (model->group_count == 0) {
            push(notices, notice("error", answer_leaks(model)));
        }
    }
    put(json_array_get(list, 0), "toolExecutionNotifications", notices);
    return list;
}

static json_t *run_of(const writer *self) {
    json_t *run = made(json_object());
    json_t *tool = made(json_object());
    put(tool, "driver", driver());
    put(run, "tool", tool);
    if (self->root != NULL) {
        json_t *bases = made(json_object());
        json_t *base = made(json_object());
        const char *folder = model_text_format(self->model->arena, "%s/", self->root);
        put(base, "uri", uri("file://", folder));
        put(bases, ROOT, base);
        put(run, "originalUriBaseIds", bases);
    }
    put(run, "invocations", invocations_of(self->model));
    put(run, "results", results_of(self));
    return run;
}

void sarif_write(const report_view *views, size_t count, const char *source_root, FILE *to) {
    json_t *log = made(json_object());
    json_t *runs = made(json_array());
    for (size_t i = 0; i < count; i++) {
        const writer self = {
            .model = views[i].leaks, .root = source_root, .root_length = source_root == NULL ? 0 : strlen(source_root)};
        push(runs, run_of(&self));
    }
    put_text(log, "$schema", SARIF_SCHEMA);
    put_text(log, "version", "2.1.0");
    put(log, "runs", runs);
    json_print(log, to);
    json_decref(log);
}
