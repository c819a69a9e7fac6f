/* What the rules of POOLBUF_LEAK_SUPPRESSIONS did, over all processes: merging, sums, and sentences for every writer.
 * */
#ifndef POOLBUF_REPORTS_LEAKS_SUPPRESSIONS_H
#define POOLBUF_REPORTS_LEAKS_SUPPRESSIONS_H

#include "reports/model.h"

/* Adds the rules of `from`, as copies; a rule of the same file, line and text is one rule, and what it did adds up. */
void leaks_suppressions_merge(leaks_model *into, const leaks_model *from);

/* A sentence for each rule that matched, and one for those that matched nothing; NULL from the last on.
 *     line 3 of known.supp, "leak:cache_fill": suppresses 1 call stack, 70 tracked (17.5 KiB); of the first request */
const char *leaks_suppressions_facts(const leaks_model *model, size_t index);

#endif
