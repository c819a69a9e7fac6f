/* Bytes that nobody may write to, filled with a pattern and looked at later: at paranoid only.
 *
 *     memory   0 ............... capacity ......... size
 *     alive    [ the owners'    ][ canaries       ]        checked at the last release: an overrun
 *     dead     [ poison                           ]        checked when it leaves the quarantine: a write after release
 *
 * A pattern is one byte repeated, so a write of that very byte goes unseen. */
#ifndef LEAKDETECT_GUARD_H
#define LEAKDETECT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    GUARD_CANARY_BYTE = 0xc3,
    GUARD_POISON_BYTE = 0xdb
};

/* Equal to itself one byte on: all bytes are the first one. */
static inline bool guard_is_all(const uint8_t *bytes, size_t size, uint8_t pattern) {
    return size == 0 || (bytes[0] == pattern && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* guard_find_change() returns the offset of the first byte that is not `pattern`, or `size`. */
size_t guard_find_change(const uint8_t *bytes, size_t size, uint8_t pattern);

#endif
