/* Schema poolbuf.compare/1 as tables: the comparison of two results in JSON. Written, never read. */
#include "reports/json.h"
#include "reports/json_shapes.h"

static const json_field SIDE_FIELDS[] = {
    JSON_TEXT(compare_side, file, JSON_NULLABLE),         JSON_TEXT(compare_side, created, JSON_NULLABLE),
    JSON_TEXT(compare_side, tool_version, JSON_NULLABLE), JSON_TEXT(compare_side, cpu, JSON_NULLABLE),
    JSON_TEXT(compare_side, kernel, JSON_NULLABLE),       JSON_TEXT(compare_side, compiler, JSON_NULLABLE),
    JSON_TEXT(compare_side, build_type, JSON_NULLABLE),   JSON_COUNT(compare_side, rounds, JSON_NULLABLE),
};
static const json_shape SIDE = JSON_SHAPE(compare_side, SIDE_FIELDS);

static const char *const UNITS[] = {NULL, "bytes", "count", "ns"};
_Static_assert(sizeof UNITS / sizeof UNITS[0] == COMPARE_UNIT_COUNT, "every unit has a word");

static const char *const LOSSES[] = {NULL, "failed", "missing"};
_Static_assert(sizeof LOSSES / sizeof LOSSES[0] == COMPARE_LOSS_COUNT, "every loss has a word");

static const json_field ROW_FIELDS[] = {
    JSON_TEXT(compare_row, scenario, JSON_REQUIRED),
    JSON_TEXT(compare_row, subject, JSON_REQUIRED),
    JSON_INNER(compare_row, base_ns_per_op, JSON_NULLABLE, &json_estimate),
    JSON_INNER(compare_row, new_ns_per_op, JSON_NULLABLE, &json_estimate),
    JSON_INNER(compare_row, ratio, JSON_NULLABLE, &json_ratio),
    JSON_FLAG(compare_row, regression, JSON_REQUIRED),
    JSON_TEXT(compare_row, note, JSON_NULLABLE),
    JSON_TEXT(compare_row, metric, JSON_OPTIONAL),
    JSON_INNER(compare_row, base_amount, JSON_OPTIONAL, &json_estimate),
    JSON_INNER(compare_row, new_amount, JSON_OPTIONAL, &json_estimate),
    JSON_CHOICE(compare_row, unit, JSON_OPTIONAL, UNITS),
    JSON_FLAG_NAMED(compare_row, "by_threshold_alone", is_by_threshold, JSON_OPTIONAL),
    JSON_NUMBER(compare_row, limit_percent, JSON_OPTIONAL),
    JSON_FLAG(compare_row, suspected, JSON_OPTIONAL),
    JSON_INNER(compare_row, confirmed, JSON_OPTIONAL, &json_ratio),
    JSON_TEXT(compare_row, confirmation, JSON_OPTIONAL),
    JSON_CHOICE(compare_row, loss, JSON_OPTIONAL, LOSSES),
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
