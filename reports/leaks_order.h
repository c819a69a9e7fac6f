/* The order in which findings are shown: the most bytes first, then the highest count, then by fingerprint, so that two
 * runs of one program show the same leak in the same place. */
#ifndef POOLBUF_REPORTS_LEAKS_ORDER_H
#define POOLBUF_REPORTS_LEAKS_ORDER_H

#include "reports/model.h"

/* The groups in that order; the list lives as long as the model. */
const leaks_group **leaks_order(const leaks_model *model);

#endif
