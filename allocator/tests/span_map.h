/* Which addresses are in use: spans that must not overlap, in order. Plain on purpose, as what checks must be simpler than
 * what it checks. */
#ifndef SPAN_MAP_H
#define SPAN_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPAN_MAP_MAX = 8192
};

typedef struct span {
    uintptr_t start, end;
} span;

typedef struct span_map {
    size_t count;
    span spans[SPAN_MAP_MAX];
} span_map;

/* False if a byte of it is in use already, or the map is full. A span of no bytes takes no place. */
bool span_map_add(span_map *self, const void *start, size_t bytes);

/* False if there is no such span. */
bool span_map_remove(span_map *self, const void *start, size_t bytes);

#endif
