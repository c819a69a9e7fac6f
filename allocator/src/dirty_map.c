/* Which free pages of a chunk are dirty. */
#include "dirty_map.h"

#include <string.h>

#include "bitmap.h"
#include "check.h"

size_t dirty_map_storage(uint32_t page_count) {
    return BITMAP_WORDS(page_count) * sizeof(uint64_t) + page_count * sizeof(uint32_t);
}

void dirty_map_init(dirty_map *map, uint32_t page_count, void *storage) {
    memset(storage, 0, dirty_map_storage(page_count));
    uint64_t *bits = storage;
    *map = (dirty_map){
        .page_count = page_count,
        .bits = bits,
        .freed_ms = (uint32_t *)(void *)(bits + BITMAP_WORDS(page_count)),
    };
}

/* The bits of one word that lie in a range of pages. */
static uint64_t word_mask(uint32_t word, uint32_t page, uint32_t end) {
    uint32_t first = word * BITMAP_WORD_BITS;
    uint64_t mask = UINT64_MAX;
    if (page > first) {
        mask &= UINT64_MAX << (page - first);
    }
    if (end - first < BITMAP_WORD_BITS) {
        mask &= ((uint64_t)1 << (end - first)) - 1;
    }
    return mask;
}

void dirty_map_mark(dirty_map *map, uint32_t page, uint32_t pages, uint64_t now_ms) {
    uint32_t end = page + pages;
    POOLBUF_ASSERT(pages != 0);
    POOLBUF_ASSERT(end <= map->page_count);
    for (uint32_t word = page / BITMAP_WORD_BITS; word * BITMAP_WORD_BITS < end; word++) {
        uint64_t mask = word_mask(word, page, end);
        POOLBUF_ASSERT((map->bits[word] & mask) == 0);
        map->bits[word] |= mask;
    }
    for (uint32_t i = page; i < end; i++) {
        map->freed_ms[i] = (uint32_t)now_ms;
    }
    map->count += pages;
}

uint32_t dirty_map_clear(dirty_map *map, uint32_t page, uint32_t pages) {
    uint32_t end = page + pages;
    uint32_t cleared = 0;
    POOLBUF_ASSERT(end <= map->page_count);
    for (uint32_t word = page / BITMAP_WORD_BITS; word * BITMAP_WORD_BITS < end; word++) {
        uint64_t mask = word_mask(word, page, end);
        cleared += (uint32_t)__builtin_popcountll(map->bits[word] & mask);
        map->bits[word] &= ~mask;
    }
    map->count -= cleared;
    return cleared;
}

static uint32_t age_of(const dirty_map *map, uint32_t page, uint64_t now_ms) {
    return (uint32_t)now_ms - map->freed_ms[page];
}

/* The first dirty page at or after from, or page_count. */
static uint32_t next_dirty(const dirty_map *map, uint32_t from) {
    for (uint32_t word = from / BITMAP_WORD_BITS; word * BITMAP_WORD_BITS < map->page_count; word++) {
        uint64_t bits = map->bits[word] & word_mask(word, from, map->page_count);
        if (bits != 0) {
            return word * BITMAP_WORD_BITS + (uint32_t)__builtin_ctzll(bits);
        }
    }
    return map->page_count;
}

bool dirty_map_find(const dirty_map *map, uint32_t from, uint64_t now_ms, uint32_t age_ms, uint32_t most,
                    uint32_t *page, uint32_t *pages) {
    for (uint32_t first = next_dirty(map, from); first < map->page_count; first = next_dirty(map, first + 1)) {
        if (age_of(map, first, now_ms) < age_ms) {
            continue;
        }
        uint32_t end = first + 1;
        while (end < map->page_count && end - first < most && bitmap_test(map->bits, end) &&
               age_of(map, end, now_ms) >= age_ms) {
            end++;
        }
        *page = first;
        *pages = end - first;
        return true;
    }
    return false;
}

uint32_t dirty_map_oldest_age(const dirty_map *map, uint64_t now_ms) {
    uint32_t oldest = 0;
    for (uint32_t page = next_dirty(map, 0); page < map->page_count; page = next_dirty(map, page + 1)) {
        uint32_t age = age_of(map, page, now_ms);
        oldest = age > oldest ? age : oldest;
    }
    return oldest;
}

bool dirty_map_audit(const dirty_map *map) {
    uint32_t words = (uint32_t)BITMAP_WORDS(map->page_count);
    POOLBUF_AUDIT(bitmap_population(map->bits, map->page_count) == map->count);             /* M2 */
    POOLBUF_AUDIT((map->bits[words - 1] & ~word_mask(words - 1, 0, map->page_count)) == 0); /* M3 */
    return true;
}
