/* A look at a user's own shared object before a run, in a process of its own: it runs the user's constructors. */
#ifndef POOLBUF_BENCH_EXAMINE_H
#define POOLBUF_BENCH_EXAMINE_H

#include <stdbool.h>
#include <stddef.h>

#include "subjects/subject.h"

/* examine_library() asks a worker whether a library keeps the contract of subjects/plugin.h.
 *   name     of the subject; lent to it.
 *   path     as the user wrote it.
 *   out      set on success: a subject without a kernel, which only workers open; free its library with examine_fini().
 *   message  gets one line otherwise.
 *   threads  any. */
bool examine_library(const char *name, const char *path, subject *out, char *message, size_t message_size);
void examine_fini(subject *examined);

#endif
