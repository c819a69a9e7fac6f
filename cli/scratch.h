/* A private folder for the time of one subcommand: only its owner can look inside, and it is removed with all its files. */
#ifndef CLI_SCRATCH_H
#define CLI_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "arguments.h"

enum {
    SCRATCH_PATH_SIZE = 1024,
    SCRATCH_NAME_SIZE = 64, /* of a pattern's last part */
    SCRATCH_PATTERN_SIZE = 2 * SCRATCH_PATH_SIZE + SCRATCH_NAME_SIZE
};

typedef struct scratch {
    char path[SCRATCH_PATH_SIZE]; /* absolute: programs change their folder */
} scratch;

/* scratch_create() makes the folder in TMPDIR or /tmp. Returns false after one line on stderr. */
bool scratch_create(scratch *folder);

/* scratch_pattern() names files in the folder for a program in which %p is the process's id: a % of the folder's own is doubled.
 *   name  shorter than SCRATCH_NAME_SIZE.
 *   out   room for SCRATCH_PATTERN_SIZE bytes. */
void scratch_pattern(const scratch *folder, const char *name, char *out);

/* scratch_list() lists the files whose names end in `suffix`, by name, with their paths. */
bool scratch_list(const scratch *folder, const char *suffix, text_list *paths);

/* scratch_remove() removes the folder and the files in it. */
void scratch_remove(const scratch *folder);

#endif
