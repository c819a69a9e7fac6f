/* The scan for buffers that nothing refers to any more: see leakdetect_scan() in poolbuf/leakdetect.h.
 *
 *     parent                                              child, a copy of the process at one moment
 *     note what is tracked, and where the pool is
 *     fork ------------------------------------------->   read /proc/self/maps, search every mapping for references,
 *     look whether the pool has changed meanwhile         in order of reachability (reach.h)
 *     wait                                        <----   verdicts, in memory that both have
 *     compare with the scan before, mark records
 *
 * The child is made by clone() without an exit signal: no SIGCHLD, no handler of pthread_atfork(), and a wait() of the
 * program does not see it. It takes no lock, calls no malloc, blocks all signals, and ends by _exit alone.
 *
 * One scan at a time (S1): a claim with the process's id, so that a child which was forked while another thread scanned
 * does not wait for it. */
#ifndef LEAKDETECT_SCAN_H
#define LEAKDETECT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/leakdetect.h>

#include "memory.h"

/* A tracked buffer that is to be judged. */
typedef struct scan_target {
    uintptr_t handle;
} scan_target;

/* A piece of the pool's memory. */
typedef struct scan_piece {
    uintptr_t start, end;
    int kind; /* a poolbuf_memory_kind */
} scan_piece;

typedef enum scan_state {
    SCAN_RUNNING, /* or dead */
    SCAN_DONE,
    SCAN_TIMED_OUT,
    SCAN_NO_MEMORY,
    SCAN_SYSTEM /* error says why */
} scan_state;

typedef struct scan_verdict {
    uint64_t hash; /* of an unreachable one's handle and bytes */
    bool judged;   /* it was alive at that moment */
    bool unreachable;
} scan_verdict;

/* What the child answers, in a shared mapping. */
typedef struct scan_answer {
    uint32_t state; /* a scan_state; atomic, released last by the child */
    int error;
    bool io_uring;
    uint64_t read_bytes, unreadable_bytes;
    scan_verdict verdicts[]; /* by target */
} scan_answer;

typedef struct scan_job {
    memory_array targets;  /* of scan_target, by address */
    memory_array pieces;   /* of scan_piece, by address */
    memory_array words;    /* of uint64_t: what other threads had in registers */
    memory_array mappings; /* of reach_mapping: room for the child's */
    scan_answer *answer;
    size_t answer_bytes;
    uintptr_t stack_low, stack_live; /* the caller's stack from here on is dead, and from here on live */
    uint64_t deadline_ns;
    uint64_t memory_limit_bytes; /* above what was mapped at the fork */
} scan_job;

/* In the child; never returns. */
void scan_child(scan_job *job) __attribute__((noreturn));

/* In the parent: leakdetect_scan(). */
poolbuf_status scan_run(const leakdetect_scan_options *options, leakdetect_scan_result *result);

#endif
