/* The registry: threads, allocators, and the caches between them. */
#include "registry.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>

#include "background.h"
#include "counter.h"
#include "process/fork_handlers.h"
#include "tracker.h"

/* A thread's way to its caches in the shared slot without the lock. group is set last, by the thread, and cleared by whoever ends the
 * cache; so a thread that finds the group there has its cache, as the group does not end during a call on it. */
typedef struct memo {
    const cache_group *group; /* atomic, relaxed; NULL: none */
    thread_cache *cache;      /* the thread's */
} memo;

#define MEMOS                                                                                                          \
    4u /* by the group's address; of those that meet, the last one has the place; few, as thread-local storage is short */

/* What is known of a thread. It lives in that thread's thread-local storage: it is linked from its first cache until the
 * key's destructor, and that storage goes after the destructor has run. */
typedef struct thread_record {
    struct thread_record *next, *prev; /* guarded by the lock */
    poolbuf_thread_ *slots;            /* the thread's poolbuf_thread_1_ */
    thread_cache *caches;              /* by next_of_thread; changed under the lock */
    memo memos[MEMOS];
    bool linked;
    bool finished;           /* its destructor has run: no more caches */
    uint32_t suspended;      /* calls of registry_suspend() that have not been resumed */
    uint32_t uncached_epoch; /* as thread_cache.epoch and gap_left, for allocations without a cache */
    uint32_t uncached_gap;
} thread_record;

#define CACHES_A_VISIT 8u    /* what is looked at without letting go of the lock */
#define YIELDS_MAX     1000u /* a thread that waits has the lock by then, or goes on waiting */

poolbuf_cache_ registry_no_cache; /* every bin is empty and has no room */

#define FOUR(x) x, x, x, x
__thread poolbuf_thread_ poolbuf_thread_1_ = {
    .caches = {FOUR(&registry_no_cache), FOUR(&registry_no_cache), FOUR(&registry_no_cache), FOUR(&registry_no_cache),
               FOUR(&registry_no_cache), FOUR(&registry_no_cache), FOUR(&registry_no_cache), FOUR(&registry_no_cache)}};
_Static_assert(REGISTRY_SLOTS == 8 * 4, "each slot starts with the empty cache");

static _Thread_local thread_record self;

static pthread_mutex_t creation_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t waiting;                        /* atomic; threads that want lock */
static thread_record *threads;                  /* guarded by lock */
static cache_group *groups[REGISTRY_SLOTS - 1]; /* by slot; guarded by lock */
static cache_group *sharing;                    /* groups of the shared slot, by next_sharing; guarded by lock */
static uint32_t epoch;                          /* of sampling; atomic, written under lock */
static pthread_key_t exit_key;
static bool exit_key_made;

void registry_lock(void) {
    (void)__atomic_fetch_add(&waiting, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&lock);
    (void)__atomic_fetch_sub(&waiting, 1, __ATOMIC_RELAXED);
}

void registry_unlock(void) {
    (void)pthread_mutex_unlock(&lock);
}

void registry_lock_creation(void) {
    (void)pthread_mutex_lock(&creation_lock);
}

void registry_unlock_creation(void) {
    (void)pthread_mutex_unlock(&creation_lock);
}

static void set_slot(poolbuf_thread_ *slots, uint32_t slot, poolbuf_cache_ *cache) {
    POOLBUF_SET_(slots->caches[slot], cache);
}

static void visit_locked(void (*visit)(void *context, cache_group *group), void *context) {
    for (unsigned i = 0; i < REGISTRY_SLOTS - 1; i++) {
        if (groups[i] != NULL) {
            visit(context, groups[i]);
        }
    }
    for (cache_group *group = sharing; group != NULL; group = group->next_sharing) {
        visit(context, group);
    }
}

void registry_visit(void (*visit)(void *context, cache_group *group), void *context) {
    registry_lock();
    visit_locked(visit, context);
    registry_unlock();
}

/* A mutex goes to whoever is there first, and that is the thread that has just given it back; so that one steps aside. */
static void let_others_have_lock(void) {
    for (unsigned i = 0; i < YIELDS_MAX && __atomic_load_n(&waiting, __ATOMIC_RELAXED) != 0; i++) {
        (void)sched_yield();
    }
}

/* The cache after the one that was visited last. That one's record is a record still, whatever has become of it (slab.h, S1);
 * if the cache has ended, or is another's by now, its serial shows it, and the list is searched from the newest on. */
static const thread_cache *next_cache_locked(const cache_group *group, const thread_cache *last, uint64_t reached) {
    if (last != NULL && last->serial == reached) {
        return last->next_of_group;
    }
    const thread_cache *cache = group->first;
    while (cache != NULL && cache->serial >= reached) {
        cache = cache->next_of_group;
    }
    return cache;
}

void registry_visit_caches(const cache_group *group, void (*visit)(void *context, const thread_cache *cache),
                           void *context) {
    const thread_cache *last = NULL;
    uint64_t reached = CACHE_ENDED;
    for (bool is_end = false; !is_end;) {
        registry_lock();
        const thread_cache *cache = next_cache_locked(group, last, reached);
        for (unsigned i = 0; i < CACHES_A_VISIT && cache != NULL; i++, cache = cache->next_of_group) {
            visit(context, cache);
            last = cache;
            reached = cache->serial;
        }
        is_end = cache == NULL;
        registry_unlock();
        let_others_have_lock();
    }
}

/* ---- Caches ------------------------------------------------------------------------------------------------------- */

/* Netty's rule: the arena with the fewest threads; the first of them. */
static arena *bind_arena_locked(const cache_group *group, unsigned kind) {
    arena *best = NULL;
    for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
        arena *candidate = &group->arenas[kind][i];
        if (best == NULL || candidate->thread_count < best->thread_count) {
            best = candidate;
        }
    }
    if (best != NULL) {
        __atomic_store_n(&best->thread_count, best->thread_count + 1, __ATOMIC_RELAXED);
    }
    return best;
}

/* Its thread counts no more among those of its arenas. */
static void unbind_arenas_locked(thread_cache *cache) {
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        arena *bound = cache->arenas[kind];
        if (bound != NULL) {
            __atomic_store_n(&bound->thread_count, bound->thread_count - 1, __ATOMIC_RELAXED);
        }
        cache->arenas[kind] = NULL;
    }
}

static memo *memo_of(thread_record *thread, const cache_group *group) {
    return &thread->memos[(uintptr_t)group / sizeof *group % MEMOS];
}

/* Of the calling thread; NULL: the lock is needed. */
static thread_cache *recall(const cache_group *group) {
    const memo *known = memo_of(&self, group);
    if (__atomic_load_n(&known->group, __ATOMIC_RELAXED) != group) {
        return NULL;
    }
    thread_cache *cache = known->cache;
    return cache->epoch == __atomic_load_n(&epoch, __ATOMIC_RELAXED) && !cache->restart ? cache : NULL;
}

static void memorize(const cache_group *group, thread_cache *cache) {
    memo *place = memo_of(&self, group);
    __atomic_store_n(&place->group, NULL, __ATOMIC_RELAXED);
    place->cache = cache;
    __atomic_store_n(&place->group, group, __ATOMIC_RELAXED);
}

/* The place may be another group's by now, or become so at this moment. */
static void forget_locked(thread_record *thread, const cache_group *group) {
    const cache_group *expected = group;
    (void)__atomic_compare_exchange_n(&memo_of(thread, group)->group, &expected, NULL, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED);
}

static thread_cache *make_cache_locked(cache_group *group) {
    if (!self.linked) {
        /* The value only has to be non-NULL for the destructor to run; what it ends is this thread's record. */
        if (!exit_key_made || pthread_setspecific(exit_key, &self) != 0) {
            return NULL;
        }
        self.slots = &poolbuf_thread_1_;
        self.next = threads;
        self.prev = NULL;
        if (threads != NULL) {
            threads->prev = &self;
        }
        threads = &self;
        self.linked = true;
    }
    thread_cache *cache = slab_take(&group->records);
    if (cache == NULL) {
        return NULL;
    }
    thread_cache_init(cache, group,
                      group->slot != REGISTRY_SLOT_SHARED ? &poolbuf_thread_1_.countdowns[group->slot] : NULL);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        cache->arenas[kind] = bind_arena_locked(group, kind);
    }
    cache->thread = &self;
    cache->next_of_thread = self.caches;
    self.caches = cache;
    cache->next_of_group = group->first;
    if (group->first != NULL) {
        group->first->prev_of_group = cache;
    }
    group->first = cache;
    cache->serial = group->caches_made++;
    return cache;
}

static void retire_counters(cache_counters *retired, const thread_cache *cache) {
    int64_t received = thread_cache_received(cache);
    counter_add(&retired->takes, thread_cache_takes(cache));
    counter_add(&retired->misses, counter_get(&cache->counters.misses));
    counter_add(&retired->refills, counter_get(&cache->counters.refills));
    counter_add(&retired->flushes, counter_get(&cache->counters.flushes));
    counter_add(&retired->net_received, received > 0 ? (uint64_t)received : 0);
}

/* Flushes a cache and ends it. Its thread must not be able to use it: it is the calling one, or has no right to. What a
 * thread held that was lost in a fork() stays in its chunks: the fork may have met it with a list half moved. */
static void end_cache_locked(thread_cache *cache, bool to_depot) {
    cache_group *group = cache->group;
    if (cache->thread != NULL) {
        thread_cache_flush(cache, to_depot);
    }
    counter_add(&group->retired_allocations, thread_cache_allocated(cache));
    retire_counters(&group->retired, cache);
    unbind_arenas_locked(cache);
    if (cache->thread != NULL) {
        set_slot(cache->thread->slots, group->slot, &registry_no_cache);
        forget_locked(cache->thread, group);
        thread_cache **link = &cache->thread->caches;
        while (*link != cache) {
            link = &(*link)->next_of_thread;
        }
        *link = cache->next_of_thread;
    }
    if (cache->prev_of_group != NULL) {
        cache->prev_of_group->next_of_group = cache->next_of_group;
    } else {
        group->first = cache->next_of_group;
    }
    if (cache->next_of_group != NULL) {
        cache->next_of_group->prev_of_group = cache->prev_of_group;
    }
    cache->serial = CACHE_ENDED;
    slab_give(&group->records, cache);
}

thread_cache *registry_find_cache(cache_group *group) {
    if (self.finished || self.suspended != 0 || __atomic_load_n(&group->closed, __ATOMIC_RELAXED) ||
        group->budget == 0) {
        return NULL;
    }
    thread_cache *cache = recall(group);
    if (cache != NULL) {
        return cache;
    }
    registry_lock();
    cache = self.caches;
    for (; cache != NULL && cache->group != group; cache = cache->next_of_thread) {
    }
    if (cache == NULL) {
        cache = make_cache_locked(group);
    }
    if (cache != NULL) {
        if (cache->epoch != epoch || cache->restart) {
            cache->epoch = epoch;
            thread_cache_restart(cache);
        }
        if (group->slot != REGISTRY_SLOT_SHARED) {
            set_slot(&poolbuf_thread_1_, group->slot, &cache->fast);
        } else {
            memorize(group, cache);
        }
    }
    registry_unlock();
    return cache;
}

void registry_suspend(void) {
    self.suspended++;
    for (unsigned i = 0; i < REGISTRY_SLOTS; i++) {
        set_slot(&poolbuf_thread_1_, i, &registry_no_cache);
    }
}

/* The slots stay empty: the next call finds its cache the slow way. */
void registry_resume(void) {
    self.suspended--;
}

bool registry_count_uncached(cache_group *group) {
    counter_add_shared(&group->uncached_allocations, 1);
    uint32_t now = __atomic_load_n(&epoch, __ATOMIC_RELAXED);
    if (self.uncached_gap == 0 || self.uncached_epoch != now) {
        self.uncached_epoch = now;
        self.uncached_gap = tracker_next_gap(&self.uncached_gap);
    }
    if (self.uncached_gap == 0) {
        return true; /* each one; it is asked again, for this costs more than that */
    }
    bool sampled = self.uncached_gap != GAP_NONE && --self.uncached_gap == 0;
    if (sampled) { /* now, as a cache does: the tracker tells by it which gap the sampled one ends */
        self.uncached_gap = tracker_next_gap(&self.uncached_gap);
    }
    return sampled;
}

void registry_restart_sampling(void) {
    registry_lock();
    __atomic_store_n(&epoch, epoch + 1, __ATOMIC_RELAXED);
    for (thread_record *thread = threads; thread != NULL; thread = thread->next) {
        for (unsigned i = 0; i < REGISTRY_SLOTS; i++) {
            set_slot(thread->slots, i, &registry_no_cache);
        }
    }
    registry_unlock();
}

static void restart_sampling_here_locked(void) {
    for (thread_cache *cache = self.caches; cache != NULL; cache = cache->next_of_thread) {
        cache->restart = true;
    }
    for (unsigned i = 0; i < REGISTRY_SLOTS; i++) {
        set_slot(&poolbuf_thread_1_, i, &registry_no_cache);
    }
    self.uncached_gap = 0;
}

void registry_restart_sampling_here(void) {
    registry_lock(); /* whoever destroys an allocator ends our caches of it */
    restart_sampling_here_locked();
    registry_unlock();
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static void unlink_thread_locked(thread_record *thread) {
    if (thread->prev != NULL) {
        thread->prev->next = thread->next;
    } else {
        threads = thread->next;
    }
    if (thread->next != NULL) {
        thread->next->prev = thread->prev;
    }
    thread->linked = false;
}

static void thread_exits(void *value) {
    thread_record *thread = value;
    registry_lock();
    region_postpone(true);
    while (thread->caches != NULL) {
        end_cache_locked(thread->caches, true);
    }
    unlink_thread_locked(thread);
    thread->finished = true;
    region_postpone(false);
    registry_unlock();
    region_settle();
}

static void freeze_arenas(void *context, cache_group *group) {
    (void)context;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            arena_freeze(&group->arenas[kind][i]);
        }
    }
}

static void thaw_arenas(void *context, cache_group *group) {
    (void)context;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            arena_thaw(&group->arenas[kind][i]);
        }
    }
}

static void before_fork(void) {
    registry_lock_creation();
    background_before_fork();
    registry_lock();
    visit_locked(freeze_arenas, NULL);
    region_before_fork();
}

static void after_fork(bool child) {
    region_after_fork(child);
    visit_locked(thaw_arenas, NULL);
    registry_unlock();
}

static void after_fork_parent(void) {
    after_fork(false);
    background_after_fork_parent();
    registry_unlock_creation();
}

/* The records of the other threads lie in stacks that the C library will use again. */
static void after_fork_child(void) {
    __atomic_store_n(&waiting, 0, __ATOMIC_RELAXED);
    thread_record *next = NULL;
    for (thread_record *thread = threads; thread != NULL; thread = next) {
        next = thread->next;
        if (thread != &self) {
            for (thread_cache *cache = thread->caches; cache != NULL; cache = cache->next_of_thread) {
                thread_cache_detach(cache);
                unbind_arenas_locked(cache);
            }
            unlink_thread_locked(thread);
        }
    }
    restart_sampling_here_locked(); /* or each child would sample what its siblings do */
    after_fork(true);
    background_after_fork_child();
    registry_unlock_creation();
}

/* ---- Groups ------------------------------------------------------------------------------------------------------- */

static bool set_up_locked(void) {
    if (!exit_key_made) {
        exit_key_made = pthread_key_create(&exit_key, thread_exits) == 0 &&
                        fork_handlers_add(before_fork, after_fork_parent, after_fork_child) == 0;
    }
    return exit_key_made;
}

/* A plugin that has the static library in it must stay, as the shared one does by its link: threads call into it when they end,
 * and fork() does. A program stays by itself, and has no name here. */
static void stay_mapped(void) {
    Dl_info unused;
    struct link_map *own = NULL;
    if (dladdr1(&registry_no_cache, &unused, (void **)&own, RTLD_DL_LINKMAP) != 0 && own->l_name[0] != '\0') {
        (void)dlopen(own->l_name, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    }
}

/* Before every constructor without a priority: fork() runs its prepare handlers last registered first, and a tracker
 * calls into the registry with locks of its own held. So its handler, registered after ours, takes its locks before we
 * take ours, here as everywhere. A failure shows at the first allocator, which tries again. */
static __attribute__((constructor(101))) void set_up(void) {
    stay_mapped();
    registry_lock();
    (void)set_up_locked();
    registry_unlock();
}

bool registry_add(cache_group *group, bool is_default) {
    registry_lock();
    bool good = set_up_locked();
    if (good) {
        uint32_t slot = is_default ? 0 : 1;
        while (slot < REGISTRY_SLOT_SHARED && groups[slot] != NULL) {
            slot++;
        }
        group->slot = (uint8_t)slot;
        if (slot == REGISTRY_SLOT_SHARED) {
            group->next_sharing = sharing;
            sharing = group;
        } else {
            groups[slot] = group;
        }
    }
    registry_unlock();
    return good;
}

void registry_close(cache_group *group) {
    registry_lock();
    __atomic_store_n(&group->closed, true, __ATOMIC_RELAXED);
    region_postpone(true);
    while (group->first != NULL) {
        end_cache_locked(group->first, false);
    }
    region_postpone(false);
    registry_unlock();
}

void registry_remove(cache_group *group) {
    registry_lock();
    if (group->slot == REGISTRY_SLOT_SHARED) {
        cache_group **link = &sharing;
        while (*link != group) {
            link = &(*link)->next_sharing;
        }
        *link = group->next_sharing;
    } else {
        groups[group->slot] = NULL;
    }
    registry_unlock();
}
