/* The contract of os.h on Linux: mmap, mremap, munmap, madvise, the coarse clock, and the C library's heap. */
#include "os/os.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "os/os_numa.h"

size_t os_page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* The first number after a word in a file of the kernel's; 0 if there is none. */
static size_t number_in_file(const char *path, const char *word) {
    FILE *file = fopen(path, "re");
    char line[256];
    size_t number = 0;
    while (file != NULL && number == 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, word, strlen(word)) == 0) {
            number = strtoul(line + strlen(word), NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return number;
}

size_t os_huge_page_size(bool reserved) {
    return reserved ? number_in_file("/proc/meminfo", "Hugepagesize:") * 1024
                    : number_in_file("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "");
}

static size_t round_up(size_t size, size_t alignment) {
    return (size + alignment - 1) & ~(alignment - 1);
}

static int map_at(void *wished, size_t size, int flags, void **region) {
    void *memory = mmap(wished, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (memory == MAP_FAILED) {
        return errno;
    }
    *region = memory;
    return 0;
}

static int map(size_t size, int flags, void **region) {
    return map_at(NULL, size, flags, region);
}

/* benign: it unmaps, or shortens at its ends, what has just been mapped, which can only fail where the kernel has joined that to its
 * neighbours and the process is at its limit of mappings; what stays then is address space without pages. */
static void cut(char *start, size_t size) {
    if (size != 0) {
        (void)munmap(start, size);
    }
}

/* What the kernel gives may be aligned as it is; else it comes down from high addresses, so that just below is free as well. Neither
 * takes more address space than the region, of which a process may be allowed only so much. False: no such luck. */
static bool map_aligned_exactly(size_t size, size_t alignment, void **region, int *error) {
    *error = map(size, 0, region);
    uintptr_t beyond = *error == 0 ? (uintptr_t)*region & (alignment - 1) : 0;
    if (beyond == 0) {
        return true;
    }
    cut(*region, size);
    if (map_at((char *)*region - beyond, size, 0, region) != 0) {
        return false;
    }
    if (((uintptr_t)*region & (alignment - 1)) != 0) {
        cut(*region, size);
        return false;
    }
    return true;
}

/* The kernel aligns to its own page. For more, see above; or map that much more and cut off both ends. */
static int map_aligned(size_t size, size_t alignment, void **region) {
    size_t page = os_page_size();
    size = round_up(size, page);
    int error = 0;
    if (map_aligned_exactly(size, alignment, region, &error)) {
        return error;
    }
    void *wide = NULL;
    error = map(size + alignment - page, 0, &wide);
    if (error != 0) {
        return error;
    }
    uintptr_t start = (uintptr_t)wide;
    size_t before = round_up(start, alignment) - start;
    char *memory = (char *)wide + before;
    cut(wide, before);
    cut(memory + size, alignment - page - before);
    *region = memory;
    return 0;
}

static int linux_acquire(os_source source, size_t size, size_t alignment, void **region) {
    if (source == OS_HUGE) {
        /* Without MAP_NORESERVE: the pages are ours from here on, or there is no region. */
        return map(size, MAP_HUGETLB, region);
    }
    if (source == OS_MAPPED) {
        return map_aligned(size, alignment, region);
    }
    /* posix_memalign() and not aligned_alloc(): the latter wants a size that is a multiple of the alignment. */
    return posix_memalign(region, alignment > sizeof(void *) ? alignment : sizeof(void *), size);
}

static int linux_give_back(os_source source, void *region, size_t size) {
    if (source != OS_HEAP) {
        return munmap(region, round_up(size, os_page_size())) == 0 ? 0 : errno;
    }
    free(region);
    return 0;
}

/* A move puts the region over a place that was mapped for it, so that it is aligned as it must be; aligned to huge pages on both
 * sides, it moves the page tables of 2 MiB at a time. The kernel may refuse before it has cleared the place or after, and does
 * not say which: by then another thread may have mapped something there. So the place is left alone. That happens where the
 * process is at its limit of mappings, and once: the place is address space without pages, and nothing is moved from then on. */
static int move_larger(void *region, size_t old_size, size_t size, size_t alignment, void **moved) {
    static bool refused; /* atomic, relaxed */
    void *place = NULL;
    if (__atomic_load_n(&refused, __ATOMIC_RELAXED)) {
        return ECANCELED;
    }
    int error = map_aligned(size, alignment, &place);
    if (error != 0) {
        return error;
    }
    if (mremap(region, old_size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED) {
        __atomic_store_n(&refused, true, __ATOMIC_RELAXED);
        return ECANCELED;
    }
    *moved = place;
    return 0;
}

/* realloc() knows no alignment but its own. */
static int resize_heap(void *region, size_t size, size_t alignment, void **moved) {
    if (alignment > _Alignof(max_align_t)) {
        return ECANCELED;
    }
    void *block = realloc(region, size != 0 ? size : 1); /* of none it would free the block */
    if (block == NULL) {
        return ENOMEM;
    }
    *moved = block;
    return 0;
}

static int linux_resize(os_source source, void *region, size_t old_size, size_t size, size_t alignment, void **moved) {
    if (source == OS_HEAP) {
        return resize_heap(region, size, alignment, moved);
    }
    size_t page = os_page_size();
    old_size = round_up(old_size, page);
    size = round_up(size, page);
    *moved = region;
    /* First where it is; that also tells whether the kernel would do it at all: it does not for what is not one mapping any more,
     * as part of it has been given advice or protection of its own, nor for pages in reserve. */
    if (mremap(region, old_size, size, 0) != MAP_FAILED) {
        return 0;
    }
    return errno == ENOMEM && size > old_size ? move_larger(region, old_size, size, alignment, moved) : errno;
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
    char *at = (char *)start - ((uintptr_t)start & (page - 1));
    char *end = (char *)start + size;
    size_t bytes = 0;
    while (at < end) {
        unsigned char in_memory[PAGES_A_CALL];
        size_t pages = ((size_t)(end - at) + page - 1) / page;
        pages = pages < PAGES_A_CALL ? pages : PAGES_A_CALL;
        if (mincore(at, pages * page, in_memory) == 0) {
            for (size_t i = 0; i < pages; i++) {
                bytes += (in_memory[i] & 1) != 0 ? page : 0;
            }
        }
        at += pages * page;
    }
    return bytes;
}

static int linux_advise_huge(void *region, size_t size) {
    return madvise(region, size, MADV_HUGEPAGE) == 0 ? 0 : errno;
}

/* The coarse clock is a load from a page of the kernel's whatever the machine's clock source; it advances with the tick. */
static uint64_t linux_now_ms(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const os_backend os_linux = {.acquire = linux_acquire,
                             .give_back = linux_give_back,
                             .resize = linux_resize,
                             .purge = linux_purge,
                             .advise_huge = linux_advise_huge,
                             .bind = os_numa_bind,
                             .now_ms = linux_now_ms};
const os_backend *os = &os_linux;
