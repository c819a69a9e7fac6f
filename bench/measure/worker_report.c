/* A worker's result as a line of JSON, and back. Unknown numbers are null. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/worker.h"

#define SCHEMA "poolbuf.worker/1"

static const char *const STATUSES[] = {
    [WORKER_OK] = "ok",
    [WORKER_FAILED] = "failed",
    [WORKER_REFUSED] = "refused",
    [WORKER_UNSUPPORTED] = "unsupported",
};
_Static_assert(sizeof STATUSES / sizeof STATUSES[0] == WORKER_STATUS_COUNT, "every status has a word");

void worker_report_fini(worker_report *report) {
    json_decref(report->passes);
    report->passes = NULL;
    free(report->phases);
    report->phases = NULL;
    report->phase_count = 0;
}

static json_t *real_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* JSON's readers end at INT64_MAX; nothing that is counted here comes near it. */
static json_t *count_or_null(uint64_t value) {
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_null();
}

char *worker_report_format(const worker_report *report) {
    json_t *phases = json_array();
    for (size_t i = 0; i < report->phase_count; i++) {
        json_array_append_new(phases, json_pack("{s:o, s:o}", "live_buffers", count_or_null(report->phases[i].buffers),
                                                "live_bytes", count_or_null(report->phases[i].bytes)));
    }
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", SCHEMA, "status",
        STATUSES[report->status], "message", report->message, "library", report->library, "version", report->version,
        "time_ns_per_op", real_or_null(report->time_ns_per_op), "operations", count_or_null(report->operations),
        "line_round_trip_ns", real_or_null(report->line_round_trip_ns), "peak_live_bytes",
        count_or_null(report->peak_live_bytes), "peak_usable_bytes", count_or_null(report->peak_usable_bytes),
        "peak_resident_bytes", count_or_null(report->peak_resident_bytes), "resident_growth_bytes",
        count_or_null(report->resident_growth_bytes), "page_faults_minor", count_or_null(report->page_faults_minor),
        "page_faults_major", count_or_null(report->page_faults_major), "phases", phases);
    if (root != NULL) {
        (void)json_object_set_new(root, "switches_voluntary", count_or_null(report->switches_voluntary));
        (void)json_object_set_new(root, "switches_involuntary", count_or_null(report->switches_involuntary));
        (void)json_object_set_new(root, "had_threads", json_boolean(report->had_threads));
        if (report->passes != NULL) {
            (void)json_object_set(root, "passes", report->passes);
        }
    }
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL) {
        return NULL;
    }
    const size_t length = strlen(text);
    char *line = malloc(length + 2);
    if (line != NULL) {
        (void)snprintf(line, length + 2, "%s\n", text);
    }
    free(text);
    return line;
}

static double read_real(const json_t *root, const char *name) {
    const json_t *value = json_object_get(root, name);
    return json_is_number(value) ? json_number_value(value) : nan("");
}

static uint64_t read_count(const json_t *root, const char *name) {
    const json_t *value = json_object_get(root, name);
    return json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value)
                                                                    : WORKER_UNKNOWN;
}

static bool read_text(const json_t *root, const char *name, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(root, name));
    if (text == NULL || strlen(text) >= size) {
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_phases(const json_t *root, worker_report *report) {
    const json_t *phases = json_object_get(root, "phases");
    const size_t count = json_array_size(phases);
    if (!json_is_array(phases) || count > WORKER_PHASES_MAX) {
        return false;
    }
    report->phases = count == 0 ? NULL : calloc(count, sizeof *report->phases);
    if (count != 0 && report->phases == NULL) {
        return false;
    }
    report->phase_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *phase = json_array_get(phases, i);
        report->phases[i].buffers = read_count(phase, "live_buffers");
        report->phases[i].bytes = read_count(phase, "live_bytes");
    }
    return true;
}

static bool read_status(const json_t *root, worker_status *out) {
    const char *word = json_string_value(json_object_get(root, "status"));
    for (unsigned i = 0; word != NULL && i < WORKER_STATUS_COUNT; i++) {
        if (strcmp(word, STATUSES[i]) == 0) {
            *out = (worker_status)i;
            return true;
        }
    }
    return false;
}

bool worker_report_parse(const char *text, size_t length, worker_report *report) {
    json_t *root = json_loadb(text, length, 0, NULL);
    const char *schema = json_string_value(json_object_get(root, "schema"));
    *report = (worker_report){.status = WORKER_FAILED};
    bool good = schema != NULL && strcmp(schema, SCHEMA) == 0 && read_status(root, &report->status) &&
                read_text(root, "message", report->message, sizeof report->message) &&
                read_text(root, "library", report->library, sizeof report->library) &&
                read_text(root, "version", report->version, sizeof report->version) && read_phases(root, report);
    if (good) {
        report->time_ns_per_op = read_real(root, "time_ns_per_op");
        report->operations = read_count(root, "operations");
        report->line_round_trip_ns = read_real(root, "line_round_trip_ns");
        report->peak_live_bytes = read_count(root, "peak_live_bytes");
        report->peak_usable_bytes = read_count(root, "peak_usable_bytes");
        report->peak_resident_bytes = read_count(root, "peak_resident_bytes");
        report->resident_growth_bytes = read_count(root, "resident_growth_bytes");
        report->page_faults_minor = read_count(root, "page_faults_minor");
        report->page_faults_major = read_count(root, "page_faults_major");
        report->switches_voluntary = read_count(root, "switches_voluntary");
        report->switches_involuntary = read_count(root, "switches_involuntary");
        report->had_threads = json_is_true(json_object_get(root, "had_threads"));
        report->passes = json_incref(json_object_get(root, "passes"));
        good = report->status != WORKER_OK || (report->time_ns_per_op > 0 && isfinite(report->time_ns_per_op));
    }
    if (!good) {
        worker_report_fini(report);
    }
    json_decref(root);
    return good;
}
