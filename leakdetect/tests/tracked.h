/* Records for tests that track nothing themselves. */
#ifndef LEAKDETECT_TESTS_TRACKED_H
#define LEAKDETECT_TESTS_TRACKED_H

#include <poolbuf/tracker.h>

#include "../src/tracker.h" /* the allocator has an internal tracker.h, too */
#include "tracker_shard.h"

/* Of a resource without a word, and of a buffer. */
#define AT(resource)      ((const tracker_place[]){tracker_place_of(resource)})
#define AT_BUFFER(buffer) ((const tracker_place[]){tracker_place_of_buffer(buffer)})

static inline tracker_place tracker_place_of_buffer(const poolbuf *buffer) {
    uint32_t *word = poolbuf_tracker_word(buffer);
    return word != NULL ? tracker_place_in(buffer, word) : tracker_place_of(buffer);
}

/* tracker_open() with what it leaves to its caller taken from a record, whose list fields are ignored. */
static inline bool tracker_fill(const tracker_place *place, const void *owner, const tracker_record *record) {
    shard_lock *held = NULL;
    tracker_record *fresh = tracker_open(place, tracker_owner_key(owner), record->size, &held);
    if (fresh == NULL) {
        return false;
    }
    fresh->birth_ns = record->birth_ns;
    fresh->stack = record->stack;
    fresh->type = record->type;
    fresh->who = record->who;
    fresh->weight = record->weight;
    fresh->watch = record->watch;
    fresh->guard = record->guard;
    shard_lock_give(held);
    return true;
}

static inline bool tracker_insert(const void *resource, const void *owner, const tracker_record *record) {
    const tracker_place place = tracker_place_for(resource);
    return tracker_fill(&place, owner, record);
}

/* tracker_remove() of a plain address. */
static inline bool tracker_close(const void *resource, tracker_closer by) {
    const tracker_place place = tracker_place_of(resource);
    return tracker_remove(&place, by, NULL);
}

#endif
