/* What the series of a history say: where their levels changed, and whether the newest run is a regression.
 *
 * Two questions, as one cannot answer both. A level (stats/steps.h) takes three runs to be seen, and then even a small change
 * of it is certain. The newest run alone is judged by where it was to be expected from its level so far; it must lie beyond
 * that, its own interval too, and beyond the threshold.
 *
 * A check looks at many series, so each is asked at 5 % shared among them all (Bonferroni): of checks in which nothing has
 * changed, one in twenty at most is red by chance. */
#ifndef CLI_HISTORY_JUDGE_H
#define CLI_HISTORY_JUDGE_H

#include "history_store.h"
#include "reports/history.h"

enum {
    HISTORY_RUNS_LEAST = 6 /* of a series that is judged, since the last accepted one: five to go by, and the newest */
};

/* history_relate() divides every time by that of a subject in the same run, scenario and metric; other metrics stay as they
 * are. That subject's own series goes, and so do points of runs that lack it.
 *   returns  false if no series has that subject. */
bool history_relate(history_model *model, const char *subject);

/* history_mark_steps() finds the changes of level of all series. */
void history_mark_steps(history_model *model);

/* history_judge() judges those that have a limit, after history_mark_steps().
 *   model->recent  a level that began in so many last runs is new: it answers for itself. */
void history_judge(history_model *model);

#endif
