/* The allocator's lifecycle: wires size classes, arenas, caches and options together. */
#include "allocator.h"

#include <poolbuf/chunk.h>
#include <poolbuf/options.h>
#include <poolbuf/poolbuf.h>

#include "check.h"
#include "composite.h"
#include "counter.h"
#include "give_back.h"
#include "handle.h"
#include "options.h"
#include "os/os.h"
#include "poison.h"
#include "process/cancel.h"
#include "process/sampled.h"
#include "registry.h"
#include "tracker.h"
#include "withhold.h"
#include "wrapped.h"

#define CACHE_REGION_BYTES    65536u
#define CLASS_SHARE_OF_BUDGET 8u                /* one class may fill an eighth of a thread's cache ... */
#define DEPOT_CLASS_BYTES     ((size_t)1 << 20) /* ... and the depot may hold so much of it */
#define CACHE_BATCHES         4u                /* a class's share of a cache moves in at least so many batches ... */
#define BATCH_BYTES           ((size_t)1 << 19) /* ... of no more than this, so that the depot has room for two */
#define NAKED_CACHED          256u              /* handles without memory that a thread caches */
#define ROUND_UP(n, unit)     (((n) + (unit)-1) / (unit) * (unit))

SAMPLED_WORD poolbuf_allocator *allocator_default;

const char *poolbuf_version_text(void) {
    return POOLBUF_VERSION_TEXT;
}

/* ---- Setting up --------------------------------------------------------------------------------------------------- */

static uint32_t smaller(size_t a, size_t b) {
    return (uint32_t)(a < b ? a : b);
}

/* How many of a class a thread may cache, and in what batches they move. */
static void set_limits(bin_config *bin, uint32_t entries) {
    uint32_t batch = smaller(entries / CACHE_BATCHES, CACHE_BATCH_MAX);
    batch = smaller(batch, BATCH_BYTES / bin->bytes);
    bin->most = entries;
    bin->batch = batch != 0 ? batch : smaller(entries, 1);
}

static uint32_t depot_places(const bin_config *bin) {
    return bin->batch != 0 ? smaller(DEPOT_CLASS_BYTES / bin->bytes / bin->batch, DEPOT_PLACES_MAX) : 0;
}

/* Returns how many places the bins of one cache have. */
static size_t set_up_bins(poolbuf_allocator *self) {
    const poolbuf_allocator_options *options = &self->options;
    cache_group *group = &self->group;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < self->classes.count; i++) {
            bin_config *bin = &group->bins[self->kind_bins[kind] + i];
            size_t alignment = kind == POOLBUF_KIND_DIRECT ? options->alignment : 0;
            size_t bytes = size_class_bytes(&self->classes, arena_serving_class(&self->classes, i, alignment));
            *bin = (bin_config){.bytes = (uint32_t)bytes, .size_class = (uint16_t)i, .kind = (uint8_t)kind};
            uint32_t entries =
                size_class_is_small(&self->classes, i) ? options->small_cache_size : options->normal_cache_size;
            size_t share = options->cache_limit_bytes / CLASS_SHARE_OF_BUDGET / bytes;
            if (bytes > options->max_cached_capacity || bytes > options->cache_limit_bytes) {
                entries = 0;
            } else {
                entries = smaller(entries, share > 1 ? share : 1);
            }
            set_limits(bin, entries);
        }
    }
    bin_config *naked = &group->bins[group->naked_bin];
    *naked = (bin_config){.bytes = sizeof(poolbuf), .naked = true};
    set_limits(naked, options->cache_limit_bytes >= sizeof(poolbuf) * NAKED_CACHED ? NAKED_CACHED : 0);
    uint32_t places = 0;
    for (uint32_t i = 0; i < group->bin_count; i++) {
        group->bins[i].first = places;
        places += group->bins[i].most;
    }
    return places;
}

/* Gives each bin of the depot its part of an array; without one, counts how many pointers it needs. */
static size_t set_up_depot(cache_group *group, poolbuf **handles) {
    size_t count = 0;
    for (uint32_t i = 0; i < group->bin_count; i++) {
        uint32_t places = depot_places(&group->bins[i]);
        if (handles != NULL) {
            depot_init(&group->depot[i], handles + count, group->bins[i].batch, places, group->depot_used, i);
        }
        count += (size_t)places * group->bins[i].batch;
    }
    return count;
}

/* The user's callbacks. They may use the allocator, and the thread may be in the middle of changing its cache: so it has
 * none meanwhile. */
static bool chunk_mapped(void *owner, uint32_t index, void *base, size_t bytes) {
    const poolbuf_allocator_options *options = &((const poolbuf_allocator *)owner)->options;
    const poolbuf_chunk told = {.index = index, .base = base, .bytes = bytes};
    int cancel = cancel_disable();
    registry_suspend();
    bool wanted = options->chunk_mapped == NULL || options->chunk_mapped(options->chunk_context, &told);
    registry_resume();
    cancel_restore(cancel);
    return wanted;
}

static void chunk_unmapped(void *owner, uint32_t index, void *base, size_t bytes) {
    const poolbuf_allocator_options *options = &((const poolbuf_allocator *)owner)->options;
    const poolbuf_chunk told = {.index = index, .base = base, .bytes = bytes};
    int cancel = cancel_disable();
    registry_suspend();
    if (options->chunk_unmapped != NULL) {
        options->chunk_unmapped(options->chunk_context, &told);
    }
    registry_resume();
    cancel_restore(cancel);
}

_Static_assert((int)REGION_PAGES_ADVISED == (int)POOLBUF_HUGE_PAGES_MADVISE, "the option's values are the module's");
_Static_assert((int)REGION_PAGES_GROWN == (int)POOLBUF_HUGE_PAGES_AUTO, "the option's values are the module's");
_Static_assert((int)REGION_PAGES_RESERVED == (int)POOLBUF_HUGE_PAGES_EXPLICIT, "the option's values are the module's");
_Static_assert((int)OS_NUMA_LOCAL == (int)POOLBUF_NUMA_LOCAL, "the option's values are the system's");
_Static_assert((int)OS_NUMA_INTERLEAVE == (int)POOLBUF_NUMA_INTERLEAVE, "the option's values are the system's");

static void set_up_regions(poolbuf_allocator *self) {
    bool heard = self->options.chunk_mapped != NULL || self->options.chunk_unmapped != NULL;
    const region_hooks hooks = {
        .mapped = heard ? chunk_mapped : NULL,
        .unmapped = heard ? chunk_unmapped : NULL,
        .owner = self,
    };
    region_pool_init(&self->region_pool, &hooks, self->options.memory_limit_bytes);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        region_source_init(&self->regions[kind], &self->region_pool,
                           kind == POOLBUF_KIND_HEAP || poison_memcheck ? OS_HEAP : OS_MAPPED,
                           kind == POOLBUF_KIND_DIRECT, self->options.page_size);
    }
    region_source_choose(&self->regions[POOLBUF_KIND_DIRECT], (region_pages)self->options.huge_pages,
                         (os_numa)self->options.numa);
}

static void set_up_arenas(poolbuf_allocator *self, arena *storage) {
    os_source handles = poison_memcheck ? OS_HEAP : OS_MAPPED;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        self->group.arenas[kind] = storage;
        for (uint32_t i = 0; i < self->group.arena_counts[kind]; i++, storage++) {
            arena_config config = {
                .owner = self,
                .classes = &self->classes,
                .regions = &self->regions[kind],
                .handle_source = handles,
                .alignment = kind == POOLBUF_KIND_DIRECT ? self->options.alignment : 0,
                .decay_ms = self->options.decay_ms,
                .wake = self->has_member ? background_wake : NULL,
                .handle_flags = self->group.annotated ? POOLBUF_FLAG_ANNOTATED : 0,
                .first_bin = (uint16_t)self->kind_bins[kind],
                .slot = self->group.slot,
                .kind = (uint8_t)kind,
            };
            arena_init(storage, &config);
        }
    }
}

/* Without what lies behind the flags, which may be anything of the caller's stack: with their zeros it made the address of a
 * chunk once, and a scan took it for a reference to the first buffer there. */
static void keep_options(poolbuf_allocator *self, const poolbuf_allocator_options *options) {
    enum {
        FLAGS_END = offsetof(poolbuf_allocator_options, background_thread) + sizeof options->background_thread,
        REST = offsetof(poolbuf_allocator_options, alignment)
    };
    _Static_assert(REST - FLAGS_END < (int)sizeof(uint64_t) &&
                       sizeof *options - REST ==
                           4 * sizeof(size_t) + 2 * sizeof(poolbuf_numa) + 3 * sizeof options->chunk_mapped,
                   "nowhere else are bytes between its members");
    memcpy(&self->options, options, FLAGS_END);
    memcpy((char *)&self->options + REST, (const char *)options + REST, sizeof *options - REST);
}

static void set_up(poolbuf_allocator *self, const poolbuf_allocator_options *options) {
    keep_options(self, options);
    size_classes_init(&self->classes, options->page_size, options->chunk_size, options->classes_per_doubling);
    self->kind_bins[options->prefer_direct ? POOLBUF_KIND_DIRECT : POOLBUF_KIND_HEAP] = 0;
    self->kind_bins[options->prefer_direct ? POOLBUF_KIND_HEAP : POOLBUF_KIND_DIRECT] = self->classes.count;
    cache_group *group = &self->group;
    group->annotated = poison_wanted();
    group->naked_bin = 2 * self->classes.count;
    group->bin_count = group->naked_bin + 1;
    group->largest = (uint32_t)options->chunk_size;
    group->per_log2 = self->classes.per_log2;
    group->trim_interval = options->cache_trim_interval;
    group->trim_interval_ms = options->cache_trim_interval_ms;
    group->budget = options->cache_limit_bytes;
    group->arena_counts[POOLBUF_KIND_DIRECT] = options->pooling ? options->direct_arenas : 0;
    group->arena_counts[POOLBUF_KIND_HEAP] = options->pooling ? options->heap_arenas : 0;
    self->pooled[POOLBUF_KIND_DIRECT] = group->arena_counts[POOLBUF_KIND_DIRECT] != 0;
    self->pooled[POOLBUF_KIND_HEAP] = group->arena_counts[POOLBUF_KIND_HEAP] != 0;
    set_up_regions(self);
    group->plain_naked = !group->annotated && (self->pooled[0] || self->pooled[1]);
    self->has_member = options->background_thread && (self->pooled[0] || self->pooled[1]);
    group->wake = self->has_member ? background_wake_for_depot : NULL;
    size_t places = set_up_bins(self);
    slab_init(&group->records, OS_MAPPED, thread_cache_storage(places), CACHE_REGION_BYTES);
}

static void give_back_regions(poolbuf_allocator *self) {
    withhold_fini(&self->group);
    if (self->depot_bytes != 0) {
        give_back_plain(OS_MAPPED, self->depot_handles, self->depot_bytes);
    }
    give_back_plain(OS_MAPPED, self, self->region_bytes);
}

static void tear_down(poolbuf_allocator *self);

static poolbuf_status create(const poolbuf_allocator_options *options, bool is_default, poolbuf_allocator **out) {
    poison_init();
    size_t arenas = options->pooling ? (size_t)options->direct_arenas + options->heap_arenas : 0;
    size_t struct_bytes = ROUND_UP(sizeof(poolbuf_allocator), _Alignof(arena));
    size_t bytes = struct_bytes + arenas * sizeof(arena);
    void *region = NULL;
    if (os->acquire(OS_MAPPED, bytes, os_page_size(), &region) != 0) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    poolbuf_allocator *self = region; /* a fresh mapping is zero */
    self->region_bytes = bytes;
    self->is_default = is_default;
    set_up(self, options);
    self->depot_bytes = set_up_depot(&self->group, NULL) * sizeof(poolbuf *);
    if (self->depot_bytes != 0 &&
        os->acquire(OS_MAPPED, self->depot_bytes, os_page_size(), &self->depot_handles) != 0) {
        give_back_plain(OS_MAPPED, region, bytes);
        return POOLBUF_ERROR_NO_MEMORY;
    }
    (void)set_up_depot(&self->group, self->depot_handles);
    /* The slot is chosen before the arenas copy it; nobody else can use the group yet, and a fork() meanwhile would find
     * arenas to lock, so their count is hidden until they exist. */
    uint32_t counts[CACHE_KINDS] = {self->group.arena_counts[0], self->group.arena_counts[1]};
    self->group.arena_counts[0] = self->group.arena_counts[1] = 0;
    if (!registry_add(&self->group, is_default)) {
        give_back_regions(self);
        return POOLBUF_ERROR_NO_MEMORY;
    }
    registry_lock();
    self->group.arena_counts[0] = counts[0];
    self->group.arena_counts[1] = counts[1];
    set_up_arenas(self, (arena *)(void *)((char *)region + struct_bytes));
    registry_unlock();
    poison_pool_create(allocator_anchor(self));
    if (self->has_member && !background_enter(&self->member, &self->group, options->decay_ms)) {
        tear_down(self);
        return POOLBUF_ERROR_NO_MEMORY;
    }
    *out = self;
    return POOLBUF_OK;
}

poolbuf_status poolbuf_allocator_create(const poolbuf_allocator_options *options, poolbuf_allocator **allocator) {
    poolbuf_allocator_options defaults;
    if (options == NULL) {
        poolbuf_allocator_options_init(&defaults);
        options = &defaults;
    }
    if (options->struct_size != sizeof *options || allocator == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    int cancel = cancel_disable();
    poolbuf_status status = POOLBUF_ERROR_BAD_OPTION;
    if (options_check(options)) {
        status = create(options, false, allocator);
    }
    cancel_restore(cancel);
    return status;
}

/* The default allocator must exist even where the environment's options do not fit each other: an option that does
 * not has its default then, which is said on stderr. And it must where the system starts no thread, which is said
 * here. */
static poolbuf_allocator *make_default_locked(void) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options_mend(&options);
    poolbuf_allocator *made = NULL;
    if (create(&options, true, &made) != POOLBUF_OK && options.background_thread) {
        options.background_thread = false;
        if (create(&options, true, &made) == POOLBUF_OK) {
            (void)fprintf(stderr,
                          "poolbuf: POOLBUF_BACKGROUND_THREAD=on: the system starts no thread; going on without\n");
            options_exit_if_strict();
        }
    }
    return made;
}

poolbuf_allocator *poolbuf_allocator_default(void) {
    poolbuf_allocator *self = __atomic_load_n(&allocator_default, __ATOMIC_ACQUIRE);
    if (POOLBUF_LIKELY(self != NULL)) {
        return self;
    }
    int cancel = cancel_disable();
    /* Before the lock: another thread may hold the loader's, and wait for ours in a constructor that allocates. */
    options_load();
    registry_lock_creation();
    self = allocator_default;
    if (self == NULL) {
        self = make_default_locked();
        __atomic_store_n(&allocator_default, self, __ATOMIC_RELEASE);
    }
    registry_unlock_creation();
    cancel_restore(cancel);
    return self;
}

poolbuf_allocator *allocator_of(const poolbuf *buffer) {
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    if ((flags & POOLBUF_FLAG_UNPOOLED) != 0) {
        return buffer->origin;
    }
    if ((flags & POOLBUF_FLAG_COMPOSITE) != 0) {
        return ((const composite *)buffer->origin)->allocator;
    }
    if ((flags & POOLBUF_FLAG_WRAPPED) != 0) {
        return allocator_resolve(wrapped_allocator(buffer));
    }
    return ((const chunk *)buffer->origin)->arena->config.owner;
}

/* ---- The end ------------------------------------------------------------------------------------------------------ */

static uint64_t destroyed_allocations; /* atomic; buffers ever handed out by allocators that are gone */

static void tear_down(poolbuf_allocator *self) {
    registry_remove(&self->group);
    counter_add_shared(&destroyed_allocations,
                       counter_get(&self->group.retired_allocations) + counter_get(&self->group.uncached_allocations));
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < self->group.arena_counts[kind]; i++) {
            arena_fini(&self->group.arenas[kind][i]);
        }
    }
    region_pool_fini(&self->region_pool);
    slab_fini(&self->group.records);
    poison_pool_destroy(allocator_anchor(self));
    give_back_regions(self);
}

poolbuf_status poolbuf_allocator_destroy(poolbuf_allocator *allocator) {
    if (allocator == NULL || allocator->is_default) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    uint64_t buffers = 0;
    uint64_t bytes = 0;
    tracker_surrender(allocator);
    if (allocator->has_member) {
        background_leave(&allocator->member);
    }
    allocator_live(allocator, &buffers, &bytes);
    if (buffers != 0) {
        tracker_allocator_destroyed(allocator, buffers, bytes);
    }
    /* One more than are alive: the calls that release them and this one must not both be the last. */
    __atomic_store_n(&allocator->orphans, buffers + 1, __ATOMIC_RELEASE);
    registry_close(&allocator->group);
    region_pool_settle(&allocator->region_pool);
    cache_group_drain_depot(&allocator->group);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
            arena_close(&allocator->group.arenas[kind][i]);
        }
    }
    allocator_orphan_gone(allocator);
    return buffers != 0 ? POOLBUF_ERROR_LIVE_BUFFERS : POOLBUF_OK;
}

void allocator_orphan_gone(poolbuf_allocator *allocator) {
    if (counter_sub_shared(&allocator->orphans, 1) == 0) {
        tear_down(allocator);
    }
}

/* ---- Giving back -------------------------------------------------------------------------------------------------- */

void poolbuf_trim_thread_cache(poolbuf_allocator *allocator) {
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return;
    }
    thread_cache *cache = registry_cache(&allocator->group);
    if (cache != NULL) {
        thread_cache_flush(cache, false);
    }
}

size_t poolbuf_allocator_purge(poolbuf_allocator *allocator) {
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return 0;
    }
    tracker_surrender(allocator);
    poolbuf_trim_thread_cache(allocator);
    cache_group_drain_depot(&allocator->group);
    give_back_retry();
    size_t bytes = 0;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
            bytes += arena_purge(&allocator->group.arenas[kind][i]);
        }
    }
    return bytes;
}

/* ---- Looking ------------------------------------------------------------------------------------------------------ */

typedef struct total {
    uint64_t buffers, bytes, allocated;
} total;

static uint64_t allocated_locked(const cache_group *group) {
    uint64_t allocated = counter_get(&group->retired_allocations) + counter_get(&group->uncached_allocations);
    for (const thread_cache *cache = group->first; cache != NULL; cache = cache->next_of_group) {
        allocated += thread_cache_allocated(cache);
    }
    return allocated;
}

void allocator_add_depot_idle(const cache_group *group, uint64_t idle[BIN_MAX]) {
    for (uint32_t i = 0; i < group->bin_count; i++) {
        idle[i] += (uint64_t)depot_count(&group->depot[i]) * group->bins[i].batch;
    }
    withhold_add_idle(group, idle);
}

void allocator_add_cache_idle(const thread_cache *cache, uint64_t idle[BIN_MAX]) {
    for (uint32_t i = 0; i < cache->group->bin_count; i++) {
        idle[i] += thread_cache_idle(cache, i);
    }
}

/* Carved minus cached, by bin; never below zero, though a reader in the middle of traffic may see the parts at
 * different moments. */
void allocator_add_live(const poolbuf_allocator *self, const uint64_t idle[BIN_MAX], buffer_totals *sum) {
    const cache_group *group = &self->group;
    for (uint32_t i = 0; i < group->naked_bin; i++) {
        const bin_config *bin = &group->bins[i];
        uint64_t carved = 0;
        for (uint32_t j = 0; j < group->arena_counts[bin->kind]; j++) {
            carved += counter_get(&group->arenas[bin->kind][j].counters.carved[bin->size_class]);
        }
        uint64_t live = carved > idle[i] ? carved - idle[i] : 0;
        sum->buffers[bin->kind] += live;
        sum->bytes[bin->kind] += live * bin->bytes;
    }
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            sum->buffers[kind] += counter_get(&group->arenas[kind][i].counters.huge_buffers);
            sum->bytes[kind] += counter_get(&group->arenas[kind][i].counters.huge_bytes);
        }
        sum->buffers[kind] += counter_get(&self->unpooled_buffers[kind]);
        sum->bytes[kind] += counter_get(&self->unpooled_bytes[kind]);
        sum->buffers[kind] += striped_get(&self->hollow_buffers, kind);
    }
}

static void live_locked(const poolbuf_allocator *self, total *sum) {
    uint64_t idle[BIN_MAX] = {0};
    buffer_totals live = {0};
    allocator_add_depot_idle(&self->group, idle);
    for (const thread_cache *cache = self->group.first; cache != NULL; cache = cache->next_of_group) {
        allocator_add_cache_idle(cache, idle);
    }
    allocator_add_live(self, idle, &live);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        sum->buffers += live.buffers[kind];
        sum->bytes += live.bytes[kind];
    }
}

void allocator_live(poolbuf_allocator *allocator, uint64_t *buffers, uint64_t *bytes) {
    total sum = {0};
    background_hold();
    registry_lock();
    live_locked(allocator, &sum);
    registry_unlock();
    background_let_go();
    *buffers = sum.buffers;
    *bytes = sum.bytes;
}

static void add_group_locked(void *context, cache_group *group) {
    total *sum = context;
    live_locked((const poolbuf_allocator *)(const void *)group, sum); /* the group is its first member */
    sum->allocated += allocated_locked(group);
}

_Static_assert(offsetof(struct poolbuf_allocator, group) == 0, "a group's address is its allocator's");

void poolbuf_live_totals(uint64_t *buffers, uint64_t *bytes, uint64_t *allocated) {
    total sum = {.allocated = counter_get(&destroyed_allocations)};
    background_hold();
    registry_visit(add_group_locked, &sum);
    background_let_go();
    if (buffers != NULL) {
        *buffers = sum.buffers;
    }
    if (bytes != NULL) {
        *bytes = sum.bytes;
    }
    if (allocated != NULL) {
        *allocated = sum.allocated;
    }
}

static void add_closed_group_locked(void *context, cache_group *group) {
    if (allocator_is_closed((const poolbuf_allocator *)(const void *)group)) {
        add_group_locked(context, group);
    }
}

void poolbuf_orphan_totals(uint64_t *buffers, uint64_t *bytes) {
    total sum = {0};
    registry_visit(add_closed_group_locked, &sum);
    if (buffers != NULL) {
        *buffers = sum.buffers;
    }
    if (bytes != NULL) {
        *bytes = sum.bytes;
    }
}

static void dump_settings(const poolbuf_allocator *self, FILE *stream) {
    const poolbuf_allocator_options *options = &self->options;
    (void)fprintf(stream, "  %u direct arenas, %u heap arenas, %s preferred%s\n",
                  self->group.arena_counts[POOLBUF_KIND_DIRECT], self->group.arena_counts[POOLBUF_KIND_HEAP],
                  options->prefer_direct ? "direct" : "heap", options->pooling ? "" : "; pooling is off");
    (void)fprintf(stream,
                  "  a thread caches %zu bytes, buffers up to %zu bytes, %u of a small class, %u of a larger one; "
                  "trims every %u allocations\n",
                  options->cache_limit_bytes, options->max_cached_capacity, options->small_cache_size,
                  options->normal_cache_size, options->cache_trim_interval);
}

/* Handles of a bin that wait somewhere; their number. */
static unsigned long long dump_bin(const cache_group *group, uint32_t bin, unsigned long long handles, FILE *stream) {
    const bin_config *config = &group->bins[bin];
    if (handles != 0) {
        const char *kind = config->kind == POOLBUF_KIND_DIRECT ? "direct" : "heap";
        (void)fprintf(stream, "  bin %u (%s, %u bytes): %llu handles\n", bin, config->naked ? "no memory" : kind,
                      config->bytes, handles);
    }
    return handles;
}

static void dump_cache(void *context, const thread_cache *cache) {
    FILE *stream = context;
    (void)fprintf(stream, "cache %p: %llu allocations, arenas", (const void *)cache,
                  (unsigned long long)thread_cache_allocated(cache));
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        (void)fprintf(stream, " %p", (const void *)cache->arenas[kind]);
    }
    (void)fprintf(stream, "%s\n", cache->thread == NULL ? "; its thread was lost in a fork()" : "");
    for (uint32_t i = 0; i < cache->group->bin_count; i++) {
        (void)dump_bin(cache->group, i, thread_cache_idle(cache, i), stream);
    }
}

poolbuf_status poolbuf_allocator_dump(poolbuf_allocator *allocator, FILE *stream) {
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    int cancel = cancel_disable(); /* it writes with locks held */
    const cache_group *group = &allocator->group;
    uint64_t buffers = 0;
    uint64_t bytes = 0;
    allocator_live(allocator, &buffers, &bytes);
    (void)fprintf(stream, "allocator %p: pages of %zu, chunks of %zu, %u classes, %llu buffers of %llu bytes alive\n",
                  (void *)allocator, allocator->options.page_size, allocator->options.chunk_size,
                  allocator->classes.count, (unsigned long long)buffers, (unsigned long long)bytes);
    dump_settings(allocator, stream);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            arena_dump(&group->arenas[kind][i], stream);
        }
    }
    unsigned long long waiting = 0;
    (void)fprintf(stream, "depot:\n");
    for (uint32_t i = 0; i < group->bin_count; i++) {
        waiting += dump_bin(group, i, (unsigned long long)depot_count(&group->depot[i]) * group->bins[i].batch, stream);
    }
    (void)fprintf(stream, "%s", waiting == 0 ? "  none\n" : "");
    registry_visit_caches(group, dump_cache, stream);
    cancel_restore(cancel);
    return ferror(stream) == 0 ? POOLBUF_OK : POOLBUF_ERROR_BAD_ARGUMENT;
}

bool allocator_audit(poolbuf_allocator *allocator) {
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
            if (!arena_audit(&allocator->group.arenas[kind][i])) {
                return false;
            }
        }
    }
    bool good = true;
    registry_lock();
    for (const thread_cache *cache = allocator->group.first; cache != NULL && good; cache = cache->next_of_group) {
        if (cache->thread == NULL) {
            continue; /* lost in a fork(), perhaps in the middle of a change */
        }
        good = thread_cache_audit(cache);
    }
    registry_unlock();
    return good;
}
