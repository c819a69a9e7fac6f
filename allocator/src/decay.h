/* Decay: which of an arena's chunks have dirty pages, when to look at each, and how their pages leave.
 *
 *      tick           12      13      14      15   ...      each a sixteenth of the decay time
 *      wheel        [ A B ] [     ] [ C   ] [ D ]           chunks by the tick in which their oldest dirty page is due
 *         |
 *         v  once the tick has begun
 *      todo         [ A ] -> [ B ]                          looked through page by page, a bounded number at a time
 *
 * Each chunk in a chunk list that has a dirty page is in exactly one of these lists (D1), so nothing is scanned before
 * something may be due, and what is new costs one link. A chunk whose oldest page was used again in the meantime is looked
 * at in vain, and filed again by what is the oldest now; at most once a tick (D2), so neither traffic nor a system that
 * refuses to drop can make anybody look in circles. Pages go back no sooner than the decay time after they were freed, and no
 * later than a tick after that, given that somebody looks. A spare chunk is in none: it goes as a whole, the decay time
 * after it emptied. If it is used again before, it is filed by its oldest page, whose time has run on.
 *
 * Dropping pages takes the kernel a while, so it happens outside the arena lock. Meanwhile the pages are out: taken from
 * the run index like a run in use. Nobody can be given them, they merge with nothing, and their chunk is not empty, so it
 * can neither become a spare nor be unmapped. What it costs is that an allocation in that moment may find no room in this chunk and
 * use another one. One thread at a time does this (D3), between decay_begin() and decay_end(); whoever has waited for
 * that knows that no page of the arena is out any more. So the child of a fork() loses none, and an allocation that would
 * fail can wait.
 *
 * The system drops whole pages of its own. Where those are larger than the allocator's (16 KiB or 64 KiB on some ARM
 * machines, against 8 KiB), the ends of a range may stay resident, though they count as dropped from then on.
 *
 * Guarded by the arena lock; due_ms may be read by anyone. */
#ifndef DECAY_H
#define DECAY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "chunk.h"

#define DECAY_NEVER UINT64_MAX
#define DECAY_STEPS 16u /* ticks that the decay time lasts */
#define DECAY_WHEEL 32u

_Static_assert(DECAY_WHEEL >= DECAY_STEPS + 2, "what is filed now is due before the wheel comes round");

typedef struct decay {
    pthread_cond_t ended; /* with the arena lock; dropping is false again */
    bool dropping;        /* a thread is between decay_begin() and decay_end() */
    uint64_t due_ms;      /* atomic; nothing is due before; DECAY_NEVER: there is nothing */
    uint64_t tick;        /* chunks of this one and of those before are in todo */
    chunk *wheel[DECAY_WHEEL];
    chunk *todo;
    uint32_t out_pages; /* taken from their chunk's run index to be dropped */
} decay;

/* Pages that are out. */
typedef struct decay_range {
    chunk *chunk;
    uint32_t page, pages;
    bool dropped; /* the system has taken their memory */
} decay_range;

void decay_init(decay *self);

static inline uint64_t decay_due_ms(const decay *self) {
    return __atomic_load_n(&self->due_ms, __ATOMIC_RELAXED);
}

/* Something may be due then, or something that was is not there any more: both keep due_ms a lower bound. */
void decay_expect(decay *self, uint64_t due_ms);

/* Sets due_ms anew, from what there is; others_due_ms is that of the caller's other things. */
void decay_settle(decay *self, uint32_t decay_ms, uint64_t others_due_ms);

/* A chunk in a chunk list has got dirty pages, or comes back to one with some; no effect if it is watched already. */
void decay_watch(decay *self, chunk *member, uint32_t decay_ms, uint64_t now_ms);

/* A chunk leaves the chunk lists. */
void decay_forget(chunk *member);

/* Makes every dirty page a candidate of the calls that follow, whatever its age. */
void decay_hurry(decay *self);

/* Around all that follows; the former waits, with the arena lock released meanwhile, the second declines. */
void decay_begin(decay *self, pthread_mutex_t *arena_lock);
bool decay_begin_try(decay *self);
void decay_end(decay *self);

/* Takes out the next dirty pages that have been so for at least age_ms; false if there are none. */
bool decay_take_out(decay *self, uint32_t decay_ms, uint32_t age_ms, uint64_t now_ms, decay_range *out);

/* Asks the system to drop them; without the arena lock. */
void decay_drop(decay_range *range);

/* Puts them back: clean, or dirty from now on if they could not be dropped. False if that leaves the chunk empty and in no list: it
 * is the caller's. */
bool decay_put_back(decay *self, const decay_range *range, uint64_t now_ms);

bool decay_audit(const decay *self);

#endif
