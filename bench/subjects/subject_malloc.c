/* The subject malloc: a reference-counted buffer whose header stands in front of its memory, in one block of malloc; how
 * most C programs do it. jemalloc, mimalloc and tcmalloc are this one with their library preloaded; malloc-threaded
 * is this one in a process that has had a second thread. */
#include "subjects/subject.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* The fields that a counted buffer needs, whether or not a stream looks at them: every subject sets them up. */
typedef struct counted_buffer {
    _Atomic(uint32_t) references;
    uint32_t capacity; /* bytes that were asked for; once appended to, those that there is room for */
    uint32_t max_capacity;
    uint32_t reader_index;
    uint32_t writer_index; /* 0 until something is appended, then the bytes that are there */
    uint32_t flags;
    void *owner;
    void (*destroy)(struct counted_buffer *buffer); /* what a library calls for the last reference of foreign memory */
    void *parent;
} counted_buffer;

/* What the fields above take, and what such headers take elsewhere; it keeps the memory behind it aligned. */
_Static_assert(sizeof(counted_buffer) == 48, "the header that every peer is measured with");

#define KERNEL_STATE         void
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_TELLS_ROOM
#define KERNEL_COUNT(buffer) (&((counted_buffer *)(buffer))->references)
#define KERNEL_HAS_APPEND

static inline void *buffer_allocate(void *state, uint32_t size) {
    counted_buffer *buffer = malloc(sizeof *buffer + size);
    if (buffer == NULL) {
        return NULL;
    }
    atomic_init(&buffer->references, 1);
    buffer->capacity = size;
    buffer->max_capacity = STREAM_SIZE_MAX;
    buffer->reader_index = 0;
    buffer->writer_index = 0;
    buffer->flags = 0;
    buffer->owner = state;
    buffer->destroy = NULL;
    buffer->parent = NULL;
    return buffer;
}

/* A sole owner needs no atomic subtraction: nobody else can change the count. The acquire pairs with the release of those
 * who dropped theirs before. */
static inline void buffer_release(void *state, void *handle) {
    (void)state;
    counted_buffer *buffer = handle;
    if (atomic_load_explicit(&buffer->references, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel) == 1) {
        free(buffer);
    }
}

static inline void *buffer_resize(void *state, void *handle, uint32_t size) {
    (void)state;
    counted_buffer *buffer = realloc(handle, sizeof *buffer + size);
    if (buffer != NULL) {
        buffer->capacity = size;
    }
    return buffer;
}

static inline uint32_t buffer_length(const void *handle) {
    const counted_buffer *buffer = handle;
    return buffer->writer_index != 0 ? buffer->writer_index : buffer->capacity;
}

/* Doubles, as realloc() alone gives what it is asked for. */
static inline void *buffer_append(void *state, void *handle, uint32_t size) {
    counted_buffer *buffer = handle;
    const uint32_t length = buffer_length(buffer);
    if (size > buffer->capacity - length) {
        const uint32_t doubled = buffer->capacity < STREAM_SIZE_MAX / 2 ? 2 * buffer->capacity : STREAM_SIZE_MAX;
        buffer = buffer_resize(state, buffer, length + size > doubled ? length + size : doubled);
    }
    if (buffer != NULL) {
        buffer->writer_index = length + size;
    }
    return buffer;
}

static inline uint8_t *buffer_memory(void *state, void *handle) {
    (void)state;
    return (uint8_t *)((counted_buffer *)handle + 1);
}

static inline uint32_t buffer_size(const void *handle) {
    return ((const counted_buffer *)handle)->capacity;
}

/* What malloc says it gave; the libraries that replace it bring this call as well. */
static inline size_t buffer_room(const void *handle) {
    return malloc_usable_size((void *)(uintptr_t)handle) - sizeof(counted_buffer);
}

#include "subjects/kernel.h"

static bool prepare(subject_run *run) {
    run->state = NULL;
    return true;
}

static bool finish(subject_run *run) {
    (void)run;
    return true;
}

KERNEL_DEFINE(subject_kernel_malloc, prepare, finish);

/* ---- The same after the process has had a second thread ---- */

static void *nothing(void *ignored) {
    return ignored;
}

/* Until a process starts its first thread, glibc's malloc leaves out its locks and its atomic operations, and never
 * returns to that: most servers are past it, most benchmarks are not. With threads of its own a scenario is past it
 * anyway. */
static bool prepare_threaded(subject_run *run) {
    pthread_t second;
    if (run->thread_count > 1) {
        return subject_cannot_serve(run, "the scenario has %u threads, so malloc itself is what this would be",
                                    run->thread_count);
    }
    if (pthread_create(&second, NULL, nothing, NULL) != 0) {
        return subject_cannot_serve(run, "a second thread could not be started");
    }
    (void)pthread_join(second, NULL);
    return prepare(run);
}

KERNEL_DEFINE(subject_kernel_malloc_threaded, prepare_threaded, finish);
