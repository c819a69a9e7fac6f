/* Every field of poolbuf_metrics, once: what writes a snapshot as text is made from this list.
 *
 * A row: METRIC(field, family, type, unit, help)
 *   field   of poolbuf_metrics, in its order; also the name in JSON
 *   family  in OpenMetrics, after "poolbuf_": the field, where its suffix has no other meaning there
 *   type    gauge, or counter: only ever grows, though threads allocate meanwhile
 *   unit    "" for a number of things, else what the name ends in
 *   help    one line without quotes and backslashes
 *
 * The struct is written out in the public header, where people read it; metrics_text.c refuses to compile if a field of it is
 * missing here or stands elsewhere. This file has no include guard on purpose: each includer defines METRIC. */
#ifndef METRIC
#error "define METRIC before including metrics_list.h"
#endif

METRIC(live_buffers, "live_buffers", gauge, "", "buffers in users' hands")
METRIC(live_bytes, "live_bytes", gauge, "bytes", "their bytes, those of a pooled buffer's size class")
METRIC(cached_buffers, "cached_buffers", gauge, "",
       "handles that wait, with their memory, in thread caches and in the depot")
METRIC(cached_bytes, "cached_bytes", gauge, "bytes", "their bytes")
METRIC(pinned_bytes, "pinned_bytes", gauge, "bytes", "live and cached bytes, which no chunk can give back now")
METRIC(huge_buffers, "huge_buffers", gauge, "", "live buffers that are larger than a chunk, or unpooled")
METRIC(huge_bytes, "huge_bytes", gauge, "bytes", "their bytes")
METRIC(chunk_count, "chunks", gauge, "", "chunks mapped, spare ones included")
METRIC(chunk_bytes, "chunk_bytes", gauge, "bytes", "their bytes")
METRIC(metadata_bytes, "metadata_bytes", gauge, "bytes", "handles, chunk records, caches and tables")
METRIC(allocations, "allocations", counter, "", "buffers handed out")
METRIC(releases, "releases", gauge, "", "allocations minus live buffers: those that came back")
METRIC(arena_allocations, "arena_allocations", counter, "", "buffers that an arena cut from a chunk")
METRIC(arena_releases, "arena_releases", counter, "", "buffers that went back into a chunk")
METRIC(chunk_maps, "chunk_maps", counter, "", "chunks taken from the system")
METRIC(chunk_unmaps, "chunk_unmaps", counter, "", "chunks given back to the system")
METRIC(thread_caches, "thread_caches", gauge, "", "threads that have a cache of this allocator")
METRIC(misuses, "misuses", counter, "", "releases and uses of dead buffers, in the whole process")
METRIC(spare_chunks, "spare_chunks", gauge, "", "chunks that are empty and wait to be needed again")
METRIC(payload_bytes, "payload_bytes", gauge, "bytes", "what the bytes of buffers have taken from the system")
METRIC(memory_limit_hits, "memory_limit_hits", counter, "", "times that the memory limit refused memory")
METRIC(refused_regions, "refused_regions", gauge, "",
       "regions that the system would not take back, in the whole process")
METRIC(refused_bytes, "refused_bytes", gauge, "bytes", "their bytes")
METRIC(live_direct_bytes, "live_direct_bytes", gauge, "bytes", "bytes of live direct buffers")
METRIC(live_heap_bytes, "live_heap_bytes", gauge, "bytes", "bytes of live heap buffers")
METRIC(pinned_direct_bytes, "pinned_direct_bytes", gauge, "bytes", "live and cached bytes of direct buffers")
METRIC(pinned_heap_bytes, "pinned_heap_bytes", gauge, "bytes", "live and cached bytes of heap buffers")
METRIC(used_direct_bytes, "used_direct_bytes", gauge, "bytes", "direct chunks and huge and unpooled direct buffers")
METRIC(used_heap_bytes, "used_heap_bytes", gauge, "bytes", "heap chunks and huge and unpooled heap buffers")
METRIC(resident_bytes, "resident_bytes", gauge, "bytes", "bytes of chunks and huge buffers that are in memory")
METRIC(arena_small_allocations, "arena_small_allocations", counter, "", "slots that an arena cut")
METRIC(arena_normal_allocations, "arena_normal_allocations", counter, "", "runs of pages that an arena cut")
METRIC(arena_huge_allocations, "arena_huge_allocations", counter, "", "buffers larger than a chunk that were mapped")
METRIC(arena_small_releases, "arena_small_releases", counter, "", "slots that went back to an arena")
METRIC(arena_normal_releases, "arena_normal_releases", counter, "", "runs of pages that went back to an arena")
METRIC(arena_huge_releases, "arena_huge_releases", counter, "", "buffers larger than a chunk that were unmapped")
METRIC(direct_arenas, "direct_arenas", gauge, "", "arenas for direct buffers")
METRIC(heap_arenas, "heap_arenas", gauge, "", "arenas for heap buffers")
METRIC(page_size, "page_size_bytes", gauge, "bytes", "bytes of a page")
METRIC(chunk_size, "chunk_size_bytes", gauge, "bytes", "bytes of a chunk")
METRIC(small_cache_size, "small_cache_size", gauge, "", "buffers that a thread caches of each small class")
METRIC(normal_cache_size, "normal_cache_size", gauge, "", "buffers that a thread caches of each larger class")
METRIC(huge_page_fallbacks, "huge_page_fallbacks", counter, "",
       "regions with ordinary pages where huge ones were asked for")
METRIC(cache_hits, "cache_hits", gauge, "", "handles that a thread's cache had ready")
METRIC(cache_misses, "cache_misses", counter, "", "handles that a thread's cache had not ready")
METRIC(cache_refills, "cache_refills", counter, "", "trips of caches that brought handles")
METRIC(cache_flushes, "cache_flushes", counter, "", "trips of caches that took handles away")
METRIC(remote_releases, "remote_releases", gauge, "", "handles released by threads beyond what they took themselves")
METRIC(committed_bytes, "committed_bytes", gauge, "bytes", "pages of chunks in use or dirty, and huge buffers")
METRIC(dirty_bytes, "dirty_bytes", gauge, "bytes", "free pages that have been used and not yet dropped")
METRIC(purges, "purges", counter, "", "times that the system dropped free pages")
METRIC(purged_bytes, "purged_bytes", counter, "bytes", "bytes that the system dropped so")
