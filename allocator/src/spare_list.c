/* The spare list: an arena's empty chunks, by when they became so. */
#include "spare_list.h"

#include <stddef.h>

#include "check.h"
#include "counter.h"

void spare_list_add(spare_list *list, chunk *member, uint64_t now_ms) {
    POOLBUF_ASSERT(chunk_is_empty(member));
    POOLBUF_ASSERT(member->list == NULL);
    member->emptied_ms = now_ms;
    member->prev = NULL;
    member->next = list->newest;
    if (list->newest != NULL) {
        list->newest->prev = member;
    } else {
        list->oldest = member;
    }
    list->newest = member;
    counter_add(&list->count, 1);
}

static void unlink_chunk(spare_list *list, chunk *member) {
    if (member->prev != NULL) {
        member->prev->next = member->next;
    } else {
        list->newest = member->next;
    }
    if (member->next != NULL) {
        member->next->prev = member->prev;
    } else {
        list->oldest = member->prev;
    }
    member->next = member->prev = NULL;
    counter_sub(&list->count, 1);
}

chunk *spare_list_take(spare_list *list) {
    chunk *member = list->newest;
    if (member != NULL) {
        unlink_chunk(list, member);
    }
    return member;
}

chunk *spare_list_take_decayed(spare_list *list, uint64_t now_ms, uint64_t decay_ms) {
    chunk *member = list->oldest;
    if (member == NULL || now_ms - member->emptied_ms < decay_ms) {
        return NULL;
    }
    unlink_chunk(list, member);
    return member;
}

bool spare_list_audit(const spare_list *list) {
    uint64_t count = 0;
    const chunk *prev = NULL;
    for (const chunk *c = list->newest; c != NULL; c = c->next) {
        POOLBUF_AUDIT(c->list == NULL);
        POOLBUF_AUDIT(c->prev == prev);
        POOLBUF_AUDIT(chunk_is_empty(c));
        POOLBUF_AUDIT(c->subpage_count == 0);
        POOLBUF_AUDIT(prev == NULL || c->emptied_ms <= prev->emptied_ms); /* E1 */
        if (!chunk_audit(c)) {
            return false;
        }
        prev = c;
        count++;
    }
    POOLBUF_AUDIT(list->oldest == prev);
    POOLBUF_AUDIT(list->count == count);
    return true;
}
