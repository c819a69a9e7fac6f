/* Checkpoints, and what has grown since one.
 *
 * A checkpoint keeps, for each allocation stack and type, what was alive then: 32 bytes a group, REPORT_GROUPS_MAX
 * groups at most, and GROWTH_CHECKPOINTS checkpoints; each new one beyond that forgets the oldest. So a cache that
 * turns over without growing shows no growth, whatever the ages of its entries. Which resources are newer than a
 * checkpoint is told by their record's epoch, not by a clock.
 *
 * All of this is the report lock's, but for the epoch. */
#ifndef LEAKDETECT_GROWTH_H
#define LEAKDETECT_GROWTH_H

#include "report.h"

enum {
    GROWTH_CHECKPOINTS = 8
};

typedef struct growth_group {
    uint32_t stack, type_name;
    uint64_t count, bytes;
    double weights; /* the estimate of all, the certain ones included */
} growth_group;

typedef struct growth_checkpoint {
    uint32_t epoch; /* its id; 0: unused */
    uint16_t generation;
    uint64_t time_ns;
    uint64_t not_kept;   /* alive then, in groups beyond REPORT_GROUPS_MAX */
    memory_array groups; /* of growth_group */
} growth_checkpoint;

/* growth_take() makes a checkpoint; returns its id, or 0: no memory. growth_find() returns it while it is kept and the
 * process has not forked since; NULL otherwise. growth_reset() forgets all; for tests. */
uint32_t growth_take(uint64_t now_ns);
const growth_checkpoint *growth_find(uint64_t id);
void growth_reset(void);

/* growth_subtract() takes what was alive at a checkpoint from a group's growth, which begins as all that it has. */
void growth_subtract(report_group *group, const growth_group *then);

#endif
