/* libpoolbuf-record.so: malloc and its family, put in front of the program's own by LD_PRELOAD.
 *
 * Each function here calls the next one in the program's search order, so the program keeps the allocator that it runs
 * with, glibc's or another, and tells the recorder what happened. malloc_usable_size is left alone. dlsym() itself may
 * allocate while the next functions are looked up: a small static pool serves that, and its memory is never given back.
 *
 * Not recorded: calls before libc has its environment, and memory that libc's inside allocates and frees past its own
 * symbols. Their releases, where seen, are counted and skipped. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/recorder.h"

#define EXPORTED __attribute__((visibility("default")))

/* Whether the calls here are what is recorded, and not buffers that lie above them. */
static bool is_source(void) {
    return recorder_source() == TRACE_OF_MALLOC;
}

static inline void allocated(const void *memory, size_t size) {
    if (is_source()) {
        recorder_allocated(memory, size);
    }
}

#define POOL_SIZE  ((size_t)64 << 10)
#define POOL_ALIGN ((size_t)16)

/* The functions behind ours. */
typedef struct next_functions {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
} next_functions;

static next_functions next;
static _Atomic bool resolved;
static __thread bool resolving __attribute__((tls_model("initial-exec")));

static _Alignas(16) unsigned char pool[POOL_SIZE];
static _Atomic size_t pool_used;

/* Serves dlsym(). A block has its size before it, for realloc. */
static void *pool_allocate(size_t size) {
    size_t whole = (size + 2 * POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
    size_t at = size < POOL_SIZE ? atomic_fetch_add(&pool_used, whole) : POOL_SIZE;
    if (at + whole > POOL_SIZE) {
        return NULL;
    }
    memcpy(pool + at, &size, sizeof size);
    return pool + at + POOL_ALIGN;
}

static bool in_pool(const void *memory) {
    return (uintptr_t)memory >= (uintptr_t)pool && (uintptr_t)memory < (uintptr_t)pool + POOL_SIZE;
}

/* dlsym() returns an object pointer; POSIX says that copying its bits gives the function. */
static void look_up(void *function, const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

/* Looks up the functions behind ours.
 *   returns  false for a call that comes from inside the look-up. */
static __attribute__((noinline)) bool get_ready(void) {
    if (resolving) {
        return false;
    }
    resolving = true;
    look_up(&next.malloc, "malloc");
    look_up(&next.calloc, "calloc");
    look_up(&next.realloc, "realloc");
    look_up(&next.free, "free");
    look_up(&next.posix_memalign, "posix_memalign");
    look_up(&next.aligned_alloc, "aligned_alloc");
    look_up(&next.memalign, "memalign");
    look_up(&next.valloc, "valloc");
    look_up(&next.pvalloc, "pvalloc");
    resolving = false;
    atomic_store_explicit(&resolved, true, memory_order_release);
    return true;
}

static inline bool ready(void) {
    return __builtin_expect(atomic_load_explicit(&resolved, memory_order_acquire), true) || get_ready();
}

/* The system's headers give these functions' parameters reserved names. */
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
EXPORTED void *malloc(size_t size) {
    if (!ready()) {
        return pool_allocate(size);
    }
    void *memory = next.malloc(size);
    allocated(memory, size);
    return memory;
}

EXPORTED void *calloc(size_t count, size_t size) {
    if (!ready()) {
        return size == 0 || count <= POOL_SIZE / size ? pool_allocate(count * size) : NULL;
    }
    void *memory = next.calloc(count, size);
    allocated(memory, count * size); /* it did not overflow where there is memory */
    return memory;
}

EXPORTED void free(void *memory) {
    if (memory == NULL || in_pool(memory) || !ready()) {
        return;
    }
    if (is_source()) {
        recorder_releasing(memory);
    }
    next.free(memory);
}

static void *leave_pool(const void *memory, size_t size) {
    size_t old_size;
    void *moved = malloc(size);
    memcpy(&old_size, (const unsigned char *)memory - POOL_ALIGN, sizeof old_size);
    if (moved != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
    }
    return moved;
}

EXPORTED void *realloc(void *memory, size_t size) {
    if (memory == NULL) {
        return malloc(size);
    }
    if (in_pool(memory)) {
        return leave_pool(memory, size);
    }
    if (!ready()) {
        return NULL;
    }
    if (!is_source()) {
        return next.realloc(memory, size);
    }
    const recorder_held held = recorder_resizing(memory);
    uintptr_t before = (uintptr_t)memory; /* the pointer itself is dead after the call */
    void *after = next.realloc(memory, size);
    recorder_resized(held, before, after, size);
    return after;
}

EXPORTED void *reallocarray(void *memory, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    // NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): a size of 0 is the program's choice
    return realloc(memory, count * size);
}

EXPORTED int posix_memalign(void **out, size_t alignment, size_t size) {
    if (!ready()) {
        return ENOMEM;
    }
    int result = next.posix_memalign(out, alignment, size);
    if (result == 0) {
        allocated(*out, size);
    }
    return result;
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size) {
    void *memory = ready() ? next.aligned_alloc(alignment, size) : NULL;
    allocated(memory, size);
    return memory;
}

EXPORTED void *memalign(size_t alignment, size_t size) {
    void *memory = ready() ? next.memalign(alignment, size) : NULL;
    allocated(memory, size);
    return memory;
}

EXPORTED void *valloc(size_t size) {
    void *memory = ready() ? next.valloc(size) : NULL;
    allocated(memory, size);
    return memory;
}

EXPORTED void *pvalloc(size_t size) {
    void *memory = ready() ? next.pvalloc(size) : NULL;
    allocated(memory, size);
    return memory;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
