/* The sharded live table of tracker.h. */
#include "tracker.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "memory.h"
#include "process/cancel.h"
#include "shard_lock.h"

enum {
    SHARD_BITS = 5,
    SHARDS = 1 << SHARD_BITS,
    FIRST_SLAB_BITS = 6, /* a store's first slab holds 64 items; each next one twice as many as the one before */
    RECORD_SLABS = 11,   /* 131,008 records a shard, so 4,192,256 at most over all shards, in 320 MiB */
    ACCESS_SLABS = 13,   /* four times as many accesses, and holds */
    FIRST_BUCKETS = 128, /* a shard's first table; it doubles while it holds more records than buckets */
    CLOSED_ITEMS = 64    /* closings that a shard remembers */
};

/* Items of one size in slabs that never move, named by an index from 1 up; freed ones are chained through `next`. */
typedef struct item_store {
    uint32_t used; /* items ever handed out */
    uint32_t free; /* the head of the free list */
    char *slabs[ACCESS_SLABS];
} item_store;

/* What an insertion and a removal touch comes first, and lies in two cache lines: the next shard that a thread comes to
 * is another one, whose lines are further away than its own data. */
typedef struct shard {
    shard_lock lock;
    uint32_t bucket_count; /* a power of two, or 0 before the first insertion */
    uint32_t *buckets;
    uint32_t chained;     /* records in chains */
    uint32_t closed_next; /* the slot that the next closing takes */
    tracker_closed *closed;
    tracker_totals totals;
    usual usual;
    item_store records, accesses, holds;
} __attribute__((aligned(128))) shard; /* two cache lines, so that neighbours' locks share none */

_Static_assert(offsetof(shard, records.slabs) + 5 * sizeof(char *) <= 128, "and so do the slabs of 1,984 records");

static shard shards[SHARDS];
_Atomic uint16_t tracker_generation_now;
_Atomic uint32_t tracker_watch_now = 1;
_Atomic uint32_t tracker_epoch_now;

static inline uint64_t hash_key(uintptr_t key) {
    uint64_t hash = (uint64_t)key * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 32);
}

static inline shard *lock_shard(uintptr_t key) {
    shard *self = &shards[hash_key(key) % SHARDS];
    __asm__("" : "+r"(self)); /* one address, kept: gcc would work it out for each field */
    shard_lock_take(&self->lock);
    return self;
}

/* --- items ------------------------------------------------------------------------------------------------------- */

/* Slab k holds the items from 64 * (2^k - 1) on, so an item's slab is found from the highest bit of its rank + 64, and
 * its place there is what the lower bits say. */
static inline uint32_t highest_bit(uint32_t value) {
    return 31 ^ (uint32_t)__builtin_clz(value);
}

static inline void *item_at(const item_store *store, uint32_t index, size_t item_bytes) {
    uint32_t number = index - 1 + (1u << FIRST_SLAB_BITS);
    uint32_t bit = highest_bit(number);
    return store->slabs[bit - FIRST_SLAB_BITS] + (size_t)(number ^ 1u << bit) * item_bytes;
}

static inline tracker_record *record_at(const shard *self, uint32_t index) {
    return item_at(&self->records, index, sizeof(tracker_record));
}

static tracker_access *access_at(const shard *self, uint32_t index) {
    return item_at(&self->accesses, index, sizeof(tracker_access));
}

static tracker_hold *hold_at(const shard *self, uint32_t index) {
    return item_at(&self->holds, index, sizeof(tracker_hold));
}

/* Returns an index that was never used, or 0 at the bound. */
static __attribute__((noinline)) uint32_t item_take_fresh(item_store *store, size_t item_bytes, uint32_t slab_limit) {
    uint32_t slab = highest_bit(store->used + (1u << FIRST_SLAB_BITS)) - FIRST_SLAB_BITS;
    if (slab >= slab_limit) {
        return 0;
    }
    if (store->slabs[slab] == NULL) {
        store->slabs[slab] = memory_map((item_bytes << FIRST_SLAB_BITS) << slab);
        if (store->slabs[slab] == NULL) {
            return 0;
        }
    }
    return ++store->used;
}

/* Sets *index to the record's; NULL at the bound. */
static inline tracker_record *record_take(shard *self, uint32_t *index) {
    *index = self->records.free;
    if (__builtin_expect(*index == 0, 0)) {
        *index = item_take_fresh(&self->records, sizeof(tracker_record), RECORD_SLABS);
        return *index == 0 ? NULL : record_at(self, *index);
    }
    tracker_record *record = record_at(self, *index);
    self->records.free = record->next;
    return record;
}

static uint32_t access_take(shard *self) {
    uint32_t index = self->accesses.free;
    if (index == 0) {
        return item_take_fresh(&self->accesses, sizeof(tracker_access), ACCESS_SLABS);
    }
    self->accesses.free = access_at(self, index)->next;
    return index;
}

static uint32_t hold_take(shard *self) {
    uint32_t index = self->holds.free;
    if (index == 0) {
        return item_take_fresh(&self->holds, sizeof(tracker_hold), ACCESS_SLABS);
    }
    self->holds.free = hold_at(self, index)->next;
    return index;
}

static __attribute__((noinline)) void give_lists(shard *self, const tracker_record *record) {
    uint32_t access = record->accesses;
    while (access != 0) {
        uint32_t older = access_at(self, access)->next;
        access_at(self, access)->next = self->accesses.free;
        self->accesses.free = access;
        access = older;
    }
    for (uint32_t hold = record->holds, next; hold != 0; hold = next) {
        next = hold_at(self, hold)->next;
        hold_at(self, hold)->next = self->holds.free;
        self->holds.free = hold;
    }
}

static inline void record_give(shard *self, uint32_t index, tracker_record *record) {
    if (__builtin_expect((record->accesses | record->holds) != 0, 0)) {
        give_lists(self, record);
    }
    self->totals.live--;
    self->totals.live_bytes -= record->size;
    record->key = 0;
    record->accesses = 0;
    record->holds = 0;
    record->next = self->records.free;
    self->records.free = index;
}

/* --- chains ------------------------------------------------------------------------------------------------------ */

/* The record of a key, or NULL. Sets *link to what holds its index: in its bucket or in the record before it; 0 is there if
 * there is none. The low bits of the hash chose the shard, so the bucket takes the next ones. */
static inline tracker_record *find_record(shard *self, uintptr_t key, uint32_t **link) {
    *link = &self->buckets[(hash_key(key) >> SHARD_BITS) & (self->bucket_count - 1)];
    while (**link != 0) {
        tracker_record *record = record_at(self, **link);
        if (record->key == key) {
            return record;
        }
        *link = &record->next;
    }
    return NULL;
}

static inline uint32_t *find_link(shard *self, uintptr_t key) {
    uint32_t *link = NULL;
    (void)find_record(self, key, &link);
    return link;
}

static bool grow_buckets(shard *self) {
    uint32_t count = self->bucket_count == 0 ? FIRST_BUCKETS : self->bucket_count * 2;
    uint32_t *buckets = memory_map(count * sizeof *buckets);
    if (buckets == NULL) {
        return self->bucket_count != 0; /* longer chains are slower, not wrong */
    }
    for (uint32_t i = 0; i < self->bucket_count; i++) {
        for (uint32_t index = self->buckets[i], next; index != 0; index = next) {
            tracker_record *record = record_at(self, index);
            uint32_t *head = &buckets[(hash_key(record->key) >> SHARD_BITS) & (count - 1)];
            next = record->next;
            record->next = *head;
            *head = index;
        }
    }
    memory_unmap(self->buckets, self->bucket_count * sizeof *buckets);
    self->buckets = buckets;
    self->bucket_count = count;
    return true;
}

/* A copy of a struct that has just been written field by field is made field by field: the processor does not forward
 * several narrow stores to one wide load, and waits until they have reached the cache. */
static inline void copy_closed(tracker_closed *to, const tracker_closed *from) {
    to->key = from->key;
    to->size = from->size;
    to->allocation_stack = from->allocation_stack;
    to->close_stack = from->close_stack;
    to->type = from->type;
    to->thread_name = from->thread_name;
    to->thread_id = from->thread_id;
}

static inline void remember_closing(shard *self, const tracker_record *record, tracker_closed *closer) {
    closer->key = record->key;
    closer->size = record->size;
    closer->type = record->type;
    closer->allocation_stack = record->stack;
    if (self->closed == NULL && (self->closed = memory_map(CLOSED_ITEMS * sizeof *self->closed)) == NULL) {
        return; /* benign: forensics are lost, tracking is not */
    }
    copy_closed(&self->closed[self->closed_next], closer);
    self->closed_next = (self->closed_next + 1) % CLOSED_ITEMS;
}

/* Adds a closed record to what is usual, with its last release, which was no access. */
static __attribute__((noinline)) void count_usual(shard *self, const tracker_record *record, uint32_t close_stack) {
    usual_entry *closings = usual_close(&self->usual, record->stack, record->type, close_stack);
    if (closings == NULL) {
        return;
    }
    for (uint32_t index = record->holds; index != 0; index = hold_at(self, index)->next) {
        const tracker_hold *hold = hold_at(self, index);
        usual_add(&self->usual, closings, (uint8_t)hold->kind, hold->stack, hold->count);
    }
}

static __attribute__((noinline, cold)) void give_stale(shard *self, uint32_t *link) {
    uint32_t stale = *link;
    tracker_record *record = record_at(self, stale);
    *link = record->next;
    self->chained--;
    record_give(self, stale, record);
}

/* What its caller does not set. */
static inline void clear_record(tracker_record *fresh, uintptr_t key, const void *owner, uint64_t size) {
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

tracker_record *tracker_open(const void *resource, const void *owner, uint64_t size, shard_lock **held) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    uint32_t index = 0;
    uint32_t *link = NULL;
    tracker_record *fresh = NULL;
    if (__builtin_expect(self->chained < self->bucket_count, 1) || grow_buckets(self)) {
        link = find_link(self, key);
        if (__builtin_expect(*link != 0, 0)) {
            give_stale(self, link);
        }
        fresh = record_take(self, &index);
    }
    if (__builtin_expect(fresh == NULL, 0)) {
        self->totals.refused++;
        shard_lock_give(&self->lock);
        return NULL;
    }
    clear_record(fresh, key, owner, size);
    fresh->next = *link;
    *link = index; /* where the search for the key ended: mostly the head of its chain, or else behind the others */
    self->chained++;
    self->totals.live++;
    self->totals.live_bytes += size;
    self->totals.seen++;
    *held = &self->lock;
    return fresh;
}

/* A child after fork() has another generation: what the parent pinned is not pinned there, for who would unpin it? */
static uint8_t pin_of_process(void) {
    return (uint8_t)(tracker_generation() % 255 + 1);
}

static _Thread_local bool pinning; /* this thread has pinned something */

static bool must_wait(const tracker_record *record) {
    return record->pin != 0 && record->pin == pin_of_process() && !pinning;
}

bool tracker_pin(const void *resource, uint64_t birth_ns) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    tracker_record *record = index == 0 ? NULL : record_at(self, index);
    bool can = record != NULL && record->birth_ns == birth_ns && record->pin != pin_of_process();
    if (can) {
        record->pin = pin_of_process();
        pinning = true;
    }
    shard_lock_give(&self->lock);
    return can;
}

void tracker_unpin(const void *resource) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        record_at(self, index)->pin = 0;
    }
    pinning = false;
    shard_lock_give(&self->lock);
}

/* Lets others have the shard until the record is nobody's, or gone. */
static __attribute__((noinline, cold)) tracker_record *wait_until_unpinned(shard *self, uintptr_t key,
                                                                           tracker_record *record, uint32_t **link) {
    while (record != NULL && must_wait(record)) {
        shard_lock_give(&self->lock);
        cancel_sleep(20000);
        shard_lock_take(&self->lock);
        record = find_record(self, key, link);
    }
    return record;
}

bool tracker_remove(const void *resource, tracker_closed *closer) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    uint32_t *link = NULL;
    tracker_record *record = __builtin_expect(self->bucket_count == 0, 0) ? NULL : find_record(self, key, &link);
    if (record != NULL && __builtin_expect(record->pin != 0, 0)) {
        record = wait_until_unpinned(self, key, record, &link);
    }
    if (record != NULL) {
        const uint32_t index = *link;
        *link = record->next;
        self->chained--;
        remember_closing(self, record, closer);
        if (__builtin_expect(record->watch != 0, 0) && tracker_knows_holds(record)) {
            count_usual(self, record, closer->close_stack);
        }
        record_give(self, index, record);
    }
    shard_lock_give(&self->lock);
    return record != NULL;
}

/* --- accesses ---------------------------------------------------------------------------------------------------- */

/* The record's entry for a kind and a stack, new where there is room for one; the shared one otherwise; 0:
 * no memory. */
static uint32_t hold_find(shard *self, tracker_record *record, uint16_t kind, uint32_t stack) {
    uint32_t shared = 0;
    uint32_t stacks = 0;
    for (uint32_t index = record->holds; index != 0; index = hold_at(self, index)->next) {
        const tracker_hold *hold = hold_at(self, index);
        if (hold->kind == kind && hold->stack == stack) {
            return index;
        }
        shared = hold->kind == kind && hold->stack == 0 ? index : shared;
        stacks += hold->stack != 0;
    }
    if (stacks >= TRACKER_HOLDS_MAX) {
        stack = 0;
    }
    if (stack == 0 && shared != 0) {
        return shared;
    }
    uint32_t index = hold_take(self);
    if (index != 0) {
        *hold_at(self, index) = (tracker_hold){.kind = kind, .stack = stack, .next = record->holds};
        record->holds = index;
    }
    return index;
}

static void add_references(shard *self, tracker_record *record, const tracker_access *access, hold_kind kind,
                           uint64_t references) {
    uint32_t index = hold_find(self, record, (uint16_t)kind, access->stack);
    if (index == 0) {
        record->holds_lost = true;
        return;
    }
    tracker_hold *hold = hold_at(self, index);
    hold->several_threads = hold->several_threads || (hold->count > 0 && hold->thread_id != access->thread_id);
    hold->count += references;
    hold->newest_ns = access->time_ns;
    hold->thread_name = access->thread_name;
    hold->thread_id = access->thread_id;
}

bool tracker_record_access(const void *resource, const tracker_access *access, uint32_t target, uint64_t random) {
    return tracker_record_references(resource, access, HOLD_RETAIN, 0, target, random);
}

bool tracker_record_references(const void *resource, const tracker_access *access, hold_kind kind, uint64_t references,
                               uint32_t target, uint64_t random) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        tracker_record *record = record_at(self, index);
        if (references != 0) {
            add_references(self, record, access, kind, references);
        }
        uint32_t over = record->access_count < target ? 0 : record->access_count - target + 1;
        bool push = over == 0 || (over <= 30 && (random & ((1u << over) - 1)) == 0);
        uint32_t place = push || record->accesses == 0 ? access_take(self) : record->accesses;
        push = place != 0 && place != record->accesses;
        if (place == 0) {
            place = record->accesses; /* no room for another: the newest gives way */
        }
        if (!push) {
            record->accesses_dropped++;
        }
        if (place != 0) {
            uint32_t older = push ? record->accesses : access_at(self, place)->next;
            *access_at(self, place) = *access;
            access_at(self, place)->next = older;
            record->accesses = place;
            record->access_count = (uint16_t)(record->access_count + (push ? 1 : 0));
        }
    }
    shard_lock_give(&self->lock);
    return index != 0;
}

const tracker_access *tracker_next_access(const tracker_record *record, const tracker_access *access) {
    const shard *self = &shards[hash_key(record->key) % SHARDS];
    uint32_t index = access == NULL ? record->accesses : access->next;
    return index == 0 ? NULL : access_at(self, index);
}

const tracker_hold *tracker_next_hold(const tracker_record *record, const tracker_hold *hold) {
    const shard *self = &shards[hash_key(record->key) % SHARDS];
    uint32_t index = hold == NULL ? record->holds : hold->next;
    return index == 0 ? NULL : hold_at(self, index);
}

void tracker_stop_watching(void) {
    atomic_fetch_add_explicit(&tracker_watch_now, 1, memory_order_acq_rel);
}

uint32_t tracker_next_epoch(void) {
    return atomic_fetch_add_explicit(&tracker_epoch_now, 1, memory_order_relaxed) + 1;
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

bool tracker_find(const void *resource, tracker_record *record) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        *record = *record_at(self, index);
    }
    shard_lock_give(&self->lock);
    return index != 0;
}

bool tracker_knows(const void *resource) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    bool known = self->bucket_count != 0 && *find_link(self, key) != 0;
    shard_lock_give(&self->lock);
    return known;
}

bool tracker_set_guard(const void *resource, uint32_t guard) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        record_at(self, index)->guard = guard;
    }
    shard_lock_give(&self->lock);
    return index != 0;
}

bool tracker_find_closed(const void *resource, tracker_closed *closed) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    bool found = false;
    for (uint32_t back = 1; self->closed != NULL && back <= CLOSED_ITEMS && !found; back++) {
        const tracker_closed *slot = &self->closed[(self->closed_next + CLOSED_ITEMS - back) % CLOSED_ITEMS];
        found = slot->key == key;
        if (found) {
            *closed = *slot;
        }
    }
    shard_lock_give(&self->lock);
    return found;
}

void tracker_visit(tracker_visitor *visitor, void *context) {
    for (size_t i = 0; i < SHARDS; i++) {
        shard *self = &shards[i];
        shard_lock_take(&self->lock);
        for (uint32_t b = 0; b < self->bucket_count; b++) {
            for (uint32_t index = self->buckets[b]; index != 0; index = record_at(self, index)->next) {
                visitor(record_at(self, index), context);
            }
        }
        shard_lock_give(&self->lock);
    }
}

void tracker_visit_usual(tracker_usual_visitor *visitor, void *context) {
    for (size_t i = 0; i < SHARDS; i++) {
        shard_lock_take(&shards[i].lock);
        const usual_entry *entries = shards[i].usual.entries;
        for (size_t slot = 0; entries != NULL && slot < USUAL_SLOTS; slot++) {
            if (entries[slot].count > 0) {
                visitor(&entries[slot], context);
            }
        }
        shard_lock_give(&shards[i].lock);
    }
}

void tracker_count(tracker_totals *totals) {
    *totals = (tracker_totals){0};
    for (size_t i = 0; i < SHARDS; i++) {
        shard_lock_take(&shards[i].lock);
        totals->live += shards[i].totals.live;
        totals->live_bytes += shards[i].totals.live_bytes;
        totals->seen += shards[i].totals.seen;
        totals->refused += shards[i].totals.refused;
        shard_lock_give(&shards[i].lock);
    }
}

/* --- fork and tests ---------------------------------------------------------------------------------------------- */

void tracker_lock_all(void) {
    for (size_t i = 0; i < SHARDS; i++) {
        shard_lock_take(&shards[i].lock);
    }
}

void tracker_unlock_all(void) {
    for (size_t i = SHARDS; i-- > 0;) {
        shard_lock_give(&shards[i].lock);
    }
}

void tracker_next_generation(void) {
    atomic_fetch_add_explicit(&tracker_generation_now, 1, memory_order_relaxed);
}

static const char *audit_locked(const shard *self, uint64_t *bytes, uint64_t *live, uint64_t *listed) {
    uint64_t chained = 0;
    uint64_t holds = 0;
    for (uint32_t b = 0; b < self->bucket_count; b++) {
        for (uint32_t index = self->buckets[b]; index != 0; index = record_at(self, index)->next) {
            const tracker_record *record = record_at(self, index);
            if (((hash_key(record->key) >> SHARD_BITS) & (self->bucket_count - 1)) != b) {
                return "a record is in the wrong bucket";
            }
            *bytes += record->size;
            chained++;
            for (uint32_t hold = record->holds; hold != 0; hold = hold_at(self, hold)->next) {
                holds++;
            }
        }
    }
    if (chained != self->chained) {
        return "the count of chained records is wrong";
    }
    *live = chained;
    *listed = chained;
    for (uint32_t index = self->records.free; index != 0; index = record_at(self, index)->next) {
        ++*listed;
    }
    for (uint32_t hold = self->holds.free; hold != 0; hold = hold_at(self, hold)->next) {
        holds++;
    }
    return holds == self->holds.used ? NULL : "a hold is in no list, or in two";
}

const char *tracker_audit(void) {
    const char *broken = NULL;
    for (size_t i = 0; i < SHARDS && broken == NULL; i++) {
        shard *self = &shards[i];
        uint64_t bytes = 0;
        uint64_t live = 0;
        uint64_t listed = 0;
        shard_lock_take(&self->lock);
        broken = audit_locked(self, &bytes, &live, &listed);
        if (broken == NULL && (bytes != self->totals.live_bytes || live != self->totals.live)) {
            broken = "the totals of a shard disagree with its records";
        }
        if (broken == NULL && listed != self->records.used) {
            broken = "a record is in no list, or in two";
        }
        shard_lock_give(&self->lock);
    }
    return broken;
}

void tracker_reset(void) {
    tracker_lock_all();
    for (size_t i = 0; i < SHARDS; i++) {
        shard *self = &shards[i];
        self->records.used = self->records.free = 0;
        self->accesses.used = self->accesses.free = 0;
        self->holds.used = self->holds.free = 0;
        usual_reset(&self->usual);
        self->chained = self->closed_next = 0;
        self->totals = (tracker_totals){0};
        if (self->closed != NULL) {
            memset(self->closed, 0, CLOSED_ITEMS * sizeof *self->closed);
        }
        if (self->buckets != NULL) {
            memset(self->buckets, 0, self->bucket_count * sizeof *self->buckets);
        }
    }
    tracker_unlock_all();
}
