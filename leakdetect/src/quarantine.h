/* The quarantine: dead memory that is kept out of use for a while, so that a stale pointer into it harms nobody, and a stale handle
 * is still a dead one. Memory is poisoned when it comes in, and checked when it leaves (guard.h). An entry keeps the stacks of
 * the allocation and of the last release, which the table may have forgotten by then. Addresses are stored complemented, as in
 * tracker.h (T1).
 *
 * It is of bounded bytes, together (Q1), and in each lane of threads (thread.h) of bounded entries. What a lane's threads have put in
 * leaves first in, first out; and what comes from threads that release no more goes sooner or later, as others need the
 * room. So one busy thread has all of it, and several have a part each.
 *
 * This file knows memory and callbacks, no buffers. Its locks are leaves, held for a step of a queue; the callbacks run
 * without them. */
#ifndef LEAKDETECT_QUARANTINE_H
#define LEAKDETECT_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracker.h"

enum {
    QUARANTINE_ENTRIES = 1 << 14, /* of a lane: what 1 MiB of the smallest buffers needs, and 1 MiB of address space */
    QUARANTINE_ENTRY_COST = 64    /* beside its memory an entry keeps a handle out of use */
};

typedef struct quarantine_doors {
    void (*give_back)(void *resource);
    /* The byte at that offset was written to; called before give_back(). */
    void (*changed)(const void *resource, size_t offset, size_t size, const tracker_closed *closed);
} quarantine_doors;

/* quarantine_start() sets the limit in bytes, 0 for none, and 4 GiB at most. */
void quarantine_start(const quarantine_doors *doors, uint64_t limit);

/* quarantine_take() poisons memory and keeps it, and its resource; what there is no more room for leaves.
 *   memory   NULL with a size of 0: only the resource is kept.
 *   owner    what quarantine_surrender() names.
 *   closed   copied.
 *   returns  false if it alone is more than the limit, or there is no memory for the queue. */
bool quarantine_take(void *resource, const void *owner, uint8_t *memory, size_t size, const tracker_closed *closed);

/* quarantine_find() tells how a resource in quarantine was closed; false if it is not there. It looks at all entries. */
bool quarantine_find(const void *resource, tracker_closed *closed);

/* quarantine_surrender() checks and gives back everything of an owner, or of everybody for NULL. For an owner, which may end after
 * that, it waits for what other threads are giving back; at the end of a process, for nobody. */
void quarantine_surrender(const void *owner);

/* For fork: locked after finalize_lock(), since a report looks in here. quarantine_after_fork(), in the child and under the lock,
 * forgets the threads that it has not got. */
void quarantine_lock(void);
void quarantine_unlock(void);
void quarantine_after_fork(void);

#endif
