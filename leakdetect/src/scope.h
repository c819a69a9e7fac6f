/* Scopes: which thread allocates for which, and how much each has alive. poolbuf/leakscope.h is the public half.
 *
 * A scope is a slot in a table and a serial, which together are its id. One word of the slot holds the serial and the
 * number of what is alive, so that counting and the check that the scope is open still are one step:
 *
 *     slot.state = serial << 32 | alive       odd serial: open        id = serial << 32 | slot
 *
 * Invariants: serials only grow, so no id is used twice (S1); alive changes only while the serial is the counter's own,
 * so a late release never touches the slot's next scope (S2); a scope's outer one is open as long as it is (S3).
 *
 * Lock order: the lock of scopes > the shards of presence.h. Allocating and releasing take the latter alone. */
#ifndef LEAKDETECT_SCOPE_H
#define LEAKDETECT_SCOPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/leakscope.h>

#include "process/sampled.h"

/* Whether the calling thread is in an open scope. Takes it out of those that were closed. */
SAMPLED_EXTERN _Thread_local uint32_t
    scope_depth; /* for these two alone: 0 where the thread is in none, open or closed */
bool scope_is_inside_open(void);
static inline bool scope_is_inside(void) {
    return scope_depth != 0 && scope_is_inside_open();
}

/* scope_add() counts a resource for the calling thread's scope.
 *   type     its interned name.
 *   sampled  the tracker has it, too.
 *   returns  false if the thread is in none, or there is no room; then scope_remove() need not follow. */
bool scope_add_to_open(const void *resource, uint64_t size, uint32_t type, bool sampled);
static inline bool scope_add(const void *resource, uint64_t size, uint32_t type, bool sampled) {
    return scope_depth != 0 && scope_add_to_open(resource, size, type, sampled);
}

/* scope_remove() ends what scope_add() began, whoever calls and whether the scope is open still.
 *   returns  false if nothing else knows of the resource: the tracker need not be asked. */
SAMPLED_EXTERN struct scope
    *_Atomic scope_slots; /* for this alone: NULL until there is a scope, and DETOUR_SCOPES is set before. Whoever
                                             has a resource of one got it from its thread, so relaxed is enough */
bool scope_remove_counted(const void *resource);
static inline bool scope_remove(const void *resource) {
    return __builtin_expect(atomic_load_explicit(&scope_slots, memory_order_relaxed) == NULL, 1) ||
           scope_remove_counted(resource);
}

/* Whether scopes alone know of the resource, so that its accesses are nobody's business. */
bool scope_is_only_watcher(const void *resource);
void scope_resize(const void *resource, uint64_t size);

/* For fork. In the child, scopes that were open stay open, and are empty. */
void scope_lock(void);
void scope_unlock(void);
void scope_after_fork(void);

/* --- scope_report.c: what a scope left, by type and by the stack that allocated it ------------------------------- */

enum {
    SCOPE_SITES_MAX = 256, /* what is left elsewhere is counted, not listed */
    SCOPE_TYPES_MAX = 64   /* the last of them takes in all further types */
};

typedef struct scope_site {
    uint32_t type, stack;
    uint64_t count, bytes;
} scope_site;

typedef struct scope_sites {
    scope_site types[SCOPE_TYPES_MAX]; /* stack 0 */
    scope_site items[SCOPE_SITES_MAX];
    size_t type_count, count;
    uint64_t not_listed; /* members of no item */
} scope_sites;

void scope_sites_add(scope_sites *sites, uint32_t type, uint32_t stack, uint64_t bytes);

/* Fills in left, left_bytes and types; orders both arrays, most bytes first. */
void scope_sites_sum(scope_sites *sites, leakscope_result *result);

/* Prints where, on stderr; false if it could not. */
bool scope_sites_print(const scope_sites *sites, const leakscope_result *result);

#endif
