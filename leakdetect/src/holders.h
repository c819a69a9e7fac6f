/* Who still holds the members of a group: references taken and given back, by call site, and which of those taken were
 * never given back, as far as counts can tell.
 *
 *     tracker_hold (stack, kind, count) --collect--> stacks of the group --resolve--> sites --pair--> what is open
 *
 * A site is the line that called poolbuf. The allocation is a site, too: it took one reference for each member. A
 * release does not say which reference it gives back, but for one thing: what a retained slice took is given back
 * through a slice, and the rest is not. These two ledgers are paired each for itself. Within one, taking and giving
 * sites are paired by what they have in common:
 *
 *     F  the same function, then the same calling function, then a calling function that releases what it was handed
 *     E  equal counts     R  what is left over, if that is one
 *
 * in two orders, F E R and E F R. Where both leave the same references open, the sites that took them are named
 * (decided). Where they differ, or several sites share what is left, every site that may have it is named, and the
 * report says that the counts do not tell (not decided). References at stacks that were not kept make it undecided,
 * too.
 *
 * A second witness are the resources from the same place that were closed (usual.h): for as many of them as have
 * leaked, each site would have so many references. Where a single site differs, by just what is open, it is the
 * deviant: a release that did not come, or a retain too many. Their own balance must be even, or they prove nothing. */
#ifndef LEAKDETECT_HOLDERS_H
#define LEAKDETECT_HOLDERS_H

#include "report.h"

enum {
    HOLDERS_STACKS_MAX = 64, /* of one group; what others took or gave back is counted in `elsewhere` */
    HOLDERS_SITES_MAX = HOLDERS_STACKS_MAX + 1,
    HOLDERS_TEXT_SITES = 16 /* what a text report names; JSON has all */
};

typedef enum holders_kind {
    HOLDERS_ALLOCATION,
    HOLDERS_RETAIN,
    HOLDERS_RELEASE,
    HOLDERS_SLICE, /* from here on: of slices that have references of their own */
    HOLDERS_SLICE_RETAIN,
    HOLDERS_SLICE_RELEASE
} holders_kind;

typedef struct holders_stack {
    holders_kind kind;
    bool several_threads;
    uint32_t stack;
    uint32_t thread_name, thread_id; /* of the newest */
    uint64_t count;                  /* references */
    uint64_t usual;                  /* the same, of resources from the same place that were closed */
    uint64_t newest_ns;
    size_t site; /* resolved: where in `sites` */
    report_frames frames;
} holders_stack;

typedef struct holders_site {
    holders_kind kind;
    bool several_threads;
    bool suspect; /* something it took is open, or may be */
    uint32_t thread_name, thread_id;
    uint64_t count, usual, newest_ns;
    uint64_t open;         /* what is open of it, where the group is decided */
    uint64_t caller_count; /* where the open ones were all taken for one caller: what that one took, and its frame */
    const symbol_frame *caller; /* NULL: not known, or no news */
    report_frames frames;       /* lent, of one of its stacks; the first frame is the site */
} holders_site;

typedef struct holders {
    holders_stack stacks[HOLDERS_STACKS_MAX];
    size_t stack_count;
    uint64_t taken, given;                     /* references, those of the allocations not counted */
    uint64_t taken_elsewhere, given_elsewhere; /* of these, at stacks that are not kept */
    uint64_t closed;                           /* resources from the same place that were closed */
    bool closed_incomplete;                    /* not all of their references are here */
    /* From here on: filled by holders_resolve(). */
    holders_site sites[HOLDERS_SITES_MAX]; /* the taking ones first; each kind by count */
    size_t site_count;
    uint64_t open; /* references that are held now, the allocations' included */
    bool decided;
    size_t deviant; /* the one site that differs from what is usual, by all that is open; site_count: there is none */
} holders;

/* holders_collect() adds a record's holds to its group, under the shard's lock; holders_merge() another group's. */
void holders_collect(report_group *group, const tracker_record *record);
void holders_merge(report_group *into, const report_group *from);

/* holders_collect_usual() adds what is usual in a group's place. */
void holders_collect_usual(report_group *group, const usual_entry *entry);

/* holders_resolve() finds the sites and pairs them; after the group's own frames are there. */
void holders_resolve(report_group *group, report_lookup *lookup, void *context);
void holders_fini(report_group *group);

/* "retain", "slice_retain", ... */
const char *holders_name(holders_kind kind);
bool holders_kind_takes(holders_kind kind);

#endif
