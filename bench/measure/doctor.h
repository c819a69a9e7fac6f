/* What about this host and this build would spoil a result: looked at, said, and never changed.
 *
 * Each check reads a few lines of /proc and /sys, or asks a clock, and gives one finding: a state in numbers, why it
 * matters, and what to do. A finding spoils when it can move a comparison, or make it mean nothing; it is a note when a
 * balanced, paired run copes with it, though intervals are wider. What cannot be read is unknown, which is common in
 * containers, and spoils nothing by itself. */
#ifndef POOLBUF_BENCH_DOCTOR_H
#define POOLBUF_BENCH_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

typedef enum doctor_level {
    DOCTOR_FINE,
    DOCTOR_NOTE,
    DOCTOR_SPOILS,
    DOCTOR_UNKNOWN,
    DOCTOR_LEVEL_COUNT
} doctor_level;

enum {
    DOCTOR_FINDINGS_MAX = 24,
    DOCTOR_STATE_SIZE = 200
};

typedef struct doctor_finding {
    const char *name; /* one word or two: "governor" */
    doctor_level level;
    char state[DOCTOR_STATE_SIZE];
    const char *why;    /* it matters; static */
    const char *advice; /* what to do; static, NULL when all is fine */
} doctor_finding;

typedef struct doctor_report {
    doctor_finding findings[DOCTOR_FINDINGS_MAX];
    size_t count;
} doctor_report;

typedef struct doctor_plan {
    const char *root;     /* in front of /proc and /sys; "" for this host, another folder in tests */
    unsigned watch_ms;    /* how long the neighbours are watched; 0 leaves them out */
    bool with_clock;      /* ask this machine's clock, whatever the root */
    bool is_optimised;    /* of our own build */
    const char *build;    /* what it is called */
    const char *preloads; /* libraries of the subjects, parted by blanks; checked for a debug build. NULL for none */
} doctor_plan;

/* doctor_examine() makes all checks.
 *   threads  any; sleeps for watch_ms. */
void doctor_examine(const doctor_plan *plan, doctor_report *report);

/* doctor_spoilers() counts the findings that spoil. */
size_t doctor_spoilers(const doctor_report *report);

const char *doctor_level_name(doctor_level level); /* "fine", "note", "spoils", "unknown" */

#endif
