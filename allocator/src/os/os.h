/* The contract with the operating system: regions of memory.
 *
 * Everything the allocator takes from the system comes through here, in regions of at least an OS page but for the blocks
 * of unpooled buffers. Functions return 0 or an errno value, which the layer above turns into a poolbuf_status once.
 *
 * The table is replaced as a whole by tests (os_fault.c makes the n-th call fail); nothing here is on a fast path.
 *
 * Two sources. Mapped regions come from mmap(). Heap regions come from the process's malloc(), a whole chunk or slab at
 * a time and never a buffer: a heap arena lives inside the heap that the rest of the process uses, obeys its limits and
 * shows in its statistics. Under Memcheck payload and handles are heap regions; poison.h says why. */
#ifndef OS_H
#define OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum os_source {
    OS_MAPPED = 0,
    OS_HEAP = 1,
    OS_HUGE =
        2 /* mapped, of huge pages that the system has in reserve; goes back as OS_MAPPED too, so that who falls back
                 * on that need not remember; its size is a multiple of os_huge_page_size(true) */
} os_source;

/* Which memory node the pages of a mapped region come from. */
typedef enum os_numa {
    OS_NUMA_DEFAULT = 0, /* as the process has it */
    OS_NUMA_LOCAL = 1,   /* the node of the CPU that touches a page first */
    OS_NUMA_INTERLEAVE = 2
} os_numa;

typedef struct os_backend {
    /* A region of size bytes, aligned to alignment, a power of two; its contents are undefined. ENOMEM. */
    int (*acquire)(os_source source, size_t size, size_t alignment, void **region);

    /* Gives a region back; source and size are those it was acquired with. Failure leaves the region as it is; give_back.h
     * offers it again. */
    int (*give_back)(os_source source, void *region, size_t size);

    /* Makes a mapped or heap region larger or smaller, with what is in it; moved: where it begins then, aligned to alignment. It may
     * lie elsewhere, but for a mapped one that is made smaller. Failure leaves the region as it is. ENOMEM: there is no memory; another
     * error: this region cannot be changed. A mapped one's pages and their policies are what they were; what has been added has the
     * same ones. */
    int (*resize)(os_source source, void *region, size_t old_size, size_t size, size_t alignment, void **moved);

    /* Drops the pages that lie wholly inside a range of a region; its contents are undefined afterwards. */
    int (*purge)(void *start, size_t size);

    /* Asks for huge pages for a mapped region, which begins and ends between such pages, as far as it can. EINVAL: there are
     * none. */
    int (*advise_huge)(void *region, size_t size);

    /* Says where the pages of a mapped region that nobody has touched are to come from. Only after os_numa_start(). */
    int (*bind)(void *region, size_t size, os_numa policy);

    /* Milliseconds since some moment in the past; never goes back, and may be a few behind. Cheap: no system call. */
    uint64_t (*now_ms)(void);
} os_backend;

/* The backend in use. Changed by tests alone, while no allocator exists. */
extern const os_backend *os;

/* The backend of this system, and its one that fails on request (linked into tests). */
extern const os_backend os_linux;
extern const os_backend os_fault;

size_t os_page_size(void);

/* Bytes of a range that are in memory at this moment; 0 for what is not mapped any more, or where the system does not say. */
size_t os_resident_bytes(void *start, size_t size);

/* Bytes of a huge page: of those in reserve, or of those that the kernel makes of ordinary ones; 0: it has none. */
size_t os_huge_page_size(bool reserved);

/* Loads libnuma, which nothing else needs; once it has been tried, this waits for nobody. And tries a policy, loading it if
 * need be. NULL, or what is missing: a static text for people. */
const char *os_numa_load(void);
const char *os_numa_start(os_numa policy);

/* What os_numa_start() loads; changed by tests alone. */
extern const char *os_numa_library;

typedef enum os_fault_kind {
    OS_FAULT_ACQUIRE = 1 << 0,
    OS_FAULT_GIVE_BACK = 1 << 1,
    OS_FAULT_PURGE = 1 << 2,
    OS_FAULT_ADVISE = 1 << 3,
    OS_FAULT_BIND = 1 << 4,
    OS_FAULT_RESIZE = 1 << 5, /* as of a region that cannot be changed; one that is to grow also counts as an acquire */
    OS_FAULT_EVERY = (1 << 6) - 1
} os_fault_kind;

/* os_fault: let so many calls of acquire, or of the kinds that are named, pass and fail all that follow, or the next one only;
 * os_fault_fail_purge() makes every purge fail.
 * os_fault_calls() tells how many there were since, os_fault_regions() how many regions are out. os_fault_limit() makes acquire
 * fail while so many regions are out, as a system does that is full. Its clock stands still but for os_fault_pass_ms(). */
void os_fault_arm(unsigned long pass, bool once);
void os_fault_arm_kinds(unsigned which, unsigned long pass, bool once);
void os_fault_disarm(void);
unsigned long os_fault_calls(void);
unsigned long os_fault_regions(void);
void os_fault_limit(unsigned long most_regions);
void os_fault_fail_purge(bool fail);
void os_fault_pass_ms(uint64_t ms);

/* So many regions of OS_HUGE succeed from here on, made of ordinary pages; without it there are those that the system has. */
void os_fault_reserve_huge(unsigned long reserved);

#endif
