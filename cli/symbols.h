/* Names for the frames of a leak report, from the program's files: for `poolbuf report --binaries`, where the process that
 * wrote the report had no debug information. Files are known by build-id alone; names of files and folders mean nothing. */
#ifndef CLI_SYMBOLS_H
#define CLI_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "arguments.h"
#include "reports/model.h"

typedef struct symbols_outcome {
    size_t named;      /* frames that got a function, or a file and line, or more of them */
    size_t wanted;     /* build-ids of frames that lacked one */
    size_t found;      /* of them, those that some file has */
    char missing[200]; /* some modules that no file was found for; empty: none */
} symbols_outcome;

/* symbols_resolve() looks through files and folders, all the way down.
 *   places   paths.
 *   model    replaced by one with names: stacks with inlined functions, fingerprints as where names are known.
 *   returns  false, with one line in `error`, if a place cannot be read; what is no ELF file is passed over. */
bool symbols_resolve(leaks_model **model, const text_list *places, symbols_outcome *outcome, char *error, size_t size);

#endif
