/* Handles inside the library: their state word, and lists of free ones.
 *
 * A handle is dead while it is free: no references, no capacity, both indices 0 (H1). The bounds checks of buffer.h rely
 * on that to catch its use. What it keeps while it is free is its memory and where that came from (H2).
 *
 * A list of free handles is linked through `link`. Under Memcheck a handle in a list is closed; handle_pop() opens it. */
#ifndef HANDLE_H
#define HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <poolbuf/buffer.h>

#include "poison.h"

_Static_assert(sizeof(poolbuf) == 64, "a handle is one cache line");

static inline uint64_t handle_state(uint32_t flags, uint32_t count) {
    return (uint64_t)flags << 32 | count;
}

static inline uint32_t handle_count_of(uint64_t state) {
    return (uint32_t)state;
}

#define HANDLE_FLAG_BITS    13u
#define HANDLE_FLAG_MASK    ((1u << HANDLE_FLAG_BITS) - 1)
#define HANDLE_SHARES_SHIFT (32u + HANDLE_FLAG_BITS)

_Static_assert((POOLBUF_FLAG_MARKS << 1) - 1 == HANDLE_FLAG_MASK, "the flags have the bits that they need");

/* One retained slice of a buffer. What the bits could count above the limit takes the threads that pass the check at
 * the same moment. */
#define HANDLE_ONE_SHARE ((uint64_t)1 << HANDLE_SHARES_SHIFT)

_Static_assert(POOLBUF_RETAINED_SLICES_LIMIT <= 1u << (63 - HANDLE_SHARES_SHIFT),
               "it is half of what the bits can count");

static inline uint32_t handle_flags_of(uint64_t state) {
    return (uint32_t)(state >> 32) & HANDLE_FLAG_MASK;
}

static inline uint32_t handle_shares_of(uint64_t state) {
    return (uint32_t)(state >> HANDLE_SHARES_SHIFT);
}

/* Whether it can be the state of a handle at all. Of what has been overwritten most cannot: the slack above the limit of references
 * is small, and a dead handle has no shares. */
static inline bool handle_state_possible(uint64_t state) {
    uint32_t count = handle_count_of(state);
    return count != 0 ? count < POOLBUF_RETAIN_LIMIT_ + (1u << 20) : handle_shares_of(state) == 0;
}

static inline uint64_t handle_state_get(const poolbuf *handle) {
    return __atomic_load_n(&handle->state, __ATOMIC_RELAXED);
}

static inline void handle_state_set(poolbuf *handle, uint64_t state) {
    __atomic_store_n(&handle->state, state, __ATOMIC_RELAXED);
}

/* What poolbuf_capacity() says. It is hidden from the accessors where they are not to pass; 0 in a dead handle. */
static inline size_t handle_capacity(const poolbuf *handle) {
    const uint32_t hidden = POOLBUF_FLAG_READ_ONLY | POOLBUF_FLAG_COMPOSITE;
    uint64_t state = handle_state_get(handle);
    return (handle_flags_of(state) & hidden) != 0 && handle_count_of(state) != 0 ? handle->usable : handle->capacity;
}

/* Indices, where those of a buffer in pieces are. */
static inline void handle_set_writer_index(poolbuf *handle, size_t writer_index) {
    if (handle->memory != NULL) {
        handle->writer_index = (uint32_t)writer_index;
    } else {
        handle->hidden_writer_index = (uint32_t)writer_index;
    }
}

static inline void handle_set_indices(poolbuf *handle, size_t reader_index, size_t writer_index) {
    handle->reader_index = (uint32_t)reader_index;
    handle_set_writer_index(handle, writer_index);
}

/* So many bytes have been written after the writer index, or read after the reader index. None: nothing is stored, as the
 * empty buffer is many threads'. */
static inline void handle_wrote(poolbuf *handle, size_t length) {
    if (length != 0) {
        handle_set_writer_index(handle, poolbuf_writer_index(handle) + length);
    }
}

static inline void handle_read(poolbuf *handle, size_t length) {
    if (length != 0) {
        handle->reader_index += (uint32_t)length;
    }
}

/* A retained slice keeps the buffer with the bytes where others keep a position and a hidden writer index: what it holds may be a
 * retained slice as well, and so on, so that the way there may be long. */
_Static_assert(offsetof(poolbuf, hidden_writer_index) == offsetof(poolbuf, position) + sizeof(uint32_t) &&
                   sizeof(poolbuf *) == 2 * sizeof(uint32_t),
               "the two have room for a pointer");

static inline void handle_set_root(poolbuf *retained_slice, const poolbuf *root) {
    memcpy((char *)retained_slice + offsetof(poolbuf, position), (const void *)&root, sizeof(poolbuf *));
}

static inline poolbuf *handle_root(const poolbuf *retained_slice) {
    poolbuf *root = NULL;
    memcpy((void *)&root, (const char *)retained_slice + offsetof(poolbuf, position), sizeof(poolbuf *));
    return root;
}

/* Makes H1 true; the flags that belong to the memory stay. */
static inline void handle_kill(poolbuf *handle, uint32_t flags) {
    handle_state_set(handle, handle_state(flags, 0));
    handle->reader_index = 0;
    handle->writer_index = 0;
    handle->capacity = 0;
    handle->max_capacity = 0;
}

static inline poolbuf *handle_pop(poolbuf **list) {
    poolbuf *handle = *list;
    poison_handle_open(handle, sizeof *handle);
    *list = handle->link;
    return handle;
}

static inline void handle_push(poolbuf **list, poolbuf *handle) {
    handle->link = *list;
    *list = handle;
    poison_handle_close(handle, sizeof *handle);
}

#endif
