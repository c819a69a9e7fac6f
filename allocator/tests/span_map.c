/* Which addresses are in use. */
#include "span_map.h"

#include <string.h>

/* The first span that starts at or above an address. */
static size_t find(const span_map *self, uintptr_t start) {
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->spans[middle].start < start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool span_map_add(span_map *self, const void *start, size_t bytes) {
    const span added = {(uintptr_t)start, (uintptr_t)start + bytes};
    if (bytes == 0) {
        return true;
    }
    size_t at = find(self, added.start);
    if (self->count == SPAN_MAP_MAX || (at < self->count && self->spans[at].start < added.end) ||
        (at > 0 && self->spans[at - 1].end > added.start)) {
        return false;
    }
    memmove(&self->spans[at + 1], &self->spans[at], (self->count - at) * sizeof(span));
    self->spans[at] = added;
    self->count++;
    return true;
}

bool span_map_remove(span_map *self, const void *start, size_t bytes) {
    if (bytes == 0) {
        return true;
    }
    size_t at = find(self, (uintptr_t)start);
    if (at == self->count || self->spans[at].start != (uintptr_t)start ||
        self->spans[at].end != (uintptr_t)start + bytes) {
        return false;
    }
    self->count--;
    memmove(&self->spans[at], &self->spans[at + 1], (self->count - at) * sizeof(span));
    return true;
}
