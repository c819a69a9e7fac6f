/* What the writers of snapshots share with what takes them. */
#ifndef METRICS_H
#define METRICS_H

#include <stddef.h>
#include <stdint.h>

#include <poolbuf/metrics.h>

/* The sizes of the first versions of the structs; callers that know less are refused. */
#define METRICS_SIZE_V1 (offsetof(poolbuf_metrics, misuses) + sizeof(uint64_t))

#define ARENA_METRICS_SIZE_V1      (offsetof(poolbuf_arena_metrics, metadata_bytes) + sizeof(uint64_t))
#define CHUNK_LIST_METRICS_SIZE_V1 (offsetof(poolbuf_chunk_list_metrics, chunks) + sizeof(uint64_t))
#define CHUNK_METRICS_SIZE_V1      (offsetof(poolbuf_chunk_metrics, subpages) + sizeof(uint64_t))
#define SUBPAGE_METRICS_SIZE_V1    (offsetof(poolbuf_subpage_metrics, page_size) + sizeof(uint64_t))

#endif
