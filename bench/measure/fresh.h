/* Phases of fresh threads: each pass of a thread's operations is played by a thread that has never allocated before. */
#ifndef POOLBUF_BENCH_FRESH_H
#define POOLBUF_BENCH_FRESH_H

#include <stdbool.h>
#include <stdint.h>

#include "subjects/subject.h"

/* fresh_play() plays one thread's part of a phase: for each repeat it starts a thread, lets it play, and waits for its
 * end.
 *   play     plays the operations once; a failure of the subject is in run->failure, and ends the repeats.
 *   returns  false once run->failure is set, to SUBJECT_NO_THREAD where the system starts no thread.
 *   threads  as play() may be; the caller sleeps while the other one plays.
 *   cost     starting and joining a thread, some 10 to 50 us a repeat, and what an allocator does when a thread ends.
 *            All of it is in the phase's time: of null too, which shows it. */
bool fresh_play(void (*play)(void *context), void *context, subject_run *run, uint32_t repeat);

#endif
