/* Chunk lists: an arena's chunks, grouped by how full they are. */
#include "chunk_list.h"

#include "check.h"

/* Bounds in per cent of use. */
typedef struct bounds {
    const char *name;
    uint32_t least;  /* 0: none */
    uint32_t most;   /* above 100: none */
    uint8_t fuller;  /* CHUNK_LIST_COUNT: none */
    uint8_t emptier; /* CHUNK_LIST_COUNT: none */
} bounds;

#define NO_LIST CHUNK_LIST_COUNT

/* Netty 4.2's table. Going up, q050 is followed by q100: a chunk enters q075 from above alone, on its way down. */
static const bounds BOUNDS[CHUNK_LIST_COUNT] = {
    [CHUNK_LIST_INIT] = {"qInit", 0, 25, CHUNK_LIST_000, CHUNK_LIST_INIT},
    [CHUNK_LIST_000] = {"q000", 1, 50, CHUNK_LIST_025, NO_LIST},
    [CHUNK_LIST_025] = {"q025", 25, 75, CHUNK_LIST_050, CHUNK_LIST_000},
    [CHUNK_LIST_050] = {"q050", 50, 100, CHUNK_LIST_100, CHUNK_LIST_025},
    [CHUNK_LIST_075] = {"q075", 75, 100, CHUNK_LIST_100, CHUNK_LIST_050},
    [CHUNK_LIST_100] = {"q100", 100, 101, NO_LIST, CHUNK_LIST_075},
};

const uint8_t chunk_list_search_order[] = {CHUNK_LIST_050,  CHUNK_LIST_025, CHUNK_LIST_000,
                                           CHUNK_LIST_INIT, CHUNK_LIST_075, CHUNK_LIST_COUNT};

/* chunk_bytes * (100 - percent + 0.99999999) / 100, rounded down; in integers, as a table of bounds must not depend on
 * a rounding mode. The largest chunk times the largest factor stays below 2^64. */
static size_t free_bytes_at(size_t chunk_bytes, uint32_t percent) {
    const uint64_t scale = 100000000;
    return (size_t)((uint64_t)chunk_bytes * ((100 - percent) * scale + (scale - 1)) / (100 * scale));
}

void chunk_lists_init(chunk_list lists[CHUNK_LIST_COUNT], size_t chunk_bytes) {
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        const bounds *b = &BOUNDS[i];
        uint32_t least = b->least != 0 ? b->least : 1;
        lists[i] = (chunk_list){
            .name = b->name,
            .min_usage = least,
            .max_usage = b->most < 100 ? b->most : 100,
            .fuller = b->fuller != NO_LIST ? &lists[b->fuller] : NULL,
            .emptier = b->emptier != NO_LIST ? &lists[b->emptier] : NULL,
            .largest = chunk_bytes * (100 - least) / 100,
            .moves_fuller = b->most <= 100,
            .move_fuller_at = b->most < 100 ? free_bytes_at(chunk_bytes, b->most) : 0,
            .move_emptier_above = b->least == 0     ? SIZE_MAX
                                  : b->least == 100 ? 0
                                                    : free_bytes_at(chunk_bytes, b->least),
        };
    }
    /* qInit has no lower bound. */
    lists[CHUNK_LIST_INIT].largest = chunk_bytes;
}

static bool too_full(const chunk_list *list, const chunk *member) {
    return list->moves_fuller && chunk_free_bytes(member) <= list->move_fuller_at;
}

static bool too_empty(const chunk_list *list, const chunk *member) {
    return chunk_free_bytes(member) > list->move_emptier_above;
}

/* A chunk that has come, or has got a run back: L2. One that has lost a run has none that is larger than before. */
static void raise_bound(chunk_list *list, const chunk *member) {
    uint32_t runs_below = chunk_runs_below(member);
    list->runs_below = list->runs_below > runs_below ? list->runs_below : runs_below;
}

static void link_chunk(chunk_list *list, chunk *member) {
    raise_bound(list, member);
    member->list = list;
    member->prev = NULL;
    member->next = list->first;
    if (list->first != NULL) {
        list->first->prev = member;
    }
    list->first = member;
}

void chunk_list_add(chunk_list *list, chunk *member) {
    while (too_full(list, member)) {
        list = list->fuller;
    }
    link_chunk(list, member);
}

void chunk_list_remove(chunk *member) {
    if (member->prev != NULL) {
        member->prev->next = member->next;
    } else {
        member->list->first = member->next;
    }
    if (member->next != NULL) {
        member->next->prev = member->prev;
    }
    member->next = member->prev = NULL;
    member->list = NULL;
}

void chunk_list_after_take(chunk *member) {
    chunk_list *list = member->list;
    if (too_full(list, member)) {
        chunk_list_remove(member);
        chunk_list_add(list->fuller, member);
    }
}

bool chunk_list_after_give(chunk *member) {
    chunk_list *list = member->list;
    if (chunk_is_empty(member)) {
        chunk_list_remove(member);
        return false;
    }
    if (!too_empty(list, member)) {
        raise_bound(list, member);
        return true;
    }
    chunk_list_remove(member);
    do {
        list = list->emptier;
        POOLBUF_ASSERT(list != NULL);
    } while (too_empty(list, member));
    link_chunk(list, member);
    return true;
}

bool chunk_lists_audit(const chunk_list lists[CHUNK_LIST_COUNT]) {
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        const chunk_list *list = &lists[i];
        const chunk *prev = NULL;
        for (const chunk *c = list->first; c != NULL; c = c->next) {
            POOLBUF_AUDIT(c->list == list);
            POOLBUF_AUDIT(c->prev == prev);
            POOLBUF_AUDIT(!chunk_is_empty(c)); /* L1 */
            POOLBUF_AUDIT(!too_full(list, c));
            POOLBUF_AUDIT(!too_empty(list, c));
            POOLBUF_AUDIT(chunk_runs_below(c) <= list->runs_below); /* L2 */
            if (!chunk_audit(c)) {
                return false;
            }
            prev = c;
        }
    }
    return true;
}
