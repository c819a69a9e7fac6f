/* Whether a subject can be measured here, and what is missing. */
#ifndef POOLBUF_BENCH_AVAILABLE_H
#define POOLBUF_BENCH_AVAILABLE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "subjects/subject.h"

enum {
    AVAILABLE_WHY_SIZE = PATH_MAX + 256
};

/* available_this_program() writes the path of this program; "" if the system does not tell. */
void available_this_program(char path[PATH_MAX]);

/* available_worker() says which program plays a subject: the one given, or another in its folder.
 *   path     storage for the latter.
 *   returns  `program` or `path`. */
const char *available_worker(const char *program, const subject *which, char path[PATH_MAX]);

/* available_library() and available_program() look for what is preloaded for a subject, and for the program that plays
 * it.
 *   preload  gets the resolved path of the library; "" for none.
 *   why      gets what is missing, and the package to install, when they return false. */
bool available_library(const subject *which, char *preload, size_t preload_size, char *why, size_t why_size);
bool available_program(const char *program, const subject *which, char *why, size_t why_size);

/* available_here() is both, for this program. */
bool available_here(const subject *which, char *why, size_t why_size);

#endif
