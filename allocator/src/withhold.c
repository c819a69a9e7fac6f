/* What the tracker keeps back, and what it may see of a buffer's memory. */
#include "withhold.h"

#include "buffer.h"
#include "counter.h"
#include "handle.h"
#include "naked.h"
#include "tracker.h"

bool withhold(poolbuf_allocator *allocator, poolbuf *handle, uint32_t flags) {
    const uint32_t left_alone = POOLBUF_FLAG_HUGE | POOLBUF_FLAG_UNPOOLED | POOLBUF_FLAG_ANNOTATED;
    if ((flags & left_alone) != 0 || allocator_is_closed(allocator)) {
        return false;
    }
    uint64_t *count = &allocator->group.withheld[handle->bin];
    counter_add_shared(count, 1); /* first: another thread may give it back as soon as the tracker has it */
    if (tracker_withhold(handle, allocator, handle->memory, handle->usable)) {
        return true;
    }
    (void)counter_sub_shared(count, 1);
    return false;
}

/* Of an allocator that pools, and tells no checker of its handles. Makes the handle what it is while withheld: dead, with the
 * allocator in its link. */
static uint64_t *prepare_naked(poolbuf_allocator *allocator, poolbuf *handle) {
    bool pooled = allocator->pooled[0] || allocator->pooled[1];
    if (!pooled || allocator->group.annotated || allocator_is_closed(allocator)) {
        return NULL;
    }
    naked_clear(handle);
    handle->link = (poolbuf *)(void *)allocator;
    uint64_t *count = &allocator->group.withheld[allocator->group.naked_bin];
    counter_add_shared(count, 1);
    return count;
}

bool withhold_naked(poolbuf_allocator *allocator, poolbuf *handle) {
    uint64_t *count = prepare_naked(allocator, handle);
    if (count == NULL || tracker_withhold(handle, allocator, NULL, 0)) {
        return count != NULL;
    }
    (void)counter_sub_shared(count, 1);
    return false;
}

bool withhold_view(poolbuf_allocator *allocator, poolbuf *view, const poolbuf *root) {
    uint64_t *count = prepare_naked(allocator, view);
    if (count == NULL || tracker_withhold_view(view, allocator, root)) {
        return count != NULL;
    }
    (void)counter_sub_shared(count, 1);
    return false;
}

void poolbuf_tracker_give_back(poolbuf *buffer) {
    if (buffer->memory == NULL) {
        poolbuf_allocator *allocator = (poolbuf_allocator *)(void *)buffer->link;
        naked_give(allocator, buffer);
        (void)counter_sub_shared(&allocator->group.withheld[allocator->group.naked_bin], 1);
        return;
    }
    /* Of a chunk, as what withhold() leaves alone is not. */
    poolbuf_allocator *allocator = ((const chunk *)buffer->origin)->arena->config.owner;
    uint64_t *count = &allocator->group.withheld[buffer->bin];
    buffer_give_handle(allocator, buffer->bin, buffer);
    (void)counter_sub_shared(count, 1);
}

void withhold_add_idle(const cache_group *group, uint64_t idle[BIN_MAX]) {
    for (uint32_t i = 0; i < group->bin_count; i++) {
        idle[i] += counter_get(&group->withheld[i]);
    }
}

size_t poolbuf_tracker_slack(const poolbuf *buffer, uint8_t **slack, bool *reachable) {
    const uint32_t none = POOLBUF_FLAG_ANNOTATED | POOLBUF_FLAG_WRAPPED | POOLBUF_FLAG_SLICE |
                          POOLBUF_FLAG_RETAINED_SLICE | POOLBUF_FLAG_COMPOSITE;
    uint64_t state = handle_state_get(buffer);
    if ((handle_flags_of(state) & none) != 0 || buffer->memory == NULL) {
        return 0;
    }
    *slack = buffer->memory + buffer->capacity;
    *reachable = (handle_flags_of(state) & POOLBUF_FLAG_HAS_SLICES) != 0 || handle_shares_of(state) != 0;
    return buffer->usable - buffer->capacity;
}
