/* What the writers of snapshots share with what takes them. */
#ifndef METRICS_H
#define METRICS_H

#include <stddef.h>
#include <stdint.h>

#include <poolbuf/metrics.h>

/* The size of the first version of the struct; callers that know less are refused. */
#define METRICS_SIZE_V1 (offsetof(poolbuf_metrics, misuses) + sizeof(uint64_t))

#endif
