/* What the processes of `poolbuf leaks` could not report, as they counted it: tally_page.h of the detector. */
#ifndef CLI_TALLY_H
#define CLI_TALLY_H

#include <stdbool.h>
#include <stddef.h>

#include "scratch.h"

/* tally_make() makes the file in the folder, for POOLBUF_LEAK_TALLY.
 *   path     set to its name.
 *   returns  false, after one line on stderr, if it cannot be made. */
bool tally_make(const scratch *folder, char *path, size_t size);

typedef struct tally_count {
    unsigned long lost; /* reports */
    long first;         /* the id of the first of those processes */
} tally_count;

/* tally_read() reads what has become of it; nothing lost where it is gone. */
tally_count tally_read(const scratch *folder);

#endif
