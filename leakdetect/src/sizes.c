/* See sizes.h. */
#include "sizes.h"

#include <string.h>

static void join_nearest(sizes *self) {
    uint32_t at = 0;
    for (uint32_t i = 1; i + 1 < self->kinds; i++) {
        if (self->size[i + 1] - self->size[i] < self->size[at + 1] - self->size[at]) {
            at = i;
        }
    }
    uint64_t both = self->count[at] + self->count[at + 1];
    double share = (double)self->count[at + 1] / (double)both;
    self->size[at] += (uint64_t)((double)(self->size[at + 1] - self->size[at]) * share);
    self->count[at] = both;
    self->kinds--;
    size_t rest = self->kinds - at - 1;
    memmove(&self->size[at + 1], &self->size[at + 2], rest * sizeof self->size[0]);
    memmove(&self->count[at + 1], &self->count[at + 2], rest * sizeof self->count[0]);
    self->rounded = true;
}

/* Without least and greatest. */
static void add_kind(sizes *self, uint64_t size, uint64_t count) {
    uint32_t at = 0;
    while (at < self->kinds && self->size[at] < size) {
        at++;
    }
    if (at < self->kinds && self->size[at] == size) {
        self->count[at] += count;
        return;
    }
    memmove(&self->size[at + 1], &self->size[at], (self->kinds - at) * sizeof self->size[0]);
    memmove(&self->count[at + 1], &self->count[at], (self->kinds - at) * sizeof self->count[0]);
    self->size[at] = size;
    self->count[at] = count;
    if (++self->kinds > SIZES_KINDS) {
        join_nearest(self);
    }
}

void sizes_add(sizes *self, uint64_t size, uint64_t count) {
    if (count == 0) {
        return;
    }
    size = sizes_cut(size);
    self->least = self->kinds == 0 || size < self->least ? size : self->least;
    self->greatest = size > self->greatest ? size : self->greatest;
    add_kind(self, size, count);
}

void sizes_merge(sizes *self, const sizes *other) {
    for (uint32_t i = 0; i < other->kinds; i++) {
        sizes_add(self, other->size[i], other->count[i]);
    }
    if (other->kinds > 0) { /* the joined ones lie between these */
        self->least = other->least < self->least ? other->least : self->least;
        self->greatest = other->greatest > self->greatest ? other->greatest : self->greatest;
    }
    self->rounded = self->rounded || other->rounded;
}

uint64_t sizes_median(const sizes *self) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < self->kinds; i++) {
        all += self->count[i];
    }
    uint64_t below = 0;
    for (uint32_t i = 0; i < self->kinds; i++) {
        below += self->count[i];
        if (below >= all - all / 2) {
            return self->size[i];
        }
    }
    return 0;
}
