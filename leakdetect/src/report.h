/* A report: the live table folded into groups, one for each allocation stack and type, with what they add up to.
 *
 *     tracker records --report_collect()--> groups (ids and sums) --report_resolve()--> names --> text or JSON
 *
 * Collecting runs under the shards' locks, one at a time, so it allocates from mmap only and looks nothing up. Resolving
 * and writing run under no lock of the tracker. The writers see nothing but this header: golden tests fill it by hand. */
#ifndef LEAKDETECT_REPORT_H
#define LEAKDETECT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <poolbuf/leakdetect.h>

#include "estimate.h"
#include "memory.h"
#include "sizes.h"
#include "symbolize.h"
#include "tracker.h"

enum {
    REPORT_GROUPS_MAX = 10000, /* more distinct stacks than that are counted, not listed */
    REPORT_TEXT_GROUPS = 20,   /* what a text report lists; the rest is counted */
    REPORT_MEMBERS_MAX = 8,    /* of a group, described by their type */
    REPORT_ACCESSES_MAX = 64   /* distinct accesses kept for a group */
};

typedef struct report_frames {
    const symbol_frame **items; /* innermost first */
    size_t count;
} report_frames;

typedef struct report_access {
    access_kind kind;
    uint32_t stack, hint_name, thread_name;
    uint64_t count;
    uint64_t newest_ns;
    const char *hint;   /* NULL: none */
    const char *thread; /* who did it last */
    report_frames frames;
} report_access;

/* One resource of a group, for its type's function to describe. */
typedef struct report_member {
    uintptr_t key; /* the address, complemented: see tracker.h, T1 */
    uint64_t birth_ns;
    char text[LEAKDETECT_DESCRIPTION_BYTES];
} report_member;

/* What one suppression rule did in this report; suppress.c fills these in. */
typedef enum report_suppression_state {
    SUPPRESSION_UNUSED,       /* it matched nothing, in no report of this process */
    SUPPRESSION_USED,         /* what it matched is suppressed */
    SUPPRESSION_LIMIT_PASSED, /* it matched more than its limit allows, so all of that is reported */
    SUPPRESSION_EXPIRED,      /* its day is over, so what it matched is reported */
    SUPPRESSION_STATE_COUNT
} report_suppression_state;

typedef struct report_suppression {
    report_suppression_state state;
    bool matched;                      /* something, in this report or an earlier one of this process */
    unsigned line;                     /* in report.suppressions_path */
    const char *rule;                  /* "leak:PATTERN", or the name of Valgrind's block */
    const char *until, *reason;        /* NULL: none */
    uint64_t limit_count, limit_bytes; /* UINT64_MAX: none */
    uint64_t groups, count, bytes;     /* what it matched */
} report_suppression;

typedef struct report_group {
    uint32_t stack, type_name;
    uint32_t thread_name, thread_id; /* of the oldest */
    bool several_threads;
    uint64_t count, bytes;
    uint64_t lost;                 /* of count: two scans found them unreachable (scan.h) */
    uint64_t oldest_ns, newest_ns; /* births */
    estimate_sums sums;
    sizes sizes;
    struct holders *holders;       /* holders.h; NULL: no reference beyond the allocation's was counted */
    uint64_t balanced, unbalanced; /* members whose references were all counted, and others */
    report_member *members;        /* the oldest; NULL where the type describes none */
    size_t member_count;
    uint64_t tracked_since; /* newer than the checkpoint; this and the next are of growth reports */
    int64_t grown_count, grown_bytes;
    double grown_estimate;   /* of all, by weights */
    bool known_before;       /* something of it was alive at the checkpoint */
    report_access *accesses; /* newest first after resolving */
    size_t access_count;
    uint64_t accesses_dropped; /* by the back-off, or because REPORT_ACCESSES_MAX was reached */
    /* From here on: filled by report_resolve(). */
    uint64_t fingerprint;
    uint64_t oldest_ms, newest_ms; /* ages */
    estimate total;
    double most; /* estimate_most() */
    const char *type;
    const char *unit; /* what bytes and sizes count; NULL: bytes */
    char thread[96];
    report_frames frames;
    const report_suppression *lifted; /* a rule that matches, but no longer suppresses; NULL: none */
} report_group;

/* A misuse that the process was caught at before; misuses.h. */
typedef struct report_misuse {
    const char *offence;
    const char *type; /* NULL: unknown */
    char thread[96];
    char closer[96]; /* the thread of the last release; empty: unknown */
    uint64_t count;
    report_frames frames, close_frames, allocation_frames; /* the last two may be empty */
} report_misuse;

typedef struct report_exact {
    bool known; /* somebody counts exactly */
    uint64_t live_buffers, live_bytes, allocated;
} report_exact;

typedef struct report {
    const char *
        reason; /* "process exit", "allocator destroyed"; of live reports "on request", "interval", "signal 12", "scan, 3 lost" */
    const char *level;
    const char *program; /* path of the executable */
    char command[512];   /* the command line, quoted for a shell, cut if it is long */
    long pid;
    uint64_t uptime_ms;
    uint32_t sampling_interval;
    uint64_t sampling_bytes;                                 /* 0: by count, with the interval */
    double largest_weight_buffers, largest_weight_resources; /* see estimate_total() */
    bool was_disabled; /* the level, for a part of the run: of that part the sample knows nothing */
    report_exact exact;
    tracker_totals tracked;
    uint64_t missed_references; /* see detector_missed_references() */
    uint64_t older_than_ms;     /* nothing younger is listed; 0: everything is */
    uint64_t since;             /* the checkpoint; 0: none. Growing groups alone are listed, most bytes first. */
    uint64_t since_ms;          /* its age */
    uint64_t since_not_kept;    /* alive at the checkpoint, beyond what it could keep: their groups count as grown */
    uint64_t not_grown;         /* groups that are not listed for that */
    uint64_t inherited;         /* tracked before a fork, in the parent: not listed */
    uint64_t now_ns;
    memory_array groups; /* of report_group, largest first after resolving */
    uint64_t not_listed; /* records beyond REPORT_GROUPS_MAX, or for which there was no memory */
    bool resolved;
    memory_array misuses; /* of report_misuse, in the order of their first time */
    uint64_t misuses_not_listed;
    /* Filled by suppress_apply(); suppressed groups stand behind the others in `groups`, beyond its count. */
    size_t suppressed_groups;
    uint64_t suppressed_buffers, suppressed_bytes; /* what they take from the exact counts; estimates if sampled */
    const char *suppressions_path;                 /* NULL: no rules were asked for */
    memory_array suppressions;                     /* of report_suppression, in the file's order */
    uint64_t suppressions_passed_over;             /* rules of other tools */
} report;

/* What to collect. */
typedef struct report_scope {
    const void *owner;                     /* NULL: everything */
    bool unreported_only;                  /* skip what an earlier text report named */
    bool mark;                             /* and mark what this one names */
    uint16_t generation;                   /* older ones are inherited; see tracker_stamp() */
    bool counts_only;                      /* no accesses, no holders */
    uint32_t before_epoch;                 /* what was tracked in an earlier epoch; 0: everything */
    uint64_t before_ns;                    /* what was tracked until then; 0: everything */
    const struct growth_checkpoint *since; /* NULL: no growth is asked for */
} report_scope;

/* Where names come from; symbolize_address() and its symbolizer, or a test's. */
typedef size_t report_lookup(void *context, uintptr_t address, const symbol_frame **frames);

/* report_collect() returns false where there was no memory for it: then everything counts as not listed. */
bool report_collect(report *self, const report_scope *scope);
void report_resolve(report *self, report_lookup *lookup, void *context);
void report_fini(report *self);

/* The stack alone, as in a group: without what lies below main or a thread's first function. For misuse reports. */
void report_frames_resolve(report_frames *frames, uint32_t stack, report_lookup *lookup, void *context);
void report_frames_fini(report_frames *frames);

const char *report_access_name(access_kind kind);

/* Whether a part of what is alive was asked for. */
bool report_is_partial(const report *self);

/* What leaked, in all: the exact count where it is known, the tracked one otherwise; without what is suppressed. */
uint64_t report_leaked(const report *self);

/* The exact counts without what is suppressed; 0 where they are unknown. */
uint64_t report_live_buffers(const report *self);
uint64_t report_live_bytes(const report *self);

/* Of report_live_buffers(), those that were certainly not tracked: all of them if no group is of buffers, else what is known
 * to be missing. 0 where that cannot be told, as in a report of a part. */
uint64_t report_unseen_buffers(const report *self);

const char *report_suppression_name(report_suppression_state state);
/* Of a program that goes on: what is alive is no leak yet. And of those, what a scan has found reason for. */
bool report_is_live(const report *self);
bool report_is_of_scan(const report *self);

/* The writers. report_write_text() is for people, report_write_json() is schema poolbuf.leaks/1 (leaks.schema.json). */
bool report_is_sampled(const report *self); /* not everything was tracked */
void report_write_text(const report *self, FILE *out);
void report_write_json(const report *self, FILE *out);
void report_write_frames(const report_frames *frames, const char *indent, FILE *out);

/* Writes "session_open (session.c:41)", the file without its folders, for the middle of a line. */
void report_write_place(const symbol_frame *frame, FILE *out);

enum {
    REPORT_PATH_BYTES = 4096
};

/* report_write_file() puts a report where POOLBUF_LEAK_REPORT says, whole or not at all: `%p` is the process id, `%t` the
 * time of the process's first report, in nanoseconds since 1970, `%n` the number of the report among those of this process that
 * were written to such a path, from 1, `%%` a percent sign; text if the path ends in .txt, JSON otherwise. Fills `path`, of
 * REPORT_PATH_BYTES, with the file's name. Says so on stderr and returns false where it cannot. */
bool report_write_file(const report *self, const char *pattern, char *path);

#endif
