/* The subject fixed: what a program writes that wants to be faster than malloc and stops there. One pool for each power of
 * two, each a list of free buffers over mapped slabs, with a mutex around it as soon as there is a second thread. A
 * buffer never changes its pool; memory never goes back before the end; up to half of a buffer is waste. */
#include "subjects/subject.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "subjects/pool_class.h"

enum {
    BUFFER_ALIGNMENT = 64,
    SLAB_SIZE = 1 << 20 /* bytes; one buffer, where that is more */
};

/* In front of the memory, as in subject_malloc.c, with the same fields set up. */
typedef struct fixed_buffer {
    _Atomic(uint32_t) references;
    uint32_t capacity;
    uint32_t max_capacity;
    uint32_t reader_index;
    uint32_t writer_index;
    uint32_t flags;
    struct fixed_pool *pool;
    struct fixed_buffer *next_free;
    void *parent;
} fixed_buffer;

_Static_assert(sizeof(fixed_buffer) == 48, "the header that every peer is measured with");

typedef struct fixed_slab {
    struct fixed_slab *next;
    size_t size;
} fixed_slab;

typedef struct fixed_pool {
    pthread_mutex_t mutex; /* guards the rest, where there are threads */
    fixed_buffer *free;
    uint8_t *fresh, *fresh_end; /* the part of the newest slab that no buffer was cut from yet */
    size_t stride;              /* bytes from one buffer to the next */
    uint32_t payload;           /* bytes a buffer has room for */
    bool is_locked;             /* whether there are threads */
    fixed_slab *slabs;
} fixed_pool;

typedef struct fixed_state {
    fixed_pool pools[POOL_CLASS_COUNT];
} fixed_state;

#define KERNEL_STATE         fixed_state
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_TELLS_ROOM
#define KERNEL_COUNT(buffer) (&((fixed_buffer *)(buffer))->references)

static size_t round_up(size_t value, size_t unit) {
    return (value + unit - 1) / unit * unit;
}

/* Maps the next slab of a pool; false without memory. */
static bool fixed_pool_grow(fixed_pool *pool) {
    const size_t head = round_up(sizeof(fixed_slab), BUFFER_ALIGNMENT);
    const size_t size = head + pool->stride > SLAB_SIZE ? round_up(head + pool->stride, 4096) : SLAB_SIZE;
    void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    fixed_slab *slab = mapping;
    slab->next = pool->slabs;
    slab->size = size;
    pool->slabs = slab;
    pool->fresh = (uint8_t *)mapping + head;
    pool->fresh_end = (uint8_t *)mapping + size;
    return true;
}

/* A buffer that was never used: buffers are cut one by one, so that a slab's pages become resident as they are needed. */
static __attribute__((noinline)) fixed_buffer *fixed_pool_cut(fixed_pool *pool) {
    if ((size_t)(pool->fresh_end - pool->fresh) < pool->stride && !fixed_pool_grow(pool)) {
        return NULL;
    }
    fixed_buffer *buffer = (void *)pool->fresh;
    pool->fresh += pool->stride;
    buffer->pool = pool;
    return buffer;
}

static inline void *buffer_allocate(fixed_state *state, uint32_t size) {
    fixed_pool *pool = &state->pools[pool_class_of(size)];
    if (pool->is_locked) {
        (void)pthread_mutex_lock(&pool->mutex);
    }
    fixed_buffer *buffer = pool->free;
    if (__builtin_expect(buffer != NULL, 1)) {
        pool->free = buffer->next_free;
    } else {
        buffer = fixed_pool_cut(pool);
    }
    if (pool->is_locked) {
        (void)pthread_mutex_unlock(&pool->mutex);
    }
    if (buffer != NULL) {
        atomic_init(&buffer->references, 1);
        buffer->capacity = size;
        buffer->max_capacity = pool->payload;
        buffer->reader_index = 0;
        buffer->writer_index = 0;
        buffer->flags = 0;
        buffer->parent = NULL;
    }
    return buffer;
}

static inline void buffer_release(fixed_state *state, void *handle) {
    (void)state;
    fixed_buffer *buffer = handle;
    if (atomic_load_explicit(&buffer->references, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    fixed_pool *pool = buffer->pool;
    if (pool->is_locked) {
        (void)pthread_mutex_lock(&pool->mutex);
    }
    buffer->next_free = pool->free;
    pool->free = buffer;
    if (pool->is_locked) {
        (void)pthread_mutex_unlock(&pool->mutex);
    }
}

static inline uint8_t *buffer_memory(fixed_state *state, void *handle) {
    (void)state;
    return (uint8_t *)((fixed_buffer *)handle + 1);
}

static inline uint32_t buffer_size(const void *handle) {
    return ((const fixed_buffer *)handle)->capacity;
}

static inline size_t buffer_room(const void *handle) {
    return ((const fixed_buffer *)handle)->pool->payload;
}

static inline void *buffer_resize(fixed_state *state, void *handle, uint32_t size) {
    fixed_buffer *buffer = handle;
    if (size <= buffer->pool->payload) {
        buffer->capacity = size;
        return buffer;
    }
    fixed_buffer *larger = buffer_allocate(state, size);
    if (larger != NULL) {
        memcpy(larger + 1, buffer + 1, buffer->capacity);
        buffer_release(state, buffer);
    }
    return larger;
}

#include "subjects/kernel.h"

static fixed_state pools;

static bool prepare(subject_run *run) {
    memset(&pools, 0, sizeof pools);
    for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
        fixed_pool *pool = &pools.pools[i];
        pool->payload = pool_class_payload(i);
        pool->stride = round_up(sizeof(fixed_buffer) + pool->payload, BUFFER_ALIGNMENT);
        pool->is_locked = run->thread_count > 1;
        (void)pthread_mutex_init(&pool->mutex, NULL);
    }
    run->state = &pools;
    return true;
}

static bool finish(subject_run *run) {
    for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
        fixed_slab *slab = pools.pools[i].slabs;
        while (slab != NULL) {
            fixed_slab *next = slab->next;
            (void)munmap(slab, slab->size);
            slab = next;
        }
        (void)pthread_mutex_destroy(&pools.pools[i].mutex);
    }
    run->state = NULL;
    return true;
}

KERNEL_DEFINE(subject_kernel_fixed, prepare, finish);
