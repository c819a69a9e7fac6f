/* Chunk lists: an arena's chunks, grouped by how full they are.
 *
 *      qInit [ .. 25)  ->  q000 [1 .. 50)  ->  q025 [25 .. 75)  ->  q050 [50 .. 100)  ->  q075 [75 .. 100)  ->  q100
 *
 * The ranges overlap, so a chunk near a bound does not wander to and fro. A chunk that an allocation makes too full moves
 * to the right, one that a release makes too empty to the left, as far as it must. One that is empty leaves the lists and
 * is the arena's (L1), wherever it was. Netty keeps it if it is in qInit, so that a new chunk is not given back before it
 * was ever a quarter full; here that is the decay time's to decide (arena.h), for all chunks alike.
 *
 * Allocation tries q050, q025, q000, qInit, q075, in this order: fuller ones first, so that the emptier ones can empty;
 * but those three quarters full last, as a search there is most often in vain. A full chunk is never asked.
 *
 * A list remembers what a search of it has found in vain, so that the next one for as much skips it (L2): where runs do not
 * divide a chunk evenly, each chunk ends with a rest too small for another, 94 % full, and stays in q050 for good; without
 * the bound each new chunk's first run would look at all of those.
 * Guarded by the arena lock. */
#ifndef CHUNK_LIST_H
#define CHUNK_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chunk.h"

#define CHUNK_LIST_COUNT 6

typedef enum chunk_list_id {
    CHUNK_LIST_INIT,
    CHUNK_LIST_000,
    CHUNK_LIST_025,
    CHUNK_LIST_050,
    CHUNK_LIST_075,
    CHUNK_LIST_100
} chunk_list_id;

typedef struct chunk_list {
    const char *name;
    uint32_t min_usage, max_usage; /* per cent, as Netty's metric has it: 1 to 100 */
    chunk *first;                  /* the chunk added last */
    struct chunk_list *fuller;     /* NULL: q100 */
    struct chunk_list *emptier;    /* itself: qInit; NULL: q000 */
    size_t largest;                /* no chunk here can have room for more bytes than this */
    uint32_t runs_below;           /* no chunk here has a free run of this page class or a larger one (L2) */
    size_t move_fuller_at;         /* a chunk with no more free bytes than this moves on, if moves_fuller */
    size_t move_emptier_above;     /* a chunk with more free bytes than this moves back */
    bool moves_fuller;
} chunk_list;

/* Links and sets up the six lists of an arena. */
void chunk_lists_init(chunk_list lists[CHUNK_LIST_COUNT], size_t chunk_bytes);

/* The order of search, ended by CHUNK_LIST_COUNT. */
extern const uint8_t chunk_list_search_order[];

/* Adds a chunk to list, or to the one on the right of it where it belongs. */
void chunk_list_add(chunk_list *list, chunk *member);
void chunk_list_remove(chunk *member);

/* A chunk has less room, or more, than before: moves it. The latter returns false if the chunk is empty and in no list
 * any more: it is the caller's. */
void chunk_list_after_take(chunk *member);
bool chunk_list_after_give(chunk *member);

/* Whether a search may find a run of a page class. And a search has looked at all members, and found none. */
static inline bool chunk_list_may_have_run(const chunk_list *list, uint32_t page_class) {
    return page_class < list->runs_below;
}

static inline void chunk_list_has_no_run(chunk_list *list, uint32_t page_class) {
    list->runs_below = page_class;
}

bool chunk_lists_audit(const chunk_list lists[CHUNK_LIST_COUNT]);

#endif
