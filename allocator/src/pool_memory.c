/* Which memory is the pool's, and what each handle owns of it: for whoever looks for references in a process's memory.
 *
 * Three kinds, because a reference means something else in each. What lies in a handle counts once the handle itself is
 * reachable; what lies in a buffer's bytes, once its handle is. The books know the addresses of handles that are out:
 * the array of a thread's cache keeps what was popped until something is pushed there, and a chunk's record has the
 * address of its first buffer's bytes. Nobody reaches a buffer through them. */
#include <poolbuf/tracker.h>

#include "allocator.h"
#include "arena.h"
#include "composite.h"
#include "handle.h"
#include "registry.h"
#include "slab.h"

typedef struct visit {
    poolbuf_memory_visitor *visitor;
    void *context;
    poolbuf_memory_kind kind;
} visit;

static void show(const visit *self, poolbuf_memory_kind kind, const void *base, size_t bytes) {
    if (bytes != 0) {
        self->visitor(self->context, kind, base, bytes);
    }
}

static void show_slab_region(void *context, const void *base, size_t bytes) {
    const visit *self = context;
    show(self, self->kind, base, bytes);
}

static void show_slab(visit *self, poolbuf_memory_kind kind, const slab *records) {
    self->kind = kind;
    slab_visit(records, show_slab_region, self);
}

static void show_chunks(const visit *self, const chunk *first) {
    for (const chunk *member = first; member != NULL; member = member->next) {
        size_t payload = member->huge_bytes;
        if (payload == 0) {
            payload = (size_t)member->runs.page_count << member->runs.classes->page_log2;
        }
        show(self, POOLBUF_MEMORY_BYTES, member->region, member->lead + payload);
    }
}

static void show_arena(visit *self, arena *from) {
    arena_lock(from);
    show_slab(self, POOLBUF_MEMORY_HANDLES, &from->handles);
    show_slab(self, POOLBUF_MEMORY_BOOKS, &from->chunk_records);
    show_slab(self, POOLBUF_MEMORY_BOOKS, &from->chunk_books);
    show_slab(self, POOLBUF_MEMORY_BOOKS, &from->huge_records);
    show_slab(self, POOLBUF_MEMORY_BOOKS, &from->subpage_records);
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        show_chunks(self, from->lists[i].first);
    }
    show_chunks(self, from->spares.newest);
    show_chunks(self, from->huge);
    arena_unlock(from);
}

static void show_group_locked(void *context, cache_group *group) {
    visit *self = context;
    const poolbuf_allocator *allocator = (const poolbuf_allocator *)(const void *)group; /* it is the first member */
    show_slab(self, POOLBUF_MEMORY_BOOKS, &group->records);
    show(self, POOLBUF_MEMORY_BOOKS, &group->records, sizeof group->records);
    show(self, POOLBUF_MEMORY_BOOKS, allocator->depot_handles, allocator->depot_bytes);
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        /* An arena knows where its last region of handles ends, which may be where a huge buffer begins. */
        show(self, POOLBUF_MEMORY_BOOKS, group->arenas[kind], group->arena_counts[kind] * sizeof(arena));
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            show_arena(self, &group->arenas[kind][i]);
        }
    }
}

void poolbuf_memory_visit(poolbuf_memory_visitor *visitor, void *context) {
    visit self = {.visitor = visitor, .context = context};
    registry_visit(show_group_locked, &self);
}

size_t poolbuf_memory_of_handle(const poolbuf *copy, poolbuf_memory_reader *read, void *context, const void **block) {
    const uint32_t others =
        POOLBUF_FLAG_SLICE | POOLBUF_FLAG_RETAINED_SLICE | POOLBUF_FLAG_WRAPPED | POOLBUF_FLAG_MARKS;
    uint64_t state = handle_state_get(copy);
    uint32_t flags = handle_flags_of(state);
    bool is_composite = (flags & POOLBUF_FLAG_COMPOSITE) != 0;
    /* A retained slice of a composite is a composite of its own, and no slice. */
    if (!handle_state_possible(state) || handle_count_of(state) == 0 || (flags & others) != 0) {
        return 0;
    }
    if (!is_composite) {
        *block = copy->memory;
        return copy->memory != NULL ? copy->usable : 0;
    }
    composite head;
    if (copy->origin == NULL || !read(context, copy->origin, &head, sizeof head)) {
        return 0;
    }
    *block = copy->origin;
    return sizeof head + (size_t)head.room * sizeof(component);
}
