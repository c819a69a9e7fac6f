/* Shapes: what a trace is like, as counts alone. Safe to share where a trace is not: a shape has no order, no exact size
 * and no exact lifetime, and, as a trace, no addresses, contents, names or times.
 *
 * It is a text of a few KiB, lines that end with a newline; # starts a comment line, and empty lines are skipped:
 *   poolbuf-shape VERSION            1, or 2 where a line is there that only 2 has: a program that knows 1 alone refuses it
 *   threads N                        that allocated or released
 *   resizes N                        how often a buffer changed its size; for people, as it is not played
 *   peak N BUFFERS M BYTES           most live at once; for people, as what is played has its own
 *   cut-off                          version 2: the recording ended before the program did; `kept` is then what was live
 *   clamped N                        version 2: so many sizes were above TRACE_SIZE_MAX, and count as that
 *   buffers SIZE LIFE HOP COUNT      so many buffers like this, in any order, each triple once
 * SIZE is the power of two that the largest size which the buffer had rounds up to. LIFE is how many allocations, of all
 * threads, lay between the buffer's own and its release, rounded down to 0 or a power of two, or `kept` for a buffer that
 * was not released. HOP is `same` or `other`: which thread released it; for a kept one it is `same`.
 *
 * Invariants, which shape_read() checks:
 *   H1  there are SHAPE_BUFFERS_MAX buffers at most, and one at least.
 *   H2  some order of the buffers has these lifetimes: of N buffers, those that live for L allocations or more are at
 *       most N - L. So what is made from a shape has exactly its counts.
 *   H3  with one thread no buffer hops. */
#ifndef POOLBUF_BENCH_SHAPE_H
#define POOLBUF_BENCH_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "record/trace.h"

#define SHAPE_VERSION       2u
#define SHAPE_VERSION_PLAIN 1u

#define SHAPE_SIZES       TRACE_DOUBLINGS
#define SHAPE_LIVES       28u /* 0, 1, 2, 4, ... 2^26 allocations */
#define SHAPE_KEPT        SHAPE_LIVES
#define SHAPE_BUFFERS_MAX (UINT32_C(1) << 24) /* 16 bytes each while they are put in order */
#define SHAPE_FILE_MAX    ((size_t)1 << 18)   /* bytes; what is written stays far below */

typedef struct shape {
    uint32_t threads;
    uint64_t resizes;
    uint64_t peak_live_buffers, peak_live_bytes;
    uint64_t clamped_sizes, dropped_events;           /* as in trace_summary */
    uint64_t buffer_count;                            /* the sum of all counts */
    uint64_t counts[SHAPE_SIZES][SHAPE_LIVES + 1][2]; /* by size, life and whether another thread released it */
} shape;

/* shape_size_class() is the index of a size of 1 or more: of 2^(i-1) + 1 to 2^i bytes. */
unsigned shape_size_class(uint32_t size);

/* shape_life_class() is the index of a lifetime: 0, or 2^(i-1) to 2^i - 1 allocations. shape_life_low() is its least one. */
unsigned shape_life_class(uint64_t allocations);
uint64_t shape_life_low(unsigned index);

/* shape_measure() counts what a trace has; its summary says what it lacks.
 *   returns  false without memory, and for a trace of more than SHAPE_BUFFERS_MAX allocations or of none; error has a line. */
bool shape_measure(const trace *of, shape *out, char *error, size_t error_size);

/* shape_write() writes the text.
 *   returns  false, with a line in error, when the file takes no more. */
bool shape_write(FILE *file, const shape *from, char *error, size_t error_size);

/* shape_read() reads and checks a file.
 *   error    on failure gets one line, "FILE:LINE: what is wrong; what would be right". */
bool shape_read(const char *path, shape *out, char *error, size_t error_size);

/* shape_play() makes a trace that has the shape's counts, cell by cell; sizes, lifetimes and threads inside a cell, and the
 * order, are drawn. The same seed gives the same trace on every machine.
 *   threads  that allocate and release; with one, no buffer hops.
 *   out      set on success; release it with trace_destroy(). It has no checkpoints and no program.
 *   returns  false without memory. */
bool shape_play(const shape *from, uint32_t threads, uint64_t seed, trace **out);

#endif
