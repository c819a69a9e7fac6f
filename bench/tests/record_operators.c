/* Preloaded: an allocator with operators of its own, as jemalloc, mimalloc and tcmalloc are. Some of its operators call the
 * family by its names, which the recorder then sees, and some do not. */
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#define EXPORTED __attribute__((visibility("default"), noinline))

/* The C library's own, by the names that nobody puts himself in front of. */
void *libc_malloc(size_t size) __asm__("__libc_malloc");
void *libc_calloc(size_t count, size_t size) __asm__("__libc_calloc");
void *libc_realloc(void *memory, size_t size) __asm__("__libc_realloc");
void *libc_memalign(size_t alignment, size_t size) __asm__("__libc_memalign");
void libc_free(void *memory) __asm__("__libc_free");

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
EXPORTED void *malloc(size_t size) {
    return libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size) {
    return libc_calloc(count, size);
}

EXPORTED void *realloc(void *memory, size_t size) {
    return libc_realloc(memory, size);
}

EXPORTED void free(void *memory) {
    libc_free(memory);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)

EXPORTED void *new_one(size_t size) __asm__("_Znwm");
void *new_one(size_t size) {
    return libc_malloc(size);
}

EXPORTED void *new_array(size_t size) __asm__("_Znam");
void *new_array(size_t size) {
    return malloc(size);
}

EXPORTED void *new_one_aligned(size_t size, size_t alignment) __asm__("_ZnwmSt11align_val_t");
void *new_one_aligned(size_t size, size_t alignment) {
    return libc_memalign(alignment, size);
}

EXPORTED void *new_array_nothrow(size_t size, const void *nothrow) __asm__("_ZnamRKSt9nothrow_t");
void *new_array_nothrow(size_t size, const void *nothrow) {
    (void)nothrow;
    return libc_malloc(size);
}

EXPORTED void delete_one(void *memory) __asm__("_ZdlPv");
void delete_one(void *memory) {
    free(memory);
}

EXPORTED void delete_array_sized(void *memory, size_t size) __asm__("_ZdaPvm");
void delete_array_sized(void *memory, size_t size) {
    (void)size;
    libc_free(memory);
}

EXPORTED void delete_one_aligned(void *memory, size_t alignment) __asm__("_ZdlPvSt11align_val_t");
void delete_one_aligned(void *memory, size_t alignment) {
    (void)alignment;
    libc_free(memory);
}

EXPORTED void delete_array_nothrow(void *memory, const void *nothrow) __asm__("_ZdaPvRKSt9nothrow_t");
void delete_array_nothrow(void *memory, const void *nothrow) {
    (void)nothrow;
    free(memory);
}
