/* Giving back what was taken from the system, also where the system refuses.
 *
 * It may: unmapping the middle of what the kernel has joined to one mapping needs one more mapping, and a process may have
 * only so many. A region that was refused is not forgotten (B1). Its pages are dropped, so that what it holds is address space;
 * it waits in a list, which is written into the regions themselves, is offered again after each region that the system did
 * take and with each purge, and serves anew where a region like it is wanted. It counts against the memory limit of
 * whoever gave it until it has gone. The list is the process's, as regions outlive the allocators that gave them. */
#ifndef GIVE_BACK_H
#define GIVE_BACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/os.h"

/* What is known of a region beside its place; kept while it waits. */
typedef struct give_back_terms {
    os_source source;
    size_t size;       /* both as it was acquired */
    const void *maker; /* only give_back_reuse() with the same one finds it; NULL: none does */
    uint64_t *counter; /* lowered by count when the system has the region; NULL: none */
    uint64_t count;
} give_back_terms;

/* Gives a region back. True: the system has it; false: it waits. */
bool give_back(void *region, const give_back_terms *terms);

/* The same for a region of metadata, which nobody counts or makes anew. */
void give_back_plain(os_source source, void *region, size_t size);

/* A region that waits and has that maker and size, mapped and counted as it was; NULL. */
void *give_back_reuse(const void *maker, size_t size);

/* Offers what waits to the system again. */
void give_back_retry(void);

/* The counter is about to go: no region that waits refers to it, or to the maker, any more. */
void give_back_disown(const uint64_t *counter);

/* How many regions wait, and their bytes. */
void give_back_waiting(uint64_t *regions, uint64_t *bytes);

/* Around fork(), after every other lock. */
void give_back_before_fork(void);
void give_back_after_fork(void);

#endif
