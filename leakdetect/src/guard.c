/* Patterns and the queue of guard.h. */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "memory.h"
#include "process/cancel.h"
#include "shard_lock.h"

#define FETCH_AHEAD UINT64_C(4) /* entries: a step of the queue takes longer than one of these is on its way */

enum {
    CACHE_LINE = 64,
    FETCH_BYTES_MAX = 1024,
    DEPARTURE_LOOK_NS = 20000 /* how often whoever waits for others' departures looks again: seldom does anybody */
};

typedef struct entry {
    uintptr_t resource; /* complemented, as are the next two; 0: it has left before its turn */
    uintptr_t owner;
    uintptr_t memory;
    size_t size;
    tracker_closed closed;
} entry;

/* An entry that has left the queue and is being checked and given back, without the lock: on the stack of the thread that does it. */
typedef struct departure {
    struct departure *next;
    uintptr_t owner; /* complemented */
    pthread_t thread;
} departure;

/* Not a mutex: each buffer takes this lock twice, and gives it back by a store. */
static shard_lock lock;
static departure *departures;  /* guarded by lock */
static quarantine_doors doors; /* fixed at start-up, as is the next */
static uint64_t limit;
static entry *entries; /* a ring; guarded by lock, as are the next three */
static uint64_t first; /* the oldest entry's number, whose place is that modulo QUARANTINE_ENTRIES */
static uint64_t next;  /* the number of the next one */
static uint64_t held;  /* bytes, and QUARANTINE_ENTRY_COST for each */

size_t guard_find_change(const uint8_t *bytes, size_t size, uint8_t pattern) {
    /* Equal to itself one byte on: all bytes are the first one. */
    if (size == 0 || (bytes[0] == pattern && memcmp(bytes, bytes + 1, size - 1) == 0)) {
        return size;
    }
    size_t at = 0;
    while (at < size && bytes[at] == pattern) {
        at++;
    }
    return at;
}

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
    limit = limit_to_use;
}

static uint64_t cost_of(size_t size) {
    return size + QUARANTINE_ENTRY_COST;
}

static void leave_locked(entry *slot, entry *left) {
    *left = *slot;
    slot->resource = 0;
    held -= cost_of(left->size);
}

/* What leaves the queue was put in long ago, and lies far from the processor. So that of the entry a few places on is
 * asked for now, and is there when it is checked and given back. */
static void fetch_locked(void) {
    const entry *soon = &entries[(first + FETCH_AHEAD) % QUARANTINE_ENTRIES];
    __builtin_prefetch(&entries[(first + 2 * FETCH_AHEAD) % QUARANTINE_ENTRIES], 1);
    if (next - first <= FETCH_AHEAD || soon->resource == 0) {
        return;
    }
    const size_t size = soon->size < FETCH_BYTES_MAX ? soon->size : FETCH_BYTES_MAX;
    __builtin_prefetch((const void *)~soon->resource, 1);
    for (size_t at = 0; at < size; at += CACHE_LINE) {
        __builtin_prefetch((const uint8_t *)~soon->memory + at);
    }
}

/* Places of those that left before their turn are free once they are the oldest. */
static void skip_gone_locked(void) {
    while (first != next && entries[first % QUARANTINE_ENTRIES].resource == 0) {
        first++;
    }
}

static void check_and_give_back(const entry *left) {
    const uint8_t *memory = (const uint8_t *)~left->memory;
    size_t changed = guard_find_change(memory, left->size, GUARD_POISON_BYTE);
    if (changed != left->size) {
        doors.changed((const void *)~left->resource, changed, left->size, &left->closed);
    }
    doors.give_back((void *)~left->resource);
}

/* Without the lock in between. */
static void depart_locked(const entry *left) {
    departure self = {.next = departures, .owner = left->owner, .thread = pthread_self()};
    departures = &self;
    shard_lock_give(&lock);
    check_and_give_back(left);
    shard_lock_take(&lock);
    departure **link = &departures;
    while (*link != &self) {
        link = &(*link)->next;
    }
    *link = self.next;
}

/* Not for this thread's own: a callback that is told of a change may end an allocator. */
static bool is_departing_locked(const void *owner) {
    const departure *at = departures;
    while (at != NULL && (at->owner != ~(uintptr_t)owner || pthread_equal(at->thread, pthread_self()))) {
        at = at->next;
    }
    return at != NULL;
}

bool quarantine_take(void *resource, const void *owner, uint8_t *memory, size_t size, const tracker_closed *closed) {
    if (cost_of(size) > limit) {
        return false;
    }
    if (size != 0) {
        memset(memory, GUARD_POISON_BYTE, size);
    }
    entry left;
    shard_lock_take(&lock);
    if (entries == NULL) {
        entries = memory_map(QUARANTINE_ENTRIES * sizeof *entries);
    }
    if (entries == NULL) {
        shard_lock_give(&lock);
        return false;
    }
    for (skip_gone_locked(); held + cost_of(size) > limit || next - first == QUARANTINE_ENTRIES; skip_gone_locked()) {
        fetch_locked();
        leave_locked(&entries[first % QUARANTINE_ENTRIES], &left);
        depart_locked(&left);
    }
    entry *fresh = &entries[next++ % QUARANTINE_ENTRIES];
    fresh->resource = ~(uintptr_t)resource;
    fresh->owner = ~(uintptr_t)owner;
    fresh->memory = ~(uintptr_t)memory;
    fresh->size = size;
    fresh->closed = *closed;
    held += cost_of(size);
    shard_lock_give(&lock);
    return true;
}

bool quarantine_find(const void *resource, tracker_closed *closed) {
    const uintptr_t wanted = ~(uintptr_t)resource;
    bool found = false;
    shard_lock_take(&lock);
    for (uint64_t number = next; number > first && !found; number--) {
        const entry *slot = &entries[(number - 1) % QUARANTINE_ENTRIES];
        found = slot->resource == wanted;
        if (found) {
            *closed = slot->closed;
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
        entry *slot = number < end ? &entries[number % QUARANTINE_ENTRIES] : NULL;
        if (slot != NULL && slot->resource != 0 && (owner == NULL || slot->owner == ~(uintptr_t)owner)) {
            entry left;
            leave_locked(slot, &left);
            depart_locked(&left);
        }
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
