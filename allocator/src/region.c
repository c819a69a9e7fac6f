/* Regions: the memory that buffers' bytes lie in. */
#include "region.h"

#include "poison.h"

void region_source_init(region_source *self, os_source source, size_t page_size) {
    *self = (region_source){.source = source, .alignment = page_size, .lead = poison_memcheck ? page_size : 0};
}

uint8_t *region_map(const region_source *self, size_t bytes) {
    void *region = NULL;
    size_t whole = self->lead + bytes;
    if (os->acquire(self->source, whole, self->alignment, &region) != 0) {
        return NULL;
    }
    poison_bytes_close(region, whole);
    return region;
}

void region_unmap(const region_source *self, uint8_t *region, size_t bytes) {
    size_t whole = self->lead + bytes;
    poison_bytes_open(region, whole);
    /* benign: a system that refuses to take a region back keeps it mapped; nothing refers to it any more */
    (void)os->give_back(self->source, region, whole);
}
