/* What BASE has and NEW has not: a gate that judges only what is left would open by itself.
 *
 *   failed    a subject that was fine in BASE failed in NEW
 *   missing   it is not in NEW, with its scenario or alone; it is not available or not supported there; or a run that was
 *             ended left too few samples. A metric that has a threshold is missing where NEW did not measure it.
 *
 * Fewer in NEW may be on purpose, and losses_forgive() is for that. It forgives no failure, and no metric: whoever gives
 * it a threshold wants it judged. */
#ifndef CLI_COMPARE_LOSSES_H
#define CLI_COMPARE_LOSSES_H

#include <stdbool.h>
#include <stddef.h>

#include "reports/model.h"

/* losses_are_measured() says whether both sides are, so that losses_find() would find nothing. */
bool losses_are_measured(const results_result *base, const results_result *new);

/* losses_find() looks at a row whose sides are not both measured, and gives it its note and its loss.
 *   base, new  NULL where a file has no such result.
 *   returns    false when both have samples, which is the caller's to compare. */
bool losses_find(const compare_model *model, compare_row *row, const results_result *base, const results_result *new);

/* losses_of_samples() is what it is that two lists of times gave no verdict: missing, when it is for NEW's alone. */
compare_loss losses_of_samples(const double *base, size_t base_count, const double *new, size_t new_count);

/* losses_forgive() makes what is missing in NEW no loss. */
void losses_forgive(compare_model *model);

/* losses_are_failures() says whether some are more than a result that is missing: failures, and metrics. */
bool losses_are_failures(const compare_model *model);

/* losses_tell() names them on stderr, those that failed in one line, those that are missing in another with what to do;
 * nothing without any.
 *   partial  NEW's run was ended before its time. */
void losses_tell(const compare_model *model, bool partial);

#endif
