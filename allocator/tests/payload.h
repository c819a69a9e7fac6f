/* Bytes that say whose they are: what a buffer holds follows from a seed and the place, so it is checked without a copy.
 *
 * A small buffer is written as a whole. Of a large one the first 4 KiB are, and 64 bytes at each 4 KiB from there: memory is
 * cut in pages of at least that, so an overlap still meets them, and a buffer of some MiB costs no more than a small one. */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every byte of a range, for data that goes in or came out whole. place is where the first byte lies in its buffer. */
void payload_make(uint64_t seed, size_t place, uint8_t *bytes, size_t length);
bool payload_is(uint64_t seed, size_t place, const uint8_t *bytes, size_t length);

/* The bytes of a buffer in [from, to) that are to be written, and whether they are what was written. memory is that of the
 * buffer, or of a slice that begins at base: then from and to count from there. */
void payload_write(uint64_t seed, size_t base, uint8_t *memory, size_t from, size_t to);
bool payload_check(uint64_t seed, size_t base, const uint8_t *memory, size_t from, size_t to);

#endif
