/* A shard of the live table (tracker.h), and the two operations that every sampled resource comes by, inline: a function of
 * their own would save and restore registers that its caller has saved, and be one more frame for a stack to be cut by.
 * What is seldom is tracker.c's, as is all else. */
#ifndef LEAKDETECT_TRACKER_SHARD_H
#define LEAKDETECT_TRACKER_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard_lock.h"
#include "tracker.h"
#include "usual.h"

enum {
    TRACKER_SHARD_BITS = 5,
    TRACKER_SHARDS = 1 << TRACKER_SHARD_BITS,
    TRACKER_FIRST_SLAB_BITS =
        6,                     /* a store's first slab holds 64 items; each next one twice as many as the one before */
    TRACKER_RECORD_SLABS = 11, /* 131,008 records a shard, so 4,192,256 at most over all shards, in 320 MiB */
    TRACKER_ACCESS_SLABS = 13, /* four times as many accesses, and holds */
    TRACKER_CLOSED_ITEMS = 64  /* closings that a shard remembers */
};

/* Items of one size in slabs that never move, named by an index from 1 up; freed ones are chained through `next`. */
typedef struct tracker_items {
    uint32_t used; /* items ever handed out */
    uint32_t free; /* the head of the free list */
    char *slabs[TRACKER_ACCESS_SLABS];
} tracker_items;

/* What an insertion and a removal touch comes first, and lies in two cache lines: the next shard that a thread comes to
 * is another one, whose lines are further away than its own data. */
typedef struct tracker_shard {
    shard_lock lock;
    uint32_t
        bucket_count;  /* a power of two, or 0 before the first insertion; tracker_fetch() reads it without the lock */
    uint32_t *buckets; /* so it does this */
    uint32_t chained;  /* records in chains */
    uint32_t closed_next; /* the slot that the next closing takes */
    tracker_closed *closed;
    tracker_totals totals;
    usual usual;
    tracker_items records, accesses, holds;
} __attribute__((aligned(128))) tracker_shard; /* two cache lines, so that neighbours' locks share none */

_Static_assert(offsetof(tracker_shard, records.slabs) + 5 * sizeof(char *) <= 128,
               "and so do the slabs of 1,984 records");

extern tracker_shard tracker_shards[TRACKER_SHARDS];

/* Under the shard's lock, but for the waiting one, which gives it away for a while. tracker_take_fresh() returns an index that was
 * never used, or 0 at the bound; tracker_grow_buckets() false where there is no table; tracker_map_closed() where there is no
 * ring, which is benign: forensics are lost, tracking is not. */
uint32_t tracker_take_fresh(tracker_items *store, size_t item_bytes, uint32_t slab_limit);
bool tracker_grow_buckets(tracker_shard *self);
bool tracker_map_closed(tracker_shard *self);
void tracker_give_stale(tracker_shard *self, uint32_t *link);
void tracker_give_lists(tracker_shard *self, tracker_record *record);
void tracker_count_holds(tracker_shard *self, const tracker_record *record, usual_entry *closings);
tracker_record *tracker_wait_until_unpinned(tracker_shard *self, uintptr_t key, tracker_record *record,
                                            uint32_t **link);

static inline uint64_t tracker_hash(uintptr_t key) {
    uint64_t hash = (uint64_t)key * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 32);
}

static inline tracker_shard *tracker_lock(uintptr_t key) {
    tracker_shard *self = &tracker_shards[tracker_hash(key) % TRACKER_SHARDS];
    __asm__("" : "+r"(self)); /* one address, kept: gcc would work it out for each field */
    shard_lock_take(&self->lock);
    return self;
}

/* Asks for the line that a search for the resource will begin in, before something that takes as long as it does to come.
 * Without the lock: it may be the line of a table that has grown since, which is not read. */
static inline __attribute__((always_inline)) void tracker_fetch(const void *resource) {
    const uint64_t hash = tracker_hash(~(uintptr_t)resource);
    const tracker_shard *self = &tracker_shards[hash % TRACKER_SHARDS];
    const uintptr_t buckets = (uintptr_t)__atomic_load_n(&self->buckets, __ATOMIC_RELAXED);
    const uint32_t count = __atomic_load_n(&self->bucket_count, __ATOMIC_RELAXED);
    const uintptr_t bucket = (hash >> TRACKER_SHARD_BITS) & (count - 1);
    __builtin_prefetch((const void *)(buckets + bucket * sizeof *self->buckets), 1);
}

/* Slab k holds the items from 64 * (2^k - 1) on, so an item's slab is found from the highest bit of its rank + 64, and
 * its place there is what the lower bits say. */
static inline uint32_t tracker_highest_bit(uint32_t value) {
    return 31 ^ (uint32_t)__builtin_clz(value);
}

static inline void *tracker_item_at(const tracker_items *store, uint32_t index, size_t item_bytes) {
    uint32_t number = index - 1 + (1u << TRACKER_FIRST_SLAB_BITS);
    uint32_t bit = tracker_highest_bit(number);
    return store->slabs[bit - TRACKER_FIRST_SLAB_BITS] + (size_t)(number ^ 1u << bit) * item_bytes;
}

static inline tracker_record *tracker_record_at(const tracker_shard *self, uint32_t index) {
    return tracker_item_at(&self->records, index, sizeof(tracker_record));
}

/* Sets *index to the record's; NULL at the bound. */
static inline tracker_record *tracker_take_record(tracker_shard *self, uint32_t *index) {
    *index = self->records.free;
    if (__builtin_expect(*index == 0, 0)) {
        *index = tracker_take_fresh(&self->records, sizeof(tracker_record), TRACKER_RECORD_SLABS);
        return *index == 0 ? NULL : tracker_record_at(self, *index);
    }
    tracker_record *record = tracker_record_at(self, *index);
    self->records.free = record->next;
    return record;
}

static inline void tracker_give_record(tracker_shard *self, uint32_t index, tracker_record *record) {
    if (__builtin_expect((record->accesses | record->holds) != 0, 0)) {
        tracker_give_lists(self, record);
    }
    self->totals.live--;
    self->totals.live_bytes -= record->size;
    record->key = 0;
    record->next = self->records.free;
    self->records.free = index;
}

/* The record of a key, or NULL. Sets *link to what holds its index: in its bucket or in the record before it; 0 is there if
 * there is none. The low bits of the hash chose the shard, so the bucket takes the next ones. */
static inline tracker_record *tracker_find_record(tracker_shard *self, uintptr_t key, uint32_t **link) {
    *link = &self->buckets[(tracker_hash(key) >> TRACKER_SHARD_BITS) & (self->bucket_count - 1)];
    while (**link != 0) {
        tracker_record *record = tracker_record_at(self, **link);
        if (record->key == key) {
            return record;
        }
        *link = &record->next;
    }
    return NULL;
}

/* Field by field: the processor does not forward several narrow stores to one wide load, and waits until they have reached
 * the cache. So the compiler must not join them again (CMakeLists.txt). */
static inline void tracker_copy_closed(tracker_closed *to, const tracker_closed *from) {
    to->key = from->key;
    to->size = from->size;
    to->allocation_stack = from->allocation_stack;
    to->close_stack = from->close_stack;
    to->type = from->type;
    to->thread_name = from->thread_name;
    to->thread_id = from->thread_id;
}

static inline __attribute__((always_inline)) void
tracker_remember_closing(tracker_shard *self, const tracker_record *record, tracker_closer by, tracker_closed *closed) {
    const tracker_closed now = {.key = record->key,
                                .size = record->size,
                                .allocation_stack = record->stack,
                                .close_stack = by.stack,
                                .type = record->type,
                                .thread_name = by.thread_name,
                                .thread_id = by.thread_id};
    if (closed != NULL) {
        tracker_copy_closed(closed, &now);
    }
    if (__builtin_expect(self->closed != NULL, 1) || tracker_map_closed(self)) {
        tracker_copy_closed(&self->closed[self->closed_next], &now);
        self->closed_next = (self->closed_next + 1) % TRACKER_CLOSED_ITEMS;
    }
}

/* What its caller does not set. */
static inline void tracker_clear_record(tracker_record *fresh, uintptr_t key, const void *owner, uint64_t size) {
    fresh->key = key;
    fresh->owner = owner == NULL ? 0 : ~(uintptr_t)owner;
    fresh->size = size;
    fresh->accesses = 0;
    fresh->accesses_dropped = 0;
    fresh->holds = 0;
    fresh->epoch = tracker_epoch();
    fresh->access_count = 0;
    fresh->generation = tracker_generation();
    fresh->reported = false;
    fresh->holds_lost = false;
    fresh->pin = 0;
    fresh->scan = 0;
}

/* tracker_open() adds a record, for its caller to complete under the shard's lock: birth, stack, type, thread, weight, watch and
 * guard are whatever they were. Written once, in place, since a sampled allocation comes by.
 *   resource, owner  plain addresses.
 *   held             set to the lock; shard_lock_give() ends it, soon.
 *   returns          NULL if the table is full; then nothing is held. A record of the same address that is there already gives
 *                    way. */
static inline __attribute__((always_inline)) tracker_record *tracker_open(const void *resource, const void *owner,
                                                                          uint64_t size, shard_lock **held) {
    uintptr_t key = ~(uintptr_t)resource;
    tracker_shard *self = tracker_lock(key);
    uint32_t index = 0;
    uint32_t *link = NULL;
    tracker_record *fresh = NULL;
    if (__builtin_expect(self->chained < self->bucket_count, 1) || tracker_grow_buckets(self)) {
        if (__builtin_expect(tracker_find_record(self, key, &link) != NULL, 0)) {
            tracker_give_stale(self, link);
        }
        fresh = tracker_take_record(self, &index);
    }
    if (__builtin_expect(fresh == NULL, 0)) {
        self->totals.refused++;
        shard_lock_give(&self->lock);
        return NULL;
    }
    tracker_clear_record(fresh, key, owner, size);
    fresh->next = *link;
    *link = index; /* where the search for the key ended: mostly the head of its chain, or else behind the others */
    self->chained++;
    self->totals.live++;
    self->totals.live_bytes += size;
    self->totals.seen++;
    *held = &self->lock;
    return fresh;
}

/* tracker_remove() takes a resource out: it was closed.
 *   closed   NULL, or set to what is remembered of the closing.
 *   returns  false if the resource is not tracked; closed is as it was then. */
static inline __attribute__((always_inline)) bool tracker_remove(const void *resource, tracker_closer by,
                                                                 tracker_closed *closed) {
    uintptr_t key = ~(uintptr_t)resource;
    tracker_shard *self = tracker_lock(key);
    uint32_t *link = NULL;
    tracker_record *record =
        __builtin_expect(self->bucket_count == 0, 0) ? NULL : tracker_find_record(self, key, &link);
    if (record != NULL && __builtin_expect(record->pin != 0, 0)) {
        uint32_t *found = link; /* of its own: the other one may stay in a register */
        record = tracker_wait_until_unpinned(self, key, record, &found);
        link = found;
    }
    if (record != NULL) {
        const uint32_t index = *link;
        *link = record->next;
        self->chained--;
        tracker_remember_closing(self, record, by, closed);
        if (__builtin_expect(record->watch != 0, 0) && tracker_knows_holds(record)) {
            usual_entry *closings = usual_close(&self->usual, record->stack, record->type, by.stack);
            if (closings != NULL && record->holds != 0) {
                tracker_count_holds(self, record, closings);
            }
        }
        tracker_give_record(self, index, record);
    }
    shard_lock_give(&self->lock);
    return record != NULL;
}

#endif
