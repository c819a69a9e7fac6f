/* The detector's core: level, tracking, finalization. It knows no buffers; buffers.c and leakdetect.c are its two doors.
 *
 * Who may hold what, from the outside in; nothing is taken against this order:
 *   report lock (finalize.c) > scopes (scope.h) > shard locks (tracker.c), ascending > the interning tables (stack_table.c)
 * Tracking itself holds at most one of the last two kinds at a time, and captures the stack before either. */
#ifndef LEAKDETECT_DETECTOR_H
#define LEAKDETECT_DETECTOR_H

#include <poolbuf/leakdetect.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "detour.h"
#include "process/sampled.h"
#include "sampler.h"
#include "thread.h"
#include "tracker.h"
#include "trigger.h"
#include "unwind.h"

enum {
    DETECTOR_CLOSE_FRAMES = 8 /* of a closing stack: enough to see who, at a third of the price of a whole one */
};

typedef struct detector_settings {
    leakdetect_level level;
    uint32_t interval;
    uint32_t dense_start;
    uint64_t sampling_bytes; /* 0: sample by count */
    uint32_t target_records;
    uint32_t frames;
    bool track_close;
    bool scope_stacks; /* every scope keeps stacks */
    unwind_kind stacks;
    const unwinder *unwinder;
    uint64_t seed;           /* 0: random */
    const char *report_path; /* NULL: stderr */
    const char *tally_path;  /* NULL: none; see tally.h */
    bool quiet;              /* no line on stderr beside a report in a file */
    int exit_code;           /* 0: leave the program's */
    int report_signal;       /* 0: none */
    uint64_t quarantine_bytes;
    uint32_t report_interval_s; /* 0: none */
    uint32_t scan_interval_s;   /* likewise */
} detector_settings;

/* detector_start() takes the settings; once, before anything is tracked, or again between tests. */
void detector_start(const detector_settings *settings);
const detector_settings *detector_get_settings(void);
uint64_t detector_start_ns(void);

/* CLOCK_MONOTONIC_COARSE, in nanoseconds: what all times of resources and accesses are by, and are compared with. It is the
 * kernel's, even where a program has put another clock_gettime() before the C library's. */
typedef int detector_clock_function(clockid_t clock, struct timespec *now);
SAMPLED_EXTERN detector_clock_function *detector_clock; /* fixed at the start */
static inline uint64_t detector_now_ns(void) {
    struct timespec now;
    detector_clock(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    __asm__("" : "+r"(now_ns)); /* at once: gcc would keep both parts until it is stored */
    return now_ns;
}

/* The settings of POOLBUF_LEAK_*: poolbuf/options.h reads them and complains about what is illegal. */
detector_settings detector_read_options(void);

SAMPLED_EXTERN _Atomic int detector_level_now; /* relaxed: a change may be seen late */
static inline leakdetect_level detector_level(void) {
    return (leakdetect_level)atomic_load_explicit(&detector_level_now, memory_order_relaxed);
}
void detector_set_level(leakdetect_level level);
uint32_t detector_level_epoch(void); /* grows whenever the level changes */
bool detector_was_disabled(void);    /* at some time since detector_start(): so long nothing was tracked */

/* At the levels that take a sample. */
static inline bool detector_samples(leakdetect_level level) {
    return level == LEAKDETECT_SIMPLE || level == LEAKDETECT_ADVANCED;
}

/* How many things from now the next tracked one is, at the present level; UINT32_MAX: none. */
static inline uint32_t detector_next_gap(sampler *population, thread_countdown *countdown, thread_state *self) {
    const leakdetect_level level = detector_level();
    countdown->weight_expired = countdown->weight_pending;
    if (__builtin_expect(detector_samples(level), 1)) {
        return sampler_next_gap(population, &self->random, &countdown->weight_pending);
    }
    countdown->weight_pending = 1;
    return level == LEAKDETECT_PARANOID ? 1 : UINT32_MAX;
}

/* Whether the thing at the end of a gap is tracked, and its weight, which comes in as what the gap gave. */
static inline bool detector_accept(sampler *population, thread_state *self, uint64_t size, float *weight) {
    if (detector_level() == LEAKDETECT_PARANOID) {
        *weight = 1;
        return true;
    }
    return sampler_accept(population, size, &self->random, weight);
}
/* Whether accesses are recorded at the present level; relaxed: a change may be seen late. */
SAMPLED_EXTERN _Atomic bool detector_accesses_recorded;
static inline bool detector_records_accesses(void) {
    return atomic_load_explicit(&detector_accesses_recorded, memory_order_relaxed);
}

SAMPLED_EXTERN sampler detector_buffers;
extern sampler detector_resources;

/* self: the calling thread's; word: of the resource, or NULL (tracker_place); guard: of the record, see guard.h. */
bool detector_track(thread_state *self, const void *resource, uint32_t *word, const void *owner, uint64_t size,
                    uint32_t type, float weight, uint32_t guard);
/* closed: NULL, or set to what is known of the resource's life; false if it is not tracked. */
bool detector_untrack(const tracker_place *place, tracker_closed *closed);
bool detector_would_keep_closing_stacks(void);

/* Whether stacks of closings are wanted at all. At the sampled levels DETOUR_CLOSINGS says so, too, until closings are too rare
 * among allocations for them: the sample only gets thinner. */
extern _Atomic bool detector_tracks_closings;

static inline bool detector_keeps_closing_stacks(void) {
    if (detector_level() == LEAKDETECT_PARANOID) {
        return atomic_load_explicit(&detector_tracks_closings, memory_order_relaxed);
    }
    return detour_is_set(DETOUR_CLOSINGS) && detector_would_keep_closing_stacks();
}

/* How a part of a tracked resource ends here and now, which is not tracked itself; false if the whole is not known. */
bool detector_close_part(const tracker_place *whole, tracker_closed *closed);
void detector_access(const tracker_place *place, access_kind kind, const char *hint);
void detector_references(const tracker_place *place, access_kind kind, hold_kind hold, uint64_t references,
                         const char *hint);
uint64_t detector_missed_references(void); /* taken or given back while the detector was at work on that thread */

/* The exact counters that stand beside the sample, where somebody has them: of everything, and, as a part of that, of what
 * has outlived its owner. */
typedef void detector_exact_counter(uint64_t *live, uint64_t *bytes, uint64_t *allocated);
typedef void detector_orphan_counter(uint64_t *live, uint64_t *bytes);
void detector_set_exact(detector_exact_counter *counter, detector_orphan_counter *orphans);

/* finalize.c: reports. The owner is going away with so much alive; the process is; a resource was misused (`offence`
 * completes the sentence "poolbuf: MISUSE: ..."; closed: its end, where the caller knows better than the table, or NULL).
 * finalize_process() does not return where POOLBUF_LEAK_EXIT_CODE rules. */
void finalize_owner(const void *owner, uint64_t live, uint64_t live_bytes);
void finalize_process(void);
void finalize_live(const char *reason); /* of what is alive, where POOLBUF_LEAK_REPORT says; it accuses nobody */
void finalize_misuse(const tracker_place *place, const char *offence, const tracker_closed *closed);
poolbuf_status finalize_write(FILE *out, leakdetect_format format);

/* The same of a part: what is that old, or has grown since a checkpoint (growth.h). finalize_checkpoint() makes one. */
typedef struct finalize_part {
    uint64_t older_than_ms; /* 0: any age */
    bool has_checkpoint;
    uint64_t checkpoint;
} finalize_part;
poolbuf_status finalize_write_part(FILE *out, leakdetect_format format, const finalize_part *part);
uint64_t finalize_checkpoint(void);
poolbuf_status finalize_write_path(const char *path);
void finalize_lock(void); /* for fork, as is the next; finalize_after_fork() in the child, under the lock */
void finalize_unlock(void);
void finalize_after_fork(void);

#endif
