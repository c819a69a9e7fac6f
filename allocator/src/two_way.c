/* The two-way search. A needle is cut at a place where it repeats itself, from left to right, no sooner than as a
 * whole: by the critical factorisation theorem there is one, and what agrees on its right then tells how far the needle
 * may move. */
#include "two_way.h"

#include <poolbuf/search.h>

#include "pieces.h"

static __attribute__((noinline)) void cursor_move(cursor *self, size_t at) {
    self->piece = piece_at(self->buffer, self->origin + at, &self->length);
    self->start = at;
}

static inline uint8_t cursor_byte(cursor *self, size_t at) {
    if (at - self->start >= self->length) { /* also where it lies before the piece */
        cursor_move(self, at);
    }
    return self->piece[at - self->start];
}

/* Where the needle's largest suffix begins, by the order of bytes or by the reverse one, and that suffix's period. */
static size_t largest_suffix(const two_way_needle *self, bool reverse, size_t *period) {
    cursor best_bytes = self->bytes; /* two places are read in turn */
    cursor next_bytes = self->bytes;
    size_t best = 0;
    size_t next = 1;
    size_t same = 0; /* bytes that the two suffixes have in common, but for whole periods */
    *period = 1;
    while (next + same < self->length) {
        uint8_t a = cursor_byte(&best_bytes, best + same);
        uint8_t b = cursor_byte(&next_bytes, next + same);
        if (a == b) {
            same++;
            if (same == *period) {
                next += same;
                same = 0;
            }
        } else if ((b < a) != reverse) {
            next += same + 1;
            same = 0;
            *period = next - best;
        } else {
            best = next;
            next = best + 1;
            same = 0;
            *period = 1;
        }
    }
    return best;
}

/* The cut is the later one of the two suffixes' beginnings. */
static void cut_needle(two_way_needle *self) {
    size_t period = 0;
    size_t reverse_period = 0;
    size_t critical = largest_suffix(self, false, &period);
    size_t reverse = largest_suffix(self, true, &reverse_period);
    if (reverse > critical) {
        critical = reverse;
        period = reverse_period;
    }
    cursor left = self->bytes;
    cursor right = self->bytes;
    size_t same = 0;
    while (same < critical && cursor_byte(&left, same) == cursor_byte(&right, period + same)) {
        same++;
    }
    bool periodic = same == critical; /* as a whole, and not just its right part */
    size_t longer_part = critical > self->length - critical ? critical : self->length - critical;
    self->critical = critical;
    self->period = periodic ? period : longer_part + 1;
    self->kept = periodic ? self->length - period : 0;
    self->cut = true;
}

size_t two_way_find(two_way_needle *self, const poolbuf *buffer, size_t index, size_t length) {
    if (!self->cut) {
        cut_needle(self);
    }
    cursor ours = self->bytes;
    cursor theirs = {.buffer = buffer, .origin = index};
    size_t known = 0; /* bytes at the needle's start that agree */
    for (size_t at = 0; at <= length - self->length;) {
        size_t i = known > self->critical ? known : self->critical;
        while (i < self->length && cursor_byte(&ours, i) == cursor_byte(&theirs, at + i)) {
            i++;
        }
        if (i < self->length) {
            at += i - self->critical + 1;
            known = 0;
            continue;
        }
        i = known;
        while (i < self->critical && cursor_byte(&ours, i) == cursor_byte(&theirs, at + i)) {
            i++;
        }
        if (i >= self->critical) {
            return index + at;
        }
        at += self->period;
        known = self->kept;
    }
    return POOLBUF_NOT_FOUND;
}
