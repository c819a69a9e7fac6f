/* The subject null: no allocator. Every buffer that a thread touches is the same memory, and a handle is its size in
 * disguise; what is left is the cost of playing the stream. It never wins: it gives nobody memory of their own.
 *
 * Each thread has its own memory, or the threads would pull one cache line to and fro, and null would measure that. */
#include "subjects/subject.h"

#include <pthread.h>
#include <sys/mman.h>

/* One thread's view. */
typedef struct null_state {
    uint8_t *memory;     /* max_size bytes */
    unsigned generation; /* of the run that it belongs to; 0 for none */
} null_state;

/* That memory itself, which is known so without a look into null_state at each operation. A type of its own, for what is
 * handed a pointer to bytes and leaves them alone would be asked to say const. */
typedef struct null_bytes {
    uint8_t first;
} null_bytes;

#define KERNEL_STATE         null_bytes
#define KERNEL_SHARES_MEMORY 1
#define KERNEL_THREAD_STATE  null_thread_state
#define KERNEL_HAS_VIEWS
#define KERNEL_COUNTS_NOT /* references: a buffer is gone when its first one is */

/* The handle of an empty buffer: no size, no empty slot, and 0 as an uint32_t. */
#define NULL_EMPTY ((uintptr_t)1 << 32)
_Static_assert(sizeof(uintptr_t) > sizeof(uint32_t), "a handle has bits above the size");

static inline void *buffer_allocate(null_bytes *state, uint32_t size) {
    (void)state;
    return (void *)(size != 0 ? (uintptr_t)size : NULL_EMPTY);
}

static inline void buffer_release(null_bytes *state, void *handle) {
    (void)state;
    (void)handle;
}

static inline void *buffer_resize(null_bytes *state, void *handle, uint32_t size) {
    (void)handle;
    return buffer_allocate(state, size);
}

static inline uint8_t *buffer_memory(null_bytes *state, void *handle) {
    (void)handle;
    return (uint8_t *)state;
}

static inline uint32_t buffer_size(const void *handle) {
    return (uint32_t)(uintptr_t)handle;
}

static inline void buffer_retain(null_bytes *state, void *handle) {
    (void)state;
    (void)handle;
}

static inline bool buffer_release_last(null_bytes *state, void *handle) {
    (void)state;
    (void)handle;
    return true;
}

static inline bool buffer_is_sole(const void *handle) {
    (void)handle;
    return true;
}

static inline void *buffer_slice(null_bytes *state, void *handle, uint32_t offset, uint32_t size) {
    (void)handle;
    (void)offset;
    return buffer_allocate(state, size);
}

static inline uint8_t *view_memory(null_bytes *state, void *view) {
    return buffer_memory(state, view);
}

static inline uint32_t view_size(null_bytes *state, void *view) {
    (void)state;
    return buffer_size(view);
}

static inline void *view_parent(null_bytes *state, void *view) {
    (void)state;
    return view;
}

static inline void view_release(null_bytes *state, void *view) {
    (void)state;
    (void)view;
}
enum {
    OS_PAGE = 4096,
    PLACES_MAX = 2 * SCENARIO_THREADS_MAX + 1
};

/* The memory of all threads. Written by prepare() and finish(), while no thread plays. */
typedef struct null_pool {
    uint8_t *memory;
    size_t size;
    size_t stride;      /* bytes from one thread's memory to the next one's */
    size_t place_count; /* for all threads that can be alive */
    unsigned generation;
    pthread_key_t departure; /* its destructor gives a thread's place back */
    bool has_departure;
    atomic_bool
        is_taken[PLACES_MAX]; /* taken by acquire, given back by release: who comes next sees what was written */
} null_pool;

static null_pool pool;
static _Thread_local null_state own;

static void depart(void *unused) {
    (void)unused;
    if (own.generation == pool.generation) {
        atomic_store_explicit(&pool.is_taken[(size_t)(own.memory - pool.memory) / pool.stride], false,
                              memory_order_release);
    }
}

/* Which memory is whose, from a thread's first operation to its end. There is a place for each that can be alive; loose
 * operations of more threads than that would share the last one. */
static null_bytes *null_thread_state(const subject_run *run) {
    (void)run;
    if (own.generation != pool.generation) {
        size_t place = 0;
        while (place + 1 < pool.place_count &&
               atomic_exchange_explicit(&pool.is_taken[place], true, memory_order_acquire)) {
            place++;
        }
        own = (null_state){.memory = pool.memory + place * pool.stride, .generation = pool.generation};
        (void)pthread_setspecific(pool.departure, &own);
    }
    return (null_bytes *)own.memory;
}

#include "subjects/kernel.h"

static bool prepare(subject_run *run) {
    if (!pool.has_departure && pthread_key_create(&pool.departure, depart) != 0) {
        return false;
    }
    pool.has_departure = true;
    pool.stride = ((size_t)run->max_size / OS_PAGE + 1) * OS_PAGE;
    /* All threads, a fresh one for each, and the one that prepared. */
    pool.place_count = 2 * (size_t)run->thread_count + 1;
    pool.place_count = pool.place_count < PLACES_MAX ? pool.place_count : PLACES_MAX;
    pool.size = pool.stride * pool.place_count;
    void *mapping = mmap(NULL, pool.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    pool.memory = mapping;
    pool.generation++;
    for (size_t i = 0; i < PLACES_MAX; i++) {
        atomic_init(&pool.is_taken[i], false);
    }
    return true;
}

static bool finish(subject_run *run) {
    (void)run;
    (void)munmap(pool.memory, pool.size);
    return true;
}

KERNEL_DEFINE(subject_kernel_null, prepare, finish);
