/* A shape as a trace: buffers are drawn cell by cell, given a place in the order of allocations, and written down.
 *
 * A buffer that lives for L of N allocations must be one of the first N - L. So places are given to the longest lives
 * first, each one at random among the first N - L that are free. A life that was drawn too long for any of them is
 * shortened to what the next place allows; by H2 that stays inside its class: when k buffers have places and no free one
 * is among the first N - L, those k fill places 0 to k - 1, the life becomes N - 1 - k, and at least k + 1 buffers have
 * this life's class or a longer one, of which H2 says k + 1 <= N - low. What is kept comes last and takes what is left. */
#include <stdlib.h>

#include "record/shape.h"
#include "scenario/random.h"

#define NONE UINT32_MAX

/* A buffer to be. */
typedef struct drawn {
    uint32_t life; /* NONE: kept */
    uint32_t size;
    uint32_t order : 31; /* in which it was drawn: qsort() must not decide between equal lives */
    uint32_t hops : 1;
    uint32_t next_due; /* the next one that dies at the same place */
} drawn;

_Static_assert(SHAPE_BUFFERS_MAX <= UINT32_C(1) << 31, "a buffer's number fits");

typedef struct play {
    const shape *from;
    uint32_t threads;
    random_state random;
    drawn *buffers; /* those that die first, longest life first; then the kept ones */
    uint32_t count;
    uint32_t *at;   /* the buffer at each place */
    uint32_t *dies; /* the first buffer that is released before the allocation at each place; NONE */
    uint32_t *slot; /* of each buffer */
    uint32_t *thread;
    uint32_t *free_slots;
    uint32_t free_count;
    trace *out;
} play;

static uint64_t draw(play *self, uint64_t low, uint64_t high) {
    return low + random_below(&self->random, high - low + 1);
}

static void draw_cell(play *self, unsigned size, unsigned life, unsigned hop) {
    const uint32_t size_high = size + 1 < SHAPE_SIZES ? UINT32_C(1) << size : TRACE_SIZE_MAX;
    const uint32_t size_low = size == 0 ? 1 : (UINT32_C(1) << (size - 1)) + 1;
    const uint64_t low = shape_life_low(life);
    const uint64_t high = low == 0 ? 0 : 2 * low - 1;
    for (uint64_t i = self->from->counts[size][life][hop]; i > 0; i--) {
        drawn *buffer = &self->buffers[self->count];
        *buffer = (drawn){.order = self->count & 0x7fffffffu, .hops = hop & 1u};
        buffer->size = (uint32_t)draw(self, size_low, size_high);
        buffer->life = life == SHAPE_KEPT ? NONE : (uint32_t)draw(self, low, high);
        self->count++;
    }
}

/* Longest first; what is kept comes last. */
static int compare(const void *a, const void *b) {
    const drawn *left = a;
    const drawn *right = b;
    if ((left->life == NONE) != (right->life == NONE)) {
        return left->life == NONE ? 1 : -1;
    }
    if (left->life != right->life) {
        return left->life > right->life ? -1 : 1;
    }
    return left->order < right->order ? -1 : 1;
}

static void draw_buffers(play *self) {
    for (unsigned size = 0; size < SHAPE_SIZES; size++) {
        for (unsigned life = 0; life <= SHAPE_KEPT; life++) {
            draw_cell(self, size, life, 0);
            draw_cell(self, size, life, 1);
        }
    }
    qsort(self->buffers, self->count, sizeof *self->buffers, compare);
}

/* free_places is scratch memory for as many as there are buffers. */
static void place_buffers(play *self, uint32_t *free_places) {
    uint32_t free_count = 0;
    uint32_t next = 0;
    for (uint32_t i = 0; i <= self->count; i++) {
        self->dies[i] = NONE;
    }
    for (uint32_t i = 0; i < self->count; i++) {
        drawn *buffer = &self->buffers[i];
        const uint32_t fit = buffer->life == NONE         ? self->count
                             : buffer->life < self->count ? self->count - buffer->life
                                                          : 0;
        while (next < fit) {
            free_places[free_count++] = next++;
        }
        if (free_count == 0) {
            buffer->life = self->count - 1 - next;
            free_places[free_count++] = next++;
        }
        const uint32_t chosen = (uint32_t)random_below(&self->random, free_count);
        const uint32_t place = free_places[chosen];
        free_places[chosen] = free_places[--free_count];
        self->at[place] = i;
        if (buffer->life != NONE) {
            const uint32_t due = place + buffer->life + 1;
            buffer->next_due = self->dies[due];
            self->dies[due] = i;
        }
    }
}

static void add(play *self, trace_kind kind, uint32_t slot, uint32_t size, uint32_t thread) {
    self->out->events[self->out->event_count++] =
        (trace_event){.slot = slot, .size = size, .kind = kind & 15u, .thread = thread & 0xfffffffu};
}

static void release_due(play *self, uint32_t place) {
    for (uint32_t i = self->dies[place]; i != NONE; i = self->buffers[i].next_due) {
        uint32_t thread = self->thread[i];
        if (self->buffers[i].hops && self->threads > 1) {
            thread = (thread + 1 + (uint32_t)random_below(&self->random, self->threads - 1)) % self->threads;
        }
        add(self, TRACE_RELEASE, self->slot[i], 0, thread);
        self->free_slots[self->free_count++] = self->slot[i];
    }
}

static void write_events(play *self) {
    for (uint32_t place = 0; place < self->count; place++) {
        const uint32_t i = self->at[place];
        release_due(self, place);
        self->slot[i] = self->free_count > 0 ? self->free_slots[--self->free_count] : self->out->slot_count++;
        self->thread[i] = (uint32_t)random_below(&self->random, self->threads);
        add(self, TRACE_ALLOCATE, self->slot[i], self->buffers[i].size, self->thread[i]);
    }
    release_due(self, self->count);
    self->out->thread_count = self->threads;
}

bool shape_play(const shape *from, uint32_t threads, uint64_t seed, trace **out) {
    const size_t count = (size_t)from->buffer_count;
    play self = {.from = from, .threads = threads, .buffers = calloc(count, sizeof(drawn))};
    uint32_t *numbers = calloc(6 * count + 1, sizeof *numbers);
    self.out = calloc(1, sizeof *self.out);
    if (self.out != NULL) {
        self.out->events = calloc(2 * count, sizeof *self.out->events);
    }
    const bool fine = self.buffers != NULL && numbers != NULL && self.out != NULL && self.out->events != NULL;
    if (fine) {
        self.at = numbers;
        self.slot = numbers + count;
        self.thread = numbers + 2 * count;
        self.free_slots = numbers + 3 * count;
        self.dies = numbers + 5 * count;
        random_init(&self.random, seed, 0);
        draw_buffers(&self);
        place_buffers(&self, numbers + 4 * count);
        write_events(&self);
        *out = self.out;
    } else {
        trace_destroy(self.out);
    }
    free(numbers);
    free(self.buffers);
    return fine;
}
