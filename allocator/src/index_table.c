/* Small integers, the smallest free one first. */
#include "index_table.h"

#include <string.h>

#include "bitmap.h"
#include "check.h"
#include "give_back.h"
#include "os/os.h"

#define FIRST_BYTES 4096u

static uint32_t capacity(const index_table *self) {
    return (uint32_t)(self->bytes * 8);
}

/* Twice the bits; the new ones are free. */
static bool grow(index_table *self) {
    size_t bytes = self->bytes != 0 ? self->bytes * 2 : FIRST_BYTES;
    void *region = NULL;
    if (bytes * 8 > INDEX_TABLE_MAX || os->acquire(OS_MAPPED, bytes, FIRST_BYTES, &region) != 0) {
        return false;
    }
    if (self->free != NULL) {
        memcpy(region, self->free, self->bytes);
        give_back_plain(OS_MAPPED, self->free, self->bytes);
    }
    memset((char *)region + self->bytes, 0xff, bytes - self->bytes);
    self->free = region;
    self->bytes = bytes;
    return true;
}

uint32_t index_table_take(index_table *self) {
    uint32_t index = self->free != NULL ? bitmap_first(self->free, capacity(self), self->hint) : BITMAP_NONE;
    if (index == BITMAP_NONE) {
        index = capacity(self);
        if (!grow(self)) {
            return INDEX_TABLE_NONE;
        }
    }
    bitmap_clear(self->free, index);
    self->hint = index; /* all below are taken, or this one would not be the first */
    return index;
}

void index_table_give(index_table *self, uint32_t index) {
    POOLBUF_CHECK(index < capacity(self) && !bitmap_test(self->free, index), "a number is given back that nobody has");
    bitmap_set(self->free, index);
    self->hint = index < self->hint ? index : self->hint;
}

void index_table_fini(index_table *self) {
    if (self->free != NULL) {
        give_back_plain(OS_MAPPED, self->free, self->bytes);
    }
    *self = (index_table){0};
}
