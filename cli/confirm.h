/* A suspected regression, played again before it fails a gate.
 *
 * BASE's samples are from another moment, so a slower machine looks like a slower build. Two reruns can tell:
 *
 *   with BASE's program     both builds, in turn, in the same rounds: what slows the machine slows both, and drops out.
 *                           This is the strongest, and what CI should do: it has just built both.
 *   without it              NEW's side alone, beside a reference subject, such as malloc; its fresh ratio to the reference
 *                           is held against BASE's ratio to it. What changed the machine for both drops out; what changed
 *                           it for one of them does not, and the reference itself cannot be judged.
 *
 * Times and latencies are played again. Bytes, faults and instructions are not the moment's, and stand as they are.
 *
 * A subject is played as its results file says: under another name, slowed down on purpose, or from a user's own library
 * if that is still there and the same (confirm_subject.h).
 *
 * Confirmed is what is slower again, beyond the threshold, with an interval that leaves no room for "no change". What
 * cannot be played again stays a regression: a gate that cannot look must not open. */
#ifndef CLI_CONFIRM_H
#define CLI_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>

#include "reports/model.h"
#include "thresholds.h"

enum {
    CONFIRM_ROUNDS_MAX = 1000
};

/* What was played last: rows of one subject follow each other, and several may want the same. Zero-initialised is
 * nothing; confirm_end() releases it. */
typedef struct confirm_replay {
    results_model *model;
    const char *scenario, *subject; /* NEW's names */
    unsigned passes;
} confirm_replay;

typedef struct confirmation {
    const results_model *base, *new;
    const char *base_binary; /* NULL without */
    const char *reference;   /* subject */
    const thresholds *limits;
    uint32_t rounds; /* of times; a pass has as many processes as passes.h says */
    confirm_replay last;
} confirmation;

/* confirm_is_for() says whether a row is of what is played again. */
bool confirm_is_for(const compare_row *row);

/* confirm_can_start() checks that this program is NEW's build on NEW's host, and that base_binary is BASE's version.
 *   returns  NULL, or why not, living as long as the arena. */
const char *confirm_can_start(const confirmation *self, model_arena *arena);

/* confirm_row() plays one suspected row again and writes into it: confirmation, confirmed, and whether it is still a
 * regression. Says on stderr what it does. */
void confirm_row(confirmation *self, model_arena *arena, compare_row *row);

void confirm_end(confirmation *self);

#endif
