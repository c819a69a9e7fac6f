/* The algorithm of reach.h. */
#include "reach.h"

#include <string.h>

#define ADDRESS_BITS 48
#define ADDRESS_MASK (((uint64_t)1 << ADDRESS_BITS) - 1)

enum {
    STEP_BYTES = 4,
    SMALL_READ_BYTES = 4096 /* what is tried where a large read failed: one OS page */
};

void reach_init(reach *self, reach_reader *read, reach_stopper *stop, void *context) {
    *self = (reach){.read = read, .stop = stop, .context = context};
}

void reach_fini(reach *self) {
    memory_unmap(self->reached, self->node_count);
    memory_unmap(self->work, self->node_count * sizeof *self->work);
    memory_unmap(self->bytes, REACH_READ_BYTES);
    memory_array_fini(&self->parts);
    memory_array_fini(&self->hidden);
}

/* --- parts -------------------------------------------------------------------------------------------------------- */

static uint32_t add_part(reach *self, reach_part part, uint32_t nodes) {
    reach_part *fresh = memory_array_next(&self->parts, sizeof *fresh);
    if (fresh == NULL || nodes > UINT32_MAX - self->node_count) {
        self->failed = true;
        return 0;
    }
    part.node = self->node_count;
    *fresh = part;
    self->node_count += nodes;
    return part.node;
}

uint32_t reach_add_row(reach *self, uintptr_t start, size_t bytes) {
    size_t records = bytes / REACH_RECORD_BYTES;
    return add_part(self, (reach_part){.start = start, .end = start + records * REACH_RECORD_BYTES, .row = true},
                    (uint32_t)records);
}

uint32_t reach_add_block(reach *self, uintptr_t start, size_t bytes, uintptr_t home) {
    return add_part(self, (reach_part){.start = start, .end = start + bytes, .home = home}, 1);
}

void reach_hide(reach *self, uintptr_t start, size_t bytes) {
    reach_range *fresh = memory_array_next(&self->hidden, sizeof *fresh);
    if (fresh == NULL) {
        self->failed = true;
        return;
    }
    *fresh = (reach_range){start, start + bytes};
}

/* Both kinds of items begin with their start. */
static uintptr_t start_of(const char *items, size_t i, size_t item_bytes) {
    uintptr_t start;
    memcpy(&start, items + i * item_bytes, sizeof start);
    return start;
}

static void exchange(char *items, size_t i, size_t j, size_t item_bytes) {
    char kept[sizeof(reach_part)];
    memcpy(kept, items + i * item_bytes, item_bytes);
    memcpy(items + i * item_bytes, items + j * item_bytes, item_bytes);
    memcpy(items + j * item_bytes, kept, item_bytes);
}

static void sift_down(char *items, size_t root, size_t count, size_t item_bytes) {
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && start_of(items, child, item_bytes) < start_of(items, child + 1, item_bytes)) {
            child++;
        }
        if (start_of(items, root, item_bytes) >= start_of(items, child, item_bytes)) {
            return;
        }
        exchange(items, root, child, item_bytes);
        root = child;
    }
}

/* By start, in place. Not qsort(), which may call malloc, whose locks a child must not touch. */
void reach_sort_by_start(memory_array *array, size_t item_bytes) {
    char *items = array->items;
    for (size_t i = array->count / 2; i-- > 0;) {
        sift_down(items, i, array->count, item_bytes);
    }
    for (size_t last = array->count; last-- > 1;) {
        exchange(items, 0, last, item_bytes);
        sift_down(items, 0, last, item_bytes);
    }
}

static void merge_hidden(reach *self) {
    const reach_part *parts = self->parts.items;
    for (size_t i = 0; i < self->parts.count; i++) {
        reach_hide(self, parts[i].start, parts[i].end - parts[i].start);
    }
    reach_sort_by_start(&self->hidden, sizeof(reach_range));
    reach_range *ranges = self->hidden.items;
    size_t kept = 0;
    for (size_t i = 0; i < self->hidden.count; i++) {
        if (kept > 0 && ranges[i].start <= ranges[kept - 1].end) {
            ranges[kept - 1].end = ranges[i].end > ranges[kept - 1].end ? ranges[i].end : ranges[kept - 1].end;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    self->hidden.count = kept;
}

static void reach_record(reach *self, size_t part_index, uint32_t record) {
    const reach_part *part = (const reach_part *)self->parts.items + part_index;
    uint8_t *mark = &self->reached[part->node + record];
    if (*mark == 0) {
        *mark = 1;
        self->work[self->work_count++] = (uint64_t)part_index << 32 | record;
    }
}

/* --- words -------------------------------------------------------------------------------------------------------- */

/* The position of the part that an address lies in; false: in none. */
static bool find_part(const reach *self, uintptr_t address, size_t *found) {
    const reach_part *parts = self->parts.items;
    size_t low = 0; /* the first that begins above the address lies in [low, high] */
    size_t high = self->parts.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (parts[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || address >= parts[low - 1].end) {
        return false;
    }
    *found = low - 1;
    return true;
}

static uint32_t record_at(const reach_part *part, uintptr_t address) {
    return part->row ? (uint32_t)((address - part->start) / REACH_RECORD_BYTES) : 0;
}

void reach_word(reach *self, uint64_t word) {
    uintptr_t address = (uintptr_t)(word & ADDRESS_MASK);
    size_t found;
    if (address >= self->lowest && address < self->highest && find_part(self, address, &found)) {
        reach_record(self, found, record_at((const reach_part *)self->parts.items + found, address));
    }
}

static void look_at(reach *self, const uint8_t *bytes, size_t count) {
    uintptr_t lowest = self->lowest;
    uintptr_t span = self->highest - lowest;
    for (size_t at = 0; at + sizeof(uint64_t) <= count; at += STEP_BYTES) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        if ((uintptr_t)(word & ADDRESS_MASK) - lowest < span) {
            reach_word(self, word);
        }
    }
}

/* Reads so much and looks at its words; false if it cannot be read. */
static bool read_once(reach *self, uintptr_t at, size_t bytes) {
    bool good = self->read(self->context, at, self->bytes, bytes);
    if (good) {
        look_at(self, self->bytes, bytes);
        self->read_bytes += bytes;
    }
    self->stopped = self->stopped || (self->stop != NULL && self->stop(self->context));
    return good;
}

/* Where a large read failed: page by page, each with the first bytes of the next, as a word may lie in both. */
static void read_pages(reach *self, uintptr_t start, uintptr_t end) {
    while (start < end && !self->stopped) {
        size_t page = SMALL_READ_BYTES - start % SMALL_READ_BYTES;
        page = end - start < page ? end - start : page;
        size_t more = end - start - page < STEP_BYTES ? end - start - page : STEP_BYTES;
        if (!read_once(self, start, page + more) && !read_once(self, start, page)) {
            self->unreadable_bytes += page;
        }
        start += page;
    }
}

static void read_words(reach *self, uintptr_t start, uintptr_t end) {
    start = (start + STEP_BYTES - 1) & ~(uintptr_t)(STEP_BYTES - 1);
    while (start < end && !self->stopped) {
        size_t bytes = end - start < REACH_READ_BYTES ? end - start : REACH_READ_BYTES;
        if (!read_once(self, start, bytes)) {
            read_pages(self, start, start + bytes);
        }
        /* A step back, as the last word of this read may end in the next. */
        start += bytes == end - start ? bytes : bytes - STEP_BYTES;
    }
}

static void reach_whole(reach *self, size_t part_index) {
    const reach_part *part = (const reach_part *)self->parts.items + part_index;
    uint32_t records = part->row ? (uint32_t)((part->end - part->start) / REACH_RECORD_BYTES) : 1;
    for (uint32_t record = 0; record < records; record++) {
        reach_record(self, part_index, record);
    }
}

/* Parts that reach into others are read as roots are, then cut short, so that one look finds what an address lies in
 * (W2). */
static void settle_overlaps(reach *self) {
    reach_part *parts = self->parts.items;
    size_t widest = 0;
    uintptr_t widest_end = self->parts.count > 0 ? parts[0].end : 0;
    for (size_t i = 1; i < self->parts.count; i++) {
        uintptr_t end = parts[i].end;
        if (parts[i].start < widest_end) {
            reach_whole(self, i);
            reach_whole(self, widest);
            read_words(self, parts[widest].start, widest_end);
            read_words(self, parts[i].start, end);
        }
        if (parts[i - 1].end > parts[i].start) {
            parts[i - 1].end = parts[i].start;
        }
        if (end > widest_end) {
            widest = i;
            widest_end = end;
        }
    }
}

bool reach_begin(reach *self) {
    reach_sort_by_start(&self->parts, sizeof(reach_part));
    merge_hidden(self);
    const reach_part *parts = self->parts.items;
    self->bytes = memory_map(REACH_READ_BYTES);
    if (self->node_count > 0) {
        self->reached = memory_map(self->node_count);
        self->work = memory_map(self->node_count * sizeof *self->work);
        self->lowest = parts[0].start;
    }
    self->failed =
        self->failed || self->bytes == NULL || (self->node_count > 0 && (self->reached == NULL || self->work == NULL));
    for (size_t i = 0; i < self->parts.count; i++) {
        self->highest = parts[i].end > self->highest ? parts[i].end : self->highest;
    }
    if (!self->failed) {
        settle_overlaps(self);
    }
    return !self->failed;
}

/* --- roots and what they reach ------------------------------------------------------------------------------------ */

/* The position of the first hidden range that ends above an address. */
static size_t first_hidden(const reach *self, uintptr_t address) {
    const reach_range *hidden = self->hidden.items;
    size_t low = 0;
    size_t high = self->hidden.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hidden[middle].end <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool reach_is_hidden(const reach *self, uintptr_t start, uintptr_t end) {
    const reach_range *hidden = self->hidden.items;
    size_t i = first_hidden(self, start);
    return i < self->hidden.count && hidden[i].start <= start && hidden[i].end >= end;
}

void reach_scan(reach *self, uintptr_t start, uintptr_t end) {
    const reach_range *hidden = self->hidden.items;
    for (size_t i = first_hidden(self, start); i < self->hidden.count && hidden[i].start < end; i++) {
        if (hidden[i].start > start) {
            read_words(self, start, hidden[i].start);
        }
        start = hidden[i].end;
    }
    if (start < end) {
        read_words(self, start, end);
    }
}

bool reach_finish(reach *self) {
    while (self->work_count > 0 && !self->stopped) {
        uint64_t item = self->work[--self->work_count];
        const reach_part *part = (const reach_part *)self->parts.items + (item >> 32);
        if (part->row) {
            uintptr_t start = part->start + (uintptr_t)(uint32_t)item * REACH_RECORD_BYTES;
            read_words(self, start, start + REACH_RECORD_BYTES);
        } else {
            read_words(self, part->start, part->end);
            reach_word(self, part->home);
        }
    }
    return !self->stopped && !self->failed;
}

bool reach_node_at(const reach *self, uintptr_t address, uint32_t *node) {
    size_t found;
    if (!find_part(self, address, &found)) {
        return false;
    }
    const reach_part *part = (const reach_part *)self->parts.items + found;
    *node = part->node + record_at(part, address);
    return true;
}

bool reach_is_reached(const reach *self, uint32_t node) {
    return self->reached[node] != 0;
}
