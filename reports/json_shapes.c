/* The shapes that several documents share. */
#include "reports/json_shapes.h"

static const char *const VERDICTS[] = {NULL, "baseline", "faster", "slower", "not separated"};
_Static_assert(sizeof VERDICTS / sizeof VERDICTS[0] == MODEL_VERDICT_COUNT, "every verdict has a word");

static const json_field ESTIMATE_FIELDS[] = {
    JSON_NUMBER(model_estimate, median, JSON_NULLABLE),
    JSON_NUMBER(model_estimate, low, JSON_NULLABLE),
    JSON_NUMBER(model_estimate, high, JSON_NULLABLE),
};
const json_shape json_estimate = JSON_SHAPE(model_estimate, ESTIMATE_FIELDS);

static const json_field RATIO_FIELDS[] = {
    JSON_NUMBER(results_ratio, estimate, JSON_NULLABLE),
    JSON_NUMBER(results_ratio, low, JSON_NULLABLE),
    JSON_NUMBER(results_ratio, high, JSON_NULLABLE),
    JSON_CHOICE(results_ratio, verdict, JSON_NULLABLE, VERDICTS),
};
const json_shape json_ratio = JSON_SHAPE(results_ratio, RATIO_FIELDS);

/* ---- passes: what is not known is left out ---- */

static const json_field INSTRUCTIONS_FIELDS[] = {
    JSON_TEXT(results_instructions, message, JSON_OPTIONAL),
    JSON_NUMBER(results_instructions, per_op, JSON_OPTIONAL),
    JSON_NUMBER(results_instructions, null_per_op, JSON_OPTIONAL),
    JSON_COUNT(results_instructions, total, JSON_OPTIONAL),
    JSON_COUNT(results_instructions, operations, JSON_OPTIONAL),
};
const json_shape json_instructions = JSON_SHAPE(results_instructions, INSTRUCTIONS_FIELDS);

static const json_field BUCKET_FIELDS[] = {
    JSON_NUMBER(results_bucket, up_to_ns, JSON_REQUIRED),
    JSON_COUNT(results_bucket, count, JSON_REQUIRED),
};
static const json_shape BUCKET = JSON_SHAPE(results_bucket, BUCKET_FIELDS);

static const json_field LATENCY_PROCESS_FIELDS[] = {
    JSON_NUMBER(results_latency_process, mean_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency_process, p50_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency_process, p90_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency_process, p99_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency_process, p99_9_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency_process, p99_99_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency_process, max_ns, JSON_OPTIONAL),
};
static const json_shape LATENCY_PROCESS = JSON_SHAPE(results_latency_process, LATENCY_PROCESS_FIELDS);

static const json_field LATENCY_SPREAD_FIELDS[] = {
    JSON_INNER(results_latency_spread, mean_ns, JSON_OPTIONAL, &json_estimate),
    JSON_INNER(results_latency_spread, p50_ns, JSON_OPTIONAL, &json_estimate),
    JSON_INNER(results_latency_spread, p90_ns, JSON_OPTIONAL, &json_estimate),
    JSON_INNER(results_latency_spread, p99_ns, JSON_OPTIONAL, &json_estimate),
    JSON_INNER(results_latency_spread, p99_9_ns, JSON_OPTIONAL, &json_estimate),
    JSON_INNER(results_latency_spread, p99_99_ns, JSON_OPTIONAL, &json_estimate),
    JSON_INNER(results_latency_spread, max_ns, JSON_OPTIONAL, &json_estimate),
};
static const json_shape LATENCY_SPREAD = JSON_SHAPE(results_latency_spread, LATENCY_SPREAD_FIELDS);

static const json_field LATENCY_FIELDS[] = {
    JSON_TEXT(results_latency, message, JSON_OPTIONAL),
    JSON_TEXT(results_latency, clock, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, clock_cost_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, relative_error, JSON_OPTIONAL),
    JSON_COUNT(results_latency, operations, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, rate_per_second, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, reached_per_second, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, mean_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, p50_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, p90_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, p99_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, p99_9_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, p99_99_ns, JSON_OPTIONAL),
    JSON_NUMBER(results_latency, max_ns, JSON_OPTIONAL),
    JSON_NODES(results_latency, buckets, bucket_count, JSON_OPTIONAL, &BUCKET),
    JSON_NODES(results_latency, processes, process_count, JSON_OPTIONAL, &LATENCY_PROCESS),
    JSON_INNER(results_latency, spread, JSON_OPTIONAL, &LATENCY_SPREAD),
};
const json_shape json_latency = JSON_SHAPE(results_latency, LATENCY_FIELDS);

static const json_field MEMORY_POINT_FIELDS[] = {
    JSON_NUMBER(results_memory_point, at_ms, JSON_REQUIRED),
    JSON_COUNT(results_memory_point, live_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_memory_point, usable_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_memory_point, committed_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_memory_point, resident_bytes, JSON_OPTIONAL),
};
static const json_shape MEMORY_POINT = JSON_SHAPE(results_memory_point, MEMORY_POINT_FIELDS);

static const json_field MEMORY_FIELDS[] = {
    JSON_TEXT(results_memory, message, JSON_OPTIONAL),
    JSON_COUNT(results_memory, start_resident_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_memory, peak_resident_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_memory, peak_live_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_memory, drained_resident_bytes, JSON_OPTIONAL),
    JSON_COUNT(results_memory, idle_resident_bytes, JSON_OPTIONAL),
    JSON_NUMBER(results_memory, idle_seconds, JSON_OPTIONAL),
    JSON_NODES(results_memory, points, point_count, JSON_OPTIONAL, &MEMORY_POINT),
};
const json_shape json_memory = JSON_SHAPE(results_memory, MEMORY_FIELDS);

static const json_field PASSES_FIELDS[] = {
    JSON_INNER(results_result, instructions, JSON_OPTIONAL, &json_instructions),
    JSON_INNER(results_result, latency, JSON_OPTIONAL, &json_latency),
    JSON_INNER(results_result, latency_at_rate, JSON_OPTIONAL, &json_latency),
    JSON_INNER(results_result, memory, JSON_OPTIONAL, &json_memory),
};
const json_shape json_passes = JSON_SHAPE(results_result, PASSES_FIELDS);
