/* See leaks_baseline.h. */
#include "reports/leaks_baseline.h"

#include <math.h>
#include <string.h>

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_group(const leaks_group *a, const leaks_group *b) {
    return same_text(a->fingerprint, b->fingerprint) && same_text(a->type, b->type);
}

static const leaks_group *find(const leaks_model *model, const leaks_group *like) {
    for (size_t i = 0; i < model->group_count; i++) {
        if (same_group(model->groups[i], like)) {
            return model->groups[i];
        }
    }
    return NULL;
}

/* All groups of one fingerprint: Memcheck may have it twice, as definitely and as possibly lost. */
typedef struct amount {
    uint64_t count;
    double low, high;
} amount;

static amount measure(const leaks_model *model, const leaks_group *like) {
    amount all = {0};
    for (size_t i = 0; i < model->group_count; i++) {
        const leaks_group *group = model->groups[i];
        if (same_group(group, like)) {
            const double count = group->count == MODEL_UNKNOWN ? 0 : (double)group->count;
            const leaks_estimate *estimate = &group->estimated_count;
            all.count += group->count == MODEL_UNKNOWN ? 0 : group->count;
            all.low += isfinite(estimate->low) ? estimate->low : count;
            all.high += isfinite(estimate->high) ? estimate->high : count;
        }
    }
    return all;
}

leaks_comparison leaks_compare(leaks_model *model, const leaks_model *baseline) {
    leaks_comparison result = {0};
    for (size_t i = 0; i < model->group_count; i++) {
        leaks_group *group = model->groups[i];
        const amount now = measure(model, group);
        const amount then = measure(baseline, group);
        if (find(baseline, group) == NULL) {
            group->baseline = (leaks_baseline){STANDING_NEW, 0};
            result.new_groups++;
        } else if (now.low > then.high) {
            group->baseline = (leaks_baseline){STANDING_GROWN, then.count};
            result.grown_groups++;
        } else {
            group->baseline = (leaks_baseline){STANDING_KNOWN, then.count};
            result.known_groups++;
        }
    }
    /* Exact counts without a stack are new where the baseline has fewer: nobody can say what they are. */
    const uint64_t live = leaks_model_unsuppressed(model).live_buffers;
    const uint64_t had = leaks_model_unsuppressed(baseline).live_buffers;
    if (leaks_model_unseen(model) > 0) {
        model->unseen_standing = had == MODEL_UNKNOWN || live > had ? STANDING_NEW : STANDING_KNOWN;
    }
    for (size_t i = 0; i < baseline->group_count; i++) {
        result.gone += find(model, baseline->groups[i]) == NULL;
    }
    return result;
}
