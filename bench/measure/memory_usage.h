/* How much memory this process holds, as the kernel tells; its page faults and its context switches. Linux's /proc,
 * read without allocating, so that reading changes no heap. */
#ifndef POOLBUF_BENCH_MEMORY_USAGE_H
#define POOLBUF_BENCH_MEMORY_USAGE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct memory_usage {
    uint64_t resident_bytes;      /* now */
    uint64_t peak_resident_bytes; /* the most since the process began or memory_usage_reset_peak() */
} memory_usage;

/* memory_usage_read() fills usage.
 *   returns  false, with zeros, where /proc does not tell. */
bool memory_usage_read(memory_usage *usage);

/* memory_usage_reset_peak() makes the kernel forget the peak.
 *   returns  false where it will not; peaks then count from the start of the process. */
bool memory_usage_reset_peak(void);

typedef struct memory_faults {
    uint64_t minor; /* a page was given or mapped */
    uint64_t major; /* a page was read from a disk */
} memory_faults;

/* memory_faults_read() counts the faults of all threads since the process began. */
memory_faults memory_faults_read(void);

typedef struct memory_switches {
    uint64_t voluntary;   /* a thread waited for something: a lock, another thread */
    uint64_t involuntary; /* the kernel gave the processor to somebody else */
} memory_switches;

/* memory_switches_read() counts the context switches of all threads since the process began. */
memory_switches memory_switches_read(void);

#endif
