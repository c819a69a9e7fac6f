/* A stream's digest: whether two runs, of whatever time, host and build, were asked for the same work.
 *
 * Counts of operations do not tell that: another seed, other sizes or another order have the same. The digest is FNV-1a of
 * 64 bits (fnv1a.h) over all that a kernel is given, as numbers of 32 and 64 bits, each with its lowest byte first:
 *
 *   32  STREAM_DIGEST_FORM
 *   32  threads    32  phases    32  slots    32  largest size
 *   for each phase
 *     32  repeats    32  idle ms    32  1 for fresh threads, else 0
 *     for each thread
 *       64  operations
 *       for each operation    32  slot    32  kind << 28 | size
 *
 * Names are not in it: they change no work. Nothing depends on the machine or the compiler, so what changes a digest is
 * the scenario, the seed, the length of run, or the generator. */
#ifndef POOLBUF_BENCH_STREAM_DIGEST_H
#define POOLBUF_BENCH_STREAM_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "scenario/stream.h"

/* Counts up with every change of what is hashed, and of what a kind's number or its fields mean. */
#define STREAM_DIGEST_FORM UINT32_C(1)

enum {
    STREAM_DIGEST_TEXT_SIZE = sizeof "fnv1a64:0123456789abcdef"
};

/* stream_digest() hashes a stream.
 *   threads  any; the stream is only read.
 *   cost     some 10 ns an operation of the arrays, less than generating them; repeats cost nothing. */
uint64_t stream_digest(const stream *from);

/* stream_digest_text() spells it as results do: fnv1a64, a colon, 16 hexadecimal digits. */
void stream_digest_text(const stream *from, char text[STREAM_DIGEST_TEXT_SIZE]);

#endif
