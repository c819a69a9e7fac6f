/* Plays a stream on a subject's kernel, with Google Benchmark as its clock.
 *
 * One play of the whole stream is one iteration. It is played three times:
 *
 *   audited   one iteration that counts and checks everything, warms memory up, and is not reported as a time
 *   warm      a tenth of the time, to learn how long an iteration takes once warm; left out for long streams
 *   timed     as many iterations as fill the time, at least one; the number is fixed before it starts
 *
 * Threads are Google Benchmark's: the first is the calling one. They meet at the end of every phase. */
#ifndef POOLBUF_BENCH_PLAYER_H
#define POOLBUF_BENCH_PLAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "measure/memory_usage.h"
#include "scenario/stream.h"
#include "subjects/subject.h"

typedef struct player_result {
    uint64_t iterations;        /* of the timed part: plays of the whole stream */
    double wall_seconds;        /* of the timed part */
    memory_faults faults;       /* of the timed part */
    uint64_t peak_live_bytes;   /* of the audited part */
    uint64_t peak_usable_bytes; /* the same for what the buffers had room for, where the kernel tells */
    bool is_unsupported;        /* after a failure: the subject is not made for this stream, and message says why */
    subject_held *held;         /* at each phase's end, of the audited part; the caller's array of phase_count */
    memory_usage before;        /* before the subject was prepared */
    memory_usage after;         /* after the timed part; its peak counts from `before` */
} player_result;

/* player_set_spin() has each later play followed by a spin of so large a share of its time, inside the timed part: a
 * slowdown of a known size, which shows what a comparison can find. 0 ends it. Not while a run plays. */
void player_set_spin(double share);

/* player_run() does all of it.
 *   seconds  how long the timed part should take; above 0.
 *   result   its `held` is set by the caller; the rest is set on success.
 *   message  gets one line on failure.
 *   returns  false when the subject failed, or gbench did; everything is released either way.
 *   threads  one run at a time in a process. */
bool player_run(const stream *source, const subject_kernel *kernel, double seconds, player_result *result,
                char *message, size_t message_size);

#endif
