/* What the public interface tells of size classes: the arithmetic of size_class.h for an allocator's geometry, with an answer
 * for every argument. */
#include <poolbuf/metrics.h>

#include "allocator.h"
#include "size_class.h"

/* NULL without memory for the default allocator. */
static const size_classes *classes_of(poolbuf_allocator *allocator) {
    allocator = allocator_resolve(allocator);
    return allocator != NULL ? &allocator->classes : NULL;
}

static size_t chunk_size_of(const size_classes *classes) {
    return (size_t)1 << classes->chunk_log2;
}

static size_t chunk_pages_of(const size_classes *classes) {
    return (size_t)1 << (classes->chunk_log2 - classes->page_log2);
}

uint32_t poolbuf_size_class_count(poolbuf_allocator *allocator) {
    const size_classes *classes = classes_of(allocator);
    return classes != NULL ? classes->count : 0;
}

uint32_t poolbuf_small_size_class_count(poolbuf_allocator *allocator) {
    const size_classes *classes = classes_of(allocator);
    return classes != NULL ? classes->small_count : 0;
}

size_t poolbuf_size_class_bytes(poolbuf_allocator *allocator, uint32_t size_class) {
    const size_classes *classes = classes_of(allocator);
    return classes != NULL && size_class < classes->count ? size_class_bytes(classes, size_class) : 0;
}

uint32_t poolbuf_size_class_of_size(poolbuf_allocator *allocator, size_t size) {
    const size_classes *classes = classes_of(allocator);
    if (classes == NULL) {
        return 0;
    }
    return size <= chunk_size_of(classes) ? size_class_of(classes, size) : classes->count;
}

size_t poolbuf_normalize_size(poolbuf_allocator *allocator, size_t size) {
    const size_classes *classes = classes_of(allocator);
    if (classes == NULL) {
        return 0;
    }
    return size <= chunk_size_of(classes) ? size_class_bytes(classes, size_class_of(classes, size)) : size;
}

uint32_t poolbuf_page_class_count(poolbuf_allocator *allocator) {
    const size_classes *classes = classes_of(allocator);
    return classes != NULL ? classes->page_count : 0;
}

size_t poolbuf_page_class_bytes(poolbuf_allocator *allocator, uint32_t page_class) {
    const size_classes *classes = classes_of(allocator);
    if (classes == NULL || page_class >= classes->page_count) {
        return 0;
    }
    return (size_t)size_class_page_bytes_in_pages(classes, page_class) << classes->page_log2;
}

static uint32_t page_class_of(poolbuf_allocator *allocator, size_t pages,
                              uint32_t (*round)(const size_classes *classes, uint32_t pages)) {
    const size_classes *classes = classes_of(allocator);
    if (classes == NULL || pages == 0) {
        return 0;
    }
    return pages <= chunk_pages_of(classes) ? round(classes, (uint32_t)pages) : classes->page_count;
}

uint32_t poolbuf_page_class_ceil(poolbuf_allocator *allocator, size_t pages) {
    return page_class_of(allocator, pages, size_class_page_ceil);
}

uint32_t poolbuf_page_class_floor(poolbuf_allocator *allocator, size_t pages) {
    return page_class_of(allocator, pages, size_class_page_floor);
}
