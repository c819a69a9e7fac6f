/* Giving places to threads; see places.h. Greedy colouring of intervals: a thread takes a place at its first event and
 * leaves it behind its last. Free places are a queue, and the one that has been free longest is taken, unless the thread
 * will use a buffer of one that was there. */
#include "scenario/places.h"

#include <stdlib.h>

#define NONE UINT32_MAX

/* The thread will use, or has used, a buffer that `opener` allocated. */
typedef struct use {
    uint32_t opener;
    uint32_t next; /* of the same thread; NONE */
} use;

typedef struct thread_life {
    uint64_t first, last; /* events */
    uint32_t place;       /* NONE: it has not begun */
    uint32_t uses;        /* the newest; NONE */
} thread_life;

typedef struct place {
    uint32_t next_free; /* the place that became free after this one; NONE */
    uint32_t avoided;   /* one more than the thread that must not come here */
} place;

typedef struct sharing {
    trace *of;
    uint32_t most;
    thread_life *threads;
    use *uses;
    uint32_t use_count, use_room;
    place *places;
    uint32_t place_count;
    uint32_t free_first, free_last;
} sharing;

static bool add_use(sharing *self, uint32_t thread, uint32_t opener) {
    uint32_t *newest = &self->threads[thread].uses;
    if (*newest != NONE && self->uses[*newest].opener == opener) {
        return true;
    }
    if (self->use_count == self->use_room) {
        const uint32_t room = self->use_room == 0 ? 1024 : self->use_room * 2;
        use *uses = realloc(self->uses, room * sizeof *uses);
        if (uses == NULL) {
            return false;
        }
        self->uses = uses;
        self->use_room = room;
    }
    self->uses[self->use_count] = (use){.opener = opener, .next = *newest};
    *newest = self->use_count++;
    return true;
}

/* openers is scratch memory: the thread that allocated what is in each slot. */
static bool find_lives(sharing *self, uint32_t *openers) {
    const trace *of = self->of;
    for (uint32_t t = 0; t < of->thread_count; t++) {
        self->threads[t] = (thread_life){.first = UINT64_MAX, .place = NONE, .uses = NONE};
    }
    for (uint64_t i = 0; i < of->event_count; i++) {
        const trace_event *event = &of->events[i];
        thread_life *thread = &self->threads[event->thread];
        thread->first = i < thread->first ? i : thread->first;
        thread->last = i;
        if (event->kind == TRACE_ALLOCATE) {
            openers[event->slot] = event->thread;
        } else if (openers[event->slot] != event->thread && !add_use(self, event->thread, openers[event->slot])) {
            return false;
        }
    }
    return true;
}

/* Takes the first free place that is not avoided, or, where `any` is, the first one. */
static uint32_t take_free(sharing *self, uint32_t thread, bool any) {
    uint32_t before = NONE;
    uint32_t at = self->free_first;
    while (at != NONE && !any && self->places[at].avoided == thread + 1) {
        before = at;
        at = self->places[at].next_free;
    }
    if (at != NONE) {
        const uint32_t next = self->places[at].next_free;
        *(before != NONE ? &self->places[before].next_free : &self->free_first) = next;
        self->free_last = self->free_last == at ? before : self->free_last;
    }
    return at;
}

static void begin(sharing *self, uint32_t thread) {
    thread_life *life = &self->threads[thread];
    for (uint32_t i = life->uses; i < self->use_count; i = self->uses[i].next) { /* NONE is beyond all */
        const uint32_t other = self->threads[self->uses[i].opener].place;
        if (other != NONE) { /* else it begins later, and the two overlap */
            self->places[other].avoided = thread + 1;
        }
    }
    life->place = take_free(self, thread, false);
    if (life->place == NONE && self->place_count >= self->most) {
        life->place = take_free(self, thread, true);
    }
    if (life->place == NONE) {
        life->place = self->place_count++;
    }
}

static void end(sharing *self, uint32_t thread) {
    const uint32_t left = self->threads[thread].place;
    self->places[left].next_free = NONE;
    *(self->free_last != NONE ? &self->places[self->free_last].next_free : &self->free_first) = left;
    self->free_last = left;
}

static void share(sharing *self) {
    for (uint64_t i = 0; i < self->of->event_count; i++) {
        trace_event *event = &self->of->events[i];
        const uint32_t thread = event->thread;
        if (self->threads[thread].first == i) {
            begin(self, thread);
        }
        if (self->threads[thread].last == i) {
            end(self, thread);
        }
        event->thread = self->threads[thread].place & 0xfffffffu;
    }
    self->of->thread_count = self->place_count != 0 ? self->place_count : 1; /* a trace may have no events */
}

bool places_share(trace *recorded, uint32_t most) {
    if (recorded->thread_count <= most) {
        return true;
    }
    sharing self = {.of = recorded, .most = most, .free_first = NONE, .free_last = NONE};
    uint32_t *openers = calloc(recorded->slot_count + (size_t)1, sizeof *openers);
    self.threads = calloc(recorded->thread_count, sizeof *self.threads);
    self.places = calloc(recorded->thread_count, sizeof *self.places);
    const bool fine = openers != NULL && self.threads != NULL && self.places != NULL && find_lives(&self, openers);
    if (fine) {
        share(&self);
    }
    free(openers);
    free(self.threads);
    free(self.places);
    free(self.uses);
    return fine;
}
