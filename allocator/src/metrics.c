/* Metrics: a snapshot, added up from what arenas and caches know. */
#include "metrics.h"

#include <string.h>

#include "allocator.h"
#include "arena_metrics.h"
#include "background.h"
#include "counter.h"
#include "give_back.h"
#include "registry.h"
#include "tracker.h"
#include "withhold.h"

#define REGIONS_AT_ONCE 128u /* copied with an arena's lock held, then looked at without */

static void add_arena(poolbuf_metrics *m, const arena *source) {
    const arena_counters *counters = &source->counters;
    m->huge_buffers += counter_get(&counters->huge_buffers);
    m->huge_bytes += counter_get(&counters->huge_bytes);
    m->arena_small_allocations += counter_get(&counters->allocations[ARENA_SMALL]);
    m->arena_normal_allocations += counter_get(&counters->allocations[ARENA_NORMAL]);
    m->arena_huge_allocations += counter_get(&counters->allocations[ARENA_HUGE]);
    m->arena_small_releases += counter_get(&counters->releases[ARENA_SMALL]);
    m->arena_normal_releases += counter_get(&counters->releases[ARENA_NORMAL]);
    m->arena_huge_releases += counter_get(&counters->releases[ARENA_HUGE]);
    m->chunk_count += counter_get(&counters->chunks);
    m->spare_chunks += counter_get(&source->spares.count);
    m->chunk_maps += counter_get(&counters->chunk_maps);
    m->chunk_unmaps += counter_get(&counters->chunk_unmaps);
    uint64_t dirty_pages = counter_get(&counters->dirty_pages);
    m->dirty_bytes += dirty_pages << source->config.classes->page_log2;
    m->committed_bytes += (counter_get(&counters->used_pages) + dirty_pages) << source->config.classes->page_log2;
    m->purges += counter_get(&counters->purges);
    m->purged_bytes += counter_get(&counters->purged_bytes);
    m->metadata_bytes += arena_metadata_bytes(source);
}

static uint64_t used_bytes(const poolbuf_allocator *allocator, unsigned kind) {
    uint64_t bytes = counter_get(&allocator->unpooled_bytes[kind]);
    for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
        const arena_counters *counters = &allocator->group.arenas[kind][i].counters;
        bytes += counter_get(&counters->chunks) * allocator->options.chunk_size + counter_get(&counters->huge_bytes);
    }
    return bytes;
}

static void add_arenas(poolbuf_metrics *m, const poolbuf_allocator *allocator) {
    const cache_group *group = &allocator->group;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            add_arena(m, &group->arenas[kind][i]);
        }
        m->huge_buffers += counter_get(&allocator->unpooled_buffers[kind]);
        m->huge_bytes += counter_get(&allocator->unpooled_bytes[kind]);
    }
    m->arena_allocations = m->arena_small_allocations + m->arena_normal_allocations + m->arena_huge_allocations;
    m->arena_releases = m->arena_small_releases + m->arena_normal_releases + m->arena_huge_releases;
    m->committed_bytes += m->huge_bytes;
    m->chunk_bytes = m->chunk_count * allocator->options.chunk_size;
    m->used_direct_bytes = used_bytes(allocator, POOLBUF_KIND_DIRECT);
    m->used_heap_bytes = used_bytes(allocator, POOLBUF_KIND_HEAP);
}

/* What the thread caches know. */
typedef struct cache_totals {
    uint64_t idle[BIN_MAX];
    uint64_t allocations;
    uint64_t caches;
    cache_counters counters;
} cache_totals;

static void add_cache(void *context, const thread_cache *cache) {
    cache_totals *totals = context;
    allocator_add_cache_idle(cache, totals->idle);
    totals->allocations += thread_cache_allocated(cache);
    totals->caches += cache->thread != NULL; /* else it was lost in a fork() */
    int64_t received = thread_cache_received(cache);
    totals->counters.takes += thread_cache_takes(cache);
    totals->counters.misses += counter_get(&cache->counters.misses);
    totals->counters.refills += counter_get(&cache->counters.refills);
    totals->counters.flushes += counter_get(&cache->counters.flushes);
    totals->counters.net_received += received > 0 ? (uint64_t)received : 0;
}

/* Of caches that are gone. Before the others are looked at: a cache that goes meanwhile may be missed so, but counts once. */
static cache_totals retired_totals(const cache_group *group) {
    const cache_counters *retired = &group->retired;
    return (cache_totals){
        .allocations = counter_get(&group->retired_allocations) + counter_get(&group->uncached_allocations),
        .counters = {.takes = counter_get(&retired->takes),
                     .misses = counter_get(&retired->misses),
                     .refills = counter_get(&retired->refills),
                     .flushes = counter_get(&retired->flushes),
                     .net_received = counter_get(&retired->net_received)},
    };
}

/* A sum that may have missed something, but nothing that was not there: so what was told before still holds, and no counter falls. */
static uint64_t told_or_more(uint64_t *told, uint64_t sum) {
    uint64_t before = counter_get(told);
    while (before < sum && !__atomic_compare_exchange_n(told, &before, sum, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return before < sum ? sum : before;
}

static void add_traffic(poolbuf_metrics *m, told_counters *told, const cache_totals *totals) {
    const cache_counters *counters = &totals->counters;
    m->allocations = told_or_more(&told->allocations, totals->allocations);
    m->cache_misses = told_or_more(&told->misses, counters->misses);
    m->cache_hits = counters->takes > m->cache_misses ? counters->takes - m->cache_misses : 0;
    m->cache_refills = told_or_more(&told->refills, counters->refills);
    m->cache_flushes = told_or_more(&told->flushes, counters->flushes);
    m->remote_releases = counters->net_received;
}

static void add_buffers(poolbuf_metrics *m, poolbuf_allocator *allocator) {
    const cache_group *group = &allocator->group;
    cache_totals totals = retired_totals(group);
    buffer_totals live = {0};
    background_hold();
    allocator_add_depot_idle(group, totals.idle);
    registry_visit_caches(group, add_cache, &totals);
    allocator_add_live(allocator, totals.idle, &live);
    background_let_go();
    uint64_t cached_bytes[CACHE_KINDS] = {0};
    for (uint32_t i = 0; i < group->naked_bin; i++) {
        m->cached_buffers += totals.idle[i];
        cached_bytes[group->bins[i].kind] += totals.idle[i] * group->bins[i].bytes;
    }
    m->live_buffers = live.buffers[0] + live.buffers[1];
    m->live_direct_bytes = live.bytes[POOLBUF_KIND_DIRECT];
    m->live_heap_bytes = live.bytes[POOLBUF_KIND_HEAP];
    m->live_bytes = m->live_direct_bytes + m->live_heap_bytes;
    m->cached_bytes = cached_bytes[0] + cached_bytes[1];
    m->pinned_direct_bytes = m->live_direct_bytes + cached_bytes[POOLBUF_KIND_DIRECT];
    m->pinned_heap_bytes = m->live_heap_bytes + cached_bytes[POOLBUF_KIND_HEAP];
    m->pinned_bytes = m->live_bytes + m->cached_bytes;
    m->thread_caches = totals.caches;
    add_traffic(m, &allocator->told, &totals);
    m->releases = m->allocations > m->live_buffers ? m->allocations - m->live_buffers : 0;
}

static void add_shape(poolbuf_metrics *m, const poolbuf_allocator *allocator) {
    const poolbuf_allocator_options *options = &allocator->options;
    m->direct_arenas = allocator->group.arena_counts[POOLBUF_KIND_DIRECT];
    m->heap_arenas = allocator->group.arena_counts[POOLBUF_KIND_HEAP];
    m->page_size = options->page_size;
    m->chunk_size = options->chunk_size;
    m->small_cache_size = options->small_cache_size;
    m->normal_cache_size = options->normal_cache_size;
}

/* The system is asked without a lock. A region that has gone meanwhile counts nothing, or what has been mapped in its place. */
static uint64_t arena_resident_bytes(arena *source) {
    region_extent regions[REGIONS_AT_ONCE];
    uint64_t bytes = 0;
    size_t seen = 0;
    size_t count = 0;
    do {
        count = arena_copy_regions(source, seen, regions, REGIONS_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            bytes += os_resident_bytes(regions[i].start, regions[i].bytes);
        }
        seen += count;
    } while (count == REGIONS_AT_ONCE);
    return bytes;
}

static void add_resident(poolbuf_metrics *m, const poolbuf_allocator *allocator) {
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
            m->resident_bytes += arena_resident_bytes(&allocator->group.arenas[kind][i]);
        }
    }
}

poolbuf_status poolbuf_allocator_metrics(poolbuf_allocator *allocator, poolbuf_metrics *metrics) {
    if (metrics == NULL || metrics->struct_size < METRICS_SIZE_V1) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    poolbuf_metrics m = {.struct_size = metrics->struct_size};
    add_arenas(&m, allocator);
    add_buffers(&m, allocator);
    add_shape(&m, allocator);
    m.metadata_bytes += allocator->region_bytes + allocator->depot_bytes + counter_get(&allocator->group.records.bytes);
    m.metadata_bytes +=
        region_pool_metadata_bytes(&allocator->region_pool) + withhold_metadata_bytes(&allocator->group);
    m.payload_bytes = counter_get(&allocator->region_pool.used_bytes);
    m.memory_limit_hits = counter_get(&allocator->region_pool.limit_hits);
    m.huge_page_fallbacks = counter_get(&allocator->region_pool.fallbacks);
    give_back_waiting(&m.refused_regions, &m.refused_bytes);
    m.misuses = tracker_misuse_count();
    if (metrics->struct_size >= offsetof(poolbuf_metrics, resident_bytes) + sizeof m.resident_bytes) {
        add_resident(&m, allocator);
    }
    size_t known = metrics->struct_size < sizeof m ? metrics->struct_size : sizeof m;
    memcpy(metrics, &m, known);
    return POOLBUF_OK;
}

/* ---- Arenas ------------------------------------------------------------------------------------------------------- */

/* NULL if there is no such arena. */
static arena *find_arena(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index) {
    if (allocator == NULL || (unsigned)kind >= CACHE_KINDS || index >= allocator->group.arena_counts[kind]) {
        return NULL;
    }
    return &allocator->group.arenas[kind][index];
}

poolbuf_status poolbuf_allocator_arena_metrics(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index,
                                               poolbuf_arena_metrics *metrics) {
    if (metrics == NULL || metrics->struct_size < ARENA_METRICS_SIZE_V1) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    const arena *source = find_arena(allocator, kind, index);
    if (source == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    poolbuf_arena_metrics m = {.struct_size = metrics->struct_size};
    arena_read_metrics(source, &m);
    memcpy(metrics, &m, metrics->struct_size < sizeof m ? metrics->struct_size : sizeof m);
    return POOLBUF_OK;
}

/* A copy of a structure of an arena, if there is that arena; how many elements there are. */
static size_t copy_of(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index,
                      void (*copy)(arena *source, metric_array *array), metric_array array, size_t struct_size_v1) {
    arena *source = find_arena(allocator_resolve(allocator), kind, index);
    if (source == NULL || array.struct_size < struct_size_v1 || (array.elements == NULL && array.capacity != 0)) {
        return 0;
    }
    copy(source, &array);
    return array.count;
}

size_t poolbuf_allocator_chunk_lists(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index,
                                     size_t struct_size, poolbuf_chunk_list_metrics *lists, size_t capacity) {
    metric_array array = {.elements = lists, .struct_size = struct_size, .capacity = capacity};
    return copy_of(allocator, kind, index, arena_copy_chunk_lists, array, CHUNK_LIST_METRICS_SIZE_V1);
}

size_t poolbuf_allocator_chunks(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index, size_t struct_size,
                                poolbuf_chunk_metrics *chunks, size_t capacity) {
    metric_array array = {.elements = chunks, .struct_size = struct_size, .capacity = capacity};
    return copy_of(allocator, kind, index, arena_copy_chunks, array, CHUNK_METRICS_SIZE_V1);
}

size_t poolbuf_allocator_subpages(poolbuf_allocator *allocator, poolbuf_kind kind, uint32_t index, size_t struct_size,
                                  poolbuf_subpage_metrics *subpages, size_t capacity) {
    metric_array array = {.elements = subpages, .struct_size = struct_size, .capacity = capacity};
    return copy_of(allocator, kind, index, arena_copy_subpages, array, SUBPAGE_METRICS_SIZE_V1);
}
