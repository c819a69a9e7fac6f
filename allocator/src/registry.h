/* The registry: which threads there are, which allocators, and the caches between them.
 *
 *                    allocator A       allocator B
 *      thread 1      cache             cache              each thread has an array of slots in thread-local storage;
 *      thread 2      cache             -                  an allocator's slot number is the same in all threads
 *
 * The fast path reads its thread's slot and finds a cache, or the one cache that is always empty, so that it needs no test:
 * an empty cache leads to the slow path, and the slow path comes here. Slot 0 is the default allocator's. Beside the slot lies
 * the countdown of that cache, which is the owner's; others read it, under the lock, while the thread lives. There are slots for 30 more;
 * allocators beyond that share the last slot, which always holds the empty cache: they work, but each call takes the slow
 * path, where the thread remembers a few of its caches, so that it takes no lock for them.
 *
 * A thread writes its own slots. Others write to them, under the lock, only to empty them: an allocator is destroyed, or
 * sampling restarts. A slot is one pointer, so the owner sees a cache or the empty one; and it may use a cache only as
 * long as the allocator lives, which is its program's to ensure. The empty cache is never written to.
 *
 * At thread exit a key's destructor gives back what the thread's caches hold. Allocations and releases after that, from
 * other destructors, work without a cache.
 *
 * fork(): the child has one thread, and locks that nobody else holds, as all of them are taken around the fork. The other
 * threads' caches are lost to it: what they held stays counted as cached, and is not used again.
 *
 * Lock order: whatever a tracker locks, creation, the background thread's lifecycle, its work, registry, then an arena, then
 * the regions'; its sleep lock is a leaf. Who holds the registry lock only tries the lifecycle lock. Nothing is called back
 * with the registry lock held. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "thread_cache.h"

#define REGISTRY_SLOTS       POOLBUF_SLOTS_
#define REGISTRY_SLOT_SHARED (REGISTRY_SLOTS - 1)

/* The calling thread's cache by slot, or the empty one; never NULL. A plain load. */
static inline poolbuf_cache_ *registry_slot(uint32_t slot) {
    return poolbuf_cache_of_slot_(slot);
}

extern poolbuf_cache_ registry_no_cache; /* the empty one */
thread_cache *registry_find_cache(cache_group *group);

/* The calling thread's cache of a group, made if need be; NULL where there can be none. */
static inline thread_cache *registry_cache(cache_group *group) {
    poolbuf_cache_ *found = registry_slot(group->slot);
    if (POOLBUF_LIKELY(found != &registry_no_cache)) {
        return (thread_cache *)(void *)found; /* its first member */
    }
    return registry_find_cache(group);
}

/* Pushes a dead handle, which no checker is told of, onto its bin in the calling thread's cache; false, and nothing was done, where the
 * slow path has to. */
static inline bool registry_push(poolbuf *handle) {
    poolbuf_bin_ *bin = &registry_slot(handle->slot)->bins[handle->bin];
    __asm__("" : "+r"(bin)); /* one address, kept: gcc would work it out twice, for the two fields */
    poolbuf **top = poolbuf_bin_top_(bin);
    if (POOLBUF_UNLIKELY(top == bin->ceiling)) {
        return false; /* of the empty cache, too */
    }
    *top = handle;
    poolbuf_bin_set_top_(bin, top + 1);
    return true;
}

/* Counts an allocation of a thread that has no cache; true if it is to be sampled. */
bool registry_count_uncached(cache_group *group);

/* Enters a group and chooses its slot; is_default asks for slot 0. False: no memory for what a first call sets up. */
bool registry_add(cache_group *group, bool is_default);

/* Ends every cache of a group, and flushes those whose threads were not lost in a fork(); the slot stays taken, and empty
 * in every thread. */
void registry_close(cache_group *group);

/* The slot is free for another; the group is forgotten. */
void registry_remove(cache_group *group);

/* From here on the calling thread has no caches, until it has resumed as often: around a callback that may use an allocator
 * whose cache the thread is in the middle of changing. */
void registry_suspend(void);
void registry_resume(void);

/* Makes every cache ask for its next sample anew. */
void registry_restart_sampling(void);

/* The same for the calling thread alone: the others keep their gaps and their caches in place. */
void registry_restart_sampling_here(void);

/* Calls visit for each group, with the lock held; and around whatever reads a group's list of caches. */
void registry_visit(void (*visit)(void *context, cache_group *group), void *context);
void registry_lock(void);
void registry_unlock(void);

/* Calls visit for each cache of a group, the newest first, and holds the lock for a few of them at a time: whoever wants it
 * waits for no more than that. Caches that are made or ended meanwhile may be left out; none is visited twice. */
void registry_visit_caches(const cache_group *group, void (*visit)(void *context, const thread_cache *cache),
                           void *context);

/* Held while the default allocator is made: it is here, so that a fork() waits for the one and has the other. */
void registry_lock_creation(void);
void registry_unlock_creation(void);

#endif
