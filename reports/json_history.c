/* Schema poolbuf.history/1 as tables: what a history shows, or found, in JSON. Written, never read: the database keeps it. */
#include "reports/json.h"
#include "reports/json_shapes.h"

static const json_field POINT_FIELDS[] = {
    JSON_COUNT(history_point, run, JSON_REQUIRED),     JSON_TEXT(history_point, created, JSON_REQUIRED),
    JSON_TEXT(history_point, label, JSON_NULLABLE),    JSON_INNER(history_point, value, JSON_REQUIRED, &json_estimate),
    JSON_TEXT(history_point, accepted, JSON_OPTIONAL), JSON_NUMBER(history_point, step, JSON_OPTIONAL),
    JSON_NUMBER(history_point, level, JSON_OPTIONAL),
};
static const json_shape POINT = JSON_SHAPE(history_point, POINT_FIELDS);

static const char *const UNITS[] = {NULL, "bytes", "count", "ns"};
_Static_assert(sizeof UNITS / sizeof UNITS[0] == COMPARE_UNIT_COUNT, "every unit has a word");

static const char *const VERDICTS[] = {NULL, "too few runs", "as usual", "better", "worse"};
_Static_assert(sizeof VERDICTS / sizeof VERDICTS[0] == HISTORY_VERDICT_COUNT, "every verdict has a word");

static const char *const LOSSES[] = {NULL, "failed", "not measured", "missing"};
_Static_assert(sizeof LOSSES / sizeof LOSSES[0] == HISTORY_LOSS_COUNT, "every loss has a word");

static const json_field SERIES_FIELDS[] = {
    JSON_TEXT(history_series, scenario, JSON_REQUIRED),
    JSON_TEXT(history_series, subject, JSON_REQUIRED),
    JSON_TEXT(history_series, metric, JSON_REQUIRED),
    JSON_CHOICE(history_series, unit, JSON_NULLABLE, UNITS),
    JSON_CHOICE(history_series, verdict, JSON_NULLABLE, VERDICTS),
    JSON_TEXT(history_series, note, JSON_OPTIONAL),
    JSON_CHOICE(history_series, loss, JSON_OPTIONAL, LOSSES),
    JSON_NUMBER(history_series, change, JSON_NULLABLE),
    JSON_INNER(history_series, usual, JSON_NULLABLE, &json_estimate),
    JSON_NUMBER(history_series, limit_percent, JSON_NULLABLE),
    JSON_NODES(history_series, points, point_count, JSON_REQUIRED, &POINT),
};
static const json_shape SERIES = JSON_SHAPE(history_series, SERIES_FIELDS);

static const json_field MODEL_FIELDS[] = {
    JSON_TEXT(history_model, database, JSON_REQUIRED),
    JSON_TEXT(history_model, host, JSON_NULLABLE),
    JSON_TEXT(history_model, build, JSON_NULLABLE),
    JSON_TEXT(history_model, relative_to, JSON_NULLABLE),
    JSON_COUNT(history_model, run_count, JSON_REQUIRED),
    JSON_COUNT(history_model, newest_run, JSON_REQUIRED),
    JSON_TEXT(history_model, newest, JSON_NULLABLE),
    JSON_TEXT(history_model, newest_label, JSON_NULLABLE),
    JSON_NAMES(history_model, remarks, remark_count, JSON_REQUIRED),
    JSON_NODES(history_model, series, series_count, JSON_REQUIRED, &SERIES),
};
static const json_shape MODEL = JSON_SHAPE(history_model, MODEL_FIELDS);

/* Where a level began that a verdict is about is told by its run's number. */
static void add_since(const history_model *model, json_t *root) {
    json_t *list = json_object_get(root, "series");
    for (size_t i = 0; i < model->series_count; i++) {
        const history_point *since = model->series[i]->since;
        if (since != NULL) {
            (void)json_object_set_new(json_array_get(list, i), "since_run", json_integer((json_int_t)since->run));
        }
    }
}

json_t *history_to_json(const history_model *model) {
    json_t *root = json_schema_object(HISTORY_SCHEMA);
    json_shape_write_into(&MODEL, model, root);
    add_since(model, root);
    return root;
}
