/* An allocator of one's own beside the others: free lists of blocks from malloc, one a power of two, behind a lock.
 *
 *     cc -O2 -fPIC -shared -I INCLUDES free_lists.c -o free_lists.so
 *     poolbuf run --quick pingpong --subject malloc,pooled --subject mine=./free_lists.so
 *
 * INCLUDES is bench/ of the source tree, or include/poolbuf-bench/ of an installation. To measure yours, keep the frame
 * and replace what is between the two marks. */
#include "subjects/plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- The allocator ---- */

enum {
    SMALLEST_BITS = 4, /* 16 bytes */
    LARGEST_BITS = 20, /* 1 MiB */
    LIST_COUNT = LARGEST_BITS - SMALLEST_BITS + 1
};

/* What every subject's buffer has in front of its memory, or elsewhere: set up all of it, as the others do. */
typedef struct block {
    _Atomic(uint32_t) references;
    uint32_t size;
    uint32_t max_size;
    uint32_t reader_index;
    uint32_t writer_index;
    uint32_t list; /* which it goes back to */
    struct block *next;
    void *owner;
    void *parent;
} block;

typedef struct pool {
    pthread_mutex_t lock;
    block *free[LIST_COUNT];
} pool;

static inline uint32_t list_of(uint32_t size) {
    return size <= 1u << SMALLEST_BITS ? 0 : 32u - (uint32_t)__builtin_clz(size - 1) - SMALLEST_BITS;
}

static inline size_t room_of(uint32_t list) {
    return (size_t)1 << (list + SMALLEST_BITS);
}

static inline block *pool_take(pool *from, uint32_t list) {
    (void)pthread_mutex_lock(&from->lock);
    block *taken = from->free[list];
    if (taken != NULL) {
        from->free[list] = taken->next;
    }
    (void)pthread_mutex_unlock(&from->lock);
    return taken != NULL ? taken : (block *)malloc(sizeof *taken + room_of(list));
}

static inline void pool_put(pool *into, block *returned) {
    (void)pthread_mutex_lock(&into->lock);
    returned->next = into->free[returned->list];
    into->free[returned->list] = returned;
    (void)pthread_mutex_unlock(&into->lock);
}

/* ---- The end of the allocator: what the kernel calls ---- */

#define KERNEL_STATE         pool /* what prepare() puts into run->state */
#define KERNEL_SHARES_MEMORY 0    /* each buffer has memory of its own */
#define KERNEL_TELLS_ROOM         /* buffer_room() is there: the result then says what rounding up wastes */
#define KERNEL_COUNT(buffer) (&((block *)(buffer))->references) /* so that scenarios can share buffers */

static inline void *buffer_allocate(pool *state, uint32_t size) {
    const uint32_t list = list_of(size);
    block *made = list < LIST_COUNT ? pool_take(state, list) : NULL;
    if (made != NULL) {
        atomic_init(&made->references, 1);
        made->size = size;
        made->max_size = UINT32_C(1) << LARGEST_BITS;
        made->reader_index = 0;
        made->writer_index = 0;
        made->list = list;
        made->owner = state;
        made->parent = NULL;
    }
    return made;
}

/* As in the other subjects, the only owner needs no atomic subtraction. */
static inline void buffer_release(pool *state, void *handle) {
    block *released = (block *)handle;
    if (atomic_load_explicit(&released->references, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&released->references, 1, memory_order_acq_rel) == 1) {
        pool_put(state, released);
    }
}

static inline uint8_t *buffer_memory(pool *state, void *handle) {
    (void)state;
    return (uint8_t *)((block *)handle + 1);
}

static inline uint32_t buffer_size(const void *handle) {
    return ((const block *)handle)->size;
}

static inline size_t buffer_room(const void *handle) {
    return room_of(((const block *)handle)->list);
}

static inline void *buffer_resize(pool *state, void *handle, uint32_t size) {
    block *old = (block *)handle;
    if (size <= buffer_room(old)) {
        old->size = size;
        return old;
    }
    void *larger = buffer_allocate(state, size);
    if (larger != NULL) {
        memcpy(buffer_memory(state, larger), buffer_memory(state, old), old->size);
        buffer_release(state, old);
    }
    return larger;
}

#include "subjects/kernel.h"

/* One thread calls these two, outside any clock. A pool that cannot serve what is coming says so here. */
static bool prepare(subject_run *run) {
    if (list_of(run->max_size) >= LIST_COUNT) {
        return subject_cannot_serve(run, "its largest buffer has %zu bytes, and %u are asked for",
                                    room_of(LIST_COUNT - 1), run->max_size);
    }
    pool *made = (pool *)calloc(1, sizeof *made);
    if (made == NULL) {
        return false;
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    run->state = made;
    return true;
}

static bool finish(subject_run *run) {
    pool *state = (pool *)run->state;
    for (uint32_t list = 0; list < LIST_COUNT; list++) {
        block *next = NULL;
        for (block *left = state->free[list]; left != NULL; left = next) {
            next = left->next;
            free(left);
        }
    }
    (void)pthread_mutex_destroy(&state->lock);
    free(state);
    return true;
}

SUBJECT_PLUGIN("free lists", "1.0", prepare, finish);
