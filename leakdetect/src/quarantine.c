/* The queues of quarantine.h.
 *
 * Each lane of threads (thread.h) has one, with a lock of its own, so that busy threads neither wait for each other nor give back
 * each other's memory. The limit is shared out among them: what all shares come to, and what is spare, is the limit at any
 * time, and no queue holds more than its share (Q1). A queue that has no room
 *
 *   1. takes of what is spare: so one thread alone gets all of it;
 *   2. takes from another queue's share, whose oldest entries leave for that: one where nothing has come in for a while, as what is
 *      there is older than what would leave here; or one that has more than its part, if this one has less;
 *   3. lets its own oldest entry leave.
 *
 * Whether there is such another queue is looked at now and then, and each time while there is. So the queues that are in use come to
 * equal shares, and the others to none.
 *
 * Two locks are never held at once but around fork(), and a callback runs without any. */
#include "quarantine.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "guard.h"
#include "memory.h"
#include "process/cancel.h"
#include "shard_lock.h"
#include "thread.h"

#define FETCH_AHEAD UINT64_C(4) /* entries: a step of the queue takes longer than one of these is on its way */

enum {
    CACHE_LINE = 64,
    FETCH_BYTES_MAX = 1024,
    PLACES_FIRST = 256,        /* of a ring, to begin with */
    LOOK_EVERY = 128,          /* entries that have left for want of room; a look may fetch lines from other cores */
    IDLE_MS = 20,              /* without a new entry: several turns on a processor */
    STEP_BYTES_MAX = 16 << 10, /* of what is spare that go to a share at once, */
    STEP_PART = 64,            /* and the part of the limit that they are where that is less */
    DEPARTURE_LOOK_NS = 20000  /* how often whoever waits for others' departures looks again: seldom does anybody */
};

/* A cache line: with each buffer one entry comes and one goes. */
typedef struct entry {
    uintptr_t resource; /* complemented, as are the next two; 0: it has left before its turn */
    uintptr_t owner;
    uintptr_t memory;
    uintptr_t closed_key; /* this and what follows but `size`: of the closing, in another order that leaves no gaps */
    uint64_t closed_size;
    uint32_t allocation_stack, close_stack;
    thread_who who;
    uint32_t type;
    uint32_t size; /* of the memory */
} entry;
_Static_assert(sizeof(entry) == CACHE_LINE, "an entry is a cache line");

/* An entry that has left the queue and is being checked and given back, without the lock: on the stack of the thread that does
 * it. While there is no other thread nobody can wait for it, and it goes unannounced. */
typedef struct departure {
    struct departure *next;
    uintptr_t owner; /* complemented */
    const thread_state *thread;
} departure;

/* Of one lane. */
typedef struct queue {
    shard_lock lock; /* not a mutex: each buffer takes it, and gives it back by a store. Guards all else */
    uint32_t looks;  /* for room; each LOOK_EVERYth looks at other queues */
    entry *entries;  /* a ring; NULL until there is one */
    uint64_t places; /* in it: a power of two, QUARANTINE_ENTRIES at most */
    uint64_t first;  /* the oldest entry's number, whose place is that modulo `places` */
    uint64_t next;   /* the number of the next one */
    uint64_t held;   /* bytes, and QUARANTINE_ENTRY_COST for each entry */
    uint64_t share;  /* bytes that it may hold */
    departure *departures;
    uint32_t bit;      /* its own in in_use, once it has had a share */
    bool takes;        /* at the last look another queue had something for it */
    uint32_t looks_at; /* the number of the queue that it looks at first */
    struct {
        uint64_t next;     /* as it was at the first look that found it so */
        uint64_t since_ms; /* and when that was */
    } seen[THREAD_LANES];  /* of each other queue */
} __attribute__((aligned(128))) queue;

static queue queues[THREAD_LANES];
static _Atomic uint64_t spare;  /* bytes of the limit that are in no share; relaxed: nothing else goes with it */
static _Atomic uint32_t in_use; /* a bit for each queue that has a share, under its lock; relaxed: where to look */
static quarantine_doors doors;  /* fixed at start-up, as is the next */
static uint64_t limit;

static queue *own_queue(void) {
    queue *self = &queues[(size_t)thread_self()->lane - 1];
    __asm__("" : "+r"(self)); /* one address, kept: gcc would work it out for each field */
    return self;
}

void quarantine_lock(void) {
    for (size_t i = 0; i < THREAD_LANES; i++) {
        shard_lock_take(&queues[i].lock);
    }
}

void quarantine_unlock(void) {
    for (size_t i = THREAD_LANES; i-- > 0;) {
        shard_lock_give(&queues[i].lock);
    }
}

/* The threads that were giving something back are not here: what they held is lost to this child, and nobody waits for
 * it. */
static void forget_departures(departure **link) {
    while (*link != NULL) {
        if ((*link)->thread == thread_self()) {
            link = &(*link)->next;
        } else {
            *link = (*link)->next;
        }
    }
}

void quarantine_after_fork(void) {
    for (size_t i = 0; i < THREAD_LANES; i++) {
        forget_departures(&queues[i].departures);
    }
}

void quarantine_start(const quarantine_doors *doors_to_use, uint64_t limit_to_use) {
    doors = *doors_to_use;
    limit = limit_to_use < UINT32_MAX ? limit_to_use : UINT32_MAX; /* entry.size */
    uint64_t shared = 0;
    uint32_t sharing = 0;
    for (size_t i = 0; i < THREAD_LANES; i++) {
        queues[i].share = queues[i].held;
        queues[i].bit = 1u << i;
        shared += queues[i].share;
        sharing |= queues[i].share != 0 ? 1u << i : 0;
    }
    atomic_store_explicit(&in_use, sharing, memory_order_relaxed);
    atomic_store_explicit(&spare, shared < limit ? limit - shared : 0, memory_order_relaxed);
}

static uint64_t cost_of(size_t size) {
    return size + QUARANTINE_ENTRY_COST;
}

static entry *place_of(const queue *self, uint64_t number) {
    return &self->entries[number & (self->places - 1)];
}

/* Twice the places. A ring that is no longer than it must be comes round to lines that the caches still have. */
static void widen_locked(queue *self) {
    for (uint64_t number = self->first; number != self->next; number++) {
        if ((number & self->places) != 0) {
            self->entries[number & (2 * self->places - 1)] = *place_of(self, number);
        }
    }
    self->places *= 2;
}

static tracker_closed closed_of(const entry *slot) {
    return (tracker_closed){.key = slot->closed_key,
                            .size = slot->closed_size,
                            .allocation_stack = slot->allocation_stack,
                            .close_stack = slot->close_stack,
                            .who = slot->who,
                            .type = slot->type};
}

/* What leaves the queue was put in long ago, and lies far from the processor. So this asks for that of the entry a few places on,
 * which has come when that is checked and given back. There may be no such entry, or not any more, and at the ring's end it is
 * not the next one: what is asked for is not read. Inline, as gcc leaves out a call that does nothing else. */
static inline __attribute__((always_inline)) void fetch_locked(const queue *self) {
    const entry *soon = place_of(self, self->first + FETCH_AHEAD);
    __builtin_prefetch((const void *)((uintptr_t)soon + FETCH_AHEAD * sizeof *soon), 1);
    __builtin_prefetch((const void *)~soon->resource, 1);
    const uintptr_t memory = ~soon->memory;
    const uint32_t size = soon->size < FETCH_BYTES_MAX ? soon->size : FETCH_BYTES_MAX;
    for (uint32_t at = 0; at < size; at += CACHE_LINE) {
        __builtin_prefetch((const void *)(memory + at));
    }
}

static inline bool is_empty_locked(const queue *self) {
    return self->first == self->next;
}

/* Takes the oldest entry out; false if it has left before. */
static inline __attribute__((always_inline)) bool leave_locked(queue *self, entry *left) {
    const entry *oldest = place_of(self, self->first);
    const bool is_there = oldest->resource != 0;
    if (is_there) {
        fetch_locked(self);
        *left = *oldest;
        self->held -= cost_of(left->size);
    }
    self->first++;
    return is_there;
}

static void announce_locked(queue *self, departure *own, const entry *left) {
    *own = (departure){.next = self->departures, .owner = left->owner, .thread = thread_self()};
    self->departures = own;
}

static __attribute__((noinline)) void withdraw(queue *self, const departure *own) {
    shard_lock_take(&self->lock);
    departure **link = &self->departures;
    while (*link != own) {
        link = &(*link)->next;
    }
    *link = own->next;
    shard_lock_give(&self->lock);
}

/* The callback may be a program's, and start a thread: so this is announced in any case. */
static __attribute__((noinline)) void tell(queue *self, const entry *left) {
    const size_t changed = guard_find_change((const uint8_t *)~left->memory, left->size, GUARD_POISON_BYTE);
    const tracker_closed closed = closed_of(left);
    departure own;
    shard_lock_take(&self->lock);
    announce_locked(self, &own, left);
    shard_lock_give(&self->lock);
    if (changed != left->size) { /* unless who wrote there has put it back meanwhile */
        doors.changed((const void *)~left->resource, changed, left->size, &closed);
    }
    doors.give_back((void *)~left->resource);
    withdraw(self, &own);
}

static inline __attribute__((always_inline)) void check_and_give_back(queue *self, const entry *left) {
    if (__builtin_expect(!guard_is_all((const uint8_t *)~left->memory, left->size, GUARD_POISON_BYTE), 0)) {
        tell(self, left);
    } else {
        doors.give_back((void *)~left->resource);
    }
}

/* Gives the lock away before what has left is checked and given back. */
static inline __attribute__((always_inline)) void depart_and_unlock(queue *self, const entry *left) {
    departure own;
    const bool announced = !process_is_alone();
    if (announced) {
        announce_locked(self, &own, left);
    }
    shard_lock_give(&self->lock);
    check_and_give_back(self, left);
    if (announced) {
        withdraw(self, &own);
    }
}

/* Not for this thread's own: a callback that is told of a change may end an allocator. */
static bool is_departing_locked(const queue *self, const void *owner) {
    const departure *at = self->departures;
    while (at != NULL && (at->owner != ~(uintptr_t)owner || at->thread == thread_self())) {
        at = at->next;
    }
    return at != NULL;
}

/* --- shares ------------------------------------------------------------------------------------------------------ */

static uint64_t step_bytes(void) {
    return limit / STEP_PART < STEP_BYTES_MAX ? limit / STEP_PART : STEP_BYTES_MAX;
}

/* Returns what is still to be made spare. */
static uint64_t give_share_locked(queue *self, uint64_t bytes, uint64_t wanted) {
    const uint64_t given = bytes < wanted ? bytes : wanted;
    self->share -= given;
    if (self->share == 0) {
        atomic_fetch_and_explicit(&in_use, ~(1u << (self - queues)), memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&spare, given, memory_order_relaxed);
    return wanted - given;
}

/* Makes so much of a share spare, or all of it. */
static void shed_and_unlock(queue *self, uint64_t wanted) {
    entry left;
    wanted = give_share_locked(self, self->share - self->held, wanted);
    while (wanted != 0 && !is_empty_locked(self)) {
        if (leave_locked(self, &left)) {
            /* Before the lock goes: the room is not for its own threads. */
            wanted = give_share_locked(self, cost_of(left.size), wanted);
            depart_and_unlock(self, &left);
            shard_lock_take(&self->lock);
        }
    }
    shard_lock_give(&self->lock);
}

static inline bool has_others(const queue *self) {
    return (atomic_load_explicit(&in_use, memory_order_relaxed) & ~self->bit) != 0;
}

static uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A queue that has put nothing in since it was last looked at has been idle for that long. */
static bool note_idle_locked(queue *self, size_t number, uint64_t next) {
    const uint64_t now_ms = clock_ms();
    if (self->seen[number].next != next) {
        self->seen[number].next = next;
        self->seen[number].since_ms = now_ms;
    }
    return now_ms - self->seen[number].since_ms >= IDLE_MS;
}

/* What each queue may have while so many are in use. */
static uint64_t part_bytes(uint32_t sharing) {
    return limit / (uint32_t)__builtin_popcount(sharing);
}

/* Takes so much from another queue's share, if that is one to be taken from, or in any case; false if it is not. The own lock is given
 * away meanwhile. */
static bool take_from(queue *self, queue *other, uint64_t lacks, bool in_any_case) {
    const uint64_t part = part_bytes(atomic_load_explicit(&in_use, memory_order_relaxed) | 1u << (self - queues) |
                                     1u << (other - queues));
    const bool is_poor = self->share + lacks <= part;
    shard_lock_give(&self->lock);
    shard_lock_take(&other->lock);
    const uint64_t next = other->next;
    bool taken = other->share != 0 && (in_any_case || (is_poor && other->share > part));
    if (taken) {
        shed_and_unlock(other, lacks);
    } else {
        shard_lock_give(&other->lock);
    }
    shard_lock_take(&self->lock);
    if (note_idle_locked(self, (size_t)(other - queues), next) && !taken) {
        shard_lock_give(&self->lock);
        shard_lock_take(&other->lock);
        taken = other->share != 0;
        shed_and_unlock(other, lacks);
        shard_lock_take(&self->lock);
    }
    return taken;
}

/* Goes through the other queues that are in use, from the one on that it was at last, until there is something for it. */
static __attribute__((noinline)) void look_elsewhere(queue *self, uint64_t lacks, bool in_any_case) {
    self->takes = false;
    for (unsigned i = 0; i < THREAD_LANES && !self->takes; i++) {
        const uint32_t number = (self->looks_at + i) % THREAD_LANES;
        if (&queues[number] != self && (atomic_load_explicit(&in_use, memory_order_relaxed) >> number & 1) != 0 &&
            take_from(self, &queues[number], lacks, in_any_case)) {
            self->looks_at = number;
            self->takes = true;
        }
    }
}

/* False if there is not so much to spare. */
static bool take_spare_locked(queue *self, uint64_t needed) {
    uint64_t left = atomic_load_explicit(&spare, memory_order_relaxed);
    uint64_t taken = 0;
    do {
        if (left < needed) {
            return false;
        }
        const uint64_t wanted = needed > step_bytes() ? needed : step_bytes();
        taken = left < wanted ? left : wanted;
    } while (!atomic_compare_exchange_weak_explicit(&spare, &left, left - taken, memory_order_relaxed,
                                                    memory_order_relaxed));
    if (self->share == 0) {
        self->bit = 1u << (self - queues);
        atomic_fetch_or_explicit(&in_use, self->bit, memory_order_relaxed);
    }
    self->share += taken;
    return true;
}

/* --- coming and looking ------------------------------------------------------------------------------------------ */

static __attribute__((noinline)) bool map_locked(queue *self) {
    self->places = PLACES_FIRST;
    self->entries = memory_map(QUARANTINE_ENTRIES * sizeof *self->entries);
    return self->entries != NULL;
}

static inline __attribute__((always_inline)) entry *come_locked(queue *self, uint64_t cost) {
    if (__builtin_expect(self->next - self->first == self->places, 0)) {
        widen_locked(self);
    }
    self->held += cost;
    return place_of(self, self->next++);
}

static inline bool has_places_locked(const queue *self) {
    return self->next - self->first < QUARANTINE_ENTRIES;
}

static inline bool has_room_locked(const queue *self, uint64_t cost) {
    return self->held + cost <= self->share && has_places_locked(self);
}

/* What comes is to take the room of what leaves here: there is no other, and it is not yet time to look elsewhere. */
static inline bool is_usual_locked(const queue *self, uint64_t cost) {
    return !is_empty_locked(self) && atomic_load_explicit(&spare, memory_order_relaxed) < cost &&
           (!has_others(self) || (!self->takes && self->looks % LOOK_EVERY != 0));
}

/* What else there may be to do. leaves: an entry is in hand; the result likewise. Callbacks run meanwhile. */
static __attribute__((noinline)) bool make_room_locked(queue *self, uint64_t cost, entry *left, bool leaves) {
    bool looks = !leaves && has_others(self);
    while (!has_room_locked(self, cost)) {
        const uint64_t lacks = has_places_locked(self) ? self->held + cost - self->share : 0;
        if (leaves) { /* and another one must */
            depart_and_unlock(self, left);
            shard_lock_take(&self->lock);
            leaves = false;
        } else if (lacks != 0 && take_spare_locked(self, lacks)) {
            continue;
        } else if (lacks != 0 && (looks || is_empty_locked(self))) {
            look_elsewhere(self, lacks, is_empty_locked(self));
            looks = self->takes;
        } else {
            leaves = leave_locked(self, left);
        }
    }
    return leaves;
}

/* What is to be kept, and what is known of its end. */
typedef struct coming {
    void *resource;
    const void *owner;
    uint8_t *memory;
    size_t size;
    const tracker_closed *closed;
} coming;

static inline __attribute__((always_inline)) void fill(entry *slot, const coming *with) {
    const tracker_closed *closed = with->closed;
    slot->resource = ~(uintptr_t)with->resource;
    slot->owner = ~(uintptr_t)with->owner;
    slot->memory = ~(uintptr_t)with->memory;
    slot->closed_key = closed->key;
    slot->closed_size = closed->size;
    slot->allocation_stack = closed->allocation_stack;
    slot->close_stack = closed->close_stack;
    slot->who = closed->who;
    slot->type = closed->type;
    slot->size = (uint32_t)with->size;
}

/* Whether it takes the room of the oldest entry, and that is all, as with each of a program that goes on as it is. */
static inline __attribute__((always_inline)) bool replaces_locked(const queue *self, uint64_t cost) {
    const uint64_t room = self->share - self->held;
    if (cost <= room || !is_usual_locked(self, cost)) {
        return false;
    }
    const entry *oldest = place_of(self, self->first);
    return oldest->resource != 0 && cost - cost_of(oldest->size) + self->held <= self->share;
}

/* The ring is no fuller than it was. */
static inline __attribute__((always_inline)) void replace_locked(queue *self, uint64_t cost, entry *left,
                                                                 const coming *with) {
    const entry *oldest = place_of(self, self->first);
    self->looks++;
    fetch_locked(self);
    *left = *oldest;
    self->held += cost - cost_of(left->size);
    self->first++;
    fill(place_of(self, self->next++), with);
}

/* Whatever there is to do. Told the parts: a struct would have to be in memory before it is known whether anybody reads it. */
static __attribute__((noinline)) bool take_and_unlock(queue *self, void *resource, const void *owner, uint8_t *memory,
                                                      size_t size, const tracker_closed *closed) {
    const uint64_t cost = cost_of(size);
    entry left;
    tracker_closed kept;
    bool leaves = false;
    if (__builtin_expect(self->entries == NULL, 0) && !map_locked(self)) {
        shard_lock_give(&self->lock);
        return false;
    }
    if (!has_room_locked(self, cost)) {
        leaves = is_usual_locked(self, cost) && leave_locked(self, &left);
        self->looks++;
        if (!has_room_locked(self, cost)) {
            kept = *closed; /* a callback may release buffers, and so end what `closed` points to */
            closed = &kept;
            leaves = make_room_locked(self, cost, &left, leaves);
        }
    }
    fill(come_locked(self, cost), &(const coming){resource, owner, memory, size, closed});
    if (leaves) {
        depart_and_unlock(self, &left);
    } else {
        shard_lock_give(&self->lock);
    }
    return true;
}

bool quarantine_take(void *resource, const void *owner, uint8_t *memory, size_t size, const tracker_closed *closed) {
    const uint64_t cost = cost_of(size);
    if (__builtin_expect(cost > limit, 0)) {
        return false;
    }
    if (size != 0) {
        memset(memory, GUARD_POISON_BYTE, size);
    }
    queue *self = own_queue();
    shard_lock_take(&self->lock);
    if (__builtin_expect(!replaces_locked(self, cost), 0)) {
        return take_and_unlock(self, resource, owner, memory, size, closed);
    }
    entry left;
    replace_locked(self, cost, &left, &(const coming){resource, owner, memory, size, closed});
    depart_and_unlock(self, &left);
    return true;
}

static bool find_in(queue *self, uintptr_t wanted, tracker_closed *closed) {
    bool found = false;
    shard_lock_take(&self->lock);
    for (uint64_t number = self->next; number > self->first && !found; number--) {
        const entry *slot = place_of(self, number - 1);
        found = slot->resource == wanted;
        if (found) {
            *closed = closed_of(slot);
        }
    }
    shard_lock_give(&self->lock);
    return found;
}

bool quarantine_find(const void *resource, tracker_closed *closed) {
    bool found = false;
    for (size_t i = 0; i < THREAD_LANES && !found; i++) {
        found = find_in(&queues[i], ~(uintptr_t)resource, closed);
    }
    return found;
}

static void surrender_of(queue *self, const void *owner) {
    shard_lock_take(&self->lock);
    uint64_t end = self->next; /* what comes in meanwhile is not asked for */
    for (uint64_t number = self->first; number < end; number++) {
        number = number < self->first ? self->first : number; /* others have left meanwhile */
        entry *slot = number < end ? place_of(self, number) : NULL;
        if (slot != NULL && slot->resource != 0 && (owner == NULL || slot->owner == ~(uintptr_t)owner)) {
            const entry left = *slot;
            slot->resource = 0;
            self->held -= cost_of(left.size);
            depart_and_unlock(self, &left);
            shard_lock_take(&self->lock);
        }
    }
    while (!is_empty_locked(self) && place_of(self, self->first)->resource == 0) { /* their places are free */
        self->first++;
    }
    while (owner != NULL && is_departing_locked(self, owner)) {
        shard_lock_give(&self->lock);
        const int saved_errno = errno;
        cancel_sleep(DEPARTURE_LOOK_NS);
        errno = saved_errno;
        shard_lock_take(&self->lock);
    }
    shard_lock_give(&self->lock);
}

void quarantine_surrender(const void *owner) {
    for (size_t i = 0; i < THREAD_LANES; i++) {
        surrender_of(&queues[i], owner);
    }
}
