/* One table of metrics; where in a model each has its numbers. */
#include "metrics.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/run.h"
#include "stats/stats.h"

#define AT_LATENCY(member) offsetof(results_latency_process, member), offsetof(results_latency, member)

typedef enum origin {
    OF_ROUNDS,
    OF_LATENCY,
    OF_LATENCY_AT_RATE,
    OF_MEMORY,
    OF_INSTRUCTIONS
} origin;

static const struct {
    const char *name;
    compare_unit unit;
    origin from;
    size_t in_process, in_pass; /* latency: where its doubles are */
} METRICS[] = {
    [METRIC_TIME] = {"time", COMPARE_NS, OF_ROUNDS, 0, 0},
    [METRIC_MEMORY] = {"memory", COMPARE_BYTES, OF_ROUNDS, 0, 0},
    [METRIC_GROWTH] = {"growth", COMPARE_BYTES, OF_ROUNDS, 0, 0},
    [METRIC_FAULTS] = {"faults", COMPARE_COUNT, OF_ROUNDS, 0, 0},
    [METRIC_LATENCY_P50] = {"latency-p50", COMPARE_NS, OF_LATENCY, AT_LATENCY(p50_ns)},
    [METRIC_LATENCY_P99] = {"latency-p99", COMPARE_NS, OF_LATENCY, AT_LATENCY(p99_ns)},
    [METRIC_LATENCY_P99_9] = {"latency-p99.9", COMPARE_NS, OF_LATENCY, AT_LATENCY(p99_9_ns)},
    [METRIC_LATENCY_P99_99] = {"latency-p99.99", COMPARE_NS, OF_LATENCY, AT_LATENCY(p99_99_ns)},
    [METRIC_RATE_P50] = {"latency-at-rate-p50", COMPARE_NS, OF_LATENCY_AT_RATE, AT_LATENCY(p50_ns)},
    [METRIC_RATE_P99] = {"latency-at-rate-p99", COMPARE_NS, OF_LATENCY_AT_RATE, AT_LATENCY(p99_ns)},
    [METRIC_RATE_P99_9] = {"latency-at-rate-p99.9", COMPARE_NS, OF_LATENCY_AT_RATE, AT_LATENCY(p99_9_ns)},
    [METRIC_RATE_P99_99] = {"latency-at-rate-p99.99", COMPARE_NS, OF_LATENCY_AT_RATE, AT_LATENCY(p99_99_ns)},
    [METRIC_MEMORY_DRAINED] = {"memory-drained", COMPARE_BYTES, OF_MEMORY, 0, 0},
    [METRIC_MEMORY_IDLE] = {"memory-idle", COMPARE_BYTES, OF_MEMORY, 0, 0},
    [METRIC_INSTRUCTIONS] = {"instructions", COMPARE_COUNT, OF_INSTRUCTIONS, 0, 0},
};
_Static_assert(sizeof METRICS / sizeof METRICS[0] == METRIC_COUNT, "every metric has a name");

static const char *const OPTIONS[] = {
    [OF_ROUNDS] = NULL,
    [OF_LATENCY] = "--measure latency",
    [OF_LATENCY_AT_RATE] = "--measure latency --rate N",
    [OF_MEMORY] = "--measure memory",
    [OF_INSTRUCTIONS] = "--measure instructions",
};

const char *metric_name(metric which) {
    return METRICS[which].name;
}

const char *metric_names(void) {
    static char line[512];
    size_t used = 0;
    for (size_t i = 0; i < METRIC_COUNT && used < sizeof line; i++) {
        const int more = snprintf(line + used, sizeof line - used, "%s%s", i == 0 ? "" : ", ", METRICS[i].name);
        used += more > 0 ? (size_t)more : 0;
    }
    return line;
}

metric metric_find(const char *name, size_t length) {
    size_t i = 0;
    while (i < METRIC_COUNT && (strlen(METRICS[i].name) != length || strncmp(METRICS[i].name, name, length) != 0)) {
        i++;
    }
    return (metric)i;
}

compare_unit metric_unit(metric which) {
    return METRICS[which].unit;
}

const char *metric_option(metric which) {
    return OPTIONS[METRICS[which].from];
}

unsigned metric_passes(metric which) {
    static const unsigned PASSES[] = {
        [OF_ROUNDS] = 0,
        [OF_LATENCY] = MEASURE_PASS(WORKER_LATENCY),
        [OF_LATENCY_AT_RATE] = MEASURE_PASS(WORKER_LATENCY_AT_RATE),
        [OF_MEMORY] = MEASURE_PASS(WORKER_MEMORY),
        [OF_INSTRUCTIONS] = MEASURE_PASS(WORKER_INSTRUCTIONS),
    };
    return PASSES[METRICS[which].from];
}

static double known(uint64_t count) {
    return count == MODEL_UNKNOWN ? nan("") : (double)count;
}

static double double_at(const void *from, size_t offset) {
    double value;
    memcpy(&value, (const unsigned char *)from + offset, sizeof value);
    return value;
}

static const results_latency *latency_of(metric which, const results_result *result) {
    return METRICS[which].from == OF_LATENCY           ? &result->latency
           : METRICS[which].from == OF_LATENCY_AT_RATE ? &result->latency_at_rate
                                                       : NULL;
}

double metric_rate(metric which, const results_result *result) {
    return METRICS[which].from == OF_LATENCY_AT_RATE ? result->latency_at_rate.rate_per_second : nan("");
}

static double of_round(metric which, const results_sample *sample) {
    return which == METRIC_TIME     ? sample->time_ns_per_op
           : which == METRIC_MEMORY ? known(sample->peak_resident_bytes)
           : which == METRIC_GROWTH ? known(sample->resident_growth_bytes)
           : which == METRIC_FAULTS ? known(sample->page_faults_minor)
                                    : nan("");
}

bool metric_samples(metric which, const results_result *result, double **out, size_t *count) {
    const results_latency *latency = latency_of(which, result);
    *count = METRICS[which].from == OF_ROUNDS ? result->sample_count : latency != NULL ? latency->process_count : 0;
    *out = calloc(*count + 1, sizeof **out);
    for (size_t i = 0; *out != NULL && i < *count; i++) {
        (*out)[i] = latency != NULL ? double_at(latency->processes[i], METRICS[which].in_process)
                                    : of_round(which, result->samples[i]);
    }
    return *out != NULL;
}

double metric_alone(metric which, const results_result *result) {
    switch (METRICS[which].from) {
    case OF_LATENCY:
        return double_at(&result->latency, METRICS[which].in_pass);
    case OF_LATENCY_AT_RATE:
        return double_at(&result->latency_at_rate, METRICS[which].in_pass);
    case OF_MEMORY:
        return known(which == METRIC_MEMORY_DRAINED ? result->memory.drained_resident_bytes
                                                    : result->memory.idle_resident_bytes);
    case OF_INSTRUCTIONS:
        return result->instructions.per_op;
    case OF_ROUNDS:
        break;
    }
    return nan("");
}

model_estimate metric_estimate(metric which, const results_result *result, bool is_alone) {
    model_estimate estimate = {MODEL_NAN, MODEL_NAN, MODEL_NAN};
    double *samples = NULL;
    size_t count = 0;
    if (is_alone) {
        estimate.median = metric_alone(which, result);
    } else if (metric_samples(which, result, &samples, &count)) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (isfinite(samples[i])) {
                samples[kept++] = samples[i];
            }
        }
        stats_sort(samples, kept);
        estimate.median = stats_quantile(samples, kept, 0.5);
        stats_median_interval(samples, kept, &estimate.low, &estimate.high);
    }
    free(samples);
    return estimate;
}
