/* Rules for POOLBUF_LEAK_SUPPRESSIONS, made from the leaks that a run found: leaks --gen-suppressions. */
#ifndef CLI_SUPPRESSIONS_H
#define CLI_SUPPRESSIONS_H

#include <stdio.h>

#include "reports/model.h"

/* suppressions_print() writes a rule for each leaked stack: a block of Valgrind's with all of its frames, the deepest
 * stacks first and among equals the largest, each limited to what was found and with the group's fingerprint in a
 * comment above. Groups that one rule covers share it. */
void suppressions_print(const leaks_model *model, FILE *to);

#endif
