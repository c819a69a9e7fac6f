/* When a run looks at its numbers, how sure it must be at each look, and how many rounds a doubt would take.
 *
 * Who looks twice and stops at the first difference is wrong more often than who looks once. So the permitted 5 % are
 * spent over the looks: after a share t of the rounds, no more than
 *
 *     a(t) = 2 - 2 Phi(z / sqrt t),  z = 1.96
 *
 * of it, which is little early on (0.6 % at the half) and all at the end (K. Lan and D. DeMets, Biometrika 70, 1983,
 * the spending function of O'Brien and Fleming's kind). Each look tests at what its share adds. By the union bound a
 * pair of equals is then called different in at most 5 % of runs, whatever the dependence between looks: that is a
 * little stricter than their boundary, and needs no distribution of it. The interval that is reported is the one of
 * the look at which the run stopped, so that it agrees with the verdict, and holds the truth at all looks at once in
 * 95 % of runs (C. Jennison and B. Turnbull, JRSS B 51, 1989).
 *
 * There are two looks: at the half and at the end. More would take the last look's power, and a run starts with a
 * balanced order of subjects, of which a look should see whole squares. Stopping because there is no difference that
 * matters costs nothing: it calls nobody different. */
#ifndef STATS_DESIGN_H
#define STATS_DESIGN_H

#include <stdint.h>

#include "stats/stats.h"

enum {
    STATS_LOOKS_MAX = 2,
    STATS_LOOK_LEAST = 8 /* rounds, before which nobody looks */
};

/* Two subjects whose whole interval lies within this factor of 1 are the same for any practical purpose. */
#define STATS_SAME 0.01
/* A number of rounds is said to be enough when it finds the difference in this share of runs. */
#define STATS_POWER 0.8

typedef struct stats_look {
    uint32_t rounds;   /* after which it is */
    double confidence; /* of its intervals */
} stats_look;

typedef struct stats_design {
    stats_look looks[STATS_LOOKS_MAX]; /* the last is at the end */
    uint32_t count;                    /* at least 1 */
} stats_design;

/* stats_design_make() plans the looks of a run.
 *   rounds    at most; at least 1.
 *   balanced  rounds after which the order of subjects is balanced: an early look is after a multiple of it.
 *   early     false for one look, at the end. */
stats_design stats_design_make(uint32_t rounds, uint32_t balanced, bool early);

/* stats_is_clear() says whether more rounds could change nothing that matters: the two are separated, or the same. */
bool stats_is_clear(const stats_ratio *ratio);

/* stats_rounds_needed() estimates how many rounds would separate the two, with probability STATS_POWER, if the estimate
 * were the truth; a difference below STATS_SAME is taken for that, since nobody should look for less.
 *   ratio    of stats_paired_bootstrap().
 *   returns  at least ratio->count + 1; 0 when it is clear already, or when there is no interval to judge by. */
uint64_t stats_rounds_needed(const stats_ratio *ratio);

#endif
