/* From a worker's line to a result. */
#include "measure/passes.h"

#include <jansson.h>

#include "reports/json_shapes.h"

#define LATENCY_LONGER 10

size_t passes_count(unsigned passes) {
    return (size_t)__builtin_popcount(passes);
}

double passes_seconds(worker_pass pass, double timed_seconds) {
    return pass == WORKER_LATENCY || pass == WORKER_LATENCY_AT_RATE ? timed_seconds * LATENCY_LONGER : timed_seconds;
}

static void set_message(results_result *result, worker_pass pass, const char *message) {
    switch (pass) {
    case WORKER_INSTRUCTIONS:
        result->instructions.message = message;
        break;
    case WORKER_LATENCY:
        result->latency.message = message;
        break;
    case WORKER_LATENCY_AT_RATE:
        result->latency_at_rate.message = message;
        break;
    case WORKER_MEMORY:
        result->memory.message = message;
        break;
    case WORKER_TIME:
    case WORKER_PASS_COUNT:
        break;
    }
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
        set_message(result, pass, model_text(model->arena, problem));
        return false;
    }
    copy_pass(result, pass, &read);
    return true;
}
