/* What is new since a baseline: an earlier report, whose leaks are known and do not fail a build. */
#ifndef POOLBUF_REPORTS_LEAKS_BASELINE_H
#define POOLBUF_REPORTS_LEAKS_BASELINE_H

#include "reports/model.h"

typedef struct leaks_comparison {
    size_t new_groups, grown_groups, known_groups;
    size_t gone; /* groups of the baseline that are here no more: it could be renewed */
} leaks_comparison;

/* leaks_compare() gives every group of `model` its standing. Groups are the same by fingerprint and type, whatever Memcheck
 * calls them. A group has grown if it certainly is larger: the lower end of what it is estimated at lies above the upper
 * end of the baseline's. Where everything is tracked, that is one more than there was; in a sample, chance alone does not
 * make a group grow. */
leaks_comparison leaks_compare(leaks_model *model, const leaks_model *baseline);

#endif
