/* The spare list: an arena's empty chunks, from when they empty until they are needed or have decayed.
 *
 *      newest [ 900 ms ] <-> [ 850 ms ] <-> [ 120 ms ] oldest        each with the time at which it became empty
 *         ^                                     |
 *         | add, take                           v take_decayed
 *
 * The chunk that emptied last is used first, as most of it may still be in a CPU's cache; so the one at the other end is
 * what nobody has needed for longest, and the only one to look at: times never rise on the way to it (E1), because a chunk
 * is stamped when it is added, under the arena lock, by a clock that does not go back.
 *
 * Guarded by the arena lock; count alone may be read by anyone. */
#ifndef SPARE_LIST_H
#define SPARE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "chunk.h"

typedef struct spare_list {
    chunk *newest, *oldest;
    uint64_t count; /* atomic, relaxed */
} spare_list;

/* Adds an empty chunk that is in no list. now_ms is not below that of the chunk added before. */
void spare_list_add(spare_list *list, chunk *member, uint64_t now_ms);

/* Removes the chunk that became empty last; NULL if there is none. */
chunk *spare_list_take(spare_list *list);

/* Removes the chunk that became empty first, if that was at least decay_ms ago; else NULL. */
chunk *spare_list_take_decayed(spare_list *list, uint64_t now_ms, uint64_t decay_ms);

bool spare_list_audit(const spare_list *list);

#endif
