/* The subject pooled: poolbuf's own buffers, as a program gets them that links libpoolbuf.so: public headers, an allocator
 * with the default options. */
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

#include "subjects/kernel.h"

static bool prepare(subject_run *run) {
    poolbuf_allocator *allocator = NULL;
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        return false;
    }
    run->state = allocator;
    return true;
}

static bool finish(subject_run *run) {
    const bool is_empty = poolbuf_allocator_destroy(run->state) == POOLBUF_OK;
    run->state = NULL;
    return is_empty;
}

KERNEL_DEFINE(SUBJECT_POOLED_KERNEL, prepare, finish);
