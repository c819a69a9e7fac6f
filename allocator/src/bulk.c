/* Many buffers in one call: the fast paths of buffer.c, a run at a time.
 *
 * A run is what one look-up serves: so many allocations of one bin as its head has handles and the countdown allows; so
 * many releases of one bin as it has room for, of buffers with one reference and no flag. The bin's count and the
 * countdown are written once a run. What ends a run goes the ordinary way, one buffer: so a sampled allocation, a trim, a
 * refill or a slow release comes exactly where it would among as many single calls, and a checker is told of each buffer,
 * since under one the countdown allows no run and every buffer has a flag. The empty cache has neither handles nor room,
 * and is not written to. */
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>

#include "allocator.h"
#include "check.h"
#include "handle.h"
#include "probe.h"
#include "registry.h"
#include "size_class.h"
#include "thread_cache.h"
#include "tracker.h"

/* Pops at most count handles from a bin; returns how many. */
static inline size_t take_run(const poolbuf_allocator *allocator, thread_cache *cache, cache_bin *bin, size_t capacity,
                              size_t max_capacity, poolbuf **buffers, size_t count) {
    uint32_t held = cache_count_get(&bin->count);
    uint32_t countdown = cache_count_get(&cache->countdown);
    size_t run = count < held ? count : held;
    if (POOLBUF_UNLIKELY(run >= countdown)) {
        run = countdown - (countdown != 0); /* the one on which it expires is not ours */
    }
    if (run == 0) {
        return 0;
    }
    poolbuf *buffer = bin->head;
    for (size_t i = 0; i < run; i++) {
        poolbuf *next = buffer->link;
        buffers[i] = buffer;
        buffer->link = NULL;
        buffer->capacity = (uint32_t)capacity;
        buffer->max_capacity = (uint32_t)max_capacity;
        handle_state_set(buffer, 1);
        PROBE3(allocate, buffer, capacity, allocator);
        buffer = next;
    }
    bin->head = buffer;
    cache_count_set(&bin->count, held - (uint32_t)run);
    cache_count_set(&cache->countdown, countdown - (uint32_t)run);
    return run;
}

size_t poolbuf_allocate_many(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity,
                             poolbuf **buffers, size_t count) {
    uint32_t slot = allocator != NULL ? allocator->group.slot : 0;
    size_t most = max_capacity < POOLBUF_CAPACITY_LIMIT ? max_capacity : POOLBUF_CAPACITY_LIMIT;
    size_t given = 0;
    while (given < count) {
        /* Looked up again for each run: what ends one may have made a cache, or emptied the slot. */
        thread_cache *cache = registry_slot(slot);
        if (POOLBUF_LIKELY(initial_capacity <= cache->largest && initial_capacity <= most)) {
            cache_bin *bin = &cache->bins[size_class_of(initial_capacity)];
            given += take_run(allocator, cache, bin, initial_capacity, most, buffers + given, count - given);
            if (POOLBUF_LIKELY(given == count)) {
                break;
            }
        }
        poolbuf *buffer = poolbuf_allocate(allocator, initial_capacity, max_capacity);
        if (buffer == NULL) {
            break;
        }
        buffers[given++] = buffer;
    }
    return given;
}

/* Pushes the buffers at the start of a list that are of the first one's bin, as far as it has room; returns how many. */
static inline size_t put_run(poolbuf **buffers, size_t count) {
    const uint16_t index = buffers[0]->bin;
    const uint8_t slot = buffers[0]->slot;
    cache_bin *bin = &registry_slot(slot)->bins[index];
    uint32_t held = cache_count_get(&bin->count);
    size_t room = held < bin->limit ? bin->limit - held : 0;
    size_t most = count < room ? count : room;
    poolbuf *head = bin->head;
    size_t run = 0;
    for (; run < most; run++) {
        poolbuf *buffer = buffers[run];
        /* The acquire is poolbuf_release()'s. A buffer that is listed twice is dead here the second time. */
        if (POOLBUF_UNLIKELY(buffer == NULL || __atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE) != 1 ||
                             buffer->bin != index || buffer->slot != slot)) {
            break;
        }
        handle_kill(buffer, 0);
        buffer->link = head;
        PROBE2(release, buffer, buffer->usable); /* last: among the stores gcc would need a register more */
        head = buffer;
    }
    if (run != 0) {
        bin->head = head;
        cache_count_set(&bin->count, held + (uint32_t)run);
    }
    return run;
}

size_t poolbuf_release_many(poolbuf **buffers, size_t count) {
    size_t died = 0;
    size_t done = 0;
    while (done < count) {
        poolbuf *first = buffers[done];
        if (POOLBUF_UNLIKELY(first == NULL)) {
            tracker_misuse(first, POOLBUF_MISUSE_FOREIGN_POINTER);
            done++;
            continue;
        }
        /* Only a live buffer without flags has a bin and a slot that mean anything. */
        if (POOLBUF_LIKELY(__atomic_load_n(&first->state, __ATOMIC_ACQUIRE) == 1)) {
            size_t run = put_run(buffers + done, count - done);
            died += run;
            done += run;
            if (POOLBUF_LIKELY(run != 0)) {
                continue; /* the next one begins a run of its own, or ends up below */
            }
        }
        died += poolbuf_release(first) ? 1 : 0;
        done++;
    }
    return died;
}
