/* What runs, how far it is, and how long it will take: a line on a terminal, silence elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>

#include "measure/run.h"

typedef struct progress {
    bool is_shown;
} progress;

/* progress_init() shows nothing when stderr is no terminal or cannot erase a line (TERM=dumb), when CI is set and not
 * empty, or when quiet. */
void progress_init(progress *self, bool quiet);

/* progress_step() draws; it is a measure_plan's progress, with the progress as its user. */
void progress_step(const measure_step *step, void *self);
void progress_end(const progress *self);

/* progress_line() is what is drawn, without the bar and cut where `columns` are too few, so that it never wraps. */
void progress_line(const measure_step *step, int columns, char *text, size_t size);

#endif
