/* The sharded live table of tracker.h. */
#include "tracker.h"

#include <stdatomic.h>
#include <string.h>

#include "memory.h"
#include "process/cancel.h"
#include "process/sampled.h"
#include "shard_lock.h"
#include "tracker_shard.h"

enum {
    FIRST_BUCKETS = 128 /* a shard's first table; it doubles while it holds more records than buckets */
};

tracker_shard tracker_shards[TRACKER_SHARDS];
SAMPLED_WORD _Atomic uint16_t tracker_generation_now;
SAMPLED_WORD _Atomic uint32_t tracker_watch_now = 1;
SAMPLED_WORD _Atomic uint32_t tracker_epoch_now;

/* --- items ------------------------------------------------------------------------------------------------------- */

static tracker_access *access_at(const tracker_shard *self, uint32_t index) {
    return tracker_item_at(&self->accesses, index, sizeof(tracker_access));
}

static tracker_hold *hold_at(const tracker_shard *self, uint32_t index) {
    return tracker_item_at(&self->holds, index, sizeof(tracker_hold));
}

__attribute__((cold)) uint32_t tracker_take_fresh(tracker_items *store, size_t item_bytes, uint32_t slab_limit) {
    uint32_t slab = tracker_highest_bit(store->used + (1u << TRACKER_FIRST_SLAB_BITS)) - TRACKER_FIRST_SLAB_BITS;
    if (slab >= slab_limit) {
        return 0;
    }
    if (store->slabs[slab] == NULL) {
        store->slabs[slab] = memory_map((item_bytes << TRACKER_FIRST_SLAB_BITS) << slab);
        if (store->slabs[slab] == NULL) {
            return 0;
        }
    }
    return ++store->used;
}

static uint32_t access_take(tracker_shard *self) {
    uint32_t index = self->accesses.free;
    if (index == 0) {
        return tracker_take_fresh(&self->accesses, sizeof(tracker_access), TRACKER_ACCESS_SLABS);
    }
    self->accesses.free = access_at(self, index)->next;
    return index;
}

static uint32_t hold_take(tracker_shard *self) {
    uint32_t index = self->holds.free;
    if (index == 0) {
        return tracker_take_fresh(&self->holds, sizeof(tracker_hold), TRACKER_ACCESS_SLABS);
    }
    self->holds.free = hold_at(self, index)->next;
    return index;
}

void tracker_give_lists(tracker_shard *self, tracker_record *record) {
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
    record->accesses = 0;
    record->holds = 0;
}

/* --- chains ------------------------------------------------------------------------------------------------------ */

static inline uint32_t *find_link(tracker_shard *self, uintptr_t key) {
    uint32_t *link = NULL;
    (void)tracker_find_record(self, key, &link);
    return link;
}

__attribute__((cold)) bool tracker_grow_buckets(tracker_shard *self) {
    uint32_t count = self->bucket_count == 0 ? FIRST_BUCKETS : self->bucket_count * 2;
    uint32_t *buckets = memory_map(count * sizeof *buckets);
    if (buckets == NULL) {
        return self->bucket_count != 0; /* longer chains are slower, not wrong */
    }
    for (uint32_t i = 0; i < self->bucket_count; i++) {
        for (uint32_t index = self->buckets[i], next; index != 0; index = next) {
            tracker_record *record = tracker_record_at(self, index);
            uint32_t *head = &buckets[(tracker_hash(record->key) >> TRACKER_SHARD_BITS) & (count - 1)];
            next = record->next;
            record->next = *head;
            *head = index;
        }
    }
    memory_unmap(self->buckets, self->bucket_count * sizeof *buckets);
    __atomic_store_n(&self->buckets, buckets, __ATOMIC_RELAXED);
    __atomic_store_n(&self->bucket_count, count, __ATOMIC_RELAXED);
    return true;
}

/* Adds what a closed record held to what is usual; its last release was no access, and is in its closing. */
void tracker_count_holds(tracker_shard *self, const tracker_record *record, usual_entry *closings) {
    for (uint32_t index = record->holds; index != 0; index = hold_at(self, index)->next) {
        const tracker_hold *hold = hold_at(self, index);
        usual_add(&self->usual, closings, (uint8_t)hold->kind, hold->stack, hold->count);
    }
}

__attribute__((cold)) bool tracker_map_closed(tracker_shard *self) {
    self->closed = memory_map(TRACKER_CLOSED_ITEMS * sizeof *self->closed);
    return self->closed != NULL;
}

__attribute__((cold)) void tracker_give_stale(tracker_shard *self, uint32_t *link) {
    uint32_t stale = *link;
    tracker_record *record = tracker_record_at(self, stale);
    *link = record->next;
    self->chained--;
    tracker_give_record(self, stale, record);
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
    tracker_shard *self = tracker_lock(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    tracker_record *record = index == 0 ? NULL : tracker_record_at(self, index);
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
    tracker_shard *self = tracker_lock(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        tracker_record_at(self, index)->pin = 0;
    }
    pinning = false;
    shard_lock_give(&self->lock);
}

/* Lets others have the shard until the record is nobody's, or gone. */
__attribute__((cold)) tracker_record *tracker_wait_until_unpinned(tracker_shard *self, uintptr_t key,
                                                                  tracker_record *record, uint32_t **link) {
    while (record != NULL && must_wait(record)) {
        shard_lock_give(&self->lock);
        cancel_sleep(20000);
        shard_lock_take(&self->lock);
        record = tracker_find_record(self, key, link);
    }
    return record;
}

/* --- accesses ---------------------------------------------------------------------------------------------------- */

/* The record's entry for a kind and a stack, new where there is room for one; the shared one otherwise; 0:
 * no memory. */
static uint32_t hold_find(tracker_shard *self, tracker_record *record, uint16_t kind, uint32_t stack) {
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

static void add_references(tracker_shard *self, tracker_record *record, const tracker_access *access, hold_kind kind,
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
    tracker_shard *self = tracker_lock(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        tracker_record *record = tracker_record_at(self, index);
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
    const tracker_shard *self = &tracker_shards[tracker_hash(record->key) % TRACKER_SHARDS];
    uint32_t index = access == NULL ? record->accesses : access->next;
    return index == 0 ? NULL : access_at(self, index);
}

const tracker_hold *tracker_next_hold(const tracker_record *record, const tracker_hold *hold) {
    const tracker_shard *self = &tracker_shards[tracker_hash(record->key) % TRACKER_SHARDS];
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
    tracker_shard *self = tracker_lock(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        *record = *tracker_record_at(self, index);
    }
    shard_lock_give(&self->lock);
    return index != 0;
}

bool tracker_knows(const void *resource) {
    uintptr_t key = ~(uintptr_t)resource;
    tracker_shard *self = tracker_lock(key);
    bool known = self->bucket_count != 0 && *find_link(self, key) != 0;
    shard_lock_give(&self->lock);
    return known;
}

bool tracker_set_guard(const void *resource, uint32_t guard) {
    uintptr_t key = ~(uintptr_t)resource;
    tracker_shard *self = tracker_lock(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        tracker_record_at(self, index)->guard = guard;
    }
    shard_lock_give(&self->lock);
    return index != 0;
}

void tracker_set_size(const void *resource, uint64_t size) {
    uintptr_t key = ~(uintptr_t)resource;
    tracker_shard *self = tracker_lock(key);
    uint32_t index = self->bucket_count == 0 ? 0 : *find_link(self, key);
    if (index != 0) {
        tracker_record *record = tracker_record_at(self, index);
        self->totals.live_bytes += size - record->size;
        record->size = size;
    }
    shard_lock_give(&self->lock);
}

bool tracker_find_closed(const void *resource, tracker_closed *closed) {
    uintptr_t key = ~(uintptr_t)resource;
    tracker_shard *self = tracker_lock(key);
    bool found = false;
    for (uint32_t back = 1; self->closed != NULL && back <= TRACKER_CLOSED_ITEMS && !found; back++) {
        const tracker_closed *slot =
            &self->closed[(self->closed_next + TRACKER_CLOSED_ITEMS - back) % TRACKER_CLOSED_ITEMS];
        found = slot->key == key;
        if (found) {
            *closed = *slot;
        }
    }
    shard_lock_give(&self->lock);
    return found;
}

void tracker_visit(tracker_visitor *visitor, void *context) {
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = &tracker_shards[i];
        shard_lock_take(&self->lock);
        for (uint32_t b = 0; b < self->bucket_count; b++) {
            for (uint32_t index = self->buckets[b]; index != 0; index = tracker_record_at(self, index)->next) {
                visitor(tracker_record_at(self, index), context);
            }
        }
        shard_lock_give(&self->lock);
    }
}

void tracker_visit_usual(tracker_usual_visitor *visitor, void *context) {
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        shard_lock_take(&tracker_shards[i].lock);
        const usual_entry *entries = tracker_shards[i].usual.entries;
        for (size_t slot = 0; entries != NULL && slot < USUAL_SLOTS; slot++) {
            if (entries[slot].count > 0) {
                visitor(&entries[slot], context);
            }
        }
        shard_lock_give(&tracker_shards[i].lock);
    }
}

void tracker_count(tracker_totals *totals) {
    *totals = (tracker_totals){0};
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        shard_lock_take(&tracker_shards[i].lock);
        totals->live += tracker_shards[i].totals.live;
        totals->live_bytes += tracker_shards[i].totals.live_bytes;
        totals->seen += tracker_shards[i].totals.seen;
        totals->refused += tracker_shards[i].totals.refused;
        shard_lock_give(&tracker_shards[i].lock);
    }
}

/* --- fork and tests ---------------------------------------------------------------------------------------------- */

void tracker_lock_all(void) {
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        shard_lock_take(&tracker_shards[i].lock);
    }
}

void tracker_unlock_all(void) {
    for (size_t i = TRACKER_SHARDS; i-- > 0;) {
        shard_lock_give(&tracker_shards[i].lock);
    }
}

void tracker_next_generation(void) {
    atomic_fetch_add_explicit(&tracker_generation_now, 1, memory_order_relaxed);
}

static const char *audit_locked(const tracker_shard *self, uint64_t *bytes, uint64_t *live, uint64_t *listed) {
    uint64_t chained = 0;
    uint64_t holds = 0;
    for (uint32_t b = 0; b < self->bucket_count; b++) {
        for (uint32_t index = self->buckets[b]; index != 0; index = tracker_record_at(self, index)->next) {
            const tracker_record *record = tracker_record_at(self, index);
            if (((tracker_hash(record->key) >> TRACKER_SHARD_BITS) & (self->bucket_count - 1)) != b) {
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
    for (uint32_t index = self->records.free; index != 0; index = tracker_record_at(self, index)->next) {
        ++*listed;
    }
    for (uint32_t hold = self->holds.free; hold != 0; hold = hold_at(self, hold)->next) {
        holds++;
    }
    return holds == self->holds.used ? NULL : "a hold is in no list, or in two";
}

const char *tracker_audit(void) {
    const char *broken = NULL;
    for (size_t i = 0; i < TRACKER_SHARDS && broken == NULL; i++) {
        tracker_shard *self = &tracker_shards[i];
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
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = &tracker_shards[i];
        self->records.used = self->records.free = 0;
        self->accesses.used = self->accesses.free = 0;
        self->holds.used = self->holds.free = 0;
        usual_reset(&self->usual);
        self->chained = self->closed_next = 0;
        self->totals = (tracker_totals){0};
        if (self->closed != NULL) {
            memset(self->closed, 0, TRACKER_CLOSED_ITEMS * sizeof *self->closed);
        }
        if (self->buckets != NULL) {
            memset(self->buckets, 0, self->bucket_count * sizeof *self->buckets);
        }
    }
    tracker_unlock_all();
}
