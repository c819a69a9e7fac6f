/* Phases of fresh threads: each pass of a thread's operations is played by a thread that has never allocated before. */
#ifndef POOLBUF_BENCH_FRESH_H
#define POOLBUF_BENCH_FRESH_H

#include <stdbool.h>
#include <stdint.h>

#include "scenario/stream.h"
#include "subjects/subject.h"

typedef bool (*fresh_player)(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat);

/* fresh_play() plays one thread's part of a phase: for each repeat it starts a thread, lets it play the operations
 * once, and waits for its end.
 *   play     the kernel's play() or audit().
 *   returns  false once run->failure is set, to SUBJECT_NO_THREAD where the system starts no thread.
 *   threads  as play() may be; the caller sleeps while the other one plays.
 *   cost     starting and joining a thread, some 10 to 50 us a repeat, and what an allocator does when a thread ends.
 *            All of it is in the phase's time: of null too, which shows it. Without operations, nothing. */
bool fresh_play(fresh_player play, subject_run *run, const stream_thread *part, uint32_t repeat);

#endif
