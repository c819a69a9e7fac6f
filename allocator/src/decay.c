/* Decay: an arena's dirty pages, by when they are due, and how they leave. */
#include "decay.h"

#include "check.h"
#include "chunk_list.h"
#include "os/os.h"
#include "process/cancel.h"

#define DROP_BYTES_MAX ((size_t)4 << 20) /* what is out at once: little enough that few allocations miss it */

void decay_init(decay *self) {
    *self = (decay){.due_ms = DECAY_NEVER};
    /* Never destroyed: it holds nothing, and the child of a fork() would wait for those who waited there. */
    (void)pthread_cond_init(&self->ended, NULL);
}

static uint64_t step_ms(uint32_t decay_ms) {
    return decay_ms == 0 ? 1 : ((uint64_t)decay_ms + DECAY_STEPS - 1) / DECAY_STEPS;
}

/* ---- Lists -------------------------------------------------------------------------------------------------------- */

static void link_chunk(chunk **list, chunk *member) {
    member->decay_next = *list;
    member->decay_link = list;
    if (*list != NULL) {
        (*list)->decay_link = &member->decay_next;
    }
    *list = member;
}

static void unlink_chunk(chunk *member) {
    *member->decay_link = member->decay_next;
    if (member->decay_next != NULL) {
        member->decay_next->decay_link = member->decay_link;
    }
    member->decay_next = NULL;
    member->decay_link = NULL;
}

static void move_to_todo(decay *self, chunk **list) {
    while (*list != NULL) {
        chunk *member = *list;
        unlink_chunk(member);
        link_chunk(&self->todo, member);
    }
}

static void advance(decay *self, uint32_t decay_ms, uint64_t now_ms) {
    uint64_t target = now_ms / step_ms(decay_ms);
    for (uint32_t i = 0; i < DECAY_WHEEL && self->tick < target; i++) {
        self->tick++;
        move_to_todo(self, &self->wheel[self->tick % DECAY_WHEEL]);
    }
    self->tick = target;
}

/* By when its oldest dirty page is due, rounded up to a tick, but not before earliest. */
static void file_chunk(decay *self, chunk *member, uint32_t decay_ms, uint64_t now_ms, uint64_t earliest) {
    uint64_t step = step_ms(decay_ms);
    uint64_t due_ms = now_ms + decay_ms - dirty_map_oldest_age(&member->dirty, now_ms);
    uint64_t tick = (due_ms + step - 1) / step;
    tick = tick > earliest ? tick : earliest;
    link_chunk(tick <= self->tick ? &self->todo : &self->wheel[tick % DECAY_WHEEL], member);
    decay_expect(self, tick * step);
}

void decay_watch(decay *self, chunk *member, uint32_t decay_ms, uint64_t now_ms) {
    if (member->decay_link == NULL && member->dirty.count != 0) {
        advance(self, decay_ms, now_ms);
        file_chunk(self, member, decay_ms, now_ms, 0);
    }
}

void decay_forget(chunk *member) {
    if (member->decay_link != NULL) {
        unlink_chunk(member);
    }
    member->decay_cursor = 0;
}

void decay_hurry(decay *self) {
    for (unsigned i = 0; i < DECAY_WHEEL; i++) {
        move_to_todo(self, &self->wheel[i]);
    }
    for (chunk *member = self->todo; member != NULL; member = member->decay_next) {
        member->decay_cursor = 0;
    }
}

void decay_expect(decay *self, uint64_t due_ms) {
    if (due_ms < self->due_ms) {
        __atomic_store_n(&self->due_ms, due_ms, __ATOMIC_RELAXED);
    }
}

void decay_settle(decay *self, uint32_t decay_ms, uint64_t others_due_ms) {
    uint64_t due_ms = DECAY_NEVER;
    if (self->todo != NULL) {
        due_ms = self->due_ms; /* the oldest of them was due then, or has been dealt with: it is a lower bound still */
    } else {
        for (uint64_t tick = self->tick + 1; tick <= self->tick + DECAY_WHEEL; tick++) {
            if (self->wheel[tick % DECAY_WHEEL] != NULL) {
                due_ms = tick * step_ms(decay_ms);
                break;
            }
        }
    }
    due_ms = others_due_ms < due_ms ? others_due_ms : due_ms;
    __atomic_store_n(&self->due_ms, due_ms, __ATOMIC_RELAXED);
}

/* ---- One at a time ------------------------------------------------------------------------------------------------ */

bool decay_begin_try(decay *self) {
    if (self->dropping) {
        return false;
    }
    self->dropping = true;
    return true;
}

void decay_begin(decay *self, pthread_mutex_t *arena_lock) {
    int cancel = cancel_disable();
    while (!decay_begin_try(self)) {
        (void)pthread_cond_wait(&self->ended, arena_lock);
    }
    cancel_restore(cancel);
}

void decay_end(decay *self) {
    POOLBUF_ASSERT(self->out_pages == 0);
    self->dropping = false;
    (void)pthread_cond_broadcast(&self->ended);
}

/* ---- Pages -------------------------------------------------------------------------------------------------------- */

bool decay_take_out(decay *self, uint32_t decay_ms, uint32_t age_ms, uint64_t now_ms, decay_range *out) {
    advance(self, decay_ms, now_ms);
    POOLBUF_ASSERT(self->dropping); /* D3 */
    while (self->todo != NULL) {
        chunk *member = self->todo;
        uint32_t most = (uint32_t)(DROP_BYTES_MAX >> member->runs.classes->page_log2);
        *out = (decay_range){.chunk = member};
        if (dirty_map_find(&member->dirty, member->decay_cursor, now_ms, age_ms, most, &out->page, &out->pages)) {
            member->decay_cursor = out->page + out->pages;
            self->out_pages += out->pages;
            chunk_take_out(member, out->page, out->pages);
            chunk_list_after_take(member);
            return true;
        }
        decay_forget(member);
        if (member->dirty.count != 0) {
            file_chunk(self, member, decay_ms, now_ms, self->tick + 1); /* D2 */
        }
    }
    return false;
}

void decay_drop(decay_range *range) {
    size_t bytes = (size_t)range->pages << range->chunk->runs.classes->page_log2;
    range->dropped = os->purge(chunk_address(range->chunk, range->page), bytes) == 0;
}

bool decay_put_back(decay *self, const decay_range *range, uint64_t now_ms) {
    self->out_pages -= range->pages;
    chunk_put_back(range->chunk, range->page, range->pages, !range->dropped, now_ms);
    return chunk_list_after_give(range->chunk);
}

static bool audit_list(chunk *const *list, bool in_todo) {
    for (chunk *const *link = list; *link != NULL; link = &(*link)->decay_next) {
        POOLBUF_AUDIT((*link)->decay_link == link);
        POOLBUF_AUDIT((*link)->list != NULL);
        POOLBUF_AUDIT(in_todo || (*link)->decay_cursor == 0);
    }
    return true;
}

bool decay_audit(const decay *self) {
    bool any = self->todo != NULL;
    for (unsigned i = 0; i < DECAY_WHEEL; i++) {
        any = any || self->wheel[i] != NULL;
        if (!audit_list(&self->wheel[i], false)) {
            return false;
        }
    }
    POOLBUF_AUDIT(self->dropping || self->out_pages == 0); /* D3 */
    POOLBUF_AUDIT(!any || self->due_ms != DECAY_NEVER);
    return audit_list(&self->todo, true);
}
