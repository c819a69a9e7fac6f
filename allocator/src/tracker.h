/* The tracker's callbacks, as the allocator calls them: each does nothing where no tracker is registered. */
#ifndef TRACKER_H
#define TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/tracker.h>

uint32_t tracker_next_gap(const void *countdown); /* 1 or more; UINT32_MAX: none */
bool tracker_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity);
void tracker_accessed(const poolbuf *buffer, poolbuf_access access, uint32_t references, bool by_slice,
                      const char *hint);
bool tracker_released(const poolbuf *buffer); /* whether to offer it with tracker_withhold() */
bool tracker_withhold(poolbuf *buffer, poolbuf_allocator *allocator, uint8_t *memory, size_t size);
bool tracker_withhold_view(poolbuf *view, poolbuf_allocator *allocator, const poolbuf *root);
void tracker_surrender(poolbuf_allocator *allocator);
void tracker_allocator_destroyed(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes);

/* A programming error of the caller: tells the tracker, counts, and aborts unless POOLBUF_MISUSE=count. */
void tracker_misuse(const poolbuf *buffer, poolbuf_misuse misuse);
uint64_t tracker_misuse_count(void);

#endif
