/* The shapes that results and comparisons share. */
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
