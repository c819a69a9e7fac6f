/* Size classes: the parts that are not on the fast path. */
#include "size_class.h"

#include "check.h"

/* Page classes: the series of four a doubling in units of a page. Doublings below four pages lack the classes that are no
 * whole pages, so they are counted apart: 1, 2, 3, 4 pages first, then four a doubling: 5 6 7 8, 10 12 14 16, ... That is
 * the series of sizes with a quantum of one page, which is what Netty's table comes to as well. */
static const size_classes PAGES = {
    .per_log2 = 2,
};

static uint32_t page_class_of(uint32_t pages) {
    return size_class_of(&PAGES, (size_t)pages << SIZE_CLASS_QUANTUM_LOG2);
}

uint32_t size_class_page_bytes_in_pages(const size_classes *classes, uint32_t page_class) {
    POOLBUF_ASSERT(page_class < classes->page_count);
    (void)classes;
    return (uint32_t)(size_class_bytes(&PAGES, page_class) >> SIZE_CLASS_QUANTUM_LOG2);
}

void size_classes_init(size_classes *classes, size_t page_size, size_t chunk_size, uint32_t per_doubling) {
    POOLBUF_ASSERT((page_size & (page_size - 1)) == 0);
    POOLBUF_ASSERT((chunk_size & (chunk_size - 1)) == 0);
    POOLBUF_ASSERT(chunk_size <= (size_t)1 << SIZE_CLASS_CHUNK_MAX_LOG2);
    POOLBUF_ASSERT(per_doubling == 4 || per_doubling == SIZE_CLASS_PER_MAX);
    *classes = (size_classes){
        .per_log2 = (uint32_t)__builtin_ctz(per_doubling),
        .page_log2 = (uint32_t)__builtin_ctzll(page_size),
        .chunk_log2 = (uint32_t)__builtin_ctzll(chunk_size),
        .page_count = page_class_of((uint32_t)(chunk_size / page_size)) + 1,
    };
    classes->count = size_class_of(classes, chunk_size) + 1;
    classes->small_count = size_class_of(classes, page_size * per_doubling);
}

uint32_t size_class_page_ceil(const size_classes *classes, uint32_t pages) {
    POOLBUF_ASSERT(pages != 0);
    uint32_t page_class = page_class_of(pages);
    POOLBUF_ASSERT(page_class < classes->page_count);
    (void)classes;
    return page_class;
}

uint32_t size_class_page_floor(const size_classes *classes, uint32_t pages) {
    uint32_t page_class = size_class_page_ceil(classes, pages);
    return size_class_page_bytes_in_pages(classes, page_class) > pages ? page_class - 1 : page_class;
}

uint32_t size_class_subpage_pages(const size_classes *classes, uint32_t index) {
    POOLBUF_ASSERT(size_class_is_small(classes, index));
    size_t slot_bytes = size_class_bytes(classes, index);
    size_t page_bytes = (size_t)1 << classes->page_log2;
    size_t most_slots = page_bytes >> SIZE_CLASS_QUANTUM_LOG2;
    size_t run_bytes = page_bytes;
    while (run_bytes % slot_bytes != 0) {
        run_bytes += page_bytes;
    }
    while (run_bytes / slot_bytes > most_slots) {
        run_bytes -= page_bytes;
    }
    return (uint32_t)(run_bytes / page_bytes);
}
