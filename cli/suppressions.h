/* Rules for POOLBUF_LEAK_SUPPRESSIONS, made from the leaks that a run found: leaks --gen-suppressions. */
#ifndef CLI_SUPPRESSIONS_H
#define CLI_SUPPRESSIONS_H

#include <stdio.h>

#include "reports/model.h"

/* suppressions_print() writes a rule for each group, the largest first, in LeakSanitizer's syntax: the innermost
 * function that is the user's own, anchored at both ends, with the group's fingerprint in a comment above. Groups
 * that one rule covers share it. */
void suppressions_print(const leaks_model *model, FILE *to);

#endif
