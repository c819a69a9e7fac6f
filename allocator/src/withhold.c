/* What the tracker keeps back, and what it may see of a buffer's memory. */
#include "withhold.h"

#include <errno.h>

#include "buffer.h"
#include "counter.h"
#include "give_back.h"
#include "handle.h"
#include "naked.h"
#include "os/os.h"
#include "registry.h"
#include "striped.h"
#include "tracker.h"

#define LINE_COUNTS (STRIPED_LINE_BYTES / sizeof(uint64_t))

/* What one thread adds another may take away: a count alone says nothing. Only the pages that are written to become resident. */
typedef struct withheld_stripes {
    uint64_t of[STRIPES][(BIN_MAX + LINE_COUNTS - 1) / LINE_COUNTS * LINE_COUNTS]; /* atomic */
} withheld_stripes;

_Static_assert(sizeof(((withheld_stripes *)NULL)->of[0]) % STRIPED_LINE_BYTES == 0, "stripes share no line");

static withheld_stripes *stripes_of(const cache_group *group) {
    return __atomic_load_n(&group->stripes, __ATOMIC_ACQUIRE);
}

/* Who comes second takes what came first. Without memory all threads share the counts that there are. */
static __attribute__((noinline)) void map_stripes(cache_group *group) {
    const int saved_errno = errno;
    void *fresh = NULL;
    withheld_stripes *found = NULL;
    if (os->acquire(OS_MAPPED, sizeof(withheld_stripes), os_page_size(), &fresh) == 0 &&
        !__atomic_compare_exchange_n(&group->stripes, &found, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        give_back_plain(OS_MAPPED, fresh, sizeof(withheld_stripes));
    }
    errno = saved_errno;
}

/* A thread's first, and where there are no stripes. */
static __attribute__((noinline)) uint64_t *count_slow(cache_group *group, uint32_t bin) {
    withheld_stripes *stripes = stripes_of(group);
    return stripes != NULL ? &stripes->of[striped_stripe()][bin] : &group->withheld[bin];
}

static inline uint64_t *count_of(cache_group *group, uint32_t bin) {
    withheld_stripes *stripes = stripes_of(group);
    const uint32_t own = striped_own;
    return POOLBUF_LIKELY(stripes != NULL && own != 0) ? &stripes->of[own - 1][bin] : count_slow(group, bin);
}

/* Of memory that is a chunk's. */
static inline poolbuf_allocator *pooled_owner(const poolbuf *handle) {
    return ((const chunk *)handle->origin)->arena->config.owner;
}

static __attribute__((noinline)) bool take_back(poolbuf *handle) {
    (void)counter_sub_shared(count_of(&pooled_owner(handle)->group, handle->bin), 1);
    return false;
}

bool withhold_plain(poolbuf *handle) {
    poolbuf_allocator *allocator = pooled_owner(handle);
    if (POOLBUF_UNLIKELY(allocator_is_closed(allocator))) {
        return false;
    }
    cache_group *group = &allocator->group;
    if (POOLBUF_UNLIKELY(stripes_of(group) == NULL)) {
        map_stripes(group);
    }
    counter_add_shared(count_of(group, handle->bin), 1); /* first: another thread may give it back at once */
    return POOLBUF_LIKELY(tracker_withhold(handle, allocator, handle->memory, handle->usable)) || take_back(handle);
}

bool withhold(poolbuf *handle, uint32_t flags) {
    const uint32_t left_alone = POOLBUF_FLAG_HUGE | POOLBUF_FLAG_UNPOOLED | POOLBUF_FLAG_ANNOTATED;
    return (flags & left_alone) == 0 && withhold_plain(handle);
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
    uint64_t *count = count_of(&allocator->group, allocator->group.naked_bin);
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

/* What has no memory, or finds no room in this thread's cache. */
static __attribute__((noinline)) void give_back_slow(poolbuf *buffer) {
    if (buffer->memory == NULL) {
        poolbuf_allocator *allocator = (poolbuf_allocator *)(void *)buffer->link;
        naked_give(allocator, buffer);
        (void)counter_sub_shared(count_of(&allocator->group, allocator->group.naked_bin), 1);
        return;
    }
    poolbuf_allocator *allocator = pooled_owner(buffer);
    const uint32_t bin = buffer->bin;
    buffer_give_handle(allocator, bin, buffer);
    (void)counter_sub_shared(count_of(&allocator->group, bin), 1);
}

void poolbuf_tracker_give_back(poolbuf *buffer) {
    if (POOLBUF_UNLIKELY(buffer->memory == NULL)) {
        give_back_slow(buffer);
        return;
    }
    cache_group *group = &pooled_owner(buffer)->group; /* asked before it is somebody else's */
    const uint32_t bin = buffer->bin;
    if (POOLBUF_UNLIKELY(!registry_push(buffer))) {
        give_back_slow(buffer);
        return;
    }
    (void)counter_sub_shared(count_of(group, bin), 1);
}

void withhold_add_idle(const cache_group *group, uint64_t idle[BIN_MAX]) {
    const withheld_stripes *stripes = stripes_of(group);
    for (uint32_t bin = 0; bin < group->bin_count; bin++) {
        uint64_t sum = counter_get(&group->withheld[bin]);
        for (uint32_t i = 0; stripes != NULL && i < STRIPES; i++) {
            sum += counter_get(&stripes->of[i][bin]);
        }
        idle[bin] += (int64_t)sum > 0 ? sum : 0; /* amid traffic the end of one may be seen without its beginning */
    }
}

size_t withhold_metadata_bytes(const cache_group *group) {
    return stripes_of(group) == NULL ? 0 : sizeof(withheld_stripes);
}

void withhold_fini(cache_group *group) {
    withheld_stripes *stripes = stripes_of(group);
    if (stripes != NULL) {
        group->stripes = NULL;
        give_back_plain(OS_MAPPED, stripes, sizeof(withheld_stripes));
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
