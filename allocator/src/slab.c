/* Slabs: records of one size. */
#include "slab.h"

#include <string.h>

#include <poolbuf/buffer.h>

#include "counter.h"
#include "give_back.h"
#include "poison.h"

#define RECORD_ALIGNMENT  64u
#define TABLE_BYTES       4096u
#define TABLE_REGIONS     ((TABLE_BYTES - 2 * sizeof(void *)) / sizeof(void *))
#define HANDLES_A_REGION  1024u
#define RECORDS_A_REGION  4u /* the fewest that a region holds, unless each is as large as a region was to be */
#define ROUND_UP(n, unit) (((n) + (unit)-1) / (unit) * (unit))

typedef struct slab_table {
    struct slab_table *next;
    size_t count;
    void *regions[TABLE_REGIONS];
} slab_table;

_Static_assert(sizeof(slab_table) <= TABLE_BYTES, "a table fits its page");

void slab_init(slab *self, os_source source, size_t record_bytes, size_t region_bytes) {
    record_bytes = ROUND_UP(record_bytes, RECORD_ALIGNMENT);
    size_t least = record_bytes < region_bytes ? record_bytes * RECORDS_A_REGION : record_bytes;
    *self = (slab){
        .source = source,
        .record_bytes = record_bytes,
        .region_bytes = ROUND_UP(region_bytes > least ? region_bytes : least, TABLE_BYTES),
    };
}

void slab_init_handles(slab *self, os_source source) {
    slab_init(self, source, sizeof(poolbuf), sizeof(poolbuf) * HANDLES_A_REGION);
    self->link_offset = offsetof(poolbuf, link);
    self->closed = true;
}

void slab_fini(slab *self) {
    while (self->tables != NULL) {
        slab_table *table = self->tables;
        for (size_t i = 0; i < table->count; i++) {
            give_back_plain(self->source, table->regions[i], self->region_bytes);
        }
        self->tables = table->next;
        give_back_plain(OS_MAPPED, table, TABLE_BYTES);
    }
    self->out = 0;
    self->free = NULL;
    self->fresh = self->fresh_end = NULL;
    counter_set(&self->bytes, 0);
}

/* Acquires one region, and a table page where the last one is full. */
static bool slab_grow(slab *self) {
    slab_table *table = self->tables;
    bool new_table = table == NULL || table->count == TABLE_REGIONS;
    if (new_table) {
        void *page = NULL;
        if (os->acquire(OS_MAPPED, TABLE_BYTES, TABLE_BYTES, &page) != 0) {
            return false;
        }
        table = page;
        table->next = self->tables;
        table->count = 0;
    }
    void *region = NULL;
    if (os->acquire(self->source, self->region_bytes, TABLE_BYTES, &region) != 0) {
        if (new_table) {
            give_back_plain(OS_MAPPED, table, TABLE_BYTES);
        }
        return false;
    }
    if (new_table) {
        self->tables = table;
        counter_add(&self->bytes, TABLE_BYTES);
    }
    if (self->closed) {
        poison_handle_close(region, self->region_bytes);
    }
    table->regions[table->count++] = region;
    counter_add(&self->bytes, self->region_bytes);
    /* The first place of handles stays empty: the table knows its address, and Memcheck would take that for a reference to
     * the buffer that lies there, which could then never be lost. */
    self->fresh_end = (char *)region + self->region_bytes / self->record_bytes * self->record_bytes;
    self->fresh = (char *)region + (self->closed ? self->record_bytes : 0);
    return true;
}

/* The link inside a free record; copied, since a record is no array of pointers. */
static void *link_get(const slab *self, const void *record) {
    void *next = NULL;
    memcpy(&next, (const char *)record + self->link_offset, sizeof next);
    return next;
}

void *slab_take(slab *self) {
    void *record = self->free;
    if (record != NULL) {
        if (self->closed) {
            poison_handle_open(record, self->record_bytes);
        }
        self->free = link_get(self, record);
    } else {
        if (self->fresh == self->fresh_end && !slab_grow(self)) {
            return NULL;
        }
        record = self->fresh;
        self->fresh += self->record_bytes;
        if (self->closed) {
            poison_handle_open(record, self->record_bytes);
        }
    }
    self->out++;
    return record;
}

void slab_give(slab *self, void *record) {
    memcpy((char *)record + self->link_offset, &self->free, sizeof self->free);
    self->free = record;
    self->out--;
    if (self->closed) {
        poison_handle_close(record, self->record_bytes);
    }
}

void slab_visit(const slab *self, void (*visit)(void *context, const void *region, size_t bytes), void *context) {
    for (const slab_table *table = self->tables; table != NULL; table = table->next) {
        for (size_t i = 0; i < table->count; i++) {
            visit(context, table->regions[i], self->region_bytes);
        }
    }
}
