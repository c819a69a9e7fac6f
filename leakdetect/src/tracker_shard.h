/* A shard of the live table (tracker.h), and the two operations that every sampled resource comes by, inline: a function of
 * their own would save and restore registers that its caller has saved, and be one more frame for a stack to be cut by.
 * What is seldom is tracker.c's, as is all else. */
#ifndef LEAKDETECT_TRACKER_SHARD_H
#define LEAKDETECT_TRACKER_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shard_lock.h"
#include "thread.h"
#include "tracker.h"
#include "usual.h"

enum {
    TRACKER_SHARD_BITS = 4, /* of a lane */
    TRACKER_LANE_SHARDS = THREAD_LANE_SHARDS,
    TRACKER_SHARDS = (1 + THREAD_LANES) * TRACKER_LANE_SHARDS, /* those of lane 0, which is nobody's, stay empty */
    TRACKER_BLOCK_BITS = 14,                                   /* addresses of one block have one lane: 256 handles */
    TRACKER_HOME_BITS = 12, /* blocks beyond 4,096 share lanes with others, which costs time and nothing else */
    TRACKER_FIRST_SLAB_BITS =
        6,                     /* a store's first slab holds 64 items; each next one twice as many as the one before */
    TRACKER_FREE_SLABS = 6,    /* of each shard, beside the bound of all */
    TRACKER_RECORD_SLABS = 12, /* 262,080 records a shard */
    TRACKER_ACCESS_SLABS = 14, /* four times as many accesses, and holds */
    TRACKER_CLOSED_ITEMS = 1024, /* closings that a shard remembers: a thread may work in one alone */
    TRACKER_WORD_INDEX_BITS =
        18 /* of a word: a record's index, or 0; above them its shard's number, also once it is gone */
};

_Static_assert((1 << TRACKER_FIRST_SLAB_BITS) * ((1 << TRACKER_RECORD_SLABS) - 1) < 1 << TRACKER_WORD_INDEX_BITS,
               "an index has room in a word");
_Static_assert(1 << TRACKER_SHARD_BITS == TRACKER_LANE_SHARDS, "a hash chooses among them by these bits");
_Static_assert(TRACKER_SHARDS == UINT8_MAX + 1, "a byte is the number of a shard, whatever is in it");

#define TRACKER_WORD_INDEX ((UINT32_C(1) << TRACKER_WORD_INDEX_BITS) - 1)

/* Over all shards: as many as those of one lane hold, 4,193,280 records in 384 MiB, so that a program of one thread may have all
 * of them; four times as many accesses, and holds. Slabs are counted whole, and each shard's first ones, of 4,032 items, not at
 * all: so what others had at their peak leaves something for everybody. */
#define TRACKER_RECORDS_MOST                                                                                           \
    (TRACKER_LANE_SHARDS * ((UINT64_C(1) << TRACKER_RECORD_SLABS) - 1) << TRACKER_FIRST_SLAB_BITS)
#define TRACKER_ACCESSES_MOST                                                                                          \
    (TRACKER_LANE_SHARDS * ((UINT64_C(1) << TRACKER_ACCESS_SLABS) - 1) << TRACKER_FIRST_SLAB_BITS)

typedef enum tracker_kind {
    TRACKER_KIND_RECORD,
    TRACKER_KIND_ACCESS,
    TRACKER_KIND_HOLD,
    TRACKER_KIND_COUNT
} tracker_kind;

/* Items of one size in slabs that never move, named by an index from 1 up; freed ones are chained through `next`. */
typedef struct tracker_items {
    uint32_t used; /* items ever handed out */
    uint32_t free; /* the head of the free list; records have another one */
    char *slabs[TRACKER_ACCESS_SLABS];
} tracker_items;

/* What an insertion and a removal touch comes first, and lies in two cache lines: the next shard that a thread comes to
 * may be another one, whose lines are further away than its own data. */
struct tracker_shard {
    shard_lock lock;
    uint32_t
        bucket_count; /* a power of two, or 0 before the first insertion; tracker_fetch_bucket() reads it without the lock */
    uint32_t *buckets;    /* so it does this */
    uint32_t chained;     /* records in chains */
    uint32_t closed_next; /* the slot that the next closing takes */
    tracker_closed *closed;
    tracker_record *spare;                 /* records that are free, the last one first */
    uint64_t opened, closings, live_bytes; /* since the process began; of what is alive */
    usual usual;
    tracker_items records, accesses, holds;
    uint64_t refused;            /* chosen by the sample, turned away by the bound */
} __attribute__((aligned(128))); /* two cache lines, so that neighbours' locks share none */

_Static_assert(offsetof(tracker_shard, records.slabs) + 5 * sizeof(char *) <= 128,
               "and so do the slabs of 1,984 records");

extern tracker_shard tracker_shards[TRACKER_SHARDS];

/* Which lane a block of addresses has: 0, or that of the thread that was the first to track something there, for good.
 * Atomic, relaxed: whoever has a resource to look for got it from the thread that tracked it, with what that read or wrote here. */
extern uint8_t tracker_homes[1 << TRACKER_HOME_BITS];

/* Gives a home that has no lane one, and returns it. */
uint8_t tracker_settle(uint8_t *home);

/* What a word says before its resource is tracked is mostly nothing, and may be anything: forgets the record that is there, if it is
 * one of this resource. */
void tracker_forget_stale(const void *resource, uint32_t *word);

/* Under the shard's lock. tracker_take_fresh() returns an index that was never used, or 0 at the bound; tracker_grow_buckets()
 * false where there is no table; tracker_map_closed() where there is no ring, which is benign: forensics are lost, tracking
 * is not. */
uint32_t tracker_take_fresh(tracker_items *store, tracker_kind kind);
tracker_record *tracker_take_fresh_record(tracker_shard *self);
bool tracker_grow_buckets(tracker_shard *self);
bool tracker_map_closed(tracker_shard *self);
void tracker_give_stale(tracker_shard *self, uint32_t *link);
void tracker_give_lists(tracker_shard *self, tracker_record *record);
void tracker_count_holds(tracker_shard *self, const tracker_record *record, usual_entry *closings);

static inline uint64_t tracker_hash(uintptr_t key) {
    uint64_t hash = (uint64_t)key * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 32);
}

static inline uint8_t *tracker_home(uintptr_t key) {
    return &tracker_homes[(uint64_t)(key >> TRACKER_BLOCK_BITS) * 0x9e3779b97f4a7c15u >> (64 - TRACKER_HOME_BITS)];
}

static inline tracker_shard *tracker_shard_at(size_t number) {
    tracker_shard *shard = &tracker_shards[number];
    __asm__("" : "+r"(shard)); /* one address, kept: gcc would work it out for each field */
    return shard;
}

static inline tracker_place tracker_place_by_address(uint8_t lane, uintptr_t key) {
    const uint64_t hash = tracker_hash(key);
    tracker_shard *shard = tracker_shard_at((size_t)lane * TRACKER_LANE_SHARDS + hash % TRACKER_LANE_SHARDS);
    return (tracker_place){.key = key, .hash = hash, .shard = shard};
}

static inline tracker_place tracker_place_of(const void *resource) {
    const uintptr_t key = ~(uintptr_t)resource;
    return tracker_place_by_address(__atomic_load_n(tracker_home(key), __ATOMIC_RELAXED), key);
}

static inline tracker_place tracker_place_for(const void *resource) {
    const uintptr_t key = ~(uintptr_t)resource;
    uint8_t *home = tracker_home(key);
    uint8_t lane = __atomic_load_n(home, __ATOMIC_RELAXED);
    if (__builtin_expect(lane == 0, 0)) {
        lane = tracker_settle(home);
    }
    return tracker_place_by_address(lane, key);
}

/* Atomic, relaxed: who uses a resource that somebody else closes is wrong, and finds another word than he should, but no race. */
static inline uint32_t tracker_read_word(const uint32_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): clang-tidy does not see that the builtin writes */
static inline void tracker_write_word(uint32_t *word, uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline tracker_place tracker_place_by_word(uint32_t number, uintptr_t key, uint32_t *word) {
    return (tracker_place){.key = key, .shard = tracker_shard_at(number), .word = word};
}

static inline tracker_place tracker_place_in(const void *resource, uint32_t *word) {
    return tracker_place_by_word(tracker_read_word(word) >> TRACKER_WORD_INDEX_BITS & UINT8_MAX, ~(uintptr_t)resource,
                                 word);
}

static inline uint32_t tracker_number_in(uint32_t lane, uint32_t shard) {
    return lane * TRACKER_LANE_SHARDS + shard;
}

/* What a word finds may be in any shard. So a thread puts all in one as long as that serves: it is in the processor's own cache, where
 * sixteen would not be. It goes on to another of its lane where somebody waits for the lock, on the short ways also where somebody has
 * it, where a record was refused, and where there is none free and no more room: tracker_choose_shard(), which a thread asks that has
 * found no free record. */
static inline void tracker_turn(thread_state *self) {
    self->shard = (uint8_t)((self->shard + 1) % TRACKER_LANE_SHARDS);
}
void tracker_choose_shard(thread_state *self);

static inline tracker_record *tracker_spare(const tracker_shard *self) {
    return __atomic_load_n(&self->spare, __ATOMIC_RELAXED);
}

/* Under the lock; others may look at it without. */
static inline void tracker_set_spare(tracker_shard *self, tracker_record *spare) {
    __atomic_store_n(&self->spare, spare, __ATOMIC_RELAXED);
}

/* Whether a word says something, which of a resource that is not tracked yet is stale. */
static inline bool tracker_word_says(const uint32_t *word) {
    return __builtin_expect((tracker_read_word(word) & TRACKER_WORD_INDEX) != 0, 0);
}

static inline tracker_place tracker_place_for_in(const void *resource, uint32_t *word, thread_state *self) {
    const uintptr_t key = ~(uintptr_t)resource;
    if (tracker_word_says(word)) {
        tracker_forget_stale(resource, word);
    }
    if (__builtin_expect(tracker_spare(&tracker_shards[tracker_number_in(self->lane, self->shard)]) == NULL, 0)) {
        tracker_choose_shard(self);
    }
    return tracker_place_by_word(tracker_number_in(self->lane, self->shard), key, word);
}

/* Of a resource that is found by its address, as what is pinned is. Under the shard's lock, which it gives away for a while. */
tracker_record *tracker_wait_until_unpinned(tracker_shard *shard, uintptr_t key, uint64_t hash, tracker_record *record,
                                            uint32_t **link);

static inline tracker_shard *tracker_lock(const tracker_place *place) {
    shard_lock_take(&place->shard->lock);
    return place->shard;
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

/* Asks for what is about to be read under the lock, before something that takes as long as it does to arrive. Without the lock: it may
 * be the line of a table that has grown since, and is not read. */
static inline __attribute__((always_inline)) void tracker_fetch_bucket(const tracker_place *place) {
    if (place->word != NULL) {
        return;
    }
    const uintptr_t buckets = (uintptr_t)__atomic_load_n(&place->shard->buckets, __ATOMIC_RELAXED);
    const uint32_t count = __atomic_load_n(&place->shard->bucket_count, __ATOMIC_RELAXED);
    const uintptr_t bucket = (place->hash >> TRACKER_SHARD_BITS) & (count - 1);
    __builtin_prefetch((const void *)(buckets + bucket * sizeof *place->shard->buckets), 1);
}

static inline __attribute__((always_inline)) void tracker_fetch_shard(const tracker_shard *self) {
    __builtin_prefetch(self, 1);
    __builtin_prefetch(&self->records, 1);
}

/* NULL at the bound. */
static inline tracker_record *tracker_take_record(tracker_shard *self) {
    tracker_record *record = self->spare;
    if (__builtin_expect(record == NULL, 0)) {
        return tracker_take_fresh_record(self);
    }
    tracker_set_spare(self, record->spare);
    return record;
}

/* Of a record without lists. */
static inline void tracker_put_aside(tracker_shard *self, tracker_record *record) {
    self->closings++;
    self->live_bytes -= record->size;
    record->key = 0;
    record->scan = TRACKER_FREE;
    record->spare = self->spare;
    tracker_set_spare(self, record);
}

/* Whether accesses of it are recorded, or have been. */
static inline bool tracker_is_watched(const tracker_record *record) {
    return __builtin_expect((record->watch | record->accesses | record->holds) != 0, 0);
}

static inline void tracker_give_record(tracker_shard *self, tracker_record *record) {
    if ((record->accesses | record->holds) != 0) {
        tracker_give_lists(self, record);
    }
    tracker_put_aside(self, record);
}

/* The record that a word names, or NULL: another may have it by now. Sets *word to what was read, once: where a program misuses a
 * resource it may change meanwhile. */
static inline tracker_record *tracker_find_named(const tracker_place *place, uint32_t *word) {
    *word = tracker_read_word(place->word);
    const uint32_t index = *word & TRACKER_WORD_INDEX;
    if (__builtin_expect(index == 0 || index > place->shard->records.used, 0)) {
        return NULL;
    }
    tracker_record *record = tracker_record_at(place->shard, index);
    return __builtin_expect(record->key == place->key, 1) ? record : NULL;
}

/* The record of a key, or NULL. Sets *link to what holds its index: in its bucket or in the record before it; 0 is there if
 * there is none. The low bits of the hash chose the shard, so the bucket takes the next ones. */
static inline tracker_record *tracker_find_chained(const tracker_place *place, uint32_t **link) {
    tracker_shard *self = place->shard;
    *link = &self->buckets[(place->hash >> TRACKER_SHARD_BITS) & (self->bucket_count - 1)];
    while (**link != 0) {
        tracker_record *record = tracker_record_at(self, **link);
        if (record->key == place->key) {
            return record;
        }
        *link = &record->next;
    }
    return NULL;
}

/* Either; there may be no bucket yet. Sets *word or *link. */
static inline tracker_record *tracker_find_record(const tracker_place *place, uint32_t *word, uint32_t **link) {
    if (place->word != NULL) {
        return tracker_find_named(place, word);
    }
    return __builtin_expect(place->shard->bucket_count == 0, 0) ? NULL : tracker_find_chained(place, link);
}

/* Field by field: the processor does not forward several narrow stores to one wide load, and waits until they have reached
 * the cache. So the compiler must not join them again (CMakeLists.txt). */
static inline void tracker_copy_closed(tracker_closed *to, const tracker_closed *from) {
    to->key = from->key;
    to->size = from->size;
    to->allocation_stack = from->allocation_stack;
    to->close_stack = from->close_stack;
    to->who = from->who;
    to->type = from->type;
}

static inline __attribute__((always_inline)) tracker_closed tracker_closed_now(const tracker_record *record,
                                                                               tracker_closer by) {
    return (tracker_closed){.key = record->key,
                            .size = record->size,
                            .allocation_stack = record->stack,
                            .close_stack = by.stack,
                            .who = by.who,
                            .type = record->type};
}

static inline __attribute__((always_inline)) void tracker_note_closing(tracker_shard *self, const tracker_closed *now) {
    tracker_copy_closed(&self->closed[self->closed_next], now);
    self->closed_next = (self->closed_next + 1) % TRACKER_CLOSED_ITEMS;
}

static inline __attribute__((always_inline)) void
tracker_remember_closing(tracker_shard *self, const tracker_record *record, tracker_closer by, tracker_closed *closed) {
    const tracker_closed now = tracker_closed_now(record, by);
    if (closed != NULL) {
        tracker_copy_closed(closed, &now);
    }
    if (__builtin_expect(self->closed != NULL, 1) || tracker_map_closed(self)) {
        tracker_note_closing(self, &now);
    }
}

/* An owner as records have it. */
static inline uintptr_t tracker_owner_key(const void *owner) {
    return owner == NULL ? 0 : ~(uintptr_t)owner;
}

/* What its caller does not set. A fresh record is counted. */
static inline void tracker_begin(tracker_record *fresh, const tracker_place *place, uintptr_t owner, uint64_t size) {
    enum {
        FROM = offsetof(tracker_record, accesses),
        TO = offsetof(tracker_record, stamp)
    };
    fresh->key = place->key;
    fresh->owner = owner;
    fresh->size = size;
    memset((char *)fresh + FROM, 0, TO - FROM);
    fresh->stamp = tracker_stamp();
    fresh->scan = 0;
    place->shard->opened++;
    place->shard->live_bytes += size;
}

/* A fresh record comes to where it is found. link: where the search for the key ended, of a resource without a word. */
static inline __attribute__((always_inline)) void tracker_enter(tracker_record *fresh, const tracker_place *place,
                                                                uintptr_t owner, uint64_t size, uint32_t *link) {
    tracker_begin(fresh, place, owner, size);
    if (place->word != NULL) {
        tracker_write_word(place->word, fresh->word);
    } else {
        fresh->next = *link;
        *link = fresh->word & TRACKER_WORD_INDEX; /* mostly the head of its chain, or else behind the others */
        place->shard->chained++;
    }
}

/* What is left to tracker_open() where the shard has no more records: one of another shard's, for a word may name any. Gives the
 * shard's lock away. It is told the parts of a place: one that is handed over lies in memory, and is written there each time. */
tracker_record *tracker_open_elsewhere(tracker_shard *full, uintptr_t key, uint32_t *word, uintptr_t owner,
                                       uint64_t size, shard_lock **held);

/* tracker_open() adds a record, for its caller to complete under the shard's lock: birth, stack, type, who and weight are whatever they
 * were, and its watch and guard are 0. Written once, in place, since a sampled allocation comes by.
 *   place    by tracker_place_for() or tracker_place_for_in().
 *   owner    by tracker_owner_key().
 *   held     set to the lock; shard_lock_give() ends it, soon.
 *   returns  NULL if the table is full; then nothing is held. A record of the same address that is there already gives
 *            way. */
static inline __attribute__((always_inline)) tracker_record *tracker_open(const tracker_place *place, uintptr_t owner,
                                                                          uint64_t size, shard_lock **held) {
    tracker_shard *self = tracker_lock(place);
    uint32_t *link = NULL;
    tracker_record *fresh = NULL;
    if (place->word != NULL) {
        fresh = tracker_take_record(self);
    } else if (__builtin_expect(self->chained < self->bucket_count, 1) || tracker_grow_buckets(self)) {
        if (__builtin_expect(tracker_find_chained(place, &link) != NULL, 0)) {
            tracker_give_stale(self, link);
        }
        fresh = tracker_take_record(self);
    }
    if (__builtin_expect(fresh == NULL, 0)) {
        shard_lock *other = NULL; /* of its own: `held` may stay in a register */
        fresh = tracker_open_elsewhere(self, place->key, place->word, owner, size, &other);
        *held = other;
        return fresh;
    }
    tracker_enter(fresh, place, owner, size, link);
    *held = &self->lock;
    return fresh;
}

/* Once it has been seen to say `said`; where a program misuses its resource it may say something else by now. */
static inline void tracker_clear_word(uint32_t *word, uint32_t said) {
    if (__builtin_expect(tracker_read_word(word) == said, 1)) {
        tracker_write_word(word, said & ~TRACKER_WORD_INDEX);
    }
}

/* Of a record that is closed while accesses are recorded, or has some: what was watched of it becomes what is usual. */
static inline void tracker_end_watch(tracker_shard *self, tracker_record *record, uint32_t close_stack) {
    if (tracker_knows_holds(record)) {
        usual_entry *closings = usual_close(&self->usual, record->stack, record->type, close_stack);
        if (closings != NULL && record->holds != 0) {
            tracker_count_holds(self, record, closings);
        }
    }
    if ((record->accesses | record->holds) != 0) {
        tracker_give_lists(self, record);
    }
}

/* tracker_remove() takes a resource out: it was closed.
 *   closed   NULL, or set to what is remembered of the closing.
 *   returns  false if the resource is not tracked; closed is as it was then. */
static inline __attribute__((always_inline)) bool tracker_remove(const tracker_place *place, tracker_closer by,
                                                                 tracker_closed *closed) {
    tracker_shard *self = tracker_lock(place);
    uint32_t word = 0;
    uint32_t *link = NULL;
    tracker_record *record = tracker_find_record(place, &word, &link);
    if (record != NULL && place->word == NULL && __builtin_expect(record->pin != 0, 0)) {
        uint32_t *found = link; /* of its own: the other one may stay in a register */
        record = tracker_wait_until_unpinned(self, place->key, place->hash, record, &found);
        link = found;
    }
    if (record != NULL) {
        if (place->word == NULL) {
            *link = record->next;
            self->chained--;
        } else {
            tracker_clear_word(place->word, word);
        }
        tracker_remember_closing(self, record, by, closed);
        if (tracker_is_watched(record)) {
            tracker_end_watch(self, record, by.stack);
        }
        tracker_put_aside(self, record);
    }
    shard_lock_give(&self->lock);
    return record != NULL;
}

#endif
