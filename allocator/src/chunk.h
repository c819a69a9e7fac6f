/* A chunk: one region of the system, cut into pages.
 *
 * Runs of pages are handed out whole, or cut into the slots of a subpage. The record stands apart from the region: nothing
 * but buffers' bytes lies in it. A huge buffer's region has a record too, without pages: huge_bytes says so.
 *
 *      record (metadata)                                 region (payload)
 *      [ chunk | run index | dirty map | subpages[] ]    [ page 0 ][ page 1 ] ... [ page n-1 ]
 *
 * Where a buffer lies is its position: the first page of its run in the upper half, its slot in the lower.
 * A region may begin with lead bytes that no buffer gets. Under Memcheck that is a page, elsewhere nothing: a record that
 * knew the address of the first buffer's bytes would be a reference to them, and they could not be lost (poison.h).
 * Guarded by the arena lock; region, lead, region_index, arena and huge_bytes never change while a buffer is out, but for region
 * and huge_bytes where a huge buffer changes its size: then it is in no list, and its owner's alone. */
#ifndef CHUNK_H
#define CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirty_map.h"
#include "run_index.h"
#include "size_class.h"
#include "subpage.h"

struct arena;
struct chunk_list;

typedef struct chunk {
    /* What a search reads of each chunk that it passes comes first, in one cache line. What it does not read, and is some
     * kilobytes, lies elsewhere, so that thousands of chunks are passed without a look at as many pages. */
    struct chunk *next, *prev; /* in its list; spare and huge: in the arena's; doomed: next alone */
    struct chunk_list *list;   /* NULL: spare, or huge */
    run_index runs;
    struct arena *arena;
    uint8_t *region;       /* as the system gave it */
    size_t lead;           /* bytes before page 0, or before a huge buffer */
    uint32_t region_index; /* the region's number (region.h) */
    uint64_t emptied_ms;   /* spare: when it became so */
    size_t huge_bytes;     /* 0: cut into pages */
    uint32_t subpage_count;
    uint32_t decay_cursor;     /* the page from which decay goes on; 0 where it is not in the middle of this chunk */
    dirty_map dirty;           /* of the free pages */
    struct chunk *decay_next;  /* in a list of decay.h; meaningless while decay_link is NULL */
    struct chunk **decay_link; /* what points at this chunk there; NULL: in none */
    struct subpage **subpages; /* by first page; NULL where no subpage begins */
} chunk;

_Static_assert(offsetof(chunk, runs.classes_mask) + sizeof(uint64_t) <= 64, "a search reads one cache line of a chunk");
_Static_assert(RUN_INDEX_PAGES_MAX <= 1u << 16, "a page number fits half a position");

static inline uint32_t chunk_position(uint32_t page, uint32_t slot) {
    return page << 16 | slot;
}

static inline uint32_t chunk_position_page(uint32_t position) {
    return position >> 16;
}

static inline uint32_t chunk_position_slot(uint32_t position) {
    return position & 0xffff;
}

/* Bytes of a chunk's books: which of its pages are free, which are dirty, and what subpages begin there. A huge buffer has none. */
size_t chunk_books_bytes(const size_classes *classes);

/* books is aligned to 16 and outlives the chunk. */
void chunk_init(chunk *self, const size_classes *classes, struct arena *owner, void *region, size_t lead, void *books);
void chunk_init_huge(chunk *self, struct arena *owner, void *region, size_t lead, size_t bytes);

/* Takes a run of a normal class, or the run for a subpage, which the caller provides the record for. */
bool chunk_take_run(chunk *self, uint32_t size_class, uint32_t *position);
bool chunk_add_subpage(chunk *self, subpage *record, uint32_t size_class);

/* Whether there is a free run of that page class or a larger one: whether the above can succeed. */
static inline bool chunk_has_run(const chunk *self, uint32_t page_class) {
    return self->runs.classes_mask >> page_class != 0;
}

/* One above the page class of the largest free run; 0: there is none. */
static inline uint32_t chunk_runs_below(const chunk *self) {
    uint64_t mask = self->runs.classes_mask;
    return mask != 0 ? 64 - (uint32_t)__builtin_clzll(mask) : 0;
}

/* Gives back the run of a normal class; and the run of an empty subpage, whose record is the caller's again. Its pages are
 * dirty from now_ms on. */
void chunk_give_run(chunk *self, uint32_t size_class, uint32_t position, uint64_t now_ms);
void chunk_remove_subpage(chunk *self, subpage *record, uint64_t now_ms);

/* Takes free pages out, dirty or not, so that they can be dropped while nobody has them; and puts them back. */
void chunk_take_out(chunk *self, uint32_t page, uint32_t pages);
void chunk_put_back(chunk *self, uint32_t page, uint32_t pages, bool dirty, uint64_t now_ms);

/* What chunk_init() was given. */
static inline void *chunk_books(const chunk *self) {
    return self->runs.starts;
}

static inline uint8_t *chunk_address(const chunk *self, uint32_t page) {
    return self->region + self->lead + ((size_t)page << self->runs.classes->page_log2);
}

static inline size_t chunk_free_bytes(const chunk *self) {
    return (size_t)self->runs.free_pages << self->runs.classes->page_log2;
}

static inline bool chunk_is_empty(const chunk *self) {
    return self->runs.free_pages == self->runs.page_count;
}

/* Per cent in use: 0 only if empty, 100 only if full. */
uint32_t chunk_usage(const chunk *self);

bool chunk_audit(const chunk *self);

#endif
