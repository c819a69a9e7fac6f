/* Bytes that say whose they are. */
#include "payload.h"

#include <endian.h>
#include <string.h>

#define WHOLE ((size_t)4096) /* so much from the start is written whole */
#define EVERY ((size_t)4096) /* beyond it there is a stamp at each multiple ... */
#define STAMP ((size_t)64)   /* ... of so many bytes */

static uint64_t word_at(uint64_t seed, size_t index) {
    uint64_t word = seed + index * 0x9e3779b97f4a7c15u;
    return word ^ word >> 29;
}

/* The bytes of the word at a place, from there on, the first one lowest; how many, of at most length. */
static size_t word_from(uint64_t seed, size_t place, size_t length, uint64_t *word) {
    size_t skip = place % sizeof *word;
    size_t part = sizeof *word - skip;
    *word = word_at(seed, place / sizeof *word) >> 8 * skip;
    return part < length ? part : length;
}

void payload_make(uint64_t seed, size_t place, uint8_t *bytes, size_t length) {
    uint64_t word = 0;
    size_t part = 0;
    for (size_t at = 0; at < length; at += part) {
        part = word_from(seed, place + at, length - at, &word);
        word = htole64(word);
        if (part == sizeof word) {
            memcpy(bytes + at, &word, sizeof word); /* of a constant size: inlined */
        } else {
            memcpy(bytes + at, &word, part);
        }
    }
}

bool payload_is(uint64_t seed, size_t place, const uint8_t *bytes, size_t length) {
    uint64_t word = 0;
    size_t part = 0;
    for (size_t at = 0; at < length; at += part) {
        uint64_t found = 0;
        part = word_from(seed, place + at, length - at, &word);
        if (part == sizeof word) {
            memcpy(&found, bytes + at, sizeof found);
        } else {
            memcpy(&found, bytes + at, part);
            word &= ((uint64_t)1 << 8 * part) - 1;
        }
        if (le64toh(found) != word) {
            return false;
        }
    }
    return true;
}

/* The next piece at or after place that is written: sets its end; returns its start, or to where there is none. */
static size_t next_piece(size_t place, size_t to, size_t *end) {
    size_t start = place;
    *end = WHOLE;
    if (place >= WHOLE) {
        size_t stamp = place / EVERY * EVERY;
        if (place >= stamp + STAMP) {
            stamp += EVERY;
            start = stamp;
        }
        *end = stamp + STAMP;
    }
    *end = *end < to ? *end : to;
    return start < to ? start : to;
}

void payload_write(uint64_t seed, size_t base, uint8_t *memory, size_t from, size_t to) {
    size_t end = 0;
    for (size_t at = next_piece(base + from, base + to, &end); at < base + to; at = next_piece(end, base + to, &end)) {
        payload_make(seed, at, memory + (at - base), end - at);
    }
}

bool payload_check(uint64_t seed, size_t base, const uint8_t *memory, size_t from, size_t to) {
    size_t end = 0;
    for (size_t at = next_piece(base + from, base + to, &end); at < base + to; at = next_piece(end, base + to, &end)) {
        if (!payload_is(seed, at, memory + (at - base), end - at)) {
            return false;
        }
    }
    return true;
}
