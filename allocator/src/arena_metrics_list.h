/* Every field of poolbuf_arena_metrics, once; as metrics_list.h, which says what a row is.
 *
 * A family that the snapshot has too means the same here, split by arena: where arenas are written, it is written for each of
 * them and not for all together, and a collector's sum() gives the same figure either way. */
#ifndef METRIC
#error "define METRIC before including arena_metrics_list.h"
#endif

METRIC(thread_caches, "arena_thread_caches", gauge, "", "threads that are bound to the arena")
METRIC(chunk_count, "chunks", gauge, "", "chunks mapped, spare ones included")
METRIC(chunk_bytes, "chunk_bytes", gauge, "bytes", "their bytes")
METRIC(spare_chunks, "spare_chunks", gauge, "", "chunks that are empty and wait to be needed again")
METRIC(chunk_maps, "chunk_maps", counter, "", "chunks taken from the system")
METRIC(chunk_unmaps, "chunk_unmaps", counter, "", "chunks given back to the system")
METRIC(small_allocations, "arena_small_allocations", counter, "", "slots that an arena cut")
METRIC(normal_allocations, "arena_normal_allocations", counter, "", "runs of pages that an arena cut")
METRIC(huge_allocations, "arena_huge_allocations", counter, "", "buffers larger than a chunk that were mapped")
METRIC(small_releases, "arena_small_releases", counter, "", "slots that went back to an arena")
METRIC(normal_releases, "arena_normal_releases", counter, "", "runs of pages that went back to an arena")
METRIC(huge_releases, "arena_huge_releases", counter, "", "buffers larger than a chunk that were unmapped")
METRIC(small_active, "arena_small_active", gauge, "", "slots that are out, in users' hands or in caches")
METRIC(normal_active, "arena_normal_active", gauge, "", "runs of pages that are out")
METRIC(huge_active, "arena_huge_active", gauge, "", "buffers larger than a chunk that are out")
METRIC(active_bytes, "arena_active_bytes", gauge, "bytes", "bytes of the buffers that are out")
METRIC(used_bytes, "arena_used_bytes", gauge, "bytes", "bytes of chunks and of buffers larger than a chunk")
METRIC(metadata_bytes, "arena_metadata_bytes", gauge, "bytes", "handles and records")
