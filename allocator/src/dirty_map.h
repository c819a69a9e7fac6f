/* Which free pages of a chunk are dirty: used since the system last dropped them, so that it may hold memory for them.
 *
 *      page      0             3       4                       10
 *                [ used run   ][ free ][ used run, 6 pages    ][ free ...               ]
 *      bits        0   0   0     1       0  0  0  0  0  0         1   1   0   0   1   1
 *      freed_ms                  40                               90  90          15  15
 *
 * A dirty page is free (M1): taking a run clears its bits, freeing it sets them, with the time, and dropping clears them.
 * count is the number of bits set (M2), all of them below page_count (M3). A run that is freed is dirty as a whole, though
 * its user may have touched less: nobody watches that.
 *
 * The time is each page's own, not its run's: merging leaves it alone, so an old page next to traffic stays old. It is
 * the clock's lower half, compared as a difference. A page that nobody looked at for 49.7 days may pass for one that was just
 * freed; benign: it then waits once more.
 *
 * It costs four bytes and a bit for each page, 2112 bytes for a chunk of 512 pages. Guarded by the arena lock. */
#ifndef DIRTY_MAP_H
#define DIRTY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dirty_map {
    uint32_t page_count;
    uint32_t count;     /* of dirty pages */
    uint64_t *bits;     /* one a page */
    uint32_t *freed_ms; /* one a page, of the dirty ones; the clock's lower half */
} dirty_map;

/* Bytes that dirty_map_init() needs behind the struct. */
size_t dirty_map_storage(uint32_t page_count);

/* storage is aligned to 8 and outlives the map; no page is dirty. */
void dirty_map_init(dirty_map *map, uint32_t page_count, void *storage);

/* Pages have become free, none of which is dirty. */
void dirty_map_mark(dirty_map *map, uint32_t page, uint32_t pages, uint64_t now_ms);

/* Pages are in use again, or have been dropped; how many of them were dirty. */
uint32_t dirty_map_clear(dirty_map *map, uint32_t page, uint32_t pages);

/* Finds the first dirty pages at or after from that have been so for at least age_ms: the first of them, and in *pages how
 * many follow each other, at most `most`. False if there are none. */
bool dirty_map_find(const dirty_map *map, uint32_t from, uint64_t now_ms, uint32_t age_ms, uint32_t most,
                    uint32_t *page, uint32_t *pages);

/* For how long the page that became dirty first has been so; there is one. */
uint32_t dirty_map_oldest_age(const dirty_map *map, uint64_t now_ms);

bool dirty_map_audit(const dirty_map *map);

#endif
