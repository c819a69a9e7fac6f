/* The subject null: no allocator. Every buffer is the same memory, and a handle is its size in disguise; what is left is the
 * cost of playing the stream. It never wins: it gives nobody memory of their own. */
#include "subjects/subject.h"

#include <sys/mman.h>

typedef struct null_state {
    uint8_t *memory; /* max_size bytes, shared by all buffers and threads */
    size_t size;
} null_state;

#define KERNEL_STATE         null_state
#define KERNEL_SHARES_MEMORY 1

/* The size, shifted past a bit that keeps an empty buffer apart from an empty slot. */
static inline void *buffer_allocate(null_state *state, uint32_t size) {
    (void)state;
    return (void *)(((uintptr_t)size << 1) | 1);
}

static inline void buffer_release(null_state *state, void *handle) {
    (void)state;
    (void)handle;
}

static inline void *buffer_resize(null_state *state, void *handle, uint32_t size) {
    (void)handle;
    return buffer_allocate(state, size);
}

static inline uint8_t *buffer_memory(null_state *state, void *handle) {
    (void)handle;
    return state->memory;
}

static inline uint32_t buffer_size(const void *handle) {
    return (uint32_t)((uintptr_t)handle >> 1);
}

#include "subjects/kernel.h"

static null_state shared;

static bool prepare(subject_run *run) {
    shared.size = run->max_size == 0 ? 1 : run->max_size;
    void *mapping = mmap(NULL, shared.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    shared.memory = mapping;
    run->state = &shared;
    return true;
}

static bool finish(subject_run *run) {
    (void)munmap(shared.memory, shared.size);
    run->state = NULL;
    return true;
}

KERNEL_DEFINE(subject_kernel_null, prepare, finish);
