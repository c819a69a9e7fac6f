/* Regions: the memory that buffers' bytes lie in. */
#include "region.h"

#include <errno.h>
#include <pthread.h>

#include "counter.h"
#include "give_back.h"
#include "poison.h"
#include "probe.h"
#include "process/cancel.h"

/* A region that waits to be given back; it lies at the region's start, or its payload's. */
typedef struct waiting {
    struct waiting *next;
    const region_source *source;
    uint8_t *region;
    size_t bytes;
    uint32_t index;
} waiting;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t settled = PTHREAD_COND_INITIALIZER;
static waiting *postponed; /* guarded by lock */
static uint32_t era;       /* fork()s since the first process; atomic, written under lock */

static _Thread_local bool postponing;
static _Thread_local bool in_hook;
static _Thread_local size_t limit_wanted; /* bytes */

static void region_lock(void) {
    (void)pthread_mutex_lock(&lock);
}

static void region_unlock(void) {
    (void)pthread_mutex_unlock(&lock);
}

void region_before_fork(void) {
    region_lock();
    give_back_before_fork();
}

/* What another thread was settling is lost to the child, which has no such thread to wait for. */
void region_after_fork(bool child) {
    give_back_after_fork();
    if (child) {
        __atomic_store_n(&era, era + 1, __ATOMIC_RELAXED);
        settled = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    }
    region_unlock();
}

uint32_t region_era(void) {
    return __atomic_load_n(&era, __ATOMIC_RELAXED);
}

bool region_in_hook(void) {
    return in_hook;
}

/* ---- The pool ----------------------------------------------------------------------------------------------------- */

void region_pool_init(region_pool *self, const region_hooks *hooks, uint64_t limit_bytes) {
    *self = (region_pool){.limit_bytes = limit_bytes};
    if (hooks != NULL) {
        self->hooks = *hooks;
    }
}

size_t region_pool_metadata_bytes(region_pool *self) {
    region_lock();
    size_t bytes = self->indices.bytes;
    region_unlock();
    return bytes;
}

/* Compared and swapped, not added and undone: of two threads for whom there is room one after the other, neither must see
 * the sum of both and fail. */
bool region_reserve(region_pool *self, size_t bytes) {
    uint64_t used = counter_get(&self->used_bytes);
    do {
        if (self->limit_bytes != 0 && (bytes > self->limit_bytes || used > self->limit_bytes - bytes)) {
            limit_wanted = bytes;
            counter_add_shared(&self->limit_hits, 1);
            return false;
        }
    } while (
        !__atomic_compare_exchange_n(&self->used_bytes, &used, used + bytes, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

void region_unreserve(region_pool *self, size_t bytes) {
    (void)counter_sub_shared(&self->used_bytes, bytes);
}

size_t region_limit_wanted(void) {
    return limit_wanted;
}

void region_limit_forget(void) {
    limit_wanted = 0;
}

void region_source_init(region_source *self, region_pool *pool, os_source source, bool numbered, size_t page_size) {
    *self = (region_source){
        .pool = pool,
        .source = source,
        .numbered = numbered,
        .announced = numbered && pool->hooks.mapped != NULL,
        .pages_stay = numbered && pool->hooks.mapped != NULL,
        .alignment = page_size,
        .granule = source == OS_MAPPED ? os_page_size() : 1,
        .lead = poison_memcheck ? page_size : 0,
    };
}

void region_source_choose(region_source *self, region_pages pages, os_numa numa) {
    if (self->source != OS_MAPPED) {
        return;
    }
    self->pages = pages;
    self->numa = numa;
    size_t huge = pages != REGION_PAGES_ORDINARY ? os_huge_page_size(pages == REGION_PAGES_RESERVED) : 0;
    if (pages == REGION_PAGES_ADVISED || pages == REGION_PAGES_GROWN) {
        self->huge = huge;
    } else if (pages == REGION_PAGES_RESERVED) {
        self->granule = huge > self->granule ? huge : self->granule;
        self->pages_stay = true;
    }
}

/* ---- Taking ------------------------------------------------------------------------------------------------------- */

static bool number(const region_source *self, uint32_t *index) {
    *index = REGION_INDEX_NONE;
    if (!self->numbered) {
        return true;
    }
    region_lock();
    *index = index_table_take(&self->pool->indices);
    region_unlock();
    return *index != REGION_INDEX_NONE;
}

static void unnumber(const region_source *self, uint32_t index) {
    if (self->numbered) {
        region_lock();
        index_table_give(&self->pool->indices, index);
        region_unlock();
    }
}

/* What a region counts for. */
static size_t charge_of(const region_source *self, size_t bytes) {
    return (bytes + self->granule - 1) / self->granule * self->granule;
}

/* What the system is asked for. */
static size_t whole_of(const region_source *self, size_t bytes) {
    return self->lead + charge_of(self, bytes);
}

static void return_region(const region_source *self, uint8_t *region, size_t bytes, bool reusable) {
    const give_back_terms terms = {
        .source = self->source,
        .size = whole_of(self, bytes),
        .maker = reusable ? self : NULL,
        .counter = &self->pool->used_bytes,
        .count = charge_of(self, bytes),
    };
    (void)give_back(region, &terms);
}

/* Huge pages are worth most where many pages are in use at random: each miss of the address cache costs a walk through the
 * page tables, and of two in a virtual machine. They cost most where little is: the first byte makes 2 MiB resident. So a pool
 * that is left to choose asks for them when it has grown beyond what such caches cover. */
#define GROWN_BYTES ((uint64_t)32 << 20)

static bool wants_advice(const region_source *self, size_t whole) {
    if (self->pages == REGION_PAGES_ADVISED) {
        return true;
    }
    return self->pages == REGION_PAGES_GROWN && self->huge != 0 && whole >= self->huge &&
           counter_get(&self->pool->used_bytes) > GROWN_BYTES;
}

/* The kind of pages that is wanted, or ordinary ones, which is counted where somebody has asked for others. */
static int acquire_pages(const region_source *self, size_t whole, void **region) {
    if (self->pages == REGION_PAGES_RESERVED) {
        if (os->acquire(OS_HUGE, whole, self->granule, region) == 0) {
            return 0;
        }
        counter_add_shared(&self->pool->fallbacks, 1);
    }
    bool advise = wants_advice(self, whole);
    size_t alignment = advise && self->huge > self->alignment ? self->huge : self->alignment;
    int error = os->acquire(self->source, whole, alignment, region);
    if (error != 0 && alignment > self->alignment) {
        error = os->acquire(self->source, whole, self->alignment, region); /* better fewer huge pages than no memory */
    }
    if (error == 0 && advise && os->advise_huge(*region, whole) != 0 && self->pages == REGION_PAGES_ADVISED) {
        counter_add_shared(&self->pool->fallbacks, 1);
    }
    return error;
}

/* A region that counts as used, anew or one that the system did not want back. */
static void *acquire(const region_source *self, size_t bytes) {
    size_t whole = whole_of(self, bytes);
    void *region = give_back_reuse(self, whole);
    if (region != NULL) {
        return region;
    }
    if (!region_reserve(self->pool, charge_of(self, bytes))) {
        give_back_retry(); /* what waits counts */
        if (!region_reserve(self->pool, charge_of(self, bytes))) {
            return NULL;
        }
    }
    if (acquire_pages(self, whole, &region) != 0) {
        region_unreserve(self->pool, charge_of(self, bytes));
        return NULL;
    }
    if (self->source == OS_HEAP) {
        poison_heap_region_kept(region);
    }
    if (self->numa != OS_NUMA_DEFAULT && os->bind(region, whole, self->numa) != 0) {
        return_region(self, region, bytes, false); /* pages from anywhere are not what was asked for */
        return NULL;
    }
    return region;
}

static bool announce(const region_source *self, uint8_t *region, size_t bytes, uint32_t index) {
    if (!self->announced) {
        return true;
    }
    in_hook = true;
    bool wanted = self->pool->hooks.mapped(self->pool->hooks.owner, index, region + self->lead, bytes);
    in_hook = false;
    return wanted;
}

uint8_t *region_map(const region_source *self, size_t bytes, uint32_t *index) {
    if (in_hook || !number(self, index)) {
        return NULL;
    }
    uint8_t *region = acquire(self, bytes);
    if (region == NULL) {
        unnumber(self, *index);
        return NULL;
    }
    if (!announce(self, region, bytes, *index)) {
        unnumber(self, *index);
        return_region(self, region, bytes, true);
        return NULL;
    }
    poison_bytes_close(region, whole_of(self, bytes));
    PROBE3(chunk_map, self->pool->hooks.owner, region, whole_of(self, bytes));
    return region;
}

/* ---- Resizing ----------------------------------------------------------------------------------------------------- */

/* Of pages in reserve the kernel makes no mapping larger, and checkers know nothing of one that moves. */
static bool is_resizable(const region_source *self) {
    return self->source == OS_MAPPED && self->pages != REGION_PAGES_RESERVED && !self->announced && !poison_wanted();
}

/* The limit is asked for what is added alone, as there is never more than one of the region. A region that grows is aligned to
 * huge pages before it needs any, as that makes the moves to come cheaper (os_linux.c). */
region_resized region_resize(const region_source *self, uint8_t **region, size_t old_bytes, size_t bytes) {
    if (!is_resizable(self)) {
        return REGION_UNRESIZABLE;
    }
    size_t old_charge = charge_of(self, old_bytes);
    size_t charge = charge_of(self, bytes);
    size_t added = charge > old_charge ? charge - old_charge : 0;
    if (added != 0 && !region_reserve(self->pool, added)) {
        give_back_retry();
        if (!region_reserve(self->pool, added)) {
            return REGION_NO_MEMORY;
        }
    }
    void *moved = NULL;
    size_t whole = whole_of(self, bytes);
    size_t alignment = self->huge > self->alignment && whole >= self->huge ? self->huge : self->alignment;
    int error = os->resize(self->source, *region, whole_of(self, old_bytes), whole, alignment, &moved);
    if (error != 0) {
        region_unreserve(self->pool, added);
        return error == ENOMEM ? REGION_NO_MEMORY : REGION_UNRESIZABLE;
    }
    if (charge < old_charge) {
        region_unreserve(self->pool, old_charge - charge);
    }
    PROBE3(chunk_unmap, self->pool->hooks.owner, *region, whole_of(self, old_bytes));
    *region = moved;
    PROBE3(chunk_map, self->pool->hooks.owner, *region, whole);
    if (added != 0 && wants_advice(self, whole) && os->advise_huge(moved, whole) != 0 &&
        self->pages == REGION_PAGES_ADVISED) {
        counter_add_shared(&self->pool->fallbacks, 1);
    }
    return REGION_RESIZED;
}

/* ---- Giving back -------------------------------------------------------------------------------------------------- */

/* In this order: G1. */
static void unmap_now(const region_source *self, uint8_t *region, size_t bytes, uint32_t index) {
    PROBE3(chunk_unmap, self->pool->hooks.owner, region, whole_of(self, bytes));
    if (self->announced) {
        bool outer = in_hook; /* a hook may release what was the last buffer of a region */
        in_hook = true;
        self->pool->hooks.unmapped(self->pool->hooks.owner, index, region + self->lead, bytes);
        in_hook = outer;
    }
    unnumber(self, index);
    return_region(self, region, bytes, true);
}

void region_unmap(const region_source *self, uint8_t *region, size_t bytes, uint32_t index) {
    poison_bytes_open(region, whole_of(self, bytes));
    if (!postponing || !self->announced) {
        unmap_now(self, region, bytes, index);
        return;
    }
    waiting *record = (waiting *)(void *)region;
    *record = (waiting){.source = self, .region = region, .bytes = bytes, .index = index};
    region_lock();
    record->next = postponed;
    postponed = record;
    region_unlock();
}

void region_postpone(bool postpone) {
    postponing = postpone;
}

/* Takes a waiting region, of one pool or of any, and marks its pool. */
static bool take_postponed_locked(const region_pool *pool, waiting *out) {
    waiting **link = &postponed;
    while (*link != NULL && pool != NULL && (*link)->source->pool != pool) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        return false;
    }
    *out = **link;
    *link = out->next;
    region_pool *owner = out->source->pool;
    owner->settling = owner->settled_era == era ? owner->settling + 1 : 1;
    owner->settled_era = era;
    return true;
}

/* Enters and leaves locked. */
static void settle_unlocking(const waiting *record) {
    uint32_t began = era;
    region_pool *owner = record->source->pool;
    region_unlock();
    unmap_now(record->source, record->region, record->bytes, record->index);
    region_lock();
    if (began == era) { /* else this thread forked in the hook, and is the child */
        owner->settling--;
    }
    (void)pthread_cond_broadcast(&settled);
}

void region_settle(void) {
    waiting record;
    region_lock();
    while (take_postponed_locked(NULL, &record)) {
        settle_unlocking(&record);
    }
    region_unlock();
}

/* A thread that exits has put regions on the list, and the allocator must outlive the calls of their hooks: so its end makes
 * those calls that nobody has begun, and waits for the others. */
void region_pool_settle(region_pool *self) {
    waiting record;
    int cancel = cancel_disable();
    region_lock();
    for (;;) {
        if (take_postponed_locked(self, &record)) {
            settle_unlocking(&record);
        } else if (self->settling != 0 && self->settled_era == era) {
            (void)pthread_cond_wait(&settled, &lock);
        } else {
            break;
        }
    }
    region_unlock();
    cancel_restore(cancel);
}

void region_pool_fini(region_pool *self) {
    give_back_disown(&self->used_bytes);
    index_table_fini(&self->indices);
}
