/* The search of guard.h. */
#include "guard.h"

size_t guard_find_change(const uint8_t *bytes, size_t size, uint8_t pattern) {
    if (guard_is_all(bytes, size, pattern)) {
        return size;
    }
    size_t at = 0;
    while (at < size && bytes[at] == pattern) {
        at++;
    }
    return at;
}
