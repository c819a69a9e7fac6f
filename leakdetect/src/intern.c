/* The interning table of intern.h. */
#include "intern.h"

#include <string.h>

#include "memory.h"

typedef struct entry {
    uint64_t hash;
    uint32_t next;   /* the id that was the bucket's head before; 0 ends the chain */
    uint32_t length; /* of the bytes that follow */
} entry;

_Static_assert(sizeof(entry) % 8 == 0, "the bytes behind an entry are aligned to 8");
_Static_assert(INTERN_SEGMENT_BYTES / 8 == 1 << 17, "an offset in units of 8 takes the low 17 bits of an id");
_Static_assert(INTERN_MAX_LENGTH + sizeof(entry) <= INTERN_SEGMENT_BYTES, "every entry fits a segment");

static inline uint64_t word_at(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    return hash ^ hash >> 32;
}

/* Each mix() waits for the one before. So a long string is mixed as four, which do not wait for each other. */
static inline uint64_t hash_bytes(const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    uint64_t hash = 0x9e3779b97f4a7c15u ^ length;
    if (length >= 64) {
        uint64_t second = 1;
        uint64_t third = 2;
        uint64_t fourth = 3;
        for (; length >= 32; at += 32, length -= 32) {
            hash = mix(hash, word_at(at));
            second = mix(second, word_at(at + 8));
            third = mix(third, word_at(at + 16));
            fourth = mix(fourth, word_at(at + 24));
        }
        hash = mix(mix(hash, second), mix(third, fourth));
    }
    for (; length >= 8; at += 8, length -= 8) {
        hash = mix(hash, word_at(at));
    }
    uint64_t tail = 0;
    memcpy(&tail, at, length);
    hash = (hash ^ tail) * 0xc4ceb9fe1a85ec53u;
    return hash ^ (hash >> 29);
}

static inline entry *entry_at(const intern_table *table, uint32_t id) {
    /* Relaxed is enough: whoever has an id got it through a bucket's acquire or from a lock that came after. */
    char *segment = atomic_load_explicit(&table->segments[id >> 17], memory_order_relaxed);
    return (entry *)(void *)(segment + (size_t)(id & ((1u << 17) - 1)) * 8);
}

static uint32_t find(const intern_table *table, uint64_t hash, const void *bytes, size_t length) {
    uint32_t id = atomic_load_explicit(&table->buckets[hash % INTERN_BUCKETS], memory_order_acquire);
    while (id != 0) {
        const entry *at = entry_at(table, id);
        if (at->hash == hash && at->length == length && memcmp(at + 1, bytes, length) == 0) {
            return id;
        }
        id = at->next;
    }
    return 0;
}

/* Takes space for one entry from the newest segment, or maps another. Returns its id, or 0 when the table is full. The
 * very first unit of the first segment stays empty, so that no entry has id 0. */
static uint32_t take_locked(intern_table *table, size_t length) {
    size_t bytes = (sizeof(entry) + length + 7) & ~(size_t)7;
    if (table->segment_count == 0 || table->segment_used + bytes > INTERN_SEGMENT_BYTES) {
        char *segment = table->segment_count < INTERN_SEGMENTS ? memory_map(INTERN_SEGMENT_BYTES) : NULL;
        if (segment == NULL) {
            return 0;
        }
        atomic_store_explicit(&table->segments[table->segment_count], segment, memory_order_relaxed);
        table->segment_used = table->segment_count == 0 ? 8 : 0;
        table->segment_count++;
    }
    uint32_t id = (table->segment_count - 1) << 17 | table->segment_used / 8;
    table->segment_used += (uint32_t)bytes;
    return id;
}

uint32_t intern_put(intern_table *table, const void *bytes, size_t length) {
    if (length == 0 || length > INTERN_MAX_LENGTH) {
        return 0;
    }
    uint64_t hash = hash_bytes(bytes, length);
    uint32_t id = find(table, hash, bytes, length);
    if (id != 0) {
        return id;
    }
    pthread_mutex_lock(&table->lock);
    id = find(table, hash, bytes, length); /* someone may have been faster */
    if (id == 0 && (id = take_locked(table, length)) != 0) {
        _Atomic uint32_t *bucket = &table->buckets[hash % INTERN_BUCKETS];
        entry *fresh = entry_at(table, id);
        *fresh = (entry){hash, atomic_load_explicit(bucket, memory_order_relaxed), (uint32_t)length};
        memcpy(fresh + 1, bytes, length);
        atomic_store_explicit(bucket, id, memory_order_release);
        atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&table->lock);
    if (id == 0) {
        atomic_fetch_add_explicit(&table->refused, 1, memory_order_relaxed);
    }
    return id;
}

const void *intern_get(const intern_table *table, uint32_t id, size_t *length) {
    if (id == 0) {
        *length = 0;
        return NULL;
    }
    const entry *at = entry_at(table, id);
    *length = at->length;
    return at + 1;
}

/* Word by word, and not by memcmp(): these have just been written one by one, and a wide load of several would have to
 * wait until they are in the cache. */
bool intern_is(const intern_table *table, uint32_t id, const uintptr_t *words, size_t count) {
    if (id == 0) {
        return false;
    }
    const entry *at = entry_at(table, id);
    const uintptr_t *known = (const uintptr_t *)(const void *)(at + 1);
    size_t same = 0;
    if (at->length != count * sizeof *words) {
        return false;
    }
    while (same < count && known[same] == words[same]) {
        same++;
    }
    return same == count;
}

void intern_lock(intern_table *table) {
    pthread_mutex_lock(&table->lock);
}

void intern_unlock(intern_table *table) {
    pthread_mutex_unlock(&table->lock);
}
