/* Comparing what buffers hold: equality, order, a hash. Only bytes count: not the kind of buffer, nor its capacity, nor
 * how its bytes are cut into components.
 *
 * All of these: what is compared are the readable bytes, unless a range is given. Neither index moves. Threads: the one
 * owner that is using the bytes; any number may compare buffers that nobody changes. Cost: a call of memcmp() for each
 * stretch that is in one piece on both sides, up to where they differ; poolbuf_compare() looks at all components
 * first. */
#ifndef POOLBUF_COMPARE_H
#define POOLBUF_COMPARE_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint64_t */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>

POOLBUF_BEGIN_DECLS

/* poolbuf_equals() tells whether two buffers hold the same bytes.
 *   errors  false: one of them cannot be read: it is dead, or a slice of a composite whose components are gone. */
POOLBUF_API bool poolbuf_equals(const poolbuf *a, const poolbuf *b);

/* poolbuf_equals_range() tells whether length bytes are the same in two buffers, or in two places of one.
 *   errors  false: a range is not within its buffer's capacity. */
POOLBUF_API bool poolbuf_equals_range(const poolbuf *a, size_t a_index, const poolbuf *b, size_t b_index,
                                      size_t length);

/* poolbuf_compare() orders two buffers as a dictionary does, bytes as numbers from 0 to 255; what begins another comes
 * before it.
 *   returns  -1: a comes first; 0: they hold the same; 1: b comes first. A total order, 0 where poolbuf_equals() is
 *            true.
 *   errors   none; one that cannot be read comes first, and two such are the same. */
POOLBUF_API int poolbuf_compare(const poolbuf *a, const poolbuf *b);

/* poolbuf_starts_with() and poolbuf_ends_with() tell whether the readable bytes do so.
 *   bytes   length of them; may be NULL where length is 0, which every buffer starts and ends with.
 *   errors  false: the buffer cannot be read, where they would be. */
POOLBUF_API bool poolbuf_starts_with(const poolbuf *buffer, const void *bytes, size_t length);
POOLBUF_API bool poolbuf_ends_with(const poolbuf *buffer, const void *bytes, size_t length);

/* poolbuf_hash() gives a number for what a buffer holds: the same for the same bytes, in every process and on every
 * machine. It is XXH64 as Yann Collet's description of the algorithm specifies it, so other programs can compute it as
 * well. It tells apart what differs by chance, and not what somebody has made to collide: it is no signature, and a
 * table that strangers fill wants a seed that they do not know, or an ordered tree.
 *   seed    any number; different ones give different hashes.
 *   errors  none; a buffer that cannot be read has the hash of no bytes.
 *   cost    two multiplications for each 8 bytes. */
POOLBUF_API uint64_t poolbuf_hash(const poolbuf *buffer, uint64_t seed);

POOLBUF_END_DECLS

#endif
