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
METRIC(committed_bytes, "committed_bytes", gauge, "bytes", "pages of chunks in use or dirty, and huge buffers")
METRIC(dirty_bytes, "dirty_bytes", gauge, "bytes", "free pages that have been used and not yet dropped")
METRIC(purges, "purges", counter, "", "times that the system dropped free pages")
METRIC(purged_bytes, "purged_bytes", counter, "bytes", "bytes that the system dropped so")
