/* Output that appears whole or not at all.
 *
 * What a subcommand writes is held in memory until output_commit(), which puts it beside its destination and renames it
 * there; after a failure or an interruption the destination is as it was. A destination that is not a regular file (a
 * pipe, /dev/full) is written to directly, at commit, and so is the file that stdout is. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

typedef struct output {
    FILE *stream; /* where to write */
    char *text;
    size_t length;
    char *path; /* the destination with links resolved; NULL is stdout */
    bool is_regular;
} output;

/* output_is_apart() is false, after one line on stderr, where the destination is the file of one of `inputs`, by whatever name:
 * what was read would be replaced by what was made of it.
 *   path    as of output_open().
 *   inputs  `count` paths; NULL is none, "-" stdin. */
bool output_is_apart(const char *path, const char *const *inputs, size_t count);

/* output_open() prepares a destination, and refuses one that could not be written: before the work, not after it.
 *   path     NULL or "-" is stdout.
 *   returns  true; or false after one line on stderr, with nothing to clean up. */
bool output_open(output *out, const char *path);

/* output_commit() makes the output appear. Returns false after one line on stderr. The output is finished either way. */
bool output_commit(output *out);

/* output_discard() forgets what was written. */
void output_discard(output *out);

#endif
