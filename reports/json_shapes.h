/* The shapes that results and comparisons share: an estimate with its interval, and a ratio with its verdict. */
#ifndef POOLBUF_REPORTS_JSON_SHAPES_H
#define POOLBUF_REPORTS_JSON_SHAPES_H

#include "reports/json_field.h"

extern const json_shape json_estimate; /* of a model_estimate */
extern const json_shape json_ratio;    /* of a results_ratio */

#endif
