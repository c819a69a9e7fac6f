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
    memory_switches switches;   /* of the timed part */
    uint64_t peak_live_bytes;   /* of the audited part */
    uint64_t peak_usable_bytes; /* the same for what the buffers had room for, where the kernel tells */
    bool is_unsupported;        /* after a failure: the subject is not made for this stream, and message says why */
    subject_held *held;         /* at each phase's end, of the audited part; the caller's array of phase_count */
    memory_usage before;        /* before the subject was prepared */
    memory_usage after;         /* after the timed part; its peak counts from `before` */
} player_result;

/* What is played instead of the warm and the timed part. Each of these begins with the audited part. */
typedef enum player_kind {
    PLAYER_TIME,         /* no pass: the parts above */
    PLAYER_INSTRUCTIONS, /* one more play, which callgrind counts; only under Valgrind */
    PLAYER_LATENCY,      /* then the kernel's timed form, which reads a clock around each operation */
    PLAYER_MEMORY        /* nothing more: the audited part is watched */
} player_kind;

typedef struct player_pass {
    player_kind kind;
    double seconds;        /* LATENCY: how long it should take, at least one play */
    double play_seconds;   /* LATENCY at a fixed rate: what one play takes; 0: it is found out */
    subject_timer *timers; /* LATENCY: one a thread (measure/latency.h) */
    /* MEMORY: called before the first operation, and when all has been released but the subject still stands. */
    void (*begin)(void *user, const subject_run *run);
    void (*end)(void *user);
    void *user;
} player_pass;

/* player_set_stall() has each later play followed by a spin of as long as its stalls would take: one of `seconds` in
 * every `every` operations. The kernel's timed form stalls in the operations themselves. Not while a run plays. */
void player_set_stall(uint32_t every, double seconds);

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

/* player_run_pass() plays a pass, otherwise as player_run(): iterations and wall_seconds are of its own part, faults
 * and switches are zero. */
bool player_run_pass(const stream *source, const subject_kernel *kernel, const player_pass *pass, player_result *result,
                     char *message, size_t message_size);

/* player_can_count() says whether this process runs under Valgrind, and was built with its headers. */
bool player_can_count(void);

#endif
