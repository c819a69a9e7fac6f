/* What the newest run of a history lacks: series without a verdict that must not look like good ones.
 *
 * As `compare` has it of BASE and NEW: a subject that failed, or is not there, leaves its question unasked. What has been gone
 * for longer than the last runs, or since one was accepted, was left out on purpose. */
#ifndef CLI_HISTORY_LOSSES_H
#define CLI_HISTORY_LOSSES_H

#include <stdbool.h>

#include "reports/history.h"

/* history_is_in_newest_run() tells whether the newest run has a point of that.
 *   scenario, metric  NULL: of any. */
bool history_is_in_newest_run(const history_model *model, const char *scenario, const char *subject,
                              const char *metric);

/* history_find_losses() marks the series that the newest run lacks, with the reason; before history_relate(). What it lacks and
 * no series had is a remark.
 *   model->recent  a series that has been gone for more runs is missing no more; a failure lasts.
 *   only_common    a subject or scenario that the newest run has not measured is nothing lost. */
void history_find_losses(history_model *model, bool only_common);

/* Those that --only-common does not forgive: a failure, or a metric that was asked for. */
bool history_losses_are_failures(const history_model *model);

/* history_losses_tell() prints a line on stderr for failures, and one for what is missing. */
void history_losses_tell(const history_model *model);

#endif
