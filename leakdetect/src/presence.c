/* The sharded table of presence.h. */
#include "presence.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "memory.h"

enum {
    SHARD_BITS = 3, /* fork holds all locks at once, and ThreadSanitizer knows 64 at most */
    SHARDS = 1 << SHARD_BITS,
    FIRST_SLOTS = 128,  /* one OS page */
    SLOTS_MAX = 1 << 19 /* of a shard: 3,145,728 records at most over all of them, in 128 MiB */
};

_Static_assert(sizeof(presence_record) == 32, "two records a cache line");

typedef struct shard {
    pthread_mutex_t lock;
    presence_record *slots;
    uint32_t slot_count; /* a power of two, or 0 before the first insertion */
    uint32_t used;
} __attribute__((aligned(128))) shard; /* two cache lines, so that neighbours' locks share none */

/* One for each shard; static, so that nobody needs to ask whether they are ready. */
#define UNUSED                                                                                                         \
    { .lock = PTHREAD_MUTEX_INITIALIZER }
static shard shards[] = {UNUSED, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED};
_Static_assert(sizeof shards / sizeof shards[0] == SHARDS, "every shard has a lock");

static uint32_t slots_max = SLOTS_MAX; /* less in tests */

static uint64_t hash_key(uintptr_t key) {
    uint64_t hash = (uint64_t)key * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 32);
}

static shard *lock_shard(uintptr_t key) {
    shard *self = &shards[hash_key(key) % SHARDS];
    pthread_mutex_lock(&self->lock);
    return self;
}

/* The low bits of the hash chose the shard, so the home takes the next ones. */
static uint32_t home_of(const shard *self, uintptr_t key) {
    return (uint32_t)(hash_key(key) >> SHARD_BITS) & (self->slot_count - 1);
}

/* The record of a key, or the empty slot where it would go. The table has slots, and one of them is empty. */
static presence_record *find_slot(const shard *self, uintptr_t key) {
    uint32_t at = home_of(self, key);
    while (self->slots[at].key != 0 && self->slots[at].key != key) {
        at = (at + 1) & (self->slot_count - 1);
    }
    return &self->slots[at];
}

static bool has_room(const shard *self) {
    return self->used < self->slot_count / 4 * 3;
}

static bool grow(shard *self) {
    shard grown = {.slot_count = self->slot_count == 0 ? FIRST_SLOTS : self->slot_count * 2};
    int saved_errno = errno;
    if (grown.slot_count > slots_max) {
        return false;
    }
    grown.slots = memory_map(grown.slot_count * sizeof *grown.slots);
    errno = saved_errno;
    if (grown.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < self->slot_count; i++) {
        if (self->slots[i].key != 0) {
            *find_slot(&grown, self->slots[i].key) = self->slots[i];
        }
    }
    memory_unmap(self->slots, self->slot_count * sizeof *self->slots);
    self->slots = grown.slots;
    self->slot_count = grown.slot_count;
    return true;
}

/* Empties a slot. Each record behind it, up to the next empty slot, moves into the gap unless its home lies beyond
 * it. */
static void remove_at(shard *self, uint32_t gap) {
    uint32_t mask = self->slot_count - 1;
    for (uint32_t at = (gap + 1) & mask; self->slots[at].key != 0; at = (at + 1) & mask) {
        uint32_t from_home = (at - home_of(self, self->slots[at].key)) & mask;
        if (from_home >= ((at - gap) & mask)) {
            self->slots[gap] = self->slots[at];
            gap = at;
        }
    }
    self->slots[gap].key = 0;
    self->used--;
}

bool presence_insert(const void *resource, const presence_record *record, presence_record *stale) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    bool room = has_room(self) || grow(self);
    stale->scope = 0;
    presence_record *slot = self->slot_count == 0 ? NULL : find_slot(self, key);
    bool is_there = slot != NULL && slot->key != 0;
    bool is_added = slot != NULL && (room || is_there);
    if (is_there) {
        *stale = *slot;
    }
    if (is_added) {
        *slot = *record;
        slot->key = key;
        self->used += is_there ? 0 : 1;
    }
    pthread_mutex_unlock(&self->lock);
    return is_added;
}

bool presence_remove(const void *resource, presence_record *removed) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    presence_record *slot = self->used == 0 ? NULL : find_slot(self, key);
    bool found = slot != NULL && slot->key != 0;
    if (found) {
        *removed = *slot;
        remove_at(self, (uint32_t)(slot - self->slots));
    }
    pthread_mutex_unlock(&self->lock);
    return found;
}

bool presence_find(const void *resource, presence_record *found) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    const presence_record *slot = self->used == 0 ? NULL : find_slot(self, key);
    bool is_there = slot != NULL && slot->key != 0;
    if (is_there) {
        *found = *slot;
    }
    pthread_mutex_unlock(&self->lock);
    return is_there;
}

void presence_resize(const void *resource, uint64_t size) {
    uintptr_t key = ~(uintptr_t)resource;
    shard *self = lock_shard(key);
    presence_record *slot = self->used == 0 ? NULL : find_slot(self, key);
    if (slot != NULL && slot->key != 0) {
        slot->size = size;
    }
    pthread_mutex_unlock(&self->lock);
}

/* A walk begins behind an empty slot: then no chain of neighbours is cut in two, and what a removal moves into the gap
 * has not been shown. */
static void visit_locked(shard *self, presence_visitor *visitor, void *context) {
    uint32_t mask = self->slot_count - 1;
    uint32_t empty = 0;
    while (self->slots[empty].key != 0) {
        empty++;
    }
    for (uint32_t at = (empty + 1) & mask; at != empty;) {
        presence_record *record = &self->slots[at];
        if (record->key != 0) {
            record->scope = visitor(record, context);
            if (record->scope == 0) {
                remove_at(self, at);
                continue;
            }
        }
        at = (at + 1) & mask;
    }
}

void presence_visit(presence_visitor *visitor, void *context) {
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&shards[i].lock);
        if (shards[i].used != 0) {
            visit_locked(&shards[i], visitor, context);
        }
        pthread_mutex_unlock(&shards[i].lock);
    }
}

/* --- fork and tests ---------------------------------------------------------------------------------------------- */

void presence_lock_all(void) {
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&shards[i].lock);
    }
}

void presence_unlock_all(void) {
    for (size_t i = SHARDS; i-- > 0;) {
        pthread_mutex_unlock(&shards[i].lock);
    }
}

void presence_clear(void) {
    presence_lock_all();
    for (size_t i = 0; i < SHARDS; i++) {
        if (shards[i].used != 0) {
            memset(shards[i].slots, 0, shards[i].slot_count * sizeof *shards[i].slots);
            shards[i].used = 0;
        }
    }
    presence_unlock_all();
}

void presence_bound(uint32_t slots) {
    presence_lock_all();
    slots_max = slots == 0 ? SLOTS_MAX : slots;
    for (size_t i = 0; i < SHARDS; i++) {
        if (shards[i].used == 0) {
            memory_unmap(shards[i].slots, shards[i].slot_count * sizeof *shards[i].slots);
            shards[i].slots = NULL;
            shards[i].slot_count = 0;
        }
    }
    presence_unlock_all();
}

static const char *audit_locked(const shard *self) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < self->slot_count; i++) {
        uintptr_t key = self->slots[i].key;
        if (key == 0) {
            continue;
        }
        found++;
        if (find_slot(self, key) != &self->slots[i]) {
            return "a record cannot be reached from its home";
        }
    }
    if (found != self->used) {
        return "the count of records is wrong";
    }
    return found > self->slot_count / 4 * 3 ? "a table is too full" : NULL;
}

const char *presence_audit(uint64_t *records) {
    const char *broken = NULL;
    *records = 0;
    presence_lock_all();
    for (size_t i = 0; i < SHARDS && broken == NULL; i++) {
        broken = shards[i].slot_count == 0 ? NULL : audit_locked(&shards[i]);
        *records += shards[i].used;
    }
    presence_unlock_all();
    return broken;
}
