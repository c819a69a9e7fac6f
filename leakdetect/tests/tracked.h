/* Records for tests that track nothing themselves. */
#ifndef LEAKDETECT_TESTS_TRACKED_H
#define LEAKDETECT_TESTS_TRACKED_H

#include "../src/tracker.h" /* the allocator has an internal tracker.h, too */
#include "tracker_shard.h"

/* tracker_open() with what it leaves to its caller taken from a record, whose list fields are ignored. */
static inline bool tracker_insert(const void *resource, const void *owner, const tracker_record *record) {
    shard_lock *held = NULL;
    tracker_record *fresh = tracker_open(resource, owner, record->size, &held);
    if (fresh == NULL) {
        return false;
    }
    fresh->birth_ns = record->birth_ns;
    fresh->stack = record->stack;
    fresh->type = record->type;
    fresh->thread_name = record->thread_name;
    fresh->thread_id = record->thread_id;
    fresh->weight = record->weight;
    fresh->watch = record->watch;
    fresh->guard = record->guard;
    shard_lock_give(held);
    return true;
}

#endif
