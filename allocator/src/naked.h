/* Handles without memory of their own: what slices, composites, wrapped memory and marks are made of.
 *
 * They come from a bin of the thread's cache as others do, or, where nothing is pooled, from malloc like everything else. Those of
 * composites and of wrapped memory are buffers in their own right: naked_begin() counts one among the live buffers and lets
 * the tracker have a look, naked_end() is its end. */
#ifndef NAKED_H
#define NAKED_H

#include <poolbuf/buffer.h>

#include "allocator.h"
#include "check.h"
#include "counter.h"
#include "handle.h"
#include "registry.h"
#include "thread_cache.h"

/* A handle whose fields are undefined, for the caller to fill; NULL without memory. */
poolbuf *naked_take(poolbuf_allocator *allocator);

/* Gives one back, whatever it was. */
void naked_give(poolbuf_allocator *allocator, poolbuf *handle);

/* A handle that is filled but for its state becomes a buffer of so many references as one: 1. */
void naked_begin(poolbuf_allocator *allocator, poolbuf *buffer, uint32_t flags);

/* Such a buffer is gone from the books; may take a destroyed allocator with it, so nothing may follow. */
void naked_end(poolbuf_allocator *allocator, poolbuf *buffer);

/* ---- For views, which are made and ended far more often ----------------------------------------------------------- */

/* A handle from wherever the buffer's allocator has it, and the bin that it is to be marked with. */
poolbuf *naked_take_for(const poolbuf *buffer, uint32_t *bin);

/* Makes it dead and empty. */
static inline void naked_clear(poolbuf *handle) {
    handle->memory = NULL;
    handle->origin = NULL;
    handle->link = NULL;
    handle->hidden_writer_index = 0;
    handle_kill(handle, 0);
}

/* The calling thread's cache in a slot, if it is one whose bins may be used as they are; NULL: there is none, or a checker is to be
 * told of each handle, or nothing is pooled, or there are eight classes a doubling (as the fast path has it). The allocator of a
 * slot is the one whose live buffers carry its number. */
static inline thread_cache *naked_plain_cache(uint32_t slot) {
    poolbuf_cache_ *cache = registry_slot(slot);
    if (POOLBUF_UNLIKELY(cache->largest == 0)) {
        return NULL; /* also the empty one, which is no thread_cache */
    }
    thread_cache *self = (thread_cache *)(void *)cache;
    return POOLBUF_LIKELY(self->group->plain_naked) ? self : NULL;
}

/* Pops a handle of such a cache; NULL: the slow path has to. */
static inline poolbuf *naked_pop(thread_cache *cache, uint32_t bin) {
    poolbuf_bin_ *from = &cache->fast.bins[bin];
    poolbuf **top = poolbuf_bin_top_(from);
    if (POOLBUF_UNLIKELY(top == from->floor)) {
        return NULL;
    }
    counter_add(&cache->counters.slow_takes, 1);
    poolbuf_bin_set_top_(from, top - 1);
    return top[-1];
}

/* Pushes one to what naked_plain_cache() gave; false, and nothing was done, where the slow path has to. */
static inline bool naked_push(thread_cache *cache, poolbuf *handle) {
    if (POOLBUF_UNLIKELY(cache == NULL)) {
        return false;
    }
    poolbuf_bin_ *to = &cache->fast.bins[handle->bin];
    poolbuf **top = poolbuf_bin_top_(to);
    if (POOLBUF_UNLIKELY(top == to->ceiling)) {
        return false;
    }
    naked_clear(handle);
    *top = handle;
    poolbuf_bin_set_top_(to, top + 1);
    return true;
}

#endif
