/* The subject null: no allocator. Every buffer that a thread touches is the same memory, and a handle is its size in
 * disguise; what is left is the cost of playing the stream. It never wins: it gives nobody memory of their own.
 *
 * Each thread has its own memory, or the threads would pull one cache line to and fro, and null would measure that. */
#include "subjects/subject.h"

#include <sys/mman.h>

/* One thread's view. */
typedef struct null_state {
    uint8_t *memory;     /* max_size bytes */
    unsigned generation; /* of the run that it belongs to; 0 for none */
} null_state;

#define KERNEL_STATE         null_state
#define KERNEL_SHARES_MEMORY 1
#define KERNEL_THREAD_STATE  null_thread_state
#define KERNEL_HAS_VIEWS
#define KERNEL_COUNTS_NOT /* references: a buffer is gone when its first one is */

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

static inline void buffer_retain(null_state *state, void *handle) {
    (void)state;
    (void)handle;
}

static inline bool buffer_release_last(null_state *state, void *handle) {
    (void)state;
    (void)handle;
    return true;
}

static inline bool buffer_is_sole(const void *handle) {
    (void)handle;
    return true;
}

static inline void *buffer_slice(null_state *state, void *handle, uint32_t offset, uint32_t size) {
    (void)handle;
    (void)offset;
    return buffer_allocate(state, size);
}

static inline uint8_t *view_memory(null_state *state, void *view) {
    return buffer_memory(state, view);
}

static inline uint32_t view_size(null_state *state, void *view) {
    (void)state;
    return buffer_size(view);
}

static inline void *view_parent(null_state *state, void *view) {
    (void)state;
    return view;
}

static inline void view_release(null_state *state, void *view) {
    (void)state;
    (void)view;
}

/* The memory of all threads. Written by prepare() and finish(), while no thread plays. */
typedef struct null_pool {
    uint8_t *memory;
    size_t size;
    size_t stride; /* bytes from one thread's memory to the next one's */
    uint32_t thread_count;
    unsigned generation;
    /* Threads that have come, other than the one that prepared: a run uses up several sets of them, one after another. */
    atomic_uint arrivals;
} null_pool;

static null_pool pool;
static _Thread_local null_state own;

/* The thread that prepared stays and has the first memory; as many consecutive arrivals as can play at once have the others. */
static null_state *null_thread_state(const subject_run *run) {
    (void)run;
    if (own.generation != pool.generation) {
        own.memory = pool.memory + (1 + atomic_fetch_add(&pool.arrivals, 1) % pool.thread_count) * pool.stride;
        own.generation = pool.generation;
    }
    return &own;
}

#include "subjects/kernel.h"

static bool prepare(subject_run *run) {
    enum {
        OS_PAGE = 4096
    };
    pool.stride = ((size_t)run->max_size / OS_PAGE + 1) * OS_PAGE;
    pool.size = pool.stride * (run->thread_count + 1u);
    void *mapping = mmap(NULL, pool.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    pool.memory = mapping;
    pool.thread_count = run->thread_count;
    pool.generation++;
    atomic_store(&pool.arrivals, 0);
    own = (null_state){.memory = pool.memory, .generation = pool.generation};
    return true;
}

static bool finish(subject_run *run) {
    (void)run;
    (void)munmap(pool.memory, pool.size);
    return true;
}

KERNEL_DEFINE(subject_kernel_null, prepare, finish);
