/* What `simple` costs beside `disabled`: the same work at both levels in turns, in one process, which prints a line for
 * each level and round (series.h), in ns an operation. */
#ifndef POOLBUF_BENCH_LEAK_COST_LEVELS_H
#define POOLBUF_BENCH_LEAK_COST_LEVELS_H

#include <stdbool.h>

/* levels_pairs() allocates a buffer and releases it, again and again, and touches no byte: NAME.disabled, NAME.simple. */
bool levels_pairs(const char *name, unsigned rounds);

/* levels_scenario() plays a scenario of one thread on poolbuf, in two ways. SCENARIO.filled: the whole of each buffer is
 * written when it is made, and read before it is released. SCENARIO.touched: as `poolbuf run` plays it, two bytes of it are.
 *   returns  false, with a line on stderr, if the file is no such scenario, or without memory. */
bool levels_scenario(const char *path, unsigned rounds);

#endif
