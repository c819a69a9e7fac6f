/* The queue of quarantine.h. */
#include "quarantine.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "guard.h"
#include "memory.h"
#include "process/cancel.h"
#include "shard_lock.h"

#define FETCH_AHEAD UINT64_C(4) /* entries: a step of the queue takes longer than one of these is on its way */

enum {
    CACHE_LINE = 64,
    FETCH_BYTES_MAX = 1024,
    PLACES_FIRST = 256,       /* of the ring, to begin with */
    DEPARTURE_LOOK_NS = 20000 /* how often whoever waits for others' departures looks again: seldom does anybody */
};

/* A cache line: with each buffer one entry comes and one goes. */
typedef struct entry {
    uintptr_t resource; /* complemented, as are the next two; 0: it has left before its turn */
    uintptr_t owner;
    uintptr_t memory;
    uintptr_t closed_key; /* this and what follows but `size`: of the closing, in another order that leaves no gaps */
    uint64_t closed_size;
    uint32_t allocation_stack, close_stack, type, thread_name, thread_id;
    uint32_t size; /* of the memory */
} entry;
_Static_assert(sizeof(entry) == CACHE_LINE, "an entry is a cache line");

/* An entry that has left the queue and is being checked and given back, without the lock: on the stack of the thread that does
 * it. While there is no other thread nobody can wait for it, and it goes unannounced. */
typedef struct departure {
    struct departure *next;
    uintptr_t owner; /* complemented */
    pthread_t thread;
} departure;

/* Not a mutex: each buffer takes this lock, and gives it back by a store. */
static shard_lock lock;
static departure *departures;  /* guarded by lock */
static quarantine_doors doors; /* fixed at start-up, as is the next */
static uint64_t limit;
static entry *entries;  /* a ring; guarded by lock, as are the next four */
static uint64_t places; /* in it: a power of two, QUARANTINE_ENTRIES at most */
static uint64_t first;  /* the oldest entry's number, whose place is that modulo `places` */
static uint64_t next;   /* the number of the next one */
static uint64_t held;   /* bytes, and QUARANTINE_ENTRY_COST for each */

void quarantine_lock(void) {
    shard_lock_take(&lock);
}

void quarantine_unlock(void) {
    shard_lock_give(&lock);
}

/* The threads that were giving something back are not here: what they held is lost to this child, and nobody waits for
 * it. */
void quarantine_after_fork(void) {
    departure **link = &departures;
    while (*link != NULL) {
        if (pthread_equal((*link)->thread, pthread_self())) {
            link = &(*link)->next;
        } else {
            *link = (*link)->next;
        }
    }
}

void quarantine_start(const quarantine_doors *doors_to_use, uint64_t limit_to_use) {
    doors = *doors_to_use;
    limit = limit_to_use < UINT32_MAX ? limit_to_use : UINT32_MAX; /* entry.size */
}

static uint64_t cost_of(size_t size) {
    return size + QUARANTINE_ENTRY_COST;
}

static entry *place_of(uint64_t number) {
    return &entries[number & (places - 1)];
}

/* Twice the places. A ring that is no longer than it must be comes round to lines that the caches still have. */
static void widen_locked(void) {
    for (uint64_t number = first; number != next; number++) {
        if ((number & places) != 0) {
            entries[number & (2 * places - 1)] = *place_of(number);
        }
    }
    places *= 2;
}

static tracker_closed closed_of(const entry *slot) {
    return (tracker_closed){.key = slot->closed_key,
                            .size = slot->closed_size,
                            .allocation_stack = slot->allocation_stack,
                            .close_stack = slot->close_stack,
                            .type = slot->type,
                            .thread_name = slot->thread_name,
                            .thread_id = slot->thread_id};
}

/* What leaves the queue was put in long ago, and lies far from the processor. So that of the entry a few places on is
 * asked for now, and is there when it is checked and given back. Inline, as a call that does nothing else is one that gcc leaves
 * out. */
static inline __attribute__((always_inline)) void fetch_locked(void) {
    const entry *soon = place_of(first + FETCH_AHEAD);
    __builtin_prefetch(place_of(first + 2 * FETCH_AHEAD), 1);
    if (next - first <= FETCH_AHEAD || soon->resource == 0) {
        return;
    }
    __builtin_prefetch((const void *)~soon->resource, 1);
    if (soon->size == 0) {
        return; /* a handle alone */
    }
    const uint8_t *memory = (const uint8_t *)~soon->memory;
    const uint8_t *const end = memory + (soon->size < FETCH_BYTES_MAX ? soon->size : FETCH_BYTES_MAX);
    for (; memory < end; memory += CACHE_LINE) {
        __builtin_prefetch(memory);
    }
}

/* Takes the oldest entry out; false if it has left before. */
static bool leave_locked(entry *left) {
    const entry *oldest = place_of(first);
    const bool is_there = oldest->resource != 0;
    if (is_there) {
        fetch_locked();
        *left = *oldest;
        held -= cost_of(left->size);
    }
    first++;
    return is_there;
}

static void announce_locked(departure *self, const entry *left) {
    *self = (departure){.next = departures, .owner = left->owner, .thread = pthread_self()};
    departures = self;
}

static __attribute__((noinline)) void withdraw(const departure *self) {
    shard_lock_take(&lock);
    departure **link = &departures;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
    shard_lock_give(&lock);
}

/* The callback may be a program's, and start a thread: so this is announced in any case. */
static __attribute__((noinline)) void tell(const entry *left) {
    const size_t changed = guard_find_change((const uint8_t *)~left->memory, left->size, GUARD_POISON_BYTE);
    const tracker_closed closed = closed_of(left);
    departure self;
    shard_lock_take(&lock);
    announce_locked(&self, left);
    shard_lock_give(&lock);
    if (changed != left->size) { /* unless who wrote there has put it back meanwhile */
        doors.changed((const void *)~left->resource, changed, left->size, &closed);
    }
    doors.give_back((void *)~left->resource);
    withdraw(&self);
}

static inline __attribute__((always_inline)) void check_and_give_back(const entry *left) {
    if (__builtin_expect(!guard_is_all((const uint8_t *)~left->memory, left->size, GUARD_POISON_BYTE), 0)) {
        tell(left);
    } else {
        doors.give_back((void *)~left->resource);
    }
}

/* Gives the lock away before what has left is checked and given back. */
static inline __attribute__((always_inline)) void depart_and_unlock(const entry *left) {
    departure self;
    const bool announced = !process_is_alone();
    if (announced) {
        announce_locked(&self, left);
    }
    shard_lock_give(&lock);
    check_and_give_back(left);
    if (announced) {
        withdraw(&self);
    }
}

/* Not for this thread's own: a callback that is told of a change may end an allocator. */
static bool is_departing_locked(const void *owner) {
    const departure *at = departures;
    while (at != NULL && (at->owner != ~(uintptr_t)owner || pthread_equal(at->thread, pthread_self()))) {
        at = at->next;
    }
    return at != NULL;
}

static inline bool has_room_locked(uint64_t cost) {
    return held + cost <= limit && next - first < QUARANTINE_ENTRIES;
}

static __attribute__((noinline)) bool map_locked(void) {
    places = PLACES_FIRST;
    entries = memory_map(QUARANTINE_ENTRIES * sizeof *entries);
    return entries != NULL;
}

static inline __attribute__((always_inline)) entry *come_locked(uint64_t cost) {
    if (__builtin_expect(next - first == places, 0)) {
        widen_locked();
    }
    held += cost;
    return place_of(next++);
}

bool quarantine_take(void *resource, const void *owner, uint8_t *memory, size_t size, const tracker_closed *closed) {
    const uint64_t cost = cost_of(size);
    if (cost > limit) {
        return false;
    }
    if (size != 0) {
        memset(memory, GUARD_POISON_BYTE, size);
    }
    entry left;
    tracker_closed kept;
    bool leaves = false;
    shard_lock_take(&lock);
    if (__builtin_expect(entries == NULL, 0) && !map_locked()) {
        shard_lock_give(&lock);
        return false;
    }
    while (!has_room_locked(cost)) {
        if (leaves) { /* and another one must. A callback may release buffers, and so end what `closed` points to */
            kept = *closed;
            closed = &kept;
            depart_and_unlock(&left);
            shard_lock_take(&lock);
            leaves = false;
        } else {
            leaves = leave_locked(&left);
        }
    }
    *come_locked(cost) = (entry){.resource = ~(uintptr_t)resource,
                                 .owner = ~(uintptr_t)owner,
                                 .memory = ~(uintptr_t)memory,
                                 .closed_key = closed->key,
                                 .closed_size = closed->size,
                                 .allocation_stack = closed->allocation_stack,
                                 .close_stack = closed->close_stack,
                                 .type = closed->type,
                                 .thread_name = closed->thread_name,
                                 .thread_id = closed->thread_id,
                                 .size = (uint32_t)size};
    if (leaves) {
        depart_and_unlock(&left);
    } else {
        shard_lock_give(&lock);
    }
    return true;
}

bool quarantine_find(const void *resource, tracker_closed *closed) {
    const uintptr_t wanted = ~(uintptr_t)resource;
    bool found = false;
    shard_lock_take(&lock);
    for (uint64_t number = next; number > first && !found; number--) {
        const entry *slot = place_of(number - 1);
        found = slot->resource == wanted;
        if (found) {
            *closed = closed_of(slot);
        }
    }
    shard_lock_give(&lock);
    return found;
}

void quarantine_surrender(const void *owner) {
    shard_lock_take(&lock);
    uint64_t end = next; /* what comes in meanwhile is not asked for */
    for (uint64_t number = first; number < end; number++) {
        number = number < first ? first : number; /* others have left meanwhile */
        entry *slot = number < end ? place_of(number) : NULL;
        if (slot != NULL && slot->resource != 0 && (owner == NULL || slot->owner == ~(uintptr_t)owner)) {
            const entry left = *slot;
            slot->resource = 0;
            held -= cost_of(left.size);
            depart_and_unlock(&left);
            shard_lock_take(&lock);
        }
    }
    while (first != next && place_of(first)->resource == 0) { /* their places are free */
        first++;
    }
    while (owner != NULL && is_departing_locked(owner)) {
        shard_lock_give(&lock);
        const int saved_errno = errno;
        cancel_sleep(DEPARTURE_LOOK_NS);
        errno = saved_errno;
        shard_lock_take(&lock);
    }
    shard_lock_give(&lock);
}
