/* The contract in memory.h on mmap and mremap. */
#include "memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

static _Atomic uint64_t mapped_bytes; /* relaxed: a statistic, it orders nothing */

void *memory_map(size_t bytes) {
    const int saved_errno = errno;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        errno = saved_errno;
        return NULL;
    }
    atomic_fetch_add_explicit(&mapped_bytes, bytes, memory_order_relaxed);
    return memory;
}

void memory_unmap(void *memory, size_t bytes) {
    const int saved_errno = errno;
    if (memory != NULL && munmap(memory, bytes) == 0) {
        atomic_fetch_sub_explicit(&mapped_bytes, bytes, memory_order_relaxed);
    }
    errno = saved_errno;
}

uint64_t memory_mapped(void) {
    return atomic_load_explicit(&mapped_bytes, memory_order_relaxed);
}

void *memory_array_next(memory_array *array, size_t item_bytes) {
    if (array->count == array->capacity) {
        size_t bytes = array->bytes == 0 ? 16384 : array->bytes * 2;
        void *items;
        if (array->items == NULL) {
            items = memory_map(bytes);
        } else {
            const int saved_errno = errno;
            items = mremap(array->items, array->bytes, bytes, MREMAP_MAYMOVE);
            items = items == MAP_FAILED ? NULL : items;
            errno = saved_errno;
            if (items != NULL) {
                atomic_fetch_add_explicit(&mapped_bytes, bytes - array->bytes, memory_order_relaxed);
            }
        }
        if (items == NULL) {
            return NULL;
        }
        array->items = items;
        array->bytes = bytes;
        array->capacity = bytes / item_bytes;
    }
    return (char *)array->items + array->count++ * item_bytes;
}

void memory_array_fini(memory_array *array) {
    memory_unmap(array->items, array->bytes);
    *array = (memory_array){0};
}
