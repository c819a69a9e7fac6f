/* What the kernel says about the process: its mappings, and the words that it keeps for the process elsewhere than in
 * memory.
 *
 * Read with bare system calls, parsed by hand, buffered on the stack: it runs in a child that may call nothing which
 * takes a lock, and that maps and unmaps nothing of its own while it looks at the mappings. */
#ifndef LEAKDETECT_REACH_MAPS_H
#define LEAKDETECT_REACH_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

typedef struct reach_mapping {
    uintptr_t start, end;
    uint64_t device_number; /* of the file system */
    bool readable, writable, shared;
    bool anonymous; /* no file behind it */
    bool device;    /* below /dev, where reading may do something; /dev/shm and /dev/zero are not meant */
    bool in_memory; /* a file below /dev/shm; others are told by their device_number */
    bool swapped;   /* reach_maps_note_swapped() says so */
} reach_mapping;

/* reach_maps_parse() reads one line of /proc/self/maps, without its newline; false if it is none. */
bool reach_maps_parse(const char *line, size_t length, reach_mapping *mapping);

/* reach_maps_load() fills an array of reach_mapping, by address; false where /proc cannot be read, or without
 * memory. */
bool reach_maps_load(memory_array *mappings);

/* reach_maps_note_swapped() marks those of which a part is on a swap device; false as above. It takes the kernel a look at each
 * page table, so where nothing of the system is swapped, nobody need ask. reach_swap_parse() reads a line of smaps. */
bool reach_maps_note_swapped(memory_array *mappings);
bool reach_swap_parse(const char *line, size_t length);

/* Whether a range lies in readable mappings that touch. */
bool reach_maps_readable(const memory_array *mappings, uintptr_t start, size_t bytes);

/* reach_epoll_parse() finds the word in one line of an epoll's fdinfo: "tfd: 5 events: 19 data: 7f0012345678 pos:
 * ...". */
bool reach_epoll_parse(const char *line, size_t length, uint64_t *word);

/* reach_hex_visit() calls visit with each number of a line that is written as 0x... */
typedef void reach_word_visitor(void *context, uint64_t word);
void reach_hex_visit(const char *line, size_t length, reach_word_visitor *visit, void *context);

/* Looks at every thread of the process that waits in a system call: its arguments and the stack pointer, which are in
 * registers. The kernel does not tell those of a thread that runs. False where /proc/self/task cannot be read. */
bool reach_threads_visit(reach_word_visitor *visit, void *context);

/* Looks at every open file: calls visit with each word that an epoll keeps, and tells whether there is an io_uring,
 * which does not show what it keeps. False where /proc/self/fd cannot be read. */
bool reach_files_visit(reach_word_visitor *visit, void *context, bool *io_uring);

#endif
