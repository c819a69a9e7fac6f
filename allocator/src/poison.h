/* What Memcheck and AddressSanitizer are told, behind names of our own.
 *
 * Natively nothing is told and nothing is paid: an allocator asks once, when it is made, whether a checker is there
 * (poison_wanted()), and marks the handles that it makes with POOLBUF_FLAG_ANNOTATED, which keeps them on the slow paths.
 *
 * Memcheck. The handle and its bytes are two blocks of the allocator's mempool, so a lost handle is "definitely lost" at
 * the line that allocated it, and its bytes are "indirectly lost" through it. Three things make that work. Memcheck takes
 * every readable word of a mapping for a root, but not the inside of a malloc block that holds mempool blocks: so under
 * Memcheck chunks and handles come from malloc, a region at a time (os.h). A free handle is not accessible, so the links
 * of a free list are no roots either; our own code opens a free handle before it looks inside. And no structure of the
 * pool points at a handle that is out.
 *
 * AddressSanitizer, found by its symbols at run time. Only bytes are poisoned: free memory, and the slack between a
 * capacity and its class. Dead handles stay readable, because the library itself says more about a dead handle than the
 * sanitizer would. */
#ifndef POISON_H
#define POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>

/* AddressSanitizer's interface, where the process has it: a weak symbol is NULL elsewhere. So a library that was built
 * without the sanitizer serves a program that was built with it. */
extern __attribute__((weak)) void __asan_poison_memory_region(void const volatile *memory, size_t size);
extern __attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *memory, size_t size);

/* The same of LeakSanitizer, which comes with it. */
extern __attribute__((weak)) void __lsan_ignore_object(const void *block);

/* A block of the process heap that the pool keeps, and not its user: what refers to it lies in mappings, where LeakSanitizer
 * does not look, so it would call the block lost. What the block refers to is not lost either. */
static inline void poison_heap_region_kept(const void *region) {
    if (__lsan_ignore_object != NULL) {
        __lsan_ignore_object(region);
    }
}

/* Set by tests alone, while no allocator exists: the sanitizer is told nothing, so that its build runs the native paths. */
extern bool poison_asan_ignored;

static inline bool poison_asan(void) {
    return __asan_poison_memory_region != NULL && !poison_asan_ignored;
}

static inline void poison_asan_close(const void *memory, size_t size) {
    if (poison_asan()) {
        __asan_poison_memory_region(memory, size);
    }
}

static inline void poison_asan_open(const void *memory, size_t size) {
    if (poison_asan()) {
        __asan_unpoison_memory_region(memory, size);
    }
}

/* Whether Memcheck runs this process; set by poison_init() before the first allocator exists, then constant. */
extern bool poison_memcheck;
void poison_init(void);

/* Whether a checker watches this process. */
static inline bool poison_wanted(void) {
    return poison_memcheck || poison_asan();
}

/* A mempool for each allocator; its anchor names it. */
static inline void poison_pool_create(const void *anchor) {
    if (poison_memcheck) {
        VALGRIND_CREATE_MEMPOOL(anchor, 0, 0);
    }
}

static inline void poison_pool_destroy(const void *anchor) {
    if (poison_memcheck) {
        VALGRIND_DESTROY_MEMPOOL(anchor);
    }
}

/* A range of bytes for buffers: nobody may touch it; or the system may have it back. */
static inline void poison_bytes_close(void *memory, size_t size) {
    if (poison_memcheck) {
        (void)VALGRIND_MAKE_MEM_NOACCESS(memory, size);
    }
    poison_asan_close(memory, size);
}

static inline void poison_bytes_open(void *memory, size_t size) {
    if (poison_memcheck) {
        (void)VALGRIND_MAKE_MEM_UNDEFINED(memory, size);
    }
    poison_asan_open(memory, size);
}

/* A free handle: closed to everybody, and opened for the library's own look inside. */
static inline void poison_handle_close(void *handle, size_t size) {
    if (poison_memcheck) {
        (void)VALGRIND_MAKE_MEM_NOACCESS(handle, size);
    }
}

static inline void poison_handle_open(void *handle, size_t size) {
    if (poison_memcheck) {
        (void)VALGRIND_MAKE_MEM_DEFINED(handle, size);
    }
}

/* The handle of a buffer that goes out becomes a block; and ceases to be one, but stays open to us. */
static inline void poison_handle_out(const void *anchor, poolbuf *handle) {
    if (poison_memcheck) {
        VALGRIND_MEMPOOL_ALLOC(anchor, handle, sizeof *handle);
        (void)VALGRIND_MAKE_MEM_DEFINED(handle, sizeof *handle);
    }
}

static inline void poison_handle_back(const void *anchor, poolbuf *handle) {
    if (poison_memcheck) {
        VALGRIND_MEMPOOL_FREE(anchor, handle);
        (void)VALGRIND_MAKE_MEM_DEFINED(handle, sizeof *handle);
    }
}

/* The same for its bytes. A block of no bytes would be lost on Memcheck, so the smallest block has one. */
static inline size_t poison_block_size(size_t capacity) {
    return capacity != 0 ? capacity : 1;
}

static inline void poison_bytes_out(const void *anchor, const uint8_t *memory, size_t capacity) {
    if (poison_memcheck) {
        VALGRIND_MEMPOOL_ALLOC(anchor, memory, poison_block_size(capacity));
    }
    poison_asan_open(memory, capacity);
}

static inline void poison_bytes_back(const void *anchor, const uint8_t *memory, size_t usable) {
    if (poison_memcheck) {
        VALGRIND_MEMPOOL_FREE(anchor, memory);
    }
    poison_asan_close(memory, usable);
}

/* The capacity of a buffer that is out has changed, its memory has not. */
static inline void poison_bytes_resized(const void *anchor, const uint8_t *memory, size_t old_capacity, size_t capacity,
                                        size_t usable) {
    if (poison_memcheck) {
        VALGRIND_MEMPOOL_CHANGE(anchor, memory, memory, poison_block_size(capacity));
        if (capacity > old_capacity) {
            (void)VALGRIND_MAKE_MEM_UNDEFINED(memory + old_capacity, capacity - old_capacity);
        } else {
            (void)VALGRIND_MAKE_MEM_NOACCESS(memory + capacity, old_capacity - capacity);
        }
    }
    poison_asan_close(memory, usable);
    poison_asan_open(memory, capacity);
}

#endif
