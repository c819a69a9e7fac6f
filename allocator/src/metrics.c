/* Metrics: a snapshot, added up from what arenas and caches know. */
#include "metrics.h"

#include <string.h>

#include "allocator.h"
#include "counter.h"
#include "registry.h"
#include "tracker.h"

static void add_arena(poolbuf_metrics *m, arena *source) {
    const arena_counters *counters = &source->counters;
    m->huge_buffers += counter_get(&counters->huge_buffers);
    m->huge_bytes += counter_get(&counters->huge_bytes);
    m->arena_allocations += counter_get(&counters->allocations);
    m->arena_releases += counter_get(&counters->releases);
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

static void add_caches(poolbuf_metrics *m, const cache_group *group) {
    for (uint32_t i = 0; i < group->naked_bin; i++) {
        uint64_t idle = (uint64_t)depot_count(&group->depot[i]) * group->bins[i].batch;
        for (const thread_cache *cache = group->first; cache != NULL; cache = cache->next_of_group) {
            idle += thread_cache_idle(cache, i);
        }
        m->cached_buffers += idle;
        m->cached_bytes += idle * group->bins[i].bytes;
    }
    m->allocations += counter_get(&group->retired_allocations) + counter_get(&group->uncached_allocations);
    for (const thread_cache *cache = group->first; cache != NULL; cache = cache->next_of_group) {
        m->allocations += thread_cache_allocated(cache);
    }
    m->thread_caches += group->cache_count;
    m->metadata_bytes += group->records.bytes;
}

poolbuf_status poolbuf_allocator_metrics(poolbuf_allocator *allocator, poolbuf_metrics *metrics) {
    if (metrics == NULL || metrics->struct_size < METRICS_SIZE_V1) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    poolbuf_metrics m = {.struct_size = metrics->struct_size,
                         .metadata_bytes = allocator->region_bytes + allocator->depot_bytes};
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
            add_arena(&m, &allocator->group.arenas[kind][i]);
        }
    }
    allocator_live(allocator, &m.live_buffers, &m.live_bytes);
    registry_lock();
    add_caches(&m, &allocator->group);
    registry_unlock();
    m.huge_buffers += counter_get(&allocator->unpooled_buffers);
    m.huge_bytes += counter_get(&allocator->unpooled_bytes);
    m.committed_bytes += m.huge_bytes;
    m.pinned_bytes = m.live_bytes + m.cached_bytes;
    m.chunk_bytes = m.chunk_count * allocator->options.chunk_size;
    m.releases = m.allocations > m.live_buffers ? m.allocations - m.live_buffers : 0;
    m.misuses = tracker_misuse_count();
    size_t known = metrics->struct_size < sizeof m ? metrics->struct_size : sizeof m;
    memcpy(metrics, &m, known);
    return POOLBUF_OK;
}
