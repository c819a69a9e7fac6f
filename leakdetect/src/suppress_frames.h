/* Which rules may cover a stack, without holding each against each frame of it again.
 *
 * Stacks are many and rules may be thousands, but stacks are made of few frames: whoever leaks at a thousand places does so
 * below one event loop, in one library. So each rule has a key, the first of its places that a frame must match, and which
 * rules' keys a frame matches is found out once: they are the frame's set. The sets of a stack's frames, or-ed, are the rules that
 * may cover it. A rule of the kind `leak:` is its key, so it does; of a block suppress_matches() says the rest.
 *
 *     frame    [ rules whose key it matches ]      at most SUPPRESS_FRAMES_KEPT are kept; what is beyond is found out each time
 *     stack    [ or of its frames ]
 *
 * A frame is told by its address, so all stacks must be of one symbolizer, which is open still. */
#ifndef LEAKDETECT_SUPPRESS_FRAMES_H
#define LEAKDETECT_SUPPRESS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report.h"
#include "suppress.h"

enum {
    SUPPRESS_FRAMES_SLOTS = 4096, /* a power of two */
    SUPPRESS_FRAMES_KEPT = SUPPRESS_FRAMES_SLOTS / 4 * 3
};

typedef struct suppress_frames {
    const suppress_file *file;
    const symbol_frame **frames; /* SUPPRESS_FRAMES_SLOTS, open-addressed; NULL: free */
    uint64_t *sets;              /* one for each slot; the next three are sets, too */
    uint64_t *always;            /* the rules without a key */
    uint64_t *stack;             /* what was asked for last */
    uint64_t *other;             /* of a frame that is not kept */
    size_t words;                /* of a set */
    size_t kept;
    uint64_t looks; /* how often a key was held against a frame; for tests */
    void *memory;
    size_t bytes;
} suppress_frames;

/* suppress_frames_init() returns false without memory; then nothing needs fini. */
bool suppress_frames_init(suppress_frames *self, const suppress_file *file);
void suppress_frames_fini(suppress_frames *self);

/* suppress_frames_choose() chooses the rules that may cover a stack; suppress_frames_next() walks them, in their order.
 *   from     the first rule to look at.
 *   returns  a rule's position; if it is a `leak:` rule it covers the stack. The count of rules: there are no more. */
void suppress_frames_choose(suppress_frames *self, const report_frames *stack);
size_t suppress_frames_next(const suppress_frames *self, size_t from);

#endif
