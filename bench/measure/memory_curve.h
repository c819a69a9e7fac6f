/* Memory over time: a signal at intervals reads what the subject has alive and what the process holds.
 *
 * A signal, not a thread: a second thread would change what is measured, as glibc's malloc takes locks from then on.
 * The handler calls nothing but pread(), and keeps its points in memory that was set aside. Where there are too many,
 * every second one is dropped and the interval doubled, so a curve has between half of MEMORY_CURVE_POINTS and all of
 * them, however long it takes. Linux counts a process's resident pages for each thread apart and adds them up now and
 * then: a point may be a few hundred KiB behind.
 *
 * One curve at a time in a process, as it has one timer of this kind. */
#ifndef POOLBUF_BENCH_MEMORY_CURVE_H
#define POOLBUF_BENCH_MEMORY_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "subjects/subject.h"

enum {
    MEMORY_CURVE_POINTS = 256
};

typedef struct memory_point {
    uint64_t at_ns; /* since the curve began */
    uint64_t live_bytes;
    uint64_t usable_bytes;    /* as much as live where the kernel does not tell more */
    uint64_t committed_bytes; /* mapped for data and stacks: what the process may write to */
    uint64_t resident_bytes;
} memory_point;

typedef struct memory_curve {
    memory_point points[MEMORY_CURVE_POINTS];
    size_t count;
} memory_curve;

/* memory_curve_begin() takes the first point and starts the timer.
 *   run      that is audited meanwhile: its books are read.
 *   returns  false where /proc or the timer is not to be had; nothing is then to be ended. */
bool memory_curve_begin(const subject_run *run);

/* memory_curve_end() stops the timer and takes a point; memory_curve_add() takes further ones, afterwards. */
void memory_curve_end(void);
void memory_curve_add(void);

/* memory_curve_take() is what was gathered: lent, until the next curve begins. */
const memory_curve *memory_curve_take(void);

/* memory_curve_thin() drops every second point, and keeps the first. */
void memory_curve_thin(memory_curve *curve);

#endif
