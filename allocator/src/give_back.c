/* Giving back what was taken from the system, also where the system refuses. */
#include "give_back.h"

#include <pthread.h>

#include "counter.h"
#include "poison.h"

/* At the start of a region that waits. */
typedef struct refused {
    struct refused *next;
    give_back_terms terms;
} refused;

#define OFFERED_ALONG                                                                                                  \
    4u /* regions that wait and are offered with each that goes: what a system that keeps refusing costs */

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER;   /* a leaf; taken where the system has refused something, not else */
static refused *first;           /* guarded by lock, as is the next */
static refused **end = &first;   /* where the next one is linked */
static uint64_t waiting_regions; /* atomic, relaxed; written under lock, as is the next */
static uint64_t waiting_bytes;

static void lock_list(void) {
    (void)pthread_mutex_lock(&lock);
}

static void unlock_list(void) {
    (void)pthread_mutex_unlock(&lock);
}

void give_back_before_fork(void) {
    lock_list();
}

void give_back_after_fork(void) {
    unlock_list();
}

static void link_locked(refused *record) {
    record->next = NULL;
    *end = record;
    end = &record->next;
    counter_add(&waiting_regions, 1);
    counter_add(&waiting_bytes, record->terms.size);
}

static refused *unlink_locked(refused **link) {
    refused *record = *link;
    *link = record->next;
    end = record->next == NULL ? link : end;
    counter_sub(&waiting_regions, 1);
    counter_sub(&waiting_bytes, record->terms.size);
    return record;
}

/* The terms are no part of the region: once that has gone, so has what lies in it. */
static bool offer(void *region, const give_back_terms *terms) {
    if (os->give_back(terms->source, region, terms->size) != 0) {
        return false;
    }
    if (terms->counter != NULL) {
        (void)counter_sub_shared(terms->counter, terms->count);
    }
    return true;
}

/* Offers so many of those that have waited longest. Under the lock, so that no counter and no child of a fork() ever misses a
 * region that is out of the list for a moment. */
static void retry(uint64_t most) {
    lock_list();
    uint64_t count = counter_get(&waiting_regions);
    for (count = count < most ? count : most; count != 0; count--) {
        refused *record = unlink_locked(&first);
        give_back_terms terms = record->terms;
        if (!offer(record, &terms)) {
            link_locked(record);
        }
    }
    unlock_list();
}

void give_back_retry(void) {
    if (counter_get(&waiting_regions) != 0) {
        retry(UINT64_MAX);
    }
}

bool give_back(void *region, const give_back_terms *terms) {
    if (offer(region, terms)) {
        if (counter_get(&waiting_regions) != 0) {
            retry(OFFERED_ALONG); /* what went may have been the neighbour that was in the way */
        }
        return true;
    }
    /* benign: a system that does not want the pages alone either has them for longer */
    (void)os->purge(region, terms->size);
    refused *record = region;
    poison_handle_open(record, sizeof *record); /* it may have been a closed region of handles */
    record->terms = *terms;
    lock_list();
    link_locked(record);
    unlock_list();
    return false;
}

void give_back_plain(os_source source, void *region, size_t size) {
    const give_back_terms terms = {.source = source, .size = size};
    (void)give_back(region, &terms);
}

void *give_back_reuse(const void *maker, size_t size) {
    if (counter_get(&waiting_regions) == 0) {
        return NULL;
    }
    lock_list();
    refused **link = &first;
    while (*link != NULL && ((*link)->terms.maker != maker || (*link)->terms.size != size)) {
        link = &(*link)->next;
    }
    refused *found = *link != NULL ? unlink_locked(link) : NULL;
    unlock_list();
    return found;
}

void give_back_disown(const uint64_t *counter) {
    if (counter_get(&waiting_regions) == 0) {
        return;
    }
    lock_list();
    for (refused *record = first; record != NULL; record = record->next) {
        if (record->terms.counter == counter) {
            record->terms.counter = NULL;
            record->terms.maker = NULL;
        }
    }
    unlock_list();
}

void give_back_waiting(uint64_t *regions, uint64_t *bytes) {
    *regions = counter_get(&waiting_regions);
    *bytes = counter_get(&waiting_bytes);
}
