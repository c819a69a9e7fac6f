/* Schema poolbuf.compare/1 as tables: the comparison of two results in JSON. Written, never read. */
#include "reports/json.h"

static const char *const VERDICTS[] = {NULL, "baseline", "faster", "slower", "not separated"};
_Static_assert(sizeof VERDICTS / sizeof VERDICTS[0] == MODEL_VERDICT_COUNT, "every verdict has a word");

static const json_field SIDE_FIELDS[] = {
    JSON_TEXT(compare_side, file, JSON_NULLABLE),         JSON_TEXT(compare_side, created, JSON_NULLABLE),
    JSON_TEXT(compare_side, tool_version, JSON_NULLABLE), JSON_TEXT(compare_side, cpu, JSON_NULLABLE),
    JSON_TEXT(compare_side, kernel, JSON_NULLABLE),       JSON_TEXT(compare_side, compiler, JSON_NULLABLE),
    JSON_TEXT(compare_side, build_type, JSON_NULLABLE),   JSON_COUNT(compare_side, rounds, JSON_NULLABLE),
};
static const json_shape SIDE = JSON_SHAPE(compare_side, SIDE_FIELDS);

static const json_field ESTIMATE_FIELDS[] = {
    JSON_NUMBER(model_estimate, median, JSON_NULLABLE),
    JSON_NUMBER(model_estimate, low, JSON_NULLABLE),
    JSON_NUMBER(model_estimate, high, JSON_NULLABLE),
};
static const json_shape ESTIMATE = JSON_SHAPE(model_estimate, ESTIMATE_FIELDS);

static const json_field RATIO_FIELDS[] = {
    JSON_NUMBER(results_ratio, estimate, JSON_NULLABLE),
    JSON_NUMBER(results_ratio, low, JSON_NULLABLE),
    JSON_NUMBER(results_ratio, high, JSON_NULLABLE),
    JSON_CHOICE(results_ratio, verdict, JSON_NULLABLE, VERDICTS),
};
static const json_shape RATIO = JSON_SHAPE(results_ratio, RATIO_FIELDS);

static const json_field ROW_FIELDS[] = {
    JSON_TEXT(compare_row, scenario, JSON_REQUIRED),
    JSON_TEXT(compare_row, subject, JSON_REQUIRED),
    JSON_INNER(compare_row, base_ns_per_op, JSON_NULLABLE, &ESTIMATE),
    JSON_INNER(compare_row, new_ns_per_op, JSON_NULLABLE, &ESTIMATE),
    JSON_INNER(compare_row, ratio, JSON_NULLABLE, &RATIO),
    JSON_FLAG(compare_row, regression, JSON_REQUIRED),
    JSON_TEXT(compare_row, note, JSON_NULLABLE),
};
static const json_shape ROW = JSON_SHAPE(compare_row, ROW_FIELDS);

static const json_field MODEL_FIELDS[] = {
    JSON_INNER(compare_model, base, JSON_REQUIRED, &SIDE),
    JSON_INNER(compare_model, new, JSON_REQUIRED, &SIDE),
    JSON_NUMBER(compare_model, threshold_percent, JSON_NULLABLE),
    JSON_NAMES(compare_model, remarks, remark_count, JSON_REQUIRED),
    JSON_NODES(compare_model, rows, row_count, JSON_REQUIRED, &ROW),
};
static const json_shape MODEL = JSON_SHAPE(compare_model, MODEL_FIELDS);

json_t *compare_to_json(const compare_model *model) {
    json_t *root = json_schema_object(COMPARE_SCHEMA);
    json_shape_write_into(&MODEL, model, root);
    return root;
}
