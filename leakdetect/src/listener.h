/* The program's own function that hears of leaks: what a report says, as values, and its text. */
#ifndef LEAKDETECT_LISTENER_H
#define LEAKDETECT_LISTENER_H

#include <stdbool.h>

#include "report.h"

/* Whether somebody listens; under the report lock. */
bool listener_is_set(void);

/* listener_tell() tells what leaked: all groups of a report, and of a live one those with lost members.
 *   self     resolved, and its suppressions applied.
 *   returns  whether the listener has dealt with the text; false also where nobody listens, nothing leaked, or there is
 *            no memory.
 *   threads  under the report lock, which is not held while the listener runs. */
bool listener_tell(const report *self);

#endif
