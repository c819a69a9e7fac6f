/* A chunk: one region of the system, cut into pages. */
#include "chunk.h"

#include <string.h>

#include "bitmap.h"
#include "check.h"

#define ALIGNED(n) (((n) + 15) & ~(size_t)15)

static uint32_t pages_of_class(const size_classes *classes, uint32_t size_class) {
    return (uint32_t)(size_class_bytes(classes, size_class) >> classes->page_log2);
}

size_t chunk_books_bytes(const size_classes *classes) {
    size_t pages = (size_t)1 << (classes->chunk_log2 - classes->page_log2);
    return ALIGNED(run_index_storage(classes)) + ALIGNED(dirty_map_storage((uint32_t)pages)) +
           pages * sizeof(subpage *);
}

void chunk_init(chunk *self, const size_classes *classes, struct arena *owner, void *region, size_t lead, void *books) {
    char *storage = books;
    *self = (chunk){.arena = owner, .region = region, .lead = lead};
    run_index_init(&self->runs, classes, storage);
    storage += ALIGNED(run_index_storage(classes));
    dirty_map_init(&self->dirty, self->runs.page_count, storage);
    storage += ALIGNED(dirty_map_storage(self->runs.page_count));
    self->subpages = (subpage **)(void *)storage;
    memset(self->subpages, 0, self->runs.page_count * sizeof(subpage *));
}

void chunk_init_huge(chunk *self, struct arena *owner, void *region, size_t lead, size_t bytes) {
    *self = (chunk){.arena = owner, .region = region, .lead = lead, .huge_bytes = bytes};
}

/* Pages in use are not dirty, whatever they were (M1). */
static uint32_t take_pages(chunk *self, uint32_t pages) {
    uint32_t page = run_index_take(&self->runs, pages);
    if (page != RUN_INDEX_NONE) {
        (void)dirty_map_clear(&self->dirty, page, pages);
    }
    return page;
}

static void give_pages(chunk *self, uint32_t page, uint32_t pages, uint64_t now_ms) {
    run_index_give(&self->runs, page, pages);
    dirty_map_mark(&self->dirty, page, pages, now_ms);
}

bool chunk_take_run(chunk *self, uint32_t size_class, uint32_t *position) {
    uint32_t page = take_pages(self, pages_of_class(self->runs.classes, size_class));
    if (page == RUN_INDEX_NONE) {
        return false;
    }
    *position = chunk_position(page, 0);
    return true;
}

bool chunk_add_subpage(chunk *self, subpage *record, uint32_t size_class) {
    uint32_t page = take_pages(self, size_class_subpage_pages(self->runs.classes, size_class));
    if (page == RUN_INDEX_NONE) {
        return false;
    }
    subpage_init(record, self->runs.classes, size_class, self, page);
    self->subpages[page] = record;
    self->subpage_count++;
    return true;
}

void chunk_give_run(chunk *self, uint32_t size_class, uint32_t position, uint64_t now_ms) {
    uint32_t page = chunk_position_page(position);
    POOLBUF_CHECK(self->subpages[page] == NULL, "a subpage's slot is freed as a run");
    give_pages(self, page, pages_of_class(self->runs.classes, size_class), now_ms);
}

void chunk_remove_subpage(chunk *self, subpage *record, uint64_t now_ms) {
    POOLBUF_ASSERT(subpage_is_empty(record));
    POOLBUF_ASSERT(self->subpages[record->first_page] == record);
    self->subpages[record->first_page] = NULL;
    self->subpage_count--;
    give_pages(self, record->first_page, record->page_count, now_ms);
}

void chunk_take_out(chunk *self, uint32_t page, uint32_t pages) {
    run_index_take_at(&self->runs, page, pages);
    (void)dirty_map_clear(&self->dirty, page, pages);
}

void chunk_put_back(chunk *self, uint32_t page, uint32_t pages, bool dirty, uint64_t now_ms) {
    run_index_give(&self->runs, page, pages);
    if (dirty) {
        dirty_map_mark(&self->dirty, page, pages, now_ms);
    }
}

uint32_t chunk_usage(const chunk *self) {
    if (self->runs.free_pages == 0) {
        return 100;
    }
    uint32_t free_percent = (uint32_t)((uint64_t)self->runs.free_pages * 100 / self->runs.page_count);
    return free_percent == 0 ? 99 : 100 - free_percent;
}

typedef struct dirty_count {
    const dirty_map *map;
    uint32_t of_free;
} dirty_count;

static void count_dirty(void *context, uint32_t page, uint32_t pages) {
    dirty_count *count = context;
    for (uint32_t i = page; i < page + pages; i++) {
        count->of_free += bitmap_test(count->map->bits, i);
    }
}

bool chunk_audit(const chunk *self) {
    POOLBUF_AUDIT(self->huge_bytes == 0);
    if (!run_index_audit(&self->runs) || !dirty_map_audit(&self->dirty)) {
        return false;
    }
    dirty_count count = {.map = &self->dirty};
    run_index_visit_free(&self->runs, count_dirty, &count);
    POOLBUF_AUDIT(count.of_free == self->dirty.count); /* M1 */
    uint32_t subpages = 0;
    for (uint32_t page = 0; page < self->runs.page_count; page++) {
        const subpage *record = self->subpages[page];
        if (record != NULL) {
            POOLBUF_AUDIT(record->chunk == self);
            POOLBUF_AUDIT(record->first_page == page);
            if (!subpage_audit(record, self->runs.classes)) {
                return false;
            }
            subpages++;
        }
    }
    POOLBUF_AUDIT(subpages == self->subpage_count);
    return true;
}
