/* The subjects pooled, pooled-nocache and unpooled: poolbuf's own buffers, as a program gets them that links
 * libpoolbuf.so: public headers, and an allocator with the default options but for what the names say. */
#include "subjects/subject.h"

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>

#ifndef SUBJECT_POOLED_KERNEL
#define SUBJECT_POOLED_KERNEL subject_kernel_pooled
#endif

#define KERNEL_STATE         poolbuf_allocator
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_BUFFER        poolbuf
#define KERNEL_HAS_BULK
#define KERNEL_TELLS_ROOM

static inline void *buffer_allocate(poolbuf_allocator *state, uint32_t size) {
    return poolbuf_allocate(state, size, STREAM_SIZE_MAX);
}

static inline void buffer_release(poolbuf_allocator *state, void *buffer) {
    (void)state;
    (void)poolbuf_release(buffer);
}

static inline size_t buffer_allocate_many(poolbuf_allocator *state, uint32_t size, poolbuf **buffers, size_t count) {
    return poolbuf_allocate_many(state, size, STREAM_SIZE_MAX, buffers, count);
}

static inline void buffer_release_many(poolbuf_allocator *state, poolbuf **buffers, size_t count) {
    (void)state;
    (void)poolbuf_release_many(buffers, count);
}

static inline void *buffer_resize(poolbuf_allocator *state, void *buffer, uint32_t size) {
    (void)state;
    return poolbuf_set_capacity(buffer, size) == POOLBUF_OK ? buffer : NULL;
}

static inline uint8_t *buffer_memory(poolbuf_allocator *state, void *buffer) {
    (void)state;
    return poolbuf_memory(buffer);
}

static inline uint32_t buffer_size(const void *buffer) {
    return (uint32_t)poolbuf_capacity(buffer);
}

static inline size_t buffer_room(const void *buffer) {
    return ((const poolbuf *)buffer)->usable;
}

#include "subjects/kernel.h"

static bool prepare_with(subject_run *run, const poolbuf_allocator_options *options) {
    poolbuf_allocator *allocator = NULL;
    if (poolbuf_allocator_create(options, &allocator) != POOLBUF_OK) {
        return false;
    }
    run->state = allocator;
    return true;
}

static bool prepare(subject_run *run) {
    return prepare_with(run, NULL);
}

static bool finish(subject_run *run) {
    const bool is_empty = poolbuf_allocator_destroy(run->state) == POOLBUF_OK;
    run->state = NULL;
    return is_empty;
}

KERNEL_DEFINE(SUBJECT_POOLED_KERNEL, prepare, finish);

#ifndef SUBJECT_POOLED_ALONE
/* Every allocation goes to an arena, and every release: what the thread caches are worth. */
static bool prepare_nocache(subject_run *run) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.small_cache_size = 0;
    options.normal_cache_size = 0;
    return prepare_with(run, &options);
}

/* The same handle over malloc's memory: what the pool is worth to those who use the buffer all the same. */
static bool prepare_unpooled(subject_run *run) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.pooling = false;
    return prepare_with(run, &options);
}

KERNEL_DEFINE(subject_kernel_pooled_nocache, prepare_nocache, finish);
KERNEL_DEFINE(subject_kernel_unpooled, prepare_unpooled, finish);
#endif
