/* Schema poolbuf.results/1 as tables: benchmark results in JSON. reports/results.schema.json says the same in JSON
 * Schema, and a test holds the two together. */
#include "reports/json.h"

#include <stdio.h>
#include <string.h>

#include "reports/json_shapes.h"

static const char *const STATUSES[] = {"ok", "failed", "unavailable", "unsupported"};
_Static_assert(sizeof STATUSES / sizeof STATUSES[0] == RESULT_STATUS_COUNT, "every status has a word");

static const json_field HOST_FIELDS[] = {
    JSON_TEXT(results_host, cpu, JSON_NULLABLE),
    JSON_COUNT(results_host, cores, JSON_NULLABLE),
    JSON_TEXT(results_host, kernel, JSON_NULLABLE),
    JSON_COUNT(results_host, memory_bytes, JSON_NULLABLE),
    JSON_TEXT(results_host, virtualization, JSON_NULLABLE),
};
static const json_shape HOST = JSON_SHAPE(results_host, HOST_FIELDS);

static const json_field BUILD_FIELDS[] = {
    JSON_TEXT(results_build, compiler, JSON_NULLABLE),
    JSON_TEXT(results_build, type, JSON_NULLABLE),
    JSON_TEXT(results_build, flags, JSON_NULLABLE),
};
static const json_shape BUILD = JSON_SHAPE(results_build, BUILD_FIELDS);

static const json_field RUN_FIELDS[] = {
    JSON_TEXT(results_run, suite, JSON_NULLABLE),      JSON_COUNT(results_run, seed, JSON_NULLABLE),
    JSON_COUNT(results_run, rounds, JSON_NULLABLE),    JSON_FLAG(results_run, quick, JSON_REQUIRED),
    JSON_TEXT(results_run, leak_level, JSON_NULLABLE), JSON_TEXT(results_run, baseline_subject, JSON_NULLABLE),
    JSON_FLAG(results_run, partial, JSON_OPTIONAL),    JSON_NAMES(results_run, spoilers, spoiler_count, JSON_OPTIONAL),
};
static const json_shape RUN = JSON_SHAPE(results_run, RUN_FIELDS);

static const json_field SUBJECT_FIELDS[] = {
    JSON_TEXT(results_subject, name, JSON_REQUIRED),           JSON_FLAG(results_subject, available, JSON_REQUIRED),
    JSON_TEXT(results_subject, note, JSON_NULLABLE),           JSON_TEXT(results_subject, library, JSON_NULLABLE),
    JSON_TEXT(results_subject, version, JSON_NULLABLE),        JSON_TEXT(results_subject, package, JSON_NULLABLE),
    JSON_TEXT(results_subject, plays, JSON_OPTIONAL),          JSON_COUNT(results_subject, spin_percent, JSON_OPTIONAL),
    JSON_COUNT(results_subject, stall_every, JSON_OPTIONAL),   JSON_COUNT(results_subject, stall_ns, JSON_OPTIONAL),
    JSON_TEXT(results_subject, library_digest, JSON_OPTIONAL),
};
static const json_shape SUBJECT = JSON_SHAPE(results_subject, SUBJECT_FIELDS);

static const json_field PHASE_FIELDS[] = {
    JSON_TEXT(results_phase, name, JSON_REQUIRED),
    JSON_COUNT(results_phase, live_buffers, JSON_NULLABLE),
    JSON_COUNT(results_phase, live_bytes, JSON_NULLABLE),
};
static const json_shape PHASE = JSON_SHAPE(results_phase, PHASE_FIELDS);

static const json_field SAMPLE_FIELDS[] = {
    JSON_COUNT(results_sample, round, JSON_REQUIRED),
    JSON_COUNT(results_sample, position, JSON_NULLABLE),
    JSON_NUMBER(results_sample, time_ns_per_op, JSON_NULLABLE),
    JSON_COUNT(results_sample, operations, JSON_NULLABLE),
    JSON_COUNT(results_sample, peak_live_bytes, JSON_NULLABLE),
    JSON_COUNT(results_sample, peak_usable_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_sample, peak_resident_bytes, JSON_NULLABLE),
    JSON_COUNT(results_sample, resident_growth_bytes, JSON_NULLABLE),
    JSON_COUNT(results_sample, page_faults_minor, JSON_NULLABLE),
    JSON_COUNT(results_sample, page_faults_major, JSON_NULLABLE),
    JSON_NODES(results_sample, phases, phase_count, JSON_REQUIRED, &PHASE),
    JSON_FLAG(results_sample, outlier, JSON_OPTIONAL),
    JSON_COUNT(results_sample, switches_voluntary, JSON_OPTIONAL),
    JSON_COUNT(results_sample, switches_involuntary, JSON_OPTIONAL),
    JSON_NUMBER(results_sample, line_round_trip_ns, JSON_OPTIONAL),
    JSON_FLAG(results_sample, had_threads, JSON_OPTIONAL),
};
static const json_shape SAMPLE = JSON_SHAPE(results_sample, SAMPLE_FIELDS);

static const json_field RESULT_FIELDS[] = {
    JSON_TEXT(results_result, subject, JSON_REQUIRED),
    JSON_CHOICE(results_result, status, JSON_REQUIRED, STATUSES),
    JSON_TEXT(results_result, message, JSON_NULLABLE),
    JSON_NODES(results_result, samples, sample_count, JSON_REQUIRED, &SAMPLE),
    JSON_INNER(results_result, time_ns_per_op, JSON_NULLABLE, &json_estimate),
    JSON_INNER(results_result, peak_resident_bytes, JSON_NULLABLE, &json_estimate),
    JSON_INNER(results_result, ratio, JSON_NULLABLE, &json_ratio),
    JSON_INNER(results_result, to_fastest, JSON_NULLABLE, &json_ratio),
    JSON_COUNT(results_result, rounds_needed, JSON_OPTIONAL),
    JSON_INNER(results_result, instructions, JSON_OPTIONAL, &json_instructions),
    JSON_INNER(results_result, latency, JSON_OPTIONAL, &json_latency),
    JSON_INNER(results_result, latency_at_rate, JSON_OPTIONAL, &json_latency),
    JSON_INNER(results_result, memory, JSON_OPTIONAL, &json_memory),
};
static const json_shape RESULT = JSON_SHAPE(results_result, RESULT_FIELDS);

static const json_field SCENARIO_FIELDS[] = {
    JSON_TEXT(results_scenario, name, JSON_REQUIRED),
    JSON_TEXT(results_scenario, asks, JSON_NULLABLE),
    JSON_TEXT(results_scenario, source, JSON_NULLABLE),
    JSON_TEXT(results_scenario, file, JSON_NULLABLE),
    JSON_COUNT(results_scenario, threads, JSON_REQUIRED),
    JSON_COUNT(results_scenario, operations, JSON_NULLABLE),
    JSON_COUNT(results_scenario, allocations, JSON_NULLABLE),
    JSON_TEXT(results_scenario, stream_digest, JSON_OPTIONAL),
    JSON_NAMES(results_scenario, phases, phase_count, JSON_REQUIRED),
    JSON_NUMBER(results_scenario, line_round_trip_ns, JSON_NULLABLE),
    JSON_COUNT(results_scenario, rounds_played, JSON_OPTIONAL),
    JSON_NUMBER(results_scenario, confidence, JSON_OPTIONAL),
    JSON_NODES(results_scenario, results, result_count, JSON_REQUIRED, &RESULT),
};
static const json_shape SCENARIO = JSON_SHAPE(results_scenario, SCENARIO_FIELDS);

static const json_field RANK_FIELDS[] = {
    JSON_TEXT(results_rank, subject, JSON_REQUIRED),
    JSON_COUNT(results_rank, rank, JSON_REQUIRED),
    JSON_COUNT(results_rank, rank_low, JSON_NULLABLE),
    JSON_COUNT(results_rank, rank_high, JSON_NULLABLE),
    JSON_INNER(results_rank, ratio, JSON_NULLABLE, &json_ratio),
};
static const json_shape RANK = JSON_SHAPE(results_rank, RANK_FIELDS);

static const json_field MODEL_FIELDS[] = {
    JSON_TEXT(results_model, created, JSON_REQUIRED),
    JSON_TEXT(results_model, tool_version, JSON_REQUIRED),
    JSON_NAMES(results_model, command, command_count, JSON_REQUIRED),
    JSON_INNER(results_model, host, JSON_REQUIRED, &HOST),
    JSON_INNER(results_model, build, JSON_REQUIRED, &BUILD),
    JSON_INNER(results_model, run, JSON_REQUIRED, &RUN),
    JSON_NODES(results_model, subjects, subject_count, JSON_REQUIRED, &SUBJECT),
    JSON_NODES(results_model, scenarios, scenario_count, JSON_REQUIRED, &SCENARIO),
    JSON_NODES(results_model, ranks, rank_count, JSON_OPTIONAL, &RANK),
};
static const json_shape MODEL = JSON_SHAPE(results_model, MODEL_FIELDS);

json_t *results_to_json(const results_model *model) {
    json_t *root = json_schema_object(RESULTS_SCHEMA);
    json_shape_write_into(&MODEL, model, root);
    return root;
}

/* What the tables cannot say: names are unique where they are keys, and every result names a subject of this file. */
static bool check_names(json_reader *reader, const results_model *model) {
    for (size_t s = 0; s < model->subject_count; s++) {
        for (size_t other = 0; other < s; other++) {
            if (strcmp(model->subjects[other]->name, model->subjects[s]->name) == 0) {
                snprintf(reader->path, sizeof reader->path, "subjects[%zu].name", s);
                return json_fault(reader, "is \"%.60s\", as in subjects[%zu]; expected each subject once",
                                  model->subjects[s]->name, other);
            }
        }
    }
    for (size_t s = 0; s < model->scenario_count; s++) {
        const results_scenario *scenario = model->scenarios[s];
        for (size_t r = 0; r < scenario->result_count; r++) {
            const char *subject = scenario->results[r]->subject;
            snprintf(reader->path, sizeof reader->path, "scenarios[%zu].results[%zu].subject", s, r);
            for (size_t other = 0; other < r; other++) {
                if (strcmp(scenario->results[other]->subject, subject) == 0) {
                    return json_fault(reader, "is \"%.60s\", as in results[%zu]; expected one result a subject",
                                      subject, other);
                }
            }
            size_t known = 0;
            while (known < model->subject_count && strcmp(model->subjects[known]->name, subject) != 0) {
                known++;
            }
            if (known == model->subject_count) {
                return json_fault(reader, "is \"%.60s\"; expected a name from \"subjects\"", subject);
            }
        }
        for (size_t other = 0; other < s; other++) {
            if (strcmp(model->scenarios[other]->name, scenario->name) == 0) {
                snprintf(reader->path, sizeof reader->path, "scenarios[%zu].name", s);
                return json_fault(reader, "is \"%.60s\", as in scenarios[%zu]; expected each scenario once",
                                  scenario->name, other);
            }
        }
    }
    return true;
}

/* json_shape_read() leaves the outermost object to us, as leaks have several shapes in it. */
static void find_strangers(json_reader *reader, const json_t *root) {
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value) {
        if (strcmp(key, "schema") != 0 && !json_shape_has(&MODEL, key)) {
            json_stranger(reader, key);
        }
    }
}

results_model *results_from_json(json_reader *reader, const json_t *root) {
    results_model *model = results_model_create();
    reader->arena = model->arena;
    if (!json_shape_read(reader, &MODEL, root, model) || !check_names(reader, model)) {
        results_model_destroy(model);
        return NULL;
    }
    reader->path[0] = '\0';
    find_strangers(reader, root);
    return model;
}
