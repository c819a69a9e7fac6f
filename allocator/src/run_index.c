/* The runs of a chunk. */
#include "run_index.h"

#include <string.h>

#include "bitmap.h"
#include "check.h"

#define USED 0x8000u

_Static_assert(RUN_INDEX_PAGES_MAX < USED, "a length and its mark share 16 bits");

static uint32_t class_words(const size_classes *classes) {
    return (uint32_t)BITMAP_WORDS((uint32_t)1 << (classes->chunk_log2 - classes->page_log2));
}

size_t run_index_storage(const size_classes *classes) {
    size_t pages = (size_t)1 << (classes->chunk_log2 - classes->page_log2);
    size_t starts = sizeof(uint64_t) * class_words(classes) * classes->page_count;
    return starts + sizeof(uint16_t) * pages + sizeof(uint16_t) * classes->page_count;
}

static uint64_t *bitmap_of(const run_index *index, uint32_t page_class) {
    return index->starts + (size_t)page_class * index->words;
}

static void file_run(run_index *index, uint32_t page, uint32_t pages) {
    uint32_t page_class = size_class_page_floor(index->classes, pages);
    index->lengths[page] = (uint16_t)pages;
    index->lengths[page + pages - 1] = (uint16_t)pages;
    bitmap_set(bitmap_of(index, page_class), page);
    index->class_counts[page_class]++;
    index->classes_mask |= (uint64_t)1 << page_class;
}

static void unfile_run(run_index *index, uint32_t page, uint32_t pages) {
    uint32_t page_class = size_class_page_floor(index->classes, pages);
    index->lengths[page] = 0;
    index->lengths[page + pages - 1] = 0;
    bitmap_clear(bitmap_of(index, page_class), page);
    if (--index->class_counts[page_class] == 0) {
        index->classes_mask &= ~((uint64_t)1 << page_class);
    }
}

void run_index_init(run_index *index, const size_classes *classes, void *storage) {
    uint32_t pages = (uint32_t)1 << (classes->chunk_log2 - classes->page_log2);
    POOLBUF_ASSERT(classes->page_count <= 64);
    memset(storage, 0, run_index_storage(classes));
    *index = (run_index){
        .classes = classes,
        .page_count = pages,
        .free_pages = pages,
        .words = class_words(classes),
        .starts = storage,
    };
    index->lengths = (uint16_t *)(void *)(index->starts + (size_t)index->words * classes->page_count);
    index->class_counts = index->lengths + pages;
    file_run(index, 0, pages);
}

uint32_t run_index_take(run_index *index, uint32_t pages) {
    uint32_t least = size_class_page_ceil(index->classes, pages);
    uint64_t fitting = index->classes_mask >> least << least;
    if (fitting == 0) {
        return RUN_INDEX_NONE;
    }
    uint32_t page_class = (uint32_t)__builtin_ctzll(fitting);
    uint32_t page = bitmap_first(bitmap_of(index, page_class), index->page_count, 0);
    uint32_t found = index->lengths[page];
    POOLBUF_ASSERT(found >= pages);
    unfile_run(index, page, found);
    if (found > pages) {
        file_run(index, page + pages, found - pages);
    }
    index->lengths[page] = (uint16_t)(pages | USED);
    index->free_pages -= pages;
    return page;
}

/* The first page of the free run that a page lies in. Its length stands at both its ends, and 0 between them. */
static uint32_t free_run_of(const run_index *index, uint32_t page) {
    uint32_t length = index->lengths[page];
    if (length != 0) {
        bool first = bitmap_test(bitmap_of(index, size_class_page_floor(index->classes, length)), page);
        return first ? page : page + 1 - length;
    }
    while (index->lengths[page] == 0) {
        page--;
    }
    return page;
}

void run_index_take_at(run_index *index, uint32_t page, uint32_t pages) {
    uint32_t first = free_run_of(index, page);
    uint32_t found = index->lengths[first];
    POOLBUF_ASSERT((found & USED) == 0);
    POOLBUF_ASSERT(page + pages <= first + found);
    unfile_run(index, first, found);
    if (page > first) {
        file_run(index, first, page - first);
    }
    if (page + pages < first + found) {
        file_run(index, page + pages, first + found - page - pages);
    }
    index->lengths[page] = (uint16_t)(pages | USED);
    index->free_pages -= pages;
}

void run_index_give(run_index *index, uint32_t page, uint32_t pages) {
    POOLBUF_CHECK(page < index->page_count && index->lengths[page] == (pages | USED),
                  "a run is freed that is not in use");
    index->lengths[page] = 0;
    index->free_pages += pages;
    /* A free run's length stands at its last page; a used one has there its mark (of one page) or 0. */
    uint32_t before = page > 0 ? index->lengths[page - 1] : 0;
    if (before != 0 && (before & USED) == 0) {
        unfile_run(index, page - before, before);
        page -= before;
        pages += before;
    }
    uint32_t after = page + pages < index->page_count ? index->lengths[page + pages] : 0;
    if (after != 0 && (after & USED) == 0) {
        unfile_run(index, page + pages, after);
        pages += after;
    }
    file_run(index, page, pages);
}

void run_index_visit_free(const run_index *index, void (*visit)(void *context, uint32_t page, uint32_t pages),
                          void *context) {
    for (uint32_t page = 0; page < index->page_count;) {
        uint32_t length = index->lengths[page];
        if ((length & USED) == 0) {
            visit(context, page, length);
        }
        page += length & ~USED;
    }
}

bool run_index_audit(const run_index *index) {
    uint32_t free_pages = 0;
    uint32_t free_runs = 0;
    bool before_free = false;
    uint32_t page = 0;
    while (page < index->page_count) {
        uint32_t length = index->lengths[page] & ~USED;
        bool used = (index->lengths[page] & USED) != 0;
        POOLBUF_AUDIT(length != 0);                        /* R1 */
        POOLBUF_AUDIT(length <= index->page_count - page); /* R1 */
        for (uint32_t i = 1; i < length; i++) {            /* R4 */
            uint32_t expected = !used && i == length - 1 ? length : 0;
            POOLBUF_AUDIT(index->lengths[page + i] == expected);
        }
        if (!used) {
            uint32_t page_class = size_class_page_floor(index->classes, length);
            POOLBUF_AUDIT(!before_free); /* R2 */
            POOLBUF_AUDIT(bitmap_test(bitmap_of(index, page_class), page));
            free_pages += length;
            free_runs++;
        }
        before_free = !used;
        page += length;
    }
    POOLBUF_AUDIT(free_pages == index->free_pages);
    for (uint32_t i = 0; i < index->classes->page_count; i++) { /* R3 */
        uint32_t filed = bitmap_population(bitmap_of(index, i), index->page_count);
        POOLBUF_AUDIT(filed == index->class_counts[i]);
        POOLBUF_AUDIT((index->classes_mask >> i & 1) == (filed != 0));
        free_runs -= filed;
    }
    POOLBUF_AUDIT(free_runs == 0);
    return true;
}
