/* A thread's cache: everything but the few instructions of the fast path, which are in buffer.c. */
#include "thread_cache.h"

#include <string.h>

#include "check.h"
#include "counter.h"
#include "handle.h"
#include "tracker.h"

#define REFILL_MAX 64u /* handles that one trip to the arena cuts; its lock is held meanwhile */

void thread_cache_init(thread_cache *self, cache_group *group) {
    memset(self, 0, sizeof *self);
    self->group = group;
    self->largest = group->largest;
    self->budget = group->budget;
    self->restart = true;
    self->trim_left = group->trim_interval != 0 ? group->trim_interval : GAP_NONE;
    self->countdown = 1;
    self->armed = 1;
}

/* ---- The countdown ------------------------------------------------------------------------------------------------ */

uint64_t thread_cache_allocated(const thread_cache *self) {
    return counter_get(&self->allocated) + cache_count_get(&self->armed) - cache_count_get(&self->countdown);
}

static void arm(thread_cache *self) {
    uint32_t next = self->gap_left < self->trim_left ? self->gap_left : self->trim_left;
    if (self->group->annotated) {
        next = 1; /* every allocation must take the slow path, where the checker is told */
    }
    cache_count_set(&self->armed, next);
    cache_count_set(&self->countdown, next);
}

/* Books the allocations since arming; returns nothing left to count down in either interval as 0. */
static void book(thread_cache *self) {
    uint32_t passed = cache_count_get(&self->armed) - cache_count_get(&self->countdown);
    counter_add(&self->allocated, passed);
    cache_count_set(&self->armed, cache_count_get(&self->countdown));
    if (self->gap_left != GAP_NONE) {
        self->gap_left -= passed < self->gap_left ? passed : self->gap_left;
    }
    if (self->trim_left != GAP_NONE) {
        self->trim_left -= passed < self->trim_left ? passed : self->trim_left;
    }
}

static void trim(thread_cache *self);

bool thread_cache_count(thread_cache *self) {
    if (POOLBUF_UNLIKELY(self->restart)) {
        self->restart = false;
        book(self);
        self->gap_left = tracker_next_gap();
        arm(self);
    }
    uint32_t left = cache_count_get(&self->countdown) - 1;
    cache_count_set(&self->countdown, left);
    if (left != 0) {
        return false;
    }
    book(self);
    bool sampled = self->gap_left == 0;
    if (sampled) {
        self->gap_left = tracker_next_gap();
    }
    if (self->trim_left == 0) {
        self->trim_left = self->group->trim_interval;
        trim(self);
    }
    arm(self);
    return sampled;
}

/* ---- Budget ------------------------------------------------------------------------------------------------------- */

static size_t batch_bytes(const bin_config *config) {
    return (size_t)config->batch * config->bytes;
}

static bool charge(thread_cache *self, const bin_config *config) {
    size_t bytes = batch_bytes(config);
    if (self->budget < bytes) {
        return false;
    }
    self->budget -= bytes;
    return true;
}

static void discharge(thread_cache *self, const bin_config *config) {
    self->budget += batch_bytes(config);
}

/* Lets head hold a batch; false where the class is not cached or the budget does not reach. */
static bool grant(thread_cache *self, uint32_t bin) {
    const bin_config *config = &self->group->bins[bin];
    if (config->batch == 0 || !charge(self, config)) {
        return false;
    }
    self->bins[bin].limit = config->batch;
    return true;
}

static void revoke(thread_cache *self, uint32_t bin) {
    if (self->bins[bin].limit != 0) {
        self->bins[bin].limit = 0;
        self->reserves[bin].refill = 0;
        discharge(self, &self->group->bins[bin]);
    }
}

/* ---- Batches out and in ------------------------------------------------------------------------------------------- */

static arena *any_arena(const thread_cache *self) {
    return self->arenas[0] != NULL ? self->arenas[0] : self->arenas[1];
}

static void give_to_arena(const thread_cache *self, uint32_t bin, poolbuf *list) {
    if (list == NULL) {
        return;
    }
    if (self->group->bins[bin].naked) {
        arena_give_naked(any_arena(self), list);
    } else {
        arena_give(list);
    }
}

/* A whole batch leaves this cache. */
static void give_batch(thread_cache *self, uint32_t bin, poolbuf *batch) {
    if (!depot_put(&self->group->depot[bin], self->group->bins[bin].depot_places, batch)) {
        give_to_arena(self, bin, batch);
    } else if (self->group->wake != NULL) {
        self->group->wake();
    }
}

static void set_head(cache_bin *bin, poolbuf *list, uint32_t count) {
    bin->head = list;
    cache_count_set(&bin->count, count);
}

static uint32_t cut(thread_cache *self, uint32_t bin, uint32_t count, poolbuf **list) {
    const bin_config *config = &self->group->bins[bin];
    return config->naked ? arena_take_naked(any_arena(self), count, list)
                         : arena_take(self->arenas[config->kind], config->size_class, count, list);
}

/* Fills an empty head, from the nearest place that has something. */
static bool refill(thread_cache *self, uint32_t index) {
    const bin_config *config = &self->group->bins[index];
    cache_bin *bin = &self->bins[index];
    cache_reserve *reserve = &self->reserves[index];
    if (reserve->parked != NULL) {
        set_head(bin, reserve->parked, reserve->parked_count);
        reserve->parked = NULL;
        cache_count_set(&reserve->parked_count, 0);
        discharge(self, config);
        return true;
    }
    if (reserve->full_count != 0) {
        uint32_t left = reserve->full_count - 1;
        set_head(bin, reserve->full[left], config->batch);
        cache_count_set(&reserve->full_count, left);
        reserve->full_low = left < reserve->full_low ? left : reserve->full_low;
        discharge(self, config);
        return true;
    }
    uint32_t count = 1;
    if (bin->limit != 0 || grant(self, index)) {
        poolbuf *batch = depot_take(&self->group->depot[index]);
        if (batch != NULL) {
            set_head(bin, batch, config->batch);
            return true;
        }
        uint32_t most = config->batch < REFILL_MAX ? config->batch : REFILL_MAX;
        count = reserve->refill != 0 ? reserve->refill : 1;
        reserve->refill = count * 2 < most ? count * 2 : most;
    }
    poolbuf *list = NULL;
    uint32_t taken = cut(self, index, count, &list);
    set_head(bin, list, taken);
    return taken != 0;
}

poolbuf *thread_cache_take(thread_cache *self, uint32_t index) {
    cache_bin *bin = &self->bins[index];
    if (bin->head == NULL && !refill(self, index)) {
        return NULL;
    }
    poolbuf *handle = handle_pop(&bin->head);
    cache_count_set(&bin->count, cache_count_get(&bin->count) - 1);
    return handle;
}

/* Head is full, or has no limit yet. */
static bool make_room(thread_cache *self, uint32_t index) {
    const bin_config *config = &self->group->bins[index];
    cache_bin *bin = &self->bins[index];
    cache_reserve *reserve = &self->reserves[index];
    if (bin->limit == 0) {
        return grant(self, index);
    }
    POOLBUF_ASSERT(bin->count == config->batch); /* T1 */
    if (reserve->full_count < config->full_max && charge(self, config)) {
        reserve->full[reserve->full_count] = bin->head;
        cache_count_set(&reserve->full_count, reserve->full_count + 1);
    } else if (reserve->full_count != 0) {
        /* The oldest batch is the coldest: it goes, the others move down. */
        poolbuf *oldest = reserve->full[0];
        for (uint32_t i = 1; i < reserve->full_count; i++) {
            reserve->full[i - 1] = reserve->full[i];
        }
        reserve->full[reserve->full_count - 1] = bin->head;
        give_batch(self, index, oldest);
    } else {
        give_batch(self, index, bin->head);
    }
    set_head(bin, NULL, 0);
    return true;
}

void thread_cache_put(thread_cache *self, uint32_t index, poolbuf *handle) {
    cache_bin *bin = &self->bins[index];
    if (bin->count >= bin->limit && !make_room(self, index)) {
        poolbuf *alone = NULL;
        handle_push(&alone, handle);
        give_to_arena(self, index, alone);
        return;
    }
    handle_push(&bin->head, handle);
    cache_count_set(&bin->count, bin->count + 1);
}

/* ---- Trimming ----------------------------------------------------------------------------------------------------- */

static void trim_bin(thread_cache *self, uint32_t index) {
    const bin_config *config = &self->group->bins[index];
    cache_bin *bin = &self->bins[index];
    cache_reserve *reserve = &self->reserves[index];
    if (reserve->parked != NULL) {
        give_to_arena(self, index, reserve->parked);
        reserve->parked = NULL;
        cache_count_set(&reserve->parked_count, 0);
        discharge(self, config);
    }
    /* The batches at the bottom have not been reached; those above them have. */
    uint32_t unused = reserve->full_low;
    for (uint32_t i = 0; i < unused; i++) {
        give_batch(self, index, reserve->full[i]);
        discharge(self, config);
    }
    uint32_t left = reserve->full_count - unused;
    for (uint32_t i = 0; i < left; i++) {
        reserve->full[i] = reserve->full[i + unused];
    }
    cache_count_set(&reserve->full_count, left);
    reserve->full_low = left;
    if (bin->head == NULL) {
        if (left == 0) {
            revoke(self, index);
        }
    } else if (charge(self, config)) {
        reserve->parked = bin->head;
        cache_count_set(&reserve->parked_count, bin->count);
        set_head(bin, NULL, 0);
    }
}

static void trim(thread_cache *self) {
    for (uint32_t i = 0; i < self->group->bin_count; i++) {
        if (self->bins[i].limit != 0) {
            trim_bin(self, i);
        }
    }
    cache_group_drain_depot(self->group, false);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < self->group->arena_counts[kind]; i++) {
            arena_decay(&self->group->arenas[kind][i]);
        }
    }
}

void thread_cache_flush(thread_cache *self, bool to_depot) {
    for (uint32_t i = 0; i < self->group->bin_count; i++) {
        cache_bin *bin = &self->bins[i];
        cache_reserve *reserve = &self->reserves[i];
        const bin_config *config = &self->group->bins[i];
        if (reserve->parked != NULL) {
            give_to_arena(self, i, reserve->parked);
            discharge(self, config);
        }
        for (uint32_t j = 0; j < reserve->full_count; j++) {
            if (to_depot) {
                give_batch(self, i, reserve->full[j]);
            } else {
                give_to_arena(self, i, reserve->full[j]);
            }
            discharge(self, config);
        }
        if (to_depot && config->batch != 0 && bin->count == config->batch) {
            give_batch(self, i, bin->head);
        } else {
            give_to_arena(self, i, bin->head);
        }
        set_head(bin, NULL, 0);
        reserve->parked = NULL;
        cache_count_set(&reserve->parked_count, 0);
        cache_count_set(&reserve->full_count, 0);
        reserve->full_low = 0;
        revoke(self, i);
    }
}

void cache_group_drain_depot(cache_group *group, bool all) {
    for (uint32_t i = 0; i < group->bin_count; i++) {
        uint32_t count = depot_trim(&group->depot[i]);
        for (count = all ? DEPOT_PLACES_MAX : count; count > 0; count--) {
            poolbuf *batch = depot_take(&group->depot[i]);
            if (batch == NULL) {
                break;
            }
            if (group->bins[i].naked) {
                arena_give_naked(group->arena_counts[0] != 0 ? group->arenas[0] : group->arenas[1], batch);
            } else {
                arena_give(batch);
            }
        }
    }
}

/* ---- What others may look at -------------------------------------------------------------------------------------- */

uint64_t thread_cache_idle(const thread_cache *self, uint32_t bin) {
    const cache_reserve *reserve = &self->reserves[bin];
    return (uint64_t)cache_count_get(&self->bins[bin].count) + cache_count_get(&reserve->parked_count) +
           (uint64_t)cache_count_get(&reserve->full_count) * self->group->bins[bin].batch;
}

/* A list has so many handles, all dead and of that bin. */
static bool audit_list(poolbuf *list, uint32_t bin, bool naked, uint32_t count) {
    for (; count > 0; count--) {
        POOLBUF_AUDIT(list != NULL);
        poison_handle_open(list, sizeof *list);
        poolbuf *next = list->link;
        bool dead = handle_count_of(handle_state_get(list)) == 0 && list->capacity == 0 && list->writer_index == 0 &&
                    list->reader_index == 0;
        bool filed = naked ? list->memory == NULL : list->bin == bin && list->memory != NULL;
        poison_handle_close(list, sizeof *list);
        POOLBUF_AUDIT(dead);
        POOLBUF_AUDIT(filed);
        list = next;
    }
    POOLBUF_AUDIT(list == NULL);
    return true;
}

bool thread_cache_audit(const thread_cache *self) {
    size_t charged = 0;
    for (uint32_t i = 0; i < self->group->bin_count; i++) {
        const bin_config *config = &self->group->bins[i];
        const cache_bin *bin = &self->bins[i];
        const cache_reserve *reserve = &self->reserves[i];
        POOLBUF_AUDIT(bin->limit == 0 || bin->limit == config->batch);
        POOLBUF_AUDIT(bin->count <= bin->limit);
        POOLBUF_AUDIT(reserve->full_count <= config->full_max);
        POOLBUF_AUDIT(reserve->full_low <= reserve->full_count);
        POOLBUF_AUDIT((reserve->parked == NULL) == (reserve->parked_count == 0));
        if (!audit_list(bin->head, i, config->naked, bin->count) ||
            !audit_list(reserve->parked, i, config->naked, reserve->parked_count)) {
            return false;
        }
        for (uint32_t j = 0; j < reserve->full_count; j++) {
            if (!audit_list(reserve->full[j], i, config->naked, config->batch)) { /* T1 */
                return false;
            }
        }
        uint32_t batches = reserve->full_count + (bin->limit != 0) + (reserve->parked != NULL);
        charged += batches * batch_bytes(config);
    }
    POOLBUF_AUDIT(charged + self->budget == self->group->budget); /* T2 */
    return true;
}
