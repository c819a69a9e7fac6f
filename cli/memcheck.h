/* Memcheck as `poolbuf leaks --tool valgrind` starts it. */
#ifndef CLI_MEMCHECK_H
#define CLI_MEMCHECK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "scratch.h"

/* Options of Valgrind's that name files in the scratch folder. */
typedef struct memcheck_options {
    char xml[PATH_MAX + 32];
    char suppressions[PATH_MAX + 32];
} memcheck_options;

/* memcheck_prepare() fills the options and writes the suppressions that each run has; those that the user gives in
 * VALGRIND_OPTS are used as well. Returns false after one line on stderr. */
bool memcheck_prepare(const scratch *folder, memcheck_options *options);

/* memcheck_command() is Memcheck's command line in front of the program's `count` words, ended with NULL. The caller
 * frees the array, not the texts. NULL: no memory. */
char **memcheck_command(memcheck_options *options, char *const *program, size_t count);

#endif
