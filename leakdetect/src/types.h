/* The registry of resource types: what a program says about the kinds of things that it tracks.
 *
 * A type is found by its number, which is its place in the table plus 1, or by its interned name, which is what records
 * have. Entries are filled before they are counted, and never change (T1), so readers need no lock; the lock is a leaf and
 * guards registration alone. */
#ifndef LEAKDETECT_TYPES_H
#define LEAKDETECT_TYPES_H

#include <poolbuf/leakdetect.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct report;

typedef struct resource_type {
    uint32_t name;                 /* interned */
    uint32_t unit;                 /* interned; 0: bytes */
    uint32_t interval;             /* 0: the level's sample */
    leakdetect_describe *describe; /* NULL: none */
    void *context;
    _Atomic bool is_sampled; /* relaxed: by its own interval, something was passed by or may have been */
} resource_type;

poolbuf_status types_register(const char *name, const leakdetect_type_options *options, leakdetect_type *type);
resource_type *types_get(leakdetect_type type); /* NULL: no such type */
resource_type *types_of_name(uint32_t name);    /* NULL: the name is not registered */
double
types_weight(const resource_type *self); /* what one tracked by its own interval stands for; 1: none was sampled */
double types_largest_weight(void);       /* of all types */

/* types_describe() lets the types' functions describe the members that a report has picked. No lock is held; each member
 * is pinned (tracker.h) meanwhile. Members that were closed since are left out. */
bool types_want_to_describe(const struct report *self);
void types_describe(struct report *self);

/* For fork. */
void types_lock(void);
void types_unlock(void);

/* Forgets all types; for tests. */
void types_reset(void);

#endif
