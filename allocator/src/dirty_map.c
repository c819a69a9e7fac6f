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

/* How many pages of a range that begins with page and ends before end have their bit in the word of the first. */
static uint32_t in_word(uint32_t page, uint32_t end) {
    uint32_t left = BITMAP_WORD_BITS - page % BITMAP_WORD_BITS;
    return left < end - page ? left : end - page;
}

/* The bits of so many of them. */
static uint64_t word_mask(uint32_t page, uint32_t count) {
    return UINT64_MAX >> (BITMAP_WORD_BITS - count) << page % BITMAP_WORD_BITS;
}

/* Two at a time: this is most of what freeing a run of many pages costs. */
static void set_times(uint32_t *freed_ms, uint32_t pages, uint32_t now_ms) {
    uint64_t two = (uint64_t)now_ms << 32 | now_ms;
    for (; pages >= 2; pages -= 2, freed_ms += 2) {
        memcpy(freed_ms, &two, sizeof two);
    }
    if (pages != 0) {
        *freed_ms = now_ms;
    }
}

void dirty_map_mark(dirty_map *map, uint32_t page, uint32_t pages, uint64_t now_ms) {
    uint32_t end = page + pages;
    POOLBUF_ASSERT(pages != 0);
    POOLBUF_ASSERT(end <= map->page_count);
    set_times(map->freed_ms + page, pages, (uint32_t)now_ms);
    map->count += pages;
    for (uint32_t count = 0; page < end; page += count) {
        count = in_word(page, end);
        uint64_t *word = &map->bits[page / BITMAP_WORD_BITS];
        POOLBUF_ASSERT((*word & word_mask(page, count)) == 0);
        *word |= word_mask(page, count);
    }
}

uint32_t dirty_map_clear(dirty_map *map, uint32_t page, uint32_t pages) {
    uint32_t end = page + pages;
    uint32_t cleared = 0;
    POOLBUF_ASSERT(end <= map->page_count);
    for (uint32_t count = 0; page < end; page += count) {
        count = in_word(page, end);
        uint64_t *word = &map->bits[page / BITMAP_WORD_BITS];
        uint64_t mask = word_mask(page, count);
        uint64_t found = *word & mask;
        /* All or none, most often: counting bits is a call, where the processor that this is built for need not have it. */
        cleared += found == mask ? count : found == 0 ? 0 : (uint32_t)__builtin_popcountll(found);
        *word &= ~mask;
    }
    map->count -= cleared;
    return cleared;
}

static uint32_t age_of(const dirty_map *map, uint32_t page, uint64_t now_ms) {
    return (uint32_t)now_ms - map->freed_ms[page];
}

/* The first dirty page at or after from, or page_count. */
static uint32_t next_dirty(const dirty_map *map, uint32_t from) {
    for (uint32_t count = 0; from < map->page_count; from += count) {
        count = in_word(from, map->page_count);
        uint64_t bits = map->bits[from / BITMAP_WORD_BITS] & word_mask(from, count);
        if (bits != 0) {
            return from / BITMAP_WORD_BITS * BITMAP_WORD_BITS + (uint32_t)__builtin_ctzll(bits);
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
    POOLBUF_AUDIT(bitmap_population(map->bits, map->page_count) == map->count); /* M2 */
    if (map->page_count % BITMAP_WORD_BITS != 0) {
        POOLBUF_AUDIT(map->bits[map->page_count / BITMAP_WORD_BITS] >> map->page_count % BITMAP_WORD_BITS ==
                      0); /* M3 */
    }
    return true;
}
