/* A thread's cache: everything but the few instructions of the fast path, which are in poolbuf/fast_path.h. */
#include "thread_cache.h"

#include <string.h>

#include "check.h"
#include "countdown.h"
#include "counter.h"
#include "handle.h"
#include "os/os.h"
#include "poison.h"
#include "tracker.h"

#define CLOCK_INTERVAL 1024u /* allocations between two looks at the clock, where a cache is trimmed by time */

size_t thread_cache_storage(size_t places) {
    return sizeof(thread_cache) + places * sizeof(poolbuf *);
}

/* The places stay as they are: nobody reads one that has not been written. */
void thread_cache_init(thread_cache *self, cache_group *group, volatile uint32_t *countdown) {
    memset(self, 0, sizeof *self);
    self->group = group;
    self->fast.largest = group->per_log2 == 2 && !group->annotated ? group->largest : 0;
    self->countdown = countdown != NULL ? countdown : &self->spare_countdown;
    for (uint32_t i = 0; i < group->bin_count; i++) {
        poolbuf **bottom = self->places + group->bins[i].first;
        self->fast.bins[i] = (poolbuf_bin_){.top = bottom, .floor = bottom, .ceiling = bottom, .bottom = bottom};
    }
    self->budget = group->budget;
    self->restart = true;
    self->unusual = true;
    self->trim_left = group->trim_interval != 0 ? group->trim_interval : TRIM_NEVER;
    self->trimmed_ms = group->trim_interval_ms != 0 ? os->now_ms() : 0;
    self->arms_most = group->annotated ? 1 /* every allocation must take the slow path, where the checker is told */
                      : group->trim_interval_ms != 0 ? CLOCK_INTERVAL
                                                     : GAP_NONE;
    POOLBUF_SET_(*self->countdown, 1);
    self->armed = 1;
}

void thread_cache_detach(thread_cache *self) {
    self->spare_countdown = POOLBUF_GET_(*self->countdown);
    self->countdown = &self->spare_countdown;
    self->thread = NULL;
}

/* ---- The countdown ------------------------------------------------------------------------------------------------ */

#define READS 64u /* until what the thread was in the middle of is over, if it runs at all */

uint64_t thread_cache_allocated(const thread_cache *self) {
    for (unsigned i = 0; i < READS; i++) {
        uint32_t before = __atomic_load_n(&self->rearmed, __ATOMIC_ACQUIRE);
        uint64_t sum = counter_get(&self->allocated) + countdown_get(&self->armed) - POOLBUF_GET_(*self->countdown);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before % 2 == 0 && countdown_get(&self->rearmed) == before) {
            return sum;
        }
    }
    return counter_get(&self->allocated);
}

static inline uint32_t at_most(uint64_t left, uint32_t most) {
    return left < most ? (uint32_t)left : most;
}

static inline void arm(thread_cache *self) {
    const uint32_t next = at_most(at_most(self->trim_left, self->arms_most), self->gap_left);
    self->each_upto = self->is_each ? at_most(self->trim_left, self->arms_most) : 0;
    self->unusual =
        self->is_each || self->gap_left == GAP_NONE || self->gap_left >= self->trim_left || self->arms_most != GAP_NONE;
    countdown_begin_rearming(self);
    countdown_set(&self->armed, next);
    POOLBUF_SET_(*self->countdown, next);
    countdown_end_rearming(self);
}

/* Books the allocations since arming; returns nothing left to count down in either interval as 0. */
static inline void book(thread_cache *self) {
    uint32_t passed = countdown_passed(self);
    countdown_begin_rearming(self);
    counter_add(&self->allocated, passed);
    countdown_set(&self->armed, POOLBUF_GET_(*self->countdown));
    countdown_end_rearming(self);
    if (self->gap_left != GAP_NONE) {
        self->gap_left -= passed < self->gap_left ? passed : self->gap_left;
    }
    self->trim_left -= passed < self->trim_left ? passed : self->trim_left;
}

void thread_cache_restart(thread_cache *self) {
    self->restart = true;
    self->unusual = true;
    self->each_upto = 0;
    book(self);
    countdown_begin_rearming(self);
    countdown_set(&self->armed, 1);
    POOLBUF_SET_(*self->countdown, 1);
    countdown_end_rearming(self);
}

static void trim(thread_cache *self);

static bool trim_is_due(const thread_cache *self) {
    if (self->trim_left == 0) {
        return true;
    }
    uint32_t interval_ms = self->group->trim_interval_ms;
    return interval_ms != 0 && os->now_ms() - self->trimmed_ms >= interval_ms;
}

static inline void set_gap(thread_cache *self, uint32_t gap) {
    self->is_each = gap == 0;
    self->gap_left = gap != 0 ? gap : 1;
}

static void begin_anew(thread_cache *self) {
    self->restart = false;
    book(self);
    set_gap(self, tracker_next_gap(self));
    arm(self);
}

bool thread_cache_begin_gap(thread_cache *self, uint32_t gap) {
    POOLBUF_SET_(*self->countdown, POOLBUF_GET_(*self->countdown) - 1);
    book(self);
    set_gap(self, gap);
    if (trim_is_due(self)) {
        trim(self);
    }
    arm(self);
    return true;
}

bool thread_cache_count_unusual(thread_cache *self) {
    if (self->restart) {
        begin_anew(self);
        if (countdown_counts_each(self)) {
            return true;
        }
    }
    const uint32_t left = POOLBUF_GET_(*self->countdown) - 1;
    POOLBUF_SET_(*self->countdown, left);
    if (left != 0) {
        return false;
    }
    book(self);
    const bool sampled = self->gap_left == 0;
    if (sampled) {
        set_gap(self, tracker_next_gap(self));
    }
    if (trim_is_due(self)) {
        trim(self);
    }
    arm(self);
    return sampled;
}

/* ---- Budget ------------------------------------------------------------------------------------------------------- */

static uint32_t held(const poolbuf_bin_ *bin) {
    return (uint32_t)(poolbuf_bin_top_(bin) - bin->bottom);
}

/* What a bin may hold now. */
static uint32_t granted(const poolbuf_bin_ *bin) {
    return (uint32_t)(bin->ceiling - bin->bottom);
}

/* Raises the ceiling by a batch, or by what is left of it; false where the class or the budget allows no more. */
static bool grant(thread_cache *self, uint32_t index) {
    const bin_config *config = &self->group->bins[index];
    poolbuf_bin_ *bin = &self->fast.bins[index];
    uint32_t more = config->most - granted(bin);
    more = more < config->batch ? more : config->batch;
    size_t bytes = (size_t)more * config->bytes;
    if (more == 0 || self->budget < bytes) {
        return false;
    }
    self->budget -= bytes;
    bin->ceiling += more;
    return true;
}

/* Lowers the ceiling to whole batches that still hold what is there. */
static void revoke(thread_cache *self, uint32_t index) {
    const bin_config *config = &self->group->bins[index];
    poolbuf_bin_ *bin = &self->fast.bins[index];
    if (config->batch == 0) {
        return;
    }
    uint32_t keep = (held(bin) + config->batch - 1) / config->batch * config->batch;
    if (keep < granted(bin)) {
        self->budget += (size_t)(granted(bin) - keep) * config->bytes;
        bin->ceiling = bin->bottom + keep;
    }
    if (keep == 0) {
        self->refill[index] = 0;
    }
}

/* ---- Batches out and in ------------------------------------------------------------------------------------------- */

/* As a list, which is how an arena takes them; each has to be looked at there anyway. */
static void give_to_arena(const cache_group *group, uint32_t index, poolbuf **handles, uint32_t count) {
    poolbuf *list = NULL;
    for (uint32_t i = 0; i < count; i++) {
        poison_handle_open(handles[i], sizeof *handles[i]);
        handle_push(&list, handles[i]);
    }
    if (list == NULL) {
        return;
    }
    if (group->bins[index].naked) {
        arena_give_naked(cache_group_naked_arena(group), list);
    } else {
        arena_give(list);
    }
}

/* The oldest handles of a bin leave, whole batches to the depot as far as it has places; the others move down. */
static void give_bottom(thread_cache *self, uint32_t index, uint32_t count, bool to_depot) {
    cache_group *group = self->group;
    poolbuf_bin_ *bin = &self->fast.bins[index];
    uint32_t batch = group->bins[index].batch;
    uint32_t given = 0;
    while (to_depot && count - given >= batch && depot_put(&group->depot[index], bin->bottom + given)) {
        given += batch;
    }
    give_to_arena(group, index, bin->bottom + given, count - given);
    uint32_t left = held(bin) - count;
    memmove(bin->bottom, bin->bottom + count, left * sizeof(poolbuf *));
    if (poison_memcheck) {
        memset(bin->bottom + left, 0, count * sizeof(poolbuf *)); /* no pointer to a buffer that is out: see poison.h */
    }
    poolbuf_bin_set_top_(bin, bin->bottom + left);
    bin->floor = bin->floor > bin->bottom + count ? bin->floor - count : bin->bottom;
    counter_add(&self->counters.flushes, 1);
    counter_add(&self->counters.handles_out, count);
    if (given != 0 && group->wake != NULL) {
        group->wake();
    }
}

static uint32_t cut(thread_cache *self, uint32_t index, uint32_t count, poolbuf **list) {
    const bin_config *config = &self->group->bins[index];
    uint32_t taken = config->naked ? arena_take_naked(cache_group_naked_arena(self->group), count, list)
                                   : arena_take(self->arenas[config->kind], config->size_class, count, list);
    if (taken != 0) {
        counter_add(&self->counters.refills, 1);
        counter_add(&self->counters.handles_in, taken);
    }
    return taken;
}

/* How many handles the arena is asked for: one at first, twice as many each time, up to a batch. */
static uint32_t next_refill(thread_cache *self, uint32_t index) {
    uint32_t batch = self->group->bins[index].batch;
    uint32_t count = self->refill[index] != 0 ? self->refill[index] : 1;
    self->refill[index] = (uint8_t)(count * 2 < batch ? count * 2 : batch);
    return count;
}

/* A batch has just arrived from another core, and with it, most likely, the need for all of it: the handles are fetched side
 * by side, where one pop after the other would wait for each. */
static void fetch(poolbuf *const *handles, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(handles[i], 1);
    }
}

/* Fills an empty bin that may hold something, from the depot or else from the arena. */
static void fill(thread_cache *self, uint32_t index) {
    poolbuf_bin_ *bin = &self->fast.bins[index];
    uint32_t batch = self->group->bins[index].batch;
    if (granted(bin) >= batch && depot_take(&self->group->depot[index], bin->bottom)) {
        fetch(bin->bottom, batch);
        poolbuf_bin_set_top_(bin, bin->bottom + batch);
        counter_add(&self->counters.refills, 1);
        counter_add(&self->counters.handles_in, batch);
        return;
    }
    poolbuf *list = NULL;
    uint32_t taken = cut(self, index, next_refill(self, index), &list);
    /* The list has the one that was cut last in front; the stack has the first one on top. */
    for (uint32_t i = 0; i < taken; i++) {
        poolbuf *handle = handle_pop(&list);
        handle->link = NULL;
        poison_handle_close(handle, sizeof *handle);
        bin->bottom[i] = handle;
    }
    poolbuf_bin_set_top_(bin, bin->bottom + taken);
}

poolbuf *thread_cache_take(thread_cache *self, uint32_t index) {
    poolbuf_bin_ *bin = &self->fast.bins[index];
    counter_add(&self->counters.slow_takes, 1);
    if (poolbuf_bin_top_(bin) == bin->bottom) {
        counter_add(&self->counters.misses, 1);
        if (granted(bin) == 0 && !grant(self, index)) {
            poolbuf *alone = NULL;
            return cut(self, index, 1, &alone) != 0 ? handle_pop(&alone) : NULL;
        }
        fill(self, index);
        if (poolbuf_bin_top_(bin) == bin->bottom) {
            return NULL;
        }
    } else if (poolbuf_bin_top_(bin) == bin->floor) {
        uint32_t untouched = (uint32_t)(bin->floor - bin->bottom);
        uint32_t batch = self->group->bins[index].batch;
        bin->floor -= untouched < batch ? untouched : batch;
    }
    return thread_cache_pop(bin);
}

/* The bin holds all that it may. */
static bool make_room(thread_cache *self, uint32_t index) {
    poolbuf_bin_ *bin = &self->fast.bins[index];
    if (grant(self, index)) {
        return true;
    }
    uint32_t batch = self->group->bins[index].batch;
    uint32_t count = held(bin) < batch ? held(bin) : batch;
    if (count != 0) {
        give_bottom(self, index, count, true);
    }
    return count != 0;
}

void thread_cache_put(thread_cache *self, uint32_t index, poolbuf *handle) {
    poolbuf_bin_ *bin = &self->fast.bins[index];
    if (poolbuf_bin_top_(bin) == bin->ceiling && !make_room(self, index)) {
        poison_handle_close(handle, sizeof *handle);
        counter_add(&self->counters.handles_out, 1);
        give_to_arena(self->group, index, &handle, 1);
        return;
    }
    poison_handle_close(handle, sizeof *handle);
    poolbuf **top = poolbuf_bin_top_(bin);
    *top = handle;
    poolbuf_bin_set_top_(bin, top + 1);
}

/* ---- Trimming ----------------------------------------------------------------------------------------------------- */

static void trim_bin(thread_cache *self, uint32_t index) {
    poolbuf_bin_ *bin = &self->fast.bins[index];
    uint32_t untouched = (uint32_t)(bin->floor - bin->bottom);
    if (untouched != 0) {
        give_bottom(self, index, untouched, true);
    }
    revoke(self, index);
    bin->floor = poolbuf_bin_top_(bin);
}

static void trim(thread_cache *self) {
    self->trim_left = self->group->trim_interval != 0 ? self->group->trim_interval : TRIM_NEVER;
    self->trimmed_ms = self->group->trim_interval_ms != 0 ? os->now_ms() : 0;
    for (uint32_t i = 0; i < self->group->bin_count; i++) {
        if (granted(&self->fast.bins[i]) != 0) {
            trim_bin(self, i);
        }
    }
    cache_group_trim_depot(self->group);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < self->group->arena_counts[kind]; i++) {
            arena_decay(&self->group->arenas[kind][i]);
        }
    }
}

void thread_cache_flush(thread_cache *self, bool to_depot) {
    for (uint32_t i = 0; i < self->group->bin_count; i++) {
        uint32_t count = held(&self->fast.bins[i]);
        if (count != 0) {
            give_bottom(self, i, count, to_depot);
        }
        revoke(self, i);
    }
}

static void drain_bin(cache_group *group, uint32_t index, uint32_t count) {
    poolbuf *batch[CACHE_BATCH_MAX];
    depot_bin *bin = &group->depot[index];
    for (; count > 0 && depot_take(bin, batch); count--) {
        give_to_arena(group, index, batch, bin->batch);
    }
}

void cache_group_drain_depot(cache_group *group) {
    for (uint32_t i = 0; i < group->bin_count; i++) {
        drain_bin(group, i, DEPOT_PLACES_MAX);
    }
}

void cache_group_trim_depot(cache_group *group) {
    for (uint32_t first = 0; first < group->bin_count; first += BITMAP_WORD_BITS) {
        uint64_t marks = depot_marks(&group->depot_used[first / BITMAP_WORD_BITS]);
        for (; marks != 0; marks &= marks - 1) {
            uint32_t index = first + (uint32_t)__builtin_ctzll(marks);
            drain_bin(group, index, depot_trim(&group->depot[index]));
        }
    }
}

/* ---- What others may look at -------------------------------------------------------------------------------------- */

uint64_t thread_cache_idle(const thread_cache *self, uint32_t bin) {
    return held(&self->fast.bins[bin]);
}

uint64_t thread_cache_takes(const thread_cache *self) {
    uint64_t fast = thread_cache_allocated(self) - counter_get(&self->counters.slow_counts);
    return fast + counter_get(&self->counters.slow_takes);
}

int64_t thread_cache_received(const thread_cache *self) {
    uint64_t idle = 0;
    for (uint32_t i = 0; i < self->group->bin_count; i++) {
        idle += thread_cache_idle(self, i);
    }
    return (int64_t)(idle + counter_get(&self->counters.handles_out) - counter_get(&self->counters.handles_in));
}

/* All that lies in a bin is dead, and of that bin. */
static bool audit_bin(const poolbuf_bin_ *bin, uint32_t index, const bin_config *config) {
    POOLBUF_AUDIT(bin->bottom <= bin->floor); /* T1 */
    POOLBUF_AUDIT(bin->floor <= bin->top);
    POOLBUF_AUDIT(bin->top <= bin->ceiling);
    POOLBUF_AUDIT(granted(bin) <= config->most);
    for (poolbuf **place = bin->bottom; place != bin->top; place++) {
        poolbuf *handle = *place;
        POOLBUF_AUDIT(handle != NULL);
        poison_handle_open(handle, sizeof *handle);
        bool dead = handle_count_of(handle_state_get(handle)) == 0 && handle->capacity == 0 &&
                    handle->writer_index == 0 && handle->reader_index == 0 && handle->link == NULL;
        bool filed = config->naked ? handle->memory == NULL : handle->bin == index && handle->memory != NULL;
        poison_handle_close(handle, sizeof *handle);
        POOLBUF_AUDIT(dead);
        POOLBUF_AUDIT(filed);
    }
    return true;
}

bool thread_cache_audit(const thread_cache *self) {
    size_t charged = 0;
    for (uint32_t i = 0; i < self->group->bin_count; i++) {
        const bin_config *config = &self->group->bins[i];
        if (!audit_bin(&self->fast.bins[i], i, config)) {
            return false;
        }
        charged += (size_t)granted(&self->fast.bins[i]) * config->bytes;
    }
    POOLBUF_AUDIT(charged + self->budget == self->group->budget); /* T2 */
    return true;
}
