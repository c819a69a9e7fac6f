/* The live table: every tracked resource that nobody has closed yet, with its last accesses; and, for over-release
 * forensics, the last ones that were closed.
 *
 * Shards, each with its lock and its records, in lanes, so that threads seldom meet. A thread's lane is one of a few (thread.h):
 * what it tracks is in a shard of that. A resource may have a word to spare for us (tracker_place), which then says
 * where its record is. What has none is found by its address:
 *
 *     word ----------------------> shard [ lock | records | free records | closed ring ]
 *                                                  |
 *                                                  newest access -> older -> ...
 *
 *     address -> block -> lane \
 *             -> hash ----------> shard [ buckets -> record -> record ]
 *
 * A block of addresses has the lane of the thread that was the first to track something in it, for good: threads that have
 * arenas of their own, as malloc's mostly do, so work in shards of their own as well.
 *
 * Invariants. The table holds no address that a leak checker could follow: addresses of resources and owners are stored
 * complemented (T1), so that Memcheck and LeakSanitizer still see a leaked buffer as lost. A record is in exactly one of:
 * its bucket's chain, its resource's word, the free list of its shard (T2); a hold likewise, of its record's list or the
 * free one. Records, accesses and holds are bounded (T3), in each shard and over all; beyond that a resource stays untracked
 * and is counted.
 *
 * tracker_open() and tracker_remove() are in tracker_shard.h.
 *
 * Lock order. A shard's lock is a leaf: under it we call nothing but mmap and the visitor of tracker_visit(), which may
 * do the same. Stacks are captured and interned before it is taken. Two shard locks are held together only by
 * tracker_lock_all(), which takes them in ascending order. */
#ifndef LEAKDETECT_TRACKER_H
#define LEAKDETECT_TRACKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/sampled.h"
#include "thread.h"
#include "usual.h"

/* What happened to a tracked resource. The same words as poolbuf's, so that reports read alike for every type. */
typedef enum access_kind {
    ACCESS_RETAIN,
    ACCESS_RELEASE,
    ACCESS_SLICE,
    ACCESS_GROW,
    ACCESS_TOUCH,
    ACCESS_READ,
    ACCESS_WRITE,
    ACCESS_KIND_COUNT
} access_kind;

typedef struct tracker_access {
    uint64_t time_ns;
    uint32_t next; /* the access before this one; 0 ends the list */
    uint32_t stack;
    uint32_t hint;
    uint32_t thread_name;
    uint32_t thread_id;
    uint32_t kind; /* access_kind */
} tracker_access;

/* How references are taken and given back. */
typedef enum hold_kind {
    HOLD_RETAIN,
    HOLD_RELEASE,
    HOLD_SLICE,         /* a slice with a reference of its own */
    HOLD_SLICE_RETAIN,  /* through such a slice */
    HOLD_SLICE_RELEASE, /* the same, or of the slice itself */
    HOLD_KIND_COUNT
} hold_kind;

/* References that one call stack took from, or gave back to, one resource. Counted, never sampled: the back-off thins
 * out accesses, not these. Where a record has TRACKER_HOLDS_MAX of them, further stacks share one entry a kind, with
 * stack 0. */
typedef struct tracker_hold {
    uint64_t newest_ns; /* the last of them */
    uint64_t count;     /* references */
    uint32_t next;
    uint32_t stack; /* 0: unknown, or one of many */
    uint32_t thread_name;
    uint32_t thread_id;   /* of the last one */
    uint16_t kind;        /* hold_kind */
    bool several_threads; /* not all by that thread */
} tracker_hold;

enum {
    TRACKER_HOLDS_MAX = 32 /* entries of one record, those of stack 0 not counted */
};

/* What the scan for unreachable resources (scan.h) knows of a record. */
typedef enum tracker_scan_flag {
    TRACKER_SCANNED = 1 << 0, /* the running scan judges it */
    TRACKER_SUSPECT = 1 << 1, /* the last scan found it unreachable */
    TRACKER_LOST = 1 << 2,    /* and so did one before, of the same contents */
    TRACKER_FREE = 1 << 7     /* no scan's: nothing is tracked here */
} tracker_scan_flag;

typedef struct tracker_record {
    uintptr_t key; /* the resource's address, complemented */
    union {
        uintptr_t owner;              /* its owner's address, complemented; 0: it has none */
        struct tracker_record *spare; /* of a free record: the one that became free before */
    };
    uint64_t size;     /* bytes */
    uint64_t birth_ns; /* CLOCK_MONOTONIC */
    uint32_t stack;    /* of the allocation; 0: unknown */
    uint32_t type;     /* interned name */
    thread_who who;    /* allocated it */
    float weight;      /* how many allocations it stands for; 1: tracked with certainty */
    uint32_t next;     /* in its chain */
    uint32_t accesses; /* the newest access; 0: none. A new record has zeroes from here to before `stamp` */
    uint32_t accesses_dropped;
    uint32_t holds; /* the first tracker_hold; 0: none */
    uint32_t watch; /* tracker_watch() when it was tracked; 0: accesses were not recorded then, or one found no room */
    uint32_t guard; /* see guard.h: bytes before the guarded ones, plus 1; 0: none are */
    uint16_t access_count;
    bool reported;  /* a text report at finalization has named it */
    uint8_t pin;    /* somebody describes it: its process's tracker_generation() % 255 + 1; 0, or another's: nobody */
    uint64_t stamp; /* tracker_stamp() when it was tracked */
    uint32_t word;  /* what a resource's word says of it, for good: its shard's number and its index there */
    uint8_t scan;   /* of tracker_scan_flag; a new record has none, whatever had its address before */
} tracker_record;

typedef struct tracker_shard tracker_shard;

/* Where in the table a resource is, or is to be. Worked out once for what is done with it: that goes from one load to the next.
 *   tracker_place_of()      found by its address, if it is anywhere.
 *   tracker_place_for()     where the calling thread is to put it, to be found by its address.
 *   tracker_place_in()      found by a word of 32 bits that goes with the resource, and that only the table writes to.
 *   tracker_place_for_in()  where the calling thread is to put it, for that word to say. What the word says before may be anything;
 *                           it must stay as it is when the resource is closed, or its closing is not found. */
typedef struct tracker_place {
    uintptr_t key;
    uint64_t hash;        /* where the key is looked for, without a word */
    tracker_shard *shard; /* and in what */
    uint32_t *word;       /* NULL: the resource has none */
} tracker_place;

typedef struct tracker_closed {
    uintptr_t key; /* complemented; 0: never used */
    uint64_t size;
    uint32_t allocation_stack;
    uint32_t close_stack; /* 0: not kept */
    thread_who who;       /* closed it */
    uint32_t type;
} tracker_closed;

/* Who closed it. */
typedef struct tracker_closer {
    uint32_t stack; /* 0: not kept */
    thread_who who;
} tracker_closer;

typedef struct tracker_totals {
    uint64_t live, live_bytes;
    uint64_t seen;
    uint64_t refused; /* chosen by the sample, turned away by the bound */
} tracker_totals;

/* tracker_record_access() adds an access with Netty's back-off: up to `target` accesses are all kept; beyond, one is
 * added with probability 2^-(count - target + 1), else it replaces the newest. So the last access is always there, early ones
 * stay, and a buffer that is touched a million times keeps about target + 20.
 *   random   64 random bits for that draw.
 *   returns  false if the resource is not tracked. */
bool tracker_record_access(const tracker_place *place, const tracker_access *access, uint32_t target, uint64_t random);

/* tracker_record_references() does the same for a call that took references or gave them back, and adds their number to
 * the record's holds. 0: an access like any other. */
bool tracker_record_references(const tracker_place *place, const tracker_access *access, hold_kind kind,
                               uint64_t references, uint32_t target, uint64_t random);
/* Sets the record's guard; false if the resource is not tracked. */
bool tracker_set_guard(const tracker_place *place, uint32_t guard);

/* Sets the record's size, where the resource is tracked; what it stands for in a sample stays what it was drawn with. */
void tracker_set_size(const tracker_place *place, uint64_t size);

/* tracker_pin() keeps a resource from being removed until tracker_unpin(): other threads' tracker_remove() waits. One that
 * has pinned something does not wait itself.
 *   resource  one that is found by its address.
 *   birth_ns  of the record that is meant: the address may be somebody else's by now.
 *   returns   false if that record is gone, or pinned by another thread. */
bool tracker_pin(const void *resource, uint64_t birth_ns);
void tracker_unpin(const void *resource);

/* The live record of a resource, copied; false if there is none. The same for the newest closing of that address. */
bool tracker_find(const tracker_place *place, tracker_record *record);
bool tracker_knows(const tracker_place *place); /* the same, without the copy */
bool tracker_find_closed(const tracker_place *place, tracker_closed *closed);

/* tracker_visit() shows every record, each under its shard's lock, which ends with the call. The visitor may set the
 * record's flags, and walks its accesses, newest first, from NULL. */
typedef void tracker_visitor(tracker_record *record, void *context);
void tracker_visit(tracker_visitor *visitor, void *context);
const tracker_access *tracker_next_access(const tracker_record *record, const tracker_access *access);
const tracker_hold *tracker_next_hold(const tracker_record *record, const tracker_hold *hold); /* in no order */

/* Whether a record's holds are all there were: accesses have been recorded ever since the resource was tracked.
 * tracker_stop_watching() says that they are recorded no longer; what is tracked already is never known again. Who stops says so
 * before and after, and who tracks asks for the watch before it asks whether accesses are recorded: so what is tracked amid
 * that is not known either. */
SAMPLED_EXTERN _Atomic uint32_t tracker_watch_now;
static inline uint32_t tracker_watch(void) {
    return atomic_load_explicit(&tracker_watch_now, memory_order_acquire);
}
void tracker_stop_watching(void);
static inline bool tracker_knows_holds(const tracker_record *record) {
    return record->watch != 0 && record->watch == tracker_watch();
}

/* An epoch counts checkpoints: what has an epoch of at least n was tracked after the n-th. A generation counts the forks that lie
 * between the process that began and this one. A stamp is both, as each record has both: the epoch in its low 32 bits. */
SAMPLED_EXTERN _Atomic uint64_t tracker_stamp_now;
static inline uint64_t tracker_stamp(void) {
    return atomic_load_explicit(&tracker_stamp_now, memory_order_relaxed);
}
static inline uint32_t tracker_epoch_of(uint64_t stamp) {
    return (uint32_t)stamp;
}
static inline uint16_t tracker_generation_of(uint64_t stamp) {
    return (uint16_t)(stamp >> 32);
}
uint32_t tracker_next_epoch(void); /* returns the new one */

/* tracker_visit_usual() shows how references of closed resources came and went, in the same way. The entry of an
 * allocation stack comes once from each shard. */
typedef void tracker_usual_visitor(const usual_entry *entry, void *context);
void tracker_visit_usual(tracker_usual_visitor *visitor, void *context);

void tracker_count(tracker_totals *totals);

/* For fork, around the system call; the generation is the child's to raise. tracker_after_fork() in the child, under the locks. */
void tracker_lock_all(void);
void tracker_unlock_all(void);
void tracker_after_fork(void);
void tracker_next_generation(void);
static inline uint16_t tracker_generation(void) {
    return tracker_generation_of(tracker_stamp());
}

/* tracker_audit() checks T2 and the counts over the whole table; for tests. Returns NULL, or what is broken. */
const char *tracker_audit(void);

/* For tests. tracker_reset() forgets everything and keeps the memory, and which block has which lane; tracker_bound() sets how many
 * records there may be over all shards, used or not, and returns what it was. */
void tracker_reset(void);
uint64_t tracker_bound(uint64_t records);

#endif
