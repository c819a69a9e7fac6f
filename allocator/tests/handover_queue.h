/* A bounded queue between threads: many put, many take, nobody waits. Each place carries the number of its turn, so handing an
 * item over orders the two threads that do it and no others: a race elsewhere is not hidden by the queue. */
#ifndef HANDOVER_QUEUE_H
#define HANDOVER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

enum {
    HANDOVER_PLACES = 64 /* a power of two */
};

/* A reference on its way, and what the test knows of the buffer. */
typedef struct handover {
    poolbuf *handle;
    struct parcel *parcel;
    size_t offset; /* of a slice: where it begins */
    bool is_slice; /* retained */
} handover;

typedef struct handover_place {
    size_t turn; /* atomic */
    handover item;
} handover_place;

typedef struct handover_queue {
    handover_place places[HANDOVER_PLACES];
    size_t put, taken; /* atomic; turns given so far */
} handover_queue;

static inline void handover_queue_init(handover_queue *self) {
    self->put = self->taken = 0;
    for (size_t i = 0; i < HANDOVER_PLACES; i++) {
        self->places[i].turn = i;
    }
}

/* The place whose turn is that of *next and `ahead` more, claimed; NULL if it is not its turn: the queue is full, or empty. The acquire
 * pairs with the release of whoever left the place. */
/* NOLINTNEXTLINE(readability-non-const-parameter): clang-tidy does not see that the builtin writes */
static inline handover_place *handover_claim(handover_queue *self, size_t *next, size_t ahead, size_t *turn) {
    size_t at = __atomic_load_n(next, __ATOMIC_RELAXED);
    for (;;) {
        handover_place *place = &self->places[at % HANDOVER_PLACES];
        ptrdiff_t late = (ptrdiff_t)(__atomic_load_n(&place->turn, __ATOMIC_ACQUIRE) - (at + ahead));
        if (late < 0) {
            return NULL;
        }
        if (late > 0) {
            at = __atomic_load_n(next, __ATOMIC_RELAXED);
        } else if (__atomic_compare_exchange_n(next, &at, at + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            *turn = at;
            return place;
        }
    }
}

/* False if it is full: the item stays the caller's. */
static inline bool handover_put(handover_queue *self, const handover *item) {
    size_t turn = 0;
    handover_place *place = handover_claim(self, &self->put, 0, &turn);
    if (place == NULL) {
        return false;
    }
    place->item = *item;
    __atomic_store_n(&place->turn, turn + 1, __ATOMIC_RELEASE);
    return true;
}

static inline bool handover_take(handover_queue *self, handover *item) {
    size_t turn = 0;
    handover_place *place = handover_claim(self, &self->taken, 1, &turn);
    if (place == NULL) {
        return false;
    }
    *item = place->item;
    __atomic_store_n(&place->turn, turn + HANDOVER_PLACES, __ATOMIC_RELEASE);
    return true;
}

#endif
