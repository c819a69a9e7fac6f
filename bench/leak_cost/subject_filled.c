/* The subject pooled with buffers that are used: the whole of each is written when it is made, as a receiver does, and read before
 * it is released, as a sender does, both through the public calls. The kernel itself touches two bytes. */
#include "leak_cost/subject_filled.h"

#include <poolbuf/poolbuf.h>

#define KERNEL_STATE         poolbuf_allocator
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_BUFFER        poolbuf

static uint8_t scratch[1 << 16]; /* larger buffers are written and read by as much */

static inline size_t at_most_scratch(size_t size) {
    return size < sizeof scratch ? size : sizeof scratch;
}

static inline void *buffer_allocate(poolbuf_allocator *state, uint32_t size) {
    poolbuf *buffer = poolbuf_allocate(state, size, STREAM_SIZE_MAX);
    if (buffer != NULL && poolbuf_write_bytes(buffer, scratch, at_most_scratch(size)) != POOLBUF_OK) {
        (void)poolbuf_release(buffer);
        return NULL;
    }
    return buffer;
}

static inline void buffer_release(poolbuf_allocator *state, void *buffer) {
    (void)state;
    if (poolbuf_read_bytes(buffer, scratch, at_most_scratch(poolbuf_readable_bytes(buffer))) == POOLBUF_OK) {
        __asm__ volatile("" : : "r"(scratch) : "memory");
    }
    (void)poolbuf_release(buffer);
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
    bool good = poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK;
    run->state = allocator;
    return good;
}

static bool finish(subject_run *run) {
    return poolbuf_allocator_destroy(run->state) == POOLBUF_OK;
}

KERNEL_DEFINE(subject_kernel_filled, prepare, finish);
