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
    OS_HEAP = 1
} os_source;

typedef struct os_backend {
    /* A region of size bytes, aligned to alignment, a power of two; its contents are undefined. ENOMEM. */
    int (*acquire)(os_source source, size_t size, size_t alignment, void **region);

    /* Gives a region back; source and size are those it was acquired with. Failure leaves the region as it is. */
    int (*give_back)(os_source source, void *region, size_t size);

    /* Drops the pages that lie wholly inside a range of a region; its contents are undefined afterwards. */
    int (*purge)(void *start, size_t size);

    /* Milliseconds since some moment in the past; never goes back, and may be a few behind. Cheap: no system call. */
    uint64_t (*now_ms)(void);
} os_backend;

/* The backend in use. Changed by tests alone, while no allocator exists. */
extern const os_backend *os;

/* The backend of this system, and its one that fails on request (linked into tests). */
extern const os_backend os_linux;
extern const os_backend os_fault;

size_t os_page_size(void);

/* os_fault: let so many calls of acquire pass and fail all that follow, or the next one only; purge does as
 * os_fault_fail_purge() says.
 * os_fault_calls() tells how many there were since, os_fault_regions() how many regions are out. os_fault_limit() makes acquire
 * fail while so many regions are out, as a system does that is full. Its clock stands still but for os_fault_pass_ms(). */
void os_fault_arm(unsigned long passing, bool once);
void os_fault_disarm(void);
unsigned long os_fault_calls(void);
unsigned long os_fault_regions(void);
void os_fault_limit(unsigned long most_regions);
void os_fault_fail_purge(bool fail);
void os_fault_pass_ms(uint64_t ms);

#endif
