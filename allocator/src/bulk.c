/* Many buffers in one call: the fast paths of poolbuf/fast_path.h, a run at a time.
 *
 * A run is what one look-up serves: so many allocations of one bin as it has handles above its floor and the countdown
 * allows; so many releases of one bin as it has room for, of buffers with one reference and no flag. The bin's top and the
 * countdown are written once a run. What ends a run goes the ordinary way, one buffer: so a sampled allocation, a trim, a
 * refill or a slow release comes exactly where it would among as many single calls, and a checker is told of each buffer,
 * since under one the countdown allows no run and every buffer has a flag. The empty cache has neither handles nor room,
 * and is not written to. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/fast_path.h>

#include "allocator.h"
#include "check.h"
#include "handle.h"
#include "probe.h"
#include "registry.h"
#include "size_class.h"
#include "thread_cache.h"
#include "tracker.h"

/* Pops at most count handles from a bin; returns how many. */
static inline size_t take_run(const poolbuf_allocator *allocator, uint32_t slot, poolbuf_bin_ *bin, size_t capacity,
                              size_t max_capacity, poolbuf **buffers, size_t count) {
    poolbuf **top = poolbuf_bin_top_(bin);
    size_t ready = (size_t)(top - bin->floor);
    uint32_t countdown = POOLBUF_GET_(poolbuf_thread_1_.countdowns[slot]);
    size_t run = count < ready ? count : ready;
    if (POOLBUF_UNLIKELY(run >= countdown)) {
        run = countdown - (countdown != 0); /* the one on which it expires is not ours */
    }
    for (size_t i = 0; i < run; i++) {
        poolbuf *buffer = *--top;
        buffers[i] = buffer;
        buffer->capacity = (uint32_t)capacity;
        buffer->max_capacity = (uint32_t)max_capacity;
        handle_state_set(buffer, 1);
        PROBE3(allocate, buffer, capacity, allocator);
    }
    if (run != 0) {
        poolbuf_bin_set_top_(bin, top);
        POOLBUF_SET_(poolbuf_thread_1_.countdowns[slot], countdown - (uint32_t)run);
    }
    return run;
}

size_t poolbuf_allocate_many(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity,
                             poolbuf **buffers, size_t count) {
    uint32_t slot = allocator != NULL ? allocator->group.slot : 0;
    size_t most = poolbuf_limited_(max_capacity);
    size_t given = 0;
    while (given < count) {
        /* Looked up again for each run: what ends one may have made a cache, or emptied the slot. */
        poolbuf_cache_ *cache = registry_slot(slot);
        if (POOLBUF_LIKELY(initial_capacity - 1 < cache->largest && initial_capacity <= most)) {
            poolbuf_bin_ *bin = &cache->bins[poolbuf_size_class_(initial_capacity - 1, 2)];
            given += take_run(allocator, slot, bin, initial_capacity, most, buffers + given, count - given);
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

/* Which bin of which of a thread's caches: the last four bytes of a handle, in one comparison. */
static inline uint32_t home_of(const poolbuf *buffer) {
    uint32_t home = 0;
    memcpy(&home, (const char *)buffer + offsetof(poolbuf, bin), sizeof home);
    return home;
}

_Static_assert(offsetof(poolbuf, bin) + sizeof(uint32_t) == sizeof(poolbuf), "bin, slot and kind are a home");

/* Pushes the buffers at the start of a list that are of the first one's bin, as far as it has room; returns how many. */
static inline size_t put_run(poolbuf **buffers, size_t count) {
    const uint32_t home = home_of(buffers[0]);
    poolbuf_bin_ *bin = &registry_slot(buffers[0]->slot)->bins[buffers[0]->bin];
    poolbuf **top = poolbuf_bin_top_(bin);
    size_t room = (size_t)(bin->ceiling - top);
    size_t most = count < room ? count : room;
    size_t run = 0;
    for (; run < most; run++) {
        poolbuf *buffer = buffers[run];
        /* The acquire is poolbuf_release()'s. A buffer that is listed twice is dead here the second time. */
        if (POOLBUF_UNLIKELY(buffer == NULL || __atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE) != 1 ||
                             home_of(buffer) != home)) {
            break;
        }
        handle_kill(buffer, 0);
        top[run] = buffer;
        PROBE2(release, buffer, buffer->usable); /* last: among the stores gcc would need a register more */
    }
    if (run != 0) {
        poolbuf_bin_set_top_(bin, top + run);
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
