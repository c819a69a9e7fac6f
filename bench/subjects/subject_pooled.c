/* The subjects pooled, pooled-nocache, unpooled and those of the leak levels: poolbuf's own buffers, as a program gets them that links
 * libpoolbuf.so: public headers, and an allocator with the default options but for what the names say. */
#include "subjects/subject.h"

#include <sys/uio.h>

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/composite.h>
#include <poolbuf/io.h>
#include <poolbuf/leakdetect.h>

#ifndef SUBJECT_POOLED_KERNEL
#define SUBJECT_POOLED_KERNEL subject_kernel_pooled
#endif

#define KERNEL_STATE         poolbuf_allocator
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_BUFFER        poolbuf
#define KERNEL_HAS_BULK
#define KERNEL_TELLS_ROOM
#define KERNEL_HAS_VIEWS
#define KERNEL_HAS_APPEND
#define KERNEL_HAS_MESSAGES

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

/* Nothing but an append moves the writer index: until then, all of the capacity counts as written. */
static inline uint32_t buffer_length(const void *buffer) {
    const size_t written = poolbuf_writer_index(buffer);
    return (uint32_t)(written != 0 ? written : poolbuf_capacity(buffer));
}

static inline void *buffer_append(poolbuf_allocator *state, void *buffer, uint32_t size) {
    (void)state;
    const size_t length = buffer_length(buffer);
    const bool good = poolbuf_set_writer_index(buffer, length) == POOLBUF_OK &&
                      poolbuf_ensure_writable(buffer, size) == POOLBUF_OK &&
                      poolbuf_set_writer_index(buffer, length + size) == POOLBUF_OK;
    return good ? buffer : NULL;
}

static inline void buffer_retain(poolbuf_allocator *state, void *buffer) {
    (void)state;
    (void)poolbuf_retain(buffer);
}

static inline bool buffer_release_last(poolbuf_allocator *state, void *buffer) {
    (void)state;
    return poolbuf_release(buffer);
}

static inline bool buffer_is_sole(const void *buffer) {
    return poolbuf_ref_count(buffer) == 1;
}

static inline void *buffer_slice(poolbuf_allocator *state, void *buffer, uint32_t offset, uint32_t size) {
    (void)state;
    return poolbuf_retained_slice(buffer, offset, size);
}

static inline uint8_t *view_memory(poolbuf_allocator *state, void *view) {
    (void)state;
    return poolbuf_memory(view);
}

static inline uint32_t view_size(poolbuf_allocator *state, void *view) {
    (void)state;
    return (uint32_t)poolbuf_capacity(view);
}

static inline void *view_parent(poolbuf_allocator *state, void *view) {
    (void)state;
    return poolbuf_unwrap(view);
}

static inline void view_release(poolbuf_allocator *state, void *view) {
    (void)state;
    (void)poolbuf_release(view);
}

/* A composite shows what is readable in its components. */
static inline bool buffer_assemble(poolbuf_allocator *state, poolbuf **buffers, uint32_t count, size_t *size) {
    struct iovec pieces[STREAM_PARTS_MAX];
    size_t piece_count = STREAM_PARTS_MAX;
    poolbuf *message = poolbuf_allocate_composite(state, count);
    if (message == NULL) {
        (void)poolbuf_release_many(buffers, count);
        return false;
    }
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        good = poolbuf_set_writer_index(buffers[i], buffer_length(buffers[i])) == POOLBUF_OK && good;
        good = poolbuf_composite_add_component(message, buffers[i], true) == POOLBUF_OK && good;
    }
    good = good && poolbuf_readable_iovec(message, 0, poolbuf_readable_bytes(message), pieces, &piece_count, size) ==
                       POOLBUF_OK;
    __asm__ volatile("" : : "r"(pieces) : "memory"); /* somebody looks at the list */
    (void)poolbuf_release(message);
    return good;
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

/* The leak detector's levels. A worker starts with the detector disabled, and is left so: the level is that of the play
 * alone. What the detector needs when it first tracks something is taken in the passes before the clock. */
static bool prepare_level(subject_run *run, leakdetect_level level) {
    return leakdetect_set_level(level) == POOLBUF_OK && prepare(run);
}

static bool prepare_simple(subject_run *run) {
    return prepare_level(run, LEAKDETECT_SIMPLE);
}

static bool prepare_advanced(subject_run *run) {
    return prepare_level(run, LEAKDETECT_ADVANCED);
}

static bool prepare_paranoid(subject_run *run) {
    return prepare_level(run, LEAKDETECT_PARANOID);
}

static bool finish_level(subject_run *run) {
    const bool is_empty = finish(run);
    return leakdetect_set_level(LEAKDETECT_DISABLED) == POOLBUF_OK && is_empty;
}

KERNEL_DEFINE(subject_kernel_pooled_simple, prepare_simple, finish_level);
KERNEL_DEFINE(subject_kernel_pooled_advanced, prepare_advanced, finish_level);
KERNEL_DEFINE(subject_kernel_pooled_paranoid, prepare_paranoid, finish_level);
#endif
