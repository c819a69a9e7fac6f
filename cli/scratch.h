/* A private folder for the time of one subcommand: only its owner can look inside, and it is removed with all its files. */
#ifndef CLI_SCRATCH_H
#define CLI_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "arguments.h"

typedef struct scratch {
    char path[256];
} scratch;

/* scratch_create() makes the folder in TMPDIR or /tmp. Returns false after one line on stderr. */
bool scratch_create(scratch *folder);

/* scratch_list() lists the files whose names end in `suffix`, by name, with their paths. */
bool scratch_list(const scratch *folder, const char *suffix, text_list *paths);

/* scratch_remove() removes the folder and the files in it. */
void scratch_remove(const scratch *folder);

#endif
