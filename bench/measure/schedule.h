/* In which order subjects are measured in a round.
 *
 * Whoever comes first finds a cool machine, whoever follows the memory hog finds cold caches. So every subject comes at every
 * place equally often, and follows every other one equally often: a Williams design. With n subjects that takes n rounds
 * when n is even and 2n when it is odd; places alone are even after n rounds. */
#ifndef POOLBUF_BENCH_SCHEDULE_H
#define POOLBUF_BENCH_SCHEDULE_H

#include <stdint.h>

/* schedule_order() fills order with 0 to count - 1, in the order of one round.
 *   round  from 0; any number, the design starts over. */
void schedule_order(uint32_t count, uint64_t round, uint32_t *order);

#endif
