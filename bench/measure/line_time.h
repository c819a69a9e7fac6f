/* How long a cache line takes to another processor and back. On virtual machines it changes within minutes, as two virtual
 * processors share a core or not; so it stands beside every result that has threads. */
#ifndef POOLBUF_BENCH_LINE_TIME_H
#define POOLBUF_BENCH_LINE_TIME_H

#include <stdint.h>

/* More trips than this are as this many. */
#define LINE_TRIPS_MAX 1000000000u

/* No trip begins later, where each takes a scheduler's switch and others want the processors, too: there 20,000 take minutes.
 * They take some 3 ms where both threads run, and 120 ms where the two share a processor that nobody else wants. */
#define LINE_TIME_NS_MAX 250e6

/* line_round_trip_ns() lets two threads hand one number to and fro.
 *   trips    how many times, 1 or more; a few thousand take under a millisecond. Fewer where LINE_TIME_NS_MAX is over first.
 *   returns  nanoseconds a round trip: the smallest mean of eight equal parts, since being interrupted only adds; of those that
 *            were whole when the time was over, or of the trips until then. NaN when no thread can be made. On one core it is
 *            the price of a scheduler's switch. */
double line_round_trip_ns(uint32_t trips);

#endif
