/* From a worker's line to a result. */
#include "measure/passes.h"

#include <jansson.h>
#include <math.h>

#include "measure/latency_merge.h"
#include "measure/run.h"
#include "reports/json_shapes.h"

#define LATENCY_LONGER 10

static bool is_latency(worker_pass pass) {
    return pass == WORKER_LATENCY || pass == WORKER_LATENCY_AT_RATE;
}

uint32_t passes_processes(worker_pass pass, uint32_t rounds, double play_seconds) {
    uint32_t count = is_latency(pass) ? PASSES_LATENCY_PROCESSES : 1;
    if (pass == WORKER_LATENCY_AT_RATE && count * play_seconds > MEASURE_RATE_SECONDS_MAX) {
        count = (uint32_t)fmax(floor(MEASURE_RATE_SECONDS_MAX / play_seconds), 1);
    }
    return count < rounds ? count : rounds;
}

double passes_seconds(worker_pass pass, double timed_seconds, uint32_t processes) {
    return is_latency(pass) ? timed_seconds * LATENCY_LONGER / processes : timed_seconds;
}

static results_latency *latency_of(results_result *result, worker_pass pass) {
    return pass == WORKER_LATENCY_AT_RATE ? &result->latency_at_rate : &result->latency;
}

/* Where a pass says why it has no numbers. */
static const char **message_of(results_result *result, worker_pass pass) {
    switch (pass) {
    case WORKER_INSTRUCTIONS:
        return &result->instructions.message;
    case WORKER_LATENCY:
    case WORKER_LATENCY_AT_RATE:
        return &latency_of(result, pass)->message;
    case WORKER_MEMORY:
        return &result->memory.message;
    case WORKER_TIME:
    case WORKER_PASS_COUNT:
        break;
    }
    return &result->message;
}

static void copy_pass(results_result *result, worker_pass pass, const results_result *from) {
    switch (pass) {
    case WORKER_INSTRUCTIONS:
        result->instructions = from->instructions;
        break;
    case WORKER_LATENCY:
        result->latency = from->latency;
        break;
    case WORKER_LATENCY_AT_RATE:
        result->latency_at_rate = from->latency_at_rate;
        break;
    case WORKER_MEMORY:
        result->memory = from->memory;
        break;
    case WORKER_TIME:
    case WORKER_PASS_COUNT:
        break;
    }
}

/* Figures of some of its processes would stand for a subject that cannot be measured. */
static void forget(results_model *model, results_result *result, worker_pass pass, const char *problem) {
    const size_t before = is_latency(pass) ? latency_of(result, pass)->process_count : 0;
    results_result *unknown =
        results_scenario_add_result(model, results_model_add_scenario_apart(model), result->subject);
    copy_pass(result, pass, unknown);
    *message_of(result, pass) = before > 0 ? model_text_format(model->arena, "process %zu: %s", before + 1, problem)
                                           : model_text(model->arena, problem);
}

bool passes_keep(results_model *model, results_result *result, worker_pass pass, const worker_report *report,
                 const char *problem) {
    json_reader reader = {.arena = model->arena};
    results_result read = {.subject = result->subject};
    if (problem == NULL &&
        (!json_is_object(report->passes) || !json_shape_read(&reader, &json_passes, report->passes, &read))) {
        problem = model_text_format(model->arena, "the worker's numbers cannot be read: %s", reader.fault);
    }
    if (problem == NULL && pass == WORKER_INSTRUCTIONS) {
        results_instructions *counted = &read.instructions;
        counted->total = report->instructions;
        counted->per_op = (double)counted->total / (double)counted->operations;
        if (counted->total == WORKER_UNKNOWN || counted->total == 0 || counted->operations == 0) {
            problem = "callgrind counted nothing";
        }
    }
    if (problem != NULL) {
        forget(model, result, pass, problem);
        return false;
    }
    if (is_latency(pass)) {
        latency_merge_add(model->arena, latency_of(result, pass), latency_of(&read, pass));
    } else {
        copy_pass(result, pass, &read);
    }
    return true;
}

bool passes_has_failed(const results_result *result, worker_pass pass) {
    results_result copy = *result;
    return *message_of(&copy, pass) != NULL;
}

void passes_end(results_result *result, worker_pass pass) {
    if (is_latency(pass)) {
        latency_merge_end(latency_of(result, pass));
    }
}
