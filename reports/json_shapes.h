/* The shapes that several documents share: an estimate with its interval, and a ratio with its verdict; what a pass
 * measured, which a worker's line has as well as a results file. */
#ifndef POOLBUF_REPORTS_JSON_SHAPES_H
#define POOLBUF_REPORTS_JSON_SHAPES_H

#include "reports/json_field.h"

extern const json_shape json_estimate;     /* of a model_estimate */
extern const json_shape json_ratio;        /* of a results_ratio */
extern const json_shape json_instructions; /* of a results_instructions; and so on */
extern const json_shape json_latency;
extern const json_shape json_memory;
extern const json_shape json_passes; /* of a results_result: these alone, under their keys */

#endif
