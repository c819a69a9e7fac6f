/* The contract of os.h on Linux: mmap, munmap, madvise, the coarse clock, and the C library's heap. */
#include "os/os.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

size_t os_page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t size, size_t alignment) {
    return (size + alignment - 1) & ~(alignment - 1);
}

static int map(size_t size, void **region) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return errno;
    }
    *region = memory;
    return 0;
}

/* The kernel aligns to its own page. For more, map that much more and cut off both ends. */
static int map_aligned(size_t size, size_t alignment, void **region) {
    size_t page = os_page_size();
    size = round_up(size, page);
    if (alignment <= page) {
        return map(size, region);
    }
    void *wide = NULL;
    int error = map(size + alignment - page, &wide);
    if (error != 0) {
        return error;
    }
    uintptr_t start = (uintptr_t)wide;
    size_t before = round_up(start, alignment) - start;
    size_t after = alignment - page - before;
    char *memory = (char *)wide + before;
    /* Trimming cannot fail for want of memory: it only shortens a mapping at its ends. */
    if (before != 0) {
        (void)munmap(wide, before);
    }
    if (after != 0) {
        (void)munmap(memory + size, after);
    }
    *region = memory;
    return 0;
}

static int linux_acquire(os_source source, size_t size, size_t alignment, void **region) {
    if (source == OS_MAPPED) {
        return map_aligned(size, alignment, region);
    }
    /* posix_memalign() and not aligned_alloc(): the latter wants a size that is a multiple of the alignment. */
    return posix_memalign(region, alignment > sizeof(void *) ? alignment : sizeof(void *), size);
}

static int linux_give_back(os_source source, void *region, size_t size) {
    if (source == OS_MAPPED) {
        return munmap(region, round_up(size, os_page_size())) == 0 ? 0 : errno;
    }
    free(region);
    return 0;
}

static int linux_purge(void *start, size_t size) {
    size_t page = os_page_size();
    uintptr_t first = round_up((uintptr_t)start, page);
    uintptr_t end = ((uintptr_t)start + size) & ~(page - 1);
    if (first >= end) {
        return 0;
    }
    return madvise((char *)start + (first - (uintptr_t)start), end - first, MADV_DONTNEED) == 0 ? 0 : errno;
}

#define PAGES_A_CALL 4096u /* what is asked about at once, in bytes of the stack */

size_t os_resident_bytes(void *start, size_t size) {
    size_t page = os_page_size();
    uintptr_t end = (uintptr_t)start + size;
    uintptr_t at = (uintptr_t)start & ~(page - 1);
    size_t bytes = 0;
    while (at < end) {
        unsigned char in_memory[PAGES_A_CALL];
        size_t pages = (end - at + page - 1) / page;
        pages = pages < PAGES_A_CALL ? pages : PAGES_A_CALL;
        if (mincore((char *)start - ((uintptr_t)start - at), pages * page, in_memory) == 0) {
            for (size_t i = 0; i < pages; i++) {
                bytes += (in_memory[i] & 1) != 0 ? page : 0;
            }
        }
        at += pages * page;
    }
    return bytes;
}

/* The coarse clock is a load from a page of the kernel's whatever the machine's clock source; it advances with the tick. */
static uint64_t linux_now_ms(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const os_backend os_linux = {linux_acquire, linux_give_back, linux_purge, linux_now_ms};
const os_backend *os = &os_linux;
