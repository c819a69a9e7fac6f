/* The order of leaks_order.h. */
#include "reports/leaks_order.h"

#include <stdlib.h>
#include <string.h>

/* Descending; what is unknown comes last. */
static int compare_counts(uint64_t a, uint64_t b) {
    uint64_t left = a == MODEL_UNKNOWN ? 0 : a;
    uint64_t right = b == MODEL_UNKNOWN ? 0 : b;
    return (left < right) - (left > right);
}

/* What is new in front, then what has grown. */
static int compare_standings(const leaks_group *a, const leaks_group *b) {
    return (a->baseline.standing < b->baseline.standing) - (a->baseline.standing > b->baseline.standing);
}

/* What has grown most in front; 0 where no growth was asked for. */
static int compare_growths(const leaks_group *a, const leaks_group *b) {
    return (a->growth.bytes < b->growth.bytes) - (a->growth.bytes > b->growth.bytes);
}

/* Pages, or whatever a type counts in, are not bytes. */
static uint64_t bytes_of(const leaks_group *group) {
    return group->unit == NULL ? group->bytes : MODEL_UNKNOWN;
}

static int compare_groups(const void *left, const void *right) {
    const leaks_group *a = *(const leaks_group *const *)left;
    const leaks_group *b = *(const leaks_group *const *)right;
    int order = compare_standings(a, b);
    order = order != 0 ? order : compare_growths(a, b);
    order = order != 0 ? order : compare_counts(bytes_of(a), bytes_of(b));
    order = order != 0 ? order : compare_counts(a->count, b->count);
    return order != 0 ? order : strcmp(a->fingerprint, b->fingerprint);
}

const leaks_group **leaks_order(const leaks_model *model) {
    const leaks_group **order = model_allocate(model->arena, (model->group_count + 1) * sizeof(void *));
    for (size_t i = 0; i < model->group_count; i++) {
        order[i] = model->groups[i];
    }
    qsort((void *)order, model->group_count, sizeof(void *), compare_groups);
    return order;
}
