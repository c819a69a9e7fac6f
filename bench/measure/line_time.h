/* How long a cache line takes to another processor and back. On virtual machines it changes within minutes, as two virtual
 * processors share a core or not; so it stands beside every result that has threads. */
#ifndef POOLBUF_BENCH_LINE_TIME_H
#define POOLBUF_BENCH_LINE_TIME_H

#include <stdint.h>

/* line_round_trip_ns() lets two threads hand one number to and fro.
 *   trips    how many times, 1 or more; a few thousand take under a millisecond.
 *   returns  nanoseconds a round trip: the smallest mean of eight equal parts, since being interrupted only adds; NaN when
 *            no thread can be made. On one core it is the price of a scheduler's switch. */
double line_round_trip_ns(uint32_t trips);

#endif
