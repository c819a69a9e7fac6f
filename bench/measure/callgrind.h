/* A worker under callgrind: how it is started, and what callgrind counted.
 *
 * Only the kernel's play of the stream is counted: the worker tells callgrind where that begins and ends (player.c), in
 * each of its threads; generating, auditing, and the subject's prepare() are outside. A wait for another thread is
 * left out as well, where the program has its symbols. What could vary is pinned: addresses are not randomised, and
 * of the environment only what an allocator or the loader reads is kept, so that a stack begins where it did before.
 * Callgrind runs one thread at a time and hands the turn on in order; what threads do to each other, locks and cache
 * lines, costs nothing there, so a count with threads says how much is executed, not how long it takes. */
#ifndef POOLBUF_BENCH_CALLGRIND_H
#define POOLBUF_BENCH_CALLGRIND_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CALLGRIND_WORDS = 8 /* in front of the program's own */
};

/* One count; filled by callgrind_begin(). */
typedef struct callgrind_run {
    char valgrind[PATH_MAX];
    char out[PATH_MAX]; /* what callgrind writes; removed by callgrind_end() */
    char option[PATH_MAX + 32];
} callgrind_run;

/* callgrind_find() looks for valgrind in PATH.
 *   path  gets it.
 *   why   gets what is missing, and the package, when it returns false. */
bool callgrind_find(char path[PATH_MAX], char *why, size_t why_size);

/* callgrind_begin() makes a worker's command line one of valgrind's, and pins its environment.
 *   argv         the worker's words and a NULL, with room for CALLGRIND_WORDS more.
 *   environment  ends with NULL; shortened in place.
 * returns      false with a message when there is no valgrind or no room for its file; nothing is then to be ended.
 * */
bool callgrind_begin(callgrind_run *self, const char **argv, const char **environment, char *message,
                     size_t message_size);

/* callgrind_end() reads the count and removes the file, once the process has ended.
 *   returns  false where there is none. */
bool callgrind_end(const callgrind_run *self, uint64_t *instructions);

/* callgrind_read() finds the sum of what was counted in callgrind's file, which callgrind_end() does for you. */
bool callgrind_read(const char *path, uint64_t *instructions);

#endif
