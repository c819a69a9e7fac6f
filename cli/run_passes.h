/* What a run measures beside time: the words of --measure. */
#ifndef CLI_RUN_PASSES_H
#define CLI_RUN_PASSES_H

#include <stdint.h>

#include "arguments.h"
#include "reports/model.h"

#define RUN_PASSES_RATE_MAX UINT64_C(1000000000) /* operations a second: one a nanosecond */

/* run_passes_choose() reads what --measure and --rate were given.
 *   passes   gets measure_plan's.
 *   returns  ARGUMENTS_PROCEED; EXIT_USAGE after a complaint for an unknown word, or a rate without latency;
 *            EXIT_UNCHECKED after one for instructions without valgrind. */
int run_passes_choose(const command_line *line, const text_list *words, uint64_t rate, unsigned *passes);

/* run_passes_tell_failures() says on stderr which passes gave no numbers, and why. */
void run_passes_tell_failures(const results_model *model);

#endif
