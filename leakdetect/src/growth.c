/* See growth.h. */
#include "growth.h"

#include <string.h>

static growth_checkpoint checkpoints[GROWTH_CHECKPOINTS];

static void forget(growth_checkpoint *checkpoint) {
    memory_array_fini(&checkpoint->groups);
    *checkpoint = (growth_checkpoint){0};
}

/* An unused place, or that of the oldest, which is forgotten. */
static growth_checkpoint *place(void) {
    growth_checkpoint *oldest = &checkpoints[0];
    for (size_t i = 1; i < GROWTH_CHECKPOINTS; i++) {
        oldest = checkpoints[i].epoch < oldest->epoch ? &checkpoints[i] : oldest;
    }
    forget(oldest);
    return oldest;
}

static bool keep_groups(growth_checkpoint *fresh, const report *all) {
    const report_group *groups = all->groups.items;
    for (size_t i = 0; i < all->groups.count; i++) {
        growth_group *kept = memory_array_next(&fresh->groups, sizeof *kept);
        if (kept == NULL) {
            return false;
        }
        *kept = (growth_group){.stack = groups[i].stack,
                               .type_name = groups[i].type_name,
                               .count = groups[i].count,
                               .bytes = groups[i].bytes,
                               .weights = (double)groups[i].sums.certain + groups[i].sums.weights};
    }
    return true;
}

/* The epoch is raised first: what is tracked while we count belongs to the time after. */
uint32_t growth_take(uint64_t now_ns) {
    report all = {0};
    growth_checkpoint fresh = {.epoch = tracker_next_epoch(), .generation = tracker_generation(), .time_ns = now_ns};
    report_scope scope = {.generation = fresh.generation, .before_epoch = fresh.epoch, .counts_only = true};
    bool complete = report_collect(&all, &scope) && keep_groups(&fresh, &all);
    fresh.not_kept = all.not_listed;
    report_fini(&all);
    if (!complete) {
        forget(&fresh);
        return 0;
    }
    *place() = fresh;
    return fresh.epoch;
}

const growth_checkpoint *growth_find(uint64_t id) {
    for (size_t i = 0; i < GROWTH_CHECKPOINTS; i++) {
        bool own = checkpoints[i].generation == tracker_generation();
        if (id != 0 && checkpoints[i].epoch == id && own) {
            return &checkpoints[i];
        }
    }
    return NULL;
}

void growth_reset(void) {
    for (size_t i = 0; i < GROWTH_CHECKPOINTS; i++) {
        forget(&checkpoints[i]);
    }
}

void growth_subtract(report_group *group, const growth_group *then) {
    group->grown_count -= (int64_t)then->count;
    group->grown_bytes -= (int64_t)then->bytes;
    group->grown_estimate -= then->weights;
    group->known_before = true;
}
