/* What is alive in scopes: address to scope, exactly, without stacks unless a scope keeps them.
 *
 * The tracker's table (tracker.h) is the sample's, and what it holds is reported; this one is separate, so that scopes
 * change neither. Shards by address, each an open-addressed table of 32-byte records with linear probing:
 *
 *     address -> hash -> shard [ lock | . r r . r . . . ]     a removal closes the gap, so no tombstones
 *
 * Invariants: a record lies between its home slot and the next empty one (P1); a table is at most 3/4 full (P2); the
 * number of records is bounded (P3), beyond that presence_insert() refuses. As in the tracker, addresses are stored
 * complemented, so that leak checkers do not follow them.
 *
 * Lock order: a shard's lock is a leaf, and no two are held together but by presence_lock_all(), in ascending order. */
#ifndef LEAKDETECT_PRESENCE_H
#define LEAKDETECT_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct presence_record {
    uintptr_t key; /* the resource's address, complemented; 0: the slot is empty */
    uint64_t size; /* bytes */
    uint64_t scope;
    uint32_t stack;       /* of the allocation; 0: not kept */
    uint32_t type : 31;   /* interned name */
    uint32_t sampled : 1; /* the tracker has it too */
} presence_record;

/* presence_insert() adds a record; its key is set here.
 *   stale    the record of that address that was there and gives way; scope 0: none.
 *   returns  false if there is no room. */
bool presence_insert(const void *resource, const presence_record *record, presence_record *stale);

/* presence_remove() takes a record out, and copies it; false if there is none. */
bool presence_remove(const void *resource, presence_record *removed);

bool presence_find(const void *resource, presence_record *found);
void presence_resize(const void *resource, uint64_t size);

/* presence_visit() shows every record, each under its shard's lock. The visitor returns the scope that it shall have
 * from now on; 0 removes it. */
typedef uint64_t presence_visitor(const presence_record *record, void *context);
void presence_visit(presence_visitor *visitor, void *context);

/* For fork, around the system call; and in the child, where what was alive is its parent's. */
void presence_lock_all(void);
void presence_unlock_all(void);
void presence_clear(void);

/* presence_bound() lets a shard's table have so many slots, 0 for the usual number, and gives back those that are
 * empty; for tests. */
void presence_bound(uint32_t slots);

/* presence_audit() checks P1 and P2; for tests. Returns NULL, or what is broken. */
const char *presence_audit(uint64_t *records);

#endif
