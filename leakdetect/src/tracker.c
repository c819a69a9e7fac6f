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
    FIRST_BUCKETS = 256 /* a shard's first table; it doubles while it holds more records than buckets */
};

tracker_shard tracker_shards[TRACKER_SHARDS];
uint8_t tracker_homes[1 << TRACKER_HOME_BITS];
SAMPLED_WORD _Atomic uint32_t tracker_watch_now = 1;
SAMPLED_WORD _Atomic uint64_t tracker_stamp_now;

/* --- items ------------------------------------------------------------------------------------------------------- */

static tracker_access *access_at(const tracker_shard *self, uint32_t index) {
    return tracker_item_at(&self->accesses, index, sizeof(tracker_access));
}

static tracker_hold *hold_at(const tracker_shard *self, uint32_t index) {
    return tracker_item_at(&self->holds, index, sizeof(tracker_hold));
}

/* What a store of each kind is made of, and how much of it all shards have together. */
static struct {
    size_t item_bytes;
    uint32_t slabs;          /* of a shard, at most */
    uint64_t most;           /* items */
    _Atomic uint64_t mapped; /* items, used or not; relaxed: a bound */
} kinds[TRACKER_KIND_COUNT] = {
    [TRACKER_KIND_RECORD] = {sizeof(tracker_record), TRACKER_RECORD_SLABS, TRACKER_RECORDS_MOST, 0},
    [TRACKER_KIND_ACCESS] = {sizeof(tracker_access), TRACKER_ACCESS_SLABS, TRACKER_ACCESSES_MOST, 0},
    [TRACKER_KIND_HOLD] = {sizeof(tracker_hold), TRACKER_ACCESS_SLABS, TRACKER_ACCESSES_MOST, 0},
};

/* The one of so many items. */
static char *map_slab(tracker_kind kind, uint32_t slab) {
    const uint64_t items = (UINT64_C(1) << TRACKER_FIRST_SLAB_BITS) << slab;
    const uint64_t charge = slab < TRACKER_FREE_SLABS ? 0 : items;
    if (atomic_fetch_add_explicit(&kinds[kind].mapped, charge, memory_order_relaxed) + charge <= kinds[kind].most) {
        char *mapped = memory_map(kinds[kind].item_bytes * items);
        if (mapped != NULL) {
            return mapped;
        }
    }
    atomic_fetch_sub_explicit(&kinds[kind].mapped, charge, memory_order_relaxed);
    return NULL;
}

__attribute__((cold)) uint32_t tracker_take_fresh(tracker_items *store, tracker_kind kind) {
    uint32_t slab = tracker_highest_bit(store->used + (1u << TRACKER_FIRST_SLAB_BITS)) - TRACKER_FIRST_SLAB_BITS;
    if (slab >= kinds[kind].slabs) {
        return 0;
    }
    if (store->slabs[slab] == NULL) {
        store->slabs[slab] = map_slab(kind, slab);
        if (store->slabs[slab] == NULL) {
            return 0;
        }
    }
    __atomic_store_n(&store->used, store->used + 1, __ATOMIC_RELAXED); /* others may look at it without the lock */
    return store->used;
}

__attribute__((cold)) tracker_record *tracker_take_fresh_record(tracker_shard *self) {
    const uint32_t index = tracker_take_fresh(&self->records, TRACKER_KIND_RECORD);
    if (index == 0) {
        return NULL;
    }
    tracker_record *fresh = tracker_record_at(self, index);
    fresh->word = (uint32_t)(self - tracker_shards) << TRACKER_WORD_INDEX_BITS | index;
    return fresh;
}

/* Without the locks: what is read here changes all the time, and decides nothing but where there is something free at less cost. A
 * shard has room up to where its free slabs end, and from there on for a portion at a time, so that all of a lane grow evenly; not for
 * more records where it has half of the accesses or holds that it may have. */
static bool has_room(const tracker_shard *self) {
    enum {
        PORTION = 1 << (TRACKER_FIRST_SLAB_BITS + TRACKER_FREE_SLABS),
        ACCESSES_ENOUGH = 1 << (TRACKER_FIRST_SLAB_BITS + TRACKER_ACCESS_SLABS - 1)
    };
    const uint32_t used = __atomic_load_n(&self->records.used, __ATOMIC_RELAXED);
    return (used + (1u << TRACKER_FIRST_SLAB_BITS)) % PORTION != 0 &&
           __atomic_load_n(&self->accesses.used, __ATOMIC_RELAXED) < ACCESSES_ENOUGH &&
           __atomic_load_n(&self->holds.used, __ATOMIC_RELAXED) < ACCESSES_ENOUGH;
}

/* Stays where there is room; else goes to the next one that has some, or something free, or else to the one that has the fewest. */
__attribute__((cold)) void tracker_choose_shard(thread_state *self) {
    const tracker_shard *lane = &tracker_shards[tracker_number_in(self->lane, 0)];
    uint8_t best = self->shard;
    if (has_room(&lane[best])) {
        return;
    }
    for (uint32_t i = 1; i < TRACKER_LANE_SHARDS; i++) {
        const uint8_t number = (uint8_t)((self->shard + i) % TRACKER_LANE_SHARDS);
        if (tracker_spare(&lane[number]) != NULL || has_room(&lane[number])) {
            best = number;
            break;
        }
        if (__atomic_load_n(&lane[number].records.used, __ATOMIC_RELAXED) <
            __atomic_load_n(&lane[best].records.used, __ATOMIC_RELAXED)) {
            best = number;
        }
    }
    self->shard = best;
}

static uint32_t access_take(tracker_shard *self) {
    uint32_t index = self->accesses.free;
    if (index == 0) {
        return tracker_take_fresh(&self->accesses, TRACKER_KIND_ACCESS);
    }
    self->accesses.free = access_at(self, index)->next;
    return index;
}

static uint32_t hold_take(tracker_shard *self) {
    uint32_t index = self->holds.free;
    if (index == 0) {
        return tracker_take_fresh(&self->holds, TRACKER_KIND_HOLD);
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

/* --- shards ------------------------------------------------------------------------------------------------------ */

/* Who comes second takes the lane of who came first. */
/* NOLINTNEXTLINE(readability-non-const-parameter): clang-tidy does not see that the builtin writes */
__attribute__((cold)) uint8_t tracker_settle(uint8_t *home) {
    uint8_t found = 0;
    const uint8_t own = thread_self()->lane;
    return __atomic_compare_exchange_n(home, &found, own, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ? own : found;
}

/* The shard of a number, if it is in a lane that is in use; NULL: nothing is there, and no page of it shall be touched. */
static tracker_shard *used_shard(uint32_t lanes, size_t number) {
    return (lanes >> number / TRACKER_LANE_SHARDS & 1) != 0 ? &tracker_shards[number] : NULL;
}

static uint32_t lanes_used(void) {
    return atomic_load_explicit(&thread_lanes_used, memory_order_acquire);
}

static bool is_free(const tracker_record *record) {
    return (record->scan & TRACKER_FREE) != 0;
}

static const tracker_shard *shard_of(const tracker_record *record) {
    return &tracker_shards[record->word >> TRACKER_WORD_INDEX_BITS];
}

/* --- chains and words -------------------------------------------------------------------------------------------- */

static inline tracker_record *find_record(const tracker_place *place) {
    uint32_t word = 0;
    uint32_t *link = NULL;
    return tracker_find_record(place, &word, &link);
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

__attribute__((cold)) void tracker_forget_stale(const void *resource, uint32_t *word) {
    const tracker_place place = tracker_place_in(resource, word);
    tracker_shard *self = tracker_lock(&place);
    uint32_t said = 0;
    tracker_record *record = tracker_find_named(&place, &said);
    if (record != NULL) {
        tracker_give_record(self, record);
    }
    tracker_write_word(word, 0);
    shard_lock_give(&self->lock);
}

/* In the shard of that number, if it has a free record. */
static tracker_record *open_free(uint32_t number, uintptr_t key, uint32_t *word, uintptr_t owner, uint64_t size,
                                 shard_lock **held) {
    const tracker_place place = tracker_place_by_word(number, key, word);
    if (tracker_spare(place.shard) == NULL) {
        return NULL;
    }
    tracker_shard *self = tracker_lock(&place);
    if (self->spare == NULL) {
        shard_lock_give(&self->lock);
        return NULL;
    }
    tracker_record *fresh = tracker_take_record(self);
    tracker_enter(fresh, &place, owner, size, NULL);
    *held = &self->lock;
    return fresh;
}

__attribute__((cold)) tracker_record *tracker_open_elsewhere(tracker_shard *full, uintptr_t key, uint32_t *word,
                                                             uintptr_t owner, uint64_t size, shard_lock **held) {
    shard_lock_give(&full->lock);
    const uint32_t number = (uint32_t)(full - tracker_shards);
    const uint32_t lanes = word != NULL ? lanes_used() : 0;
    for (uint32_t i = 1; i < TRACKER_SHARDS && word != NULL; i++) { /* those of its lane first */
        const uint32_t other = number ^ i;
        tracker_record *fresh =
            used_shard(lanes, other) == NULL ? NULL : open_free(other, key, word, owner, size, held);
        if (fresh != NULL) {
            return fresh;
        }
    }
    shard_lock_take(&full->lock);
    full->refused++;
    shard_lock_give(&full->lock);
    return NULL;
}

__attribute__((cold)) void tracker_give_stale(tracker_shard *self, uint32_t *link) {
    tracker_record *record = tracker_record_at(self, *link);
    *link = record->next;
    self->chained--;
    tracker_give_record(self, record);
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
    const tracker_place place = tracker_place_of(resource);
    tracker_shard *self = tracker_lock(&place);
    tracker_record *record = find_record(&place);
    bool can = record != NULL && record->birth_ns == birth_ns && record->pin != pin_of_process();
    if (can) {
        record->pin = pin_of_process();
        pinning = true;
    }
    shard_lock_give(&self->lock);
    return can;
}

void tracker_unpin(const void *resource) {
    const tracker_place place = tracker_place_of(resource);
    tracker_shard *self = tracker_lock(&place);
    tracker_record *record = find_record(&place);
    if (record != NULL) {
        record->pin = 0;
    }
    pinning = false;
    shard_lock_give(&self->lock);
}

/* Lets others have the shard until the record is nobody's, or gone. */
__attribute__((cold)) tracker_record *tracker_wait_until_unpinned(tracker_shard *shard, uintptr_t key, uint64_t hash,
                                                                  tracker_record *record, uint32_t **link) {
    const tracker_place place = {.key = key, .hash = hash, .shard = shard};
    while (record != NULL && must_wait(record)) {
        shard_lock_give(&shard->lock);
        cancel_sleep(20000);
        shard_lock_take(&shard->lock);
        record = tracker_find_chained(&place, link);
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
        record->watch = 0;
        return;
    }
    tracker_hold *hold = hold_at(self, index);
    hold->several_threads = hold->several_threads || (hold->count > 0 && hold->thread_id != access->thread_id);
    hold->count += references;
    hold->newest_ns = access->time_ns;
    hold->thread_name = access->thread_name;
    hold->thread_id = access->thread_id;
}

bool tracker_record_access(const tracker_place *place, const tracker_access *access, uint32_t target, uint64_t random) {
    return tracker_record_references(place, access, HOLD_RETAIN, 0, target, random);
}

bool tracker_record_references(const tracker_place *place, const tracker_access *access, hold_kind kind,
                               uint64_t references, uint32_t target, uint64_t random) {
    tracker_shard *self = tracker_lock(place);
    tracker_record *record = find_record(place);
    if (record != NULL) {
        if (references != 0) {
            add_references(self, record, access, kind, references);
        }
        uint32_t over = record->access_count < target ? 0 : record->access_count - target + 1;
        bool push = over == 0 || (over <= 30 && (random & ((1u << over) - 1)) == 0);
        uint32_t slot = push || record->accesses == 0 ? access_take(self) : record->accesses;
        push = slot != 0 && slot != record->accesses;
        if (slot == 0) {
            slot = record->accesses; /* no room for another: the newest gives way */
        }
        if (!push) {
            record->accesses_dropped++;
        }
        if (slot != 0) {
            uint32_t older = push ? record->accesses : access_at(self, slot)->next;
            *access_at(self, slot) = *access;
            access_at(self, slot)->next = older;
            record->accesses = slot;
            record->access_count = (uint16_t)(record->access_count + (push ? 1 : 0));
        }
    }
    shard_lock_give(&self->lock);
    return record != NULL;
}

const tracker_access *tracker_next_access(const tracker_record *record, const tracker_access *access) {
    const tracker_shard *self = shard_of(record);
    uint32_t index = access == NULL ? record->accesses : access->next;
    return index == 0 ? NULL : access_at(self, index);
}

const tracker_hold *tracker_next_hold(const tracker_record *record, const tracker_hold *hold) {
    const tracker_shard *self = shard_of(record);
    uint32_t index = hold == NULL ? record->holds : hold->next;
    return index == 0 ? NULL : hold_at(self, index);
}

void tracker_stop_watching(void) {
    atomic_fetch_add_explicit(&tracker_watch_now, 1, memory_order_acq_rel);
}

uint32_t tracker_next_epoch(void) {
    return tracker_epoch_of(atomic_fetch_add_explicit(&tracker_stamp_now, 1, memory_order_relaxed) + 1);
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

bool tracker_find(const tracker_place *place, tracker_record *record) {
    tracker_shard *self = tracker_lock(place);
    const tracker_record *found = find_record(place);
    if (found != NULL) {
        *record = *found;
    }
    shard_lock_give(&self->lock);
    return found != NULL;
}

bool tracker_knows(const tracker_place *place) {
    tracker_shard *self = tracker_lock(place);
    bool known = find_record(place) != NULL;
    shard_lock_give(&self->lock);
    return known;
}

bool tracker_set_guard(const tracker_place *place, uint32_t guard) {
    tracker_shard *self = tracker_lock(place);
    tracker_record *record = find_record(place);
    if (record != NULL) {
        record->guard = guard;
    }
    shard_lock_give(&self->lock);
    return record != NULL;
}

void tracker_set_size(const tracker_place *place, uint64_t size) {
    tracker_shard *self = tracker_lock(place);
    tracker_record *record = find_record(place);
    if (record != NULL) {
        self->live_bytes += size - record->size;
        record->size = size;
    }
    shard_lock_give(&self->lock);
}

bool tracker_find_closed(const tracker_place *place, tracker_closed *closed) {
    tracker_shard *self = tracker_lock(place);
    bool found = false;
    for (uint32_t back = 1; self->closed != NULL && back <= TRACKER_CLOSED_ITEMS && !found; back++) {
        const tracker_closed *slot =
            &self->closed[(self->closed_next + TRACKER_CLOSED_ITEMS - back) % TRACKER_CLOSED_ITEMS];
        found = slot->key == place->key;
        if (found) {
            *closed = *slot;
        }
    }
    shard_lock_give(&self->lock);
    return found;
}

void tracker_visit(tracker_visitor *visitor, void *context) {
    const uint32_t lanes = lanes_used();
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = used_shard(lanes, i);
        if (self == NULL) {
            continue;
        }
        shard_lock_take(&self->lock);
        for (uint32_t index = 1; index <= self->records.used; index++) {
            tracker_record *record = tracker_record_at(self, index);
            if (!is_free(record)) {
                visitor(record, context);
            }
        }
        shard_lock_give(&self->lock);
    }
}

void tracker_visit_usual(tracker_usual_visitor *visitor, void *context) {
    const uint32_t lanes = lanes_used();
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = used_shard(lanes, i);
        if (self == NULL) {
            continue;
        }
        shard_lock_take(&self->lock);
        const usual_entry *entries = self->usual.entries;
        for (size_t slot = 0; entries != NULL && slot < self->usual.slots; slot++) {
            if (entries[slot].count > 0) {
                visitor(&entries[slot], context);
            }
        }
        shard_lock_give(&self->lock);
    }
}

void tracker_count(tracker_totals *totals) {
    const uint32_t lanes = lanes_used();
    *totals = (tracker_totals){0};
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = used_shard(lanes, i);
        if (self == NULL) {
            continue;
        }
        shard_lock_take(&self->lock);
        totals->live += self->opened - self->closings;
        totals->live_bytes += self->live_bytes;
        totals->seen += self->opened;
        totals->refused += self->refused;
        shard_lock_give(&self->lock);
    }
}

/* --- fork and tests ---------------------------------------------------------------------------------------------- */

static uint32_t locked_lanes; /* by tracker_lock_all(), and guarded by what that holds */

void tracker_lock_all(void) {
    const uint32_t lanes = lanes_used();
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = used_shard(lanes, i);
        if (self != NULL) {
            shard_lock_take(&self->lock);
        }
    }
    locked_lanes = lanes;
}

void tracker_unlock_all(void) {
    const uint32_t lanes = locked_lanes;
    for (size_t i = TRACKER_SHARDS; i-- > 0;) {
        tracker_shard *self = used_shard(lanes, i);
        if (self != NULL) {
            shard_lock_give(&self->lock);
        }
    }
}

/* A lane that came into use between the locks and the fork may be in any state, as that of a thread which is not here. What it
 * tracked in that moment belongs to the parent. */
void tracker_after_fork(void) {
    const uint32_t lanes = lanes_used() & ~locked_lanes;
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = used_shard(lanes, i);
        if (self != NULL) {
            *self = (tracker_shard){0};
        }
    }
}

void tracker_next_generation(void) {
    atomic_fetch_add_explicit(&tracker_stamp_now, UINT64_C(1) << 32, memory_order_relaxed);
}

static const char *audit_chains(const tracker_shard *self) {
    uint64_t chained = 0;
    for (uint32_t b = 0; b < self->bucket_count; b++) {
        for (uint32_t index = self->buckets[b]; index != 0; index = tracker_record_at(self, index)->next) {
            const tracker_record *record = tracker_record_at(self, index);
            if (is_free(record)) {
                return "a record in a chain is free";
            }
            if (((tracker_hash(record->key) >> TRACKER_SHARD_BITS) & (self->bucket_count - 1)) != b) {
                return "a record is in the wrong bucket";
            }
            chained++;
        }
    }
    return chained == self->chained ? NULL : "the count of chained records is wrong";
}

/* Whether a record that is in no chain is in a word cannot be told from here: words belong to the resources. */
static const char *audit_records(const tracker_shard *self) {
    uint64_t bytes = 0;
    uint64_t live = 0;
    uint64_t free = 0;
    uint64_t holds = 0;
    for (uint32_t index = 1; index <= self->records.used; index++) {
        const tracker_record *record = tracker_record_at(self, index);
        if (!is_free(record)) {
            if (shard_of(record) != self) {
                return "a record has the number of another shard";
            }
            bytes += record->size;
            live++;
            for (uint32_t hold = record->holds; hold != 0; hold = hold_at(self, hold)->next) {
                holds++;
            }
        }
    }
    for (const tracker_record *record = self->spare; record != NULL; record = record->spare) {
        if (!is_free(record)) {
            return "a record is in two lists";
        }
        free++;
    }
    for (uint32_t hold = self->holds.free; hold != 0; hold = hold_at(self, hold)->next) {
        holds++;
    }
    if (live + free != self->records.used || live < self->chained) {
        return "a record is in no list";
    }
    if (bytes != self->live_bytes || live != self->opened - self->closings) {
        return "the totals of a shard disagree with its records";
    }
    return holds == self->holds.used ? NULL : "a hold is in no list, or in two";
}

const char *tracker_audit(void) {
    const char *broken = NULL;
    const uint32_t lanes = lanes_used();
    for (size_t i = 0; i < TRACKER_SHARDS && broken == NULL; i++) {
        tracker_shard *self = used_shard(lanes, i);
        if (self != NULL) {
            shard_lock_take(&self->lock);
            broken = audit_chains(self);
            broken = broken == NULL ? audit_records(self) : broken;
            shard_lock_give(&self->lock);
        }
    }
    return broken;
}

static void reset_shard(tracker_shard *self) {
    self->records.used = 0;
    self->spare = NULL;
    self->accesses.used = self->accesses.free = 0;
    self->holds.used = self->holds.free = 0;
    usual_reset(&self->usual);
    self->chained = self->closed_next = 0;
    self->opened = self->closings = self->live_bytes = self->refused = 0;
    if (self->closed != NULL) {
        memset(self->closed, 0, TRACKER_CLOSED_ITEMS * sizeof *self->closed);
    }
    if (self->buckets != NULL) {
        memset(self->buckets, 0, self->bucket_count * sizeof *self->buckets);
    }
}

void tracker_reset(void) {
    tracker_lock_all();
    for (size_t i = 0; i < TRACKER_SHARDS; i++) {
        tracker_shard *self = used_shard(locked_lanes, i);
        if (self != NULL) {
            reset_shard(self);
        }
    }
    tracker_unlock_all();
}

uint64_t tracker_bound(uint64_t records) {
    const uint64_t before = kinds[TRACKER_KIND_RECORD].most;
    kinds[TRACKER_KIND_RECORD].most = records;
    return before;
}
